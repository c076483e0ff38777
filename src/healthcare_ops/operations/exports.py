"""Tables as files."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from healthcare_ops.adapters.local_files import replacing
from healthcare_ops.bootstrap import Platform
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.tables import TABLES


def export_table(platform: Platform, name: str, out: Path, first: date | None, last: date | None) -> int:
    """Write a table's rows, in the order of its key, and return how many.

    Raises
    ------
    NotFoundError
        If there is no table of that name.
    ConfigError
        If the file's suffix is not .csv, .parquet or .ndjson.
    """
    table = next((table for table in TABLES if table.id == name), None)
    if table is None:
        raise NotFoundError(f"there is no table {name!r}.", next_step=f"Use {', '.join(t.id for t in TABLES)}.")
    writers = {".csv": _csv, ".parquet": _parquet, ".ndjson": _ndjson}
    if out.suffix not in writers:
        raise ConfigError(f"{out.name}: format {out.suffix!r} is not known.", next_step=f"Use {', '.join(writers)}.")
    rows = platform.context.engine.collect(platform.lake.read(table, first, last).order_by(list(table.key)))
    with replacing(out) as stream:
        writers[out.suffix](rows, stream)
    return int(rows.num_rows)


def _csv(rows: pa.Table, stream: Any) -> None:
    pa_csv.write_csv(rows, stream)


def _parquet(rows: pa.Table, stream: Any) -> None:
    pq.write_table(rows, stream)


def _ndjson(rows: pa.Table, stream: Any) -> None:
    for row in rows.to_pylist():
        stream.write(json.dumps(row, default=str, ensure_ascii=False).encode() + b"\n")
