"""Runs that survive the process: DBOS keeps each of their steps in a database."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from datetime import datetime
from typing import Any

import psycopg
from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID

from healthcare_ops.core.errors import ConfigError, LockedError, Reason, TransientError
from healthcare_ops.ports import Journal

Body = Callable[[Journal, str, Any], None]
_WORKFLOW = "run"
# Of what steps mean to DBOS, not of the product: a run that an older release began is finished by a newer one.
_STEPS_VERSION = "1"
_EXECUTOR = "hops"
_ENDED = ["SUCCESS", "ERROR", "CANCELLED"]
# Schedules are the product's own: DBOS need not look for its.
_SELDOM_S = 3600.0
# It has nothing to hear, but closing waits for the end of its sleep.
_LISTEN_EVERY_S = 0.25
# How much longer than `body` DBOS may take to know that a run ended.
_SETTLED_WITHIN_S = 5.0
# What a PostgreSQL server and its client say while it is away, or on its way.
_PASSES = re.compile(r"refused|timeout|timed out|unreachable|starting up|shutting down|closed the connection", re.I)


class DurableRuns:
    """Runs `body` once per run, each to its end, also by way of several processes.

    The database may be used by one process at a time; whoever opens it first goes on with what others left
    unfinished. `body` must take the same steps whenever it is called again for the same run; it raises nothing but
    `LeftUnfinished`. There is one of these at a time in a process.

    Parameters
    ----------
    database_url
        SQLite or PostgreSQL, as SQLAlchemy writes it.
    body
        Gets the run's journal, its id and its order.
    schema
        Where the steps are kept in a PostgreSQL database, which others may then use as well.

    Raises
    ------
    ConfigError
        If the server refuses.
    TransientError
        If it does not answer, or not yet.
    LockedError
        If another process has opened the same schema.
    """

    def __init__(self, database_url: str, body: Body, schema: str = "hops") -> None:
        self._alone = _lock_schema(database_url, schema)
        self._alone_checks = threading.Lock()
        self._ended = threading.Condition()
        self._closed = threading.Event()
        self._live: set[str] = set()
        over: set[str] = set()

        def run(run_id: str, order: Any) -> None:
            try:
                body(_Steps(run_id, self), run_id, order)
            finally:
                with self._ended:
                    over.add(run_id)
                    self._live.discard(run_id)
                    self._ended.notify_all()

        config: DBOSConfig = {
            "name": _EXECUTOR,
            "system_database_url": database_url,
            "application_version": _STEPS_VERSION,
            "executor_id": _EXECUTOR,
            "dbos_system_schema": schema,
            "serializer": _Json(),
            "log_level": "CRITICAL",
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": _LISTEN_EVERY_S,
            "scheduler_polling_interval_sec": _SELDOM_S,
        }
        try:
            DBOS(config=config)
            # A run is given up by people, not after so many crashes.
            self._run = DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=None)(run)
            DBOS.launch()
        except BaseException:
            self.close()
            raise
        with self._ended:
            # DBOS may know a moment longer than `body` that a run goes on.
            self._live.update(set(self.unfinished()) - over)

    def start(self, run_id: str, order: Any) -> None:
        """Begin a run with plain JSON as its order; one that was begun before is left alone."""
        if self.knows(run_id):
            return
        with self._going_on(run_id), SetWorkflowID(run_id):
            DBOS.start_workflow(self._run, run_id, order)

    def unfinished(self) -> list[str]:
        """Return the runs that have not ended."""
        found = DBOS.list_workflows(status=["PENDING", "ENQUEUED"], load_input=False, load_output=False)
        return [run.workflow_id for run in found]

    def knows(self, run_id: str) -> bool:
        """Tell whether the run was begun, and not removed since."""
        return DBOS.get_workflow_status(run_id) is not None

    def live(self) -> set[str]:
        """Return the runs that have yet to end here."""
        with self._ended:
            return set(self._live)

    def require_alone(self) -> None:
        """Do nothing while no other process can have opened the same runs; else `TransientError`.

        A server that was restarted, or that ended the connection, has forgotten who was there.
        """
        try:
            with self._alone_checks:
                if self._alone:
                    self._alone.execute("SELECT 1")
        except psycopg.Error as error:
            raise TransientError(
                f"the connection that kept others out of the runs is lost: {' '.join(str(error).split())}.",
                next_step="Start it again: what was at work goes on.",
                reason=Reason.NETWORK,
            ) from error

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until a run ends, or for so long."""
        with self._ended:
            self._ended.wait(timeout_s)

    def rewind(self, run_id: str, step: int) -> None:
        """Go on with an ended run as if it had just come to this step, the first being 1."""
        until = time.monotonic() + _SETTLED_WITHIN_S
        while run_id in self.unfinished() and time.monotonic() < until:
            time.sleep(0.01)
        with self._going_on(run_id):
            DBOS.rewind_workflow(run_id, start_step=step)

    def take_up(self, run_id: str) -> bool:
        """Go on with a run that was left unfinished here; tell whether there is anything to go on with.

        It may be asked of a run that is at work: nothing happens.
        """
        if run_id in self.live() or run_id not in self.unfinished():
            return False
        with self._going_on(run_id):
            DBOS.resume_workflow(run_id)
        return True

    @contextmanager
    def _going_on(self, run_id: str) -> Iterator[None]:
        """Count the run as one that has yet to end, unless what sets it going fails."""
        with self._ended:
            self._live.add(run_id)
        try:
            yield
        except BaseException:
            with self._ended:
                self._live.discard(run_id)
                self._ended.notify_all()
            raise

    def forget(self, before: datetime) -> int:
        """Remove the runs that ended before an instant; return how many."""
        found = DBOS.list_workflows(
            status=_ENDED, completed_before=before.isoformat(), load_input=False, load_output=False
        )
        DBOS.delete_workflows([run.workflow_id for run in found])
        return len(found)

    def check_open(self) -> None:
        """Raise `LeftUnfinished` if a run is not to go on in this process."""
        if self._closed.is_set():
            raise LeftUnfinished
        try:
            self.require_alone()
        except TransientError:
            raise LeftUnfinished from None

    def close(self) -> None:
        """Stop; what has not ended goes on when the database is opened again.

        A step that is being done is neither waited for nor recorded; after it, its `body` comes to no other.
        """
        self._closed.set()
        DBOS.destroy(destroy_registry=True)
        if self._alone:
            self._alone.close()


