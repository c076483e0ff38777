"""What each rule type counts: by hand, on rows that can be counted by hand."""

from __future__ import annotations

import math
import statistics
from datetime import date

import pyarrow as pa
import pytest

from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.rules.where import PRIMARY
from unit.pipeline.builders import at
from unit.pipeline.quality.judging import NOW, checks_of, judge, judge_one

WAITS = pa.table(
    {
        "encounter_id": ["a", "b", "c", "d", None],
        "sector_id": ["ED", "ED", "WARD", "WARD", None],
        "level": pa.array([1, 2, 2, None, 3], pa.int64()),
        "wait": pa.array([10.0, 20.0, 30.0, None, 40.0], pa.float64()),
        "double": pa.array([20.0, 40.0, 60.0, 80.0, None], pa.float64()),
        "note": ["", "  ", "x", None, "1.5"],
        "is_urgent": [True, False, None, True, True],
        "came_at": [
            at(text) if text else None
            for text in ("2026-03-20 11:59:59.5", "2026-03-20 12:00:00.000001", "2026-03-19 12:00", None, "2026-03-01")
        ],
        "day": [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 2), None, date(2026, 3, 19)],
        "number": ["1", " 2.50 ", "1e3", "ten", None],
        "time": ["2026-03-20T12:00:00Z", "2026-03-20T10:00:00.5-03:00", "2026-03-19", "soon", None],
        "flag": ["true", " FALSE", "1", "", None],
    }
)
NOTHING = WAITS.slice(0, 0)
# checked, violations, what the condition is held against, verdict
MET, UNMET, NA = "pass", "fail", "not_applicable"


def outcome(finding):
    """Return checked, violations, the value (to 9 digits) and the verdict of a finding of one part."""
    (measured,) = finding.measured
    value = None if measured.value is None else round(measured.value, 9)
    return finding.checked, finding.violations, value, finding.verdict


