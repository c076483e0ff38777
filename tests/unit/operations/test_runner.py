from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fakes import FlakyLake, MemoryMetrics, MemoryObjects, VirtualTime
from healthcare_ops.core.errors import ConfigError, StepError
from healthcare_ops.core.runs import Answer, AttemptRecord, Failure, RunRecord, StateRecord
from healthcare_ops.operations.runner import (
    RunOrder,
    Stopped,
    Surroundings,
    carry_out,
    failure_of,
    read_definition,
    states_of,
    store_definition,
)
from hospital import open_hospital, visit
from runs import MemoryJournal, run_orchestrator

LONG_AGO = "2018-01-01T00:00:00+01:00"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUSY = Failure("TransientError", "Locked", "the catalog is in use.", "It is tried again.", "transient")
BROKEN = Failure("QualityError", "DataQuality", "3 of 40 rows are from the future.", "See INC-02.")
SLOW = Failure("BusyError", "Timeout", "predict took longer than 60 s and was ended.", "", "transient")


@pytest.fixture
def hospital(tmp_path):
    """Return a hospital to which nothing is delivered yet, in a time long past."""
    with open_hospital(tmp_path, LONG_AGO) as opened:
        yield opened


def test_a_replay_keeps_the_time_it_is_about_apart_from_the_time_it_took(hospital):
    before = datetime.now(UTC).isoformat()

    finished = run_orchestrator(hospital.context, "inference")

    record = json.loads(hospital.context.objects.read(finished.record.key))
    first, last = record["states"][0], record["states"][-1]
    instants = [before, record["started_at"], first["entered_at"], last["exited_at"], record["ended_at"]]
    assert record["as_of"] == "2017-12-31T23:00:00+00:00"
    assert record["run_id"].startswith("inference-20171231T230000Z-")
    assert instants == sorted(instants)


def test_a_fault_nobody_thought_of_is_logged_in_one_line_of_its_run_and_traced_only_for_who_looks_closer(
    hospital, caplog
):
    caplog.set_level(logging.DEBUG, logger="healthcare_ops.operations.tasks")
    hospital.deliver("visits", [visit("V-1", "2017-12-31T10:00:00")], "a.csv")
    context = replace(hospital.context, lake=FlakyLake(hospital.context.lake, ZeroDivisionError("by\nnothing")))

    finished = run_orchestrator(context, "inference")

    run_id = finished.record.run_id
    told = [record for record in caplog.records if record.name == "healthcare_ops.operations.tasks"]
    assert all(run_id in record.getMessage() for record in told)
    assert told[0].getMessage() == f"run {run_id}: ZeroDivisionError: by"
    assert [record.levelname for record in told if record.exc_info] == ["DEBUG"]
    assert isinstance(finished.failure, StepError)
    assert finished.failure.message.startswith(f"run {run_id} failed: ingest_bronze: ZeroDivisionError: by")
    assert "HOPS_LOG=debug" in finished.failure.next_step


@pytest.mark.parametrize(
    ("run_type", "count", "last"),
    [("daily", 10, "MonitorModels"), ("inference", 3, "RunInferenceTick"), ("weekly_train", 11, "MonitorModels")],
)
def test_the_states_that_a_run_enters_are_those_of_the_state_machine(run_type, count, last):
    states = states_of(run_type)

    assert (len(states), states[0], states[-1]) == (count, "ResolveRunDate", last)


def test_a_tick_enters_the_states_that_were_foreseen(hospital):
    finished = run_orchestrator(hospital.context, "inference")

    assert tuple(state.name for state in finished.record.states) == states_of("inference")


def test_a_run_that_waited_for_a_lock_in_vain_ends_as_one_that_found_it_held():
    locked = Failure("BusyError", "Locked", "ingest_bronze: the lake is in use by process 7.", "Wait.", "transient")
    attempt = AttemptRecord("", "", "TransientError", "the lake is in use", locked)
    record = RunRecord(
        "daily-1", "daily", "", "", status="FAILED", states=[StateRecord("Ingest", "", attempts=[attempt])]
    )

    assert failure_of(record).exit_code == 8


def test_a_run_that_succeeds_has_no_failure(hospital):
    finished = run_orchestrator(hospital.context, "inference")

    assert (finished.failure, finished.exit_code) == (None, 0)


