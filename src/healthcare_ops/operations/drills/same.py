"""Whether two lakes hold the same, by their exported tables: run ids and ingest times aside, floats within 1e-9."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.tables import TABLES
from healthcare_ops.operations.exports import export_table

# What tells of a run and its instant, or of the delivery that brought a record.
_OF_RUNS = {"ingested_at", "run_id", "batch_id", "source_file", "source_sha256", "delivery_seq", "record_no"}
_CLOSE = 1e-9
Lake = Mapping[str, pa.Table]
# Tables of which an instant decides whether a row is compared, and its column.
_MADE_AT = {
    "gold.predictions": "prediction_ts",
    "gold.prediction_scores": "prediction_ts",
    "gold.ops_metrics_hourly": "hour_start",
    "gold.features": "hour_start",
}


def exported(state: Path, folder: Path, names: Iterable[str]) -> dict[str, pa.Table]:
    """Export tables, and return what the files hold."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    with open_platform(state, exclusive=False) as platform:
        for name in names:
            out = folder / f"{name}.parquet"
            export_table(platform, name, out, None, None)
            found[name] = pq.read_table(out)
    return found


def differences(found: Lake, expected: Lake, *, until: datetime | None = None) -> list[str]:
    """Return in which tables rows differ, each with how many; of hours and forecasts those `until` an instant count."""
    told = []
    for name, rows in expected.items():
        left, right = (_rows(name, table, until) for table in (found[name], rows))
        if left != right:
            apart = _apart(left, right)
            if apart:
                told.append(f"{name}: {apart} of {len(right):,} rows differ ({len(left):,} are there)")
    return told


def _rows(name: str, table: pa.Table, until: datetime | None) -> list[tuple[Any, ...]]:
    columns = [column for column in table.column_names if column not in _OF_RUNS]
    rows = table.select(columns).to_pylist()
    made_at = _MADE_AT.get(name)
    if made_at and until is not None:
        last = until.replace(tzinfo=None)
        rows = [row for row in rows if _naive(row[made_at]) <= last]
    return sorted((tuple(row.values()) for row in rows), key=repr)


def _naive(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None)


def _apart(left: list[tuple[Any, ...]], right: list[tuple[Any, ...]]) -> int:
    """Return how many rows have no equal on the other side."""
    if len(left) == len(right):
        return sum(not all(map(_is_same, one, other)) for one, other in zip(left, right, strict=True))
    return len(set(map(repr, left)) ^ set(map(repr, right)))


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0, abs_tol=_CLOSE) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


ALL_TABLES = tuple(table.id for table in TABLES)
