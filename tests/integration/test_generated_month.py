"""A synthetic month through the whole pipeline, against what really happened in it."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.errors import DataError, ExitCode
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import BATCH_ACCOUNTS, OPS_METRICS_HOURLY, Table
from healthcare_ops.core.validated import read_toml
from healthcare_ops.generator.journeys import ENCOUNTERS, STAYS, Journeys
from healthcare_ops.generator.scenario import FeedName, RowFault, Scenario
from healthcare_ops.generator.truth import minute_truth
from healthcare_ops.operations import bulk
from healthcare_ops.operations.generate import Order, generate
from healthcare_ops.operations.load import Loaded, load

# The clock in Stockholm is put forward on the 29th.
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
# It is put back on the 25th.
AUTUMN = {"first": date(2026, 10, 24), "last": date(2026, 10, 27)}
AFTERWARDS = AsOfClock(datetime(2026, 11, 10, tzinfo=UTC))
FATES = ("applied", "superseded", "duplicate", "quarantined", "ignored")
SITE = """
facility_id = "h"
name = "Hospital"
zone = "Europe/Stockholm"
hospital_beds = 40
nedocs = { assume_ventilated = 0 }
sectors = [
    { sector_id = "ED", name = "Emergency", kind = "ed", functional_capacity = 4 },
    { sector_id = "PED", name = "Children", kind = "ed", functional_capacity = 2 },
    { sector_id = "OBS", name = "Observation", kind = "other", functional_capacity = 3 },
    { sector_id = "WARD", name = "Ward", kind = "ward", functional_capacity = 9 },
]
"""
PARAMETERS = "[emergency.arrivals]\nper_day = 7\n"
# What the defaults do, often enough to happen to a small hospital.
LATE_AND_CORRECTED = """
[reporting]
delay_min = [[0, 0], [0.5, 5], [0.8, 120], [1, 2880]]
corrected_share = 0.1
reextract_share = 0.3
"""
# A week in which the clock is put forward, a file every six hours: rows suffer in all of them, some break as a whole.
EVERYTHING = """
faults = [
    { kind = "nulls", column = "triage_level", share = 0.2 },
    { kind = "nulls", column = "sector", share = 0.03 },
    { kind = "duplicates", share = 0.1 },
    { kind = "volume", factor = 1.4, start = 2026-03-27, end = 2026-03-29 },
    { kind = "volume", factor = 0.6, sectors = ["PED"] },
    { kind = "unknown_codes", column = "sector", share = 0.03 },
    { kind = "unknown_codes", column = "event_type", share = 0.03 },
    { kind = "unknown_codes", column = "transfer_sector", share = 0.3 },
    { kind = "swapped_columns", columns = ["sector", "bed"], share = 0.03 },
    { kind = "seconds_for_minutes", share = 0.03 },
    { kind = "clock_shift", minutes = -90, share = 0.03 },
    { kind = "dst_mistake", share = 0.2 },
    { kind = "dst_mistake", how = "not_back", share = 0.2 },
    { kind = "dst_mistake", how = "late", share = 0.2 },
    { kind = "wrong_dates", to = "1970", share = 0.03 },
    { kind = "wrong_dates", to = "future", share = 0.03 },
    { kind = "reversed_events", share = 0.05 },
    { kind = "silent", start = 2026-03-31T00:00:00, end = 2026-03-31T12:00:00 },
    { kind = "silent", share = 0.2, start = 2026-04-01T00:00:00, end = 2026-04-01T12:00:00 },
    { kind = "silent", sectors = ["PED"], is_lost = true, start = 2026-04-01T12:00:00, end = 2026-04-02T12:00:00 },
    { kind = "truncated", share = 0.1 },
    { kind = "corrupt", share = 0.1 },
    { kind = "corrupt", how = "bytes", share = 0.1 },
    { kind = "schema_change", renamed = { sector = "place" }, share = 0.1 },
    { kind = "schema_change", dropped = ["patient_id"], share = 0.1 },
    { kind = "schema_change", added = ["note"], share = 0.5 },
    { kind = "demand_change", factor = 2, first = 2026-03-30 },
    { kind = "peak_shift", hours = 5, first = 2026-03-30 },
    { kind = "slower_service", factor = 2, first = 2026-03-30 },
]

