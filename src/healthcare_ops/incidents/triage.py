"""From what is known to what is wrong: one diagnosis for each root, with the symptoms that it explains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from healthcare_ops.incidents.diagnosis import Diagnosis
from healthcare_ops.incidents.evidence import Evidence, Symptom, Unchecked
from healthcare_ops.incidents.playbooks import alone, inc_01, inc_02, inc_03
from healthcare_ops.incidents.playbooks.over import is_over
from healthcare_ops.incidents.playbooks.quality_roots import family_of, is_readable

# What became stale while a job hung is measured by then.
_NOTICED = timedelta(minutes=5)


def diagnose(evidence: Evidence) -> tuple[Diagnosis, ...]:
    """Return what is wrong, one diagnosis a root, the one that began first first; empty if nothing is.

    The same evidence gives the same diagnoses, and the same root always has the same key. Every complaint and every
    alarm in ALARM is told of by at least one of them, but for alarms that ring for what is over (`over.is_over`).
    """
    evidence = _telling(evidence)
    known = [*inc_01.diagnose(evidence), *inc_02.diagnose(evidence)]
    found = [*known, *inc_03.diagnose(evidence, known)]
    found = [_with_symptoms(one, evidence) for one in found]
    for symptom in _left(found, evidence):
        found = _joined(found, alone.diagnose(symptom, evidence))
    return tuple(sorted(found, key=lambda one: (one.began_at, one.root.key)))


def _telling(evidence: Evidence) -> Evidence:
    """Return the evidence without a report that cannot be read, and without alarms that ring for what is over."""
    if evidence.report is not None and not is_readable(evidence.report):
        unread = Unchecked("report", "unreadable", str(evidence.report.get("run_id", "")))
        evidence = replace(evidence, report=None, unchecked=(*evidence.unchecked, unread))
    return replace(evidence, symptoms=tuple(one for one in evidence.symptoms if not is_over(one, evidence)))


def _with_symptoms(found: Diagnosis, evidence: Evidence) -> Diagnosis:
    explained = [one for one in evidence.symptoms if one in found.symptoms or _explains(found, one, evidence)]
    return replace(found, symptoms=tuple(explained), complaint_ids=inc_03.complained(evidence, found))


def _left(found: Sequence[Diagnosis], evidence: Evidence) -> list[Symptom]:
    """Return the alarms that nothing explains, that of the platform's silence first: it explains others."""
    told = [symptom for one in found for symptom in one.symptoms]
    left = [one for one in evidence.symptoms if one not in told]
    return sorted(left, key=lambda one: one.alarm != alone.EVALUATOR)


def _joined(found: Sequence[Diagnosis], new: Diagnosis) -> list[Diagnosis]:
    """Return the diagnoses with another one: an alarm joins the root that is the same, or the silence behind it."""
    for number, one in enumerate(found):
        is_same = one.root.key == new.root.key
        is_silence = one.root.code == alone.EVALUATOR and new.root.code == alone.STALE
        if is_same or is_silence:
            joined = replace(one, symptoms=(*one.symptoms, *new.symptoms))
            return [*found[:number], joined, *found[number + 1 :]]
    return [*found, new]


def _explains(found: Diagnosis, symptom: Symptom, evidence: Evidence) -> bool:
    """Tell whether a root is behind an alarm."""
    if inc_03.is_of_forecasts(symptom):
        is_data_fault = evidence.drift is not None and evidence.drift["verdict"] == "data_fault"
        return is_data_fault and inc_03.is_of_bad_data(found)
    explains = _BEHIND.get(symptom.alarm)
    return explains is not None and explains(found, symptom, evidence)


def _failed_run(found: Diagnosis, symptom: Symptom, evidence: Evidence) -> bool:
    return symptom.of.get("RunType", "") in _types(found, evidence)


def _bad_data(found: Diagnosis, symptom: Symptom, evidence: Evidence) -> bool:
    return inc_03.is_of_bad_data(found)


def _newest_tick(found: Diagnosis, symptom: Symptom, evidence: Evidence) -> bool:
    """Tell whether the newest tick failed of it, or a job that hung while forecasts became stale: ticks wait for it."""
    ticks = [run.run_id for run in evidence.failed_runs if run.run_type == "inference"]
    has_hung = found.root.fault == "timeout" and any(
        run.started_at <= symptom.since <= run.ended_at + _NOTICED
        for run in evidence.failed_runs
        if run.run_id in found.run_ids
    )
    return has_hung or (bool(ticks) and ticks[-1] in found.run_ids)


def _failed_training(found: Diagnosis, symptom: Symptom, evidence: Evidence) -> bool:
    return inc_03.TRAINING in _types(found, evidence)


def _silent_feed(found: Diagnosis, symptom: Symptom, evidence: Evidence) -> bool:
    return found.root.family == family_of("silent", symptom.of.get("FeedId", "?"))


def _types(found: Diagnosis, evidence: Evidence) -> set[str]:
    return {run.run_type for run in evidence.failed_runs if run.run_id in found.run_ids}


_BEHIND: Mapping[str, Callable[[Diagnosis, Symptom, Evidence], bool]] = {
    "PipelineFailure": _failed_run,
    **dict.fromkeys(inc_02.ALARMS, _bad_data),
    inc_03.MISSED: _failed_training,
    alone.STALE: _newest_tick,
    alone.FEED: _silent_feed,
}
