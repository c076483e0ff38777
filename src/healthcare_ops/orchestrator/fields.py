"""Which fields a definition may have where, and what kind of value each holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from healthcare_ops.orchestrator.timestamps import instant
from healthcare_ops.orchestrator.values import is_integer, is_number

_COMMON = {"Type", "Comment", "QueryLanguage", "InputPath", "OutputPath"}
_NEXT = {*_COMMON, "Assign", "Next", "End"}
_RULES = {"Retry", "Catch"}
_RESULT = {"Parameters", "ResultSelector", "ResultPath"}
_TIMES = {"TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath"}

STATES: Mapping[str, set[str]] = {
    "Task": {*_NEXT, *_RESULT, *_RULES, *_TIMES, "Resource"},
    "Pass": {*_NEXT, "Parameters", "Result", "ResultPath"},
    "Wait": {*_NEXT, "Seconds", "SecondsPath", "Timestamp", "TimestampPath"},
    "Choice": {*_COMMON, "Assign", "Choices", "Default"},
    "Succeed": _COMMON,
    "Fail": {"Type", "Comment", "QueryLanguage", "Error", "ErrorPath", "Cause", "CausePath"},
    "Parallel": {*_NEXT, *_RESULT, *_RULES, "Branches"},
    "Map": {
        *_NEXT,
        *_RESULT,
        *_RULES,
        *{"ItemsPath", "ItemSelector", "ItemProcessor", "Iterator", "MaxConcurrency", "MaxConcurrencyPath"},
    },
}
RETRIER = {
    *{"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxDelaySeconds", "MaxAttempts", "JitterStrategy", "Comment"}
}
CATCHER = {"ErrorEquals", "Next", "ResultPath", "Assign", "Comment"}
MACHINE = {"Comment", "StartAt", "States", "TimeoutSeconds", "Version", "QueryLanguage"}
BRANCH = {"Comment", "StartAt", "States", "QueryLanguage"}
PROCESSOR = {*BRANCH, "ProcessorConfig"}

_MOST_SECONDS = 99_999_999
_MOST_DELAY_S = 31_622_399


def is_text(value: Any) -> bool:
    """Tell whether the value is text."""
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _whole(least: int, most: int = _MOST_SECONDS) -> tuple[str, Callable[[Any], bool]]:
    return f"a whole number from {least} to {most}", lambda value: is_integer(value) and least <= value <= most


_TEXT = ("text", is_text)
_NAME = ("a name of 1 to 80 characters", lambda value: is_text(value) and 0 < len(value) <= 80)
_LIST = ("a list", lambda value: isinstance(value, list))
_SOME = ("a list of at least one", lambda value: isinstance(value, list) and bool(value))
_OBJECT = ("an object", lambda value: isinstance(value, dict))
# Wherever a field of that name may stand, its value is of this kind.
_KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("StartAt", "Next", "Default"), _NAME),
    **dict.fromkeys(("Comment", "Error", "Cause", "Type"), _TEXT),
    "Resource": ("text that names something", lambda value: is_text(value) and bool(value.strip())),
    **dict.fromkeys(("Retry", "Catch"), _LIST),
    **dict.fromkeys(("Choices", "Branches"), _SOME),
    **dict.fromkeys(
        ("States", "Assign", "Parameters", "ResultSelector", "ItemSelector", "ItemProcessor", "Iterator"), _OBJECT
    ),
    **dict.fromkeys(("TimeoutSeconds", "HeartbeatSeconds", "IntervalSeconds"), _whole(1)),
    **dict.fromkeys(("Seconds", "MaxAttempts", "MaxConcurrency"), _whole(0)),
    "MaxDelaySeconds": _whole(1, _MOST_DELAY_S),
    "BackoffRate": ("a number of at least 1", lambda value: is_number(value) and value >= 1),
    "JitterStrategy": ("FULL or NONE", lambda value: value in ("FULL", "NONE")),
    "End": ("true or false", _is_flag),
    "Version": ("1.0", lambda value: value == "1.0"),
    "Timestamp": ("a timestamp such as 2026-03-01T00:00:00Z", lambda value: instant(value) is not None),
    "ErrorEquals": (
        "a list of names",
        lambda value: isinstance(value, list) and bool(value) and all(map(is_text, value)),
    ),
}
_OPERANDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "String": _TEXT,
    "Numeric": ("a number", is_number),
    "Boolean": ("true or false", _is_flag),
    "Timestamp": _KINDS["Timestamp"],
    "Is": ("true or false", _is_flag),
}


def faults(item: Any, allowed: set[str]) -> Iterator[str]:
    """Yield what is wrong with the fields of one object: those it may not have, and values of the wrong kind."""
    if not isinstance(item, dict):
        yield f"{item!r} is not an object"
        return
    for field, value in item.items():
        if field == "QueryLanguage" and field in allowed:
            if value != "JSONPath":
                yield f"QueryLanguage {value} is not supported"
        elif field not in allowed:
            yield f"field {field!r} is not supported"
        elif field in _KINDS and not _KINDS[field][1](value):
            yield f"{field} {value!r} is not {_KINDS[field][0]}"


def operand_fault(operator: str, value: Any) -> str | None:
    """Return what is wrong with the literal operand of a comparison."""
    what, fits = next(kind for start, kind in _OPERANDS.items() if operator.startswith(start))
    return None if fits(value) else f"{operator} {value!r} is not {what}"
