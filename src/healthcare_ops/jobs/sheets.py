"""Tables of times and numbers as people have them: CSV (also .gz) or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv, parquet

from healthcare_ops.core.errors import DataError

Clock = Literal["utc", "wall"]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_TIMES_NEXT = "Write times in ISO 8601: 2018-07-24T13:00:00, with an offset or Z where they have one."


@dataclass(frozen=True)
class Sheet:
    """The rows of a file; `text` is that of CSV, of which errors count lines, and empty for Parquet."""

    name: str
    rows: pa.Table
    text: bytes = b""

    @classmethod
    def parse(cls, name: str, data: bytes) -> Sheet:
        """Return the rows of a file; `DataError` if it is neither CSV nor Parquet, as its name says."""
        try:
            if name.endswith(".parquet"):
                return cls(name, parquet.read_table(pa.BufferReader(data)))
            packing = "gzip" if name.endswith(".gz") else None
            text = pa.input_stream(pa.BufferReader(data), compression=packing).read()
            return cls(name, csv.read_csv(pa.BufferReader(text)), text)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(
                f"{name} cannot be read: {error}.", next_step="Give a CSV (also .gz) or Parquet file."
            ) from error

    def column(self, wanted: Sequence[str], what: str) -> str:
        """Return the first of the names that is a column; `DataError`, which says of what, if none is."""
        found = next((name for name in wanted if name in self.rows.column_names), None)
        if found is None:
            raise DataError(
                f"{self.name} has no column of {what}; it has {', '.join(self.rows.column_names)}.",
                next_step=f"Name it {' or '.join(repr(name) for name in wanted[:2])}.",
            )
        return found

    def minutes(self, column: str, clock: Clock, zone: str) -> Ints:
        """Return minutes since 1970; of a clock on the wall as if it were UTC. `DataError` if one is no time."""
        times: Any = self.rows[column]
        if not pa.types.is_timestamp(times.type):
            if not len(times):
                raise DataError(f"{self.name} has no rows.", next_step="Give one that has.")
            row, what = _first_odd(times.to_pylist())
            raise self.fault(row, f"{column} {times[row].as_py()!r} {what}", _TIMES_NEXT)
        if times.null_count:
            raise self.fault(_first(pc.is_null(times)), f"there is no {column}", "Complete the row or remove it.")
        if clock == "wall" and times.type.tz is not None:
            times = pc.local_timestamp(times.cast(pa.timestamp("us", zone)))
        return np.asarray(times.cast(pa.timestamp("s")).cast(pa.int64()).to_numpy() // 60)

    def numbers(self, column: str) -> Floats:
        """Return finite numbers, NaN where there is none; `DataError` for anything else."""
        values: Any = self.rows[column]
        try:
            found = np.asarray(values.cast(pa.float64()).to_numpy(), dtype=np.float64)
            wrong = np.flatnonzero(np.isinf(found))
        except pa.ArrowInvalid:
            wrong = np.array([row for row, value in enumerate(values.to_pylist()) if not _is_number(value)][:1])
        if len(wrong):
            row = int(wrong[0])
            raise self.fault(row, f"{column} {values[row].as_py()!r} is not a number", "Write numbers with a point.")
        return found

    def texts(self, column: str) -> pa.ChunkedArray:
        """Return texts; `DataError` if one is missing."""
        found = self.rows[column].cast(pa.string())
        missing = pc.fill_null(pc.equal(found, ""), fill_value=True)
        if pc.any(missing).as_py():
            raise self.fault(_first(missing), f"there is no {column}", "Complete the row or remove it.")
        return found

    def fault(self, row: int, what: str, next_step: str) -> DataError:
        """Return the error of a row, by the line that it stands on."""
        return DataError(f"{self.place(row)}: {what}.", next_step=next_step)

    def place(self, row: int) -> str:
        """Return where a row (from 0) stands."""
        if not self.text:
            return f"{self.name}, row {row + 1}"
        lines = (number for number, line in enumerate(self.text.splitlines(), start=1) if line)
        return f"{self.name}, line {next(islice(lines, row + 1, None))}"


def _first(flags: Any) -> int:
    return int(pc.index(flags, value=True).as_py())


def _first_odd(times: Sequence[Any]) -> tuple[int, str]:
    """Return the first row that is no time; if each is one for itself, the first unlike the row at the top."""
    read = [_read(value) for value in times]
    if None in read:
        return read.index(None), "is not a time"
    unlike = [row for row, time in enumerate(read) if bool(time.tzinfo) != bool(read[0].tzinfo)]
    return (unlike[0], "and the first row differ in having an offset") if unlike else (0, "is not a time")


def _read(value: Any) -> Any:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return value in (None, "")
    return True
