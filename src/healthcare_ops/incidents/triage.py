"""From what is known to what is wrong: one diagnosis for each root, with the symptoms that it explains."""

from __future__ import annotations

from healthcare_ops.incidents.diagnosis import Diagnosis
from healthcare_ops.incidents.evidence import Evidence
from healthcare_ops.incidents.playbooks import inc_01


def diagnose(evidence: Evidence) -> tuple[Diagnosis, ...]:
    """Return what is wrong, one diagnosis a root, the one that began first first; empty if nothing is.

    The same evidence gives the same diagnoses, and the same root always has the same key.
    """
    found = inc_01.diagnose(evidence)
    return tuple(sorted(found, key=lambda one: (one.began_at, one.root.key)))
