from __future__ import annotations

import copy
import json
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.orchestrator.asl import StateMachine, load, render
from healthcare_ops.orchestrator.choices import OPERATORS

PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": "job", "End": True}
WAIT = {"Type": "Wait", "Seconds": 1, "End": True}
YES = {"Variable": "$.a", "IsPresent": True}
SHIPPED = files("healthcare_ops.jobs").joinpath("orchestrator.asl.json").read_text(encoding="utf-8")
ANYTHING = (None, True, False, 0, -1, 1.5, "", "x", "$", "$.a[*]", [], [1], ["x"], {}, {"a": 1}, "States.UUID()")


def without(state, field):
    return {name: value for name, value in state.items() if name != field}


def choice(*rules, **fields):
    return {"Type": "Choice", "Choices": list(rules), **fields}


def machine(state, **fields):
    """Return a definition of one state under test, `Odd`, and a last one that others may lead to."""
    others = {"Last": {"Type": "Succeed"}} if '"Last"' in json.dumps(state) else {}
    return json.dumps({"StartAt": "Odd", "States": {"Odd": state, **others}} | fields)


def test_a_checked_definition_keeps_its_states_its_start_and_its_time():
    loaded = load(machine(PASS, TimeoutSeconds=90, Comment="one state", Version="1.0", QueryLanguage="JSONPath"))

    assert loaded == StateMachine("Odd", {"Odd": PASS}, 90)


def test_a_definition_without_a_time_limit_has_none():
    assert load(machine(PASS)).timeout_s is None


