"""`hops simulate --replay`: files of one's own, each record delivered when what it speaks of is past."""

from __future__ import annotations

import io
import json
import math
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from healthcare_ops.adapters.state_lock import Patience
from healthcare_ops.bootstrap.configuration import add_feed, create_state
from healthcare_ops.bootstrap.platform import open_platform, scratch_engine
from healthcare_ops.core.civil_time import day_start, offset_spans
from healthcare_ops.core.clock import Clock
from healthcare_ops.core.errors import DataError, NotFoundError
from healthcare_ops.core.feed import Feed, require_known_sectors
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import ENCOUNTER_TIMES
from healthcare_ops.core.validated import read_toml
from healthcare_ops.operations import bulk
from healthcare_ops.pipeline import civil, records
from healthcare_ops.pipeline.bronze import bronze_rows
from healthcare_ops.pipeline.sources.columns import RECORD_NO, required_source_columns
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser
from healthcare_ops.pipeline.sources.readers import read_records
from healthcare_ops.ports import Delivery

Progress = Callable[[str], None]
_DAY_MIN = 1440
# As long as a job waits for whoever writes to the state directory.
_PATIENCE = Patience(60.0)
# Before every time that can be written.
_NO_TIME_US = -(2**62)
_PACKED = (".gz", ".zst")


@dataclass(frozen=True)
class ReplayOrder:
    """Which files to replay, and when.

    Parameters
    ----------
    site_file
        For a state directory that is yet to be made; None where there is one.
    first, until
        Deliveries come from `first` on, and before `until`.
    every_min
        Minutes between two deliveries; None for the cadence of the feed, or a day if that is longer.
    """

    feed_file: Path
    site_file: Path | None
    files: Sequence[Path]
    first: datetime
    until: datetime
    every_min: int | None = None


@dataclass(frozen=True)
class Part:
    """Records of one file that come together: every source column as text."""

    moment: datetime
    file: Path
    rows: pa.Table


@dataclass(frozen=True)
class Replay:
    """What comes when, in that order; a `Deliverer`.

    `counts` tells how many records the files hold, how many of them come (`due`), and of these how many speak of the
    time before the first day (`earlier`) or of none that can be read (`without_time`); the others come `later`.
    """

    order: ReplayOrder
    feed: Feed
    every_min: int
    parts: Sequence[Part]
    counts: Mapping[str, int]

    def deliver(self, state: Path, clock: Clock, wait: Callable[[float], None], progress: Progress) -> dict[str, Any]:
        """Put each part into raw when it is due; return what came, as plain values."""
        if self.order.site_file:
            create_state(state, self.order.site_file, clock, feed_files=[self.order.feed_file])
        else:
            add_feed(state, self.order.feed_file)
        landed = []
        for moment, parts in groupby(self.parts, lambda part: part.moment):
            while (seconds := (moment - clock.now()).total_seconds()) > 0:
                wait(seconds)
            progress(f"delivering what is due by {moment:%Y-%m-%d %H:%M} UTC")
            landed += self._land(list(parts), state, clock)
        return {
            "feed_id": self.feed.feed_id,
            "files": [path.name for path in self.order.files],
            "every_min": self.every_min,
            "deliveries": sum(is_new for _, is_new in landed),
            "replayed": sum(count for count, is_new in landed if is_new),
            "already_delivered": sum(count for count, is_new in landed if not is_new),
            **self.counts,
        }

    def _land(self, parts: Sequence[Part], state: Path, clock: Clock) -> list[tuple[int, bool]]:
        """Put the parts into raw; return of each how many records it has, and whether it was not there before."""
        with tempfile.TemporaryDirectory(dir=state, prefix=".replay-") as folder:
            files = {}
            for number, part in enumerate(parts):
                path = Path(folder, str(number), _name(part))
                path.parent.mkdir()
                path.write_bytes(in_format(part.rows, self.feed))
                files[path] = bulk.sha256_of(path)
            with open_platform(state, clock, patience=_PATIENCE) as platform:
                landed = bulk.land(platform, self.feed, files)
        return [(part.rows.num_rows, one["fate"] == "taken") for part, one in zip(parts, landed, strict=True)]


