"""Run a state machine, one attempt at a time.

Each attempt is one call of the task runner, so that a durable engine can remember its outcome; states,
attempts and times are told to an observer as they happen.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any

from healthcare_ops.orchestrator import choices, failures, paths
from healthcare_ops.orchestrator.asl import StateMachine, machine_of
from healthcare_ops.orchestrator.context import Context
from healthcare_ops.orchestrator.failures import StateFault, TaskFailure
from healthcare_ops.orchestrator.jsonpath import PathError
from healthcare_ops.orchestrator.readings import check_size, items_of, most_at_once, picked, seconds, wait_s
from healthcare_ops.orchestrator.retries import Retries
from healthcare_ops.orchestrator.threads import Threads
from healthcare_ops.orchestrator.timestamps import written
from healthcare_ops.orchestrator.values import Json, is_too_large
from healthcare_ops.orchestrator.world import (
    Attempt,
    Execution,
    Observer,
    StateEntry,
    Status,
    TaskRunner,
    Together,
    World,
)

__all__ = [
    "Attempt",
    "Execution",
    "Interpreter",
    "Observer",
    "StateEntry",
    "Status",
    "TaskFailure",
    "TaskRunner",
    "Together",
    "World",
]
_State = Mapping[str, Any]


class _OutOfTime(Exception):
    """The run exceeded the machine's time; no state catches that."""


@dataclass(frozen=True)
class _Step:
    """Where a state leads: to the next one, or to the end (`next` is None); and the variables that it assigns."""

    output: Json
    next: str | None
    assigned: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class _Scope:
    """The states that a name may lead to, and where they stand."""

    machine: StateMachine
    context: Context
    branch: tuple[str, ...] = ()


class Interpreter:
    """Runs one definition."""

    def __init__(self, machine: StateMachine, world: World, *, name: str = "orchestrator") -> None:
        self._machine = machine
        self._world = world
        self._name = name

    def run(self, execution_input: Json, *, execution_id: str, context: Mapping[str, Any] | None = None) -> Execution:
        """Run from the start to an end; every failure is in the result, none is raised.

        `context` adds to, or replaces, the fields of the context object `$$`.
        """
        run = _Run(self._machine, self._world)
        machine = {"Id": self._name, "Name": self._name}
        started = {
            "Id": execution_id,
            "Name": execution_id,
            "Input": execution_input,
            "StartTime": written(run.started_at),
        }
        given = Context(_merged({"Execution": started, "StateMachine": machine}, context or {}))
        try:
            output = run.states(_Scope(self._machine, given), execution_input)
        except TaskFailure as failure:
            return Execution("FAILED", None, failure.error, failure.cause, tuple(run.history))
        except _OutOfTime:
            cause = f"the run exceeded {self._machine.timeout_s:g} s"
            return Execution("TIMED_OUT", None, failures.TIMEOUT, cause, tuple(run.history))
        return Execution("SUCCEEDED", output, None, None, tuple(run.history))


