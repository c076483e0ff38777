from __future__ import annotations

import random
from collections import Counter
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from engines import PROPERTY
from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.core.tables import BATCH_ACCOUNTS, EVENTS_RAW, QUARANTINE
from healthcare_ops.pipeline import silver
from stages import refine, table_of_days
from unit.pipeline.builders import at, encounter_feed, encounters_raw, event_feed, events, events_raw, judged, site

FIRST, LAST = at("2026-03-01").date(), at("2026-03-31").date()
FATES = ("applied", "superseded", "duplicate", "quarantined", "ignored")
SOUND = ({"event_type": "arrival", "event_time": at("2026-03-01 10:00"), "sector_id": "ED"},)
REVERSED = (*SOUND, {"event_type": "discharge", "event_time": at("2026-03-01 09:00")})


def silver_of(engine, *delivered, happened=SOUND, days=((FIRST, LAST),)):
    """Return silver of judged records of an event feed, and of what happened to encounter `a`."""
    table = engine.table(events(*happened))
    placed = silver.places(table)
    encounters = silver.assemble(table, placed, site(), offset_spans(ZoneInfo("UTC"), FIRST, LAST))
    told = [(EVENTS_RAW.id, engine.table(judged(*delivered)))]
    return silver.silver(told, table, placed, encounters, table_of_days(engine, days))


def quarantine(engine, *delivered, **keys):
    found = engine.collect(silver_of(engine, *delivered, **keys).quarantine)
    assert found.column_names == list(QUARANTINE.column_names)
    return found.sort_by("record_no").to_pylist()


def accounts(engine, *delivered, **keys):
    found = engine.collect(silver_of(engine, *delivered, **keys).accounts)
    assert found.column_names == list(BATCH_ACCOUNTS.column_names)
    return found.sort_by([("batch_id", "ascending"), ("dt", "ascending")]).to_pylist()


def test_a_held_record_keeps_its_reasons_column_and_origin(engine):
    held = {
        "fate": "quarantined",
        "reason_code": "TIME_UNREADABLE",
        "column": "event_time",
        "rule_ids": "TIME_UNREADABLE,SECTOR_UNKNOWN",
        "encounter_id": "b",
    }

    rows = quarantine(engine, {}, held)

    assert rows == [
        {
            "feed_id": "ed",
            "batch_id": "ed-1",
            "source_file": "ed-1.csv",
            "source_sha256": "sha-ed-1",
            "record_no": 2,
            "delivery_seq": 1,
            "ingested_at": at("2026-03-02"),
            "source_table": "bronze.events_raw",
            "encounter_id": "b",
            "reason_code": "TIME_UNREADABLE",
            "column": "event_time",
            "rule_ids": "TIME_UNREADABLE,SECTOR_UNKNOWN",
            "state": "held",
            "dt": FIRST,
        }
    ]


def test_only_quarantined_records_are_held(engine):
    rows = quarantine(engine, *({"fate": fate, "reason_code": "TIME_UNREADABLE"} for fate in FATES))

    assert [row["record_no"] for row in rows] == [FATES.index("quarantined") + 1]


def test_the_sound_records_of_a_faulty_encounter_are_held_with_its_reason(engine):
    delivered = [{}, {"encounter_id": "b"}, {"fate": "duplicate"}, {"fate": "ignored"}, {"encounter_id": None}]

    rows = quarantine(engine, *delivered, happened=REVERSED)

    assert [(row["record_no"], row["reason_code"], row["rule_ids"], row["column"]) for row in rows] == [
        (1, "EVENTS_REVERSED", "EVENTS_REVERSED", None)
    ]


def test_a_record_s_own_fault_stands_before_that_of_its_encounter(engine):
    held = {"fate": "quarantined", "reason_code": "TRIAGE_UNKNOWN", "column": "triage_level"}

    rows = quarantine(engine, held, happened=REVERSED)

    assert [row["reason_code"] for row in rows] == ["TRIAGE_UNKNOWN"]


def test_the_account_of_a_file_counts_every_fate(engine):
    delivered = [{"fate": fate} for number, fate in enumerate(FATES, start=1) for _ in range(number)]

    (row,) = accounts(engine, *delivered)

    assert {name: row[name] for name in ("delivered", *FATES)} == {
        "delivered": 15,
        "applied": 1,
        "superseded": 2,
        "duplicate": 3,
        "quarantined": 4,
        "ignored": 5,
    }


def test_the_records_of_a_faulty_encounter_count_as_quarantined(engine):
    (row,) = accounts(engine, {}, {}, {"encounter_id": "b"}, happened=REVERSED)

    assert (row["delivered"], row["applied"], row["quarantined"]) == (3, 1, 2)


