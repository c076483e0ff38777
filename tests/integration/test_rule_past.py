"""What the rules of a hospital are compared with: themselves, in runs like this one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from healthcare_ops.core.tables import ENCOUNTERS, STAYS
from hospital import open_hospital, visit

NOW = "2026-03-13T18:00:00-03:00"
DAYS = [date(2026, 3, day) for day in (11, 12)]
FEW = 'Rules = [ RowCount > 100 labels=["id"="few", "severity"="warn"] ]'
NOT_HALVED = 'Rules = [ RowCount > 0.6 * avg(last(3)) labels=["id"="not.halved", "severity"="warn"] ]'


@pytest.fixture
def hospital(tmp_path):
    """Return a hospital with twenty visits in two days, which gold has."""
    with open_hospital(tmp_path, NOW) as opened:
        rows = [visit(f"V-{day}-{hour}", f"{day}T{hour:02}:00:00") for day in DAYS for hour in range(8, 18)]
        opened.deliver("visits", rows, "march.csv")
        opened.refine()
        yield opened


@pytest.fixture
def judged(hospital):
    """Return what the reports of checks of some days say by these rules, of each rule by its name."""

    def judge(rules, *runs):
        context = replace(hospital.context, rules={table.id: text for table, text in rules.items()})
        hospital.platform = replace(hospital.platform, context=context)
        keys = [hospital.refine("dq_check", days=days)["dq_check"]["report"] for days in runs]
        return [json.loads(context.objects.read(key)) for key in keys]

    return judge


def by_name(report):
    return {section["rule_id"]: section for section in report["rules"]}


def test_rules_of_two_tables_that_share_an_id_are_told_scored_and_remembered_apart(judged):
    before, now = judged({ENCOUNTERS: FEW, STAYS: FEW}, DAYS, DAYS)
    (alone,) = judged({ENCOUNTERS: FEW}, DAYS)

    names = ["silver.encounters:few", "silver.stays:few"]
    assert sorted(by_name(now)) == sorted(now["contributions"]) == names
    assert now["dq_risk_score"] == 2 * alone["dq_risk_score"]
    trends = [[one["run_id"] for one in by_name(now)[name]["trend"]] for name in names]
    assert trends == [[before["run_id"]], [before["run_id"]]]
    # What each of them was called then tells it apart no more, and its table still does.
    assert [one["run_id"] for one in by_name(alone)["few"]["trend"]] == [now["run_id"], before["run_id"]]


def test_rows_of_a_day_are_not_compared_with_those_of_two(judged):
    reports = judged({ENCOUNTERS: NOT_HALVED}, DAYS, DAYS[1:], DAYS[1:])

    sections = [by_name(report)["not.halved"] for report in reports]
    assert [section["values"] for section in sections] == [[20.0], [10.0], [10.0]]
    assert [section["verdict"] for section in sections] == ["not_applicable", "not_applicable", "pass"]


def test_a_rule_that_says_something_else_under_its_old_id_begins_anew(judged):
    judged({ENCOUNTERS: NOT_HALVED.replace("RowCount", 'Sum "los_min"')}, DAYS[:1])
    first, second = judged({ENCOUNTERS: NOT_HALVED}, DAYS[:1], DAYS[1:])

    sections = [by_name(report)["not.halved"] for report in (first, second)]
    assert [(section["verdict"], len(section["trend"])) for section in sections] == [("not_applicable", 0), ("pass", 1)]
