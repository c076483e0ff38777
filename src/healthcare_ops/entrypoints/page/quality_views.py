"""What the data-quality page shows of a report's rules and feeds, with what is drawn of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from markupsafe import Markup

from healthcare_ops.core.language import Language
from healthcare_ops.core.tables import FATES
from healthcare_ops.entrypoints.page import svg
from healthcare_ops.entrypoints.page.texts import Words
from healthcare_ops.operations.reading import findings_of, told_in_words
from healthcare_ops.pipeline.quality.report.acceptance import accept_command
from healthcare_ops.pipeline.quality.report.causes import advice_of
from healthcare_ops.pipeline.quality.wording import causes
from healthcare_ops.pipeline.quality.wording.feeds import diagnosis, facts_of, next_steps
from healthcare_ops.pipeline.quality.wording.findings import has_facts, kind_of, next_step_of, say, sentence_of
from healthcare_ops.pipeline.quality.wording.rules import fault_text, rule_step, rule_text

# The worst first; a verdict is told by shape and word, never by colour alone.
MARKS = {"error": "◆", "fail": "✗", "warn": "▲", "pass": "✓", "not_applicable": "·"}
WORST_FIRST = tuple(MARKS)
# What a steward says of a finding, by the name of its text.
JUDGEMENTS = {None: "looks_into_it", "rule too strict": "too_strict", "data corrupted": "corrupted"}


@dataclass(frozen=True)
class Told:
    """What a report says, in the language of the page; `stays` names that of a text that is shown as it is stored."""

    text: str
    stays: Language | None = None


@dataclass(frozen=True)
class RuleView:
    """A rule's section of the report, with what is drawn of it; `points` of the risk score are its own."""

    section: Mapping[str, Any]
    reason: str
    next_step: str
    fault: str
    broken: int | None
    points: float
    trend: Markup | None
    trend_text: str
    assignments: tuple[Mapping[str, Any], ...]

    @property
    def is_broken(self) -> bool:
        """Tell whether the rule is among those to act on."""
        return self.section["verdict"] in ("fail", "warn")


@dataclass(frozen=True)
class PastView:
    """A clock or a figure that is wrong, or refused files of a feed: the worst verdict, and of each day a sentence.

    Beside it stands who answers for it, if anybody does; `because` are the causes that explain some or all of it.
    """

    rule_id: str
    verdict: str
    days: tuple[tuple[date, Told, str], ...]
    next_step: str
    assignments: tuple[Mapping[str, Any], ...]
    because: tuple[str, ...]


@dataclass(frozen=True)
class CauseView:
    """What broke, in words; `day` in digits, `since` a civil time, each empty if not known; `owners` with feeds.

    `accepted` says who answers for any of it.
    """

    cause: Mapping[str, Any]
    day: str
    told: Told
    diagnosis: str
    next_step: Told
    since: str
    accepted: tuple[str, ...]
    owners: tuple[str, ...]


@dataclass(frozen=True)
class Contribution:
    """Points of the risk score, with what adds them: a rule, clock or figure by its id, or records in quarantine."""

    name: str
    is_id: bool
    points: float
    bar: Markup


@dataclass(frozen=True)
class FeedView:
    """A feed's section of the report, with its records by what became of them; `unaccounted` of them nobody knows."""

    section: Mapping[str, Any]
    diagnosis: Told
    next_step: Told
    notice: Mapping[str, str]
    last_delivery: str
    bar: Markup
    unaccounted: int


def headline(verdict: str, words: Words) -> str:
    """Return the verdict of a whole report in words."""
    return words({"not_applicable": "nothing_to_judge", "error": "not_to_the_end"}.get(verdict, verdict))


def verdict_text(name: str, words: Words) -> str:
    """Return the verdict of a rule in words."""
    return words("not_judged" if name == "not_applicable" else name)


def rule_views(report: Mapping[str, Any], words: Words) -> list[RuleView]:
    """Return the rules, the worst first, and of those with the same verdict the one with most points."""
    views = [_rule(section, report, words) for section in report["rules"]]
    return sorted(views, key=lambda rule: (WORST_FIRST.index(rule.section["verdict"]), -rule.points))


