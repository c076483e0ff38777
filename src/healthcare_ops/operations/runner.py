"""Take a run of the state machine from its start, or from where it was left, to its end."""

from __future__ import annotations

import hashlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from healthcare_ops import __version__
from healthcare_ops.core.emf import emf_line
from healthcare_ops.core.errors import (
    ConfigError,
    NotFoundError,
    OpsError,
    Reason,
    StepError,
    TransientError,
)
from healthcare_ops.core.runs import (
    ABORTED,
    RUNNING,
    Answer,
    AttemptRecord,
    Failure,
    RunRecord,
    RunType,
    StateRecord,
)
from healthcare_ops.operations.tasks import explained, name_of
from healthcare_ops.orchestrator.asl import StateMachine, load, render
from healthcare_ops.orchestrator.choices import holds
from healthcare_ops.orchestrator.failures import RUNTIME, TASK_FAILED, TIMEOUT
from healthcare_ops.orchestrator.interpreter import Attempt, Interpreter, StateEntry, TaskFailure, World
from healthcare_ops.ports import Journal, ObjectStore

_log = logging.getLogger(__name__)
_TRANSIENT = "TransientError"
_DEFINITIONS_PREFIX = "ops/definitions/"
_SLICE_S = 0.5


class Stopped(Exception):
    """Somebody wants the run no longer."""


class Jobs(Protocol):
    """Does the calls of the state machine: `{"resource", "parameters", "run_id", "as_of"}`."""

    def answer(self, call: dict[str, Any], *, timeout_s: float | None, is_stopped: Callable[[], bool]) -> Answer:
        """Return what came of a call; one that took too long has failed. `Stopped` if that was asked for."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What runs need beside their journal.

    `sleep` lets time go by on the clock that `now` tells; `metrics` takes lines of what is measured.
    """

    objects: ObjectStore
    jobs: Jobs
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    progress: Callable[[str, str], None] = lambda run_id, state: None
    is_stopped: Callable[[str], bool] = lambda run_id: False
    metrics: Callable[[Iterable[str]], None] = lambda lines: None


@cache
def orchestrator_text() -> str:
    """Return the product's state machine, as it is deployed with an empty prefix."""
    return render(files("healthcare_ops.jobs").joinpath("orchestrator.asl.json").read_text(encoding="utf-8"))


@cache
def load_orchestrator() -> StateMachine:
    """Return the product's state machine."""
    return load(orchestrator_text())


def states_of(run_type: RunType) -> tuple[str, ...]:
    """Return the states that a run enters when nothing fails."""
    machine = load_orchestrator()
    entered: list[str] = []
    name: str | None = machine.start_at
    while name:
        entered.append(name)
        state = machine.states[name]
        chosen = (rule["Next"] for rule in state.get("Choices", ()) if holds(rule, {"type": run_type}, {}))
        name = next(chosen, state.get("Default") or state.get("Next"))
    return tuple(entered)


def store_definition(objects: ObjectStore) -> str:
    """Keep the product's state machine for the runs that follow it; return its SHA-256."""
    text = orchestrator_text().encode()
    sha256 = hashlib.sha256(text).hexdigest()
    key = _definition_key(sha256)
    if not objects.exists(key) or objects.read(key) != text:
        objects.write(key, text)
    return sha256


def read_definition(objects: ObjectStore, sha256: str) -> StateMachine:
    """Return the state machine that runs follow which name this hash.

    Raises
    ------
    NotFoundError
        If it is not kept.
    ConfigError
        If it is another one by now, or has concurrent branches.
    """
    key = _definition_key(sha256)
    text = objects.read(key)
    if hashlib.sha256(text).hexdigest() != sha256:
        # A run that was left in the middle would take another way than it began with.
        raise ConfigError(
            f"{key} was changed after runs began with it.",
            next_step="Put it back from a backup, or take it away and start new runs.",
        )
    machine = load(text.decode())
    for name, state in machine.states.items():
        if state["Type"] in ("Parallel", "Map"):
            raise ConfigError(
                f"state {name} is a {state['Type']}: a run takes one step after the other.",
                next_step="Write its branches one after the other; `hops asl test` runs them at once.",
            )
    return machine


def _definition_key(sha256: str) -> str:
    return f"{_DEFINITIONS_PREFIX}{sha256}.asl.json"


