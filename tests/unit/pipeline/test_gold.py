from __future__ import annotations

import random
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import PROPERTY
from oracles.clocks import clock_of
from oracles.hours import look
from unit.pipeline.builders import at
from unit.pipeline.hourly import HOUR, MINUTE, by_hour, day, gold, stay, visit


def test_every_sector_has_a_row_for_every_hour_even_if_nobody_came(engine):
    rows = gold(engine, count=3)

    assert sorted(rows) == [(name, day(f"0{hour}:00")) for name in ("ED", "WARD") for hour in range(3)]
    empty = {"arrivals_count": 0, "departures_count": 0, "left_without_care": 0, "occupied_beds": 0}
    empty |= {"occupancy_rate": 0.0, "queue_length": 0, "boarding": 0, "risk_score": 0.0}
    empty |= dict.fromkeys(("wait_avg_min", "wait_p90_min", "avg_triage_acuity", "longest_wait_min"))
    empty |= dict.fromkeys(("longest_boarding_min", "last_door_to_bed_min"))
    assert [{name: row[name] for name in empty} for row in rows.values()] == [empty] * 6


def test_an_arrival_counts_in_its_hour_and_sector(engine):
    arrivals = [visit("09:59:59.999999"), visit("10:00"), visit("10:59:59"), visit("10:30", sector_id="WARD")]

    rows = gold(engine, arrivals)

    assert by_hour(rows, "arrivals_count") == {"09:00": 1, "10:00": 2}
    assert by_hour(rows, "arrivals_count", "WARD") == {"10:00": 1}


def test_the_waits_of_an_hour_are_those_of_its_arrivals(engine):
    waits = [10.0, 20.0, 30.0, 40.0, 100.0, None]
    rows = gold(engine, [visit("10:05", total_wait_min=wait) for wait in waits])

    assert rows["ED", day("10:00")]["wait_avg_min"] == pytest.approx(40.0, abs=1e-9)
    assert rows["ED", day("10:00")]["wait_p90_min"] == pytest.approx(40.0 + 0.6 * 60.0, abs=1e-9)


def test_an_hour_whose_arrivals_nobody_has_seen_has_no_wait(engine):
    rows = gold(engine, [visit("10:05")])

    assert rows["ED", day("10:00")]["arrivals_count"] == 1
    assert rows["ED", day("10:00")]["wait_avg_min"] is None
    assert rows["ED", day("10:00")]["wait_p90_min"] is None


def test_the_acuity_of_an_hour_is_the_mean_of_the_levels_given(engine):
    rows = gold(engine, [visit("10:05", triage_level=level) for level in (1, 4, 5, None)])

    assert rows["ED", day("10:00")]["avg_triage_acuity"] == pytest.approx(10 / 3, abs=1e-9)


def test_a_departure_counts_when_and_where_a_stay_ended(engine):
    places = [stay("09:00", "10:00"), stay("09:00", "10:59"), stay("09:00", "11:00", sector_id="WARD"), stay("09:00")]

    rows = gold(engine, places=places)

    assert by_hour(rows, "departures_count") == {"10:00": 2}
    assert by_hour(rows, "departures_count", "WARD") == {"11:00": 1}


def test_a_patient_who_left_unseen_counts_when_leaving(engine):
    left = {"disposition": "left_without_care"}
    visits = [
        visit("09:50", discharge_time="11:10", **left),
        visit("09:50", **left),
        visit("09:50", discharge_time="11:10", disposition="home"),
    ]

    rows = gold(engine, visits)

    assert by_hour(rows, "left_without_care") == {"11:00": 1}


def test_a_bed_is_occupied_from_the_first_hour_at_or_after_coming_until_leaving(engine):
    rows = gold(engine, places=[stay("10:00", "12:00"), stay("10:00:00.000001", "12:00:00.000001")])

    assert by_hour(rows, "occupied_beds") == {"10:00": 1, "11:00": 2, "12:00": 1}


def test_a_transfer_frees_one_sector_s_bed_and_takes_the_other_s(engine):
    places = [
        stay("09:30", "11:00", encounter_id="a"),
        stay("11:00", "13:30", encounter_id="a", sector_id="WARD"),
        stay("13:30", "14:30", encounter_id="a"),
    ]

    rows = gold(engine, places=places)

    assert by_hour(rows, "occupied_beds") == {"10:00": 1, "14:00": 1}
    assert by_hour(rows, "occupied_beds", "WARD") == {"11:00": 1, "12:00": 1, "13:00": 1}


def test_a_patient_from_before_the_first_hour_is_counted_and_one_from_after_the_last_is_not(engine):
    places = [stay("2026-02-27 10:00", "01:30"), stay("2026-02-27 10:00", "2026-02-27 11:00"), stay("2026-03-05 10:00")]

    rows = gold(engine, places=places, count=3)

    assert by_hour(rows, "occupied_beds") == {"00:00": 1, "01:00": 1}


