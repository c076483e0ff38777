"""NDJSON: one JSON object a line, nested keys addressed as `a.b`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.pipeline.sources.columns import check_present, required_source_columns, source_columns
from healthcare_ops.pipeline.sources.streams import line_blocks, text_blocks

Record = dict[str, Any]


def read_ndjson(path: Path, feed: Feed) -> Iterator[pa.RecordBatch]:
    """Yield the records; blank lines are none.

    A mapped key may be absent from every record of a file (nobody was discharged yet), unless no record of
    the feed can be used without it. Columns differ between batches, but for the mapped ones.
    """
    mapped = source_columns(feed)
    seen: dict[str, None] = {}
    first = 1
    for lines in line_blocks(text_blocks(path, feed.encoding)):
        numbered = [(number, line) for number, line in enumerate(lines, first) if line and not line.isspace()]
        first += len(lines)
        records = [_parse(path, number, line) for number, line in numbered]
        batch = _to_batch(path, mapped, records, [number for number, _ in numbered])
        seen |= dict.fromkeys(name for name in batch.schema.names if batch[name].null_count < batch.num_rows)
        yield batch
    if seen:
        check_present(path.name, feed, required_source_columns(feed), list(seen))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Numbers stay as written: 1.50 is not 1.5, and no integer is too long.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)


def _parse(path: Path, number: int, line: str) -> Record:
    try:
        record = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise _fault(path, number, f"is not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _fault(path, number, f"is not usable JSON: {error}") from error
    if not isinstance(record, dict):
        raise _fault(path, number, "is not a JSON object")
    if "\\u0000" in line:
        raise _fault(path, number, "holds an escaped NUL")
    return record


def _to_batch(path: Path, mapped: Sequence[str], records: list[Record], numbers: list[int]) -> pa.RecordBatch:
    try:
        return _batch(mapped, records)
    except pa.ArrowTypeError:  # not every value is text: the exception, so that the rule is fast
        return _batch(mapped, [_flatten(path, mapped, *pair) for pair in zip(records, numbers, strict=True)])
    except UnicodeEncodeError as error:
        number = next(n for n, record in zip(numbers, records, strict=True) if not _is_unicode(record))
        raise _fault(path, number, "holds half a surrogate pair, which is no character") from error


def _batch(mapped: Sequence[str], records: list[Record]) -> pa.RecordBatch:
    names = list(dict.fromkeys(chain(mapped, chain.from_iterable(records))))
    return pa.record_batch([pa.array([r.get(name) for r in records], pa.string()) for name in names], names)


def _flatten(path: Path, mapped: Sequence[str], record: Record, number: int) -> Record:
    """Return nested keys as `a.b`, and booleans as text; lists are left out."""
    flat: Record = {}
    for key, value in _leaves(record, ""):
        if isinstance(value, list):
            if key in mapped:
                raise _fault(path, number, f"holds a list in {key!r}, where one value is mapped")
        else:
            flat[key] = json.dumps(value) if isinstance(value, bool) else value
    return flat


def _leaves(record: Record, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _is_unicode(record: Record) -> bool:
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _fault(path: Path, number: int, what: str) -> DataError:
    return DataError(
        f"{path.name}, line {number} {what}.",
        next_step="Ask the supplier for one JSON object a line, or correct `format` in the feed file.",
        fault=FileFault.FILE_RECORD_UNREADABLE,
        line=number,
    )
