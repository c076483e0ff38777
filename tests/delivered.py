"""What a small hospital's feeds deliver, for tests: journeys told by hand or simulated, files read back as rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import pyarrow as pa

from healthcare_ops.generator.deliveries import DeliveredFile, Plan, Terms, everything, plan_feed
from healthcare_ops.generator.journeys import ENCOUNTERS, STAYS, Journeys
from healthcare_ops.generator.scenario import CLEAN, Reporting, Scenario
from healthcare_ops.generator.simulation import simulate
from synthetic import MONDAY, parameters, synthetic_site

Row = dict[str, str]

SITE = synthetic_site("America/Sao_Paulo", ED=6, OBS=3, WARD=12)
LAST = MONDAY + timedelta(days=6)
# In order of time: seen and sent home, admitted by way of observation, gone without being seen, still here.
_ENCOUNTERS = (
    (1, 3, "home", "08:00:00 08:05:00 08:09:30 08:20:00 - 10:00:00"),
    (2, 2, "home", "09:00:00 09:02:00 09:04:00 09:10:00 12:00:00 20:00:00"),
    (3, 5, "left_without_care", "09:30:00 09:40:00 09:45:00 - - 13:00:00"),
    (4, 4, None, "22:00:00 22:10:00 22:15:00 23:00:00 - -"),
)
_STAYS = (
    (1, "ED", None, "08:00:00 08:20:00"),
    (1, "ED", "ED-01", "08:20:00 10:00:00"),
    (2, "ED", None, "09:00:00 09:10:00"),
    (2, "ED", "ED-02", "09:10:00 14:00:00"),
    (2, "OBS", "OBS-01", "14:00:00 16:00:00"),
    (2, "WARD", "WARD-07", "16:00:00 20:00:00"),
    (3, "ED", None, "09:30:00 13:00:00"),
    (4, "ED", None, "22:00:00 23:00:00"),
    (4, "ED", "ED-01", "23:00:00 -"),
)
_TIMES = ("arrival_time", "triage_start", "triage_end", "care_start", "admit_time", "discharge_time")


def at(clock: str) -> datetime | None:
    """Return a time of Monday in UTC; None for a dash."""
    return None if clock == "-" else datetime.fromisoformat(f"{MONDAY} {clock}")


def told_journeys() -> Journeys:
    """Return four encounters of Monday, written out above."""
    encounters: list[dict[str, Any]] = [
        {
            "encounter_no": number,
            "patient_no": 100 + number,
            "facility_id": "h",
            "sector_id": "ED",
            "triage_level": level,
            "disposition": disposition,
            **dict(zip(_TIMES, map(at, clocks.split()), strict=True)),
        }
        for number, level, disposition, clocks in _ENCOUNTERS
    ]
    stays: list[dict[str, Any]] = []
    for number, sector, bed, clocks in _STAYS:
        start, end = map(at, clocks.split())
        before = sum(stay["encounter_no"] == number for stay in stays)
        stays.append(
            {
                "encounter_no": number,
                "place_no": before,
                "sector_id": sector,
                "bed_id": bed,
                "start_time": start,
                "end_time": end,
            }
        )
    return Journeys(pa.Table.from_pylist(encounters, ENCOUNTERS), pa.Table.from_pylist(stays, STAYS))


@cache
def simulated_week() -> Journeys:
    """Return a week of a small hospital with some 20 arrivals a day."""
    given = parameters(emergency={"arrivals": {"per_day": 20}}, warmup_days=2)
    return simulate(SITE, given, MONDAY, LAST, seed=5)


def make_plan(
    feed: Any,
    journeys: Journeys | None = None,
    *,
    faults: Sequence[dict[str, Any]] = (),
    reporting: Reporting = CLEAN,
    last: date = LAST,
    every_min: int = 1440,
    clock: Any = "utc",
    seed: int = 1,
    site: Any = SITE,
) -> Plan:
    """Return the plan of a feed from Monday on, clean unless something else is asked for."""
    scenario = Scenario.model_validate({"reporting": reporting, "faults": faults})
    terms = Terms(MONDAY, last, every_min, clock, seed)
    return plan_feed(feed, journeys or simulated_week(), site, scenario, terms)


def files_of(feed: Any, journeys: Journeys | None = None, **different: Any) -> list[DeliveredFile]:
    """Return every file of such a plan."""
    return list(everything(make_plan(feed, journeys, **different)))


def rows_of(*files: DeliveredFile) -> list[Row]:
    """Return the rows of files, one after the other."""
    return [row for file in files for row in csv.DictReader(io.StringIO(text_of(file)))]


def text_of(file: DeliveredFile) -> str:
    """Return the text of a file, which must have come."""
    assert file.content is not None
    return file.content.decode()


def column(rows: Iterable[Row], *names: str) -> list[Any]:
    """Return the values of a column, or tuples of several."""
    return [row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in rows]


def instant(text: str) -> datetime:
    """Return a time as written, in UTC or with its offset."""
    return datetime.fromisoformat(text)
