"""A candidate and the model in use on the same cases, and when it loses."""

from __future__ import annotations

from dataclasses import dataclass

# A candidate loses by more than both: a per cent of the loss, and what days drawn anew would show by chance.
_TOLERANCE = 1.01
_SURELY = 0.95


@dataclass(frozen=True)
class Contest:
    """Candidate and model in use on the same cases: mean pinball loss, summed over the sectors that both know.

    `cases` are the origins of a sector's arrivals, or all patients that waited. `has_seen` tells whether both had
    learnt from these; `worse_probability` is the share of resampled days on which the candidate's loss is the larger.
    """

    metric: str
    has_seen: bool
    sectors: tuple[str, ...]
    cases: int
    candidate: float
    champion: float
    worse_probability: float

    @property
    def is_lost(self) -> bool:
        """Return whether the candidate is worse by more than is small, and by more than chance explains."""
        return self.candidate > self.champion * _TOLERANCE and self.worse_probability > _SURELY

    def __str__(self) -> str:
        of, units = ("waits of patients", "patients") if self.metric == "wait" else ("hours", "origins")
        seen = f"{of} that both had learnt from" if self.has_seen else f"{of} that neither had seen"
        return (
            f"{self.candidate:.3f} against {self.champion:.3f} of the model in use on {seen} ({self.cases} {units}; "
            f"worse on {self.worse_probability:.0%} of resampled days)"
        )