def _rule(section: Mapping[str, Any], report: Mapping[str, Any], words: Words) -> RuleView:
    name = section["rule_id"]
    broken = section.get("null_count", section.get("violations"))
    runs = [*reversed(section["trend"]), {**section, "as_of": report["as_of"]}]
    trend, text = _trend(runs, words, of_rows=broken is not None) if len(runs) > 1 else (None, words("first_time"))
    return RuleView(
        section=section,
        reason=rule_text(section["reason"], words.language),
        next_step=rule_step(section, words.language),
        fault=fault_text(section, words.language) if "fault" in section else "",
        broken=broken,
        points=report["contributions"].get(name, 0.0),
        trend=trend,
        trend_text=text,
        assignments=_assignments(report, name),
    )


def _assignments(report: Mapping[str, Any], rule_id: str) -> tuple[Mapping[str, Any], ...]:
    return tuple(given for given in report.get("assignments", ()) if given["rule_id"] == rule_id)


def past_views(report: Mapping[str, Any], words: Words) -> list[PastView]:
    """Return refused files by feed, and the clocks and figures that are wrong, each once, the worst first."""
    told = told_in_words(report)
    names = {section["rule_id"] for section in told}
    views = [
        PastView(
            rule_id=worst["rule_id"],
            verdict=worst["verdict"],
            days=tuple(
                (date.fromisoformat(section["day"]), finding_told(section, words), accepted_text(section, words))
                for section in told
                if section["rule_id"] == worst["rule_id"]
            ),
            next_step=next_step([section for section in told if section["rule_id"] == worst["rule_id"]], words),
            assignments=_assignments(report, worst["rule_id"]),
            because=tuple(
                dict.fromkeys(
                    section["explained_by"]
                    for section in told
                    if section["rule_id"] == worst["rule_id"] and "explained_by" in section
                )
            ),
        )
        for worst in findings_of(report)
        if worst["rule_id"] in names
    ]
    return sorted(views, key=lambda view: WORST_FIRST.index(view.verdict))


def cause_view(cause: Mapping[str, Any], report: Mapping[str, Any], words: Words) -> CauseView:
    """Return a cause in words: as it is stored in English, in another language if it has the facts for it."""
    language = words.language
    stays: Language | None = None if language == "en" or causes.is_whole(cause, report) else "en"
    is_stored = language == "en" or stays
    since = datetime.fromisoformat(cause["since"]) if cause["since"] else None
    return CauseView(
        cause,
        causes.day_of(cause, report, language),
        Told(cause["sentence"] if is_stored else causes.sentence_of(cause, report, language), stays),
        causes.diagnosis_of(cause, language),
        Told(cause["next_step"] if language == "en" else advice_of(cause, report, language)),
        f"{words.day_in_digits(since)} {since:%H:%M}" if since else "",
        _answers(cause, report, words),
        tuple(
            words("whose_is", owner=feed["owner"], contact=feed["contact"], feed=feed["feed_id"])
            for feed in report["feeds"]
            if feed["feed_id"] in cause["feed_ids"]
        ),
    )


def _answers(cause: Mapping[str, Any], report: Mapping[str, Any], words: Words) -> tuple[str, ...]:
    names = {*cause["findings"], *cause["explains"]}
    told = (accepted_text(section, words) for section in told_in_words(report) if section["rule_id"] in names)
    return tuple(dict.fromkeys(filter(None, told)))


def finding_told(section: Mapping[str, Any], words: Words) -> Told:
    """Return a finding as a sentence: as it is stored in English, in another language if it has the facts for it."""
    if words.language == "en" or not has_facts(section):
        return Told(section["sentence"], None if words.language == "en" else "en")
    return Told(sentence_of(section, words.language))


def feed_told(section: Mapping[str, Any], report: Mapping[str, Any], words: Words) -> tuple[Told, Told]:
    """Return how a feed does, and what to do about it."""
    feed = facts_of(section, report)
    if words.language == "en" or not feed.is_whole:
        stays: Language | None = None if words.language == "en" else "en"
        return Told(section["diagnosis"], stays), Told(section["next_step"], stays)
    return Told(diagnosis(feed, words.language)), Told(next_steps(feed, words.language))


def accepted_text(section: Mapping[str, Any], words: Words) -> str:
    """Return who answers for a finding, since when and why; empty if nobody does."""
    accepted = section.get("accepted")
    if not accepted:
        return ""
    at = words.instant(datetime.fromisoformat(accepted["at"]))
    if "reason" not in accepted:
        return words("accepted_by_entry", by=accepted["by"], at=at, entry=accepted["entry"])
    return words("accepted_by", by=accepted["by"], at=at, reason=accepted["reason"])


