"""CUSUM charts of days, and the thresholds that the reference itself gives them.

A chart adds up log likelihood ratios "changed since then" to "not changed", and shows the highest over all days on
which the change may have begun (Page, Biometrika 1954;41:100). Levels of days have a memory: busy days come together.
So a level is looked at through what the days before did not tell of it; a lasting change shows there strongly on its
first days and weaker afterwards, and the chart knows how (Lai, JRSS B 1995;57:613).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from healthcare_ops.monitoring.hours import Flags, Floats, Ints

MEMORY_DAYS = 7
# Ages of a change in days; from the last one on it shows the same every day.
_AGES = MEMORY_DAYS + 1
_YEARS, _YEAR_DAYS, _BLOCK_DAYS = 400, 365, 7
# A day is an event, two are a change: no day alone reaches a threshold.
_MOST_OF_A_DAY = 0.75
# Nor does a chart rise without end, so that it comes down soon after a change is over.
_CEILING = 2.0
_LEAST_DAYS = 28
# The level's memory from day to day, and its part of the variance of days; both are fitted.
_LEVEL_MEMORY, _LEVEL_PART = np.arange(1, 20) / 20, np.arange(1, 11) / 10
_FITTED, _SETTLED = 2, 60
# A tail is counted where at least this share of the virtual years reach it.
_COUNTED = 0.1
# A reference has not seen everything, so its own virtual years are too tame; those of levels with a long tail, whose
# memory has to be estimated as well, even more; those of a short reference most. Chosen on seeds that no table reports.
_ROOM, _ROOM_OF_LONG_TAILS, _ROOM_DAYS = 1.1, 1.3, 30.0
# A chart of normal days that starts anew so many times a year reaches the logarithm of that ÷ alarms; none needs less
# than two nats below it.
_LOOKS_A_YEAR, _NATS_BELOW = 220.0, 2.0


@dataclass(frozen=True)
class Chart:
    """One direction of a change: what is new on each day, and the evidence in it by the age of the change.

    The evidence of a day is `gain[age]`·new − `cost[age]` (nats). NaN = the day says nothing. `unsure` is the standard
    error of the mean of `new`, for the reference may not know its own level well. Where `new` `is_normal`, theory tells
    as well as the reference what is reached by chance.
    """

    direction: int
    new: Floats
    gain: Floats
    cost: Floats
    unsure: float = 0.0
    is_normal: bool = False


def ratio_chart(direction: int, ratios: Floats) -> Chart:
    """Return the chart of days that know no memory, of their log likelihood ratios."""
    return Chart(direction, ratios, np.ones(_AGES), np.zeros(_AGES))


@dataclass(frozen=True)
class Memory:
    """How deviations of days go on: what the week before tells of a day, fitted to the reference."""

    weights: Floats
    variance: float

    @classmethod
    def of(cls, series: Floats) -> Memory:
        """Fit it to deviations with mean 0; unknown days (NaN) count as usual ones.

        A level that returns to the usual one day by day, and chance on top: the likeliest of a grid. Two numbers, for
        a year does not tell the seven of a free autoregression. Source: Harvey, Forecasting, Structural Time Series
        Models and the Kalman Filter, 1989, ch. 3.
        """
        is_known = np.isfinite(series)
        count = int(is_known.sum())
        if count < _LEAST_DAYS or not np.nan_to_num(series).any():
            return cls(np.zeros(MEMORY_DAYS), max(float((series[is_known] ** 2).sum()) / max(count, 1), 1e-9))
        candidates = _memories()
        squares = (_new(series, candidates)[:, is_known] ** 2).sum(axis=1)
        best = int(squares.argmin())
        lost = 1 - _FITTED / max(count, 2 * _FITTED)
        return cls(candidates[best], max(float(squares[best]) / count / lost, 1e-9))

    @cached_property
    def shows(self) -> Floats:
        """Return which part of a lasting change is new on each day of its age."""
        told = np.concatenate([[0.0], np.cumsum(self.weights)])
        return np.asarray(1 - told)

    @property
    def long_variance(self) -> float:
        """Return the variance of a mean of many days, times their number."""
        return self.variance / max(float(self.shows[-1]), 0.05) ** 2

    def new(self, series: Floats) -> Floats:
        """Return what the days before did not tell of a day; NaN where the day is not known."""
        return np.asarray(_new(series, self.weights[None])[0])

    def chart(self, direction: int, series: Floats, size: float, anchor_days: int) -> Chart:
        """Return the chart of a lasting change by `size`, against a level that so many days of the reference tell."""
        change = size * self.shows
        unsure = float(np.sqrt(self.long_variance / anchor_days) * self.shows[-1])
        return Chart(direction, self.new(series), change / self.variance, change**2 / (2 * self.variance), unsure)


def thresholds(charts: Sequence[Chart], *, trained: int, per_year: Floats, seed: int) -> Floats:
    """Return what each chart reaches `per_year` times (its own) in a year without any change.

    Years are put together of weeks of the first `trained` days (moving blocks), and of a level that the reference may
    have got wrong. Infinite for a chart to which fewer than four weeks of days speak.
    """
    known = [chart.new[:trained][np.isfinite(chart.new[:trained])] for chart in charts]
    speaks = np.array([len(days) >= _LEAST_DAYS and bool(days.any()) for days in known])
    out = np.full(len(charts), np.inf)
    if not speaks.any():
        return out
    chosen = [number for number, is_heard in enumerate(speaks) if is_heard]
    new = np.stack([np.resize(known[number], max(map(len, known))) for number in chosen])
    heard = [charts[number] for number in chosen]
    random = np.random.default_rng(seed)
    wrong = np.array([chart.unsure for chart in heard])[:, None] * random.standard_normal(_YEARS)
    gain, cost = _coefficients(heard)
    highest = np.zeros_like(wrong)
    now = np.zeros((len(chosen), _YEARS, _AGES))
    for days in virtual_days(new.shape[1], _YEAR_DAYS, random):
        now = _grown(now, gain[:, None] * (new[:, days] + wrong)[..., None] - cost[:, None])
        np.maximum(highest, now.max(axis=-1), out=highest)
    has_long_tail = [chart.unsure > 0 and not chart.is_normal for chart in heard]
    room = np.where(has_long_tail, _ROOM_OF_LONG_TAILS, _ROOM)
    room = room * (1 + _ROOM_DAYS / np.array([len(known[number]) for number in chosen]))
    by_chance = np.log(_LOOKS_A_YEAR / per_year[speaks])
    found = np.maximum(room * reached(highest, per_year[speaks]), by_chance - _NATS_BELOW)
    # The highest of one year's virtual years is a sample; its geometric mean with the theory's is nearer the truth.
    out[speaks] = np.where([chart.is_normal for chart in heard], np.sqrt(found * by_chance), found)
    return out


def reached(highest: Floats, per_year: Floats) -> Floats:
    """Return what is reached so many times a year, from the highest of virtual years, shape (charts, years).

    Times a year are Poisson, so that a year has none with the chance exp(−times). What fewer than a tenth of the years
    reach is too seldom to be counted: there the tail is exponential, as that of such charts is.
    """
    chance = -np.expm1(-per_year)
    counted = np.array([np.quantile(row, 1 - max(p, _COUNTED)) for row, p in zip(highest, chance, strict=True)])
    beyond = np.maximum(highest - counted[:, None], 0.0)
    mean = beyond.sum(axis=1) / np.maximum((beyond > 0).sum(axis=1), 1)
    return np.asarray(counted + mean * np.log(np.maximum(_COUNTED / chance, 1.0)))


def cusum(charts: Sequence[Chart], threshold: Floats, days: slice, masked: Flags) -> tuple[Floats, Ints]:
    """Return the charts over some days, and for how many days each change has lasted by then; shape (charts, days).

    Days that `masked` (charts, days) tells say nothing.
    """
    gain, cost = _coefficients(charts)
    new = np.array([chart.new[days] for chart in charts])
    is_heard = np.isfinite(new) & ~masked & np.isfinite(threshold)[:, None]
    most = np.where(np.isfinite(threshold), threshold, 0.0)[:, None]
    out, lasted = np.zeros(new.shape), np.zeros(new.shape, dtype=np.int64)
    now, since = np.zeros((len(charts), _AGES)), np.zeros((len(charts), _AGES), dtype=np.int64)
    for day in range(new.shape[1]):
        step = np.minimum(gain * np.nan_to_num(new[:, day, None]) - cost, _MOST_OF_A_DAY * most)
        goes_on = now[:, -1] >= now[:, -2]
        now = np.minimum(_grown(now, np.where(is_heard[:, day, None], step, 0.0)), _CEILING * most)
        oldest = np.where(goes_on, since[:, -1], since[:, -2]) + 1
        since = np.concatenate([np.ones((len(charts), 1), np.int64), since[:, :-2] + 1, oldest[:, None]], axis=1)
        # Of several that have reached the ceiling, the oldest: the others came after the change.
        best = now.shape[1] - 1 - now[:, ::-1].argmax(axis=1)
        out[:, day] = np.maximum(now.max(axis=1), 0.0)
        lasted[:, day] = since[np.arange(len(charts)), best]
    return out, lasted


def alarms(charts: Floats, threshold: Floats) -> Flags:
    """Tell on which days each chart is in alarm: from its threshold on, until half of the evidence is gone."""
    limit = np.where(np.isfinite(threshold), threshold, np.inf)
    out = np.zeros(charts.shape, dtype=bool)
    now = np.zeros(len(charts), dtype=bool)
    for day in range(charts.shape[1]):
        now = charts[:, day] >= np.where(now, limit / 2, limit)
        out[:, day] = now
    return out


def virtual_days(count: int, days: int, random: np.random.Generator) -> Ints:
    """Return which days of a reference virtual years are made of, shape (days, years): weeks from anywhere in a row."""
    starts = random.integers(0, count, (-(-days // _BLOCK_DAYS), _YEARS))
    places = starts[:, None, :] + np.arange(_BLOCK_DAYS)[None, :, None]
    return np.asarray(places.reshape(-1, _YEARS)[:days] % count)


@cache
def _memories() -> Floats:
    """Return the weights of the last days, newest first, for each pair of a level's memory and its part of variance."""
    found = [np.zeros(MEMORY_DAYS)]
    for memory in _LEVEL_MEMORY:
        for part in _LEVEL_PART:
            trust = _trust(memory, part)
            found.append(memory * trust * (memory * (1 - trust)) ** np.arange(MEMORY_DAYS))
    return np.array(found)


