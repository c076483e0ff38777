"""`bronze_to_silver`: the days that new bronze records touch, rebuilt whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from healthcare_ops.core.civil_time import OffsetSpan, offset_spans
from healthcare_ops.core.days import day_runs, days_between
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.feed import Feed, delivered_columns
from healthcare_ops.core.tables import (
    BATCH_ACCOUNTS,
    ENCOUNTERS,
    ENCOUNTERS_RAW,
    EVENTS,
    EVENTS_RAW,
    QUARANTINE,
    STAYS,
    Table,
)
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.quality_rules import checks_of, kept_decisions, read_decisions
from healthcare_ops.jobs.rule_faults import enter_held
from healthcare_ops.pipeline import records, silver
from healthcare_ops.pipeline.bronze import bronze_table
from healthcare_ops.pipeline.quality.quarantine import (
    Decision,
    hold,
    let_in,
    released_rules,
    standing,
    with_held,
    with_rejections,
)
from healthcare_ops.pipeline.quality.rules.checks import Check

_BRONZE = (ENCOUNTERS_RAW, EVENTS_RAW)
_Stage = Callable[..., ir.Table]
_Judge = Callable[[Sequence[Check]], ir.Table]
_Restriction = Callable[[ir.Table], ir.Table]


def run(context: Context, request: Request) -> Outcome:
    """Rebuild silver for the days of every encounter that new records speak of."""
    days, notes = _affected_days(context, request)
    if not days:
        return {"days": 0}
    with _silver(context, days) as tables:
        counts = {
            table.id: context.lake.replace_days(table, rows, sorted(days), {})
            for table, rows in (
                (EVENTS, tables.events),
                (STAYS, tables.stays),
                (QUARANTINE, tables.quarantine),
                (BATCH_ACCOUNTS, tables.accounts),
            )
        }
        # Last, with the markers: after a crash before this commit the same days are rebuilt again.
        counts[ENCOUNTERS.id] = context.lake.replace_days(ENCOUNTERS, tables.encounters, sorted(days), notes)
    return {"days": len(days), "rows": counts}


def _affected_days(context: Context, request: Request) -> tuple[set[date], dict[str, str]]:
    """Return the days that new records can reach, and bronze's markers."""
    notes: dict[str, str] = {}
    changed: set[date] = set()
    for table in _BRONZE:
        key = f"from.{table.id}"
        changes = context.lake.changes(table, context.lake.note(ENCOUNTERS, key))
        notes[key] = changes.marker
        changed |= changes.days
    everything = _days_told(context)
    if everything:
        changed |= request.days
    if changed >= everything:
        # Bronze may have been made anew in more commits than are kept: of days it held before, only silver knows.
        held = (context.lake.changes(table, "").days for table in (ENCOUNTERS, QUARANTINE, BATCH_ACCOUNTS))
        return _and_beside(changed.union(*held)), notes
    return (changed | _days_of_encounters_on(context, changed) if changed else changed), notes


def _days_told(context: Context) -> frozenset[date]:
    """Return all days that bronze has records of."""
    return frozenset().union(*(context.lake.changes(table, "").days for table in _BRONZE))


def _and_beside(days: Iterable[date]) -> set[date]:
    """Return the days and those beside them: arrival days follow the site's clock, record days the feed's."""
    return {day + timedelta(days=shift) for day in days for shift in (-1, 0, 1)}


def _days_of_encounters_on(context: Context, days: set[date]) -> set[date]:
    """Return the days of all records of the encounters that have one on some days, and those that they stood on."""
    margin = timedelta(days=context.site.max_stay_days + 1)
    clocks = [feed.feed_id for feed in context.feeds.values() if feed.zone == context.site.zone]
    parts = [
        records.told_days(
            context.lake.read(table, min(days) - margin, max(days) + margin, columns=records.DAY_COLUMNS[table.id]),
            clocks,
        )
        for table in _BRONZE
    ]
    rows = ibis.union(*parts)
    there = rows.filter(silver.within(rows.dt, list(day_runs(days)))).select("encounter_id").distinct()
    # A corrected date moves an encounter over any distance; silver knows where it stood.
    stood = [
        context.lake.read(table, columns=("encounter_id", "dt")).mutate(may_be_beside=ibis.literal(False))
        for table in (ENCOUNTERS, QUARANTINE)
    ]
    found = ibis.union(rows, *stood).semi_join(there, "encounter_id").select("dt", "may_be_beside").distinct()
    told = context.engine.collect(found).to_pylist()
    return {row["dt"] for row in told} | _and_beside(row["dt"] for row in told if row["may_be_beside"])


