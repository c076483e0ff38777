from __future__ import annotations

import pytest

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.rules.checks import Check, own_id, read_rules, shipped_rules, told_apart
from unit.pipeline.quality.judging import checks_of

RULE = 'Completeness "triage_level" >= 0.8'


def one(labels=""):
    (check,) = checks_of(f"{RULE} {labels}")
    return check


def test_a_rule_without_labels_stops_the_run_and_tolerates_nothing():
    check = one()

    assert (check.table, check.severity, check.tolerated, check.needs) == ("silver.encounters", "fail", 0, "")
    assert (check.reason, check.next_step, check.is_quarantining) == ("", "", False)


def test_labels_say_whose_rule_it_is_how_bad_it_is_and_what_to_do():
    check = one(
        """labels=["id"="triage.known", "severity"="warn", "reason"="why", "next_step"="what now",
                   "needs"="triage_level", "tolerated"="5", "on_failure"="quarantine", "team"="emergency"]"""
    )

    assert check == Check(
        "triage.known", "silver.encounters", check.node, "warn", "why", "what now", "triage_level", 5, True
    )
    assert check.node.labels["team"] == "emergency"


def test_default_labels_are_those_of_every_rule_that_has_none_of_its_own():
    text = f"""DefaultLabels = ["severity"="warn", "tolerated"="2"]
               Rules = [ {RULE}, IsUnique "encounter_id" labels=["severity"="fail"] ]"""

    checks = read_rules(text, "silver.encounters").checks

    assert [(check.severity, check.tolerated) for check in checks] == [("warn", 2), ("fail", 2)]


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        ('"id"="refused.visits"', "a name of the report's own"),
        ('"severity"="fatal"', "severity is 'fatal'"),
        ('"severity"="Fail"', "severity is 'Fail'"),
        ('"on_failure"="stop"', "on_failure is 'stop'"),
        ('"tolerated"="-1"', "tolerated is '-1'"),
        ('"tolerated"="a few"', "tolerated is 'a few'"),
        ('"tolerated"="1.5"', "tolerated is '1.5'"),
        ('"tolerated"="99999999999"', "tolerated is '99999999999'"),
        ('"tolerated"="٣"', "tolerated is '٣'"),
        ('"id"=""', "id ''"),
        ('"id"="two words"', "id 'two words'"),
        ('"id"="../rules"', "id '../rules'"),
        ('"id"=".hidden"', "id '.hidden'"),
        (f'"id"="{"a" * 101}"', "id 'aaa"),
        ('"id"="días"', "id 'días'"),
    ],
)
def test_a_label_that_says_what_it_cannot_is_refused_where_it_stands(labels, fault):
    with pytest.raises(DqdlError, match=fault) as raised:
        checks_of(f"RowCount > 0,\n  {RULE} labels=[{labels}]")

    assert (raised.value.line, raised.value.column) == (2, 3)


def test_two_rules_must_not_share_an_id():
    with pytest.raises(DqdlError, match="there are two rules 'a'") as raised:
        checks_of('RowCount > 0 labels=["id"="a"],\nColumnCount > 0 labels=["id"="a"]')

    assert raised.value.line == 2


HOLDING = 'IsComplete "bed_id" labels=["id"="bed", "on_failure"="quarantine"]'
TELLING = 'IsComplete "bed_id" labels=["id"="bed"]'


@pytest.mark.parametrize(
    ("of_encounters", "of_stays", "names"),
    [
        (TELLING, TELLING, ["silver.encounters:bed", "silver.stays:bed"]),
        # Held records are known by the id alone.
        (HOLDING, TELLING, ["bed", "silver.stays:bed"]),
        (TELLING, TELLING.replace('"bed"]', '"stays.bed"]'), ["bed", "stays.bed"]),
    ],
)
def test_rules_of_two_tables_that_share_an_id_are_told_apart_by_their_tables(of_encounters, of_stays, names):
    texts = {"silver.encounters": of_encounters, "silver.stays": of_stays}

    read = [read_rules(f"Rules = [ {text} ]", table) for table, text in texts.items()]
    found = told_apart(read)

    assert list(found) == list(texts)
    assert [check.rule_id for rules in found.values() for check in rules.checks] == names
    assert [own_id(name) for name in names] == [check.rule_id for rules in read for check in rules.checks]


@pytest.mark.parametrize(
    "tables", [("silver.encounters", "bronze.events_raw"), ("bronze.events_raw", "silver.encounters")]
)
def test_two_rules_that_hold_rows_under_one_id_are_refused_with_both_tables(tables):
    files = [read_rules(f"Rules = [ {HOLDING} ]", table) for table in tables]

    with pytest.raises(
        ConfigError, match=f"'bed' is the id of a rule of {tables[0]} and of one of {tables[1]}"
    ) as told:
        told_apart(files)

    assert f"adopt {tables[0]}.dqdl or {tables[1]}.dqdl again" in told.value.next_step


