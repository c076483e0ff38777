"""All charts of a hospital over the days since the training, each with the threshold that its reference gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from healthcare_ops.monitoring.charts import Chart, cusum, reached, thresholds, virtual_days
from healthcare_ops.monitoring.hours import Flags, Floats, HospitalHours, Ints
from healthcare_ops.monitoring.signals import (
    HOSPITAL,
    Arrivals,
    Charted,
    Level,
    Logs,
    Measure,
    Peak,
    Spread,
    trailing,
)

_YEAR_DAYS = 365
_SEED = 20_260_301
# False alarms a year of the hospital as a whole, of two that are its duty: of all arrivals together, more and fewer, of
# longer waits, and of everything else. Who allows what is hardest to tell from usual days (a fifth more arrivals) no
# more than its part among many finds it after weeks. A fifth fewer is the larger change on a log scale.
_FALSE_ALARMS = {("arrivals", 1): 0.85, ("arrivals", -1): 0.12, ("wait", 1): 0.6}
_OF_ALL_OTHERS = 0.15
_SPREAD_ROOM = 1.15
# So many arrivals expected of hours in which the whole hospital has none: it is the feed that is silent (e⁻¹⁵).
_SILENCE = 15.0


@dataclass(frozen=True)
class Watched:
    """A chart with its place: which signal, which direction, evidence of all days and threshold."""

    signal: Charted
    chart: Chart
    threshold: float


class Watch:
    """What the reference says is usual, and how far each day since stands from it."""

    def __init__(self, hospital: HospitalHours) -> None:
        self.hospital = hospital
        self.days = hospital.days
        self.is_silent = _silence(hospital)
        self.arrivals = {s.sector_id: Arrivals(hospital, s, self.is_silent) for s in hospital.sectors}
        self.waits = {
            s.sector_id: Logs(hospital, np.where(self.is_silent, np.nan, s.waits_min))
            for s in hospital.sectors
            if s.waits_min is not None
        }
        self.occupancy = {
            s.sector_id: Logs(hospital, np.where(self.is_silent, np.nan, s.occupancy))
            for s in hospital.sectors
            if s.occupancy is not None
        }

    @cached_property
    def signals(self) -> tuple[Charted, ...]:
        """Return levels, peaks, waits and occupancy of all sectors, and of the hospital if there are several."""
        levels = self._levels(with_season=True)
        peaks = [Peak(name, arrivals.peak_ratios) for name, arrivals in self.arrivals.items()]
        if len(peaks) > 1:
            together = np.where(
                np.isfinite([peak.ratios for peak in peaks]).any(axis=0),
                np.nansum([p.ratios for p in peaks], axis=0),
                np.nan,
            )
            peaks.append(Peak(HOSPITAL, together))
        return (*levels, *peaks, *self._measures(levels, with_season=True))

    @cached_property
    def plain_signals(self) -> tuple[Charted, ...]:
        """Return the signals that seasons can move, as they are without any knowledge of seasons."""
        levels = self._levels(with_season=False)
        return (*levels, *self._measures(levels, with_season=False))

    @cached_property
    def spreads(self) -> tuple[Spread, ...]:
        """Return how hours lie around what was expected of them, by sector."""
        return tuple(arrivals.spread(name) for name, arrivals in self.arrivals.items())

    @cached_property
    def watched(self) -> tuple[Watched, ...]:
        """Return every chart with its threshold."""
        keys = [self._budget_of(signal, chart.direction) for signal, chart in self._charted]
        shares = [_FALSE_ALARMS[key] / keys.count(key) if key else self._small_share for key in keys]
        charts = [chart for _, chart in self._charted]
        found = thresholds(charts, trained=self.days.trained, per_year=np.array(shares), seed=_SEED)
        return tuple(Watched(*pair, float(limit)) for pair, limit in zip(self._charted, found, strict=True))

    @cached_property
    def spread_thresholds(self) -> Floats:
        """Return which stability index virtual years of the reference do not reach, by sector."""
        chosen = virtual_days(self.days.trained, _YEAR_DAYS, np.random.default_rng(_SEED))
        highest = [
            spread.stability(trailing(spread.counts[: self.days.trained][chosen])[6:]).max(axis=0)
            for spread in self.spreads
        ]
        limit = _SPREAD_ROOM * reached(np.array(highest), np.full(len(highest), self._small_share))
        is_known = [np.count_nonzero(spread.counts[: self.days.trained].sum(axis=1)) >= 28 for spread in self.spreads]
        return np.where(is_known, limit, np.inf)

    def charts(self, masked: Flags) -> tuple[Floats, Ints]:
        """Return the charts over the days since the training and how long changes last; masked days say nothing."""
        limits = np.array([watched.threshold for watched in self.watched])
        since = slice(self.days.trained, None)
        return cusum([watched.chart for watched in self.watched], limits, since, masked)

    def _budget_of(self, signal: Charted, direction: int) -> tuple[str, int] | None:
        """Return whose false alarms a chart's are; None: of everything else."""
        whole = HOSPITAL if len(self.arrivals) > 1 else next(iter(self.arrivals))
        is_part = signal.kind == "arrivals" and signal.sector_id != whole
        return None if is_part or (signal.kind, direction) not in _FALSE_ALARMS else (signal.kind, direction)

    @cached_property
    def _small_share(self) -> float:
        """Return how many false alarms a year each chart of everything else may raise, and each spread."""
        others = [None for signal, chart in self._charted if self._budget_of(signal, chart.direction) is None]
        return _OF_ALL_OTHERS / (len(others) + len(self.spreads))

    @cached_property
    def _charted(self) -> tuple[tuple[Charted, Chart], ...]:
        return tuple((signal, chart) for signal in self.signals for chart in signal.charts(self.days.trained))

    def _levels(self, *, with_season: bool) -> list[Level]:
        """Return the levels of sectors and of their sum: its season and memory are its own, not those of its parts."""
        names = list(self.arrivals)
        seen = np.array([arrivals.seen for arrivals in self.arrivals.values()])
        usual = np.array([a.expected if with_season else a.plain for a in self.arrivals.values()])
        if len(names) > 1:
            speaks = np.isfinite(seen)
            total = np.where(speaks.any(axis=0), np.nansum(seen, axis=0), np.nan)
            names, seen = [*names, HOSPITAL], np.vstack([seen, total])
            usual = np.vstack([usual, np.where(speaks, usual, 0.0).sum(axis=0)])
        rows = zip(names, seen, usual, strict=True)
        return [Level.of(*row, self.days, with_season=with_season) for row in rows]

    def _measures(self, levels: Sequence[Level], *, with_season: bool) -> list[Measure]:
        busy = {level.sector_id: level for level in levels}
        waits = [logs.measure(name, "wait", busy[name], with_season=with_season) for name, logs in self.waits.items()]
        return waits + [
            logs.measure(name, "occupancy", busy[name], with_season=with_season)
            for name, logs in self.occupancy.items()
        ]


def _silence(hospital: HospitalHours) -> Flags:
    """Tell in which hours the hospital as a whole has no arrivals for so long that its feed must be silent."""
    total = np.sum([np.nan_to_num(sector.arrivals) for sector in hospital.sectors], axis=0)
    is_trained = hospital.day < hospital.first_day
    usual = np.bincount(hospital.hour[is_trained], total[is_trained], minlength=24)
    expected = (usual / np.maximum(np.bincount(hospital.hour[is_trained], minlength=24), 1))[hospital.hour]
    is_empty = total == 0
    run = np.cumsum(np.diff(is_empty, prepend=False))  # odd within a run of empty hours
    size = np.bincount(run, expected)
    return np.asarray(is_empty & (size[run] >= _SILENCE))
