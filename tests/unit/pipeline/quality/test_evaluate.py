from __future__ import annotations

from dataclasses import replace

import pytest

from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, EVENTS, STAYS, TABLES
from healthcare_ops.pipeline.quality.evaluate import Finding, Limits, evaluate
from healthcare_ops.pipeline.quality.rules import RULES, Rule
from unit.pipeline.builders import at, encounters, rows_of, stays

LIMITS = Limits(at("2026-03-01").date(), at("2026-03-31").date(), at("2026-03-20 12:00"))


def rule(kind, *columns, allowed=(), table=ENCOUNTERS, severity="fail", threshold=0.0, needs=""):
    return Rule(kind, table.id, kind, columns, severity, threshold, "reason", "next step", allowed, needs)


def judge(engine, rules, tables, *, delivered=(), known=(), standing=None):
    judged = {name: engine.table(rows) for name, rows in tables.items()}
    return evaluate(
        rules,
        judged,
        collect=engine.collect,
        limits=LIMITS,
        delivered=delivered,
        encounters=engine.table(encounters(*known)),
        standing=engine.table(standing or tables.get(ENCOUNTERS.id) or encounters()),
    )


def judge_one(engine, one, rows, **keys):
    (finding,) = judge(engine, [one], {one.table: rows}, **keys)
    return finding


def counted(finding):
    return finding.checked, finding.violations


def test_completeness_counts_the_missing_values(engine):
    rows = encounters({"triage_level": 3}, {}, {})

    finding = judge_one(engine, rule("completeness", "triage_level"), rows)

    assert counted(finding) == (3, 2)
    assert finding.samples == ("e2", "e3")


def test_a_value_must_be_one_of_those_allowed_unless_it_is_missing(engine):
    rows = encounters({"disposition": "home"}, {"disposition": "vanished"}, {})

    finding = judge_one(engine, rule("allowed_values", "disposition", allowed=("home", "died")), rows)

    assert counted(finding) == (3, 1)
    assert finding.samples == ("e2",)


def test_a_number_must_lie_within_its_range_ends_included(engine):
    rows = encounters(*({"los_min": minutes} for minutes in (-0.1, 0.0, 60.0, 60.1, None)))

    finding = judge_one(engine, rule("range", "los_min", allowed=(0.0, 60.0)), rows)

    assert counted(finding) == (5, 2)


def test_the_later_time_must_not_come_first(engine):
    arrival = {"arrival_time": at("2026-03-01 10:00")}
    rows = encounters(
        arrival | {"care_start": at("2026-03-01 09:59")},
        arrival | {"care_start": at("2026-03-01 10:00")},
        arrival,
        {"care_start": at("2026-03-01 10:00")},
    )

    finding = judge_one(engine, rule("order", "arrival_time", "care_start"), rows)

    assert counted(finding) == (4, 1)


def test_a_time_must_lie_in_the_plausible_days_and_not_after_now_but_for_the_skew_of_clocks(engine):
    times = ["2026-02-28 23:59", "2026-03-01", "2026-03-20 12:05", "2026-03-20 12:05:00.000001", "2027-01-01"]

    finding = judge_one(
        engine, rule("time_range", "arrival_time"), encounters(*({"arrival_time": at(time)} for time in times), {})
    )

    assert counted(finding) == (6, 3)
    assert finding.samples == ("e1", "e4", "e5")


def test_a_key_must_stand_once(engine):
    rows = encounters(*({"encounter_id": name} for name in ("a", "a", "a", "b", "b", "c")))

    finding = judge_one(engine, rule("uniqueness", "encounter_id"), rows)

    assert counted(finding) == (6, 3)


def test_an_encounter_must_not_stand_on_another_day_as_well(engine):
    rows = encounters({"encounter_id": "a"}, {"encounter_id": "b"})
    standing = encounters(*({"encounter_id": name} for name in ("a", "b", "b", "c", "c")))

    finding = judge_one(engine, rule("uniqueness", "encounter_id"), rows, standing=standing)

    assert counted(finding) == (2, 1)


def test_a_key_may_be_of_several_columns(engine):
    ten, eleven = at("2026-03-01 10:00"), at("2026-03-01 11:00")
    rows = stays(
        *({"encounter_id": name, "start_time": start} for name, start in (("a", ten), ("a", eleven), ("b", ten)))
    )

    finding = judge_one(engine, rule("uniqueness", *STAYS.key, table=STAYS), rows)

    assert counted(finding) == (3, 0)


def test_a_stay_must_belong_to_an_encounter(engine):
    rows = stays({"encounter_id": "a"}, {"encounter_id": "a"}, {"encounter_id": "b"})

    finding = judge_one(engine, rule("reference", "encounter_id", table=STAYS), rows, known=[{"encounter_id": "a"}])

    assert counted(finding) == (3, 1)