@dataclass(frozen=True)
class _Window:
    """The days of bronze that the rebuilt days can depend on, as runs that may overlap."""

    runs: tuple[tuple[date, date], ...]

    @property
    def first(self) -> date:
        return self.runs[0][0]

    @property
    def last(self) -> date:
        return self.runs[-1][1]

    @property
    def days(self) -> set[date]:
        return {day for first, last in self.runs for day in days_between(first, last)}

    def spans(self, zone: str, reach: timedelta) -> tuple[OffsetSpan, ...]:
        return offset_spans(ZoneInfo(zone), self.first - reach, self.last + reach)


@contextmanager
def _silver(context: Context, days: Collection[date]) -> Iterator[silver.Silver]:
    decisions, runs = read_decisions(context), list(day_runs(days))
    # Of a load, every record is one of the days.
    kept = None if _days_told(context) <= set(days) else partial(_of_encounters_near, _records_near(context, days))
    with _assembled(context, runs, decisions, kept) as found, ExitStack() as stack:
        checks = _judged_checks(context, ENCOUNTERS)
        told = [rows for _, rows in found.judged]
        encounters = enter_held(
            stack, context.engine, checks, lambda able: with_held(found.encounters, told, able, decisions)
        )
        rebuilt = pa.table({"dt": pa.array(sorted(days), pa.date32())})
        of_days = stack.enter_context(context.engine.from_arrow(rebuilt))
        tables = silver.silver(found.judged, found.events, found.placed, encounters, of_days)
        yield replace(tables, quarantine=with_rejections(tables.quarantine, decisions))


def _records_near(context: Context, days: Collection[date]) -> ir.Table:
    """Return the records of bronze of which an encounter can be one of the days, by its arrival or by a record."""
    near = _and_beside(days)
    return ibis.union(*(context.lake.read(table, days=near, columns=("encounter_id", "dt")) for table in _BRONZE))


def _of_encounters_near(near: ir.Table, raw: ir.Table) -> ir.Table:
    """Return the records of the encounters of which one is near, and those that name no encounter."""
    return raw.filter(raw.encounter_id.isnull() | raw.encounter_id.isin(near.encounter_id))


@contextmanager
def told_encounters(context: Context, wanted: ir.Table, days: Collection[date]) -> Iterator[ir.Table]:
    """Yield what the records tell of some encounters, those that are held too: the columns of `silver.encounters`.

    Parameters
    ----------
    wanted
        `encounter_id` of each of them.
    days
        Days under which bronze has records of theirs; at least one.
    """
    with _assembled(context, list(day_runs(days)), kept_decisions(context), partial(_of, wanted)) as found:
        yield found.encounters.select(*ENCOUNTERS.column_names)


@contextmanager
def standing_records(context: Context, wanted: ir.Table, days: Collection[date]) -> Iterator[ir.Table]:
    """Yield which deliveries told what stands of some encounters; parameters as those of `told_encounters`."""
    with _assembled(context, list(day_runs(days)), kept_decisions(context), partial(_of, wanted)) as found:
        yield standing([rows for _, rows in found.judged])


def _of(wanted: ir.Table, raw: ir.Table) -> ir.Table:
    return raw.semi_join(wanted, "encounter_id")


@dataclass(frozen=True)
class _Assembled:
    """Judged records by bronze table, and what they tell: events, changes of place, encounters."""

    judged: list[tuple[str, ir.Table]]
    events: ir.Table
    placed: ir.Table
    encounters: ir.Table


