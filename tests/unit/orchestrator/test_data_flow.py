from __future__ import annotations

import pytest

from healthcare_ops.orchestrator.paths import fill
from unit.orchestrator.flows import PASS, chain, play, task

pytestmark = pytest.mark.spec("Data: input and output processing")

DONE = {"Type": "Succeed"}
CAUGHT = [{"ErrorEquals": ["States.ALL"], "Next": "Caught", "ResultPath": "$.failure"}]
BIG = "x" * 262_142  # with its quotes just what may be passed on


def caught(job, given=None, mocks=None):
    return play(chain(Job=job, Caught=DONE), given, mocks or {"job": [{"return": {}}]})[0]


def test_the_specification_s_example_of_a_result_selector():
    result = {"resourceType": "emr", "output": {"SdkHttpMetadata": {"AllHttpHeaders": {}}, "ClusterId": "AKIA"}}
    job = task(
        ResultSelector={"ClusterId.$": "$.output.ClusterId", "ResourceType.$": "$.resourceType"}, ResultPath="$.emr"
    )

    assert play(chain(Job=job), {"x": 1}, {"job": [{"return": result}]})[0].output == {
        "x": 1,
        "emr": {"ClusterId": "AKIA", "ResourceType": "emr"},
    }


@pytest.mark.spec("Payload Template")
def test_the_specification_s_example_of_a_payload_template():
    template = {
        "flagged": True,
        "parts": {"first.$": "$.vals[0]", "last3.$": "$.vals[-3:]"},
        "weekday.$": "$$.DayOfWeek",
        "formattedOutput.$": "States.Format('Today is {}', $$.DayOfWeek)",
    }
    from_context = {"DayOfWeek": "TUESDAY"}
    given = {"flagged": 7, "vals": [0, 10, 20, 30, 40, 50]}

    assert fill(template, given, from_context) == {
        "flagged": True,
        "parts": {"first": 0, "last3": [30, 40, 50]},
        "weekday": "TUESDAY",
        "formattedOutput": "Today is TUESDAY",
    }


@pytest.mark.spec("Payload Template")
@pytest.mark.parametrize("field", ["Parameters", "ResultSelector"])
def test_paths_may_be_anywhere_in_a_template_but_not_in_values(field):
    template = {"a": ["$.x", {"b.$": "$.x"}], "c": {"d": {"e.$": "$.x"}}, "f": "States.UUID()"}

    execution, _ = play(chain(Job=task(**{field: template})), {"x": 1}, {"job": [{"return": {"x": 1}}]})

    expected = {"a": ["$.x", {"b": 1}], "c": {"d": {"e": 1}}, "f": "States.UUID()"}
    assert execution.output == (expected if field == "ResultSelector" else {"x": 1})


@pytest.mark.spec("Paths: the Context Object")
def test_the_context_object_has_what_the_manual_lists():
    parameters = {
        "execution.$": "$$.Execution",
        "machine.$": "$$.StateMachine",
        "state.$": "$$.State",
        "whole.$": "States.ArrayLength(States.Array($$))",
    }

    execution, _ = play(chain(Tell=PASS | {"Parameters": parameters}), {"x": 1})

    assert execution.output == {
        "execution": {"Id": "run-1", "Name": "run-1", "Input": {"x": 1}, "StartTime": "2026-01-01T00:00:00.000Z"},
        "machine": {"Id": "orchestrator", "Name": "orchestrator"},
        "state": {"Name": "Tell", "EnteredTime": "2026-01-01T00:00:00.000Z", "RetryCount": 0},
        "whole": 1,
    }


@pytest.mark.spec("Filters: InputPath, OutputPath")
@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ({"InputPath": "$$.Execution.Input.a"}, [1, 2, 3]),
        ({"InputPath": "$.a[*]"}, [1, 2, 3]),
        ({"InputPath": "$.a[1:]"}, [2, 3]),
        ({"InputPath": "$.a[0]"}, 1),
        ({"InputPath": "$..b"}, [4]),
        ({"InputPath": "$.c[?(@.b > 3)].b"}, [4]),
        ({"OutputPath": "$.a[-1]"}, 3),
        ({"OutputPath": "$$.Execution.Name"}, "run-1"),
        ({"OutputPath": "$.a[7:]"}, []),
    ],
)
def test_a_path_selects_from_input_and_context(fields, output):
    assert play(chain(Pass=PASS | fields), {"a": [1, 2, 3], "c": [{"b": 4}]})[0].output == output


@pytest.mark.spec("Errors: States.ParameterPathFailure")
def test_a_parameter_that_leads_nowhere_fails_the_run_as_the_service_does():
    execution = caught(task(Parameters={"a": {"b.$": "$.lost"}}, Catch=CAUGHT, End=True), {"x": "é"})

    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")
    assert execution.cause == (
        "An error occurred while executing the state 'Job' (entered at the event id #2). "
        "The JSONPath '$.lost' specified for the field 'b.$' could not be found in the input '{\"x\":\"é\"}'"
    )


@pytest.mark.spec("Errors: States.ParameterPathFailure")
@pytest.mark.parametrize("field", ["Parameters", "ResultSelector"])
def test_a_parameter_that_leads_nowhere_is_caught_by_its_name(field):
    rule = [{"ErrorEquals": ["States.ParameterPathFailure"], "Next": "Caught"}]

    execution = caught(task(**{field: {"b.$": "$.lost"}}, Catch=rule, End=True))

    assert execution.output["Error"] == "States.Runtime"


