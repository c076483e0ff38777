from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from databases import DATABASES, new_database
from healthcare_ops.adapters.state_lock import Lock, lock_state
from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.config import SETTINGS_FILE
from healthcare_ops.core.errors import ExitCode, LockedError, StepError
from healthcare_ops.core.runs import RunRecord, log_key
from healthcare_ops.core.tables import TABLES
from healthcare_ops.operations.engine import open_engine, stop_run
from healthcare_ops.operations.runner import RunOrder, Surroundings, carry_out, failure_of, store_definition
from hospital import Hospital, event, open_hospital, visit
from runs import JobsHere, MemoryJournal, run_orchestrator

NOW = "2026-03-23T06:20:00-03:00"
AS_OF = datetime.fromisoformat(NOW)
WITHIN_S = 60.0
# An engine that enters a state only when it is told to.
STEP_BY_STEP = """
import sys
from datetime import datetime
from pathlib import Path
from healthcare_ops.operations.engine import open_engine

def entered(run_id, state):
    print(state, flush=True)
    sys.stdin.readline()

with open_engine(Path(sys.argv[1]), role="hops up", progress=entered) as engine:
    engine.finish(engine.start("daily", as_of=datetime.fromisoformat(sys.argv[2]), run_id=sys.argv[3]))
"""
ONE_JOB = {
    "StartAt": "RunBronzeIngest",
    "States": {
        "RunBronzeIngest": {
            "Type": "Task",
            "Resource": "arn:aws:states:::glue:startJobRun.sync",
            "Parameters": {
                "JobName": "ingest_bronze",
                "Arguments": {"--run_id.$": "$$.Execution.Name", "--type": "daily", "--run_date": "2026-03-22"},
            },
            "TimeoutSeconds": 1,
            "End": True,
        }
    },
}


class HurriedTime:
    """The machine's clock, but waiting takes no time."""

    def __init__(self) -> None:
        self.waited_s = 0.0

    def now(self):
        return datetime.now(UTC) + timedelta(seconds=self.waited_s)

    def sleep(self, seconds):
        self.waited_s += seconds


def deliver(hospital):
    """Deliver two files of visits, of which the second corrects the first, and one of events."""
    visits = [visit(f"V-{day}-{hour}", f"2026-03-{day}T{hour:02d}:10:00") for day in (20, 21, 22) for hour in (8, 20)]
    hospital.deliver("visits", visits, "a.csv")
    hospital.deliver("visits", [visit("V-22-8", "2026-03-22T08:40:00", changed="2026-03-22T23:00:00")], "b.csv")
    codes = [("IN", "09:00:00"), ("MD", "09:30:00"), ("OUT", "12:00:00")]
    hospital.deliver("flow", [event("F-1", code, f"2026-03-22T{at}") for code, at in codes], "c.ndjson")


def rows_of(hospital):
    return {table.id: hospital.rows(table) for table in TABLES}


@contextmanager
def delivered_hospital(folder, secrets=None, settings=""):
    """Make a hospital, deliver to it, and yield it for others to write."""
    with open_hospital(folder, NOW, secrets) as opened:
        deliver(opened)
        (opened.state / SETTINGS_FILE).write_text(settings)
    with open_platform(opened.state, AsOfClock(AS_OF), exclusive=False) as platform:
        yield Hospital(platform, folder / "inbox")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Return a hospital after a daily run in this process, the run, and what the tables then hold."""
    with delivered_hospital(tmp_path_factory.mktemp("plain")) as hospital:
        finished = run_orchestrator(hospital.context, "daily")
        yield hospital, finished.record, rows_of(hospital)


@pytest.fixture(scope="module", params=DATABASES)
def settings(request):
    """Return the settings of hospitals whose runs have their steps in a file, and on a server."""
    if request.param == "sqlite":
        yield ""
        return
    with new_database(request.getfixturevalue("postgres_url")) as url:
        yield f'database_url = "{url}"\n'


@pytest.fixture(scope="module")
def hospital(plain, settings, tmp_path_factory):
    with delivered_hospital(tmp_path_factory.mktemp("hospital"), plain[0].state / "secrets", settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def heard(settings):
    """Return what the engine of these settings tells."""
    return []


@pytest.fixture(scope="module")
def engine(hospital, heard):
    clock = HurriedTime()

    def progress(run_id, state):
        heard.append((run_id, state))

    with open_engine(hospital.state, role="the tests", now=clock.now, sleep=clock.sleep, progress=progress) as opened:
        yield opened


@pytest.fixture(scope="module")
def daily(engine, plain):
    """Return a daily run by the engine, under the id of the other one."""
    return engine.finish(engine.start("daily", as_of=AS_OF, run_id=plain[1].run_id))


def wait_for(is_so):
    until = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def is_at_work(state: Path, run_id: str, job: str, times: int = 1) -> bool:
    """Tell whether a job of a run was begun so many times, by its log."""
    log = state / log_key(run_id)
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return sum(line["job"] == job and line["message"] == "started" for line in lines) == times


def workers_of(state: Path) -> list[int]:
    """Return the processes that do the jobs of a state directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if "healthcare_ops.operations.worker" in command and str(state) in command:
            found.append(int(process.name))
    return found


