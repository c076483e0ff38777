"""Hypotheses, each with what speaks for or against it, or why nobody could look."""

from __future__ import annotations

from collections.abc import Iterable

from healthcare_ops.incidents.diagnosis import Fact, Hypothesis, Phrase
from healthcare_ops.incidents.evidence import Change, ChangeKind, Evidence, Lacking

_ORDER = {"supported": 0, "unchecked": 1, "refuted": 2}


def judged(code: str, weight: float, *, holds: bool, **facts: Fact) -> Hypothesis:
    """Return a hypothesis for or against which the evidence speaks."""
    return Hypothesis(Phrase(code, facts), weight, "supported" if holds else "refuted")


def unchecked(code: str, weight: float, lacking: Lacking = "out_of_reach", **facts: Fact) -> Hypothesis:
    """Return a hypothesis that could not be checked, and why."""
    return Hypothesis(Phrase(code, facts), weight, "unchecked", lacking)


def ranked(found: Iterable[Hypothesis]) -> tuple[Hypothesis, ...]:
    """Return what the evidence speaks for first, what it speaks against last, the likelier ones before the others."""
    return tuple(sorted(found, key=lambda one: (_ORDER[one.check], -one.weight, one.says.code)))


def by_change(code: str, weight: float, evidence: Evidence, *kinds: ChangeKind) -> Hypothesis:
    """Return the hypothesis that something which was changed since the last good run did it."""
    if lack := evidence.lacks("changes"):
        return unchecked(code, weight, lack.why, name="?")
    changed = changes_of(evidence, *kinds)
    names = ", ".join(dict.fromkeys(one.name for one in changed))
    return judged(code, weight, holds=bool(changed), name=names or "–")


def changes_of(evidence: Evidence, *kinds: ChangeKind) -> list[Change]:
    """Return what of these kinds was changed since the last good run, the newest first."""
    return [one for one in evidence.changed if one.what in kinds]
