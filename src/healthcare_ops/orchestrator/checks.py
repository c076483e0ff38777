"""What is wrong with a definition: every finding, with the state it is about.

What the interpreter does not do (JSONata, distributed Map, task tokens) is a finding like any other, so that
nothing of a definition is ever ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from healthcare_ops.orchestrator import fields, path_checks
from healthcare_ops.orchestrator.choices import OPERATORS

_NEEDS = {
    "Wait": ("Seconds", "SecondsPath", "Timestamp", "TimestampPath"),
    "Map": ("ItemProcessor", "Iterator"),
}
_EXCLUSIVE = (
    ("TimeoutSeconds", "TimeoutSecondsPath"),
    ("HeartbeatSeconds", "HeartbeatSecondsPath"),
    ("Error", "ErrorPath"),
    ("Cause", "CausePath"),
    ("MaxConcurrency", "MaxConcurrencyPath"),
)


@dataclass(frozen=True)
class Finding:
    """One fault of a definition; `state` is empty if it is about the whole."""

    state: str
    message: str

    def __str__(self) -> str:
        return f"{f'state {self.state!r}' if self.state else 'state machine'}: {self.message}."


def machine_findings(definition: Any) -> Iterator[Finding]:
    """Yield everything that is wrong with a definition."""
    if not isinstance(definition, dict):
        yield Finding("", "the definition is not an object")
        return
    yield from _scope("", definition, fields.MACHINE, set(), set())


def _scope(owner: str, machine: Any, allowed: set[str], names: set[str], outer: set[str]) -> Iterator[Finding]:
    """Yield the findings of one set of states: the machine's, a branch's or an item processor's.

    `names` are the states and `outer` the variables that are taken.
    """
    faults = list(fields.faults(machine, allowed))
    yield from (Finding(owner, fault) for fault in faults)
    states = machine.get("States") if isinstance(machine, dict) else None
    if not isinstance(states, dict):
        if not faults:
            yield Finding(owner, "there are no States")
        return
    if not states:
        yield Finding(owner, "there are no States")
        return
    variables = {name: _variables(state) for name, state in states.items()}
    taken = outer.union(*variables.values())
    found = [finding for name, state in states.items() for finding in _state(name, state, names, taken)]
    found += [
        Finding(name, f"Assign {variable!r} is not supported: a scope around this one assigns it too")
        for name, own in variables.items()
        for variable in sorted(own & outer)
    ]
    yield from found
    if not faults and not found:
        yield from _flow(owner, machine.get("StartAt"), states)


def _variables(state: Any) -> set[str]:
    """Return the variables that a state assigns, itself or by one of its rules."""
    if not isinstance(state, dict):
        return set()
    rules = [state, *(rule for field in ("Choices", "Catch") for rule in _listed(state.get(field)))]
    return {
        name
        for rule in rules
        if isinstance(rule, dict) and isinstance(rule.get("Assign"), dict)
        for name in path_checks.assigned_names(rule)
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _state(name: str, state: Any, names: set[str], variables: set[str]) -> Iterator[Finding]:
    if not 0 < len(name) <= 80:
        yield Finding(name, "a name must have 1 to 80 characters")
    if name in names:
        yield Finding(name, "another state has the same name")
    names.add(name)
    kind = state.get("Type") if isinstance(state, dict) else None
    if not isinstance(kind, str) or kind not in fields.STATES:
        yield Finding(name, f"Type {kind!r} is not supported")
        return
    if faults := list(fields.faults(state, fields.STATES[kind])):
        yield from (Finding(name, fault) for fault in faults)
        return
    yield from (Finding(name, fault) for fault in _faults(kind, state))
    for branch in state.get("Branches", ()):
        yield from _scope(name, branch, fields.BRANCH, names, variables)
    for field in _NEEDS["Map"]:
        if field in state:
            yield from _scope(name, state[field], fields.PROCESSOR, names, variables)


def _faults(kind: str, state: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a state whose fields are of the right kinds."""
    yield from path_checks.state_faults(state)
    yield from path_checks.assign_faults(state)
    if kind in {"Task", "Pass", "Wait", "Parallel", "Map"} and ("Next" in state) == bool(state.get("End")):
        yield "give either Next or End"
    for one, other in _EXCLUSIVE:
        if one in state and other in state:
            yield f"give either {one} or {other}"
    if kind in _NEEDS and sum(field in state for field in _NEEDS[kind]) != 1:
        yield f"a {kind} needs one of {', '.join(_NEEDS[kind])}"
    for needed, owner in (("Resource", "Task"), ("Choices", "Choice"), ("Branches", "Parallel")):
        if kind == owner and needed not in state:
            yield f"a {kind} needs {'a ' if needed == 'Resource' else ''}{needed}"
    yield from _task_faults(state)
    yield from _map_faults(kind, state)
    yield from _retry_faults(state.get("Retry", ()))
    yield from _catch_faults(state.get("Catch", ()))
    for rule in state.get("Choices", ()):
        yield from _choice_faults(rule)


