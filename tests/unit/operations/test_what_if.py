from __future__ import annotations

from dataclasses import replace

import pytest

from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.operations.what_if import what_if
from hospital import open_hospital

NOW = "2026-03-13T18:00:00-03:00"
TABLE = "silver.encounters"
TEXT = """
Rules = [
    Completeness "triage_level" >= 0.8 labels=["id"="complete", "severity"="warn"],
    ColumnValues "los_min" <= 600 labels=["id"="los"],
    ColumnValues "los_min" <= 600 labels=["id"="los.mostly", "tolerated"="3"] with threshold > 0.9,
    ColumnValues "los_min" <= 60 labels=["id"="los.told", "severity"="warn", "tolerated"="3"] with threshold > 0.9,
    RowCount > 100 labels=["id"="rows", "tolerated"="3"],
    AggregateMatch "sum(los_min)" "sum(total_wait_min)" <= 2 labels=["id"="ratio", "tolerated"="0"],
    DetectAnomalies "RowCount" labels=["id"="odd"],
    ((IsComplete "arrival_time") and (IsComplete "sector_id")) labels=["id"="both"]
]
"""


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    with open_hospital(tmp_path_factory.mktemp("hospital"), NOW) as found:
        yield found


@pytest.fixture
def platform(hospital):
    return replace(hospital.platform, context=replace(hospital.context, rules={TABLE: TEXT}))


def report(rule, value, violations=None, verdict="pass", text="RowCount > 100"):
    section = {"rule_id": rule, "table": TABLE, "values": [value], "violations": violations, "verdict": verdict}
    section["rule"] = text
    return {
        "run_id": "daily-1",
        "as_of": "2026-03-12",
        "error": None,
        "days": {"count": 1},
        "rule_versions": {TABLE: "0123456789ab"},
        "rules": [section, section | {"rule_id": "another"}, section | {"table": "silver.stays"}],
    }


@pytest.mark.parametrize(
    ("rule", "threshold", "value", "violations", "would_be"),
    [
        # A number takes the place of the rule's own; its share is what a rule about rows is held against.
        ("complete", "0.7", 0.75, 5, "pass"),
        ("complete", "0.9", 0.75, 5, "warn"),
        ("los", "0.7", 0.75, 5, "pass"),
        ("los", "0.9", 0.75, 5, "fail"),
        ("los.mostly", "0.75", 0.75, 5, "fail"),  # more than, as in the rule
        ("los.mostly", ">= 0.75", 0.75, 5, "pass"),
        # So few violations only warn; of a number that no row breaks there are none.
        ("los.mostly", "0.9", 0.75, 3, "warn"),
        ("los.mostly", "0.9", 0.75, 4, "fail"),
        ("los.told", "0.9", 0.75, 3, "pass"),
        ("los.told", "0.9", 0.75, 4, "warn"),
        ("rows", "200", 150.0, None, "fail"),
        ("rows", "100", 150.0, None, "pass"),
        ("ratio", "> 1", 0.0, 0, "fail"),
        ("odd", "between 100 and 200", 150.0, None, "pass"),
        ("odd", "160", 150.0, None, "fail"),
        ("rows", "in [150, 151]", 150.0, None, "pass"),
        # What was not judged, and what past runs alone would say.
        ("complete", "0.7", None, 0, None),
        ("rows", "> avg(last(3))", 150.0, None, None),
    ],
)
def test_another_threshold_is_held_against_what_the_rule_measured(
    platform, rule, threshold, value, violations, would_be
):
    (tried,) = what_if(platform, [report(rule, value, violations)], rule, threshold)

    assert (tried.run_id, tried.value, tried.was, tried.would_be) == ("daily-1", value, "pass", would_be)


def test_a_threshold_may_speak_of_the_runs_before_each(platform):
    reports = [report("rows", value) for value in (60.0, 100.0, None, 110.0)]  # the newest first

    tried = what_if(platform, reports, "rows", "> 0.8 * avg(last(2))")

    # 84 is the limit of the first, 88 of the second; the last has none before it.
    assert [one.would_be for one in tried] == ["fail", "pass", None, None]


