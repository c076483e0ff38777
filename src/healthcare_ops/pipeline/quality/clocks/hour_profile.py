"""At which civil hours a site's patients come, and how much likelier a day is if its clock was wrong by some hours.

Only shares of the day count, never its volume: a busy day is no evidence about a clock. Hours in which nothing came
although much should have are an outage and are left out, or they would look like a night in the wrong place.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.civil_time import day_start, offset_spans

Instants = NDArray[np.datetime64]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

LEAST_DAYS = 28
LEAST_ARRIVALS = 1_000
_LEAST_JUDGED_ARRIVALS, _LEAST_JUDGED_HOURS = 20, 6

_HOUR_S, _DAY_S = 3_600, 86_400
# Of the 24 hours of all days together, and of the hours of one kind of day around those, in arrivals per hour.
_PRIOR_OF_ALL, _PRIOR_OF_KIND = 2.0, 20.0
# An empty run of which so many arrivals were expected is an outage: by chance it would be seen once in e⁴ = 55 runs.
_OUTAGE_EXPECTED = 4.0
# More than any candidate expects by so many standard deviations: records that were stamped when a queue was emptied.
_SPIKE_DEVIATIONS = 6.0
# So many weeks of a perfectly regular site are mixed with the history's own, which are few.
_REGULAR_WEEKS = 4


@dataclass(frozen=True)
class HourProfile:
    """Relative arrivals of the civil hours of a site.

    Attributes
    ----------
    zone
        The site's zone.
    rest_days
        Days that are like a weekend though they are none: public holidays.
    rates
        Two rows, working and rest days, of 24 civil hours; each row has the mean 1.
    dispersion
        How much more the hours of past days moved to earlier or later than chance alone would move them; at least 1.
    days, arrivals
        What it was learned from.
    """

    zone: ZoneInfo
    rest_days: frozenset[date]
    rates: Floats
    dispersion: float
    days: int
    arrivals: int


@dataclass(frozen=True)
class HourEvidence:
    """What the hours of one day say: natural logarithm of the likelihood ratio to no shift, for each offset (h).

    Without ratios they say nothing, and `reason` tells why.
    """

    log_ratios: dict[float, float]
    hours_used: int
    arrivals_used: int
    reason: str = ""


def learn_profile(
    arrived_at: Instants, days: Collection[date], zone: ZoneInfo, *, rest_days: frozenset[date] = frozenset()
) -> HourProfile | None:
    """Return the profile of a site's past days; None if they are too few to say anything.

    Parameters
    ----------
    arrived_at
        UTC instants, in any order; those of other days are left out.
    days
        The operational days to learn from, best the last sixteen weeks; the days to be judged must not be among them.
    rest_days
        Public holidays, also of days to be judged; Saturday and Sunday need not be named.
    """
    known = _Hours.of(sorted(days), zone, rest_days)
    counts = count_hours(arrived_at, known.start_s)
    of_day = np.bincount(known.day, weights=counts, minlength=len(days))
    if np.count_nonzero(of_day) < LEAST_DAYS or of_day.sum() < LEAST_ARRIVALS:
        return None
    is_used = of_day[known.day] > 0
    # Outages of the past can be told only by a profile, which they blur: learn, leave them out, learn again.
    rates = _learn_rates(known, counts, is_used)
    for _ in range(2):
        expected = _scaled(rates[known.kind, known.hour], counts, known.day)
        is_used = (of_day[known.day] > 0) & ~_outages(counts, expected, known.day)
        rates = _learn_rates(known, counts, is_used)
    dispersion = _dispersion(known, counts, is_used, rates)
    return HourProfile(zone, rest_days, rates, dispersion, int(np.count_nonzero(of_day)), int(of_day.sum()))


def weigh_hours(
    arrived_at: Instants,
    day: date,
    profile: HourProfile | None,
    offsets_h: Sequence[float],
    *,
    until: datetime | None = None,
) -> HourEvidence:
    """Return what the hours of an operational day say about offsets of its clock.

    Parameters
    ----------
    arrived_at
        UTC instants as read.
    offsets_h
        Instant as read − true instant, in hours; also parts of hours.
    until
        Aware; hours that end later are not over and do not count.
    """
    if profile is None:
        return HourEvidence({}, 0, 0, "not enough history")
    start_s = _hour_starts(day, profile.zone)
    counts = count_hours(arrived_at, start_s)
    shift_s = np.array([round(offset * _HOUR_S) for offset in (0.0, *offsets_h)])
    rates = rates_at(profile, start_s - shift_s[:, np.newaxis])
    is_over = np.ones(len(start_s), bool) if until is None else start_s + _HOUR_S <= until.timestamp()
    one_day = np.zeros(len(start_s), np.int64)
    expected = np.array([_scaled(row * is_over, counts * is_over, one_day) for row in rates])
    most = expected.max(axis=0)
    is_spike = counts > most + _SPIKE_DEVIATIONS * np.sqrt(most) + 3
    is_used = is_over & ~_outages(counts, expected[0], one_day) & ~is_spike
    used, among = counts[is_used], rates[:, is_used]
    if used.sum() < _LEAST_JUDGED_ARRIVALS or len(used) < _LEAST_JUDGED_HOURS:
        return HourEvidence({}, len(used), int(used.sum()), "too few arrivals in too few hours")
    log_likelihoods = np.log(among / among.sum(axis=1, keepdims=True)) @ used / profile.dispersion
    ratios = (log_likelihoods[1:] - log_likelihoods[0]).tolist()
    return HourEvidence(dict(zip(offsets_h, ratios, strict=True)), len(used), int(used.sum()))


def summed(days: Sequence[HourEvidence], offset_h: float) -> float:
    """Return what all hours of some days say about an offset; days without evidence say nothing."""
    return sum(day.log_ratios.get(offset_h, 0.0) for day in days)


def is_within(instants: Instants, first: date, last: date, zone: ZoneInfo) -> Flags:
    """Tell which UTC instants lie in the civil days from `first` to `last`; NaT does in none."""
    starts = (day_start(day, zone).replace(tzinfo=None) for day in (first, last + timedelta(days=1)))
    start, end = (np.datetime64(start, "us") for start in starts)
    within: Flags = (instants >= start) & (instants < end)
    return within


def rates_at(profile: HourProfile, start_s: Ints) -> Floats:
    """Return the relative arrivals of the hours that start at these UTC seconds since 1970, also between full hours."""
    first = start_s // _HOUR_S * _HOUR_S
    part = (start_s - first) / _HOUR_S
    rates: Floats = (1 - part) * _rates_of_full_hours(profile, first)
    if part.any():
        rates += part * _rates_of_full_hours(profile, first + _HOUR_S)
    return rates


def count_hours(arrived_at: Instants, start_s: Ints) -> Floats:
    """Return how many instants lie in each of the hours that start at these ascending UTC seconds; others in none."""
    at_s = np.floor(arrived_at.astype("datetime64[us]").astype(np.int64) / 1e6).astype(np.int64)
    hour = np.searchsorted(start_s, at_s, side="right") - 1
    is_inside = (hour >= 0) & (at_s < start_s[hour] + _HOUR_S)
    return np.bincount(hour[is_inside], minlength=len(start_s)).astype(float)


@dataclass(frozen=True)
class _Hours:
    """The civil hours of days: number of the day, UTC second of the start, hour 0–23, kind 0 working or 1 rest day."""

    day: Ints
    start_s: Ints
    hour: Ints
    kind: Ints

    @classmethod
    def of(cls, days: Sequence[date], zone: ZoneInfo, rest_days: frozenset[date]) -> _Hours:
        starts = [_hour_starts(day, zone) for day in days]
        start_s = np.concatenate(starts) if starts else np.zeros(0, np.int64)
        number = np.repeat(np.arange(len(days)), [len(hours) for hours in starts])
        return cls(number, start_s, *_civil_hour_and_kind(start_s, zone, rest_days))


def _rates_of_full_hours(profile: HourProfile, start_s: Ints) -> Floats:
    hour, kind = _civil_hour_and_kind(start_s, profile.zone, profile.rest_days)
    rates: Floats = profile.rates[kind, hour]
    return rates


def _civil_hour_and_kind(start_s: Ints, zone: ZoneInfo, rest_days: frozenset[date]) -> tuple[Ints, Ints]:
    if not start_s.size:
        return start_s, start_s
    first, last = (date(1970, 1, 1) + timedelta(seconds=int(s)) for s in (start_s.min(), start_s.max()))
    changes, offset_s = _offsets(zone, first, last)
    civil_s = start_s + offset_s[np.searchsorted(changes, start_s, side="right") - 1]
    day = civil_s // _DAY_S
    special = np.array([(rest - date(1970, 1, 1)).days for rest in rest_days], np.int64)
    # 1970-01-01 was a Thursday.
    is_rest = ((day + 3) % 7 >= 5) | np.isin(day, special)
    return civil_s % _DAY_S // _HOUR_S, is_rest.astype(np.int64)


@lru_cache(maxsize=1024)
def _offsets(zone: ZoneInfo, first: date, last: date) -> tuple[Ints, Ints]:
    """Return from which UTC seconds on the zone is how many seconds ahead of UTC."""
    spans = offset_spans(zone, first, last)
    changes = [round(span.from_utc.replace(tzinfo=UTC).timestamp()) for span in spans]
    return np.array(changes), np.array([span.offset_min * 60 for span in spans])


def _hour_starts(day: date, zone: ZoneInfo) -> Ints:
    start, end = (round(day_start(moment, zone).timestamp()) for moment in (day, day + timedelta(days=1)))
    return np.arange(start, end, _HOUR_S)


def _learn_rates(known: _Hours, counts: Floats, is_used: Flags) -> Floats:
    """Return arrivals per hour by kind and civil hour, drawn to those of all days and these to their neighbours."""
    cells = (known.kind * 24 + known.hour)[is_used]
    total, hours = (
        np.bincount(cells, weights=weights, minlength=48).reshape(2, 24)
        for weights in (counts[is_used], np.ones(len(cells)))
    )
    of_all = total.sum(axis=0) / np.maximum(hours.sum(axis=0), 1)
    level = of_all.mean()
    smooth = (np.roll(of_all, 1) + of_all + np.roll(of_all, -1)) / 3
    weight = _PRIOR_OF_ALL / level
    pooled = (total.sum(axis=0) + weight * smooth) / (hours.sum(axis=0) + weight)
    weight = _PRIOR_OF_KIND / level
    rates = (total + weight * pooled) / (hours + weight)
    # Nothing is impossible, or one patient at an hour that never had one would prove any clock wrong.
    rates = np.maximum(rates, level / 100)
    normalised: Floats = rates / rates.mean(axis=1, keepdims=True)
    return normalised


def _scaled(rates: Floats, counts: Floats, day: Ints) -> Floats:
    """Return the rates as arrivals, at the level that each day had in the hours in which somebody came."""
    came = counts > 0
    level = np.bincount(day[came], weights=counts[came], minlength=day.max(initial=0) + 1)
    weight = np.bincount(day[came], weights=rates[came], minlength=len(level))
    return rates * (level / np.maximum(weight, 1e-9))[day]


def _outages(counts: Floats, expected: Floats, day: Ints) -> Flags:
    """Return the hours of empty runs in which many were expected, with the hour before and after: it is part of it."""
    is_empty = counts == 0
    starts = np.flatnonzero(np.r_[True, (is_empty[1:] != is_empty[:-1]) | (day[1:] != day[:-1])])
    missed = np.add.reduceat(expected * is_empty, starts)
    is_out = np.repeat(missed > _OUTAGE_EXPECTED, np.diff(np.r_[starts, len(counts)]))
    same = day[1:] == day[:-1]
    widened = is_out.copy()
    widened[1:] |= is_out[:-1] & same
    widened[:-1] |= is_out[1:] & same
    return widened


def _dispersion(known: _Hours, counts: Floats, is_used: Flags, rates: Floats) -> float:
    """Return the variance of past shifts to earlier or later hours ÷ that of chance, by weeks; at least 1.

    The score of a small shift is a sum over arrivals of the slope of the log profile at their hour.
    """
    log_rates = np.log(rates)
    slope = ((np.roll(log_rates, 1, axis=1) - np.roll(log_rates, -1, axis=1)) / 2)[known.kind, known.hour]
    used, days = counts * is_used, known.day.max() + 1
    share = rates[known.kind, known.hour] * is_used

    def of_day(values: Floats) -> Floats:
        return np.bincount(known.day, weights=values, minlength=days).astype(np.float64)

    arrivals, whole = of_day(used), np.maximum(of_day(share), 1e-9)
    mean = of_day(share * slope) / whole
    score = of_day(used * slope) - arrivals * mean
    chance = arrivals * (of_day(share * slope**2) / whole - mean**2)
    week = np.arange(days) // 7
    by_week, chance_by_week = (np.bincount(week, weights=values) for values in (score, chance))
    is_known = chance_by_week > 0
    excess = np.sum(by_week[is_known] ** 2 / chance_by_week[is_known])
    return max(1.0, float((excess + _REGULAR_WEEKS) / (np.count_nonzero(is_known) + _REGULAR_WEEKS)))
