"""Run the orchestrator's state machine in this process."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.clock import SystemClock
from healthcare_ops.core.errors import ConfigError, ExitCode, OpsError, StepError, TransientError
from healthcare_ops.core.runs import RunRecord, StateRecord
from healthcare_ops.jobs import TICK_JOBS, load_job
from healthcare_ops.jobs.context import Context, Outcome, Request, RunType
from healthcare_ops.orchestrator.asl import StateMachine, load, render
from healthcare_ops.orchestrator.choices import holds
from healthcare_ops.orchestrator.interpreter import Attempt, Interpreter, StateEntry, TaskFailure, World

_log = logging.getLogger(__name__)
_RUN_TYPES = ("daily", "inference", "weekly_train")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Finished:
    """A run that ended, and what ended it if it did not succeed."""

    record: RunRecord
    failure: OpsError | None

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code of what ended it."""
        return self.failure.exit_code if self.failure else ExitCode.OK


@cache
def load_orchestrator() -> StateMachine:
    """Return the product's state machine, as it is deployed with an empty prefix."""
    text = files("healthcare_ops.jobs").joinpath("orchestrator.asl.json").read_text(encoding="utf-8")
    return load(render(text))


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


def run_orchestrator(
    context: Context,
    run_type: RunType,
    run_date: date | None = None,
    progress: Progress = lambda state: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Finished:
    """Run the state machine once and keep its record; `sleep` waits before a state is tried again."""
    as_of, machine = context.clock.now(), SystemClock()
    run_id = f"{run_type}-{as_of:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    execution_input = {"type": run_type} | ({"run_date": run_date.isoformat()} if run_date else {})
    tasks = LocalTasks(context, run_id)
    record = RunRecord(run_id, run_type, "", machine.now().isoformat(), as_of=as_of.isoformat())
    watcher = _Recorder(context, record, progress)
    world = World(tasks, watcher, machine.now, sleep, random.random)
    execution = Interpreter(load_orchestrator(), world).run(execution_input, execution_id=run_id)
    record.status = execution.status
    record.error, record.cause = execution.error or "", execution.cause or ""
    record.ended_at = machine.now().isoformat()
    record.run_date, record.outcomes = tasks.run_date, tasks.outcomes
    watcher.save()
    return Finished(record, None if execution.status == "SUCCEEDED" else _failure(record, tasks.failure))


def _failure(record: RunRecord, of_task: OpsError | None) -> OpsError:
    """Return why the run failed; without a failed task it was the state machine itself."""
    if of_task is None:
        return StepError(f"run {record.run_id} failed with {record.error}: {record.cause}")
    return type(of_task)(f"run {record.run_id} failed: {of_task.message}", next_step=of_task.next_step)


@dataclass
class LocalTasks:
    """Fulfils the state machine's resources with the jobs of this package.

    Jobs run in this process; `timeout_s` is not enforced on them, because a thread cannot be ended from
    outside.
    """

    context: Context
    run_id: str = ""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    failure: OpsError | None = None
    run_date: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code of the task that failed last."""
        return self.failure.exit_code if self.failure else ExitCode.OK

    def run(self, resource: str, parameters: Any, *, timeout_s: float | None) -> Any:
        """Return the result in the shape of the service that the resource names."""
        try:
            if resource == "arn:aws:states:::glue:startJobRun.sync":
                arguments = {name.removeprefix("--"): value for name, value in parameters["Arguments"].items()}
                self._job(parameters["JobName"], self._request(arguments))
                return {"JobName": parameters["JobName"], "JobRunState": "SUCCEEDED"}
            return {"Payload": self._function(parameters["FunctionName"], parameters["Payload"])}
        except TransientError as error:
            self.failure = error
            raise TaskFailure("TransientError", str(error)) from error
        except OpsError as error:
            self.failure = error
            raise TaskFailure("States.TaskFailed", f"{error.code}: {error}") from error
        except Exception as error:
            name = parameters.get("JobName") or parameters.get("FunctionName")
            found = f"{type(error).__name__}: {error}"
            _log.error("run %s: %s failed: %r", self.run_id, name, error)
            _log.debug("run %s: %s failed here", self.run_id, name, exc_info=error)
            self.failure = StepError(
                f"{name}: {found}", next_step="Set HOPS_LOG=debug, run it again, and report the traceback."
            )
            raise TaskFailure("States.TaskFailed", f"Unexpected: {found}") from error

    def _function(self, name: str, payload: Any) -> Any:
        functions: dict[str, Callable[[Any], Any]] = {
            "resolve_run_date": self._resolve_run_date,
            "inference_tick": self._tick,
            "open_incident": self._open_incident,
        }
        return functions[name](payload)

    def _resolve_run_date(self, payload: Any) -> Any:
        given = payload.get("input") or {}
        run_type = given.get("type") or "daily"
        if run_type not in _RUN_TYPES:
            raise ConfigError(f"type {run_type!r} is not a run type.", next_step=f"Use {', '.join(_RUN_TYPES)}.")
        today = civil_day(self.context.clock.now(), self.context.site.tz)
        default = today if run_type == "inference" else today - timedelta(days=1)
        wanted = given.get("run_date") or default.isoformat()
        try:
            self.run_date = date.fromisoformat(wanted).isoformat()
        except (TypeError, ValueError) as error:
            raise ConfigError(f"run_date {wanted!r} is not a day.", next_step="Write it as 2017-12-31.") from error
        return {"type": run_type, "run_date": self.run_date}

    def _tick(self, payload: Any) -> Any:
        request = self._request(payload)
        for name in TICK_JOBS:
            self._job(name, request)
        return {"jobs": list(TICK_JOBS)}

    def _open_incident(self, payload: Any) -> Any:
        _log.error("run %s failed: %s", payload["run_id"], payload["input"].get("failure"))
        return {}

    def _request(self, arguments: Any) -> Request:
        run_date = date.fromisoformat(arguments["run_date"])
        # A daily run rebuilds its day even if nothing new came; a tick touches only what did.
        days = frozenset() if arguments["type"] == "inference" else frozenset({run_date})
        return Request(arguments["run_id"], arguments["type"], run_date, days)

    def _job(self, name: str, request: Request) -> None:
        try:
            self.outcomes[name] = load_job(name)(self.context, request)
        except OpsError as error:
            raise type(error)(f"{name}: {error.message}", next_step=error.next_step) from error


@dataclass
class _Recorder:
    """Keeps the run's record up to date while it runs."""

    context: Context
    record: RunRecord
    progress: Progress

    def entered(self, entry: StateEntry) -> None:
        self.progress(entry.name)
        self.record.states.append(StateRecord(entry.name, entry.entered_at.isoformat()))
        self.save()

    def attempted(self, entry: StateEntry, attempt: Attempt) -> None:
        self.record.states[-1].attempts.append(
            {
                "started_at": attempt.started_at.isoformat(),
                "ended_at": attempt.ended_at.isoformat(),
                "error": attempt.error,
                "cause": attempt.cause,
            }
        )

    def left(self, entry: StateEntry) -> None:
        self.record.states[-1].exited_at = (entry.exited_at or entry.entered_at).isoformat()

    def save(self) -> None:
        self.context.objects.write(self.record.key, self.record.to_json())
