"""A smooth, rising map of a count forecast's probabilities, which mends intervals that are too narrow or too wide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The first lead of each group that has a map of its own.
_GROUPS_H = (0, 3, 6, 12, 25)
# Penalties, 1 ÷ prior variance: of the slope that all groups share, and of a group's own about it.
_SLOPE_RIDGE, _OWN_RIDGE = 10.0, 100.0
# As many independent observations as the counts of one day are worth, which tell of each other.
_PER_DAY = 4.0
_FOLDS = 4
_STEPS = (0.2, 0.1, 0.05, 0.02, 0.01)
_LEAST = 1e-300


@dataclass(frozen=True)
class Calibration:
    """logit G(u) = exp(s)·logit u, with a slope s for each group of leads; 0 leaves the forecast as it is.

    Probabilities are mapped, not quantiles, so that mean, quantiles and the chance of a full ward still agree. There
    is no shift: in the Swedish sample year, a forecast too low for a season was as often too high in the next.
    Source: Platt scaling without a shift; see Kull, Silva Filho & Flach, Beta calibration, AISTATS 2017.
    """

    slopes: tuple[float, ...] = (0.0,) * len(_GROUPS_H)

    def apply(self, pmf: Floats, leads: Ints) -> Floats:
        """Return the mended probabilities of counts, a row per lead."""
        until, above = tails(pmf)
        mended = pmf.copy()
        for group, slope in enumerate(self.slopes):
            rows = group_of(leads) == group
            if slope and rows.any():
                mended[rows] = np.diff(_mapped(until[rows], above[rows], slope), axis=1, prepend=0.0)
        return mended

    def widened(self, log_width: float) -> Calibration:
        """Return the map of intervals so many times as wide as now, on the log scale of odds; 0 changes nothing."""
        return Calibration(tuple(slope - log_width for slope in self.slopes))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"slopes": list(self.slopes)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Calibration:
        """Return what `to_dict` described."""
        return cls(tuple(stored["slopes"]))


@dataclass(frozen=True)
class Seen:
    """What forecasts said of the counts that came, a value for each.

    `until` and `above` are P(X ≤ count) and P(X > count), `below` and `from_it` P(X < count) and P(X ≥ count);
    `lead` is in hours, `day` the number of the origin's day.
    """

    lead: Ints
    day: Ints
    below: Floats
    from_it: Floats
    until: Floats
    above: Floats

    @classmethod
    def of(cls, pmf: Floats, count: Ints, leads: Ints, day: int) -> Seen:
        """Return what the rows of `pmf`, one for each of the leads from one origin, said of the counts that came."""
        until, above = tails(pmf)
        until, above = np.pad(until, ((0, 0), (1, 0))), np.pad(above, ((0, 0), (1, 0)), constant_values=1.0)
        rows, at = np.arange(len(count)), np.minimum(count, pmf.shape[1] - 1)
        parts = (until[rows, at], above[rows, at], until[rows, at + 1], above[rows, at + 1])
        return cls(leads, np.full(len(count), day), *parts)

    @classmethod
    def joined(cls, parts: Sequence[Seen]) -> Seen:
        """Return all parts as one."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def where(self, rows: NDArray[np.bool_]) -> Seen:
        """Return some of them."""
        return Seen(*(getattr(self, field.name)[rows] for field in fields(self)))

    def log_chance(self, slope: float) -> float:
        """Return the mean log-probability that the mapped forecasts gave to what came; 0 of nothing."""
        if not len(self.lead):
            return 0.0
        chance = _mapped(self.until, self.above, slope) - _mapped(self.below, self.from_it, slope)
        return float(np.log(np.maximum(chance, _LEAST)).mean())


def fit_calibration(seen: Seen) -> Calibration:
    """Fit by the likelihood of what came, unless weeks that the maps have not seen were better forecast without."""
    week = seen.day // 7 % _FOLDS
    gain = 0.0
    for fold in range(_FOLDS):
        inside, outside = seen.where(week == fold), seen.where(week != fold)
        if not len(inside.lead) or not len(outside.lead):
            return Calibration()
        gain += _gain(_fit(outside), inside)
    return _fit(seen) if gain > 0.0 else Calibration()


def tails(pmf: Floats) -> tuple[Floats, Floats]:
    """Return P(X ≤ k) and P(X > k), the latter summed from the far end: 1 − u has no digits left where u is near 1."""
    above = np.cumsum(pmf[:, :0:-1], axis=1)[:, ::-1]
    return np.cumsum(pmf, axis=1), np.pad(above, ((0, 0), (0, 1)))


def group_of(leads: Ints) -> Ints:
    """Return the group of each lead."""
    return np.searchsorted(np.array(_GROUPS_H), leads, side="right") - 1


def _fit(seen: Seen) -> Calibration:
    """Return the likeliest slope of each group: first that of all together, then what each group adds."""
    shared = _likeliest(seen, 0.0, _SLOPE_RIDGE)
    groups = [seen.where(group_of(seen.lead) == group) for group in range(len(_GROUPS_H))]
    return Calibration(tuple(_likeliest(part, shared, _OWN_RIDGE) for part in groups))


def _likeliest(seen: Seen, centre: float, ridge: float) -> float:
    """Return the likeliest slope near the centre, found in smaller and smaller steps."""
    weight = _PER_DAY * len(np.unique(seen.day))

    @cache
    def value(slope: float) -> float:
        return weight * seen.log_chance(slope) - 0.5 * ridge * (slope - centre) ** 2

    best = centre
    for step in _STEPS:
        while True:
            found = max((best, round(best - step, 9), round(best + step, 9)), key=value)
            if found == best:
                break
            best = found
    return best


def _gain(fitted: Calibration, seen: Seen) -> float:
    """Return by how much likelier the mended forecasts found what came."""
    parts = [seen.where(group_of(seen.lead) == group) for group in range(len(_GROUPS_H))]
    return sum(
        len(part.lead) * (part.log_chance(slope) - part.log_chance(0.0))
        for part, slope in zip(parts, fitted.slopes, strict=True)
    )


def _mapped(until: Floats, above: Floats, slope: float) -> Floats:
    odds = np.exp(slope) * (np.log(np.maximum(until, _LEAST)) - np.log(np.maximum(above, _LEAST)))
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -700.0, 700.0))))
