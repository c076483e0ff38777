"""The stages one after another on rows in memory, in the order in which the jobs run them on the lake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from engines import StageEngine
from healthcare_ops.core.civil_time import OffsetSpan, offset_spans
from healthcare_ops.core.days import days_between
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import ENCOUNTERS_RAW, EVENTS_RAW
from healthcare_ops.pipeline import records, silver
from healthcare_ops.pipeline.bronze import bronze_table


def refine(
    engine: StageEngine, delivered: Sequence[tuple[Feed, pa.Table]], site: Site, first: date, last: date
) -> silver.Silver:
    """Return the silver tables of the days `first`…`last` from bronze rows of feeds."""
    judged, parts = [], []
    for table, typer, events_of in (
        (ENCOUNTERS_RAW, records.type_encounters, silver.events_of_encounters),
        (EVENTS_RAW, records.type_events, silver.events_of_events),
    ):
        typed = [
            typer(engine.table(rows), feed, _spans(feed.zone, first, last), site.sector_ids)
            for feed, rows in delivered
            if bronze_table(feed) == table
        ]
        if typed:
            rows = engine.stage(records.judge(ibis.union(*typed)))
            judged.append((table.id, rows))
            parts.append(events_of(rows))
    events = engine.stage(ibis.union(*parts))
    placed = engine.stage(silver.places(events))
    encounters = engine.stage(silver.assemble(events, placed, site, _spans(site.zone, first, last)))
    return silver.silver(judged, events, placed, encounters, table_of_days(engine, [(first, last)]))


def table_of_days(engine: StageEngine, runs: Iterable[tuple[date, date]]) -> ir.Table:
    """Return all days of some runs, as stages take them."""
    days = [day for first, last in runs for day in days_between(first, last)]
    return engine.table(pa.table({"dt": pa.array(days, pa.date32())}))


def _spans(zone: str, first: date, last: date) -> tuple[OffsetSpan, ...]:
    margin = timedelta(days=8)
    return offset_spans(ZoneInfo(zone), first - margin, last + margin)
