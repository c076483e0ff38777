"""Findings that are given to a steward, and what the steward says: the rule is too strict, or the data are wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.operations import audit
from healthcare_ops.operations.reading import sections_of

FINDINGS = "ops/quality_findings.json"
Judgement = Literal["rule too strict", "data corrupted"]


@dataclass(frozen=True)
class Assignment:
    """Who looks into what a rule found in a run, and what they found: nothing yet, or a judgement with its reason."""

    run_id: str
    rule_id: str
    steward: str
    assigned_at: str
    judgement: Judgement | None = None
    reason: str = ""
    judged_at: str = ""


def assignments(platform: Platform) -> list[Assignment]:
    """Return what was given to stewards, the oldest first; `ConfigError` if it cannot be read."""
    objects = platform.context.objects
    if not objects.exists(FINDINGS):
        return []
    try:
        return [Assignment(**row) for row in json.loads(objects.read(FINDINGS))]
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{objects.path(FINDINGS)} cannot be read: {error}.", next_step="Put the file back from a backup."
        ) from error


def beside(platform: Platform, report: Mapping[str, Any]) -> list[Assignment]:
    """Return what belongs beside a report: what was given to stewards of its run, and of earlier ones what is open."""
    return [one for one in assignments(platform) if one.judgement is None or one.run_id == report["run_id"]]


def assign(
    platform: Platform, report: Mapping[str, Any], rule_id: str, *, steward: str, by: str, reason: str
) -> Assignment:
    """Give what a rule found to a steward; `NotFoundError` if the report has no such finding."""
    _require_finding(report, rule_id)
    audit.require_said("--to", steward)
    now = platform.context.clock.now()
    found = Assignment(report["run_id"], rule_id, steward.strip(), now.isoformat())
    details = {"run_id": found.run_id, "rule": rule_id, "steward": found.steward}
    audit.record(platform.context.objects, now, who=by, action="dq.assign", reason=reason, details=details)
    _keep(platform, found)
    return found


def judge(
    platform: Platform, report: Mapping[str, Any], rule_id: str, judgement: Judgement, *, by: str, reason: str
) -> Assignment:
    """Keep a steward's judgement; one that nobody was given is theirs who judge it."""
    _require_finding(report, rule_id)
    now = platform.context.clock.now()
    details = {"run_id": report["run_id"], "rule": rule_id, "judgement": judgement}
    audit.record(platform.context.objects, now, who=by, action="dq.judge", reason=reason, details=details)
    given = _given(platform, report["run_id"], rule_id)
    assigned_at = given.assigned_at if given else now.isoformat()
    found = Assignment(report["run_id"], rule_id, by.strip(), assigned_at, judgement, reason.strip(), now.isoformat())
    _keep(platform, found)
    return found


def _given(platform: Platform, run_id: str, rule_id: str) -> Assignment | None:
    found = [one for one in assignments(platform) if (one.run_id, one.rule_id) == (run_id, rule_id)]
    return found[-1] if found else None


def _require_finding(report: Mapping[str, Any], rule_id: str) -> None:
    if not any(one["rule_id"] == rule_id and one["verdict"] in ("warn", "fail") for one in sections_of(report)):
        raise NotFoundError(
            f"in the report of run {report['run_id']} nothing broke rule {rule_id!r}.",
            next_step=f"`hops dq history {rule_id}` shows the runs in which it was broken: name one with --run.",
        )


def _keep(platform: Platform, found: Assignment) -> None:
    others = [one for one in assignments(platform) if (one.run_id, one.rule_id) != (found.run_id, found.rule_id)]
    rows = [asdict(one) for one in [*others, found]]
    platform.context.objects.write(FINDINGS, json.dumps(rows, indent=1, ensure_ascii=False).encode())