ROW_RULES = {
    # Completeness
    'IsComplete "level"': (5, 1, 0.8, UNMET),
    'IsComplete "note" where "level > 1"': (3, 0, 1.0, MET),
    'Completeness "level" >= 0.8': (5, 1, 0.8, MET),
    'Completeness "level" > 0.8': (5, 1, 0.8, UNMET),
    'Completeness "level" between 0.7 and 0.9': (5, 1, 0.8, MET),
    'Completeness "level" between 0.8 and 0.9': (5, 1, 0.8, UNMET),
    'Completeness "level" not between 0.8 and 0.9': (5, 1, 0.8, MET),
    'Completeness "note" = 1 where "level = 99"': (0, 0, None, NA),
    # Numbers
    'ColumnValues "level" = 2': (5, 3, 0.4, UNMET),
    'ColumnValues "level" != 2': (5, 2, 0.6, UNMET),
    'ColumnValues "level" > 1': (5, 2, 0.6, UNMET),
    'ColumnValues "level" >= 1': (5, 1, 0.8, UNMET),
    'ColumnValues "level" < 3': (5, 2, 0.6, UNMET),
    'ColumnValues "level" <= 3': (5, 1, 0.8, UNMET),
    'ColumnValues "level" between 1 and 3': (5, 3, 0.4, UNMET),
    'ColumnValues "level" not between 1 and 3': (5, 2, 0.6, UNMET),
    'ColumnValues "level" in [1, 2]': (5, 2, 0.6, UNMET),
    'ColumnValues "level" not in [1, 2]': (5, 3, 0.4, UNMET),
    'ColumnValues "level" in [1, 2, 3, NULL]': (5, 0, 1.0, MET),
    'ColumnValues "level" not in [1, 2, NULL]': (5, 4, 0.2, UNMET),
    'ColumnValues "level" = NULL': (5, 4, 0.2, UNMET),
    'ColumnValues "level" != NULL': (5, 1, 0.8, UNMET),
    'ColumnValues "level" > 2 / 2': (5, 2, 0.6, UNMET),
    'ColumnValues "wait" = 10.0 where "level = 1"': (1, 0, 1.0, MET),
    'ColumnValues "wait" >= 10 where "wait is not null"': (4, 0, 1.0, MET),
    'ColumnValues "level" > 1 with threshold >= 0.6': (5, 2, 0.6, MET),
    'ColumnValues "level" > 1 with threshold > 0.6': (5, 2, 0.6, UNMET),
    'ColumnValues "level" > 1 with threshold between 0.5 and 0.7': (5, 2, 0.6, MET),
    'ColumnValues "level" > 1 where "sector_id = \'ED\'" with threshold = 0.5': (2, 1, 0.5, MET),
    # Texts
    'ColumnValues "sector_id" = "ED"': (5, 3, 0.4, UNMET),
    'ColumnValues "sector_id" != "ED"': (5, 2, 0.6, UNMET),
    'ColumnValues "sector_id" in ["ED", "WARD"]': (5, 1, 0.8, UNMET),
    'ColumnValues "sector_id" in ["ED", "WARD", NULL]': (5, 0, 1.0, MET),
    'ColumnValues "sector_id" not in ["ED"]': (5, 2, 0.6, UNMET),
    'ColumnValues "sector_id" matches "E."': (5, 3, 0.4, UNMET),
    'ColumnValues "sector_id" matches "E"': (5, 5, 0.0, UNMET),
    'ColumnValues "sector_id" matches "ED|W[A-Z]+"': (5, 1, 0.8, UNMET),
    'ColumnValues "sector_id" not matches "E."': (5, 2, 0.6, UNMET),
    'ColumnValues "level" matches "[12]"': (5, 2, 0.6, UNMET),
    'ColumnValues "note" = EMPTY': (5, 4, 0.2, UNMET),
    'ColumnValues "note" != EMPTY': (5, 1, 0.8, UNMET),
    'ColumnValues "note" = WHITESPACES_ONLY': (5, 4, 0.2, UNMET),
    'ColumnValues "note" in [NULL, EMPTY, WHITESPACES_ONLY]': (5, 2, 0.6, UNMET),
    'ColumnValues "note" not in [NULL, EMPTY, WHITESPACES_ONLY]': (5, 3, 0.4, UNMET),
    'ColumnLength "sector_id" = 2': (5, 3, 0.4, UNMET),
    'ColumnLength "sector_id" between 2 and 5': (5, 3, 0.4, UNMET),
    'ColumnLength "note" >= 0': (5, 1, 0.8, UNMET),
    'ColumnLength "note" in [0, 1]': (5, 3, 0.4, UNMET),
    'ColumnLength "note" != 3 with threshold = 0.8': (5, 1, 0.8, MET),
    # Texts read as numbers
    'ColumnValues "number" > 0': (5, 2, 0.6, UNMET),
    'ColumnValues "number" = 2.5': (5, 4, 0.2, UNMET),
    'ColumnValues "number" in [1, 1000]': (5, 3, 0.4, UNMET),
    'ColumnValues "number" not between 0 and 2': (5, 1, 0.8, UNMET),
    # Days and times
    'ColumnValues "day" = "2026-03-02"': (5, 3, 0.4, UNMET),
    'ColumnValues "day" != "2026-03-02"': (5, 2, 0.6, UNMET),
    'ColumnValues "day" > "2026-03-01"': (5, 2, 0.6, UNMET),
    'ColumnValues "day" between "2026-03-01" and "2026-03-19"': (5, 3, 0.4, UNMET),
    'ColumnValues "day" in ["2026-03-01", "2026-03-19", NULL]': (5, 2, 0.6, UNMET),
    'ColumnValues "day" >= (now() - 1 days)': (5, 4, 0.2, UNMET),
    'ColumnValues "came_at" = "2026-03-20"': (5, 3, 0.4, UNMET),
    'ColumnValues "came_at" in ["2026-03-19", "2026-03-20"]': (5, 2, 0.6, UNMET),
    'ColumnValues "came_at" <= "2026-03-01"': (5, 4, 0.2, UNMET),
    'ColumnValues "came_at" > now()': (5, 4, 0.2, UNMET),
    'ColumnValues "came_at" < now()': (5, 2, 0.6, UNMET),
    'ColumnValues "came_at" <= (now() + 1 minutes)': (5, 1, 0.8, UNMET),
    'ColumnValues "came_at" between (now() - 24 hours) and (now() + 1 hours)': (5, 3, 0.4, UNMET),
    'ColumnValues "came_at" between (now() - 1441 minutes) and (now() + 1 hours)': (5, 2, 0.6, UNMET),
    'ColumnValues "came_at" = NULL': (5, 4, 0.2, UNMET),
    'ColumnValues "time" <= now()': (5, 3, 0.4, UNMET),
    'ColumnValues "time" > now()': (5, 4, 0.2, UNMET),
    'ColumnValues "time" = "2026-03-19"': (5, 4, 0.2, UNMET),
    'ColumnValues "time" >= "2026-03-19"': (5, 2, 0.6, UNMET),
    'DataFreshness "came_at" <= 24 hours': (5, 2, 0.6, UNMET),
    'DataFreshness "came_at" < 24 hours': (5, 3, 0.4, UNMET),
    'DataFreshness "came_at" > 0 minutes': (5, 2, 0.6, UNMET),
    'DataFreshness "came_at" between 1 hours and 20 days': (5, 3, 0.4, UNMET),
    'DataFreshness "came_at" not between 1 hours and 20 days': (5, 2, 0.6, UNMET),
    'DataFreshness "came_at" in [24 hours, 1 minutes]': (5, 4, 0.2, UNMET),
    'DataFreshness "came_at" = 1 days where "sector_id = \'WARD\' and came_at is not null"': (1, 0, 1.0, MET),
    'DataFreshness "day" <= 20 days': (5, 1, 0.8, UNMET),
    'DataFreshness "time" <= 36 hours': (5, 2, 0.6, UNMET),
    # Types
    'ColumnDataType "flag" = "BOOLEAN"': (5, 3, 0.4, UNMET),
    'ColumnDataType "time" = "TIMESTAMP"': (5, 2, 0.6, UNMET),
    'ColumnDataType "time" = "DATE"': (5, 4, 0.2, UNMET),
    'ColumnDataType "number" = "INTEGER"': (5, 4, 0.2, UNMET),
    'ColumnDataType "number" = "LONG"': (5, 4, 0.2, UNMET),
    'ColumnDataType "number" = "DOUBLE"': (5, 2, 0.6, UNMET),
    'ColumnDataType "number" = "FLOAT" with threshold >= 0.6': (5, 2, 0.6, MET),
    'ColumnDataType "note" = "STRING" where "note is not null"': (4, 0, 1.0, MET),
    # No row of a kind
    'RowCount = 0 where "wait > 30"': (5, 1, 0.8, UNMET),
    'RowCount = 0 where "wait > 40"': (5, 0, 1.0, MET),
}
NUMBER_RULES = {
    "RowCount = 5": (5, None, 5.0, MET),
    "RowCount > 5": (5, None, 5.0, UNMET),
    "RowCount in [4, 6]": (5, None, 5.0, UNMET),
    'RowCount >= 2 where "level = 2"': (5, None, 2.0, MET),
    'RowCount = 1 where "level = 2"': (5, None, 2.0, UNMET),
    "ColumnCount = 12": (5, None, 12.0, MET),
    "ColumnCount < 12": (5, None, 12.0, UNMET),
    'ColumnExists "wait"': (5, None, 1.0, MET),
    'ColumnExists "weight"': (5, None, 0.0, UNMET),
    'ColumnNamesMatchPattern "[a-z_]+"': (5, None, 1.0, MET),
    'ColumnNamesMatchPattern "[a-z]+"': (5, None, 0.0, UNMET),
    'ColumnDataType "wait" = "DOUBLE"': (5, None, 1.0, MET),
    'ColumnDataType "level" = "LONG"': (5, None, 1.0, MET),
    'ColumnDataType "level" = "DOUBLE"': (5, None, 0.0, UNMET),
    'ColumnDataType "day" = "DATE"': (5, None, 1.0, MET),
    'ColumnDataType "came_at" = "TIMESTAMP"': (5, None, 1.0, MET),
    'ColumnDataType "is_urgent" = "BOOLEAN"': (5, None, 1.0, MET),
    'Mean "wait" = 25': (5, None, 25.0, MET),
    'Mean "wait" < 25': (5, None, 25.0, UNMET),
    'Mean "wait" between 14 and 16 where "sector_id = \'ED\'"': (5, None, 15.0, MET),
    'Mean "level" = 2': (5, None, 2.0, MET),
    'Mean "number" > 334 ': (5, None, round((1 + 2.5 + 1000) / 3, 9), MET),
    'Mean "wait" > 0 where "level = 99"': (5, None, None, NA),
    'Sum "wait" = 100': (5, None, 100.0, MET),
    'Sum "level" = 8 where "level > 0"': (5, None, 8.0, MET),
    'Sum "number" between 1003 and 1004': (5, None, 1003.5, MET),
    'Sum "wait" > 0 where "level = 99"': (5, None, None, NA),
    'StandardDeviation "wait" < 12': (5, None, round(statistics.pstdev([10, 20, 30, 40]), 9), MET),
    'StandardDeviation "wait" = 0 where "level = 1"': (5, None, 0.0, MET),
    'ColumnCorrelation "wait" "double" > 0.99': (5, None, 1.0, MET),
    'ColumnCorrelation "wait" "double" > 0.99 where "level = 1"': (5, None, None, NA),
    'Entropy "level" between 1.03 and 1.04': (5, None, round(0.5 * math.log(2) + 2 * 0.25 * math.log(4), 9), MET),
    'Entropy "level" = 0 where "level = 2"': (5, None, 0.0, MET),
    'Entropy "level" >= 0 where "level = 99"': (5, None, None, NA),
}
KEY_RULES = {
    'IsUnique "encounter_id"': (4, 0, 1.0, MET),
    'IsUnique "level"': (4, 1, 0.75, UNMET),
    'IsUnique "level" where "level != 2"': (2, 0, 1.0, MET),
    'IsUnique "sector_id" "level"': (5, 0, 1.0, MET),
    'IsPrimaryKey "encounter_id"': (5, 1, 0.8, UNMET),
    'IsPrimaryKey "encounter_id" where "encounter_id is not null"': (4, 0, 1.0, MET),
    'IsPrimaryKey "sector_id" "level"': (5, 2, 0.6, UNMET),
    'Uniqueness "level" = 0.5': (4, 1, 0.5, MET),
    'Uniqueness "sector_id" > 0': (4, 2, 0.0, UNMET),
    'Uniqueness "sector_id" "level" = 1': (5, 0, 1.0, MET),
    'UniqueValueRatio "level" between 0.66 and 0.67': (4, 1, round(2 / 3, 9), MET),
    'DistinctValuesCount "level" = 3': (4, None, 3.0, MET),
    'DistinctValuesCount "level" > 3': (4, None, 3.0, UNMET),
    'DistinctValuesCount "level" = 1 where "level = 2"': (2, None, 1.0, MET),
}


