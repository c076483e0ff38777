"""A data-quality report on a terminal, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from healthcare_ops.entrypoints.cli.output import console, print_hanging, table
from healthcare_ops.entrypoints.cli.quality_findings import counted, measured

if TYPE_CHECKING:
    from healthcare_ops.entrypoints.page.texts import Words

_MARKS = {"fail": "✗", "warn": "▲", "pass": "✓", "not_applicable": "·"}
# Of what follows from a cause so many are named.
_NAMED = 3
_HEADINGS = ("verdict", "rule", "broken", "checked", "measured", "must_be")


def verdict_text(verdict: str) -> str:
    """Return a report's verdict in words."""
    return {"not_applicable": "nothing to judge", "error": "not judged to the end"}.get(verdict, verdict)


def verdict_in(verdict: str, words: Words) -> str:
    """Return the verdict of a rule: by its code in English, which is shorter than what a page says."""
    from healthcare_ops.entrypoints.page import quality_views

    return verdict.replace("_", " ") if words.language == "en" else quality_views.verdict_text(verdict, words)


def print_report(report: Mapping[str, Any], words: Words | None = None, *, every: bool = False) -> None:
    """Print a report as it is stored, in English without `words`: what broke, then the rest.

    With `every` also the rules that passed, and each finding by which no cause is told.
    """
    words = words or _english()
    out = console()
    out.print(_title(report, words))
    if report.get("error"):
        out.print(words("error_is", error=report["error"]), markup=False)
    for cause in report["causes"]:
        head, *lines = _cause(report, cause, words)
        print_hanging(head)
        for line in lines:
            print_hanging(line, inset=4)
    shown = [rule for rule in report["rules"] if every or rule["verdict"] in ("fail", "warn")]
    if shown:
        print_rules({"rules": shown}, words)
    rest = [_passed(report, words)] if len(shown) < len(report["rules"]) else []
    rest += _others(report, words) if every else []
    for line in (*rest, *_stewards(report, words), *_feeds(report, words), *_ways_on(report, words)):
        print_hanging(line)


def print_rules(report: Mapping[str, Any], words: Words | None = None) -> None:
    """Print what the rules found as a table, the worst first; in English without `words`."""
    words = words or _english()
    order = list(_MARKS)
    sections = sorted(report["rules"], key=lambda rule: order.index(rule["verdict"]))
    rows = [
        [
            f"{_MARKS[rule['verdict']]} {verdict_in(rule['verdict'], words)}",
            rule["rule_id"],
            counted(rule),
            rule["checked"],
            ", ".join(measured(value, words) for value in rule["values"]),
            ", ".join(rule["thresholds"]),
        ]
        for rule in sections
    ]
    headings = [words(name).lower() for name in _HEADINGS]
    console().print(table(words("rules"), headings, rows, words.language))


def _english() -> Words:
    from healthcare_ops.entrypoints.page.texts import Words

    return Words("en")


def _title(report: Mapping[str, Any], words: Words) -> str:
    from healthcare_ops.entrypoints.page.quality_views import headline

    verdict = verdict_text(report["verdict"]) if words.language == "en" else headline(report["verdict"], words)
    risk = report["dq_risk_score"]
    score = words("no_score") if risk is None else words("score_is", score=words.number(risk, 2))
    first, last = (words.day_in_digits(date.fromisoformat(report["days"][end])) for end in ("first", "last"))
    return f"{verdict.upper()}  {score}  {words('judged_in', first=first, last=last, run=report['run_id'])}"


def _cause(report: Mapping[str, Any], cause: Mapping[str, Any], words: Words) -> Iterator[str]:
    """Yield what broke, how much of it, whose data it is and since when, what follows, and what to do."""
    from healthcare_ops.entrypoints.page.quality_views import cause_view

    view = cause_view(cause, report, words)
    name = f"{cause['cause_id']} {view.day}".strip()
    yield f"{_MARKS[cause['verdict']]} {name}: {view.told.text}"
    if view.diagnosis:
        yield view.diagnosis
    since = [words("since_is", since=view.since)] if view.since else []
    if whose := "; ".join([*view.owners, *since]):
        yield whose
    if names := cause["explains"]:
        told = ", ".join(names[:_NAMED])
        more = len(names) - _NAMED
        told = words("and_more", names=told, count=words.number(more)) if more > 0 else told
        yield words("follow_are", names=told)
    yield from view.accepted
    if view.next_step.text:
        yield words("cause_step", step=view.next_step.text)


