from __future__ import annotations

import json

import pytest

from healthcare_ops.orchestrator.asl import findings
from unit.orchestrator.flows import PASS, chain, play, task

pytestmark = pytest.mark.spec("Variables: Assign")

DONE = {"Type": "Succeed"}


def told(expression):
    return PASS | {"Parameters": {"v.$": expression}}


def test_a_variable_is_seen_by_every_later_state_wherever_a_path_may_stand():
    states = {
        "Set": PASS | {"Assign": {"limit.$": "$.n", "list": [1, 2, 3], "deep": {"er": [{"x": 5}]}}},
        "Job": task(TimeoutSecondsPath="$limit"),
        "Ask": {
            "Type": "Choice",
            "Choices": [{"Variable": "$deep.er[0].x", "NumericLessThanPath": "$limit", "Next": "Each"}],
        },
        "Each": {"Type": "Map", "ItemsPath": "$list", "ItemProcessor": chain(Item=told("States.MathAdd($limit, $.a)"))}
        | {"ItemSelector": {"a.$": "$$.Map.Item.Value"}},
        "Tell": PASS | {"Parameters": {"whole.$": "$deep", "some.$": "$list[1:]", "fields.$": "$deep['er'][*].x"}},
    }

    execution, _ = play(chain(**states), {"n": 7}, {"job": [{"return": "done"}]})

    assert execution.history[3].output == [{"v": 8}, {"v": 9}, {"v": 10}]
    assert execution.output == {"whole": {"er": [{"x": 5}]}, "some": [2, 3], "fields": [5]}


def test_what_is_assigned_is_made_of_what_was_known_before():
    first, swap = {"a": 1, "b": 2}, {"a.$": "$b", "b.$": "$a"}

    execution, _ = play(
        chain(Set=PASS | {"Assign": first}, Swap=PASS | {"Assign": swap}, Tell=told("States.Array($a, $b)"))
    )

    assert execution.output == {"v": [2, 1]}


@pytest.mark.parametrize(
    ("state", "value"),
    [
        (task(ResultSelector={"n.$": "$.rows"}, Assign={"v.$": "$"}), {"rows": 5, "more": 1}),
        (PASS | {"Result": "own", "Assign": {"v.$": "$"}}, "own"),
        (PASS | {"Parameters": {"p": 1}, "ResultPath": None, "Assign": {"v.$": "$.p"}}, 1),
        ({"Type": "Wait", "Seconds": 1, "InputPath": "$.in", "Assign": {"v.$": "$"}}, {"x": 1}),
        ({"Type": "Parallel", "Branches": [chain(B=PASS)], "Assign": {"v.$": "$[0].in.x"}}, 1),
    ],
)
def test_a_state_assigns_from_its_result_or_else_from_its_input(state, value):
    mocks = {"job": [{"return": {"rows": 5, "more": 1}}]}

    assert play(chain(State=state, Tell=told("$v")), {"in": {"x": 1}}, mocks)[0].output == {"v": value}


@pytest.mark.parametrize(("n", "value"), [(1, "rule"), (2, "none"), (3, "default")])
def test_a_choice_assigns_by_the_rule_that_holds_or_by_its_default(n, value):
    ask = {
        "Type": "Choice",
        "Choices": [
            {"Variable": "$.n", "NumericEquals": 1, "Assign": {"v": "rule"}, "Next": "Tell"},
            {"Variable": "$.n", "NumericEquals": 2, "Next": "Tell"},
        ],
        "Assign": {"v": "default"},
        "Default": "Tell",
    }

    execution, _ = play(chain(Set=PASS | {"Assign": {"v": "none"}}, Ask=ask, Tell=told("$v")), {"n": n})

    assert execution.output == {"v": value}


def test_a_catcher_assigns_from_the_failure_and_the_state_does_not():
    job = task(
        Assign={"v": "result"},
        Catch=[{"ErrorEquals": ["Bad"], "Assign": {"error.$": "$.Error"}, "Next": "Tell"}],
        Next="Tell",
    )
    states = chain(Set=PASS | {"Assign": {"v": "before"}}, Job=job, Tell=told("States.Array($v, $error)"))

    assert play(states, {}, {"job": [{"throw": {"Error": "Bad"}}]})[0].output == {"v": ["before", "Bad"]}


def test_a_branch_sees_the_variables_around_it_and_keeps_its_own_to_itself():
    branch = chain(In=PASS | {"Assign": {"inner.$": "$outer"}}, Seen=told("$inner"))
    fan = {"Type": "Parallel", "Branches": [branch]}

    execution, _ = play(chain(Set=PASS | {"Assign": {"outer": 1}}, Fan=fan, Tell=told("$inner")))

    assert execution.history[1].output == [{"v": 1}]
    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")


def test_a_variable_that_was_never_assigned_fails_the_run():
    execution, _ = play(chain(Tell=told("$lost")), {"x": 1})

    assert execution.error == "States.Runtime"
    assert "The JSONPath '$lost' specified for the field 'v.$' could not be found" in execution.cause


@pytest.mark.parametrize(
    ("state", "finding"),
    [
        (PASS | {"Assign": []}, "Assign [] is not an object"),
        (PASS | {"Assign": {"a-b": 1}}, "Assign 'a-b' is not supported: it is not the name of a variable"),
        (PASS | {"Assign": {"1": 1}}, "Assign '1' is not supported"),
        (PASS | {"Assign": {"states": 1}}, "Assign 'states' is not supported"),
        (PASS | {"Assign": {"a" * 81: 1}}, "it is not the name of a variable"),
        (PASS | {"Assign": {"a.$": "b"}}, "path 'b' is not supported"),
        (PASS | {"ResultPath": "$a"}, "ResultPath '$a' is not supported: it leads out of the document"),
        ({"Type": "Fail", "Assign": {}}, "field 'Assign' is not supported"),
        (
            {"Type": "Parallel", "Branches": [chain(B=PASS | {"Assign": {"v": 1}})], "Assign": {"v": 2}},
            "Assign 'v' is not supported: a scope around this one assigns it too",
        ),
    ],
)
def test_an_assignment_that_cannot_be_is_refused(state, finding):
    messages = [str(found) for found in findings(json.dumps(chain(State=state)))]

    assert any(finding in message for message in messages), messages
