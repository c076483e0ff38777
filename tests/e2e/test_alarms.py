from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, LocalMetrics
from healthcare_ops.core.emf import Measured, emf_line


def measure(desk, of, *, at=None, **values):
    line = emf_line(Measured(at or datetime.now(UTC), of, values))
    LocalMetrics(desk.state / METRICS_FOLDER).write([line])


@pytest.fixture
def ringing(own_loaded):
    """Return a hospital one of whose feeds is silent."""
    measure(own_loaded, {"FeedId": "visits"}, FeedLateMin=12.5)
    measure(own_loaded, {"FeedId": "beds"}, FeedLateMin=0)
    return own_loaded


def test_what_rings_is_listed_first_with_why_and_the_section_of_the_runbook(hops, ringing):
    outcome = hops("alarms", "--state", ringing.state)

    states = re.findall(r"\b(ALARM|INSUFFICIENT_DATA|OK) ", outcome.out)
    (visits,) = [line.split() for line in outcome.out.splitlines() if "visits" in line]
    assert outcome.exit_code == 0
    assert states == sorted(states, key=["ALARM", "INSUFFICIENT_DATA", "OK"].index)
    assert (visits[:3], visits[6]) == (["FeedSilent", "visits", "ALARM"], "INC-02")
    assert "FeedLateMin: 1 of 1" in outcome.out
    assert "since (America/Sao_Paulo)" in outcome.out


def test_a_machine_gets_each_alarm_with_value_threshold_and_datapoints(hops, ringing):
    document = hops("alarms", "--state", ringing.state, "--json").document

    (silent,) = [one for one in document["alarms"] if one["of"] == {"FeedId": "visits"}]
    assert (silent["alarm"], silent["state"], silent["value"], silent["threshold"]) == ("FeedSilent", "ALARM", 12.5, 0)
    assert silent["datapoints"][-1][1] == 12.5
    assert silent["since"] == document["as_of"]
    assert {"DQRiskScoreHigh", "EvaluatorSilent", "InferenceStale"} < {one["alarm"] for one in document["alarms"]}


def test_the_history_tells_each_change_once_the_newest_first(hops, ringing):
    hops("alarms", "--state", ringing.state)
    measure(ringing, {"FeedId": "beds"}, FeedLateMin=3)
    hops("alarms", "--state", ringing.state)
    hops("alarms", "--state", ringing.state)

    changes = hops("alarms", "--history", "--state", ringing.state, "--json").document["changes"]
    people = hops("alarms", "--history", "--limit", "1", "--state", ringing.state)

    silent = [(one["of"]["FeedId"], one["was"], one["state"]) for one in changes if one["alarm"] == "FeedSilent"]
    assert silent == [
        ("beds", "OK", "ALARM"),
        ("visits", "INSUFFICIENT_DATA", "ALARM"),
        ("beds", "INSUFFICIENT_DATA", "OK"),
    ]
    assert people.out.count("FeedSilent") == 1


def test_to_ask_of_another_instant_keeps_nothing(hops, ringing):
    then = datetime.now(UTC) + timedelta(days=1)

    outcome = hops("alarms", "--state", ringing.state, "--as-of", then.isoformat(), "--json")

    (silent,) = [one for one in outcome.document["alarms"] if one["of"] == {"FeedId": "visits"}] or [None]
    assert silent["state"] == "INSUFFICIENT_DATA"
    assert hops("alarms", "--history", "--state", ringing.state, "--json").document["changes"] == []


def test_a_folder_that_is_no_state_directory_has_no_alarms(hops, tmp_path):
    assert hops("alarms", "--state", tmp_path / "nothing").exit_code == 3
