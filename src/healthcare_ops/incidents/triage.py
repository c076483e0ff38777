"""From what is known to what is wrong: one diagnosis for each root, with the symptoms that it explains."""

from __future__ import annotations

from dataclasses import replace

from healthcare_ops.incidents.diagnosis import Diagnosis
from healthcare_ops.incidents.evidence import Evidence, Symptom
from healthcare_ops.incidents.playbooks import inc_01


def diagnose(evidence: Evidence) -> tuple[Diagnosis, ...]:
    """Return what is wrong, one diagnosis a root, the one that began first first; empty if nothing is.

    The same evidence gives the same diagnoses, and the same root always has the same key.
    """
    found = [_with_symptoms(one, evidence) for one in inc_01.diagnose(evidence)]
    return tuple(sorted(found, key=lambda one: (one.began_at, one.root.key)))


def _with_symptoms(found: Diagnosis, evidence: Evidence) -> Diagnosis:
    return replace(found, symptoms=tuple(one for one in evidence.symptoms if _explains(found, one, evidence)))


def _explains(found: Diagnosis, symptom: Symptom, evidence: Evidence) -> bool:
    types = {run.run_type for run in evidence.failed_runs if run.run_id in found.run_ids}
    return symptom.alarm == "PipelineFailure" and symptom.of.get("RunType", "") in types
