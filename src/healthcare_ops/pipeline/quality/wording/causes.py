"""A cause in sentences made of what a report holds, in either language: what broke, what follows, what to do.

A cause is an entry of `causes` in a report; what it is made of stands in the report under the names that it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from healthcare_ops.core.language import Language, as_written, day_in
from healthcare_ops.pipeline.quality.wording import findings
from healthcare_ops.pipeline.quality.wording.feeds import ask_for_files, unanswered
from healthcare_ops.pipeline.quality.wording.findings import PAST_LISTS, Section, has_facts, number, say
from healthcare_ops.pipeline.quality.wording.rules import fault_text, rule_step, rule_text


def lead_of(cause: Section, report: Mapping[str, Any]) -> Section:
    """Return the finding by which a cause is told: of a rule its section, else the worst of its own."""
    if cause["kind"] == "rule":
        return next(rule for rule in report["rules"] if rule["rule_id"] == cause["cause_id"])
    if cause["kind"] == "refused":
        file = _files_of(cause, report)[0]
        return {**file, "rule": "refused", "day": file["refused_at"][:10], "feed_id": cause["feed_ids"][0]}
    own = [found for found in own_of(cause, report) if found["rule_id"] == cause["cause_id"]]
    return min(own, key=lambda found: (found["verdict"] != "fail", "accepted" in found))


def own_of(cause: Section, report: Mapping[str, Any]) -> Sequence[Section]:
    """Return the clocks and figures that are a cause's own, of all days."""
    return [
        found
        for name in PAST_LISTS
        for found in report.get(name, ())
        if found["rule_id"] in cause["findings"] and "explained_by" not in found
    ]


def is_whole(cause: Section, report: Mapping[str, Any]) -> bool:
    """Tell whether all is there that its sentences are made of; in reports of earlier versions it may not be."""
    return cause["kind"] == "rule" or has_facts(lead_of(cause, report))


def sentence_of(cause: Section, report: Mapping[str, Any], language: Language = "en") -> str:
    """Return what broke; without its facts, as the report has it in English."""
    lead = lead_of(cause, report)
    if cause["kind"] == "rule":
        return _rule(lead, language)
    if not has_facts(lead):
        return str(lead["sentence"])
    said = findings.sentence_of(lead, language)
    if cause["kind"] == "refused":
        more = len(_files_of(cause, report)) - 1
        return say("more_files", language, sentence=said, count=more) if more else said
    if more := len({found["day"] for found in own_of(cause, report)} - {lead["day"]}):
        return say("more_days", language, sentence=said.rstrip("."), count=number(more, language))
    return said


def day_of(cause: Section, report: Mapping[str, Any], language: Language) -> str:
    """Return the day of the finding by which a cause is told, in digits; empty of a rule, which judges all days."""
    if cause["kind"] == "rule":
        return ""
    return day_in(date.fromisoformat(lead_of(cause, report)["day"]), language)


def diagnosis_of(cause: Section, language: Language = "en") -> str:
    """Return how much is missing and how much else follows; empty if neither is known."""
    return " ".join(_diagnosis(cause, language))


def next_step_of(cause: Section, report: Mapping[str, Any], language: Language = "en") -> str:
    """Return what to do."""
    lead = lead_of(cause, report)
    if cause["kind"] == "rule":
        return rule_step(lead, language)
    if cause["kind"] == "refused":
        feed = _feed_of(cause, report)
        return ask_for_files(feed, files, language) if (files := unanswered(feed["refused_files"])) else ""
    return findings.next_step_of(lead, language)


def _files_of(cause: Section, report: Mapping[str, Any]) -> Sequence[Section]:
    """Return the files of a cause that are waited for; all, if people have taken back each since it was told."""
    refused: Sequence[Section] = _feed_of(cause, report)["refused_files"]
    return unanswered(refused) or refused


def _feed_of(cause: Section, report: Mapping[str, Any]) -> Section:
    found: Section = next(feed for feed in report["feeds"] if feed["feed_id"] == cause["feed_ids"][0])
    return found


def _rule(rule: Section, language: Language) -> str:
    if "fault" in rule:
        return fault_text(rule, language).rstrip(".")
    why = f": {rule_text(rule['reason'], language)}" if rule["reason"] else ""
    broken = rule.get("null_count", rule.get("violations"))
    if broken is None:
        measured = ", ".join("–" if value is None else as_written(f"{value:g}", language) for value in rule["values"])
        limits = ", ".join(rule["thresholds"])
        return say("rule_measured", language, table=rule["table"], measured=measured, limits=limits, why=why)
    counts = {
        name: as_written(f"{count:,}", language) for name, count in (("broken", broken), ("checked", rule["checked"]))
    }
    return say("rule_broken", language, **counts, table=rule["table"], why=why)


def _diagnosis(cause: Section, language: Language) -> Iterator[str]:
    if cause["missing_arrivals"]:
        numbers = {"arrivals": cause["missing_arrivals"], "hours": cause["missing_h"]}
        yield say("missing_arrivals", language, **{name: number(value, language) for name, value in numbers.items()})
        if late := cause.get("late_arrivals"):
            yield say("late_arrivals", language, arrivals=number(late, language))
    if more := len(cause["explains"]):
        yield say("one_follows" if more == 1 else "more_follow", language, count=number(more, language))
