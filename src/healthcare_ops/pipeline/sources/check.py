"""What a feed's mapping makes of a file's first records: shown to people, written nowhere."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.core.feed import IDENTIFIERS, Feed
from healthcare_ops.core.reasons import EXPLANATIONS
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import DISPOSITIONS, ENCOUNTER_TIMES
from healthcare_ops.pipeline.sources.clocks import FeedClock
from healthcare_ops.pipeline.sources.columns import RECORD_NO, source_columns
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser
from healthcare_ops.pipeline.sources.readers import read_records

MAX_RECORDS = 100_000
_TIMES = frozenset((*ENCOUNTER_TIMES, "event_time", "version_time"))
_CODES = ("sector", "transfer_sector", "triage_level", "disposition", "event_type")


@dataclass(frozen=True)
class Sample:
    """One value: as delivered ("" for an identifier), and what it becomes or why it cannot."""

    delivered: str
    reads_as: str = ""
    problem: str = ""


@dataclass(frozen=True)
class ColumnCheck:
    """A mapped platform column: where it comes from, in how many records it is filled, first distinct values."""

    column: str
    source: str
    filled: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class UnknownCode:
    """A code that the feed's value map lacks; its records would be held back."""

    column: str
    code: str
    records: int


@dataclass(frozen=True)
class FeedCheck:
    """The findings over the first `records` records; more follow unless `is_whole_file`."""

    feed_id: str
    records: int
    is_whole_file: bool
    columns: tuple[ColumnCheck, ...]
    unmapped_columns: tuple[str, ...]
    unknown_codes: tuple[UnknownCode, ...]


def check_feed(path: Path, feed: Feed, site: Site | None = None, rows: int = 5) -> FeedCheck:
    """Return how the feed reads a file: samples of each mapped column, and what is not mapped.

    Identifiers appear only as pseudonyms of a key that lives as long as this call: equal values look equal,
    and no one can compute them again.

    Parameters
    ----------
    site
        Where given, sectors must be among its own.
    rows
        Distinct values shown of each column.

    Raises
    ------
    OpsError
        As `read_records` does, for a fault within the first `MAX_RECORDS` records.
    """
    seen = _Seen()
    pseudonymiser = Pseudonymiser("check", secrets.token_bytes(32))
    is_whole_file = True
    for batch in read_records(path, feed):
        if seen.records >= MAX_RECORDS:
            is_whole_file = False
            break
        seen.add(batch, map_records(batch, feed, source_sha256="check", pseudonymiser=pseudonymiser))
    maps = _code_maps(feed, site)
    return FeedCheck(
        feed.feed_id,
        seen.records,
        is_whole_file,
        tuple(_check_column(feed, name, seen.values[name], maps, rows) for name in feed.columns if name in seen.values),
        tuple(name for name in seen.source_columns if name not in (*source_columns(feed), RECORD_NO)),
        tuple(_unknown_codes(seen.values, maps)),
    )


@dataclass
class _Seen:
    """What the batches held: distinct values of each platform column, with counts, in order of appearance."""

    records: int = 0
    source_columns: dict[str, None] = field(default_factory=dict)
    values: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch, mapped: pa.RecordBatch) -> None:
        self.records += batch.num_rows
        self.source_columns |= dict.fromkeys(batch.schema.names)
        for name in mapped.schema.names:
            counts = pc.value_counts(mapped[name].drop_null())
            texts, numbers = counts.field("values").to_pylist(), counts.field("counts").to_pylist()
            self.values.setdefault(name, Counter()).update(dict(zip(texts, numbers, strict=True)))


def _check_column(
    feed: Feed, name: str, values: Counter[str], maps: Mapping[str, Mapping[str, object]], rows: int
) -> ColumnCheck:
    clock = FeedClock(feed)
    first = list(values)[:rows]
    if name in IDENTIFIERS:
        samples = [Sample("", reads_as=pseudonym) for pseudonym in first]
    elif name in _TIMES:
        samples = [_read_time(clock, text) for text in first]
    elif name in maps:
        samples = [_read_code(maps[name], text) for text in first]
    else:
        samples = [Sample(text, reads_as=text) for text in first]
    return ColumnCheck(name, _describe_source(feed, name), values.total(), tuple(samples))


def _describe_source(feed: Feed, name: str) -> str:
    source = feed.source(name)
    if source is None:
        return ""
    origin = source.column if source.column is not None else f"constant {source.const!r}"
    if name == "event_type" and feed.lifecycle_column:
        origin = f"{origin}|{feed.lifecycle_column}"
    conditions = [f"{column} in {', '.join(accepted)}" for column, accepted in source.when.items()]
    return f"{origin} when {' and '.join(conditions)}" if conditions else origin


def _read_time(clock: FeedClock, text: str) -> Sample:
    instant = clock.read(text)
    if isinstance(instant, datetime):
        return Sample(text, reads_as=instant.isoformat().replace("+00:00", "Z"))
    return Sample(text, problem=EXPLANATIONS[instant])


def _read_code(known: Mapping[str, object], text: str) -> Sample:
    value = _decode(known, text)
    return Sample(text, problem="not mapped") if value is None else Sample(text, reads_as=str(value))


def _decode(known: Mapping[str, object], text: str) -> object | None:
    code = text.strip()
    return known[code] if code in known and code != "*" else known.get("*")


def _code_maps(feed: Feed, site: Site | None) -> dict[str, Mapping[str, object]]:
    """Return code → platform value for each code column, the platform's own values where none are mapped."""
    own = site.sector_ids if site else ()
    sectors = feed.values.sector or {name: name for name in own}
    if site:
        sectors = {code: sector for code, sector in sectors.items() if sector in own}
    maps: dict[str, Mapping[str, object]] = {
        "sector": sectors,
        "transfer_sector": sectors,
        "triage_level": feed.values.triage_level or {str(level): level for level in range(1, 6)},
        "disposition": feed.values.disposition or {name: name for name in DISPOSITIONS},
        "event_type": feed.values.event_type,
    }
    if not site and not feed.values.sector:  # any place may be a sector
        del maps["sector"], maps["transfer_sector"]
    return maps


def _unknown_codes(
    values: Mapping[str, Counter[str]], maps: Mapping[str, Mapping[str, object]]
) -> Iterable[UnknownCode]:
    for column in (name for name in _CODES if name in values and name in maps):
        unknown: Counter[str] = Counter()
        for text, records in values[column].items():
            if _decode(maps[column], text) is None:
                unknown[text.strip()] += records
        yield from (UnknownCode(column, code, records) for code, records in unknown.most_common())
