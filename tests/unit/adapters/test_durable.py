from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from databases import database
from healthcare_ops.adapters.durable import DurableRuns, LeftUnfinished
from healthcare_ops.core.errors import ConfigError, LockedError, TransientError

JOBS = ("ingest_bronze", "dq_check", "silver_to_gold")
# A process that is killed in the middle of its second job.
DIES_IN_DQ_CHECK = """
import sys, time
from healthcare_ops.adapters.durable import DurableRuns

def dq_check():
    print("in the middle", flush=True)
    sys.stdin.read()

def body(journal, run_id, order):
    journal.once("ingest_bronze", lambda: {"rows": order["rows"]})
    journal.once("dq_check", dq_check)

runs = DurableRuns(sys.argv[1], body)
runs.start("daily-1", {"rows": 5, "site": "Hospital São José"})
runs.wait()
"""


@pytest.fixture
def url(database_url):
    return database_url


@pytest.fixture
def file_url(tmp_path):
    return f"sqlite:///{tmp_path / 'runs.db'}"


@contextmanager
def opened(url, body):
    runs = DurableRuns(url, body)
    try:
        yield runs
    finally:
        runs.close()


def end_all(runs):
    until = time.monotonic() + 30
    while runs.live():
        assert time.monotonic() < until
        runs.wait(0.05)


