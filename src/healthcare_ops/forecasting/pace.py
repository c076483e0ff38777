"""How fast a sector works, compared with what is usual: departures seen beside those expected of who was there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.glm import Design, fit_poisson, predict_poisson
from healthcare_ops.forecasting.pairs import drawn_pairs
from healthcare_ops.forecasting.survival import Stays, SurvivalModel, clock_cells, pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WINDOWS_H = (12, 168, 672, 2016)
HISTORY_H = max(_WINDOWS_H)
_FADE_H = 12.0
# Departures added to both sides of a ratio: an empty night is no evidence of a slow sector.
_PRIOR_DEPARTURES = 10.0
_RIDGE = 100.0
_MAX_PAIRS = 60_000
_LEAST_EXPECTED = 1e-3


@dataclass(frozen=True)
class Departures:
    """Departures of consecutive hours, seen and expected of who was there; `first_hour` counts since 1970."""

    first_hour: int
    seen: Floats
    expected: Floats

    def first(self, hours: int) -> Departures:
        """Return the first hours."""
        return Departures(self.first_hour, self.seen[:hours], self.expected[:hours])


@dataclass(frozen=True)
class Pace:
    """Effects on the logarithm of the hazard: of the ratio seen ÷ expected over each window, lasting and fading."""

    effects: Floats

    def factors(self, before: Departures, hours: int) -> Floats:
        """Return the factor on the hazard in each of the hours after the departures given."""
        origin = np.full(hours, len(before.seen))
        return predict_poisson(_design(before, origin, np.arange(hours)), self.effects)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values."""
        return {"effects": self.effects.tolist()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Pace:
        """Return the model that `to_dict` described."""
        return cls(np.array(stored["effects"]))


def departures(
    stays: Stays, survival: SurvivalModel, calendar: Calendar, *, from_hour: int, until_hour: int
) -> Departures:
    """Return the departures of the hours given, numbered since 1970; `until_hour` is not one of them."""
    hours = until_hour - from_hour
    clock = np.exp(survival.clock[clock_cells(60 * from_hour, hours, calendar)])
    hazard, seen, expected = np.exp(survival.stay), np.zeros(hours), np.zeros(hours)
    late = stays.ended_after(60 * from_hour)
    for part in pieces(late, survival.edges_min, 60 * from_hour, 60 * until_hour):
        hour = part.hour - from_hour
        at_work = hazard[late.level[part.stay], part.bin] * part.exposure_h
        expected += np.bincount(hour, at_work, hours) * clock
        seen += np.bincount(hour[part.is_end], minlength=hours)
    return Departures(from_hour, seen, expected)


def fit_pace(found: Departures) -> Pace:
    """Fit on pairs of origins and leads up to 48 h: the departures of an hour, given who was there then."""
    hours = len(found.seen)
    origins, leads = drawn_pairs(hours, min(168, hours // 2), _MAX_PAIRS)
    design = _design(found, origins, leads)
    ridge = np.full(len(design.rows) + 1, _RIDGE)
    offset = np.log(found.expected[origins + leads] + _LEAST_EXPECTED)
    return Pace(fit_poisson(design, found.seen[origins + leads], ridge=ridge, offset=offset))


def _design(found: Departures, origins: Ints, leads: Ints) -> Design:
    ratios = _ratios(found, origins)
    rows = np.concatenate([ratios, ratios * np.exp(-leads / _FADE_H)])
    return Design(np.ones((1, 1)), np.zeros(len(leads), dtype=np.int64), rows)


def _ratios(found: Departures, origins: Ints) -> Floats:
    """Return log(seen ÷ expected) over each window before each origin, over what there is of it in a short history."""
    seen, expected = (np.pad(np.cumsum(values), (1, 0)) for values in (found.seen, found.expected))
    ratios = np.zeros((len(_WINDOWS_H), len(origins)))
    for line, window in zip(ratios, _WINDOWS_H, strict=True):
        start = np.maximum(origins - window, 0)
        line[:] = np.log(
            (seen[origins] - seen[start] + _PRIOR_DEPARTURES)
            / (expected[origins] - expected[start] + _PRIOR_DEPARTURES)
        )
    return ratios
