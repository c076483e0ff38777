from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from fakes import FlakyLake
from healthcare_ops.adapters.lake import arrow_schema
from healthcare_ops.core.errors import ConfigError, ExitCode, QualityError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.tables import (
    BATCH_ACCOUNTS,
    ENCOUNTERS,
    EVENTS,
    FEATURES,
    OPS_METRICS_HOURLY,
    PREDICTION_SCORES,
    PREDICTIONS,
    QUARANTINE,
    STAYS,
    TABLES,
)
from healthcare_ops.forecasting.width import DayOfMisses
from healthcare_ops.jobs.misses import KEY, read_misses
from healthcare_ops.operations import bulk
from hospital import Hospital, event, open_hospital, visit

NOW = "2026-03-13T15:00:00-03:00"
FATES = ("applied", "superseded", "duplicate", "quarantined", "ignored")
# What may differ between two ways to the same rows: when and in which delivery a record came.
OF_DELIVERY = ("batch_id", "delivery_seq", "ingested_at")
DERIVED = (ENCOUNTERS, STAYS, EVENTS, QUARANTINE, OPS_METRICS_HOURLY, FEATURES, BATCH_ACCOUNTS)


def local(text: str) -> datetime:
    """Return a time of the hospital's clock as the naive UTC instant that tables hold."""
    return datetime.fromisoformat(f"{text}-03:00").astimezone(UTC).replace(tzinfo=None)


def march(number: int) -> date:
    return date(2026, 3, number)


def usual_visits() -> list[dict[str, Any]]:
    """Return three visits a day from 1 to 12 March."""
    return [
        visit(f"VISIT-{day:02d}-{hour}", f"2026-03-{day:02d}T{hour:02d}:15:00")
        for day in range(1, 13)
        for hour in (8, 12, 16)
    ]


FAULTY = [
    visit("VISIT-LOST", "2026-03-02T10:00:00", place="Garage"),
    visit("VISIT-BACK", "2026-03-02T10:00:00", care="2026-03-02T09:00:00"),
    visit("VISIT-WHEN", "2026-03-02T10:00:00") | {"care": "soon"},
    visit("VISIT-02-8", "2026-03-02T08:15:00"),  # the same once more
    visit("VISIT-02-12", "2026-03-02T12:15:00", level=2, changed="2026-03-02T12:20:00"),  # an earlier version
]
TRANSFERS = [
    event("MOVED", "IN", "2026-03-11T09:00:00", place="ED"),
    event("MOVED", "MD", "2026-03-11T09:10:00"),
    event("MOVED", "ADM", "2026-03-11T10:00:00"),
    event("MOVED", "MOVE", "2026-03-11T12:00:00", place="WARD", bed="12"),
    event("MOVED", "MOVE", "2026-03-11T15:00:00", place="WARD", bed="13"),
    event("MOVED", "OUT", "2026-03-11T20:00:00"),
    event("MOVED", "LAB", "2026-03-11T21:00:00"),
    event("STAYING", "IN", "2026-03-12T14:00:00", place="ED"),
    event("STAYING", "MOVE", "2026-03-12T18:00:00", place="WARD", bed="7"),
]
# A visit that nobody told of in time, and two versions of visits of that day: one newer, one older than what is known.
LATE = [
    visit("VISIT-LATE", "2026-03-05T10:00:00"),
    visit("VISIT-05-8", "2026-03-05T08:15:00", level=1, changed="2026-03-09T00:00:00"),
    visit("VISIT-05-12", "2026-03-05T12:15:00", level=1, changed="2026-03-05T12:20:00"),
]
# A day that has not come yet; then the right one, farther away than any stay can last.
TOO_EARLY = [visit(f"VISIT-SOON-{n}", "2026-03-15T10:00:00", changed="2026-03-13T10:00:00") for n in range(3)]
MENDED = [visit(f"VISIT-SOON-{n}", "2026-03-09T10:00:00", changed="2026-03-13T11:00:00") for n in range(3)]


@dataclass
class Step:
    """What a hospital's tables held after a step of its story."""

    outcomes: Any
    rows: dict[str, list[dict[str, Any]]]
    files: dict[str, dict[int, set[str]]]


