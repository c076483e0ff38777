"""What the compiler says of a rule that it cannot judge."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import ibis.expr.datatypes as dt


class NotCompilableError(Exception):
    """A rule of the language that this product cannot judge; the message says what stands in the way."""


class SqlRefusedError(NotCompilableError):
    """An SQL text is not one that a rule may hold; the message says why."""


class NoHistoryError(Exception):
    """A condition needs what the rule measured before, and it has not measured often enough."""


def no_column(written: str, columns: Sequence[str]) -> str:
    """Return what is wrong with the name of a column that the table lacks: the nearest that it has, or all."""
    by_lower = {name.lower(): name for name in columns}
    near = get_close_matches(written.lower(), by_lower, n=1)
    known = f"{by_lower[near[0]]!r} is the nearest" if near else f"there are: {', '.join(columns)}"
    return f"there is no column {written!r}; {known}"


def kind_of(kind: dt.DataType) -> str:
    """Return what values of a type are, as people say it."""
    known = {"texts": kind.is_string(), "numbers": kind.is_numeric(), "times": kind.is_timestamp()}
    known |= {"days": kind.is_date(), "true or false": kind.is_boolean()}
    return next((name for name, is_so in known.items() if is_so), str(kind))
