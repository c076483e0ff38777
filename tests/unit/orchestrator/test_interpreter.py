from __future__ import annotations

import pytest

from fakes import ScriptedTasks
from healthcare_ops.orchestrator.interpreter import Attempt, TaskFailure

pytestmark = pytest.mark.spec("States: transitions, data, errors and time")

TASK = {"Type": "Task", "Resource": "job", "End": True}
DONE = {"Type": "Succeed"}


def fails(error="Broken", cause="it broke"):
    return TaskFailure(error, cause)


def visited(execution):
    return [entry.name for entry in execution.history]


def test_states_follow_one_another_and_pass_on_their_output(run, time):
    tasks = ScriptedTasks({"first": ["one"], "second": ["two"]}, time)
    states = {
        "First": {"Type": "Task", "Resource": "first", "Next": "Second"},
        "Second": {"Type": "Task", "Resource": "second", "End": True},
    }

    execution = run(states, {"x": 1}, tasks)

    assert (execution.status, execution.output, execution.error, execution.cause) == ("SUCCEEDED", "two", None, None)
    assert tasks.calls == [("first", {"x": 1}, None), ("second", "one", None)]
    assert [(entry.input, entry.output) for entry in execution.history] == [({"x": 1}, "one"), ("one", "two")]


def test_an_observer_hears_everything_in_order(run, watcher, time):
    tasks = ScriptedTasks({"job": [fails("Busy"), {}]}, time)
    retry = {"Retry": [{"ErrorEquals": ["Busy"]}]}

    run({"Job": {"Type": "Task", "Resource": "job", "Next": "Done"} | retry, "Done": DONE}, {}, tasks)

    assert watcher.heard == [
        "entered Job",
        "attempted Job: Busy",
        "attempted Job: ok",
        "left Job",
        "entered Done",
        "left Done",
    ]


def test_an_observer_hears_of_the_end_of_a_state_that_fails(run, watcher, time):
    run({"Job": TASK}, {}, ScriptedTasks({"job": [fails()]}, time))

    assert watcher.heard == ["entered Job", "attempted Job: Broken", "left Job"]


