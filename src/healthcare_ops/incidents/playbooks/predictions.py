"""What was shown to who complains, and whether it came so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from healthcare_ops.incidents.diagnosis import Fact, Phrase
from healthcare_ops.incidents.evidence import Complaint, Prediction

_TOLD = 6
_HOUR = timedelta(hours=1)


def was_right(shown: Sequence[Prediction]) -> bool | None:
    """Tell whether most of what was shown came within its interval; None if nothing of it is known yet."""
    known = [one for one in shown if one.actual is not None]
    if not known:
        return None
    inside = sum(one.low <= one.actual <= one.high for one in known if one.actual is not None)
    return 2 * inside >= len(known)


def facts_of_complaint(complaints: Sequence[Complaint], shown: Sequence[Prediction]) -> Iterator[Phrase]:
    """Yield each complaint, and what was shown then beside what came, as sentences."""
    for one in complaints:
        about = {"complaint": one.complaint_id, "sector": one.sector_id, "said_at": one.at.isoformat()}
        yield Phrase("fact_complaint", about | {"metric": one.metric or "*"})
    for made in shown[:_TOLD]:
        yield _shown(made)


def _shown(made: Prediction) -> Phrase:
    age = (made.made_at - made.data_as_of) / _HOUR if made.data_as_of else None
    facts: dict[str, Fact] = {
        "metric": made.metric,
        "sector": made.sector_id,
        "target_time": made.target_time.isoformat(),
        "made_at": made.made_at.isoformat(),
        "mean": round(made.mean, 1),
        "low": round(made.low, 1),
        "high": round(made.high, 1),
        "version": made.model_version,
        "data_age_h": None if age is None else round(age, 1),
    }
    if made.actual is None:
        return Phrase("fact_shown", facts)
    return Phrase("fact_shown_and_came", facts | {"actual": round(made.actual, 1)})
