"""The shipped state machine, run with scripted jobs: it is what Step Functions runs too."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from fakes import ScriptedTasks, Watcher
from healthcare_ops.jobs import JOB_NAMES
from healthcare_ops.orchestrator.asl import load, render
from healthcare_ops.orchestrator.interpreter import Interpreter, TaskFailure, World

TEXT = files("healthcare_ops.jobs").joinpath("orchestrator.asl.json").read_text(encoding="utf-8")
STATES = json.loads(render(TEXT))["States"]
GLUE = "arn:aws:states:::glue:startJobRun.sync"
LAMBDA = "arn:aws:states:::lambda:invoke"
JOB_OF = {
    "RunBronzeIngest": "ingest_bronze",
    "RunBronzeToSilver": "bronze_to_silver",
    "RunDQ": "dq_check",
    "RunSilverToGold": "silver_to_gold",
    "BuildFeatures": "build_features",
    "WeeklyTrain": "weekly_train",
    "BatchPredict": "batch_predict",
    "MonitorModels": "monitor_models",
}
FUNCTION_OF = {
    "ResolveRunDate": "resolve_run_date",
    "RunInferenceTick": "inference_tick",
    "OpenIncident": "open_incident",
}
REFINE = ["RunBronzeIngest", "RunBronzeToSilver", "RunDQ", "RunSilverToGold", "BuildFeatures", "ChooseRun"]
DAILY = ["ResolveRunDate", "ChoosePath", *REFINE, "BatchPredict", "MonitorModels"]
WEEKLY = ["ResolveRunDate", "ChoosePath", *REFINE, "WeeklyTrain", "BatchPredict", "MonitorModels"]
INFERENCE = ["ResolveRunDate", "ChoosePath", "RunInferenceTick"]
PATH_OF = {"daily": DAILY, "weekly_train": WEEKLY, "inference": INFERENCE}
MAY_FAIL = [name for name in (*FUNCTION_OF, *JOB_OF) if name != "OpenIncident"]


@pytest.fixture
def orchestrate(time):
    """Return a function that runs the machine for a type of run, with jobs that answer by script."""

    def run(run_type="daily", script=None, execution_input=None, prefix=""):
        resolved = {"Payload": {"type": run_type, "run_date": "2026-03-01"}}
        usual = {f"{prefix}resolve_run_date": [resolved], f"{prefix}inference_tick": [{"Payload": {}}]}
        tasks = ScriptedTasks(usual | (script or {}), time)
        world = World(tasks, Watcher(), time.now, time.sleep, lambda: 0.5)
        machine = load(render(TEXT, prefix=prefix))
        return Interpreter(machine, world).run(execution_input or {}, execution_id="run-1"), tasks

    return run


def visited(execution):
    return [entry.name for entry in execution.history]


def task_of(state):
    return JOB_OF.get(state) or FUNCTION_OF[state]


def type_that_visits(state):
    return next(run_type for run_type, path in PATH_OF.items() if state in path)


def test_prefix_is_the_only_variable_of_the_template():
    assert set(re.findall(r"\$\{[^}]*\}", TEXT)) == {"${prefix}"}


def test_every_job_state_starts_the_job_of_its_name():
    started = {name: state["Parameters"]["JobName"] for name, state in STATES.items() if state.get("Resource") == GLUE}
    invoked = {
        name: state["Parameters"]["FunctionName"] for name, state in STATES.items() if state.get("Resource") == LAMBDA
    }

    assert started == JOB_OF
    assert invoked == FUNCTION_OF
    assert sorted(started.values()) == sorted(JOB_NAMES)


@pytest.mark.parametrize("run_type", PATH_OF)
def test_a_run_visits_its_states_in_the_order_of_the_runbook(orchestrate, run_type):
    execution, tasks = orchestrate(run_type)

    assert execution.status == "SUCCEEDED"
    assert visited(execution) == PATH_OF[run_type]
    assert tasks.names == [task_of(name) for name in PATH_OF[run_type] if not name.startswith("Choose")]


@pytest.mark.parametrize("given", [{}, {"type": "daily"}, {"type": "inference", "run_date": "2026-02-28"}])
def test_the_run_s_input_is_resolved_before_anything_else(orchestrate, given):
    _, tasks = orchestrate(execution_input=given)

    assert tasks.calls[0] == ("resolve_run_date", {"FunctionName": "resolve_run_date", "Payload": {"input": given}}, 60)


@pytest.mark.parametrize("state", JOB_OF)
def test_every_job_is_told_run_type_and_day(orchestrate, state):
    _, tasks = orchestrate(type_that_visits(state))

    (parameters,) = (parameters for name, parameters, _ in tasks.calls if name == JOB_OF[state])
    assert parameters["Arguments"] == {
        "--run_id": "run-1",
        "--type": type_that_visits(state),
        "--run_date": "2026-03-01",
    }


def test_the_tick_is_told_the_same_in_one_call(orchestrate):
    _, tasks = orchestrate("inference")

    assert tasks.calls[1][1] == {
        "FunctionName": "inference_tick",
        "Payload": {"run_id": "run-1", "type": "inference", "run_date": "2026-03-01"},
    }


def test_a_prefix_stands_before_every_job_and_function(orchestrate):
    script = {"dev-dq_check": [TaskFailure("States.TaskFailed", "bad data")]}
    failed, failed_tasks = orchestrate("daily", script, prefix="dev-")
    sound, sound_tasks = orchestrate("weekly_train", prefix="dev-")

    assert (failed.status, sound.status) == ("FAILED", "SUCCEEDED")
    assert [name for name in (*failed_tasks.names, *sound_tasks.names) if not name.startswith("dev-")] == []


@pytest.mark.parametrize("state", [*JOB_OF, *FUNCTION_OF])
def test_every_task_state_has_a_time_limit_and_retries_what_is_transient(state):
    named = {name for retrier in STATES[state]["Retry"] for name in retrier["ErrorEquals"]}

    assert 0 < STATES[state]["TimeoutSeconds"] <= 7200
    assert named >= {"States.Timeout", "TransientError"}
    # A job that failed says States.TaskFailed whatever its class: bad data would be retried in vain.
    assert not named & {"States.ALL", "States.TaskFailed"}


@pytest.mark.parametrize("state", MAY_FAIL)
def test_whatever_fails_opens_an_incident_and_fails_the_pipeline(orchestrate, state):
    run_type = type_that_visits(state)
    path = PATH_OF[run_type]

    execution, tasks = orchestrate(run_type, {task_of(state): [TaskFailure("States.TaskFailed", "disk full")]})

    assert visited(execution) == [*path[: path.index(state) + 1], "OpenIncident", "PipelineFailed"]
    assert (execution.status, execution.error, execution.cause) == ("FAILED", "States.TaskFailed", "disk full")
    reported = tasks.calls[-1][1]["Payload"]
    assert (tasks.names[-1], reported["run_id"]) == ("open_incident", "run-1")
    assert reported["input"]["failure"] == {"Error": "States.TaskFailed", "Cause": "disk full"}


@pytest.mark.parametrize("state", MAY_FAIL)
def test_what_is_transient_is_tried_three_times_in_all(orchestrate, time, state):
    busy = TaskFailure("TransientError", "another writer was first")
    answer = {"Payload": {"type": type_that_visits(state), "run_date": "2026-03-01"}}

    execution, tasks = orchestrate(type_that_visits(state), {task_of(state): [busy, busy, answer]})

    assert execution.status == "SUCCEEDED"
    assert tasks.names.count(task_of(state)) == 3
    assert time.slept_s == ([30.0, 60.0] if state in JOB_OF else [5.0, 10.0])


@pytest.mark.parametrize("state", MAY_FAIL)
def test_what_stays_transient_fails_after_the_third_try(orchestrate, state):
    busy = TaskFailure("TransientError", "another writer was first")

    execution, tasks = orchestrate(type_that_visits(state), {task_of(state): [busy]})

    assert (execution.status, execution.error) == ("FAILED", "TransientError")
    assert tasks.names.count(task_of(state)) == 3


def test_a_job_that_took_too_long_fails_the_pipeline_and_does_not_time_out_the_run(orchestrate):
    late = TaskFailure("States.Timeout", "ingest_bronze exceeded 3600 s")

    execution, _ = orchestrate("daily", {"ingest_bronze": [late]})

    assert (execution.status, execution.error) == ("FAILED", "States.Timeout")
    assert visited(execution)[-2:] == ["OpenIncident", "PipelineFailed"]


def test_an_incident_that_cannot_be_opened_does_not_hide_why_the_pipeline_failed(orchestrate):
    script = {
        "dq_check": [TaskFailure("States.TaskFailed", "bad data")],
        "open_incident": [TaskFailure("States.TaskFailed", "mail server down")],
    }

    execution, _ = orchestrate("daily", script)

    assert visited(execution)[-2:] == ["OpenIncident", "PipelineFailed"]
    assert execution.cause == "bad data"


def test_nothing_after_a_failed_check_touches_gold(orchestrate):
    _, tasks = orchestrate("daily", {"dq_check": [TaskFailure("States.TaskFailed", "bad data")]})

    assert tasks.names == ["resolve_run_date", "ingest_bronze", "bronze_to_silver", "dq_check", "open_incident"]
