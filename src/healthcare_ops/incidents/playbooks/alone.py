"""Alarms that no failed run, no fault of the data and no bad forecast explains: each is a root of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from healthcare_ops.incidents.actions import action, action_rules
from healthcare_ops.incidents.diagnosis import Diagnosis, Fact, Hypothesis, Phrase, Root
from healthcare_ops.incidents.evidence import Asked, Evidence, Symptom, Unchecked
from healthcare_ops.incidents.playbooks.hypotheses import judged, ranked, unchecked
from healthcare_ops.incidents.playbooks.quality_doubts import silence_of
from healthcare_ops.incidents.playbooks.quality_roots import family_of

STALE, FEED, SECRET, EVALUATOR = "InferenceStale", "FeedSilent", "SecretAgeHigh", "EvaluatorSilent"

# A platform that is back has made its first forecast by then.
_MADE_GOOD = timedelta(minutes=30)


def diagnose(symptom: Symptom, evidence: Evidence) -> Diagnosis:
    """Return the diagnosis of an alarm that stands for itself."""
    return _ALONE.get(symptom.alarm, _unknown)(symptom, evidence)


def _stale(symptom: Symptom, evidence: Evidence) -> Diagnosis:
    if _is_of_silence(symptom, evidence):
        return replace(_evaluator(symptom, evidence), facts=tuple(_late_feeds(evidence)))
    ready_at = symptom.since + action_rules()["tick"].wait_before(0)
    made_at = evidence.ages.forecast_at
    told = [Phrase("fact_forecast", {"made_at": made_at.isoformat()})] if made_at else []
    return replace(
        _about(symptom, Root("INC-01", "stale", "inference", STALE)),
        facts=(*told, *_late_feeds(evidence)),
        hypotheses=ranked(_why_stale(evidence)),
        unchecked=_lacks(evidence, "training", "ages"),
        actions=(action("tick", "stale", ready_at), action("start", "stale", symptom.since)),
    )


def _is_of_silence(symptom: Symptom, evidence: Evidence) -> bool:
    """Tell whether forecasts are stale because nobody made any while the platform was down."""
    back_at, made_at = evidence.back_at, evidence.ages.forecast_at
    return back_at is not None and symptom.since - back_at <= _MADE_GOOD and (made_at is None or made_at < back_at)


def _why_stale(evidence: Evidence) -> Iterator[Hypothesis]:
    yield unchecked("hyp_platform_was_down", 0.6)
    yield unchecked("hyp_tick_waits", 0.5)
    training = evidence.training
    if training is None:
        lack = evidence.lacks("training")
        yield unchecked("hyp_no_model", 0.5, lack.why if lack else "absent")
    else:
        yield judged("hyp_no_model", 0.8, holds=training.trained_at is None)
        yield judged("hyp_training_at_work", 0.5, holds=training.status == "late")


def _silent_feed(symptom: Symptom, evidence: Evidence) -> Diagnosis:
    feed_id = symptom.of.get("FeedId", "")
    return replace(
        _about(symptom, Root("INC-02", "silent_feed", feed_id, "silent", family_of("silent", feed_id)), feed=feed_id),
        facts=tuple(_late_feeds(evidence, feed_id)),
        hypotheses=ranked(silence_of(feed_id, evidence)),
        unchecked=_lacks(evidence, "ages", "deliveries"),
        actions=(
            action("notify_supplier", "silent_feed", symptom.since, feed_id=feed_id),
            action("correct_feed", "silent_feed", symptom.since, feed_id=feed_id),
        ),
        rests_on={"feed": feed_id},
    )


def _late_feeds(evidence: Evidence, feed_id: str = "") -> Iterator[Phrase]:
    """Yield how late feeds are: one of them, or all that are."""
    for one in evidence.ages.feeds:
        if one.feed_id == feed_id or (not feed_id and one.late_min > 0):
            came = one.delivered_at.isoformat() if one.delivered_at else None
            about: dict[str, Fact] = {"feed": one.feed_id, "late_min": round(one.late_min), "delivered_at": came}
            yield Phrase("fact_feed_late" if came else "fact_feed_never", about | {"supplier": one.supplier or "–"})


def _secret(symptom: Symptom, evidence: Evidence) -> Diagnosis:
    name = symptom.of.get("SecretName", "")
    days = round(evidence.ages.secrets_days.get(name, symptom.value or 0.0))
    return replace(
        _about(symptom, Root("MAINTENANCE", "secret_age", name, SECRET), secret=name, days=days),
        actions=(action("rotate_secret", "secret_age", symptom.since, secret=name),),
    )


def _evaluator(symptom: Symptom, evidence: Evidence) -> Diagnosis:
    thought = (("hyp_machine_down", 0.5), ("hyp_platform_killed", 0.5), ("hyp_cannot_measure", 0.4))
    return replace(
        _about(symptom, Root("INC-01", "silent_platform", "platform", EVALUATOR)),
        hypotheses=ranked(unchecked(code, weight) for code, weight in thought),
        actions=tuple(action(name, "silent_platform", symptom.since) for name in ("start", "check_setup")),
    )


def _unknown(symptom: Symptom, evidence: Evidence) -> Diagnosis:
    of = ", ".join(symptom.of.values())
    lack = evidence.lacks("runs")
    root = Root(symptom.runbook, "unknown", of, symptom.alarm)
    return replace(
        _about(symptom, root, alarm=symptom.alarm, of=of or "–"),
        cause=Phrase("cause_alarm", {"alarm": symptom.alarm, "of": of or "–"}),
        hypotheses=(unchecked("hyp_runs_unread", 0.5, lack.why if lack else "absent"),),
        unchecked=evidence.unchecked,
        actions=(action("check_setup", "unknown", symptom.since),),
    )


def _about(symptom: Symptom, root: Root, **facts: Fact) -> Diagnosis:
    """Return what is the same of every alarm that stands alone."""
    cause, advice = Phrase(f"cause_{root.fault}", facts), Phrase(f"advice_{root.fault}", facts)
    return Diagnosis(root, symptom.severity, symptom.since, cause, symptoms=(symptom,), advice=(advice,))


def _lacks(evidence: Evidence, *what: Asked) -> tuple[Unchecked, ...]:
    return tuple(one for one in evidence.unchecked if one.what in what)


_ALONE: Mapping[str, Callable[[Symptom, Evidence], Diagnosis]] = {
    STALE: _stale,
    FEED: _silent_feed,
    SECRET: _secret,
    EVALUATOR: _evaluator,
}
