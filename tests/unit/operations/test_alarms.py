from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from healthcare_ops.adapters.local_alarms import ALARMS_FOLDER
from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, LocalMetrics
from healthcare_ops.adapters.state_lock import Lock, lock_state
from healthcare_ops.core.emf import Measured, emf_line
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.operations.alarms import Alarms

START = datetime(2026, 3, 31, 23, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Site:
    """A state directory at which things are measured as time goes by."""

    def __init__(self, folder):
        self.folder = folder
        self.now = START
        self.alarms = Alarms(folder)

    def measure(self, of, **values):
        LocalMetrics(self.folder / METRICS_FOLDER).write([emf_line(Measured(self.now, of, values))])

    def go_on(self, minutes=1):
        self.now += minutes * MINUTE

    def judge(self):
        return [(one.alarm, *one.of.values(), one.was, one.state) for one in self.alarms.judge(self.now)[1]]

    def state_of(self, alarm, *of):
        (state,) = [
            one.judgement.state
            for one in self.alarms.look(self.now)
            if (one.alarm.alarm_name, *one.of.values()) == (alarm, *of)
        ]
        return state

    def history(self):
        return [(one.alarm, *one.of.values(), one.state) for one in self.alarms.log.read()]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def watched(site):
    """Judge once while all is well, so that only what is about to happen changes."""
    site.measure({}, EvaluatorBeat=1)
    site.judge()


def test_a_failed_run_rings_until_one_of_its_type_succeeds(site):
    watched(site)
    site.measure({"RunType": "daily"}, RunsUnsuccessful=1)
    rang = site.judge()
    site.measure({"RunType": "inference"}, RunsUnsuccessful=0)
    site.go_on(minutes=240)
    still = site.state_of("PipelineFailure", "daily")
    site.measure({"RunType": "daily"}, RunsUnsuccessful=0)
    ended = site.judge()

    assert rang == [("PipelineFailure", "daily", "INSUFFICIENT_DATA", "ALARM")]
    assert still == "ALARM"
    assert ("PipelineFailure", "daily", "ALARM", "OK") in ended


def test_one_feed_that_is_silent_does_not_hide_another(site):
    watched(site)
    site.measure({"FeedId": "visits"}, FeedLateMin=3)
    site.measure({"FeedId": "beds"}, FeedLateMin=0)
    first = site.judge()
    site.go_on(minutes=6)
    site.measure({}, EvaluatorBeat=1)
    site.measure({"FeedId": "visits"}, FeedLateMin=9)
    site.measure({"FeedId": "beds"}, FeedLateMin=1)
    second = site.judge()

    assert first == [
        ("FeedSilent", "beds", "INSUFFICIENT_DATA", "OK"),
        ("FeedSilent", "visits", "INSUFFICIENT_DATA", "ALARM"),
    ]
    assert second == [("FeedSilent", "beds", "OK", "ALARM")]


@pytest.mark.parametrize(
    ("measures", "names"),
    [
        ({"ModelMAPEOverFloor": 1.8, "ModelBias": 0.1}, ["ModelErrorHigh-MAPE"]),
        ({"ModelBias": 0.3}, ["ModelErrorHigh-Bias"]),
        ({"ModelMASE": 1.4}, ["ModelErrorHigh-MASE"]),
        ({"ModelCoverage90": 0.6}, ["ModelErrorHigh-Coverage"]),
    ],
)
def test_a_model_s_error_rings_on_two_bad_days_of_three_by_any_of_its_measures(site, measures, names):
    good = {"ModelMAPEOverFloor": 1.0, "ModelBias": 0.0, "ModelMASE": 0.8, "ModelCoverage90": 0.9}
    states = []
    for bad in (False, False, True, False, True, False, False):
        site.measure({"Metric": "arrivals"}, **(good | measures if bad else good))
        site.measure({}, EvaluatorBeat=1)
        site.judge()
        states.append(site.state_of("ModelErrorHigh", "arrivals"))
        site.go_on(minutes=24 * 60)

    assert states == ["OK", "OK", "OK", "OK", "ALARM", "OK", "OK"]
    rang = {name for name, *_, state in site.history() if state == "ALARM"}
    assert rang == {"ModelErrorHigh", *names}


def test_nobody_who_judges_is_noticed_after_a_quarter_of_an_hour(site):
    watched(site)

    states = []
    for _ in range(4):
        site.go_on(minutes=5)
        states.append(site.state_of("EvaluatorSilent"))

    assert states == ["OK", "OK", "ALARM", "ALARM"]


@pytest.mark.parametrize(
    ("metric", "of", "alarm", "at_most"),
    [
        ("ForecastLateMin", {}, "InferenceStale", 30.0),
        ("TrainOverdueHours", {}, "WeeklyTrainMissed", 6.0),
        ("FeedLateMin", {"FeedId": "visits"}, "FeedSilent", 0.0),
        ("DQRiskScore", {}, "DQRiskScoreHigh", 59.99),
        ("DQRiskScore", {}, "DQRiskScoreRaised", 14.99),
        ("FeatureDriftScore", {}, "FeatureDrift", 0.99),
        ("SecretAgeDays", {"SecretName": "openai"}, "SecretAgeHigh", 89.99),
    ],
)
def test_an_alarm_rings_with_the_first_value_beyond_its_limit(site, metric, of, alarm, at_most):
    site.measure(of, **{metric: at_most})
    before = site.state_of(alarm, *of.values())
    site.go_on(minutes=24 * 60 + 1)
    site.measure(of, **{metric: at_most + 0.01})

    assert (before, site.state_of(alarm, *of.values())) == ("OK", "ALARM")


def test_what_changed_is_kept_with_its_instant_its_reason_and_its_datapoints(site):
    watched(site)
    site.measure({}, DQRiskScore=72.5)
    site.judge()

    change = next(one for one in site.alarms.log.read() if one.alarm == "DQRiskScoreHigh")
    assert (change.at, change.alarm, change.was, change.state) == (
        "2026-03-31T23:00:00+00:00",
        "DQRiskScoreHigh",
        "INSUFFICIENT_DATA",
        "ALARM",
    )
    assert change.reason == "DQRiskScore: 1 of 1 datapoints (72.5) is at least 60; 1 of 1 make an alarm"
    assert change.datapoints[-1] == ["2026-03-31T22:55:00+00:00", 72.5]


def test_a_state_that_lasts_is_told_once_and_stands_since_then(site):
    watched(site)
    site.measure({}, DQRiskScore=72.5)
    site.judge()
    site.go_on()

    assert site.judge() == []
    standing = next(one for one in site.alarms.look(site.now) if one.alarm.alarm_name == "DQRiskScoreHigh")
    assert standing.since == START
    assert standing.document["value"] == 72.5


def test_a_change_that_a_crash_cut_short_is_told_with_the_next_judgement_and_once(site):
    watched(site)
    site.measure({}, DQRiskScore=72.5)
    path = site.folder / ALARMS_FOLDER / "2026-03.jsonl"
    before = path.read_bytes()
    site.judge()
    path.write_bytes(path.read_bytes()[:-20])

    after = Site(site.folder).judge()
    again = Site(site.folder).judge()

    assert after == [("DQRiskScoreRaised", "INSUFFICIENT_DATA", "ALARM")]
    assert again == []
    assert path.read_bytes().startswith(before)


def test_changes_of_months_are_read_in_their_order(site):
    watched(site)
    for minutes, score in ((30, 72.5), (60, 10.0)):
        site.go_on(minutes=minutes)
        site.measure(
            {},
            EvaluatorBeat=1,
        )
        site.measure({}, DQRiskScore=score)
        site.judge()

    scores = [state for name, *_, state in site.history() if name == "DQRiskScoreHigh"]
    assert scores == ["ALARM", "OK"]
    assert len(list((site.folder / ALARMS_FOLDER).iterdir())) == 2


@pytest.mark.parametrize("line", ["{}", "[1]", "no line", '{"at": "2026-03-31", "alarm": "x"}'])
def test_a_log_that_somebody_damaged_is_named_with_the_line(site, line):
    watched(site)
    path = site.folder / ALARMS_FOLDER / "2026-03.jsonl"
    path.write_text(line + "\n" + path.read_text())

    with pytest.raises(ConfigError, match=r"2026-03\.jsonl, line 1: .* is no change of an alarm") as raised:
        site.judge()

    assert raised.value.next_step.startswith("Put the file back from a backup")


def test_to_look_keeps_nothing(site):
    site.measure({}, DQRiskScore=72.5)

    site.alarms.look(site.now)

    assert site.history() == []


def test_two_who_judge_at_once_do_so_one_after_the_other(site, tmp_path):
    watched(site)
    site.measure({}, DQRiskScore=72.5)
    other = Site(tmp_path)
    with lock_state(tmp_path, Lock.ALARMS):
        seen = other.state_of("DQRiskScoreHigh")
    first, second = site.judge(), other.judge()

    assert seen == "ALARM"
    assert (len(first), second) == (2, [])


def test_a_log_line_is_one_document_that_anybody_can_read(site):
    watched(site)
    site.measure({}, DQRiskScore=72.5)
    site.judge()

    lines = (site.folder / ALARMS_FOLDER / "2026-03.jsonl").read_text().splitlines()

    assert [json.loads(line)["alarm"] for line in lines] == ["EvaluatorSilent", "DQRiskScoreHigh", "DQRiskScoreRaised"]
