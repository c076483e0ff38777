from __future__ import annotations

import pytest

PASSED = "passed"


def test_the_drills_are_listed_with_their_section_of_the_runbook(hops):
    outcome = hops("drill", "--list", "--json")

    assert outcome.exit_code == 0
    assert [(one["drill"], one["runbook"]) for one in outcome.document["drills"]] == [
        *[(f"01{letter}", "INC-01") for letter in "abcde"],
        *[(f"02{letter}", "INC-02") for letter in "ab"],
        *[(f"03{letter}", "INC-03") for letter in "ab"],
    ]


@pytest.mark.parametrize(("arguments", "code"), [(("04a",), 3), ((), 2)])
def test_a_drill_that_is_not_there_is_refused(hops, arguments, code):
    outcome = hops("drill", *arguments)

    assert outcome.exit_code == code


@pytest.mark.slow
def test_a_damaged_delivery_is_drilled_from_the_fault_to_a_lake_like_a_clean_one(hops, tmp_path):
    outcome = hops("drill", "01d", "--seed", "7", "--keep", tmp_path, "--json")

    (drill,) = outcome.document["drills"]
    assert [check for step in drill["steps"] for check in step["checks"] if not check["is_met"]] == []
    assert (outcome.exit_code, drill["status"]) == (0, PASSED)


@pytest.mark.slow
@pytest.mark.parametrize("drills", ["01", "02", "03"])
def test_every_drill_passes(hops, drills, tmp_path_factory):
    kept = tmp_path_factory.getbasetemp() / "drills"

    outcome = hops("drill", drills, "--seed", "1", "--keep", kept, "--json")

    unmet = [
        (one["drill"], check)
        for one in outcome.document["drills"]
        for step in one["steps"]
        for check in step["checks"]
        if not check["is_met"]
    ]
    assert unmet == []
    assert outcome.exit_code == 0
