"""Faults of the data: what, of which feed, where; who is asked; and when the days are run again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from healthcare_ops.core.runs import Failure
from healthcare_ops.incidents.evidence import Ages, Change, Delivery, Evidence, FeedAge, Unchecked
from healthcare_ops.incidents.policy import decide
from healthcare_ops.incidents.triage import diagnose
from healthcare_ops.incidents.wording.say import say
from unit.incidents.known import (
    AT,
    LATER,
    failed,
    failed_of_quality,
    failed_tick,
    report,
    rings,
    rule,
)
from unit.pipeline.quality.wording.sections import MISTAKES, clock, feed, figure, refused, shift, silence

NULLS = rule("encounters.triage_level.complete", rows={"PS": 41, "PED": 2})
FUTURE = rule(
    "encounters.arrival_time.range",
    columns=["arrival_time"],
    rule='ColumnValues "arrival_time" <= (now() + 5 minutes) with threshold >= 0.99',
    violations=30,
)
TRIAGE = rule(
    "encounters.triage_level.allowed",
    rule='ColumnValues "triage_level" in [1, 2, 3, 4, 5, NULL]',
    violations=12,
)

_DAY = {"day": "2026-03-07", "start": "2026-03-07T00:00:00", "end": "2026-03-08T00:00:00"}
REFUSED = report(
    feeds=[
        feed(
            refused_files=[refused() | {"source_file": "visits-2026-03-07.csv"}],
            delay=feed()["delay"] | {"late_after_min": 1680},
        )
    ],
    expectations=[figure(by="feed_id", place="visits", verdict="fail", observed=13.0, expected=115.0, **_DAY)],
)


def night(found, *, runs=None, symptoms=None, **known):
    """Return what is known when a daily run was stopped by a report, and both alarms ring."""
    run = failed_of_quality(report=found)
    alarms = (rings("PipelineFailure", {"RunType": "daily"}), rings("DQRiskScoreHigh"))
    return Evidence(
        at=LATER,
        failed_runs=(run,) if runs is None else runs,
        symptoms=alarms if symptoms is None else symptoms,
        report=found,
        **known,
    )


def names(found):
    return [one.name for one in found.actions]


def checks(found):
    return {one.says.code: one.check for one in found.hypotheses}


@pytest.mark.parametrize(
    ("told", "key", "wanted"),
    [
        pytest.param(
            report(rules=[NULLS]), "INC-02/data_quality/visits/triage_level/nulls", "notify_supplier", id="nulls"
        ),
        pytest.param(report(clocks=[clock(*MISTAKES)]), "INC-02/times/visits", "correct_feed", id="a wrong clock"),
        pytest.param(report(rules=[FUTURE]), "INC-02/times/visits", "correct_feed"),
        pytest.param(report(rules=[TRIAGE]), "INC-02/data_quality/visits/triage_level/range", "correct_feed"),
        pytest.param(report(shifts=[shift()]), "INC-02/data_quality/flow/visits/shift", "notify_supplier"),
        pytest.param(report(expectations=[silence(verdict="fail")]), "INC-02/deliveries/visits", "notify_supplier"),
        pytest.param(
            report(expectations=[figure(verdict="fail")]), "INC-02/data_quality/visits/PS/loss", "notify_supplier"
        ),
        pytest.param(REFUSED, "INC-02/deliveries/visits", "notify_supplier", id="a refused file"),
    ],
)
def test_a_fault_is_named_by_feed_place_and_kind_with_both_alarms_and_who_mends_it(told, key, wanted):
    (one,) = diagnose(night(told))

    assert one.root.key == key
    assert {symptom.alarm for symptom in one.symptoms} == {"PipelineFailure", "DQRiskScoreHigh"}
    assert one.run_ids == ("daily-20260312T070000Z",)
    assert wanted in names(one)


def test_a_mapping_that_fits_hardly_any_record_is_named_by_why_they_are_held():
    held = rule(
        "batch_accounts.quarantined.not_all",
        table="ops.batch_accounts",
        columns=[],
        rule='AggregateMatch "sum(quarantined)" "sum(delivered)" <= 0.90',
        violations=None,
    )
    told = report(rules=[held], feeds=[feed(quarantined_by_reason={"TIME_UNREADABLE": 90, "ARRIVAL_MISSING": 4})])

    (found,) = diagnose(night(told))

    assert found.root.key == "INC-02/data_quality/visits/TIME_UNREADABLE"
    assert "a time fits none of the declared formats" in say(found.cause)
    assert {"see_held", "correct_feed", "notify_supplier"} <= set(names(found))
    assert "release" not in names(found)


def test_nulls_say_which_sector_which_column_and_how_many():
    (found,) = diagnose(night(report(rules=[NULLS])))

    assert say(found.cause) == "Feed visits: values of triage_level are missing (68.0%); sectors: PS."
    assert say(found.cause, "pt-BR") == "Fonte visits: faltam valores de triage_level (68,0%); setores: PS."
    (notice,) = (one for one in found.actions if one.name == "notify_supplier")
    assert notice.command == "hops dq notice visits"


def test_too_many_rows_of_a_feed_are_placed_in_the_sector_that_has_them():
    numbers = {"expected": 54.0, "observed": 150.0, "upper": 94.0}
    of_feed = figure(by="feed_id", place="visits", rule_id="expected.volume.feed", verdict="fail", **numbers)
    of_sector = figure(rule_id="expected.volume.PS", expected=18.0, observed=62.0, upper=30.0)

    (found,) = diagnose(night(report(expectations=[of_feed, of_sector])))

    assert say(found.cause) == "Feed visits tells of too many rows; sectors: PS."


def test_a_wrong_clock_says_by_how_many_hours():
    (found,) = diagnose(night(report(clocks=[clock(MISTAKES[0])])))

    assert say(found.cause) == "The clock of feed visits is -3 h off."
    assert checks(found)["hyp_zone_mistaken"] == "supported"
    assert checks(found)["hyp_people_moved"] == "refuted"


def test_what_only_follows_from_a_wrong_clock_is_no_incident_of_its_own():
    (found,) = diagnose(night(report(clocks=[clock()], rules=[FUTURE])))

    assert found.root.code == "clock"
    assert sum(fact.code == "fact_said" for fact in found.facts) == 2


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(report(rules=[FUTURE]), report(rules=[FUTURE], clocks=[clock()]), id="impossible times, a clock"),
        pytest.param(report(expectations=[silence(verdict="fail")]), REFUSED, id="a silence, refused files"),
    ],
)
def test_what_is_learnt_of_a_fault_later_opens_no_second_incident(first, then):
    (before,), (after,) = diagnose(night(first)), diagnose(night(then))

    assert before.root.code != after.root.code
    assert before.root.key == after.root.key


def test_nulls_that_a_rule_and_the_past_both_find_are_one_incident():
    missing = figure("nulls", column="triage_level", rows=60.0, due_h=None, verdict="fail")

    (found,) = diagnose(night(report(rules=[NULLS], expectations=[missing])))

    assert found.root.code == "nulls"


def test_nulls_of_one_feed_and_a_wrong_clock_of_another_are_two_incidents():
    told = report(rules=[NULLS], clocks=[clock(feed_id="beds", rule_id="clock.beds")], feeds=[feed(), feed("beds")])

    found = diagnose(night(told))

    assert {one.root.key for one in found} == {
        "INC-02/data_quality/visits/triage_level/nulls",
        "INC-02/times/beds",
    }
    assert all(len(one.symptoms) == 2 for one in found)


def test_a_daily_run_and_ticks_that_the_same_fault_stops_are_one_incident_with_the_stale_forecasts():
    told = report(rules=[NULLS])
    runs = (
        failed_of_quality(report=told),
        failed_tick("DataQuality", job="dq_check", report=told),
    )
    alarms = (rings("PipelineFailure", {"RunType": "inference"}), rings("InferenceStale"))

    (found,) = diagnose(night(told, runs=runs, symptoms=alarms))

    assert len(found.run_ids) == 2
    assert {one.alarm for one in found.symptoms} == {"PipelineFailure", "InferenceStale"}


def _trend(*, days, share, verdict="fail", before=()):
    broken = [
        {
            "run_id": f"r{n}",
            "as_of": (AT - timedelta(days=n)).isoformat(),
            "verdict": verdict,
            "share": share,
            "values": [],
        }
        for n in range(1, days + 1)
    ]
    return [*broken, *before]


_SOUND = {
    "run_id": "r",
    "as_of": (AT - timedelta(days=30)).isoformat(),
    "verdict": "pass",
    "share": 0.02,
    "values": [],
}


@pytest.mark.parametrize(
    ("trend", "check"),
    [
        pytest.param(_trend(days=12, share=0.66), "supported", id="so for twelve days"),
        pytest.param(_trend(days=0, share=0.0, before=[_SOUND]), "refuted", id="sound until now"),
        pytest.param(_trend(days=12, share=0.2), "refuted", id="far worse than it has long been"),
        pytest.param([], "unchecked", id="never judged before"),
        pytest.param(_trend(days=2, share=0.66), "unchecked", id="so for two days, and nobody knows before"),
    ],
)
def test_whether_a_rule_is_too_strict_is_asked_of_its_past(trend, check):
    (found,) = diagnose(night(report(rules=[NULLS | {"trend": trend}])))

    assert checks(found)["hyp_rule_strict"] == check
    assert {"try_rule", "change_rule"} <= set(names(found))
    (whatif,) = (one for one in found.actions if one.name == "try_rule")
    assert whatif.command == "hops dq whatif encounters.triage_level.complete --threshold '>= 0.32'"


def test_a_rule_that_was_changed_since_the_last_good_run_may_be_too_strict():
    changed = Change(AT, "rules", "dq.rules.adopt silver.encounters", who="Ana")

    (found,) = diagnose(night(report(rules=[NULLS]), changed=(changed,)))

    assert checks(found)["hyp_rule_strict"] == "supported"


def test_a_day_is_run_again_unattended_once_the_feed_has_delivered_anew():
    told = report(rules=[NULLS])
    before = night(told)
    after = replace(before, deliveries=(Delivery("visits", LATER),))
    refused_again = replace(before, deliveries=(Delivery("visits", LATER, refused="FILE_EMPTY"),))

    verdicts = [_replay(one) for one in (before, after, refused_again)]

    assert verdicts == ["wait", "act", "wait"]


def test_runs_of_which_no_report_was_kept_failed_of_what_the_others_tell():
    told = report(rules=[NULLS])
    runs = tuple(failed_of_quality(run_id=f"daily-{n}", report=told if n == 2 else None) for n in (1, 2, 3))
    clean = report(run_id="inference-9", written_at=LATER.isoformat(), verdict="pass", dq_risk_score=0.0)

    (found,) = diagnose(night(clean, runs=runs, symptoms=()))

    assert found.root.code == "nulls"
    assert found.run_ids == ("daily-1", "daily-2", "daily-3")


def test_a_day_waits_while_another_fault_of_the_data_is_left():
    both = report(rules=[NULLS], clocks=[clock()])
    left = report(clocks=[clock()], run_id="inference-9", written_at=LATER.isoformat())
    evidence = replace(night(both), report=left)

    verdicts = {
        decide(one, again, LATER).verdict
        for one in diagnose(evidence)
        for again in one.actions
        if again.name == "replay"
    }

    assert verdicts == {"wait"}


def test_a_day_is_run_again_unattended_once_a_later_report_finds_the_data_clean():
    clean = report(rules=[], run_id="inference-9", written_at=LATER.isoformat(), verdict="pass", dq_risk_score=0.0)
    evidence = replace(night(report(rules=[NULLS])), report=clean, symptoms=())

    assert _replay(evidence) == "act"


def _replay(evidence):
    (found,) = diagnose(evidence)
    (again,) = (one for one in found.actions if one.name == "replay")
    assert again.command == "hops run --type daily --date 2026-03-11"
    return decide(found, again, LATER + timedelta(hours=1)).verdict


def test_if_dq_check_itself_broke_there_is_no_score_and_the_diagnosis_says_so():
    run = failed("Unexpected", state="RunDQ", job="dq_check")

    (found,) = diagnose(Evidence(at=LATER, failed_runs=(run,)))

    assert found.root.section == "INC-02"
    assert "there is no score for these days" in " ".join(say(one) for one in found.facts)


def test_a_passing_fault_of_dq_check_is_recovered_like_any_other():
    run = failed("Network", state="RunDQ", job="dq_check")

    (found,) = diagnose(Evidence(at=LATER, failed_runs=(run,)))

    (again,) = (one for one in found.actions if one.name == "redrive")
    assert decide(found, again, LATER).verdict == "act"


def test_a_score_that_alarms_without_a_failed_rule_is_of_its_gravest_causes():
    warned = rule("encounters.triage_level.complete") | {"verdict": "warn"}
    minor = rule("stays.bed_id.complete", columns=["bed_id"]) | {"verdict": "warn"}
    told = report(
        rules=[warned, minor],
        contributions={"encounters.triage_level.complete": 42.0, "stays.bed_id.complete": 5.0},
        verdict="warn",
        dq_risk_score=47.0,
    )

    (found,) = diagnose(night(told, runs=(), symptoms=(rings("DQRiskScoreRaised", threshold=15.0),)))

    assert found.root.key == "INC-02/data_quality/visits/triage_level/nulls"
    assert found.severity == "warning"


_OLD = report(clocks=[clock()])
_OLD["clocks"] = [{name: value for name, value in _OLD["clocks"][0].items() if name != "witness"}]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(None, id="none"),
        pytest.param(report(rules=[NULLS | {"verdict": "warn"}]), id="of warnings alone"),
        pytest.param(_OLD, id="of an earlier version"),
        pytest.param({"schema_version": 2}, id="damaged"),
        pytest.param({**report(rules=[NULLS]), "rules": []}, id="that does not hold together"),
    ],
)
def test_without_a_report_that_tells_what_stopped_the_run_there_is_still_one_incident(told):
    (found,) = diagnose(night(None, runs=(failed_of_quality(report=told),)))

    assert found.root.code == "no_report"


def test_without_a_report_the_diagnosis_says_that_it_could_not_look():
    run = failed_of_quality()
    evidence = Evidence(at=LATER, failed_runs=(run,), unchecked=(Unchecked("report", "unreadable"),))

    (found,) = diagnose(evidence)

    assert found.root.key == "INC-02/data_quality/-/no_report"
    assert found.unchecked == (Unchecked("report", "unreadable"),)


@pytest.mark.parametrize(
    ("others_late", "path", "supplier"),
    [(0.0, "refuted", "supported"), (45.0, "supported", "refuted")],
)
def test_a_silent_feed_is_the_suppliers_unless_all_are_silent(others_late, path, supplier):
    ages = Ages(feeds=(FeedAge("visits", AT, 60.0, "it@lab.example"), FeedAge("beds", AT, others_late)))

    (found,) = diagnose(Evidence(at=LATER, symptoms=(rings("FeedSilent", {"FeedId": "visits"}),), ages=ages))

    assert found.root.key == "INC-02/deliveries/visits"
    assert checks(found)["hyp_path_down"] == path
    assert checks(found)["hyp_supplier_silent"] == supplier
    assert found.actions[0].command == "hops dq notice visits"


def test_a_silence_that_an_alarm_and_a_report_tell_of_is_one_incident():
    told = report(expectations=[silence(verdict="fail", is_over=False)])
    alarms = (rings("FeedSilent", {"FeedId": "visits"}), rings("DQRiskScoreHigh"))

    (found,) = diagnose(night(told, symptoms=alarms))

    assert {one.alarm for one in found.symptoms} == {"FeedSilent", "DQRiskScoreHigh"}


def test_no_message_of_a_failed_run_is_quoted_of_what_lies_in_the_data():
    secret = "Maria da Silva"
    run = replace(failed("Data"), failure=Failure("DataError", "Data", f"row of {secret}"), cause=secret)

    (found,) = diagnose(Evidence(at=LATER, failed_runs=(run,)))

    assert secret not in repr(found)