def plan_replay(order: ReplayOrder, progress: Progress = lambda step: None) -> Replay:
    """Return what comes when; the files are read to their end, and nothing is written.

    A record comes with the first delivery after the latest plausible time that it names, so that none speaks of the
    future; one that names no such time, or only times before the first day, with the first delivery of all.

    Raises
    ------
    OpsError
        As `read_records` does, and if the feed maps to a sector that the site lacks.
    DataError
        If there is no record, or none of which a time can be read.
    NotFoundError
        If no record comes after the first delivery.
    """
    order = replace(order, files=tuple(dict.fromkeys(order.files)))
    feed = read_toml(order.feed_file, Feed)
    if order.site_file:
        require_known_sectors(feed, read_toml(order.site_file, Site))
    moments = _Moments(order.first, order.until, order.every_min or min(feed.cadence.every_min, _DAY_MIN))
    parts: list[Part] = []
    latest_us = np.empty(0, np.int64)
    for path in order.files:
        progress(f"reading {path.name}")
        rows, of_file_us = _read(path, feed)
        parts += _parts(path, rows, moments.numbers(of_file_us), moments)
        latest_us = np.append(latest_us, of_file_us)
    names = ", ".join(path.name for path in order.files)
    counts = _counts(names, latest_us, moments)
    if counts["due"] == counts["earlier"] + counts["without_time"]:
        raise _nothing_new(names, latest_us, moments, counts)
    return Replay(order, feed, moments.every_min, sorted(parts, key=lambda part: part.moment), counts)


@dataclass(frozen=True)
class _Moments:
    """The instants of deliveries: `first`, and every so many minutes afterwards, before `until`."""

    first: datetime
    until: datetime
    every_min: int

    @property
    def count(self) -> int:
        """Return how many there are."""
        return math.ceil((self.until - self.first) / timedelta(minutes=self.every_min))

    def at(self, number: int) -> datetime:
        """Return the moment with a number, the first being 0."""
        return self.first + number * timedelta(minutes=self.every_min)

    def numbers(self, latest_us: Any) -> Any:
        """Return for each latest time (µs since 1970) the number of the first moment after it; it may be too late."""
        begin, step = int(self.first.timestamp()) * 1_000_000, self.every_min * 60_000_000
        return (np.maximum(latest_us, begin - step) - begin) // step + 1


def _read(path: Path, feed: Feed) -> tuple[pa.Table, Any]:
    """Return the file's records as text, and of each the latest time that it names (µs since 1970)."""
    batches = list(read_records(path, feed))
    if not batches:
        return pa.table({}), np.empty(0, np.int64)
    pseudonymiser = Pseudonymiser("replay", secrets.token_bytes(32))
    mapped = [map_records(batch, feed, source_sha256="replay", pseudonymiser=pseudonymiser) for batch in batches]
    with scratch_engine() as engine, engine.from_batches(mapped) as table:
        found = engine.collect(_latest_times(table, feed).order_by(RECORD_NO))
    # NDJSON has the columns of its own lines in each batch.
    rows = pa.concat_tables(map(_as_table, batches), promote_options="default")
    return rows, found["latest_us"].combine_chunks().fill_null(_NO_TIME_US).to_numpy()


def _as_table(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch.drop_columns([RECORD_NO])])


def _latest_times(mapped: ir.Table, feed: Feed) -> ir.Table:
    """Return `latest_us` by record: null where it names no time that the feed holds to be plausible."""
    zone, day = ZoneInfo(feed.zone), timedelta(days=1)
    first, last = feed.plausible.first, feed.plausible.last
    bronze = bronze_rows(mapped, feed, Delivery(feed.feed_id, 1, "replay", "replay", first), datetime(1970, 1, 1))  # noqa: DTZ001  # naive UTC
    typer = records.type_encounters if feed.shape == "encounters" else records.type_events
    typed = typer(bronze, feed, offset_spans(zone, first - day, last + day), ())
    names = [f"{name}_at" for name in ENCOUNTER_TIMES] if feed.shape == "encounters" else ["event_time"]
    begin, end = (ibis.literal(_naive(day_start(edge, zone))) for edge in (first, last + day))
    times = [typed[name] for name in ("version", *names)]
    plausible = [ibis.ifelse((time >= begin) & (time < end), time, ibis.null("timestamp")) for time in times]
    return typed.select(RECORD_NO, latest_us=civil.epoch_us(ibis.greatest(*plausible)))


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _parts(path: Path, rows: pa.Table, numbers: Any, moments: _Moments) -> Iterator[Part]:
    """Yield the records of each delivery that is not too late, in the file's order."""
    due = np.flatnonzero(numbers < moments.count)
    due = due[np.argsort(numbers[due], kind="stable")]
    rows = rows.take(pa.array(due))
    found, begins, sizes = np.unique(numbers[due], return_index=True, return_counts=True)
    for number, begin, size in zip(found.tolist(), begins.tolist(), sizes.tolist(), strict=True):
        yield Part(moments.at(number), path, rows.slice(begin, size))