@pytest.mark.parametrize("code", ["TIME_UNREADABLE", "RULE_BROKEN"])
def test_a_reason_code_as_the_id_of_a_rule_is_read_where_it_counts_already(code):
    assert one(f'labels=["id"="{code}"]').rule_id == code


def test_the_same_rule_twice_needs_an_id_of_its_own():
    with pytest.raises(DqdlError, match="there are two rules"):
        checks_of("RowCount > 0, RowCount  >  0")


def ids(*rules, table="silver.encounters"):
    return [check.rule_id for check in checks_of(", ".join(rules), table)]


def test_a_rule_without_id_keeps_its_name_wherever_it_stands_and_whatever_its_labels():
    others = ('IsUnique "encounter_id"', "RowCount > 0")

    names = {
        *ids(RULE)[:1],
        *ids(*others, RULE)[2:],
        *ids(f"# why\n  {RULE}  # indeed\n")[:1],
        *ids(RULE.replace(" >= ", "   >=\n"))[:1],
        *ids(f'{RULE} labels=["severity"="warn", "reason"="a \\"reason\\" [of] = its, own"]')[:1],
    }

    (name,) = names
    assert name.startswith("encounters.triage_level.Completeness.")


def test_another_rule_has_another_name():
    rules = (
        RULE,
        RULE.replace("0.8", "0.9"),
        'Completeness "care_start" >= 0.8',
        f"{RULE} where \"sector_id = 'ED'\"",
        "(RowCount > 0) and (RowCount < 9)",
        "(RowCount > 0) or (RowCount < 9)",
        'CustomSql "select count(*) from primary" > 0',
    )

    names = ids(*rules) + ids(RULE, table="bronze.events_raw")

    assert len(set(names)) == len(rules) + 1


@pytest.mark.parametrize(
    ("rule", "columns"),
    [
        (RULE, ("triage_level",)),
        ('IsPrimaryKey "a" "b"', ("a", "b")),
        ("RowCount > 0", ()),
        ('RowCount = 0 where "a > b"', ()),
        ('ReferentialIntegrity "a, b" "ref.{c,d}" = 1', ("a", "b")),
        ('AggregateMatch "sum(a)" "avg(b)" = 1', ("a", "b")),
        ('AggregateMatch "sum(a)" "sum(ref.b)" = 1', ("a",)),
        ('CustomSql "select a from primary"', ()),
        ('DetectAnomalies "Mean" "a"', ("a",)),
        ('ColumnNamesMatchPattern "[a-z]+"', ()),
        ('(IsComplete "b") and (IsComplete "a") and (IsUnique "b")', ("b", "a")),
    ],
)
def test_a_rule_knows_the_columns_it_names(rule, columns):
    (check,) = checks_of(rule)

    assert check.columns == columns


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (RULE, RULE),
        (f'{RULE} labels=["id"="a"]', RULE),
        (
            'ColumnValues "a" > 1 labels=["id"="a", "reason"="x]y"] with threshold > 0.9',
            'ColumnValues "a" > 1 with threshold > 0.9',
        ),
        ('((IsComplete "a") and (IsComplete "b")) labels=["id"="x"]', '(IsComplete "a") and (IsComplete "b")'),
        ('ColumnValues "a" = "labels=[]"', 'ColumnValues "a" = "labels=[]"'),
    ],
)
def test_a_rule_is_shown_as_it_is_written_but_for_its_labels(text, shown):
    (check,) = checks_of(text)

    assert check.rule == shown


def test_a_file_of_rules_has_a_version_that_changes_with_its_text():
    files = [read_rules(f"Rules = [ {RULE} ]{end}", "silver.encounters") for end in ("", "", "\n")]

    first, again, changed = (file.version for file in files)
    assert first == again != changed
    assert len(first) == 12


@pytest.mark.parametrize("table", shipped_rules())
def test_the_product_s_rules_say_why_they_are_there_and_what_to_do(table):
    checks = read_rules(shipped_rules()[table], table).checks

    assert checks
    assert all(check.reason and check.next_step for check in checks)
    assert all(check.node.labels.get("id") for check in checks)


def test_analyzers_come_after_the_rules_each_once():
    analyzers = 'Completeness "triage_level", RowCount, Completeness "triage_level"'

    checks = read_rules(f"Rules = [ {RULE} ]\nAnalyzers = [ {analyzers} ]", "silver.encounters").checks

    assert [(check.rule, check.is_recorded) for check in checks] == [
        (RULE, False),
        ('Completeness "triage_level"', True),
        ("RowCount", True),
    ]
    assert len({check.rule_id for check in checks}) == 3


def test_whose_data_a_file_says_it_is_of_changes_nothing():
    head = 'Metadata = { "Version": "1.0" }\nDataSources = { "Primary": "elsewhere" }\n'

    plain, headed = (read_rules(f"{text}Rules = [ {RULE} ]", "silver.encounters").checks for text in ("", head))

    assert [check.rule_id for check in plain] == [check.rule_id for check in headed]
    assert {check.table for check in headed} == {"silver.encounters"}