@pytest.mark.parametrize(("rule", "found"), (ROW_RULES | NUMBER_RULES | KEY_RULES).items())
def test_a_rule_counts_what_it_says(engine, rule, found):
    assert outcome(judge_one(engine, rule, WAITS)) == found


@pytest.mark.parametrize(
    "rule",
    [
        'IsComplete "level"',
        'Completeness "level" > 0',
        'ColumnValues "level" > 1 with threshold > 0',
        'ColumnLength "note" = 1',
        'DataFreshness "came_at" <= 24 hours',
        'ColumnDataType "flag" = "BOOLEAN"',
        'RowCount = 0 where "wait > 30"',
        'Mean "wait" > 0',
        'Sum "wait" > 0',
        'StandardDeviation "wait" >= 0',
        'ColumnCorrelation "wait" "double" > 0',
        'Entropy "level" >= 0',
        'IsUnique "level"',
        'IsPrimaryKey "level"',
        'Uniqueness "level" > 0',
        'UniqueValueRatio "level" > 0',
        '(IsComplete "level") and (IsUnique "level")',
    ],
)
def test_of_no_rows_there_is_nothing_to_judge(engine, rule):
    finding = judge_one(engine, rule, NOTHING)

    assert (finding.checked, finding.violations or 0, finding.verdict) == (0, 0, NA)


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ("RowCount = 0", MET),
        ("RowCount > 0", UNMET),
        ('RowCount > 0 where "level = 1"', UNMET),
        ("ColumnCount = 12", MET),
        ('ColumnExists "wait"', MET),
        ('DistinctValuesCount "level" > 0', UNMET),
    ],
)
def test_that_there_are_no_rows_can_itself_be_judged(engine, rule, verdict):
    assert judge_one(engine, rule, NOTHING).verdict == verdict


