"""`dq_check`: judge the days of bronze and silver that gold has not taken yet; a failed rule stops the run here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from healthcare_ops.core.clock import SystemClock
from healthcare_ops.core.errors import ConfigError, QualityError
from healthcare_ops.core.feed import delivered_columns
from healthcare_ops.core.reasons import Reason
from healthcare_ops.core.tables import (
    ACCOUNT,
    BATCH_ACCOUNTS,
    ENCOUNTERS,
    ENCOUNTERS_RAW,
    EVENTS,
    EVENTS_RAW,
    QUARANTINE,
    STAYS,
    Table,
)
from healthcare_ops.jobs.acceptances import acceptances
from healthcare_ops.jobs.approval import approve, silver_markers
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.metric_lines import write_metrics
from healthcare_ops.jobs.quality_history import clocks, figures
from healthcare_ops.jobs.quality_reports import past_reports, source_records, write_report
from healthcare_ops.jobs.quality_rules import read_decisions, rule_files
from healthcare_ops.jobs.quality_shifts import shifts
from healthcare_ops.jobs.refusals import with_refused
from healthcare_ops.jobs.rule_faults import ask_once, judge_each
from healthcare_ops.jobs.silver_to_gold import silver_changes
from healthcare_ops.pipeline.bronze import bronze_table
from healthcare_ops.pipeline.quality.evaluate import Finding, evaluate
from healthcare_ops.pipeline.quality.report.causes import FeedsOfSectors
from healthcare_ops.pipeline.quality.report.feed_section import FeedAccount
from healthcare_ops.pipeline.quality.report.report import COMPARE, Report
from healthcare_ops.pipeline.quality.rules.checks import Check, RuleFile
from healthcare_ops.pipeline.quality.rules.measures import Scope
from healthcare_ops.pipeline.quality.rules.where import PRIMARY
from healthcare_ops.pipeline.quality.wording.causes import lead_of

_LOOK_BACK = timedelta(days=7)
# The days by which is told which feed a sector is of.
_USUAL = timedelta(days=28)
_JUDGED = (BATCH_ACCOUNTS, ENCOUNTERS_RAW, EVENTS_RAW, ENCOUNTERS, STAYS, EVENTS)


def run(context: Context, request: Request) -> Outcome:
    """Write the report, then raise `QualityError` if a `fail` rule is broken; else let gold take what was judged.

    The report is written in any case, with what was found so far if the job itself fails.
    """
    markers = silver_markers(context)  # before anything is read: what comes while rules are checked is not judged
    # Days whose every record is held have an account and no encounter.
    changed = [changes.days for changes in silver_changes(context).values()]
    days = sorted(request.days.union(*changed))
    if not days:
        return {"days": 0}
    report = Report(request.run_id, context.clock.now(), tuple(days), zone=context.site.tz)
    try:
        report.acceptances = acceptances(context.objects)
        report.past = past_reports(context, request, len(days))
        tables = _judged(context, days)
        for rules in _rule_files(context):
            report.versions[rules.table] = rules.version
            report.findings += _findings(context, rules, days, tables, report.history(rules.checks))
        report.deviations, report.unjudged = figures(context, days)
        report.clocks = clocks(context, days)
        report.shifts = shifts(context, days)
        report.records = source_records(context, report.sampled, days)
        report.feeds_of = _feeds_of_sectors(context, days)
        report.accounts = [with_refused(context, account) for account in read_accounts(context, days)]
    except BaseException as error:
        report.error = error
        raise
    finally:
        document = report.document(SystemClock().now())
        key = write_report(context, request, document)
        write_metrics(context, request.run_id, "dq_check", report.metrics())
    if document["verdict"] == "fail":
        remedy = _remedy(document["causes"][0], document, _most_held(context, days), context.objects.path(key))
        raise QualityError(_complaint(document), next_step=remedy)
    approve(context, markers)
    return {
        "days": len(days),
        "verdict": document["verdict"],
        "dq_risk_score": document["dq_risk_score"],
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
    held = _held(context, days)
    by_reason = held.group_by("feed_id", "reason_code").aggregate(records=held.count()).order_by("reason_code")
    for row in context.engine.collect(by_reason).to_pylist():
        reasons[row["feed_id"]][row["reason_code"]] = row["records"]
    last = _last_ingested(context, days)
    return [
        FeedAccount(feed, counts[name], reasons[name], last.get(name)) for name, feed in sorted(context.feeds.items())
    ]


def _last_ingested(context: Context, days: list[date]) -> dict[str, datetime]:
    """Return when each feed's newest record came, of those that speak of the judged days or of a later one."""
    found: dict[str, datetime] = {}
    for table in {bronze_table(feed) for feed in context.feeds.values()}:
        rows = context.lake.read(table, days[0] - _LOOK_BACK, columns=("feed_id", "ingested_at"))
        newest = rows.group_by("feed_id").aggregate(last=rows.ingested_at.max())
        found |= {row["feed_id"]: row["last"].replace(tzinfo=UTC) for row in context.engine.collect(newest).to_pylist()}
    return found


def _feeds_of_sectors(context: Context, days: list[date]) -> FeedsOfSectors:
    """Return what share of each sector's arrivals each feed told of lately; of an only feed nobody needs to ask."""
    if len(context.feeds) == 1:
        return {}
    rows = context.lake.read(ENCOUNTERS, days[-1] - _USUAL, days[-1])
    counts = rows.group_by("sector_id", "feed_id").aggregate(arrivals=rows.count())
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in context.engine.collect(counts).to_pylist():
        found[row["sector_id"]][row["feed_id"]] = row["arrivals"]
    return {
        sector: {feed_id: arrivals / sum(feeds.values()) for feed_id, arrivals in feeds.items()}
        for sector, feeds in found.items()
    }


