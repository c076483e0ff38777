"""Delivered files as record batches of text: CSV, TSV, Parquet and NDJSON, plain, .gz or .zst.

A file is sound only when its last batch has come: a caller writes nothing for good before that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from healthcare_ops.core.errors import ConfigError, DataError, NotFoundError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.pipeline.sources.columns import RECORD_NO, source_columns
from healthcare_ops.pipeline.sources.delimited import read_delimited
from healthcare_ops.pipeline.sources.ndjson import read_ndjson
from healthcare_ops.pipeline.sources.parquet import read_parquet

_READERS: Mapping[str, Callable[[Path, Feed], Iterator[pa.RecordBatch]]] = {
    "csv": read_delimited,
    "tsv": read_delimited,
    "ndjson": read_ndjson,
    "parquet": read_parquet,
}
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "parquet",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
}
_PACKED = {".gz": "gzip", ".zst": "zstd"}


def read_records(path: Path, feed: Feed) -> Iterator[pa.RecordBatch]:
    """Yield the file's records: every source column as text, and `record_no` (int64, from 1).

    Text is exactly as delivered; null only where a JSON key is absent or null, or a Parquet value is null.
    Typed Parquet values become ISO text, JSON numbers and booleans their JSON text. A file with a header
    and no record yields nothing. A column of lists, and an unmapped one named `record_no`, are left out.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If the file is empty, truncated, wrongly encoded or packed, malformed, or lacks a mapped column; the
        message names the file, and the line, record or column.
    ConfigError
        If the feed maps what no reader can give.
    """
    _check_feed(path, feed)
    _check_file(path, feed)
    first = 1
    for batch in _READERS[feed.format](path, feed):
        if not batch.num_rows:
            continue
        if RECORD_NO in batch.schema.names:
            batch = batch.drop_columns([RECORD_NO])  # noqa: PLW2901  # the same batch, less a column
        yield batch.append_column(RECORD_NO, pa.array(np.arange(first, first + batch.num_rows)))
        first += batch.num_rows


def _check_feed(path: Path, feed: Feed) -> None:
    if RECORD_NO in source_columns(feed):
        raise ConfigError(
            f"feed {feed.feed_id} maps a source column {RECORD_NO!r}, the name of the record's position.",
            next_step="Ask the supplier for another column name.",
        )
    if feed.format == "parquet" and path.suffix.lower() in _PACKED:
        raise ConfigError(
            f"{path.name}: Parquet files are packed inside and are read without {path.suffix}.",
            next_step="Unpack the file, or correct `format` in the feed file.",
        )


def _check_file(path: Path, feed: Feed) -> None:
    if not path.exists():
        raise NotFoundError(f"{path} does not exist.", next_step="Check the path.")
    if not path.is_file():
        raise DataError(f"{path} is not a file.", next_step="Name the files in it one by one.")
    if not _is_utf8(path.name):  # it is stored as text, and Linux lets a name be any bytes
        raise DataError(
            f"the file name {path.name!a} is not UTF-8.",
            next_step="Rename the file.",
            fault=FileFault.FILE_NAME_UNREADABLE,
        )
    if path.stat().st_size == 0:
        raise DataError(
            f"{path.name} is empty (0 bytes).",
            next_step="Ask the supplier to send it again.",
            fault=FileFault.FILE_EMPTY,
        )
    _check_magic(path, feed)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_magic(path: Path, feed: Feed) -> None:
    """Refuse a file whose first bytes say that it is something else."""
    with path.open("rb") as file:
        start = file.read(4)
    found = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "")
    expected = _PACKED.get(path.suffix.lower(), "parquet" if feed.format == "parquet" else "")
    if found != expected:
        raise DataError(
            f"{path.name} is {found or 'not ' + expected}, by its first bytes; its name and feed {feed.feed_id} "
            f"say {expected or feed.format}.",
            next_step="Correct the file name's ending or `format` in the feed file, or ask the supplier.",
            fault=FileFault.FILE_FORMAT_OTHER,
        )
