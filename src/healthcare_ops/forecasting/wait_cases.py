"""The cases that a model of waits learns from: patients, each seen from some moments before his arrival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.pairs import MAX_LEAD_H
from healthcare_ops.forecasting.wait_signs import LONGEST_MIN, Signs
from healthcare_ops.forecasting.wait_usual import Usual, Waits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_MOST_PER_PATIENT = 4
# Of the leads drawn, so many are short: there the queue of the moment tells most.
_SHORT_SHARE, _SHORT_H = 0.3, 7
# The share of patients who would stay so long is not taken for smaller: one patient must not speak for many.
_LEAST_STAYING = 0.2


@dataclass(frozen=True)
class Cases:
    """Patients, each seen from some moments before his arrival: a row per patient and moment.

    `rows` are the signs of that moment; `scaled` and `target` are the wait and its target in spreads of the sector,
    the latter from what is usual of the level. `weight` tells how many patients a row stands for, 0 where the wait
    is not known; `breach_weight` likewise, 0 where nobody knows whether the target was kept. `sector` counts
    sectors by name.
    """

    rows: Floats
    sector: Ints
    cell: Ints
    level: Ints
    distance_h: Floats
    wait_min: Floats
    scaled: Floats
    target: Floats
    weight: Floats
    breach: Floats
    breach_weight: Floats
    patient: Ints
    day: Ints

    @classmethod
    def together(cls, parts: Sequence[Cases]) -> Cases:
        """Return the cases of several sectors."""
        return cls(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls)))

    def where(self, chosen: Bools) -> Cases:
        """Return some of the cases."""
        return Cases(*(getattr(self, one.name)[chosen] for one in fields(self)))


class Known:
    """What is known of each encounter's wait, and how many it stands for.

    A patient who was seen after w minutes stands for those, too, who left before or wait still: the inverse of the
    share who would stay w minutes (Kaplan & Meier, of leaving). Source: Robins & Finkelstein, Biometrics 2000;56:779.
    Who left, or waits, after his target certainly waited longer than it; who left before is not judged, nor is who
    has waited for more than a day: rather, nobody closed his record.
    """

    def __init__(self, waits: Waits, until_min: float, targets: tuple[float, ...]) -> None:
        self.waits, self.targets = waits, targets
        is_seen = np.isfinite(waits.care_min)
        waited = np.where(is_seen, waits.care_min, np.fmin(waits.leave_min, until_min)) - waits.arrival_min
        order = np.argsort(waited, kind="stable")
        left = ~is_seen[order] / np.arange(len(waited), 0, -1)
        staying = np.pad(np.cumprod(1.0 - left), (1, 0), constant_values=1.0)
        target = np.array((np.inf, *targets))[waits.level]

        def stands_for(minutes: Floats) -> Floats:
            return 1.0 / np.maximum(staying[np.searchsorted(waited[order], minutes, side="left")], _LEAST_STAYING)

        self.weight = np.where(is_seen, stands_for(waited), 0.0)
        self.is_breach = waited > target
        is_told = (waits.level > 0) & (is_seen | (self.is_breach & (waited <= LONGEST_MIN)))
        self.breach_weight = np.where(is_told, stands_for(np.minimum(waited, target)), 0.0)


def cases_of(known: Known, signs: Signs, since_min: float, most: int) -> Cases:
    """Return cases of a sector at moments from an instant on, at most about `most`; their `sector` is 0."""
    waits, usual = known.waits, signs.usual
    patient, now = _drawn(waits, since_min, most)
    hour = (waits.arrival_min[patient] // 60).astype(np.int64)
    rows, cell, level = signs.columns(now, hour), signs.cells[hour - signs.first_hour], waits.level[patient]
    share = 1.0 / np.maximum(np.bincount(patient, minlength=1)[patient], 1)
    wait = np.nan_to_num(waits.wait_min[patient])
    return Cases(
        rows=rows,
        sector=np.zeros(len(patient), dtype=np.int64),
        cell=cell,
        level=level,
        distance_h=hour - now / 60.0,
        wait_min=wait,
        scaled=usual.scaled(wait, cell),
        target=scaled_target(usual, cell, np.maximum(level, 1), known.targets),
        weight=known.weight[patient] * share,
        breach=known.is_breach[patient].astype(np.float64),
        breach_weight=known.breach_weight[patient] * share,
        patient=patient,
        day=hour // 24,
    )


def scaled_target(usual: Usual, cell: Ints, level: Ints, target_min: Sequence[float]) -> Floats:
    """Return how many spreads each level's target lies from the usual wait of that level and hour."""
    return usual.scaled(np.array(target_min, dtype=np.float64)[level - 1], cell, level)


def _drawn(waits: Waits, since_min: float, most: int) -> tuple[Ints, Floats]:
    """Return patients who came from an instant on, each with moments before (on quarter hours); seed fixed."""
    chance = np.random.default_rng(0)
    came = np.flatnonzero(waits.arrival_min >= since_min)
    if len(came) > most:
        came = np.sort(chance.choice(came, most, replace=False))
    patient = np.repeat(came, min(max(most // max(len(came), 1), 1), _MOST_PER_PATIENT))
    lead = chance.integers(0, MAX_LEAD_H + 1, len(patient))
    is_short = chance.random(len(patient)) < _SHORT_SHARE
    lead = np.where(is_short, chance.integers(0, _SHORT_H, len(patient)), lead)
    hour = waits.arrival_min[patient] // 60
    now = 60.0 * (hour - lead) - 15.0 * chance.integers(0, 4, len(patient))
    inside = now >= since_min
    return patient[inside], now[inside]
