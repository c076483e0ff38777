from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from engines import PROPERTY
from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.core.tables import EVENTS_RAW, MILESTONES, STAYS
from healthcare_ops.pipeline import silver
from oracles.stays import Stay, walk
from stages import table_of_days
from unit.pipeline.builders import at, events, judged, site

DAYS = [(at("2026-03-01").date(), at("2026-03-31").date())]


def on_day(name, clock, sector=None, bed=None, **told):
    moment = at(clock) if "-" in clock else at(f"2026-03-01 {clock}")
    return {"event_type": name, "event_time": moment, "sector_id": sector, "bed_id": bed} | told


def silver_of(engine, *rows, days=DAYS):
    spans = offset_spans(ZoneInfo("UTC"), *DAYS[0])
    table = engine.table(events(*rows))
    placed = engine.stage(silver.places(table))
    encounters = engine.stage(silver.assemble(table, placed, site(), spans))
    return silver.silver(
        [(EVENTS_RAW.id, engine.table(judged()))], table, placed, encounters, table_of_days(engine, days)
    )


def stays(engine, *rows, **keys):
    """Return the stays as (sector, bed, from, to) with clocks of the day, in order."""

    def clock(moment):
        return moment and f"{moment:%H:%M}"

    found = engine.collect(silver_of(engine, *rows, **keys).stays).to_pylist()
    found.sort(key=lambda row: row["start_time"])
    return [(row["sector_id"], row["bed_id"], clock(row["start_time"]), clock(row["end_time"])) for row in found]


def test_a_patient_stays_from_arrival_to_discharge(engine):
    rows = [on_day("arrival", "10:00", "ED", "7"), on_day("discharge", "14:00")]

    assert stays(engine, *rows) == [("ED", "7", "10:00", "14:00")]


def test_a_patient_who_has_not_left_is_still_there(engine):
    assert stays(engine, on_day("arrival", "10:00", "ED")) == [("ED", None, "10:00", None)]


def test_a_transfer_ends_one_stay_and_begins_another(engine):
    rows = [
        on_day("arrival", "10:00", "ED", "7"),
        on_day("transfer", "12:00", "WARD", "31"),
        on_day("transfer", "13:00", "ED", "7"),
        on_day("discharge", "14:00", "ED"),
    ]

    assert stays(engine, *rows) == [
        ("ED", "7", "10:00", "12:00"),
        ("WARD", "31", "12:00", "13:00"),
        ("ED", "7", "13:00", "14:00"),
    ]


def test_another_bed_of_the_same_sector_is_another_stay(engine):
    rows = [
        on_day("arrival", "10:00", "ED"),
        on_day("care_start", "10:30", "ED", "7"),
        on_day("admit", "11:00", "ED", "8"),
    ]

    assert stays(engine, *rows) == [
        ("ED", None, "10:00", "10:30"),
        ("ED", "7", "10:30", "11:00"),
        ("ED", "8", "11:00", None),
    ]


def test_an_event_that_names_the_place_without_the_bed_moves_nobody(engine):
    rows = [
        on_day("arrival", "10:00", "ED", "7"),
        on_day("triage_start", "10:05", "ED"),
        on_day("care_start", "10:30", "ED", "7"),
        on_day("discharge", "14:00", "ED"),
    ]

    assert stays(engine, *rows) == [("ED", "7", "10:00", "14:00")]


def test_a_bed_of_another_sector_is_another_bed_even_under_the_same_number(engine):
    rows = [
        on_day("arrival", "10:00", "ED", "7"),
        on_day("transfer", "12:00", "WARD"),
        on_day("admit", "13:00", "WARD", "7"),
    ]

    assert stays(engine, *rows) == [
        ("ED", "7", "10:00", "12:00"),
        ("WARD", None, "12:00", "13:00"),
        ("WARD", "7", "13:00", None),
    ]


def test_an_event_without_a_place_moves_nobody(engine):
    rows = [on_day("arrival", "10:00", "ED", "7"), on_day("transfer", "12:00", None, "9"), on_day("discharge", "14:00")]

    assert stays(engine, *rows) == [("ED", "7", "10:00", "14:00")]


def test_of_several_moves_at_one_instant_only_the_last_is_a_stay(engine):
    rows = [
        on_day("arrival", "10:00", "ED"),
        on_day("transfer", "12:00", "WARD"),
        on_day("care_start", "12:00", "ED", "7"),
        on_day("discharge", "14:00"),
    ]

    assert stays(engine, *rows) == [("ED", None, "10:00", "12:00"), ("WARD", None, "12:00", "14:00")]


def test_a_patient_taken_in_and_moved_at_once_was_only_in_the_second_place(engine):
    rows = [on_day("arrival", "10:00", "ED"), on_day("transfer", "10:00", "WARD"), on_day("discharge", "14:00")]

    assert stays(engine, *rows) == [("WARD", None, "10:00", "14:00")]


def test_a_visit_of_no_length_still_has_its_stay(engine):
    rows = [on_day("arrival", "10:00", "ED"), on_day("discharge", "10:00")]

    assert stays(engine, *rows) == [("ED", None, "10:00", "10:00")]


