"""Source columns to platform columns; identifiers leave here as pseudonyms only."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.core.feed import Feed, Source
from healthcare_ops.pipeline.sources.columns import RECORD_NO
from healthcare_ops.pipeline.sources.misplaced import without_identifiers
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser, Purpose

_PURPOSES: dict[str, Purpose] = {
    "encounter_id": "encounter",
    "patient_id": "patient",
    "source_event_id": "event",
}
_NULL = pa.scalar(None, pa.string())


def map_records(
    batch: pa.RecordBatch, feed: Feed, *, source_sha256: str, pseudonymiser: Pseudonymiser
) -> pa.RecordBatch:
    """Return the platform's text columns of a batch (`feed.table_columns`), and `record_no`.

    A column that is not mapped is null; so is a text that the feed declares to mean "not delivered", and a
    blank identifier. Identifiers are stripped, so that padding does not part one patient's records; what looks like
    one where a place, a code or a time belongs is withheld. Where an encounter feed maps no encounter id, file hash
    and record number stand for it.
    """
    columns = without_identifiers({name: _column(batch, feed, name) for name in feed.table_columns}, feed)
    if feed.shape == "encounters" and "encounter_id" not in feed.columns:
        columns["encounter_id"] = _synthetic_id(batch, source_sha256)
    for name, purpose in _PURPOSES.items():
        if name in columns:
            columns[name] = pseudonymiser.encode(_stripped_id(columns[name]), purpose)
    columns[RECORD_NO] = batch[RECORD_NO]
    return pa.record_batch(list(columns.values()), list(columns))


def _column(batch: pa.RecordBatch, feed: Feed, name: str) -> Any:
    source = feed.source(name)
    if source is None:
        return pa.nulls(batch.num_rows, pa.string())
    values = _source_values(batch, feed, source)
    if name == "event_type" and feed.lifecycle_column:
        values = _with_lifecycle(values, _text(batch, feed.lifecycle_column, feed))
    return pc.if_else(_matches(batch, source), values, _NULL) if source.when else values


def _source_values(batch: pa.RecordBatch, feed: Feed, source: Source) -> Any:
    if source.column is None:
        return pa.repeat(pa.scalar(source.const, pa.string()), batch.num_rows)
    return _text(batch, source.column, feed)


def _text(batch: pa.RecordBatch, column: str, feed: Feed) -> Any:
    """Return a source column as delivered, with the feed's null texts as null."""
    values = batch[column]
    is_null = pc.is_in(pc.utf8_trim_whitespace(values), value_set=pa.array(feed.null_values, pa.string()))
    return pc.if_else(is_null, _NULL, values)


def _with_lifecycle(activity: Any, lifecycle: Any) -> Any:
    """Return 'activity|lifecycle', the code that `values.event_type` maps; null where either is missing."""
    return pc.binary_join_element_wise(pc.utf8_trim_whitespace(activity), pc.utf8_trim_whitespace(lifecycle), "|")


def _matches(batch: pa.RecordBatch, source: Source) -> Any:
    matches = pa.repeat(pa.scalar(True), batch.num_rows)
    for column, accepted in source.when.items():
        is_accepted = pc.is_in(pc.utf8_trim_whitespace(batch[column]), value_set=pa.array(accepted, pa.string()))
        matches = pc.and_(matches, is_accepted)
    return matches


def _stripped_id(values: Any) -> Any:
    stripped = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(stripped, ""), _NULL, stripped)


def _synthetic_id(batch: pa.RecordBatch, source_sha256: str) -> Any:
    return pc.binary_join_element_wise(source_sha256, batch[RECORD_NO].cast(pa.string()), "#")
