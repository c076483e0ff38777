from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_ops.orchestrator.choices import OPERATORS, holds
from healthcare_ops.orchestrator.paths import PathError

pytestmark = pytest.mark.spec("Choice State: Data-test expressions")

DOCUMENT = {
    "text": "daily",
    "early": "a",
    "late": "b",
    "one": 1,
    "half": 0.5,
    "yes": True,
    "no": False,
    "null": None,
    "star": "a*b",
    "slash": "a\\b",
    "file": "log-2026.txt",
    "lines": "one\ntwo",
    "noon": "2026-03-01T12:00:00Z",
    "noon_in_sao_paulo": "2026-03-01T09:00:00.000-03:00",
    "just_after": "2026-03-01T12:00:00.0000001Z",
}
CASES = [
    # operator, variable, operand, whether it holds
    ("StringEquals", "text", "daily", True),
    ("StringEquals", "text", "Daily", False),
    ("StringEquals", "one", "1", False),
    ("StringLessThan", "early", "b", True),
    ("StringLessThan", "late", "b", False),
    ("StringLessThanEquals", "late", "b", True),
    ("StringLessThanEquals", "late", "a", False),
    ("StringGreaterThan", "late", "a", True),
    ("StringGreaterThan", "late", "b", False),
    ("StringGreaterThanEquals", "late", "b", True),
    ("StringGreaterThanEquals", "early", "b", False),
    ("NumericEquals", "one", 1.0, True),
    ("NumericEquals", "half", 1, False),
    ("NumericEquals", "yes", 1, False),
    ("NumericEquals", "text", 1, False),
    ("NumericLessThan", "half", 1, True),
    ("NumericLessThan", "one", 1, False),
    ("NumericLessThanEquals", "one", 1, True),
    ("NumericLessThanEquals", "one", 0.5, False),
    ("NumericGreaterThan", "one", 0.5, True),
    ("NumericGreaterThan", "one", 1, False),
    ("NumericGreaterThanEquals", "one", 1, True),
    ("NumericGreaterThanEquals", "half", 1, False),
    ("BooleanEquals", "yes", True, True),
    ("BooleanEquals", "no", True, False),
    ("BooleanEquals", "one", True, False),
    ("StringEqualsPath", "text", "$.text", True),
    ("StringEqualsPath", "early", "$.late", False),
    ("StringLessThanPath", "early", "$.late", True),
    ("StringLessThanPath", "late", "$.early", False),
    ("StringLessThanEqualsPath", "late", "$.late", True),
    ("StringLessThanEqualsPath", "late", "$.early", False),
    ("StringGreaterThanPath", "late", "$.early", True),
    ("StringGreaterThanPath", "late", "$.late", False),
    ("StringGreaterThanEqualsPath", "late", "$.late", True),
    ("StringGreaterThanEqualsPath", "early", "$.late", False),
    ("NumericEqualsPath", "one", "$.one", True),
    ("NumericEqualsPath", "one", "$.text", False),
    ("NumericLessThanPath", "half", "$.one", True),
    ("NumericLessThanPath", "one", "$.half", False),
    ("NumericLessThanPath", "one", "$.text", False),
    ("NumericLessThanEqualsPath", "one", "$.one", True),
    ("NumericLessThanEqualsPath", "one", "$.half", False),
    ("NumericGreaterThanPath", "one", "$.half", True),
    ("NumericGreaterThanPath", "one", "$.one", False),
    ("NumericGreaterThanEqualsPath", "one", "$.one", True),
    ("NumericGreaterThanEqualsPath", "half", "$.one", False),
    ("BooleanEqualsPath", "yes", "$.yes", True),
    ("BooleanEqualsPath", "yes", "$.no", False),
    ("StringMatches", "file", "log-*.txt", True),
    ("StringMatches", "file", "*", True),
    ("StringMatches", "file", "log-*.tx", False),
    ("StringMatches", "lines", "one*two", True),
    ("StringMatches", "file", "log-....\\.txt", False),
    ("StringMatches", "star", "a\\*b", True),
    ("StringMatches", "text", "d\\*y", False),
    ("StringMatches", "slash", "a\\\\b", True),
    ("StringMatches", "slash", "a\\\\*", True),
    ("StringMatches", "one", "*", False),
    ("IsNull", "null", True, True),
    ("IsNull", "text", True, False),
    ("IsNull", "text", False, True),
    ("IsString", "text", True, True),
    ("IsString", "one", True, False),
    ("IsString", "one", False, True),
    ("IsNumeric", "half", True, True),
    ("IsNumeric", "yes", True, False),
    ("IsNumeric", "text", False, True),
    ("IsBoolean", "no", True, True),
    ("IsBoolean", "one", True, False),
    ("IsBoolean", "one", False, True),
    ("TimestampEquals", "noon_in_sao_paulo", "2026-03-01T12:00:00Z", True),
    ("TimestampEquals", "just_after", "2026-03-01T12:00:00Z", False),
    ("TimestampLessThan", "noon", "2026-03-01T12:00:00.0000001Z", True),
    ("TimestampLessThan", "noon_in_sao_paulo", "2026-03-01T12:00:00Z", False),
    ("TimestampLessThanEquals", "noon_in_sao_paulo", "2026-03-01T12:00:00Z", True),
    ("TimestampLessThanEquals", "just_after", "2026-03-01T12:00:00Z", False),
    ("TimestampGreaterThan", "just_after", "2026-03-01T12:00:00Z", True),
    ("TimestampGreaterThan", "noon", "2026-03-01T12:00:00Z", False),
    ("TimestampGreaterThanEquals", "noon_in_sao_paulo", "2026-03-01T12:00:00Z", True),
    ("TimestampGreaterThanEquals", "noon", "2026-03-01T12:00:00.0000001Z", False),
    ("TimestampEqualsPath", "noon_in_sao_paulo", "$.noon", True),
    ("TimestampEqualsPath", "just_after", "$.noon", False),
    ("TimestampLessThanPath", "noon", "$.just_after", True),
    ("TimestampLessThanPath", "noon_in_sao_paulo", "$.noon", False),
    ("TimestampLessThanEqualsPath", "noon_in_sao_paulo", "$.noon", True),
    ("TimestampLessThanEqualsPath", "just_after", "$.noon", False),
    ("TimestampGreaterThanPath", "just_after", "$.noon", True),
    ("TimestampGreaterThanPath", "noon", "$.noon", False),
    ("TimestampGreaterThanEqualsPath", "noon_in_sao_paulo", "$.noon", True),
    ("TimestampGreaterThanEqualsPath", "noon", "$.just_after", False),
    ("IsTimestamp", "noon_in_sao_paulo", True, True),
    ("IsTimestamp", "text", True, False),
    ("IsPresent", "null", True, True),
    ("IsPresent", "nowhere", True, False),
    ("IsPresent", "nowhere", False, True),
    ("IsPresent", "text", False, False),
]


