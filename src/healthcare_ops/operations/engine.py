"""The engine of one state directory: starts runs, takes up those that were left, and brings all to their end."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, cast

from healthcare_ops.adapters.durable import DurableRuns, LeftUnfinished
from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, LocalMetrics
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import Lock, lock_state
from healthcare_ops.bootstrap.configuration import require_state
from healthcare_ops.bootstrap.engine import open_durable_runs
from healthcare_ops.core.clock import SystemClock
from healthcare_ops.core.errors import ConfigError, LockedError, NotFoundError, StepError
from healthcare_ops.core.runs import (
    PENDING_REDRIVE,
    RUNNING,
    SUCCEEDED,
    RunRecord,
    RunType,
    log_key,
    record_key,
)
from healthcare_ops.operations.history import find_run, read_run, read_runs
from healthcare_ops.operations.runner import RunOrder, Surroundings, carry_out, store_definition
from healthcare_ops.operations.workers import Workers
from healthcare_ops.ports import Journal, ObjectStore

# An engine that was killed a moment ago may not be quite gone.
_PATIENCE_S = 2.0
_STOPS_PREFIX = "ops/stops/"
_REDRIVABLE = timedelta(days=14)
_CLOCK = SystemClock()
_log = logging.getLogger(__name__)


@contextmanager
def open_engine(
    state: Path,
    *,
    role: str = "",
    now: Callable[[], datetime] = _CLOCK.now,
    sleep: Callable[[float], None] = time.sleep,
    elapsed_s: Callable[[], float] = time.monotonic,
    progress: Callable[[str, str], None] = lambda run_id, state: None,
) -> Iterator[Engine]:
    """Yield the state directory's engine; runs that another one left unfinished go on at once.

    Parameters
    ----------
    role
        What the process is, for those who find the engine taken.
    now, sleep
        Tell and spend the time in which runs wait and are recorded.
    elapsed_s
        Tells, in seconds from whenever, the time by which jobs take too long.
    progress
        Hears of each state that a run enters, by the run's id and the state's name.

    Raises
    ------
    NotFoundError
        If there is no such state directory.
    LockedError
        If another process runs the engine.
    """
    require_state(state)
    with lock_state(state, Lock.ENGINE, wait_s=_PATIENCE_S, role=role):
        objects, jobs, closing = LocalObjects(state), Workers(state, elapsed_s), Event()

        def is_stopped(run_id: str) -> bool:
            if closing.is_set():
                raise LeftUnfinished
            return objects.exists(stop_key(run_id))

        metrics = LocalMetrics(state / METRICS_FOLDER)
        around = Surroundings(objects, jobs, now, sleep, progress, is_stopped, metrics.write)

        def body(journal: Journal, run_id: str, order: Any) -> None:
            try:
                carry_out(RunOrder(**order), journal, around)
            except Exception as error:
                # Its record could not be written: as far as anybody can tell it is still at work.
                _log.error("run %s is left unfinished: %r", run_id, error)
                raise LeftUnfinished from error

        with ExitStack() as closed_in_turn:
            closed_in_turn.callback(jobs.close)
            jobs.get_ready()
            durable = open_durable_runs(state, body)
            # Before the processes end: that one was ended is no failure of the run that it was at work for.
            closed_in_turn.callback(closing.set)
            closed_in_turn.callback(durable.close)
            yield Engine(objects, durable, jobs, now)


@dataclass(frozen=True)
class Engine:
    """Starts runs, and waits for them."""

    objects: LocalObjects
    durable: DurableRuns
    workers: Workers
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
        run_id
            Begins with the type and a hyphen; empty for one that nobody has.
        run_date
            The operational day; None for what the type of run means by itself.
        as_of
            The instant that every job takes for the present; None for the present itself.

        Raises
        ------
        LockedError
            If a run of that type is at work.
        """
        instant = (as_of or self.now()).astimezone(UTC)
        run_id = run_id or new_run_id(run_type, instant)
        if self.durable.knows(run_id):
            return run_id
        self._require_idle(run_type)
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
        """Wait for the end of a run; return its record. `StepError` if it was left unfinished all the same."""
        while run_id in self.durable.live():
            self.durable.wait(1.0)
        record = read_run(self.objects, record_key(run_id))
        if record.is_open:
            raise StepError(
                f"run {run_id} could not be taken to its end, and its record tells no more.",
                next_step="Look whether the disk is full, then run `hops runs resume`.",
            )
        return record

    def stop(self, run_id: str) -> None:
        """Have a run end as soon as possible, its job in the middle of its work."""
        self.objects.write(stop_key(run_id), b"")

    def running(self, run_type: RunType) -> str:
        """Return the run of that type which is at work, or an empty string."""
        return next((run_id for run_id in sorted(self.durable.live()) if type_of(run_id) == run_type), "")

    def take_up_left(self) -> list[str]:
        """Go on with runs that this process left unfinished, where none of their type is at work; return which."""
        taken = []
        for run_id in sorted(set(self.durable.unfinished()) - self.durable.live()):
            # One whose record has its end has only that to be told to the store.
            if self._has_end(run_id) or self.running(type_of(run_id)):
                continue
            if self.durable.take_up(run_id):
                taken.append(run_id)
        return taken

    def _has_end(self, run_id: str) -> bool:
        try:
            return not read_run(self.objects, record_key(run_id)).is_open
        except (ConfigError, NotFoundError):  # the record is gone or damaged: it is written anew
            return False

    def redrive(self, run_id: str) -> None:
        """Go on with an unsuccessful run from the state that failed; earlier states are not run again.

        Raises
        ------
        ConfigError
            If it cannot be redriven; the message says which condition it does not meet.
        LockedError
            If a run of its type is at work.
        """
        record = find_run(self.objects, run_id)
        require_redrivable(record, self.now())
        if not self.durable.knows(run_id):
            raise ConfigError(f"the steps of run {run_id} are not kept any more.", next_step=anew(record))
        self._require_idle(type_of(run_id))
        first_step = record.failed_state.step if record.failed_state else 1
        record.status = PENDING_REDRIVE
        record.redriven_at.append(self.now().isoformat())
        self.objects.delete(stop_key(run_id))
        self.objects.write(record.key, record.to_json())
        self.durable.rewind(run_id, first_step)

    def expire(self, keep: timedelta) -> int:
        """Remove the runs, with their steps and logs, that ended longer ago than `keep`; return how many."""
        before = self.now() - keep
        self.durable.forget(before)
        ended = [record for record in read_runs(self.objects) if record.ended_at]
        old = [record for record in ended if datetime.fromisoformat(record.ended_at) < before]
        for record in old:
            for key in (log_key(record.run_id), stop_key(record.run_id), record.key):
                self.objects.delete(key)
        return len(old)

    def _require_idle(self, run_type: RunType) -> None:
        if other := self.running(run_type):
            raise LockedError(
                f"run {other} of the same type is at work.",
                next_step=f"Wait for it, or stop it: `hops runs stop {other}`.",
            )


