"""Rows for stage tests: a test names the columns that matter, the others are null or usual."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from healthcare_ops.adapters.lake import arrow_schema
from healthcare_ops.core.feed import ENCOUNTER_COLUMNS, EVENT_COLUMNS, EVENT_TYPES, Feed
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import ENCOUNTERS, ENCOUNTERS_RAW, EVENTS_RAW, LINEAGE, STAYS, Table

Row = Mapping[str, Any]

_FEED = {
    "feed_id": "ed",
    "format": "csv",
    "zone": "UTC",
    "owner": {"name": "IT", "email": "it@hospital.example"},
    "plausible": {"first": "2020-01-01", "last": "2029-12-31"},
    "cadence": {"every_min": 60, "late_after_min": 120},
}


def at(text: str) -> datetime:
    """Return a naive instant (UTC) or civil clock."""
    return datetime.fromisoformat(text)


def encounter_feed(**different: Any) -> Feed:
    """Return a feed of encounters in UTC that delivers every column under its own name."""
    columns = {name: name for name in ENCOUNTER_COLUMNS}
    return Feed.model_validate({**_FEED, "shape": "encounters", "columns": columns, **different})


def event_feed(**different: Any) -> Feed:
    """Return a feed of events in UTC that delivers every column under its own name, and codes by theirs."""
    columns = {name: name for name in EVENT_COLUMNS}
    values = {"event_type": {code: code for code in EVENT_TYPES}}
    return Feed.model_validate({**_FEED, "shape": "events", "columns": columns, "values": values, **different})


def site(**different: Any) -> Site:
    """Return a site in UTC: an emergency sector of 10 beds and a ward of 20."""
    usual = {
        "facility_id": "hospital",
        "name": "Hospital",
        "zone": "UTC",
        "sectors": [
            {"sector_id": "ED", "name": "Emergency", "kind": "ed", "functional_capacity": 10},
            {"sector_id": "WARD", "name": "Ward", "kind": "ward", "functional_capacity": 20},
        ],
    }
    return Site.model_validate(usual | different)


def rows_of(table: Table, rows: Iterable[Row]) -> pa.Table:
    """Return rows of a table of the lake; columns that a row does not name are null."""
    schema = arrow_schema(table)
    filled = []
    for row in rows:
        unknown = set(row) - set(schema.names)
        if unknown:
            raise KeyError(f"{table.id} has no column {', '.join(sorted(unknown))}")
        filled.append({name: row.get(name) for name in schema.names})
    return pa.Table.from_pylist(filled, schema=schema)


def encounters_raw(*records: Row) -> pa.Table:
    """Return delivered encounters, numbered from 1 within one file; equal content, equal hash."""
    return rows_of(ENCOUNTERS_RAW, _delivered(records, ENCOUNTER_COLUMNS))


def events_raw(*records: Row) -> pa.Table:
    """Return delivered events, numbered from 1 within one file; equal content, equal hash."""
    return rows_of(EVENTS_RAW, _delivered(records, EVENT_COLUMNS))


def _delivered(records: Iterable[Row], columns: Iterable[str]) -> Iterable[Row]:
    for number, record in enumerate(records, start=1):
        content = "|".join(str(record.get(name)) for name in columns)
        usual = {
            "feed_id": "ed",
            "delivery_seq": 1,
            "record_no": number,
            "dt": date(2026, 3, 1),
            "content_hash": hashlib.md5(content.encode(), usedforsecurity=False).hexdigest(),
        }
        row = usual | dict(record)
        file = f"{row['feed_id']}-{row['delivery_seq']}"
        lineage = {"batch_id": file, "source_file": f"{file}.csv", "source_sha256": f"sha-{file}"}
        yield lineage | {"ingested_at": at("2026-03-02")} | row


EVENT_ROWS = pa.schema(
    [
        ("encounter_id", pa.string()),
        ("patient_id", pa.string()),
        ("feed_id", pa.string()),
        ("source_event_id", pa.string()),
        ("event_type", pa.string()),
        ("event_time", pa.timestamp("us")),
        ("sector_id", pa.string()),
        ("bed_id", pa.string()),
        ("level", pa.int64()),
        ("outcome", pa.string()),
    ]
)


def events(*rows: Row) -> pa.Table:
    """Return sound events as silver takes them, of encounter `a` and feed `ed` unless told otherwise."""
    return pa.Table.from_pylist([{"encounter_id": "a", "feed_id": "ed", **row} for row in rows], schema=EVENT_ROWS)


JUDGED_ROWS = pa.schema(
    [
        *((field.name, field.type) for field in arrow_schema(EVENTS_RAW) if field.name in {c.name for c in LINEAGE}),
        ("encounter_id", pa.string()),
        ("reason_code", pa.string()),
        ("column", pa.string()),
        ("rule_ids", pa.string()),
        ("rules_released", pa.string()),
        ("resolved", pa.int64()),
        ("fate", pa.string()),
        ("dt", pa.date32()),
    ]
)


def judged(*rows: Row) -> pa.Table:
    """Return judged records of one file, numbered from 1, applied unless told otherwise."""
    usual = {"encounter_id": "a", "fate": "applied", "resolved": 0}
    filled = [
        {name: value for name, value in {**usual, **row}.items() if name in JUDGED_ROWS.names}
        for row in _delivered(rows, ())
    ]
    return pa.Table.from_pylist(filled, schema=JUDGED_ROWS)


def encounters(*rows: Row) -> pa.Table:
    """Return sound encounters of the emergency sector, `e1`, `e2` and so on unless told otherwise."""
    numbered = [{"encounter_id": f"e{number}", "sector_id": "ED", **row} for number, row in enumerate(rows, start=1)]
    return rows_of(ENCOUNTERS, numbered)


def stays(*rows: Row) -> pa.Table:
    """Return stays in the emergency sector, of `e1`, `e2` and so on unless told otherwise."""
    numbered = [{"encounter_id": f"e{number}", "sector_id": "ED", **row} for number, row in enumerate(rows, start=1)]
    return rows_of(STAYS, numbered)
