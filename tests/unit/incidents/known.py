"""Evidence as the platform gathers it, of which a test says only what matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from healthcare_ops.core.runs import Failure
from healthcare_ops.incidents.evidence import FailedRun, GoodRun, Symptom, Training
from healthcare_ops.pipeline.quality.report.causes import with_causes
from unit.pipeline.quality.wording.sections import feed

AT = datetime(2026, 3, 12, 8, 5, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
GOOD = {"daily": GoodRun("daily-20260311T070000Z", AT - timedelta(days=1))}
_RUNBOOK = {"PipelineFailure": "INC-01", "InferenceStale": "INC-01", "EvaluatorSilent": "INC-01"}
_OF_FORECASTS = ("FeatureDrift", "ModelErrorHigh", "WeeklyTrainMissed")


def failed(reason: str = "", message: str = "it failed.", **known: Any) -> FailedRun:
    """Return a daily run that failed in RunBronzeIngest for a reason code; none: no job told."""
    told: dict[str, Any] = {
        "run_id": "daily-20260312T070000Z",
        "run_type": "daily",
        "run_date": "2026-03-11",
        "status": "FAILED",
        "trigger": "schedule",
        "state": "RunBronzeIngest",
        "job": "ingest_bronze",
        "attempts": 1,
        "error": "States.TaskFailed",
        "cause": "",
        "failure": Failure("OpsError", reason, message) if reason else None,
        "started_at": AT,
        "ended_at": AT,
    }
    return FailedRun(**told | known)


def failed_of_quality(**known: Any) -> FailedRun:
    """Return a daily run that a broken rule stopped."""
    return failed("DataQuality", state="RunDQ", job="dq_check", **known)


def failed_tick(reason: str, **known: Any) -> FailedRun:
    """Return a tick that failed in its inner job `silver_to_gold`."""
    about = {"run_id": "inference-1", "run_type": "inference", "state": "RunInferenceTick", "job": "silver_to_gold"}
    return failed(reason, **about | known)


def rings(alarm: str, of: dict[str, str] | None = None, **known: Any) -> Symptom:
    """Return an alarm in ALARM since `AT`."""
    section = "INC-03" if alarm.startswith(_OF_FORECASTS) else "INC-02"
    told: dict[str, Any] = {"since": AT, "severity": "critical", "runbook": _RUNBOOK.get(alarm, section)}
    return Symptom(alarm, of or {}, **told | known)


def report(
    *, rules: Any = (), expectations: Any = (), clocks: Any = (), shifts: Any = (), feeds: Any = None, **known: Any
) -> dict[str, Any]:
    """Return a report of `daily-20260312T070000Z` with its causes; sentences are told anew."""
    told: dict[str, Any] = {
        "schema_version": 2,
        "run_id": "daily-20260312T070000Z",
        "as_of": AT.isoformat(),
        "written_at": AT.isoformat(),
        "days": {"first": "2026-03-05", "last": "2026-03-11", "count": 7},
        "verdict": "fail",
        "error": None,
        "dq_risk_score": 78.5,
        "contributions": {},
        "rules": list(rules),
        "expectations": [one | {"sentence": "a figure"} for one in expectations],
        "clocks": [one | {"sentence": "a clock"} for one in clocks],
        "shifts": [one | {"sentence": "a shift"} for one in shifts],
        "feeds": [feed()] if feeds is None else feeds,
    }
    return with_causes(told | known, UTC)


def rule(rule_id: str, *, rows: dict[str, int] | None = None, **known: Any) -> dict[str, Any]:
    """Return a `fail` rule that rows of feed visits break, by sector."""
    broken = rows or {"PS": 41}
    told: dict[str, Any] = {
        "rule_id": rule_id,
        "table": "silver.encounters",
        "columns": ["triage_level"],
        "rule": 'Completeness "triage_level" >= 0.8',
        "severity": "fail",
        "verdict": "fail",
        "checked": 60,
        "share": 0.68,
        "values": [0.32],
        "thresholds": [">= 0.8"],
        "tolerated": 0,
        "reason": "most encounters should have it",
        "next_step": "Contact the supplier.",
        "places": [
            {"feed_id": "visits", "sector_id": sector, "checked": 60, "violations": count}
            for sector, count in broken.items()
        ],
        "samples": [],
        "trend": [],
    }
    kind = {} if "violations" in known else {"null_count": sum(broken.values())}
    return told | kind | known


def drifted(verdict: str, *findings: dict[str, Any], may_retrain: bool = True) -> dict[str, Any]:
    """Return the verdict of the day."""
    return {
        "verdict": verdict,
        "on": "2026-03-11",
        "may_retrain": may_retrain,
        "reason": "",
        "findings": list(findings),
    }


def moved(kind: str = "arrivals", sector: str = "", size: float = 0.4, **known: Any) -> dict[str, Any]:
    """Return a finding of drift: all sectors have 40 % more arrivals since 2 March."""
    told = {"kind": kind, "sector_id": sector, "size": size, "since": "2026-03-02", "cause": "real_change"}
    return told | {"because": "", "times_worth": 2.0} | known


def trained(status: str = "fine", **known: Any) -> Training:
    """Return what became of the training of Sunday, 8 March."""
    due = datetime(2026, 3, 8, 8, tzinfo=UTC)
    return Training(due, status, **{"trained_at": due} | known)  # type: ignore[arg-type]  # a test's own word