@pytest.mark.parametrize(
    "other",
    [
        {"days": {"count": 2}},
        {"run_id": "tick-1"},
        {"error": "KeyError: 'feed'"},
        report("rows", 1000.0, text="RowCount > 1"),
    ],
    ids=["more days", "another kind", "not judged to the end", "another rule"],
)
def test_a_threshold_looks_at_no_run_that_is_unlike_the_one_that_it_is_tried_on(platform, other):
    reports = [report("rows", 90.0), report("rows", 1000.0) | other, report("rows", 100.0)]

    newest, _, _ = what_if(platform, reports, "rows", "> 0.8 * avg(last(2))")

    assert newest.would_be == "pass"


@pytest.mark.parametrize(("day", "would_be"), [("2026-02-26", None), ("2026-02-27", "pass")])
def test_a_threshold_looks_back_two_weeks(platform, day, would_be):
    reports = [report("rows", 90.0), report("rows", 100.0) | {"as_of": day}]

    newest, _ = what_if(platform, reports, "rows", "> 0.8 * last()")

    assert newest.would_be == would_be


def test_the_oldest_run_that_is_shown_is_held_against_those_before_it_which_are_not_shown(platform):
    earlier = [report("rows", value) for value in (100.0, 200.0)]

    (tried,) = what_if(platform, [report("rows", 90.0)], "rows", "> 0.8 * avg(last(2))", earlier=earlier)

    assert (tried.value, tried.would_be) == (90.0, "fail")


def test_a_rule_that_shares_its_id_is_tried_by_the_name_that_tells_it_apart(platform):
    texts = {TABLE: TEXT, "silver.stays": 'Rules = [ RowCount > 5 labels=["id"="rows"] ]'}
    of_both = replace(platform, context=replace(platform.context, rules=texts))

    (tried,) = what_if(of_both, [report("rows", 150.0)], f"{TABLE}:rows", "200")

    assert (tried.rule, tried.would_be, tried.is_same) == ("RowCount > 100", "fail", True)
    with pytest.raises(NotFoundError, match="there is no rule 'rows'") as refused:
        what_if(of_both, [report("rows", 150.0)], "rows", "200")
    assert refused.value.next_step == f"Say which: {TABLE}:rows, silver.stays:rows."


def test_a_run_that_was_judged_by_another_version_of_the_rule_is_marked(platform):
    texts = ("RowCount > 100", 'RowCount > 100 where "sector_id = 1"')

    tried = what_if(platform, [report("rows", 150.0, text=text) for text in texts], "rows", "120")

    assert [(one.rule, one.is_same) for one in tried] == [(texts[0], True), (texts[1], False)]
    assert {one.version for one in tried} == {"0123456789ab"}


@pytest.mark.parametrize(
    "threshold", ["", "many", "nan", "1_000", "> ", '> "b"', "> now()", "> 1 ] Rules = [ RowCount > 1", "> foo(1)"]
)
def test_what_is_no_threshold_is_not_tried(platform, threshold):
    with pytest.raises(ConfigError, match="neither a number nor a condition"):
        what_if(platform, [report("rows", 1.0)], "rows", threshold)


@pytest.mark.parametrize("threshold", ["900", "1.01", "-1"])
def test_of_a_rule_about_values_only_the_share_of_rows_can_be_tried(platform, threshold):
    with pytest.raises(ConfigError, match="is no share"):
        what_if(platform, [report("los", 0.75)], "los", threshold)


def test_of_several_rules_in_one_there_is_no_threshold(platform):
    with pytest.raises(ConfigError, match="joins several rules"):
        what_if(platform, [], "both", "1")
    with pytest.raises(NotFoundError, match="there is no rule"):
        what_if(platform, [], "nothing", "1")