def next_step(sections: Sequence[Mapping[str, Any]], words: Words) -> str:
    """Return what to do about findings of one name: refused files, a clock, two that disagree, a figure too far off.

    Empty if somebody answers for all of them.
    """
    left = [section for section in sections if not section.get("accepted")]
    if not left:
        return ""
    if kind_of(left[0]) == "refused":
        return next_step_of(left[0], words.language, command=accept_command(left))
    stops = [one for one in left if one["verdict"] == "fail"]
    on = [say("accept_figure", words.language, command=accept_command(stops))] if stops else []
    return " ".join([next_step_of(left[0], words.language), *on])


def _trend(runs: Sequence[Mapping[str, Any]], words: Words, *, of_rows: bool) -> tuple[Markup | None, str]:
    """Return the runs, the oldest first: shares of broken rows, or of a rule that judges a number that number."""

    def shown(value: float | None) -> str:
        return words.share(value, 1) if of_rows else words.measure(value)

    values = [_value(run, of_rows=of_rows) for run in runs]
    known = [value for value in values if value is not None]
    if not known:
        return None, words("never_judged", count=words.number(len(runs)))
    ends = {name: shown(of(known, default=None)) for name, of in (("lowest", min), ("highest", max))}
    text = words("trend_of_share" if of_rows else "trend_of_value", count=words.number(len(runs)), **ends)
    points = [
        svg.Part(
            value, run["verdict"], f"{instant_text(run, words)}: {shown(value)}, {verdict_text(run['verdict'], words)}"
        )
        for run, value in zip(runs, values, strict=True)
    ]
    return svg.sparkline(text, points, lowest=0.0 if of_rows else None), text


def _value(run: Mapping[str, Any], *, of_rows: bool) -> float | None:
    """Return what a run adds to the trend; null where nothing was judged."""
    if run["verdict"] == "not_applicable":
        return None
    value: float | None = run["share"] if of_rows else next(iter(run["values"]), None)
    return value


def instant_text(run: Mapping[str, Any], words: Words) -> str:
    """Return as of when a run judged."""
    return words.instant(datetime.fromisoformat(run["as_of"]))


def contributions(report: Mapping[str, Any], words: Words) -> list[Contribution]:
    """Return what adds points to the risk score, the most first; nothing if the job ended before there was one."""
    if report["dq_risk_score"] is None:
        return []
    verdicts = {section["rule_id"]: section["verdict"] for section in findings_of(report)}
    found = sorted(report["contributions"].items(), key=lambda item: -item[1])
    return [_contribution(name, points, verdicts, words) for name, points in found if points]


def _contribution(name: str, points: float, verdicts: Mapping[str, str], words: Words) -> Contribution:
    title = f"{words.number(points, 2)} {words('of_100')}"
    is_id = name != "quarantine"
    bar = svg.stack(title, [svg.Part(points, verdicts[name] if is_id else "quarantined", title)], 100.0)
    return Contribution(name if is_id else words("held_share"), is_id, points, bar)


def feed_view(section: Mapping[str, Any], report: Mapping[str, Any], words: Words) -> FeedView:
    """Return a feed with its records by what became of them, and when it last delivered any."""
    how, what_to_do = feed_told(section, report, words)
    drafts = (section.get("notice") or {}).get("text", {})
    counts, delay = section["counts"], section["delay"]
    parts = [svg.Part(counts[fate], fate, f"{words.number(counts[fate])} {words(fate)}") for fate in FATES]
    accounted = sum(counts[fate] for fate in FATES)
    title = f"{words.number(counts['delivered'])} {words('delivered')}"
    last = words("never")
    if delay["last_ingested_at"]:
        last = words.instant(datetime.fromisoformat(delay["last_ingested_at"]))
        # A run that looks back at an earlier day finds deliveries that came after it.
        if delay["since_min"] >= 0:
            last += f" ({words('ago', span=words.span(delay['since_min']))})"
    return FeedView(
        section,
        how,
        what_to_do,
        {words.language: drafts[words.language]} if words.language in drafts else drafts,
        last,
        svg.stack(title, parts, max(counts["delivered"], accounted)),
        counts["delivered"] - accounted,
    )
