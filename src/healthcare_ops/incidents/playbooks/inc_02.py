"""INC-02: data of a quality that gold does not take, or a feed that does not deliver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from healthcare_ops.core.language import LANGUAGES
from healthcare_ops.incidents.actions import action
from healthcare_ops.incidents.diagnosis import Action, Diagnosis, Fact, Phrase, Root
from healthcare_ops.incidents.evidence import Evidence, FailedRun, Symptom
from healthcare_ops.incidents.playbooks.failures import understand
from healthcare_ops.incidents.playbooks.inc_01 import facts_of, replay
from healthcare_ops.incidents.playbooks.quality_doubts import doubts
from healthcare_ops.incidents.playbooks.quality_roots import (
    QualityRoot,
    Section,
    gravest_roots,
    is_of_held,
    quality_roots,
    said,
)
from healthcare_ops.pipeline.quality.report.causes import advice_of
from healthcare_ops.pipeline.quality.wording.causes import lead_of

ALARMS = ("DQRiskScoreHigh", "DQRiskScoreRaised")
_TO_SUPPLIER = {"nulls", "clock", "shift", "refused", "silent", "loss", "excess", "time_order", "keys", "mean", "range"}
_TO_FEED_FILE = {"clock", "shift", "range", "time_range", "refused", "mean"}
_RELEASABLE = "RULE_BROKEN"


@dataclass(frozen=True)
class _Found:
    """One root, in the report that tells of it best, with the runs that failed of it, the oldest first."""

    of: QualityRoot
    report: Section
    runs: tuple[FailedRun, ...]


def diagnose(evidence: Evidence) -> list[Diagnosis]:
    """Return one diagnosis for each fault of the data that keeps days from gold."""
    found = _found(evidence)
    unread = [run for run in _runs_of_quality(evidence) if not _report_of(run, evidence)]
    diagnoses = [_diagnosis(one, evidence) for one in found]
    if unread or (not found and _rings(evidence)):
        diagnoses.append(_without_report(unread, evidence))
    return diagnoses


def _found(evidence: Evidence) -> list[_Found]:
    """Return the roots of the newest report, if it stops gold, and of those of runs that failed."""
    told: dict[str, tuple[QualityRoot, Section]] = {}
    runs: dict[str, list[FailedRun]] = {}
    for run in _runs_of_quality(evidence):
        report = _report_of(run, evidence)
        for one in quality_roots(report) if report else ():
            told[one.root.key] = (one, report or {})
            runs.setdefault(one.root.key, []).append(run)
    if evidence.report and (_rings(evidence) or runs):
        of_alarm = gravest_roots(evidence.report) if _rings(evidence) else []
        for one in quality_roots(evidence.report) or of_alarm:
            told[one.root.key] = (one, evidence.report)
    return [_Found(one, report, tuple(runs.get(key, ()))) for key, (one, report) in told.items()]


def _runs_of_quality(evidence: Evidence) -> list[FailedRun]:
    return [run for run in evidence.failed_runs if understand(run).fault == "data_quality"]


def _report_of(run: FailedRun, evidence: Evidence) -> Section | None:
    """Return what tells of what stopped a run: its own report, else the next one, the newest, or one before it."""
    runs = _runs_of_quality(evidence)
    at = runs.index(run)
    others = [*(one.report for one in runs[at + 1 :]), evidence.report, *(one.report for one in reversed(runs[:at]))]
    known = (report for report in ([run.report] if run.report else others) if report and quality_roots(report))
    return next(known, None)


def _rings(evidence: Evidence) -> Symptom | None:
    return next((one for one in evidence.symptoms if one.alarm in ALARMS), None)


def _diagnosis(found: _Found, evidence: Evidence) -> Diagnosis:
    one, report = found.of, found.report
    code = one.root.code
    facts: dict[str, Fact] = {"share": None, "sectors": "", "column": "", **one.facts}
    return Diagnosis(
        one.root,
        "critical" if report["verdict"] in ("fail", "error") else "warning",
        _began_at(found, evidence),
        Phrase(_cause_code(code), facts | {"code": code}),
        run_ids=tuple(run.run_id for run in found.runs),
        attempts=found.runs[-1].attempts if found.runs else 0,
        facts=tuple(_facts(found, evidence)),
        hypotheses=doubts(one, report, evidence),
        unchecked=tuple(one for one in evidence.unchecked if one.what in ("report", "changes", "deliveries")),
        actions=tuple(_actions(found, evidence)),
        advice=tuple(_advice(one, report)),
        rests_on=_rests_on(one),
    )


def _cause_code(code: str) -> str:
    if is_of_held(code):
        return "cause_held"
    return f"cause_{code if code in NAMED else 'data_quality'}"


NAMED = {
    "nulls",
    "clock",
    "shift",
    "refused",
    "silent",
    "loss",
    "excess",
    "range",
    "time_range",
    "time_order",
    "mean",
    "keys",
    "unjudged",
}


def _rests_on(one: QualityRoot) -> Mapping[str, Fact]:
    """Return by what a person judges a fault: not how many rows it has by now."""
    kept = ("feed", "column", "sectors", "offset_h", "rule_id", "why")
    verdicts = ", ".join(sorted({cause["verdict"] for cause in one.causes}))
    return {name: one.facts[name] for name in kept if name in one.facts} | {"verdicts": verdicts}


def _began_at(found: _Found, evidence: Evidence) -> datetime:
    """Return when it was found first: by a run that failed of it, else by the alarm."""
    if found.runs:
        return min(run.ended_at for run in found.runs)
    rings = _rings(evidence)
    return rings.since if rings else datetime.fromisoformat(found.report["written_at"])


def _facts(found: _Found, evidence: Evidence) -> Iterator[Phrase]:
    report = found.report
    about = {"run_id": report["run_id"], "first": report["days"]["first"], "last": report["days"]["last"]}
    yield Phrase("fact_report", about | {"score": report["dq_risk_score"]})
    for cause in found.of.causes:
        yield Phrase("fact_said", said(cause, report))
        if cause["since"]:
            yield Phrase("fact_since", {"since": cause["since"]})
        if cause["missing_arrivals"]:
            yield Phrase("fact_missing", {"arrivals": cause["missing_arrivals"], "hours": cause["missing_h"]})
        if cause["explains"]:
            yield Phrase("fact_explains", {"count": len(cause["explains"])})
    section = _feed_section(report, found.of.feed_id)
    if section:
        yield Phrase(
            "fact_owner", {"feed": found.of.feed_id, "owner": section["owner"], "contact": section.get("contact", "–")}
        )
    if _is_over(found, evidence):
        yield Phrase("fact_clean_now", {"run_id": str((evidence.report or {}).get("run_id", ""))})
    if found.runs:
        newest = found.runs[-1]
        yield from facts_of(newest, understand(newest), evidence)


def _feed_section(report: Section, feed_id: str) -> Section | None:
    return next((one for one in report["feeds"] if one["feed_id"] == feed_id), None)


def _is_over(found: _Found, evidence: Evidence) -> bool:
    """Tell whether the newest report, of another run than tells of the fault, tells of it no more."""
    newest = evidence.report
    if not newest or newest["run_id"] == found.report["run_id"] or newest["dq_risk_score"] is None:
        return False
    is_later = datetime.fromisoformat(newest["written_at"]) > datetime.fromisoformat(found.report["written_at"])
    return is_later and found.of.root.key not in {one.root.key for one in quality_roots(newest)}


def _clean_at(found: _Found, evidence: Evidence) -> datetime | None:
    """Return since when there is reason to run the days again: judged as clean, or delivered anew; None if neither."""
    if _is_over(found, evidence) and not quality_roots(evidence.report or {}):
        return datetime.fromisoformat((evidence.report or {})["written_at"])
    written_at = datetime.fromisoformat(found.report["written_at"])
    feed_id = found.of.feed_id
    came = [one.at for one in evidence.deliveries if feed_id in ("", one.feed_id) and not one.refused]
    return max((at for at in came if at > written_at), default=None)


def _actions(found: _Found, evidence: Evidence) -> Iterator[Action]:
    one, fault, code = found.of, found.of.root.fault, found.of.root.code
    began = _began_at(found, evidence)
    is_held = is_of_held(code)
    if one.feed_id and (is_held or code in _TO_SUPPLIER):
        yield action("notify_supplier", fault, began, feed_id=one.feed_id)
    yield action("explain", fault, began, finding=one.lead["cause_id"])
    clean_at = _clean_at(found, evidence)
    for run in found.runs:
        if run.run_type != "inference":  # the next tick judges anew by itself
            yield replay(fault, run, clean_at)
    if is_held:
        yield action("see_held", fault, began)
    if one.feed_id and (is_held or code in _TO_FEED_FILE):
        yield action("correct_feed", fault, began, feed_id=one.feed_id)
    yield from _of_rule(found, began)
    yield from _of_acceptance(found, began)


def _of_rule(found: _Found, began: datetime) -> Iterator[Action]:
    """Yield what may be done if the rule is too strict, or what it holds is sound."""
    one = found.of
    for cause in one.causes:
        if cause["kind"] != "rule" or cause["verdict"] != "fail":
            continue
        rule = lead_of(cause, found.report)
        values = [value for value in rule["values"] if value is not None]
        if len(values) == 1 and "fault" not in rule:
            yield action(
                "try_rule", one.root.fault, began, rule_id=rule["rule_id"], threshold=_threshold(rule, values[0])
            )
        yield action("change_rule", one.root.fault, began, table=rule["table"])
    if one.root.code == _RELEASABLE:
        yield action("release", one.root.fault, began, rule_id="RULE")


def _threshold(rule: Section, value: float) -> str:
    """Return the condition that the measured value just meets."""
    is_least = rule["thresholds"][0].startswith(">")
    return f"{'>=' if is_least else '<='} {value:g}"


def _of_acceptance(found: _Found, began: datetime) -> Iterator[Action]:
    """Yield how a person answers for figures and clocks that nobody can mend."""
    for cause in found.of.causes:
        if cause["kind"] in ("loss", "excess", "figure", "clock", "shift") and cause["verdict"] == "fail":
            lead = lead_of(cause, found.report)
            if lead["verdict"] == "fail" and "accepted" not in lead:
                yield action("accept", found.of.root.fault, began, finding=lead["rule_id"], day=lead["day"])


def _advice(one: QualityRoot, report: Section) -> Iterator[Phrase]:
    for cause in one.causes:
        steps: dict[str, Fact] = {language: advice_of(cause, report, language) for language in LANGUAGES}
        if all(steps.values()):
            yield Phrase("fact_said", steps)


def _without_report(runs: Sequence[FailedRun], evidence: Evidence) -> Diagnosis:
    """Return that rules are broken, and nobody can tell which."""
    rings = _rings(evidence)
    begins = [run.ended_at for run in runs] + ([rings.since] if rings else [])
    root = Root("INC-02", "data_quality", "", "no_report")
    newest = runs[-1:]
    report = evidence.report
    judged_at = datetime.fromisoformat(report["written_at"]) if report and not quality_roots(report) else None
    again = (
        replay(root.fault, run, judged_at if judged_at and judged_at > run.ended_at else None)
        for run in runs
        if run.run_type != "inference"
    )
    return Diagnosis(
        root,
        "critical" if runs or not rings else rings.severity,
        min(begins),
        Phrase("cause_no_report"),
        run_ids=tuple(run.run_id for run in runs),
        attempts=newest[0].attempts if newest else 0,
        facts=tuple(fact for run in newest for fact in facts_of(run, understand(run), evidence)),
        unchecked=tuple(one for one in evidence.unchecked if one.what in ("report", "runs")),
        actions=(*(action("see_log", root.fault, run.ended_at, run_id=run.run_id) for run in newest), *again),
        advice=(Phrase("advice_no_report"),),
    )
