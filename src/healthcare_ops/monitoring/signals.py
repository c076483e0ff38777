"""What each day says about a change of arrivals, of their hours, of waits and of occupancy.

Evidence of a day is a log likelihood ratio, or stands for one: it is below 0 on usual days and above 0 on days that are
likelier under the smallest change worth finding. Sums of it are what a CUSUM needs. A day that says nothing has NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from healthcare_ops.monitoring.charts import Chart, Memory, ratio_chart
from healthcare_ops.monitoring.hours import Days, Flags, Floats, HospitalHours, SectorHours
from healthcare_ops.monitoring.profile import ANCHOR_DAYS, of_weekday, usual_counts, usual_deviation, usual_values

Kind = Literal["arrivals", "peak", "spread", "wait", "occupancy"]

HOSPITAL = ""
# The smallest changes worth finding: half of them is still usual.
WORTH_ARRIVALS, WORTH_PEAK_H, WORTH_SPREAD = 0.2, 2.0, 0.2
WORTH = {"wait": 1.0, "occupancy": 0.3}
SHIFTS_H = np.arange(-6, 7)
_CHARTED_H = (1, 2)
_LEAST_HOURS = 20
_MINUTE_OR_PATIENT = 1.0
_TEMPER = 0.5
_BINS = 10
# A relation to the arrivals of days is learnt from four weeks at least, between these quantiles of them.
_LEAST_DAYS, _SEEN = 28, (0.02, 0.98)


@dataclass(frozen=True)
class Level:
    """Arrivals of days against what was expected."""

    sector_id: str
    seen: Floats
    expected: Floats
    kind: Kind = "arrivals"
    worth: float = WORTH_ARRIVALS

    @classmethod
    def of(cls, sector_id: str, seen: Floats, usual: Floats, days: Days, *, with_season: bool) -> Level:
        """Return the level of days (NaN = says nothing), of which `usual` are thought to come before season and trend.

        Without season it is as if the reference's last weeks were the whole year.
        """
        speaks = np.isfinite(seen)
        weight = np.where(speaks, usual, 0.0)
        off = np.nan_to_num(seen) / np.maximum(usual, 1e-9) - 1
        found = usual_deviation(off, weight, days, with_season=with_season)
        return cls(sector_id, seen, np.where(speaks, usual * np.maximum(1 + found, 0.1), np.nan))

    def charts(self, trained: int) -> Iterator[Chart]:
        """Yield a chart for more arrivals and one for fewer, on a scale on which Poisson counts vary by 1 ÷ √mean."""
        off = _root(self.seen, self.expected)
        memory = Memory.of(off[:trained])
        for direction in (1, -1):
            size = 2 * np.sqrt((1 + self.worth) ** direction) - 2
            yield replace(memory.chart(direction, off, size, min(ANCHOR_DAYS, trained)), is_normal=True)

    def first(self, window: slice) -> int:
        """Return how many days of a window come before the change."""
        return _first_of(_root(self.seen[window], self.expected[window]))

    def size(self, window: slice | Flags) -> float:
        """Return the relative change over some days: 0.2 is 20 % more; 0 where not even one arrival was expected."""
        expected = np.nansum(self.expected[window])
        return float(np.nansum(self.seen[window]) / expected - 1) if expected >= 1 else 0.0


@dataclass(frozen=True)
class Peak:
    """Log likelihood ratios of hours that moved by `SHIFTS_H` to hours that did not, by day, shape (days, 13)."""

    sector_id: str
    ratios: Floats
    kind: Kind = "peak"
    worth: float = WORTH_PEAK_H

    def charts(self, trained: int) -> Iterator[Chart]:
        """Yield charts for one and two hours later, and earlier."""
        del trained  # the ratios know what is usual
        for direction in (1, -1):
            for hours in _CHARTED_H:
                yield ratio_chart(direction, self.ratios[:, int(np.argmax(direction * hours == SHIFTS_H))])

    def first(self, window: slice) -> int:
        """Return how many days of a window come before those that speak the most for one shift."""
        later = np.nan_to_num(self.ratios[window])[::-1].cumsum(axis=0)[::-1]
        return int(later.max(axis=1).argmax())

    def size(self, window: slice | Flags) -> float:
        """Return by how many hours the day came later, to the top of the parabola through the likeliest three."""
        total = np.nansum(self.ratios[window], axis=0)
        best = int(np.clip(np.argmax(total), 1, len(total) - 2))
        before, top, after = total[best - 1 : best + 2]
        bend = before - 2 * top + after
        return float(SHIFTS_H[best] + (0.5 * (before - after) / bend if bend < 0 else 0.0))


@dataclass(frozen=True)
class Measure:
    """Mean log of a measure over a day, against what is usual at the same hours."""

    sector_id: str
    kind: Kind
    off: Floats

    @property
    def worth(self) -> float:
        """Return the smallest relative change worth finding."""
        return WORTH[self.kind]

    def charts(self, trained: int) -> Iterator[Chart]:
        """Yield a chart for more and one for less."""
        memory = Memory.of(self.off[:trained])
        for direction in (1, -1):
            yield memory.chart(direction, self.off, direction * np.log1p(self.worth), min(ANCHOR_DAYS, trained))

    def first(self, window: slice) -> int:
        """Return how many days of a window come before the change."""
        return _first_of(self.off[window])

    def size(self, window: slice | Flags) -> float:
        """Return the relative change over some days: 1 is twice as much."""
        off = self.off[window]
        return float(np.expm1(np.nanmean(off))) if np.isfinite(off).any() else 0.0


@dataclass(frozen=True)
class Spread:
    """Hours of each day by tenths of what residuals were in the reference, shape (days, tenths)."""

    sector_id: str
    counts: Floats
    usual: Floats
    kind: Kind = "spread"
    worth: float = WORTH_SPREAD

    def stability(self, counts: Floats) -> Floats:
        """Return the population stability index of hours in tenths (last axis)."""
        share = (counts + 0.5) / (counts.sum(axis=-1, keepdims=True) + 0.5 * counts.shape[-1])
        return np.asarray(((share - self.usual) * np.log(share / self.usual)).sum(axis=-1))

    def size(self, window: slice | Flags) -> float:
        """Return the index over some days; of fewer than seven it means nothing."""
        return float(self.stability(self.counts[window].sum(axis=0)))


def trailing(counts: Floats) -> Floats:
    """Return sums of each day and the six before, along the first axis."""
    total = np.cumsum(counts, axis=0)
    return np.asarray(total - np.concatenate([np.zeros_like(total[:7]), total[:-7]])[: len(total)])


Charted = Level | Peak | Measure
Signal = Charted | Spread


class Arrivals:
    """Arrivals of a sector as tables of days and hours: counts, how often each hour is known, what is usual."""

    def __init__(self, hospital: HospitalHours, sector: SectorHours, is_silent: Flags) -> None:
        days = hospital.days
        arrivals = np.where(is_silent, np.nan, sector.arrivals)
        is_known = np.isfinite(arrivals)
        self.days = days
        self.count = hospital.totals(arrivals)
        self.shown = hospital.totals(is_known.astype(np.float64))
        self.usual = usual_counts(self.count, self.shown, days)
        self.plain = (self.shown * of_weekday(self.usual, days.weekday)).sum(axis=1)
        self.expected = self.plain
        if sector.expected is not None:
            self.expected = hospital.totals(np.where(is_known, sector.expected, 0.0)).sum(axis=1)
        self.speaks = ~days.is_holiday & (self.shown.sum(axis=1) >= _LEAST_HOURS)
        self.seen = np.where(self.speaks, self.count.sum(axis=1), np.nan)

    @cached_property
    def peak_ratios(self) -> Floats:
        """Return `Peak.ratios`: only shares of a day count, never its volume."""
        week = self.usual.reshape(-1, 168)
        moved = np.stack([of_weekday(np.roll(week, s, 1).reshape(-1, 7, 24), self.days.weekday) for s in SHIFTS_H], 1)
        share = moved / np.maximum((moved * self.shown[:, None]).sum(axis=-1, keepdims=True), 1e-9)
        log = np.log(share)
        ratios = (self.count[:, None] * (log - log[:, SHIFTS_H == 0])).sum(axis=-1)
        return np.where(self.speaks[:, None], ratios, np.nan)

    def spread(self, sector_id: str) -> Spread:
        """Return how the hours lie around their share of the day's arrivals, in units of chance."""
        share = self.shown * of_weekday(self.usual, self.days.weekday)
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
        mean = share * self.count.sum(axis=1, keepdims=True)
        is_known = (self.shown > 0) & self.speaks[:, None] & (mean > 0)
        residual = (self.count - mean) / np.sqrt(np.maximum(mean, 1e-9))
        trained = residual[: self.days.trained][is_known[: self.days.trained]]
        edges = np.unique(np.quantile(trained, np.arange(1, _BINS) / _BINS)) if len(trained) else np.zeros(0)
        tenth = np.searchsorted(edges, residual, side="right")
        counts = np.stack([((tenth == k) & is_known).sum(axis=1) for k in range(len(edges) + 1)], axis=1)
        usual = counts[: self.days.trained].sum(axis=0) + 0.5
        return Spread(sector_id, counts.astype(np.float64), usual / usual.sum())


