"""The comparisons of Choice states."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from healthcare_ops.orchestrator import paths

Operator = Callable[[Any, Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _both(accepts: Callable[[Any], bool], compare: Operator) -> Operator:
    """Return a comparison that is false, not an error, between different types."""
    return lambda value, expected: accepts(value) and accepts(expected) and compare(value, expected)


def _matches(value: Any, pattern: str) -> bool:
    """Match with `*` as the only wildcard; a backslash makes it literal."""
    parts = re.split(r"(\\\\|\\\*|\*)", pattern)
    regex = "".join(
        ".*" if part == "*" else re.escape(part.replace("\\", "", 1) if part in {r"\\", r"\*"} else part)
        for part in parts
    )
    return _is_text(value) and re.fullmatch(regex, value, re.DOTALL) is not None


_ORDER: dict[str, Operator] = {
    "Equals": lambda value, expected: value == expected,
    "LessThan": lambda value, expected: value < expected,
    "GreaterThan": lambda value, expected: value > expected,
    "LessThanEquals": lambda value, expected: value <= expected,
    "GreaterThanEquals": lambda value, expected: value >= expected,
}
_COMPARISONS: dict[str, Operator] = {
    **{f"String{name}": _both(_is_text, compare) for name, compare in _ORDER.items()},
    **{f"Numeric{name}": _both(_is_number, compare) for name, compare in _ORDER.items()},
    "BooleanEquals": _both(lambda value: isinstance(value, bool), lambda value, expected: value == expected),
}
OPERATORS: dict[str, Operator] = {
    **_COMPARISONS,
    **{f"{name}Path": compare for name, compare in _COMPARISONS.items()},
    "StringMatches": _matches,
    "IsNull": lambda value, expected: (value is None) == expected,
    "IsString": lambda value, expected: _is_text(value) == expected,
    "IsNumeric": lambda value, expected: _is_number(value) == expected,
    "IsBoolean": lambda value, expected: isinstance(value, bool) == expected,
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
