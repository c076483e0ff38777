from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.orchestrator.rehearsal import Result, rehearse, rehearse_line

ECHO = {"StartAt": "Job", "States": {"Job": {"Type": "Task", "Resource": "arn:job", "End": True}}}


def job(**fields):
    return {"StartAt": "Job", "States": {"Job": ECHO["States"]["Job"] | fields}}


def test_a_case_tells_how_it_ended_and_where_it_went():
    result = rehearse({"id": "c1", "definition": ECHO, "input": {"x": 1}, "mocks": {"arn:job": [{"return": [1]}]}})

    assert result == Result("c1", "SUCCEEDED", [1], None, None, ("Job",))
    assert list(result.to_json()) == ["id", "status", "output", "error", "cause", "states"]


def test_a_definition_may_be_text():
    mocks = {"arn:job": [{"return": None}]}

    assert rehearse({"definition": json.dumps(ECHO), "mocks": mocks}).status == "SUCCEEDED"


def test_answers_come_in_turn_and_the_last_one_goes_on():
    retry = {"Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 5, "IntervalSeconds": 1000}]}
    mocks = {"arn:job": [{"throw": {"Error": "Busy"}}, {"throw": {"Error": "Busy", "Cause": "full"}}, {"return": "ok"}]}

    assert rehearse({"id": 1, "definition": job(**retry), "mocks": mocks}).output == "ok"
    failed = rehearse({"id": 2, "definition": job(**retry), "mocks": {"arn:job": mocks["arn:job"][:2]}})
    assert (failed.status, failed.error, failed.cause, failed.states) == ("FAILED", "Busy", "full", ("Job",))


def test_a_job_s_own_answers_go_before_its_resource_s():
    definition = job(Parameters={"JobName": "ingest"})

    result = rehearse({"definition": definition, "mocks": {"ingest": [{"return": 1}], "arn:job": [{"return": 2}]}})

    assert result.output == 1


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"TimeoutSeconds": 60}, "States.Timeout"),
        ({"HeartbeatSeconds": 60}, "States.HeartbeatTimeout"),
        ({"TimeoutSeconds": 61}, None),
    ],
)
def test_an_answer_may_take_too_long(fields, error):
    result = rehearse({"definition": job(**fields), "mocks": {"arn:job": [{"return": 1, "seconds": 61}]}})

    assert (result.status, result.error, result.cause) == ("FAILED" if error else "SUCCEEDED", error, None)


def test_the_context_is_added_to_and_time_begins_at_its_start():
    definition = {
        "StartAt": "Wait",
        "States": {
            "Wait": {"Type": "Wait", "Timestamp": "2030-01-01T00:01:00Z", "Next": "Tell"},
            "Tell": {
                "Type": "Pass",
                "Parameters": {
                    "name.$": "$$.Execution.Name",
                    "machine.$": "$$.StateMachine.Name",
                    "at.$": "$$.State.EnteredTime",
                    "own.$": "$$.Own",
                },
                "End": True,
            },
        },
    }
    context = {
        "Execution": {"Name": "monday", "StartTime": "2030-01-01T00:00:00Z"},
        "StateMachine": {"Name": "nightly"},
        "Own": 7,
    }

    result = rehearse({"definition": definition, "context": context})

    assert result.output == {"name": "monday", "machine": "nightly", "at": "2030-01-01T00:01:00.000Z", "own": 7}


@pytest.mark.parametrize(
    ("case", "fault"),
    [
        ([], "a case is an object with a definition"),
        ({"id": 1}, "a case is an object with a definition"),
        ({"definition": ECHO, "inputs": {}}, "field 'inputs' of the case is not known"),
        ({"definition": {}}, "state machine: there are no States"),
        ({"definition": "{"}, "the definition is not JSON"),
        ({"definition": ECHO, "context": 5}, "context and its Execution must be objects"),
        ({"definition": ECHO, "context": {"Execution": 5}}, "context and its Execution must be objects"),
        ({"definition": ECHO}, "there is no mock for 'arn:job'"),
        ({"definition": ECHO, "mocks": []}, "there is no mock for 'arn:job'"),
        ({"definition": ECHO, "mocks": [1]}, "mocks are an object of lists"),
        ({"definition": ECHO, "mocks": {"arn:job": []}}, "are not a list of answers"),
        ({"definition": ECHO, "mocks": {"arn:job": {"return": 1}}}, "are not a list of answers"),
        ({"definition": ECHO, "mocks": {"arn:job": [{}]}}, "is neither a return nor a throw"),
        ({"definition": ECHO, "mocks": {"arn:job": [{"return": 1, "throw": {}}]}}, "is neither a return nor a throw"),
        ({"definition": ECHO, "mocks": {"arn:job": [{"throw": {"error": "E"}}]}}, "is neither a return nor a throw"),
        ({"definition": ECHO, "mocks": {"arn:job": [{"throw": {"Error": 5}}]}}, "is neither a return nor a throw"),
        ({"definition": ECHO, "mocks": {"arn:job": [{"return": 1, "seconds": -1}]}}, "is neither a return nor a throw"),
    ],
)
def test_a_case_that_is_none_says_what_is_wrong_with_it(case, fault):
    with pytest.raises(ConfigError) as refused:
        rehearse(case)

    assert fault in refused.value.message


