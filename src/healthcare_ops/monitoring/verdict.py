"""What is said about drift: findings with their cause, and one verdict for a hospital."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from healthcare_ops.monitoring.signals import HOSPITAL, Kind

Cause = Literal["data_fault", "season", "real_change"]


@dataclass(frozen=True)
class KnownFault:
    """A fault of a feed that these hours were made of: an open finding of data quality, or a clock that is named wrong.

    `last` None: it goes on. `sectors` empty: all of them.
    """

    feed_id: str
    first: date
    last: date | None
    reason: str
    sectors: frozenset[str] = frozenset()

    def is_open(self, on: date) -> bool:
        """Tell whether it goes on on that day."""
        return self.first <= on and (self.last is None or self.last >= on)

    def concerns(self, sector_id: str) -> bool:
        """Tell whether it is one of the sector's, or of all sectors together."""
        return not self.sectors or sector_id in {HOSPITAL, *self.sectors}


@dataclass(frozen=True)
class Finding:
    """A change that lasts.

    Attributes
    ----------
    sector_id
        Empty for all sectors together.
    size
        Relative change of arrivals, waits and occupancy (0.2 = 20 % more); hours that the day comes later; of `spread`
        the population stability index over the last week.
    times_worth
        Size ÷ the smallest change worth finding, by which findings are ranked; never negative.
    evidence
        The chart ÷ its threshold: 1 is an alarm.
    since, seen_on, until
        The likeliest first day of the change; the first day on which it could be seen; the last day looked at.
    cause, because
        What it comes from, and what speaks for that.
    """

    kind: Kind
    sector_id: str
    size: float
    times_worth: float
    evidence: float
    since: date
    seen_on: date
    until: date
    cause: Cause
    because: str = ""

    @property
    def sentence(self) -> str:
        """Return the change in words: what of whom, how much in which direction, since when."""
        return f"{_SAID[self.kind]} of {self.sector_id or 'all sectors'} {self._amount} since {self.since}"

    @property
    def _amount(self) -> str:
        if self.kind == "peak":
            return f"{abs(self.size):.1f} h {'later' if self.size > 0 else 'earlier'}"
        return f"otherwise than learnt (PSI {self.size:.2f})" if self.kind == "spread" else f"{self.size:+.0%}"


_SAID = {
    "arrivals": "arrivals",
    "peak": "peak of the day",
    "spread": "hours",
    "wait": "waits",
    "occupancy": "occupancy",
}


@dataclass(frozen=True)
class Verdict:
    """What a hospital's drift is on a day.

    `may_retrain` tells whether a training may start on these hours, and `reason` why (not). Only a `real_change` asks
    for one.
    """

    kind: Literal["data_fault", "season", "real_change", "none"]
    on: date
    findings: tuple[Finding, ...]
    may_retrain: bool
    reason: str

    @property
    def score(self) -> float:
        """Return the largest change that no season explains ÷ the smallest one worth finding; 0 if there is none."""
        return max((found.times_worth for found in self.findings if found.cause != "season"), default=0.0)

    @property
    def evidence(self) -> tuple[str, ...]:
        """Return what led to the verdict, the largest change first."""
        return tuple(f"{f.sentence}: {f.because}" if f.because else f.sentence for f in self.findings)


def conclude(on: date, findings: tuple[Finding, ...], doubts: Sequence[str]) -> Verdict:
    """Return the verdict from all findings, the largest first, and from what else speaks against the data.

    One fault of the data is enough: a model must not learn it along with what really changed.
    """
    causes = {finding.cause for finding in findings}
    if "data_fault" in causes:
        first = next(finding for finding in findings if finding.cause == "data_fault")
        return Verdict("data_fault", on, findings, False, f"the data are at fault: {first.because}")
    kind: Literal["real_change", "season", "none"] = "none"
    if causes:
        kind = "real_change" if "real_change" in causes else "season"
    if doubts:
        return Verdict(kind, on, findings, False, f"the data are in doubt: {doubts[0]}")
    return Verdict(kind, on, findings, True, _WHY[kind])


_WHY = {
    "real_change": "the hospital has changed, and nothing speaks against its data",
    "season": "the season explains the change; there is nothing new to learn",
    "none": "nothing has changed beyond chance",
}
