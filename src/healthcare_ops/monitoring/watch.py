"""All charts of a hospital over the days since the training, each with the threshold that its reference gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from healthcare_ops.monitoring.charts import Chart, cusum, thresholds, virtual_days
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
# Alarms a year that all charts of a hospital together may raise on days without drift. The duty is two at most; the
# reference is a sample as well, so half of that is aimed at.
FALSE_ALARMS_A_YEAR = 1.0
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
        pairs = [(signal, chart) for signal in self.signals for chart in signal.charts(self.days.trained)]
        found = thresholds(
            [chart for _, chart in pairs], trained=self.days.trained, per_year=self._share(len(pairs)), seed=_SEED
        )
        return tuple(Watched(*pair, float(limit)) for pair, limit in zip(pairs, found, strict=True))

    @cached_property
    def spread_thresholds(self) -> Floats:
        """Return which stability index virtual years of the reference do not reach, by sector."""
        share = self._share(len(self.watched))
        chosen = virtual_days(self.days.trained, _YEAR_DAYS, np.random.default_rng(_SEED))
        highest = [
            spread.stability(trailing(spread.counts[: self.days.trained][chosen])[6:]).max(axis=0)
            for spread in self.spreads
        ]
        limit = _SPREAD_ROOM * np.quantile(highest, 1 - share, axis=1)
        is_known = [np.count_nonzero(spread.counts[: self.days.trained].sum(axis=1)) >= 28 for spread in self.spreads]
        return np.where(is_known, limit, np.inf)

    def charts(self, masked: Flags) -> tuple[Floats, Ints]:
        """Return the charts over the days since the training and how long changes last; masked days say nothing."""
        limits = np.array([watched.threshold for watched in self.watched])
        since = slice(self.days.trained, None)
        return cusum([watched.chart for watched in self.watched], limits, since, masked)

    def _share(self, charts: int) -> float:
        return FALSE_ALARMS_A_YEAR / (charts + len(self.arrivals))

    def _levels(self, *, with_season: bool) -> list[Level]:
        levels = [a.level(name, with_season=with_season) for name, a in self.arrivals.items()]
        if len(levels) > 1:
            seen, expected = (np.array([getattr(level, name) for level in levels]) for name in ("seen", "expected"))
            is_known = np.isfinite(seen).any(axis=0)
            total, due = (np.where(is_known, np.nansum(table, axis=0), np.nan) for table in (seen, expected))
            levels.append(Level(HOSPITAL, total, due))
        return levels

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
