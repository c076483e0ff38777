"""Whatever is known at once: each alarm, run and complaint belongs to a root, and each root is told once."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.core.language import LANGUAGES
from healthcare_ops.incidents.evidence import Ages, Complaint, Evidence, FeedAge, Prediction, Symptom, Unchecked
from healthcare_ops.incidents.playbooks.over import is_over
from healthcare_ops.incidents.policy import decide
from healthcare_ops.incidents.triage import diagnose
from healthcare_ops.incidents.wording.say import say, say_hypothesis, say_unchecked
from healthcare_ops.operations.alarms import load_alarms
from unit.incidents.known import (
    AT,
    GOOD,
    LATER,
    drifted,
    failed,
    failed_of_quality,
    failed_tick,
    moved,
    report,
    rule,
    trained,
)
from unit.pipeline.quality.wording.sections import clock, feed, report_of_every_kind, silence

_OF = {"RunType": ("daily", "inference", "weekly_train"), "FeedId": ("visits", "beds"), "Metric": ("arrivals",)}
SYMPTOMS = [
    Symptom(alarm.alarm_name, {name: value} if name else {}, AT, alarm.severity, alarm.runbook)
    for alarm in (*load_alarms().metric_alarms, *load_alarms().composite_alarms)
    for name in (alarm.for_each or ("",))
    for value in _OF.get(name, ("key",))
]
NULLS = rule("encounters.triage_level.complete")
REPORTS = [
    None,
    report(verdict="pass", dq_risk_score=0.0),
    report(rules=[NULLS]),
    report(rules=[NULLS], clocks=[clock(feed_id="beds", rule_id="clock.beds")], feeds=[feed(), feed("beds")]),
    report(expectations=[silence(verdict="fail")]),
    report_of_every_kind(),
    {"schema_version": 1},
]
RUNS = [
    failed("Network"),
    failed("AccessDenied", "/srv/lake: Permission denied.", run_id="daily-2"),
    failed_tick("DiskFull"),
    failed("DiskFull", run_id="weekly_train-1", run_type="weekly_train", state="WeeklyTrain", job="weekly_train"),
    failed(status="ABORTED", run_id="daily-3", state="", job=""),
    failed_of_quality(run_id="daily-4", report=REPORTS[3]),
    failed_of_quality(run_id="daily-5"),
    failed_tick("DataQuality", run_id="inference-2", job="dq_check"),
]
DRIFTS = [None, *(drifted(kind, moved(), moved("peak", "PS", 2.0)) for kind in ("none", "real_change", "data_fault"))]
COMPLAINTS = [Complaint("c-1", "PS", AT), Complaint("c-2", "PED", AT, "wait")]
SHOWN = Prediction("PS", "arrivals", AT, LATER, 5.0, 2.0, 9.0, None, "flow-1", AT - timedelta(hours=1))


def some(pool):
    return st.lists(st.sampled_from(pool), unique_by=repr, max_size=len(pool)).map(tuple)


KNOWN = st.builds(
    Evidence,
    at=st.sampled_from([LATER, LATER + timedelta(days=20)]),
    symptoms=some(SYMPTOMS),
    failed_runs=some(RUNS),
    last_good=st.sampled_from([{}, GOOD]),
    report=st.sampled_from(REPORTS),
    drift=st.sampled_from(DRIFTS),
    training=st.sampled_from([None, *(trained(status) for status in ("fine", "missed", "failed", "late", "not_due"))]),
    ages=st.sampled_from([Ages(), Ages(AT, (FeedAge("visits", AT, 50.0), FeedAge("beds", None)), {"key": 95.0})]),
    complaints=some(COMPLAINTS),
    predictions=st.sampled_from([(), (SHOWN,)]),
    unchecked=st.sampled_from([(), (Unchecked("changes", "unreadable"), Unchecked("drift", "outdated"))]),
    back_at=st.sampled_from([None, AT]),
)


@settings(max_examples=300, deadline=None)
@given(KNOWN)
def test_nothing_is_left_out_and_no_root_is_told_twice(evidence):
    found = diagnose(evidence)

    keys = [one.root.key for one in found]
    told = [symptom for one in found for symptom in one.symptoms]
    assert len(keys) == len(set(keys))
    assert all(symptom in told or is_over(symptom, evidence) for symptom in evidence.symptoms)
    assert {run.run_id for run in evidence.failed_runs} == {run_id for one in found for run_id in one.run_ids}
    assert {one.complaint_id for one in evidence.complaints} <= {name for one in found for name in one.complaint_ids}
    assert found == diagnose(evidence)


@settings(max_examples=100, deadline=None)
@given(KNOWN, st.sampled_from(LANGUAGES))
def test_whatever_is_found_can_be_said_and_decided(evidence, language):
    for one in diagnose(evidence):
        said = [say(phrase, language) for phrase in (one.cause, *one.facts, *one.advice)]
        said += [say_hypothesis(each, language) for each in one.hypotheses]
        said += [say_unchecked(each, language) for each in one.unchecked]

        assert all(said)
        assert not [text for text in said if text.startswith(("cause_", "fact_", "hyp_", "advice_"))]
        assert len(one.evidence_hash) == 64
        for action in one.actions:
            assert action.command.startswith("hops ")
            assert decide(one, action, evidence.at).verdict in ("act", "wait", "ask", "leave")


@pytest.mark.parametrize("first", [0, 1])
def test_the_order_in_which_runs_are_told_names_no_other_root(first):
    runs = (RUNS[0], RUNS[1])[:: 1 if first == 0 else -1]

    assert {one.root.key for one in diagnose(Evidence(at=LATER, failed_runs=runs))} == {
        "INC-01/transient/ingest_bronze/Network",
        "INC-01/access_denied//srv/lake/AccessDenied",
    }
