"""Nine weeks of a hospital, made by a formula, a Thursday on which four things are wrong, and the Friday after it.

Of the Thursday: the visits' clock is three hours slow, nobody in PED has a triage level, in PS only every second
patient is told of, and a fifth of the records is held. The beds' clock is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from engines import StageEngine
from fakes import MemoryMetrics, MemoryObjects, MemoryRaw, MemorySecrets
from golden.scenarios import EngineOfStages, StagedLake
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.config import Settings
from healthcare_ops.core.tables import (
    BATCH_ACCOUNTS,
    ENCOUNTERS,
    ENCOUNTERS_RAW,
    EVENTS,
    EVENTS_RAW,
    STAYS,
    Column,
    Table,
)
from healthcare_ops.jobs.context import Context
from unit.pipeline.builders import encounter_feed, event_feed, rows_of, site

DAY = date(2026, 3, 12)  # a Thursday
# On the Saturday, when it is known what nobody filled in within a day.
JUDGED_AT = datetime(2026, 3, 14, 5, 10, tzinfo=UTC)
_ZONE = "America/Sao_Paulo"
_WEEKS, _SHARED_DAYS = 9, 3
# Few come at night, most towards noon and again in the evening.
_BY_HOUR = {"PS": (3, 2, 1, 1, 1, 2, 3, 6, 8, 9, 9, 8, 7, 6, 6, 6, 7, 8, 9, 9, 7, 6, 5, 4)}
_BY_HOUR |= {"PED": (1, 1, 0, 0, 0, 1, 2, 3, 4, 4, 3, 3, 3, 2, 2, 3, 3, 4, 5, 5, 4, 3, 2, 1)}
_SLOW_BY = timedelta(hours=3)


@dataclass(frozen=True)
class Visit:
    """A visit as it was: its arrival (UTC), and what the feed of visits does not tell rightly."""

    number: int
    sector_id: str
    arrived_at: datetime
    is_odd: bool

    @property
    def encounter_id(self) -> str:
        return f"E{self.number:05}"

    @property
    def told_at(self) -> datetime:
        """Return the arrival as the visits' feed has it."""
        return self.arrived_at - _SLOW_BY if self.is_odd else self.arrived_at

    @property
    def wait_min(self) -> float:
        return 10.0 + self.number % 31

    @property
    def triage_level(self) -> int | None:
        return None if self.is_odd and self.sector_id == "PED" else 1 + self.number % 5


def context(engine: StageEngine) -> Context:
    """Return what jobs need, with the tables of the nine weeks and of the Thursday."""
    lake, every = StagedLake(engine), list(_visits())
    for table, rows in (
        (ENCOUNTERS, [_encounter(visit) for visit in every]),
        (STAYS, [_stay(visit) for visit in every]),
        (EVENTS, [_event(visit) for visit in every]),
        (BATCH_ACCOUNTS, list(_accounts(every))),
        (ENCOUNTERS_RAW, [_record(visit, "visits", arrival_time=_civil(visit.told_at)) for visit in every]),
        (EVENTS_RAW, [_bed(visit) for visit in every if _day(visit.arrived_at) > DAY - timedelta(_SHARED_DAYS)]),
    ):
        lake.add(table, rows_of(table, [_complete(table, row) for row in rows]))
    feeds = {
        "visits": encounter_feed(feed_id="visits", zone=_ZONE),
        "beds": event_feed(feed_id="beds", zone=_ZONE),
    }
    sectors = [{"sector_id": name, "name": name, "kind": "ed", "functional_capacity": 20} for name in _BY_HOUR]
    return Context(
        lake=lake,
        pins=lake,
        engine=EngineOfStages(engine),
        raw=MemoryRaw(),
        objects=MemoryObjects(),
        secrets=MemorySecrets(),
        metrics=MemoryMetrics(),
        clock=AsOfClock(JUDGED_AT),
        settings=Settings(),
        site=site(zone=_ZONE, sectors=sectors),
        feeds=feeds,
        rules={},
    )