@contextmanager
def in_the_middle_of(engine, state, run_id, job):
    """Have the run's job begun, and keep it from going on within the block: it waits for the lake."""
    with lock_state(state, Lock.LAKE):
        engine.start("inference", as_of=AS_OF, run_id=run_id)
        wait_for(lambda: is_at_work(state, run_id, job))
        yield


# Engines that end before their run does; first, because only one is open in a process at a time, and that below stays.


@pytest.fixture(scope="module")
def restarted(plain, settings, tmp_path_factory):
    """Return a run whose engine was killed in the middle of a job, whose next one was closed in the middle of it.

    With it: what the tables hold after the third engine, what a second engine was told while the first one lived, and
    the record that the first one left.
    """
    first, before, _ = plain
    with delivered_hospital(tmp_path_factory.mktemp("restarted"), first.state / "secrets", settings) as hospital:
        state, run_id, job = hospital.state, before.run_id, "bronze_to_silver"
        command = [sys.executable, "-c", STEP_BY_STEP, str(state), NOW, run_id]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            while process.stdout.readline() != "RunBronzeToSilver\n":
                print(file=process.stdin, flush=True)
            with lock_state(state, Lock.LAKE):
                print(file=process.stdin, flush=True)
                wait_for(lambda: is_at_work(state, run_id, job))
                with pytest.raises(LockedError) as refusal, open_engine(state):
                    pass
                process.kill()
                process.wait()
                left = RunRecord.of_json((state / before.key).read_bytes())
                wait_for(lambda: not workers_of(state))
                with open_engine(state):
                    wait_for(lambda: is_at_work(state, run_id, job, times=2))
        with open_engine(state) as engine:
            record = engine.finish(run_id)
        yield record, rows_of(hospital), (refusal.value, process.pid), left


def test_a_second_engine_is_told_which_process_has_the_state(restarted):
    refusal, pid = restarted[2]

    assert f"in use by process {pid} hops up" in refusal.message
    assert refusal.exit_code is ExitCode.TIMEOUT_OR_LOCK


def test_a_run_whose_engine_was_killed_in_the_middle_of_a_job_is_finished_by_the_next(restarted):
    record, _, _, left = restarted

    assert (left.status, left.states[-1].name, left.resumed_at) == ("RUNNING", "RunBronzeToSilver", [])
    assert (record.status, len(record.resumed_at), record.redriven_at) == ("SUCCEEDED", 2, [])
    assert record.started_at == left.started_at
    assert record.states[:2] == left.states[:2]
    assert (record.states[2].name, record.states[2].entered_at) == ("RunBronzeIngest", left.states[2].entered_at)


def test_the_end_of_an_engine_is_no_failure_of_the_job_that_was_at_work(restarted, plain):
    record = restarted[0]

    tried = {state.name: [attempt.error for attempt in state.attempts] for state in record.states}
    assert tried == {state.name: [None] * len(state.attempts) for state in plain[1].states}


def test_what_was_done_before_the_engine_was_killed_is_not_done_twice(restarted, plain):
    assert restarted[1] == plain[2]


# A run by one engine


def test_a_run_in_processes_of_its_own_does_what_one_in_this_process_does(plain, hospital, daily):
    _, record, rows = plain

    assert rows_of(hospital) == rows
    assert sum(map(len, rows.values())) > 50
    assert daily.outcomes == record.outcomes
    assert (daily.status, [state.name for state in daily.states]) == ("SUCCEEDED", [s.name for s in record.states])
    assert [(state.input, state.output) for state in daily.states if state.name != "ResolveRunDate"] == [
        (state.input, state.output) for state in record.states if state.name != "ResolveRunDate"
    ]
    assert (daily.trigger, daily.as_of, daily.resumed_at) == ("manual", AS_OF.astimezone(UTC).isoformat(), [])


def test_whoever_follows_a_run_hears_of_each_state(daily, heard):
    told = [state for run_id, state in heard if run_id == daily.run_id]

    assert told == [state.name for state in daily.states]


def test_the_record_of_a_run_by_the_engine_is_stored(daily, hospital):
    assert RunRecord.of_json((hospital.state / daily.key).read_bytes()) == daily


def test_a_run_that_is_started_again_under_its_id_is_left_alone(engine, daily):
    again = engine.finish(engine.start("daily", as_of=AS_OF, run_id=daily.run_id))

    assert again == daily


