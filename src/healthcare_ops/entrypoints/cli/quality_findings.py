"""A finding of a data-quality report on a terminal: what it says, on what evidence, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from healthcare_ops.core.language import Language, as_written
from healthcare_ops.entrypoints.cli.output import console, display, table

if TYPE_CHECKING:
    from healthcare_ops.entrypoints.page.texts import Words

_BARS = "▁▂▃▄▅▆▇█"


def explanation(report: Mapping[str, Any], section: Mapping[str, Any], words: Words) -> Mapping[str, Any]:
    """Return a finding with its next step and, of a clock or a figure, what each day says of it: `findings`."""
    from healthcare_ops.entrypoints.page.quality_views import finding_told, next_step
    from healthcare_ops.operations.reading import told_in_words

    if "sentence" not in section:
        return section
    found = [one for one in told_in_words(report) if one["rule_id"] == section["rule_id"]]
    findings = [one | {"sentence": finding_told(one, words).text} for one in found]
    cause = next((one for one in report["causes"] if one["cause_id"] == section["rule_id"]), None)
    told = {name: cause[name] for name in ("explains", "points")} if cause else {}
    return {**section, **told, "next_step": next_step(found, words), "findings": findings}


def code_explained(code: str, language: Language) -> Mapping[str, str]:
    """Return what a reason code of held records, or of refused files, means, and what to compare; empty of another."""
    from healthcare_ops.core.language import text_in
    from healthcare_ops.pipeline.quality.wording.texts import FAULTS, REASON_STEPS, REASONS

    known = {str(name): text for texts in (REASONS, FAULTS) for name, text in texts.items()}
    if code not in known:
        return {}
    steps = {str(name): text for name, text in REASON_STEPS.items()}
    told = {"reason_code": code, "meaning": text_in(known[code], language)}
    return told | ({"next_step": text_in(steps[code], language)} if code in steps else {})


def print_explanation(
    report: Mapping[str, Any], name: str, section: Mapping[str, Any], points: float, words: Words
) -> None:
    """Print an `explanation`, or of records in quarantine where they are."""
    out = console()
    score = report["dq_risk_score"] or 0
    numbers = {"points": words.number(points, 2), "score": words.number(score, 2)}
    out.print(
        words("some_points", name=name, **numbers) if points or score else words("no_points", name=name), markup=False
    )
    if not section:
        out.print(words("list_of_held"), markup=False)
        return
    for line in _of_the_past(section, words) if "sentence" in section else _of_a_rule(section, words):
        out.print(line, markup=False, soft_wrap=True)
    if "sentence" not in section:
        _print_where(section, words)


def _of_the_past(section: Mapping[str, Any], words: Words) -> Iterator[str]:
    from healthcare_ops.entrypoints.cli.quality_report import verdict_in
    from healthcare_ops.entrypoints.page.quality_views import accepted_text

    done = words("gold_keeps" if section["verdict"] == "fail" else "gold_takes")
    yield words("verdict_is", verdict=verdict_in(section["verdict"], words), done=done)
    for one in section["findings"]:
        day = words.day_in_digits(date.fromisoformat(one["day"]))
        yield f"{day}: {one['sentence']}: {verdict_in(one['verdict'], words)}"
        yield words("evidence_is", evidence=_evidence(one, words))
        if accepted := accepted_text(one, words):
            yield accepted
        if "explained_by" in one:
            yield words("is_explained", cause=one["explained_by"])
    if names := section.get("explains"):
        yield words("explains_are", names=", ".join(names), points=words.number(section["points"], 2))
    if section["next_step"]:
        yield words("step_is", step=section["next_step"])


def _evidence(section: Mapping[str, Any], words: Words) -> str:
    """Return the numbers behind a sentence of the report."""
    from healthcare_ops.pipeline.quality.wording.findings import kind_of

    if (kind := kind_of(section)) == "refused":
        return f"{section['reason_code']}; SHA-256 {section['sha256']}"
    told = {
        name: measured(value, words)
        for name, value in section.items()
        if value is None or isinstance(value, int | float)
    }
    return words(f"evidence_{kind}", **told)


def _of_a_rule(section: Mapping[str, Any], words: Words) -> Iterator[str]:
    from healthcare_ops.entrypoints.cli.quality_report import verdict_in
    from healthcare_ops.pipeline.quality.wording.rules import fault_text, rule_step, rule_text

    yield words("rule_is", rule=section["rule"])
    if "fault" in section:
        yield words("fault_is", fault=fault_text(section, words.language))
    yield words("why_is", why=rule_text(section["reason"], words.language))
    yield words(
        "measured_is",
        measured=", ".join(measured(value, words) for value in section["values"]),
        limits=", ".join(section["thresholds"]),
        broken=display(counted(section), words.language),
        checked=display(section["checked"], words.language),
        verdict=verdict_in(section["verdict"], words),
    )
    yield words("step_is", step=rule_step(section, words.language))


def _print_where(section: Mapping[str, Any], words: Words) -> None:
    out = console()

    def print_table(title: str, columns: tuple[str, ...], rows: list[list[Any]]) -> None:
        out.print(table(words(title), [words(name).lower() for name in columns], rows, words.language))

    if section["places"]:
        places = [
            [p["feed_id"] or None, p["sector_id"] or None, p["violations"], p["checked"]] for p in section["places"]
        ]
        print_table("where", ("feed", "sector", "broken", "of"), places)
    if section["samples"]:
        rows = [[one["source_file"], one["record_no"], one["encounter_id"]] for one in section["samples"]]
        print_table("some_records", ("file", "record_no", "pseudonym"), rows)
    if section["trend"]:
        past = [one["share"] for one in reversed(section["trend"])]
        key = "past_one" if len(past) == 1 else "past_runs"
        out.print(words(key, count=words.number(len(past)), trend=sparkline(past)), markup=False)


def measured(value: float | None, words: Words) -> str:
    """Return what a rule measured; a share of a few in thousands is not nothing."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if value == round(value) else f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    return as_written(text, words.language)


def counted(section: Mapping[str, Any]) -> int | None:
    """Return how many rows break a rule; null if none can."""
    found: int | None = section.get("null_count", section.get("violations"))
    return found


def sparkline(values: Sequence[float | None]) -> str:
    """Return the values as bars of eight heights, a blank for null."""
    known = [value for value in values if value is not None]
    lowest, highest = min(known, default=0.0), max(known, default=0.0)
    span = (highest - lowest) or 1.0
    return "".join(
        " " if value is None else _BARS[round((value - lowest) / span * (len(_BARS) - 1))] for value in values
    )
