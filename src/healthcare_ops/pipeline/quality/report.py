"""The report that an on-call person opens: what broke, how badly, whose data it is, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from healthcare_ops.core.feed import Feed
from healthcare_ops.core.reasons import EXPLANATIONS, Reason
from healthcare_ops.pipeline.quality.evaluate import Finding
from healthcare_ops.pipeline.quality.score import risk_score

SCHEMA_VERSION = 1
REPORTS_PREFIX = "gold/data_quality_runs/"
FATES = ("delivered", "applied", "superseded", "duplicate", "quarantined", "ignored")


@dataclass(frozen=True)
class FeedAccount:
    """What became of a feed's records on the days of the report."""

    feed: Feed
    counts: Mapping[str, int]
    reasons: Mapping[str, int]


def report_key(run_date: date, run_id: str) -> str:
    """Return where the report of a run is kept."""
    return f"{REPORTS_PREFIX}dt={run_date.isoformat()}/{run_id}.json"


def build_report(
    *,
    run_id: str,
    as_of: datetime,
    written_at: datetime,
    days: Sequence[date],
    findings: Sequence[Finding],
    accounts: Sequence[FeedAccount],
) -> dict[str, Any]:
    """Return the report document; it holds pseudonyms and counts, never an identifier from raw."""
    delivered = sum(account.counts["delivered"] for account in accounts)
    quarantined = sum(account.counts["quarantined"] for account in accounts)
    score, contributions = risk_score(findings, quarantined / delivered if delivered else 0.0)
    verdicts = {finding.verdict for finding in findings}
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "as_of": as_of.isoformat(),
        "written_at": written_at.isoformat(),
        "days": {"first": min(days).isoformat(), "last": max(days).isoformat(), "count": len(days)},
        "verdict": next((verdict for verdict in ("fail", "warn") if verdict in verdicts), "pass"),
        "dq_risk_score": round(score, 2),
        "contributions": {name: round(points, 2) for name, points in sorted(contributions.items())},
        "rules": [_rule_section(finding) for finding in findings],
        "feeds": [_feed_section(account) for account in accounts],
    }


def _rule_section(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    counted = "null_count" if rule.kind == "completeness" else "violations"
    return {
        "rule_id": rule.rule_id,
        "table": rule.table,
        "columns": list(rule.columns),
        "kind": rule.kind,
        "severity": rule.severity,
        "verdict": finding.verdict,
        "checked": finding.checked,
        counted: finding.violations,
        "share": round(finding.share, 6),
        "threshold": rule.threshold,
        "reason": rule.reason,
        "next_step": rule.next_step,
        "sample_encounter_ids": list(finding.samples),
    }


def _feed_section(account: FeedAccount) -> dict[str, Any]:
    quarantined = account.counts["quarantined"]
    worst = max(account.reasons, key=lambda reason: account.reasons[reason], default=None)
    diagnosis = (
        f"{quarantined} of {account.counts['delivered']} records are held, most because {EXPLANATIONS[Reason(worst)]}."
        if worst
        else "Every record was accounted for without quarantine."
    )
    return {
        "feed_id": account.feed.feed_id,
        "owner": account.feed.owner.name,
        "contact": account.feed.owner.email,
        "counts": dict(account.counts),
        "quarantined_by_reason": dict(account.reasons),
        "diagnosis": diagnosis,
        "next_step": f"Send {account.feed.owner.name} the list from `hops dq show --quarantine`." if worst else "",
    }
