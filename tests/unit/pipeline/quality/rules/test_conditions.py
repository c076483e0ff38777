from __future__ import annotations

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.pipeline.quality.dqdl.parser import parse
from healthcare_ops.pipeline.quality.rules.conditions import describe, holds, is_ordinary, limits, require_numbers
from healthcare_ops.pipeline.quality.rules.refusals import NoHistoryError, NotCompilableError

PROPERTY = settings(max_examples=200, deadline=None, derandomize=True)
PAST = (8.0, 6.0, 10.0, 4.0)  # the newest first


def condition(text):
    """Return the condition of a rule, as DQDL writes it."""
    (rule,) = parse(f'Rules = [ Mean "los_min" {text} ]').rules
    return rule.condition


@pytest.mark.parametrize(
    ("text", "met", "unmet"),
    [
        ("= 5", [5], [4.999, 6]),
        ("!= 5", [4.999, 6], [5]),
        ("> 5", [5.001], [5, 4]),
        (">= 5", [5, 6], [4.999]),
        ("< 5", [4.999, -6], [5]),
        ("<= 5", [5, -6], [5.001]),
        ("between 1 and 5", [1.001, 4.999], [1, 5, 0, 6]),
        ("not between 1 and 5", [1, 5, 0, 6], [1.001, 3]),
        ("between 5 and 1", [], [0, 1, 3, 5, 6]),
        ("in [1, 5]", [1, 5], [0, 3]),
        ("not in [1, 5]", [0, 3], [1, 5]),
        ("> -5", [0, -4], [-5, -6]),
        ("> 2 + 3 * 4", [14.5], [14, 10]),
        ("> (2 + 3) * 4 / 8 - 1", [1.6], [1.5, 1]),
    ],
)
def test_a_number_meets_a_condition_or_not(text, met, unmet):
    assert [holds(condition(text), value) for value in met + unmet] == [True] * len(met) + [False] * len(unmet)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("> last()", 8),
        ("> last(1)", 8),
        ("> last(3)", 8),
        ("> avg(last(1))", 8),
        ("> avg(last(2))", 7),
        ("> mean(last(4))", 7),
        ("> avg(last(100))", 7),
        ("> min(last(3))", 6),
        ("> max(last(3))", 10),
        ("> sum(last(4))", 28),
        ("> median(last(3))", 8),
        ("> median(last(4))", 7),
        ("> std(last(4))", 5**0.5),  # of the whole population
        ("> index(last(4), 0)", 8),
        ("> index(last(4), 3)", 4),
        ("> 0.5 * avg(last(4)) + 1", 4.5),
        ("> avg(last(4)) - 2 * std(last(2))", 5),
        ("> last() / last()", 1),
        ("> max(min(last(4)), 5)", 5),
        ("> avg(last(2), last(2))", 7),
    ],
)
def test_a_limit_may_be_what_the_runs_before_measured(text, limit):
    assert limits(condition(text), PAST) == [pytest.approx(limit)]


@pytest.mark.parametrize(
    "text",
    ["> last()", "> avg(last(10))", "between last() - 1 and last() + 1", "> 2 * std(last(3))", "in [1, last()]"],
)
def test_of_a_past_that_has_not_been_nothing_is_told(text):
    with pytest.raises(NoHistoryError):
        holds(condition(text), 1.0, ())


@pytest.mark.parametrize(
    ("text", "past"),
    [
        ("> 1 / last()", [0.0]),
        ("> index(last(3), 3)", [1.0, 2.0, 3.0]),
        ("> index(last(3), 1)", [1.0]),
        ("> avg(last(2))", [1.7e308, 1.7e308]),
    ],
)
def test_what_the_past_cannot_give_is_not_told(text, past):
    with pytest.raises(NoHistoryError):
        holds(condition(text), 1.0, past)


@pytest.mark.parametrize(
    "text",
    ["= 5", "!= 5", "between 1 and 5.5", "not between 1 and 5", "in [1, 5]", "not in [1, 5]", "> avg(last(3))"],
)
def test_a_condition_is_shown_as_it_is_written(text):
    assert describe(condition(text)) == text


