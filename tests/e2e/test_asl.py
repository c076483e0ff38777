"""`hops asl`: definitions checked, drawn and rehearsed without a hospital."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

MACHINE = files("healthcare_ops.jobs").joinpath("orchestrator.asl.json")
ECHO = {"StartAt": "Job", "States": {"Job": {"Type": "Task", "Resource": "arn:job", "End": True}}}
BROKEN = {
    "StartAt": "A",
    "States": {
        "A": {"Type": "Pass", "Next": "B", "ResultPath": "$.a[*]"},
        "B": {"Type": "Wait", "Seconds": -1, "End": True, "Colour": "red"},
    },
}


@pytest.fixture
def laid(tmp_path):
    """Return a function that lays down a file of JSON lines, or of text as it is."""

    def lay(name, *content):
        path = tmp_path / name
        path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in content))
        return path

    return lay


def test_a_sound_definition_is_said_to_be_sound(hops):
    outcome = hops("asl", "validate", MACHINE)

    assert (outcome.exit_code, outcome.out) == (0, "orchestrator.asl.json is a sound definition.\n")


def test_every_finding_is_told_with_its_state(hops, laid):
    file = laid("broken.json", BROKEN)

    shown = hops("asl", "validate", file)
    told = hops("asl", "validate", file, "--json")

    assert shown.exit_code == told.exit_code == 4
    assert shown.message == "broken.json: 3 findings."
    found = told.document["findings"]
    assert [finding["state"] for finding in found] == ["A", "B", "B"]
    assert "ResultPath '$.a[*]' is not supported" in found[0]["message"]
    assert [finding["message"] for finding in found[1:]] == [
        "Seconds -1 is not a whole number from 0 to 99999999",
        "field 'Colour' is not supported",
    ]
    assert all(finding["message"] in shown.out for finding in found[1:])


@pytest.mark.parametrize("command", ["validate", "graph"])
@pytest.mark.parametrize(("content", "fault"), [("{", "is not JSON"), ("[]", ""), ("\x00", "is not JSON")])
def test_what_is_no_definition_is_refused(hops, laid, command, content, fault):
    outcome = hops("asl", command, laid("odd.json", content))

    assert outcome.exit_code == 4
    assert fault in outcome.message


@pytest.mark.parametrize("command", ["validate", "graph", "test"])
def test_a_file_that_is_not_there_is_not_found(hops, tmp_path, command):
    assert hops("asl", command, tmp_path / "nothing.json").exit_code == 3


def test_a_graph_is_plain_text_of_80_columns_and_edges_for_machines(hops):
    drawn = hops("asl", "graph", MACHINE)
    document = hops("asl", "graph", MACHINE, "--json").document

    lines = drawn.out.splitlines()
    assert (drawn.exit_code, lines[0], max(map(len, lines)) <= 80) == (0, "(start)", True)
    assert document["start_at"] == "ResolveRunDate"
    assert {edge["origin"] for edge in document["edges"]} < {state["name"] for state in document["states"]}


def test_a_prefix_fills_a_terraform_template(hops):
    assert "[RunDQ]  Task · dev-dq_check" in hops("asl", "graph", MACHINE, "--prefix", "dev-").out


def test_cases_are_run_one_by_one_whatever_becomes_of_the_others(hops, laid):
    cases = laid(
        "cases.jsonl",
        {"id": "good", "definition": ECHO, "input": {}, "mocks": {"arn:job": [{"return": {"rows": 5}}]}},
        "",
        "{",
        {"id": "no mock", "definition": ECHO},
        {"id": "bad", "definition": ECHO, "mocks": {"arn:job": [{"throw": {"Error": "Busy", "Cause": "Café"}}]}},
    )

    outcome = hops("asl", "test", cases)

    results = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.exit_code == 4
    assert outcome.message.startswith("2 of 4 cases could not run; the first: line 3 is not JSON")
    assert [(result["id"], result["status"]) for result in results] == [
        ("good", "SUCCEEDED"),
        (None, "INVALID"),
        ("no mock", "INVALID"),
        ("bad", "FAILED"),
    ]
    assert results[0] == {
        "id": "good",
        "status": "SUCCEEDED",
        "output": {"rows": 5},
        "error": None,
        "cause": None,
        "states": ["Job"],
    }
    assert hops("asl", "test", cases, "--json").document["cases"] == results


def test_a_case_that_fails_as_a_run_has_run(hops, laid):
    cases = laid("cases.jsonl", {"id": 1, "definition": ECHO, "mocks": {"arn:job": [{"throw": {"Error": "Busy"}}]}})

    assert hops("asl", "test", cases).exit_code == 0