def test_a_text_that_engines_read_differently_as_a_number_is_none(engine):
    texts = ["1_000", "1d", "Infinity", "NaN", "0x10", "1,5", "", "+.5", "5."]
    rows = pa.table({"dose": texts})

    finding = judge_one(engine, 'ColumnValues "dose" > 0', rows)

    assert (finding.checked, finding.violations) == (9, 7)


def test_what_is_not_a_number_meets_no_condition(engine):
    rows = pa.table({"wait": [1.0, float("nan")]})

    findings = judge(engine, 'ColumnValues "wait" > 0, ColumnValues "wait" < 9, Mean "wait" = 1', rows)

    assert [(finding.violations, finding.verdict) for finding in findings] == [(1, UNMET), (1, UNMET), (None, MET)]


def test_a_list_may_have_thousands_of_codes(engine):
    codes = ", ".join(f'"{number}"' for number in range(3000))
    numbers = ", ".join(map(str, range(3000)))
    rows = pa.table({"code": ["7", "2999", "3000"], "number": [7, 2999, 3000]})

    findings = judge(engine, f'ColumnValues "code" in [{codes}], ColumnValues "number" not in [{numbers}]', rows)

    assert [finding.violations for finding in findings] == [1, 2]


# Rules of several parts


@pytest.mark.parametrize(
    ("rule", "counts", "verdict"),
    [
        ('(IsComplete "level") and (IsComplete "wait")', (5, 1), UNMET),
        ('(IsComplete "level") and (IsComplete "sector_id")', (5, 2), UNMET),
        ('(IsComplete "level") or (IsComplete "sector_id")', (5, 0), UNMET),
        ('(Completeness "level" > 0.7) and (Completeness "sector_id" > 0.7)', (5, 2), MET),
        ('(IsComplete "level") or (RowCount = 5)', (5, 1), MET),
        ('(IsComplete "level" where "level > 0") and (RowCount = 6)', (4, 0), UNMET),
        ("(RowCount = 5) and (ColumnCount = 12)", (5, None), MET),
        ("(RowCount = 5) and (ColumnCount = 13)", (5, None), UNMET),
        ("(RowCount = 4) or ((RowCount = 5) and ((ColumnCount = 1) or (ColumnCount = 12)))", (5, None), MET),
        ("((RowCount = 4) or (RowCount = 5)) and (ColumnCount = 1)", (5, None), UNMET),
        ('(Mean "wait" > 0 where "level = 99") and (RowCount = 5)', (5, None), MET),
        ('(Mean "wait" > 0 where "level = 99") or (RowCount = 4)', (5, None), UNMET),
        ('(IsUnique "encounter_id") and (IsComplete "level")', (5, 1), UNMET),
        ('(IsComplete "level" where "sector_id = \'ED\'") and (IsComplete "wait" where "level = 1")', (2, 0), MET),
    ],
)
def test_a_rule_of_parts_joins_the_verdicts_of_its_parts(engine, rule, counts, verdict):
    finding = judge_one(engine, rule, WAITS)

    assert ((finding.checked, finding.violations), finding.verdict) == (counts, verdict)


