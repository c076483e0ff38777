"""The report that an on-call person opens: what broke, how badly, whose data it is, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from healthcare_ops.core.feed import Feed
from healthcare_ops.core.reasons import EXPLANATIONS, Reason
from healthcare_ops.core.tables import FATES
from healthcare_ops.pipeline.quality.evaluate import Finding, Verdict
from healthcare_ops.pipeline.quality.score import risk_score

SCHEMA_VERSION = 1
REPORTS_PREFIX = "gold/data_quality_runs/"
# What to hold beside the records of a reason.
COMPARE: Mapping[Reason, str] = {
    Reason.ENCOUNTER_ID_MISSING: "compare columns.encounter_id in the feed file",
    Reason.TIME_UNREADABLE: "compare times.formats in the feed file",
    Reason.TIME_OUT_OF_RANGE: "compare plausible, times.formats and zone in the feed file",
    Reason.TIME_IN_SKIPPED_HOUR: "compare zone and times.skipped_hour in the feed file",
    Reason.TIME_IN_REPEATED_HOUR: "compare zone and times.repeated_hour in the feed file",
    Reason.EVENT_TIME_MISSING: "compare columns.event_time in the feed file",
    Reason.ARRIVAL_MISSING: "compare columns and values.event_type in the feed file",
    Reason.SECTOR_UNKNOWN: "compare values.sector in the feed file with the sectors of site.toml",
    Reason.SECTOR_MISSING: "compare columns.sector in the feed file",
    Reason.TRIAGE_UNKNOWN: "compare values.triage_level in the feed file",
    Reason.DISPOSITION_UNKNOWN: "compare values.disposition in the feed file",
    Reason.EVENT_TYPE_UNKNOWN: "compare values.event_type in the feed file",
    Reason.EVENTS_REVERSED: "compare which column is which time in the feed file",
    Reason.STAY_TOO_LONG: "compare max_stay_days in site.toml",
}
ACCOUNT = ("delivered", *FATES)


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
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "as_of": as_of.isoformat(),
        "written_at": written_at.isoformat(),
        "days": {"first": min(days).isoformat(), "last": max(days).isoformat(), "count": len(days)},
        "verdict": _verdict(findings),
        "dq_risk_score": round(score, 2),
        "contributions": {name: round(points, 2) for name, points in sorted(contributions.items())},
        "rules": [_rule_section(finding) for finding in findings],
        "feeds": [_feed_section(account) for account in accounts],
    }


def _verdict(findings: Sequence[Finding]) -> Verdict:
    """Return the worst verdict; a pass needs a rule that had a row to judge."""
    found = {finding.verdict for finding in findings}
    worst_first: tuple[Verdict, ...] = ("fail", "warn", "pass")
    return next((verdict for verdict in worst_first if verdict in found), "not_applicable")


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
        "tolerated": rule.tolerated,
        "reason": rule.reason,
        "next_step": rule.next_step,
        "sample_encounter_ids": list(finding.samples),
    }


def _feed_section(account: FeedAccount) -> dict[str, Any]:
    worst = max(account.reasons, key=lambda reason: account.reasons[reason], default=None)
    return {
        "feed_id": account.feed.feed_id,
        "owner": account.feed.owner.name,
        "contact": account.feed.owner.email,
        "counts": dict(account.counts),
        "quarantined_by_reason": dict(account.reasons),
        "diagnosis": _diagnosis(account, worst),
        "next_step": f"Send {account.feed.owner.name} the list from `hops dq show --quarantine`." if worst else "",
    }


def _diagnosis(account: FeedAccount, worst: str | None) -> str:
    delivered, quarantined = account.counts["delivered"], account.counts["quarantined"]
    if worst:
        because = EXPLANATIONS[Reason(worst)]
        return f"In these days {quarantined} of {delivered} records are held, most because {because}."
    if not delivered:
        return "In these days no record was delivered."
    return "In these days every record was accounted for without quarantine."
