"""Load and check a state machine in the Amazon States Language.

What the interpreter does not do (Parallel, Map, JSONata, intrinsic functions, wildcard paths) is refused
here with the state's name, never ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.orchestrator import paths
from healthcare_ops.orchestrator.choices import OPERATORS

_COMMON = {"Type", "Comment", "Next", "End", "InputPath", "OutputPath"}
_IO = {"Parameters", "ResultPath"}
_FIELDS: dict[str, set[str]] = {
    "Task": {*_COMMON, *_IO, "ResultSelector", "Resource", "Retry", "Catch", "TimeoutSeconds"},
    "Pass": {*_COMMON, *_IO, "Result"},
    "Wait": {*_COMMON, "Seconds"},
    "Choice": {"Type", "Comment", "InputPath", "OutputPath", "Choices", "Default"},
    "Succeed": {"Type", "Comment", "InputPath", "OutputPath"},
    "Fail": {"Type", "Comment", "Error", "ErrorPath", "Cause", "CausePath"},
}
_RETRY = {"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxDelaySeconds", "MaxAttempts", "JitterStrategy"}
_CATCH = {"ErrorEquals", "Next", "ResultPath"}
_MACHINE = {"Comment", "StartAt", "States", "TimeoutSeconds", "Version", "QueryLanguage"}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_TEXT = ("text", _is_text)
_LIST = ("a list", lambda value: isinstance(value, list))
_OBJECT = ("an object", lambda value: isinstance(value, dict))
_ABOVE_0 = ("a number above 0", lambda value: _is_number(value) and value > 0)
# Wherever a field of that name may stand, its value is of this kind.
_KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("StartAt", "Next", "Default", "Resource", "Error", "Cause"), _TEXT),
    **dict.fromkeys(("Retry", "Catch", "Choices"), _LIST),
    **dict.fromkeys(("States", "Parameters", "ResultSelector"), _OBJECT),
    **dict.fromkeys(("TimeoutSeconds", "IntervalSeconds", "MaxDelaySeconds"), _ABOVE_0),
    "Seconds": ("a number of at least 0", lambda value: _is_number(value) and value >= 0),
    "BackoffRate": ("a number of at least 1", lambda value: _is_number(value) and value >= 1),
    "MaxAttempts": ("a whole number of at least 0", lambda value: type(value) is int and value >= 0),
    "JitterStrategy": ("FULL or NONE", lambda value: value in ("FULL", "NONE")),
    "End": ("true or false", lambda value: isinstance(value, bool)),
    "ErrorEquals": (
        "a list of names",
        lambda value: isinstance(value, list) and bool(value) and all(map(_is_text, value)),
    ),
}
_OPERANDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "String": _TEXT,
    "Numeric": ("a number", _is_number),
    "Boolean": ("true or false", lambda value: isinstance(value, bool)),
    "Is": ("true or false", lambda value: isinstance(value, bool)),
}


@dataclass(frozen=True)
class StateMachine:
    """A checked definition."""

    start_at: str
    states: Mapping[str, Mapping[str, Any]]
    timeout_s: float | None


def render(text: str, *, prefix: str = "") -> str:
    """Fill a Terraform template whose only variable is `${prefix}`."""
    filled = text.replace("${prefix}", prefix)
    if leftover := re.search(r"\$\{[^}]*\}", filled):
        raise ConfigError(f"template variable {leftover.group()} is not known.", next_step="Only ${prefix} is.")
    return filled


def load(text: str) -> StateMachine:
    """Return the state machine; `ConfigError` names the state and what is wrong with it."""
    try:
        definition = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"the definition is not JSON: {error}.", next_step="Mend that line.") from error
    if not isinstance(definition, dict):
        raise _fault("", "the definition is not an object")
    _only(definition, _MACHINE, "")
    if definition.get("QueryLanguage", "JSONPath") != "JSONPath":
        raise _fault("", "QueryLanguage JSONata is not supported")
    states = definition.get("States")
    if not states:
        raise _fault("", "there are no States")
    for name, state in states.items():
        _check_state(name, state)
    _check_flow(definition.get("StartAt"), states)
    return StateMachine(definition["StartAt"], states, definition.get("TimeoutSeconds"))


def _check_state(name: str, state: Any) -> None:
    kind = state.get("Type") if isinstance(state, dict) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise _fault(name, f"Type {kind!r} is not supported")
    _only(state, _FIELDS[kind], name)
    if kind in {"Task", "Pass", "Wait"} and ("Next" in state) == bool(state.get("End")):
        raise _fault(name, "give either Next or End")
    _check_paths(name, state)
    if kind == "Task":
        _check_task(name, state)
    if kind == "Choice":
        _check_choices(name, state)
    if kind == "Wait" and "Seconds" not in state:
        raise _fault(name, "a Wait needs Seconds")


def _check_paths(name: str, state: Mapping[str, Any]) -> None:
    single = [
        state[field] for field in ("InputPath", "OutputPath", "ResultPath", "ErrorPath", "CausePath") if field in state
    ]
    templates = [state[field] for field in ("Parameters", "ResultSelector") if field in state]
    for path in (*(p for p in single if p is not None), *(p for t in templates for p in _template_paths(t))):
        _check_path(name, path)
    _check_result_path(name, state)


def _check_path(name: str, path: Any) -> None:
    try:
        paths.parse(path)
    except (paths.PathError, TypeError, AttributeError) as error:
        raise _fault(name, f"path {path!r} is not supported") from error


def _check_result_path(name: str, rule: Mapping[str, Any]) -> None:
    """Refuse a path that nothing can be written to: into the context, or into an array."""
    path = rule.get("ResultPath")
    if path is None:
        return
    _check_path(name, path)
    if path.startswith("$$") or not all(map(_is_text, paths.parse(path))):
        raise _fault(name, f"ResultPath {path!r} is not supported")


def _template_paths(template: Any) -> Iterator[Any]:
    if isinstance(template, list):
        for item in template:
            yield from _template_paths(item)
    elif isinstance(template, dict):
        for key, value in template.items():
            if key.endswith(".$"):
                yield value
            else:
                yield from _template_paths(value)


def _check_task(name: str, state: Mapping[str, Any]) -> None:
    if "Resource" not in state:
        raise _fault(name, "a Task needs a Resource")
    for field, allowed in (("Retry", _RETRY), ("Catch", _CATCH)):
        rules = state.get(field, [])
        for number, rule in enumerate(rules, start=1):
            _only(rule, allowed, name)
            _check_error_names(name, rule, is_last=number == len(rules))
    for catcher in state.get("Catch", ()):
        _check_result_path(name, catcher)
        if "Next" not in catcher:
            raise _fault(name, "a catcher needs Next")


def _check_error_names(name: str, rule: Mapping[str, Any], *, is_last: bool) -> None:
    if "ErrorEquals" not in rule:
        raise _fault(name, "ErrorEquals is missing")
    names = rule["ErrorEquals"]
    if "States.ALL" in names and not (is_last and len(names) == 1):
        raise _fault(name, "States.ALL must stand alone in the last ErrorEquals")


def _check_choices(name: str, state: Mapping[str, Any]) -> None:
    if not state.get("Choices"):
        raise _fault(name, "a Choice needs Choices")
    for rule in state["Choices"]:
        if not isinstance(rule, dict) or not _is_text(rule.get("Next")):
            raise _fault(name, "a choice rule needs Next")
        _check_rule(name, {key: value for key, value in rule.items() if key not in {"Next", "Comment"}})


def _check_rule(name: str, rule: Any) -> None:
    if not isinstance(rule, dict):
        raise _fault(name, f"{rule!r} is not an object")
    for junction in ("And", "Or"):
        if set(rule) == {junction}:
            if not rule[junction] or not isinstance(rule[junction], list):
                raise _fault(name, f"{junction} needs a list of rules")
            for inner in rule[junction]:
                _check_rule(name, inner)
            return
    if set(rule) == {"Not"}:
        _check_rule(name, rule["Not"])
        return
    operators = set(rule) - {"Variable"}
    if "Variable" not in rule or len(operators) != 1 or not operators <= OPERATORS.keys():
        raise _fault(name, f"choice rule {sorted(rule)} is not supported")
    _check_path(name, rule["Variable"])
    _check_operand(name, operators.pop(), rule)


def _check_operand(name: str, operator: str, rule: Mapping[str, Any]) -> None:
    if operator.endswith("Path"):
        _check_path(name, rule[operator])
        return
    what, fits = next(kind for start, kind in _OPERANDS.items() if operator.startswith(start))
    if not fits(rule[operator]):
        raise _fault(name, f"{operator} {rule[operator]!r} is not {what}")


def _check_flow(start: Any, states: Mapping[str, Mapping[str, Any]]) -> None:
    reached: set[str] = set()
    todo = [("StartAt", start)]
    while todo:
        origin, name = todo.pop()
        if name not in states:
            raise _fault(origin, f"leads to {name!r}, which is not a state")
        if name not in reached:
            reached.add(name)
            todo += [(name, target) for target in _targets(states[name])]
    if unreachable := sorted(set(states) - reached):
        raise _fault(unreachable[0], "no state leads to it")
    if not any(states[name].get("End") or states[name]["Type"] in {"Succeed", "Fail"} for name in reached):
        raise _fault("", "no state ends the machine")


def _targets(state: Mapping[str, Any]) -> Iterator[Any]:
    if "Next" in state:
        yield state["Next"]
    if "Default" in state:
        yield state["Default"]
    for rule in (*state.get("Choices", ()), *state.get("Catch", ())):
        yield rule["Next"]


def _only(item: Any, allowed: set[str], name: str) -> None:
    if not isinstance(item, dict):
        raise _fault(name, f"{item!r} is not an object")
    if unknown := sorted(set(item) - allowed):
        raise _fault(name, f"field {unknown[0]!r} is not supported")
    for field, value in item.items():
        if field in _KINDS and not _KINDS[field][1](value):
            raise _fault(name, f"{field} {value!r} is not {_KINDS[field][0]}")


def _fault(name: str, what: str) -> ConfigError:
    where = f"state {name!r}" if name else "state machine"
    return ConfigError(f"{where}: {what}.", next_step="Mend the definition.")
