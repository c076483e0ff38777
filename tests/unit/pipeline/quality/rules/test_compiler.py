from __future__ import annotations

import time

import ibis
import pytest

from healthcare_ops.core.tables import ENCOUNTERS, STAYS
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.parser import parse
from healthcare_ops.pipeline.quality.rules.checks import shipped_rules
from healthcare_ops.pipeline.quality.rules.compiler import compile_check
from healthcare_ops.pipeline.quality.rules.lint import require_compilable
from healthcare_ops.pipeline.quality.rules.measures import Scope
from unit.pipeline.quality.judging import checks_of

SHARE = "a share is a number from 0 to 1"
TABLE = ibis.table({"encounter_id": "string", "level": "int64", "came_at": "timestamp"}, name="rows")


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ('Completeness "any" > 95', f"Completeness is compared with 95; {SHARE}, and 95 % is 0.95."),
        ('Uniqueness "any" between 0.5 and 1.5', f"Uniqueness is compared with 1.5; {SHARE}."),
        ('UniqueValueRatio "any" >= -0.5', f"UniqueValueRatio is compared with -0.5; {SHARE}."),
        ('DatasetMatch "any" "a" > 900', f"DatasetMatch is compared with 900; {SHARE}."),
        (
            'ColumnValues "any" > 5 with threshold >= 100',
            f"with threshold is compared with 100; {SHARE}, and 100 % is 1.",
        ),
        ('(RowCount > 0) or (Completeness "any" > 2)', f"Completeness is compared with 2; {SHARE}, and 2 % is 0.02."),
    ],
)
def test_a_share_is_held_against_no_number_that_none_can_be(rule, fault):
    with pytest.raises(DqdlError) as refused:
        require_compilable(parse(f"Rules = [ {rule} ]"))

    assert refused.value.fault == fault


@pytest.mark.parametrize(
    "rule",
    [
        'Completeness "any" = 1',
        'Completeness "any" >= 0',
        'Uniqueness "any" > 2 * avg(last(3))',
        "RowCount > 95",
        'Mean "any" between -5 and 5',
        'RowCountMatch "any" <= 1.5',
        'ColumnValues "any" > 95 with threshold > 0.95',
    ],
)
def test_what_is_no_share_or_can_be_one_is_taken(rule):
    assert require_compilable(parse(f"Rules = [ {rule} ]")) is None


def test_rules_that_count_already_may_hold_a_share_against_any_number():
    (check,) = checks_of('Completeness "level" > 95')

    assert compile_check(check, Scope(TABLE, {})).leaves


@pytest.mark.parametrize("table", shipped_rules())
def test_the_product_s_rules_can_be_judged(table):
    assert require_compilable(parse(shipped_rules()[table])) is None


@pytest.mark.parametrize(
    "rule",
    [
        'IsComplete "any"',
        'ColumnValues "any" > 5',
        'ColumnValues "any" = "x"',
        'ColumnValues "any" > (now() - 3 days)',
        'ColumnValues "any" = EMPTY',
        'ColumnValues "any" in [1, 2, NULL]',
        'ColumnValues "any" matches "[A-Z]+"',
        'ColumnLength "any" > 1',
        'ColumnDataType "any" = "DATE"',
        'DataFreshness "any" <= 24 hours',
        'Mean "any" > avg(last(10))',
        'ColumnCorrelation "any" "other" > 0.5',
        'Uniqueness "any" "other" > 0.5',
        "RowCount = 0 where \"a > b and c = 'x'\"",
        "IsComplete \"any\" where \"came_at >= '2026-03-01' and lower(sector) = 'ed'\"",
        'ReferentialIntegrity "a,b" "any.{c,d}" = 1',
        'DatasetMatch "any" "a->b" "c->d" > 0.9',
        'AggregateMatch "sum(a)" "sum(any.b)" = 1',
        'CustomSql "select count(*) from primary where a > 1" = 0',
        'DetectAnomalies "RowCount"',
        '((IsComplete "a") or (IsComplete "b")) and (RowCount > 0)',
        'ColumnLength "name" between 1 and 10 where "age >= 18"',
        'Completeness "a" > 0.9 where "flag and wait > 3"',
        'Completeness "a" > 0.5 where "t > \'2026-01-01\' and n + 1 > 2"',
        'DataFreshness "t" < 3 hours where "n > 3"',
        'Sum "x" > 3 where "flag"',
        'Sum "x" > 3 where "a = b and b = c and year(c) = 2026 and lower(d) = \'ed\' and not (flag or x > e)"',
        'Sum "x" > 3 where "flag and x + a + b + c + d + e > 3"',
        'Uniqueness "a" "b" > 0.5 where "a > \'2026-01-01\' and b + 1 > 3"',
    ],
)
def test_a_rule_that_some_table_can_be_judged_by_is_taken(rule):
    assert require_compilable(parse(f"Rules = [ {rule} ]")) is None


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ('ColumnValues "a" > last()', "not with past runs"),
        ('ColumnValues "a" matches "(?!x)"', "not read alike"),
        ('Mean "a" > mode(last(3))', "is not known"),
        ('Mean "a" > 1 / 0', "divides by nothing"),
        ('IsComplete "a" where "b = "', "is not SQL"),
        ('IsComplete "a" where "b = (select 1)"', "is not known in a condition"),
        ('IsComplete "a" where "f(b) = 1"', "is not known in a condition"),
        ('Sum "x" > 3 where "lower(x) = 1"', r"'LOWER\(x\) = 1' does not fit"),
        ('Sum "x" > 3 where "year(x) = 2026 and x + 1 > 2"', "(not a number|have no day)"),
        ('IsComplete "a" where "year(t) = 2026 and lower(t) = 1"', "LOWER"),
        (
            'IsComplete "a" where "a = b and b = c and year(c) = 2026 and a + 1 > 2"',
            "(not a number|have no day|does not fit)",
        ),
        ('IsComplete "a" where "1"', "neither true nor false"),
        ('CustomSql "select * from other"', "not a table of the rule"),
        ('CustomSql "drop table primary"', "only one SELECT"),
        ('ColumnDataType "a" = "COLOUR"', "one of boolean"),
        ('AggregateMatch "a" "b" = 1', "is not an aggregate"),
        ('DetectAnomalies "ColumnLength" "a"', "is not a number that is watched"),
        ("FileCount > 1", "not judged by this product"),
        ('ColumnValues "a" > 1 with hashAlgorithm = "MD5"', "not judged by this product"),
    ],
)
def test_a_rule_that_no_table_can_be_judged_by_is_refused_where_it_stands(rule, fault):
    with pytest.raises(DqdlError, match=fault) as raised:
        require_compilable(parse(f"Rules = [\n  RowCount > 0,\n  (RowCount > 1) and ({rule})\n]"))

    assert (raised.value.line, raised.value.column) == (3, 23)


