from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from healthcare_ops.core.feed import ENCOUNTER_COLUMNS, EVENT_COLUMNS
from healthcare_ops.core.tables import ENCOUNTERS_RAW, EVENTS_RAW
from healthcare_ops.pipeline.bronze import bronze_rows, bronze_table
from healthcare_ops.ports import Delivery
from unit.pipeline.builders import at, encounter_feed, event_feed

DELIVERY = Delivery("ed", 7, "visits.csv", "cafe", at("2026-03-09").date())
INGESTED_AT = at("2026-03-09 04:00")


def mapped(*records, columns=ENCOUNTER_COLUMNS):
    """Return mapped records, numbered from 1; columns that a record does not name are null."""
    table = {name: pa.array([record.get(name) for record in records], pa.string()) for name in columns}
    return pa.table(table | {"record_no": pa.array(range(1, len(records) + 1), pa.int64())})


def bronze(engine, rows, feed=None):
    table = bronze_rows(engine.table(rows), feed or encounter_feed(), DELIVERY, INGESTED_AT)
    return sorted(engine.collect(table).to_pylist(), key=lambda row: row["record_no"])


def days(engine, rows, feed=None):
    return [row["dt"].isoformat() for row in bronze(engine, rows, feed)]


def hashes(engine, *records):
    return [row["content_hash"] for row in bronze(engine, mapped(*records))]


def test_without_an_id_of_the_source_equal_rows_are_equal_though_each_is_an_encounter(engine):
    without_id = {name: name for name in ENCOUNTER_COLUMNS if name != "encounter_id"}
    rows = mapped({"encounter_id": "made-up.1", "sector": "ED"}, {"encounter_id": "made-up.2", "sector": "ED"})

    first, second = bronze(engine, rows, encounter_feed(columns=without_id))

    assert first["content_hash"] == second["content_hash"]
    assert first["encounter_id"] != second["encounter_id"]


@pytest.mark.parametrize(
    ("feed", "columns", "table"),
    [(encounter_feed(), ENCOUNTER_COLUMNS, ENCOUNTERS_RAW), (event_feed(), EVENT_COLUMNS, EVENTS_RAW)],
)
def test_a_record_has_the_columns_of_the_bronze_table_of_its_feed(engine, feed, columns, table):
    (row,) = bronze(engine, mapped({}, columns=columns), feed)

    assert bronze_table(feed) == table
    assert tuple(row) == table.column_names


def test_every_record_says_which_delivery_it_came_from(engine):
    (_, row) = bronze(engine, mapped({}, {}))

    assert {name: row[name] for name in ("feed_id", "batch_id", "source_file", "source_sha256", "delivery_seq")} == {
        "feed_id": "ed",
        "batch_id": "ed-000007",
        "source_file": "visits.csv",
        "source_sha256": "cafe",
        "delivery_seq": 7,
    }
    assert (row["record_no"], row["ingested_at"]) == (2, INGESTED_AT)


def test_the_text_is_kept_as_delivered(engine):
    delivered = {
        "encounter_id": "k1.a",
        "arrival_time": " 1/3/26 ",
        "sector": "E·D\n",
        "triage_level": "amarelo",
        "bed": "",
    }

    (row,) = bronze(engine, mapped(delivered))

    assert {name: row[name] for name in delivered} == delivered
    assert row["care_start"] is None


def test_a_record_belongs_to_the_day_of_its_first_readable_time(engine):
    records = mapped(
        {"arrival_time": "2026-03-01 23:59", "triage_start": "2026-03-02 00:10"},
        {"arrival_time": "yesterday", "triage_start": "2026-03-02 00:10"},
        {"discharge_time": "2026-03-05"},
    )

    assert days(engine, records) == ["2026-03-01", "2026-03-02", "2026-03-05"]


def test_a_record_without_a_readable_time_belongs_to_the_day_it_was_delivered(engine):
    records = mapped({}, {"arrival_time": "yesterday"})

    assert days(engine, records) == ["2026-03-09", "2026-03-09"]


def test_an_implausible_time_does_not_scatter_records_over_the_centuries(engine):
    feed = encounter_feed(plausible={"first": "2026-01-01", "last": "2026-12-31"})
    records = mapped(
        {"arrival_time": "1900-01-01"},
        {"arrival_time": "2102-03-01", "triage_start": "2026-03-02"},
        {"arrival_time": "2026-01-01"},
        {"arrival_time": "2026-12-31 23:59"},
    )

    assert days(engine, records, feed) == ["2026-03-09", "2026-03-02", "2026-01-01", "2026-12-31"]


def test_the_day_is_the_one_written_whatever_the_offset(engine):
    records = mapped({"arrival_time": "2026-03-01T23:30-03:00"}, {"arrival_time": "2026-03-01T00:30+05:30"})

    assert days(engine, records) == ["2026-03-01", "2026-03-01"]


def test_a_column_that_the_feed_does_not_map_names_no_day(engine):
    feed = encounter_feed(columns={"arrival_time": "arrival_time", "sector": "sector"})

    assert days(engine, mapped({"discharge_time": "2026-03-05"}), feed) == ["2026-03-09"]


def test_an_event_belongs_to_the_day_of_its_time(engine):
    records = mapped({"event_time": "01/03/2026 10:00"}, {"event_time": "10:00"}, columns=EVENT_COLUMNS)

    assert days(engine, records, event_feed(times={"formats": ["%d/%m/%Y %H:%M"]})) == ["2026-03-01", "2026-03-09"]


def test_equal_content_has_an_equal_hash_wherever_it_stands(engine):
    visit = {"encounter_id": "a", "arrival_time": "2026-03-01", "sector": "ED"}

    first, second, third = hashes(engine, visit, visit, visit | {"bed": "7"})

    assert first == second != third


def test_a_value_that_moves_to_the_next_column_is_other_content(engine):
    found = hashes(engine, {"sector": "7"}, {"bed": "7"}, {"sector": "7", "bed": ""}, {"sector": "", "bed": "7"}, {})

    assert len(set(found)) == 5


def test_the_hash_is_md5_of_the_mapped_columns_on_every_engine(engine):
    (found,) = hashes(engine, {"encounter_id": "a", "sector": "é"})

    content = "\x1f".join({"encounter_id": "a", "sector": "é"}.get(name, "\x00") for name in ENCOUNTER_COLUMNS)
    assert found == hashlib.md5(content.encode()).hexdigest()
