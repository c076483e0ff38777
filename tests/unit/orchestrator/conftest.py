from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fakes import ScriptedTasks, VirtualTime, Watcher
from healthcare_ops.orchestrator.asl import load
from healthcare_ops.orchestrator.interpreter import Execution, Interpreter, World

Run = Callable[..., Execution]


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def run(time: VirtualTime, watcher: Watcher) -> Run:
    """Return a function that runs states (the first one first) on an input, with tasks and luck as given."""

    def run_states(
        states: dict[str, Any],
        execution_input: Any = None,
        tasks: ScriptedTasks | None = None,
        luck: float = 0.5,
        timeout_s: float | None = None,
    ) -> Execution:
        definition = {"StartAt": next(iter(states)), "States": states}
        if timeout_s is not None:
            definition["TimeoutSeconds"] = timeout_s
        world = World(tasks or ScriptedTasks(time=time), watcher, time.now, time.sleep, lambda: luck)
        return Interpreter(load(json.dumps(definition)), world).run(
            {} if execution_input is None else execution_input, execution_id="run-1"
        )

    return run_states