class _Run:
    """One execution: its time, its history and how each kind of state is done."""

    def __init__(self, machine: StateMachine, world: World) -> None:
        self.history: list[StateEntry] = []
        self.started_at: datetime = world.now()
        self._limit_s = machine.timeout_s
        self._world = world
        self._together: Together = world.together or Threads(world.sleep)
        self._telling = Lock()
        self._events = 1
        self._kinds: Mapping[str, Callable[[_Scope, StateEntry, _State, Json], _Step]] = {
            "Task": self._task,
            "Pass": self._pass,
            "Wait": self._wait,
            "Choice": self._choice,
            "Succeed": self._succeed,
            "Fail": self._fail,
            "Parallel": self._parallel,
            "Map": self._map,
        }

    def states(self, scope: _Scope, document: Json) -> Json:
        """Go from the scope's first state to an end; return the last output."""
        step = _Step(document, scope.machine.start_at)
        while step.next is not None:
            self._together.check()
            try:
                step = self._visit(scope, step.next, step.output)
                scope.context.variables.update(step.assigned)
            finally:
                # A state at work is not interrupted; whatever it then says comes too late.
                self._check_time()
        return step.output

    def _visit(self, scope: _Scope, name: str, document: Json) -> _Step:
        state = scope.machine.states[name]
        with self._telling:
            self._events += 1
            entry = StateEntry(name, self._world.now(), document, branch=scope.branch, event=self._events)
            self.history.append(entry)
            self._world.observer.entered(entry)
        here = {"Name": name, "EnteredTime": written(entry.entered_at), "RetryCount": 0}
        try:
            step = self._kinds[state["Type"]](scope, entry, state, scope.context.having(State=here))
            check_size(step.output, f"the output of state {name}")
            entry.output = step.output
        except StateFault as fault:
            raise fault.within(name, entry.event) from fault
        finally:
            with self._telling:
                entry.exited_at = self._world.now()
                self._world.observer.left(entry)
        self._happened(1)
        return step

    def _happened(self, events: int) -> None:
        """Count events as the service does, of which only the entry of a state is told."""
        with self._telling:
            self._events += events

    # Time

    def _left_s(self) -> float | None:
        if self._limit_s is None:
            return None
        return self._limit_s - (self._world.now() - self.started_at).total_seconds()

    def _check_time(self) -> None:
        left = self._left_s()
        if left is not None and left < 0:
            raise _OutOfTime

    def _sleep(self, seconds: float) -> None:
        """Wait, but no longer than the machine may run."""
        left = self._left_s()
        if left is not None and seconds > left:
            self._together.sleep(max(left, 0.0))
            raise _OutOfTime
        self._together.sleep(seconds)

    # States that work, may be tried again and may be caught

    def _attempts(self, entry: StateEntry, state: _State, context: Context, work: Callable[[Context], Json]) -> _Step:
        """Do the work until it has a result or its retriers give up, then place the result or catch the failure."""
        retries = Retries(state.get("Retry", ()), self._world.random)
        while True:
            here = context.having(State=context["State"] | {"RetryCount": retries.count})
            started = self._world.now()
            try:
                result = self._tried(entry, started, work, here)
                selected = self._filled(state, "ResultSelector", result, here)
                output = picked(
                    state, "OutputPath", paths.put(state.get("ResultPath", "$"), entry.input, selected), here
                )
                check_size(output, f"the output of state {entry.name}")
                return _Step(output, state.get("Next"), self._assigned(state, result, here))
            except TaskFailure as raised:
                failure = raised.within(entry.name, entry.event) if isinstance(raised, StateFault) else raised
                self._check_time()
                if (delay := retries.delay_s(failure)) is None:
                    return self._caught(entry, state, failure, here)
                self._sleep(delay)
                self._together.check()

    def _tried(self, entry: StateEntry, started: datetime, work: Callable[[Context], Json], context: Context) -> Json:
        try:
            result = work(context)
        except TaskFailure as failure:
            self._note(entry, started, failure)
            raise
        self._note(entry, started)
        return result

    def _note(self, entry: StateEntry, started: datetime, failure: TaskFailure | None = None) -> None:
        error, cause = (failure.error, failure.cause) if failure else (None, None)
        if isinstance(failure, StateFault):
            cause = failure.within(entry.name, entry.event).cause
        attempt = Attempt(started, self._world.now(), error, cause)
        with self._telling:
            entry.attempts.append(attempt)
            self._world.observer.attempted(entry, attempt)

    def _caught(self, entry: StateEntry, state: _State, failure: TaskFailure, context: Context) -> _Step:
        for catcher in state.get("Catch", ()):
            if failures.is_named(failure, catcher["ErrorEquals"]):
                facts = {"Error": failure.error, "Cause": failure.cause}
                output = paths.put(catcher.get("ResultPath", "$"), entry.input, facts)
                return _Step(output, catcher["Next"], self._assigned(catcher, facts, context))
        raise failure

    def _assigned(self, rule: _State, document: Json, context: Context) -> Mapping[str, Json]:
        """Return the variables that a state or rule assigns, all from what was known before."""
        assigned: dict[str, Json] = self._filled(rule, "Assign", document, context) if "Assign" in rule else {}
        for name, value in assigned.items():
            check_size(value, f"the variable {name}")
        return assigned

    def _filled(self, state: _State, field: str, document: Json, context: Context) -> Json:
        return paths.fill(state[field], document, context, self._world.random) if field in state else document

    def _task(self, scope: _Scope, entry: StateEntry, state: _State, context: Context) -> _Step:
        seen = picked(state, "InputPath", entry.input, context)

        def work(here: Context) -> Json:
            parameters = self._filled(state, "Parameters", seen, here)
            check_size(parameters, f"the input of state {entry.name}")
            result = self._call(state, parameters, seen, here)
            if is_too_large(result):
                name = state["Resource"].rpartition(":::")[2].partition(":")[0] if ":::" in state["Resource"] else ""
                cause = (
                    f"The state/task '{name or state['Resource']}' returned a result with a size exceeding the "
                    "maximum number of bytes service limit."
                )
                # Recorded on the service: States.ALL does catch this one, whatever its manual says.
                raise TaskFailure(failures.DATA_LIMIT, cause, is_terminal=False)
            return result

        return self._attempts(entry, state, context, work)

    def _call(self, state: _State, parameters: Json, seen: Json, context: Context) -> Json:
        """Run the task within whichever of its own time, its heartbeat and the machine's time ends first."""
        own = seconds(state, "TimeoutSeconds", seen, context)
        heartbeat = seconds(state, "HeartbeatSeconds", seen, context)
        limit = min((limit for limit in (own, heartbeat, self._left_s()) if limit is not None), default=None)
        # Scheduled, started, ended; a job that is waited for is submitted as well.
        self._happened(4 if state["Resource"].endswith((".sync", ".sync:2")) else 3)
        try:
            return self._world.tasks.run(state["Resource"], parameters, timeout_s=limit)
        except TaskFailure as failure:
            if failure.error != failures.TIMEOUT or limit is None or limit == own:
                raise
            if limit == heartbeat:
                raise TaskFailure(failures.HEARTBEAT_TIMEOUT, failure.cause) from failure
            raise _OutOfTime from failure

    def _parallel(self, scope: _Scope, entry: StateEntry, state: _State, context: Context) -> _Step:
        seen = picked(state, "InputPath", entry.input, context)

        def work(here: Context) -> Json:
            given = self._filled(state, "Parameters", seen, here)
            branches = [
                self._branch(scope, entry, number, definition, scope.context.inner(), given)
                for number, definition in enumerate(state["Branches"])
            ]
            return self._side_by_side(branches, len(branches))

        return self._attempts(entry, state, context, work)

    def _map(self, scope: _Scope, entry: StateEntry, state: _State, context: Context) -> _Step:
        seen = picked(state, "InputPath", entry.input, context)
        processor = state.get("ItemProcessor") or state["Iterator"]
        selector = "ItemSelector" if "ItemSelector" in state else "Parameters"

        def work(here: Context) -> Json:
            branches = []
            items = items_of(state, seen, here)
            for number, item in enumerate(items):
                inside = {"Item": {"Index": number, "Value": item}}
                given = self._filled(state, selector, seen, here.having(Map=inside)) if selector in state else item
                context = scope.context.inner(Map=inside)
                branches.append(self._branch(scope, entry, number, processor, context, given))
            return self._side_by_side(branches, most_at_once(state, seen, here))

        return self._attempts(entry, state, context, work)

    def _branch(
        self, scope: _Scope, entry: StateEntry, number: int, definition: _State, context: Context, given: Json
    ) -> Callable[[], Json]:
        inner = _Scope(machine_of(definition), context, (*scope.branch, f"{entry.name}[{number}]"))

        def run() -> Json:
            is_item = "Branches" not in scope.machine.states[entry.name]
            self._happened(is_item)
            # A copy, so that no task can change what its neighbours see.
            result = self.states(inner, copy.deepcopy(given))
            self._happened(is_item)
            return result

        return run

    def _side_by_side(self, branches: Sequence[Callable[[], Json]], limit: int) -> Json:
        self._happened(1)
        try:
            results = self._together.run(branches, limit)
        except TaskFailure as failure:
            also = (*failure.also, failures.BRANCH_FAILED)
            raise TaskFailure(failure.error, failure.cause, also=also, is_terminal=failure.is_terminal) from failure
        finally:
            self._happened(1)
        return results

    # States that only pass on

    def _pass(self, scope: _Scope, entry: StateEntry, state: _State, context: Context) -> _Step:
        seen = picked(state, "InputPath", entry.input, context)
        result = state["Result"] if "Result" in state else self._filled(state, "Parameters", seen, context)
        output = picked(state, "OutputPath", paths.put(state.get("ResultPath", "$"), entry.input, result), context)
        return _Step(output, state.get("Next"), self._assigned(state, result, context))

    def _wait(self, scope: _Scope, entry: StateEntry, state: _State, context: Context) -> _Step:
        seen = picked(state, "InputPath", entry.input, context)
        self._sleep(wait_s(state, seen, context, self._world.now()))
        output = picked(state, "OutputPath", seen, context)
        return _Step(output, state.get("Next"), self._assigned(state, seen, context))

    def _choice(self, scope: _Scope, entry: StateEntry, state: _State, context: Context) -> _Step:
        seen = picked(state, "InputPath", entry.input, context)
        try:
            chosen = next((rule for rule in state["Choices"] if choices.holds(rule, seen, context)), None)
        except PathError as error:
            lost = str(error).partition(" leads nowhere")[0]
            cause = f"Invalid path '{lost}': The choice state's condition path references an invalid value."
            raise StateFault(failures.RUNTIME, cause) from error
        target = chosen["Next"] if chosen else state.get("Default")
        if target is None:
            raise StateFault(failures.NO_CHOICE, "No rule holds and there is no Default.")
        output = picked(state, "OutputPath", seen, context)
        return _Step(output, target, self._assigned(chosen or state, seen, context))

    def _succeed(self, scope: _Scope, entry: StateEntry, state: _State, context: Context) -> _Step:
        seen = picked(state, "InputPath", entry.input, context)
        return _Step(picked(state, "OutputPath", seen, context), None)

    def _fail(self, scope: _Scope, entry: StateEntry, state: _State, context: Context) -> _Step:
        def text(name: str) -> str:
            field = f"{name}Path"
            if field not in state:
                return str(state.get(name, ""))
            value = paths.value_of(state[field], entry.input, context, self._world.random, field=field)
            if not isinstance(value, str):
                raise StateFault(failures.RUNTIME, f"The {field} '{state[field]}' does not lead to a string.")
            return value

        raise TaskFailure(text("Error"), text("Cause"), is_terminal=False)


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of both; objects that both have are merged in turn."""
    merged = dict(base)
    for name, value in more.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if both else value
    return merged