class Logs:
    """Logs of a measure (+1 minute or patient) as tables of days and hours: sums, in how many hours, what is usual."""

    def __init__(self, hospital: HospitalHours, values: Floats) -> None:
        is_known = np.isfinite(values)
        log = np.log(np.maximum(np.nan_to_num(values), 0.0) + _MINUTE_OR_PATIENT)
        self.days = hospital.days
        self.sums = hospital.totals(np.where(is_known, log, 0.0))
        self.hours = hospital.totals(is_known.astype(np.float64))
        self.usual = usual_values(self.sums, self.hours, self.days)

    @cached_property
    def off(self) -> Floats:
        """Return how far each hour is from what is usual, shape (days, 24); 0 where it is not known."""
        usual = of_weekday(self.usual, self.days.weekday)
        return np.where(self.hours > 0, self.sums / np.maximum(self.hours, 1.0) - usual, 0.0)

    @cached_property
    def trust(self) -> Floats:
        """Return the weight of each civil hour: quiet hours tell more than those in which queues come and go.

        Not by their variance alone: then a few hours of the morning would speak for all.
        """
        learns = self.days.is_typical
        variance = (self.hours * self.off**2)[learns].sum(axis=0) / np.maximum(self.hours[learns].sum(axis=0), 1.0)
        weight = 1 / (variance + _TEMPER * variance.mean() + 1e-9)
        return np.asarray(weight / weight.mean())

    def measure(self, sector_id: str, kind: Kind, busy: Level, *, with_season: bool = True) -> Measure:
        """Return the level of days; without season as if the reference's last weeks were the whole year.

        What is explained by how `busy` a day was is taken off, as far as the reference shows it.
        """
        weight = self.hours * self.trust
        of_day = weight.sum(axis=1)
        off = (weight * self.off).sum(axis=1) / np.maximum(of_day, 1e-9)
        speaks = ~self.days.is_holiday & (of_day > 0)
        off = off - _explained(off, busy, speaks & self.days.is_typical)
        found = usual_deviation(off, np.where(speaks, of_day, 0.0), self.days, with_season=with_season)
        return Measure(sector_id, kind, np.where(speaks, off - found, np.nan))


