"""Columns of small files that were read before: a tick reads a year of days, of which a few are new.

A year is four hundred files, each of which takes an engine a tenth of a millisecond to open, and a tick asks for years
a dozen times. A data file of the lake is never written again, so what was read of one stays true.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq

Types = Mapping[str, pa.DataType]


class RememberedFiles:
    """What was read of files, up to `most_bytes` in memory; the least used are forgotten first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, pa.Table] = OrderedDict()
        self._asked: dict[str, dict[str, pa.DataType]] = {}
        self._alone = Lock()

    def read(self, table: str, paths: Sequence[str], types: Types) -> pa.Table:
        """Return columns of a table's files, one file after the other; what a file has not got is null in its rows."""
        with self._alone:
            # A new file is read once for all who will ask: what one job wants of it the next ones want as well.
            asked = self._asked.setdefault(table, {})
            asked |= types
            return pa.concat_tables([self._part(path, asked) for path in paths]).select(list(types))

    def _part(self, path: str, types: Types) -> pa.Table:
        kept = self._kept.get(path)
        if kept is not None and kept.num_columns == len(types):
            self._kept.move_to_end(path)
            return kept
        rows = _read(path, types)
        self._bytes += rows.nbytes - (kept.nbytes if kept is not None else 0)
        self._kept[path] = rows
        self._kept.move_to_end(path)
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return rows


def _read(path: str, types: Types) -> pa.Table:
    # One thread: a file of a day is read sooner than others are woken up.
    with pq.ParquetFile(path) as file:
        there = [name for name in types if name in file.schema_arrow.names]
        rows = file.read(columns=there, use_threads=False)
    found = dict(zip(there, rows.columns, strict=True))
    # As a new table: whether a column can be null differs from file to file, and files would not go together.
    return pa.table({name: found.get(name, pa.nulls(rows.num_rows, kind)) for name, kind in types.items()})
