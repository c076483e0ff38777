from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import date

import pytest

from healthcare_ops.core.errors import ConfigError, NotFoundError, QualityError
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, FATES, OPS_METRICS_HOURLY, QUARANTINE, TABLES
from healthcare_ops.jobs.audit_log import entries
from healthcare_ops.jobs.quality_rules import DECISIONS
from healthcare_ops.operations.held import Wanted, look
from healthcare_ops.operations.quarantine import decide
from hospital import event, open_hospital, visit

NOW = "2026-03-13T18:00:00-03:00"
HELD_STAYS = """
Rules = [
    ColumnValues "los_min" <= 300 where "los_min is not null"
        labels=["id"="stay.short", "severity"="warn", "on_failure"="quarantine"]
]
"""
HELD_TYPES = """
Rules = [
    ColumnValues "event_type" != "MD" labels=["id"="no.doctor", "severity"="warn", "on_failure"="quarantine"]
]
"""
SHORT, LONG = {"left": "2026-03-12T12:00:00"}, {"left": "2026-03-12T20:00:00"}


def visits():
    """Return four visits of 12 March: two stay for two hours, two for ten."""
    return [
        visit(f"V-{name}", "2026-03-12T10:00:00", **stay)
        for name, stay in zip("abcd", (SHORT, LONG, SHORT, LONG), strict=True)
    ]


def rule(hospital, table, text):
    """Let the hospital judge a table by these rules alone."""
    context = replace(hospital.context, rules={**hospital.context.rules, table: text})
    hospital.platform = replace(hospital.platform, context=context)


def accounts(hospital):
    return [{fate: row[fate] for fate in ("delivered", *FATES) if row[fate]} for row in hospital.rows(BATCH_ACCOUNTS)]


def everything(hospital, *without):
    return {table.id: hospital.rows(table, "ingested_at", *without) for table in TABLES}


@pytest.mark.slow
def test_a_thousand_rules_hold_rows_and_each_tells_how_many(tmp_path):
    listed = ", ".join(
        f'ColumnValues "los_min" != {number} labels=["id"="not.{number}", "severity"="warn", "on_failure"="quarantine"]'
        for number in range(1000)
    )
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, f"Rules = [ {listed} ]")
        hospital.deliver("visits", visits(), "march.csv")
        outcomes = hospital.refine("ingest_bronze", "bronze_to_silver", "dq_check")
        report = json.loads(hospital.context.objects.read(outcomes["dq_check"]["report"]))

    of_stays = [one for one in report["rules"] if one["columns"] == ["los_min"]]
    broken = {one["rule_id"]: (one["checked"], one["violations"]) for one in of_stays if one["violations"]}
    assert len(of_stays) == 1000
    assert broken == {"not.120": (2, 2), "not.600": (2, 2)}


