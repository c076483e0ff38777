"""Parquet: typed columns to ISO text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.pipeline.sources.columns import check_header, source_columns

_BATCH_RECORDS = 65_536


def read_parquet(path: Path, feed: Feed) -> Iterator[pa.RecordBatch]:
    """Yield the records; fields of a struct are columns `a.b`, columns without text (lists, blobs) are left out."""
    try:
        # Without pre-buffering, a row group of any size passes through in pages.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield from _batches(path, feed, file)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(
            f"{path.name} is not a whole Parquet file: {str(error).splitlines()[0].rstrip('.')}.",
            next_step="Ask the supplier to send it again.",
            fault=FileFault.FILE_NOT_WHOLE,
        ) from error


def _batches(path: Path, feed: Feed, file: Any) -> Iterator[pa.RecordBatch]:
    check_header(path.name, feed, list(_leaf_names(file.schema_arrow)))
    mapped = source_columns(feed)
    for batch in file.iter_batches(_BATCH_RECORDS):
        texts: dict[str, Any] = {}
        for name, array in _leaves(batch):
            try:
                texts[name] = _as_text(array)
            except pa.ArrowException as error:
                if name in mapped:
                    raise DataError(
                        f"{path.name}: column {name!r} is {array.type}, which has no text of one value.",
                        next_step="Map another column, or ask the supplier for one value a record.",
                        fault=FileFault.FILE_COLUMN_UNUSABLE,
                    ) from error
        yield pa.record_batch(list(texts.values()), list(texts))


def _leaf_names(fields: Iterable[Any], prefix: str = "") -> Iterator[str]:
    for field in fields:
        if pa.types.is_struct(field.type):
            yield from _leaf_names(field.type, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def _leaves(batch: pa.RecordBatch) -> Iterator[tuple[str, Any]]:
    return zip(_leaf_names(batch.schema), _flatten(batch.columns), strict=True)


def _flatten(arrays: Iterable[Any]) -> Iterator[Any]:
    for array in arrays:
        if pa.types.is_struct(array.type):
            yield from _flatten(array.flatten())
        else:
            yield array


def _as_text(array: Any) -> Any:
    kind = array.type
    if not pa.types.is_timestamp(kind):
        return array.cast(pa.string())
    # By way of integers: Arrow would ask the system for a time zone database, which may have none.
    instants = array.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64()).cast(pa.timestamp("us"))
    text = pc.replace_substring(instants.cast(pa.string()), " ", "T", max_replacements=1)
    return pc.binary_join_element_wise(text, "Z", "") if kind.tz else text