@contextmanager
def _assembled(
    context: Context,
    runs: Sequence[tuple[date, date]],
    decisions: Sequence[Decision],
    kept: _Restriction | None,
) -> Iterator[_Assembled]:
    reach = timedelta(days=context.site.max_stay_days + 1)
    window = _Window(tuple((first - reach, last + reach) for first, last in runs))
    with ExitStack() as stack:

        def stage(rows: ir.Table) -> ir.Table:
            return stack.enter_context(context.engine.stage(rows))

        judged, parts = [], []
        for table, judge_by, events_of in _records(context, window, reach, decisions, kept):
            rows = enter_held(stack, context.engine, _judged_checks(context, table), judge_by)
            _require_own_days(context, rows)
            judged.append((table.id, rows))
            parts.append(events_of(rows))
        if not parts:
            raise ConfigError(
                "bronze has records, and there is no feed file by which to read them.",
                next_step="Put the files back into `feeds/` of the state directory.",
            )
        events = ibis.union(*parts)
        placed = stage(silver.places(events))
        spans = window.spans(context.site.zone, reach)
        yield _Assembled(judged, events, placed, silver.assemble(events, placed, context.site, spans))


def _require_own_days(context: Context, judged: ir.Table) -> None:
    """Raise `ConfigError` if bronze keeps records under days that the feed's present mapping does not give them."""
    elsewhere = judged.filter(judged.is_misplaced)
    counts = elsewhere.group_by("feed_id").aggregate(
        records=elsewhere.count(), first=elsewhere.dt.min(), last=elsewhere.dt.max()
    )
    for row in context.engine.collect(counts).to_pylist():
        raise ConfigError(
            f"{row['records']} records of feed {row['feed_id']} lie in bronze under the days of an earlier mapping.",
            next_step=f"Run `hops backfill --from-raw --from {row['first']} --to {row['last']}`.",
        )


def _judged_checks(context: Context, table: Table) -> list[Check]:
    """Return the checks of a table that speak of what is delivered."""
    delivered = delivered_columns(context.feeds.values())
    return [check for check in checks_of(context, table) if not check.needs or check.needs in delivered]


def _records(
    context: Context,
    window: _Window,
    reach: timedelta,
    decisions: Sequence[Decision],
    kept: _Restriction | None,
) -> Iterator[tuple[Table, _Judge, _Stage]]:
    """Yield per bronze table that has a feed: the table, its records judged by given checks, how they become events.

    `kept` returns those of the records that are read; null: all.
    """
    shapes: tuple[tuple[Table, _Stage, _Stage], ...] = (
        (ENCOUNTERS_RAW, records.type_encounters, silver.events_of_encounters),
        (EVENTS_RAW, records.type_events, silver.events_of_events),
    )
    for table, typer, events_of in shapes:
        feeds = [feed for feed in context.feeds.values() if bronze_table(feed) == table]
        spans = [(feed, window.spans(feed.zone, reach)) for feed in feeds]
        if not spans:
            continue
        raw = context.lake.read(table, days=window.days)
        released = {
            rule: raw.content_hash.isin(let_in(raw, "content_hash", decided))
            for rule, decided in released_rules(decisions).items()
        }
        typed = partial(_typed, typer=typer, spans=spans, sectors=context.site.sector_ids)
        yield table, partial(_judged, raw=raw, released=released, kept=kept, typed=typed), events_of


def _judged(
    checks: Sequence[Check],
    *,
    raw: ir.Table,
    released: Mapping[str, Any],
    kept: _Restriction | None,
    typed: Callable[[ir.Table], ir.Table],
) -> ir.Table:
    held = hold(raw, checks, released)
    return records.judge(typed(kept(held) if kept else held))


def _typed(
    raw: ir.Table, *, typer: _Stage, spans: Sequence[tuple[Feed, Sequence[OffsetSpan]]], sectors: Sequence[str]
) -> ir.Table:
    return ibis.union(*(typer(raw.filter(raw.feed_id == feed.feed_id), feed, of_it, sectors) for feed, of_it in spans))
