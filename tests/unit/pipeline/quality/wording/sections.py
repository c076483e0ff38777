"""Sections of a report with the facts that its sentences are made of, and a report that holds every kind of them."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from healthcare_ops.core.reasons import FileFault, Reason
from healthcare_ops.pipeline.quality.report.causes import with_causes
from healthcare_ops.pipeline.quality.rules.checks import read_rules, shipped_rules
from healthcare_ops.pipeline.quality.wording.feeds import diagnosis, facts_of, next_steps
from healthcare_ops.pipeline.quality.wording.findings import refusal_reason, say, sentence_of
from healthcare_ops.pipeline.quality.wording.rules import fault_text

Section = dict[str, Any]


def figure(rule: str = "volume", table: str = "silver.encounters", **different: Any) -> Section:
    """Return a figure of the afternoon of Saturday, 7 March 2026, in sector PS."""
    numbers = {"observed": 12.0, "expected": 40.5, "lower": 30.0, "upper": 1200.0, "score": 9.0, "limit": 6.0}
    place = {"table": table, "by": "sector_id", "place": "PS", "column": ""}
    hours = {"day": "2026-03-07", "start": "2026-03-07T14:00:00", "end": "2026-03-07T20:00:00"}
    facts = {"rows": None, "due_h": None, "is_holiday": False, "is_over": True}
    return {"rule_id": f"expected.{rule}.{table}.PS", "rule": rule, "verdict": "warn"} | (
        place | hours | numbers | facts | different
    )


def missing(**different: Any) -> Section:
    """Return a figure of values that are missing in 12 of 60 encounters."""
    return figure("nulls", column="care_start", rows=60.0, due_h=24.0, **different)


def silence(**different: Any) -> Section:
    """Return a silence of a feed, from 14 h to 20 h."""
    usual: Section = {"by": "feed_id", "place": "visits", "observed": 0.0}
    return figure("freshness", **usual | different)


def clock(*mistakes: Section, **different: Any) -> Section:
    """Return a clock of feed visits that is 3 h behind."""
    told = {"rule_id": "clock.visits", "feed_id": "visits", "day": "2026-03-07", "verdict": "fail"}
    found = {"offset_h": -3.0, "witness": "both", "mistakes": list(mistakes), "explanation": ""}
    evidence = {"lag_q05_h": 3.0, "lag_q50_h": 3.2, "log_likelihood_ratio": None, "window_days": 1, "arrivals": 62}
    return told | found | evidence | different


MISTAKES: list[Section] = [
    {"code": "zone_mistaken", "zone": "UTC", "read_as": "America/Sao_Paulo", "day": None},
    {"code": "not_put_forward", "zone": "Europe/Stockholm", "read_as": None, "day": "2026-03-29"},
    {"code": "not_put_back", "zone": "Europe/Stockholm", "read_as": None, "day": "2025-10-26"},
]


def shift(**different: Any) -> Section:
    """Return two feeds of which the second is half an hour more than 3 h ahead."""
    feeds = {"feed_id": "flow", "other_feed_id": "visits", "milestone": "arrival", "other_milestone": "triage_start"}
    told = {"rule_id": "clock.flow.visits", "day": "2026-03-07", "verdict": "fail", "offset_h": 3.5, "pairs": 62}
    return told | feeds | {"median_h": 3.5, "spread_h": 0.1} | different


def refused(fault: FileFault = FileFault.FILE_RECORD_UNREADABLE, line: int | None = 67) -> Section:
    """Return a file of feed visits that was refused."""
    facts = {"reason_code": fault.value, "line": line}
    file = {"source_file": "visits-07.csv", "sha256": "0" * 64, "refused_at": "2026-03-08T07:05:00+00:00"}
    return {**file, **facts, "message": refusal_reason(facts)}


def feed(feed_id: str = "visits", **different: Any) -> Section:
    """Return a feed of which every record was accounted for, and that is in time."""
    delay = {"last_ingested_at": "2026-03-08T06:00:00+00:00", "since_min": 180, "late_after_min": 240}
    counts = dict.fromkeys(("delivered", "applied", "superseded", "duplicate", "quarantined", "ignored"), 0)
    return {
        "feed_id": feed_id,
        "owner": "Lab",
        "contact": "lab@hospital.example",
        "counts": counts | {"delivered": 1340, "applied": 1340},
        "quarantined_by_reason": {},
        "refused_files": [],
        "delay": delay | {"is_late": False},
        "notice": None,
    } | different


def late(last: str | None) -> Section:
    """Return how late a feed is that has not come since, or not for long."""
    return {"last_ingested_at": last, "since_min": 5000 if last else None, "late_after_min": 240, "is_late": True}


def rule_of(reason: str, next_step: str, number: int) -> Section:
    """Return a broken rule with its reason and next step."""
    told = {"reason": reason, "next_step": next_step, "rule": 'Completeness "bed_id" >= 0.8'}
    about = {"rule_id": f"rule.{number}", "table": "silver.encounters", "columns": ["bed_id"], "tolerated": 0}
    found = {"severity": "warn", "verdict": "warn", "checked": 10, "null_count": 4, "share": 0.4, "values": [0.6]}
    return about | told | found | {"thresholds": [">= 0.8"], "places": [], "samples": [], "trend": []}


def faulty(code: str) -> Section:
    """Return what a rule of silver.encounters says in addition that could not be judged."""
    facts = {"fault_code": code, "fault_line": 3, "fault_detail": "Conversion" if code == "stopped" else ""}
    told = {"table": "silver.encounters", **facts}
    return {"fault": fault_text(told), **facts, "next_step": say("next_fault", "en", table="silver.encounters")}


def report_of_every_kind() -> Section:
    """Return a report with every figure, clock, refused file and feed that there is a text for, and the shipped rules.

    Its English is that of the product, as a run stores it.
    """
    figures = [
        *(figure(day=f"2026-03-0{day}", is_holiday=day == 8) for day in range(1, 9)),
        figure(by="event_type", place="arrival", table="silver.events", end="2026-03-08T14:00:00"),
        missing(),
        figure("nulls", "ops.batch_accounts", by="feed_id", place="visits", column="quarantined", rows=60.0),
        figure("nulls", "silver.stays", column="bed_id", rows=60.0),
        figure("mean", column="los_min", rows=60.0, observed=9000.0),
        figure(by="feed_id", place="lab"),
        silence(),
        silence(is_over=False, pending=182.0),
        silence(by="sector_id", place="PS"),
        silence(by="sector_id", place="PS", is_over=False),
    ]
    clocks = [
        clock(*MISTAKES),
        clock(witness="lag", verdict="warn"),
        clock(witness="hours", verdict="warn"),
        clock(witness="none", verdict="warn", offset_h=None),
    ]
    held = {reason.value: 1 for reason in Reason}
    feeds = [
        feed(delay=late("2026-03-01T06:00:00+00:00"), refused_files=[refused(fault) for fault in FileFault]),
        feed(
            "beds", delay=late(None), refused_files=[refused(line=None)] * 4, counts=dict.fromkeys(feed()["counts"], 0)
        ),
        feed("flow", quarantined_by_reason=held, refused_files=[refused()]),
        feed("lab"),
    ]
    checks = [check for table, text in shipped_rules().items() for check in read_rules(text, table).checks]
    found = {
        "expectations": [_told(one) for one in figures],
        "clocks": [_told(one) for one in clocks],
        "shifts": [_told(shift())],
    }
    rules = [rule_of(check.reason, check.next_step, number) for number, check in enumerate(checks)]
    number = {name: value for name, value in rules[0].items() if name != "null_count"}
    report = found | {
        "schema_version": 2,
        "run_id": "daily-7",
        "as_of": "2026-03-08T09:00:00+00:00",
        "written_at": "2026-03-08T09:00:01+00:00",
        "days": {"first": "2026-03-01", "last": "2026-03-08", "count": 8},
        "verdict": "fail",
        "error": None,
        "dq_risk_score": 90.0,
        "contributions": {"clock.visits": 88.0, "quarantine": 2.0},
        "rule_versions": {"silver.encounters": "b05c932e56e4"},
        "rules": [
            *rules,
            number | {"rule_id": "rule.of_a_number", "violations": None},
            *(
                number | {"rule_id": f"rule.{code}", "violations": None} | faulty(code)
                for code in ("no_number", "stopped")
            ),
        ],
        "feeds": [_of_feed(one, found) for one in feeds],
        "path": "daily-7.json",
        "assignments": [],
    }
    return with_causes(report, UTC)


def _told(section: Section) -> Section:
    step = {"next_step": say("accept_figure", "en", command="hops dq accept")} if section["verdict"] == "fail" else {}
    return section | {"sentence": sentence_of(section)} | step


def _of_feed(section: Section, found: Section) -> Section:
    facts = facts_of(section, found)
    return section | {"diagnosis": diagnosis(facts), "next_step": next_steps(facts)}
