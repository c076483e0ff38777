"""INC-01: a run failed. Each state of the state machine, each class of fault; broken rules are INC-02's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from healthcare_ops.core.errors import Reason
from healthcare_ops.incidents.actions import action, action_rules
from healthcare_ops.incidents.diagnosis import Action, Diagnosis, Fault, Hypothesis, Phrase, Root
from healthcare_ops.incidents.evidence import Evidence, FailedRun
from healthcare_ops.incidents.playbooks.failures import Failed, understand
from healthcare_ops.incidents.playbooks.hypotheses import by_change, judged, ranked, unchecked

# As Step Functions allows it.
_REDRIVABLE = timedelta(days=14)
_OLD_SECRET_DAYS = 90.0
_CHANGES_TOLD = 5
_PASSING: frozenset[Fault] = frozenset({"transient", "timeout", "killed"})
_DQ_JOB, _DQ_STATE = "dq_check", "RunDQ"
_Found = Sequence[tuple[FailedRun, Failed]]


def diagnose(evidence: Evidence) -> list[Diagnosis]:
    """Return one diagnosis for each root that made runs fail, but for data quality."""
    groups: dict[Root, list[tuple[FailedRun, Failed]]] = {}
    for run in evidence.failed_runs:
        failed = understand(run)
        if failed.fault != "data_quality":
            groups.setdefault(_root(run, failed), []).append((run, failed))
    return [_diagnosis(root, found, evidence) for root, found in groups.items()]


def facts_of(run: FailedRun, failed: Failed, evidence: Evidence) -> Iterator[Phrase]:
    """Yield what is known of a run that failed, each as a sentence."""
    yield Phrase("fact_state", {"state": run.state, "job": run.job, "run_id": run.run_id, "attempts": run.attempts})
    if run.run_date:
        yield Phrase("fact_run_date", {"run_date": run.run_date, "run_type": run.run_type})
    yield Phrase("fact_reason", {"reason": failed.reason, "reasons": ", ".join(run.reasons) or failed.reason})
    if run.log:
        place = run.log.place or "–"
        yield Phrase("fact_log", {"key": run.log.key, "line": run.log.number, "place": place, "text": run.log.text})
    yield from _of_the_past(run, evidence)


def _root(run: FailedRun, failed: Failed) -> Root:
    is_of_quality = _DQ_JOB in (run.job, failed.place) or run.state == _DQ_STATE
    return Root("INC-02" if is_of_quality else "INC-01", failed.fault, failed.place, failed.reason)


def _diagnosis(root: Root, found: _Found, evidence: Evidence) -> Diagnosis:
    newest, failed = found[-1]
    facts = {"state": newest.state, "job": newest.job or newest.state, "reason": failed.reason, "place": root.place}
    if root.fault == "access_denied":
        facts |= {"action": failed.action or "?", "resource": failed.resource or "?"}
    return Diagnosis(
        root,
        "critical",
        min(run.ended_at for run, _ in found),
        Phrase(_cause_code(root, failed), facts),
        run_ids=tuple(run.run_id for run, _ in found),
        attempts=newest.attempts,
        facts=(*facts_of(newest, failed, evidence), *_of_quality(root)),
        hypotheses=ranked(_HYPOTHESES[root.fault](found, evidence)),
        unchecked=tuple(one for one in evidence.unchecked if one.what in ("runs", "log", "changes", "access")),
        actions=tuple(_actions(root, found, evidence)),
        advice=(Phrase(f"advice_{_advice_code(root)}", {"place": root.place}),),
        rests_on={"reason": failed.reason, "status": newest.status, "resource": failed.resource},
    )


def _cause_code(root: Root, failed: Failed) -> str:
    if root.fault == "access_denied" and not failed.resource:
        return "cause_access_denied_somewhere"
    return f"cause_{_advice_code(root)}"


def _advice_code(root: Root) -> str:
    special = {Reason.DISK_FULL: "disk_full", Reason.OUT_OF_MEMORY: "out_of_memory"}
    return next((name for reason, name in special.items() if root.code == reason), root.fault)


def _of_quality(root: Root) -> Iterator[Phrase]:
    """Yield that there is no score, if data quality itself broke."""
    if root.section == "INC-02":
        yield Phrase("fact_no_score")


def _of_the_past(run: FailedRun, evidence: Evidence) -> Iterator[Phrase]:
    """Yield the last good run of the type, and what was changed since."""
    good = evidence.last_good.get(run.run_type)
    if good:
        yield Phrase(
            "fact_last_good", {"run_type": run.run_type, "run_id": good.run_id, "ended_at": good.at.isoformat()}
        )
    elif not evidence.lacks("runs"):
        yield Phrase("fact_never_good", {"run_type": run.run_type})
    for one in evidence.changed[:_CHANGES_TOLD]:
        change = {"what": one.what, "name": one.name, "changed_at": one.at.isoformat(), "who": one.who or "?"}
        yield Phrase("fact_changed", change | {"before": one.before or "–", "after": one.after or "–"})
    if not evidence.changed and not evidence.lacks("changes"):
        yield Phrase("fact_nothing_changed")


def _actions(root: Root, found: _Found, evidence: Evidence) -> Iterator[Action]:
    """Yield what may be done: first what mends, then where to look."""
    newest = found[-1][0]
    if root.fault not in _PASSING:
        yield action("see_log", root.fault, newest.ended_at, run_id=newest.run_id)
    if root.fault in ("configuration", "access_denied", "unknown"):
        yield action("check_setup", root.fault, newest.ended_at)
    ticks = [run for run, _ in found if run.run_type == "inference"]
    if ticks and root.fault in _PASSING:
        yield action("tick", root.fault, _ready_at("tick", ticks[-1], root.fault, evidence))
    for run, _ in found:
        if run.run_type != "inference":
            yield _again(root.fault, run, evidence)
    if root.fault in _PASSING:
        yield action("see_log", root.fault, newest.ended_at, run_id=newest.run_id)


def _again(fault: Fault, run: FailedRun, evidence: Evidence) -> Action:
    """Return how a run is made good: a redrive takes in no new files, and is allowed for some days only."""
    if fault == "data" or evidence.at - run.ended_at >= _REDRIVABLE:
        return replay(fault, run, delivered_since(evidence, run.ended_at))
    return action("redrive", fault, _ready_at("redrive", run, fault, evidence), run_id=run.run_id)


def replay(fault: Fault, run: FailedRun, ready_at: datetime | None) -> Action:
    """Return the action that runs the day of a run again."""
    if run.run_type == "daily" and run.run_date:
        return action("replay", fault, ready_at, run_type=run.run_type, run_date=run.run_date)
    return action("run_missed", fault, ready_at, run_type=run.run_type)


def delivered_since(evidence: Evidence, since: datetime) -> datetime | None:
    """Return when the newest file came that was taken in since; None if none was."""
    return max((one.at for one in evidence.deliveries if one.at > since and not one.refused), default=None)


def _ready_at(name: str, run: FailedRun, fault: Fault, evidence: Evidence) -> datetime:
    """Return when there is reason to try again: at once when something else has worked since, else after a while."""
    later = run.ended_at + action_rules()[name].wait_before(run.redriven)
    worked = worked_since(evidence, run)
    return min(worked, later) if worked and fault == "transient" else later


def worked_since(evidence: Evidence, run: FailedRun) -> datetime | None:
    """Return when a run of any type first is known to have succeeded since; None if none has."""
    return min((good.at for good in evidence.last_good.values() if good.at > run.ended_at), default=None)


def _transient(found: _Found, evidence: Evidence) -> Iterator[Hypothesis]:
    newest = found[-1][0]
    has_worked = worked_since(evidence, newest) is not None
    if has_worked:
        yield judged("hyp_passing", 0.8, holds=True)
        yield judged("hyp_service_down", 0.3, holds=False)
    else:
        yield unchecked("hyp_passing", 0.8, "absent")
        if len(found) > 1:
            yield judged("hyp_service_down", 0.6, holds=True)
        else:
            yield unchecked("hyp_service_down", 0.3)
    yield judged("hyp_locked", 0.5, holds=_had(newest, Reason.LOCKED))


def _timeout(found: _Found, evidence: Evidence) -> Iterator[Hypothesis]:
    newest = found[-1][0]
    yield judged("hyp_hangs", 0.5, holds=newest.attempts > 1 and set(newest.reasons) <= {Reason.TIMEOUT})
    yield judged("hyp_locked", 0.5, holds=_had(newest, Reason.LOCKED))
    yield unchecked("hyp_more_data", 0.4)
    yield unchecked("hyp_slow_machine", 0.3)
    yield by_change("hyp_changed_setup", 0.4, evidence, "settings", "definition", "release", "rules")


def _access_denied(found: _Found, evidence: Evidence) -> Iterator[Hypothesis]:
    newest = found[-1][0]
    yield by_change("hyp_changed_access", 0.7, evidence, "secret", "settings", "site", "feed")
    yield unchecked("hyp_permission_withdrawn", 0.6)
    if lack := evidence.lacks("runs"):
        yield unchecked("hyp_never_allowed", 0.4, lack.why)
    else:
        yield judged("hyp_never_allowed", 0.4, holds=newest.run_type not in evidence.last_good)
    ages = evidence.ages.secrets_days
    if lack := evidence.lacks("ages"):
        yield unchecked("hyp_secret_expired", 0.5, lack.why)
    elif ages:
        name, days = max(ages.items(), key=lambda one: one[1])
        yield judged("hyp_secret_expired", 0.5, holds=days >= _OLD_SECRET_DAYS, name=name, days=round(days))


def _configuration(found: _Found, evidence: Evidence) -> Iterator[Hypothesis]:
    reason = found[-1][1].reason
    if reason in (Reason.DISK_FULL, Reason.OUT_OF_MEMORY):
        yield judged("hyp_disk_full" if reason == Reason.DISK_FULL else "hyp_out_of_memory", 0.9, holds=True)
    yield by_change("hyp_changed_setup", 0.7, evidence, "site", "feed", "settings", "rules", "definition", "secret")
    yield by_change("hyp_release", 0.4, evidence, "release")


def _data(found: _Found, evidence: Evidence) -> Iterator[Hypothesis]:
    yield unchecked("hyp_delivery_broken", 0.7)
    yield by_change("hyp_changed_setup", 0.5, evidence, "feed", "site", "rules", "regressors")


def _killed(found: _Found, evidence: Evidence) -> Iterator[Hypothesis]:
    newest = found[-1][0]
    is_again = newest.attempts > 1 or len(found) > 1
    yield unchecked("hyp_killed_for_memory", 0.7 if is_again else 0.4)
    yield unchecked("hyp_killed_from_outside", 0.4 if is_again else 0.6)
    yield by_change("hyp_release", 0.3, evidence, "release")


def _stopped(found: _Found, evidence: Evidence) -> Iterator[Hypothesis]:
    yield judged("hyp_person_stopped", 0.9, holds=True, run_id=found[-1][0].run_id)


def _unknown(found: _Found, evidence: Evidence) -> Iterator[Hypothesis]:
    yield unchecked("hyp_defect", 0.6)
    yield by_change("hyp_release", 0.6, evidence, "release", "definition")
    yield by_change("hyp_changed_setup", 0.4, evidence, "site", "feed", "settings", "rules", "secret", "model")


def _had(run: FailedRun, reason: Reason) -> bool:
    return reason in (*run.reasons, run.failure.reason if run.failure else "")


_HYPOTHESES: Mapping[Fault, Callable[[_Found, Evidence], Iterator[Hypothesis]]] = {
    "transient": _transient,
    "timeout": _timeout,
    "access_denied": _access_denied,
    "configuration": _configuration,
    "data": _data,
    "killed": _killed,
    "stopped": _stopped,
    "unknown": _unknown,
}
