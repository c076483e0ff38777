"""`dq_risk_score`: one number for how much the findings endanger gold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from healthcare_ops.pipeline.quality.evaluate import Verdict

FAIL_FLOOR = 60.0
_WARN_CEILING = 50.0
_WARN_POINTS = 10.0
_QUARANTINE_POINTS = 20.0


class Scored(Protocol):
    """What a rule of any kind found: its verdict, and the share (0–1) of what it judged that is at fault."""

    @property
    def rule_id(self) -> str:
        """Return what is at fault, by name."""
        ...

    @property
    def verdict(self) -> Verdict:
        """Return how bad it is."""
        ...

    @property
    def share(self) -> float:
        """Return how much of what was judged is at fault, 0–1."""
        ...


def risk_score(findings: Iterable[Scored], quarantined_share: float) -> tuple[float, dict[str, float]]:
    """Return the score, 0 (sound) to 100, and each rule's contribution in points; no two findings are of one rule.

    A broken rule adds 10 points and up to 10 more with its share; quarantine adds 20 points times its share.
    Together they stop at 50. A broken `fail` rule lifts the score to 60, and 40 more points grow with these points
    (a hundredth of them) and with the sum of the failed shares. So the score never falls when a share grows or a
    verdict is worse, and never rises when somebody accepts what failed.

    Parameters
    ----------
    quarantined_share
        Quarantined ÷ delivered records of the same days, 0–1.
    """
    broken = [finding for finding in findings if finding.verdict in {"warn", "fail"}]
    points = [(found.rule_id, _WARN_POINTS * (1.0 + found.share)) for found in broken]
    points.append(("quarantine", _QUARANTINE_POINTS * quarantined_share))
    told = min(sum(value for _, value in points), _WARN_CEILING)
    contributions = _scaled(points, told)
    fails = [(found.rule_id, found.share) for found in broken if found.verdict == "fail"]
    if not fails:
        return told, contributions
    total = FAIL_FLOOR + (100.0 - FAIL_FLOOR) * min(sum(share for _, share in fails) + told / 100.0, 1.0)
    for name, more in _scaled([(name, share + 1.0) for name, share in fails], total - told).items():
        contributions[name] += more
    return total, contributions


def _scaled(points: Sequence[tuple[str, float]], total: float) -> dict[str, float]:
    """Return points by name, shrunk or stretched to the total, without the empty ones."""
    whole = sum(value for _, value in points)
    return {name: value / whole * total for name, value in points if value}
