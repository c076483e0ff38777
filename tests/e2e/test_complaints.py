"""Complaints of forecasts that were really shown: which ones, of which model, and what came true."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts import put_back
from e2e.command import run_hops
from e2e.deliveries import TRAINED, month

# A tick made forecasts anew; what came until the next morning is known by the day after.
TICK = "2026-03-25T09:30:00-03:00"
AFTER = "2026-03-26T12:00:00-03:00"
BY = ("--by", "Ana", "--reason", "too-low")


def complain(state, at, *more, sector="PS"):
    return run_hops("complaint", "--sector", sector, "--at", at, *BY, *more, "--state", state)


def shown_to(state, at, *more):
    """Return the forecasts that the incident of a complaint keeps, and the incident's document."""
    told = complain(state, at, *more, "--json").document
    document = run_hops("incidents", "show", told["incident"], "--state", state, "--json").document
    return document["evidence"]["predictions"], document


def at_utc(text):
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()


@pytest.fixture(scope="module")
def lived(trained, tmp_path_factory):
    """Return the hospital a day and a half after it had a model, and the version of the model."""
    desk, _ = trained
    with put_back(desk.state, tmp_path_factory.mktemp("kept") / "state"):
        later = desk.write("later.csv", month(490, 520))
        ways = (
            ("run", "--type", "inference", "--as-of", TICK),
            ("load", later, "--feed", desk.feed, "--as-of", AFTER),
            ("run", "--date", "2026-03-25", "--as-of", AFTER),
        )
        for words in ways:
            outcome = run_hops(*words, "--state", desk.state)
            assert outcome.exit_code == 0, outcome.err
        (model,) = run_hops("models", "list", "--state", desk.state, "--json").document["models"]
        yield desk.state, model["version"]


def test_a_complaint_keeps_what_was_shown_then_by_which_model_and_what_came_true(lived):
    state, version = lived

    shown, document = shown_to(state, "2026-03-25T08:10:00-03:00", "--metric", "arrivals")

    assert [one["target_time"] for one in shown] == [f"2026-03-25T{hour}:00:00+00:00" for hour in range(11, 24)]
    assert {one["made_at"] for one in shown} == {at_utc(TRAINED)}
    assert {(one["sector_id"], one["metric"], one["model_version"]) for one in shown} == {("PS", "arrivals", version)}
    assert all(one["low"] <= one["mean"] <= one["high"] for one in shown)
    assert {one["actual"] for one in shown} <= {0.0, 1.0}
    assert sum(one["actual"] for one in shown) > 5
    assert document["runbook"] == "INC-03"


def test_a_second_complaint_of_the_same_root_is_told_with_the_forecasts_that_were_shown_by_then(lived):
    state, version = lived
    shown_to(state, "2026-03-25T08:20:00-03:00")

    _, document = shown_to(state, "2026-03-25T09:40:00-03:00", "--metric", "arrivals")

    newest = [one for one in document["evidence"]["predictions"] if one["made_at"] == at_utc(TICK)]
    assert {(one["metric"], one["model_version"]) for one in newest} == {("arrivals", version)}
    assert [one["actual"] is not None for one in newest] == [True] * len(newest)
    assert any("20260325T1240Z" in str(fact) for fact in document["diagnosis"]["facts"])


def test_before_there_was_a_model_nothing_was_shown_and_the_complaint_says_so(lived):
    state, _ = lived

    outcome = complain(state, "2026-03-24T08:00:00-03:00")

    assert outcome.exit_code == 0
    assert "no forecasts were shown then" in outcome.out


def test_a_sector_that_the_hospital_has_not_is_named_with_those_it_has(lived):
    state, _ = lived

    outcome = complain(state, TICK, sector="MOON")

    assert (outcome.exit_code, outcome.message) == (3, "there is no sector 'MOON'.")
    assert outcome.next_step == "Name one of these: PS, OBS."


@pytest.mark.parametrize(
    ("at", "exit_code", "said"),
    [
        ("2099-03-25T08:00:00-03:00", 4, "is yet to come."),
        ("2026-03-25T08:00:00", 2, "it has no time zone; write"),
        ("breakfast", 2, "'breakfast'"),
    ],
)
def test_a_time_at_which_nobody_saw_a_forecast_is_refused_with_what_to_write(lived, at, exit_code, said):
    state, _ = lived

    outcome = complain(state, at)

    assert outcome.exit_code == exit_code
    assert said in outcome.err