def _trust(memory: float, part: float) -> float:
    """Return which part of what is new on a day is the level's, in the long run (Kalman's gain)."""
    unsure = part
    for _ in range(_SETTLED):
        unsure = memory**2 * unsure * (1 - part) / (unsure + 1 - part) + part * (1 - memory**2)
    return unsure / (unsure + 1 - part)


def _new(series: Floats, weights: Floats) -> Floats:
    """Return what the days before did not tell of each day, a row for each row of weights."""
    known = np.concatenate([np.zeros(MEMORY_DAYS), np.nan_to_num(series)])
    before = np.stack([known[MEMORY_DAYS - lag : len(known) - lag] for lag in range(1, MEMORY_DAYS + 1)])
    return np.asarray(series - np.round(weights, 9) @ before)


def _coefficients(charts: Sequence[Chart]) -> tuple[Floats, Floats]:
    return np.stack([chart.gain for chart in charts]), np.stack([chart.cost for chart in charts])


def _grown(now: Floats, step: Floats) -> Floats:
    """Return the evidence for changes of each age (last axis) a day later; a change that is new starts at 0."""
    older = np.empty_like(now)
    older[..., 0] = 0.0
    older[..., 1:] = now[..., :-1]
    np.maximum(older[..., -1], now[..., -1], out=older[..., -1])
    older += step
    return older
