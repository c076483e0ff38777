"""Bad forecasts: the training that did not run, the hospital that moved, or data that only look as if it had."""

from dataclasses import replace
from datetime import timedelta

import pytest

from healthcare_ops.core.incident import Approval
from healthcare_ops.incidents.evidence import Ages, Change, Complaint, Evidence, FeedAge, Prediction
from healthcare_ops.incidents.policy import decide
from healthcare_ops.incidents.triage import diagnose
from healthcare_ops.incidents.wording.say import say
from unit.incidents.known import (
    AT,
    LATER,
    drifted,
    failed,
    failed_of_quality,
    moved,
    report,
    rings,
    rule,
    trained,
)

BAD = rings("ModelErrorHigh", {"Metric": "arrivals"}, severity="warning")
BAD_PART = rings("ModelErrorHigh-MAPE", {"Metric": "arrivals"}, severity="info", value=1.9, threshold=1.5)
MOVED = rings("FeatureDrift", severity="warning")
MISSED = rings("WeeklyTrainMissed", severity="warning")
REAL = drifted("real_change", moved())


def actions(found):
    return {one.name: one for one in found.actions}


def checks(found):
    return {one.says.code: one.check for one in found.hypotheses}


def test_a_hospital_that_moved_is_one_incident_of_all_its_alarms_and_a_training_needs_a_person():
    evidence = Evidence(at=LATER, symptoms=(BAD, BAD_PART, MOVED), drift=REAL, training=trained())

    (found,) = diagnose(evidence)

    assert (found.root.key, found.root.fault) == ("INC-03/forecasts", "drift")
    assert len(found.symptoms) == 3
    retrain = actions(found)["retrain"]
    assert retrain.command == "hops run --type weekly_train"
    assert decide(found, retrain, LATER).verdict == "ask"
    assert "Arrivals of all sectors: +40% since 2026-03-02." in [say(one) for one in found.facts]
    assert checks(found)["hyp_data_fault"] == "refuted"


def test_an_approval_to_train_expires_when_the_data_turn_out_to_be_at_fault():
    before = Evidence(at=LATER, symptoms=(BAD, MOVED), drift=REAL, training=trained())
    (found,) = diagnose(before)
    approval = Approval("retrain", {}, found.evidence_hash, "Ana Souza", "a new ward opened", LATER)

    (later,) = diagnose(replace(before, at=LATER + timedelta(minutes=5)))
    (faulty,) = diagnose(replace(before, drift=drifted("data_fault", moved(cause="data_fault"), may_retrain=False)))

    assert decide(later, actions(later)["retrain"], LATER, approvals=[approval]).verdict == "act"
    assert "retrain" not in actions(faulty)
    assert decide(faulty, actions(found)["retrain"], LATER, approvals=[approval]).verdict == "ask"


def test_data_that_look_as_if_the_hospital_moved_are_never_trained_on():
    fault = moved(cause="data_fault", because="data quality: clock.visits (fail)")
    evidence = Evidence(at=LATER, symptoms=(BAD, MOVED), drift=drifted("data_fault", fault, may_retrain=False))

    (found,) = diagnose(evidence)

    assert found.root.fault == "data_fault_as_drift"
    assert not {"retrain", "run_missed", "rollback"} & set(actions(found))
    assert "Never train on these hours" in say(found.advice[0])


def test_a_known_fault_of_the_data_explains_the_drift_that_it_feigns():
    told = report(rules=[rule("encounters.triage_level.complete")])
    evidence = Evidence(
        at=LATER,
        symptoms=(MOVED, rings("DQRiskScoreHigh")),
        failed_runs=(failed_of_quality(report=told),),
        report=told,
        drift=drifted("data_fault", moved(cause="data_fault"), may_retrain=False),
    )

    (found,) = diagnose(evidence)

    assert found.root.section == "INC-02"
    assert {one.alarm for one in found.symptoms} == {"FeatureDrift", "DQRiskScoreHigh"}


def test_a_training_that_the_schedule_missed_is_made_good_unattended():
    evidence = Evidence(at=LATER, symptoms=(MISSED,), training=trained("missed"), drift=drifted("none"))

    (found,) = diagnose(evidence)

    assert found.root.key == "INC-03/weekly_train"
    assert decide(found, actions(found)["run_missed"], LATER).verdict == "act"


@pytest.mark.parametrize(
    ("what", "known"),
    [
        pytest.param(
            "the verdict says that the data are at fault",
            {"drift": drifted("data_fault", moved(cause="data_fault"), may_retrain=False)},
        ),
        pytest.param("a report stops gold", {"failed_runs": (failed_of_quality(report=report(rules=[rule("r")])),)}),
    ],
)
def test_a_missed_training_waits_while_data_are_in_doubt(what, known):
    evidence = Evidence(at=LATER, symptoms=(MISSED,), training=trained("missed"), **known)

    (found,) = (one for one in diagnose(evidence) if one.root.fault == "missed")

    assert decide(found, actions(found)["run_missed"], LATER + timedelta(days=1)).verdict == "wait", what


