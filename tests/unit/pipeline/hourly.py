"""Hours of a made-up hospital, as the gold stage sees them."""

from __future__ import annotations

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from healthcare_ops.core.tables import OPS_METRICS_HOURLY
from healthcare_ops.pipeline.gold import Hours, hourly_metrics
from oracles.clocks import clock_of
from unit.pipeline.builders import at, encounters, site, stays

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def calendar(first, count, zone="UTC"):
    """Return `count` hours from a naive UTC instant on, with their civil days, and what the stage is told of them."""
    starts = [first + HOUR * number for number in range(count)]
    numbers = [int(start.replace(tzinfo=UTC).timestamp()) // 3600 for start in starts]
    days = [clock_of(start, ZoneInfo(zone)).date() for start in starts]
    rows = pa.table(
        {
            "hour_no": pa.array(numbers, pa.int64()),
            "hour_start": pa.array(starts, pa.timestamp("us")),
            "dt": pa.array(days, pa.date32()),
        }
    )
    return rows, Hours(numbers[0], numbers[-1], first.minute)


def gold(engine, visits=(), places=(), *, first="2026-03-01 00:00", count=24, zone="UTC", **site_keys):
    """Return (sector, hour_start) → row."""
    rows, hours = calendar(at(first), count, zone)
    where = site(zone=zone, **site_keys)
    tables = (engine.table(encounters(*visits)), engine.table(stays(*places)), engine.table(rows))
    found = engine.collect(hourly_metrics(*tables, hours, where))
    assert found.column_names == list(OPS_METRICS_HOURLY.column_names)
    return {(row["sector_id"], row["hour_start"]): row for row in found.to_pylist()}


def by_hour(rows, column, sector="ED"):
    """Return the values of a column that are neither null nor 0, by the clock of their hour."""
    return {f"{hour:%H:%M}": row[column] for (name, hour), row in rows.items() if name == sector and row[column]}


def day(clock):
    return at(clock) if "-" in clock else at(f"2026-03-01 {clock}")


def visit(arrival, **told):
    clocks = {name: day(told.pop(name)) for name in ("care_start", "admit_time", "discharge_time") if name in told}
    return {"arrival_time": day(arrival), **clocks, **told}


def stay(start, end=None, **told):
    return {"start_time": day(start), "end_time": day(end) if end else None, **told}