# Verdicts


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ('IsComplete "level" labels=["severity"="warn"]', "warn"),
        ('IsComplete "level" labels=["tolerated"="1"]', "warn"),
        ('IsComplete "level" labels=["tolerated"="0"]', "fail"),
        ('Completeness "level" < 0.5', "fail"),
        ('Completeness "encounter_id" < 0.5 labels=["tolerated"="1"]', "warn"),
        ('(IsComplete "is_urgent" where "level = 1") and (RowCount = 9)', "fail"),
        ('((IsComplete "is_urgent" where "level = 1") and (RowCount = 9)) labels=["tolerated"="3"]', "fail"),
        ('RowCount = 9 labels=["tolerated"="3"]', "fail"),
        ('RowCount = 9 labels=["severity"="warn"]', "warn"),
    ],
)
def test_a_broken_rule_is_as_bad_as_its_labels_say(engine, rule, verdict):
    assert judge_one(engine, rule, WAITS).verdict == verdict


# What the runs before measured


@pytest.mark.parametrize(
    ("rule", "past", "verdict"),
    [
        ("RowCount > last()", [4.0, 9.0], MET),
        ("RowCount > last()", [5.0, 1.0], UNMET),
        ("RowCount >= 0.8 * avg(last(3))", [6.0, 6.0, 6.0, 999.0], MET),
        ("RowCount >= 0.9 * avg(last(3))", [6.0, 6.0, 6.0, 0.0], UNMET),
        ("RowCount between min(last(3)) and max(last(3))", [4.0, 9.0, 5.0], MET),
        ("RowCount between min(last(3)) and max(last(3))", [5.0, 9.0], UNMET),
        ("RowCount >= median(last(3))", [9.0, 5.0, 1.0], MET),
        ("RowCount > avg(last(2)) - std(last(2))", [4.0, 8.0], MET),
        ("RowCount > last(2)", [], NA),
        ("(RowCount > last()) and (ColumnCount = 12)", [], MET),
        ("(RowCount > last()) and (ColumnCount = 1)", [], UNMET),
        ('Completeness "level" >= avg(last(2)) - 0.1', [0.9, 0.9], MET),
        ('ColumnValues "level" > 1 with threshold > last()', [0.5], MET),
        ('ColumnValues "level" > 1 with threshold > last()', [0.6], UNMET),
        ('Mean "wait" between 0.5 * avg(last(5)) and 2 * avg(last(5))', [20.0], MET),
        ('IsComplete "level"', [], UNMET),
        ('DetectAnomalies "RowCount"', [5.0, 5.0, 5.0, 5.0, 5.0], MET),
        ('DetectAnomalies "RowCount"', [6.0, 6.0, 6.0, 6.0, 6.0], UNMET),
        ('DetectAnomalies "RowCount"', [6.0, 6.0, 6.0, 6.0], NA),
        ('DetectAnomalies "Mean" "wait"', [20.0, 30.0, 25.0, 24.0, 26.0], MET),
        ('DetectAnomalies "Completeness" "level"', [0.99, 0.98, 0.99, 1.0, 0.99], UNMET),
    ],
)
def test_a_rule_may_speak_of_what_it_measured_in_the_runs_before(engine, rule, past, verdict):
    (check,) = checks_of(rule)

    finding = judge_one(engine, rule, WAITS, history={check.rule_id: [[value, 12.0] for value in past]})

    assert finding.verdict == verdict


