"""Encounters and their waits, and what is usual of them in a sector: the scale in which all sectors are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.forecasting.calendar import Calendar, CivilHours

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Triage levels 1–5, and 0 where there is none.
LEVELS = 6
# Added before the logarithm: a patient seen at once and one seen after five minutes differ little to those who wait.
SHIFT_MIN = 15.0
_CLOCK_CELLS = 48
_LEAST_SPREAD = 0.05
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Waits:
    """Encounters of one sector by arrival, in minutes since 1970 UTC.

    `care_min` is NaN while care has not begun, or never will; `leave_min` is NaN while the patient is there. Who
    left without care has the latter only. `level` is the triage level 1–5, 0 if none is known, and `level_min`
    the minute from which on it was known. Encounters whose start of care was not delivered do not belong here.
    """

    arrival_min: Floats
    care_min: Floats
    leave_min: Floats
    level: Ints
    level_min: Floats

    @classmethod
    def of(
        cls, arrival_min: Floats, care_min: Floats, leave_min: Floats, level: Ints, level_min: Floats | None = None
    ) -> Waits:
        """Return encounters given in any order; a level was known from arrival on unless `level_min` says otherwise.

        Raises
        ------
        DataError
            If care begins or the patient leaves before arrival, or a level is not one of 0–5.
        """
        known = arrival_min if level_min is None else np.fmax(level_min, arrival_min)
        if (care_min < arrival_min).any() or (leave_min < arrival_min).any():
            raise DataError("a wait ends before it starts.", next_step="Leave such rows in quarantine.")
        if ((level < 0) | (level >= LEVELS)).any():
            raise DataError("a triage level is not one of 0–5.", next_step="Map the feed's levels to 1–5.")
        order = np.lexsort((known, level, leave_min, care_min, arrival_min))
        return cls(
            np.asarray(arrival_min, dtype=np.float64)[order],
            np.asarray(care_min, dtype=np.float64)[order],
            np.asarray(leave_min, dtype=np.float64)[order],
            np.asarray(level, dtype=np.int64)[order],
            np.asarray(known, dtype=np.float64)[order],
        )

    def known_at(self, now_min: float) -> Waits:
        """Return what was known at an instant: nobody who came later, and nothing that happened later."""
        came = self.rows(self.arrival_min <= now_min)
        return Waits.of(
            came.arrival_min,
            np.where(came.care_min <= now_min, came.care_min, np.nan),
            np.where(came.leave_min <= now_min, came.leave_min, np.nan),
            np.where(came.level_min <= now_min, came.level, 0),
            np.minimum(came.level_min, now_min),
        )

    def rows(self, chosen: Bools | Ints) -> Waits:
        """Return some of the encounters."""
        times = self.arrival_min[chosen], self.care_min[chosen], self.leave_min[chosen]
        return Waits(*times, self.level[chosen], self.level_min[chosen])

    @property
    def wait_min(self) -> Floats:
        """Return the minutes from arrival to the start of care; NaN where care has not begun."""
        return self.care_min - self.arrival_min

    @property
    def first_hour(self) -> int:
        """Return the number (since 1970) of the hour of the first arrival."""
        return int(self.arrival_min[0] // 60)


@dataclass(frozen=True)
class Usual:
    """What is usual in a sector: the scale in which its waits are read, so that sectors can learn from each other.

    On the scale of log(minutes + 15), a wait is usually `clock[civil hour] + level[level]`, give or take `spread`;
    `clock` has 48 values, those of weekends and holidays last. `level` has a mean of 0 over the sector's patients.
    `arrivals_per_h` is the mean of all hours.
    """

    clock: Floats
    level: Floats
    spread: float
    arrivals_per_h: float

    def scaled(self, wait_min: Floats, cell: Ints, level: Ints | None = None) -> Floats:
        """Return how many spreads waits lie from the usual ones of that hour, and of that level if one is given."""
        usual = self.clock[cell] if level is None else self.clock[cell] + self.level[level]
        return np.asarray((np.log(wait_min + SHIFT_MIN) - usual) / self.spread)

    def minutes(self, scaled: Floats, cell: Ints) -> Floats:
        """Return the minutes, at least 0, so many spreads from what is usual at each row's hour."""
        usual = self.clock[cell][:, None]
        return np.maximum(np.exp(usual + self.spread * scaled) - SHIFT_MIN, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "clock": self.clock.tolist(),
            "level": self.level.tolist(),
            "spread": self.spread,
            "arrivals_per_h": self.arrivals_per_h,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Usual:
        """Return what `to_dict` described."""
        return cls(np.array(stored["clock"]), np.array(stored["level"]), stored["spread"], stored["arrivals_per_h"])


def fit_usual(waits: Waits, calendar: Calendar) -> Usual:
    """Fit to the waits that ended in care; hours that differ no more than chance has it are taken for equal."""
    hours = civil_hours(waits.first_hour, int(waits.arrival_min[-1] // 60) + 1, calendar)
    seen = waits.rows(np.isfinite(waits.care_min))
    cell = cells(hours)[(seen.arrival_min // 60).astype(np.int64) - waits.first_hour]
    wait = np.log(seen.wait_min + SHIFT_MIN)
    middle = float(wait.mean())
    level = _shrunk(wait - middle, seen.level, LEVELS)
    level = level - (level[seen.level]).mean()
    clock = middle + _shrunk(wait - middle - level[seen.level], cell, _CLOCK_CELLS)
    spread = float((wait - clock[cell] - level[seen.level]).std())
    span_h = max(float(waits.arrival_min[-1] - waits.arrival_min[0]) / 60.0, 1.0)
    return Usual(
        clock=np.round(clock, 9),
        level=np.round(level, 9),
        spread=max(round(spread, 9), _LEAST_SPREAD),
        arrivals_per_h=round(len(waits.arrival_min) / span_h, 9),
    )


def _shrunk(values: Floats, group: Ints, groups: int) -> Floats:
    """Return the mean of each group, drawn towards 0 by as much as chance explains of what they differ.

    Source of the variance between groups: DerSimonian & Laird, Controlled Clinical Trials 1986;7:177.
    """
    number = np.bincount(group, minlength=groups).astype(np.float64)
    mean = np.bincount(group, values, groups) / np.maximum(number, 1.0)
    within = float(((values - mean[group]) ** 2).sum()) / max(len(values) - int((number > 0).sum()), 1)
    excess = float((number * mean**2).sum()) - within * (int((number > 0).sum()) - 1)
    between = max(excess, 0.0) / max(len(values) - float((number**2).sum()) / len(values), 1.0)
    return mean * between * number / np.maximum(between * number + within, 1e-12)


def civil_hours(first_hour: int, until_hour: int, calendar: Calendar) -> CivilHours:
    """Return the calendar of the hours (numbered since 1970) from `first_hour` to before `until_hour`."""
    return calendar.hours(_EPOCH + timedelta(hours=first_hour), until_hour - first_hour)


def cells(hours: CivilHours) -> Ints:
    """Return the civil hour (0–23), 24 more on weekends and holidays."""
    return np.asarray(hours.hour + 24 * (hours.day_type >= 5))