def test_an_analyzer_of_any_column_is_taken():
    text = 'Analyzers = [ Completeness "a", Mean "b", ColumnCorrelation "a" "b", Uniqueness "a" "b", RowCount ]'

    assert require_compilable(parse(text)) is None


@pytest.mark.parametrize("analyzer", ['AllStatistics "a"', 'Distribution "a"', 'ColumnValues "a"'])
def test_an_analyzer_that_is_no_number_is_refused_where_it_stands(analyzer):
    with pytest.raises(DqdlError, match="not a number that is watched") as raised:
        require_compilable(parse(f"Rules = [ RowCount > 0 ]\nAnalyzers = [ RowCount,\n  {analyzer} ]"))

    assert (raised.value.line, raised.value.column) == (3, 3)


def test_a_long_file_of_rules_is_looked_through_in_seconds():
    rules = ", ".join(f'ColumnValues "c{number}" between 1 and {number + 2}' for number in range(500))
    started = time.perf_counter()

    require_compilable(parse(f"Rules = [ {rules} ]"))

    assert time.perf_counter() - started < 20


@pytest.mark.parametrize("part", ["c{0} > {0}", "c{0} = c{1}", "coalesce(c{0}, c{1}, c{2}, c{3}, c{4}, c{5}) > 2"])
def test_a_long_condition_is_looked_through_in_seconds(part):
    parts = " or ".join(part.format(*(number + more for more in range(6))) for number in range(60))
    started = time.perf_counter()

    require_compilable(parse(f'Rules = [ IsComplete "name" where "{parts} and is_urgent" ]'))

    assert time.perf_counter() - started < 20


def test_a_rule_may_have_a_hundred_parts():
    parts = " and ".join(
        f'(ColumnValues "level" != {number} where "encounter_id = \'{number}\'")' for number in range(100)
    )
    (check,) = checks_of(parts)

    compiled = compile_check(check, Scope(TABLE))

    assert "encounter_id" in str(ibis.to_sql(TABLE.filter(compiled.passes)))


QUARANTINE = 'labels=["on_failure"="quarantine"]'


@pytest.mark.parametrize(
    "rule",
    [
        f'ColumnValues "level" > 1 {QUARANTINE}',
        f'IsComplete "level" where "encounter_id is not null" {QUARANTINE}',
        f'((IsComplete "level") and (ColumnValues "came_at" > "2026-03-01")) {QUARANTINE}',
        f'RowCount = 0 where "level > 5" {QUARANTINE}',
        f'ColumnValues "encounter_id" != "now()" {QUARANTINE}',
    ],
)
def test_rows_are_held_by_a_rule_that_judges_them_one_by_one(rule):
    (check,) = checks_of(rule)

    assert compile_check(check, Scope(TABLE)).passes is not None


@pytest.mark.parametrize(
    ("rule", "table", "fault"),
    [
        (f'Mean "level" > 1 {QUARANTINE}', ENCOUNTERS, "does not judge row by row"),
        (f"RowCount > 1 {QUARANTINE}", ENCOUNTERS, "does not judge row by row"),
        (f'((IsComplete "level") and (RowCount > 1)) {QUARANTINE}', ENCOUNTERS, "does not judge row by row"),
        (f'ColumnValues "came_at" < now() {QUARANTINE}', ENCOUNTERS, r"speaks of now\(\)"),
        (f'DataFreshness "came_at" < 3 days {QUARANTINE}', ENCOUNTERS, r"speaks of now\(\)"),
        (f'IsComplete "level" {QUARANTINE}', STAYS, "are not held by themselves"),
    ],
)
def test_no_row_is_held_by_a_rule_that_cannot_say_which_or_changes_its_mind(rule, table, fault):
    (check,) = checks_of(rule, table.id)

    with pytest.raises(DqdlError, match=fault):
        compile_check(check, Scope(TABLE))