def test_every_file_and_day_has_an_account_of_its_own(engine):
    second = at("2026-03-02").date()

    rows = accounts(engine, {}, {"dt": second}, {"dt": second}, {"delivery_seq": 2}, {"feed_id": "beds"})

    assert [(row["batch_id"], row["dt"], row["delivered"]) for row in rows] == [
        ("beds-1", FIRST, 1),
        ("ed-1", FIRST, 1),
        ("ed-1", second, 2),
        ("ed-2", FIRST, 1),
    ]


def test_resolved_civil_times_are_counted(engine):
    (row,) = accounts(engine, {"resolved": 2}, {}, {"resolved": 1, "fate": "duplicate"})

    assert row["civil_times_resolved"] == 3


def test_days_that_are_not_rebuilt_have_no_account_and_no_quarantine(engine):
    delivered = [{"dt": at(f"2026-03-0{day}").date(), "fate": "quarantined"} for day in (1, 2, 3, 4)]
    days = [(at("2026-03-02").date(), at("2026-03-02").date()), (at("2026-03-04").date(), LAST)]

    tables = silver_of(engine, *delivered, days=days)

    for table in (tables.accounts, tables.quarantine):
        assert sorted(day.day for day in engine.collect(table)["dt"].to_pylist()) == [2, 4]


TIMES = (
    "2026-03-01 10:00",
    "2026-03-01T10:00Z",
    "2026-03-01 10:30",
    "2026-03-02 09:00",
    "2026-03-29 02:30",
    "1900-01-01",
    "soon",
    None,
)
IDS = (*"abcdefghijklmnopqrst", None)
VISIT = {
    "encounter_id": IDS,
    "arrival_time": TIMES,
    "care_start": TIMES,
    "discharge_time": TIMES,
    "sector": ("ED", "WARD", "X-RAY", None),
    "version_time": ("2026-03-01 10:00", "soon", None),
    "delivery_seq": (1, 2, 3),
}
MOVE = {
    "feed_id": ("adt",),
    "encounter_id": IDS,
    "source_event_id": (None, None, "e1", "e2"),
    "event_type": ("arrival", "care_start", "transfer", "discharge", "left", "ignore", "A99"),
    "event_time": TIMES,
    "sector": ("ED", "WARD", "X-RAY", None),
    "delivery_seq": (1, 2),
}


def hostile(chance, choices, count):
    """Return records of few patients at few times, with every fault that a record can have."""
    return [{name: chance.choice(values) for name, values in choices.items()} for _ in range(count)]


def sorted_rows(engine, table):
    return sorted(engine.collect(table).to_pylist(), key=repr)


@given(seed=st.integers(0, 2**32))
@settings(PROPERTY, max_examples=2)
def test_every_delivered_record_is_accounted_for_once_in_any_order(engine, seed):
    chance = random.Random(seed)
    visits, moves = hostile(chance, VISIT, 150), hostile(chance, MOVE, 150)
    zone = {"zone": "Europe/Stockholm"}
    columns = {name: name for name in VISIT if name != "delivery_seq"}
    feeds = encounter_feed(columns=columns, **zone), event_feed(feed_id="adt", **zone)
    bronze = encounters_raw(*visits), events_raw(*moves)
    shuffled = [rows.take(chance.sample(range(rows.num_rows), rows.num_rows)) for rows in bronze]

    tables = refine(engine, list(zip(feeds, bronze, strict=True)), site(**zone), FIRST, LAST)
    again = refine(engine, list(zip(feeds, shuffled, strict=True)), site(**zone), FIRST, LAST)

    counted = sorted_rows(engine, tables.accounts)
    assert all(row["delivered"] == sum(row[fate] for fate in FATES) for row in counted)
    assert sum(row["delivered"] for row in counted) == len(visits) + len(moves)
    held = sorted_rows(engine, tables.quarantine)
    assert Counter(row["feed_id"] for row in held) == {
        feed.feed_id: sum(row["quarantined"] for row in counted if row["feed_id"] == feed.feed_id) for feed in feeds
    }
    faulty = {row["encounter_id"] for row in held if row["column"] is None}
    standing = {row["encounter_id"] for row in sorted_rows(engine, tables.encounters)}
    assert (len(faulty) > 0, len(standing) > 0, faulty & standing) == (True, True, set())
    assert set(Counter(row["event_id"] for row in sorted_rows(engine, tables.events)).values()) == {1}
    for name in ("encounters", "stays", "events", "quarantine", "accounts"):
        assert sorted_rows(engine, getattr(again, name)) == sorted_rows(engine, getattr(tables, name))