def test_rows_that_break_a_rule_of_silver_are_held_with_its_id_and_the_others_go_on(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        hospital.deliver("visits", visits(), "march.csv")
        outcomes = hospital.refine()
        held = hospital.rows(QUARANTINE)
        encounters = hospital.rows(ENCOUNTERS)
        found = accounts(hospital)

    assert outcomes["dq_check"]["verdict"] == "warn"
    assert len(encounters) == 2
    assert [(row["record_no"], row["reason_code"], row["rule_ids"], row["state"]) for row in held] == [
        (2, "RULE_BROKEN", "stay.short", "held"),
        (4, "RULE_BROKEN", "stay.short", "held"),
    ]
    assert found == [{"delivered": 4, "applied": 2, "quarantined": 2}]


def test_delivered_records_that_break_a_rule_of_bronze_are_held_before_they_are_read(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, "bronze.events_raw", HELD_TYPES)
        hospital.deliver(
            "flow",
            [event("F-1", "IN", "2026-03-12T09:00:00", place="ED"), event("F-1", "MD", "2026-03-12T09:30:00")],
            "f.ndjson",
        )
        hospital.refine()
        held = hospital.rows(QUARANTINE)
        (encounter,) = hospital.rows(ENCOUNTERS)

    assert [(row["record_no"], row["rule_ids"]) for row in held] == [(2, "no.doctor")]
    assert encounter["care_start"] is None


@pytest.mark.parametrize(("table", "text", "name"), [("silver.encounters", HELD_STAYS, "stay.short")])
def test_released_rows_give_the_same_gold_as_if_they_had_never_been_held(tmp_path, table, text, name):
    with open_hospital(tmp_path / "free", NOW) as hospital:
        rule(hospital, table, "Rules = [ RowCount >= 0 ]")
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        free = everything(hospital)
        secrets = hospital.state / "secrets"
    with open_hospital(tmp_path / "held", NOW, secrets) as hospital:
        rule(hospital, table, text)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        decided = decide(
            hospital.platform,
            "release",
            rule=name,
            batch_id="visits-000001",
            by="Ana Souza",
            reason="long stays are real",
        )
        released = everything(hospital)

    assert decided.records == 2
    let_in = released.pop(QUARANTINE.id)
    assert [row["state"] for row in let_in] == ["released"] * 2
    assert free.pop(QUARANTINE.id) == []
    assert released == free


def test_rejected_rows_stay_out_and_are_marked(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        decide(
            hospital.platform,
            "reject",
            rule="stay.short",
            batch_id="visits-000001",
            by="Ana Souza",
            reason="wrong clock",
        )
        states = [row["state"] for row in hospital.rows(QUARANTINE)]
        found = accounts(hospital)

    assert states == ["rejected"] * 2
    assert found == [{"delivered": 4, "applied": 2, "quarantined": 2}]


def test_a_decision_can_be_taken_back(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        before = everything(hospital)
        for kind in ("release", "hold"):
            decide(
                hospital.platform, kind, rule="stay.short", batch_id="visits-000001", by="Ana Souza", reason="a slip"
            )
        after = everything(hospital)

    assert after == before


def test_a_corrected_delivery_supersedes_what_was_held(tmp_path):
    corrected = [
        visit(f"V-{name}", "2026-03-12T10:00:00", left="2026-03-12T13:00:00", changed="2026-03-13T11:00:00")
        for name in "bd"
    ]
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        hospital.deliver("visits", corrected, "corrected.csv")
        hospital.refine()
        held = hospital.rows(QUARANTINE)
        encounters = hospital.rows(ENCOUNTERS)
        found = accounts(hospital)

    assert held == []
    assert len(encounters) == 4
    assert found == [{"delivered": 4, "applied": 2, "superseded": 2}, {"delivered": 2, "applied": 2}]


def test_what_cannot_be_read_cannot_be_released(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", [visit("V-a", "2026-03-12T10:00:00", place="NOWHERE"), *visits()], "march.csv")
        hospital.refine()

        with pytest.raises(ConfigError, match="SECTOR_UNKNOWN cannot be let in"):
            decide(hospital.platform, "release", rule="SECTOR_UNKNOWN", batch_id="visits-000001", by="Ana", reason="x")


def test_seventy_rules_hold_rows_as_one_does(tmp_path):
    many = ",\n".join(
        f'ColumnValues "los_min" <= {limit} where "los_min is not null" '
        f'labels=["id"="stay.{limit}", "severity"="warn", "on_failure"="quarantine"]'
        for limit in range(231, 301)
    )
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, f"Rules = [{many}]")
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        held = hospital.rows(QUARANTINE)

    assert [row["record_no"] for row in held] == [2, 4]
    assert {row["rule_ids"] for row in held} == {",".join(f"stay.{limit}" for limit in range(231, 301))}


def test_two_visits_under_one_number_are_both_held(tmp_path):
    text = (
        'Rules = [ IsUnique "patient_id" labels=["id"="patient.once", "severity"="warn", "on_failure"="quarantine"] ]'
    )
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, text)
        hospital.deliver("visits", [*visits(), visit("V-e", "2026-03-12T11:00:00", patient="PATIENT-V-a")], "march.csv")
        hospital.refine()
        held = hospital.rows(QUARANTINE)

    assert [row["record_no"] for row in held] == [1, 5]


def test_what_is_let_in_breaks_no_rule_any_more(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS.replace("warn", "fail"))
        hospital.deliver("visits", visits(), "march.csv")
        with pytest.raises(QualityError):
            hospital.refine()
        decided = decide(
            hospital.platform, "release", rule="stay.short", batch_id="visits-000001", by="Ana Souza", reason="real"
        )
        hours = hospital.rows(OPS_METRICS_HOURLY)

    assert decided.failure is None
    assert sum(row["arrivals_count"] for row in hours) == 4


def test_a_rule_of_a_column_that_nobody_delivers_holds_nothing(tmp_path):
    text = HELD_STAYS.replace('"los_min" <= 300 where "los_min is not null"', '"admit_time" > "2020-01-01"')
    text = text.replace('"id"="stay.short"', '"id"="stay.short", "needs"="admit_time"')
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, text)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()

        assert hospital.rows(QUARANTINE) == []


@pytest.mark.parametrize(
    ("table", "text", "name"),
    [
        (ENCOUNTERS.id, HELD_STAYS, "stay.short"),
        (
            "bronze.encounters_raw",
            'Rules = [ ColumnValues "arrival_time" matches "never" '
            'labels=["id"="never", "severity"="warn", "on_failure"="quarantine"] ]',
            "never",
        ),
    ],
)
def test_a_release_counts_for_rows_that_are_told_again_as_they_were(tmp_path, table, text, name):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, table, text)
        hospital.deliver("visits", visits(), "march.csv")
        with suppress(QualityError):
            hospital.refine()
        decide(hospital.platform, "release", rule=name, batch_id="visits-000001", by="Ana Souza", reason="real")
        hospital.deliver(
            "visits", [*visits(), visit("V-e", "2026-03-12T11:00:00", left="2026-03-12T12:00:00")], "again.csv"
        )
        with suppress(QualityError):
            hospital.refine()
        standing = {row["encounter_id"] for row in hospital.rows(ENCOUNTERS)}

    assert len(standing) >= 4


