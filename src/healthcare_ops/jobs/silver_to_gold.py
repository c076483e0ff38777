"""`silver_to_gold`: hourly metrics of every day that changed silver can reach."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import ibis
import pyarrow as pa

from healthcare_ops.core.civil_time import civil_day, civil_hours
from healthcare_ops.core.days import day_runs, days_between
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, EVENTS, OPS_METRICS_HOURLY, STAYS
from healthcare_ops.jobs.approval import require_approval
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.pipeline.gold import Hours, hourly_metrics, spells_in_days
from healthcare_ops.ports import DayChanges

KNOWN_UNTIL = "known_until"
_DAY = timedelta(days=1)
_LONGEST_SILENCE_DAYS = 31


def gold_known_until(context: Context) -> datetime | None:
    """Return the instant until which gold knows what happened, at most what is plausible; None if it knows nothing."""
    noted = context.lake.note(OPS_METRICS_HOURLY, KNOWN_UNTIL)
    return min(datetime.fromisoformat(noted), context.latest_plausible()) if noted else None


def run(context: Context, request: Request) -> Outcome:
    """Rebuild gold from the first changed day to the last day that a changed stay can reach, but for silences.

    Raises
    ------
    TransientError
        If silver is not what data quality let pass: another run changed it since.
    """
    changes = silver_changes(context)
    changed = changes[ENCOUNTERS.id].days | request.days
    if not changed:
        return {"days": 0}
    require_approval(context)
    known_until = _known_until(context)
    told = _told_days(context, known_until)
    built = context.lake.changes(OPS_METRICS_HOURLY, "").days
    days = _days_to_rebuild(told, built, changed, context.site)
    # A corrected date leaves days behind that silver no longer speaks of.
    replaced = sorted(built.difference(told).union(days))
    if not replaced:
        return {"days": 0}
    reach = timedelta(days=context.site.max_stay_days + 1)
    encounters, stays = (
        context.lake.read(table, replaced[0] - reach, replaced[-1], columns=table.column_names)
        for table in (ENCOUNTERS, STAYS)
    )
    spells = context.engine.collect(spells_in_days(encounters, stays, context.site))
    operating = _operating_days(spells, replaced[-1])
    open_days = [day for day in days if day in operating]
    notes = {_marker(table): change.marker for table, change in changes.items()}
    notes[KNOWN_UNTIL] = known_until.isoformat() if known_until else ""
    if known_until is None or not open_days:
        nothing = context.lake.read(OPS_METRICS_HOURLY, replaced[0], replaced[0]).limit(0)
        context.lake.replace_days(OPS_METRICS_HOURLY, nothing, replaced, notes)
        return {"days": 0, "rows": 0, "known_until": notes[KNOWN_UNTIL]}
    calendar, hours = civil_calendar(open_days, context.site, until=known_until)
    with context.engine.from_arrow(calendar) as rows:
        metrics = hourly_metrics(encounters, stays, rows, hours, context.site)
        count = context.lake.replace_days(OPS_METRICS_HOURLY, metrics, replaced, notes)
    return {"days": len(open_days), "rows": count, "known_until": notes[KNOWN_UNTIL]}


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
    latest = context.latest_plausible()
    last = civil_day(latest, context.site.tz)
    days = [day for day in context.lake.changes(ENCOUNTERS, "").days if day <= last]
    if not days:
        return None
    reach = timedelta(days=context.site.max_stay_days + 1)
    # Where the newest days tell of nothing but times to come, older ones are asked.
    for first in (max(days) - reach, None):
        events = context.lake.read(EVENTS, first, last, columns=("event_time",))
        told = events.filter(events.event_time <= ibis.literal(latest.replace(tzinfo=None)))
        found = context.engine.collect(told.aggregate(newest=told.event_time.max()))
        newest: datetime | None = found["newest"].to_pylist()[0]
        if newest:
            return newest.replace(tzinfo=UTC)
    return None


def _told_days(context: Context, known_until: datetime | None) -> list[date]:
    """Return the days that silver speaks of, from its first to that of `known_until`."""
    if known_until is None:
        return []
    first = min(context.lake.changes(ENCOUNTERS, "").days)
    return days_between(first, civil_day(known_until - timedelta(microseconds=1), context.site.tz))


def _days_to_rebuild(told: list[date], built: frozenset[date], changed: frozenset[date], site: Site) -> list[date]:
    """Return the run of told days that the changed ones reach, without a gap to what gold already holds."""
    if not told:
        return []
    # The last day built may have been a part of a day, and days without any encounter may lie behind it.
    first = min(changed | ({max(built)} if built else {told[0]}))
    first = min(max(first, told[0]), told[-1])
    reachable = max(changed) + timedelta(days=site.max_stay_days + 1)
    return days_between(first, max(min(reachable, told[-1]), first))
