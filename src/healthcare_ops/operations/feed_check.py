"""What a feed's mapping makes of a file's first records: read as the jobs read them, written nowhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.bootstrap.platform import scratch_engine
from healthcare_ops.core.civil_time import OffsetSpan, offset_spans
from healthcare_ops.core.errors import QualityError
from healthcare_ops.core.feed import IDENTIFIERS, Feed, require_known_sectors
from healthcare_ops.core.reasons import EXPLANATIONS, Reason
from healthcare_ops.core.site import Sector, Site
from healthcare_ops.core.tables import ENCOUNTER_TIMES
from healthcare_ops.pipeline import records, silver
from healthcare_ops.pipeline.bronze import bronze_rows
from healthcare_ops.pipeline.quality.report.report import COMPARE
from healthcare_ops.pipeline.sources.columns import RECORD_NO, source_columns
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser
from healthcare_ops.pipeline.sources.readers import read_records
from healthcare_ops.ports import Delivery

MAX_RECORDS = 100_000
_UNKNOWN_CODES_SHOWN = 20
# Of a hospital that is not described, nothing but the longest stay is asked.
_ANY_SITE = Site(facility_id="any", name="any", zone="Etc/UTC", sectors=(Sector(sector_id="any", name="any"),))
Collect = Callable[[ir.Table], pa.Table]
# Where the typed records keep what a mapped column became.
_READING_OF = {
    **{name: f"{name}_at" for name in ENCOUNTER_TIMES},
    "event_time": "event_time",
    "event_type": "event_type",
    "sector": "sector_id",
    "transfer_sector": "transfer_sector_id",
    "triage_level": "level",
    "disposition": "outcome",
    "version_time": "version_read",
}
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
class Held:
    """Records that would be held back, by reason and column ("" for a fault of the whole encounter)."""

    reason_code: str
    column: str
    records: int
    first_record: int
    explanation: str


@dataclass(frozen=True)
class RecordFate:
    """What would become of one record, and why if it would be held back."""

    record_no: int
    fate: str
    reason_code: str = ""
    column: str = ""


@dataclass(frozen=True)
class FeedCheck:
    """The findings over the first `records` records; more follow unless `is_whole_file`.

    `incomplete` counts records of encounters of which another file must have the arrival, or the place.
    """

    feed_id: str
    records: int = 0
    is_whole_file: bool = True
    columns: tuple[ColumnCheck, ...] = ()
    unmapped_columns: tuple[str, ...] = ()
    unknown_codes: tuple[UnknownCode, ...] = ()
    fates: tuple[tuple[str, int], ...] = ()
    held: tuple[Held, ...] = ()
    first_records: tuple[RecordFate, ...] = ()
    incomplete: int = 0

    @property
    def failure(self) -> QualityError | None:
        """Return what a command ends with if records would be held back."""
        if not self.held:
            return None
        held, most = sum(item.records for item in self.held), self.held[0]
        why = f"{most.reason_code}{f' in {most.column}' if most.column else ''}"
        compare = COMPARE[Reason(most.reason_code)]
        return QualityError(
            f"{held:,} of {self.records:,} records would be held, {most.records:,} of them by {why}.",
            next_step=f"{compare[0].upper()}{compare[1:]}; `hops load` takes the others.",
        )


def check_feed(path: Path, feed: Feed, site: Site | None = None, rows: int = 5) -> FeedCheck:
    """Return how the feed reads a file: samples of each mapped column, codes it lacks, fates, what is not mapped.

    The file is judged by itself. Where events come in many files, an encounter that lacks its arrival here is not
    held against a file that has others with one.

    Identifiers appear only as pseudonyms of a key that lives as long as this call: equal values look equal,
    and no one can compute them again.

    Parameters
    ----------
    site
        Where given, sectors must be among its own and stays no longer than it says; otherwise any place of the
        file may be a sector.
    rows
        Distinct values shown of each column, and records of which the fate is shown.

    Raises
    ------
    OpsError
        As `read_records` does, for a fault within the first `MAX_RECORDS` records; `ConfigError` if the feed
        maps to a sector that the site lacks.
    """
    if site:
        require_known_sectors(feed, site)
    head = _Head(path, feed)
    mapped = list(head.mapped())
    if not mapped:
        return FeedCheck(feed.feed_id)
    sectors = site.sector_ids if site else _places(mapped)
    with scratch_engine() as engine, engine.from_batches(mapped) as table:
        if table is None:
            return FeedCheck(feed.feed_id)
        with (
            engine.stage(_judged(table, feed, sectors)) as judged,
            engine.stage(_encounters(judged, feed, site)) as encounters,
        ):
            elsewhere = _told_elsewhere(encounters, feed, engine.collect)
            fates = silver.with_encounter_fate(judged, encounters.anti_join(elsewhere, "encounter_id"))
            look = _Look(feed, table.inner_join(fates, RECORD_NO, rname="{name}_judged"), engine.collect)
            return FeedCheck(
                feed.feed_id,
                head.records,
                head.is_whole_file,
                tuple(look.column(name, rows) for name in feed.table_columns if name in feed.columns),
                tuple(name for name in head.source_columns if name not in (*source_columns(feed), RECORD_NO)),
                tuple(look.unknown_codes()),
                tuple(look.fates()),
                tuple(look.held()),
                tuple(look.first_records(rows)),
                look.applied_of(elsewhere),
            )


class _Head:
    """The first records of a file, mapped; afterwards, how many there were and which columns the file has."""

    def __init__(self, path: Path, feed: Feed) -> None:
        self._path, self._feed = path, feed
        self.records = 0
        self.is_whole_file = True
        self.source_columns: dict[str, None] = {}

    def mapped(self) -> Iterator[pa.RecordBatch]:
        pseudonymiser = Pseudonymiser("check", secrets.token_bytes(32))
        for batch in read_records(self._path, self._feed):
            if self.records >= MAX_RECORDS:
                self.is_whole_file = False
                return
            self.records += batch.num_rows
            self.source_columns |= dict.fromkeys(batch.schema.names)
            yield map_records(batch, self._feed, source_sha256="check", pseudonymiser=pseudonymiser)


@dataclass(frozen=True)
class _Look:
    """Questions to the records: columns as delivered, beside what they became."""

    feed: Feed
    rows: ir.Table
    collect: Collect

    def column(self, name: str, count: int) -> ColumnCheck:
        delivered = self.rows[name]
        values = self.rows.filter(delivered.notnull()).group_by(
            delivered=delivered, reads_as=self._reading(name), problem=self._problem(name)
        )
        first = values.aggregate(first=lambda t: t[RECORD_NO].min()).order_by("first").limit(count)
        (filled,) = self.collect(self.rows.aggregate(n=delivered.count()))["n"].to_pylist()
        samples = (
            Sample(
                "" if name in IDENTIFIERS else row["delivered"],
                "" if row["problem"] else _shown(row["reads_as"]),
                row["problem"] or "",
            )
            for row in self.collect(first).to_pylist()
        )
        return ColumnCheck(name, _describe_source(self.feed, name), filled, tuple(samples))

    def unknown_codes(self) -> Iterator[UnknownCode]:
        for name in (name for name in _CODES if name in self.feed.columns):
            unknown = self.rows.filter(self.rows[name].notnull() & self._reading(name).isnull())
            counted = unknown.group_by(code=unknown[name].strip()).aggregate(n=unknown.count())
            listed = counted.order_by(ibis.desc("n"), "code").limit(_UNKNOWN_CODES_SHOWN)
            for row in self.collect(listed).to_pylist():
                yield UnknownCode(name, row["code"], row["n"])

    def fates(self) -> Iterator[tuple[str, int]]:
        counted = self.rows.group_by("fate").aggregate(n=self.rows.count()).order_by(ibis.desc("n"), "fate")
        for row in self.collect(counted).to_pylist():
            yield row["fate"], row["n"]

    def held(self) -> Iterator[Held]:
        rows = self.rows.filter(self.rows.fate == "quarantined")
        counted = rows.group_by("reason_code", "column").aggregate(n=rows.count(), first=rows[RECORD_NO].min())
        for row in self.collect(counted.order_by(ibis.desc("n"), "reason_code", "column")).to_pylist():
            reason = Reason(row["reason_code"])
            yield Held(reason.value, row["column"] or "", row["n"], row["first"], EXPLANATIONS[reason])

    def applied_of(self, encounters: ir.Table) -> int:
        applied = self.rows.filter(self.rows.fate == "applied")
        (count,) = self.collect(applied.semi_join(encounters, "encounter_id").aggregate(n=ibis._.count()))[
            "n"
        ].to_pylist()
        return int(count)

    def first_records(self, count: int) -> Iterator[RecordFate]:
        first = self.rows.order_by(RECORD_NO).limit(count).select(RECORD_NO, "fate", "reason_code", "column")
        for row in self.collect(first).to_pylist():
            why = (row["reason_code"], row["column"] or "") if row["fate"] == "quarantined" else ()
            yield RecordFate(row[RECORD_NO], row["fate"], *why)

    def _reading(self, name: str) -> Any:
        reading = _READING_OF.get(name)
        if reading is None:
            return self.rows[name]
        return self.rows[reading if reading not in self.feed.table_columns else f"{reading}_judged"]

    def _problem(self, name: str) -> Any:
        """Return why a value cannot be used; null where it can."""
        if name in _CODES:
            return ibis.ifelse(self._reading(name).isnull(), "not mapped", ibis.null("string"))
        is_at_fault = (self.rows.column == name).fill_null(False)
        return ibis.cases(
            *((is_at_fault & (self.rows.reason_code == reason.value), text) for reason, text in EXPLANATIONS.items()),
            # A record shows its first fault only; a time that a later check would refuse is unreadable all the same.
            (self._reading(name).isnull(), EXPLANATIONS[Reason.TIME_UNREADABLE]),
            else_=ibis.null("string"),
        )


def _places(mapped: list[pa.RecordBatch]) -> tuple[str, ...]:
    names = pc.unique(pa.concat_arrays([pc.utf8_trim_whitespace(batch["sector"]) for batch in mapped]))
    return tuple(sorted(name for name in names.to_pylist() if name is not None))


def _judged(table: ir.Table, feed: Feed, sectors: tuple[str, ...]) -> ir.Table:
    delivery = Delivery(feed.feed_id, 1, "check", "check", date(1970, 1, 1))
    bronze = bronze_rows(table, feed, delivery, datetime.now(UTC).replace(tzinfo=None))
    typer = records.type_encounters if feed.shape == "encounters" else records.type_events
    typed = typer(bronze, feed, _spans(feed), sectors)
    # Judging does not return all that it needs.
    versions = typed.select(RECORD_NO, version_read=typed.version)
    return records.judge(typed).inner_join(versions, RECORD_NO)


def _encounters(judged: ir.Table, feed: Feed, site: Site | None) -> ir.Table:
    """Return what the sound records make of their encounters."""
    events_of = silver.events_of_encounters if feed.shape == "encounters" else silver.events_of_events
    hospital = site or _ANY_SITE
    events = events_of(judged)
    return silver.assemble(events, silver.places(events), hospital, _spans(feed))


def _told_elsewhere(encounters: ir.Table, feed: Feed, collect: Collect) -> ir.Table:
    """Return the encounters of which another file may tell what is missing.

    A record of an encounter feed tells all, and events without one arrival among them are a mapping that has none.
    """
    is_missing = encounters.reason_code.isin([Reason.ARRIVAL_MISSING.value, Reason.SECTOR_MISSING.value])
    (arrivals,) = collect(encounters.aggregate(n=encounters.arrival_time.count()))["n"].to_pylist()
    return encounters.filter(is_missing & ibis.literal(feed.shape != "encounters" and arrivals > 0))


def _spans(feed: Feed) -> tuple[OffsetSpan, ...]:
    margin = timedelta(days=1)
    return offset_spans(ZoneInfo(feed.zone), feed.plausible.first - margin, feed.plausible.last + margin)


def _describe_source(feed: Feed, name: str) -> str:
    source = feed.source(name)
    if source is None:
        return ""
    origin = source.column if source.column is not None else f"constant {source.const!r}"
    if name == "event_type" and feed.lifecycle_column:
        origin = f"{origin}|{feed.lifecycle_column}"
    conditions = [f"{column} in {', '.join(accepted)}" for column, accepted in source.when.items()]
    return f"{origin} when {' and '.join(conditions)}" if conditions else origin


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return str(value)