@pytest.mark.parametrize(("last", "came_in"), [("visits-000001", 3), ("visits-000002", 1)])
def test_of_two_deliveries_that_tell_the_same_the_one_that_was_decided_about_last_counts(tmp_path, last, came_in):
    decisions = [("release", "visits-000001"), ("reject", "visits-000002")]
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        for name in ("march.csv", "again.csv"):
            rows = [*visits(), visit(f"V-{name}", "2026-03-12T05:00:00", left="2026-03-12T15:00:00")]
            hospital.deliver("visits", rows, name)
        with suppress(QualityError):
            hospital.refine()
        before = len(hospital.rows(ENCOUNTERS))
        for number, (kind, batch) in enumerate(sorted(decisions, key=lambda each: each[1] == last)):
            hospital.at(f"2026-03-13T{20 + number}:00:00-03:00")
            decide(hospital.platform, kind, rule="stay.short", batch_id=batch, by="Ana Souza", reason="real")
        after = len(hospital.rows(ENCOUNTERS))

    assert after - before == came_in  # of the first delivery's own visit and the two that both tell


def written(hospital):
    """Return the names and bytes of all that decisions and reports leave."""
    objects = hospital.context.objects
    return {key: objects.read(key) for prefix in ("ops/", "gold/") for key in objects.list(prefix)}


def of_march(hospital, kind, by="Ana Souza", batch="visits-000001", at="2026-03-13T20:00:00-03:00"):
    hospital.at(at)
    return decide(hospital.platform, kind, rule="stay.short", batch_id=batch, by=by, reason="real")


