"""What the state machine's resources are here: the jobs of this package, one call at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from healthcare_ops.adapters.state_lock import Lock
from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.emf import Measured
from healthcare_ops.core.errors import BusyError, ConfigError, LockedError, OpsError, Reason, StepError
from healthcare_ops.core.faults import place_of, understood, without_data
from healthcare_ops.core.runs import RUN_TYPES, Answer, Failure
from healthcare_ops.jobs import TICK_JOBS, load_job
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.metric_lines import write_metrics

_log = logging.getLogger(__name__)
_JOB = "arn:aws:states:::glue:startJobRun.sync"


@dataclass(frozen=True)
class Policy:
    """How a job is done: under which lock, and whether in a process of its own."""

    lock: Lock | None = Lock.LAKE
    has_own_process: bool = False


POLICIES: Mapping[str, Policy] = {
    "resolve_run_date": Policy(lock=None),
    "open_incident": Policy(lock=None),
    # Ticks go on meanwhile: it writes no table.
    "weekly_train": Policy(Lock.MODELS, has_own_process=True),
}
USUAL_POLICY = Policy()


def name_of(resource: str, parameters: Any) -> str:
    """Return the job or function that a call names."""
    return str(parameters["JobName" if resource == _JOB else "FunctionName"])


def answer(call: Mapping[str, Any], opened: AbstractContextManager[Context]) -> Answer:
    """Do a call in this process, with the context that `opened` yields; whatever fails is in the answer.

    The result has the shape of the service that the resource names.
    """
    outcomes: dict[str, Outcome] = {}
    try:
        with opened as context:
            return Answer(_Call(context, outcomes).result(call["resource"], call["parameters"]), outcomes)
    except Exception as error:  # noqa: BLE001  # every failure is an answer
        return Answer(None, outcomes, Failure.of(explained(error, call["run_id"]), place_of(error)))


@dataclass
class _Call:
    context: Context
    outcomes: dict[str, Outcome]

    def result(self, resource: str, parameters: Any) -> Any:
        name = name_of(resource, parameters)
        if resource == _JOB:
            arguments = {key.removeprefix("--"): value for key, value in parameters["Arguments"].items()}
            self._job(name, self._request(arguments))
            return {"JobName": name, "JobRunState": "SUCCEEDED"}
        return {"Payload": self._function(name, parameters["Payload"])}

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
        if run_type not in RUN_TYPES:
            raise ConfigError(f"type {run_type!r} is not a run type.", next_step=f"Use {', '.join(RUN_TYPES)}.")
        today = civil_day(self.context.clock.now(), self.context.site.tz)
        default = today if run_type == "inference" else today - timedelta(days=1)
        wanted = given.get("run_date") or default.isoformat()
        try:
            run_date = date.fromisoformat(wanted).isoformat()
        except (TypeError, ValueError) as error:
            raise ConfigError(f"run_date {wanted!r} is not a day.", next_step="Write it as 2017-12-31.") from error
        return {"type": run_type, "run_date": run_date}

    def _tick(self, payload: Any) -> Any:
        request = self._request(payload)
        for name in TICK_JOBS:
            self._job(name, request)
        return {"jobs": list(TICK_JOBS)}

    def _open_incident(self, payload: Any) -> Any:
        _log.error("run %s failed: %s", payload["run_id"], payload["input"].get("failure"))
        caught = Measured(self.context.clock.now(), {}, {"FailuresCaught": 1})
        write_metrics(self.context, payload["run_id"], "open_incident", [caught])
        return {}

    def _request(self, arguments: Any) -> Request:
        run_date = date.fromisoformat(arguments["run_date"])
        # A daily run rebuilds its day even if nothing new came; a tick touches only what did.
        days = frozenset() if arguments["type"] == "inference" else frozenset({run_date})
        return Request(arguments["run_id"], arguments["type"], run_date, days)

    def _job(self, name: str, request: Request) -> None:
        began, processor = time.monotonic(), time.process_time()
        try:
            self.outcomes[name] = load_job(name)(self.context, request)
        except Exception as error:
            raise explained(error, request.run_id).about(name) from error
        finally:
            took_s, processor_s = time.monotonic() - began, time.process_time() - processor
            took = Measured(self.context.clock.now(), {"Job": name}, {"JobSeconds": round(took_s, 3)})
            write_metrics(self.context, request.run_id, name, [took])
        _log.info("%s took %.2f s, %.2f s of them at work", name, took_s, processor_s)


def explained(error: Exception, run_id: str) -> OpsError:
    """Return the error as what it means for the run."""
    if isinstance(error, LockedError):  # whoever holds the lake now will let go of it
        return BusyError(error.message, next_step=error.next_step, reason=error.reason)
    if known := understood(error):
        return known
    found = without_data(error)
    _log.error("run %s: %s", run_id, found)
    _log.debug("run %s failed here", run_id, exc_info=error)
    next_step = "Set HOPS_LOG=debug, run it again, and report the traceback."
    return StepError(found, next_step=next_step, reason=Reason.UNEXPECTED)
