from __future__ import annotations

import pytest

from healthcare_ops.orchestrator.failures import TaskFailure
from healthcare_ops.orchestrator.paths import PathError, fill, get, has, parse, put

pytestmark = pytest.mark.spec("Reference Paths")

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
        ("$.1a", ("1a",)),
        ("$.&Ж中.\\uD800\\uDF46", ("&Ж中", "\U00010346")),
        ("$.store\\.book", ("store.book",)),
        ("$.\\stor\\e.boo\\k", ("store", "book")),
        ("$.foo\\@bar.baz\\[\\[.\\?pretty", ("foo@bar", "baz[[", "?pretty")),
        ("$.ledgers[0][22].region", ("ledgers", 0, 22, "region")),
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
        "$1",
        "$.",
        "$..a",
        "$.*",
        "$.a[*]",
        "$.a[0:2]",
        "$.a[-1]",
        "$.a[?(@.b)]",
        "$.a.length()",
        "$.a b",
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


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("$.a[1]", {"a": [{}, "new"]}),
        ("$.a[0].b", {"a": [{"b": "new"}, 2]}),
        ("$.a[0].b.c", {"a": [{"b": {"c": "new"}}, 2]}),
    ],
)
def test_a_value_is_put_into_an_array_where_something_stands(path, result):
    assert put(path, {"a": [{}, 2]}, "new") == result


@pytest.mark.parametrize("document", [None, "text", 7, [1, 2]])
def test_a_value_has_no_place_beside_something_that_is_not_an_object(document):
    with pytest.raises(TaskFailure, match=r"States\.ResultPathMatchFailure"):
        put("$.c", document, "new")


@pytest.mark.parametrize("path", ["$.a[2]", "$.a[2].b", "$.a.b", "$.text.b", "$.text[0]", "$.new[0]"])
def test_a_value_has_no_place_beyond_an_array_or_in_a_text(path):
    with pytest.raises(TaskFailure) as failed:
        put(path, {"a": [{}, 2], "text": "t"}, "new")

    assert failed.value.error == "States.ResultPathMatchFailure"
    assert failed.value.cause == f'Unable to apply ReferencePath {path} to input {{"a":[{{}},2],"text":"t"}}'


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
