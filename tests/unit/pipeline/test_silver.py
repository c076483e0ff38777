from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.core.tables import ENCOUNTERS
from healthcare_ops.pipeline import silver
from unit.pipeline.builders import at, events, site


def arrival(clock="10:00", **told):
    return {"event_type": "arrival", "event_time": at(f"2026-03-01 {clock}"), "sector_id": "ED"} | told


def milestone(name, clock, **told):
    moment = at(clock) if "-" in clock else at(f"2026-03-01 {clock}")
    return {"event_type": name, "event_time": moment} | told


def assemble(engine, *rows, **site_keys):
    """Return the encounters that the events make, by encounter."""
    where = site(**site_keys)
    spans = offset_spans(ZoneInfo(where.zone), at("2026-01-01").date(), at("2026-12-31").date())
    table = engine.table(events(*rows))
    encounters = silver.assemble(table, silver.places(table), where, spans)
    return {row["encounter_id"]: row for row in engine.collect(encounters).to_pylist()}


def assemble_one(engine, *rows, **site_keys):
    (row,) = assemble(engine, *rows, **site_keys).values()
    return row


def waits(row):
    return [row[name] for name in ("wait_triage_min", "wait_service_min", "total_wait_min", "los_min")]


def test_the_waits_of_a_visit_lie_between_its_milestones(engine):
    row = assemble_one(
        engine,
        arrival("10:00"),
        milestone("triage_start", "10:05"),
        milestone("triage_end", "10:09"),
        milestone("care_start", "10:30"),
        milestone("discharge", "14:00"),
    )

    assert waits(row) == [5.0, 21.0, 30.0, 240.0]
    assert row["reason_code"] is None


def test_an_encounter_without_care_start_has_no_wait(engine):
    row = assemble_one(engine, arrival("10:00"), milestone("triage_end", "10:09"), milestone("discharge", "14:00"))

    assert waits(row) == [None, None, None, 240.0]


def test_when_triage_was_skipped_the_wait_for_care_counts_from_arrival(engine):
    row = assemble_one(engine, arrival("10:00"), milestone("care_start", "10:30"))

    assert waits(row) == [None, 30.0, 30.0, None]


def test_waits_keep_fractions_of_a_minute(engine):
    row = assemble_one(engine, arrival("10:00"), milestone("care_start", "10:13:14.482758"))

    assert row["total_wait_min"] == pytest.approx(13 + 14.482758 / 60, abs=1e-9)


def test_a_patient_who_is_still_here_has_no_length_of_stay(engine):
    row = assemble_one(engine, arrival())

    assert (row["discharge_time"], row["los_min"], row["reason_code"]) == (None, None, None)


def test_of_repeated_milestones_the_one_that_bounds_the_longer_phase_counts(engine):
    row = assemble_one(
        engine,
        *(
            milestone(name, clock)
            for name, first, last in (
                ("triage_start", "10:05", "10:06"),
                ("triage_end", "10:08", "10:09"),
                ("care_start", "10:30", "11:30"),
                ("admit", "12:00", "12:30"),
                ("discharge", "14:00", "15:00"),
            )
            for clock in (last, first)
        ),
        arrival("10:01"),
        arrival("10:00"),
    )

    times = ("arrival_time", "triage_start", "triage_end", "care_start", "admit_time", "discharge_time")
    assert [f"{row[name]:%H:%M}" for name in times] == ["10:00", "10:05", "10:09", "10:30", "12:00", "15:00"]


def test_the_latest_triage_level_counts(engine):
    row = assemble_one(
        engine, arrival(level=3), milestone("triage_end", "11:00", level=4), milestone("triage_end", "10:30", level=1)
    )

    assert row["triage_level"] == 4


def test_of_two_levels_at_one_instant_the_more_urgent_counts(engine):
    row = assemble_one(
        engine, arrival(), milestone("triage_end", "10:09", level=4), milestone("triage_end", "10:09", level=2)
    )

    assert row["triage_level"] == 2


def test_a_patient_without_a_level_was_not_triaged(engine):
    row = assemble_one(engine, arrival(), milestone("triage_end", "10:09"))

    assert row["triage_level"] is None


def test_the_latest_outcome_counts(engine):
    row = assemble_one(
        engine,
        arrival(),
        milestone("discharge", "16:00", outcome="admitted"),
        milestone("discharge", "12:00", outcome="left_without_care"),
    )

    assert row["disposition"] == "admitted"


