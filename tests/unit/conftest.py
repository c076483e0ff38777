from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from healthcare_ops.core.feed import Feed
from healthcare_ops.pipeline.sources.readers import read_records

FeedBuilder = Callable[..., Feed]
Delivery = Callable[..., Path]


@pytest.fixture
def make_feed() -> FeedBuilder:
    """Return a builder of feeds that map `arrival` and `place`, unless told otherwise."""

    def build(**different: Any) -> Feed:
        usual = {
            "feed_id": "ed",
            "format": "csv",
            "shape": "encounters",
            "zone": "America/Sao_Paulo",
            "owner": {"name": "IT", "email": "it@hospital.example"},
            "plausible": {"first": "2020-01-01", "last": "2029-12-31"},
            "cadence": {"every_min": 60, "late_after_min": 120},
            "columns": {"arrival_time": "arrival", "sector": "place"},
        }
        return Feed.model_validate(usual | different)

    return build


@pytest.fixture
def make_event_feed(make_feed: FeedBuilder) -> FeedBuilder:
    """Return a builder of event feeds that map `visit`, `code` and `at`, unless told otherwise."""

    def build(**different: Any) -> Feed:
        columns = {"encounter_id": "visit", "event_type": "code", "event_time": "at"}
        usual = {"shape": "events", "columns": columns, "values": {"event_type": {"A01": "arrival"}}}
        return make_feed(**(usual | different))

    return build


@pytest.fixture
def deliver(tmp_path: Path) -> Delivery:
    """Return a function that lays down a delivered file."""

    def write(content: bytes | str, name: str = "visits.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def read_all() -> Callable[[Path, Feed], list[dict[str, Any]]]:
    """Return a function that reads a file to its end, as a list of records."""

    def read(path: Path, feed: Feed) -> list[dict[str, Any]]:
        return [record for batch in read_records(path, feed) for record in batch.to_pylist()]

    return read


@pytest.fixture
def make_batch() -> Callable[..., pa.RecordBatch]:
    """Return a builder of read records: columns of text, numbered from 1."""

    def build(**columns: list[str | None]) -> pa.RecordBatch:
        size = len(next(iter(columns.values())))
        arrays = [pa.array(values, pa.string()) for values in columns.values()]
        return pa.record_batch([*arrays, pa.array(range(1, size + 1), pa.int64())], [*columns, "record_no"])

    return build
