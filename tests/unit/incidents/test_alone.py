"""Alarms that stand for themselves, and alarms that another root explains."""

from dataclasses import replace
from datetime import timedelta

import pytest

from healthcare_ops.incidents.evidence import Ages, Evidence, FeedAge, GoodRun, Symptom, Unchecked
from healthcare_ops.incidents.policy import decide
from healthcare_ops.incidents.triage import diagnose
from healthcare_ops.operations.alarms import load_alarms
from unit.incidents.known import AT, LATER, drifted, failed, failed_tick, report, rings, trained

STALE = rings("InferenceStale")


def test_forecasts_that_nothing_failed_for_are_made_good_by_a_tick():
    (found,) = diagnose(Evidence(at=LATER, symptoms=(STALE,), training=trained()))

    assert found.root.key == "INC-01/stale/inference/InferenceStale"
    tick = next(one for one in found.actions if one.name == "tick")
    assert decide(found, tick, AT + timedelta(minutes=1)).verdict == "wait"
    assert decide(found, tick, LATER).verdict == "act"


def test_stale_forecasts_are_a_symptom_of_ticks_that_fail():
    (found,) = diagnose(Evidence(at=LATER, symptoms=(STALE,), failed_runs=(failed_tick("Network"),)))

    assert found.root.fault == "transient"
    assert found.symptoms == (STALE,)


@pytest.mark.parametrize(
    ("reason", "since", "count"),
    [
        ("Timeout", LATER - timedelta(minutes=20), 1),
        ("Timeout", LATER + timedelta(minutes=4), 1),
        ("Timeout", LATER + timedelta(minutes=40), 2),
        ("Timeout", AT - timedelta(minutes=40), 2),
        ("AccessDenied", LATER - timedelta(minutes=20), 2),
    ],
)
def test_forecasts_that_become_stale_while_a_job_hangs_are_a_symptom_of_it(reason, since, count):
    hung = failed(reason, started_at=AT, ended_at=LATER)

    found = diagnose(Evidence(at=LATER, symptoms=(replace(STALE, since=since),), failed_runs=(hung,)))

    assert len(found) == count


def test_stale_forecasts_are_a_symptom_of_a_platform_that_was_down():
    (found,) = diagnose(Evidence(at=LATER, symptoms=(STALE, rings("EvaluatorSilent"))))

    assert found.root.key == "INC-01/silent_platform/platform/EvaluatorSilent"
    assert {one.alarm for one in found.symptoms} == {"InferenceStale", "EvaluatorSilent"}


@pytest.mark.parametrize(
    ("since", "code"),
    [(LATER + timedelta(minutes=5), "EvaluatorSilent"), (LATER + timedelta(hours=3), "InferenceStale")],
)
def test_forecasts_are_stale_of_the_platforms_silence_only_just_after_it(since, code):
    evidence = Evidence(at=since, symptoms=(replace(STALE, since=since),), back_at=LATER, ages=Ages(forecast_at=AT))

    (found,) = diagnose(evidence)

    assert found.root.code == code


def test_an_old_secret_is_for_people_to_rotate():
    symptom = rings("SecretAgeHigh", {"SecretName": "mail-password"}, runbook="MAINTENANCE", severity="warning")

    (found,) = diagnose(Evidence(at=LATER, symptoms=(symptom,), ages=Ages(secrets_days={"mail-password": 91.4})))

    assert found.root.key == "MAINTENANCE/secret_age/mail-password/SecretAgeHigh"
    assert found.actions[0].command == "hops secrets set mail-password < FILE"
    assert decide(found, found.actions[0], LATER).verdict == "leave"


@pytest.mark.parametrize(
    "symptom", [rings("PipelineFailure", {"RunType": "daily"}), rings("AlarmOfAnotherRelease")], ids=str
)
def test_an_alarm_that_nothing_explains_is_an_incident_of_unknown_cause_that_says_what_could_not_be_read(symptom):
    lack = Unchecked("runs", "unreadable", "daily-20260312T070000Z")

    (found,) = diagnose(Evidence(at=LATER, symptoms=(symptom,), unchecked=(lack,)))

    assert found.root.fault == "unknown"
    assert found.unchecked == (lack,)
    assert found.hypotheses[0].lacking == "unreadable"


_GOOD = GoodRun("daily-2", LATER)
_CLEAN = report(verdict="pass", dq_risk_score=3.0, written_at=LATER.isoformat())


@pytest.mark.parametrize(
    ("symptom", "known"),
    [
        (rings("PipelineFailure", {"RunType": "daily"}), {"last_good": {"daily": _GOOD}}),
        (rings("DQRiskScoreHigh"), {"report": _CLEAN}),
        (STALE, {"ages": Ages(forecast_at=LATER)}),
        (rings("FeedSilent", {"FeedId": "visits"}), {"ages": Ages(feeds=(FeedAge("visits", LATER),))}),
        (rings("WeeklyTrainMissed"), {"training": trained("fine")}),
        (rings("FeatureDrift"), {"drift": drifted("none")}),
        (rings("SecretAgeHigh", {"SecretName": "key"}), {"ages": Ages(secrets_days={"key": 0.0})}),
    ],
    ids=lambda one: getattr(one, "alarm", ""),
)
def test_an_alarm_that_rings_a_moment_longer_than_its_cause_opens_nothing(symptom, known):
    evidence = Evidence(at=LATER + timedelta(minutes=2), symptoms=(symptom,))

    assert diagnose(replace(evidence, **known)) == ()
    assert len(diagnose(evidence)) == 1


def test_an_alarm_whose_cause_was_over_and_came_again_is_an_incident():
    evidence = Evidence(at=LATER, symptoms=(STALE,), ages=Ages(forecast_at=AT), failed_runs=(failed_tick("Network"),))

    (found,) = diagnose(evidence)

    assert found.symptoms == (STALE,)


# These are of runs and reports, and stand alone only where none can be read.
_NEVER_ALONE = {"PipelineFailure", "DQRiskScoreHigh", "DQRiskScoreRaised"}


@pytest.mark.parametrize("alarm", load_alarms().metric_alarms + load_alarms().composite_alarms)
def test_every_alarm_has_a_playbook_that_names_its_section(alarm):
    of = dict.fromkeys(alarm.for_each, "x")
    symptom = Symptom(alarm.alarm_name, of, AT, alarm.severity, alarm.runbook)

    (found,) = diagnose(Evidence(at=LATER, symptoms=(symptom,)))

    assert found.root.section == alarm.runbook
    assert found.severity in (alarm.severity, "warning")
    assert found.advice
    assert (found.root.fault == "unknown" or found.root.code == "no_report") == (alarm.alarm_name in _NEVER_ALONE)
