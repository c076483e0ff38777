"""Clocks as column expressions: text to civil time, civil time to UTC instants and back.

Engines disagree about skipped hours, offsets and sub-second parts, so nothing here calls an engine's time
zone functions: the zone's offsets come in as data (`core.civil_time`) and become comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.civil_time import CivilSpan, OffsetSpan, civil_spans
from healthcare_ops.core.time_formats import format_pattern

Policy = Literal["quarantine", "shift_forward", "first", "second"]

# One shape for both engines: DuckDB and Spark accept different extras (a lone year, a time without a date).
_ISO_DATE = r"^\d{4}-\d{2}-\d{2}$"
# They also disagree about 24:00, and would take an offset that no zone has.
_ISO = r"^\d{4}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d{1,9})?)? ?(Z|[+-](0\d|1[0-4]):?[0-5]\d)?$"
_OFFSET = r"(Z|[+-](0\d|1[0-4]):?[0-5]\d)$"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True)
class Civil:
    """A time as written: the clock it shows, and its offset where it carries one (else null)."""

    clock: Any
    offset_min: Any


NOTHING = Civil(ibis.null("timestamp"), ibis.null("int64"))


def read(text: Any, formats: Sequence[str]) -> Civil:
    """Return the time that the first fitting format reads; 'ISO' or strptime formats."""
    trimmed = text.strip()
    readings = [
        read_iso(trimmed) if time_format == "ISO" else Civil(read_format(trimmed, time_format), NOTHING.offset_min)
        for time_format in formats
    ]
    if len(readings) == 1:
        return readings[0]
    return Civil(
        ibis.coalesce(*(reading.clock for reading in readings)),
        ibis.coalesce(*(reading.offset_min for reading in readings)),
    )


def read_iso(text: Any) -> Civil:
    """Return the time of an ISO text; both parts null where the text is something else."""
    has_time = text.re_search(_ISO)
    offset = text.re_extract(_OFFSET, 1)
    bare = ibis.cases(
        (has_time, text.re_replace(f" ?{_OFFSET}", "")),
        (text.re_search(_ISO_DATE), text + " 00:00:00"),
        else_=ibis.null("string"),
    )
    minutes = offset.substr(1, 2).try_cast("int64") * 60 + offset.right(2).try_cast("int64")
    signed = ibis.cases(
        (offset == "Z", ibis.literal(0, "int64")),
        (offset.startswith("-"), -minutes),
        (offset.startswith("+"), minutes),
        else_=ibis.null("int64"),
    )
    return Civil(bare.try_cast("timestamp"), ibis.ifelse(has_time, signed, ibis.null("int64")))


def read_format(text: Any, time_format: str) -> Any:
    """Return the clock of a text written in a strptime format; null where it does not fit."""
    pattern, names = format_pattern(time_format)
    part = {name: text.re_extract(pattern, index) for index, name in enumerate(names, start=1)}
    year = part["year"] if "year" in part else "20" + part["year2"]
    month = _month_number(part["month_name"]) if "month_name" in part else part["month"]
    iso = (
        year + "-" + _two(month) + "-" + _two(part["day"]) + " "
        + _two(_hour24(part)) + ":" + part.get("minute", ibis.literal("00"))
        + ":" + part.get("second", ibis.literal("00"))
        + "." + part.get("fraction", ibis.literal("0"))
    )  # fmt: skip
    return ibis.ifelse(text.re_search(pattern), iso, ibis.null("string")).try_cast("timestamp")


def has_offset(text: Any) -> Any:
    """Tell whether a text ends as an ISO time with an offset does; false of null."""
    return text.strip().re_search(_OFFSET).fill_null(False)


def day_between(clock: Any, first: date, last: date) -> Any:
    """Return the clock's date; null outside the days `first`…`last`."""
    day = clock.date()
    return ibis.ifelse(day.between(ibis.literal(first), ibis.literal(last)), day, ibis.null("date"))


def to_civil(instant: Any, spans: Sequence[OffsetSpan]) -> Any:
    """Return the civil clock at a naive UTC instant."""
    return _piecewise(
        instant,
        [span.from_utc for span in spans],
        [s.offset_min for s in spans],
        lambda m: _shift(instant, m),
    )


def to_utc(clock: Any, spans: Sequence[OffsetSpan], *, repeated_hour: Policy) -> Any:
    """Return the naive UTC instant of a civil clock.

    A skipped time is read with the offset before the change; a repeated one as its first occurrence,
    or as its second where the policy says so. Whether such a time may stand is `civil_kind`'s business.
    """
    pieces = civil_spans(tuple(spans))
    offsets = [_offset_of(piece, repeated_hour) for piece in pieces]
    return _piecewise(clock, [p.from_civil for p in pieces], offsets, lambda m: _shift(clock, -m))


def civil_kind(clock: Any, spans: Sequence[OffsetSpan]) -> Any:
    """Return 'normal', 'skipped' or 'repeated' for a civil clock."""
    pieces = civil_spans(tuple(spans))
    return _piecewise(clock, [p.from_civil for p in pieces], [p.kind for p in pieces], ibis.literal)


def epoch_us(instant: Any) -> Any:
    """Return microseconds since 1970 of a naive UTC instant; whole numbers agree on every engine."""
    return instant.delta(ibis.literal("1970-01-01").cast("timestamp"), unit="microsecond")


def _offset_of(piece: CivilSpan, repeated_hour: Policy) -> int:
    is_second = piece.kind == "repeated" and repeated_hour == "second"
    return piece.offset_after_min if is_second else piece.offset_before_min


def _piecewise(at: Any, starts: Sequence[datetime], values: Sequence[Any], leaf: Callable[[Any], Any]) -> Any:
    """Return the value of the last start ≤ `at`, as a balanced tree: a century of changes costs 8 comparisons."""
    if len(set(values)) == 1:
        return leaf(values[0])
    middle = len(starts) // 2
    return ibis.ifelse(
        at < ibis.literal(starts[middle]),
        _piecewise(at, starts[:middle], values[:middle], leaf),
        _piecewise(at, starts[middle:], values[middle:], leaf),
    )


def _shift(clock: Any, minutes: int) -> Any:
    return clock + ibis.interval(minutes=minutes) if minutes else clock


def _two(text: Any) -> Any:
    return text.lpad(2, "0")


def _hour24(part: dict[str, Any]) -> Any:
    if "hour12" not in part:
        return part.get("hour", ibis.literal("00"))
    hour = part["hour12"].try_cast("int64")
    afternoon = part["half"].lower() == "pm"
    return (hour % 12 + ibis.ifelse(afternoon, 12, 0)).cast("string")


def _month_number(name: Any) -> ir.Value:
    return ibis.cases(
        *((name.lower() == month, f"{number:02d}") for number, month in enumerate(_MONTHS, start=1)),
        else_="00",
    )
