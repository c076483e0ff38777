"""A state machine as a graph: its edges, and a drawing of it in plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from healthcare_ops.orchestrator.asl import StateMachine, machine_of
from healthcare_ops.orchestrator.conditions import readable

WIDTH = 80
_BOXES = {"Choice": "<{}>", "Succeed": "({})", "Fail": "({})", "Parallel": "[[{}]]", "Map": "[[{}]]"}
_ENDS = {"Succeed": "succeeds", "Fail": "fails"}

Kind = Literal["next", "choice", "default", "catch"]
Notes = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Edge:
    """A way from one state to another; `label` says when it is taken, and is empty if always."""

    origin: str
    target: str
    kind: Kind
    label: str = ""


def edges(name: str, state: Mapping[str, Any]) -> Iterator[Edge]:
    """Yield the ways out of a state, in the order in which they are tried."""
    for rule in state.get("Choices", ()):
        yield Edge(name, rule["Next"], "choice", readable(rule))
    if "Default" in state:
        yield Edge(name, state["Default"], "default", "otherwise")
    if "Next" in state:
        yield Edge(name, state["Next"], "next")
    for rule in state.get("Catch", ()):
        yield Edge(name, rule["Next"], "catch", ", ".join(rule["ErrorEquals"]))


def inner_machines(state: Mapping[str, Any]) -> list[StateMachine]:
    """Return the branches of a Parallel, or the item processor of a Map."""
    nested = [*state.get("Branches", ()), *(state[field] for field in ("ItemProcessor", "Iterator") if field in state)]
    return [machine_of(definition) for definition in nested]


def all_states(machine: StateMachine) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every state by its name, those of branches after the state that holds them."""
    for name, state in machine.states.items():
        yield name, state
        for inner in inner_machines(state):
            yield from all_states(inner)


def draw(machine: StateMachine, notes: Notes | None = None, width: int = WIDTH) -> list[str]:
    """Return the lines of a drawing, none wider than `width`: the main line first, then what leaves it.

    `notes` by state stand under the state, a line each.
    """
    lines = ["(start)", "   |", *_machine_lines(machine, notes or {}, "run")]
    return [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]


def _machine_lines(machine: StateMachine, notes: Notes, whole: str) -> Iterator[str]:
    """Yield the lines of a machine, or of a branch; `whole` is what ends where it ends."""
    lanes, drawn = [machine.start_at], set[str]()
    is_first = True
    while lanes:
        name: str | None = lanes.pop(0)
        if name in drawn:
            continue
        if not is_first:
            yield ""
        is_first = False
        while name is not None:
            drawn.add(name)
            state = machine.states[name]
            ways = list(edges(name, state))
            onward = _onward(ways)
            yield from _state_lines(name, state, notes, onward)
            lanes += [way.target for way in ways if way is not onward]
            if onward is None:
                yield f"   '-- the {whole} {_ENDS.get(state['Type'], 'ends')}"
                name = None
            elif onward.target in drawn:
                yield f"   '--> {onward.target} (above)"
                name = None
            else:
                yield "   |"
                yield "   v"
                name = onward.target


def _onward(ways: list[Edge]) -> Edge | None:
    """Return the way that the line goes on along: the usual one, or else the first."""
    usual = [way for way in ways if way.kind in {"next", "default"}] or [way for way in ways if way.kind == "choice"]
    return usual[0] if usual else None


def _state_lines(name: str, state: Mapping[str, Any], notes: Notes, onward: Edge | None) -> Iterator[str]:
    box = _BOXES.get(state["Type"], "[{}]").format(name)
    yield f"{box}  {' · '.join(_facts(state))}"
    yield from (f"   |  {line}" for line in notes.get(name, ()))
    for number, inner in enumerate(inner_machines(state), start=1):
        title, whole = ("each item", "item") if state["Type"] == "Map" else (f"branch {number}", "branch")
        yield f"   |  .-- {title}"
        yield from (f"   |  |  {line}" for line in _machine_lines(inner, notes, whole))
    for way in edges(name, state):
        if way is not onward and way != onward:
            when = f"on {way.label}" if way.kind == "catch" else f"if {way.label}"
            yield from _side_lines(when, way.target)
    if onward is not None and onward.label:
        yield f"   |  {onward.label if onward.kind == 'default' else f'if {onward.label}'}:"


def _side_lines(when: str, target: str) -> Iterator[str]:
    line = f"   |-- {when} --> {target}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"   |-- {when}"
    yield f"   |   --> {target}"


def _facts(state: Mapping[str, Any]) -> Iterator[str]:
    yield state["Type"]
    parameters = state.get("Parameters", {})
    work = parameters.get("JobName") or parameters.get("FunctionName") or state.get("Resource")
    if work:
        yield str(work)
    if "TimeoutSeconds" in state:
        yield f"at most {state['TimeoutSeconds']} s"
    if state.get("Retry"):
        yield f"tried again {max(rule.get('MaxAttempts', 3) for rule in state['Retry'])}x"
    for field in ("Seconds", "SecondsPath", "Timestamp", "TimestampPath", "Error", "ErrorPath", "ItemsPath"):
        if field in state:
            yield f"{state[field]}{' s' if field == 'Seconds' else ''}"