def test_a_stay_over_midnight_occupies_a_bed_on_both_days(engine):
    rows = gold(engine, places=[stay("22:30", "2026-03-02 01:30")], count=48)

    occupied = [hour for (sector, hour), row in rows.items() if row["occupied_beds"]]
    assert sorted(occupied) == [day("23:00"), at("2026-03-02 00:00"), at("2026-03-02 01:00")]
    assert {hour: rows["ED", hour]["dt"].day for hour in occupied} == {hour: hour.day for hour in occupied}


def test_an_open_stay_is_believed_no_longer_than_the_site_s_longest(engine):
    rows = gold(engine, [visit("10:00")], [stay("10:00")], count=72, max_stay_days=1)

    for column in ("occupied_beds", "queue_length"):
        hours = sorted(hour for (_, hour), row in rows.items() if row[column])
        assert (hours[0], hours[-1], len(hours)) == (day("10:00"), at("2026-03-02 09:00"), 24)


def test_occupancy_is_measured_against_functional_capacity(engine):
    sectors = [
        {"sector_id": "ED", "name": "Emergency", "functional_capacity": 4},
        {"sector_id": "CHAIRS", "name": "Chairs"},
    ]
    places = [*(stay("09:30") for _ in range(5)), stay("09:30", sector_id="CHAIRS")]

    rows = gold(engine, places=places, sectors=sectors)

    assert rows["ED", day("10:00")]["occupancy_rate"] == 1.25
    assert rows["CHAIRS", day("10:00")]["occupied_beds"] == 1
    assert rows["CHAIRS", day("10:00")]["occupancy_rate"] is None


def test_the_queue_holds_who_has_arrived_and_not_been_seen(engine):
    visits = [
        visit("09:10", care_start="11:00"),
        visit("09:40", care_start="12:30", discharge_time="15:00"),
        visit("10:00", discharge_time="11:30"),
    ]

    rows = gold(engine, visits)

    assert by_hour(rows, "queue_length") == {"10:00": 3, "11:00": 2, "12:00": 1}
    assert by_hour(rows, "longest_wait_min") == {"10:00": 50.0, "11:00": 80.0, "12:00": 140.0}


def test_an_admitted_patient_boards_while_in_the_emergency_sector(engine):
    visits = [visit("08:00", encounter_id="a", care_start="08:00", admit_time="09:30")]
    places = [
        stay("08:00", "12:00", encounter_id="a"),
        stay("12:00", "2026-03-02 12:00", encounter_id="a", sector_id="WARD"),
    ]

    rows = gold(engine, visits, places)

    assert by_hour(rows, "boarding") == {"10:00": 1, "11:00": 1}
    assert by_hour(rows, "longest_boarding_min") == {"10:00": 30.0, "11:00": 90.0}
    assert by_hour(rows, "boarding", "WARD") == {}


def test_a_boarder_who_is_moved_within_the_emergency_department_keeps_the_wait(engine):
    sectors = [{"sector_id": name, "name": name, "kind": "ed"} for name in ("ED", "RED_ROOM")]
    visits = [visit("08:00", encounter_id="a", care_start="08:00", admit_time="09:30")]
    places = [
        stay("08:00", "10:30", encounter_id="a"),
        stay("10:30", "12:30", encounter_id="a", sector_id="RED_ROOM"),
    ]

    rows = gold(engine, visits, places, sectors=sectors)

    assert by_hour(rows, "longest_boarding_min") == {"10:00": 30.0}
    assert by_hour(rows, "longest_boarding_min", "RED_ROOM") == {"11:00": 90.0, "12:00": 150.0}


def test_the_last_door_to_bed_time_is_that_of_the_patient_placed_last(engine):
    visits = [
        visit("08:00", care_start="09:10", total_wait_min=70.0),
        visit("08:30", care_start="09:50", total_wait_min=80.0),
        visit("09:00", care_start="10:00", total_wait_min=60.0),
        visit("09:00", care_start="11:59", total_wait_min=179.0, sector_id="WARD"),
    ]

    rows = gold(engine, visits, count=13)

    assert by_hour(rows, "last_door_to_bed_min") == {"10:00": 80.0, "11:00": 60.0, "12:00": 60.0}
    assert by_hour(rows, "last_door_to_bed_min", "WARD") == {}


def test_a_door_to_bed_time_is_forgotten_after_a_day(engine):
    rows = gold(engine, [visit("08:00", care_start="09:10", total_wait_min=70.0)], count=72)

    hours = sorted(hour for (_, hour), row in rows.items() if row["last_door_to_bed_min"])
    assert (hours[0], hours[-1], len(hours)) == (day("10:00"), at("2026-03-02 09:00"), 24)


