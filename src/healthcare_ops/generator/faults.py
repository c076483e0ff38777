"""What goes wrong with delivered rows.

A fault of rows takes the rows of some files and which of them it may hit, and returns them as they are then delivered.
Beside each row stands a bit for every fault that touched it (`Slab.marks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.core.civil_time import OffsetSpan
from healthcare_ops.core.site import Site
from healthcare_ops.generator.arrivals import offsets_s
from healthcare_ops.generator.layout import Clock, OffsetOf, as_text
from healthcare_ops.generator.scenario import (
    TIMES,
    AnyFault,
    ClockShift,
    DstMistake,
    Duplicates,
    Fault,
    FeedName,
    Nulls,
    ReversedEvents,
    RowFault,
    SecondsForMinutes,
    Silent,
    SwappedColumns,
    UnknownCodes,
    Volume,
    WrongDates,
)
from healthcare_ops.generator.schedule import Schedule, Source
from healthcare_ops.generator.slabs import Flags, Ints, Outline, Slab, chosen

_DAY_S, _HOUR_S = 86_400, 3_600
_YEAR_DAYS = 365.25
_SEED_STEP = 1_000_003
_ALWAYS = 1 << 60
# Years of four digits on every clock, and two days to spare at either end.
_EARLIEST_S, _LATEST_S = -62_135_510_400, 253_402_127_999
_IDENTIFIERS = ("encounter_id", "patient_id", "source_event_id")


@dataclass(frozen=True)
class Placed:
    """A fault in its place in the scenario, for one feed; its window in UTC seconds (`start` excluded)."""

    number: int
    kind: str
    fault: Fault
    start: int
    end: int
    seed: int

    def covers(self, at: Ints) -> Flags:
        """Return which instants lie in the window."""
        return np.asarray((at > self.start) & (at <= self.end))

    @property
    def size(self) -> dict[str, Any]:
        """Return what the scenario says of the fault, beside its kind and seed."""
        return self.fault.model_dump(mode="json", exclude={"kind", "feed", "seed"}, exclude_none=True)


@dataclass(frozen=True)
class Setting:
    """What faults must know of a feed: which it is, and how it writes its times."""

    feed: FeedName
    clock: Clock
    spans: tuple[OffsetSpan, ...]

    def offset_of(self, at: Ints) -> Ints:
        """Return how far the clock on the wall is ahead of UTC instants, all in seconds."""
        return offsets_s(at, self.spans)


def place_faults(faults: Sequence[AnyFault], feed: FeedName, site: Site, seed: int) -> tuple[Placed, ...]:
    """Return the scenario's faults of a feed, numbered as in the scenario."""
    return tuple(
        Placed(
            number,
            fault.kind,
            fault,
            _instant(fault.start, site, -_ALWAYS),
            _instant(fault.end, site, _ALWAYS),
            seed + fault.seed + _SEED_STEP * (number + 1),
        )
        for number, fault in enumerate(faults)
        if isinstance(fault, Fault) and feed in fault.feeds
    )


def _instant(at: datetime | None, site: Site, otherwise: int) -> int:
    return otherwise if at is None else int(at.replace(tzinfo=site.tz).astimezone(UTC).timestamp())


# Silence: rows that come later, or never


@dataclass(frozen=True)
class Silenced:
    """An outline after the silences: the files that do not come, and per fault and file the rows taken from it."""

    outline: Outline
    withheld: frozenset[int]
    taken: Mapping[tuple[int, int], int]


def silence(outline: Outline, schedule: Schedule, source: Source, faults: Iterable[Placed]) -> Silenced:
    """Hold back what the silent feeds do not deliver in time."""
    withheld: set[int] = set()
    taken: dict[tuple[int, int], int] = {}
    # By their ends: a backlog may come into the next silence, and waits for the end of that one too.
    for placed in sorted(faults, key=lambda placed: placed.end):
        fault = placed.fault
        if not isinstance(fault, Silent):
            continue
        silent = np.flatnonzero(placed.covers(schedule.due))
        rows = np.flatnonzero(placed.covers(schedule.due[outline.file]))
        part = outline.take(rows)
        # By their own numbers: what an earlier silence took away must not change whom this one hits.
        rows = rows[_is_in(source.sectors(part), fault.sectors) & chosen(part.numbers, fault.share, placed.seed)]
        if fault.share == 1.0 and not fault.sectors:
            withheld.update(silent.tolist())
            taken |= {(placed.number, file): 0 for file in silent.tolist()}
        files, counts = np.unique(outline.file[rows], return_counts=True)
        taken |= {(placed.number, int(file)): int(n) for file, n in zip(files, counts, strict=True)}
        outline = _without(outline, rows) if fault.is_lost else _later(outline, rows, schedule, placed)
    return Silenced(outline, frozenset(withheld), taken)