def _passed(report: Mapping[str, Any], words: Words) -> str:
    verdicts = [rule["verdict"] for rule in report["rules"]]
    counts = {"passed": verdicts.count("pass"), "idle": verdicts.count("not_applicable")}
    key = "passed_and_idle" if counts["idle"] else "passed"
    return words(key, **{name: words.number(count) for name, count in counts.items()})


def _others(report: Mapping[str, Any], words: Words) -> Iterator[str]:
    """Yield what could not be judged, and each finding by which no cause is told, with what explains it."""
    from healthcare_ops.entrypoints.page.quality_views import finding_told
    from healthcare_ops.operations.reading import told_in_words
    from healthcare_ops.pipeline.quality.history.expectations import MIN_WEEKS
    from healthcare_ops.pipeline.quality.wording.causes import lead_of
    from healthcare_ops.pipeline.quality.wording.rules import fault_text

    for rule in report["rules"]:
        if "fault" in rule:
            yield f"{_MARKS[rule['verdict']]} {rule['rule_id']}: {fault_text(rule, words.language)}"
    if places := [f"{one['place']} ({words.number(one['weeks'])})" for one in report.get("unjudged", ())]:
        yield words("unjudged", needed=words.number(MIN_WEEKS), places=", ".join(places))
    leads = {_identity(lead_of(cause, report)) for cause in report["causes"] if cause["kind"] != "rule"}
    for told in told_in_words(report):
        if _identity(told) in leads:
            continue
        day = words.day_in_digits(date.fromisoformat(told["day"]))
        because = f" ({words('follows_from', cause=told['explained_by'])})" if "explained_by" in told else ""
        yield f"{_MARKS[told['verdict']]} {told['rule_id']} {day}{because}: {finding_told(told, words).text}"


def _identity(section: Mapping[str, Any]) -> object:
    """Return what tells a section of a report from all others."""
    return (section["source_file"], section["sha256"]) if "sha256" in section else id(section)


def _stewards(report: Mapping[str, Any], words: Words) -> Iterator[str]:
    for given in report.get("assignments", ()):
        earlier = "" if given["run_id"] == report["run_id"] else f" (run {given['run_id']})"
        yield f"{given['rule_id']}: {_said(given, words)}{earlier}"


def _said(given: Mapping[str, Any], words: Words) -> str:
    """Return what a steward says of a finding."""
    from healthcare_ops.entrypoints.page.quality_views import JUDGEMENTS

    judgement, steward = given["judgement"], given["steward"]
    if judgement is None:
        return f"{steward} {words('looks_into_it')}"
    said = judgement if words.language == "en" else words(JUDGEMENTS[judgement])
    return f"{words('says', steward=steward, said=said)}: {given['reason']}"


def _feeds(report: Mapping[str, Any], words: Words) -> Iterator[str]:
    from healthcare_ops.entrypoints.page.quality_views import feed_told

    for feed in report["feeds"]:
        how, _ = feed_told(feed, report, words)
        yield f"{feed['feed_id']} ({feed['owner']}): {how.text}"


def _ways_on(report: Mapping[str, Any], words: Words) -> Iterator[str]:
    """Yield where the report lies, and what to look at next."""
    yield words("report_is", path=report["path"])
    if later := report.get("later_decision"):
        days = words("one_day") if later["days"] == 1 else words("days", count=words.number(later["days"]))
        yield words("later_report", days=days, run=later["run_id"])
    if report["verdict"] in ("warn", "fail"):
        held = any(feed["counts"]["quarantined"] for feed in report["feeds"])
        ways = [words(name) for name in ("explain_rule", "notice_feed", "whatif_rule")]
        ways += ["quarantine"] if held else []
        yield words("next_is", commands=" · ".join(f"hops dq {way}" for way in ways))