@pytest.mark.parametrize(
    "state",
    [
        PASS | {"Result": {"a": 1}, "ResultPath": "$.b", "InputPath": "$.c", "OutputPath": None},
        TASK | {"Parameters": {"a.$": "$.b"}, "ResultSelector": {"c.$": "$.d"}, "TimeoutSeconds": 5, "Comment": "x"},
        TASK | {"Retry": [{"ErrorEquals": ["E"], "JitterStrategy": "FULL"}, {"ErrorEquals": ["States.ALL"]}]},
        TASK | {"Catch": [{"ErrorEquals": ["E", "F"], "Next": "Last", "ResultPath": None}]},
        WAIT | {"Seconds": 0},
        choice(YES | {"Next": "Last", "Comment": "there"}, Default="Last"),
        choice({"And": [YES, {"Not": {"Or": [YES, YES]}}], "Next": "Last"}),
        *(
            choice({"Variable": "$.a", operator: operand, "Next": "Last"})
            for operator, operand in {
                name: "$.b"
                if name.endswith("Path")
                else "2026-03-01T00:00:00Z"
                if name.startswith("Timestamp")
                else "x"
                if name.startswith("String")
                else 1.5
                if name.startswith("Numeric")
                else True
                for name in OPERATORS
            }.items()
        ),
        {"Type": "Succeed", "InputPath": "$.a"},
        {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$$.Execution.Name"},
        {"Type": "Fail", "Error": "E", "Cause": "why"},
    ],
)
def test_every_supported_form_of_a_state_is_let_in(state):
    assert load(machine(state)).states["Odd"] == state


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        # kinds of states and fields that the interpreter does not run
        ({"Type": "Activity", "End": True}, "Type 'Activity' is not supported"),
        ({"Type": ["Pass"], "End": True}, "Type ['Pass'] is not supported"),
        ({"End": True}, "Type None is not supported"),
        ("Pass", "Type None is not supported"),
        (PASS | {"QueryLanguage": "JSONata"}, "QueryLanguage JSONata is not supported"),
        ({"Type": "Succeed", "Assign": {}}, "field 'Assign' is not supported"),
        (PASS | {"Output": {}}, "field 'Output' is not supported"),
        (TASK | {"Arguments": {}}, "field 'Arguments' is not supported"),
        (TASK | {"Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"}, "there are no task tokens"),
        (TASK | {"Parameters": {"t.$": "$$.Task.Token"}}, "there are no task tokens"),
        (TASK | {"Parameters": {"t.$": "States.Format('{}', $$.Task.Token)"}}, "there are no task tokens"),
        (TASK | {"Credentials": {}}, "field 'Credentials' is not supported"),
        (PASS | {"Retry": []}, "field 'Retry' is not supported"),
        (WAIT | {"Timestamp": "2026-03-01T00:00:00Z"}, "a Wait needs one of Seconds, SecondsPath"),
        (WAIT | {"SecondsPath": "$.s"}, "a Wait needs one of Seconds, SecondsPath"),
        (WAIT | {"ResultPath": "$.s"}, "field 'ResultPath' is not supported"),
        ({"Type": "Succeed", "End": True}, "field 'End' is not supported"),
        ({"Type": "Fail", "Next": "Last"}, "field 'Next' is not supported"),
        # where a state leads
        (without(PASS, "End"), "give either Next or End"),
        (PASS | {"Next": "Last"}, "give either Next or End"),
        (without(PASS, "End") | {"End": False}, "give either Next or End"),
        (PASS | {"End": "yes"}, "End 'yes' is not true or false"),
        (without(PASS, "End") | {"Next": 5}, "Next 5 is not a name of 1 to 80 characters"),
        (without(PASS, "End") | {"Next": "Nowhere"}, "leads to 'Nowhere', which is not a state"),
        (choice(YES | {"Next": "Last"}, Default="Nowhere"), "leads to 'Nowhere', which is not a state"),
        (choice(YES | {"Next": "Nowhere"}), "leads to 'Nowhere', which is not a state"),
        (
            TASK | {"Catch": [{"ErrorEquals": ["E"], "Next": "Nowhere"}]},
            "leads to 'Nowhere', which is not a state",
        ),
        # paths
        *(
            (TASK | {field: path}, f"path {path!r} is not supported")
            for field in ("InputPath", "OutputPath", "ResultPath")
            for path in ("$.a[", "$.a.length()", "$1", "a", "States.UUID()", "")
        ),
        (TASK | {"InputPath": 5}, "path 5 is not supported"),
        (TASK | {"ResultPath": "$$.Execution"}, "ResultPath '$$.Execution' is not supported"),
        *(
            (TASK | {"ResultPath": path}, f"ResultPath {path!r} is not supported")
            for path in ("$.a[*]", "$..a", "$.a[0:1]")
        ),
        (
            TASK | {"Catch": [{"ErrorEquals": ["E"], "Next": "Last", "ResultPath": "$.a[*]"}]},
            "ResultPath '$.a[*]' is not supported",
        ),
        (TASK | {"Parameters": {"a": [{"b.$": "$.c["}]}}, "path '$.c[' is not supported"),
        (TASK | {"Parameters": {"b.$": "States.Format('{}', $.c"}}, "is not supported"),
        (TASK | {"Parameters": {"b.$": "States.Now()"}}, "States.Now is not an intrinsic function"),
        (TASK | {"Parameters": {"b.$": "$.c", "b": 1}}, "Parameters has both 'b' and 'b.$'"),
        (TASK | {"Parameters": {"b.$": 5}}, "path 5 is not supported"),
        (TASK | {"ResultSelector": {"b.$": "$.c[1:2"}}, "path '$.c[1:2' is not supported"),
        ({"Type": "Fail", "ErrorPath": "States.MathAdd(1, 2)"}, "States.MathAdd makes no text"),
        ({"Type": "Fail", "CausePath": "$.c["}, "is not supported"),
        ({"Type": "Fail", "Error": "E", "ErrorPath": "$.e"}, "give either Error or ErrorPath"),
        # tasks
        (without(TASK, "Resource"), "a Task needs a Resource"),
        (TASK | {"Resource": ["job"]}, "Resource ['job'] is not text"),
        (TASK | {"Parameters": "$"}, "Parameters '$' is not an object"),
        (TASK | {"ResultSelector": []}, r"ResultSelector [] is not an object"),
        (TASK | {"TimeoutSeconds": "60"}, "TimeoutSeconds '60' is not a whole number from 1"),
        (TASK | {"TimeoutSeconds": 0}, "TimeoutSeconds 0 is not a whole number from 1"),
        (TASK | {"TimeoutSeconds": True}, "TimeoutSeconds True is not a whole number from 1"),
        # retriers and catchers
        (TASK | {"Retry": {"ErrorEquals": ["E"]}}, "Retry {'ErrorEquals': ['E']} is not a list"),
        (TASK | {"Retry": ["E"]}, "'E' is not an object"),
        (TASK | {"Retry": [{"MaxAttempts": 1}]}, "ErrorEquals is missing"),
        (TASK | {"Retry": [{"ErrorEquals": []}]}, "ErrorEquals [] is not a list of names"),
        (TASK | {"Retry": [{"ErrorEquals": "E"}]}, "ErrorEquals 'E' is not a list of names"),
        (TASK | {"Retry": [{"ErrorEquals": [5]}]}, "ErrorEquals [5] is not a list of names"),
        (TASK | {"Retry": [{"ErrorEquals": ["States.ALL", "E"]}]}, "States.ALL must stand alone in the last"),
        (
            TASK | {"Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}]},
            "States.ALL must stand alone in the last",
        ),
        (TASK | {"Retry": [{"ErrorEquals": ["E"], "MaxAttempts": -1}]}, "MaxAttempts -1 is not a whole number"),
        (TASK | {"Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 1.5}]}, "MaxAttempts 1.5 is not a whole number"),
        (TASK | {"Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 0}]}, "IntervalSeconds 0 is not a whole number"),
        (TASK | {"Retry": [{"ErrorEquals": ["E"], "BackoffRate": 0.5}]}, "BackoffRate 0.5 is not a number of at least"),
        (
            TASK | {"Retry": [{"ErrorEquals": ["E"], "MaxDelaySeconds": "9"}]},
            "MaxDelaySeconds '9' is not a whole number from 1 to 31622399",
        ),
        (TASK | {"Retry": [{"ErrorEquals": ["E"], "JitterStrategy": "HALF"}]}, "JitterStrategy 'HALF' is not FULL or"),
        (TASK | {"Retry": [{"ErrorEquals": ["E"], "Backoff": 2}]}, "field 'Backoff' is not supported"),
        (TASK | {"Catch": [{"ErrorEquals": ["E"]}]}, "a catcher needs Next"),
        (TASK | {"Catch": [{"Next": "Last"}]}, "ErrorEquals is missing"),
        (TASK | {"Catch": [{"ErrorEquals": ["States.ALL", "E"], "Next": "Last"}]}, "States.ALL must stand alone"),
        (TASK | {"Catch": [{"ErrorEquals": ["E"], "Next": "Last", "Output": {}}]}, "field 'Output' is not supported"),
        # choices
        (without(choice(), "Choices"), "a Choice needs Choices"),
        (choice(), "Choices [] is not a list of at least one"),
        (choice(5), "a choice rule needs Next"),
        (choice(YES), "a choice rule needs Next"),
        (choice({"Next": "Last"}), "choice rule [] is not supported"),
        (choice({"Variable": "$.a", "Next": "Last"}), "choice rule ["),
        (choice({"StringEquals": "x", "Next": "Last"}), "choice rule ["),
        (
            choice({"Variable": "$.a", "StringEquals": "x", "IsNull": True, "Next": "Last"}),
            "choice rule [",
        ),
        (
            choice({"Variable": "$.a", "TimestampEquals": "2026-03-01", "Next": "Last"}),
            "TimestampEquals '2026-03-01' is not a timestamp",
        ),
        (choice({"Variable": "$.a", "IsTimestamp": "yes", "Next": "Last"}), "IsTimestamp 'yes' is not true or false"),
        (choice({"Condition": "{% true %}", "Next": "Last"}), "choice rule ["),
        (choice({"And": [], "Next": "Last"}), "And needs a list of rules"),
        (choice({"Or": YES, "Next": "Last"}), "Or needs a list of rules"),
        (choice({"Not": [YES], "Next": "Last"}), "is not an object"),
        (choice({"And": [YES | {"Next": "Last"}], "Next": "Last"}), "choice rule ["),
        (choice(YES | {"Variable": "$.a[", "Next": "Last"}), "path '$.a[' is not supported"),
        (choice({"Variable": "$.a", "StringEqualsPath": "b", "Next": "Last"}), "path 'b' is not supported"),
        (choice({"Variable": "$.a", "StringEquals": 1, "Next": "Last"}), "StringEquals 1 is not text"),
        (choice({"Variable": "$.a", "NumericEquals": True, "Next": "Last"}), "NumericEquals True is not a number"),
        (choice({"Variable": "$.a", "BooleanEquals": 1, "Next": "Last"}), "BooleanEquals 1 is not true or false"),
        (choice({"Variable": "$.a", "IsNull": "yes", "Next": "Last"}), "IsNull 'yes' is not true or false"),
        # waits
        (without(WAIT, "Seconds"), "a Wait needs one of Seconds, SecondsPath"),
        (WAIT | {"Seconds": "5"}, "Seconds '5' is not a whole number from 0"),
        (WAIT | {"Seconds": -1}, "Seconds -1 is not a whole number from 0"),
    ],
)
def test_what_is_not_supported_is_refused_at_the_door_with_the_state_s_name(state, fault):
    with pytest.raises(ConfigError) as refusal:
        load(machine(state))

    assert refusal.value.message.startswith("state 'Odd': ")
    assert fault in refusal.value.message


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        ("{", "the definition is not JSON"),
        ("[]", "state machine: the definition is not an object"),
        (json.dumps({"StartAt": "A"}), "state machine: there are no States"),
        (json.dumps({"StartAt": "A", "States": {}}), "state machine: there are no States"),
        (json.dumps({"StartAt": "A", "States": []}), "state machine: States [] is not an object"),
        (json.dumps({"States": {"A": PASS}}), "state 'StartAt': leads to None, which is not a state"),
        (json.dumps({"StartAt": "B", "States": {"A": PASS}}), "state 'StartAt': leads to 'B', which is not a state"),
        (json.dumps({"StartAt": ["A"], "States": {"A": PASS}}), "state machine: StartAt ['A'] is not a name"),
        (machine(PASS, QueryLanguage="JSONata"), "state machine: QueryLanguage JSONata is not supported"),
        (machine(PASS, TimeoutSeconds="90"), "state machine: TimeoutSeconds '90' is not a whole number"),
        (machine(PASS, Tags=[]), "state machine: field 'Tags' is not supported"),
        (json.dumps({"StartAt": "A", "States": {"A": PASS, "B": PASS}}), "state 'B': no state leads to it"),
        (
            json.dumps({"StartAt": "A", "States": {"A": without(PASS, "End") | {"Next": "A"}}}),
            "state machine: no state ends the machine",
        ),
    ],
)
def test_a_definition_that_cannot_run_is_refused(definition, fault):
    with pytest.raises(ConfigError) as refusal:
        load(definition)

    assert fault in refusal.value.message


def places(item, path=()):
    if path:
        yield path
    children = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, value in children:
        yield from places(value, (*path, key))


RENDERED = json.loads(render(SHIPPED))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(places(RENDERED))), st.sampled_from(ANYTHING))
def test_a_definition_with_any_one_thing_wrong_is_let_in_or_refused_and_nothing_else(place, thing):
    definition = copy.deepcopy(RENDERED)
    holder = definition
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = thing

    try:
        outcome = load(json.dumps(definition)).start_at
    except ConfigError as refusal:
        outcome = refusal.message

    assert outcome.startswith(("state ", "state machine: ", "ResolveRunDate"))


def test_a_template_is_filled_with_its_prefix():
    assert render('{"a": "${prefix}ingest", "b": "${prefix}"}', prefix="hops-") == '{"a": "hops-ingest", "b": "hops-"}'
    assert render("${prefix}ingest") == "ingest"


@pytest.mark.parametrize("variable", ["${region}", "${ prefix }", "${prefix_id}"])
def test_a_template_with_another_variable_is_refused_by_name(variable):
    with pytest.raises(ConfigError, match="is not known") as refusal:
        render(f"{{}} {variable}")

    assert variable in refusal.value.message
