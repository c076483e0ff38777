from __future__ import annotations

import json
import os

import pytest

from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.operations.rule_lint import faults_of, lint, lint_line, rules_text, table_of_id
from healthcare_ops.operations.rules import adopt
from healthcare_ops.pipeline.quality.rules.checks import judged_tables, shipped_rules
from hospital import open_hospital

STAYS = table_of_id("silver.stays")
SOUND = 'Rules = [ IsComplete "bed_id" ]'
OF_NO_STAY = 'Rules = [ IsComplete "triage_level" ]'


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    with open_hospital(tmp_path_factory.mktemp("hospital"), "2026-03-13T18:00:00-03:00") as hospital:
        return hospital.state


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ('IsComplete "bed"', "IsComplete: there is no column 'bed'; 'bed_id' is the nearest."),
        ('RowCount > 0 where "shoe_size > 40"', "RowCount: there is no column 'shoe_size'; there are: encounter_id, "),
        ('ColumnValues "bed_id" > 5 where "start_time > 5"', "ColumnValues: "),
        ('ColumnLength "start_time" > 5', "ColumnLength: the column holds times, not texts."),
        ('Mean "start_time" > 5', "Mean: the column holds times, not numbers."),
        ('DataFreshness "bed_id" < 3 days where "bed_id > DATE \'2026-01-01\' + 1"', "DataFreshness: "),
        ('ReferentialIntegrity "bed_id" "silver.beds.id" = 1', "there is no table 'silver.beds' to compare with"),
        ('CustomSql "select max(shoe) from primary" > 1', "SQL of a rule fails: binder"),
        ('IsComplete "bed_id" labels=["on_failure"="quarantine"]', "rows of silver.stays are not held by themselves"),
        ('IsComplete "bed_id" labels=["needs"="bed_id"]', "needs is 'bed_id', which no feed delivers"),
        ('IsComplete "bed_id" labels=["id"="SECTOR_MISSING"]', "id 'SECTOR_MISSING' is a reason code"),
        ('IsComplete "bed_id" labels=["severity"="fatal"]', "severity is 'fatal'"),
        (
            'Completeness "bed_id" > 95',
            "Completeness is compared with 95; a share is a number from 0 to 1, and 95 % is 0.95.",
        ),
        ('IsComplet "bed_id"', "there is no rule type IsComplet"),
    ],
)
def test_of_a_table_s_rules_lint_says_what_adopting_them_would(state, tmp_path, rule, fault):
    file = tmp_path / "silver.stays.dqdl"
    file.write_text(f"Rules = [\n  RowCount > 1,\n  {rule}\n]")

    verdict = lint(file.read_text(), STAYS)

    with pytest.raises(ConfigError) as refused:
        adopt(state, file, by="Ana", reason="why")
    assert fault in verdict.message
    assert (verdict.parses, verdict.compiles, verdict.line, verdict.column) == ("IsComplet " not in rule, False, 3, 3)
    assert refused.value.message == f"{file}: line 3, column 3: {verdict.message}"


@pytest.mark.parametrize("table", judged_tables(), ids=lambda table: table.id)
def test_the_products_own_rules_are_sound_for_their_tables(table):
    verdict = lint(shipped_rules()[table.id], table)

    assert (verdict.compiles, verdict.message) == (True, None)


def test_rules_of_no_table_are_sound_if_some_table_could_have_them():
    assert lint(OF_NO_STAY, None).compiles
    assert not lint(OF_NO_STAY, STAYS).compiles


def test_analyzers_and_sql_alone_are_held_against_the_table_too():
    assert lint('Rules = [ CustomSql "select count(bed_id) from primary" > 1 ]', STAYS).compiles
    assert "'bed_id' is the nearest" in lint('Analyzers = [ Completeness "bed" ]', STAYS).message


@pytest.mark.parametrize(
    ("case", "usual", "is_sound"),
    [
        ({"text": OF_NO_STAY}, None, True),
        ({"text": OF_NO_STAY}, STAYS, False),
        ({"text": OF_NO_STAY, "table": "silver.stays"}, None, False),
        ({"text": OF_NO_STAY, "table": "silver.encounters"}, STAYS, True),
        ({"text": SOUND, "table": None}, STAYS, True),
    ],
)
def test_a_case_of_a_batch_is_of_the_table_that_it_names_or_of_the_usual_one(case, usual, is_sound):
    verdict = lint_line(json.dumps({"id": 7, **case}), 1, usual)

    assert (verdict.id, verdict.parses, verdict.compiles) == (7, True, is_sound)


@pytest.mark.parametrize("table", ["silver.stay", "gold.predictions", 7, ["silver.stays"]])
def test_a_case_of_a_table_that_is_not_judged_is_refused_by_itself(table):
    verdict = lint_line(json.dumps({"id": "a", "text": SOUND, "table": table}), 4, None)

    assert (verdict.id, verdict.compiles, verdict.line) == ("a", False, None)
    assert verdict.message.startswith(f"line 4: {str(table)!r} is no table that is judged.")


def test_a_table_that_is_nearly_one_is_told():
    with pytest.raises(NotFoundError, match=r"Did you mean silver\.stays\?"):
        table_of_id("silver.stay")


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, kind):
    path = tmp_path / "silver.encounters.dqdl"
    os.mkfifo(path) if kind == "pipe" else path.mkdir()

    with pytest.raises(ConfigError, match="is no file") as refused:
        rules_text(path)

    assert "pipe or device" in refused.value.next_step


def test_every_rule_of_a_file_that_is_at_fault_is_told_in_its_place():
    text = """Rules = [
    IsComplete "bed",
    RowCount => 5 labels=["id"="a", "reason"="one, two [three]"],  # not this, comma
    IsComplete "bed_id",
    Completeness "bed_id" >= 95,
    RowCount >"""

    found = [(one.line, one.parses) for one in faults_of(f"{text} 0,5\n]", STAYS)]
    cut = [one.line for one in faults_of(text, STAYS)]

    assert found == [(2, True), (3, False), (5, True), (6, False)]
    assert cut[0] == 3


def test_a_text_without_a_fault_has_none_and_one_that_is_no_list_of_rules_one():
    assert faults_of(SOUND, STAYS) == []
    assert len(faults_of("Rules = ", STAYS)) == 1
    assert len(faults_of('Rules = [ IsComplete "bed ]', STAYS)) == 1
