from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_ops.orchestrator.failures import TaskFailure, is_named
from healthcare_ops.orchestrator.retries import Retries, backoff_s
from unit.orchestrator.flows import PASS, chain, play, task, wait

BUSY = {"throw": {"Error": "Busy", "Cause": "full"}}
DONE = {"Type": "Succeed"}


def seconds_in(definition, given=None, mocks=None, state="Wait"):
    _, diary = play(definition, given, mocks)
    (entered,), (left,) = diary.when(f"+{state}"), diary.when(f"-{state}")
    return left - entered


# Wait; the clock begins at 2026-01-01T00:00:00Z


@pytest.mark.spec("Wait State")
@pytest.mark.parametrize(
    ("field", "given", "seconds"),
    [
        ({"Seconds": 0}, {}, 0),
        ({"Seconds": 10}, {}, 10),
        ({"SecondsPath": "$.s"}, {"s": 7}, 7),
        ({"SecondsPath": "$.a[1]"}, {"a": [1, 2]}, 2),
        ({"Timestamp": "2026-01-01T00:01:00Z"}, {}, 60),
        ({"Timestamp": "2025-12-31T22:00:05-03:00"}, {}, 3605),
        ({"Timestamp": "2026-01-01T00:00:00.25Z"}, {}, 0.25),
        ({"Timestamp": "2016-03-14T01:59:00Z"}, {}, 0),
        ({"TimestampPath": "$.t"}, {"t": "2026-01-01T01:00:30+01:00"}, 30),
        ({"TimestampPath": "$$.Execution.StartTime"}, {}, 0),
        ({"SecondsPath": "$.s", "InputPath": "$.in"}, {"in": {"s": 3}}, 3),
    ],
)
def test_a_wait_lasts_as_long_as_it_says(field, given, seconds):
    assert seconds_in(chain(Wait={"Type": "Wait"} | field, After=PASS), given) == seconds


@pytest.mark.spec("Wait State")
@pytest.mark.parametrize(
    ("field", "given", "fault"),
    [
        ("SecondsPath", {}, "The SecondsPath parameter does not reference an input value: $.v"),
        ("SecondsPath", {"v": "7"}, "The SecondsPath parameter cannot be parsed as a long value: $.v == 7"),
        ("SecondsPath", {"v": 1.5}, "The SecondsPath parameter cannot be parsed as a long value: $.v == 1.5"),
        ("SecondsPath", {"v": True}, "The SecondsPath parameter cannot be parsed as a long value: $.v == True"),
        ("SecondsPath", {"v": -1}, "The SecondsPath parameter references a negative value: $.v == -1"),
        ("TimestampPath", {}, "The TimestampPath parameter does not reference an input value: $.v"),
        (
            "TimestampPath",
            {"v": "2026-01-01T00:00:00"},
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format "
            "string: $.v == 2026-01-01T00:00:00",
        ),
    ],
)
def test_a_wait_whose_path_gives_no_time_fails_the_run_as_the_service_does(field, given, fault):
    execution, _ = play(chain(Wait={"Type": "Wait", field: "$.v"}), given)

    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")
    assert (
        execution.cause == f"An error occurred while executing the state 'Wait' (entered at the event id #2). {fault}"
    )


# Timeouts


@pytest.mark.spec("Timeouts and heartbeats")
@pytest.mark.parametrize(
    ("fields", "given", "error", "ends"),
    [
        ({"TimeoutSeconds": 60}, {}, "States.Timeout", 60),
        ({"TimeoutSecondsPath": "$.limit"}, {"limit": 30}, "States.Timeout", 30),
        ({"HeartbeatSeconds": 20}, {}, "States.HeartbeatTimeout", 20),
        ({"TimeoutSeconds": 60, "HeartbeatSecondsPath": "$.beat"}, {"beat": 5}, "States.HeartbeatTimeout", 5),
        ({"TimeoutSeconds": 60, "HeartbeatSecondsPath": "$.beat"}, {"beat": 90}, "States.Timeout", 60),
        ({"TimeoutSeconds": 100}, {}, None, 100),
        ({}, {}, None, 100),
    ],
)
def test_a_task_ends_when_the_first_of_its_limits_is_reached(fields, given, error, ends):
    execution, diary = play(chain(Job=task(**fields)), given, {"job": [{"return": 1, "seconds": 100}]})

    assert (execution.status, execution.error) == ("FAILED" if error else "SUCCEEDED", error)
    assert diary.when("-Job") == [ends]


