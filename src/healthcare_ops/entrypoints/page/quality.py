"""A data-quality report as one HTML page that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from healthcare_ops.adapters.local_files import write_bytes
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.language import Language
from healthcare_ops.core.tables import FATES
from healthcare_ops.entrypoints.cli.output import inert
from healthcare_ops.entrypoints.page import svg
from healthcare_ops.entrypoints.page.quality_views import (
    JUDGEMENTS,
    MARKS,
    PastView,
    RuleView,
    cause_view,
    contributions,
    feed_view,
    headline,
    instant_text,
    past_views,
    rule_views,
    verdict_text,
)
from healthcare_ops.entrypoints.page.templates import environment
from healthcare_ops.entrypoints.page.texts import Words
from healthcare_ops.pipeline.quality.report.report import SCHEMA_VERSION
from healthcare_ops.pipeline.quality.report.score import FAIL_FLOOR

_CODE = re.compile("`([^`\\n]+)`")


def write_quality_page(report: Mapping[str, Any], path: Path, *, language: Language = "en") -> None:
    """Put the page of a report in the place of `path`, atomically.

    Raises
    ------
    ConfigError
        If the report has another form than those that this version writes.
    """
    write_bytes(path, render_quality(report, language).encode())


def render_quality(report: Mapping[str, Any], language: Language = "en") -> str:
    """Return the page; every text of the report is escaped and inert, and nothing is loaded or run.

    Parameters
    ----------
    report
        The document as it is stored, with its `path` and, where there are any, its `assignments`.

    Raises
    ------
    ConfigError
        If the report has another form than those that this version writes.
    """
    _require_form(report)
    words = Words(language)
    rules, past = rule_views(report, words), past_views(report, words)
    return (
        _environment()
        .get_template("quality.html.j2")
        .render(
            report=report,
            t=words,
            marks=MARKS,
            verdict=lambda name: verdict_text(name, words),
            headline=headline(report["verdict"], words),
            subtitle=_subtitle(report, words),
            gauge=_gauge(report, words),
            floor=words("gauge_floor"),
            counted=_counted(rules, past, words),
            held=_held(report, words),
            causes=[cause_view(cause, report, words) for cause in report.get("causes", ())],
            contributions=contributions(report, words),
            rules=rules,
            past=past,
            broken=[rule for rule in rules if rule.is_broken],
            judgement=lambda given: words(JUDGEMENTS[given]),
            feeds=[feed_view(section, report, words) for section in report["feeds"]],
            fates=FATES,
        )
    )


def _require_form(report: Mapping[str, Any]) -> None:
    form = report.get("schema_version")
    if form != SCHEMA_VERSION:
        raise ConfigError(
            f"the report of run {report.get('run_id')} has schema_version {form}; a page is made of {SCHEMA_VERSION}.",
            next_step="Judge the days again with `hops dq check`, or read the report with --json.",
        )


def _environment() -> Environment:
    found = environment(finalize=_inert)
    found.filters["code"] = _with_code
    return found


def _inert(value: Any) -> Any:
    """Return a text without what a browser would obey though it is no markup, such as marks that reverse text."""
    return inert(value, keep="\n") if isinstance(value, str) and not isinstance(value, Markup) else value


def _with_code(text: str) -> Markup:
    """Return a text with what stands between backticks, such as a command, as code."""
    parts = _CODE.split(_inert(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _subtitle(report: Mapping[str, Any], words: Words) -> str:
    days = report["days"]
    first, last = (words.day(date.fromisoformat(days[end])) for end in ("first", "last"))
    count = words("one_day") if days["count"] == 1 else words("days", count=words.number(days["count"]))
    return words("quality_subtitle", first=first, last=last, count=count, as_of=instant_text(report, words))


def _gauge(report: Mapping[str, Any], words: Words) -> Markup | None:
    """Return the score as a bar; null if the job ended before there was one."""
    score = report["dq_risk_score"]
    if score is None:
        return None
    title = words("gauge", score=words.number(score, 2))
    return svg.stack(title, [svg.Part(score, report["verdict"], title)], 100.0, mark=FAIL_FLOOR)


def _counted(rules: Sequence[RuleView], past: Sequence[PastView], words: Words) -> tuple[str, list[str]]:
    """Return how many rules had something to judge, and how many there are of each verdict, the worst first.

    Clocks and figures that are wrong count as rules that are broken, as they do in the score.
    """
    found = [*(rule.section["verdict"] for rule in rules), *(view.verdict for view in past)]
    judged = words.number(len(found) - found.count("not_applicable"))
    verdicts = ("fail", "warn", "pass", "not_applicable")
    counts = [words(f"counted_{name}", count=words.number(found.count(name))) for name in verdicts]
    return judged, [f"{MARKS[name]} {text}" for name, text in zip(verdicts, counts, strict=True)]


def _held(report: Mapping[str, Any], words: Words) -> tuple[str, str]:
    """Return how many records are held, and of how many."""
    delivered, held = (sum(feed["counts"][name] for feed in report["feeds"]) for name in ("delivered", "quarantined"))
    return words.number(held), words("of_delivered", count=words.number(delivered))
