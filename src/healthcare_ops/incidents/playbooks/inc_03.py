"""INC-03: forecasts became bad. Did Sunday's training run, did the hospital move, or only its data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from healthcare_ops.incidents.actions import action
from healthcare_ops.incidents.diagnosis import Action, Diagnosis, Fact, Fault, Hypothesis, Phrase, Root
from healthcare_ops.incidents.evidence import Complaint, Evidence, Symptom, Unchecked
from healthcare_ops.incidents.playbooks.hypotheses import by_change, changes_of, judged, ranked, unchecked
from healthcare_ops.incidents.playbooks.predictions import facts_of_complaint, was_right

MISSED, DRIFT, ERROR = "WeeklyTrainMissed", "FeatureDrift", "ModelErrorHigh"
TRAINING = "weekly_train"
_FAMILY = "forecasts"
_FINDINGS_TOLD = 5
# A model of Sunday's training has learnt until about then.
_LEARNT_UNTIL = timedelta(days=3)
_NOT_TRAINED = ("missed", "failed", "late")


def diagnose(evidence: Evidence, others: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Return one diagnosis for each root of bad forecasts that is none of `others`: failed runs and faults of data."""
    found = [*_of_training(evidence, others), *_of_forecasts(evidence, others)]
    return [*found, *_of_complaints(evidence, [*found, *others])]


def is_of_forecasts(symptom: Symptom) -> bool:
    """Tell whether an alarm is about how good forecasts are, or about what the hours are like that they learnt from."""
    return symptom.alarm == DRIFT or symptom.alarm.startswith(ERROR)


def is_of_bad_data(found: Diagnosis) -> bool:
    """Tell whether a fault of the data can make hours look moved, and forecasts bad."""
    return found.root.section == "INC-02" and found.root.fault in ("data_quality", "silent_feed")


def complained(evidence: Evidence, found: Diagnosis) -> tuple[str, ...]:
    """Return the complaints that a root explains: of the sectors that moved, or of all."""
    if found.complaint_ids:
        return found.complaint_ids
    if found.root.fault not in ("drift", "data_fault_as_drift", "model_error") and not is_of_bad_data(found):
        return ()
    moved = _sectors_moved(evidence) if found.root.fault == "drift" else set()
    return tuple(one.complaint_id for one in evidence.complaints if not moved or one.sector_id in moved)


def _of_training(evidence: Evidence, others: Sequence[Diagnosis]) -> Iterator[Diagnosis]:
    """Yield the training that is missing, unless a run of it that failed is a root already."""
    rings = [one for one in evidence.symptoms if one.alarm == MISSED]
    failed = {run.run_id for run in evidence.failed_runs if run.run_type == TRAINING}
    if not rings or any(failed & set(one.run_ids) for one in others):
        return
    status = evidence.training.status if evidence.training else "unknown"
    code = status if status in ("missed", "failed") else "unknown"
    root = Root("INC-03", "missed", TRAINING, code, TRAINING)
    yield Diagnosis(
        root,
        "warning",
        rings[0].since,
        Phrase(f"cause_training_{code}"),
        symptoms=tuple(rings),
        facts=tuple(_facts(evidence)),
        hypotheses=ranked(_why_not_trained(evidence, code)),
        unchecked=_unchecked(evidence),
        actions=tuple(_to_train(evidence, others, code, rings[0].since)),
        advice=(Phrase("advice_training" if _may_train(evidence, others) else "advice_never_retrain"),),
        rests_on={"status": code, "verdict": _verdict(evidence)},
    )


def _to_train(evidence: Evidence, others: Sequence[Diagnosis], code: str, since: datetime) -> Iterator[Action]:
    fault: Fault = "missed"
    if code in ("missed", "failed"):
        ready_at = since if _may_train(evidence, others) else None
        yield action("run_missed", fault, ready_at, run_type=TRAINING)
    if evidence.training and evidence.training.run_id:
        yield action("see_log", fault, since, run_id=evidence.training.run_id)


def _may_train(evidence: Evidence, others: Sequence[Diagnosis]) -> bool:
    """Tell whether nothing speaks against the data that a training would learn."""
    if any(is_of_bad_data(one) for one in others):
        return False
    return evidence.drift is None or bool(evidence.drift["may_retrain"])


def _why_not_trained(evidence: Evidence, code: str) -> Iterator[Hypothesis]:
    yield unchecked("hyp_platform_was_down", 0.6)
    yield by_change("hyp_schedule_changed", 0.6, evidence, "settings")
    yield judged("hyp_training_failed", 0.5, holds=code == "failed", reason=_reason(evidence))


def _reason(evidence: Evidence) -> str:
    return (evidence.training.reason if evidence.training else "") or "–"


