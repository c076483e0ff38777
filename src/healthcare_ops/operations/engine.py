"""The engine of one state directory: starts runs, takes up those that were left, and brings all to their end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.durable import DurableRuns
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import Lock, lock_state
from healthcare_ops.adapters.worker import CallStopped, CallTimeout
from healthcare_ops.bootstrap.engine import job_worker, open_durable_runs
from healthcare_ops.core.clock import SystemClock
from healthcare_ops.core.config import SITE_FILE
from healthcare_ops.core.errors import LockedError, NotFoundError, Reason, TransientError
from healthcare_ops.core.runs import RUNS_PREFIX, Answer, Failure, RunRecord, RunType, record_key
from healthcare_ops.operations.runner import RunOrder, Stopped, Surroundings, carry_out, store_definition
from healthcare_ops.operations.tasks import name_of
from healthcare_ops.ports import Journal, ObjectStore

# An engine that was killed a moment ago may not be quite gone.
_PATIENCE_S = 2.0
_STOPS_PREFIX = "ops/stops/"
_CLOCK = SystemClock()


@contextmanager
def open_engine(
    state: Path,
    *,
    role: str = "",
    now: Callable[[], datetime] = _CLOCK.now,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[str, str], None] = lambda run_id, state: None,
) -> Iterator[Engine]:
    """Yield the state directory's engine; runs that another one left unfinished go on at once.

    Parameters
    ----------
    role
        What the process is, for those who find the engine taken.
    now, sleep
        Tell and spend the time in which runs wait and are recorded.
    progress
        Hears of each state that a run enters, by the run's id and the state's name.

    Raises
    ------
    NotFoundError
        If there is no such state directory.
    LockedError
        If another process runs the engine.
    """
    if not (state / SITE_FILE).exists():
        raise NotFoundError(f"{state} is not a state directory.", next_step="Run `hops init --site SITE.toml`.")
    with lock_state(state, Lock.ENGINE, wait_s=_PATIENCE_S, role=role):
        objects, jobs = LocalObjects(state), _Workers(state)
        jobs.get_ready()
        around = Surroundings(objects, jobs, now, sleep, progress, lambda run_id: objects.exists(stop_key(run_id)))

        def body(journal: Journal, run_id: str, order: Any) -> None:
            carry_out(RunOrder(**order), journal, around)

        durable = open_durable_runs(state, body)
        try:
            yield Engine(objects, durable, now)
        finally:
            jobs.close()
            durable.close()


@dataclass(frozen=True)
class Engine:
    """Starts runs, and waits for them."""

    objects: ObjectStore
    durable: DurableRuns
    now: Callable[[], datetime]

    def start(
        self,
        run_type: RunType,
        run_date: date | None = None,
        *,
        as_of: datetime | None = None,
        run_id: str = "",
        trigger: str = "manual",
    ) -> str:
        """Begin a run; return its id. With the id of a run that was begun before, nothing happens.

        Parameters
        ----------
        run_date
            The operational day; None for what the type of run means by itself.
        as_of
            The instant that every job takes for the present; None for the present itself.
        """
        instant = (as_of or self.now()).astimezone(UTC)
        run_id = run_id or new_run_id(run_type, instant)
        order = RunOrder(
            run_id,
            {"type": run_type} | ({"run_date": run_date.isoformat()} if run_date else {}),
            instant.isoformat(),
            store_definition(self.objects),
            instant.isoformat() if as_of else "",
            trigger,
        )
        self.durable.start(run_id, order.to_json())
        return run_id

    def finish(self, run_id: str) -> RunRecord:
        """Wait for the end of a run; return its record."""
        while self.durable.is_live(run_id):
            self.durable.wait(1.0)
        return read_record(self.objects, run_id)

    def stop(self, run_id: str) -> None:
        """Have a run end as soon as possible, its job in the middle of its work."""
        self.objects.write(stop_key(run_id), b"")


def new_run_id(run_type: RunType, instant: datetime) -> str:
    """Return an id that no other run has, and that tells of what kind and when it is."""
    return f"{run_type}-{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def read_record(objects: ObjectStore, run_id: str) -> RunRecord:
    """Return the record of a run; `NotFoundError` if there is none."""
    if not objects.exists(record_key(run_id)):
        raise NotFoundError(f"there is no run {run_id!r}.", next_step="`hops runs list` shows what there is.")
    return RunRecord.of_json(objects.read(record_key(run_id)))


def read_records(objects: ObjectStore) -> list[RunRecord]:
    """Return the records of all runs that are kept, the newest first."""
    records = [RunRecord.of_json(objects.read(key)) for key in objects.list(RUNS_PREFIX)]
    return sorted(records, key=lambda record: record.started_at, reverse=True)


def stop_key(run_id: str) -> str:
    """Return where the wish to stop a run is left."""
    return f"{_STOPS_PREFIX}{run_id}"


class _Workers:
    """Does calls in processes of their own: the frequent jobs in one that stays, training in a fresh one."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._warm = job_worker(state, is_warm=True)

    def get_ready(self) -> None:
        """Let the process that stays import what it needs, while others go on."""
        self._warm.start()

    def answer(self, call: dict[str, Any], *, timeout_s: float | None, is_stopped: Callable[[], bool]) -> Answer:
        """Return what came of a call; see `Jobs`."""
        name = name_of(call["resource"], call["parameters"])
        worker = job_worker(self._state, is_warm=False) if name == "weekly_train" else self._warm
        try:
            return Answer.of_json(worker.call(call, timeout_s=timeout_s, is_stopped=is_stopped))
        except CallTimeout:
            took = LockedError(
                f"{name} took longer than {timeout_s:g} s and was ended.",
                next_step="Look at its log; a longer time is `TimeoutSeconds` of its state.",
                reason=Reason.TIMEOUT,
            )
            return Answer(None, {}, Failure.of(took))
        except CallStopped:
            raise Stopped from None
        except TransientError as error:
            return Answer(None, {}, Failure.of(error.about(name)))
        finally:
            if worker is not self._warm:
                worker.close()

    def close(self) -> None:
        """End the processes."""
        self._warm.close()