def test_stays_belong_to_the_day_of_the_arrival(engine):
    rows = [on_day("arrival", "23:00", "ED"), on_day("transfer", "2026-03-02 01:00", "WARD")]

    found = engine.collect(silver_of(engine, *rows).stays)

    assert found.column_names == list(STAYS.column_names)
    assert {day.isoformat() for day in found["dt"].to_pylist()} == {"2026-03-01"}


def test_a_held_encounter_has_no_stays_and_no_events(engine):
    rows = [on_day("arrival", "10:00", "ED"), on_day("discharge", "09:00")]

    tables = silver_of(engine, *rows)

    assert engine.collect(tables.stays).num_rows == 0
    assert engine.collect(tables.events).num_rows == 0


def test_only_the_days_that_are_rebuilt_come_out(engine):
    rows = [on_day("arrival", f"2026-03-{day:02d} 10:00", "ED", encounter_id=f"day {day}") for day in (1, 2, 3, 4, 5)]
    days = [(at("2026-03-02").date(), at("2026-03-02").date()), (at("2026-03-04").date(), at("2026-03-05").date())]

    tables = silver_of(engine, *rows, days=days)

    for table in (tables.encounters, tables.stays, tables.events):
        assert sorted(engine.collect(table)["encounter_id"].to_pylist()) == ["day 2", "day 4", "day 5"]


def test_an_event_is_known_by_encounter_kind_and_instant_or_by_the_source_s_id(engine):
    rows = [on_day("arrival", "10:00", "ED"), on_day("care_start", "10:30", source_event_id="k1.e9")]

    found = engine.collect(silver_of(engine, *rows).events).to_pylist()

    microseconds = (at("2026-03-01 10:00") - at("1970-01-01")) // timedelta(microseconds=1)
    assert sorted(row["event_id"] for row in found) == [f"a|arrival|{microseconds}", "a|k1.e9"]


def told(found):
    return [(row["event_type"], f"{row['event_time']:%H:%M}", row["sector_id"], row["bed_id"]) for row in found]


def test_events_that_share_kind_and_instant_are_one_and_the_one_that_names_a_place_stands(engine):
    rows = [
        on_day("arrival", "10:00", "ED"),
        on_day("discharge", "12:00", outcome="left_without_care"),
        on_day("discharge", "12:00", "ED"),
        on_day("discharge", "12:00", "ED", "7"),
    ]

    found = [
        engine.collect(silver_of(engine, *order).events).sort_by("event_time").to_pylist()
        for order in (rows, rows[::-1])
    ]

    assert told(found[0]) == [("arrival", "10:00", "ED", None), ("discharge", "12:00", "ED", "7")]
    assert found[1] == found[0]


def test_an_event_that_two_feeds_tell_of_under_one_id_stands_once(engine):
    rows = [
        on_day("arrival", "10:00", "ED", source_event_id="k1.e1"),
        on_day("arrival", "10:00", feed_id="beds", source_event_id="k1.e1"),
        on_day("discharge", "12:00", feed_id="beds", source_event_id="k1.e2"),
    ]

    found = engine.collect(silver_of(engine, *rows).events).sort_by("event_time").to_pylist()

    assert told(found) == [("arrival", "10:00", "ED", None), ("discharge", "12:00", None, None)]


@st.composite
def journeys(draw):
    """Sound encounters: an arrival, then anything anywhere, at few instants so that many coincide."""
    minutes = st.integers(0, 6)
    event = st.builds(
        lambda name, minute, sector, bed: on_day(name, f"10:0{minute}", sector, bed),
        st.sampled_from(MILESTONES[4:6]),
        minutes,
        st.sampled_from([None, "ED", "ED", "WARD"]),
        st.sampled_from([None, "7", "8"]),
    )
    journey = []
    for number in range(draw(st.integers(10, 40))):
        arrival = on_day("arrival", "10:00", "ED", draw(st.sampled_from([None, "7"])))
        rest = draw(st.lists(event, max_size=8))
        leaving = [on_day("discharge", "10:06")] if draw(st.booleans()) else []
        journey += [row | {"encounter_id": f"patient {number}"} for row in (arrival, *rest, *leaving)]
    return draw(st.permutations(journey))


@given(journey=journeys())
@settings(PROPERTY, max_examples=5)
def test_any_journey_is_the_one_that_a_walk_through_its_events_takes(engine, journey):
    patients = {row["encounter_id"] for row in journey}

    found = engine.collect(silver_of(engine, *journey).stays).to_pylist()

    for patient in patients:
        mine = [row for row in journey if row["encounter_id"] == patient]
        left = next((row["event_time"] for row in mine if row["event_type"] == "discharge"), None)
        walked = [
            Stay(row["sector_id"], row["bed_id"], row["start_time"], row["end_time"])
            for row in found
            if row["encounter_id"] == patient
        ]
        assert sorted(walked, key=lambda stay: stay.start) == walk(mine, left)
