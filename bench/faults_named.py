"""How a data-quality report calls a fault by its name: the report alone is read, and nothing that it folds away."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Any

LEAST_RECORDS = 10
Report = Mapping[str, Any]
# Of a fault its `sectors` are asked for, its `column` if values are missing, its `minutes` if a clock is wrong, its
# `factor` if there are more rows or fewer.
Named = Callable[[Report, Mapping[str, Any]], bool]


def is_alarm(report: Report) -> bool:
    """Tell whether somebody is called: a rule, the past or a clock says that something is wrong."""
    return report["verdict"] == "error" or bool(odd(report))


def since(report: Report, day: date, known: Collection[tuple[str, str]] = ()) -> Report:
    """Return the report with what it says of a day and later ones, but for what is `known` (`said`) without a fault."""
    parts = {
        part: [one for one in report[part] if one.get("day", f"{day}") >= f"{day}" and said(one) not in known]
        for part in ("rules", "expectations", "clocks")
    }
    return {**report, **parts}


def own(report: Report, part: str) -> list[Mapping[str, Any]]:
    """Return the sections of a part but for those that are told as what follows from another one."""
    return [one for one in report[part] if "explained_by" not in one]


def said(one: Mapping[str, Any]) -> tuple[str, str]:
    """Return what spoke, and of which day; rules speak of all days together."""
    return one["rule_id"], one.get("day", "")


def expected(report: Report, rule: str, **wanted: Any) -> bool:
    return any(
        found["rule"] == rule and all(found[key] in of for key, of in wanted.items())
        for found in own(report, "expectations")
    )


def broken(report: Report, column: str, sector: str) -> bool:
    return any(
        rule["verdict"] in ("warn", "fail")
        and column in rule["columns"]
        and sector in {place["sector_id"] for place in rule["places"]}
        for rule in own(report, "rules")
    )


def feeds(report: Report) -> list[str]:
    return [feed["feed_id"] for feed in report["feeds"]]


def is_missing(report: Report, fault: Mapping[str, Any]) -> bool:
    (sector,) = fault["sectors"]
    column = fault["column"]
    return expected(report, "nulls", column=[column], place=[sector, *feeds(report)]) or broken(report, column, sector)


def holds(*reasons: str) -> Named:
    """Held records are named by their reason, once the report alarms."""

    def is_named(report: Report, fault: Mapping[str, Any]) -> bool:
        held = {reason: count for feed in report["feeds"] for reason, count in feed["quarantined_by_reason"].items()}
        return is_alarm(report) and any(held.get(reason, 0) >= LEAST_RECORDS / 2 for reason in reasons)

    return is_named


def shifted(report: Report, fault: Mapping[str, Any]) -> bool:
    return any(found["offset_h"] == fault["minutes"] / 60 for found in own(report, "clocks"))


def volume(report: Report, fault: Mapping[str, Any]) -> bool:
    is_fewer = fault.get("factor", 0.0) < 1
    return any(
        found["rule"] == "volume"
        and found["place"] in (*fault["sectors"], *feeds(report))
        and (found["observed"] < found["expected"]) is is_fewer
        for found in own(report, "expectations")
    )


def silent(report: Report, fault: Mapping[str, Any]) -> bool:
    return volume(report, fault) or expected(report, "freshness", place=[*fault["sectors"], *feeds(report)])


def longer(report: Report, fault: Mapping[str, Any]) -> bool:
    return expected(report, "mean", table=["silver.encounters"]) or any(
        rule["rule_id"].endswith("_min.range") and rule["verdict"] != "pass" for rule in own(report, "rules")
    )


def repeated(report: Report, fault: Mapping[str, Any]) -> bool:
    return any(rule["rule_id"].endswith(".told_once") and rule["verdict"] == "warn" for rule in own(report, "rules"))


def odd(report: Report) -> list[Mapping[str, Any]]:
    """Return the sections of what spoke: rules, figures and clocks."""
    told = (*report["rules"], *report["expectations"], *report["clocks"])
    return [one for one in told if one["verdict"] in ("warn", "fail")]
