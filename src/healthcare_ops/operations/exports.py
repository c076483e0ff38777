"""Tables as files."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from healthcare_ops.adapters.local_files import replacing
from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.tables import TABLES

# What a spreadsheet computes instead of showing it.
_FORMULA = r"^([=+\-@\t\r])"


def export_table(platform: Platform, name: str, out: Path, first: date | None, last: date | None) -> int:
    """Write a table's rows, in the order of its key, and return how many.

    Instants are UTC and say so in CSV and NDJSON. In CSV, a text that a spreadsheet would take for a formula begins
    with an apostrophe.

    Raises
    ------
    NotFoundError
        If there is no table of that name, or no folder to write to.
    ConfigError
        If the file's suffix is not .csv, .parquet or .ndjson.
    """
    table = next((table for table in TABLES if table.id == name), None)
    if table is None:
        raise NotFoundError(f"there is no table {name!r}.", next_step=f"Use {', '.join(t.id for t in TABLES)}.")
    writers = {".csv": _csv, ".parquet": _parquet, ".ndjson": _ndjson}
    if out.suffix not in writers:
        raise ConfigError(f"{out.name}: format {out.suffix!r} is not known.", next_step=f"Use {', '.join(writers)}.")
    if not out.parent.is_dir():
        raise NotFoundError(f"folder {out.parent} does not exist.", next_step="Make it, or correct --out.")
    rows = platform.context.engine.collect(platform.lake.read(table, first, last).order_by(list(table.key)))
    with replacing(out) as stream:
        writers[out.suffix](rows, stream)
    return int(rows.num_rows)


def _csv(rows: pa.Table, stream: Any) -> None:
    rows = _with_zone(rows)
    for number, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            safe = pc.replace_substring_regex(rows[number], _FORMULA, r"'\1")
            rows = rows.set_column(number, field.name, safe)
    pa_csv.write_csv(rows, stream)


def _with_zone(rows: pa.Table) -> pa.Table:
    """Return the rows with instants as ISO 8601 text in UTC, fractions of a second only where a column has some."""
    for number, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            whole = pc.all(pc.equal(rows[number], pc.floor_temporal(rows[number], unit="second"))).as_py()
            instants = rows[number].cast(pa.timestamp("us" if whole is False else "s"))
            rows = rows.set_column(number, field.name, pc.strftime(instants, "%Y-%m-%dT%H:%M:%SZ"))
    return rows


def _parquet(rows: pa.Table, stream: Any) -> None:
    pq.write_table(rows, stream)


def _ndjson(rows: pa.Table, stream: Any) -> None:
    for row in _with_zone(rows).to_pylist():
        stream.write(json.dumps(row, default=str, ensure_ascii=False).encode() + b"\n")
