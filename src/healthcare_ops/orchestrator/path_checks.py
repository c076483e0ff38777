"""What is wrong with the paths, payload templates and intrinsic functions of a state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from healthcare_ops.orchestrator import intrinsics, jsonpath
from healthcare_ops.orchestrator.jsonpath import PathError

_FULL = ("InputPath", "OutputPath")
_REFERENCE = (
    *("SecondsPath", "TimestampPath", "TimeoutSecondsPath", "HeartbeatSecondsPath"),
    *("ItemsPath", "MaxConcurrencyPath"),
)
_EXPRESSIONS = ("ErrorPath", "CausePath")
_TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector")
# A Fail state's error and cause are text, so only functions that can make one may stand there.
_TEXT_MAKERS = ("Format", "JsonToString", "ArrayGetItem", "Base64Encode", "Base64Decode", "Hash", "UUID")
_MAKE_TEXT = {f"States.{name}" for name in _TEXT_MAKERS}


def state_faults(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield every fault of a state's own paths; those in its choices, catchers and branches are others' to check."""
    for field in _FULL:
        if state.get(field) is not None:
            yield from path_faults(state[field])
    for field in _REFERENCE:
        if field in state:
            yield from reference_faults(field, state[field])
    for field in _EXPRESSIONS:
        if field in state:
            yield from _expression_faults(state[field], only=_MAKE_TEXT)
    for field in _TEMPLATES:
        if field in state:
            yield from _template_faults(field, state[field])
    yield from result_path_faults(state)


def path_faults(path: Any) -> Iterator[str]:
    """Yield the fault of a path, if it has one."""
    try:
        parsed = jsonpath.parse(path)
    except (PathError, TypeError) as error:
        yield f"path {path!r} is not supported: {error}"
        return
    if parsed.is_context and parsed.steps[:1] == (jsonpath.Names(("Task",)),):
        yield f"path {path!r} is not supported: there are no task tokens"


def reference_faults(field: str, path: Any) -> Iterator[str]:
    """Yield the fault of a path that must lead to one place."""
    found = list(path_faults(path))
    if not found and jsonpath.parse(path).reference is None:
        found = [f"{field} {path!r} is not supported: it is not a reference path"]
    yield from found


def result_path_faults(rule: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fault of a ResultPath: it leads to one place, and never into the context."""
    path = rule.get("ResultPath")
    if path is None:
        return
    found = list(reference_faults("ResultPath", path))
    if not found and (path.startswith("$$") or jsonpath.parse(path).variable):
        found = [f"ResultPath {path!r} is not supported: it leads out of the document"]
    yield from found


def assign_faults(rule: Mapping[str, Any]) -> Iterator[str]:
    """Yield the faults of the variables that a state or rule assigns."""
    if "Assign" not in rule:
        return
    for name in assigned_names(rule):
        if name == "states" or jsonpath.VARIABLE.fullmatch(name) is None:
            yield f"Assign {name!r} is not supported: it is not the name of a variable"
    yield from _template_faults("Assign", rule["Assign"])


def assigned_names(rule: Mapping[str, Any]) -> list[str]:
    """Return the variables that a state or rule assigns."""
    return [key.removesuffix(".$") for key in rule.get("Assign", {})]


def _template_faults(field: str, template: Any) -> Iterator[str]:
    if isinstance(template, list):
        for item in template:
            yield from _template_faults(field, item)
    elif isinstance(template, dict):
        for key, value in template.items():
            if not key.endswith(".$"):
                yield from _template_faults(field, value)
                continue
            if key.removesuffix(".$") in template:
                yield f"{field} has both {key.removesuffix('.$')!r} and {key!r}"
            yield from _expression_faults(value)


def _expression_faults(expression: Any, *, only: set[str] | None = None) -> Iterator[str]:
    if not intrinsics.is_call(expression):
        yield from path_faults(expression)
        return
    try:
        call = intrinsics.parse(expression)
    except PathError as error:
        yield f"{expression!r} is not supported: {error}"
        return
    if only is not None and call.name not in only:
        yield f"{expression!r} is not supported: {call.name} makes no text"
    yield from _call_faults(call)


def _call_faults(call: intrinsics.Call) -> Iterator[str]:
    for argument in call.arguments:
        if isinstance(argument, intrinsics.Call):
            yield from _call_faults(argument)
        elif isinstance(argument, jsonpath.Path):
            yield from path_faults(argument.text)