@dataclass(frozen=True)
class RunOrder:
    """What a run is asked to do.

    `as_of` is the instant that every job takes for the present; empty for the present itself. `due_at` is the
    instant that the run was due, or was asked for.
    """

    run_id: str
    input: dict[str, Any]
    due_at: str
    definition: str
    as_of: str = ""
    trigger: str = "manual"

    def to_json(self) -> dict[str, Any]:
        """Return the order as JSON values."""
        return asdict(self)


def carry_out(order: RunOrder, journal: Journal, around: Surroundings) -> RunRecord:
    """Take a run to its end, and keep its record.

    For a run that was left in the middle, it goes on after the last step that the journal holds: what was done is not
    done again, what failed has failed, and the clock tells again what it told.

    Raises what keeps the record from being written, if that may pass; the run is then to be taken up later.
    """
    memory = _Memory(order.run_id, journal, around)
    record = _begin(order, memory, around)
    calls = _Calls(order, record, memory, around)
    # Drawn from the run's name: what was left to chance is not drawn anew.
    chance = random.Random(order.run_id).random  # noqa: S311  # no secret
    world = World(calls, calls, memory.now, memory.sleep, chance)
    try:
        done = Interpreter(read_definition(around.objects, order.definition), world).run(
            order.input, execution_id=order.run_id
        )
        record.status, record.error, record.cause = done.status, done.error or "", done.cause or ""
    except Stopped:
        record.status, record.cause = ABORTED, "stopped by an operator"
    except Exception as error:
        found = explained(error, order.run_id)
        if isinstance(found, TransientError) or found.reason == Reason.DISK_FULL:
            raise
        record.status, record.error, record.cause = "FAILED", RUNTIME, f"{found.reason}: {found}"
    record.ended_at = memory.now().isoformat()
    calls.save()
    _tell_end(record, around)
    return record


def _tell_end(record: RunRecord, around: Surroundings) -> None:
    """Have the end counted; again after a crash, for who reads counts a line that stands twice once."""
    try:
        around.metrics([emf_line(one, run_id=record.run_id, job="orchestrator") for one in record.measured()])
    except OSError as error:  # the run has ended all the same
        _log.warning("the end of run %s is not counted: %s", record.run_id, error)


def failure_of(record: RunRecord) -> OpsError | None:
    """Return why a run failed, as an error; None if it did not."""
    if record.failed_state is None:
        return None
    what = f"run {record.run_id} was stopped" if record.status == ABORTED else f"run {record.run_id} failed"
    failure = record.failure
    if record.status == ABORTED or failure is None:
        cause = f" with {record.error}: {record.cause}" if record.error else ""
        return StepError(f"{what}{cause}.", next_step=f"`hops redrive {record.run_id}` goes on with it.")
    return failure.error.about(what)


def _begin(order: RunOrder, memory: _Memory, around: Surroundings) -> RunRecord:
    """Return the run's record with what is known of it before its first state."""
    record = RunRecord(
        order.run_id,
        order.input["type"],
        "",
        memory.now().isoformat(),
        as_of=order.as_of or order.due_at,
        input=order.input,
        definition=order.definition,
        release=__version__,
        trigger=order.trigger,
    )
    if before := _before(record, around.objects):
        record.resumed_at, record.redriven_at = before.resumed_at, before.redriven_at
        if before.status == RUNNING:
            record.resumed_at.append(around.now().isoformat())
        else:
            memory.redrive()
    return record


def _before(record: RunRecord, objects: ObjectStore) -> RunRecord | None:
    """Return the record that the run has so far; None if it has none, or one that tells nothing."""
    try:
        return RunRecord.of_json(objects.read(record.key))
    except (ConfigError, NotFoundError) as error:
        _log.debug("run %s begins its record: %s", record.run_id, error)
        return None