def test_a_state_knows_when_it_was_entered_and_left_and_each_try_between(run, time):
    tasks = ScriptedTasks({"job": [fails("Busy", "full"), {}]}, time, takes_s={"job": 7})
    begun = time.now()

    execution = run({"Job": TASK | {"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 3}]}}, {}, tasks)

    (entry,) = execution.history
    seconds = {
        name: (moment - begun).total_seconds()
        for name, moment in (
            ("entered", entry.entered_at),
            ("first", entry.attempts[0].started_at),
            ("failed", entry.attempts[0].ended_at),
            ("second", entry.attempts[1].started_at),
            ("left", entry.exited_at),
        )
    }
    assert seconds == {"entered": 0, "first": 0, "failed": 7, "second": 10, "left": 17}
    assert entry.attempts[0] == Attempt(entry.entered_at, entry.attempts[0].ended_at, "Busy", "full")


# Input and output


def test_the_example_of_the_language_s_manual_comes_out_as_printed_there(run, time):
    state = TASK | {"InputPath": "$.lambda", "ResultPath": "$.data.lambdaresult", "OutputPath": "$.data"}
    given = {"comment": "c", "data": {"val1": 23, "val2": 17}, "extra": "foo", "lambda": {"who": "Step Functions"}}
    tasks = ScriptedTasks({"job": ["Hello, Step Functions!"]}, time)

    execution = run({"Hello": state}, given, tasks)

    assert tasks.calls == [("job", {"who": "Step Functions"}, None)]
    assert execution.output == {"val1": 23, "val2": 17, "lambdaresult": "Hello, Step Functions!"}


def test_parameters_are_made_of_the_input_and_the_context(run, time):
    tasks = ScriptedTasks(time=time)
    parameters = {
        "date.$": "$.run_date",
        "id.$": "$$.Execution.Name",
        "given.$": "$$.Execution.Input",
        "began.$": "$$.Execution.StartTime",
        "state.$": "$$.State.Name",
        "entered.$": "$$.State.EnteredTime",
    }

    run(
        {"Sleep": {"Type": "Wait", "Seconds": 60, "Next": "Job"}, "Job": TASK | {"Parameters": parameters}},
        {"run_date": "2026-03-01"},
        tasks,
    )

    assert tasks.calls[0][1] == {
        "date": "2026-03-01",
        "id": "run-1",
        "given": {"run_date": "2026-03-01"},
        "began": "2026-03-01T12:00:00.000Z",
        "state": "Job",
        "entered": "2026-03-01T12:01:00.000Z",
    }


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ({}, {"rows": 5, "noise": 1}),
        ({"ResultSelector": {"count.$": "$.rows"}}, {"count": 5}),
        ({"ResultSelector": {"count.$": "$.rows"}, "ResultPath": "$.job"}, {"x": 1, "job": {"count": 5}}),
        ({"ResultPath": None}, {"x": 1}),
        ({"OutputPath": "$.rows"}, 5),
        ({"OutputPath": None}, {}),
        # What the task did not see is not lost.
        ({"InputPath": None, "ResultPath": "$.job"}, {"x": 1, "job": {"rows": 5, "noise": 1}}),
    ],
)
def test_a_result_is_selected_put_in_its_place_and_filtered(run, time, fields, output):
    tasks = ScriptedTasks({"job": [{"rows": 5, "noise": 1}]}, time)

    assert run({"Job": TASK | fields}, {"x": 1}, tasks).output == output


def test_a_task_whose_input_was_discarded_gets_an_empty_object(run, time):
    tasks = ScriptedTasks(time=time)

    run({"Job": TASK | {"InputPath": None}}, {"x": 1}, tasks)

    assert tasks.calls == [("job", {}, None)]


def test_a_task_is_told_how_long_it_may_take(run, time):
    tasks = ScriptedTasks(time=time)

    run({"Job": TASK | {"TimeoutSeconds": 840}}, {}, tasks)

    assert tasks.calls == [("job", {}, 840)]


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ({}, {"a": {"b": 2}}),
        ({"Result": [1, 2]}, [1, 2]),
        ({"Result": None}, None),
        ({"Result": "new", "ResultPath": "$.a.c"}, {"a": {"b": 2, "c": "new"}}),
        ({"Parameters": {"copy.$": "$.a.b"}}, {"copy": 2}),
        ({"InputPath": "$.a"}, {"b": 2}),
        ({"InputPath": "$.a", "ResultPath": "$.taken"}, {"a": {"b": 2}, "taken": {"b": 2}}),
        ({"InputPath": "$.a", "OutputPath": "$.b"}, 2),
    ],
)
def test_a_pass_state_makes_its_output_without_a_task(run, fields, output):
    assert run({"Pass": {"Type": "Pass", "End": True} | fields}, {"a": {"b": 2}}).output == output


def test_a_wait_state_takes_its_time_and_passes_its_input_on(run, time):
    begun = time.now()

    execution = run({"Wait": {"Type": "Wait", "Seconds": 90, "OutputPath": "$.a", "End": True}}, {"a": 1})

    assert (time.slept_s, (time.now() - begun).total_seconds(), execution.output) == ([90.0], 90, 1)


def test_a_succeed_state_ends_the_run_with_what_it_selects(run):
    execution = run({"Done": {"Type": "Succeed", "InputPath": "$.a", "OutputPath": "$.b"}}, {"a": {"b": 7}})

    assert (execution.status, execution.output) == ("SUCCEEDED", 7)


@pytest.mark.parametrize(
    ("fields", "error", "cause"),
    [
        ({"Error": "NoBeds", "Cause": "every bed is taken"}, "NoBeds", "every bed is taken"),
        ({"ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"}, "Late", "no feed"),
        ({"ErrorPath": "$$.Execution.Name"}, "run-1", ""),
        ({}, "", ""),
    ],
)
def test_a_fail_state_ends_the_run_with_its_error_and_cause(run, fields, error, cause):
    execution = run({"Stop": {"Type": "Fail"} | fields}, {"failure": {"Error": "Late", "Cause": "no feed"}})

    assert (execution.status, execution.output, execution.error, execution.cause) == ("FAILED", None, error, cause)