def test_held_records_are_a_share_of_those_delivered(engine):
    rows = rows_of(BATCH_ACCOUNTS, [{"quarantined": 3, "delivered": 10}, {"quarantined": 1, "delivered": 30}])

    finding = judge_one(engine, rule("held", "quarantined", "delivered", table=BATCH_ACCOUNTS), rows)

    assert counted(finding) == (40, 4)
    assert {type(count) for count in counted(finding)} == {int}


def test_a_rule_without_rows_is_not_applicable(engine):
    rules = [rule("completeness", "triage_level"), rule("uniqueness", "encounter_id")]

    findings = judge(engine, rules, {ENCOUNTERS.id: encounters()})

    assert [(finding.verdict, *counted(finding)) for finding in findings] == [("not_applicable", 0, 0)] * 2


def test_a_column_that_no_feed_delivers_is_not_asked_for(engine):
    one = rule("completeness", "triage_level", needs="triage_level")

    verdicts = [
        judge_one(engine, one, encounters({}), delivered=delivered).verdict for delivered in ([], ["triage_level"])
    ]

    assert verdicts == ["not_applicable", "fail"]


def test_findings_come_in_the_order_of_the_rules_of_the_tables_given(engine):
    rules = [
        rule("uniqueness", "encounter_id"),
        rule("completeness", "event_time", table=EVENTS),
        rule("completeness", "triage_level"),
    ]

    findings = judge(engine, rules, {ENCOUNTERS.id: encounters({})})

    assert [finding.rule.kind for finding in findings] == ["uniqueness", "completeness"]


def test_no_more_than_five_encounters_are_named(engine):
    rows = encounters(*({"encounter_id": name} for name in "hgfedcbaa"))

    finding = judge_one(engine, rule("completeness", "triage_level"), rows)

    assert finding.samples == ("a", "b", "c", "d", "e")


@pytest.mark.parametrize(
    ("violations", "severity", "verdict"),
    [(0, "fail", "pass"), (2, "fail", "pass"), (3, "fail", "fail"), (2, "warn", "pass"), (3, "warn", "warn")],
)
def test_a_rule_breaks_when_the_share_exceeds_its_threshold(violations, severity, verdict):
    finding = Finding(rule("range", "los_min", severity=severity, threshold=0.2), 10, violations)

    assert (finding.share, finding.verdict) == (violations / 10, verdict)


@pytest.mark.parametrize(
    ("violations", "severity", "verdict"),
    [(0, "fail", "pass"), (1, "fail", "warn"), (2, "fail", "warn"), (3, "fail", "fail"), (2, "warn", "warn")],
)
def test_a_tolerated_few_only_warn_whatever_their_share(violations, severity, verdict):
    one = replace(rule("range", "los_min", severity=severity), tolerated=2)

    assert Finding(one, 4, violations).verdict == verdict


def test_two_arrivals_after_now_do_not_stop_the_smallest_hospital_and_three_do(engine):
    (one,) = (one for one in RULES if one.rule_id == "encounters.arrival_time.range")
    usual, ahead = {"arrival_time": at("2026-03-20 10:00")}, {"arrival_time": at("2026-03-21 10:00")}

    found = [judge_one(engine, one, encounters(usual, *[ahead] * count)) for count in (2, 3)]

    assert [finding.verdict for finding in found] == ["warn", "fail"]
    assert found[0].samples == ("e2", "e3")


def test_every_rule_of_the_product_speaks_of_columns_that_exist():
    columns = {table.id: set(table.column_names) for table in TABLES}

    assert [one.rule_id for one in RULES if not set(one.columns) <= columns[one.table]] == []
    assert len({one.rule_id for one in RULES}) == len(RULES)


def test_sound_silver_breaks_no_rule_of_the_product(engine):
    ten, eleven = at("2026-03-01 10:00"), at("2026-03-01 11:00")
    visit = {"arrival_time": ten, "care_start": ten, "discharge_time": eleven, "triage_level": 3, "disposition": "home"}
    tables = {
        ENCOUNTERS.id: encounters(visit | {"total_wait_min": 0.0, "los_min": 60.0}),
        STAYS.id: stays({"start_time": ten, "end_time": eleven}),
        EVENTS.id: rows_of(EVENTS, [{"event_id": "e1|arrival", "encounter_id": "e1", "event_type": "arrival"}]),
        BATCH_ACCOUNTS.id: rows_of(BATCH_ACCOUNTS, [{"delivered": 1, "quarantined": 0}]),
    }

    findings = judge(engine, RULES, tables, delivered=["triage_level", "care_start", "discharge_time"], known=[visit])

    assert {finding.rule.rule_id: finding.verdict for finding in findings} == dict.fromkeys(
        (one.rule_id for one in RULES), "pass"
    )