@pytest.mark.parametrize("kind", ["release", "reject", "hold"])
def test_what_was_decided_already_is_not_decided_twice(tmp_path, kind):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        of_march(hospital, "reject" if kind == "hold" else "hold")
        first = of_march(hospital, kind)
        before = written(hospital)
        again = of_march(hospital, kind, by="Rui", at="2026-03-13T21:00:00-03:00")
        after = written(hospital)

    assert first.already is None
    assert again.already is not None
    assert (again.already.by, again.already.since) == ("Ana Souza", first.decision.decided_at)
    assert (again.records, again.let_in, again.jobs) == (2, 2 if kind == "release" else 0, {})
    assert after == before


def test_what_a_rule_holds_need_not_be_held_by_a_person(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        before = written(hospital)
        decided = of_march(hospital, "hold")
        after = written(hospital)

    assert decided.already is not None
    assert (decided.already.by, decided.already.since.isoformat()) == ("stay.short", "2026-03-13T21:00:00+00:00")
    assert after == before


def test_who_decides_the_other_way_is_written_down_each_time(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        kinds = ["release", "reject", "release", "hold", "reject"]
        for kind in kinds:
            of_march(hospital, kind)
        told = [entry.action for entry in entries(hospital.context.objects)]

    assert told == [f"dq.{kind}" for kind in kinds]


def test_a_decision_whose_days_were_not_built_to_the_end_is_completed_and_not_written_again(tmp_path):
    few = HELD_STAYS.replace("\n]", ',\n    RowCount <= 2 labels=["id"="few", "severity"="fail"]\n]')
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, few)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        stopped = of_march(hospital, "release")
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        completed = of_march(hospital, "release")
        told = entries(hospital.context.objects)
        hours = hospital.rows(OPS_METRICS_HOURLY)

    assert (stopped.failure is None, completed.failure) == (False, None)
    assert len(told) == 1
    assert sum(row["arrivals_count"] for row in hours) == 4


def test_the_same_decision_is_another_one_after_a_newer_one_about_equal_records(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        own = {name: visit(f"V-{name}", "2026-03-12T05:00:00", left="2026-03-12T15:00:00") for name in "xy"}
        hospital.deliver("visits", [*visits(), own["x"]], "march.csv")
        hospital.deliver("visits", [*visits(), own["y"]], "again.csv")
        hospital.refine()
        released = of_march(hospital, "release")
        rejected = of_march(hospital, "reject", batch="visits-000002", at="2026-03-13T21:00:00-03:00")
        again = of_march(hospital, "release", at="2026-03-13T22:00:00-03:00")

    # Of the first delivery one record stands; two of the second have the words of its others.
    assert (released.records, released.equal, released.equal_deliveries) == (1, 2, ("visits-000002",))
    assert (released.let_in, again.let_in) == (3, 3)
    assert (rejected.records, rejected.equal) == (3, 0)
    assert again.already is None


def test_a_decision_about_delivered_records_tells_of_equal_ones_of_others(tmp_path):
    told = [event("F-1", "IN", "2026-03-12T09:00:00", place="ED"), event("F-1", "MD", "2026-03-12T09:30:00")]
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, "bronze.events_raw", HELD_TYPES)
        hospital.deliver("flow", [*told, event("F-2", "MD", "2026-03-12T10:30:00")], "f.ndjson")
        hospital.deliver("flow", told, "g.ndjson")
        with suppress(QualityError):
            hospital.refine()
        decided = decide(
            hospital.platform, "release", rule="no.doctor", batch_id="flow-000001", by="Ana Souza", reason="real"
        )

    assert (decided.records, decided.equal, decided.equal_deliveries) == (1, 1, ("flow-000002",))


def test_a_decision_that_the_audit_log_does_not_tell_of_can_be_taken_back(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        for name in ("march.csv", "again.csv"):
            hospital.deliver("visits", [*visits(), visit(f"V-{name}", "2026-03-12T05:00:00")], name)
        hospital.refine()
        of_march(hospital, "release", batch="visits-000002")
        kept = hospital.context.objects.read(DECISIONS)
        hospital.context.objects.write(DECISIONS, kept.replace(b"Ana Souza", b"Eve"))
        decided = of_march(hospital, "hold", batch="visits-000002", at="2026-03-13T22:00:00-03:00")
        states = [row["state"] for row in hospital.rows(QUARANTINE)]

    assert decided.already is None
    assert states == ["held", "held"]


def test_a_release_does_not_count_for_another_rule_of_the_same_name(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        decide(hospital.platform, "release", rule="stay.short", batch_id="visits-000001", by="Ana Souza", reason="real")
        rule(hospital, ENCOUNTERS.id, HELD_STAYS.replace("<= 300", "<= 60"))
        with suppress(QualityError):
            hospital.refine(days=[date(2026, 3, 12)])
        states = [row["state"] for row in hospital.rows(QUARANTINE)]

    assert states == ["held"] * 4


@pytest.mark.parametrize("died", ["before it was kept", "before its days were built"])
def test_a_decision_that_was_cut_short_is_completed_by_deciding_the_same_and_stands_once_in_the_log(tmp_path, died):
    about = {"rule": "stay.short", "batch_id": "visits-000001", "by": "Ana Souza", "reason": "long stays are real"}
    with open_hospital(tmp_path, NOW) as hospital:
        rule(hospital, ENCOUNTERS.id, HELD_STAYS)
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()
        decisions = hospital.state / DECISIONS
        decide(hospital.platform, "release", **about)
        kept = decisions.read_bytes()
        # As it was before the release, but for what was written of it by then.
        decide(hospital.platform, "hold", **about)
        (hospital.state / "ops" / "audit" / "00000002.json").unlink()
        if died == "before it was kept":
            decisions.unlink()
        else:
            decisions.write_bytes(kept)

        done = decide(hospital.platform, "release", **about)

        assert [entry.action for entry in entries(hospital.context.objects)] == ["dq.release"]
        assert (done.already.by, done.let_in) == ("Ana Souza", 2)
        assert len(hospital.rows(ENCOUNTERS)) == 4


def test_an_identifier_where_a_bed_or_sector_belongs_reaches_no_table_and_every_record_is_accounted_for(tmp_path):
    planted = {
        "F-1001": {"place": "ED", "bed": "F-1001"},
        "F-1002": {"place": "PATIENT-F-1002", "bed": "7"},
        "F-1003": {"place": "ED", "bed": "F-4711"},
        "F-1004": {"place": "ED", "bed": "7"},
    }
    lines = [event(name, "IN", "2026-03-12T09:00:00", **where) for name, where in planted.items()]
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("flow", lines, "f.ndjson")
        hospital.refine()
        kept = {table.id: hospital.rows(table) for table in TABLES}
        held = {row["record_no"]: (row["reason_code"], row["column"]) for row in kept[QUARANTINE.id]}
        found = accounts(hospital)

    assert held == {
        1: ("IDENTIFIER_MISPLACED", "bed"),
        2: ("IDENTIFIER_MISPLACED", "sector"),
        3: ("IDENTIFIER_MISPLACED", "bed"),
    }
    assert {row["rule_ids"] for row in kept[QUARANTINE.id]} == {"IDENTIFIER_MISPLACED"}
    assert found == [{"delivered": 4, "applied": 1, "quarantined": 3}]
    assert not [name for name in (*planted, "F-4711") for rows in kept.values() if name in str(rows)]


def test_a_rule_that_there_is_not_holds_no_records_and_the_nearest_is_named(tmp_path):
    with open_hospital(tmp_path, NOW) as hospital:
        hospital.deliver("visits", visits(), "march.csv")
        hospital.refine()

        with pytest.raises(NotFoundError, match=r"'TIME_UNREDABLE' holds records\. Did you mean TIME_UNREADABLE\?"):
            look(hospital.platform, Wanted("TIME_UNREDABLE"))

        assert look(hospital.platform, Wanted("TIME_UNREADABLE")).counts["held"] == 0
