"""How long patients stay: a hazard by elapsed stay, triage level, civil hour and weekend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.glm import Design, fit_poisson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Triage levels 1–5, and 0 where there is none.
LEVELS = 6
# Civil hours of weekdays, then those of weekends and holidays.
CLOCKS = 48
MIN_ENDS = 100
# Quarter hours of an emergency visit up to weeks on a ward; bins that hold too few ends are joined.
_EDGES_MIN = (
    *range(0, 120, 15),
    *range(120, 360, 30),
    *range(360, 720, 60),
    *range(720, 1440, 180),
    *range(1440, 4320, 360),
    *(1440 * days for days in (3, 4, 5, 6, 7, 10, 14, 21, 28)),
)
_ENDS_PER_BIN = 25
_FOREVER_MIN = 1 << 22
# Patients of the day's mix that each hour of the day is thought to have seen beforehand.
_PRIOR_MIX = 20.0

# Penalties: 1 ÷ variance of an effect on the log scale. Chosen on January to March of the Swedish sample year;
# effects of the clock that differ by elapsed stay were tried there and made forecasts worse.
_BIN_RIDGE = 1.0
_LEVEL_RIDGE = 3.0
_LEVEL_BIN_RIDGE = 10.0
_HOUR_RIDGE = 30.0
_WEEKEND_RIDGE = 3.0
_WEEKEND_HOUR_RIDGE = 100.0


@dataclass(frozen=True)
class Stays:
    """Stays of one sector by start, in minutes since 1970 UTC; a patient is there at t if start ≤ t < end.

    `end_min` is −1 while a stay goes on; `level` is the triage level 1–5, 0 if none is known, and `level_min` the
    minute from which on it was known.
    """

    start_min: Ints
    end_min: Ints
    level: Ints
    level_min: Ints

    @classmethod
    def of(cls, start_min: Ints, end_min: Ints, level: Ints, level_min: Ints | None = None) -> Stays:
        """Return stays given in any order; a level was known from the start on unless `level_min` says otherwise.

        Raises
        ------
        DataError
            If a stay ends before it starts, or a level is not one of 0–5.
        """
        known = start_min if level_min is None else np.maximum(level_min, start_min)
        if ((end_min >= 0) & (end_min < start_min)).any():
            raise DataError("a stay ends before it starts.", next_step="Leave such rows in quarantine.")
        if ((level < 0) | (level >= LEVELS)).any():
            raise DataError("a triage level is not one of 0–5.", next_step="Map the feed's levels to 1–5.")
        order = np.lexsort((known, level, end_min, start_min))
        return cls(*(np.asarray(column, dtype=np.int64)[order] for column in (start_min, end_min, level, known)))

    def known_at(self, now_min: int) -> Stays:
        """Return what was known at an instant: nobody who came later, no end and no level that came later."""
        came = self._where(self.start_min <= now_min)
        return Stays.of(
            came.start_min,
            np.where(came.end_min > now_min, -1, came.end_min),
            np.where(came.level_min > now_min, 0, came.level),
            np.minimum(came.level_min, now_min),
        )

    def ended_after(self, instant_min: int) -> Stays:
        """Return the stays that go on or ended after an instant."""
        return self._where((self.end_min < 0) | (self.end_min > instant_min))

    def ends_by(self, instant_min: int) -> int:
        """Return how many stays ended until an instant."""
        return int(((self.end_min >= 0) & (self.end_min <= instant_min)).sum())

    def present(self) -> Stays:
        """Return the stays that go on."""
        return self._where(self.end_min < 0)

    def counts(self, first_min: int, hours: int) -> Floats:
        """Return how many are there at the start of each of consecutive hours."""
        at = first_min + 60 * np.arange(hours)
        ends = np.sort(self.end_min[self.end_min >= 0])
        there = np.searchsorted(self.start_min, at, side="right") - np.searchsorted(ends, at, side="right")
        return there.astype(np.float64)

    def _where(self, rows: NDArray[np.bool_]) -> Stays:
        return Stays(self.start_min[rows], self.end_min[rows], self.level[rows], self.level_min[rows])


@dataclass(frozen=True)
class SurvivalModel:
    """Hazard of leaving, per hour: exp(`stay[level, bin]` + `clock[civil hour]`), constant within bin and hour.

    `edges_min` are the lower edges of the bins of elapsed stay, the last of which never ends; `clock` has 48
    values, `clock_cells` names theirs. `mix[hour]` are the shares of the levels among those who come in that hour.
    """

    edges_min: Ints
    stay: Floats
    clock: Floats
    mix: Floats

    def hazards(self, elapsed_min: Ints | Floats, level: Ints, steps_min: Ints, rates: Floats) -> Floats:
        """Return the hazard gathered until each of `steps_min` (minutes ahead, from 0), a row per patient.

        `rates` are the clock's factors from each step to the next. An elapsed stay below 0 is that of somebody
        who comes only then. Who has gathered h is there still with probability exp(−h).
        Source: the piecewise exponential model, Friedman, Annals of Statistics 1982;10:101.
        """
        gathered = self._gathered(level, np.asarray(elapsed_min, dtype=np.float64)[:, None] + steps_min)
        return np.pad(np.cumsum(np.diff(gathered, axis=1) * rates, axis=1), ((0, 0), (1, 0)))

    def level_shares(self, elapsed_min: Ints, hour: Ints) -> Floats:
        """Return the probability of each level, a row per patient without one yet, who came at civil `hour`.

        Each level counts by its share of those who come at that hour and stay so long.
        """
        every = np.tile(np.arange(LEVELS), len(elapsed_min))
        gathered = self._gathered(every, np.repeat(elapsed_min, LEVELS)[:, None]).reshape(-1, LEVELS)
        # Less the least of each row: after weeks all would be nothing.
        weight = self.mix[hour] * np.exp(gathered.min(axis=1, keepdims=True) - gathered)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def rates(self, first_min: int, hours: int, calendar: Calendar) -> Floats:
        """Return the clock's factor in each of consecutive hours."""
        return np.asarray(np.exp(self.clock[clock_cells(first_min, hours, calendar)]))

    def _gathered(self, level: Ints, at_min: Floats | Ints) -> Floats:
        """Return the hazard gathered up to each elapsed stay, the clock's factor left out; a row per level given."""
        edges = np.append(self.edges_min, _FOREVER_MIN)
        until = np.pad(np.cumsum(np.exp(self.stay) * np.diff(edges) / 60.0, axis=1), ((0, 0), (1, 0)))
        out = np.zeros(at_min.shape)
        for one in np.unique(level):
            rows = level == one
            out[rows] = np.interp(at_min[rows], edges, until[one])
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values."""
        return {name: values.tolist() for name, values in zip(_FIELDS, astuple(self), strict=True)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> SurvivalModel:
        """Return the model that `to_dict` described."""
        return cls(*(np.array(stored[name]) for name in _FIELDS))


_FIELDS = ("edges_min", "stay", "clock", "mix")


@dataclass(frozen=True)
class Pieces:
    """Parts of stays, each within one bin and one UTC hour.

    `stay` is the row of the stay, `hour` the number of the hour since 1970; `is_end` tells where a stay ended.
    """

    stay: Ints
    bin: int
    hour: Ints
    exposure_h: Floats
    is_end: NDArray[np.bool_]


def pieces(stays: Stays, edges_min: Ints, from_min: int, until_min: int) -> Iterator[Pieces]:
    """Yield, bin by bin, the parts of stays between two instants; what goes on then is cut off there."""
    is_over = (stays.end_min >= 0) & (stays.end_min <= until_min)
    end = np.where(is_over, stays.end_min, until_min)
    for place, (low, high) in enumerate(zip(edges_min, np.append(edges_min[1:], _FOREVER_MIN), strict=True)):
        since = np.maximum(stays.start_min + low, from_min)
        until = np.minimum(stays.start_min + high, end)
        there = np.flatnonzero(until > since)
        hours = (until[there] - 1) // 60 - since[there] // 60 + 1
        stay = np.repeat(there, hours)
        hour = since[stay] // 60 + np.arange(len(stay)) - np.repeat(np.cumsum(hours) - hours, hours)
        low_min, high_min = np.maximum(since[stay], 60 * hour), np.minimum(until[stay], 60 * hour + 60)
        yield Pieces(stay, place, hour, (high_min - low_min) / 60.0, is_over[stay] & (high_min == end[stay]))


def fit_survival(stays: Stays, until_min: int, calendar: Calendar) -> SurvivalModel:
    """Fit on what was known at `until_min`: who is there still then counts as long as he was seen.

    Raises
    ------
    DataError
        If fewer than 100 stays have ended.
    """
    known = stays.known_at(until_min)
    durations = (known.end_min - known.start_min)[known.end_min >= 0]
    if len(durations) < MIN_ENDS:
        raise DataError(
            f"{len(durations)} stays have ended; a model of how long patients stay needs {MIN_ENDS}.",
            next_step="Load more history.",
        )
    edges = _edges(durations)
    first = int(known.start_min[0]) // 60
    clock = clock_cells(60 * first, until_min // 60 + 1 - first, calendar)
    exposure, ends = _cells(known, edges, clock, first, until_min)
    seen = np.flatnonzero(exposure)
    cells, ridge = _design(len(edges))
    design = Design(cells[seen], np.arange(len(seen)), np.empty((0, len(seen))))
    effects = fit_poisson(design, ends[seen], ridge=ridge, offset=np.log(exposure[seen]))
    stay = 1 + len(edges) + LEVELS + LEVELS * len(edges)
    return SurvivalModel(
        edges_min=edges,
        stay=np.round((cells[:, :stay] @ effects[:stay]).reshape(LEVELS, len(edges), CLOCKS)[:, :, 0], 9),
        clock=np.round(cells[:CLOCKS, stay:] @ effects[stay:], 9),
        mix=_mix(known.level, clock[known.start_min // 60 - first] % 24),
    )


def clock_cells(first_min: int, hours: int, calendar: Calendar) -> Ints:
    """Return the civil hour (0–23) of consecutive hours, 24 more on weekends and public holidays."""
    civil = calendar.hours(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=int(first_min)), int(hours))
    return np.asarray(civil.hour + 24 * (civil.day_type >= 5))


def _edges(durations: Ints) -> Ints:
    """Return those edges between which, and after the last of which, enough stays end."""
    kept = [0]
    for edge in _EDGES_MIN[1:]:
        inside = (durations > kept[-1]) & (durations <= edge)
        if min(inside.sum(), (durations > edge).sum()) >= _ENDS_PER_BIN:
            kept.append(edge)
    return np.array(kept)


def _cells(stays: Stays, edges: Ints, clock: Ints, first: int, until_min: int) -> tuple[Floats, Floats]:
    """Return hours of exposure and ends of each level, bin and civil hour."""
    size = LEVELS * len(edges) * CLOCKS
    exposure, ends = np.zeros(size), np.zeros(size)
    for part in pieces(stays, edges, 0, until_min):
        cell = (stays.level[part.stay] * len(edges) + part.bin) * CLOCKS + clock[part.hour - first]
        exposure += np.bincount(cell, part.exposure_h, size)
        ends += np.bincount(cell[part.is_end], minlength=size)
    return exposure, ends


def _design(bins: int) -> tuple[Floats, Floats]:
    """Return a line per level, bin and civil hour, and the penalty of each column: those of the stay come first."""
    cell = np.arange(LEVELS * bins * CLOCKS)
    clock, stay = cell % CLOCKS, cell // CLOCKS
    hour, weekend = np.eye(24)[clock % 24], (clock >= 24)[:, None] * 1.0
    groups = (
        (np.ones((len(cell), 1)), 0.0),
        (np.eye(bins)[stay % bins], _BIN_RIDGE),
        (np.eye(LEVELS)[stay // bins], _LEVEL_RIDGE),
        (np.eye(LEVELS * bins)[stay], _LEVEL_BIN_RIDGE),
        (hour, _HOUR_RIDGE),
        (weekend, _WEEKEND_RIDGE),
        (hour * weekend, _WEEKEND_HOUR_RIDGE),
    )
    ridge = np.repeat([penalty for _, penalty in groups], [columns.shape[1] for columns, _ in groups])
    return np.concatenate([columns for columns, _ in groups], axis=1), ridge


def _mix(level: Ints, hour: Ints) -> Floats:
    """Return the shares of the levels at each civil hour, drawn towards those of the whole day."""
    seen = np.bincount(hour * LEVELS + level, minlength=24 * LEVELS).reshape(24, LEVELS)
    day = seen.sum(axis=0) / len(level)
    mix = (seen + _PRIOR_MIX * day) / (seen.sum(axis=1, keepdims=True) + _PRIOR_MIX)
    return np.asarray(np.round(mix, 9))
