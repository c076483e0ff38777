"""Load and check a state machine in the Amazon States Language.

What the interpreter does not do (Parallel, Map, JSONata, intrinsic functions, wildcard paths) is refused
here with the state's name, never ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
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
    if not isinstance(states, dict) or not states:
        raise _fault("", "there are no States")
    for name, state in states.items():
        _check_state(name, state)
    _check_flow(definition.get("StartAt"), states)
    return StateMachine(definition["StartAt"], states, definition.get("TimeoutSeconds"))


def _check_state(name: str, state: Any) -> None:
    kind = state.get("Type") if isinstance(state, dict) else None
    if kind not in _FIELDS:
        raise _fault(name, f"Type {kind!r} is not supported")
    _only(state, _FIELDS[kind], name)
    if kind in {"Task", "Pass", "Wait"} and ("Next" in state) == bool(state.get("End")):
        raise _fault(name, "give either Next or End")
    _check_paths(name, state)
    if kind == "Task":
        _check_task(name, state)
    if kind == "Choice":
        _check_choices(name, state)
    if kind == "Wait" and not _is_number(state.get("Seconds")):
        raise _fault(name, "Wait needs Seconds")


def _check_paths(name: str, state: Mapping[str, Any]) -> None:
    single = [
        state[field] for field in ("InputPath", "OutputPath", "ResultPath", "ErrorPath", "CausePath") if field in state
    ]
    templates = [state[field] for field in ("Parameters", "ResultSelector") if field in state]
    for path in (*(p for p in single if p is not None), *(p for t in templates for p in _template_paths(t))):
        try:
            paths.parse(path)
        except (paths.PathError, TypeError, AttributeError) as error:
            raise _fault(name, f"path {path!r} is not supported") from error


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
    if not isinstance(state.get("Resource"), str):
        raise _fault(name, "a Task needs a Resource")
    if "TimeoutSeconds" in state and not _is_number(state["TimeoutSeconds"]):
        raise _fault(name, "TimeoutSeconds is not a number")
    for retrier in state.get("Retry", ()):
        _only(retrier, _RETRY, name)
        _check_error_names(name, retrier)
    for catcher in state.get("Catch", ()):
        _only(catcher, _CATCH, name)
        _check_error_names(name, catcher)
        if "Next" not in catcher:
            raise _fault(name, "a catcher needs Next")


def _check_error_names(name: str, rule: Mapping[str, Any]) -> None:
    names = rule.get("ErrorEquals")
    if not names or not isinstance(names, list):
        raise _fault(name, "ErrorEquals is missing or empty")
    if "States.ALL" in names and len(names) > 1:
        raise _fault(name, "States.ALL must stand alone in ErrorEquals")


def _check_choices(name: str, state: Mapping[str, Any]) -> None:
    if not state.get("Choices"):
        raise _fault(name, "a Choice needs Choices")
    for rule in state["Choices"]:
        if "Next" not in rule:
            raise _fault(name, "a choice rule needs Next")
        _check_rule(name, {key: value for key, value in rule.items() if key not in {"Next", "Comment"}})


def _check_rule(name: str, rule: Mapping[str, Any]) -> None:
    for junction in ("And", "Or"):
        if set(rule) == {junction}:
            for inner in rule[junction]:
                _check_rule(name, inner)
            return
    if set(rule) == {"Not"}:
        _check_rule(name, rule["Not"])
        return
    operators = set(rule) - {"Variable"}
    if "Variable" not in rule or len(operators) != 1 or not operators <= OPERATORS.keys():
        raise _fault(name, f"choice rule {sorted(rule)} is not supported")


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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fault(name: str, what: str) -> ConfigError:
    where = f"state {name!r}" if name else "state machine"
    return ConfigError(f"{where}: {what}.", next_step="Mend the definition.")