def _without(outline: Outline, rows: Ints) -> Outline:
    is_left = np.ones(len(outline), np.bool_)
    is_left[rows] = False
    return outline.take(is_left)


def _later(outline: Outline, rows: Ints, schedule: Schedule, placed: Placed) -> Outline:
    """Move rows to the first ordinary file after the window; where there is none they never come."""
    after = schedule.ordinary[schedule.due[schedule.ordinary] > placed.end]
    if not len(after):
        return _without(outline, rows)
    file, marks = outline.file.copy(), np.zeros(len(outline), np.int64)
    if outline.marks is not None:
        marks |= outline.marks
    file[rows] = after[0]
    marks[rows] |= 1 << placed.number
    return replace(outline, file=file, marks=marks)


# Faults of rows


def spoil_rows(slab: Slab, placed: Placed, setting: Setting) -> Slab:
    """Return the rows with the fault, if it is one that acts before times are written out."""
    fault = placed.fault
    if isinstance(fault, Volume):
        return _change_volume(slab, placed, fault)
    if isinstance(fault, Duplicates):
        return _repeat(slab, _hit(slab, placed, fault), fault.copies, placed.number)
    if isinstance(fault, RowFault) and type(fault) in _CHANGES:
        return _changed(slab, _hit(slab, placed, fault), _CHANGES[type(fault)](slab, fault, setting), placed.number)
    return slab


def write_out(slab: Slab, faults: Sequence[Placed], setting: Setting) -> Slab:
    """Return the rows as text, with the faults that act on what is written."""
    written = replace(slab, rows=as_text(slab.rows, setting.clock, setting.offset_of))
    for placed in faults:
        if isinstance(placed.fault, DstMistake):
            mistaken = as_text(slab.rows, setting.clock, _mistaken(placed.fault, setting))
            columns = {name: mistaken[name] for name in _written_times(setting)}
            written = _changed(written, _hit(slab, placed, placed.fault), columns, placed.number)
    for placed in faults:
        if isinstance(placed.fault, SwappedColumns):
            exchanged = {name: written.rows[other] for name, other in permutations(placed.fault.columns)}
            written = _changed(written, _hit(slab, placed, placed.fault), exchanged, placed.number)
    return written


def _mistaken(fault: DstMistake, setting: Setting) -> OffsetOf:
    """Return how far a clock is ahead of UTC that is not changed as it should be."""
    if fault.how == "late":
        return lambda at: setting.offset_of(at - fault.late_h * _HOUR_S)
    offsets = [span.offset_min * 60 for span in setting.spans]
    kept = min(offsets) if fault.how == "not_forward" else max(offsets)
    return lambda at: np.full(len(at), kept, np.int64)


_Columns = dict[str, Any]


def _hit(slab: Slab, placed: Placed, fault: RowFault) -> Flags:
    is_hit = placed.covers(slab.written) & chosen(slab.number, fault.share, placed.seed)
    return is_hit & _is_in(slab.sector, fault.sectors)


def _is_in(sector: pa.Array, sectors: tuple[str, ...]) -> Flags:
    if not sectors:
        return np.ones(len(sector), np.bool_)
    return np.asarray(pc.is_in(sector, value_set=pa.array(sectors)).to_numpy(zero_copy_only=False))


def _changed(slab: Slab, is_hit: Flags, columns: _Columns, bit: int) -> Slab:
    """Put other columns in the place of a table's where rows are hit; only rows that then differ count as hit."""
    rows, differs = slab.rows, np.zeros(len(is_hit), np.bool_)
    for name, values in columns.items():
        old = slab.rows[name]
        is_same = pc.or_kleene(pc.fill_null(pc.equal(old, values), False), pc.and_(old.is_null(), values.is_null()))
        differs |= ~is_same.to_numpy(zero_copy_only=False)
        rows = rows.set_column(rows.schema.get_field_index(name), name, pc.if_else(pa.array(is_hit), values, old))
    return replace(slab, rows=rows).marked(is_hit & differs, bit)