def test_a_training_that_failed_is_told_by_its_run_and_not_twice():
    run = failed(
        "AccessDenied", run_type="weekly_train", run_id="weekly_train-1", state="WeeklyTrain", job="weekly_train"
    )
    alarms = (MISSED, rings("PipelineFailure", {"RunType": "weekly_train"}))

    (found,) = diagnose(Evidence(at=LATER, symptoms=alarms, failed_runs=(run,), training=trained("failed")))

    assert found.root.fault == "access_denied"
    assert len(found.symptoms) == 2


def test_a_training_at_work_is_left_to_end():
    assert diagnose(Evidence(at=LATER, symptoms=(MISSED,), training=trained("late", run_id="weekly_train-1"))) == ()


def test_bad_forecasts_without_drift_ask_for_the_model_the_feeds_and_the_training():
    evidence = Evidence(
        at=LATER,
        symptoms=(BAD,),
        drift=drifted("none"),
        training=trained("missed"),
        changed=(Change(AT, "model", "flow-2", who="Ana"),),
        ages=Ages(feeds=(FeedAge("visits", AT, 90.0),)),
    )

    (found,) = diagnose(evidence)

    assert (found.root.key, found.root.fault) == ("INC-03/forecasts", "model_error")
    supported = {code for code, check in checks(found).items() if check == "supported"}
    assert supported == {"hyp_not_trained", "hyp_new_model", "hyp_old_data"}
    assert decide(found, actions(found)["rollback"], LATER).verdict == "ask"


@pytest.mark.parametrize(("days", "check"), [(0, "refuted"), (9, "supported")])
def test_a_model_that_training_did_not_put_to_use_may_be_promoted_by_a_person(days, check):
    training = trained(trained_at=trained().due - timedelta(days=days))

    (found,) = diagnose(Evidence(at=LATER, symptoms=(BAD,), drift=REAL, training=training))

    assert checks(found)["hyp_not_accepted"] == check
    assert ("promote" in actions(found)) == (check == "supported")


def test_without_a_verdict_nobody_is_offered_a_training():
    (found,) = diagnose(Evidence(at=LATER, symptoms=(MOVED,)))

    assert (found.root.fault, found.root.code) == ("drift", "unread")
    assert checks(found)["hyp_real_change"] == "unchecked"
    assert "retrain" not in actions(found)


COMPLAINT = Complaint("c-1", "PS", AT, "arrivals")


def shown(actual, **known):
    about = {"sector_id": "PS", "metric": "arrivals", "made_at": AT, "target_time": LATER}
    numbers = {"mean": 12.0, "low": 7.0, "high": 18.0, "actual": actual, "model_version": "flow-1"}
    return Prediction(**about | numbers | known)


@pytest.mark.parametrize(("actual", "check"), [(9.0, "supported"), (31.0, "refuted"), (None, "unchecked")])
def test_a_complaint_is_held_against_what_was_shown_and_what_came(actual, check):
    evidence = Evidence(at=LATER, complaints=(COMPLAINT,), predictions=(shown(actual),), drift=drifted("none"))

    (found,) = diagnose(evidence)

    assert found.root.key == "INC-03/model_error/PS/complaint"
    assert found.complaint_ids == ("c-1",)
    assert checks(found)["hyp_forecast_was_right"] == check


@pytest.mark.parametrize(("sector", "incidents"), [("", 1), ("PS", 1), ("PED", 2)])
def test_a_complaint_joins_the_drift_of_its_sector(sector, incidents):
    drift = drifted("real_change", moved(sector=sector))

    found = diagnose(Evidence(at=LATER, symptoms=(BAD,), complaints=(COMPLAINT,), drift=drift))

    assert len(found) == incidents
    assert sum("c-1" in one.complaint_ids for one in found) == 1


@pytest.mark.parametrize("verdict", ["none", "real_change", "data_fault"])
def test_bad_forecasts_stay_one_incident_whatever_is_learnt_of_them(verdict):
    (found,) = diagnose(Evidence(at=LATER, symptoms=(BAD,), drift=drifted(verdict, moved())))

    assert found.root.key == "INC-03/forecasts"


def test_an_alarm_of_bad_forecasts_that_still_looks_back_at_the_days_before_a_training_opens_nothing_anew():
    evidence = Evidence(at=LATER, symptoms=(BAD, MOVED), drift=drifted("none"), training=trained(trained_at=LATER))

    assert diagnose(evidence) == ()
    assert diagnose(replace(evidence, at=LATER + timedelta(days=4))) != ()