# Choices


def by_kind(**fields):
    rules = [
        {"Variable": "$.kind", "StringEquals": "a", "Next": "A"},
        {"Variable": "$.kind", "StringMatches": "*", "Next": "B"},
    ]
    return {
        "Choose": {"Type": "Choice", "Choices": rules} | fields,
        "A": DONE,
        "B": DONE,
        **({"C": DONE} if "Default" in fields else {}),
    }


@pytest.mark.parametrize(("kind", "chosen"), [("a", "A"), ("b", "B"), (5, "C")])
def test_a_choice_takes_the_first_rule_that_holds_else_its_default(run, kind, chosen):
    execution = run(by_kind(Default="C"), {"kind": kind})

    assert visited(execution) == ["Choose", chosen]
    assert execution.output == {"kind": kind}


def test_a_choice_sees_and_passes_on_what_its_paths_select(run):
    execution = run(by_kind(Default="C", InputPath="$.in", OutputPath="$.more"), {"in": {"kind": "a", "more": 1}})

    assert (visited(execution), execution.output) == (["Choose", "A"], 1)


def test_a_choice_without_a_rule_that_holds_and_without_a_default_fails(run):
    execution = run(by_kind(), {"kind": 5})

    assert (execution.status, execution.error) == ("FAILED", "States.NoChoiceMatched")
    assert execution.cause.startswith(
        "An error occurred while executing the state 'Choose' (entered at the event id #2). No rule holds"
    )


def test_a_choice_about_something_that_is_not_there_fails(run):
    execution = run(by_kind(Default="C"), {})

    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")
    assert execution.cause == (
        "An error occurred while executing the state 'Choose' (entered at the event id #2). "
        "Invalid path '$.kind': The choice state's condition path references an invalid value."
    )


def test_a_loop_of_choices_counts_its_visits(run, time):
    states = {
        "Job": {"Type": "Task", "Resource": "job", "Next": "More"},
        "More": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.left", "NumericGreaterThan": 0, "Next": "Job"}],
            "Default": "Done",
        },
        "Done": DONE,
    }
    tasks = ScriptedTasks({"job": [{"left": 2}, {"left": 1}, {"left": 0}]}, time)

    assert visited(run(states, {}, tasks)) == ["Job", "More", "Job", "More", "Job", "More", "Done"]


# Retries


def delays(run, time, retriers, answers, luck=0.5):
    tasks = ScriptedTasks({"job": answers}, time)
    execution = run({"Job": TASK | {"Retry": retriers}}, {}, tasks, luck)
    return execution, time.slept_s, len(tasks.calls)


def test_a_retry_waits_twice_as_long_each_time_three_times_unless_told_otherwise(run, time):
    execution, slept, calls = delays(run, time, [{"ErrorEquals": ["Broken"]}], [fails()])

    assert (execution.status, execution.error, execution.cause) == ("FAILED", "Broken", "it broke")
    assert (slept, calls) == ([1.0, 2.0, 4.0], 4)


def test_a_retry_waits_as_its_interval_rate_and_limit_say(run, time):
    retrier = {
        "ErrorEquals": ["Broken"],
        "IntervalSeconds": 10,
        "BackoffRate": 3,
        "MaxDelaySeconds": 100,
        "MaxAttempts": 4,
    }

    execution, slept, calls = delays(run, time, [retrier], [fails(), fails(), fails(), fails(), {"rows": 1}])

    assert (execution.status, execution.output) == ("SUCCEEDED", {"rows": 1})
    assert (slept, calls) == ([10.0, 30.0, 90.0, 100.0], 5)


