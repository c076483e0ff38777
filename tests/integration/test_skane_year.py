from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from healthcare_ops.bootstrap.configuration import add_feed, create_state
from healthcare_ops.bootstrap.platform import Platform, open_platform
from healthcare_ops.core.civil_time import civil_hours
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.days import days_between
from healthcare_ops.core.tables import (
    BATCH_ACCOUNTS,
    ENCOUNTERS,
    FEATURES,
    OPS_METRICS_HOURLY,
    QUARANTINE,
    STAYS,
    TABLES,
    Table,
)
from healthcare_ops.operations import bulk
from oracles.hours import look
from oracles.skane import ZONE, Year, read_year

CLOCK = AsOfClock(datetime(2018, 1, 2, tzinfo=ZONE))
FATES = ("applied", "superseded", "duplicate", "quarantined", "ignored")


@dataclass(frozen=True)
class Loaded:
    """The sample year in a state directory, and its tables as they were after loading."""

    platform: Platform
    tables: dict[str, pa.Table]

    def __getitem__(self, table: Table) -> pa.Table:
        return self.tables[table.id]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> Iterator[Loaded]:
    """Load the year once, as `hops load` does."""
    state: Path = tmp_path_factory.mktemp("skane") / "state"
    samples = files("healthcare_ops.samples")
    with (
        as_file(samples.joinpath("skane_site.toml")) as site,
        as_file(samples.joinpath("skane_feed.toml")) as mapping,
        as_file(samples.joinpath("skane_2017.csv.gz")) as year,
    ):
        create_state(state, site, CLOCK)
        feed = add_feed(state, mapping)
        with open_platform(state, CLOCK) as platform:
            bulk.land(platform, feed, {year: bulk.sha256_of(year)})
            bulk.refine(platform, lambda job: None)
            yield Loaded(platform, read_tables(platform))


@pytest.fixture(scope="module")
def year() -> Year:
    return read_year()


def read_tables(platform: Platform) -> dict[str, pa.Table]:
    """Return the rows of every table, in the order of their keys, without ingest times."""
    tables = {}
    for table in TABLES:
        rows = platform.context.engine.collect(platform.lake.read(table))
        kept = rows.select([name for name in rows.column_names if name != "ingested_at"])
        tables[table.id] = kept.sort_by([(name, "ascending") for name in table.key])
    return tables


def test_every_visit_of_the_year_is_accounted_for(loaded, year):
    accounts = loaded[BATCH_ACCOUNTS]

    totals = {name: pc.sum(accounts[name]).as_py() for name in ("delivered", *FATES)}

    nothing = dict.fromkeys(("superseded", "duplicate", "ignored"), 0)
    assert totals == {"delivered": 20_353, "applied": 20_350, "quarantined": 3} | nothing
    assert (year.delivered, len(year.encounters)) == (20_353, 20_350)


def test_every_day_s_account_adds_up(loaded):
    unbalanced = [
        row for row in loaded[BATCH_ACCOUNTS].to_pylist() if row["delivered"] != sum(row[fate] for fate in FATES)
    ]

    assert unbalanced == []


def test_the_visits_of_the_hour_that_spring_skipped_are_held(loaded, year):
    held = loaded[QUARANTINE].to_pylist()

    assert {row["reason_code"] for row in held} == {"TIME_IN_SKIPPED_HOUR"}
    assert {row["dt"] for row in held} <= {date(2017, 3, 25), date(2017, 3, 26)}
    assert len(held) == year.skipped == 3


def test_the_times_of_the_hour_that_autumn_repeated_are_counted(loaded, year):
    assert pc.sum(loaded[BATCH_ACCOUNTS]["civil_times_resolved"]).as_py() == year.repeated > 0


def test_every_accepted_visit_arrives_is_seen_and_leaves_when_the_file_says(loaded, year):
    columns = ("arrival_time", "triage_start", "care_start", "discharge_time", "triage_level", "disposition")

    found = sorted(tuple(row[name] for name in columns) for row in loaded[ENCOUNTERS].to_pylist())

    assert found == sorted(tuple(row[name] for name in columns) for row in year.encounters)


def test_every_accepted_visit_is_one_stay_in_the_emergency_department(loaded, year):
    found = sorted((row["start_time"], row["end_time"]) for row in loaded[STAYS].to_pylist())

    assert found == sorted((row["start_time"], row["end_time"]) for row in year.stays)
    assert set(loaded[STAYS]["sector_id"].to_pylist()) == {"ED"}


