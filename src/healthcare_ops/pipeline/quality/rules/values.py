"""A column's values against a condition, row by row, as DQDL means it.

A null fulfils no condition but `= NULL`, `in […, NULL]` and those that deny: `!=`, `not …`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Any

import ibis

from healthcare_ops.pipeline import civil
from healthcare_ops.pipeline.quality.dqdl.syntax import (
    ClockTime,
    Condition,
    Day,
    Duration,
    Keyword,
    Now,
    Operand,
    Operator,
    Text,
)
from healthcare_ops.pipeline.quality.rules.conditions import COMPARISONS, is_dynamic, limits, require_numbers
from healthcare_ops.pipeline.quality.rules.patterns import require_plain_regex
from healthcare_ops.pipeline.quality.rules.refusals import NotCompilableError, kind_of
from healthcare_ops.pipeline.quality.rules.where import any_of

_DAY = timedelta(days=1)
_DATE_LENGTH = len("2026-03-01")
_BLANK = r"^\s+\z"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?\z"

_DENIALS: Mapping[Operator, Operator] = {
    "!=": "=",
    "not in": "in",
    "not between": "between",
    "not matches": "matches",
}


def fulfils(column: Any, condition: Condition, now: datetime) -> Any:
    """Return, row by row, whether the column fulfils the condition; never null.

    Parameters
    ----------
    column
        Numbers, texts, booleans, dates or naive UTC instants. Texts are read as numbers or times where the condition
        has such; what cannot be read fulfils nothing.
    now
        What `now()` means, naive UTC.

    Raises
    ------
    NotCompilableError
        If the condition does not fit the column.
    """
    if denied := _DENIALS.get(condition.operator):
        return ~fulfils(column, Condition(denied, condition.operands), now)
    if condition.operator == "in":
        return any_of([_equals(column, operand, now) for operand in condition.operands])
    if condition.operator == "=":
        return _equals(column, condition.operands[0], now)
    if condition.operator == "matches":
        return _matches(column, condition.operands[0])
    return _compared(column, condition, now).fill_null(False)


def _matches(column: Any, operand: Operand) -> Any:
    """Tell whether the whole text is what the pattern describes."""
    if not isinstance(operand, Text):
        raise NotCompilableError("it is matched with a quoted pattern")
    require_plain_regex(operand.value)
    return column.cast("string").re_search(rf"^(?:{operand.value})\z").fill_null(False)


def _equals(column: Any, operand: Operand, now: datetime) -> Any:
    if isinstance(operand, Keyword):
        return _is_keyword(column, operand)
    if isinstance(operand, Day) and column.type().is_string():
        return (column == operand.value.isoformat()).fill_null(False)
    if isinstance(operand, Day) and column.type().is_timestamp():
        first = _instant(operand, now)
        return ((column >= ibis.literal(first)) & (column < ibis.literal(first + _DAY))).fill_null(False)
    if isinstance(operand, Text):
        return (column.cast("string") == operand.value).fill_null(False)
    return _compared(column, Condition("=", (operand,)), now).fill_null(False)


def _is_keyword(column: Any, keyword: Keyword) -> Any:
    if keyword.name == "NULL":
        return column.isnull()
    if not column.type().is_string():
        raise NotCompilableError(f"{keyword.name} speaks of texts, and the column holds {kind_of(column.type())}")
    is_so = column == "" if keyword.name == "EMPTY" else column.re_search(_BLANK)
    return is_so.fill_null(False)


def _compared(column: Any, condition: Condition, now: datetime) -> Any:
    column, bounds = _comparable(column, condition, now)
    if condition.operator == "between":
        return (column > bounds[0]) & (column < bounds[1])
    return COMPARISONS[condition.operator](column, bounds[0])


def _comparable(column: Any, condition: Condition, now: datetime) -> tuple[Any, list[Any]]:
    """Return the column and the limits in one type."""
    operands = condition.operands
    if any(isinstance(operand, (Text, Keyword, ClockTime)) for operand in operands):
        raise NotCompilableError(f"{condition.operator} needs numbers or times")
    if all(isinstance(operand, (Day, Now)) for operand in operands):
        return _as_time(column), [_literal(column, operand, now) for operand in operands]
    if any(isinstance(operand, (Day, Now, Duration)) or is_dynamic(operand) for operand in operands):
        raise NotCompilableError("values are compared with numbers, texts or times, not with past runs or durations")
    require_numbers(condition)
    return as_number(column), [ibis.literal(number) for number in limits(condition)]


def as_number(column: Any) -> Any:
    """Return the column as numbers: a text that is none, as null; raise `NotCompilableError` for what is no number."""
    kind = column.type()
    if kind.is_string():
        text = column.strip()
        # Engines differ in what else they take for a number: 1_000, 1d, Infinity.
        return ibis.ifelse(text.re_search(_NUMBER), text, None).cast("float64")
    if kind.is_floating():
        return ibis.ifelse(column.isnan(), None, column)
    if kind.is_numeric():
        return column
    raise NotCompilableError(f"the column holds {kind_of(kind)}, not numbers")


_READS: Mapping[str, Callable[[Any], Any]] = {
    "boolean": lambda text: text.strip().lower().isin(["true", "false"]),
    "date": lambda text: (text.strip().length() == _DATE_LENGTH) & _as_time(text).notnull(),
    "timestamp": lambda text: _as_time(text).notnull(),
    "integer": lambda text: text.re_search(r"^\s*[+-]?\d{1,10}\s*\z"),
    "long": lambda text: text.re_search(r"^\s*[+-]?\d{1,19}\s*\z"),
    "double": lambda text: as_number(text).notnull(),
    "float": lambda text: as_number(text).notnull(),
    "string": lambda text: text.notnull(),
}


def is_of_type(column: Any, condition: Condition) -> Any:
    """Return whether texts can be read as the type that is asked for, row by row; of another column, whether it is."""
    (operand,) = condition.operands
    if not isinstance(operand, Text) or operand.value.lower() not in _READS or condition.operator != "=":
        raise NotCompilableError(f'it compares with = "…", one of {", ".join(_READS)}')
    kind, wanted = column.type(), operand.value.lower()
    if kind.is_string():
        return _READS[wanted](column).fill_null(False)
    kinds = {
        "boolean": kind.is_boolean(),
        "date": kind.is_date(),
        "timestamp": kind.is_timestamp(),
        "integer": kind.is_integer(),
        "long": kind.is_integer(),
        "double": kind.is_floating(),
        "float": kind.is_floating(),
    }
    return kinds.get(wanted, False)


def _as_time(column: Any) -> Any:
    kind = column.type()
    if kind.is_string():
        read = civil.read_iso(column.strip())
        return read.clock - read.offset_min.fill_null(0).as_interval("m")
    if kind.is_timestamp() or kind.is_date():
        return column
    raise NotCompilableError(f"the column holds {kind_of(kind)}, not times")


def _literal(column: Any, operand: Operand, now: datetime) -> Any:
    instant = _instant(operand, now)
    return ibis.literal(instant.date()) if column.type().is_date() else ibis.literal(instant)


def _instant(operand: Operand, now: datetime) -> datetime:
    if isinstance(operand, Day):
        return datetime.combine(operand.value, time())
    if not isinstance(operand, Now):
        raise NotCompilableError("times are compared with times")
    return now + operand.shift


def is_as_fresh(column: Any, condition: Condition, now: datetime) -> Any:
    """Return, row by row, whether the time from the column's value to now fulfils a condition of durations."""
    durations = [operand.value for operand in condition.operands if isinstance(operand, Duration)]
    if len(durations) != len(condition.operands) or condition.operator in ("matches", "not matches"):
        raise NotCompilableError("freshness is compared with durations")
    when = _as_time(column).cast("timestamp")
    # In numbers: engines differ in intervals below a second.
    age_us = ibis.literal(_epoch_us(now)) - civil.epoch_us(when)
    bounds = [ibis.literal(duration // timedelta(microseconds=1)) for duration in durations]
    positive = _DENIALS.get(condition.operator, condition.operator)
    if positive == "between":
        found = (age_us > bounds[0]) & (age_us < bounds[1])
    elif positive == "in":
        found = age_us.isin(bounds)
    else:
        found = COMPARISONS[positive](age_us, bounds[0])
    found = found.fill_null(False)
    return ~found if condition.operator in _DENIALS else found


def _epoch_us(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001  # naive UTC, as the column is