def _of_forecasts(evidence: Evidence, others: Sequence[Diagnosis]) -> Iterator[Diagnosis]:
    """Yield why forecasts are bad or hours moved, unless a fault of the data is known that explains it."""
    rings = [one for one in evidence.symptoms if is_of_forecasts(one)]
    if not rings:
        return
    verdict = _verdict(evidence)
    if verdict == "data_fault" and any(is_of_bad_data(one) for one in others):
        return
    fault, place, code = _root_of_forecasts(evidence, verdict)
    began = min(one.since for one in rings)
    metrics = ", ".join(dict.fromkeys(one.of["Metric"] for one in rings if "Metric" in one.of))
    yield Diagnosis(
        Root("INC-03", fault, place, code, _FAMILY),
        "warning",
        began,
        Phrase(f"cause_{fault}" if code != "unread" else "cause_drift_unread", {"metrics": metrics or "–"}),
        symptoms=tuple(rings),
        facts=(*_measured(rings), *_facts(evidence)),
        hypotheses=ranked(_why_bad(evidence)),
        unchecked=_unchecked(evidence),
        actions=tuple(_about_forecasts(evidence, fault, began)),
        advice=(Phrase(f"advice_{fault}"),),
        rests_on=_rests_on(evidence),
    )


def _root_of_forecasts(evidence: Evidence, verdict: str) -> tuple[Fault, str, str]:
    if verdict == "real_change":
        return "drift", "hospital", verdict
    if verdict == "data_fault":
        return "data_fault_as_drift", "hospital", verdict
    if verdict == "unread" and any(one.alarm == DRIFT for one in evidence.symptoms):
        return "drift", "hospital", verdict
    return "model_error", "model", "forecasts"


def _about_forecasts(evidence: Evidence, fault: Fault, began: datetime) -> Iterator[Action]:
    """Yield what may be done: to train only where the hospital moved, or a training is missing, on sound data."""
    yield action("see_drift", fault, began)
    is_sound = evidence.drift is not None and bool(evidence.drift["may_retrain"])
    if is_sound and fault in ("drift", "model_error"):
        yield action("retrain", fault, began)
    if fault in ("drift", "model_error") and _was_not_accepted(evidence):
        yield action("see_models", fault, began)
        yield action("promote", fault, began, version="VERSION")
    if fault == "model_error" and changes_of(evidence, "model"):
        yield action("rollback", fault, began)


def _was_not_accepted(evidence: Evidence) -> bool | None:
    """Tell whether Sunday's training succeeded and its model was not put to use; None if that is not known."""
    training = evidence.training
    if training is None or training.status != "fine" or training.due is None or training.trained_at is None:
        return None
    return training.due - training.trained_at > _LEARNT_UNTIL


def _why_bad(evidence: Evidence) -> Iterator[Hypothesis]:
    drift = evidence.drift
    if drift is None:
        lack = evidence.lacks("drift")
        for code, weight in (("hyp_real_change", 0.6), ("hyp_data_fault", 0.6), ("hyp_season", 0.3)):
            yield unchecked(code, weight, lack.why if lack else "absent")
    else:
        yield judged("hyp_real_change", 0.8, holds=drift["verdict"] == "real_change")
        yield judged("hyp_data_fault", 0.9, holds=drift["verdict"] == "data_fault", because=_because(drift))
        yield judged("hyp_season", 0.5, holds=drift["verdict"] == "season")
    yield _hyp_training(evidence)
    is_not_accepted = _was_not_accepted(evidence)
    if is_not_accepted is not None:
        yield judged("hyp_not_accepted", 0.5, holds=is_not_accepted)
    yield by_change("hyp_new_model", 0.6, evidence, "model")
    yield _hyp_old_data(evidence)
    yield unchecked("hyp_odd_days", 0.3)


def _hyp_training(evidence: Evidence) -> Hypothesis:
    if evidence.training is None:
        lack = evidence.lacks("training")
        return unchecked("hyp_not_trained", 0.5, lack.why if lack else "absent", status="?")
    status = evidence.training.status
    return judged("hyp_not_trained", 0.5, holds=status in _NOT_TRAINED, status=status)


def _hyp_old_data(evidence: Evidence) -> Hypothesis:
    if not evidence.ages.feeds:
        lack = evidence.lacks("ages")
        return unchecked("hyp_old_data", 0.5, lack.why if lack else "absent", feeds="?")
    late = ", ".join(one.feed_id for one in evidence.ages.feeds if one.late_min > 0)
    return judged("hyp_old_data", 0.5, holds=bool(late), feeds=late or "–")