def test_sums_and_products_are_shown_with_their_brackets():
    assert describe(condition("> avg(last(3)) - 2 * std(last())")) == "> (avg(last(3)) - (2 * std(last())))"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("> mode(last(3))", r"mode\(\) is not known"),
        ("> Last()", r"Last\(\) is not known"),
        ("> avg()", r"avg\(\) takes values"),
        ("> max()", r"max\(\) takes values"),
        ("> last(1, 2)", r"last\(\) takes how many runs"),
        ("> last(0)", r"last\(\) takes how many runs"),
        ("> last(1.5)", r"last\(\) takes how many runs"),
        ("> last(-1)", r"last\(\) takes how many runs"),
        ("> avg(last(last()))", r"last\(\) takes how many runs"),
        ("> index(last(3))", r"index\(\) takes values and the place"),
        ("> index(last(3), last())", r"index\(\) takes values and the place"),
        ("> 1 / 0", "divides by nothing"),
        ("> last() + 1 / (2 - 2)", "divides by nothing"),
        ("in [1, 2 / 0]", "divides by nothing"),
        (f"> {'9' * 300} * {'9' * 300}", "too large"),
    ],
)
def test_a_condition_that_can_never_come_to_a_number_is_refused(text, fault):
    with pytest.raises(NotCompilableError, match=fault):
        require_numbers(condition(text))


@pytest.mark.parametrize("text", ["= 5", "between last() and 2 * last(3)", "in [1, avg(last(3), 4)]"])
def test_a_condition_of_numbers_is_taken(text):
    assert require_numbers(condition(text)) is None


@pytest.mark.parametrize(
    ("value", "is_so"), [(10.0, True), (13.9, True), (16.0, False), (4.0, False), (6.1, True), (-10.0, False)]
)
def test_a_value_is_ordinary_within_four_robust_deviations_of_the_median(value, is_so):
    # Median 10, median deviation from it 1: limits 10 ± 4 × 1.4826.
    assert is_ordinary(value, [10.0, 9.0, 11.0, 12.0, 8.0, 10.0, 1000.0, 11.0, 9.0]) is is_so


@pytest.mark.parametrize(("value", "is_so"), [(100.0, True), (104.0, True), (104.1, False), (95.9, False)])
def test_where_the_past_never_varied_four_hundredths_of_it_are_ordinary(value, is_so):
    assert is_ordinary(value, [100.0] * 5) is is_so


def test_what_is_ordinary_is_what_the_newest_thirty_runs_measured_however_many_there_are():
    newest, older = [100.0] * 30, [200.0] * 100

    assert is_ordinary(100.0, newest + older)
    assert not is_ordinary(200.0, newest + older)
    assert is_ordinary(200.0, newest[:14] + older)


def test_of_fewer_than_five_runs_nobody_can_say_what_is_ordinary():
    with pytest.raises(NoHistoryError):
        is_ordinary(1.0, [1.0] * 4)


NUMBERS = st.floats(-1e6, 1e6)


@given(value=NUMBERS, past=st.lists(NUMBERS, min_size=1, max_size=20), count=st.integers(1, 30))
@PROPERTY
def test_statistics_of_the_last_runs_are_those_of_the_newest_values(value, past, count):
    newest = past[:count]

    found = holds(condition(f"between min(last({count})) and avg(last({count}))"), value, past)

    assert found is (min(newest) < value < statistics.fmean(newest))


@given(value=NUMBERS, low=NUMBERS, high=NUMBERS)
@PROPERTY
def test_a_denied_condition_is_met_where_the_condition_is_not(value, low, high):
    def met(text):
        return holds(condition(text), value)

    limits_ = f"between {low:f} and {high:f}"
    assert met(limits_) is not met(f"not {limits_}")
    assert met(f"in [{low:f}, {high:f}]") is not met(f"not in [{low:f}, {high:f}]")
    assert met(f"= {low:f}") is not met(f"!= {low:f}")
