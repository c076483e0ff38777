from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fakes import FlakyLake
from healthcare_ops.core.errors import StepError
from healthcare_ops.operations.runner import states_of
from hospital import open_hospital, visit
from runs import run_orchestrator

LONG_AGO = "2018-01-01T00:00:00+01:00"


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
    assert told[0].getMessage() == f"run {run_id}: ZeroDivisionError('by\\nnothing')"
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


def test_a_run_that_succeeds_has_no_failure(hospital):
    finished = run_orchestrator(hospital.context, "inference")

    assert (finished.failure, finished.exit_code) == (None, 0)