def test_a_case_that_goes_round_in_circles_ends():
    states = {
        "A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "C"}], "Default": "A"},
        "C": {"Type": "Succeed"},
    }

    with pytest.raises(ConfigError, match="more than 25000 visits and attempts"):
        rehearse({"definition": {"StartAt": "A", "States": states}})


def test_a_case_that_is_tried_again_for_ever_ends():
    retry = {"ErrorEquals": ["Busy"], "MaxAttempts": 99_999_999, "MaxDelaySeconds": 1}
    mocks = {"arn:job": [{"throw": {"Error": "Busy"}}]}

    with pytest.raises(ConfigError, match="more than 25000 visits and attempts"):
        rehearse({"definition": job(Retry=[retry]), "mocks": mocks})
    with pytest.raises(ConfigError, match="beyond the year 9999"):
        rehearse({"definition": job(Retry=[{"ErrorEquals": ["Busy"], "MaxAttempts": 9999}]), "mocks": mocks})


def test_a_line_that_is_no_case_is_a_result_like_any_other():
    assert rehearse_line("{", 3).cause.startswith("line 3 is not JSON")
    assert rehearse_line('{"id": 1, "id": 2}', 3).cause == "line 3 is not JSON: 'id' stands twice in one object"
    assert rehearse_line('{"id": 7}', 3) == Result(
        7, "INVALID", None, "InvalidCase", "a case is an object with a definition.", ()
    )


RICH = {
    "StartAt": "Ask",
    "TimeoutSeconds": 9999,
    "States": {
        "Ask": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [
                        {"Variable": "$.n", "NumericGreaterThanPath": "$.m"},
                        {"Not": {"Variable": "$.n", "IsNull": True}},
                    ],
                    "Next": "Fan",
                }
            ],
            "Default": "Pause",
        },
        "Pause": {"Type": "Wait", "SecondsPath": "$.n", "Next": "Fan"},
        "Fan": {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": "Job",
                    "States": {"Job": {"Type": "Task", "Resource": "arn:job", "TimeoutSeconds": 9, "End": True}},
                },
                {
                    "StartAt": "Copy",
                    "States": {"Copy": {"Type": "Pass", "Parameters": {"v.$": "States.MathAdd($.n, 1)"}, "End": True}},
                },
            ],
            "ResultSelector": {"all.$": "$[*]"},
            "ResultPath": "$.fan",
            "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 1.5}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Stop"}],
            "Next": "Each",
        },
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.list",
            "MaxConcurrency": 2,
            "ItemSelector": {"i.$": "$$.Map.Item.Index"},
            "ItemProcessor": {"StartAt": "Item", "States": {"Item": {"Type": "Wait", "Seconds": 3, "End": True}}},
            "End": True,
        },
        "Stop": {"Type": "Fail", "ErrorPath": "$.failure.Error", "Cause": "told"},
    },
}
CASE = {
    "id": 1,
    "definition": RICH,
    "input": {"n": 5, "m": 7, "list": [1, 2, 3]},
    "mocks": {"arn:job": [{"return": 1, "seconds": 2}]},
}
ANYTHING = (
    None,
    True,
    0,
    -1,
    2.5,
    10**30,
    "",
    "x",
    "$",
    "$.lost",
    "$.n[*]",
    "$$.Execution",
    [],
    [1],
    {},
    {"a": 1},
    "States.UUID()",
)


def places(item, path=()):
    if path:
        yield path
    children = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, value in children:
        yield from places(value, (*path, key))


def test_the_rich_case_runs():
    assert rehearse(CASE).status == "SUCCEEDED"


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(places(CASE))), st.sampled_from(ANYTHING))
def test_a_case_with_any_one_thing_changed_has_a_result_and_always_the_same(place, thing):
    case = copy.deepcopy(CASE)
    holder = case
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = thing

    result = rehearse_line(json.dumps(case), 1)

    assert result.status in {"SUCCEEDED", "FAILED", "TIMED_OUT", "INVALID"}
    assert result.status == "SUCCEEDED" or (result.error is not None or result.status == "FAILED")
    assert rehearse_line(json.dumps(case), 1) == result


@pytest.mark.parametrize("depth", [200, 600, 800, 900, 950, 990, 3_000])
def test_a_case_however_deep_is_run_or_invalid_and_ends_nothing_else(depth):
    machine = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'

    result = rehearse_line(f'{{"id": 1, "definition": {machine}, "input": {"[" * depth + "]" * depth}}}', 3)

    assert result.status in {"SUCCEEDED", "INVALID"}
    assert result.could_run == (result.error is None)
