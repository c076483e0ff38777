from __future__ import annotations

import csv
from collections import defaultdict
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from golden.scenarios import SKIPPED_MIDNIGHT, as_stored
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
from healthcare_ops.jobs.silver_to_gold import civil_calendar
from healthcare_ops.pipeline.gold import hourly_metrics
from stages import refine

DAY, DAY_END = date(2018, 11, 4), datetime(2018, 11, 5, 2, tzinfo=UTC)
FILES = {
    "encounters": ENCOUNTERS,
    "stays": STAYS,
    "events": EVENTS,
    "quarantine": QUARANTINE,
    "accounts": BATCH_ACCOUNTS,
    "ops_metrics_hourly": OPS_METRICS_HOURLY,
}


@pytest.fixture(scope="module")
def day(engine) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table after the day went through all stages, with identifiers for pseudonyms."""
    site, bronze = SKIPPED_MIDNIGHT.site, defaultdict[str, list[pa.Table]](list)
    for name, number in SKIPPED_MIDNIGHT.deliveries:
        bronze[name].append(SKIPPED_MIDNIGHT.ingest(engine, name, number))
    delivered = [(SKIPPED_MIDNIGHT.feeds[name], pa.concat_tables(parts)) for name, parts in bronze.items()]

    silver = refine(engine, delivered, site, date(2018, 11, 3), date(2018, 11, 5))
    rows = {name: engine.collect(getattr(silver, name)) for name in FILES if name != "ops_metrics_hourly"}
    calendar, hours = civil_calendar([DAY], site, until=DAY_END)
    tables = [as_stored(rows["encounters"], ENCOUNTERS), as_stored(rows["stays"], STAYS), calendar]
    metrics = hourly_metrics(*(engine.table(table) for table in tables), hours, site)
    rows["ops_metrics_hourly"] = engine.collect(metrics)
    names = dict(SKIPPED_MIDNIGHT.pseudonyms())
    return {name: [with_identifiers(row, names) for row in table.to_pylist()] for name, table in rows.items()}


def with_identifiers(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return the row with source identifiers in the place of pseudonyms, also within an event's id."""
    return {
        name: "|".join(names.get(part, part) for part in value.split("|")) if isinstance(value, str) else value
        for name, value in row.items()
    }


def expected_rows(name: str) -> list[dict[str, Any]]:
    columns = {column.name: column for column in FILES[name].columns}
    rows = csv.DictReader((SKIPPED_MIDNIGHT.folder / "expected" / f"{name}.csv").read_text().splitlines())
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
    bronze = SKIPPED_MIDNIGHT.ingest(engine, "visits", 1)

    texts = {text for column in bronze.column_names for text in map(str, bronze[column].to_pylist())}
    assert texts & set(dict(SKIPPED_MIDNIGHT.pseudonyms()).values()) == set()