def _of_complaints(evidence: Evidence, others: Sequence[Diagnosis]) -> Iterator[Diagnosis]:
    """Yield one root a sector of which somebody complained, if no known root explains it."""
    explained = {complaint for one in others for complaint in complained(evidence, one)}
    left: dict[str, list[Complaint]] = {}
    for one in evidence.complaints:
        if one.complaint_id not in explained:
            left.setdefault(one.sector_id, []).append(one)
    for sector, complaints in left.items():
        yield _of_sector(sector, complaints, evidence)


def _of_sector(sector: str, complaints: Sequence[Complaint], evidence: Evidence) -> Diagnosis:
    root = Root("INC-03", "model_error", sector, "complaint")
    began = min(one.at for one in complaints)
    shown = [one for one in evidence.predictions if one.sector_id == sector]
    right = was_right(shown)
    hypotheses = [*_why_bad(evidence)]
    if right is None:
        lack = evidence.lacks("predictions")
        hypotheses.append(unchecked("hyp_forecast_was_right", 0.6, lack.why if lack else "absent"))
    else:
        hypotheses.append(judged("hyp_forecast_was_right", 0.7, holds=right))
    return Diagnosis(
        root,
        "warning",
        began,
        Phrase("cause_complaint", {"sector": sector, "count": len(complaints)}),
        complaint_ids=tuple(one.complaint_id for one in complaints),
        facts=(*facts_of_complaint(complaints, shown), *_facts(evidence)),
        hypotheses=ranked(hypotheses),
        unchecked=_unchecked(evidence),
        actions=tuple(_about_forecasts(evidence, "model_error", began)),
        advice=(Phrase("advice_complaint"),),
        rests_on=_rests_on(evidence),
    )


def _measured(rings: Sequence[Symptom]) -> Iterator[Phrase]:
    for one in rings:
        if one.value is not None and one.threshold is not None:
            of = one.of.get("Metric", "–")
            yield Phrase(
                "fact_measured", {"alarm": one.alarm, "of": of, "value": one.value, "threshold": one.threshold}
            )


def _facts(evidence: Evidence) -> Iterator[Phrase]:
    """Yield what the runbook asks for: Sunday's training, and the hours now against those that were learnt."""
    training, drift = evidence.training, evidence.drift
    if training and training.due:
        about = {"due": training.due.isoformat(), "run_id": training.run_id or "–", "reason": _reason(evidence)}
        yield Phrase(f"fact_training_{training.status}", about)
    if training and training.trained_at:
        yield Phrase("fact_trained", {"trained_at": training.trained_at.isoformat()})
    if drift is not None:
        yield Phrase(f"fact_drift_{drift['verdict']}", {"on": str(drift["on"])})
        for found in drift["findings"][:_FINDINGS_TOLD]:
            yield _finding(found)
    for one in changes_of(evidence, "model"):
        yield Phrase("fact_model_changed", {"name": one.name, "changed_at": one.at.isoformat(), "who": one.who or "?"})


def _finding(found: Mapping[str, Any]) -> Phrase:
    """Return a change that lasts as a sentence; of all sectors together its sector is `*`."""
    facts: dict[str, Fact] = {
        "sector": found["sector_id"] or "*",
        "size": round(float(found["size"]), 2),
        "since": str(found["since"]),
    }
    return Phrase(f"finding_{found['kind']}", facts)


def _rests_on(evidence: Evidence) -> dict[str, Fact]:
    """Return on what a training rests: what the verdict is and of what, and from which training the model is."""
    findings = (evidence.drift or {}).get("findings", ())
    moved = sorted({f"{one['kind']} {one['sector_id'] or '*'} {one['cause']}" for one in findings})
    trained = evidence.training.trained_at if evidence.training else None
    return {
        "verdict": _verdict(evidence),
        "moved": ", ".join(moved),
        "trained_at": trained.isoformat() if trained else None,
        "may_retrain": str((evidence.drift or {}).get("may_retrain")),
    }


def _verdict(evidence: Evidence) -> str:
    return "unread" if evidence.drift is None else str(evidence.drift["verdict"])


def _because(drift: Mapping[str, Any]) -> str:
    return next((str(one["because"]) for one in drift["findings"] if one["cause"] == "data_fault"), "") or "–"


def _sectors_moved(evidence: Evidence) -> set[str]:
    """Return the sectors that moved; empty if all together did."""
    findings = (evidence.drift or {}).get("findings", ())
    sectors = {str(one["sector_id"]) for one in findings if one["cause"] == "real_change"}
    return set() if "" in sectors else sectors


def _unchecked(evidence: Evidence) -> tuple[Unchecked, ...]:
    return tuple(
        one
        for one in evidence.unchecked
        if one.what in ("drift", "training", "changes", "ages", "predictions", "report")
    )
