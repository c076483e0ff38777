"""Choice rules as people read them: `$.type == "inference" and not $.late`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healthcare_ops.orchestrator.values import text_of

_SIGNS = (
    ("LessThanEquals", "<="),
    ("GreaterThanEquals", ">="),
    ("LessThan", "<"),
    ("GreaterThan", ">"),
    ("Equals", "=="),
    ("Matches", "like"),
)


def readable(rule: Mapping[str, Any]) -> str:
    """Return a choice rule in words and signs."""
    for junction, word in (("And", " and "), ("Or", " or ")):
        if junction in rule:
            return word.join(_grouped(inner) for inner in rule[junction])
    if "Not" in rule:
        return f"not {_grouped(rule['Not'])}"
    (operator,) = set(rule) - {"Variable", "Next", "Assign", "Comment"}
    operand = rule[operator]
    if operator.startswith("Is"):
        return f"{rule['Variable']} is {'' if operand else 'not '}{operator.removeprefix('Is').lower()}"
    sign = next(sign for name, sign in _SIGNS if operator.removesuffix("Path").endswith(name))
    return f"{rule['Variable']} {sign} {operand if operator.endswith('Path') else text_of(operand)}"


def _grouped(rule: Mapping[str, Any]) -> str:
    return f"({readable(rule)})" if {"And", "Or"} & set(rule) else readable(rule)