[reporting]
delay_min = [[0, 0], [1, 30]]
corrected_share = 0.1
correction_delay_min = [[0, 0], [1, 60]]
reextract_share = 0.5
reextract_after_h = 0
"""
BUSY = "[emergency.arrivals]\nper_day = 40\n"
# The encounter feed goes the same way through silver and gold; that it does is seen in `make full`.
every_feed = pytest.mark.parametrize("feed", ["events", pytest.param("encounters", marks=pytest.mark.slow)])


@dataclass(frozen=True)
class Hospital:
    """A folder that the generator made, and state directories beside it."""

    folder: Path
    states: Path

    @property
    def journeys(self) -> Journeys:
        truth = self.folder / "truth"
        encounters, stays = (pq.read_table(truth / f"{name}.parquet") for name in ("encounters", "stays"))
        return Journeys(encounters.cast(ENCOUNTERS), stays.cast(STAYS))

    @property
    def faults(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "truth" / "faults.ndjson").read_text().splitlines()]

    def files(self, feed: str) -> list[Path]:
        return sorted((self.folder / "deliveries" / feed).iterdir())

    def load(self, feed: str, paths: Iterable[Path]) -> Loaded:
        feed_file, site = self.folder / "feeds" / f"{feed}.toml", self.folder / "site.toml"
        return load(self.states / feed, feed_file, site, list(paths), AFTERWARDS, lambda step: None)

    def rows(self, feed: str, table: Table) -> list[dict[str, Any]]:
        with open_platform(self.states / feed, exclusive=False) as platform:
            read = platform.lake.read(table).order_by(list(table.key))
            rows: list[dict[str, Any]] = platform.context.engine.collect(read).to_pylist()
        return rows


def make(
    folder: Path, *, site: str = SITE, parameters: str = PARAMETERS, scenario: str = "", **different: Any
) -> Hospital:
    folder.mkdir()
    for name, text in (("site", site), ("parameters", parameters), ("scenario", scenario)):
        (folder / f"{name}.toml").write_text(text)
    usual = {"first": FIRST, "last": LAST, "parameters_file": folder / "parameters.toml"}
    order = Order(folder / "site.toml", folder / "made", **(usual | different), scenario_file=folder / "scenario.toml")
    generate(order)
    return Hospital(folder / "made", folder)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Hospital:
    hospital = make(tmp_path_factory.mktemp("clean") / "h", is_clean=True, every_min=7 * 1440)
    for feed in ("encounters", "events"):
        assert hospital.load(feed, hospital.files(feed)).failure is None
    return hospital


@pytest.fixture(scope="module")
def late(tmp_path_factory) -> Hospital:
    options = {"scenario": LATE_AND_CORRECTED, "every_min": 6 * 1440, "clock": "offset"}
    return make(tmp_path_factory.mktemp("late") / "h", **options)


def hourly(
    journeys: Journeys, site: Site, first: date = FIRST, last: date = LAST
) -> dict[tuple[str, datetime], dict[str, int]]:
    """Return the truth of each sector and hour: arrivals in it, and who was there as it began."""
    minutes = minute_truth(journeys, site, first, last)
    hour = pc.floor_temporal(minutes["minute_start"], unit="hour")
    arrivals = (
        minutes.append_column("hour", hour).group_by(["sector_id", "hour"]).aggregate([("arrivals", "sum")]).to_pylist()
    )
    at_start = minutes.filter(pc.equal(minutes["minute_start"], hour)).to_pylist()
    found = {(row["sector_id"], row["hour"]): {"arrivals_count": row["arrivals_sum"]} for row in arrivals}
    for row in at_start:
        found[row["sector_id"], row["minute_start"]] |= {
            "queue_length": row["queue"],
            "occupied_beds": row["occupancy"],
            "boarding": row["boarding"],
        }
    return found


def with_first_moves(journeys: Journeys) -> Journeys:
    """Return the journeys as an encounter's row can tell them: the sector of arrival, and one move."""
    told: dict[int, list[dict[str, Any]]] = {}
    for stay in journeys.stays.to_pylist():
        places = told.setdefault(stay["encounter_no"], [])
        if len({place["sector_id"] for place in places}) == 2:
            places[-1]["end_time"] = stay["end_time"]
        else:
            places.append(stay)
    return Journeys(journeys.encounters, pa.Table.from_pylist([p for places in told.values() for p in places], STAYS))