@pytest.mark.parametrize(
    ("zone", "first", "count"),
    [
        ("Europe/Stockholm", "2017-03-25 23:00", 23),
        ("Europe/Stockholm", "2017-10-28 22:00", 25),
        ("America/Sao_Paulo", "2018-11-04 03:00", 23),
    ],
)
def test_a_day_of_a_clock_change_has_its_23_or_25_hours_and_loses_nobody(engine, zone, first, count):
    moments = [at(first) + HOUR * number + MINUTE for number in range(count)]
    visits = [{"arrival_time": moment} for moment in moments]
    places = [{"start_time": moment, "end_time": moment + HOUR} for moment in moments]

    rows = gold(engine, visits, places, first=first, count=count, zone=zone)

    ed = [row for (sector, _), row in sorted(rows.items()) if sector == "ED"]
    assert {row["dt"] for row in ed} == {clock_of(moments[0], ZoneInfo(zone)).date()}
    assert [row["arrivals_count"] for row in ed] == [1] * count
    assert [row["occupied_beds"] for row in ed] == [0] + [1] * (count - 1)


@pytest.mark.parametrize(
    ("zone", "first"), [("Asia/Kolkata", "2026-02-28 18:30"), ("Asia/Kathmandu", "2026-02-28 18:15")]
)
def test_hours_are_civil_hours_where_the_offset_is_not_whole(engine, zone, first):
    moments = [at(first), at(first) + 59 * MINUTE, at(first) + 60 * MINUTE]
    visits = [
        {"arrival_time": moment, "care_start": moment + 90 * MINUTE, "total_wait_min": 90.0} for moment in moments
    ]
    places = [{"start_time": moment} for moment in moments]

    rows = gold(engine, visits, places, first=first, count=4, zone=zone)

    ed = [rows["ED", at(first) + HOUR * number] for number in range(4)]
    assert [row["arrivals_count"] for row in ed] == [2, 1, 0, 0]
    assert [row["occupied_beds"] for row in ed] == [1, 3, 3, 3]
    assert [row["longest_wait_min"] for row in ed] == [0.0, 60.0, 61.0, None]
    assert [row["last_door_to_bed_min"] for row in ed] == [None, None, 90.0, 90.0]


def random_hospital(chance):
    """Return encounters and stays of two days, with many times on the full hour or beside it."""
    visits, places = [], []

    def later(moment, hours):
        minutes = chance.randrange(int(hours * 60))
        found = moment + MINUTE * minutes
        on_the_hour = found.replace(minute=0, second=0, microsecond=0) + HOUR
        return chance.choice([found, on_the_hour, on_the_hour + timedelta(microseconds=chance.choice([-1, 1]))])

    for number in range(60):
        arrival = later(at("2026-02-28 12:00"), 48)
        care = later(arrival, 6) if chance.random() < 0.8 else None
        admit = later(care or arrival, 6) if chance.random() < 0.4 else None
        moved = later(admit, 8) if admit and chance.random() < 0.7 else None
        gone = later(moved or admit or care or arrival, 12) if chance.random() < 0.8 else None
        sector = chance.choice(["ED", "ED", "RED_ROOM", "WARD"])
        visits.append(
            {
                "encounter_id": f"e{number}",
                "sector_id": sector,
                "arrival_time": arrival,
                "care_start": care,
                "admit_time": admit,
                "discharge_time": gone,
                "total_wait_min": (care - arrival) / MINUTE if care else None,
                "triage_level": chance.choice([1, 2, 3, 4, 5, None]),
                "disposition": chance.choice(["home", "left_without_care", None]),
            }
        )
        cuts = [arrival, *([moved] if moved and moved > arrival else []), gone]
        names = [sector, chance.choice(["RED_ROOM", "WARD"])]
        places += [
            {"encounter_id": f"e{number}", "sector_id": name, "start_time": start, "end_time": end}
            for name, start, end in zip(names, cuts[:-1], cuts[1:], strict=False)
        ]
    return visits, places


@given(seed=st.integers(0, 2**32))
@settings(PROPERTY, max_examples=3)
def test_any_hour_is_what_looking_at_every_patient_finds(engine, seed):
    visits, places = random_hospital(random.Random(seed))
    sectors = [
        {"sector_id": "ED", "name": "Emergency"},
        {"sector_id": "RED_ROOM", "name": "Red room"},
        {"sector_id": "WARD", "name": "Ward", "kind": "ward"},
    ]

    rows = gold(engine, visits, places, first="2026-03-01 03:00", count=30, sectors=sectors, max_stay_days=1)

    for (sector, hour), row in rows.items():
        seen = look(sector, hour, visits, places, emergency=["ED", "RED_ROOM"], longest_stay=timedelta(days=1))
        found = {name: row[name] for name in seen}
        assert found == {name: pytest.approx(value, abs=1e-9) for name, value in seen.items()}, (sector, hour)