def test_a_worker_that_is_killed_in_the_middle_of_a_job_costs_one_attempt(engine, hospital, daily):
    before = rows_of(hospital)
    with in_the_middle_of(engine, hospital.state, "inference-killed", "inference_tick"):
        (worker,) = workers_of(hospital.state)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: worker not in workers_of(hospital.state))

    record = engine.finish("inference-killed")

    tick = record.states[-1]
    assert (record.status, tick.name) == ("SUCCEEDED", "RunInferenceTick")
    assert [attempt.error for attempt in tick.attempts] == ["TransientError", None]
    died = tick.attempts[0].failure
    assert (died.reason, died.error_class) == ("WorkerDied", "transient")
    assert died.message.startswith("inference_tick: the worker process ended with signal 9")
    assert rows_of(hospital) == before


def test_a_job_beyond_its_time_is_ended_and_may_succeed_later(engine, hospital, daily):
    text = json.dumps(ONE_JOB).encode()
    sha256 = hashlib.sha256(text).hexdigest()
    engine.objects.write(f"ops/definitions/{sha256}.asl.json", text)
    order = RunOrder("daily-slow", {"type": "daily"}, NOW, sha256, NOW)
    workers = set(workers_of(hospital.state))

    with lock_state(hospital.state, Lock.LAKE):
        engine.durable.start("daily-slow", order.to_json())
        record = engine.finish("daily-slow")

    failure = record.failure
    assert (record.status, record.error) == ("FAILED", "States.Timeout")
    assert (failure.reason, failure.error_class) == ("Timeout", "transient")
    assert failure.message == "ingest_bronze took longer than 1 s and was ended."
    assert failure_of(record).exit_code is ExitCode.TIMEOUT_OR_LOCK
    assert not workers & set(workers_of(hospital.state))


def test_a_run_that_is_stopped_ends_its_job_in_the_middle_of_its_work(engine, hospital, daily):
    before = rows_of(hospital)
    with in_the_middle_of(engine, hospital.state, "inference-stopped", "inference_tick"):
        stop_run(engine.objects, "inference-stopped")
        record = engine.finish("inference-stopped")

    assert (record.status, record.failed_state.name) == ("ABORTED", "RunInferenceTick")
    assert failure_of(record).message == "run inference-stopped was stopped."
    assert workers_of(hospital.state) == []
    assert rows_of(hospital) == before


def test_a_run_whose_record_could_not_be_written_goes_on_when_it_can_be(engine, hospital, daily):
    records, aside = hospital.state / "ops/runs", hospital.state / "aside"
    with in_the_middle_of(engine, hospital.state, "inference-full", "inference_tick"):
        records.rename(aside)
        records.write_text("there is no room")
    wait_for(lambda: "inference-full" not in engine.durable.live())
    records.unlink()
    aside.rename(records)
    with pytest.raises(StepError, match="inference-full could not be taken to its end"):
        engine.finish("inference-full")
    (records / "inference-full.json").write_text("{")

    taken = engine.take_up_left()
    record = engine.finish("inference-full")

    assert (taken, record.status) == (["inference-full"], "SUCCEEDED")
    assert engine.take_up_left() == []


class Killed(BaseException):
    """The process ended."""


class DyingJournal(MemoryJournal):
    """A journal whose process dies with the first thing that it does, before or after that is written down."""

    def __init__(self, steps, *, is_written):
        super().__init__(steps)
        self._is_written = is_written

    def once(self, name, work):
        if self._next < len(self.steps):
            return super().once(name, work)
        result = work()
        if self._is_written:
            self.steps.append((name, result))
        raise Killed


def test_a_job_that_was_done_but_not_written_down_is_done_again_and_changes_nothing(plain, tmp_path):
    first, record, rows = plain
    with delivered_hospital(tmp_path, first.state / "secrets") as hospital:
        context, clock = hospital.context, HurriedTime()
        definition = store_definition(context.objects)
        order = RunOrder("daily-2", record.input, AS_OF.isoformat(), definition, AS_OF.isoformat())
        around = Surroundings(context.objects, JobsHere(context), clock.now, clock.sleep)
        steps, lives = [], 0
        while True:
            journal = DyingJournal(steps, is_written=bool(lives % 2))
            try:
                resumed = carry_out(order, journal, around)
                break
            except Killed:
                steps, lives = journal.steps, lives + 1
        found = rows_of(hospital)

    assert (resumed.status, lives, len(resumed.resumed_at)) == ("SUCCEEDED", 2 * len(steps), 2 * len(steps))
    assert [state.name for state in resumed.states] == [state.name for state in record.states]
    assert resumed.outcomes.keys() == record.outcomes.keys()
    assert found == rows