def test_each_part_of_a_rule_has_its_own_past_and_a_run_that_measured_nothing_is_left_out(engine):
    rule = '(RowCount > last()) and (Mean "wait" > last())'
    (check,) = checks_of(rule)

    verdicts = [
        judge_one(engine, rule, WAITS, history={check.rule_id: past}).verdict
        for past in ([[4.0, 24.0]], [[5.0, 24.0]], [[4.0, 25.0]], [[4.0, None], [9.0, 24.0]], [[4.0], [9.0, 25.0]])
    ]

    assert verdicts == [MET, UNMET, UNMET, MET, UNMET]


def test_an_ordinary_value_is_what_was_measured_and_no_verdict_of_its_own(engine):
    (check,) = checks_of('DetectAnomalies "Mean" "wait"')

    (measured,) = judge_one(engine, check, WAITS, history={check.rule_id: [[25.0]] * 5}).measured

    assert (measured.value, measured.limit) == (25.0, "as in the runs before")


# Other tables

KNOWN = pa.table(
    {
        "code": ["ED", "ED", "ICU", None],
        "rank": pa.array([1, 2, 2, 9], pa.int64()),
        "wait": pa.array([10.0, 21.0, 30.0, 39.0], pa.float64()),
    }
)


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ('ReferentialIntegrity "sector_id" "ref.code" >= 0.4', (5, 3, 0.4, MET)),
        ('ReferentialIntegrity "sector_id" "ref.code" = 1.0', (5, 3, 0.4, UNMET)),
        ('ReferentialIntegrity "sector_id" "ref.{code}" < 0.5', (5, 3, 0.4, MET)),
        ('ReferentialIntegrity "sector_id,level" "ref.{code,rank}" = 1', (5, 3, 0.4, UNMET)),
        ('ReferentialIntegrity "sector_id, wait" "ref.{code, wait}" = 0.2', (5, 4, 0.2, MET)),
        ('ReferentialIntegrity "level" "ref.rank" = 0.6', (5, 2, 0.6, MET)),
        ('RowCountMatch "ref" = 1.25', (5, None, 1.25, MET)),
        ('RowCountMatch "ref" between 0.9 and 1.1', (5, None, 1.25, UNMET)),
        ('RowCountMatch "none" > 0', (5, None, None, NA)),
        ('SchemaMatch "ref" between 0.08 and 0.09', (5, None, round(1 / 12, 9), MET)),
        ('SchemaMatch "same" = 1.0', (5, None, 1.0, MET)),
        ('AggregateMatch "sum(wait)" "sum(ref.wait)" = 1.0', (5, None, 1.0, MET)),
        ('AggregateMatch "sum(level)" "sum(wait)" = 0.08', (5, None, 0.08, MET)),
        ('AggregateMatch "sum(wait)" "sum(level)" = 12.5', (5, None, 12.5, MET)),
        ('AggregateMatch "avg(wait)" "avg(ref.wait)" = 1', (5, None, 1.0, MET)),
        ('AggregateMatch "max(level)" "min(ref.rank)" = 3', (5, None, 3.0, MET)),
        ('AggregateMatch "count(level)" "count(*)" > 0.8', (5, None, 0.8, UNMET)),
        ('AggregateMatch "count(*)" "count(none.*)" > 0', (5, None, None, NA)),
        ('DatasetMatch "ref" "level->rank" "wait" = 0.4', (5, 3, 0.4, MET)),
        ('DatasetMatch "ref" "sector_id->code,level->rank" "wait->wait" > 0.5', (5, 4, 0.2, UNMET)),
        ('DatasetMatch "same" "encounter_id" = 0.8', (5, 1, 0.8, MET)),
    ],
)
def test_a_table_may_be_compared_with_another(engine, rule, found):
    finding = judge_one(engine, rule, WAITS, references={"ref": KNOWN, "same": WAITS, "none": KNOWN.slice(0, 0)})

    assert outcome(finding) == found