def test_the_encounter_belongs_to_the_sector_that_first_took_it_in(engine):
    row = assemble_one(
        engine,
        milestone("transfer", "12:00", sector_id="WARD"),
        milestone("arrival", "10:00"),
        milestone("triage_start", "10:05", sector_id="ED"),
    )

    assert row["sector_id"] == "ED"


def test_the_day_of_an_encounter_is_the_site_s_day_of_its_arrival(engine):
    found = assemble(
        engine,
        arrival(encounter_id="late", event_time=at("2026-03-01 02:59:59")),
        arrival(encounter_id="early", event_time=at("2026-03-01 03:00")),
        zone="America/Sao_Paulo",
    )

    assert {name: row["dt"].isoformat() for name, row in found.items()} == {"late": "2026-02-28", "early": "2026-03-01"}


def test_milestones_of_several_feeds_make_one_encounter(engine):
    row = assemble_one(
        engine,
        arrival(feed_id="registration"),
        milestone("care_start", "10:30", feed_id="records", patient_id="p"),
        milestone("discharge", "14:00", feed_id="beds"),
    )

    assert (row["feed_id"], row["patient_id"], row["facility_id"]) == ("beds", "p", "hospital")
    assert waits(row) == [None, 30.0, 30.0, 240.0]


def test_an_encounter_without_arrival_is_held_back(engine):
    row = assemble_one(engine, milestone("discharge", "14:00", sector_id="ED"))

    assert row["reason_code"] == "ARRIVAL_MISSING"


def test_an_encounter_that_was_nowhere_is_held_back(engine):
    row = assemble_one(engine, arrival(sector_id=None), milestone("discharge", "14:00"))

    assert row["reason_code"] == "SECTOR_MISSING"


ORDERED = [
    ("arrival", "triage_start"),
    ("triage_start", "triage_end"),
    ("arrival", "triage_end"),
    ("triage_end", "care_start"),
    ("arrival", "care_start"),
    ("arrival", "admit"),
    ("arrival", "discharge"),
    ("triage_start", "discharge"),
    ("triage_end", "discharge"),
    ("care_start", "discharge"),
    ("admit", "discharge"),
]


def pairs_of_milestones(earlier_clock, later_clock):
    """Return one encounter per pair that has an order, with the two at the clocks given."""
    rows = []
    for earlier, later in ORDERED:
        both = {"arrival": "09:00", earlier: earlier_clock, later: later_clock}
        rows += [
            milestone(name, clock, encounter_id=f"{earlier} {later}", sector_id="ED" if name == "arrival" else None)
            for name, clock in both.items()
        ]
    return rows


def test_milestones_in_reverse_hold_their_encounter_back(engine):
    found = assemble(engine, *pairs_of_milestones("10:00:00.000001", "10:00"))

    assert {name: row["reason_code"] for name, row in found.items()} == {
        f"{earlier} {later}": "EVENTS_REVERSED" for earlier, later in ORDERED
    }


def test_milestones_may_share_an_instant(engine):
    found = assemble(engine, *pairs_of_milestones("10:00", "10:00"))

    assert {row["reason_code"] for row in found.values()} == {None}


def test_a_patient_who_is_moved_after_leaving_is_held_back(engine):
    found = assemble(
        engine,
        *(
            row | {"encounter_id": clock}
            for clock in ("14:00", "14:00:00.000001")
            for row in (
                arrival(),
                milestone("discharge", "14:00"),
                milestone("transfer", clock, sector_id="WARD"),
            )
        ),
    )

    assert {name: row["reason_code"] for name, row in found.items()} == {
        "14:00": None,
        "14:00:00.000001": "EVENTS_REVERSED",
    }


def test_a_patient_who_is_somewhere_before_arriving_is_held_back(engine):
    row = assemble_one(engine, arrival("10:00"), milestone("transfer", "09:59", sector_id="WARD"))

    assert row["reason_code"] == "EVENTS_REVERSED"


def test_a_stay_beyond_the_site_s_longest_is_held_back(engine):
    found = assemble(
        engine,
        arrival("10:00", encounter_id="longest"),
        milestone("discharge", "2026-03-04 10:00", encounter_id="longest"),
        arrival("10:00", encounter_id="too long"),
        milestone("discharge", "2026-03-04 10:00:00.000001", encounter_id="too long"),
        max_stay_days=3,
    )

    assert {name: row["reason_code"] for name, row in found.items()} == {"longest": None, "too long": "STAY_TOO_LONG"}


def test_an_encounter_has_the_columns_of_the_contract(engine):
    row = assemble_one(engine, arrival())

    assert set(row) - {"reason_code", "rule_ids", "rules_released", "may_repeat_events"} == set(ENCOUNTERS.column_names)