def _first_of(off: Floats) -> int:
    """Return how many days come before those that are on the changed side of half the change, taken together."""
    change = float(np.nanmedian(off)) if np.isfinite(off).any() else 0.0
    beyond = np.nan_to_num(np.sign(change) * off - abs(change) / 2)
    return int(beyond[::-1].cumsum()[::-1].argmax())


def _root(seen: Floats, expected: Floats) -> Floats:
    """Return 2·√(seen ÷ expected) − 2 with Anscombe's 3/8, about the relative deviation."""
    return np.asarray(2 * np.sqrt((seen + 0.375) / (expected + 0.375)) - 2)


def _explained(off: Floats, busy: Level, learns: Flags) -> Floats:
    """Return what the arrivals of a day and of the day before explain; beyond what the reference has seen, no more."""
    more = busy.seen / np.maximum(busy.expected, 1e-9) - 1
    known = learns & np.isfinite(more)
    if np.count_nonzero(known) < _LEAST_DAYS:
        return np.zeros(len(off))
    more = np.nan_to_num(np.clip(more, *np.quantile(more[known], _SEEN)))
    columns = np.vstack([np.ones(len(more)), more, np.concatenate([[0.0], more[:-1]])])
    mine = columns[:, known]
    size = np.linalg.solve(mine @ mine.T + np.diag([0.0, 1e-3, 1e-3]), mine @ off[known])
    return np.asarray(np.round(size[1:], 9) @ columns[1:])
