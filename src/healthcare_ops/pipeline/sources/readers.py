"""Delivered files as record batches of text: CSV, TSV, Parquet and NDJSON, plain, .gz or .zst.

Every column arrives as text exactly as delivered, beside `record_no` (int64, from 1). A file is sound only
when its last batch has come: a caller writes nothing for good before that.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import zstandard

from healthcare_ops.core.errors import ConfigError, DataError, NotFoundError
from healthcare_ops.core.feed import Feed

BATCH_RECORDS = 65_536
MAX_RECORD_BYTES = 1 << 20
_BLOCK_BYTES = 4 << 20


def read_records(path: Path, feed: Feed) -> Iterator[pa.RecordBatch]:
    """Yield the file's records as text.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If the file is empty, truncated, wrongly encoded, malformed, or lacks a mapped column; the message
        names file and line or column.
    """
    _check_file(path)
    readers: dict[str, Callable[[Path, Feed], Iterator[pa.RecordBatch]]] = {
        "csv": _read_delimited,
        "tsv": _read_delimited,
        "ndjson": _read_ndjson,
        "parquet": _read_parquet,
    }
    first = 1
    try:
        for batch in readers[feed.format](path, feed):
            numbers = pa.array(range(first, first + batch.num_rows), pa.int64())
            first += batch.num_rows
            yield batch.append_column("record_no", numbers)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise DataError(
            f"{path.name} is not a whole {path.suffix} file: {error}.",
            next_step="Ask the supplier to send it again.",
        ) from error


def source_columns(feed: Feed) -> tuple[str, ...]:
    """Return every column of the delivered file that the feed's mapping reads, in order of first use."""
    named: list[str] = []
    for column in feed.columns:
        if source := feed.source(column):
            named += [source.column] if source.column else []
            named += source.when
    if feed.lifecycle_column:
        named.append(feed.lifecycle_column)
    return tuple(dict.fromkeys(named))


def _check_file(path: Path) -> None:
    if not path.exists():
        raise NotFoundError(f"{path} does not exist.", next_step="Check the path.")
    if not path.is_file():
        raise DataError(f"{path} is not a file.", next_step="Name the files in it one by one.")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes).", next_step="Ask the supplier to send it again.")


def _check_columns(path: Path, feed: Feed, present: Iterable[str]) -> None:
    present = list(present)
    repeated = sorted({name for name in present if present.count(name) > 1})
    if repeated:
        raise DataError(
            f"{path.name}: column {repeated[0]!r} stands twice in the header.",
            next_step="Rename one at the source.",
        )
    missing = [name for name in source_columns(feed) if name not in present]
    if missing:
        shown = ", ".join(present[:40])
        raise DataError(
            f"{path.name} has no column {missing[0]!r}, which feed {feed.feed_id} maps; it has: {shown}.",
            next_step="Correct `columns` in the feed file, or check `delimiter`, or ask the supplier.",
        )


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """Open the plain bytes of a file."""
    if path.suffix == ".gz":
        with gzip.open(path, "rb") as plain:
            yield plain  # type: ignore[misc]  # GzipFile reads like any binary file
    elif path.suffix == ".zst":
        with path.open("rb") as packed:
            reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
            yield _Whole(reader, path)  # type: ignore[misc]  # reads like any binary file
    else:
        with path.open("rb") as plain:
            yield plain


class _Whole(io.RawIOBase):
    """A zstd stream that notices when it ends before its frame does."""

    def __init__(self, reader: Any, path: Path) -> None:
        self._reader = reader
        self._end = _zstd_size(path)
        self._seen = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._reader.read(size)
        self._seen += len(data)
        if not data and self._end is not None and self._seen < self._end:
            raise EOFError(f"ends after {self._seen} of {self._end} bytes")
        return data


def _zstd_size(path: Path) -> int | None:
    with path.open("rb") as packed:
        size = zstandard.frame_content_size(packed.read(18))
    return size if size > 0 else None


def _read_delimited(path: Path, feed: Feed) -> Iterator[pa.RecordBatch]:
    delimiter = feed.delimiter or ("\t" if feed.format == "tsv" else ",")
    with _open(path) as plain:
        checked = _Checked(plain, path, feed.encoding)
        header = _header(checked, path, delimiter)
        _check_columns(path, feed, header)
        yield from _delimited_batches(checked, path, header, delimiter)