def test_of_no_rows_no_other_table_tells_anything(engine):
    rules = (
        'ReferentialIntegrity "level" "ref.rank" = 1',
        'DatasetMatch "ref" "level->rank" "wait" = 1',
        'AggregateMatch "sum(wait)" "sum(level)" <= 1',
    )

    findings = judge(engine, ", ".join(rules), NOTHING, references={"ref": KNOWN})

    assert [finding.verdict for finding in findings] == [NA] * 3


# Queries of the rule's author


@pytest.fixture(scope="module")
def ask(engine):
    rows = engine.table(WAITS)
    return lambda sql: engine.query(sql, {PRIMARY: rows})


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ('CustomSql "select count(*) from primary" = 5', (5, None, 5.0, MET)),
        ('CustomSql "select count(*) from primary where level > 1" between 3 and 5', (5, None, 3.0, UNMET)),
        ('CustomSql "select sum(wait) from primary" > avg(last(3))', (5, None, 100.0, NA)),
        ('CustomSql "select avg(wait / level) from primary" in [11, 12]', (5, None, 12.083333333, UNMET)),
        ('CustomSql "select 1 / 0" = 0', (5, None, None, UNMET)),
        ('CustomSql "select wait from primary" = 10', (5, None, None, UNMET)),
        ('CustomSql "select wait from primary where 1 = 2" = 10', (5, None, None, UNMET)),
        ("CustomSql \"select 'many'\" = 10", (5, None, None, UNMET)),
        ('CustomSql "select encounter_id from primary where level > 1"', (5, 2, 0.6, UNMET)),
        ('CustomSql "select encounter_id from primary where level > 1" with threshold >= 0.6', (5, 2, 0.6, MET)),
        ('CustomSql "select * from primary"', (5, 0, 1.0, MET)),
        ('CustomSql "select * from primary p, primary q"', (5, 0, 1.0, MET)),
        ('CustomSql "select * from primary where 1 = 2" with threshold > 0', (5, 5, 0.0, UNMET)),
        ('CustomSql "select * from primary where came_at < current_timestamp()"', (5, 2, 0.6, UNMET)),
        ('CustomSql "select * from primary where day = date_sub(current_date, 1)"', (5, 4, 0.2, UNMET)),
        ('CustomSql "select count(distinct level) from primary as t(level)" = 4', (5, None, 4.0, MET)),
        ('CustomSql "select count(*) from primary t(id, sector) where sector is null" = 1', (5, None, 1.0, MET)),
        ('CustomSql "with x as (select level from primary) select level from x order by 1 -- all"', (5, 0, 1.0, MET)),
    ],
)
def test_a_query_gives_a_number_or_the_rows_that_pass(engine, ask, rule, found):
    assert outcome(judge_one(engine, rule, WAITS, ask=ask)) == found


def test_a_query_may_be_one_part_of_a_rule(engine, ask):
    rule = '(CustomSql "select count(*) from primary" = 5) and (IsComplete "level")'

    finding = judge_one(engine, rule, WAITS, ask=ask)

    assert ([part.is_met for part in finding.measured], finding.verdict) == ([True, False], UNMET)