class _Memory:
    """A run's steps and its clock: what the run was told once it is told again."""

    def __init__(self, run_id: str, journal: Journal, around: Surroundings) -> None:
        self._run_id = run_id
        self._journal = journal
        self._around = around
        recorded = journal.recorded()
        self._known = len(recorded)
        self._told = deque(instant for step in recorded for instant in step["told"])
        self._ended_at = recorded[-1].get("ended_at", "") if recorded else ""
        self._since: list[str] = []
        self._is_redriven = False
        self._ends_left = 2
        self.steps = 0

    @property
    def is_past(self) -> bool:
        """Tell whether the next step was done before."""
        return self.steps < self._known

    def now(self) -> datetime:
        """Return the present, or what was the present when the run came here first."""
        # What followed the last step followed it at once, though the process ended before the next one.
        instant = self._told.popleft() if self._told else self._told_last() or self._around.now().isoformat()
        self._since.append(instant)
        return datetime.fromisoformat(instant)

    def _told_last(self) -> str:
        if not self._is_redriven:
            return self._ended_at
        # Between the two there may be days: only the attempt and its state ended with the last step.
        self._ends_left -= 1
        return self._ended_at if self._ends_left >= 0 else ""

    def redrive(self) -> None:
        """Let the clock go on with the present after the last step: somebody had the run go on from there."""
        self._is_redriven = True

    def once(self, name: str, work: Callable[[], Any]) -> Any:
        """Do the next step, unless it was done before; return its result. `Stopped` if the run was stopped."""
        self._check_stopped()
        # What the clock told is stored with the step after it: to store it by itself would cost as much again.
        told, self._since = self._since, []
        self._ended_at = self._ended_at if self.is_past else ""
        self.steps += 1

        def step() -> dict[str, Any]:
            result = work()
            return {"told": told, "result": result, "ended_at": self._around.now().isoformat()}

        return self._journal.once(name, step)["result"]

    def sleep(self, seconds: float) -> None:
        """Wait, all in all for so long, also if the process does not last."""

        def end() -> str:
            return (self._around.now() + timedelta(seconds=seconds)).isoformat()

        until = datetime.fromisoformat(self.once("wait", end))
        while (left_s := (until - self._around.now()).total_seconds()) > 0:
            self._check_stopped()
            self._around.sleep(min(left_s, _SLICE_S))
        if self._ended_at and not self.is_past:  # the wait was the last that is known
            self._ended_at = until.isoformat()

    def is_stopped(self) -> bool:
        """Tell whether somebody stopped the run."""
        return self._around.is_stopped(self._run_id)

    def _check_stopped(self) -> None:
        if not self.is_past and self.is_stopped():
            raise Stopped


class _Calls:
    """Calls the jobs, each call a step, and keeps the run's record up to date."""

    def __init__(self, order: RunOrder, record: RunRecord, memory: _Memory, around: Surroundings) -> None:
        self._order = order
        self._record = record
        self._memory = memory
        self._around = around
        self._failure: Failure | None = None

    def run(self, resource: str, parameters: Any, *, timeout_s: float | None) -> Any:
        """Return the result in the shape of the service that the resource names."""
        call = {
            "resource": resource,
            "parameters": parameters,
            "run_id": self._order.run_id,
            "as_of": self._order.as_of,
        }
        jobs, is_stopped = self._around.jobs, self._memory.is_stopped
        answer = Answer.of_json(
            self._memory.once(
                name_of(resource, parameters),
                lambda: jobs.answer(call, timeout_s=timeout_s, is_stopped=is_stopped).to_json(),
            )
        )
        self._record.outcomes |= answer.outcomes
        self._failure = answer.failure
        if answer.failure:
            raise _task_failure(answer.failure)
        return answer.result

    def entered(self, entry: StateEntry) -> None:
        """Note that a state was entered."""
        self._around.progress(self._order.run_id, entry.name)
        entered_at = entry.entered_at.isoformat()
        self._record.states.append(StateRecord(entry.name, entered_at, input=entry.input, step=self._memory.steps + 1))
        self.save()

    def attempted(self, entry: StateEntry, attempt: Attempt) -> None:
        """Note how an attempt ended."""
        noted = AttemptRecord(
            attempt.started_at.isoformat(), attempt.ended_at.isoformat(), attempt.error, attempt.cause, self._failure
        )
        self._record.states[-1].attempts.append(noted)
        self._failure = None

    def left(self, entry: StateEntry) -> None:
        """Note that a state was left."""
        state = self._record.states[-1]
        state.exited_at, state.output = (entry.exited_at or entry.entered_at).isoformat(), entry.output
        if isinstance(entry.output, dict):
            self._record.run_date = entry.output.get("run_date", self._record.run_date)

    def save(self) -> None:
        """Store the record, unless that would tell less than is stored already."""
        if not self._memory.is_past:
            self._around.objects.write(self._record.key, self._record.to_json())


def _task_failure(failure: Failure) -> TaskFailure:
    """Return the failure by the name that the state machine knows it by."""
    if failure.reason == Reason.TIMEOUT:
        return TaskFailure(TIMEOUT, str(failure.error))
    if failure.is_transient:
        return TaskFailure(_TRANSIENT, str(failure.error))
    return TaskFailure(TASK_FAILED, f"{failure.reason}: {failure.error}")
