from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.operations.evidence import evidence_of, known_codes
from healthcare_ops.pipeline.quality.rules.checks import read_rules

ZONE = ZoneInfo("America/Sao_Paulo")
CODES = known_codes(None, ("ED", "WARD")) | {"event_type": ("IN", "MD")}


def held(reason, column=None, rules=None):
    return {"reason_code": reason, "column": column, "rule_ids": rules or reason}


def rules(table, text):
    read = read_rules(f'Rules = [ {text} labels=["id"="r", "on_failure"="quarantine"] ]', table)
    return {check.rule_id: check for check in read.checks}


def found(*arguments):
    return [(one.column, one.form, one.value) for one in evidence_of(*arguments, CODES)]


@pytest.mark.parametrize(
    ("column", "text", "form", "value"),
    [
        ("arrival_time", "2026-03-12T25:99:00", "value", "2026-03-12T25:99:00"),
        ("arrival_time", " 31/02/2026 10:00 PM", "value", " 31/02/2026 10:00 PM"),
        ("arrival_time", None, "missing", None),
        ("arrival_time", "Maria 81", "shape", "aaaaa ##"),
        ("arrival_time", "123.456.789-09", "shape", "###.###.###-##"),
        ("arrival_time", "1773312000", "shape", "##########"),
        ("sector", "ED", "value", "ED"),
        ("sector", "PATIENT-9001", "shape", "aaaaaaa-####"),
        ("sector", "José\x1b[2J", "shape", "aaaa?[#a"),
        ("sector", "x" * 300, "shape", f"{'a' * 24}… (300 characters)"),
        ("triage_level", "7", "value", "7"),
        ("triage_level", "V-9002", "shape", "a-####"),
        ("event_type", "MD", "value", "MD"),
        ("event_type", "*", "shape", "*"),
        ("bed", "12", "shape", "##"),
        ("encounter_id", None, "missing", None),
        ("encounter_id", "k1.1cfd0dd3", "identifier", None),
        ("patient_id", "k1.1cfd0dd3", "identifier", None),
        ("source_event_id", "k1.1cfd0dd3", "identifier", None),
        ("content_hash", "9e107d9d", "identifier", None),
    ],
)
def test_a_delivered_text_is_shown_only_if_it_is_a_value_of_its_column(column, text, form, value):
    record = held("TIME_UNREADABLE", column)

    assert found(record, {}, {column: text}, {}) == [(column, form, value)]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ('ColumnValues "los_min" <= 600 where "sector_id is not null"', ["los_min"]),
        ('((ColumnValues "los_min" <= 600) or (ColumnValues "triage_level" = 1))', ["los_min", "triage_level"]),
        ('IsUnique "patient_id"', ["patient_id"]),
        ('RowCount = 0 where "los_min > 600 and triage_level < 3"', ["los_min", "triage_level"]),
    ],
)
def test_of_a_rule_the_columns_that_it_judges_are_shown(text, columns):
    checks = rules("silver.encounters", text)
    encounter = {"los_min": 900.0, "triage_level": 2, "patient_id": "k1.1cfd0dd3", "sector_id": "ED"}

    shown = found(held("RULE_BROKEN", rules="r"), checks, {}, encounter)

    assert [column for column, _, _ in shown] == columns
    assert "k1.1cfd0dd3" not in str(shown)


def test_a_rule_of_bronze_shows_the_text_and_one_of_silver_what_became_of_it():
    record = held("RULE_BROKEN", rules="r")
    text, value = {"triage_level": "3"}, {"triage_level": 2}

    of_bronze = found(record, rules("bronze.events_raw", 'ColumnValues "triage_level" = "1"'), text, value)
    of_silver = found(record, rules("silver.encounters", 'ColumnValues "triage_level" = 1'), text, value)

    assert of_bronze == [("triage_level", "value", "3")]
    assert of_silver == [("triage_level", "value", 2)]


def test_a_rule_that_counts_no_longer_shows_nothing():
    assert found(held("RULE_BROKEN", rules="dropped"), {}, {"sector": "ED"}, {"los_min": 900.0}) == []


def test_events_in_the_wrong_order_are_shown_with_their_times():
    times = {
        "arrival_time": datetime(2026, 3, 12, 10, tzinfo=ZONE),
        "triage_start": None,
        "care_start": datetime(2026, 3, 12, 9, 30, tzinfo=ZONE),
        "discharge_time": datetime(2026, 3, 12, 12, tzinfo=ZONE),
    }

    assert found(held("EVENTS_REVERSED"), {}, {}, times) == [
        ("arrival_time", "instant", "2026-03-12T10:00:00-03:00"),
        ("care_start", "instant", "2026-03-12T09:30:00-03:00"),
    ]


def test_a_place_that_was_named_before_arrival_shows_when_the_visit_began_and_ended():
    times = {"arrival_time": datetime(2026, 3, 12, 10, tzinfo=ZONE), "discharge_time": None}

    assert found(held("EVENTS_REVERSED"), {}, {}, times) == [
        ("arrival_time", "instant", "2026-03-12T10:00:00-03:00"),
        ("discharge_time", "missing", None),
    ]


def test_of_an_encounter_that_is_no_more_nothing_is_shown():
    assert found(held("STAY_TOO_LONG"), {}, {"arrival_time": "2026-03-12"}, {}) == []
