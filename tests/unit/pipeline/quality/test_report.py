from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from healthcare_ops.core.reasons import Reason
from healthcare_ops.pipeline.quality.evaluate import Finding
from healthcare_ops.pipeline.quality.report import ACCOUNT, COMPARE, FeedAccount, build_report, report_key
from healthcare_ops.pipeline.quality.rules import Rule
from unit.pipeline.builders import at, encounter_feed

DAY = at("2026-03-01").date()


def finding(kind="range", severity="warn", violations=1, checked=8, samples=("k1.a",)):
    rule = Rule(f"los.{kind}.{severity}", "silver.encounters", kind, ("los_min",), severity, 0.05, "why", "what now")
    return Finding(rule, checked, violations, samples)


def account(reasons=None, **counts):
    return FeedAccount(encounter_feed(), dict.fromkeys(ACCOUNT, 0) | counts, reasons or {})


def report(findings=(), accounts=(), days=(DAY,)):
    return build_report(
        run_id="run-7",
        as_of=datetime(2026, 3, 2, 4, tzinfo=UTC),
        written_at=datetime(2026, 3, 2, 5, tzinfo=UTC),
        days=days,
        findings=findings,
        accounts=accounts,
    )


def test_a_report_is_kept_under_its_day_and_run():
    assert report_key(DAY, "run-7") == "gold/data_quality_runs/dt=2026-03-01/run-7.json"


def test_a_report_says_which_run_and_days_it_judges():
    days = [at(f"2026-03-0{day}").date() for day in (3, 1, 5)]

    found = report(days=days)

    assert found["days"] == {"first": "2026-03-01", "last": "2026-03-05", "count": 3}
    assert (found["schema_version"], found["run_id"]) == (1, "run-7")
    assert (found["as_of"], found["written_at"]) == ("2026-03-02T04:00:00+00:00", "2026-03-02T05:00:00+00:00")


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [([], "pass"), (["warn"], "warn"), (["warn", "fail"], "fail")],
)
def test_the_worst_verdict_is_the_report_s(severities, verdict):
    sound = finding(violations=0)

    assert report([sound, *(finding(severity=severity) for severity in severities)])["verdict"] == verdict


def test_a_rule_s_section_says_what_broke_how_badly_and_what_to_do():
    (section,) = report([finding()])["rules"]

    assert section == {
        "rule_id": "los.range.warn",
        "table": "silver.encounters",
        "columns": ["los_min"],
        "kind": "range",
        "severity": "warn",
        "verdict": "warn",
        "checked": 8,
        "violations": 1,
        "share": 0.125,
        "threshold": 0.05,
        "tolerated": 0,
        "reason": "why",
        "next_step": "what now",
        "sample_encounter_ids": ["k1.a"],
    }


def test_missing_values_are_reported_as_a_null_count():
    (section,) = report([finding(kind="completeness", violations=3)])["rules"]

    assert section["null_count"] == 3
    assert "violations" not in section


def test_the_score_counts_broken_rules_and_held_records_of_all_feeds():
    accounts = [account(delivered=30, quarantined=5), account(delivered=10, quarantined=5)]

    found = report([finding(violations=2, checked=8)], accounts)

    assert found["dq_risk_score"] == 17.5
    assert found["contributions"] == {"los.range.warn": 12.5, "quarantine": 5.0}


def test_a_feed_s_section_names_its_owner_and_the_worst_reason():
    reasons = {"TIME_UNREADABLE": 2, "TRIAGE_UNKNOWN": 5}

    (section,) = report(accounts=[account(reasons, delivered=100, applied=93, quarantined=7)])["feeds"]

    assert (section["feed_id"], section["owner"], section["contact"]) == ("ed", "IT", "it@hospital.example")
    assert section["counts"] == dict.fromkeys(ACCOUNT, 0) | {"delivered": 100, "applied": 93, "quarantined": 7}
    assert section["quarantined_by_reason"] == reasons
    assert section["diagnosis"] == (
        "In these days 7 of 100 records are held, most because the triage code is not mapped to a level 1–5."
    )
    assert section["next_step"] == "Send IT the list from `hops dq show --quarantine`."


def test_a_feed_without_held_records_needs_nothing():
    (section,) = report(accounts=[account(delivered=3, applied=3)])["feeds"]

    assert section["diagnosis"] == "In these days every record was accounted for without quarantine."
    assert section["next_step"] == ""


def test_no_record_at_all_is_no_risk_and_no_pass():
    unjudged = finding(violations=0, checked=0)

    found = report([unjudged], [account()])

    assert (found["dq_risk_score"], found["verdict"]) == (0.0, "not_applicable")
    assert found["feeds"][0]["diagnosis"] == "In these days no record was delivered."


def test_one_rule_that_had_rows_to_judge_is_enough_for_a_pass():
    unjudged, judged = finding(violations=0, checked=0), finding(violations=0, checked=1)

    assert report([unjudged, judged])["verdict"] == "pass"


def test_there_is_something_to_compare_for_every_reason():
    assert COMPARE.keys() == set(Reason)


def test_a_report_is_plain_json():
    found = report([finding()], [account({"TIME_UNREADABLE": 1}, delivered=1, quarantined=1)])

    assert json.loads(json.dumps(found)) == found
