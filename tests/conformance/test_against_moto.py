"""The same definitions in our interpreter and in moto's, with the same answers of their tasks."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from healthcare_ops.orchestrator.asl import render
from healthcare_ops.orchestrator.rehearsal import rehearse

pytest.importorskip("moto.stepfunctions.parser", reason="moto is not installed")
moto_machine = pytest.importorskip("conformance.moto_machine")

SHIPPED = json.loads(render(files("healthcare_ops.jobs").joinpath("orchestrator.asl.json").read_text(encoding="utf-8")))
DAILY = [
    *("ResolveRunDate", "ChoosePath", "RunBronzeIngest", "RunBronzeToSilver", "RunDQ"),
    *("RunSilverToGold", "BuildFeatures", "ChooseRun", "BatchPredict", "MonitorModels"),
]
INCIDENT = ["OpenIncident", "PipelineFailed"]
PASS = {"Type": "Pass", "End": True}


def throw(error, cause="because"):
    return {"throw": {"Error": error, "Cause": cause}}


def hastened(definition):
    """Return the machine with the shortest waits before it tries again: moto really waits."""
    states = {
        name: state
        | ({"Retry": [rule | {"IntervalSeconds": 1} for rule in state["Retry"]]} if "Retry" in state else {})
        for name, state in definition["States"].items()
    }
    return definition | {"States": states}


def in_both(definition, given, answers):
    """Run a definition in both; `answers` are by state, and ours are asked for by what names the task."""
    tasks = {name: state for name, state in definition["States"].items() if state["Type"] == "Task"}
    usual = {name: [{"return": {"Payload": {}}}] for name in tasks}
    script = usual | answers
    mocks = {}
    for name, state in tasks.items():
        parameters = state.get("Parameters", {})
        mocks[parameters.get("JobName") or parameters.get("FunctionName") or state["Resource"]] = script[name]
    ours = rehearse({"id": "run-1", "definition": definition, "input": given, "mocks": mocks})
    theirs = moto_machine.run_in_moto(json.dumps(definition), given, script, "run-1")
    return ours, theirs


@pytest.mark.parametrize(
    ("run_type", "answers", "states"),
    [
        ("daily", {}, DAILY),
        ("inference", {}, ["ResolveRunDate", "ChoosePath", "RunInferenceTick"]),
        ("weekly_train", {}, [*DAILY[:8], "WeeklyTrain", *DAILY[8:]]),
        ("daily", {"RunBronzeToSilver": [throw("TransientError"), {"return": {}}]}, DAILY),
        ("daily", {"RunBronzeToSilver": [throw("TransientError")]}, [*DAILY[:4], *INCIDENT]),
        ("daily", {"RunDQ": [throw("States.TaskFailed", "too many nulls")]}, [*DAILY[:5], *INCIDENT]),
        ("daily", {"RunDQ": [throw("States.Timeout")]}, [*DAILY[:5], *INCIDENT]),
        ("inference", {"RunInferenceTick": [throw("Lambda.Unknown")]}, [*DAILY[:2], "RunInferenceTick", *INCIDENT]),
        ("daily", {"RunDQ": [throw("Own")], "OpenIncident": [throw("Own too")]}, [*DAILY[:5], *INCIDENT]),
        ("daily", {"ResolveRunDate": [throw("Config")]}, ["ResolveRunDate", *INCIDENT]),
    ],
    ids=["daily", "inference", "weekly", "transient", "lasting", "quality", "timeout", "tick", "incident", "config"],
)
def test_the_shipped_machine_goes_the_same_way(run_type, answers, states):
    resolved = {"return": {"Payload": {"type": run_type, "run_date": "2026-03-01"}}}

    ours, theirs = in_both(hastened(SHIPPED), {"type": run_type}, {"ResolveRunDate": [resolved]} | answers)

    assert list(ours.states) == list(theirs.states) == states
    assert (ours.status, ours.output) == (theirs.status, theirs.output)
    # moto lets no Fail state pass on an error of the language's own.
    if not str(ours.error).startswith("States."):
        assert (ours.error, ours.cause) == (theirs.error, theirs.cause)


def test_a_task_that_is_too_slow_is_ended_by_both():
    slow = SHIPPED["States"]["RunDQ"] | {"TimeoutSeconds": 1, "Retry": []}
    definition = hastened(SHIPPED | {"States": SHIPPED["States"] | {"RunDQ": slow}})
    resolved = {"return": {"Payload": {"type": "daily", "run_date": "2026-03-01"}}}

    ours, theirs = in_both(definition, {}, {"ResolveRunDate": [resolved], "RunDQ": [{"return": {}, "seconds": 2}]})

    assert list(ours.states) == list(theirs.states) == [*DAILY[:5], *INCIDENT]
    assert (ours.status, ours.error, theirs.status) == ("FAILED", "States.Timeout", "FAILED")


GIVEN = {
    "name": "Ana",
    "n": 3,
    "half": 2.5,
    "list": [5, 4, 5, 1],
    "books": [{"price": 5, "title": "a"}, {"price": 15, "title": "b"}],
    "one": {"x": 1, "y": {"z": 2}},
    "two": {"y": 5},
    "json": '{"a":[1,2]}',
    "none": None,
}


# Not `$.books[0].title`: moto makes an array of it, though the path is definite.
@pytest.mark.parametrize(
    "expression",
    [
        "$.list[*]",
        "$.list[1:3]",
        "$.list[0]",
        "$.books[*].title",
        "$.books[?(@.price > 10)].title",
        "$..title",
        "$.list[7:]",
        "$.one.y.z",
        "$$.Execution.Name",
        "States.Format('Hi {}: {} {} {}', $.name, $.n, $.half, $.none)",
        "States.Format('{}', $.one)",
        "States.StringToJson($.json)",
        "States.JsonToString($.one)",
        "States.Array(1, 'x', $.none, $.one)",
        "States.ArrayPartition($.list, 3)",
        "States.ArrayContains($.list, 4)",
        "States.ArrayRange(1, 9, 3)",
        "States.ArrayGetItem($.list, 2)",
        "States.ArrayLength($.list)",
        "States.ArrayUnique($.list)",
        "States.Base64Encode($.name)",
        "States.Base64Decode('QW5h')",
        "States.Hash($.name, 'SHA-256')",
        "States.JsonMerge($.one, $.two, false)",
        "States.MathAdd($.n, -7)",
        "States.StringSplit('a,b;c', ',;')",
        "States.MathAdd(States.ArrayLength($.list), States.ArrayGetItem($.list, 3))",
    ],
)
def test_an_expression_has_the_same_value(expression):
    definition = {"StartAt": "A", "States": {"A": PASS | {"Parameters": {"v.$": expression}}}}

    ours, theirs = in_both(definition, GIVEN, {})

    assert (ours.status, ours.output) == (theirs.status, theirs.output)


@pytest.mark.parametrize(
    "fields",
    [
        {"InputPath": "$.one"},
        {"InputPath": "$.one", "ResultPath": "$.two.new"},
        {"InputPath": "$.one", "ResultPath": "$.two"},
        {"OutputPath": "$.one.y"},
        {"ResultPath": None},
        {"Result": {"a": 1}, "ResultPath": "$.deep.er"},
        {"InputPath": None},
        {"OutputPath": None},
        {"InputPath": "$.lost"},
        {"OutputPath": "$.lost.more"},
        {"Parameters": {"a.$": "$.lost"}},
    ],
)
def test_data_flows_the_same_way(fields):
    ours, theirs = in_both({"StartAt": "A", "States": {"A": PASS | fields}}, GIVEN, {})

    assert (ours.status, ours.output, ours.error) == (theirs.status, theirs.output, theirs.error)


def test_branches_and_items_have_the_same_results():
    branches = [
        {"StartAt": name, "States": {name: PASS | {"InputPath": f"$.{name}"}}} for name in ("one", "two", "list")
    ]
    items = {"StartAt": "Item", "States": {"Item": PASS | {"Parameters": {"v.$": "$.v", "i.$": "$.i"}}}}
    definition = {
        "StartAt": "Fan",
        "States": {
            "Fan": {"Type": "Parallel", "Branches": branches, "ResultPath": "$.fan", "Next": "Each"},
            "Each": {
                "Type": "Map",
                "ItemsPath": "$.fan[2]",
                "ItemSelector": {"v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index"},
                "MaxConcurrency": 2,
                "ItemProcessor": items,
                "End": True,
            },
        },
    }

    ours, theirs = in_both(definition, GIVEN, {})

    assert (ours.status, ours.output) == (theirs.status, theirs.output)
    assert sorted(ours.states) == sorted(theirs.states)


@pytest.mark.parametrize("names", [["Own"], ["States.ALL"], ["States.TaskFailed"]])
def test_a_branch_that_fails_is_caught_with_the_same_facts(names):
    inner = {"StartAt": "Stop", "States": {"Stop": {"Type": "Fail", "Error": "Own", "Cause": "told"}}}
    other = {"StartAt": "B", "States": {"B": PASS}}
    definition = {
        "StartAt": "Fan",
        "States": {
            "Fan": {
                "Type": "Parallel",
                "Branches": [inner, other],
                "Catch": [{"ErrorEquals": names, "ResultPath": "$.failure", "Next": "Done"}],
                "End": True,
            },
            "Done": {"Type": "Succeed"},
        },
    }

    ours, theirs = in_both(definition, {"x": 1}, {})

    assert (ours.status, ours.output) == (theirs.status, theirs.output)
