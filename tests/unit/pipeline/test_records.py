from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.core.feed import ENCOUNTER_COLUMNS
from healthcare_ops.core.tables import ENCOUNTER_TIMES
from healthcare_ops.pipeline import records
from unit.pipeline.builders import at, encounter_feed, encounters_raw, event_feed, events_raw

SECTORS = ("ED", "WARD")


def visit(**told):
    return {"encounter_id": "a", "arrival_time": "2026-03-01 10:00", "sector": "ED"} | told


def event(**told):
    return {"encounter_id": "a", "event_type": "arrival", "event_time": "2026-03-01 10:00"} | told


def spans_of(feed):
    return offset_spans(ZoneInfo(feed.zone), at("2026-01-01").date(), at("2026-12-31").date())


def type_visits(engine, *visits, **feed_keys):
    """Return the typed records, in the order of delivery, of a feed that maps what the visits name."""
    named = {name: name for name in ENCOUNTER_COLUMNS if name in {"arrival_time", "sector"}.union(*visits)}
    feed = encounter_feed(**{"columns": named} | feed_keys)
    typed = records.type_encounters(engine.table(encounters_raw(*visits)), feed, spans_of(feed), SECTORS)
    return sorted(engine.collect(typed).to_pylist(), key=lambda row: row["record_no"])


def type_events(engine, *events, **feed_keys):
    """Return the typed records of an event feed, in the order of delivery."""
    feed = event_feed(**feed_keys)
    typed = records.type_events(engine.table(events_raw(*events)), feed, spans_of(feed), SECTORS)
    return sorted(engine.collect(typed).to_pylist(), key=lambda row: row["record_no"])


def verdicts(rows):
    return [(row["reason_code"], row["column"]) for row in rows]


def test_a_sound_visit_has_instants_codes_and_no_reason(engine):
    delivered = visit(
        triage_start="2026-03-01 10:05",
        triage_end="2026-03-01 10:09",
        care_start="2026-03-01 10:30",
        admit_time="2026-03-01 12:00",
        transfer_time="2026-03-01 13:00",
        transfer_sector="WARD",
        discharge_time="2026-03-03 09:00:00.5",
        bed="7",
        triage_level="2",
        disposition="admitted",
        version_time="2026-03-03 09:01",
    )

    (row,) = type_visits(engine, delivered)

    assert {name: row[f"{name}_at"] for name in ENCOUNTER_TIMES} == {
        name: at(delivered[name]) for name in ENCOUNTER_TIMES
    }
    assert (row["sector_id"], row["transfer_sector_id"], row["bed_id"]) == ("ED", "WARD", "7")
    assert (row["level"], row["outcome"], row["version"]) == (2, "admitted", at("2026-03-03 09:01"))
    assert verdicts([row]) == [(None, None)]


def test_a_time_on_the_wall_becomes_utc_by_the_feed_s_zone(engine):
    winter, summer = visit(arrival_time="2026-01-15 10:00"), visit(arrival_time="2026-07-15 10:00")

    rows = type_visits(engine, winter, summer, zone="Europe/Stockholm")

    assert [row["arrival_time_at"] for row in rows] == [at("2026-01-15 09:00"), at("2026-07-15 08:00")]


def test_a_time_that_carries_an_offset_does_not_need_the_feed_s_zone(engine):
    delivered = [visit(arrival_time="2026-03-01T10:00-03:00"), visit(arrival_time="2026-03-01T10:00Z")]

    rows = type_visits(engine, *delivered, zone="Asia/Kolkata")

    assert [row["arrival_time_at"] for row in rows] == [at("2026-03-01 13:00"), at("2026-03-01 10:00")]


def test_a_visit_without_an_id_is_held_back(engine):
    rows = type_visits(engine, visit(encounter_id=None))

    assert verdicts(rows) == [("ENCOUNTER_ID_MISSING", "encounter_id")]


def test_a_visit_without_any_time_is_held_back(engine):
    rows = type_visits(engine, {"encounter_id": "a", "sector": "ED"})

    assert verdicts(rows) == [("ARRIVAL_MISSING", "arrival_time")]


def test_a_time_that_cannot_be_read_holds_its_visit_back(engine):
    rows = type_visits(engine, *(visit(**{name: "soon"}) for name in ENCOUNTER_TIMES))

    assert verdicts(rows) == [("TIME_UNREADABLE", name) for name in ENCOUNTER_TIMES]


def test_a_time_outside_the_plausible_days_holds_its_visit_back(engine):
    days = ["2026-02-28 23:59", "2026-03-01 00:00", "2026-03-31 23:59", "2026-04-01 00:00"]

    rows = type_visits(
        engine,
        *(visit(arrival_time=day) for day in days),
        plausible={"first": "2026-03-01", "last": "2026-03-31"},
        zone="America/Sao_Paulo",
    )

    held = ("TIME_OUT_OF_RANGE", "arrival_time")
    assert verdicts(rows) == [held, (None, None), (None, None), held]


def test_every_time_of_a_visit_must_be_plausible(engine):
    rows = type_visits(engine, *(visit(**{name: "1900-01-01"}) for name in ENCOUNTER_TIMES))

    assert verdicts(rows) == [("TIME_OUT_OF_RANGE", name) for name in ENCOUNTER_TIMES]


