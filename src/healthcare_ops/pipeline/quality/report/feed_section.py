"""What a report says of a feed: whose it is, what became of its records, what is wrong with it and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from healthcare_ops.core.feed import Feed
from healthcare_ops.pipeline.quality.report.refusals import RefusedFile
from healthcare_ops.pipeline.quality.wording.feeds import diagnosis, facts_of, next_steps


@dataclass(frozen=True)
class FeedAccount:
    """What became of a feed's records on the days of the report, and when it last delivered any (null: long ago).

    `refused` are its files that were refused lately and not taken since, the newest first, `taken` how many others were
    taken in that time.
    """

    feed: Feed
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    last_ingested_at: datetime | None = None
    refused: Sequence[RefusedFile] = ()
    taken: int = 0

    def is_late(self, as_of: datetime) -> bool:
        """Tell whether nothing has come for longer than it should take at most, as the feed file says."""
        cadence = self.feed.cadence
        since = as_of - self.last_ingested_at if self.last_ingested_at else None
        return since is None or since.total_seconds() > (cadence.every_min + cadence.late_after_min) * 60


def feed_section(account: FeedAccount, as_of: datetime) -> dict[str, Any]:
    """Return the section of a feed as plain values, without what is said of them."""
    last = account.last_ingested_at
    cadence = account.feed.cadence
    return {
        "feed_id": account.feed.feed_id,
        "owner": account.feed.owner.name,
        "contact": account.feed.owner.email,
        "counts": dict(account.counts),
        "quarantined_by_reason": dict(account.reasons),
        "refused_files": [file.document for file in account.refused],
        "delay": {
            "last_ingested_at": last.isoformat() if last else None,
            "since_min": round((as_of - last).total_seconds() / 60) if last else None,
            "every_min": cadence.every_min,
            "late_after_min": cadence.every_min + cadence.late_after_min,
            "is_late": account.is_late(as_of),
        },
    }


def in_words(section: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a feed's section with its diagnosis and next step, by what the report says of its clock and figures."""
    facts = facts_of(section, report)
    return dict(section) | {"diagnosis": diagnosis(facts), "next_step": next_steps(facts)}
