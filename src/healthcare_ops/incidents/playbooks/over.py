"""Alarms that ring still though what they rang for is over, or being made good: each looks back over a period.

Without this an incident that was mended would seem to have another root for as long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from healthcare_ops.incidents.evidence import Evidence, Symptom

# As far as the alarms of models look back.
_DAYS_OF_MODELS = timedelta(days=3)
_FRESH = timedelta(minutes=30)
# Thresholds of alarms.json, where a symptom does not name its own.
_OLD_SECRET_DAYS, _HIGH_SCORE = 90.0, 60.0


def is_over(symptom: Symptom, evidence: Evidence) -> bool:
    """Tell whether the evidence shows that what an alarm rings for is over."""
    if symptom.alarm.startswith("ModelErrorHigh"):
        return _trained_since(symptom, evidence)
    look = _OVER.get(symptom.alarm)
    return look is not None and look(symptom, evidence)


def _succeeded(symptom: Symptom, evidence: Evidence) -> bool:
    run_type = symptom.of.get("RunType", "")
    good = evidence.last_good.get(run_type)
    return good is not None and good.at >= symptom.since and not _fails(run_type, evidence)


def _fails(run_type: str, evidence: Evidence) -> bool:
    return any(run.run_type == run_type for run in evidence.failed_runs)


def _is_forecast(symptom: Symptom, evidence: Evidence) -> bool:
    made_at = evidence.ages.forecast_at
    is_fresh = made_at is not None and made_at >= symptom.since and evidence.at - made_at <= _FRESH
    return is_fresh and not _fails("inference", evidence)


def _is_judged_clean(symptom: Symptom, evidence: Evidence) -> bool:
    report = evidence.report
    if report is None or report["dq_risk_score"] is None:
        return False
    is_low = report["dq_risk_score"] < (symptom.threshold or _HIGH_SCORE)
    return is_low and datetime.fromisoformat(report["written_at"]) >= symptom.since


def _is_delivered(symptom: Symptom, evidence: Evidence) -> bool:
    mine = [one for one in evidence.ages.feeds if one.feed_id == symptom.of.get("FeedId")]
    return any(one.late_min <= 0 and one.delivered_at and one.delivered_at >= symptom.since for one in mine)


def _is_trained(symptom: Symptom, evidence: Evidence) -> bool:
    # One at work may take as long as it may; if it fails, its run tells.
    return evidence.training is not None and evidence.training.status in ("fine", "late")


def _trained_since(symptom: Symptom, evidence: Evidence) -> bool:
    """Tell whether a model that was trained since has not been in use for as long as the alarm looks back."""
    trained_at = evidence.training.trained_at if evidence.training else None
    return trained_at is not None and symptom.since <= trained_at and evidence.at - trained_at <= _DAYS_OF_MODELS


def _is_not_moved(symptom: Symptom, evidence: Evidence) -> bool:
    return evidence.drift is not None and evidence.drift["verdict"] in ("none", "season")


def _is_rotated(symptom: Symptom, evidence: Evidence) -> bool:
    days = evidence.ages.secrets_days.get(symptom.of.get("SecretName", ""))
    return days is not None and days < (symptom.threshold or _OLD_SECRET_DAYS)


_OVER: Mapping[str, Callable[[Symptom, Evidence], bool]] = {
    "PipelineFailure": _succeeded,
    "DQRiskScoreHigh": _is_judged_clean,
    "DQRiskScoreRaised": _is_judged_clean,
    "InferenceStale": _is_forecast,
    "FeedSilent": _is_delivered,
    "WeeklyTrainMissed": _is_trained,
    "FeatureDrift": _is_not_moved,
    "SecretAgeHigh": _is_rotated,
}
