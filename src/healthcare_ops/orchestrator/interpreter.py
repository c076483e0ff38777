"""Run a state machine, one attempt at a time.

Each attempt is one call of the task runner, so that a durable engine can remember its outcome; states,
attempts and times are told to an observer as they happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from healthcare_ops.orchestrator import choices, paths
from healthcare_ops.orchestrator.asl import StateMachine

Json = Any
Status = Literal["SUCCEEDED", "FAILED", "TIMED_OUT"]
_NEVER_CAUGHT_BY_ALL = {"States.DataLimitExceeded", "States.Runtime"}


class TaskFailure(Exception):
    """A task that ended without a result: an ASL error name and a cause for people."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause


class TaskRunner(Protocol):
    """Does the work of Task states."""

    def run(self, resource: str, parameters: Json, *, timeout_s: float | None) -> Json:
        """Return the task's result; `TaskFailure` if it has none."""
        ...


@dataclass(frozen=True)
class Attempt:
    """One try of a state."""

    started_at: datetime
    ended_at: datetime
    error: str | None = None
    cause: str | None = None


@dataclass
class StateEntry:
    """One visit to a state."""

    name: str
    entered_at: datetime
    input: Json
    output: Json = None
    exited_at: datetime | None = None
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(frozen=True)
class Execution:
    """How a run ended."""

    status: Status
    output: Json
    error: str | None
    cause: str | None
    history: tuple[StateEntry, ...]


class Observer(Protocol):
    """Is told what happens while it happens."""

    def entered(self, entry: StateEntry) -> None:
        """Hear that a state was entered."""
        ...

    def attempted(self, entry: StateEntry, attempt: Attempt) -> None:
        """Hear that an attempt ended."""
        ...

    def left(self, entry: StateEntry) -> None:
        """Hear that a state was left."""
        ...


@dataclass(frozen=True)
class World:
    """What the interpreter needs beside the definition: tasks, time and chance."""

    tasks: TaskRunner
    observer: Observer
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    random: Callable[[], float]


@dataclass(frozen=True)
class _Step:
    """Where a state leads: to the next one, or to the end (`next` is None)."""

    output: Json
    next: str | None


