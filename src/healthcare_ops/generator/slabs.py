"""Rows on their way into files: columns of numbers for all of a feed, Arrow tables for a slab of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from healthcare_ops.generator.streams import RandomNumbers

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEVER = int(np.iinfo(np.int64).max)
_CHUNK = 1 << 20
_PARTS = 1_000_000
_MOST = (1 << 32) - 1
_WORD = (1 << 64) - 1


@dataclass(frozen=True)
class Outline:
    """Which rows a feed delivers, in no order.

    `file` is the number of the file, `what` tells the source which row it is, `written` when the source wrote it,
    so what it knew then (UTC seconds); `marks` has a bit for each fault that touched the row. A row's `number` is
    its position among all rows of the feed before any fault.
    """

    file: NDArray[np.int32]
    written: Ints
    what: NDArray[np.int32]
    marks: Ints | None = None
    number: Ints | None = None

    def __len__(self) -> int:
        return len(self.file)

    @property
    def numbers(self) -> Ints:
        """Return every row's number."""
        return np.arange(len(self)) if self.number is None else self.number

    def take(self, rows: Any) -> Outline:
        """Return some rows, by flags or positions."""
        number = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Outline(
            self.file[rows],
            self.written[rows],
            self.what[rows],
            None if self.marks is None else self.marks[rows],
            number if self.number is None else self.number[rows],
        )

    def of_files(self, first: int, end: int) -> Outline:
        """Return the rows of the files `first` to before `end`, by file and then by when they were written."""
        rows = np.flatnonzero((self.file >= first) & (self.file < end))
        return self.take(rows[np.lexsort((rows, self.written[rows], self.file[rows]))])


@dataclass(frozen=True)
class Slab:
    """Rows of a few files: `rows` as delivered, and beside each of them what the generator knows of it.

    `number` is that of the outline, `encounter` the encounter's position in the journeys, `arrived` and `written` are
    true instants (UTC seconds), `sector` is where it happened, `came_to` where the encounter arrived.
    """

    rows: pa.Table
    file: Ints
    number: Ints
    encounter: Ints
    arrived: Ints
    written: Ints
    sector: pa.Array
    came_to: pa.Array
    marks: Ints

    @classmethod
    def of(cls, rows: pa.Table, part: Outline, *, sector: pa.Array, **of_encounter: Any) -> Slab:
        """Return the rows of a part of the outline with what is known of them."""
        marks = np.zeros(len(part), np.int64) if part.marks is None else part.marks
        file = part.file.astype(np.int64)
        return cls(rows, file, part.numbers, written=part.written, sector=sector, marks=marks, **of_encounter)

    def take(self, positions: Any) -> Slab:
        """Return the rows at the positions."""
        picked = pa.array(positions)
        columns = {name: getattr(self, name)[positions] for name in _NUMBERS}
        arrow = {name: getattr(self, name).take(picked) for name in ("rows", "sector", "came_to")}
        return Slab(**columns, **arrow)

    def marked(self, is_hit: Flags, bit: int) -> Slab:
        """Return the slab with a fault's bit set on the rows that it hit."""
        return replace(self, marks=self.marks | (is_hit.astype(np.int64) << bit))


_NUMBERS = ("file", "number", "encounter", "arrived", "written", "marks")


def seconds(column: Any) -> Ints:
    """Return instants as UTC seconds; `NEVER` for null."""
    values = pc.fill_null(column.cast(pa.int64()), NEVER)
    return np.asarray(values.to_numpy(), dtype=np.int64)


def instants(values: Ints) -> pa.Array:
    """Return UTC seconds as instants; null for `NEVER`."""
    return pa.array(values, pa.int64(), mask=values == NEVER).cast(pa.timestamp("s"))


def only(values: pa.Array, is_told: Flags) -> pa.Array:
    """Return the values where they are told, null elsewhere."""
    return pc.if_else(pa.array(is_told), values, pa.scalar(None, values.type))


def numbered(prefix: str, numbers: Ints) -> Any:
    """Return ids such as h-E1000000042: one width, so that text sorts as numbers do."""
    return pc.binary_join_element_wise(prefix, pa.array(numbers + 1_000_000_000).cast(pa.string()), "")


def draw_delays(random: RandomNumbers, quantiles: tuple[tuple[float, float], ...], count: int) -> Ints:
    """Return delays in whole seconds from (share, minutes) quantiles.

    In whole numbers throughout, so that every machine draws the same.
    """
    shares = np.array([round(share * _PARTS) for share, _ in quantiles], np.int64)
    delays_s = np.array([round(minutes * 60) for _, minutes in quantiles], np.int64)
    drawn = np.empty(count, np.int64)
    for start in range(0, count, _CHUNK):
        part = random.below(_PARTS, min(_CHUNK, count - start))
        below = np.searchsorted(shares, part, side="right") - 1
        width_s = delays_s[below + 1] - delays_s[below]
        drawn[start : start + len(part)] = delays_s[below] + width_s * (part - shares[below]) // (
            shares[below + 1] - shares[below]
        )
    return drawn


def draw_flags(random: RandomNumbers, share: float, count: int) -> Flags:
    """Return which of `count` are chosen, each with the same chance."""
    return np.asarray(random.bits(count) <= np.uint32(round(share * _MOST))) & (share > 0.0)


def chosen(numbers: Ints, share: float, seed: int) -> Flags:
    """Return which numbers are chosen: the same ones, whatever others are asked about with them."""
    if share >= 1.0:
        return np.ones(len(numbers), np.bool_)
    mixed = _mix(numbers.astype(np.uint64) ^ _mix(np.array([seed & _WORD], np.uint64)))
    return np.asarray(mixed % np.uint64(_PARTS) < np.uint64(round(share * _PARTS)))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter numbers evenly: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