def test_no_wait_and_no_stay_is_negative(loaded):
    names = ("wait_triage_min", "wait_service_min", "total_wait_min", "los_min")

    assert {name: pc.min(loaded[ENCOUNTERS][name]).as_py() >= 0 for name in names} == dict.fromkeys(names, True)


def test_waits_and_stays_are_as_long_as_the_file_says(loaded, year):
    for name in ("total_wait_min", "los_min"):
        found = np.sort(loaded[ENCOUNTERS][name].to_numpy())

        assert np.allclose(found, np.sort([row[name] for row in year.encounters]), rtol=0, atol=1e-9), name


def test_the_hours_of_the_year_hold_every_accepted_arrival(loaded, year):
    assert pc.sum(loaded[OPS_METRICS_HOURLY]["arrivals_count"]).as_py() == len(year.encounters)


def test_the_year_has_every_hour_once(loaded):
    hours = loaded[OPS_METRICS_HOURLY]["hour_start"].to_pylist()

    first, steps = hours[0], {after - before for before, after in pairwise(hours)}
    assert (first, steps) == (datetime.fromisoformat("2016-12-31 23:00"), {timedelta(hours=1)})
    assert len(hours) == 365 * 24 + 12


DAYS = (
    date(2017, 1, 1),
    date(2017, 3, 25),
    date(2017, 3, 26),
    date(2017, 7, 15),
    date(2017, 10, 29),
    date(2017, 10, 30),
    date(2017, 12, 31),
    date(2018, 1, 1),
)


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_every_hour_of_the_day_is_what_looking_at_every_patient_finds(loaded, year, day):
    rows = {row["hour_start"]: row for row in loaded[OPS_METRICS_HOURLY].to_pylist() if row["dt"] == day}
    starts = [hour.astimezone(UTC).replace(tzinfo=None) for hour in civil_hours(day, ZONE)]
    last = min(len(starts), 12) if day == date(2018, 1, 1) else len(starts)
    week = timedelta(days=7)
    near = [row for row in year.encounters if starts[0] - week <= row["arrival_time"] <= starts[-1] + week]
    stays = [row for row in year.stays if starts[0] - week <= row["start_time"] <= starts[-1] + week]

    assert sorted(rows) == starts[:last]
    for hour in starts[:last]:
        seen = look("ED", hour, near, stays, emergency=["ED"], longest_stay=week)
        found = {name: rows[hour][name] for name in seen}
        assert found == {name: pytest.approx(value, abs=1e-9) for name, value in seen.items()}, hour


def test_the_days_of_the_clock_changes_have_23_and_25_hours(loaded):
    days = loaded[OPS_METRICS_HOURLY]["dt"].to_pylist()

    assert [days.count(date(2017, month, day)) for month, day in ((3, 26), (10, 29), (7, 15))] == [23, 25, 24]


def test_every_hour_has_its_features(loaded):
    hours, features = loaded[OPS_METRICS_HOURLY], loaded[FEATURES]

    assert features["hour_start"].to_pylist() == hours["hour_start"].to_pylist()
    assert features["arrivals_count"].to_pylist() == hours["arrivals_count"].to_pylist()


def test_running_the_jobs_again_on_the_days_around_a_clock_change_changes_no_row(loaded):
    days = frozenset(days_between(date(2017, 10, 27), date(2017, 10, 31)))

    bulk.refine(loaded.platform, lambda job: None, days=days)

    assert_same_tables(read_tables(loaded.platform), loaded.tables)


@pytest.mark.slow
def test_building_the_year_again_from_the_raw_file_changes_no_row(loaded):
    bulk.forget_bronze(loaded.platform)
    bulk.refine(loaded.platform, lambda job: None, days=frozenset(loaded[BATCH_ACCOUNTS]["dt"].to_pylist()))

    assert_same_tables(read_tables(loaded.platform), loaded.tables)


def assert_same_tables(found: dict[str, pa.Table], expected: dict[str, pa.Table]) -> None:
    """Compare all rows: floats within 1e-9, everything else exactly."""
    sizes = {name: rows.num_rows for name, rows in expected.items()}
    assert {name: rows.num_rows for name, rows in found.items()} == sizes
    for name, rows in expected.items():
        for column in rows.column_names:
            mine, theirs = found[name][column], rows[column]
            if pa.types.is_floating(theirs.type):
                pair = mine.to_numpy().astype(float), theirs.to_numpy().astype(float)
                np.testing.assert_allclose(*pair, rtol=0, atol=1e-9, err_msg=f"{name}.{column}")
            else:
                assert mine.equals(theirs), f"{name}.{column}"
