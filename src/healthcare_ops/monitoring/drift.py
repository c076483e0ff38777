"""Drift of a hospital against what its models were trained on: what changed, since when, by how much, and why.

Raw tests of distributions (Kolmogorov–Smirnov, PSI, Wasserstein) on windows below a week find drift on nearly every
clean day. So every statistic here knows the hour of the week, the holidays and the season, and asks for a change that
lasts; how much of it chance can make, the reference itself says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from healthcare_ops.monitoring.charts import alarms
from healthcare_ops.monitoring.hours import Flags, Floats, HospitalHours, Ints
from healthcare_ops.monitoring.signals import HOSPITAL, Kind, Signal, trailing
from healthcare_ops.monitoring.translation import Translation, translation
from healthcare_ops.monitoring.verdict import Finding, KnownFault, Verdict, conclude
from healthcare_ops.monitoring.watch import Watch

_EPOCH = date(1970, 1, 1)
_YEAR_BEFORE_DAYS = 364  # the same weekdays
# A change of the year before explains one of now if it was at least this part of it, and most of its days are known.
_ALIKE, _MOST = 0.6, 0.6
# What a season does lasts: fewer days of the year before would be alike by chance.
_LEAST_SEASON_DAYS, _SEASON_DAYS = 14, 28
_SILENCE_DAYS = 7


def find_drift(hours: HospitalHours, faults: Sequence[KnownFault] = ()) -> Verdict:
    """Return the verdict on the last day of the hours; deterministic."""
    return DriftWatch(hours, faults).on(int(hours.day[-1]))


class DriftWatch:
    """The verdicts on all days since the training; each sees only the hours up to its day."""

    def __init__(self, hours: HospitalHours, faults: Sequence[KnownFault] = ()) -> None:
        self.watch = Watch(hours)
        self.faults = tuple(faults)
        self.days = hours.days
        self.number = self.days.number[self.days.trained :]
        self.limits = np.array([watched.threshold for watched in self.watch.watched])
        self.seen = self._charted(np.zeros((len(self.limits), len(self.number)), bool))
        covered = np.array([self._covered(watched.signal.sector_id) for watched in self.watch.watched])
        self.mended = self._charted(covered) if covered.any() else self.seen

    def on(self, day: int) -> Verdict:
        """Return the verdict on a day (days since 1970) after the reference.

        Raises
        ------
        ValueError
            If there is no hour of that day, or it belongs to the reference.
        """
        at = int(np.searchsorted(self.number, day))
        if at >= len(self.number) or self.number[at] != day:
            raise ValueError(f"{_date(day)} is not a day since the training")
        findings = list(self._changes(at))
        # A peak that moved spreads the hours as well; it is told once.
        moved_sectors = {finding.sector_id for finding in findings if finding.kind == "peak"}
        findings += [finding for finding in self._spreads(at) if finding.sector_id not in moved_sectors]
        moved = self._translation(findings, at)
        findings = [self._explained(finding, moved, at) for finding in findings]
        findings += self._silences(at)
        findings += self._seasons(at, {(finding.kind, finding.sector_id) for finding in findings})
        findings = [_following(finding, findings) for finding in findings]
        ranked = tuple(sorted(findings, key=lambda finding: (-finding.times_worth, finding.kind, finding.sector_id)))
        doubts = [f"{f.feed_id}: {f.reason}" for f in self.faults if f.is_open(_date(day))]
        doubts += [moved.sentence] if moved and moved.may_be_clock else []
        return conclude(_date(day), ranked, doubts)

    def _charted(self, masked: Flags) -> tuple[Floats, Ints, Flags]:
        charts, lasted = self.watch.charts(masked)
        return charts, lasted, alarms(charts, self.limits)

    def _covered(self, sector_id: str) -> Flags:
        """Tell which days since the training a known fault of the sector covers."""
        covered = np.zeros(len(self.number), bool)
        for fault in self.faults:
            if fault.concerns(sector_id):
                last = _number(fault.last) if fault.last else int(self.days.number[-1])
                covered |= (self.number >= _number(fault.first)) & (self.number <= last)
        return covered

    def _changes(self, at: int) -> Iterator[Finding]:
        """Yield a finding for each signal with a chart in alarm: that of the most evidence."""
        charts, lasted, is_alarm = self.seen
        best: dict[tuple[Kind, str], int] = {}
        for place in np.flatnonzero(is_alarm[:, at]):
            signal = self.watch.watched[place].signal
            other = best.get((signal.kind, signal.sector_id))
            if other is None or charts[place, at] / self.limits[place] > charts[other, at] / self.limits[other]:
                best[signal.kind, signal.sector_id] = int(place)
        for most in best.values():
            signal = self.watch.watched[most].signal
            first = max(at + 1 - int(lasted[most, at]), 0)
            first += signal.first(self._window(first, at))
            size = signal.size(self._window(first, at))
            yield self._finding(signal, size, float(charts[most, at] / self.limits[most]), first, is_alarm[most], at)

    def _spreads(self, at: int) -> Iterator[Finding]:
        for spread, limit in zip(self.watch.spreads, self.watch.spread_thresholds, strict=True):
            index = spread.stability(trailing(spread.counts))[None, self.days.trained :]
            is_alarm = alarms(index, np.array([limit]))[0]
            if is_alarm[at]:
                index_now = float(index[0, at])
                yield self._finding(spread, index_now, index_now / float(limit), max(at - 6, 0), is_alarm, at)

    def _finding(self, signal: Signal, size: float, evidence: float, first: int, is_alarm: Flags, at: int) -> Finding:
        quiet = np.flatnonzero(~is_alarm[: at + 1])
        seen = int(quiet[-1]) + 1 if len(quiet) else 0
        return Finding(
            signal.kind,
            signal.sector_id,
            size,
            abs(size) / signal.worth,
            evidence,
            since=_date(self.number[first]),
            seen_on=_date(self.number[seen]),
            until=_date(self.number[at]),
            cause="real_change",
        )

    def _explained(self, finding: Finding, moved: Translation | None, at: int) -> Finding:
        """Return the finding with its cause: a known fault, a clock, the same in the year before, or none of these."""
        if fault := self._fault_of(finding, at):
            return replace(finding, cause="data_fault", because=f"{fault.feed_id}: {fault.reason}")
        if moved and moved.is_clock:
            return replace(finding, cause="data_fault", because=moved.sentence)
        if because := self._like_the_year_before(finding):
            return replace(finding, cause="season", because=because)
        return replace(finding, because=moved.sentence if moved and finding.kind == "peak" else "")

    def _fault_of(self, finding: Finding, at: int) -> KnownFault | None:
        """Return the known fault without whose days there would be no finding."""
        inside = [
            fault
            for fault in self.faults
            if fault.concerns(finding.sector_id)
            and fault.first <= finding.until
            and (fault.last is None or fault.last >= finding.since)
        ]
        if not inside:
            return None
        mine = [
            place
            for place, watched in enumerate(self.watch.watched)
            if (watched.signal.kind, watched.signal.sector_id) == (finding.kind, finding.sector_id)
        ]
        return None if self.mended[2][mine, at].any() else inside[0]

    def _translation(self, findings: Sequence[Finding], at: int) -> Translation | None:
        peaks = [finding for finding in findings if finding.kind == "peak"]
        if not peaks:
            return None
        strongest = max(peaks, key=lambda finding: finding.evidence)
        first = int(np.searchsorted(self.number, _number(strongest.since)))
        return translation(self.watch, self._window(first, at))

    def _like_the_year_before(self, finding: Finding) -> str:
        """Return what the same weeks of the year before had, if the reference holds them and it was the same."""
        first = _number(finding.since) - _YEAR_BEFORE_DAYS
        last = max(_number(finding.until) - _YEAR_BEFORE_DAYS, first + _LEAST_SEASON_DAYS - 1)
        window = slice(self.days.place(first), min(self.days.place(last + 1), self.days.trained))
        if finding.kind == "spread" or window.stop - window.start < _MOST * (last - first + 1):
            return ""
        signal = next(
            item for item in self.watch.signals if (item.kind, item.sector_id) == (finding.kind, finding.sector_id)
        )
        before = replace(finding, size=signal.size(window), since=_date(first))
        is_alike = before.size * finding.size > 0 and abs(before.size) >= _ALIKE * abs(finding.size)
        return f"{before.sentence} as well" if is_alike else ""

    def _seasons(self, at: int, told: set[tuple[Kind, str]]) -> Iterator[Finding]:
        """Yield what would be a change to who knew the last weeks of the reference only."""
        if at + 1 < _SEASON_DAYS:
            return
        first = at + 1 - _SEASON_DAYS
        window, always = self._window(first, at), np.ones(at + 1, bool)
        known = {(signal.kind, signal.sector_id): signal for signal in self.watch.signals}
        for signal in self.watch.plain_signals:
            key = (signal.kind, signal.sector_id)
            size, unexplained = signal.size(window), known[key].size(window)
            if key in told or abs(size) < signal.worth:
                continue
            finding = self._finding(signal, size, 1.0, first, always, at)
            because = self._like_the_year_before(finding)
            if abs(unexplained) <= signal.worth / 2:
                because = f"{unexplained:+.0%} against what the season leads to expect"
            if because:
                yield replace(finding, seen_on=finding.until, cause="season", because=because)

    def _silences(self, at: int) -> Iterator[Finding]:
        """Yield a finding if all sectors together had no arrivals for hours in which many were due."""
        first = max(at + 1 - _SILENCE_DAYS, 0)
        days = self.watch.hospital.day
        silent = self.watch.is_silent & (days >= self.number[first]) & (days <= self.number[at])
        if silent.any():
            since = _date(days[silent][0])
            because = f"no arrival in {int(silent.sum())} hours in which many were due; the feed is silent"
            yield Finding(
                "arrivals", HOSPITAL, -1.0, 5.0, 1.0, since, since, _date(self.number[at]), "data_fault", because
            )

    def _window(self, first: int, at: int) -> slice:
        return slice(self.days.trained + first, self.days.trained + at + 1)


def _following(finding: Finding, findings: Sequence[Finding]) -> Finding:
    """Return a change of waits or occupancy as season if that of the sector's arrivals is."""
    is_season = any(
        other.kind == "arrivals"
        and other.cause == "season"
        and other.sector_id == finding.sector_id
        and other.size * finding.size > 0
        for other in findings
    )
    if finding.cause != "real_change" or finding.kind not in {"wait", "occupancy"} or not is_season:
        return finding
    return replace(finding, cause="season", because="it follows the arrivals, which are in season")


def _number(day: date) -> int:
    return (day - _EPOCH).days


def _date(number: int | np.integer) -> date:
    return _EPOCH + timedelta(days=int(number))
