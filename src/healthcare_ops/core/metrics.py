"""Formulas of the command centre, each with its source.

The functions use arithmetic only, so that one definition serves plain numbers and table columns alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Manchester Triage Group: maximum minutes to first clinical contact, levels 1 (red) to 5 (blue).
MANCHESTER_TARGET_MIN = (0, 10, 60, 120, 240)


def nedocs(
    *,
    ed_patients: Any,
    ed_beds: Any,
    boarders: Any,
    hospital_beds: Any,
    ventilated: Any,
    longest_boarding_h: Any,
    last_door_to_bed_h: Any,
) -> Any:
    """Return the National Emergency Department Overcrowding Score (unbounded, 0–200 in practice).

    Source: Weiss et al., Acad Emerg Med 2004;11(1):38–50, the published linear formula. Bands: 0–20 not
    busy, 21–60 busy, 61–100 extremely busy, 101–140 overcrowded, 141–180 severely, above dangerously.
    """
    return (
        -20.0
        + 85.8 * (ed_patients / ed_beds)
        + 600.0 * (boarders / hospital_beds)
        + 13.4 * ventilated
        + 0.93 * longest_boarding_h
        + 5.64 * last_door_to_bed_h
    )


@dataclass(frozen=True)
class RiskTerm:
    """One contribution to the sector risk: 0 at `calm`, its full weight at `critical`."""

    input: str
    calm: float
    critical: float
    weight: float
    reason: str


# The weights sum to 100. They are an operating convention, not a validated clinical score.
RISK_TERMS = (
    RiskTerm("occupancy_rate", 0.70, 1.20, 50.0, "beds in use ÷ functional capacity; 85 % is the usual limit"),
    RiskTerm("queue_ratio", 0.00, 0.50, 25.0, "patients waiting ÷ functional capacity"),
    RiskTerm("longest_wait_min", 60.0, 240.0, 25.0, "Manchester's yellow to blue targets"),
)


def risk_contribution(term: RiskTerm, value: Any) -> Any:
    """Return `term`'s unclipped share; callers clip it to 0…weight in their own arithmetic."""
    return (value - term.calm) / (term.critical - term.calm) * term.weight
