"""CSV and TSV, by Arrow's parser; Python's finds the line when Arrow refuses one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.pipeline.sources.columns import check_header
from healthcare_ops.pipeline.sources.streams import BLOCK_BYTES, MAX_LINE_CHARS, line_blocks, text_blocks

# A record after the last one: an unclosed quote swallows it, so the file's end proves that none was open.
# No delivered value can equal it, because NUL bytes are refused.
_END = "\0"


def read_delimited(path: Path, feed: Feed) -> Iterator[pa.RecordBatch]:
    """Yield the records; blank lines are none. A column without a name becomes `unnamed_<position>`."""
    delimiter = _delimiter(feed)
    header, rest = _split_header(path, text_blocks(path, feed.encoding), delimiter)
    check_header(path.name, feed, header)
    text = _Utf8(rest, delimiter.join([_END] * len(header)))
    records = 0
    try:
        for batch in _without_end(_parse(text, header, delimiter)):
            records += batch.num_rows
            yield batch
    except (pa.ArrowInvalid, _OpenQuoteError):
        # Not `from error`: Arrow's message repeats the record, which may name a patient.
        raise _find_fault(path, feed, len(header)) or _unknown_fault(path, len(header)) from None
    # More lines than records: some value spans lines, or two stray quotes made one of several records.
    if text.line_feeds > records + 1 and (fault := _find_fault(path, feed, len(header))):
        raise fault


def _delimiter(feed: Feed) -> str:
    return feed.delimiter or ("\t" if feed.format == "tsv" else ",")


def _split_header(path: Path, blocks: Iterator[str], delimiter: str) -> tuple[list[str], Iterator[str]]:
    """Return the column names, and the text after the header."""
    start = ""
    while len(start) <= MAX_LINE_CHARS and (block := next(blocks, "")):
        start += block
    text = io.StringIO(start, newline="")
    try:
        names = next(csv.reader(text, delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(
            f"{path.name}, line 1: the header cannot be read: {error}.",
            next_step="Check `delimiter` in the feed file, and quotes in the header.",
            fault=FileFault.FILE_HEADER_UNUSABLE,
            line=1,
        ) from error
    if not any(name.strip() for name in names):
        raise DataError(
            f"{path.name}, line 1 is blank where the header should be.",
            next_step="Ask the supplier for a first line that names the columns.",
            fault=FileFault.FILE_HEADER_UNUSABLE,
            line=1,
        )
    header = [name if name.strip() else f"unnamed_{position}" for position, name in enumerate(names, 1)]
    return header, chain([start[text.tell() :]], blocks)


class _OpenQuoteError(Exception):
    """The file ended inside a quoted value."""


class _Utf8(io.RawIOBase):
    """The text as the byte stream that Arrow reads, with the end record behind it."""

    def __init__(self, blocks: Iterator[str], end: str) -> None:
        self._blocks = chain((block for block in blocks if block), self._last_line(end))
        self._ready = memoryview(b"")
        self._in_line = False
        self.line_feeds = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._ready and (block := next(self._blocks, "")):
            self._ready = memoryview(block.encode())
            self._in_line = not block.endswith("\n")
            self.line_feeds += block.count("\n")
        size = len(self._ready) if size < 0 else size
        data, self._ready = self._ready[:size], self._ready[size:]
        return data.tobytes()

    def _last_line(self, end: str) -> Iterator[str]:
        yield f"\n{end}\n" if self._in_line else f"{end}\n"


def _parse(text: _Utf8, header: list[str], delimiter: str) -> Iterator[pa.RecordBatch]:
    yield from pa_csv.open_csv(
        pa.PythonFile(text, mode="r"),
        # Threads would make the order of faults, and so the message, a matter of chance.
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=header),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )


def _without_end(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches less the end record, which must be the last."""
    held = next(batches)
    for batch in batches:
        if batch.num_rows:
            yield held
            held = batch
    last = held.slice(held.num_rows - 1).to_pylist()
    if not last or set(last[0].values()) != {_END}:
        raise _OpenQuoteError
    yield held.slice(0, held.num_rows - 1)


def _find_fault(path: Path, feed: Feed, width: int) -> DataError | None:
    """Return the error of the first record that is not sound, with the line it begins in."""
    lines = chain.from_iterable(line_blocks(text_blocks(path, feed.encoding)))
    rows = csv.reader((f"{line}\n" for line in lines), delimiter=_delimiter(feed), strict=True)
    line = 1
    try:
        for row in rows:
            if row and len(row) != width:
                return _fault(path, line, f"{len(row)} values where the header names {width} columns")
            line = rows.line_num + 1
    except csv.Error as error:
        return _fault(path, line, f"quotes do not pair, or a value over several lines is too long ({error})")
    return None


def _fault(path: Path, line: int, what: str) -> DataError:
    return DataError(
        f"{path.name}, line {line}: {what}.",
        next_step="Check `delimiter` in the feed file and quotes in the file, or ask the supplier.",
        fault=FileFault.FILE_RECORD_UNREADABLE,
        line=line,
    )


def _unknown_fault(path: Path, width: int) -> DataError:
    return DataError(
        f"{path.name} cannot be split into records of {width} columns.",
        next_step="Check `delimiter` in the feed file and quotes in the file, or ask the supplier.",
        fault=FileFault.FILE_RECORD_UNREADABLE,
    )
