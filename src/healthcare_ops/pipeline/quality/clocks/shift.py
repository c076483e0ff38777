"""Whether two feeds that tell of the same encounters have the same clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from healthcare_ops.pipeline.quality.clocks.hour_profile import Instants
from healthcare_ops.pipeline.quality.wording.findings import sentence_of

LEAST_PAIRS = 10
# Two feeds are compared over so many of the judged days, the newest.
COMPARED_DAYS = 3
_LARGEST_OFFSET_H = 14
_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class ShiftBetween:
    """By how much the right-hand times of the same encounters are shifted against the left-hand ones."""

    offset_h: float
    pairs: int
    median_h: float
    spread_h: float


@dataclass(frozen=True)
class FeedShift:
    """Two feeds that disagree about the time, in the same encounters; which of them is wrong, these do not say."""

    feed_id: str
    other_feed_id: str
    milestone: str
    other_milestone: str
    day: date
    found: ShiftBetween

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values, as reports hold it."""
        return {
            "feed_id": self.feed_id,
            "other_feed_id": self.other_feed_id,
            "milestone": self.milestone,
            "other_milestone": self.other_milestone,
            "day": self.day.isoformat(),
            "verdict": "fail",
            "offset_h": self.found.offset_h,
            "pairs": self.found.pairs,
            "median_h": round(self.found.median_h, 4),
            "spread_h": round(self.found.spread_h, 4),
        }

    @property
    def sentence(self) -> str:
        """Return it for people; it names no patient."""
        return sentence_of(self.document)


def shift_between(
    left: Instants, right: Instants, *, usual_h: float = 0.0, usual_spread_h: float = 0.0
) -> ShiftBetween | None:
    """Return the shift of one table or feed against another, from the encounters that both know; None if there is none.

    Parameters
    ----------
    left, right
        UTC instants of the same encounters in the same order: of one milestone in two feeds, or of two milestones of
        which the second follows the first. NaT where one is missing.
    usual_h, usual_spread_h
        Median and quartile distance of right − left on past days, in hours; 0 for one milestone.
    """
    difference = (right - left).astype("timedelta64[us]")
    difference_h = difference[~np.isnat(difference)].astype(np.int64) / _HOUR_US
    if len(difference_h) < LEAST_PAIRS:
        return None
    lower, median, upper = (float(value) for value in np.quantile(difference_h, (0.25, 0.5, 0.75)))
    spread, moved = upper - lower, median - usual_h
    offset = round(moved * 2) / 2
    # Standard error of a median of about normal values: 1.25 σ ÷ √n, with σ = quartile distance ÷ 1.35.
    uncertainty = 0.93 * max(spread, usual_spread_h) / len(difference_h) ** 0.5
    is_tight = spread <= max(0.25, 1.5 * usual_spread_h) and uncertainty <= 0.1
    if not 0 < abs(offset) <= _LARGEST_OFFSET_H or not is_tight or abs(moved - offset) > 0.1 + uncertainty:
        return None
    return ShiftBetween(offset, len(difference_h), median, spread)
