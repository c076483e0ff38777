from __future__ import annotations

import pyarrow as pa
import pytest

from engines import duckdb_engine
from healthcare_ops.core.tables import QUARANTINE
from healthcare_ops.pipeline.quality.quarantine import Decision, hold, let_in, released_rules, with_rejections
from unit.pipeline.builders import at, encounters, rows_of
from unit.pipeline.quality.judging import checks_of

KNOWN = 'IsComplete "triage_level" labels=["id"="level.known", "on_failure"="quarantine"]'
SHORT = 'ColumnValues "los_min" <= 60 where "los_min is not null" labels=["id"="stay.short", "on_failure"="quarantine"]'
ONCE = 'IsUnique "encounter_id" labels=["id"="told.once", "on_failure"="quarantine"]'


def held(engine, rules, rows, released=None):
    """Return what `hold` says of each row, in the order of the encounters: rules broken, and those released."""
    table = engine.table(rows)
    conditions = {rule: table.encounter_id.isin(names) for rule, names in (released or {}).items()}
    marked = hold(table, checks_of(", ".join(rules)), conditions).order_by("encounter_id")
    found = engine.collect(marked.select("rules_broken", "rules_released"))
    return list(zip(*(found[name].to_pylist() for name in found.column_names), strict=True))


def test_a_row_is_held_by_every_rule_that_it_breaks(engine):
    rows = encounters({"triage_level": 3, "los_min": 60.0}, {"los_min": 61.0}, {}, {"triage_level": 1, "los_min": 90.0})

    found = held(engine, [KNOWN, SHORT], rows)

    assert found == [(None, None), ("level.known,stay.short", None), ("level.known", None), ("stay.short", None)]


def test_all_rows_that_share_a_key_are_held(engine):
    rows = encounters(*({"encounter_id": name} for name in ("a", "b", "b")))

    assert held(engine, [ONCE], rows) == [(None, None), ("told.once", None), ("told.once", None)]


def test_a_row_is_released_from_one_rule_and_held_by_another(engine):
    rows = encounters({"los_min": 90.0}, {"los_min": 90.0})

    found = held(engine, [KNOWN, SHORT], rows, released={"stay.short": ["e1"]})

    assert found == [("level.known", "stay.short"), ("level.known,stay.short", None)]


def test_a_rule_that_only_reports_holds_no_row(engine):
    assert held(engine, ['IsComplete "triage_level"'], encounters({})) == [(None, None)]


def not_level(number):
    return f'ColumnValues "triage_level" != {number} labels=["id"="not.{number}", "on_failure"="quarantine"]'


def test_more_rules_hold_rows_than_two_numbers_have_bits(engine):
    rows = encounters(*({"triage_level": level} for level in (0, 62, 63, 129, 130)))

    found = held(engine, [not_level(number) for number in range(130)], rows, released={"not.63": ["e3"]})

    assert found == [("not.0", None), ("not.62", None), (None, "not.63"), ("not.129", None), (None, None)]


def test_a_thousand_rules_hold_rows():
    rows = encounters(*({"triage_level": level} for level in (0, 999, 1000)))

    with duckdb_engine() as engine:
        found = held(engine, [not_level(number) for number in range(1000)], rows)

    assert [broken for broken, _ in found] == ["not.0", "not.999", None]


def decision(kind, rule, batch_id, hour=12):
    return Decision(kind, rule, batch_id, "Ana", "asked the supplier", at(f"2026-03-20 {hour}:00"))


def test_of_rules_from_which_something_was_released_all_decisions_count_the_oldest_first():
    late, early = decision("release", "a", "b1", hour=14), decision("reject", "a", "b2", hour=13)

    assert released_rules([late, early, decision("hold", "c", "b1")]) == {"a": [early, late]}


@pytest.mark.parametrize(
    ("decided", "found"),
    [
        ([("release", "b1")], ["both", "first"]),
        ([("release", "b2")], ["both"]),
        ([("release", "b1"), ("reject", "b2")], ["first"]),
        ([("reject", "b2"), ("release", "b1")], ["both", "first"]),
        ([("release", "b1"), ("hold", "b2")], ["first"]),
        ([("release", "b3")], []),
    ],
)
def test_of_the_deliveries_that_told_of_a_record_the_one_decided_about_last_counts(engine, decided, found):
    told = pa.table({"key": ["both", "both", "first"], "batch_id": ["b1", "b2", "b1"]})
    keys = let_in(engine.table(told), "key", [decision(kind, "a", batch) for kind, batch in decided])

    assert sorted(engine.collect(keys.name("key").as_table()).column("key").to_pylist()) == found


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"batch_id": "b1", "rule_ids": "stay.short", "state": "held"}, "rejected"),
        ({"batch_id": "b1", "rule_ids": "level.known,stay.short", "state": "held"}, "rejected"),
        ({"batch_id": "b1", "rule_ids": "long.stay.short", "state": "held"}, "held"),
        ({"batch_id": "b1", "rule_ids": "stay.shorter", "state": "held"}, "held"),
        ({"batch_id": "b1", "rule_ids": None, "state": "held"}, "held"),
        ({"batch_id": "b2", "rule_ids": "stay.short", "state": "held"}, "held"),
        ({"batch_id": "b1", "rule_ids": "stay.short", "state": "released"}, "released"),
    ],
)
def test_held_rows_of_a_rejected_delivery_are_kept_out_for_good(engine, row, state):
    rows = engine.table(rows_of(QUARANTINE, [row]))

    found = engine.collect(with_rejections(rows, [decision("reject", "stay.short", "b1")]))

    assert found["state"].to_pylist() == [state]
