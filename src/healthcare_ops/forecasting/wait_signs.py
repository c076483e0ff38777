"""What is known of a sector's waits at an instant: who was seen lately, who waits, and what is usual at that hour."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.wait_usual import SHIFT_MIN, Usual, Waits, cells, civil_hours

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Whoever has not been seen within a day is not waiting any more, as far as others can tell from him.
LONGEST_MIN = 1440.0
_SEEN_H = (1, 3, 6, 24, 168, 672)
_UNLIKE_H = (168, 672)
_FLOW_H = (1, 3, 6, 24)
_URGENCIES = ((1, 2), (3,), (4, 5))
_PROFILE_WEEKS = (4, 8, 13)
_USUAL_WEEKS = (1, 2, 3, 4)
_WEEK_MIN = 10080.0
# An hour's arrivals count once all of them lie a day back; clocks may have changed by an hour meanwhile.
_SETTLED_H = 26
# Patients added to means and ratios, so that few say little.
_PRIOR_SEEN = 3.0
_PRIOR_FLOW = 1.0
# Sums of whole numbers are the same wherever they begin; sums of fractions are not.
_FINE = 1e6

NAMES = (
    "hour",
    "day_type",
    "near_holiday",
    "distance_h",
    "log_arrivals_per_h",
    *(f"seen_{hours}h" for hours in _SEEN_H),
    *(f"unlike_{hours}h" for hours in _UNLIKE_H),
    *(f"seen_24h_level_{urgency[0]}" for urgency in _URGENCIES),
    *(f"arrivals_{hours}h" for hours in _FLOW_H),
    *(f"care_starts_{hours}h" for hours in _FLOW_H),
    "queue",
    "queue_unusual",
    "queue_urgent",
    "queue_mean_wait",
    "queue_longest_wait",
    "present",
    "present_unusual",
    *(f"profile_{weeks}w" for weeks in _PROFILE_WEEKS),
)


class Signs:
    """What the encounters of a sector told at each instant; nothing after that instant has a say."""

    def __init__(self, waits: Waits, usual: Usual, calendar: Calendar, until_hour: int) -> None:
        self._waits, self.usual, self.first_hour = waits, usual, waits.first_hour
        self.hours = civil_hours(self.first_hour, until_hour, calendar)
        self.cells = cells(self.hours)

    def columns(self, now_min: Floats, target_hour: Ints) -> Floats:
        """Return a row per instant and target hour (numbered since 1970), one column per name of `NAMES`."""
        at = target_hour - self.first_hour
        return np.column_stack(
            [
                self.hours.hour[at],
                self.hours.day_type[at],
                self.hours.near_holiday[at],
                target_hour - now_min / 60.0,
                np.full(len(at), np.log(self.usual.arrivals_per_h)),
                *self._seen(now_min),
                *self._flows(now_min),
                *self._queue(now_min),
                *self._profiles(now_min, at),
            ]
        )

    @cached_property
    def _told(self) -> tuple[Floats, Ints, Ints]:
        """Return when care began, how many fine parts of a spread the wait was unusual, and the level known by then."""
        waits = self._waits.rows(self._waits.wait_min <= LONGEST_MIN)
        level = np.where(waits.level_min <= waits.care_min, waits.level, 0)
        cell = self.cells[(waits.arrival_min // 60).astype(np.int64) - self.first_hour]
        unusual = np.rint(_FINE * self.usual.scaled(waits.wait_min, cell, level)).astype(np.int64)
        order = np.argsort(waits.care_min, kind="stable")
        return waits.care_min[order], unusual[order], level[order]

    def _seen(self, now: Floats) -> list[Floats]:
        care, unusual, level = self._told
        out = [_recent_mean(care, unusual, now, hours) for hours in _SEEN_H]
        out += [_recent_mean(care, np.abs(unusual), now, hours) for hours in _UNLIKE_H]
        for urgency in _URGENCIES:
            mine = np.isin(level, urgency)
            out.append(_recent_mean(care[mine], unusual[mine], now, 24))
        return out

    def _flows(self, now: Floats) -> list[Floats]:
        out = []
        for instants in (self._waits.arrival_min, self._told[0]):
            for hours in _FLOW_H:
                usual = self._weeks_before(partial(_count, instants, hours=hours), now, hours)
                expected = np.where(np.isfinite(usual), usual, hours * self.usual.arrivals_per_h)
                out.append(_log_ratio(_count(instants, now, hours), expected))
        return out

    def _weeks_before(self, measured: Callable[[Floats], Floats], now: Floats, hours: int = 0) -> Floats:
        """Return the mean of what was measured one to four weeks before, NaN where there is no such week."""
        total, weeks = np.zeros(len(now)), np.zeros(len(now))
        for week in _USUAL_WEEKS:
            at = now - _WEEK_MIN * week
            there = at - 60.0 * hours >= self._waits.arrival_min[0]
            total += np.where(there, measured(at), 0.0)
            weeks += there
        return np.where(weeks > 0, total / np.maximum(weeks, 1.0), np.nan)

    def _queue(self, now: Floats) -> list[Floats]:
        waits, rate = self._waits, self.usual.arrivals_per_h
        ends = np.fmin(np.fmin(waits.care_min, waits.leave_min), waits.arrival_min + LONGEST_MIN)
        leaves = np.nan_to_num(waits.leave_min, nan=np.inf)
        urgent = (waits.level > 0) & (waits.level <= 2) & (waits.level_min < ends)
        queue, present = _Present(waits.arrival_min, ends), _Present(waits.arrival_min, leaves)
        hurry = _Present(waits.level_min[urgent], ends[urgent])
        waiting, there = queue.count(now), present.count(now)
        return [
            waiting / rate,
            _log_ratio(waiting, self._weeks_before(queue.count, now)),
            hurry.count(now) / rate,
            self._unusual_now(queue.mean_wait(now)),
            self._unusual_now(queue.longest_wait(now)),
            there / rate,
            _log_ratio(there, self._weeks_before(present.count, now)),
        ]

    def _unusual_now(self, wait: Floats) -> Floats:
        return np.asarray((np.log(wait + SHIFT_MIN) - self.usual.clock.mean()) / self.usual.spread)

    @cached_property
    def _bins(self) -> tuple[int, Floats, Floats]:
        """Return the first civil hour, and the number and unusualness of the patients of each civil hour on."""
        waits = self._waits.rows(self._waits.wait_min <= LONGEST_MIN)
        level = np.where(waits.level_min <= waits.arrival_min + LONGEST_MIN, waits.level, 0)
        at = (waits.arrival_min // 60).astype(np.int64) - self.first_hour
        unusual = self.usual.scaled(waits.wait_min, self.cells[at], level)
        civil = self.hours.civil_hour_number
        size = int(civil.max() - civil[0]) + 1
        place = civil[at] - civil[0]
        number = np.bincount(place, minlength=size).astype(np.float64)
        return int(civil[0]), number, np.asarray(np.bincount(place, unusual, size), dtype=np.float64)

    def _profiles(self, now: Floats, at: Ints) -> list[Floats]:
        """Return how unusual waits were at the same civil hour of the week, one hour more or less."""
        first, number, total = self._bins
        civil = self.hours.civil_hour_number
        settled = civil[np.minimum((now // 60).astype(np.int64) - self.first_hour, len(civil) - 1)] - _SETTLED_H
        many, unusual, out = np.zeros(len(at)), np.zeros(len(at)), []
        for week in range(1, max(_PROFILE_WEEKS) + 1):
            for beside in (-1, 0, 1):
                hour = civil[at] - 168 * week + beside
                there = (hour >= first) & (hour < settled)
                place = np.where(there, hour - first, 0)
                many += np.where(there, number[place], 0.0)
                unusual += np.where(there, total[place], 0.0)
            if week in _PROFILE_WEEKS:
                out.append(np.where(many > 0, unusual / (many + _PRIOR_SEEN), np.nan))
        return out


class _Present:
    """Who was there at an instant, of those who came and left at these minutes."""

    def __init__(self, starts: Floats, ends: Floats) -> None:
        order = np.argsort(starts, kind="stable")
        self._starts, leaves = starts[order], np.argsort(ends, kind="stable")
        self._ends = ends[leaves]
        self._origin = float(starts[order[0]]) if len(starts) else 0.0
        fine = np.rint(_FINE * (starts - self._origin)).astype(np.int64)
        self._came = np.pad(np.cumsum(fine[order]), (1, 0))
        self._left = np.pad(np.cumsum(fine[leaves]), (1, 0))
        self._latest_end = np.maximum.accumulate(ends[order])

    def count(self, now: Floats) -> Floats:
        """Return how many were there."""
        came, left = self._until(now)
        return (came - left).astype(np.float64)

    def mean_wait(self, now: Floats) -> Floats:
        """Return the mean time that they had been there, NaN where there was nobody."""
        came, left = self._until(now)
        number = came - left
        total = (self._came[came] - self._left[left]) / _FINE
        return np.where(number > 0, now - self._origin - total / np.maximum(number, 1), np.nan)

    def longest_wait(self, now: Floats) -> Floats:
        """Return how long the first of them had been there, NaN where there was nobody."""
        came, left = self._until(now)
        first = np.searchsorted(self._latest_end, now, side="right")
        start = self._starts[np.minimum(first, len(self._starts) - 1)]
        return np.where(came > left, now - start, np.nan)

    def _until(self, now: Floats) -> tuple[Ints, Ints]:
        return np.searchsorted(self._starts, now, side="right"), np.searchsorted(self._ends, now, side="right")


def _count(instants: Floats, now: Floats, hours: int) -> Floats:
    last, first = (np.searchsorted(instants, at, side="right") for at in (now, now - 60.0 * hours))
    return (last - first).astype(np.float64)


def _recent_mean(instants: Floats, values: Ints, now: Floats, hours: int) -> Floats:
    """Return the mean of the values of the hours before, drawn towards 0 where there are few."""
    total = np.pad(np.cumsum(values), (1, 0))
    last, first = (np.searchsorted(instants, at, side="right") for at in (now, now - 60.0 * hours))
    return (total[last] - total[first]) / _FINE / (last - first + _PRIOR_SEEN)


def _log_ratio(seen: Floats, expected: Floats) -> Floats:
    return np.log((seen + _PRIOR_FLOW) / (expected + _PRIOR_FLOW))