def _counts(names: str, latest_us: Any, moments: _Moments) -> dict[str, int]:
    """Return `Replay.counts`; raise if there is no time at all."""
    numbers, is_timed = moments.numbers(latest_us), latest_us > _NO_TIME_US
    if not len(latest_us):
        raise DataError(f"{names}: there is no record.", next_step="Give files with records.")
    if not is_timed.any():
        raise DataError(
            f"{names}: no record names a plausible time that the feed can read.",
            next_step="Run `hops feed check` with the feed file and the file.",
        )
    return {
        "records": len(latest_us),
        "due": int((numbers < moments.count).sum()),
        "earlier": int(((numbers == 0) & is_timed).sum()),
        "without_time": int((~is_timed).sum()),
        "later": int((numbers >= moments.count).sum()),
    }


def _nothing_new(names: str, latest_us: Any, moments: _Moments, counts: Mapping[str, int]) -> NotFoundError:
    known = latest_us[latest_us > _NO_TIME_US]
    first, last = (datetime.fromtimestamp(edge // 1_000_000, UTC) for edge in (int(known.min()), int(known.max())))
    return NotFoundError(
        f"{names}: nothing new comes between {moments.first:%Y-%m-%d %H:%M} and {moments.until:%Y-%m-%d %H:%M} UTC, "
        f"every {moments.every_min} min: of {counts['records']:,} records {counts['earlier']:,} are of before, "
        f"and {counts['later']:,} come later; they speak of {first:%Y-%m-%d} to {last:%Y-%m-%d}.",
        next_step="Give other days, or --every with fewer minutes.",
    )


def _name(part: Part) -> str:
    """Return the name of a part's file: the one of the file that it is of, with its moment."""
    plain = part.file.with_suffix("") if part.file.suffix.lower() in _PACKED else part.file
    return f"{plain.stem}-{part.moment.astimezone(UTC):%Y%m%dT%H%M%SZ}{plain.suffix}"


def in_format(rows: pa.Table, feed: Feed) -> bytes:
    """Return records, every source column as text, as a file of which the feed reads the same texts."""
    if feed.format == "parquet":
        packed = pa.BufferOutputStream()
        pq.write_table(rows, packed)
        return bytes(packed.getvalue())
    return (_lines(rows, feed) if feed.format == "ndjson" else _delimited(rows, feed)).encode(feed.encoding)


def _delimited(rows: pa.Table, feed: Feed) -> str:
    delimiter = feed.delimiter or ("\t" if feed.format == "tsv" else ",")
    written = io.BytesIO()
    # All in quotes: a line of one empty value would else be a blank one, and no record.
    pa_csv.write_csv(rows, written, pa_csv.WriteOptions(delimiter=delimiter, quoting_style="all_valid"))
    return written.getvalue().decode()


def _lines(rows: pa.Table, feed: Feed) -> str:
    # A file in which no line has a key that every record needs is refused, and a few lines of a sound one may lack it.
    lacking = [name for name in required_source_columns(feed) if rows[name].null_count == rows.num_rows]
    told = dict.fromkeys(lacking, feed.null_values[0]) if feed.null_values else {}
    return "".join(
        json.dumps(told | {name: value for name, value in row.items() if value is not None}) + "\n"
        for row in rows.to_pylist()
    )
