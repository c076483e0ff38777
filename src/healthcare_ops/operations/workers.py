"""Calls of the state machine, done in processes of their own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.worker import CallStopped, CallTimeout, Worker
from healthcare_ops.core.errors import BusyError, TransientError
from healthcare_ops.core.runs import Answer, Failure, RunRecord
from healthcare_ops.operations.runner import Stopped
from healthcare_ops.operations.tasks import POLICIES, USUAL_POLICY, name_of

_PROGRAM = "healthcare_ops.operations.worker"
_CAUTIONS_WITHIN_S = 60.0


class Workers:
    """Does calls in a process that stays, and some, as their policy says, in one of their own."""

    def __init__(self, state: Path, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._command = [sys.executable, "-m", _PROGRAM, str(state)]
        self._elapsed_s = elapsed_s
        self._warm = Worker([*self._command, "--warm"], elapsed_s)
        self._own: set[Worker] = set()

    @property
    def pids(self) -> list[int]:
        """Return the numbers of the processes that there are now."""
        return [worker.pid for worker in (self._warm, *self._own) if worker.pid is not None]

    def get_ready(self) -> None:
        """Let the process that stays import what it needs, while others go on."""
        self._warm.start()

    def answer(self, call: dict[str, Any], *, timeout_s: float | None, is_stopped: Callable[[], bool]) -> Answer:
        """Return what came of a call; see `Jobs`."""
        name = name_of(call["resource"], call["parameters"])
        if not POLICIES.get(name, USUAL_POLICY).has_own_process:
            return _answer(self._warm, call, name, timeout_s, is_stopped)
        worker = Worker(self._command, self._elapsed_s)
        self._own.add(worker)
        try:
            return _answer(worker, call, name, timeout_s, is_stopped)
        finally:
            self._own.discard(worker)
            worker.close()

    def cautions_of_run(self, record: RunRecord) -> list[dict[str, str]]:
        """Return what to know of the data of a run, from the process that has all it takes imported."""
        asked = {"cautions_of_run": [record.run_type, record.run_date, record.as_of]}
        found: list[dict[str, str]] = self._warm.call(asked, timeout_s=_CAUTIONS_WITHIN_S, is_stopped=lambda: False)
        return found

    def close(self) -> None:
        """End the processes."""
        for worker in (self._warm, *self._own):
            worker.close()


def _answer(
    worker: Worker, call: dict[str, Any], name: str, timeout_s: float | None, is_stopped: Callable[[], bool]
) -> Answer:
    try:
        return Answer.of_json(worker.call(call, timeout_s=timeout_s, is_stopped=is_stopped))
    except CallTimeout:
        took = BusyError(
            f"{name} took longer than {timeout_s:g} s and was ended.",
            next_step="Look at its log; a longer time is `TimeoutSeconds` of its state.",
        )
        return Answer(None, {}, Failure.of(took))
    except CallStopped:
        raise Stopped from None
    except TransientError as error:
        return Answer(None, {}, Failure.of(error.about(name)))