def _nulls(slab: Slab, fault: Nulls, setting: Setting) -> _Columns:
    return {fault.column: pa.nulls(len(slab.number), slab.rows[fault.column].type)}


def _unknown_codes(slab: Slab, fault: UnknownCodes, setting: Setting) -> _Columns:
    known = slab.rows[fault.column]
    return {fault.column: pc.if_else(known.is_valid(), fault.code, known)}


def _shift_clock(slab: Slab, fault: ClockShift, setting: Setting) -> _Columns:
    return _moved(slab, fault.columns or _written_times(setting), lambda at: at + 60 * fault.minutes)


def _misdate(slab: Slab, fault: WrongDates, setting: Setting) -> _Columns:
    columns = fault.columns or TIMES[setting.feed]
    if fault.to == "future":
        ahead = round(fault.years * _YEAR_DAYS) * _DAY_S
        return _moved(slab, columns, lambda at: at + ahead)
    long_ago = int(setting.offset_of(np.zeros(1, np.int64))[0])
    return _moved(slab, columns, lambda at: (at + setting.offset_of(at)) % _DAY_S - long_ago)


def _stretch(slab: Slab, fault: SecondsForMinutes, setting: Setting) -> _Columns:
    def stretched(at: Ints) -> Ints:
        late_s = np.clip((at - slab.arrived) * fault.factor, -_LATEST_S, _LATEST_S)
        return np.asarray(slab.arrived + np.rint(late_s).astype(np.int64))

    return _moved(slab, TIMES[setting.feed], stretched)


def _reverse(slab: Slab, fault: ReversedEvents, setting: Setting) -> _Columns:
    return _moved(slab, TIMES[setting.feed], lambda at: 2 * slab.arrived - at)


_CHANGES: Mapping[type, Callable[[Slab, Any, Setting], _Columns]] = {
    Nulls: _nulls,
    UnknownCodes: _unknown_codes,
    ClockShift: _shift_clock,
    WrongDates: _misdate,
    SecondsForMinutes: _stretch,
    ReversedEvents: _reverse,
}


def _written_times(setting: Setting) -> tuple[str, ...]:
    return ("version_time", *TIMES[setting.feed])


def _moved(slab: Slab, columns: Iterable[str], move: Callable[[Ints], Ints]) -> _Columns:
    """Return columns of times, moved; what did not happen stays null."""
    moved = {}
    for name in columns:
        old = slab.rows[name]
        at = move(old.cast(pa.int64()).fill_null(0).to_numpy())
        written = pa.array(np.clip(at, _EARLIEST_S, _LATEST_S), pa.int64()).cast(pa.timestamp("s"))
        moved[name] = pc.if_else(old.is_valid(), written, old)
    return moved


def _repeat(slab: Slab, is_hit: Flags, copies: int, bit: int) -> Slab:
    """Let rows come again behind themselves."""
    positions = np.repeat(np.arange(len(is_hit)), 1 + is_hit * copies)
    return slab.take(positions).marked(np.r_[False, positions[1:] == positions[:-1]], bit)


def _change_volume(slab: Slab, placed: Placed, fault: Volume) -> Slab:
    """Let encounters come several times under other ids, or not at all, each with all of its rows."""
    is_hit = placed.covers(slab.arrived) & chosen(slab.encounter, fault.share, placed.seed)
    is_hit &= _is_in(slab.came_to, fault.sectors)
    whole, part = divmod(fault.factor, 1)
    times = int(whole) + (chosen(slab.encounter, part, placed.seed + 1) if part else 0)
    positions = np.repeat(np.arange(len(is_hit)), np.where(is_hit, times, 1))
    which = np.arange(len(positions)) - np.searchsorted(positions, positions)
    several = slab.take(positions)
    suffix = pc.if_else(
        pa.array(which > 0), pc.binary_join_element_wise("x", pa.array(which + 1).cast(pa.string()), ""), ""
    )
    rows = several.rows
    for name in (name for name in _IDENTIFIERS if name in rows.column_names):
        renamed = pc.binary_join_element_wise(rows[name], suffix, "")
        rows = rows.set_column(rows.schema.get_field_index(name), name, renamed)
    return replace(several, rows=rows).marked(which > 0, placed.number)