class LeftUnfinished(BaseException):
    """The run goes on when the store is opened again: nothing in this process may take it for its end."""


class _NotDone(BaseException):
    """A step raised something. DBOS would record an `Exception` as the step's result, but not this."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _lock_schema(database_url: str, schema: str) -> psycopg.Connection[Any] | None:
    """Return the connection that keeps other processes, on whatever machine, out of a schema; None for a file."""
    if not database_url.startswith("postgresql"):
        return None
    try:
        connection = psycopg.connect(database_url.replace("+psycopg", "", 1), autocommit=True)
    except psycopg.OperationalError as error:
        found = f"the database of runs cannot be opened: {' '.join(str(error).split())}."
        if _PASSES.search(str(error)):
            next_step = "Look whether the server runs, and start this again when it does."
            raise TransientError(found, next_step=next_step, reason=Reason.NETWORK) from error
        raise ConfigError(
            found, next_step="Check `database_url` in settings.toml, PGPASSWORD or ~/.pgpass, and the server."
        ) from error
    try:
        # The server may take a moment to see that a process is gone.
        connection.execute("SET lock_timeout = '2s'")
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [schema])
    except psycopg.errors.LockNotAvailable as error:
        connection.close()
        raise LockedError(
            "another process, maybe on another machine, has opened the same runs.",
            next_step="End it, or give this state directory a database of its own.",
        ) from error
    return connection


class _Steps:
    """The journal of one run, as steps of a DBOS workflow."""

    def __init__(self, run_id: str, runs: DurableRuns) -> None:
        self._runs = runs
        # In a context of its own, where DBOS knows of no workflow: else the look itself would become a step.
        steps = Context().run(DBOS.list_workflow_steps, run_id)
        self._recorded = [step["output"] for step in steps]

    def recorded(self) -> Sequence[Any]:
        """Return the results of the steps that were done before."""
        return self._recorded

    def once(self, name: str, work: Callable[[], Any]) -> Any:
        """Do the next step, unless it was done before; return its result."""

        def done() -> Any:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001  # raised again below
                self._runs.check_open()
                raise _NotDone(error) from None
            self._runs.check_open()
            return result

        self._runs.check_open()
        try:
            return DBOS.run_step({"name": name}, done)
        except _NotDone as raised:
            raise raised.error from None


class _Json(Serializer):
    """What is stored can be read by people and other languages, and runs no code when it is loaded."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=repr)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "json"