@pytest.mark.spec("Timeouts and heartbeats")
@pytest.mark.parametrize("value", [0, -1, "60", 1.5, None])
def test_a_limit_that_is_no_time_fails_the_run(value):
    execution, _ = play(chain(Job=task(TimeoutSecondsPath="$.t")), {"t": value}, {"job": [{"return": 1}]})

    assert execution.error == "States.Runtime"
    assert "TimeoutSecondsPath parameter" in execution.cause


@pytest.mark.spec("Timeouts and heartbeats")
@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"TimeoutSeconds": 10, "HeartbeatSeconds": 10}, "HeartbeatSeconds 10 is not below TimeoutSeconds 10"),
        ({"TimeoutSeconds": 10, "TimeoutSecondsPath": "$.t"}, "give either TimeoutSeconds or TimeoutSecondsPath"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(fields, finding):
    with pytest.raises(Exception, match=finding):
        play(chain(Job=task(**fields)))


@pytest.mark.spec("Errors: States.Timeout")
@pytest.mark.parametrize("name", ["States.Timeout", "States.ALL"])
def test_a_timeout_is_retried_with_its_whole_time_again_and_then_caught(name):
    job = task(
        TimeoutSeconds=60,
        Retry=[{"ErrorEquals": [name], "MaxAttempts": 1, "IntervalSeconds": 5}],
        Catch=[{"ErrorEquals": [name], "Next": "Late"}],
        End=True,
    )

    execution, diary = play(chain(Job=job, Late=DONE), {}, {"job": [{"return": 1, "seconds": 100}]})

    assert execution.output == {"Error": "States.Timeout", "Cause": ""}
    assert diary.when("Job: States.Timeout") == [60, 125]


@pytest.mark.spec("Top-level fields: TimeoutSeconds")
@pytest.mark.parametrize(
    "state",
    [
        wait(1000),
        task(),
        task(TimeoutSeconds=900, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Other"}], Next="Other"),
        task("busy", Retry=[{"ErrorEquals": ["Busy"], "IntervalSeconds": 50, "BackoffRate": 1, "MaxAttempts": 9}]),
    ],
)
def test_a_run_ends_in_the_second_in_which_its_time_is_up_and_nothing_catches_that(state):
    mocks = {"job": [{"return": 1, "seconds": 1000}], "busy": [BUSY]}

    execution, diary = play(chain(First=state, Other=PASS) | {"TimeoutSeconds": 60}, {}, mocks)

    assert (execution.status, execution.error, execution.output) == ("TIMED_OUT", "States.Timeout", None)
    assert (diary.when("-First"), diary.when("+Other")) == ([60], [])


# Retry


@pytest.mark.spec("Errors: Retrying after error")
def test_the_specification_s_example_of_two_retriers():
    retriers = [
        {"ErrorEquals": ["ErrorA", "ErrorB"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 2},
        {"ErrorEquals": ["ErrorC"], "IntervalSeconds": 5},
    ]
    errors = ["ErrorA", "ErrorB", "ErrorC", "ErrorB"]
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Z"}]

    execution, diary = play(
        chain(X=task(Retry=retriers, Catch=catch, End=True), Z=DONE),
        {},
        {"job": [{"throw": {"Error": error}} for error in errors]},
    )

    assert execution.output == {"Error": "ErrorB", "Cause": ""}
    assert [diary.when(f"X: {error}") for error in errors[:3]] == [[0], [1, 8], [3]]


@pytest.mark.spec("Errors: Retrying after error")
def test_the_context_counts_the_retries():
    job = task(
        Retry=[{"ErrorEquals": ["Busy"]}],
        ResultSelector={"n.$": "$$.State.RetryCount"},
    )

    assert play(chain(Job=job), {}, {"job": [BUSY, BUSY, {"return": 1}]})[0].output == {"n": 2}


RETRIER = st.fixed_dictionaries(
    {"ErrorEquals": st.just(["Busy"])},
    optional={
        "IntervalSeconds": st.integers(1, 99_999_999),
        "BackoffRate": st.floats(1, 10),
        "MaxDelaySeconds": st.integers(1, 31_622_399),
        "MaxAttempts": st.integers(0, 30),
    },
)


def all_delays(retrier, luck=0.5):
    retries, failure, delays = Retries([retrier], lambda: luck), TaskFailure("Busy", ""), []
    while (delay := retries.delay_s(failure)) is not None:
        delays.append(delay)
    return delays


@pytest.mark.spec("Errors: Retrying after error")
@given(RETRIER)
def test_delays_grow_up_to_their_limit_and_are_as_many_as_allowed(retrier):
    delays = all_delays(retrier)

    first = retrier.get("IntervalSeconds", 1)
    assert len(delays) == retrier.get("MaxAttempts", 3)
    assert delays == sorted(delays)
    assert delays[:1] == [min(first, retrier.get("MaxDelaySeconds", first))][: len(delays)]
    assert all(delay <= retrier.get("MaxDelaySeconds", delay) for delay in delays)


@pytest.mark.spec("Errors: Retrying after error")
@given(st.integers(1, 100), st.integers(2, 5), st.integers(0, 8))
def test_delays_add_up_to_a_geometric_series(interval, rate, attempts):
    retrier = {"ErrorEquals": ["Busy"], "IntervalSeconds": interval, "BackoffRate": rate, "MaxAttempts": attempts}

    assert sum(all_delays(retrier)) == interval * (rate**attempts - 1) / (rate - 1)


@pytest.mark.spec("Errors: Retrying after error")
@given(RETRIER, st.floats(0, 1, exclude_max=True))
def test_full_jitter_never_waits_longer_than_no_jitter(retrier, luck):
    jittered, plain = all_delays(retrier | {"JitterStrategy": "FULL"}, luck), all_delays(retrier)

    assert jittered == [delay * luck for delay in plain]


def test_a_delay_beyond_all_numbers_is_still_one():
    assert backoff_s({"BackoffRate": 10.0}, 1000) == 99_999_999


# Which names meet which failures


@pytest.mark.spec("Errors: Predefined error codes")
@pytest.mark.parametrize(
    ("names", "failure", "is_met"),
    [
        (["States.ALL"], TaskFailure("States.DataLimitExceeded", ""), False),
        (["States.DataLimitExceeded"], TaskFailure("States.DataLimitExceeded", ""), True),
        (["States.ALL"], TaskFailure("States.Runtime", ""), False),
        (["States.Runtime"], TaskFailure("States.Runtime", ""), True),
        (["States.ALL"], TaskFailure("States.HeartbeatTimeout", ""), True),
        (["States.Timeout"], TaskFailure("States.HeartbeatTimeout", ""), True),
        (["States.HeartbeatTimeout"], TaskFailure("States.Timeout", ""), False),
        (["States.TaskFailed"], TaskFailure("States.HeartbeatTimeout", ""), True),
        (["States.TaskFailed"], TaskFailure("States.Timeout", ""), False),
        (["States.TaskFailed"], TaskFailure("States.Permissions", ""), True),
        (["States.BranchFailed"], TaskFailure("Busy", ""), False),
        (["States.BranchFailed"], TaskFailure("Busy", "", also=["States.BranchFailed"]), True),
    ],
)
def test_a_predefined_name_meets_the_failures_it_stands_for(names, failure, is_met):
    assert is_named(failure, names) is is_met
