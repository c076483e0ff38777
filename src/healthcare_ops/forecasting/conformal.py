"""What the last weeks of training say of a forecast of waits: by how much its quantiles and its odds were off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The first distance (hours from the moment of forecasting) of each group, for small sectors and for large ones.
_GROUPS_H = (0.0, 3.0, 13.0)
_LARGE_PER_H = 1.0
# Patients that every group borrows from all.
_BORROWED = 1000.0
_SLOPE_RIDGE, _LEVEL_RIDGE = 30.0, 30.0
_ITERATIONS = 30
_DECIMALS = 9


@dataclass(frozen=True)
class Shifts:
    """How far each quantile is moved, a row per group and a column per quantile, in spreads of the sector."""

    by_group: Floats

    def apply(self, quantiles: Floats, group: Ints) -> Floats:
        """Return the quantiles moved and in order; one that would cross another exchanges places with it."""
        return np.sort(quantiles + self.by_group[group], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"by_group": self.by_group.tolist()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Shifts:
        """Return what `to_dict` described."""
        return cls(np.array(stored["by_group"]))

    @classmethod
    def none(cls, levels: int) -> Shifts:
        """Return shifts that move nothing."""
        return cls(np.zeros((2 * len(_GROUPS_H), levels)))


def group_of(distance_h: Floats, arrivals_per_h: Floats) -> Ints:
    """Return the group of forecasts so many hours ahead in sectors of that size."""
    lead = np.searchsorted(np.array(_GROUPS_H), distance_h, side="right") - 1
    return np.asarray(lead + len(_GROUPS_H) * (arrivals_per_h >= _LARGE_PER_H), dtype=np.int64)


def fit_shifts(gaps: Floats, group: Ints, weight: Floats, patient: Ints, levels: Sequence[float]) -> Shifts:
    """Return the shifts after which each quantile would have had its share of patients below it.

    `gaps` are what came − what was forecast, a column per quantile; rows of the same `patient` count as one. Each
    quantile is moved for itself, so that the two sides of an interval need not be alike.
    Source: Romano, Patterson & Candès, Conformalized quantile regression, NeurIPS 2019, with a side each.
    """
    out = Shifts.none(len(levels)).by_group
    if not len(gaps):
        return Shifts(out)
    everyone = _shifts(gaps, weight, len(np.unique(patient)), levels)
    for one in range(len(out)):
        rows = group == one
        patients = len(np.unique(patient[rows]))
        own = _shifts(gaps[rows], weight[rows], patients, levels) if patients else everyone
        out[one] = (patients * own + _BORROWED * everyone) / (patients + _BORROWED)
    return Shifts(np.round(out, _DECIMALS))


def weighted_quantiles(values: Floats, weight: Floats, levels: Sequence[float]) -> Floats:
    """Return, for each level (0–1), the first value up to which that share of the weight lies."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order]) / weight.sum()
    # A share that rounding left a little short is enough.
    at = np.searchsorted(below, np.array(levels) - 1e-12)
    return np.asarray(np.round(values[order[np.minimum(at, len(order) - 1)]], _DECIMALS))


def _shifts(gaps: Floats, weight: Floats, patients: int, levels: Sequence[float]) -> Floats:
    # The patient who comes next is one more, and stands on the outer side of each quantile.
    outer = [min((level * (patients + 1) - (level < 0.5)) / patients, 1.0) for level in levels]
    pairs = zip(gaps.T, outer, strict=True)
    return np.array([weighted_quantiles(gap, weight, [max(level, 0.0)])[0] for gap, level in pairs])


@dataclass(frozen=True)
class Odds:
    """Log-odds of a breach, mended: slope·odds + by_level[level − 1]."""

    slope: float = 1.0
    by_level: tuple[float, ...] = (0.0,) * 5

    def apply(self, odds: Floats, level: Ints) -> Floats:
        """Return probabilities."""
        return probability(self.slope * odds + np.array(self.by_level)[level - 1])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"slope": self.slope, "by_level": list(self.by_level)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Odds:
        """Return what `to_dict` described."""
        return cls(stored["slope"], tuple(stored["by_level"]))


def fit_odds(odds: Floats, level: Ints, breach: Floats, weight: Floats) -> Odds:
    """Fit by Newton's method, each parameter drawn towards "as it is"; `weight` is how many patients a row stands for.

    Source: Platt, Advances in Large Margin Classifiers 1999, with an intercept for each level.
    """
    columns = np.column_stack([odds, np.eye(5)[level - 1]])
    ridge = np.array([_SLOPE_RIDGE] + [_LEVEL_RIDGE] * 5)
    asis = np.array([1.0] + [0.0] * 5)
    found = asis.copy()
    for _ in range(_ITERATIONS):
        chance = probability(columns @ found)
        gradient = columns.T @ (weight * (breach - chance)) - ridge * (found - asis)
        hessian = (columns.T * (weight * chance * (1.0 - chance))) @ columns + np.diag(ridge)
        found = found + np.clip(np.linalg.solve(hessian, gradient), -1.0, 1.0)
    slope, *by_level = np.round(found, _DECIMALS).tolist()
    return Odds(slope, tuple(by_level))


def probability(odds: Floats) -> Floats:
    """Return the probability of log-odds, which are held within ±30."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0))))
