"""What CloudWatch's guide says of alarms, and what it leaves open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from healthcare_ops.core.alarm_file import AlarmFile, MetricAlarm
from healthcare_ops.core.emf import SeriesKey
from healthcare_ops.core.series import Series
from healthcare_ops.monitoring.alarms import AlarmKey, judge, judge_all, look_back

NOW = datetime(2026, 3, 14, 12, 0, 7, tzinfo=UTC)
PERIOD_S = 300
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
KEPT = "the state before"
NONE = "INSUFFICIENT_DATA"


def metric_alarm(**different):
    usual = {
        "AlarmName": "DQRiskScoreHigh",
        "AlarmDescription": "A rule is broken.",
        "Namespace": "HealthcareOps",
        "MetricName": "DQRiskScore",
        "Statistic": "Maximum",
        "Period": PERIOD_S,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 3,
        "Threshold": 60,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
        "Severity": "critical",
        "Runbook": "INC-02",
    }
    return MetricAlarm.model_validate(usual | different)


def series_of(drawn):
    """Return the series of datapoints as the guide draws them, the newest on the right."""
    marks = drawn.split()
    series = Series()
    for back, mark in enumerate(reversed(marks)):
        if mark != "-":
            series.add(NOW.timestamp() - (back + 0.5) * PERIOD_S, {"0": 10.0, "X": 90.0}[mark])
    return series


def judged(drawn, was="OK", **different):
    return judge(metric_alarm(**different), series_of(drawn), NOW, was)


# Source: Amazon CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data", the two tables of "How
# alarm state is evaluated when data is missing": 3 out of 3 and 2 out of 3, each with an evaluation range of 5.
GUIDE = [
    (3, "0 - X - X", ("OK", "OK", "OK", "OK")),
    (3, "0 - - - -", ("OK", "OK", "OK", "OK")),
    (3, "- - - - -", (NONE, KEPT, "ALARM", "OK")),
    (3, "0 X X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (3, "- - X - -", ("ALARM", KEPT, "ALARM", "OK")),
    (2, "0 - X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "0 0 X 0 X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "0 - X - -", ("OK", "OK", "ALARM", "OK")),
    (2, "- - - - 0", ("OK", "OK", "ALARM", "OK")),
    (2, "- - - X -", ("ALARM", KEPT, "ALARM", "OK")),
]
# Source: the same tables in the guide's editions of 2018 and 2019 (its public repository), where they say more than
# today's: a breach that is too young to alarm, and one at the far end of the range.
OLDER_GUIDE = [
    (3, "- - - - X", (NONE, KEPT, "ALARM", "OK")),
    (3, "X - - - -", ("ALARM", KEPT, "ALARM", "OK")),
    (2, "- - - - X", (NONE, KEPT, "ALARM", "OK")),
]
# Source: the same page, "Avoiding premature transitions to alarm state", in words: the first does not alarm at once, as
# one of the others may come next.
IN_WORDS = [
    (3, "- - - X -", (NONE, KEPT, "ALARM", "OK")),
    (3, "- - - X 0", ("OK", "OK", "OK", "OK")),
    (3, "- - X - 0", ("OK", "OK", "OK", "OK")),
]


@pytest.mark.parametrize("was", ["OK", "ALARM", NONE])
@pytest.mark.parametrize(("to_alarm", "drawn", "states"), [*GUIDE, *OLDER_GUIDE, *IN_WORDS])
def test_missing_data_are_treated_as_the_guide_s_tables_say(to_alarm, drawn, states, was):
    found = [judged(drawn, was, DatapointsToAlarm=to_alarm, TreatMissingData=one).state for one in TREATMENTS]

    assert found == [was if state == KEPT else state for state in states]


# Source: the same guide, "Evaluating an alarm", the figure: 3 out of 3, above the threshold in periods 3 to 5 and 9.
def test_an_alarm_rings_with_the_third_breaching_period_and_ends_with_the_first_that_does_not_breach():
    periods = ["0", "0", "X", "X", "X", "0", "0", "0", "X", "0"]

    states = [judged(" ".join(periods[:n])).state for n in range(3, 11)]

    assert states == ["OK", "OK", "ALARM", "OK", "OK", "OK", "OK", "OK"]


@pytest.mark.parametrize(
    ("comparison", "at_the_threshold", "above", "below"),
    [
        ("GreaterThanThreshold", "OK", "ALARM", "OK"),
        ("GreaterThanOrEqualToThreshold", "ALARM", "ALARM", "OK"),
        ("LessThanThreshold", "OK", "OK", "ALARM"),
        ("LessThanOrEqualToThreshold", "ALARM", "OK", "ALARM"),
    ],
)
def test_a_datapoint_is_compared_with_the_threshold_as_the_operator_says(comparison, at_the_threshold, above, below):
    alarm = metric_alarm(EvaluationPeriods=1, DatapointsToAlarm=1, ComparisonOperator=comparison)

    states = [judge(alarm, Series([NOW.timestamp()], [value]), NOW, NONE).state for value in (60.0, 60.5, 59.5)]

    assert states == [at_the_threshold, above, below]


@pytest.mark.parametrize(
    ("statistic", "value"), [("SampleCount", 3.0), ("Sum", 9.0), ("Average", 3.0), ("Minimum", 1.0), ("Maximum", 6.0)]
)
def test_a_period_s_values_become_one_datapoint(statistic, value):
    times = [NOW.timestamp() - ago_s for ago_s in (200, 100, 0)]

    found = judge(metric_alarm(Statistic=statistic), Series(times, [1.0, 2.0, 6.0]), NOW, "OK")

    assert found.datapoints[-1].value == value
    assert found.datapoints[-1].at == NOW - timedelta(seconds=PERIOD_S)


def test_what_is_later_than_the_instant_is_not_known():
    later = Series([NOW.timestamp() + 1], [90.0])

    assert judge(metric_alarm(), later, NOW, "OK").state == NONE


def test_the_reason_tells_values_threshold_and_what_makes_an_alarm():
    told = judged("0 X X - X").reason
    kept = judged("- - X - -", TreatMissingData="ignore").reason
    nothing = judged("- - - - -", TreatMissingData="breaching").reason

    assert told == "DQRiskScore: 3 of 3 datapoints (90, 90, 90) are at least 60; 3 of 3 make an alarm"
    assert kept == (
        "DQRiskScore: 1 of 1 datapoints (90) is at least 60, 2 missing (ignore); 3 of 3 make an alarm; "
        "the state before is kept"
    )
    assert nothing == "DQRiskScore: all 5 datapoints are missing, and count as breaching"


# Alarms of several things, and of other alarms


def alarm_file(**different):
    error = metric_alarm(AlarmName="ModelErrorHigh-MAPE", MetricName="ModelMAPEOverFloor", ForEach=["Metric"])
    bias = metric_alarm(AlarmName="ModelErrorHigh-Bias", MetricName="ModelBias", ForEach=["Metric"])
    rule = "ALARM(ModelErrorHigh-MAPE) OR ALARM(ModelErrorHigh-Bias)"
    composite = {
        "AlarmName": "ModelErrorHigh",
        "AlarmDescription": "Forecasts are bad.",
        "ForEach": ["Metric"],
        "AlarmRule": rule,
        "Severity": "warning",
        "Runbook": "INC-03",
    }
    document = {
        "MetricAlarms": [alarm.model_dump(by_alias=True) for alarm in (error, bias)],
        "CompositeAlarms": [composite],
    }
    return AlarmFile.model_validate(document | different)


def of(metric):
    return (("Metric", metric),)


def test_each_thing_has_an_alarm_of_its_own_and_one_that_rings_does_not_hide_another():
    bad, good = series_of("X X X"), series_of("0 0 0")

    found = judge_all(
        alarm_file(),
        {SeriesKey("ModelBias", of("arrivals")): bad, SeriesKey("ModelBias", of("queue")): good},
        NOW,
        {},
    )

    assert {key: one.state for key, one in found.items()} == {
        AlarmKey("ModelErrorHigh-Bias", of("arrivals")): "ALARM",
        AlarmKey("ModelErrorHigh-Bias", of("queue")): "OK",
        AlarmKey("ModelErrorHigh", of("arrivals")): "ALARM",
        AlarmKey("ModelErrorHigh", of("queue")): "OK",
    }
    assert found[AlarmKey("ModelErrorHigh", of("arrivals"))].reason.startswith("ModelErrorHigh-Bias: ModelBias: 3 of 3")


def test_a_thing_that_is_not_measured_any_more_does_not_ring_for_ever():
    key = AlarmKey("ModelErrorHigh-Bias", of("waits"))

    found = judge_all(alarm_file(), {}, NOW, {key: "ALARM"})

    assert found[key].state == NONE
    assert found[AlarmKey("ModelErrorHigh", of("waits"))].state == "OK"


def test_an_alarm_of_the_whole_is_judged_though_nothing_was_ever_measured():
    whole = AlarmFile.model_validate({"MetricAlarms": [metric_alarm().model_dump(by_alias=True)]})

    assert judge_all(whole, {}, NOW, {})[AlarmKey("DQRiskScoreHigh")].state == NONE


def test_the_alarms_look_back_over_the_longest_evaluation_range():
    assert look_back(alarm_file()) == timedelta(seconds=5 * PERIOD_S)
