"""What a state reads: the parts of its document that it selects, its numbers and its times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from healthcare_ops.orchestrator import failures, paths
from healthcare_ops.orchestrator.failures import StateFault
from healthcare_ops.orchestrator.jsonpath import PathError
from healthcare_ops.orchestrator.timestamps import instant
from healthcare_ops.orchestrator.values import Json, is_integer, is_too_large, text_of

# The service works on as many items of an inline Map at once.
_MOST_ITEMS_AT_ONCE = 40

_State = Mapping[str, Any]


def check_size(value: Json, what: str) -> None:
    """Raise a `StateFault` if the value is not JSON or exceeds what states may pass on."""
    try:
        is_over = is_too_large(value)
    except (TypeError, ValueError) as error:
        raise StateFault(failures.RUNTIME, f"{what} is not JSON: {error}") from error
    if is_over:
        raise StateFault(failures.DATA_LIMIT, f"{what} exceeds the maximum number of bytes service limit.")


def picked(state: _State, field: str, document: Json, context: Json) -> Json:
    """Return what InputPath, OutputPath or ItemsPath selects; null selects an empty object."""
    path = state.get(field, "$")
    if path is None:
        return {}
    try:
        return paths.get(path, document, context)
    except PathError as error:
        raise StateFault(failures.RUNTIME, f"Invalid path '{path}' : No results for path: {error}") from error


def number_at(state: _State, field: str, seen: Json, context: Json, least: int) -> int | None:
    """Return the number that a field gives, or its Path form leads to; None if it has neither."""
    path = state.get(f"{field}Path")
    if path is None:
        value: int | None = state.get(field)
        return value
    try:
        found = paths.get(path, seen, context)
    except PathError as error:
        cause = f"The {field}Path parameter does not reference an input value: {path}"
        raise StateFault(failures.RUNTIME, cause) from error
    shown = f"{path} == {found}"
    if not is_integer(found):
        raise StateFault(failures.RUNTIME, f"The {field}Path parameter cannot be parsed as a long value: {shown}")
    if found < least:
        kind = "negative value" if found < 0 else "value that is too small"
        raise StateFault(failures.RUNTIME, f"The {field}Path parameter references a {kind}: {shown}")
    return int(found)


def seconds(state: _State, field: str, seen: Json, context: Json) -> int | None:
    """Return a time limit, or None if the state has none of that name."""
    return number_at(state, field, seen, context, least=1)


def items_of(state: _State, seen: Json, context: Json) -> list[Json]:
    """Return the array that a Map goes through."""
    path = state.get("ItemsPath", "$")
    root = context if path.startswith("$$") else seen
    try:
        items = paths.get(path, seen, context)
    except PathError as error:
        steps = paths.parse(path)
        cause = f'Unable to apply step "{steps[-1] if steps else path}" to input {text_of(root)}'
        raise StateFault(failures.REFERENCE_PATH, cause, also=(failures.RUNTIME,)) from error
    if not isinstance(items, list):
        raise StateFault(failures.RUNTIME, f'Reference path "{path}" must point to array.')
    return items


def most_at_once(state: _State, seen: Json, context: Json) -> int:
    """Return how many items a Map works on at once."""
    wanted = number_at(state, "MaxConcurrency", seen, context, least=0)
    return min(wanted or _MOST_ITEMS_AT_ONCE, _MOST_ITEMS_AT_ONCE)


def wait_s(state: _State, seen: Json, context: Json, now: datetime) -> float:
    """Return how long a Wait lasts; a timestamp that has passed is no wait."""
    if "Seconds" in state or "SecondsPath" in state:
        return float(number_at(state, "Seconds", seen, context, least=0) or 0)
    path = state.get("TimestampPath")
    try:
        wanted = paths.get(path, seen, context) if path else state["Timestamp"]
    except PathError as error:
        cause = f"The TimestampPath parameter does not reference an input value: {path}"
        raise StateFault(failures.RUNTIME, cause) from error
    due, present = instant(wanted), instant(now.isoformat())
    if due is None or present is None:
        what = "does not reference a valid ISO-8601 extended offset date-time format string"
        cause = f"The TimestampPath parameter {what}: {path} == {wanted}"
        raise StateFault(failures.RUNTIME, cause)
    # Up to the next microsecond, so that it never ends before its time.
    return max(0.0, math.ceil((due - present) * 1_000_000) / 1_000_000)
