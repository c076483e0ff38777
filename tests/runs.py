"""Runs of the state machine in the process of the test."""

from __future__ import annotations

import time as machine
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from healthcare_ops.core.errors import ExitCode, OpsError
from healthcare_ops.core.runs import Answer, RunRecord
from healthcare_ops.jobs.context import Context
from healthcare_ops.operations.engine import new_run_id
from healthcare_ops.operations.runner import RunOrder, Surroundings, carry_out, failure_of, store_definition
from healthcare_ops.operations.tasks import answer


class MemoryJournal:
    """A journal that lasts as long as the test: a run that is carried out again with it goes on where it was."""

    def __init__(self, steps: Sequence[tuple[str, Any]] = ()) -> None:
        self.steps = list(steps)
        self._next = 0

    def recorded(self) -> list[Any]:
        self._next = 0
        return [result for _, result in self.steps]

    def once(self, name: str, work: Callable[[], Any]) -> Any:
        if self._next == len(self.steps):
            self.steps.append((name, work()))
        found, result = self.steps[self._next]
        assert found == name, f"step {self._next + 1} was {found} and is now {name}"
        self._next += 1
        return result


@dataclass(frozen=True)
class JobsHere:
    """Does calls with the jobs of the product, in this process."""

    context: Context

    def answer(self, call: dict[str, Any], *, timeout_s: float | None, is_stopped: Callable[[], bool]) -> Answer:
        return answer(call, nullcontext(self.context))


@dataclass(frozen=True)
class Finished:
    """A run that ended, and what ended it if it did not succeed."""

    record: RunRecord
    journal: MemoryJournal = field(repr=False, compare=False)

    @property
    def failure(self) -> OpsError | None:
        return failure_of(self.record)

    @property
    def exit_code(self) -> ExitCode:
        return self.failure.exit_code if self.failure else ExitCode.OK


def run_orchestrator(
    context: Context,
    run_type: Any,
    run_date: date | None = None,
    progress: Callable[[str], None] = lambda state: None,
    time: Any = None,
) -> Finished:
    """Carry out one run as of the context's clock; `time` tells and spends the time that it takes."""
    as_of = context.clock.now()
    order = RunOrder(
        new_run_id(run_type, as_of),
        {"type": run_type} | ({"run_date": run_date.isoformat()} if run_date else {}),
        as_of.isoformat(),
        store_definition(context.objects),
        as_of.isoformat(),
    )
    now, sleep = (time.now, time.sleep) if time else (lambda: datetime.now(UTC), machine.sleep)
    around = Surroundings(context.objects, JobsHere(context), now, sleep, lambda run_id, state: progress(state))
    journal = MemoryJournal()
    return Finished(carry_out(order, journal, around), journal)
