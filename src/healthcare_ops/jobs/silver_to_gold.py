"""`silver_to_gold`: hourly metrics of every day that changed silver can reach."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa

from healthcare_ops.core.civil_time import civil_day, civil_hours
from healthcare_ops.core.days import day_runs, days_between
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, EVENTS, OPS_METRICS_HOURLY, STAYS
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.pipeline.gold import Hours, hourly_metrics, spells_in_days
from healthcare_ops.ports import DayChanges

KNOWN_UNTIL = "known_until"
_DAY = timedelta(days=1)
_LONGEST_SILENCE_DAYS = 31


def run(context: Context, request: Request) -> Outcome:
    """Rebuild gold from the first changed day to the last day that a changed stay can reach, but for silences."""
    changes = silver_changes(context)
    changed = changes[ENCOUNTERS.id].days | request.days
    known_until = _known_until(context)
    if not changed or known_until is None:
        return {"days": 0}
    days = _reached_days(context, changed, known_until)
    reach = timedelta(days=context.site.max_stay_days + 1)
    encounters = context.lake.read(ENCOUNTERS, days[0] - reach, days[-1])
    stays = context.lake.read(STAYS, days[0] - reach, days[-1])
    spells = context.engine.collect(spells_in_days(encounters, stays, context.site))
    operating = _operating_days(spells, known_until.date())
    open_days = [day for day in days if day in operating]
    notes = {_marker(table): change.marker for table, change in changes.items()}
    notes[KNOWN_UNTIL] = known_until.isoformat()
    if not open_days:
        nothing = context.lake.read(OPS_METRICS_HOURLY, days[0], days[0]).limit(0)
        context.lake.replace_days(OPS_METRICS_HOURLY, nothing, days, notes)
        return {"days": 0, "rows": 0, "known_until": known_until.isoformat()}
    calendar, hours = civil_calendar(open_days, context.site, until=known_until)
    with context.engine.from_arrow(calendar) as rows:
        metrics = hourly_metrics(encounters, stays, rows, hours, context.site)
        count = context.lake.replace_days(OPS_METRICS_HOURLY, metrics, days, notes)
    return {"days": len(open_days), "rows": count, "known_until": known_until.isoformat()}


def silver_changes(context: Context) -> Mapping[str, DayChanges]:
    """Return, by table, the days of encounters and of their accounts that gold has not taken yet."""
    return {
        table.id: context.lake.changes(table, context.lake.note(OPS_METRICS_HOURLY, _marker(table.id)))
        for table in (ENCOUNTERS, BATCH_ACCOUNTS)
    }


def _marker(table: str) -> str:
    return f"from.{table}"


def civil_calendar(days: list[date], site: Site, *, until: datetime) -> tuple[Any, Hours]:
    """Return the civil hours of the days that begin before `until`: `hour_no`, `hour_start` (naive UTC), `dt`."""
    placed = [(hour, day) for day in days for hour in civil_hours(day, site.tz) if hour < until]
    shift_min = placed[0][0].minute
    numbers = [int(hour.timestamp() // 3600) for hour, _ in placed]
    table = pa.table(
        {
            "hour_no": pa.array(numbers, pa.int64()),
            "hour_start": pa.array([hour.replace(tzinfo=None) for hour, _ in placed], pa.timestamp("us")),
            "dt": pa.array([day for _, day in placed], pa.date32()),
        }
    )
    return table, Hours(numbers[0], numbers[-1], shift_min)


def _operating_days(spells: pa.Table, last: date) -> frozenset[date]:
    """Return the days that someone was there, and those of shorter silences between them.

    A month in which nobody came, waited or stayed is a feed that did not deliver, or the time between two
    hospitals' extracts, and not 744 hours without an arrival.
    """
    days: set[date] = set()
    for first, end in zip(*(spells[name].to_pylist() for name in ("first_day", "last_day")), strict=True):
        # Days here are of UTC; the civil day can be the one beside.
        days.update(days_between(first - _DAY, min(end, last) + _DAY))
    runs = list(day_runs(days))
    silences = [days_between(before[1], after[0]) for before, after in pairwise(runs)]
    return frozenset(days.union(*(silence for silence in silences if len(silence) <= _LONGEST_SILENCE_DAYS)))


def _known_until(context: Context) -> datetime | None:
    """Return the newest instant that silver speaks of, not later than now; None for an empty lake."""
    days = context.lake.changes(ENCOUNTERS, "").days
    if not days:
        return None
    reach = timedelta(days=context.site.max_stay_days + 1)
    events = context.lake.read(EVENTS, max(days) - reach)
    (newest,) = context.engine.collect(events.aggregate(newest=events.event_time.max()))["newest"].to_pylist()
    return min(newest.replace(tzinfo=UTC), context.latest_plausible()) if newest else None


def _reached_days(context: Context, changed: frozenset[date], known_until: datetime) -> list[date]:
    """Return the run of days to rebuild, without a gap to what gold already holds."""
    last = civil_day(known_until - timedelta(microseconds=1), context.site.tz)
    first_of_silver = min(context.lake.changes(ENCOUNTERS, "").days)
    built = context.lake.changes(OPS_METRICS_HOURLY, "").days
    # The last day built may have been a part of a day, and days without any encounter may lie behind it.
    first = min(changed | ({max(built)} if built else {first_of_silver}))
    reachable = max(changed) + timedelta(days=context.site.max_stay_days + 1)
    first = min(max(first, first_of_silver), last)
    return days_between(first, max(min(reachable, last), first))