def _visits() -> Iterator[Visit]:
    number = 0
    for back in range(7 * _WEEKS, -2, -1):
        day = DAY - timedelta(days=back)
        for sector_id, by_hour in _BY_HOUR.items():
            for hour, usual in enumerate(by_hour):
                # From two less to two more, and never less than nobody.
                count = max(usual + (back * 7 + hour * 11) % 5 - 2, 0)
                for place in range(count):
                    number += 1
                    if back == 0 and sector_id == "PS" and place % 2:
                        continue
                    clock = datetime.combine(day, time(hour, place * 60 // count), ZoneInfo(_ZONE))
                    yield Visit(number, sector_id, clock.astimezone(UTC).replace(tzinfo=None), back == 0)


def _encounter(visit: Visit) -> dict[str, Any]:
    care, left = (visit.told_at + timedelta(minutes=after) for after in (visit.wait_min, visit.wait_min + 60))
    waits = {"wait_triage_min": 5.0, "wait_service_min": visit.wait_min - 5, "total_wait_min": visit.wait_min}
    return {
        "encounter_id": visit.encounter_id,
        "patient_id": f"P{visit.number}",
        "feed_id": "visits",
        "sector_id": visit.sector_id,
        "triage_level": visit.triage_level,
        "disposition": "home",
        "arrival_time": visit.told_at,
        "triage_start": visit.told_at + timedelta(minutes=5),
        "care_start": care,
        "discharge_time": left,
        "los_min": visit.wait_min + 60,
        "dt": _day(visit.told_at),
    } | waits


def _stay(visit: Visit) -> dict[str, Any]:
    place = {"encounter_id": visit.encounter_id, "sector_id": visit.sector_id, "bed_id": str(visit.number % 20)}
    return place | {"start_time": visit.told_at, "dt": _day(visit.told_at)}


def _event(visit: Visit) -> dict[str, Any]:
    told = {"event_id": visit.encounter_id, "encounter_id": visit.encounter_id, "event_type": "arrival"}
    place = {"sector_id": visit.sector_id, "bed_id": str(visit.number % 20)}
    return told | place | {"event_time": visit.told_at, "dt": _day(visit.told_at)}


def _accounts(every: list[Visit]) -> Iterator[dict[str, Any]]:
    by_day: dict[date, int] = {}
    for visit in every:
        by_day[_day(visit.told_at)] = by_day.get(_day(visit.told_at), 0) + 1
    for day, applied in by_day.items():
        held = applied // 4 if day == DAY else 0
        yield {"feed_id": "visits", "delivered": applied + held, "applied": applied, "quarantined": held, "dt": day}


def _record(visit: Visit, feed_id: str, **told: Any) -> dict[str, Any]:
    """Return a record that comes in a quarter of an hour after what it tells of, whatever its clock says."""
    came = {"record_no": visit.number, "ingested_at": visit.arrived_at + timedelta(minutes=15)}
    names = {"feed_id": feed_id, "encounter_id": visit.encounter_id, "content_hash": f"{feed_id} {visit.number}"}
    return names | came | {"sector": visit.sector_id, "dt": _day(visit.told_at)} | told


def _bed(visit: Visit) -> dict[str, Any]:
    day = {"dt": _day(visit.arrived_at)}
    return _record(visit, "beds", event_type="arrival", event_time=_civil(visit.arrived_at)) | day


def _civil(instant: datetime) -> str:
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(_ZONE)).replace(tzinfo=None).isoformat()


def _day(instant: datetime) -> date:
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(_ZONE)).date()


def _complete(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with a value wherever the table has to have one."""
    return {column.name: _usual(column) for column in table.columns if column.null == "never null"} | row


def _usual(column: Column) -> Any:
    return {"string": "-", "int64": 0}.get(column.type)