def require_redrivable(record: RunRecord, now: datetime) -> None:
    """Do nothing if the run meets the conditions of the service for a redrive; else `ConfigError` says which not.

    Source: AWS Step Functions, Developer Guide, "Redriving executions": not succeeded, ended no longer than 14 days
    ago. Definition and input are those of the run, which keeps both.
    """
    if record.status == RUNNING:
        raise ConfigError(f"run {record.run_id} has not ended.", next_step="Wait for its end, or stop it.")
    if record.status == SUCCEEDED:
        raise ConfigError(f"run {record.run_id} succeeded; only others are redriven.", next_step=anew(record))
    if now - datetime.fromisoformat(record.ended_at) > _REDRIVABLE:
        what = f"run {record.run_id} ended at {record.ended_at}, more than {_REDRIVABLE.days} days ago"
        raise ConfigError(f"{what}: it cannot be redriven.", next_step=anew(record))


def anew(record: RunRecord) -> str:
    """Return how to start a new run in the place of another."""
    run_date = f" --date {record.run_date}" if record.run_date else ""
    return f"Start a new one: `hops run --type {record.run_type}{run_date}`."


def type_of(run_id: str) -> RunType:
    """Return the type of the run that has this id."""
    return cast("RunType", run_id.partition("-")[0])


def stop_run(objects: ObjectStore, run_id: str) -> None:
    """Have a run end as soon as possible, its job in the middle of its work; one that is left ends when resumed."""
    record = find_run(objects, run_id)
    if not record.is_open:
        raise ConfigError(f"run {run_id} has ended: {record.status}.", next_step="There is nothing to stop.")
    objects.write(stop_key(run_id), b"")


def new_run_id(run_type: RunType, instant: datetime) -> str:
    """Return an id that no other run has, and that tells of what kind and when it is."""
    return f"{run_type}-{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def stop_key(run_id: str) -> str:
    """Return where the wish to stop a run is left."""
    return f"{_STOPS_PREFIX}{run_id}"