@pytest.mark.parametrize(("luck", "slept"), [(0.0, [0.0, 0.0]), (0.25, [2.5, 5.0]), (1.0, [10.0, 20.0])])
def test_full_jitter_waits_a_random_part_of_the_delay(run, time, luck, slept):
    retrier = {"ErrorEquals": ["Broken"], "IntervalSeconds": 10, "JitterStrategy": "FULL", "MaxAttempts": 2}

    assert delays(run, time, [retrier], [fails()], luck)[1] == slept


def test_jitter_comes_after_the_limit_of_the_delay(run, time):
    retrier = {
        "ErrorEquals": ["Broken"],
        "IntervalSeconds": 100,
        "MaxDelaySeconds": 10,
        "JitterStrategy": "FULL",
        "MaxAttempts": 1,
    }

    assert delays(run, time, [retrier], [fails()], 0.5)[1] == [5.0]


def test_without_jitter_luck_does_not_count(run, time):
    retrier = {"ErrorEquals": ["Broken"], "JitterStrategy": "NONE", "MaxAttempts": 1}

    assert delays(run, time, [retrier], [fails()], 0.1)[1] == [1.0]


def test_an_error_that_no_retrier_names_is_not_retried(run, time):
    _, slept, calls = delays(run, time, [{"ErrorEquals": ["Busy", "Full"]}], [fails()])

    assert (slept, calls) == ([], 1)


