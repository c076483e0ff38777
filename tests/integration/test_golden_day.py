from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engines import StageEngine
from healthcare_ops.adapters.lake import arrow_schema
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import (
    BATCH_ACCOUNTS,
    ENCOUNTERS,
    EVENTS,
    OPS_METRICS_HOURLY,
    QUARANTINE,
    STAYS,
    Column,
    Table,
)
from healthcare_ops.core.validated import read_toml
from healthcare_ops.jobs.silver_to_gold import civil_calendar
from healthcare_ops.pipeline.bronze import bronze_rows, bronze_table
from healthcare_ops.pipeline.gold import hourly_metrics
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser, Purpose
from healthcare_ops.pipeline.sources.readers import read_records
from healthcare_ops.ports import Delivery
from stages import refine

GOLDEN = Path(__file__).parents[1] / "golden"
DELIVERED_ON = date(2018, 11, 5)
INGESTED_AT = datetime.fromisoformat("2018-11-05 06:00")
DELIVERIES = (("visits", 1), ("visits", 2), ("movements", 1))
DAY, DAY_END = date(2018, 11, 4), datetime(2018, 11, 5, 2, tzinfo=UTC)
FILES = {
    "encounters": ENCOUNTERS,
    "stays": STAYS,
    "events": EVENTS,
    "quarantine": QUARANTINE,
    "accounts": BATCH_ACCOUNTS,
    "ops_metrics_hourly": OPS_METRICS_HOURLY,
}
KEY = Pseudonymiser("golden", b"a key that protects nobody: these patients are invented")


@pytest.fixture(scope="module")
def day(engine) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table after the day went through all stages, with identifiers for pseudonyms."""
    site = read_toml(GOLDEN / "site.toml", Site)
    bronze: dict[str, list[pa.Table]] = {}
    feeds = {name: read_toml(GOLDEN / "feeds" / f"{name}.toml", Feed) for name, _ in DELIVERIES}
    for name, number in DELIVERIES:
        bronze.setdefault(name, []).append(ingest(engine, feeds[name], number))
    delivered = [(feeds[name], pa.concat_tables(parts)) for name, parts in bronze.items()]

    silver = refine(engine, delivered, site, date(2018, 11, 3), DELIVERED_ON)
    rows = {name: engine.collect(getattr(silver, name)) for name in FILES if name != "ops_metrics_hourly"}
    calendar, hours = civil_calendar([DAY], site, until=DAY_END)
    tables = [as_stored(rows["encounters"], ENCOUNTERS), as_stored(rows["stays"], STAYS), calendar]
    metrics = hourly_metrics(*(engine.table(table) for table in tables), hours, site)
    rows["ops_metrics_hourly"] = engine.collect(metrics)
    names = dict(pseudonyms())
    return {name: [with_identifiers(row, names) for row in table.to_pylist()] for name, table in rows.items()}


def ingest(engine: StageEngine, feed: Feed, number: int) -> pa.Table:
    path = GOLDEN / "delivered" / f"{feed.feed_id}-{number}.csv"
    delivery = Delivery(feed.feed_id, number, path.name, f"sha256 of {path.name}", DELIVERED_ON)
    batches = [
        map_records(batch, feed, source_sha256=delivery.source_sha256, pseudonymiser=KEY)
        for batch in read_records(path, feed)
    ]
    mapped = engine.table(pa.Table.from_batches(batches))
    return as_stored(engine.collect(bronze_rows(mapped, feed, delivery, INGESTED_AT)), bronze_table(feed))


def as_stored(rows: pa.Table, table: Table) -> pa.Table:
    return rows.select(list(table.column_names)).cast(arrow_schema(table))


def pseudonyms() -> Iterator[tuple[str, str]]:
    """Yield the pseudonym of every identifier that the delivered files name."""
    purposes: dict[str, Purpose] = {"visit": "encounter", "patient": "patient", "event": "event"}
    for path in sorted((GOLDEN / "delivered").glob("*.csv")):
        for row in csv.DictReader(path.read_text().splitlines(), delimiter=";" if "visits" in path.name else ","):
            for column, purpose in purposes.items():
                if row.get(column):
                    yield KEY.encode(pa.array([row[column]]), purpose)[0].as_py(), row[column]


def with_identifiers(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return the row with source identifiers in the place of pseudonyms, also within an event's id."""
    return {
        name: "|".join(names.get(part, part) for part in value.split("|")) if isinstance(value, str) else value
        for name, value in row.items()
    }


def expected_rows(name: str) -> list[dict[str, Any]]:
    columns = {column.name: column for column in FILES[name].columns}
    rows = csv.DictReader((GOLDEN / "expected" / f"{name}.csv").read_text().splitlines())
    return [{column: parse(text, columns[column]) for column, text in row.items()} for row in rows]


def parse(text: str, column: Column) -> Any:
    if not text:
        return None
    if column.type == "timestamp":
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    if column.type == "date":
        return date.fromisoformat(text)
    return {"string": str, "int64": int, "float64": float}[column.type](text)


def in_order(rows: list[dict[str, Any]], table: Table) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: [str(row[name]) for name in table.key])


@pytest.mark.parametrize("name", FILES)
def test_the_golden_day_gives_these_rows_and_no_other(day, name):
    table = FILES[name]

    expected = in_order(expected_rows(name), table)

    found = in_order(day[name], table)
    assert [list(row) for row in found] == [list(table.column_names)] * len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == {
            column: pytest.approx(value, abs=1e-9) if isinstance(value, float) else value
            for column, value in theirs.items()
        }


def test_no_identifier_of_the_golden_day_gets_past_the_reader(engine):
    feed = read_toml(GOLDEN / "feeds" / "visits.toml", Feed)

    bronze = ingest(engine, feed, 1)

    texts = {text for column in bronze.column_names for text in map(str, bronze[column].to_pylist())}
    assert texts & set(dict(pseudonyms()).values()) == set()
