"""`hops regressors add|list|drop`: the weather forecasts of a hospital."""

from __future__ import annotations

import pytest

from e2e.ward import BY, is_inert

HOURS = "name,issue_time,target_time,value\n" + "".join(
    f"{name},2026-03-01T0{issue}:00:00Z,2026-03-01T12:00:00Z,{value}\n"
    for name, issue, value in (("heat", 0, 30), ("heat", 6, 31), ("\x1b[31mrain", 6, 2))
)


@pytest.fixture
def weather(tmp_path):
    path = tmp_path / "weather.csv"
    path.write_text(HOURS)
    return path


def test_forecasts_of_others_are_added_listed_and_dropped(hops, own_loaded, weather):
    state = ("--state", own_loaded.state)

    added = hops("regressors", "add", weather, *state)
    again = hops("regressors", "add", weather, *state, "--json")
    listed = hops("regressors", "list", *state)
    dropped = hops("regressors", "drop", "heat", *BY, *state)
    left = hops("regressors", "list", *state, "--json")

    assert [outcome.exit_code for outcome in (added, again, listed, dropped, left)] == [0] * 5
    assert "heat: 2 new values, 2 in all.\n" in added.out
    assert [(one["values"], one["new"]) for one in again.document["regressors"]] == [(1, 0), (2, 0)]
    assert "2026-03-01T12:00" in listed.out
    assert "2026-03-01T06:00" in listed.out
    assert is_inert(added.out + listed.out)
    assert dropped.out == "heat: 2 values taken out.\n"
    assert [one["last_issue"] for one in left.document["regressors"]] == ["2026-03-01T06:00:00+00:00"]


@pytest.mark.parametrize(
    ("text", "exit_code", "message"),
    [
        (f"{HOURS}heat,2026-03-01T00:00:00Z,2026-03-01T13:00:00Z,warm\n", 5, "line 5: value 'warm' is not a number."),
        (None, 3, "weather.csv does not exist."),
    ],
)
def test_a_file_that_cannot_be_taken_leaves_nothing(hops, own_loaded, weather, text, exit_code, message):
    if text:
        weather.write_text(text)
    else:
        weather.unlink()

    outcome = hops("regressors", "add", weather, "--state", own_loaded.state)

    assert outcome.exit_code == exit_code
    assert outcome.message.endswith(message)
    assert outcome.next_step
    assert not (own_loaded.state / "regressors").exists()