def _rule_files(context: Context) -> Iterator[RuleFile]:
    """Yield the rules of each table that can hold rows."""
    bronze = {bronze_table(feed) for feed in context.feeds.values()}
    files = rule_files(context)
    for table in _JUDGED:
        rules = files.get(table.id)
        if rules and (table.layer != "bronze" or table in bronze):
            yield rules


def _judged(context: Context, days: list[date]) -> dict[str, Any]:
    """Return what rules look at, by table."""
    tables = {table.id: _on(context, table, days) for table in _JUDGED}
    return tables | {BATCH_ACCOUNTS.id: _by_feed_and_day(tables[BATCH_ACCOUNTS.id])}


def _findings(
    context: Context,
    rules: RuleFile,
    days: list[date],
    tables: Mapping[str, Any],
    history: Mapping[str, Sequence[Sequence[float | None]]],
) -> tuple[Finding, ...]:
    feeds = context.feeds.values()
    judged = tables[rules.table]
    scope = Scope(
        judged,
        references=tables,
        now=context.latest_plausible().replace(tzinfo=None),
        # An encounter of these days may stand on another day as well. Of no rows at all both would be one table.
        standing=context.lake.read(ENCOUNTERS, columns=ENCOUNTERS.column_names).view()
        if rules.table == ENCOUNTERS.id
        else None,
    )
    judge = partial(
        evaluate,
        collect=context.engine.collect,
        ask=ask_once(lambda sql: context.engine.query(sql, {PRIMARY: judged})),
        history=history,
        delivered=delivered_columns(feeds),
        held=_held_by(context, rules, days) if rules.table == ENCOUNTERS.id else {},
    )

    def each(checks: Sequence[Check], scope: Scope) -> tuple[Finding, ...]:
        count = judged.aggregate(rows=judged.count())
        return judge_each(checks, partial(judge, scope=scope), lambda: context.engine.collect(count))

    holding = [check for check in rules.checks if check.is_quarantining]
    try:
        if not holding or not read_decisions(context):
            return each(rules.checks, scope)
        # What somebody let in breaks the rule that held it, and is no fault any more.
        without = replace(scope, table=_not_released(context, rules, judged, days))
        others = [check for check in rules.checks if not check.is_quarantining]
        found = {finding.rule_id: finding for finding in (*each(others, scope), *each(holding, without))}
        return tuple(found[check.rule_id] for check in rules.checks)
    except ConfigError as error:
        raise error.about(f"rules/{rules.table}.dqdl") from error


def _not_released(context: Context, rules: RuleFile, judged: Any, days: list[date]) -> Any:
    """Return the rows without those that people let in."""
    let_in = _on(context, QUARANTINE, days)
    let_in = let_in.filter(let_in.state == "released")
    keys = ["encounter_id"] if rules.table == ENCOUNTERS.id else list(ENCOUNTERS_RAW.key)
    return judged.anti_join(let_in, keys)


def _by_feed_and_day(accounts: Any) -> Any:
    """Return one row per feed and day: a file may tell of any part of a day."""
    return accounts.group_by("feed_id", "dt").aggregate(**{fate: accounts[fate].sum() for fate in ACCOUNT})


def _held_by(context: Context, rules: RuleFile, days: list[date]) -> dict[str, int]:
    """Return how many encounters each rule of silver holds back; bronze keeps its rows, held or not."""
    holding = [check.rule_id for check in rules.checks if check.is_quarantining]
    if not holding:
        return {}
    rows = _held(context, days)
    rows = rows.select("encounter_id", rule=rows.rule_ids.split(",").unnest())
    counted = rows.group_by("rule").aggregate(encounters=rows.encounter_id.nunique())
    found = {row["rule"]: row["encounters"] for row in context.engine.collect(counted).to_pylist()}
    return {rule: found[rule] for rule in holding if found.get(rule)}


def _on(context: Context, table: Table, days: list[date]) -> Any:
    # Of bronze, only the rules look at all that was delivered.
    columns = () if table.layer == "bronze" else table.column_names
    return context.lake.read(table, days=days, columns=columns)


def _held(context: Context, days: list[date]) -> Any:
    """Return the records that are kept out of silver; what was released is in it."""
    rows = _on(context, QUARANTINE, days)
    return rows.filter(rows.state != "released")


def _most_held(context: Context, days: list[date]) -> str:
    """Return why most records of the days are held and what to compare; nothing if none is held."""
    held = _held(context, days)
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


def _remedy(cause: Mapping[str, Any], report: Mapping[str, Any], held: str, path: str) -> str:
    """Return what to do about the gravest cause, and where to look at the rest."""
    listing = f"`hops dq show` shows what broke, `hops dq quarantine` the held records; the report is {path}."
    table = lead_of(cause, report).get("table")
    steps = [held] if held and cause["kind"] == "rule" and table == BATCH_ACCOUNTS.id else [cause["next_step"], held]
    return " ".join(filter(None, [*steps, listing]))


def _complaint(report: Mapping[str, Any]) -> str:
    """Return what is wrong: the gravest cause, what follows from it, and how many others failed."""
    failed = [cause for cause in report["causes"] if cause["verdict"] == "fail"]
    cause = failed[0]
    is_rule = cause["kind"] == "rule"
    sentence = f"rule {cause['cause_id']}: {cause['sentence']}." if is_rule else _as_sentence(cause["sentence"])
    told = [sentence, cause["diagnosis"]]
    told += [f"And {len(failed) - 1} more."] if len(failed) > 1 else []
    return " ".join(filter(None, told))


def _as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