class _Checked(io.RawIOBase):
    """A byte stream as UTF-8 that refuses wrong bytes, NULs and endless lines, naming the line."""

    def __init__(self, plain: IO[bytes], path: Path, encoding: str) -> None:
        self._plain = plain
        self._path = path
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
        self._encoding = encoding
        self._ready = b""
        self._line = 1
        self._since_newline = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._ready:
            block = self._plain.read(_BLOCK_BYTES)
            self._ready = self._decode(block)
            if not block:
                break
        size = len(self._ready) if size < 0 else size
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def push_back(self, data: bytes) -> None:
        """Return bytes to the front of the stream."""
        self._ready = data + self._ready

    def _decode(self, block: bytes) -> bytes:
        try:
            text = self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = self._line + block.count(b"\n", 0, error.start)
            raise DataError(
                f"{self._path.name}, line {line}: byte 0x{error.object[error.start]:02x} is not {self._encoding}.",
                next_step="Set `encoding` in the feed file, or ask the supplier for one encoding throughout.",
            ) from error
        data = text.encode()
        self._check_lines(data)
        return data

    def _check_lines(self, data: bytes) -> None:
        if b"\0" in data:
            line = self._line + data.count(b"\n", 0, data.index(b"\0"))
            raise DataError(
                f"{self._path.name}, line {line} holds a NUL byte.",
                next_step="Ask the supplier for a text file.",
            )
        position = 0
        while (newline := data.find(b"\n", position)) >= 0 and newline - position + self._since_newline <= (
            MAX_RECORD_BYTES
        ):
            # Jump a whole record's worth at a time: only a line longer than the limit matters.
            last = data.rfind(b"\n", position, position + MAX_RECORD_BYTES)
            position, self._since_newline = (last if last >= newline else newline) + 1, 0
        length = (newline if newline >= 0 else len(data)) - position + self._since_newline
        if length > MAX_RECORD_BYTES:
            line = self._line + data.count(b"\n", 0, position)
            raise DataError(
                f"{self._path.name}, line {line} is longer than {MAX_RECORD_BYTES} bytes.",
                next_step="Check that the file is of the declared format and has line ends.",
            )
        self._since_newline = length
        self._line += data.count(b"\n")


def _header(stream: _Checked, path: Path, delimiter: str) -> list[str]:
    """Return the column names and leave the stream at its start."""
    seen = b""
    while b"\n" not in seen and (block := stream.read(_BLOCK_BYTES)):
        seen += block
    line = seen.split(b"\n", 1)[0].decode().rstrip("\r")
    stream.push_back(seen)
    if not line.strip():
        raise DataError(f"{path.name}, line 1 is blank where the header should be.", next_step="Send a header line.")
    return next(csv.reader([line], delimiter=delimiter))


def _delimited_batches(stream: _Checked, path: Path, header: list[str], delimiter: str) -> Iterator[pa.RecordBatch]:
    try:
        # One thread: only then does an error know its row.
        reader = pa_csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in header},
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
        yield from reader
    except pa.ArrowInvalid as error:
        message = str(error).splitlines()[0].removeprefix("CSV parse error: ")
        # Arrow repeats the row, which may name a patient.
        raise DataError(
            f"{path.name}: {message.split(': ', 2)[0] if message.startswith('Row') else ''} "
            f"{_field_count(message)}".strip(),
            next_step="Check `delimiter` and quoting, or ask the supplier.",
        ) from error


def _field_count(message: str) -> str:
    start = message.find("Expected")
    found = message[start:].split(":", maxsplit=1)[0] if start >= 0 else "cannot be read as delimited text"
    return found.replace("Expected", "expected") + "."


def _read_ndjson(path: Path, feed: Feed) -> Iterator[pa.RecordBatch]:
    columns = source_columns(feed)
    with _open(path) as plain:
        lines = iter(io.BufferedReader(_Checked(plain, path, feed.encoding), _BLOCK_BYTES))  # type: ignore[arg-type]  # raw reader
        records = (record for record in (_parse_line(line, n, path) for n, line in enumerate(lines, 1)) if record)
        seen: set[str] = set()
        while chunk := list(islice(records, BATCH_RECORDS)):
            arrays = []
            for name in columns:
                values = [_pick(record, name, seen) for record in chunk]
                arrays.append(pa.array(values, pa.string()))
            yield pa.record_batch(arrays, list(columns))
        missing = [name for name in columns if name not in seen]
        if missing:
            raise DataError(
                f"{path.name}: no record has the key {missing[0]!r}, which feed {feed.feed_id} maps.",
                next_step="Correct `columns` in the feed file, or ask the supplier.",
            )


def _parse_line(line: bytes, number: int, path: Path) -> dict[str, Any] | None:
    if not line.strip():
        return None
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path.name}, line {number} is not JSON: {error.msg} at column {error.colno}.",
            next_step="Send one JSON object a line.",
        ) from error
    if not isinstance(record, dict):
        raise DataError(f"{path.name}, line {number} is not a JSON object.", next_step="Send one object a line.")
    return record


def _pick(record: dict[str, Any], name: str, seen: set[str]) -> str | None:
    """Return a value as text; a dot reaches into nested objects."""
    value: Any = record
    for part in [name] if name in record else name.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    seen.add(name)
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _read_parquet(path: Path, feed: Feed) -> Iterator[pa.RecordBatch]:
    if path.suffix in {".gz", ".zst"}:
        raise ConfigError(f"{path.name}: Parquet is compressed inside.", next_step="Deliver it without the suffix.")
    try:
        file = pq.ParquetFile(path)
        _check_columns(path, feed, file.schema_arrow.names)
        for batch in file.iter_batches(BATCH_RECORDS, columns=list(source_columns(feed))):
            yield pa.record_batch([_as_text(array) for array in batch.columns], batch.schema.names)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path.name} is not a readable Parquet file: {error}.",
            next_step="Ask the supplier to send it again.",
        ) from error


def _as_text(array: Any) -> Any:
    if pa.types.is_timestamp(array.type) and array.type.tz:
        return array.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.string())
    return array.cast(pa.string())
