"""Forecasts that others issue (weather), as far as they were out at each origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.calendar import Calendar, waves

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Minutes since 1970 stay below this until the year 4000: target and issue fit one number that sorts by both.
_SPAN = 1 << 30
_SEASON_HARMONICS = (1, 2)
_HOUR_HARMONICS = (1, 2)
_RIDGE = 1.0
# An outlier of a weather service must not reach an exponential.
_MOST = 3.0


@dataclass(frozen=True)
class Regressor:
    """Values of one quantity: `value[i]`, for the hour that starts `target_min[i]`, was issued at `issue_min[i]`.

    Times in minutes since 1970, UTC, sorted by target and then issue.
    """

    name: str
    issue_min: Ints
    target_min: Ints
    value: Floats

    @classmethod
    def sorted(cls, name: str, issue_min: Ints, target_min: Ints, value: Floats) -> Regressor:
        """Return the regressor of rows in any order."""
        order = np.lexsort((issue_min, target_min))
        return cls(name, issue_min[order], target_min[order], value[order])

    def issued_by(self, issue_min: int) -> Regressor:
        """Return what was issued until an instant."""
        mine = self.issue_min <= issue_min
        return Regressor(self.name, self.issue_min[mine], self.target_min[mine], self.value[mine])

    def known(self, target_min: Ints, origin_min: Ints) -> Floats:
        """Return the newest value of each target that was issued at or before its origin; NaN if there is none."""
        if not len(self.value):
            return np.full(len(target_min), np.nan)
        keys = self.target_min * _SPAN + self.issue_min
        at = np.searchsorted(keys, target_min * _SPAN + origin_min, side="right") - 1
        is_there = (at >= 0) & (self.target_min[np.maximum(at, 0)] == target_min)
        return np.where(is_there, self.value[np.maximum(at, 0)], np.nan)


@dataclass(frozen=True)
class Covariates:
    """What is known beside the counts: the calendar, and what others forecast."""

    calendar: Calendar
    regressors: tuple[Regressor, ...] = ()

    def regressor(self, name: str) -> Regressor:
        """Return the regressor of that name; one without values if there is none."""
        nothing = np.empty(0, dtype=np.int64)
        found = (regressor for regressor in self.regressors if regressor.name == name)
        return next(found, Regressor(name, nothing, nothing, np.empty(0)))

    def hours_known(self, name: str, target_min: Ints, origin_min: int) -> int:
        """Return of how many targets a value of that name was issued by the origin."""
        values = self.regressor(name).known(target_min, np.full(len(target_min), origin_min))
        return int(np.isfinite(values).sum())


@dataclass(frozen=True)
class Climate:
    """What is usual of a regressor at each season and civil hour, and how far values lie from it."""

    name: str
    normal: Floats
    spread: float

    @classmethod
    def of(cls, regressor: Regressor, start: datetime, hours: int, calendar: Calendar) -> Climate | None:
        """Return the climate of the hours given, by ridge regression; None if they have fewer than a week of values."""
        starts = minutes(start) + 60 * np.arange(hours)
        value = regressor.known(starts, starts)
        is_known = np.isfinite(value)
        if is_known.sum() < 168:
            return None
        columns = _climate_columns(start, hours, calendar)[:, is_known]
        gram = columns @ columns.T + _RIDGE * np.eye(len(columns))
        mean = float(value[is_known].mean())
        normal = np.linalg.solve(gram, columns @ (value[is_known] - mean))
        normal[0] += mean
        spread = float((value[is_known] - normal @ columns).std())
        return cls(regressor.name, np.round(normal, 9), round(spread, 9)) if spread > 1e-9 else None

    def usual(self, start: datetime, hours: int, calendar: Calendar) -> Floats:
        """Return the usual value of consecutive hours."""
        out = np.zeros(hours)
        for weight, column in zip(self.normal, _climate_columns(start, hours, calendar), strict=True):
            out = out + weight * column
        return out

    def unusual(self, value: Floats, usual: Floats) -> Floats:
        """Return how many spreads the values lie from the usual ones, within ±3; 0 where there is no value."""
        return np.nan_to_num(np.clip((value - usual) / self.spread, -_MOST, _MOST))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, "normal": self.normal.tolist(), "spread": self.spread}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Climate:
        """Return what `to_dict` described."""
        return cls(stored["name"], np.array(stored["normal"]), stored["spread"])


def minutes(instant: datetime) -> int:
    """Return the whole minutes since 1970 of an aware instant."""
    return int(instant.timestamp() // 60)


def instant(minute: int) -> datetime:
    """Return the instant (UTC) of whole minutes since 1970."""
    return datetime.fromtimestamp(60 * int(minute), UTC)


def _climate_columns(start: datetime, hours: int, calendar: Calendar) -> Floats:
    civil = calendar.hours(start, hours)
    season = waves(2.0 * np.pi * civil.day_number / 365.2425, _SEASON_HARMONICS)
    clock = waves(2.0 * np.pi * civil.hour / 24, _HOUR_HARMONICS)
    return np.stack([np.ones(hours), *season, *clock, *(a * b for a in season for b in clock)])