def _task_faults(state: Mapping[str, Any]) -> Iterator[str]:
    if str(state.get("Resource", "")).endswith(".waitForTaskToken"):
        yield f"Resource {state['Resource']!r} is not supported: there are no task tokens"
    heartbeat, timeout = state.get("HeartbeatSeconds"), state.get("TimeoutSeconds")
    if heartbeat is not None and timeout is not None and heartbeat >= timeout:
        yield f"HeartbeatSeconds {heartbeat} is not below TimeoutSeconds {timeout}"


def _map_faults(kind: str, state: Mapping[str, Any]) -> Iterator[str]:
    if kind != "Map":
        return
    if "ItemSelector" in state and "Parameters" in state:
        yield "give either ItemSelector or Parameters"
    config = state.get("ItemProcessor", {}).get("ProcessorConfig", {})
    if not isinstance(config, dict) or config.get("Mode", "INLINE") != "INLINE" or set(config) - {"Mode"}:
        yield f"ProcessorConfig {config!r} is not supported: items are processed inline only"


def _retry_faults(retriers: Any) -> Iterator[str]:
    for number, retrier in enumerate(retriers, start=1):
        faults = list(fields.faults(retrier, fields.RETRIER))
        yield from faults or _name_faults(retrier, is_last=number == len(retriers))


def _catch_faults(catchers: Any) -> Iterator[str]:
    for number, catcher in enumerate(catchers, start=1):
        if faults := list(fields.faults(catcher, fields.CATCHER)):
            yield from faults
            continue
        yield from _name_faults(catcher, is_last=number == len(catchers))
        yield from path_checks.result_path_faults(catcher)
        yield from path_checks.assign_faults(catcher)
        if "Next" not in catcher:
            yield "a catcher needs Next"


def _name_faults(rule: Mapping[str, Any], *, is_last: bool) -> Iterator[str]:
    names = rule.get("ErrorEquals")
    if names is None:
        yield "ErrorEquals is missing"
    elif "States.ALL" in names and not (is_last and len(names) == 1):
        yield "States.ALL must stand alone in the last ErrorEquals"


def _choice_faults(rule: Any) -> Iterator[str]:
    if not isinstance(rule, dict) or not fields.is_text(rule.get("Next")):
        yield "a choice rule needs Next"
        return
    yield from fields.faults(rule, {"Next", "Assign", "Comment", *rule})
    if isinstance(rule.get("Assign", {}), dict):
        yield from path_checks.assign_faults(rule)
    yield from _rule_faults({key: value for key, value in rule.items() if key not in {"Next", "Assign", "Comment"}})


def _rule_faults(rule: Any) -> Iterator[str]:
    if not isinstance(rule, dict):
        yield f"{rule!r} is not an object"
        return
    for junction in ("And", "Or"):
        if set(rule) == {junction}:
            if not rule[junction] or not isinstance(rule[junction], list):
                yield f"{junction} needs a list of rules"
                return
            for inner in rule[junction]:
                yield from _rule_faults(inner)
            return
    if set(rule) == {"Not"}:
        yield from _rule_faults(rule["Not"])
        return
    operators = set(rule) - {"Variable"}
    if "Variable" not in rule or len(operators) != 1 or not operators <= OPERATORS.keys():
        yield f"choice rule {sorted(rule)} is not supported"
        return
    yield from path_checks.path_faults(rule["Variable"])
    operator = operators.pop()
    if operator.endswith("Path"):
        yield from path_checks.path_faults(rule[operator])
    elif fault := fields.operand_fault(operator, rule[operator]):
        yield fault


def _flow(owner: str, start: Any, states: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield transitions that lead nowhere, states that nothing leads to, and a machine without an end."""
    reached: set[str] = set()
    is_whole = True
    todo = [(owner or "StartAt", start)]
    while todo:
        origin, name = todo.pop()
        if name not in states:
            is_whole = False
            yield Finding(origin, f"leads to {name!r}, which is not a state")
        elif name not in reached:
            reached.add(name)
            todo += [(name, target) for target in targets(states[name])]
    if not is_whole:
        return
    for name in states:
        if name not in reached:
            yield Finding(name, "no state leads to it")
    if not any(states[name].get("End") or states[name]["Type"] in {"Succeed", "Fail"} for name in reached):
        yield Finding(owner, "no state ends the machine")


def targets(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield the states that a state may lead to, in the order in which it names them."""
    yield from (rule["Next"] for rule in state.get("Choices", ()))
    for field in ("Default", "Next"):
        if field in state:
            yield state[field]
    yield from (rule["Next"] for rule in state.get("Catch", ()))