@pytest.mark.spec("Errors: States.IntrinsicFailure")
def test_a_function_that_fails_is_retried_and_caught():
    job = task(
        Parameters={"v.$": "States.StringToJson($.text)"},
        Retry=[{"ErrorEquals": ["States.IntrinsicFailure"], "MaxAttempts": 2}],
        Catch=CAUGHT,
        End=True,
    )

    execution = caught(job, {"text": "{"})

    assert execution.output["failure"]["Error"] == "States.IntrinsicFailure"
    assert "The function 'States.StringToJson($.text)' had the following error" in execution.output["failure"]["Cause"]
    assert len(execution.history[0].attempts) == 3


@pytest.mark.spec("Errors: States.ResultPathMatchFailure")
@pytest.mark.parametrize(("path", "given"), [("$.a", "text"), ("$.a", [1]), ("$.a.b", {"a": 5}), ("$.a[3]", {"a": []})])
def test_a_result_without_a_place_is_caught(path, given):
    rule = [{"ErrorEquals": ["States.ResultPathMatchFailure"], "Next": "Caught"}]

    execution = caught(task(ResultPath=path, Catch=rule, End=True), given)

    assert execution.output["Error"] == "States.ResultPathMatchFailure"
    assert execution.output["Cause"].startswith("An error occurred while executing the state 'Job'")


@pytest.mark.spec("Pass State")
def test_a_result_without_a_place_fails_a_run_whose_state_cannot_catch():
    assert play(chain(Pass=PASS | {"Result": 1, "ResultPath": "$.a"}), [1])[0].error == "States.ResultPathMatchFailure"


@pytest.mark.spec("Fail State")
@pytest.mark.parametrize(
    ("fields", "error", "cause"),
    [
        ({"ErrorPath": "States.Format('E-{}', $.n)", "CausePath": "$.c"}, "E-5", "because"),
        ({"Error": "E", "CausePath": "States.JsonToString($)"}, "E", '{"n":5,"c":"because"}'),
        ({"ErrorPath": "$.n"}, "States.Runtime", "The ErrorPath '$.n' does not lead to a string."),
        ({"ErrorPath": "$.lost"}, "States.Runtime", "The JSONPath '$.lost' specified for the field 'ErrorPath'"),
    ],
)
def test_a_fail_state_may_take_its_words_from_paths_and_functions(fields, error, cause):
    execution, _ = play(chain(Stop={"Type": "Fail"} | fields), {"n": 5, "c": "because"})

    assert execution.error == error
    assert cause in execution.cause


# What may be passed on: 256 KiB


@pytest.mark.spec("Errors: States.DataLimitExceeded")
def test_just_as_much_as_allowed_is_passed_on():
    assert play(chain(Job=task(), After=PASS), {}, {"job": [{"return": BIG}]})[0].output == BIG


@pytest.mark.spec("Errors: States.DataLimitExceeded")
@pytest.mark.parametrize("result", [BIG + "x", "é" * 131_072])
@pytest.mark.parametrize(
    ("resource", "name"),
    [("arn:aws:states:::lambda:invoke", "lambda"), ("arn:aws:lambda:x:1:function:f", "arn:aws:lambda:x:1:function:f")],
)
def test_a_result_too_large_is_caught_even_by_states_all_as_recorded_on_the_service(result, resource, name):
    execution = caught(task(resource, Catch=CAUGHT, End=True), {}, {resource: [{"return": result}]})

    assert execution.output["failure"] == {
        "Error": "States.DataLimitExceeded",
        "Cause": f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes "
        "service limit.",
    }


@pytest.mark.spec("Errors: States.DataLimitExceeded")
@pytest.mark.parametrize("fields", [{"Parameters": {"a.$": "$", "b.$": "$"}}, {"ResultPath": "$.more"}])
@pytest.mark.parametrize("name", ["States.ALL", "States.DataLimitExceeded"])
def test_an_input_or_output_too_large_is_caught_by_its_own_name_only(fields, name):
    rule = [{"ErrorEquals": [name], "Next": "Caught", "ResultPath": "$"}]
    mocks = {"job": [{"return": "y" * 200_000}]}

    execution = caught(task(Catch=rule, End=True, **fields), {"x": "x" * 200_000}, mocks)

    assert execution.status == ("SUCCEEDED" if name != "States.ALL" else "FAILED")


@pytest.mark.spec("Errors: States.DataLimitExceeded")
def test_a_pass_state_cannot_make_more_than_may_be_passed_on():
    execution, _ = play(chain(Pass=PASS | {"Parameters": {"a.$": "$", "b.$": "$"}}), "x" * 200_000)

    assert (execution.status, execution.error) == ("FAILED", "States.DataLimitExceeded")


def test_a_cause_counts_events_as_the_service_does():
    lost = PASS | {"Parameters": {"a.$": "$.lost"}}

    execution, _ = play(
        chain(A=task(), B=task("job.sync"), C=PASS, D=lost), {}, {"job": [{"return": {}}], "job.sync": [{"return": {}}]}
    )

    # started; A entered, scheduled, started, succeeded, left; B the same and submitted; C entered and left; D
    assert "(entered at the event id #15)" in execution.cause
