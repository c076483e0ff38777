"""INC-01: a run failed. Each state of the state machine, each class of fault."""

from __future__ import annotations

from collections.abc import Sequence

from healthcare_ops.incidents.diagnosis import Diagnosis, Phrase, Root
from healthcare_ops.incidents.evidence import Evidence, FailedRun
from healthcare_ops.incidents.playbooks.failures import Failed, understand


def diagnose(evidence: Evidence) -> list[Diagnosis]:
    """Return one diagnosis for each root that made runs fail."""
    groups: dict[Root, list[tuple[FailedRun, Failed]]] = {}
    for run in evidence.failed_runs:
        failed = understand(run)
        root = Root("INC-01", failed.fault, failed.place, failed.reason)
        groups.setdefault(root, []).append((run, failed))
    return [_diagnosis(root, found, evidence) for root, found in groups.items()]


def _diagnosis(root: Root, found: Sequence[tuple[FailedRun, Failed]], evidence: Evidence) -> Diagnosis:
    runs = [run for run, _ in found]
    newest, failed = found[-1]
    types = {run.run_type for run in runs}
    symptoms = [
        one for one in evidence.symptoms if one.alarm == "PipelineFailure" and one.of.get("RunType", "") in types
    ]
    facts = {"state": newest.state, "job": newest.job, "reason": failed.reason}
    return Diagnosis(
        root,
        "critical",
        min(run.ended_at for run in runs),
        Phrase(f"cause_{root.fault}", facts),
        symptoms=tuple(symptoms),
        run_ids=tuple(run.run_id for run in runs),
        attempts=newest.attempts,
        rests_on={"reason": failed.reason, "status": newest.status},
    )