@pytest.mark.parametrize(
    ("skipped_hour", "verdict", "resolved"),
    [("quarantine", ("TIME_IN_SKIPPED_HOUR", "care_start"), 0), ("shift_forward", (None, None), 1)],
)
def test_a_time_in_the_skipped_hour_is_held_or_shifted_as_the_feed_declares(engine, skipped_hour, verdict, resolved):
    delivered = visit(arrival_time="2026-03-29 01:30", care_start="2026-03-29 02:30")

    (row,) = type_visits(engine, delivered, zone="Europe/Stockholm", times={"skipped_hour": skipped_hour})

    assert (verdicts([row]), row["resolved"]) == ([verdict], resolved)
    assert row["care_start_at"] == at("2026-03-29 01:30")


@pytest.mark.parametrize(
    ("repeated_hour", "verdict", "resolved", "instant"),
    [
        ("quarantine", ("TIME_IN_REPEATED_HOUR", "care_start"), 0, "2026-10-25 00:30"),
        ("first", (None, None), 1, "2026-10-25 00:30"),
        ("second", (None, None), 1, "2026-10-25 01:30"),
    ],
)
def test_a_time_in_the_repeated_hour_is_held_or_read_as_the_feed_declares(
    engine, repeated_hour, verdict, resolved, instant
):
    delivered = visit(arrival_time="2026-10-25 01:30", care_start="2026-10-25 02:30")

    (row,) = type_visits(engine, delivered, zone="Europe/Stockholm", times={"repeated_hour": repeated_hour})

    assert (verdicts([row]), row["resolved"]) == ([verdict], resolved)
    assert row["care_start_at"] == at(instant)


def test_an_offset_tells_the_repeated_hour_s_occurrences_apart(engine):
    delivered = [visit(arrival_time="2026-10-25T02:30+02:00"), visit(arrival_time="2026-10-25T02:30+01:00")]

    rows = type_visits(engine, *delivered, zone="Europe/Stockholm")

    assert [row["arrival_time_at"] for row in rows] == [at("2026-10-25 00:30"), at("2026-10-25 01:30")]
    assert [(row["reason_code"], row["resolved"]) for row in rows] == [(None, 0), (None, 0)]


def test_every_resolved_time_of_a_visit_is_counted(engine):
    delivered = visit(arrival_time="2026-10-25 02:10", care_start="2026-10-25 02:30", discharge_time="2026-10-25 04:00")

    (row,) = type_visits(engine, delivered, zone="Europe/Stockholm", times={"repeated_hour": "first"})

    assert row["resolved"] == 2


def test_an_unknown_code_holds_its_visit_back(engine):
    faults = [
        ("sector", "X-RAY", "SECTOR_UNKNOWN"),
        ("transfer_sector", "X-RAY", "SECTOR_UNKNOWN"),
        ("triage_level", "0", "TRIAGE_UNKNOWN"),
        ("triage_level", "6", "TRIAGE_UNKNOWN"),
        ("disposition", "vanished", "DISPOSITION_UNKNOWN"),
    ]

    rows = type_visits(engine, *(visit(**{column: code}) for column, code, _ in faults))

    assert verdicts(rows) == [(reason, column) for column, _, reason in faults]


def test_a_code_that_was_not_delivered_is_not_unknown(engine):
    (row,) = type_visits(engine, visit(sector=None))

    assert (row["reason_code"], row["sector_id"], row["level"], row["outcome"]) == (None, None, None, None)


def test_the_first_fault_of_a_visit_gives_the_reason(engine):
    faults = {"arrival_time": "soon", "care_start": "1900-01-01", "triage_level": "9", "disposition": "vanished"}

    rows = type_visits(
        engine,
        visit(encounter_id=None, **faults),
        visit(**faults),
        visit(**faults | {"arrival_time": "2026-03-01"}),
        visit(triage_level="9", disposition="vanished"),
    )

    assert verdicts(rows) == [
        ("ENCOUNTER_ID_MISSING", "encounter_id"),
        ("TIME_UNREADABLE", "arrival_time"),
        ("TIME_OUT_OF_RANGE", "care_start"),
        ("TRIAGE_UNKNOWN", "triage_level"),
    ]


def test_every_reason_that_a_visit_is_held_for_is_named_once_and_in_the_same_order(engine):
    rows = type_visits(
        engine,
        visit(),
        visit(encounter_id=None, triage_level="9", disposition="vanished"),
        visit(arrival_time="1900-01-01", care_start="soon", discharge_time="soon"),
        visit(arrival_time="soon", care_start="1900-01-01", sector="X-RAY", transfer_sector="X-RAY"),
        visit(arrival_time=None),
    )

    assert [row["rule_ids"] for row in rows] == [
        None,
        "ENCOUNTER_ID_MISSING,TRIAGE_UNKNOWN,DISPOSITION_UNKNOWN",
        "TIME_UNREADABLE,TIME_OUT_OF_RANGE",
        "TIME_UNREADABLE,TIME_OUT_OF_RANGE,SECTOR_UNKNOWN",
        "ARRIVAL_MISSING",
    ]


