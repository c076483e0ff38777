"""What a report says of a feed: whose it is, what became of its records, what is wrong with it and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from healthcare_ops.core.feed import Feed
from healthcare_ops.core.reasons import EXPLANATIONS, Reason
from healthcare_ops.pipeline.quality.clocks.clock import Diagnosis
from healthcare_ops.pipeline.quality.clocks.shift import FeedShift
from healthcare_ops.pipeline.quality.history.deviations import Deviation
from healthcare_ops.pipeline.quality.report.refusals import RefusedFile, refusal_sentence

_TOLD = 3


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

    @property
    def worst_reason(self) -> str | None:
        """Return why most of its records are held; None if none is."""
        return max(self.reasons, key=lambda reason: self.reasons[reason], default=None)

    def is_late(self, as_of: datetime) -> bool:
        """Tell whether nothing has come for longer than it should take at most, as the feed file says."""
        cadence = self.feed.cadence
        since = as_of - self.last_ingested_at if self.last_ingested_at else None
        return since is None or since.total_seconds() > (cadence.every_min + cadence.late_after_min) * 60


def feed_section(
    account: FeedAccount, as_of: datetime, wrong: Sequence[Diagnosis | FeedShift], odd: Sequence[Deviation]
) -> dict[str, Any]:
    """Return the section of a feed as plain values.

    Parameters
    ----------
    wrong, odd
        What was found of its clock, and of its figures.
    """
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
            "late_after_min": cadence.every_min + cadence.late_after_min,
            "is_late": account.is_late(as_of),
        },
        "diagnosis": " ".join(_diagnosis(account, as_of, wrong, odd)),
        "next_step": " ".join(_next_steps(account, as_of, wrong, odd)),
    }


def _diagnosis(
    account: FeedAccount, as_of: datetime, wrong: Sequence[Diagnosis | FeedShift], odd: Sequence[Deviation]
) -> Iterator[str]:
    yield from (f"On {found.day.isoformat()} {found.sentence}." for found in wrong[:_TOLD])
    yield from (f"On {found.day.isoformat()}: {found.sentence.rstrip('.')}." for found in odd[:_TOLD])
    yield from _refusals(account)
    if account.is_late(as_of):
        last = account.last_ingested_at
        yield f"Nothing has come since {last:%Y-%m-%d %H:%M} UTC." if last else "Nothing has come for long."
    delivered, quarantined = account.counts["delivered"], account.counts["quarantined"]
    if account.worst_reason:
        because = EXPLANATIONS[Reason(account.worst_reason)]
        yield f"In these days {quarantined:,} of {delivered:,} records are held, most for this: {because}."
    elif delivered:
        yield "In these days every record was accounted for without quarantine."
    else:
        yield "In these days no record was delivered."


def _refusals(account: FeedAccount) -> Iterator[str]:
    for file in account.refused[:_TOLD]:
        sentence = refusal_sentence(file.document)
        yield f"{sentence[:1].upper()}{sentence[1:]}."
    if (more := len(account.refused) - _TOLD) > 0:
        yield f"{more:,} more file{' was' if more == 1 else 's were'} refused."


def _next_steps(
    account: FeedAccount, as_of: datetime, wrong: Sequence[Diagnosis | FeedShift], odd: Sequence[Deviation]
) -> Iterator[str]:
    owner = account.feed.owner
    if wrong:
        yield f"Compare `zone` and the times of {account.feed.feed_id} with {owner.name}'s clock."
    if account.refused:
        files = "the file" if len(account.refused) == 1 else "the files"
        names = ", ".join(file.source_file for file in account.refused[:_TOLD])
        more = ", …" if len(account.refused) > _TOLD else ""
        yield (
            f"Ask {owner.name} ({owner.email}) for {names}{more} again; if the feed file is wrong, correct it and load "
            f"{files} anew."
        )
    if account.is_late(as_of):
        yield f"Ask {owner.name} ({owner.email}) why nothing comes."
    elif odd:
        yield f"Ask {owner.name} ({owner.email}) what was different then."
    if account.worst_reason:
        yield f"Send {owner.name} the list from `hops dq quarantine`."
