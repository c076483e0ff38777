from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.pipeline.quality.report.acceptance import (
    Acceptance,
    accept_command,
    acceptance_of,
    answered,
    command_of,
    seen_of,
)
from healthcare_ops.pipeline.quality.report.refusals import refused_section
from unit.pipeline.quality.wording.sections import clock, figure, missing, refused, shift, silence

AT = datetime(2026, 3, 8, 7, tzinfo=UTC)
FILE = refused_section(refused(), "visits")
GAP = figure(verdict="fail", observed=12.0, expected=40.0)


def accepted(section, *, is_over=True):
    return [Acceptance(section["rule_id"], seen_of(section, is_over=is_over), "Ana Souza", AT, "closed", 7)]


@pytest.mark.parametrize(
    ("found", "is_covered"),
    [
        (GAP, True),
        (GAP | {"observed": 13.0, "expected": 41.0}, True),
        (GAP | {"observed": 30.0, "verdict": "warn"}, True),
        (GAP | {"observed": 80.0}, False),
        (GAP | {"observed": 0.0}, False),
        (GAP | {"observed": 24.0, "expected": 80.0}, False),
        (GAP | {"day": "2026-03-08"}, False),
        (GAP | {"by": "feed_id"}, False),
        (GAP | {"rule_id": "expected.volume.silver.encounters.OBS"}, False),
    ],
    ids=["the same", "learned anew", "milder", "a flood", "nothing at all", "a larger gap", "another day", "a feed",
         "another sector"],
)  # fmt: skip
def test_what_was_accepted_covers_the_same_finding_and_no_other(found, is_covered):
    assert (acceptance_of(found, accepted(GAP)) is not None) == is_covered


def test_of_a_day_that_was_not_over_the_rest_may_be_missing_as_well():
    later = GAP | {"observed": 24.0, "expected": 80.0}

    assert acceptance_of(later, accepted(GAP, is_over=False)) is not None
    assert acceptance_of(later | {"observed": 0.0}, accepted(GAP, is_over=False)) is None


def hours(first, last):
    """Return between which hours a figure of 7 March is too far off."""
    return {"start": f"2026-03-07T{first:02}:00:00", "end": f"2026-03-07T{last:02}:00:00"}


MORNING = GAP | hours(8, 11) | {"observed": 3.0, "expected": 20.0}
OPEN = silence(is_over=False, expected=20.0, **hours(6, 10))


@pytest.mark.parametrize(
    ("seen", "is_over", "found", "is_covered"),
    [
        (MORNING, True, MORNING | hours(7, 11), True),
        (MORNING, True, MORNING | hours(8, 10), True),
        (MORNING, True, MORNING | hours(14, 20), False),
        (MORNING, True, MORNING | hours(10, 16), False),
        (MORNING, False, MORNING | hours(8, 20) | {"observed": 12.0, "expected": 80.0}, True),
        (MORNING, False, MORNING | hours(14, 20), False),
        (MORNING, False, MORNING | hours(10, 20), False),
        (OPEN, False, OPEN | hours(6, 18) | {"expected": 90.0}, True),
        (OPEN, False, OPEN | hours(15, 18), False),
    ],
    ids=[
        "learned anew", "a part of it", "the morning came, the afternoon is lost", "mostly other hours",
        "it goes on", "the morning came of a day that goes on", "most of the morning came", "a silence goes on",
        "another silence",
    ],
)  # fmt: skip
def test_of_a_day_only_the_hours_that_were_accepted_are_covered(seen, is_over, found, is_covered):
    assert (acceptance_of(found, accepted(seen, is_over=is_over)) is not None) == is_covered


@pytest.mark.parametrize(
    ("seen", "worse"),
    [
        (GAP | {"observed": 50.0, "expected": 20.0}, {"observed": 150.0, "expected": 62.0}),
        (missing(observed=12.0, expected=4.0), {"observed": 60.0, "expected": 20.0}),
        (figure("mean", observed=90.0, expected=60.0), {"observed": 180.0, "expected": 120.0}),
        (figure("mean", observed=60.0, expected=90.0), {"observed": 120.0, "expected": 180.0}),
    ],
    ids=["more rows", "values missing", "a longer time", "a shorter time"],
)
def test_of_a_day_that_was_not_over_nothing_but_missing_rows_may_grow(seen, worse):
    assert acceptance_of(seen | worse, accepted(seen, is_over=False)) is None


def test_an_accepted_warning_lets_no_failure_pass():
    assert acceptance_of(GAP, accepted(GAP | {"verdict": "warn"})) is None


@pytest.mark.parametrize(
    ("section", "other"),
    [
        (clock(), clock(offset_h=3.0)),
        (shift(), shift(offset_h=1.0)),
        (FILE, FILE | {"sha256": "f" * 64}),
        (FILE, FILE | {"source_file": "other.csv"}),
    ],
    ids=["clock", "two clocks", "other bytes", "another file"],
)
def test_another_fault_of_a_clock_or_file_is_not_accepted_by_what_was_said_of_the_first(section, other):
    assert acceptance_of(section, accepted(section)) is not None
    assert acceptance_of(other, accepted(section)) is None


def test_what_is_accepted_warns_and_says_who_answers_for_it_and_how_bad_it_was():
    found = answered(GAP, accepted(GAP))

    assert (found["verdict"], found["accepted"]["verdict"]) == ("warn", "fail")
    assert (found["accepted"]["by"], found["accepted"]["entry"]) == ("Ana Souza", 7)
    assert seen_of(found) == seen_of(GAP)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.floats(0, 200), st.floats(0, 200), st.sampled_from(["warn", "fail"]))
def test_the_further_off_a_figure_is_the_less_is_it_covered(near, far, verdict):
    near, far = sorted((near, far), reverse=True)
    seen, milder, worse = (seen_of(GAP | {"observed": observed, "expected": 200.0, "verdict": verdict})
                           for observed in (100.0, near, far))  # fmt: skip

    assert seen.covers(replace(milder, what=seen.what)) or not seen.covers(replace(worse, what=seen.what))


@pytest.mark.parametrize(
    ("days", "options"),
    [
        (["2026-03-07"], "--day 2026-03-07"),
        (["2026-03-09", "2026-03-07", "2026-03-08"], "--day 2026-03-07:2026-03-09"),
        (["2026-03-07", "2026-03-09", "2026-03-07"], "--day 2026-03-07 --day 2026-03-09"),
    ],
)
def test_the_command_names_every_day_once(days, options):
    command = accept_command([GAP | {"day": day} for day in days])

    assert command == f"hops dq accept {GAP['rule_id']} {options} --by NAME --reason WHY"


def test_a_file_whose_name_a_shell_would_obey_is_quoted():
    assert "--file 'a; rm -rf *.csv'" in command_of("withdraw", "refused.visits", ["a; rm -rf *.csv"])
