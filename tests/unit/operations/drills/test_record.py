from __future__ import annotations

import pytest

from healthcare_ops.operations.drills.record import STEPS, Broken, Record


def record_of(*names, unmet=""):
    record = Record("01a", "a step fails twice", 7)
    for name in names:
        with record.step(name) as step:
            step.check("the run failed", name != unmet, "SUCCEEDED")
    return record


def test_a_drill_of_which_every_check_of_every_step_holds_has_passed():
    record = record_of(*STEPS)

    assert record.status == "passed"


@pytest.mark.parametrize("unmet", STEPS)
def test_one_check_that_does_not_hold_fails_the_drill(unmet):
    record = record_of(*STEPS, unmet=unmet)

    assert record.status == "failed"
    assert [step["name"] for step in record.document["steps"] if not step["is_passed"]] == [unmet]


@pytest.mark.parametrize("missing", STEPS)
def test_a_drill_that_left_out_a_step_has_not_passed(missing):
    record = record_of(*(name for name in STEPS if name != missing))

    assert record.status == "failed"


def test_a_drill_that_this_machine_does_not_allow_has_not_passed():
    record = record_of(*STEPS)

    record.reason = "the rights of a folder bind nobody here"

    assert record.status == "impossible"


def test_a_step_that_finds_nothing_to_go_on_with_says_so_and_ends_the_drill():
    record = Record("01a", "a step fails twice", 7)

    with pytest.raises(Broken), record.step("detect"):
        raise Broken("no run failed")

    assert record.document["steps"][0]["checks"][0]["seen"] == "no run failed"
    assert record.status == "failed"
