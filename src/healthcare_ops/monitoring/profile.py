"""What is usual at each hour of the week, and through the year.

What is said of a day of the reference leaves its own week out: otherwise the reference would fit itself better than any
week to come, and every new week would look like drift.
"""

from __future__ import annotations

import numpy as np

from healthcare_ops.monitoring.charts import Memory
from healthcare_ops.monitoring.hours import Days, Floats, Ints

# Hours of a weekday are drawn towards those of all days of their kind by so many arrivals, or hours of the measure.
_PRIOR_ARRIVALS, _PRIOR_HOURS = 20.0, 4.0
_KINDS = (slice(0, 5), slice(5, 6), slice(6, 7))  # working days, Saturday, Sunday
_YEAR_DAYS, _LEAST_YEAR_DAYS, _HARMONICS = 365.25, 330, (1, 2)
# The level is that of the last weeks of the reference.
ANCHOR_DAYS = 56
# How far it is likely to stand off before any data speak (1 = 100 %), if seasons are not known, or are.
_LIKELY, _LIKELY_BESIDE_SEASON = 0.1, 0.03


def usual_counts(counts: Floats, hours: Floats, days: Days) -> Floats:
    """Return expected counts per hour, shape (days, 7, 24), for the weekdays of each day's week.

    `counts` and `hours` (how often the clock showed the hour and the count is known) have the shape (days, 24).
    """
    count, shown = (_without_each_week(table, days) for table in (counts, hours))
    level = count.sum(axis=-1) / np.maximum(shown.sum(axis=-1), 1.0)
    usual = np.empty_like(count)
    for kind in _KINDS:
        shape = (count[:, kind].sum(axis=1) + 0.5) / np.maximum(shown[:, kind].sum(axis=1), 1.0)
        shape /= shape.mean(axis=-1, keepdims=True)
        usual[:, kind] = np.maximum(level[:, kind, None] * shape[:, None], 1e-6)
    return np.asarray(((count + _PRIOR_ARRIVALS) / (shown + _PRIOR_ARRIVALS / usual))[days.week])


def usual_values(values: Floats, weights: Floats, days: Days) -> Floats:
    """Return the usual value, shape (days, 7, 24), of a measure whose `values` are sums over `weights` hours."""
    value, weight = (_without_each_week(table, days) for table in (values, weights))
    everything = value.sum(axis=(1, 2)) / np.maximum(weight.sum(axis=(1, 2)), 1e-9)
    usual = np.empty_like(value)
    for kind in _KINDS:
        amount, of = value[:, kind].sum(axis=1), weight[:, kind].sum(axis=1)
        usual[:, kind] = ((amount + _PRIOR_HOURS * everything[:, None]) / (of + _PRIOR_HOURS))[:, None]
    return np.asarray(((value + _PRIOR_HOURS * usual) / (weight + _PRIOR_HOURS))[days.week])


def of_weekday(usual: Floats, weekday: Ints) -> Floats:
    """Return the 24 hours of each day, from the seven weekdays that are usual for it."""
    return np.asarray(usual[np.arange(len(usual)), weekday])


def usual_deviation(deviation: Floats, weight: Floats, days: Days, *, with_season: bool) -> Floats:
    """Return how far each day stands off the usual hours of the week by season and by the level of the last weeks.

    `deviation` is 0 on a usual day; days of weight 0 say nothing. Season are two waves a year, if the reference is
    about a year long. Both are drawn towards 0 by what chance and the memory of days can make of them.
    """
    known = days.is_typical & (weight > 0)
    if not known.any():
        return np.zeros(len(deviation))
    off, at = deviation[known], days.number[known]
    share = weight[known] / weight[known].mean()
    noise = Memory.of(off - np.average(off, weights=share)).long_variance
    with_season = with_season and days.number[days.trained - 1] - days.number[0] >= _LEAST_YEAR_DAYS
    found = _season(off, share, noise, at, days.number, waves=_HARMONICS if with_season else ())
    off = off - found[known]
    recent = at > days.number[days.trained - 1] - ANCHOR_DAYS
    if not recent.any():
        return found
    level = np.average(off[recent], weights=share[recent])
    likely = _LIKELY_BESIDE_SEASON if with_season else _LIKELY
    return np.asarray(found + level * likely**2 / (likely**2 + noise / np.count_nonzero(recent)))


def _season(off: Floats, share: Floats, noise: float, at: Ints, days: Ints, *, waves: tuple[int, ...]) -> Floats:
    """Return the mean and the waves of a year, drawn towards 0 by how far they stand out of chance.

    Source: James & Stein, Proc. 4th Berkeley Symposium, 1961;1:361.
    """

    def columns(day: Ints) -> Floats:
        angle = 2 * np.pi * np.multiply.outer(np.array(waves), day / _YEAR_DAYS).reshape(len(waves), len(day))
        return np.vstack([np.ones(len(day)), np.sin(angle), np.cos(angle)])

    mine = columns(at)
    products = (mine * share) @ mine.T
    size = np.linalg.solve(products, (mine * share) @ off)
    if waves:
        known = np.linalg.inv(np.linalg.inv(products)[1:, 1:])
        stands_out = float(size[1:] @ known @ size[1:]) / noise
        size[1:] *= max(0.0, 1 - (len(size) - 3) / max(stands_out, 1e-9))
        size[0] = np.average(off - size[1:] @ mine[1:], weights=share)
    return np.asarray(np.round(size, 9) @ columns(days))


def _without_each_week(table: Floats, days: Days) -> Floats:
    """Return sums by weekday and hour, shape (weeks + 1, 7, 24): without each week of the reference, then with all."""
    sums = np.zeros((days.weeks + 1, 7, 24))
    np.add.at(sums, (days.week[days.is_typical], days.weekday[days.is_typical]), table[days.is_typical])
    return np.asarray(sums.sum(axis=0) - sums)