def test_every_reason_that_an_event_is_held_for_is_named(engine):
    rows = type_events(engine, event(), event(event_type="A99", event_time="soon", sector="X-RAY"))

    assert [row["rule_ids"] for row in rows] == [None, "EVENT_TYPE_UNKNOWN,TIME_UNREADABLE,SECTOR_UNKNOWN"]


def test_a_column_that_the_feed_does_not_map_is_not_read(engine):
    columns = {name: name for name in ("encounter_id", "arrival_time", "sector")}

    (row,) = type_visits(engine, visit(care_start="soon"), columns=columns)

    assert (row["reason_code"], row["care_start_at"]) == (None, None)


def test_a_value_map_translates_codes_whatever_their_padding(engine):
    values = {
        "sector": {"PS ADULTO": "ED", "CLINICA": "WARD"},
        "triage_level": {"Vermelho": 1, "Azul": 5},
        "disposition": {"ALTA": "home"},
    }
    delivered = visit(sector=" PS ADULTO ", transfer_sector="CLINICA", triage_level="Azul", disposition="ALTA")

    (row,) = type_visits(engine, delivered, values=values)

    assert (row["sector_id"], row["transfer_sector_id"], row["level"], row["outcome"]) == ("ED", "WARD", 5, "home")


def test_a_value_map_replaces_the_platform_s_own_codes(engine):
    rows = type_visits(engine, visit(sector="ED"), values={"sector": {"PS": "ED"}})

    assert verdicts(rows) == [("SECTOR_UNKNOWN", "sector")]


def test_a_star_stands_for_every_other_code(engine):
    values = {
        "sector": {"W": "WARD", "*": "ED"},
        "triage_level": {"*": 3},
        "disposition": {"ALTA": "home", "*": "other"},
    }
    delivered = [
        visit(sector="W", triage_level="red", disposition="ALTA"),
        visit(sector="Z", triage_level="*", disposition="*"),
        visit(sector=None),
    ]

    rows = type_visits(engine, *delivered, values=values)

    assert [(row["sector_id"], row["level"], row["outcome"]) for row in rows] == [
        ("WARD", 3, "home"),
        ("ED", 3, "other"),
        (None, None, None),
    ]


def test_a_version_time_that_cannot_be_read_holds_its_record_back(engine):
    rows = [
        *type_visits(engine, visit(version_time="soon"), visit(version_time=None)),
        *type_events(engine, event(version_time="soon"), event(version_time=None)),
    ]

    assert verdicts(rows) == [("TIME_UNREADABLE", "version_time"), (None, None)] * 2
    assert [row["version"] for row in rows] == [None] * 4


def test_a_version_time_that_the_feed_does_not_map_is_not_read(engine):
    columns = {name: name for name in ("encounter_id", "arrival_time", "sector")}

    (row,) = type_visits(engine, visit(version_time="soon"), columns=columns)

    assert (row["reason_code"], row["record_key"]) == (None, "a")


def test_an_event_has_its_milestone_instant_and_place(engine):
    values = {"event_type": {"A02": "transfer"}, "sector": {"CM": "WARD"}}

    (row,) = type_events(engine, event(event_type="A02", sector="CM", bed="12", triage_level="4"), values=values)

    assert (row["event_type"], row["event_time"]) == ("transfer", at("2026-03-01 10:00"))
    assert (row["sector_id"], row["bed_id"], row["level"], row["reason_code"]) == ("WARD", "12", 4, None)


def test_a_patient_who_left_was_discharged_without_care(engine):
    (row,) = type_events(engine, event(event_type="left", disposition="home"))

    assert (row["event_type"], row["outcome"]) == ("discharge", "left_without_care")


def test_a_faulty_event_is_held_back_with_its_reason(engine):
    faults = [
        ("event_type", "A99", "EVENT_TYPE_UNKNOWN"),
        ("event_type", None, "EVENT_TYPE_UNKNOWN"),
        ("encounter_id", None, "ENCOUNTER_ID_MISSING"),
        ("event_time", None, "EVENT_TIME_MISSING"),
        ("event_time", "soon", "TIME_UNREADABLE"),
        ("event_time", "1900-01-01", "TIME_OUT_OF_RANGE"),
        ("event_time", "2026-03-29 02:30", "TIME_IN_SKIPPED_HOUR"),
        ("event_time", "2026-10-25 02:30", "TIME_IN_REPEATED_HOUR"),
        ("sector", "X-RAY", "SECTOR_UNKNOWN"),
        ("triage_level", "9", "TRIAGE_UNKNOWN"),
        ("disposition", "vanished", "DISPOSITION_UNKNOWN"),
    ]

    rows = type_events(engine, *(event(**{name: text}) for name, text, _ in faults), zone="Europe/Stockholm")

    assert verdicts(rows) == [(reason, name) for name, _, reason in faults]


def test_an_event_out_of_scope_is_ignored_and_no_other(engine):
    rows = type_events(engine, event(event_type="ignore"), event(event_type="A99"), event())

    assert [row["is_ignored"] for row in rows] == [True, False, False]