def rule(operator, variable, operand):
    return {"Variable": f"$.{variable}", operator: operand}


YES, NO = rule("BooleanEquals", "yes", True), rule("BooleanEquals", "no", True)


def test_every_operator_has_a_case_that_holds_and_one_that_does_not():
    seen = {(operator, outcome) for operator, _, _, outcome in CASES}

    assert seen == {(operator, outcome) for operator in OPERATORS for outcome in (True, False)}


@pytest.mark.parametrize(("operator", "variable", "operand", "outcome"), CASES)
def test_a_comparison_holds_when_it_says_so(operator, variable, operand, outcome):
    assert holds(rule(operator, variable, operand), DOCUMENT, {}) is outcome


@pytest.mark.parametrize(
    ("junction", "outcome"),
    [
        ({"And": [YES, YES]}, True),
        ({"And": [YES, NO]}, False),
        ({"Or": [NO, YES]}, True),
        ({"Or": [NO, NO]}, False),
        ({"Not": NO}, True),
        ({"Not": YES}, False),
        ({"And": [YES, {"Not": {"Or": [NO, {"And": [YES, NO]}]}}]}, True),
    ],
)
def test_rules_join_and_turn_as_they_are_nested(junction, outcome):
    assert holds(junction, DOCUMENT, {}) is outcome


def test_a_presence_asked_for_first_guards_a_comparison_that_would_lead_nowhere():
    guarded = {"And": [rule("IsPresent", "nowhere", True), rule("StringEquals", "nowhere", "x")]}

    assert holds(guarded, DOCUMENT, {}) is False


@pytest.mark.parametrize("lost", [rule("StringEquals", "nowhere", "x"), rule("StringEqualsPath", "text", "$.nowhere")])
def test_a_comparison_with_nothing_is_an_error_and_not_a_no(lost):
    with pytest.raises(PathError, match="leads nowhere"):
        holds(lost, DOCUMENT, {})


def test_a_rule_can_ask_the_context():
    asked = {"Variable": "$$.Execution.Name", "StringMatches": "daily-*"}

    assert holds(asked, {}, {"Execution": {"Name": "daily-1"}}) is True


@given(pattern=st.text("ab*\\\\", max_size=8), text=st.text("ab*\\\\", max_size=8))
def test_a_pattern_matches_what_an_expression_would(pattern, text):
    escaped = re.split(r"(\\\\|\\\*|\*)", pattern)
    expression = "".join(
        ".*" if part == "*" else re.escape(part[1:] if part in {r"\\", r"\*"} else part) for part in escaped
    )

    assert OPERATORS["StringMatches"](text, pattern) == (re.fullmatch(expression, text, re.DOTALL) is not None)


def test_a_pattern_of_many_wildcards_takes_no_time():
    start = time.process_time()

    assert not OPERATORS["StringMatches"]("a" * 50_000, "*a" * 30 + "*b")
    assert time.process_time() - start < 5
