"""Who was where and who waited, as silver knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from healthcare_ops.core.tables import ENCOUNTERS, STAYS, Table
from healthcare_ops.forecasting.regressors import minutes
from healthcare_ops.forecasting.series import HourlySeries, entries_name
from healthcare_ops.forecasting.survival import Stays
from healthcare_ops.forecasting.training import People
from healthcare_ops.forecasting.wait_usual import Waits
from healthcare_ops.jobs.context import Context
from healthcare_ops.pipeline.waits import tells_wait

Ints = NDArray[np.int64]
Read = Callable[[Table, date], ir.Table]

# Fewer who began care than this share of those who left: the feeds do not tell when care begins.
_TOLD_CARE = 0.5
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    ENCOUNTERS.id: (
        *("encounter_id", "sector_id", "triage_level", "disposition"),
        *("arrival_time", "triage_start", "triage_end", "care_start", "discharge_time"),
    ),
    STAYS.id: ("encounter_id", "sector_id", "start_time", "end_time"),
}


def people(context: Context, read: Read, since: date, until: datetime, arrivals: list[HourlySeries]) -> People:
    """Return who came to a place or arrived from a day on, as known at an instant, and hourly entries.

    Entries only of sectors to which patients come otherwise than by arriving: of others they are the arrivals. Who
    waits does so in the sector of arrival, until care begins or they leave; of a sector whose feeds hardly ever tell
    when care begins, nobody knows who waits. `read` reads a table from a day on.
    """
    placed, waited = _placed(context, read, since, until), _waited(context, read, since, until)
    known = {series.sector_id: series for series in arrivals}
    entries = [
        found
        for sector, mine in placed.items()
        if sector in known
        for found in (_entries(mine, known[sector]),)
        if (found.values != known[sector].values).any()
    ]
    longest = 1440 * context.site.max_stay_days
    queue = {
        sector: _stays(mine, "arrival_time", pc.coalesce(mine["care_start"], mine["discharge_time"]), until, longest)
        for sector, mine in waited.items()
    }
    waits = {sector: _waits(mine.filter(mine["tells_wait"]), until) for sector, mine in waited.items()}
    targets = tuple(map(float, context.site.triage.target_min))
    return People({"occupancy": placed, "queue": queue}, entries, waits, targets)


def _placed(context: Context, read: Read, since: date, until: datetime) -> dict[str, Stays]:
    encounters = read(ENCOUNTERS, since)
    levels = encounters.select("encounter_id", "triage_level", told_at=_told_at(encounters))
    stays = read(STAYS, since).left_join(levels, "encounter_id")
    rows = stays.select("sector_id", "start_time", "end_time", "triage_level", "told_at")
    found = context.engine.collect(rows.filter(rows.start_time <= ibis.literal(_naive(until))))
    longest = 1440 * context.site.max_stay_days
    return {
        sector: _stays(mine, "start_time", mine["end_time"], until, longest)
        for sector, mine in _by_sector(context, found)
    }


def _waited(context: Context, read: Read, since: date, until: datetime) -> dict[str, pa.Table]:
    encounters = read(ENCOUNTERS, since)
    rows = encounters.filter(encounters.arrival_time <= ibis.literal(_naive(until))).select(
        "sector_id",
        "arrival_time",
        "care_start",
        "discharge_time",
        "triage_level",
        told_at=_told_at(encounters),
        tells_wait=tells_wait(encounters),
    )
    found = context.engine.collect(rows)
    return {sector: mine for sector, mine in _by_sector(context, found) if _tells_care(mine)}


def _told_at(encounters: ir.Table) -> ir.Value:
    return ibis.coalesce(encounters.triage_end, encounters.triage_start)


def _by_sector(context: Context, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    for sector in context.site.sector_ids:
        mine = rows.filter(pc.equal(rows["sector_id"], sector))
        if mine.num_rows:
            yield sector, mine


def _tells_care(rows: pa.Table) -> bool:
    left = rows.filter(pc.is_valid(rows["discharge_time"]))
    return bool(left.num_rows) and left["care_start"].null_count <= (1.0 - _TOLD_CARE) * left.num_rows


def _stays(rows: pa.Table, start: str, ends: Any, until: datetime, longest_min: int) -> Stays:
    """Return stays as they were known at an instant; one that nobody ended ends after the longest stay, as in gold."""
    begun, ended, told = (_minutes(column) for column in (rows[start], ends, rows["told_at"]))
    ended = np.where(ended < 0, begun + longest_min, ended)
    level = np.asarray(pc.fill_null(rows["triage_level"], 0).to_numpy(), dtype=np.int64)
    # A level of an unknown minute was known when the patient came to the place.
    return Stays.of(begun, ended, level, np.where(told < 0, begun, told)).known_at(minutes(until))


def _waits(rows: pa.Table, until: datetime) -> Waits:
    """Return encounters and their waits as they were known at an instant."""
    names = ("arrival_time", "care_start", "discharge_time", "told_at")
    arrival, care, leave, told = (_exact_minutes(rows[name]) for name in names)
    level = np.asarray(pc.fill_null(rows["triage_level"], 0).to_numpy(), dtype=np.int64)
    return Waits.of(arrival, care, leave, level, told).known_at(minutes(until))


def _exact_minutes(column: Any) -> NDArray[np.float64]:
    """Return minutes since 1970, NaN for null."""
    micros = column.cast(pa.timestamp("us")).cast(pa.int64())
    return np.asarray(np.where(pc.is_valid(micros).to_numpy(), pc.fill_null(micros, 0).to_numpy() / 60e6, np.nan))


def _minutes(column: Any) -> Ints:
    """Return minutes since 1970, −1 for null."""
    whole = pc.fill_null(column.cast(pa.timestamp("us")).cast(pa.int64()), -60_000_000)
    return np.asarray(whole.to_numpy() // 60_000_000, dtype=np.int64)


def _entries(stays: Stays, arrivals: HourlySeries) -> HourlySeries:
    hour = (stays.start_min - minutes(arrivals.start)) // 60
    inside = (hour >= 0) & (hour < len(arrivals.values))
    counts = np.bincount(hour[inside], minlength=len(arrivals.values)).astype(np.float64)
    return HourlySeries(entries_name(arrivals.sector_id), arrivals.start, counts)


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def newest_reader(context: Context) -> Read:
    """Return what reads tables as they are now."""
    return lambda table, first: context.lake.read(table, first, columns=_COLUMNS[table.id])


def pinned_reader(context: Context, name: str) -> Read:
    """Return what reads tables as they were when they were pinned."""
    return lambda table, first: context.pins.pinned(table, name, first)