def metrics(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, datetime], dict[str, int]]:
    names = ("arrivals_count", "queue_length", "occupied_beds", "boarding")
    return {(row["sector_id"], row["hour_start"]): {name: row[name] for name in names} for row in rows}


def newest_event(journeys: Journeys) -> datetime:
    times = [name for name, kind in zip(ENCOUNTERS.names, ENCOUNTERS.types, strict=True) if pa.types.is_timestamp(kind)]
    found: datetime = max(
        pc.max(column).as_py()
        for column in (*(journeys.encounters[name] for name in times), journeys.stays["start_time"])
    )
    return found


# Clean deliveries


def test_the_lake_of_an_event_feed_is_the_truth_at_every_hour(clean):
    site = read_toml(clean.folder / "site.toml", Site)
    truth = hourly(clean.journeys, site)

    gold = metrics(clean.rows("events", OPS_METRICS_HOURLY))

    until = newest_event(clean.journeys)
    known = {key: values for key, values in truth.items() if key[1] < until}
    assert gold == known
    assert len(known) > 4 * 24 * 30
    assert all(sum(values[name] for values in known.values()) > 30 for name in next(iter(known.values())))


def test_the_lake_of_an_encounter_feed_is_the_truth_but_for_second_moves(clean):
    site = read_toml(clean.folder / "site.toml", Site)
    truth, told = hourly(clean.journeys, site), hourly(with_first_moves(clean.journeys), site)

    gold = metrics(clean.rows("encounters", OPS_METRICS_HOURLY))

    until = newest_event(with_first_moves(clean.journeys))
    known = {key for key in truth if key[1] < until}
    assert gold == {key: told[key] for key in known}
    assert all(truth[key] | {"occupied_beds": 0} == told[key] | {"occupied_beds": 0} for key in known)
    assert any(truth[key] != told[key] for key in known)


def test_the_lake_is_the_truth_at_every_hour_when_the_clock_is_put_back(tmp_path):
    hospital = make(tmp_path / "h", parameters=BUSY, feeds=("events",), is_clean=True, **AUTUMN)
    assert hospital.load("events", hospital.files("events")).failure is None
    truth = hourly(hospital.journeys, read_toml(hospital.folder / "site.toml", Site), **AUTUMN)

    gold = metrics(hospital.rows("events", OPS_METRICS_HOURLY))

    known = {key: values for key, values in truth.items() if key[1] < newest_event(hospital.journeys)}
    assert gold == known
    # 02:00 to 03:00 in Stockholm, twice.
    twice = [datetime(2026, 10, 25, hour, tzinfo=UTC).replace(tzinfo=None) for hour in (0, 1)]
    assert all(sum(values["arrivals_count"] for key, values in known.items() if key[1] == hour) for hour in twice)


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("Europe/Stockholm", date(2026, 3, 28), date(2026, 3, 30)),
        ("Europe/Stockholm", date(2024, 2, 28), date(2024, 3, 1)),
        ("America/Sao_Paulo", date(2018, 11, 3), date(2018, 11, 5)),
        ("America/Sao_Paulo", date(2018, 2, 16), date(2018, 2, 18)),
    ],
    ids=["an hour skipped", "a leap day", "midnight skipped", "an hour before midnight twice"],
)
def test_odd_days_of_the_clock_and_the_calendar_are_those_of_the_truth(tmp_path, zone, first, last):
    site = SITE.replace("Europe/Stockholm", zone)
    days = {"first": first, "last": last}
    hospital = make(tmp_path / "h", site=site, parameters=BUSY, feeds=("events",), is_clean=True, **days)
    assert hospital.load("events", hospital.files("events")).failure is None
    truth = hourly(hospital.journeys, read_toml(hospital.folder / "site.toml", Site), **days)

    gold = metrics(hospital.rows("events", OPS_METRICS_HOURLY))

    assert gold == {key: values for key, values in truth.items() if key[1] < newest_event(hospital.journeys)}
    assert sum(values["arrivals_count"] for values in gold.values()) > 150


# Late, corrected and re-extracted deliveries