@dataclass
class Story:
    """A hospital whose deliveries came one after the other, and what each of them made of its tables."""

    hospital: Hospital
    steps: dict[str, Step] = field(default_factory=dict)
    delivered: dict[str, Path] = field(default_factory=dict)

    def tell(self, name: str) -> None:
        """Refine what came and keep what the tables then hold."""
        try:
            outcomes = self.hospital.refine()
        except QualityError as error:
            outcomes = error
        rows = {table.id: self.hospital.rows(table) for table in DERIVED}
        self.steps[name] = Step(outcomes, rows, {table.id: self.hospital.files(table) for table in DERIVED})

    def deliver(self, feed_id: str, rows: list[dict[str, Any]], name: str) -> None:
        self.delivered[name] = self.hospital.deliver(feed_id, rows, name)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    with open_hospital(tmp_path_factory.mktemp("hospital"), NOW) as hospital:
        story = Story(hospital)
        story.deliver("visits", [*usual_visits(), *FAULTY], "march.csv")
        story.deliver("flow", TRANSFERS, "flow.ndjson")
        story.tell("first")
        story.tell("again")
        story.deliver("visits", LATE, "late.csv")
        story.tell("late")
        story.deliver("visits", TOO_EARLY, "early.csv")
        story.tell("failed")
        story.deliver("visits", MENDED, "mended.csv")
        story.tell("mended")
        yield story


def encounters_with(step, **values):
    return [row for row in step.rows[ENCOUNTERS.id] if row.items() >= values.items()]


def without(rows, *columns):
    return [{name: value for name, value in row.items() if name not in columns} for row in rows]


# Deliveries


def test_each_delivery_is_read_once(story):
    read = [story.steps[name].outcomes["ingest_bronze"]["batches"] for name in ("first", "again", "late", "mended")]

    assert read == [{"visits-000001": 41, "flow-000001": 9}, {}, {"visits-000002": 3}, {"visits-000004": 3}]


def test_nothing_new_changes_nothing(story):
    again = story.steps["again"]

    assert [again.outcomes[job]["days"] for job in again.outcomes if job != "ingest_bronze"] == [0, 0, 0, 0]
    assert again.files == story.steps["first"].files


def test_every_record_of_a_delivery_meets_one_fate(story):
    accounts = story.steps["mended"].rows[BATCH_ACCOUNTS.id]

    assert [row for row in accounts if row["delivered"] != sum(row[fate] for fate in FATES)] == []
    delivered = dict.fromkeys(story.delivered, 0)
    for row in accounts:
        delivered[row["source_file"]] += row["delivered"]
    assert delivered == {"march.csv": 41, "flow.ndjson": 9, "late.csv": 3, "early.csv": 3, "mended.csv": 3}


def test_the_account_of_a_file_says_what_became_of_its_records(story):
    counted = {}
    for row in story.steps["first"].rows[BATCH_ACCOUNTS.id]:
        sums = counted.setdefault(row["source_file"], dict.fromkeys(FATES, 0))
        for fate in FATES:
            sums[fate] += row[fate]

    assert counted == {
        "march.csv": {"applied": 36, "superseded": 1, "duplicate": 1, "quarantined": 3, "ignored": 0},
        "flow.ndjson": {"applied": 8, "superseded": 0, "duplicate": 0, "quarantined": 0, "ignored": 1},
    }


def test_what_is_held_says_why_and_in_which_line_of_which_file(story):
    held = story.steps["first"].rows[QUARANTINE.id]

    assert [
        (row["source_file"], row["record_no"], row["reason_code"], row["column"], row["state"]) for row in held
    ] == [
        ("march.csv", 37, "SECTOR_UNKNOWN", "sector", "held"),
        ("march.csv", 38, "EVENTS_REVERSED", None, "held"),
        ("march.csv", 39, "TIME_UNREADABLE", "care_start", "held"),
    ]


