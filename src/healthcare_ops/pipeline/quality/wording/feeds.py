"""How a feed does and what to do about it, in sentences made of what a report holds, in either language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from healthcare_ops.core.language import Language, as_written, day_in, text_in
from healthcare_ops.core.reasons import Reason
from healthcare_ops.pipeline.quality.wording.findings import Section, has_facts, instant, say, sentence_of
from healthcare_ops.pipeline.quality.wording.texts import REASONS

_TOLD = 3
# Sectors that miss so much of what their feed misses are why it does.
_MOST = 0.8


@dataclass(frozen=True)
class FeedFacts:
    """A feed's section of a report, with what the report found wrong with its clock, and odd about its figures."""

    section: Section
    wrong: Sequence[Section]
    odd: Sequence[Section]

    @property
    def is_whole(self) -> bool:
        """Tell whether all is there that sentences are made of; in reports of earlier versions it may not be."""
        return all(map(has_facts, (*self.wrong[:_TOLD], *self.odd[:_TOLD])))

    @property
    def refused(self) -> Sequence[Section]:
        """Return the files that were refused and not taken back; reports of before this was told have none."""
        return unanswered(self.section.get("refused_files", ()))

    @property
    def worst_reason(self) -> str | None:
        """Return why most of its records are held; None if none is."""
        reasons = self.section["quarantined_by_reason"]
        return max(reasons, key=lambda reason: int(reasons[reason]), default=None)


def unanswered(found: Sequence[Section]) -> Sequence[Section]:
    """Return those of the findings for which no person answers."""
    return [one for one in found if not one.get("accepted")]


def without_accepted(of_feed: Sequence[Section], report: Mapping[str, Any]) -> Sequence[Section]:
    """Return what a feed misses, but for what is missing because of sectors for whose losses people answer."""
    accepted = [one for one in report.get("expectations", ()) if one["by"] == "sector_id" and one.get("accepted")]
    return [one for one in of_feed if _missed_by(accepted, one) < _MOST * max(one["expected"] - one["observed"], 1e-9)]


def _missed_by(of_sectors: Sequence[Section], of_feed: Section) -> float:
    """Return how many rows of a table sectors miss, each once, on the day of a figure of their feed."""
    lost: dict[str, float] = {}
    for one in of_sectors:
        if (one["table"], one["day"]) == (of_feed["table"], of_feed["day"]):
            lost[one["place"]] = max(lost.get(one["place"], 0.0), one["expected"] - one["observed"])
    return sum(lost.values())


def facts_of(section: Section, report: Mapping[str, Any]) -> FeedFacts:
    """Return a feed's section with what its report says of its clock and figures; a report may lack either.

    What follows from something else is told there.
    """
    feed_id = section["feed_id"]

    def told(name: str) -> Iterator[Section]:
        return (found for found in report.get(name, ()) if "explained_by" not in found)

    wrong = [
        *(found for found in told("clocks") if found["feed_id"] == feed_id),
        *(found for found in told("shifts") if feed_id in (found["feed_id"], found["other_feed_id"])),
    ]
    of_feed = [found for found in told("expectations") if (found["by"], found["place"]) == ("feed_id", feed_id)]
    odd = without_accepted(of_feed, report)
    return FeedFacts(section, wrong, odd)


def diagnosis(feed: FeedFacts, language: Language = "en") -> str:
    """Return in a sentence or more how a feed does of which all facts are there."""
    return " ".join(_diagnosis(feed, language))


def next_steps(feed: FeedFacts, language: Language = "en") -> str:
    """Return what to do about it; empty if nothing."""
    return " ".join(_next_steps(feed, language))


def ask_for_files(section: Section, refused: Sequence[Section], language: Language) -> str:
    """Return whom to ask for refused files of a feed."""
    names = ", ".join(file["source_file"] for file in refused[:_TOLD])
    files = f"{names}{', …' if len(refused) > _TOLD else ''}"
    key = "ask_for_file" if len(refused) == 1 else "ask_for_files"
    return say(key, language, owner=section["owner"], email=section["contact"], files=files)


def _diagnosis(feed: FeedFacts, language: Language) -> Iterator[str]:
    yield from _refusals(feed.refused, language)
    for key, found in (("of_day", feed.wrong), ("figure_of_day", feed.odd)):
        for one in found[:_TOLD]:
            day = day_in(date.fromisoformat(one["day"]), language)
            yield say(key, language, day=day, sentence=sentence_of(one, language).rstrip("."))
    if feed.section["delay"]["is_late"]:
        yield _late(feed.section["delay"]["last_ingested_at"], language)
    yield _held(feed, language)


def _refusals(files: Sequence[Section], language: Language) -> Iterator[str]:
    for file in files[:_TOLD]:
        sentence = sentence_of({**file, "rule": "refused"}, language)
        yield f"{sentence[:1].upper()}{sentence[1:]}."
    if (more := len(files) - _TOLD) > 0:
        yield say("one_more_refused" if more == 1 else "more_refused", language, count=_count(more, language))


def _late(last: str | None, language: Language) -> str:
    if last is None:
        return say("late_for_long", language)
    return say("late_since", language, at=instant(datetime.fromisoformat(last), language))


def _held(feed: FeedFacts, language: Language) -> str:
    delivered, held = (feed.section["counts"][name] for name in ("delivered", "quarantined"))
    if feed.worst_reason:
        why = text_in(REASONS[Reason(feed.worst_reason)], language)
        return say("held_most", language, held=_count(held, language), delivered=_count(delivered, language), why=why)
    return say("none_held" if delivered else "none_delivered", language)


def _count(records: int, language: Language) -> str:
    return as_written(f"{records:,}", language)


def _next_steps(feed: FeedFacts, language: Language) -> Iterator[str]:
    section = feed.section
    owner, email = section["owner"], section["contact"]
    if unanswered(feed.wrong):
        yield say("compare_clock", language, feed=section["feed_id"], owner=owner)
    if feed.refused:
        yield ask_for_files(section, feed.refused, language)
    if section["delay"]["is_late"]:
        yield say("ask_why_late", language, owner=owner, email=email)
    elif unanswered(feed.odd):
        yield say("ask_what_differed", language, owner=owner, email=email)
    if feed.worst_reason:
        yield say("send_list", language, owner=owner)