@every_feed
def test_deliveries_in_any_order_give_the_same_gold_as_clean_ones(clean, late, feed):
    files = late.files(feed)
    random.Random(2).shuffle(files)

    assert late.load(feed, files).failure is None

    gold, expected = (hospital.rows(feed, OPS_METRICS_HOURLY) for hospital in (late, clean))
    assert len(gold) == len(expected)
    for row, wanted in zip(gold, expected, strict=True):
        assert {name for name in wanted if not is_same(row[name], wanted[name])} == set()
    accounts = late.rows(feed, BATCH_ACCOUNTS)
    assert accounted(accounts)
    assert all(sum(account[fate] for account in accounts) > 0 for fate in ("applied", "superseded", "duplicate"))
    assert sum(account["quarantined"] for account in accounts) == 0


def is_same(value: Any, wanted: Any) -> bool:
    return value == wanted or (isinstance(wanted, float) and math.isclose(value, wanted, rel_tol=1e-9))


def accounted(accounts: Iterable[Mapping[str, Any]]) -> bool:
    return all(account["delivered"] == sum(account[fate] for fate in FATES) for account in accounts)


# Every fault at once


def sift(hospital: Hospital, feed: str) -> tuple[list[Path], dict[str, ExitCode]]:
    """Return the files that can be read, and the exit codes of those that cannot."""
    readable, refused = [], {}
    for path in hospital.files(feed):
        try:
            bulk.verify([path], read_toml(hospital.folder / "feeds" / f"{feed}.toml", Feed), lambda step: None)
            readable.append(path)
        except DataError as error:
            refused[path.name] = error.exit_code
    return readable, refused


def row_faults(hospital: Hospital, feed: FeedName) -> set[int]:
    """Return the numbers of the faults of rows that the scenario has for a feed."""
    faults = read_toml(hospital.folder / "truth" / "scenario.toml", Scenario).faults
    return {number for number, fault in enumerate(faults) if isinstance(fault, RowFault) and feed in fault.feeds}


@pytest.mark.parametrize("feed", ["events", "encounters"])
def test_with_every_fault_bad_files_are_refused_and_every_record_of_the_others_is_accounted_for(tmp_path, feed):
    a_week = {"first": date(2026, 3, 27), "last": date(2026, 4, 2), "every_min": 360}
    hospital = make(tmp_path / "h", parameters=BUSY, scenario=EVERYTHING, feeds=(feed,), **a_week)

    readable, refused = sift(hospital, feed)
    loaded = hospital.load(feed, readable)

    is_whole = {"truncated", "corrupt", "schema_change"}
    struck = {fault["file"] for fault in hospital.faults if fault["kind"] in is_whole and "added" not in sizes(fault)}
    assert refused == dict.fromkeys(struck, ExitCode.STEP_FAILED)
    assert 5 <= len(refused) < len(readable)
    names = {path.name for path in readable}
    hits = Counter[int]()
    for fault in hospital.faults:
        hits[fault["fault"]] += (fault["records"] + fault["removed"]) * (fault["file"] in names)
    assert {number for number, count in hits.items() if count} >= row_faults(hospital, feed)
    delivered = {one["source_file"]: one["delivered"] for one in loaded.document["files"] if "delivered" in one}
    assert delivered == {path.name: path.read_text().count("\n") - 1 for path in readable}
    accounts = hospital.rows(feed, BATCH_ACCOUNTS)
    assert accounted(accounts)
    assert sum(account["delivered"] for account in accounts) == sum(delivered.values()) > 1000
    assert all(sum(account[fate] for account in accounts) > 0 for fate in ("applied", "duplicate", "quarantined"))


@every_feed
def test_faults_that_all_strike_every_row_leave_no_record_unaccounted(tmp_path, feed):
    whole_rows = re.sub(r"share = 0\.\d+", "share = 1.0", EVERYTHING.partition('{ kind = "truncated"')[0]) + "]\n"
    days = {"first": date(2026, 3, 28), "last": date(2026, 3, 30)}
    hospital = make(tmp_path / "h", parameters=BUSY, scenario=whole_rows, feeds=(feed,), **days)

    hospital.load(feed, hospital.files(feed))

    written = sum(path.read_text().count("\n") - 1 for path in hospital.files(feed))
    accounts = hospital.rows(feed, BATCH_ACCOUNTS)
    assert accounted(accounts)
    assert sum(account["delivered"] for account in accounts) == written > 200
    assert sum(account["applied"] for account in accounts) < written / 2


def sizes(fault: Mapping[str, Any]) -> set[str]:
    """Return what a record of a fault says of its size, as far as it says something."""
    return {name for name, value in fault["size"].items() if value}