def test_a_delivery_without_records_is_read_once_too(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", [], "empty.csv")

        read = [hospital.refine("ingest_bronze")["ingest_bronze"] for _ in range(2)]

    assert [outcome["deliveries"] for outcome in read] == [1, 0]


# Late and corrected records


def test_a_late_record_rebuilds_its_day_and_no_other(story):
    before, after = story.steps["again"], story.steps["late"]

    rebuilt = {
        table.id: {
            day for day in after.files[table.id] if after.files[table.id][day] != before.files[table.id].get(day)
        }
        for table in (ENCOUNTERS, STAYS, EVENTS, OPS_METRICS_HOURLY)
    }

    # Gold follows as far as a stay can last: a day here, and the day that it can run over into.
    assert rebuilt == {
        "silver.encounters": {5},
        "silver.stays": {5},
        "silver.events": {5},
        "gold.ops_metrics_hourly": {5, 6, 7},
    }


def test_a_late_record_of_another_clock_reaches_the_day_beside_its_own(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", usual_visits(), "march.csv")
        hospital.refine()

        # One in the morning in Greenwich is ten the evening before in São Paulo.
        hospital.deliver("flow", [event("ABROAD", "IN", "2026-03-05T01:00:00Z", place="ED")], "abroad.ndjson")
        hospital.refine()

        found = [row["dt"] for row in hospital.rows(ENCOUNTERS) if row["arrival_time"] == local("2026-03-04T22:00:00")]
        assert found == [march(4)]


def test_days_rebuilt_for_one_encounter_keep_what_others_did_on_them(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", usual_visits(), "march.csv")
        hospital.deliver("flow", TRANSFERS, "flow.ndjson")
        hospital.refine()
        tables = (ENCOUNTERS, STAYS, EVENTS)
        before = {table.id: hospital.rows(table) for table in tables}

        hospital.deliver("flow", [event("LATER", "IN", "2026-03-12T20:00:00", place="ED")], "later.ndjson")
        hospital.refine()

        gone = [row for table in tables for row in before[table.id] if row not in hospital.rows(table)]
        assert gone == []


def test_features_before_a_late_record_stay(story):
    before, after = story.steps["again"].files[FEATURES.id], story.steps["late"].files[FEATURES.id]

    assert {day for day in after if after[day] == before.get(day)} == {1, 2, 3, 4}


def test_a_late_visit_is_there_and_counted_in_its_hour(story):
    before, after = (story.steps[name] for name in ("again", "late"))

    arrivals = {
        step: [
            row["arrivals_count"]
            for row in kept.rows[OPS_METRICS_HOURLY.id]
            if (row["hour_start"], row["sector_id"]) == (local("2026-03-05T10:00:00"), "ED")
        ]
        for step, kept in (("before", before), ("after", after))
    }

    assert len(encounters_with(after)) == len(encounters_with(before)) + 1
    assert arrivals == {"before": [0], "after": [1]}


def test_a_newer_version_of_a_record_stands_and_an_older_one_does_not_though_it_came_later(story):
    late = story.steps["late"]

    levels = {
        hour: [row["triage_level"] for row in encounters_with(late, arrival_time=local(f"2026-03-05T{hour}:15:00"))]
        for hour in ("08", "12")
    }

    assert levels == {"08": [1], "12": [3]}


def test_the_same_files_in_another_order_give_the_same_rows(story, tmp_path):
    with open_hospital(tmp_path, NOW, secrets=story.hospital.state / "secrets") as other:
        other.redeliver("visits", story.delivered["mended.csv"])
        other.redeliver("visits", story.delivered["late.csv"])
        other.refine()
        other.redeliver("flow", story.delivered["flow.ndjson"])
        other.redeliver("visits", story.delivered["early.csv"])
        other.redeliver("visits", story.delivered["march.csv"])
        other.refine()
        rows = {table.id: without(other.rows(table), *OF_DELIVERY) for table in DERIVED}

    expected = {name: without(kept, *OF_DELIVERY) for name, kept in story.steps["mended"].rows.items()}
    for name, kept in expected.items():
        assert sorted(map(repr, rows[name])) == sorted(map(repr, kept)), name


def test_a_refinement_that_breaks_off_at_one_write_after_the_other_ends_in_the_same_rows(story, tmp_path):
    expected = story.steps["first"].rows
    with open_hospital(tmp_path, NOW, secrets=story.hospital.state / "secrets") as other:
        other.redeliver("visits", story.delivered["march.csv"])
        other.redeliver("flow", story.delivered["flow.ndjson"])
        whole, broken = other.platform, 0
        while broken < 20:
            lake = FlakyLake(whole.context.lake, *[None] * broken, RuntimeError("power cut"))
            other.platform = replace(whole, context=replace(whole.context, lake=lake))
            try:
                other.refine()
                break
            except RuntimeError:
                broken += 1
        other.platform = whole
        rows = {table.id: other.rows(table) for table in DERIVED}

    # Two deliveries, five tables of silver and one of gold; then what was left had fewer writes than were let through.
    assert broken == 6
    for name, kept in expected.items():
        assert sorted(map(repr, rows[name])) == sorted(map(repr, kept)), name


def applied_of(hospital):
    return {row["source_file"]: row["applied"] for row in hospital.rows(BATCH_ACCOUNTS)}


def test_a_patient_who_left_and_was_discharged_at_one_instant_reaches_gold_as_one_event(tmp_path):
    flow = [
        event("A", code, f"2026-03-11T{clock}", id=None, place="ED" if code == "IN" else None)
        for code, clock in (("IN", "09:00:00"), ("GONE", "11:00:00"), ("OUT", "11:00:00"))
    ]
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("flow", flow, "flow.ndjson")
        hospital.refine()
        events, (encounter,) = hospital.rows(EVENTS), hospital.rows(ENCOUNTERS)
        arrivals = sum(row["arrivals_count"] for row in hospital.rows(OPS_METRICS_HOURLY))
        applied = applied_of(hospital)

    assert sorted(row["event_type"] for row in events) == ["arrival", "discharge"]
    assert encounter["disposition"] == "left_without_care"
    assert (arrivals, applied) == (1, {"flow.ndjson": 3})


def test_a_milestone_that_two_feeds_tell_of_reaches_gold_as_one_event(tmp_path):
    flow = [
        event("A", "IN", "2026-03-11T09:00:00", id=None, place="ED", bed="7"),
        event("A", "OUT", "2026-03-11T12:00:00", id=None),
    ]
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", [visit("A", "2026-03-11T09:00:00")], "visits.csv")
        hospital.deliver("flow", flow, "flow.ndjson")
        outcomes = hospital.refine()
        events = hospital.rows(EVENTS)
        arrivals = sum(row["arrivals_count"] for row in hospital.rows(OPS_METRICS_HOURLY))
        applied = applied_of(hospital)

    assert sorted((row["event_type"], row["bed_id"]) for row in events) == [
        ("arrival", "7"),
        ("care_start", None),
        ("discharge", None),
    ]
    assert (outcomes["dq_check"]["verdict"], arrivals) == ("pass", 1)
    assert applied == {"visits.csv": 1, "flow.ndjson": 2}


def feed_reading(hospital, form):
    """Give the hospital a feed of visits whose one time is written in `form`."""
    columns = {"encounter_id": "visit", "arrival_time": "arrival", "sector": "place"}
    told = hospital.context.feeds["visits"].model_dump() | {"columns": columns, "times": {"formats": [form]}}
    feeds = dict(hospital.context.feeds) | {"visits": Feed.model_validate(told)}
    hospital.platform = replace(hospital.platform, context=replace(hospital.context, feeds=feeds))


def test_records_that_bronze_keeps_under_the_days_of_an_earlier_mapping_are_not_refined_but_read_again(tmp_path):
    rows = [visit(f"VISIT-{day}", "2025-03-01") | {"arrival": f"{day:02d}/03/2025 10:00"} for day in range(1, 13)]
    with open_hospital(tmp_path, NOW) as hospital:
        feed_reading(hospital, "%d/%m/%Y %H:%M:%S")
        hospital.deliver("visits", rows, "march.csv")
        hospital.refine("ingest_bronze", "bronze_to_silver")
        held = hospital.rows(QUARANTINE)
        feed_reading(hospital, "%d/%m/%Y %H:%M")
        with pytest.raises(ConfigError, match=r"12 records of feed visits lie in bronze under the days of an ") as told:
            hospital.refine("bronze_to_silver", days=[held[0]["dt"]])
        untouched = hospital.rows(QUARANTINE)
        bulk.forget_bronze(hospital.platform)
        hospital.refine("ingest_bronze", "bronze_to_silver")
        encounters, accounts = hospital.rows(ENCOUNTERS), hospital.rows(BATCH_ACCOUNTS)

    assert {row["reason_code"] for row in held} == {"TIME_UNREADABLE"}
    assert told.value.next_step.startswith("Run `hops backfill --from-raw --from ")
    assert untouched == held
    assert sorted(row["dt"] for row in encounters) == [date(2025, 3, day) for day in range(1, 13)]
    assert sum(row["applied"] for row in accounts) == len(encounters) == 12


def test_days_that_a_corrected_mapping_no_longer_fills_are_emptied_however_many_files_are_read_again(tmp_path):
    written = [f"{day:02d}/03/2025 {hour}:00" for day in range(1, 13) for hour in (10, 15)]

    with open_hospital(tmp_path, NOW) as hospital:
        feed_reading(hospital, "%m/%d/%Y %H:%M")
        for number, arrival in enumerate(written):
            rows = [visit(f"VISIT-{number}", "2025-03-01") | {"arrival": arrival}]
            hospital.deliver("visits", rows, f"{number}.csv")
        hospital.refine("ingest_bronze", "bronze_to_silver")
        before = hospital.rows(ENCOUNTERS)
        feed_reading(hospital, "%d/%m/%Y %H:%M")
        bulk.forget_bronze(hospital.platform)
        hospital.refine("ingest_bronze", "bronze_to_silver")
        encounters, accounts = hospital.rows(ENCOUNTERS), hospital.rows(BATCH_ACCOUNTS)

    assert len(written) > hospital.context.settings.keep_snapshots
    assert {row["dt"] for row in before} == {date(2025, month, 3) for month in range(1, 13)}
    assert sorted(row["dt"] for row in encounters) == [date(2025, 3, day) for day in range(1, 13) for _ in (10, 15)]
    assert sum(row["delivered"] for row in accounts) == len(written)


# Stays


def test_a_transfer_ends_one_stay_and_begins_another(story):
    stays = story.steps["first"].rows[STAYS.id]

    moved = [row for row in stays if row["start_time"].date() == march(11) and row["sector_id"] == "WARD"]
    (before,) = (row for row in stays if row["end_time"] == local("2026-03-11T12:00:00"))

    assert (before["sector_id"], before["bed_id"], before["start_time"]) == ("ED", None, local("2026-03-11T09:00:00"))
    assert [(row["encounter_id"], row["bed_id"], row["start_time"], row["end_time"]) for row in moved] == [
        (before["encounter_id"], "12", local("2026-03-11T12:00:00"), local("2026-03-11T15:00:00")),
        (before["encounter_id"], "13", local("2026-03-11T15:00:00"), local("2026-03-11T20:00:00")),
    ]


def test_a_patient_who_has_not_left_is_still_there(story):
    (open_stay,) = (row for row in story.steps["first"].rows[STAYS.id] if row["end_time"] is None)

    assert (open_stay["sector_id"], open_stay["bed_id"], open_stay["start_time"]) == (
        "WARD",
        "7",
        local("2026-03-12T18:00:00"),
    )
    assert open_stay["dt"] == march(12)


# Data quality


def test_a_broken_rule_stops_before_gold_with_exit_code_6(story):
    before, failed = story.steps["late"], story.steps["failed"]

    assert isinstance(failed.outcomes, QualityError)
    assert failed.outcomes.exit_code is ExitCode.QUALITY_FAILED == 6
    assert "encounters.arrival_time.range: 3 of " in failed.outcomes.message
    for table in (OPS_METRICS_HOURLY, FEATURES):
        assert failed.files[table.id] == before.files[table.id]
        assert failed.rows[table.id] == before.rows[table.id]


def test_a_corrected_record_lets_the_next_run_through_and_stands_once(story):
    mended = story.steps["mended"]

    hours = {
        row["hour_start"]: row["arrivals_count"]
        for row in mended.rows[OPS_METRICS_HOURLY.id]
        if row["sector_id"] == "ED"
    }

    assert mended.outcomes["dq_check"]["verdict"] == "pass"
    assert encounters_with(mended, dt=march(15)) == []
    assert len(encounters_with(mended, arrival_time=local("2026-03-09T10:00:00"))) == 3
    assert hours[local("2026-03-09T10:00:00")] == 3
    accounts = {
        row["source_file"]: row
        for row in mended.rows[BATCH_ACCOUNTS.id]
        if row["source_file"] in {"early.csv", "mended.csv"}
    }
    assert (accounts["early.csv"]["superseded"], accounts["mended.csv"]["applied"]) == (3, 3)


def test_a_report_lies_under_the_day_of_its_run_and_tells_what_the_on_call_person_needs(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", [*TOO_EARLY, *FAULTY], "early.csv")
        with pytest.raises(QualityError) as failure:
            hospital.refine(days=[march(12)])
        (key,) = hospital.context.objects.list("gold/data_quality_runs/")
        path = hospital.state / key
        report = json.loads(path.read_bytes())

    assert key == f"gold/data_quality_runs/dt=2026-03-12/{report['run_id']}.json"
    assert str(path) in failure.value.next_step
    assert set(report) == {
        "schema_version",
        "run_id",
        "as_of",
        "written_at",
        "days",
        "verdict",
        "error",
        "dq_risk_score",
        "contributions",
        "causes",
        "expectations",
        "clocks",
        "shifts",
        "rule_versions",
        "rules",
        "feeds",
        "unjudged",
    }
    assert (report["verdict"], report["as_of"]) == ("fail", "2026-03-13T18:00:00+00:00")
    assert 60 <= report["dq_risk_score"] <= 100
    (broken,) = (rule for rule in report["rules"] if rule["verdict"] == "fail")
    assert (
        broken.items()
        >= {
            "rule_id": "encounters.arrival_time.range",
            "table": "silver.encounters",
            "columns": ["arrival_time"],
            "severity": "fail",
            "checked": 5,
            "violations": 3,
            "values": [0.4],
            "thresholds": [">= 0.99"],
            "tolerated": 2,
        }.items()
    )
    assert broken["reason"]
    assert broken["next_step"]
    assert {(sample["source_file"], sample["record_no"]) for sample in broken["samples"]} == {
        ("early.csv", number) for number in (1, 2, 3)
    }
    assert [sample["encounter_id"][:3] for sample in broken["samples"]] == ["k1."] * 3
    feeds = {feed["feed_id"]: feed for feed in report["feeds"]}
    assert (
        feeds["visits"].items()
        >= {
            "owner": "IT",
            "contact": "it@hospital.example",
            "quarantined_by_reason": {"EVENTS_REVERSED": 1, "SECTOR_UNKNOWN": 1, "TIME_UNREADABLE": 1},
        }.items()
    )
    assert feeds["flow"]["counts"]["delivered"] == 0


def test_an_encounter_that_stands_on_another_day_as_well_stops_before_gold(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", usual_visits(), "march.csv")
        hospital.refine()
        lake = hospital.context.lake
        copies = lake.read(ENCOUNTERS, march(3), march(3)).mutate(dt=ibis.literal(date(2026, 1, 3)))
        lake.replace_days(ENCOUNTERS, copies, [date(2026, 1, 3)], {})

        with pytest.raises(QualityError) as failure:
            hospital.refine("dq_check", days=[march(3)])

    assert "encounters.encounter_id.unique" in failure.value.message


def ahead(hospital, *more):
    """Return the verdict of a load of 120 visits of 6 to 11 March and `more`, the rows of gold, and until when."""
    visits = [
        visit(f"VISIT-{day}-{number}", f"2026-03-{day:02d}T{number:02d}:30:00")
        for day in range(6, 12)
        for number in range(20)
    ]
    hospital.deliver("visits", [*visits, *more], "march.csv")
    outcomes = hospital.refine()
    rows = hospital.rows(OPS_METRICS_HOURLY)
    return outcomes["dq_check"]["verdict"], rows, outcomes["silver_to_gold"]["known_until"]


def test_a_source_whose_clock_is_seconds_ahead_is_as_good_as_any(tmp_path):
    now = visit("NOW", "2026-03-13T15:00:10", care=None, left=None, changed="2026-03-13T15:00:10")
    with open_hospital(tmp_path, NOW) as hospital:
        verdict, rows, known_until = ahead(hospital, now)

    assert verdict == "pass"
    assert max(row["hour_start"] for row in rows) < local("2026-03-13T15:00:00")
    assert datetime.fromisoformat(known_until) <= datetime.fromisoformat(NOW)


def test_one_misdated_visit_among_many_warns_and_gold_ends_where_the_others_do(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        verdict, rows, known_until = ahead(hospital, visit("SOON", "2026-03-20T10:00:00"))
        arrivals = sum(row["arrivals_count"] for row in rows)

    assert verdict == "warn"
    assert max(row["hour_start"] for row in rows) == local("2026-03-11T22:00:00")
    assert (arrivals, known_until) == (120, "2026-03-12T01:30:00+00:00")


def test_a_misdated_visit_does_not_stop_a_hospital_of_three_visits_a_day_and_is_named(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", [*usual_visits(), visit("SOON", "2026-03-14T10:00:00")], "march.csv")
        outcomes = hospital.refine()
        report = json.loads(hospital.context.objects.read(outcomes["dq_check"]["report"]))
        arrivals = sum(row["arrivals_count"] for row in hospital.rows(OPS_METRICS_HOURLY))
        (soon,) = (row for row in hospital.rows(ENCOUNTERS) if row["dt"] == march(14))

    warned = {rule["rule_id"]: rule for rule in report["rules"] if rule["verdict"] == "warn"}
    assert set(warned) == {"encounters.arrival_time.plausible", "encounters.arrival_time.range"}
    assert [[sample["encounter_id"] for sample in rule["samples"]] for rule in warned.values()] == [
        [soon["encounter_id"]]
    ] * 2
    assert arrivals == len(usual_visits())


def test_when_the_newest_days_tell_of_nothing_but_times_to_come_gold_ends_where_older_ones_do(tmp_path):
    soon = visit("SOON", "2026-03-13T23:00:00")
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", [visit("A", "2026-03-03T10:00:00"), soon], "march.csv")
        outcomes = hospital.refine("ingest_bronze", "bronze_to_silver", "dq_check", "silver_to_gold")

    assert outcomes["silver_to_gold"]["known_until"] == "2026-03-03T16:00:00+00:00"


# Gold


def test_days_of_a_long_silence_can_be_built_again_and_stay_empty(tmp_path):
    with open_hospital(tmp_path, "2026-03-13T15:00:00-03:00") as hospital:
        hospital.deliver("visits", [visit("A", "2026-01-05T10:00:00"), visit("B", "2026-03-12T10:00:00")], "a.csv")
        jobs = ("ingest_bronze", "bronze_to_silver", "dq_check", "silver_to_gold")
        hospital.refine(*jobs)
        before = hospital.files(OPS_METRICS_HOURLY)

        outcomes = hospital.refine(*jobs, days=[date(2026, 2, 10)])

        assert outcomes["silver_to_gold"]["rows"] == 0
        assert hospital.files(OPS_METRICS_HOURLY) == before


def gold_and_features(hospital):
    return {table.id: hospital.rows(table) for table in (OPS_METRICS_HOURLY, FEATURES)}


def test_days_that_only_misdated_visits_reached_leave_gold_and_features_with_their_correction(tmp_path):
    first = visit("FIRST", "2026-02-20T10:00:00", changed="2026-03-12T10:00:00")
    last = visit("LAST", "2026-03-12T10:00:00", changed="2026-03-12T12:00:00")
    corrected = [
        visit(name, f"2026-03-0{day}T10:00:00", changed="2026-03-13T10:00:00")
        for name, day in (("FIRST", 3), ("LAST", 5))
    ]
    usual = [row for row in usual_visits() if row["arrival"].date() <= march(8)]
    with open_hospital(tmp_path / "corrected", NOW) as hospital:
        hospital.deliver("visits", [*usual, first, last], "misdated.csv")
        hospital.refine()
        before = hospital.files(OPS_METRICS_HOURLY)
        hospital.deliver("visits", corrected, "corrected.csv")
        hospital.refine()
        rows = gold_and_features(hospital)
        visits = len(hospital.rows(ENCOUNTERS))
    with open_hospital(tmp_path / "fresh", NOW) as hospital:
        hospital.deliver("visits", [*usual, *corrected], "visits.csv")
        hospital.refine()
        fresh = gold_and_features(hospital)

    assert {20, 28, 12} < set(before)
    assert sum(row["arrivals_count"] for row in rows[OPS_METRICS_HOURLY.id]) == visits == len(usual) + 2
    for name, kept in fresh.items():
        assert rows[name] == kept, name


def test_a_backfill_of_a_day_that_silver_no_longer_holds_empties_it(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", usual_visits(), "march.csv")
        hospital.refine()
        expected = gold_and_features(hospital)
        stray = date(2026, 2, 1)
        for table in (OPS_METRICS_HOURLY, FEATURES):
            rows = hospital.context.lake.read(table, march(1), march(1))
            hospital.context.lake.replace_days(table, rows.mutate(dt=ibis.literal(stray)), [stray], {})

        hospital.refine("silver_to_gold", "build_features", days=[stray])
        rows = gold_and_features(hospital)

    assert rows == expected


def test_gold_and_features_are_empty_once_the_only_visit_is_held(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", [visit("A", "2026-03-05T10:00:00")], "a.csv")
        hospital.refine()
        before = gold_and_features(hospital)
        hospital.deliver(
            "visits", [visit("A", "2026-03-05T10:00:00", place="Garage", changed="2026-03-09T10:00:00")], "b.csv"
        )
        hospital.refine()
        after = gold_and_features(hospital)
        again = hospital.refine()

    assert all(before.values())
    assert after == {OPS_METRICS_HOURLY.id: [], FEATURES.id: []}
    assert [again[job]["days"] for job in ("silver_to_gold", "build_features")] == [0, 0]


# Scores


def predictions(origin: str, means: dict[int, float], version: str = "m1") -> pa.Table:
    """Return predictions of the emergency department's arrivals: lead in hours → mean, 90 % within one arrival."""
    made_at = local(origin)
    rows = [
        {
            "facility_id": "h",
            "sector_id": "ED",
            "metric": "arrivals",
            "prediction_ts": made_at,
            "target_time": made_at + timedelta(hours=lead),
            "horizon_h": lead,
            "mean": mean,
            **dict.fromkeys(("q05", "q10", "q25"), mean - 1),
            "q50": mean,
            **dict.fromkeys(("q75", "q90", "q95"), mean + 1),
            "model_version": version,
            "data_as_of": made_at,
            "dt": date.fromisoformat(origin[:10]),
        }
        for lead, mean in means.items()
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(PREDICTIONS))


def predict(hospital: Hospital, rows: pa.Table) -> None:
    with hospital.context.engine.from_arrow(rows) as table:
        hospital.context.lake.append(PREDICTIONS, table, {})


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Return the scores after each of three runs: the second found nothing new, before the third came a visit."""
    with open_hospital(tmp_path_factory.mktemp("scored"), NOW) as hospital:
        hospital.deliver("visits", usual_visits(), "march.csv")
        hospital.refine("ingest_bronze", "bronze_to_silver", "dq_check", "silver_to_gold")
        predict(hospital, predictions("2026-03-12T08:00:00", {0: 1.0, 1: 3.0, 5: 0.0, 48: 1.0}))
        predict(hospital, predictions("2026-03-12T08:00:00", {0: 2.5}, version="m2"))
        outcomes, scores = [], []
        for new in ([], [], [visit("VISIT-NEXT", "2026-03-12T22:00:00"), visit("VISIT-LATE", "2026-03-12T13:30:00")]):
            if new:
                predict(hospital, predictions("2026-03-12T22:00:00", {0: 1.0, 20: 1.0}))
                hospital.deliver("visits", new, "more.csv")
                hospital.refine("ingest_bronze", "bronze_to_silver", "dq_check", "silver_to_gold")
            outcomes.append(hospital.refine("monitor_models")["monitor_models"])
            scores.append(hospital.rows(PREDICTION_SCORES))
        yield outcomes, scores


def leads(scores):
    return [(row["prediction_ts"].hour, row["horizon_h"], row["model_version"]) for row in scores]


def test_a_prediction_is_scored_once_when_its_hour_has_passed(scored):
    _, (first, _, _) = scored

    assert leads(first) == [(11, 0, "m1"), (11, 0, "m2"), (11, 1, "m1"), (11, 5, "m1")]


def test_where_stays_are_short_a_forecast_of_two_days_ahead_is_scored_all_the_same(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", usual_visits(), "march.csv")
        hospital.refine("ingest_bronze", "bronze_to_silver", "dq_check", "silver_to_gold")
        predict(hospital, predictions("2026-03-10T08:00:00", {48: 1.0}))

        hospital.refine("monitor_models")

        assert leads(hospital.rows(PREDICTION_SCORES)) == [(11, 48, "m1")]


def test_scoring_again_changes_nothing(scored):
    (first, again, _), (before, after, _) = scored

    assert after == before
    assert {**again, "measures": ""} == {**first, "measures": ""}  # a document of its own for each run


def test_a_score_compares_what_was_said_with_what_happened(scored):
    _, (first, _, _) = scored

    assert [
        (row["horizon_h"], row["model_version"], row["actual"], row["absolute_error"], row["is_covered_90"])
        for row in first
    ] == [
        (0, "m1", 1.0, 0.0, True),
        (0, "m2", 1.0, 1.5, False),
        (1, "m1", 0.0, 3.0, False),
        (5, "m1", 0.0, 0.0, True),
    ]


def test_the_run_tells_its_mean_error_and_coverage(scored):
    (first, _, _), _ = scored

    assert (first["rows"], first["mae"], first["coverage_90"]) == (4, pytest.approx(4.5 / 4), 0.5)


def test_new_hours_are_scored_and_late_visits_change_the_scores_of_theirs(scored):
    _, (_, _, third) = scored

    assert leads(third) == [(11, 0, "m1"), (11, 0, "m2"), (11, 1, "m1"), (11, 5, "m1"), (1, 0, "m1")]
    (late,) = (row for row in third if row["horizon_h"] == 5)
    assert (late["actual"], late["absolute_error"]) == (1.0, 1.0)


def test_what_intervals_missed_is_kept_by_day_and_written_the_same_again(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", usual_visits(), "march.csv")
        hospital.refine("ingest_bronze", "bronze_to_silver", "dq_check", "silver_to_gold")
        told = predictions("2026-03-12T08:00:00", {0: 90.0, 1: 90.0, 5: 90.0}).to_pylist()
        told = [row | {"metric": "occupancy"} for row in told]
        predict(hospital, pa.Table.from_pylist(told, schema=arrow_schema(PREDICTIONS)))
        hospital.refine("monitor_models")
        kept = hospital.context.objects.read(KEY)
        hospital.context.objects.write(KEY, b"not what it was")

        hospital.refine("monitor_models")

        days = read_misses(hospital.context.objects)
        assert hospital.context.objects.read(KEY) == kept
    assert days == [DayOfMisses("occupancy", "ED", date(2026, 3, 12), 2, 2.0)]


@pytest.mark.parametrize("kept", [None, b"{", b'{"days": [{"metric": "queue"}]}'])
def test_intervals_stay_as_they_were_learnt_where_nobody_can_read_what_they_missed(tmp_path, kept):
    with open_hospital(tmp_path, NOW) as hospital:
        if kept is not None:
            hospital.context.objects.write(KEY, kept)

        assert read_misses(hospital.context.objects) == []


# Identifiers


def decoded(path: Path) -> str:
    """Return everything that a file says, as text."""
    text = path.read_bytes().decode("latin-1")
    if path.suffix == ".parquet":
        text += repr(pq.ParquetFile(path).read().to_pydict()) + repr(pq.ParquetFile(path).metadata.to_dict())
    return text


def test_no_identifier_stands_anywhere_but_in_raw(story):
    state = story.hospital.state
    delivered = [row for rows in (usual_visits(), FAULTY, LATE, TOO_EARLY, TRANSFERS) for row in rows]
    identifiers = {str(row[name]) for row in delivered for name in ("visit", "patient", "id") if name in row}

    texts = {path: decoded(path) for path in state.rglob("*") if path.is_file()}
    catalog = SqlCatalog("hops", uri=f"sqlite:///{state.resolve() / 'lake' / 'catalog.db'}")
    for table in TABLES:
        if catalog.table_exists(table.id):
            iceberg = catalog.load_table(table.id)
            manifests = [manifest for snapshot in iceberg.snapshots() for manifest in snapshot.manifests(iceberg.io)]
            texts[state / table.id] = repr([m.fetch_manifest_entry(iceberg.io) for m in manifests])
    outside = {path: text for path, text in texts.items() if path.relative_to(state).parts[0] != "raw"}
    leaks = {path: found for path, text in outside.items() if (found := {name for name in identifiers if name in text})}

    assert len([path for path in outside if path.suffix == ".parquet"]) > 50
    assert any("VISIT-01-8" in text for path, text in texts.items() if path not in outside)
    assert leaks == {}
    assert "VISIT" not in "".join(outside.values())
    assert "PATIENT-" not in "".join(outside.values())
