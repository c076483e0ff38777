"""Definitions and runs for tests of what states do in time and side by side."""

from __future__ import annotations

import json
from typing import Any

from healthcare_ops.orchestrator.asl import load
from healthcare_ops.orchestrator.interpreter import Attempt, Execution, Interpreter, StateEntry, World
from healthcare_ops.orchestrator.rehearsal import MockTasks
from healthcare_ops.orchestrator.virtual import VirtualClock

PASS = {"Type": "Pass"}


def task(resource: str = "job", **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource} | fields


def wait(seconds: int) -> dict[str, Any]:
    return {"Type": "Wait", "Seconds": seconds}


def chain(**states: dict[str, Any]) -> dict[str, Any]:
    """Return a machine whose states follow one another; one that already knows where it leads is left as it is."""
    names = list(states)
    linked = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        state = states[name]
        is_linked = {"Next", "End"} & set(state) or state["Type"] in {"Choice", "Succeed", "Fail"}
        linked[name] = state if is_linked else state | ({"Next": following} if following else {"End": True})
    return {"StartAt": names[0], "States": linked}


class Diary:
    """An observer that keeps what it was told with the second in which it was."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._begun = clock.now()
        self.entries: list[tuple[float, str]] = []

    def entered(self, entry: StateEntry) -> None:
        self._note("+" + "/".join((*entry.branch, entry.name)))

    def attempted(self, entry: StateEntry, attempt: Attempt) -> None:
        self._note(f"{entry.name}: {attempt.error or 'ok'}")

    def left(self, entry: StateEntry) -> None:
        self._note("-" + "/".join((*entry.branch, entry.name)))

    def _note(self, text: str) -> None:
        self.entries.append(((self._clock.now() - self._begun).total_seconds(), text))

    def when(self, text: str) -> list[float]:
        """Return the seconds in which that was told."""
        return [second for second, told in self.entries if told == text]


def play(
    definition: dict[str, Any], given: Any = None, mocks: dict[str, Any] | None = None, luck: float = 0.5
) -> tuple[Execution, Diary]:
    """Run a machine on a virtual clock."""
    clock = VirtualClock()
    diary = Diary(clock)
    world = World(MockTasks(mocks or {}, clock), diary, clock.now, clock.sleep, lambda: luck, clock)
    machine = load(json.dumps(definition))
    return Interpreter(machine, world).run({} if given is None else given, execution_id="run-1"), diary