# A run that is left and taken up again


def task(name, **more):
    """Return a state that calls a function."""
    parameters = {"FunctionName": name, "Payload": {"input.$": "$"}}
    return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters} | more


RETRY = {"ErrorEquals": ["TransientError"], "IntervalSeconds": 8, "MaxAttempts": 3, "JitterStrategy": "FULL"}
TIMED_OUT = {"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 30, "MaxAttempts": 1}
CAUGHT = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Repair"}
MACHINE = {
    "StartAt": "Ingest",
    "States": {
        "Ingest": task("ingest", Retry=[RETRY], ResultPath="$.ingested", Next="Draw"),
        "Draw": {
            "Type": "Pass",
            "Parameters": {"drawn.$": "States.MathRandom(1, 1000000)", "run_date": "2026-02-28"},
            "Next": "Check",
        },
        "Check": task("check", Catch=[CAUGHT], Next="Done"),
        "Repair": task("repair", ResultPath="$.repaired", Next="Pause"),
        "Pause": {"Type": "Wait", "Seconds": 60, "Next": "Predict"},
        "Predict": task("predict", Retry=[TIMED_OUT], Next="Done"),
        "Done": {"Type": "Succeed"},
    },
}
SCRIPT = {
    "ingest": [BUSY, BUSY, {"rows": 5}],
    "check": [BROKEN],
    "repair": [{"rows": 3}],
    "predict": [SLOW, {"rows": 49}],
}
STEPS = ["ingest", "wait", "ingest", "wait", "ingest", "check", "repair", "wait", "predict", "wait", "predict"]
CUTS = range(len(STEPS) + 1)


class Killed(BaseException):
    """The process ended in the middle of the run."""


class DyingJournal(MemoryJournal):
    """A journal whose process is killed when it holds so many steps, at once or when it comes to the next one."""

    def __init__(self, dies_at: int, *, at_once: bool) -> None:
        super().__init__()
        self._dies_at = dies_at
        self._at_once = at_once

    def once(self, name, work):
        if len(self.steps) == self._dies_at:
            raise Killed
        result = super().once(name, work)
        if self._at_once and len(self.steps) == self._dies_at:
            raise Killed
        return result


@dataclass
class Scene:
    """What outlives the process: stored objects, what jobs did, and time. Jobs answer from a script; each takes 3 s."""

    script: dict[str, list[Any]]
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    time: VirtualTime = field(default_factory=lambda: VirtualTime(NOON))
    calls: list[str] = field(default_factory=list)
    is_stopped: Callable[[Scene], bool] = lambda scene: False
    heard: list[str] = field(default_factory=list)
    metrics: MemoryMetrics = field(default_factory=MemoryMetrics)
    taken_up_at: datetime = NOON

    def answer(self, call, *, timeout_s, is_stopped):
        name = call["parameters"]["FunctionName"]
        self.calls.append(name)
        self.time.advance(3)
        found = self.script[name][self.calls.count(name) - 1]
        if found is Stopped:
            raise Stopped
        if isinstance(found, Failure):
            return Answer(None, {}, found)
        return Answer({"Payload": found}, {name: found})

    def run(self, journal, machine=MACHINE) -> RunRecord:
        text = json.dumps(machine).encode()
        sha256 = hashlib.sha256(text).hexdigest()
        self.objects.write(f"ops/definitions/{sha256}.asl.json", text)
        order = RunOrder("daily-1", {"type": "daily"}, NOON.isoformat(), sha256)
        time = self.time
        around = Surroundings(
            self.objects,
            self,
            time.now,
            time.sleep,
            lambda run_id, state: self.heard.append(state),
            lambda run_id: self.is_stopped(self),
            self.metrics.write,
        )
        return carry_out(order, journal, around)

    def stored(self) -> RunRecord:
        return RunRecord.of_json(self.objects.read("ops/runs/daily-1.json"))


def killed_and_resumed(cut, *, at_once, down_s=0.0):
    """Return what comes of a run whose process is killed at a step, and that is taken up so much later."""
    scene, journal = Scene(SCRIPT), DyingJournal(cut, at_once=at_once)
    with suppress(Killed):
        scene.run(journal)
    scene.time.advance(down_s)
    scene.taken_up_at = scene.time.now()
    return scene, scene.run(MemoryJournal(journal.steps))


@pytest.fixture(scope="module")
def undisturbed():
    scene, journal = Scene(SCRIPT), MemoryJournal()
    record = scene.run(journal)
    return scene, record, journal


def instants(record):
    """Return every instant that the record tells of the run, in the order in which they came."""
    told = [record.started_at]
    for state in record.states:
        attempts = [(attempt.started_at, attempt.ended_at) for attempt in state.attempts]
        told += [state.entered_at, *(instant for attempt in attempts for instant in attempt), state.exited_at]
    return [*told, record.ended_at]


def test_a_run_in_which_much_fails_ends_as_its_state_machine_says(undisturbed):
    scene, record, journal = undisturbed

    attempts = {state.name: [attempt.error for attempt in state.attempts] for state in record.states}
    assert (record.status, record.error, record.run_date) == ("SUCCEEDED", "", "2026-02-28")
    assert [name for name, _ in journal.steps] == STEPS
    assert attempts == {
        "Ingest": ["TransientError", "TransientError", None],
        "Draw": [],
        "Check": ["States.TaskFailed"],
        "Repair": [None],
        "Pause": [],
        "Predict": ["States.Timeout", None],
        "Done": [],
    }
    assert [attempt.failure for attempt in record.states[0].attempts] == [BUSY, BUSY, None]
    assert [state.step for state in record.states] == [1, 6, 6, 7, 8, 9, 12]
    assert (record.resumed_at, record.redriven_at) == ([], [])
    assert scene.stored() == record


@pytest.mark.parametrize("at_once", [True, False], ids=["after the step", "before the next"])
@pytest.mark.parametrize("cut", CUTS)
def test_a_run_killed_between_any_two_steps_goes_on_and_ends_as_if_it_had_not_been(undisturbed, cut, at_once):
    whole, record, _ = undisturbed

    scene, resumed = killed_and_resumed(cut, at_once=at_once)

    assert replace(resumed, resumed_at=[]) == record
    assert scene.calls == whole.calls
    assert scene.stored() == resumed


@pytest.mark.parametrize("cut", CUTS[:-1])
def test_a_run_that_is_taken_up_notes_when_and_tells_the_instants_of_before_again(undisturbed, cut):
    _, record, journal = undisturbed

    scene, resumed = killed_and_resumed(cut, at_once=False, down_s=3600)

    past = {instant for _, step in journal.steps[:cut] for instant in step["told"]}
    told = instants(resumed)
    kept = [instant for instant in instants(record) if instant in past]
    assert resumed.resumed_at == [scene.taken_up_at.isoformat()]
    assert told[: len(kept)] == kept
    assert told == sorted(told)
    assert told[-1] == scene.time.now().isoformat()


@pytest.mark.parametrize("cut", [2, 4, 8, 10], ids=["first retry", "second retry", "pause", "after a timeout"])
def test_a_wait_that_was_begun_is_not_begun_anew(undisturbed, cut):
    whole, record, _ = undisturbed

    scene, resumed = killed_and_resumed(cut, at_once=True, down_s=0.25)

    assert replace(resumed, resumed_at=[]) == record
    assert sum(scene.time.slept_s) == pytest.approx(sum(whole.time.slept_s) - 0.25)


def test_a_wait_that_ended_while_the_process_was_down_is_over(undisturbed):
    whole, _, _ = undisturbed

    scene, _ = killed_and_resumed(8, at_once=True, down_s=3600)

    assert sum(scene.time.slept_s) == pytest.approx(sum(whole.time.slept_s) - 60)


def test_what_was_left_to_chance_is_not_drawn_anew_and_differs_between_runs(undisturbed):
    whole, record, _ = undisturbed
    drawn = [state.output["drawn"] for state in record.states if state.name == "Draw"]
    waits = whole.time.slept_s

    scene, resumed = killed_and_resumed(5, at_once=True)

    assert [state.output["drawn"] for state in resumed.states if state.name == "Draw"] == drawn
    assert scene.time.slept_s == waits


def test_a_run_taken_up_twice_notes_both_and_still_does_each_job_once(undisturbed):
    whole, record, _ = undisturbed
    scene, steps = Scene(SCRIPT), []
    for cut in (3, 7):
        journal = DyingJournal(cut, at_once=False)
        journal.steps = list(steps)
        with pytest.raises(Killed):
            scene.run(journal)
        steps = journal.steps

    resumed = scene.run(MemoryJournal(steps))

    assert len(resumed.resumed_at) == 2
    assert replace(resumed, resumed_at=[]) == record
    assert scene.calls == whole.calls


def test_a_run_whose_process_died_after_the_last_word_was_neither_taken_up_nor_redriven(undisturbed):
    _, record, journal = undisturbed
    scene = Scene(SCRIPT)
    scene.run(MemoryJournal())
    scene.calls.clear()

    again = scene.run(MemoryJournal(journal.steps))

    assert again == record
    assert scene.calls == []


def test_the_record_never_tells_less_than_it_told_before():
    scene, journal = Scene(SCRIPT), DyingJournal(9, at_once=False)
    with pytest.raises(Killed):
        scene.run(journal)
    before = scene.stored()
    told = []

    class Looking(MemoryJournal):
        def once(self, name, work):
            told.append(scene.stored())
            return super().once(name, work)

    scene.run(Looking(journal.steps))

    visits = [[(state.name, state.entered_at) for state in record.states] for record in told]
    known = [(state.name, state.entered_at) for state in before.states]
    assert all(visit[: len(known)] == known for visit in visits)


def test_a_redriven_run_goes_on_from_the_state_that_failed_first_and_keeps_what_was_before():
    scene, journal = Scene(SCRIPT | {"check": [BROKEN, {"verdict": "pass"}], "repair": [BROKEN]}), MemoryJournal()
    failed = scene.run(journal)
    redriven_at = "2026-03-02T08:00:00+00:00"
    asked = replace(failed, status="PENDING_REDRIVE", redriven_at=[redriven_at])
    scene.objects.write(failed.key, asked.to_json())
    scene.time.advance(20 * 3600)
    calls = len(scene.calls)

    record = scene.run(MemoryJournal(journal.steps[: failed.failed_state.step - 1]))

    assert (failed.status, failed.failed_state.name) == ("FAILED", "Check")
    assert (record.status, record.redriven_at, record.resumed_at) == ("SUCCEEDED", [redriven_at], [])
    assert scene.calls[calls:] == ["check"]
    assert record.states[0] == failed.states[0]
    assert [state.name for state in record.states] == ["Ingest", "Draw", "Check", "Done"]
    assert scene.stored() == record


# A run that is stopped


@pytest.mark.parametrize("count", range(7))
def test_a_run_that_is_stopped_between_two_steps_does_no_more_and_is_aborted(count):
    scene = Scene(SCRIPT, is_stopped=lambda scene: len(scene.calls) == count)

    record = scene.run(MemoryJournal())

    assert len(scene.calls) == count
    assert (record.status, record.cause, scene.stored()) == ("ABORTED", "stopped by an operator", record)
    assert failure_of(record).message == "run daily-1 was stopped."
    assert failure_of(record).next_step == "`hops redrive daily-1` goes on with it."


def test_a_run_that_is_stopped_after_its_last_job_has_succeeded():
    record = Scene(SCRIPT, is_stopped=lambda scene: len(scene.calls) == 7).run(MemoryJournal())

    assert record.status == "SUCCEEDED"


def test_a_run_that_is_stopped_in_the_middle_of_a_wait_does_not_wait_for_its_end():
    def is_stopped(scene):
        return scene.heard[-1] == "Pause" and sum(scene.time.slept_s) > 20

    scene = Scene(SCRIPT, is_stopped=is_stopped)

    record = scene.run(MemoryJournal())

    assert (record.status, record.states[-1].name) == ("ABORTED", "Pause")
    assert record.states[-1].seconds < 30


def test_a_run_that_is_stopped_while_its_process_is_down_still_tells_what_it_did():
    scene, journal = Scene(SCRIPT), DyingJournal(7, at_once=False)
    with pytest.raises(Killed):
        scene.run(journal)
    did, calls = scene.stored(), list(scene.calls)
    scene.is_stopped = lambda scene: True

    record = scene.run(MemoryJournal(journal.steps))

    assert (record.status, len(record.resumed_at), scene.calls) == ("ABORTED", 1, calls)
    assert [state.name for state in record.states] == [state.name for state in did.states]
    assert record.states[:-1] == did.states[:-1]


def test_a_job_that_is_ended_because_the_run_was_stopped_leaves_no_step():
    scene, journal = Scene(SCRIPT | {"check": [Stopped]}), MemoryJournal()

    record = scene.run(journal)

    assert (record.status, record.states[-1].name) == ("ABORTED", "Check")
    assert [name for name, _ in journal.steps] == STEPS[:5]


# The definition that a run follows


def test_a_run_follows_the_state_machine_that_it_began_with():
    objects = MemoryObjects()

    sha256 = store_definition(objects)

    assert store_definition(objects) == sha256
    assert objects.list("ops/definitions/") == [f"ops/definitions/{sha256}.asl.json"]
    assert read_definition(objects, sha256).start_at == "ResolveRunDate"


def test_a_definition_that_was_changed_after_a_run_began_with_it_is_not_followed():
    objects = MemoryObjects()
    sha256 = store_definition(objects)
    key = f"ops/definitions/{sha256}.asl.json"
    changed = objects.read(key).replace(b"2.0", b"3.0")
    objects.write(key, changed)

    with pytest.raises(ConfigError, match="was changed after runs began with it"):
        read_definition(objects, sha256)

    assert store_definition(objects) == sha256
    assert read_definition(objects, sha256).start_at == "ResolveRunDate"


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff"])
def test_a_run_whose_record_was_damaged_while_its_process_was_down_is_taken_to_its_end(damage):
    scene, journal = Scene(SCRIPT), DyingJournal(7, at_once=False)
    with pytest.raises(Killed):
        scene.run(journal)
    did = scene.stored()
    scene.objects.write(did.key, damage)

    record = scene.run(MemoryJournal(journal.steps))

    assert record.status == Scene(SCRIPT).run(MemoryJournal()).status
    assert scene.stored() == record
    assert [state.name for state in record.states][: len(did.states)] == [state.name for state in did.states]


# What is counted of a run


def counted(scene):
    """Return what was counted of the run's end, by metric and status."""
    lines = [json.loads(line) for line in dict.fromkeys(scene.metrics.lines)]
    return [(line.get("Status"), line.get("RunsEnded"), line.get("RunsUnsuccessful")) for line in lines]


@pytest.mark.parametrize(
    ("script", "is_stopped", "status", "unsuccessful"),
    [
        (SCRIPT, False, "SUCCEEDED", 0.0),
        (SCRIPT | {"predict": [SLOW, SLOW]}, False, "FAILED", 1.0),
        (SCRIPT, True, "ABORTED", 1.0),
    ],
)
def test_the_end_of_a_run_is_counted_by_its_status(script, is_stopped, status, unsuccessful):
    scene = Scene(script, is_stopped=lambda _: is_stopped)

    scene.run(MemoryJournal())

    assert counted(scene) == [(status, 1, None), (None, None, unsuccessful)]


def test_a_run_that_took_longer_than_its_state_machine_may_is_counted_as_timed_out():
    scene, machine = Scene(SCRIPT), MACHINE | {"TimeoutSeconds": 5}

    record = scene.run(MemoryJournal(), machine)

    assert record.status == "TIMED_OUT"
    assert counted(scene) == [("TIMED_OUT", 1, None), (None, None, 1.0)]


def test_a_run_whose_process_dies_before_its_end_is_told_of_is_counted_once():
    scene, journal = Scene(SCRIPT), MemoryJournal()
    scene.run(journal)

    scene.run(MemoryJournal(journal.steps))

    assert len(scene.metrics.lines) == 4
    assert counted(scene) == [("SUCCEEDED", 1, None), (None, None, 0.0)]


def test_where_there_is_no_room_to_count_its_end_a_run_has_ended_all_the_same():
    def no_room(lines):
        raise OSError(28, "No space left on device")

    scene = Scene(SCRIPT)
    scene.metrics.write = no_room

    record = scene.run(MemoryJournal())

    assert (record.status, scene.stored()) == ("SUCCEEDED", record)
