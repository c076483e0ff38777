from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.core.days import day_runs, days_between

MARCH = date(2026, 3, 1)


def march(*numbers):
    return [date(2026, 3, number) for number in numbers]


@pytest.mark.parametrize(
    ("days", "runs"),
    [
        ([], []),
        (march(5), [(5, 5)]),
        (march(1, 2, 3), [(1, 3)]),
        (march(9, 1, 3, 2, 8), [(1, 3), (8, 9)]),
        (march(1, 3, 5), [(1, 1), (3, 3), (5, 5)]),
        (march(4, 4, 4, 5), [(4, 5)]),
    ],
)
def test_days_fall_into_runs_without_gaps(days, runs):
    assert list(day_runs(days)) == [tuple(march(*run)) for run in runs]


def test_a_run_goes_on_over_the_end_of_a_leap_february_and_of_a_year():
    leap = [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]
    year = [date(2024, 12, 31), date(2025, 1, 1)]

    assert list(day_runs(leap + year)) == [(leap[0], leap[-1]), (year[0], year[-1])]


def test_the_days_between_two_days_include_both():
    assert days_between(MARCH, MARCH + timedelta(days=2)) == march(1, 2, 3)
    assert days_between(MARCH, MARCH) == march(1)


def test_there_are_no_days_between_a_day_and_an_earlier_one():
    assert days_between(MARCH, MARCH - timedelta(days=1)) == []


@settings(deadline=None)
@given(st.sets(st.dates(date(2023, 12, 1), date(2024, 4, 1))))
def test_runs_hold_the_days_they_were_made_of_and_are_as_long_as_can_be(days):
    runs = list(day_runs(days))

    assert [day for run in runs for day in days_between(*run)] == sorted(days)
    assert all(later - earlier > timedelta(days=1) for (_, earlier), (later, _) in pairwise(runs))
