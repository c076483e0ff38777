from __future__ import annotations

import pytest

from healthcare_ops.orchestrator.paths import PathError, fill, get, has, parse, put

DOCUMENT = {"a": {"b": [10, {"c": "deep"}]}, "odd name": 1, "null": None, "run_date": "2026-03-01"}
CONTEXT = {"Execution": {"Name": "run-1"}}


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$", ()),
        ("$$", ()),
        ("$.a", ("a",)),
        ("$.run_date", ("run_date",)),
        ("$.a.b[1].c", ("a", "b", 1, "c")),
        ("$['odd name']", ("odd name",)),
        ("$['a'].b[0]", ("a", "b", 0)),
        ("$$.Execution.Name", ("Execution", "Name")),
    ],
)
def test_a_reference_path_is_a_row_of_steps(path, steps):
    assert parse(path) == steps


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        ".a",
        "$a",
        "$.",
        "$..a",
        "$.*",
        "$.a[*]",
        "$.a[0:2]",
        "$.a[-1]",
        "$.a[?(@.b)]",
        "$.a.length()",
        "$.a b",
        "$.1a",
        "$['a'",
        "$.a,$.b",
        "States.Format('{}', $.a)",
    ],
)
def test_what_is_more_than_a_reference_path_is_refused(path):
    with pytest.raises(PathError):
        parse(path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.a.b[0]", 10),
        ("$.a.b[1].c", "deep"),
        ("$['odd name']", 1),
        ("$.null", None),
        ("$$", CONTEXT),
        ("$$.Execution.Name", "run-1"),
    ],
)
def test_a_path_leads_to_what_stands_there(path, value):
    assert get(path, DOCUMENT, CONTEXT) == value
    assert has(path, DOCUMENT, CONTEXT)


@pytest.mark.parametrize("path", ["$.x", "$.a.x", "$.a.b[2]", "$.a[0]", "$.null.x", "$.run_date.x", "$$.State"])
def test_a_path_that_leads_nowhere_names_the_step_that_fails(path):
    assert not has(path, DOCUMENT, CONTEXT)
    with pytest.raises(PathError, match=f"{path[:3].replace('$', '[$]')}.*leads nowhere: no "):
        get(path, DOCUMENT, CONTEXT)


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("$", "new"),
        (None, {"a": {"b": 1}}),
        ("$.c", {"a": {"b": 1}, "c": "new"}),
        ("$.a", {"a": "new"}),
        ("$.a.c", {"a": {"b": 1, "c": "new"}}),
        ("$.x.y.z", {"a": {"b": 1}, "x": {"y": {"z": "new"}}}),
        ("$['x y']", {"a": {"b": 1}, "x y": "new"}),
    ],
)
def test_a_value_is_put_where_the_path_leads_and_makes_what_is_missing(path, result):
    document = {"a": {"b": 1}}

    assert put(path, document, "new") == result
    assert document == {"a": {"b": 1}}


@pytest.mark.parametrize("document", [None, "text", 7, [1, 2]])
def test_a_value_put_beside_something_that_is_not_an_object_stands_alone(document):
    assert put("$.c", document, "new") == {"c": "new"}


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("$.a[0]", "writes into an array"),
        ("$.a[0].b", "writes into an array"),
        ("$.text.b", "writes into something that is not an object"),
    ],
)
def test_nothing_is_put_into_an_array_or_a_text(path, fault):
    with pytest.raises(PathError, match=fault):
        put(path, {"a": [{}], "text": "t"}, "new")


def test_a_template_takes_over_what_its_paths_lead_to_and_keeps_the_rest():
    template = {
        "JobName": "ingest",
        "Arguments": {"--date.$": "$.run_date", "--id.$": "$$.Execution.Name", "fixed": ["x", {"deep.$": "$.a.b[0]"}]},
        "whole.$": "$.a",
    }

    filled = fill(template, DOCUMENT, CONTEXT)

    assert filled == {
        "JobName": "ingest",
        "Arguments": {"--date": "2026-03-01", "--id": "run-1", "fixed": ["x", {"deep": 10}]},
        "whole": {"b": [10, {"c": "deep"}]},
    }
