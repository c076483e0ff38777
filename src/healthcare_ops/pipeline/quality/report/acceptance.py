"""Findings that nobody can mend any more: a person answers for one by name, and gold takes its day."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from healthcare_ops.core.days import day_runs
from healthcare_ops.pipeline.quality.report.refusals import is_of_refused
from healthcare_ops.pipeline.quality.wording.findings import kind_of, say

# What is expected is learned anew in every run, so that the same fault is not told by quite the same numbers, nor of
# quite the same hours.
_SHARE_MARGIN, _GAP_FACTOR, _LEAST_SHARED = 0.05, 1.25, 0.5
# Of a day that goes on, figures of rows alone must go on missing what comes after the hour at which it was told.
_OF_ROWS = frozenset({"volume", "freshness"})


@dataclass(frozen=True)
class Seen:
    """A finding as it was when somebody accepted it.

    `of` is its day (ISO) or the name of the refused file. `what` must be the same of whatever is covered: to which side
    a figure is off and by what kind of place, by how many hours a clock, the SHA-256 of a file. `share` (0–1) and `gap`
    (in the unit of the figure) say how far off a figure is, `start` and `end` (civil, ISO) of which hours; both are
    empty of clocks and files. `is_over` is false of rows that are missing of a day that goes on: more of them will be.
    """

    of: str
    what: str
    verdict: str
    share: float = 0.0
    gap: float = 0.0
    is_over: bool = True
    start: str = ""
    end: str = ""

    def covers(self, found: Seen) -> bool:
        """Tell whether a finding of the same name is this one still, and not worse; otherwise it is another fault."""
        if (self.of, self.what) != (found.of, found.what) or (self.verdict, found.verdict) == ("warn", "fail"):
            return False
        grows = found.gap > self.gap * _GAP_FACTOR and self.is_over
        return found.share <= self.share + _SHARE_MARGIN and not grows and self._is_of_the_hours_of(found)

    def _is_of_the_hours_of(self, found: Seen) -> bool:
        """Tell whether another figure is mostly of these hours; or, of rows that go on missing, of most of these."""
        if not found.start:
            return True
        if not self.start:
            return False
        mine, theirs = self._hours, found._hours
        shared = min(mine[1], theirs[1]) - max(mine[0], theirs[0])
        lengths = [end - start for start, end in ((theirs,) if self.is_over else (theirs, mine))]
        return shared >= _LEAST_SHARED * min(lengths)

    @property
    def _hours(self) -> tuple[datetime, datetime]:
        return datetime.fromisoformat(self.start), datetime.fromisoformat(self.end)


@dataclass(frozen=True)
class Acceptance:
    """Who accepted a finding, when (aware) and why; it says nothing of another day, place, file or rule.

    `entry` is that of the audit log, which alone keeps the reason: people write there what they like.
    """

    rule_id: str
    seen: Seen
    by: str
    at: datetime
    reason: str
    entry: int

    @property
    def document(self) -> dict[str, Any]:
        """Return who answers for it as plain values, as reports hold it."""
        return {"by": self.by, "at": self.at.isoformat(), "entry": self.entry}

    @property
    def told(self) -> dict[str, Any]:
        """Return the same with the reason, as it is shown."""
        return {**self.document, "reason": self.reason}


def seen_of(section: Mapping[str, Any], *, is_over: bool = True) -> Seen:
    """Return what a section of a report says of a figure, a clock, two clocks or a refused file.

    `is_over` tells whether its day is; it matters where rows are missing.
    """
    verdict = section.get("accepted", {}).get("verdict", section["verdict"])
    kind = kind_of(section)
    if kind == "refused":
        return Seen(section["source_file"], section["sha256"], verdict)
    if kind != "figure":
        return Seen(section["day"], f"{section['offset_h']} h", verdict)
    observed, expected = float(section["observed"]), float(section["expected"])
    gap, side = abs(observed - expected), "fewer" if observed < expected else "more"
    largest = max(abs(observed), abs(expected))
    share = gap / largest if largest else 0.0
    cannot_grow = is_over or side == "more" or section["rule"] not in _OF_ROWS
    far = (round(share, 4), round(gap, 4), cannot_grow)
    return Seen(section["day"], f"{side} by {section['by']}", verdict, *far, section["start"], section["end"])


def acceptance_of(section: Mapping[str, Any], acceptances: Iterable[Acceptance]) -> Acceptance | None:
    """Return who accepted the finding of a section; null if nobody did, or if it is another fault or a worse one."""
    mine = (one for one in acceptances if one.rule_id == section["rule_id"])
    return next((one for one in mine if one.seen.covers(seen_of(section))), None)


def answered(section: Mapping[str, Any], acceptances: Iterable[Acceptance]) -> dict[str, Any]:
    """Return the section of a figure or clock by who accepts it now, whoever did when it was written.

    Accepted it says who did, and is a warning, whatever it was; otherwise what it was, and, if it fails, how to accept.
    """
    bare = {name: value for name, value in section.items() if name not in ("accepted", "next_step")}
    verdict = section.get("accepted", {}).get("verdict", section["verdict"])
    if found := acceptance_of(section, acceptances):
        return bare | {"verdict": "warn", "accepted": found.document | {"verdict": verdict}}
    step = {"next_step": say("accept_figure", "en", command=accept_command([section]))} if verdict == "fail" else {}
    return bare | {"verdict": verdict} | step


def accept_command(sections: Sequence[Mapping[str, Any]]) -> str:
    """Return the command by which a person accepts findings of one name."""
    return command_of("accept", sections[0]["rule_id"], [seen_of(section).of for section in sections])


def command_of(verb: Literal["accept", "withdraw"], rule_id: str, of: Iterable[str]) -> str:
    """Return the command that accepts findings of these days, or refused files of these names, or takes that back."""
    names = list(dict.fromkeys(of))
    if is_of_refused(rule_id):
        which = [f"--file {shlex.quote(name)}" for name in names]
    else:
        runs = day_runs(map(date.fromisoformat, names))
        which = [f"--day {start}" if start == end else f"--day {start}:{end}" for start, end in runs]
    return f"hops dq {verb} {shlex.quote(rule_id)} {' '.join(which)} --by NAME --reason WHY"