def test_a_query_sees_the_values_as_they_are(engine):
    large, instant = 2**53 + 1, at("2026-03-20 23:59:59.999999")
    values = {"number": [large, None], "size": [math.nan, None], "came_at": [instant, None], "day": [None, NOW.date()]}
    rows = pa.table(values)

    found = engine.query("select * from primary where number is not null", {PRIMARY: engine.table(rows)})

    (row,) = found.to_pylist()
    assert math.isnan(row.pop("size"))
    assert row == {"number": large, "came_at": instant, "day": None}


def test_a_query_sees_an_instant_in_utc_and_without_a_zone(engine):
    instant = at("2026-03-20 23:59:59.999999")
    rows = pa.table({"came_at": pa.array([instant, None], pa.timestamp("us", "UTC"))})

    found = engine.query("select came_at from primary where came_at is not null", {PRIMARY: engine.table(rows)})

    assert found.to_pylist() == [{"came_at": instant}]


def test_of_no_rows_a_query_of_rows_tells_nothing(engine, ask):
    finding = judge_one(engine, 'CustomSql "select * from primary"', NOTHING, ask=ask)

    assert finding.verdict == NA


# Refused


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ('IsComplete "weight"', "there is no column 'weight'"),
        ('IsUnique "level" "weight"', "there is no column 'weight'"),
        ('IsComplete "level" where "weight > 1"', "there is no column 'weight'"),
        ('IsComplete "levels"', "there is no column 'levels'; 'level' is the nearest."),
        ('IsComplete "level" where "note = home"', r"a text stands in single quotes: 'home'\)"),
        ('IsComplete "level" where "came_at"', "'came_at' is times, neither true nor false"),
        ('Mean "came_at" > 1', "the column holds times, not numbers"),
        ('Sum "is_urgent" > 1', "the column holds true or false, not numbers"),
        ('ColumnLength "level" > 1', "not texts"),
        ('ColumnValues "is_urgent" > 1', "not numbers"),
        ('ColumnValues "level" = EMPTY', "EMPTY speaks of texts"),
        ('ColumnValues "level" > now()', "not times"),
        ('ColumnValues "level" = "2026-03-01"', "not times"),
        ('ColumnValues "level" > last()', "not with past runs"),
        ('ColumnValues "level" > 1 / 0', "divides by nothing"),
        ('ColumnValues "time" = "10:30"', "needs numbers or times"),
        ('ColumnValues "note" matches "(?<=a)x"', "not read alike"),
        ('ColumnValues "note" matches "["', "not a regular expression"),
        ('ColumnDataType "note" = "COLOUR"', "one of boolean"),
        ('ColumnDataType "note" != "STRING"', "one of boolean"),
        ('ColumnNamesMatchPattern "(?=a)"', "not read alike"),
        ('DataFreshness "level" < 1 hours', "not times"),
        ('ReferentialIntegrity "level" "ref.code" = 1', "ReferentialIntegrity"),
        ('ReferentialIntegrity "level" "other.code" = 1', "there is no table 'other'"),
        ('ReferentialIntegrity "level" "ref.colour" = 1', "there is no column 'colour'"),
        ('ReferentialIntegrity "level,wait" "ref.{rank}" = 1', "2 columns are compared with 1"),
        ('RowCountMatch "other" = 1', "there is no table 'other'"),
        ('AggregateMatch "mode(wait)" "sum(wait)" = 1', "is not an aggregate"),
        ('AggregateMatch "sum(note.wait)" "sum(wait)" = 1', "there is no table 'note'"),
        ('AggregateMatch "sum(colour)" "sum(wait)" = 1', "there is no column 'colour'"),
        ('DatasetMatch "ref" "level" = 1', "there is no column"),
        ('DatasetMatch "ref" "level->code" "wait" = 1', "DatasetMatch"),
        ('DetectAnomalies "ColumnValues" "wait"', "is not a number that is watched"),
        ('CustomSql "select count(*) from other" = 0', "not a table of the rule"),
        ("FileCount > 1", "not judged by this product"),
    ],
)
def test_a_rule_that_does_not_fit_the_table_is_refused_where_it_stands(engine, rule, fault):
    with pytest.raises(DqdlError, match=fault) as raised:
        judge(engine, f"RowCount = 5,\n{rule}", WAITS, references={"ref": KNOWN})

    assert (raised.value.line, raised.value.column) == (2, 1)