class Interpreter:
    """Runs one definition."""

    def __init__(self, machine: StateMachine, world: World) -> None:
        self._machine = machine
        self._world = world
        self._run_state: Mapping[str, Callable[[StateEntry, Mapping[str, Any], Json], _Step]] = {
            "Task": self._task,
            "Pass": self._pass,
            "Wait": self._wait,
            "Choice": self._choice,
            "Succeed": self._succeed,
            "Fail": self._fail,
        }

    def run(self, execution_input: Json, *, execution_id: str) -> Execution:
        """Run from the start to an end; every failure is in the result, none is raised."""
        history: list[StateEntry] = []
        started = self._world.now()
        context = {"Execution": {"Name": execution_id, "Input": execution_input, "StartTime": started.isoformat()}}
        step = _Step(execution_input, self._machine.start_at)
        while step.next is not None:
            failure = None
            try:
                step = self._visit(step.next, step.output, context, history)
            except TaskFailure as raised:
                failure = raised
            # Looked at between states: one that is at work is not interrupted, whatever it then says comes too late.
            if self._is_overtime(started):
                cause = f"the run exceeded {self._machine.timeout_s:g} s"
                return Execution("TIMED_OUT", None, "States.Timeout", cause, tuple(history))
            if failure is not None:
                return Execution("FAILED", None, failure.error, failure.cause, tuple(history))
        return Execution("SUCCEEDED", step.output, None, None, tuple(history))

    def _is_overtime(self, started: datetime) -> bool:
        limit = self._machine.timeout_s
        return limit is not None and (self._world.now() - started).total_seconds() > limit

    def _visit(self, name: str, document: Json, context: Json, history: list[StateEntry]) -> _Step:
        state = self._machine.states[name]
        entry = StateEntry(name, self._world.now(), document)
        history.append(entry)
        self._world.observer.entered(entry)
        here = context | {"State": {"Name": name, "EnteredTime": entry.entered_at.isoformat()}}
        try:
            step = self._run_state[state["Type"]](entry, state, here)
        except paths.PathError as error:
            raise TaskFailure("States.Runtime", f"state {name}: {error}") from error
        finally:
            entry.exited_at = self._world.now()
            self._world.observer.left(entry)
        entry.output = step.output
        return step

    def _task(self, entry: StateEntry, state: Mapping[str, Any], context: Json) -> _Step:
        seen = _input(state, entry.input, context)
        parameters = paths.fill(state["Parameters"], seen, context) if "Parameters" in state else seen
        used: dict[int, int] = {}
        while True:
            started = self._world.now()
            try:
                result = self._world.tasks.run(state["Resource"], parameters, timeout_s=state.get("TimeoutSeconds"))
            except TaskFailure as failure:
                self._note(entry, Attempt(started, self._world.now(), failure.error, failure.cause))
                if (delay := self._retry_delay(state, failure, used)) is not None:
                    self._world.sleep(delay)
                    continue
                return _caught(entry, state, failure)
            self._note(entry, Attempt(started, self._world.now()))
            selected = paths.fill(state["ResultSelector"], result, context) if "ResultSelector" in state else result
            # The result joins the state's whole input, whatever part of it InputPath let the task see.
            return _leave(state, paths.put(state.get("ResultPath", "$"), entry.input, selected), context)

    def _note(self, entry: StateEntry, attempt: Attempt) -> None:
        entry.attempts.append(attempt)
        self._world.observer.attempted(entry, attempt)

    def _retry_delay(self, state: Mapping[str, Any], failure: TaskFailure, used: dict[int, int]) -> float | None:
        """Return how long to wait before the next attempt; None if there is none."""
        for number, retrier in enumerate(state.get("Retry", ())):
            if not _names(retrier["ErrorEquals"], failure.error):
                continue
            tries = used.get(number, 0)
            if tries >= retrier.get("MaxAttempts", 3):
                return None
            used[number] = tries + 1
            delay = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** tries
            delay = min(delay, float(retrier.get("MaxDelaySeconds", delay)))
            return delay * self._world.random() if retrier.get("JitterStrategy") == "FULL" else delay
        return None

    def _pass(self, entry: StateEntry, state: Mapping[str, Any], context: Json) -> _Step:
        seen = _input(state, entry.input, context)
        result = paths.fill(state["Parameters"], seen, context) if "Parameters" in state else seen
        return _leave(state, paths.put(state.get("ResultPath", "$"), entry.input, state.get("Result", result)), context)

    def _wait(self, entry: StateEntry, state: Mapping[str, Any], context: Json) -> _Step:
        self._world.sleep(float(state["Seconds"]))
        return _leave(state, _input(state, entry.input, context), context)

    def _choice(self, entry: StateEntry, state: Mapping[str, Any], context: Json) -> _Step:
        seen = _input(state, entry.input, context)
        chosen = next((rule["Next"] for rule in state["Choices"] if choices.holds(rule, seen, context)), None)
        target = chosen or state.get("Default")
        if target is None:
            raise TaskFailure("States.NoChoiceMatched", f"state {entry.name}: no rule holds and there is no Default")
        return _Step(_output(state, seen, context), target)

    def _succeed(self, entry: StateEntry, state: Mapping[str, Any], context: Json) -> _Step:
        return _Step(_output(state, _input(state, entry.input, context), context), None)

    def _fail(self, entry: StateEntry, state: Mapping[str, Any], context: Json) -> _Step:
        def text(name: str) -> str:
            path = state.get(f"{name}Path")
            return str(paths.get(path, entry.input, context) if path else state.get(name, ""))

        raise TaskFailure(text("Error"), text("Cause"))


def _input(state: Mapping[str, Any], document: Json, context: Json) -> Json:
    path = state.get("InputPath", "$")
    return {} if path is None else paths.get(path, document, context)


def _output(state: Mapping[str, Any], document: Json, context: Json) -> Json:
    path = state.get("OutputPath", "$")
    return {} if path is None else paths.get(path, document, context)


def _leave(state: Mapping[str, Any], document: Json, context: Json) -> _Step:
    return _Step(_output(state, document, context), state.get("Next"))


def _caught(entry: StateEntry, state: Mapping[str, Any], failure: TaskFailure) -> _Step:
    for catcher in state.get("Catch", ()):
        if _names(catcher["ErrorEquals"], failure.error):
            facts = {"Error": failure.error, "Cause": failure.cause}
            return _Step(paths.put(catcher.get("ResultPath", "$"), entry.input, facts), catcher["Next"])
    raise TaskFailure(failure.error, f"state {entry.name}: {failure.cause}") from failure


def _names(wanted: list[str], error: str) -> bool:
    if error in wanted:
        return True
    if "States.TaskFailed" in wanted and error != "States.Timeout" and error not in _NEVER_CAUGHT_BY_ALL:
        return True
    return "States.ALL" in wanted and error not in _NEVER_CAUGHT_BY_ALL
