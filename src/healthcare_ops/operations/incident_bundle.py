"""What an incident keeps of evidence and diagnosis: plain values, and of long documents where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import date, datetime
from typing import Any

from healthcare_ops.core.incident import Incident
from healthcare_ops.incidents.actions import action_rules
from healthcare_ops.incidents.diagnosis import Diagnosis
from healthcare_ops.incidents.evidence import Complaint, Evidence, Prediction
from healthcare_ops.operations.incident_evidence import Complained

# The newest runs that failed; the others are named.
_RUNS_KEPT = 5
_OF_REPORT = ("path", "run_id", "written_at", "days", "verdict", "dq_risk_score", "causes")
_OF_DRIFT = ("path", "run_id", "verdict", "on", "reason", "may_retrain", "findings")


def plain(value: Any) -> Any:
    """Return a value as JSON has it: dataclasses as objects, instants as ISO text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime | date) else value


def bundle(evidence: Evidence, diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the evidence of a diagnosis as plain values.

    Of its runs the newest that failed, of the report and of the verdict on drift what they come to and their keys.
    """
    mine = [run for run in evidence.failed_runs if run.run_id in diagnosis.run_ids]
    kept = {
        "failed_runs": [replace(run, report=_part(run.report, _OF_REPORT)) for run in mine[-_RUNS_KEPT:]],
        "symptoms": diagnosis.symptoms,
        "report": _part(evidence.report, _OF_REPORT),
        "drift": _part(evidence.drift, _OF_DRIFT),
    }
    document: dict[str, Any] = plain({one.name: getattr(evidence, one.name) for one in fields(evidence)} | kept)
    return document


def complained_of(incidents: Iterable[Incident]) -> list[Complained]:
    """Return what people complained of in incidents that are not settled."""
    return [_complained(facts) for one in incidents if not one.is_resolved for facts in one.complaints]


def complaint_ids(incident: Incident) -> set[str]:
    """Return the complaints that an incident was told of."""
    return {one["complaint"]["complaint_id"] for one in incident.complaints}


def complaint_facts(complained: Complained) -> dict[str, Any]:
    """Return a complaint as an incident keeps it."""
    facts: dict[str, Any] = plain(asdict(complained))
    return facts


def _complained(facts: Mapping[str, Any]) -> Complained:
    complaint = Complaint(**facts["complaint"] | {"at": datetime.fromisoformat(facts["complaint"]["at"])})
    return Complained(complaint, tuple(_prediction(one) for one in facts["predictions"]))


def _prediction(facts: Mapping[str, Any]) -> Prediction:
    instants = ("made_at", "target_time", "data_as_of")
    told = {name: datetime.fromisoformat(facts[name]) for name in instants if facts[name]}
    return Prediction(**{**facts, **told})


def _part(document: Mapping[str, Any] | None, names: Iterable[str]) -> dict[str, Any] | None:
    return None if document is None else {name: document[name] for name in names if name in document}


def is_shown(diagnosis: Diagnosis, known: Incident) -> bool:
    """Tell whether an incident shows what is found now: the evidence, and of what the platform would act on."""
    shown = {
        (one["name"], *sorted(one["parameters"].items()))
        for one in known.diagnosis.get("actions", ())
        if _is_of_platform(one["name"])
    }
    offered = {(one.name, *sorted(one.parameters.items())) for one in diagnosis.actions if _is_of_platform(one.name)}
    return known.evidence_hash == diagnosis.evidence_hash and offered == shown


def _is_of_platform(name: str) -> bool:
    rule = action_rules().get(name)
    return rule is not None and rule.by == "platform"
