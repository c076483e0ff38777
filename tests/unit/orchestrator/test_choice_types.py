"""Every comparison with every kind of value on either side."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_ops.orchestrator.choices import OPERATORS, holds
from healthcare_ops.orchestrator.paths import PathError
from healthcare_ops.orchestrator.timestamps import instant
from unit.orchestrator.flows import play

pytestmark = pytest.mark.spec("Choice State: Data-test expressions")

NOON = "2026-03-01T12:00:00Z"
VALUES = {
    "null": None,
    "zero": 0,
    "float": 1.0,
    "large": 10**20,
    "true": True,
    "false": False,
    "empty": "",
    "blank": " ",
    "text": "HelloWorld",
    "digits": "1",
    "noon": NOON,
    "no offset": "2012-10-09T19:00:55",
    "day": "2023-02-24",
    "array": [],
    "texts": [""],
    "object": {},
    "fields": {"A": 0},
}
NUMBERS = {"zero", "float", "large"}
TEXTS = {"empty", "blank", "text", "digits", "noon", "no offset", "day"}
FLAGS = {"true", "false"}
KINDS = {"String": TEXTS, "Numeric": NUMBERS, "Boolean": FLAGS, "Timestamp": {"noon"}, "Null": {"null"}}
LITERALS = {"String": "HelloWorld", "Numeric": 1, "Boolean": True, "Timestamp": NOON}
COMPARISONS = [name for name in OPERATORS if name.startswith(tuple(LITERALS)) and name != "StringMatches"]


def kind_of(operator):
    return next(kind for kind in KINDS if operator.removeprefix("Is").startswith(kind))


@pytest.mark.parametrize("operator", [name for name in COMPARISONS if not name.endswith("Path")])
@pytest.mark.parametrize("name", VALUES)
def test_a_comparison_with_a_value_of_another_kind_is_false(operator, name):
    kind = kind_of(operator)
    outcome = holds({"Variable": "$.v", operator: LITERALS[kind]}, {"v": VALUES[name]}, {})

    assert outcome is False or name in KINDS[kind]


@pytest.mark.parametrize("operator", [name for name in COMPARISONS if name.endswith("Path")])
def test_a_comparison_of_two_paths_is_false_unless_both_are_of_its_kind(operator):
    rule = {"Variable": "$.l", operator: "$.r"}

    true = {pair for pair in product(VALUES, repeat=2) if holds(rule, {"l": VALUES[pair[0]], "r": VALUES[pair[1]]}, {})}

    assert true <= set(product(KINDS[kind_of(operator)], repeat=2))


@pytest.mark.parametrize("operator", ["IsNull", "IsString", "IsNumeric", "IsBoolean", "IsTimestamp"])
@pytest.mark.parametrize("expected", [True, False])
@pytest.mark.parametrize("name", VALUES)
def test_a_kind_is_told_as_recorded_on_the_service(operator, expected, name):
    is_of_kind = name in KINDS[kind_of(operator)]

    assert holds({"Variable": "$.v", operator: expected}, {"v": VALUES[name]}, {}) is (is_of_kind == expected)


@pytest.mark.parametrize("name", VALUES)
def test_whatever_is_there_is_present(name):
    assert holds({"Variable": "$.v", "IsPresent": True}, {"v": VALUES[name]}, {})
    assert not holds({"Variable": "$.v", "IsPresent": False}, {"v": VALUES[name]}, {})


@pytest.mark.parametrize("operator", [name for name in OPERATORS if name != "IsPresent"])
def test_a_variable_that_is_not_there_is_an_error_for_all_but_is_present(operator):
    operand = "$.there" if operator.endswith("Path") else LITERALS.get(kind_of(operator), True)

    with pytest.raises(PathError):
        holds({"Variable": "$.lost", operator: operand}, {"there": 1}, {})


@pytest.mark.parametrize("operator", [name for name in OPERATORS if name.endswith("Path")])
def test_an_operand_that_is_not_there_is_an_error(operator):
    with pytest.raises(PathError):
        holds({"Variable": "$.there", operator: "$.lost"}, {"there": 1}, {})


@pytest.mark.parametrize("lost", ["$.a.lost", "$.list[3]", "$.a.b.c", "$$.Lost"])
def test_a_lost_variable_fails_the_run_and_a_presence_asked_for_first_does_not(lost):
    compare = {"Variable": lost, "NumericEquals": 1}
    guarded = {"And": [{"Variable": lost, "IsPresent": True}, compare]}

    def run(rule):
        states = {"Ask": {"Type": "Choice", "Choices": [rule | {"Next": "Yes"}], "Default": "No"}}
        ends = {"Yes": {"Type": "Succeed"}, "No": {"Type": "Succeed"}}
        return play({"StartAt": "Ask", "States": states | ends}, {"a": {"b": 1}, "list": []})[0]

    assert (run(compare).error, run(compare).cause) == (
        "States.Runtime",
        "An error occurred while executing the state 'Ask' (entered at the event id #2). "
        f"Invalid path '{lost}': The choice state's condition path references an invalid value.",
    )
    assert [entry.name for entry in run(guarded).history] == ["Ask", "No"]


@pytest.mark.parametrize(
    ("left", "right", "is_less"),
    [
        (1, 1.5, True),
        (1.0, 1, False),
        (-0.0, 0, False),
        (2**53, 2**53 + 1, True),
        (0.1, 0.2, True),
        (1e300, 10**300, False),
    ],
)
def test_whole_numbers_and_fractions_are_compared_by_value(left, right, is_less):
    assert holds({"Variable": "$.l", "NumericLessThanPath": "$.r"}, {"l": left, "r": right}, {}) is is_less


@pytest.mark.parametrize(
    ("left", "right", "is_less"),
    [
        ("A", "a", True),
        ("a", "ab", True),
        ("Z", "a", True),
        ("é", "z", False),
        ("10", "9", True),
        ("\U0001f600", "\uffff", True),
    ],
)
def test_strings_are_ordered_by_their_units_of_utf_16(left, right, is_less):
    assert holds({"Variable": "$.l", "StringLessThanPath": "$.r"}, {"l": left, "r": right}, {}) is is_less


@given(st.sampled_from(["Equals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"]), st.data())
def test_exactly_the_right_ones_of_the_five_orders_hold(order, data):
    kind, values = data.draw(
        st.sampled_from(
            [
                ("Numeric", st.integers() | st.floats(allow_nan=False, allow_infinity=False)),
                ("String", st.text()),
                ("Timestamp", st.datetimes().map(lambda moment: moment.isoformat() + "-03:00")),
            ]
        )
    )
    left, right = data.draw(values), data.draw(values)

    def is_so(name, first=left, second=right):
        return holds({"Variable": "$.l", f"{kind}{name}Path": "$.r"}, {"l": first, "r": second}, {})

    assert [is_so("LessThan"), is_so("Equals"), is_so("GreaterThan")].count(True) == 1
    assert is_so("LessThanEquals") == (is_so("LessThan") or is_so("Equals"))
    assert is_so("GreaterThanEquals") != is_so("LessThan")
    literal = holds({"Variable": "$.l", f"{kind}{order}": right}, {"l": left}, {})
    assert literal == is_so(order)
    if kind == "Timestamp":
        assert is_so("LessThan") == (instant(left) < instant(right))


@given(st.text(alphabet="ab*\\", max_size=8))
def test_a_text_matches_itself_escaped_and_any_text_the_star(text):
    escaped = text.replace("\\", "\\\\").replace("*", "\\*")

    assert holds({"Variable": "$", "StringMatches": escaped}, text, {})
    assert holds({"Variable": "$", "StringMatches": "*"}, text, {})
    assert holds({"Variable": "$", "StringMatches": f"{escaped}*"}, f"{text}more", {})
    assert not holds({"Variable": "$", "StringMatches": f"{escaped}?"}, f"{text}x", {})
