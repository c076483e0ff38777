"""What data quality says of the golden scenarios: the jobs themselves, on every engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engines import StageEngine, duckdb_engine
from golden import odd_day
from golden.scenarios import REPEATED_HOUR, SKIPPED_MIDNIGHT, Scenario
from healthcare_ops.core.errors import QualityError
from healthcare_ops.core.tables import QUARANTINE
from healthcare_ops.jobs import bronze_to_silver, dq_check
from healthcare_ops.jobs.context import Request
from healthcare_ops.jobs.quality_history import clocks, figures
from healthcare_ops.jobs.quality_shifts import shifts
from healthcare_ops.pipeline.quality.report.report import Report, report_key

Json = Any
SCENARIOS = {scenario.name: scenario for scenario in (SKIPPED_MIDNIGHT, REPEATED_HOUR)}
ODD_DAY = Path(odd_day.__file__).with_suffix(".json")
ON_SPARK = pytest.mark.parametrize("engine", [pytest.param("spark", marks=pytest.mark.spark)], indirect=True)
FIGURES = ("start", "end", "verdict", "observed", "expected")
CLOCK = ("day", "verdict", "offset_h", "explanation", "lag_q05_h", "lag_q50_h")
SHIFT = ("day", "verdict", "offset_h", "milestone", "other_milestone", "pairs", "median_h", "spread_h")


@pytest.fixture(scope="module", params=SCENARIOS)
def judged(request, engine) -> tuple[Scenario, Json]:
    """Return a scenario, and what is said of it."""
    scenario = SCENARIOS[request.param]
    return scenario, judge(scenario, engine)


@pytest.fixture(scope="module")
def odd(engine) -> Json:
    """Return what is said of the odd Thursday."""
    return judge_odd_day(engine)


def judge(scenario: Scenario, engine: StageEngine) -> Json:
    """Return the report and the quarantine of a scenario, with identifiers for pseudonyms."""
    context = scenario.context(engine)
    request = Request(f"daily-{scenario.judged_at:%Y-%m-%d}", "daily", scenario.judged_at.date())
    bronze_to_silver.run(context, request)
    with suppress(QualityError):  # the report says why
        dq_check.run(context, request)
    report = json.loads(context.objects.read(report_key(request.run_date, request.run_id)))
    del report["written_at"]
    held = engine.collect(context.lake.read(QUARANTINE).order_by("source_file", "record_no")).to_pylist()
    names = dict(scenario.pseudonyms())
    return rounded(with_identifiers(json.loads(json.dumps({"report": report, "held": held}, default=str)), names))


def judge_odd_day(engine: StageEngine) -> Json:
    context, days = odd_day.context(engine), [odd_day.DAY]
    report = Report(
        "daily-2026-03-14",
        odd_day.JUDGED_AT,
        days,
        deviations=figures(context, days).deviations,
        clocks=clocks(context, days),
        shifts=shifts(context, days),
    )
    document = report.document(odd_day.JUDGED_AT)
    return rounded({name: document[name] for name in ("expectations", "clocks", "shifts")})


def with_identifiers(told: Json, names: Mapping[str, str]) -> Json:
    text = json.dumps(told)
    for pseudonym, identifier in names.items():
        text = text.replace(pseudonym, identifier)
    return json.loads(text)


def rounded(told: Json) -> Json:
    """Return plain values with nine digits of each number: engines add in another order."""
    if isinstance(told, float):
        return float(f"{told:.9g}")
    if isinstance(told, dict):
        return {name: rounded(each) for name, each in told.items()}
    return [rounded(each) for each in told] if isinstance(told, list) else told


def in_short(told: Json) -> Json:
    """Return what was said in the form of the files that are read by people: without words of rules and advice."""
    report = told["report"]
    return {
        "verdict": report["verdict"],
        "dq_risk_score": report["dq_risk_score"],
        "rules": {section["rule_id"]: _rule(section) for section in report["rules"]},
        "feeds": {section["feed_id"]: _feed(section) for section in report["feeds"]},
        "odd": [each["rule_id"] for part in ("expectations", "clocks", "shifts") for each in report[part]],
        "held": [f"{row['source_file']} {row['record_no']}: {row['rule_ids']}" for row in told["held"]],
    }


def _rule(section: Json) -> Json:
    """Return what is said of a rule, less what is empty."""
    count = "null_count" if "null_count" in section else "violations"
    places = [f"{each['feed_id']} {each['sector_id']}".strip() for each in section["places"]]
    told = {
        "verdict": section["verdict"],
        "checked": section["checked"],
        count: section[count],
        "values": section["values"],
        "limits": section["thresholds"],
        "places": {
            place: f"{each['violations']} of {each['checked']}"
            for place, each in zip(places, section["places"], strict=True)
        },
        "samples": [f"{each['source_file']} {each['record_no']} {each['encounter_id']}" for each in section["samples"]],
        "runs_before": len(section["trend"]),
    }
    return {
        name: each for name, each in told.items() if each not in ([], {}, None) and (name, each) != ("runs_before", 0)
    }


def _feed(section: Json) -> Json:
    counts = {fate: count for fate, count in section["counts"].items() if count}
    delay = section["delay"]
    return counts | {"held_for": section["quarantined_by_reason"], "is_late": delay["is_late"]}


def odd_in_short(told: Json) -> Json:
    """Return what was said of the odd Thursday, what the past lets expect to the whole number."""
    parts = (("expectations", FIGURES), ("clocks", CLOCK), ("shifts", SHIFT))
    found = {
        part: {each["rule_id"]: {name: each[name] for name in names} for each in told[part]} for part, names in parts
    }
    for section in found["expectations"].values():
        section["expected"] = round(section["expected"])
    return found


def expected(path: Path) -> Json:
    """Return what must be said, without the reasons for it, which all that breaks a rule must have."""
    for name, rule in json.loads(path.read_text()).get("rules", {}).items():
        is_broken = rule["verdict"] in ("warn", "fail") or rule.get("violations")
        assert rule.get("why") or not is_broken, name
    return json.loads(path.read_text(), object_hook=lambda told: {name: told[name] for name in told if name != "why"})


def test_data_quality_says_this_of_a_scenario_and_nothing_else(judged):
    scenario, told = judged

    assert in_short(told) == expected(scenario.folder / "expected" / "verdicts.json")


def test_the_site_s_past_and_its_clocks_say_this_of_the_odd_thursday_and_nothing_else(odd):
    assert odd_in_short(odd) == expected(ODD_DAY)


@ON_SPARK
def test_spark_says_of_a_scenario_what_duckdb_says_word_for_word(judged):
    scenario, told = judged

    with duckdb_engine() as other:
        assert told == judge(scenario, other)


@ON_SPARK
def test_spark_says_of_the_odd_thursday_what_duckdb_says_word_for_word(odd):
    with duckdb_engine() as other:
        assert odd == judge_odd_day(other)
