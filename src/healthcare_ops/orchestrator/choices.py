"""The comparisons of Choice states."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from healthcare_ops.orchestrator import paths
from healthcare_ops.orchestrator.timestamps import instant
from healthcare_ops.orchestrator.values import is_number

Operator = Callable[[Any, Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_timestamp(value: Any) -> bool:
    return instant(value) is not None


def _itself(value: Any) -> Any:
    return value


def _utf16(value: str) -> bytes:
    """Return what the service orders strings by: units of UTF-16."""
    return value.encode("utf-16-be", "surrogatepass")


def _both(accepts: Callable[[Any], bool], key: Callable[[Any], Any], compare: Operator) -> Operator:
    """Return a comparison that is false, not an error, between different types."""
    return lambda value, expected: accepts(value) and accepts(expected) and compare(key(value), key(expected))


@lru_cache(maxsize=1024)
def _literals(pattern: str) -> tuple[str, ...]:
    """Return what stands between the wildcards `*` of a pattern; a backslash makes one literal."""
    literals = [""]
    for part in re.split(r"(\\\\|\\\*|\*)", pattern):
        if part == "*":
            literals.append("")
        else:
            literals[-1] += part[1:] if part in {r"\\", r"\*"} else part
    return tuple(literals)


def _matches(value: Any, pattern: str) -> bool:
    """Tell whether a text fits; each literal at its first place, so that no pattern takes long."""
    if not _is_text(value):
        return False
    first, *between = _literals(pattern)
    if not between:
        return bool(value == first)
    *between, last = between
    end = len(value) - len(last)
    at = len(first)
    if not value.startswith(first) or not value.endswith(last) or end < at:
        return False
    for literal in between:
        found = value.find(literal, at, end)
        if found < 0:
            return False
        at = found + len(literal)
    return True


_ORDER: dict[str, Operator] = {
    "Equals": lambda value, expected: value == expected,
    "LessThan": lambda value, expected: value < expected,
    "GreaterThan": lambda value, expected: value > expected,
    "LessThanEquals": lambda value, expected: value <= expected,
    "GreaterThanEquals": lambda value, expected: value >= expected,
}
_COMPARISONS: dict[str, Operator] = {
    **{f"String{name}": _both(_is_text, _utf16, compare) for name, compare in _ORDER.items()},
    **{f"Numeric{name}": _both(is_number, _itself, compare) for name, compare in _ORDER.items()},
    "BooleanEquals": _both(_is_flag, _itself, _ORDER["Equals"]),
    **{f"Timestamp{name}": _both(_is_timestamp, instant, compare) for name, compare in _ORDER.items()},
}
OPERATORS: dict[str, Operator] = {
    **_COMPARISONS,
    **{f"{name}Path": compare for name, compare in _COMPARISONS.items()},
    "StringMatches": _matches,
    "IsNull": lambda value, expected: (value is None) == expected,
    "IsString": lambda value, expected: _is_text(value) == expected,
    "IsNumeric": lambda value, expected: is_number(value) == expected,
    "IsBoolean": lambda value, expected: _is_flag(value) == expected,
    "IsTimestamp": lambda value, expected: _is_timestamp(value) == expected,
    "IsPresent": lambda value, expected: expected,
}


def holds(rule: Mapping[str, Any], document: Any, context: Any) -> bool:
    """Tell whether a choice rule holds; `PathError` if its variable leads nowhere."""
    if "And" in rule:
        return all(holds(inner, document, context) for inner in rule["And"])
    if "Or" in rule:
        return any(holds(inner, document, context) for inner in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], document, context)
    (name,) = (key for key in rule if key in OPERATORS)
    if name == "IsPresent":
        return bool(paths.has(rule["Variable"], document, context) == rule[name])
    expected = paths.get(rule[name], document, context) if name.endswith("Path") else rule[name]
    return bool(OPERATORS[name](paths.get(rule["Variable"], document, context), expected))
