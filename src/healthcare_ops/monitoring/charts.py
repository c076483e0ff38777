"""CUSUM charts of days, and the thresholds that the reference itself gives them.

A chart adds up log likelihood ratios "changed since then" to "not changed", and shows the highest over all days on
which the change may have begun (Page, Biometrika 1954;41:100). Levels of days have a memory: busy days come together.
So a level is looked at through what the days before did not tell of it; a lasting change shows there strongly on its
first days and weaker afterwards, and the chart knows how (Lai, JRSS B 1995;57:613).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
# A reference has not seen everything, so its own virtual years are too tame; those of levels, whose memory has to be
# estimated as well, even more; those of a short reference most. Chosen on seeds that no table reports.
_ROOM, _ROOM_OF_LEVELS, _ROOM_DAYS = 1.1, 1.3, 30.0
# A chart starts anew about every twelfth day: it needs at least the evidence that so many looks a year give by chance.
_LOOKS_A_YEAR = 30.0


@dataclass(frozen=True)
class Chart:
    """One direction of a change: what is new on each day, and the evidence in it by the age of the change.

    The evidence of a day is `gain[age]`·new − `cost[age]` (nats). NaN = the day says nothing. `unsure` is the standard
    error of the mean of `new`, for the reference may not know its own level well.
    """

    direction: int
    new: Floats
    gain: Floats
    cost: Floats
    unsure: float = 0.0


def ratio_chart(direction: int, ratios: Floats) -> Chart:
    """Return the chart of days that know no memory, of their log likelihood ratios."""
    return Chart(direction, ratios, np.ones(_AGES), np.zeros(_AGES))


@dataclass(frozen=True)
class Memory:
    """How deviations of days go on: an autoregression over a week, fitted to the reference."""

    weights: Floats
    variance: float

    @classmethod
    def of(cls, series: Floats) -> Memory:
        """Fit it by Yule and Walker to deviations with mean 0; unknown days (NaN) count as usual ones."""
        known = np.nan_to_num(series)
        count = max(int(np.isfinite(series).sum()), 1)
        power = np.array([known[lag:] @ known[: len(known) - lag] for lag in range(MEMORY_DAYS + 1)]) / count
        if count < _LEAST_DAYS or power[0] <= 0:
            return cls(np.zeros(MEMORY_DAYS), max(float(power[0]), 1e-9))
        lags = np.abs(np.subtract.outer(np.arange(MEMORY_DAYS), np.arange(MEMORY_DAYS)))
        # A little on the diagonal: few weeks must not make a long memory of chance.
        weights = np.linalg.solve(power[lags] + np.eye(MEMORY_DAYS) * power[0] * MEMORY_DAYS / count, power[1:])
        lost = 1 - MEMORY_DAYS / max(count, 2 * MEMORY_DAYS)
        return cls(
            np.asarray(np.round(weights, 9), np.float64), max(float(power[0] - weights @ power[1:]) / lost, 1e-9)
        )

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
        known = np.concatenate([np.zeros(MEMORY_DAYS), np.nan_to_num(series)])
        told = [weight * known[MEMORY_DAYS - lag : -lag] for lag, weight in enumerate(self.weights, start=1)]
        return np.asarray(series - np.sum(told, axis=0))

    def chart(self, direction: int, series: Floats, size: float, anchor_days: int) -> Chart:
        """Return the chart of a lasting change by `size`, against a level that so many days of the reference tell."""
        change = size * self.shows
        unsure = float(np.sqrt(self.long_variance / anchor_days) * self.shows[-1])
        return Chart(direction, self.new(series), change / self.variance, change**2 / (2 * self.variance), unsure)


def thresholds(charts: Sequence[Chart], *, trained: int, per_year: float, seed: int) -> Floats:
    """Return what each chart reaches with the probability `per_year` in a year without any change.

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
    random = np.random.default_rng(seed)
    wrong = np.array([charts[number].unsure for number in chosen])[:, None] * random.standard_normal(_YEARS)
    gain, cost = _coefficients([charts[number] for number in chosen])
    highest = np.zeros_like(wrong)
    now = np.zeros((len(chosen), _YEARS, _AGES))
    for days in virtual_days(new.shape[1], _YEAR_DAYS, random):
        now = _grown(now, gain[:, None] * (new[:, days] + wrong)[..., None] - cost[:, None])
        np.maximum(highest, now.max(axis=-1), out=highest)
    room = np.array([_ROOM_OF_LEVELS if charts[number].unsure else _ROOM for number in chosen])
    room *= 1 + _ROOM_DAYS / np.array([len(known[number]) for number in chosen])
    found = room * np.quantile(highest, max(1 - per_year, 0.0), axis=1)
    out[speaks] = np.maximum(found, np.log(_LOOKS_A_YEAR / per_year))
    return out


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
