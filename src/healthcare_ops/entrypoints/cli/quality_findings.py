"""A finding of a data-quality report on a terminal: what it says, on what evidence, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from healthcare_ops.entrypoints.cli.output import console, display, table

_BARS = "▁▂▃▄▅▆▇█"
_EVIDENCE = {
    "refused": "{reason_code}; SHA-256 {sha256}",
    "shift": "{pairs} encounters that both tell of; median difference {median_h} h, quartiles {spread_h} h apart",
    "figure": "{observed} seen, {expected} expected, {lower} to {upper} usual; score {score}, told beyond {limit}",
    "clock": "the lag of records is {lag_q50_h} h (median; 5 % below {lag_q05_h} h); the hours of {arrivals} arrivals, "
    "log likelihood ratio {log_likelihood_ratio} over {window_days} days",
}


def explanation(report: Mapping[str, Any], section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a finding with its next step and, of a clock or a figure, what each day says of it: `findings`."""
    from healthcare_ops.entrypoints.page.quality_views import next_step
    from healthcare_ops.entrypoints.page.texts import Words
    from healthcare_ops.operations.reading import told_in_words

    if "sentence" not in section:
        return section
    found = [one for one in told_in_words(report) if one["rule_id"] == section["rule_id"]]
    return {**section, "next_step": next_step(section, Words("en")), "findings": found}


def print_explanation(report: Mapping[str, Any], name: str, section: Mapping[str, Any], points: float) -> None:
    """Print an `explanation`, or of records in quarantine where they are."""
    out = console()
    score = report["dq_risk_score"] or 0
    added = f"{points:.2f} of the {score:.2f} points of risk" if points or score else "no points of risk"
    out.print(f"{name}: {added}", markup=False)
    if not section:
        out.print("Records held in quarantine: `hops dq quarantine` lists them.", markup=False)
        return
    if "sentence" in section:
        _print_found_by_the_past(section)
    else:
        _print_rule(section)


def _print_found_by_the_past(section: Mapping[str, Any]) -> None:
    done = "gold keeps what it had" if section["verdict"] == "fail" else "gold takes the days"
    lines = [f"verdict:  {section['verdict']}; {done}"]
    for one in section["findings"]:
        lines += [f"{one['day']}: {one['sentence']}: {one['verdict']}", f"evidence: {_evidence(one)}"]
    for line in [*lines, f"next:     {section['next_step']}"]:
        console().print(line, markup=False, soft_wrap=True)


def _evidence(section: Mapping[str, Any]) -> str:
    """Return the numbers behind a sentence of the report."""
    kind = "shift" if "other_feed_id" in section else "figure" if "rule" in section else "clock"
    if section.get("rule") == "refused":
        return _EVIDENCE["refused"].format(**section)
    told = {name: shown(value) for name, value in section.items() if value is None or isinstance(value, int | float)}
    return _EVIDENCE[kind].format(**told)


def _print_rule(section: Mapping[str, Any]) -> None:
    out = console()
    measured = ", ".join(map(shown, section["values"]))
    lines = [
        f"rule:     {section['rule']}",
        f"why:      {section['reason']}",
        f"measured: {measured} (must be {', '.join(section['thresholds'])}); "
        f"{display(counted(section))} of {section['checked']:,} rows break it: {section['verdict']}",
        f"next:     {section['next_step']}",
    ]
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
    if section["places"]:
        places = [
            [p["feed_id"] or None, p["sector_id"] or None, p["violations"], p["checked"]] for p in section["places"]
        ]
        out.print(table("Where", ["feed", "sector", "broken", "of"], places))
    if section["samples"]:
        rows = [[one["source_file"], one["record_no"], one["encounter_id"]] for one in section["samples"]]
        out.print(table("Some of the records", ["file", "record", "encounter (pseudonym)"], rows))
    if section["trend"]:
        past = [one["share"] for one in reversed(section["trend"])]
        runs = "1 run" if len(past) == 1 else f"{len(past)} runs"
        out.print(f"share of rows that break it, {runs} before: {sparkline(past)}", markup=False)


def shown(value: float | None) -> str:
    """Return what a rule measured; a share of a few in thousands is not nothing."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


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