class Jobs:
    """A body that does three jobs and keeps which of them it did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.remembered: list[list[object]] = []

    def __call__(self, journal, run_id, order):
        self.remembered.append(list(journal.recorded()))
        for name in JOBS:
            journal.once(name, lambda name=name: self._job(name))

    def _job(self, name):
        self.done.append(name)
        return f"{name} {len(self.done)}"


def strings(path):
    """Return every value of a database that is no number, with its table and column."""
    found = {}
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for column in row.keys():  # noqa: SIM118  # a Row iterates over its values
                    if isinstance(row[column], str | bytes):
                        found.setdefault((table, column), []).append(row[column])
    return found


def test_a_run_that_is_started_twice_runs_once(url):
    jobs = Jobs()

    with opened(url, jobs) as runs:
        for _ in range(2):
            runs.start("daily-1", {})
        end_all(runs)
        runs.start("daily-1", {})
        end_all(runs)

    assert jobs.done == list(JOBS)


def test_a_run_that_ended_is_known_and_begins_no_more_when_the_store_is_opened_again(url):
    jobs = Jobs()
    with opened(url, jobs) as runs:
        runs.start("daily-1", {})
        end_all(runs)

    with opened(url, jobs) as runs:
        known = [runs.knows(run_id) for run_id in ("daily-1", "daily-2")]
        runs.start("daily-1", {})
        left = (runs.unfinished(), runs.live())

    assert (known, left) == ([True, False], ([], set()))
    assert jobs.done == list(JOBS)


def test_a_run_whose_process_was_killed_in_the_middle_of_a_job_goes_on_with_that_job(url):
    with subprocess.Popen(
        [sys.executable, "-c", DIES_IN_DQ_CHECK, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "in the middle\n"
        process.kill()
    jobs, orders = Jobs(), []

    def body(journal, run_id, order):
        orders.append((run_id, order))
        jobs(journal, run_id, order)

    with opened(url, body) as runs:
        left = (runs.unfinished(), runs.live())
        end_all(runs)

    assert left == (["daily-1"], {"daily-1"})
    assert orders == [("daily-1", {"rows": 5, "site": "Hospital São José"})]
    assert jobs.remembered == [[{"rows": 5}]]
    assert jobs.done == ["dq_check", "silver_to_gold"]


def test_what_is_stored_is_text_that_people_read_and_nothing_that_runs_when_it_is_loaded(file_url, tmp_path):
    def body(journal, run_id, order):
        journal.once("dq_check", lambda: {"verdict": "réussi", "rows": [1, None]})
        if run_id == "daily-2":
            raise ValueError("not a body as it should be")

    with opened(file_url, body) as runs:
        for run_id in ("daily-1", "daily-2"):
            runs.start(run_id, {"sector": "Emergência"})
        end_all(runs)

    found = strings(tmp_path / "runs.db")
    values = [value for column in found.values() for value in column]
    assert not [value for value in values if isinstance(value, bytes)]
    assert not [value for value in values if value.startswith("gASV")]  # as pickles begin in base64
    outputs = [json.loads(text) for text in found["operation_outputs", "output"]]
    assert outputs == [{"verdict": "réussi", "rows": [1, None]}] * 2
    asked = [json.loads(text)["args"] for text in found["workflow_input", "inputs"]]
    assert sorted(asked) == [["daily-1", {"sector": "Emergência"}], ["daily-2", {"sector": "Emergência"}]]


def test_an_order_of_several_megabytes_in_other_scripts_arrives_whole(url):
    order = {"note": "Observação: 患者流 " * 200_000, "rows": [[1, 2.5], None]}
    arrived = []

    with opened(url, lambda journal, run_id, order: arrived.append(order)) as runs:
        runs.start("daily-1", order)
        end_all(runs)

    assert arrived == [order]


@pytest.mark.parametrize(("step", "again"), [(1, JOBS), (2, JOBS[1:]), (3, JOBS[2:])])
def test_a_rewound_run_is_run_again_from_exactly_that_step(url, step, again):
    jobs = Jobs()
    with opened(url, jobs) as runs:
        runs.start("daily-1", {})
        end_all(runs)

        runs.rewind("daily-1", step)
        is_live = runs.live()
        end_all(runs)

    assert is_live == {"daily-1"}
    assert jobs.done == [*JOBS, *again]
    assert jobs.remembered == [[], [f"{name} {number}" for number, name in enumerate(JOBS, 1)][: step - 1]]


def test_a_run_that_nobody_began_cannot_be_rewound_and_is_not_waited_for(url):
    with opened(url, Jobs()) as runs:
        with pytest.raises(Exception, match="daily-9"):
            runs.rewind("daily-9", 1)

        assert runs.live() == set()


def test_only_runs_that_ended_before_the_instant_are_forgotten(url):
    hold, begun = threading.Event(), threading.Event()

    def body(journal, run_id, order):
        if run_id == "weekly":
            begun.set()
            hold.wait(20)
        if run_id == "broken":
            raise ValueError("not a body as it should be")

    with opened(url, body) as runs:
        for run_id in ("weekly", "daily", "broken"):
            runs.start(run_id, {})
        begun.wait(20)
        while runs.unfinished() != ["weekly"]:
            runs.wait(0.01)
        now = datetime.now(UTC)
        hour = timedelta(hours=1)

        forgotten = [runs.forget(instant) for instant in (now - hour, now + hour, now + hour)]
        known = {run_id for run_id in ("weekly", "daily", "broken") if runs.knows(run_id)}
        hold.set()
        end_all(runs)

    assert forgotten == [0, 2, 0]
    assert known == {"weekly"}


def test_a_body_that_raises_does_not_keep_whoever_waits(url):
    def body(journal, run_id, order):
        raise ValueError("not a body as it should be")

    with opened(url, body) as runs:
        runs.start("daily-1", {})
        end_all(runs)

        assert runs.knows("daily-1")


def test_a_run_that_was_left_unfinished_goes_on_in_the_same_process_where_it_was(url):
    jobs, has_room = Jobs(), threading.Event()

    def body(journal, run_id, order):
        jobs.remembered.append(list(journal.recorded()))
        for name in JOBS:
            journal.once(name, lambda name=name: jobs._job(name))
            if not has_room.is_set():
                raise LeftUnfinished

    with opened(url, body) as runs:
        runs.start("daily-1", {})
        end_all(runs)
        has_room.set()
        was_taken_up = runs.take_up("daily-1")
        end_all(runs)

        assert (was_taken_up, jobs.remembered) == (True, [[], ["ingest_bronze 1"]])
        assert jobs.done == list(JOBS)


def test_what_ended_is_at_work_or_was_never_begun_is_not_taken_up(url):
    going_on = threading.Event()

    def body(journal, run_id, order):
        journal.once("wait", lambda: going_on.wait(30))

    with opened(url, body) as runs:
        runs.start("daily-1", {})
        while_at_work = runs.take_up("daily-1")
        going_on.set()
        end_all(runs)
        until = time.monotonic() + 30
        while runs.unfinished():
            assert time.monotonic() < until

        assert (while_at_work, runs.take_up("daily-1"), runs.take_up("daily-2")) == (False, False, False)


def test_a_run_that_an_earlier_release_began_and_that_was_killed_many_times_is_finished(file_url, tmp_path):
    with opened(file_url, lambda journal, run_id, order: journal.once("ingest_bronze", lambda: "done")) as runs:
        runs.start("daily-1", {})
        end_all(runs)
        while runs.unfinished():
            runs.wait(0.01)
    with closing(sqlite3.connect(tmp_path / "runs.db")) as database, database:
        (versions,) = zip(*database.execute("SELECT application_version FROM workflow_status"), strict=True)
        # As it is when the process was killed for the five hundredth time before the end.
        database.execute("UPDATE workflow_status SET status = 'PENDING', output = NULL, recovery_attempts = 500")
    jobs = Jobs()

    with opened(file_url, jobs) as runs:
        end_all(runs)

    # Not of the product: `1` for as long as the steps of a run mean the same to whoever takes it up.
    assert versions == ("1",)
    assert jobs.done == ["dq_check", "silver_to_gold"]


@pytest.mark.parametrize("ends_well", [True, False])
def test_nothing_comes_of_a_job_that_ends_after_the_store_was_closed(url, ends_well):
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()
    heard = []

    def body(journal, run_id, order):
        def slow():
            begun.set()
            go_on.wait(20)
            if not ends_well:
                raise LookupError("the worker is gone")
            return "too late"

        try:
            journal.once("ingest_bronze", lambda: "done")
            heard.append(journal.once("dq_check", slow))
        except Exception as error:  # noqa: BLE001  # whatever it hears is too much
            heard.append(error)
        finally:
            over.set()

    with opened(url, body) as runs:
        runs.start("daily-1", {})
        begun.wait(20)
    go_on.set()
    assert over.wait(20)
    jobs = Jobs()

    with opened(url, jobs) as runs:
        end_all(runs)

    assert heard == []
    assert jobs.remembered == [["done"]]
    assert jobs.done == ["dq_check", "silver_to_gold"]


def test_a_run_whose_order_cannot_be_stored_is_not_waited_for(url):
    with opened(url, Jobs()) as runs:
        circular = {}
        circular["itself"] = circular
        with pytest.raises(ValueError, match="Circular reference"):
            runs.start("daily-1", circular)

        assert (runs.live(), runs.knows("daily-1")) == (set(), False)


@pytest.mark.postgres
def test_runs_on_a_server_are_opened_by_one_process_at_a_time_whatever_machine_it_is_on(postgres_url, tmp_path):
    with database("postgres", tmp_path, lambda name: postgres_url) as url, psycopg.connect(url) as elsewhere:
        elsewhere.execute("SELECT pg_advisory_lock(hashtextextended('hops', 0))")

        with pytest.raises(LockedError, match="another process, maybe on another machine"):
            DurableRuns(url, Jobs())


def test_a_server_that_does_not_answer_may_do_so_later():
    with pytest.raises(TransientError, match="the database of runs cannot be opened: connection failed"):
        DurableRuns("postgresql://hops@127.0.0.1:1/runs", Jobs())


@pytest.mark.postgres
def test_a_database_that_a_server_does_not_have_is_a_matter_of_the_settings(postgres_url):
    with pytest.raises(ConfigError, match="does not exist"):
        DurableRuns(f"{postgres_url}/nowhere", Jobs())


@pytest.mark.postgres
def test_runs_whose_server_ended_the_connection_go_no_step_further_here(postgres_url, tmp_path):
    done = []

    def body(journal, run_id, order):
        journal.once("ingest_bronze", lambda: done.append("ingest_bronze"))
        with psycopg.connect(f"{postgres_url}/postgres", autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        journal.once("dq_check", lambda: done.append("dq_check"))

    with database("postgres", tmp_path, lambda name: postgres_url) as url, opened(url, body) as runs:
        runs.start("daily-1", {})
        end_all(runs)
        left = runs.unfinished()
        with pytest.raises(TransientError, match="is lost"):
            runs.require_alone()

    assert (done, left) == (["ingest_bronze"], ["daily-1"])