def test_a_retrier_without_attempts_stops_those_after_it(run, time):
    retriers = [{"ErrorEquals": ["Broken"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"]}]

    _, slept, calls = delays(run, time, retriers, [fails()])

    assert (slept, calls) == ([], 1)


def test_each_retrier_counts_its_own_attempts(run, time):
    retriers = [
        {"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 2},
        {"ErrorEquals": ["Full"], "IntervalSeconds": 100, "MaxAttempts": 1},
    ]
    answers = [fails("Busy"), fails("Full"), fails("Busy"), fails("Full")]

    execution, slept, calls = delays(run, time, retriers, answers)

    assert (slept, calls, execution.error) == ([1.0, 100.0, 2.0], 4, "Full")


def test_a_state_visited_again_has_all_its_attempts_again(run, time):
    busy_once = {"ErrorEquals": ["Busy"], "MaxAttempts": 1}
    states = {
        "Job": {"Type": "Task", "Resource": "job", "Retry": [busy_once], "Next": "More"},
        "More": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.more", "BooleanEquals": True, "Next": "Job"}],
            "Default": "Done",
        },
        "Done": DONE,
    }
    tasks = ScriptedTasks({"job": [fails("Busy"), {"more": True}, fails("Busy"), {"more": False}]}, time)

    assert run(states, {}, tasks).status == "SUCCEEDED"


# Which names catch which errors


@pytest.mark.parametrize(
    ("names", "error", "is_met"),
    [
        (["Broken"], "Broken", True),
        (["Busy", "Broken"], "Broken", True),
        (["broken"], "Broken", False),
        (["States.ALL"], "Broken", True),
        (["States.ALL"], "States.Timeout", True),
        (["States.ALL"], "States.TaskFailed", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.ALL"], "States.DataLimitExceeded", False),
        (["States.TaskFailed"], "Broken", True),
        (["States.TaskFailed"], "States.TaskFailed", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["States.TaskFailed"], "States.Runtime", False),
        (["States.Timeout"], "States.Timeout", True),
        (["States.Timeout"], "Broken", False),
    ],
)
def test_an_error_is_met_by_its_name_or_by_a_name_for_many(run, time, names, error, is_met):
    catch = [{"ErrorEquals": names, "Next": "Caught"}]

    execution = run({"Job": TASK | {"Catch": catch}, "Caught": DONE}, {}, ScriptedTasks({"job": [fails(error)]}, time))

    assert execution.status == ("SUCCEEDED" if is_met else "FAILED")
    assert visited(execution) == (["Job", "Caught"] if is_met else ["Job"])


def test_an_error_is_caught_only_when_its_retries_are_used_up(run, time):
    rules = {
        "Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 2}],
        "Catch": [{"ErrorEquals": ["Broken"], "Next": "Caught"}],
    }
    tasks = ScriptedTasks({"job": [fails()]}, time)

    execution = run({"Job": TASK | rules, "Caught": DONE}, {}, tasks)

    assert (execution.status, len(tasks.calls), visited(execution)) == ("SUCCEEDED", 3, ["Job", "Caught"])
    assert [attempt.error for attempt in execution.history[0].attempts] == ["Broken"] * 3


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ({}, {"Error": "Broken", "Cause": "it broke"}),
        ({"ResultPath": "$.failure"}, {"x": 1, "failure": {"Error": "Broken", "Cause": "it broke"}}),
        ({"ResultPath": None}, {"x": 1}),
    ],
)
def test_a_caught_error_is_put_beside_the_state_s_whole_input(run, time, fields, output):
    state = TASK | {"InputPath": "$.x", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"} | fields]}

    execution = run({"Job": state, "Caught": DONE}, {"x": 1}, ScriptedTasks({"job": [fails()]}, time))

    assert execution.output == output


def test_the_first_catcher_that_names_the_error_takes_it(run, time):
    catch = [
        {"ErrorEquals": ["Busy"], "Next": "A"},
        {"ErrorEquals": ["Broken"], "Next": "B"},
        {"ErrorEquals": ["States.ALL"], "Next": "C"},
    ]

    execution = run(
        {"Job": TASK | {"Catch": catch}, "A": DONE, "B": DONE, "C": DONE}, {}, ScriptedTasks({"job": [fails()]}, time)
    )

    assert visited(execution) == ["Job", "B"]


def test_parameters_that_lead_nowhere_fail_and_are_not_caught(run):
    state = TASK | {
        "Parameters": {"date.$": "$.run_date"},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
    }

    execution = run({"Job": state, "Caught": DONE}, {})

    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")
    assert execution.cause == (
        "An error occurred while executing the state 'Job' (entered at the event id #2). "
        "The JSONPath '$.run_date' specified for the field 'date.$' could not be found in the input '{}'"
    )


# Time


def test_a_run_within_its_time_succeeds(run, time):
    execution = run({"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}, {}, timeout_s=60)

    assert execution.status == "SUCCEEDED"


def test_a_run_beyond_its_time_is_timed_out_before_the_next_state(run, time):
    tasks = ScriptedTasks(time=time)

    execution = run({"Wait": {"Type": "Wait", "Seconds": 61, "Next": "Job"}, "Job": TASK}, {}, tasks, timeout_s=60)

    assert (execution.status, execution.output, execution.error) == ("TIMED_OUT", None, "States.Timeout")
    assert execution.cause == "the run exceeded 60 s"
    assert (visited(execution), tasks.calls) == (["Wait"], [])


def test_a_run_whose_last_state_took_too_long_is_timed_out_as_well(run, time):
    execution = run({"Wait": {"Type": "Wait", "Seconds": 61, "End": True}}, {}, timeout_s=60)

    assert execution.status == "TIMED_OUT"


def test_a_run_that_failed_too_late_is_timed_out(run, time):
    tasks = ScriptedTasks({"job": [fails()]}, time, takes_s={"job": 61})

    assert run({"Job": TASK}, {}, tasks, timeout_s=60).status == "TIMED_OUT"


def test_a_task_that_took_too_long_fails_the_run_and_does_not_time_it_out(run, time):
    tasks = ScriptedTasks({"job": [fails("States.Timeout", "over 60 s")]}, time)

    execution = run({"Job": TASK | {"TimeoutSeconds": 60}}, {}, tasks, timeout_s=3600)

    assert (execution.status, execution.error, execution.cause) == (
        "FAILED",
        "States.Timeout",
        "over 60 s",
    )


def test_a_fail_state_that_passes_on_a_timeout_fails_the_run(run):
    stop = {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause"}

    execution = run({"Stop": stop}, {"Error": "States.Timeout", "Cause": "ingest took over an hour"})

    assert (execution.status, execution.error) == ("FAILED", "States.Timeout")
