from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest

from healthcare_ops.core.tables import FEATURES, OPS_METRICS_HOURLY
from healthcare_ops.pipeline.features import LAG_HOURS, LEVEL_HOURS, features
from unit.pipeline.builders import at, rows_of

FIRST, HOUR = at("2025-01-01"), timedelta(hours=1)
KNOWN = (*LEVEL_HOURS, *LAG_HOURS)


def counts(number):
    """Return the arrivals of an hour: a series that repeats neither daily nor weekly."""
    return number * 7919 % 11


def metric(number, sector="ED", **told):
    hour = FIRST + HOUR * number
    usual = {"facility_id": "hospital", "sector_id": sector, "hour_start": hour, "dt": hour.date()}
    usual |= {"arrivals_count": counts(number), "occupied_beds": number % 5, "queue_length": number % 3}
    return usual | told


def build(engine, metrics, wanted):
    """Return hour number → features of the wanted hours, of the emergency sector alone."""
    starts = [FIRST + HOUR * number for number in wanted]
    calendar = pa.table(
        {
            "hour_start": pa.array(starts, pa.timestamp("us")),
            "hour_of_day": pa.array([start.hour for start in starts], pa.int64()),
            "day_of_week": pa.array([start.weekday() for start in starts], pa.int64()),
            "day_of_year": pa.array([start.timetuple().tm_yday for start in starts], pa.int64()),
            "is_holiday": pa.array([start.day == 1 for start in starts], pa.bool_()),
        }
    )
    found = engine.collect(features(engine.table(rows_of(OPS_METRICS_HOURLY, metrics)), engine.table(calendar)))
    assert found.column_names == list(FEATURES.column_names)
    return {(row["hour_start"] - FIRST) // HOUR: row for row in found.to_pylist() if row["sector_id"] == "ED"}


def known_at(number, since=0):
    """Return what is known at the start of an hour if history began at hour `since`."""
    levels = {
        name: sum(counts(before) for before in range(number - hours, number)) / hours
        if number - since >= hours
        else None
        for name, hours in LEVEL_HOURS.items()
    }
    lags = {name: counts(number - hours) if number - since >= hours else None for name, hours in LAG_HOURS.items()}
    return levels | lags


def test_levels_and_lags_are_empty_until_their_history_exists_and_exact_from_then_on(engine):
    lengths = {*LEVEL_HOURS.values(), *LAG_HOURS.values()}
    wanted = sorted({0, 1, *(hours + shift for hours in lengths for shift in (-1, 0, 1))})

    rows = build(engine, [metric(number) for number in range(8740)], wanted)

    assert sorted(rows) == wanted
    for number, row in rows.items():
        assert {name: row[name] for name in KNOWN} == pytest.approx(known_at(number), abs=1e-9), number


def test_nothing_at_or_after_the_hour_is_seen(engine):
    history = [metric(number) for number in range(700)]
    cut = 690
    changed = [*history[:cut], *(metric(number, arrivals_count=1000) for number in range(cut, 700))]

    rows = build(engine, history, [cut])
    truncated = build(engine, history[: cut + 1], [cut])
    rewritten = build(engine, changed, [cut])

    assert truncated == rows
    assert rewritten[cut] == rows[cut] | {"arrivals_count": 1000}


def test_each_sector_has_a_history_of_its_own(engine):
    ward = [metric(number, "WARD", arrivals_count=1000) for number in range(20)]

    rows = build(engine, [*(metric(number) for number in range(20)), *ward], [15])

    assert rows[15]["level_12h"] == pytest.approx(known_at(15)["level_12h"], abs=1e-9)


def test_history_begins_anew_behind_a_gap(engine):
    metrics = [metric(number) for number in (*range(200), *range(210, 400))]

    rows = build(engine, metrics, [199, 210, 221, 222, 377, 378])

    for number, row in rows.items():
        since = 0 if number < 210 else 210
        assert {name: row[name] for name in KNOWN} == pytest.approx(known_at(number, since), abs=1e-9), number


def test_a_row_has_its_hour_s_calendar_and_the_state_of_the_sector(engine):
    rows = build(engine, [metric(number) for number in range(40)], [37])

    told = (
        "hour_of_day",
        "day_of_week",
        "day_of_year",
        "is_holiday",
        "occupied_beds",
        "queue_length",
        "arrivals_count",
    )
    assert [rows[37][name] for name in told] == [13, 3, 2, False, 2, 1, counts(37)]


def test_only_the_hours_that_are_wanted_come_out(engine):
    rows = build(engine, [metric(number) for number in range(40)], [30, 31])

    assert sorted(rows) == [30, 31]
