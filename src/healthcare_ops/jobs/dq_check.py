"""`dq_check`: judge the silver days that gold has not taken yet; a failed rule stops the run here."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from healthcare_ops.core.clock import SystemClock
from healthcare_ops.core.days import day_runs
from healthcare_ops.core.errors import QualityError
from healthcare_ops.core.reasons import Reason
from healthcare_ops.core.tables import (
    BATCH_ACCOUNTS,
    ENCOUNTERS,
    EVENTS,
    QUARANTINE,
    STAYS,
    Table,
)
from healthcare_ops.jobs.approval import approve, silver_markers
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.silver_to_gold import silver_changes
from healthcare_ops.pipeline.quality.evaluate import Finding, Limits, evaluate
from healthcare_ops.pipeline.quality.report import ACCOUNT, COMPARE, FeedAccount, build_report, report_key
from healthcare_ops.pipeline.quality.rules import RULES
from healthcare_ops.pipeline.silver import within


def run(context: Context, request: Request) -> Outcome:
    """Write the report, then raise `QualityError` if a `fail` rule is broken; else let gold take what was judged."""
    markers = silver_markers(context)  # before anything is read: what comes while rules are checked is not judged
    # Days whose every record is held have an account and no encounter.
    changed = [changes.days for changes in silver_changes(context).values()]
    days = sorted(request.days.union(*changed))
    if not days:
        return {"days": 0}
    findings = _findings(context, days)
    report = build_report(
        run_id=request.run_id,
        as_of=context.clock.now(),
        written_at=SystemClock().now(),
        days=days,
        findings=findings,
        accounts=read_accounts(context, days),
    )
    key = report_key(request.run_date, request.run_id)
    context.objects.write(key, json.dumps(report, indent=1, ensure_ascii=False).encode())
    failed = [finding for finding in findings if finding.verdict == "fail"]
    if failed:
        raise QualityError(
            _complaint(failed), next_step=_remedy(failed, _most_held(context, days), context.objects.path(key))
        )
    approve(context, markers)
    return {
        "days": len(days),
        "verdict": report["verdict"],
        "dq_risk_score": report["dq_risk_score"],
        "report": key,
    }


def read_accounts(context: Context, days: list[date]) -> list[FeedAccount]:
    """Return what became of each feed's records on the days; a feed without records has zeros."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(ACCOUNT, 0))
    rows = _on(context, BATCH_ACCOUNTS, days)
    grouped = rows.group_by("feed_id").aggregate(**{fate: rows[fate].sum() for fate in ACCOUNT})
    for row in context.engine.collect(grouped).to_pylist():
        counts[row.pop("feed_id")] = row
    reasons: dict[str, dict[str, int]] = defaultdict(dict)
    held = _on(context, QUARANTINE, days)
    by_reason = held.group_by("feed_id", "reason_code").aggregate(records=held.count()).order_by("reason_code")
    for row in context.engine.collect(by_reason).to_pylist():
        reasons[row["feed_id"]][row["reason_code"]] = row["records"]
    return [FeedAccount(feed, counts[name], reasons[name]) for name, feed in sorted(context.feeds.items())]


def _findings(context: Context, days: list[date]) -> tuple[Finding, ...]:
    tables = {table.id: _on(context, table, days) for table in (BATCH_ACCOUNTS, ENCOUNTERS, STAYS, EVENTS)}
    feeds = context.feeds.values()
    margin = timedelta(days=1)
    limits = Limits(
        # Plausible days are the feeds' own; instants can fall on the day beside.
        first_day=min((feed.plausible.first for feed in feeds), default=days[0]) - margin,
        last_day=max((feed.plausible.last for feed in feeds), default=days[-1]) + margin,
        now=context.latest_plausible().replace(tzinfo=None),
    )
    delivered = {column for feed in feeds for column in _delivered(feed.shape, feed.columns, feed.values.event_type)}
    return evaluate(
        RULES,
        tables,
        collect=context.engine.collect,
        limits=limits,
        delivered=delivered,
        encounters=tables[ENCOUNTERS.id],
        standing=context.lake.read(ENCOUNTERS),
    )


def _delivered(shape: str, columns: Any, event_types: Any) -> set[str]:
    """Return the encounter columns that a feed can fill."""
    if shape == "encounters":
        return set(columns)
    milestones = {"care_start": "care_start", "discharge": "discharge_time", "left": "discharge_time"}
    return set(columns) | {milestones[name] for name in event_types.values() if name in milestones}


def _on(context: Context, table: Table, days: list[date]) -> Any:
    rows = context.lake.read(table, days[0], days[-1])
    return rows.filter(within(rows.dt, list(day_runs(days))))


def _most_held(context: Context, days: list[date]) -> str:
    """Return why most records of the days are held and what to compare; nothing if none is held."""
    held = _on(context, QUARANTINE, days)
    groups = held.group_by("reason_code", "column").aggregate(records=held.count())
    rows = context.engine.collect(groups.order_by("reason_code", "column")).to_pylist()
    if not rows:
        return ""
    most = max(rows, key=lambda row: int(row["records"]))
    place = f" in {most['column']}" if most["column"] else ""
    total = sum(row["records"] for row in rows)
    records = "record" if total == 1 else "records"
    return (
        f"{most['records']} of {total} held {records} {'is' if most['records'] == 1 else 'are'} "
        f"{most['reason_code']}{place}: {COMPARE[Reason(most['reason_code'])]}."
    )


def _remedy(failed: list[Finding], held: str, report: str) -> str:
    """Return what to look at: what the worst rule speaks of before the rest."""
    rule = _worst(failed).rule
    hints = [held] if rule.kind == "held" and held else [rule.next_step, held]
    listing = f"`hops dq show --quarantine` shows the rules and the held records; the report is {report}."
    return " ".join(filter(None, [*hints, listing]))


def _worst(failed: list[Finding]) -> Finding:
    return max(failed, key=lambda finding: finding.share)


def _complaint(failed: list[Finding]) -> str:
    worst = _worst(failed)
    rule = worst.rule
    more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
    return (
        f"rule {rule.rule_id}{more}: {worst.violations} of {worst.checked} rows of {rule.table} "
        f"({worst.share:.1%}) exceed the threshold {rule.threshold:.1%}: {rule.reason}."
    )
