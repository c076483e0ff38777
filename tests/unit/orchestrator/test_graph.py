from __future__ import annotations

import json
from importlib.resources import files

import pytest

from healthcare_ops.orchestrator.asl import load, render
from healthcare_ops.orchestrator.conditions import readable
from healthcare_ops.orchestrator.graph import Edge, all_states, draw, edges

SHIPPED = load(render(files("healthcare_ops.jobs").joinpath("orchestrator.asl.json").read_text(encoding="utf-8")))
PASS = {"Type": "Pass", "End": True}


def machine(**states):
    return load(json.dumps({"StartAt": next(iter(states)), "States": states}))


def drawn(definition, notes=None):
    return "\n".join(draw(definition, notes))


def test_the_usual_way_goes_down_and_the_rest_leaves_at_the_side():
    states = {
        "Ask": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.a", "NumericLessThan": 5, "Next": "Job"}],
            "Default": "End",
        },
        "End": {"Type": "Fail", "Error": "TooLarge"},
        "Job": {
            "Type": "Task",
            "Resource": "job",
            "TimeoutSeconds": 60,
            "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 2}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "End"}],
            "Next": "Ask",
        },
    }

    assert drawn(machine(**states), {"Job": ["! Busy: no beds"]}) == "\n".join(
        [
            "(start)",
            "   |",
            "<Ask>  Choice",
            "   |-- if $.a < 5 --> Job",
            "   |  otherwise:",
            "   |",
            "   v",
            "(End)  Fail · TooLarge",
            "   '-- the run fails",
            "",
            "[Job]  Task · job · at most 60 s · tried again 2x",
            "   |  ! Busy: no beds",
            "   |-- on States.ALL --> End",
            "   '--> Ask (above)",
        ]
    )


def test_branches_and_items_are_drawn_within_their_state():
    branch = {"StartAt": "A", "States": {"A": PASS}}
    items = {"StartAt": "B", "States": {"B": PASS}}
    states = {
        "Fan": {"Type": "Parallel", "Branches": [branch], "Next": "Each"},
        "Each": {"Type": "Map", "ItemsPath": "$.l", "ItemProcessor": items, "End": True},
    }

    picture = drawn(machine(**states), {"A": ["! Busy"]})

    branch_lines = [
        "   |  .-- branch 1",
        "   |  |  [A]  Pass",
        "   |  |     |  ! Busy",
        "   |  |     '-- the branch ends",
    ]
    assert "\n".join(["[[Fan]]  Parallel", *branch_lines]) in picture
    assert "[[Each]]  Map · $.l\n   |  .-- each item\n   |  |  [B]  Pass\n   |  |     '-- the item ends" in picture
    assert [name for name, _ in all_states(machine(**states))] == ["Fan", "A", "Each", "B"]


def test_the_shipped_machine_is_drawn_once_each_within_80_columns():
    lines = draw(SHIPPED)

    assert max(map(len, lines)) <= 80
    for name in SHIPPED.states:
        assert sum(line.startswith((f"[{name}]", f"<{name}>", f"({name})")) for line in lines) == 1


def test_a_line_that_is_too_long_is_cut():
    name = "N" * 80

    assert max(map(len, draw(machine(**{name: PASS})))) == 80


def test_edges_say_when_they_are_taken():
    state = SHIPPED.states["ChoosePath"]

    assert list(edges("ChoosePath", state)) == [
        Edge("ChoosePath", "RunInferenceTick", "choice", '$.type == "inference"'),
        Edge("ChoosePath", "RunBronzeIngest", "default", "otherwise"),
    ]
    assert list(edges("RunDQ", SHIPPED.states["RunDQ"])) == [
        Edge("RunDQ", "RunSilverToGold", "next"),
        Edge("RunDQ", "OpenIncident", "catch", "States.ALL"),
    ]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"Variable": "$.a", "StringEquals": "x", "Next": "N"}, '$.a == "x"'),
        ({"Variable": "$.a", "TimestampGreaterThanEqualsPath": "$.b"}, "$.a >= $.b"),
        ({"Variable": "$.a", "StringMatches": "log-*"}, '$.a like "log-*"'),
        ({"Variable": "$.a", "IsPresent": True}, "$.a is present"),
        ({"Variable": "$.a", "IsNull": False}, "$.a is not null"),
        ({"Not": {"Variable": "$.a", "BooleanEquals": True}}, "not $.a == true"),
        (
            {"And": [{"Variable": "$.a", "NumericLessThan": 1}, {"Or": [{"Variable": "$.b", "IsString": True}] * 2}]},
            "$.a < 1 and ($.b is string or $.b is string)",
        ),
    ],
)
def test_a_rule_reads_as_a_sentence(rule, text):
    assert readable(rule) == text
