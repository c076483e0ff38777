from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from healthcare_ops.core.emf import Measured, SeriesKey, emf_line, instant_of, points_of

AT = datetime(2026, 3, 13, 21, 0, 0, 500_000, tzinfo=UTC)
OF_A_FEED = Measured(AT, {"FeedId": "visits"}, {"DQRecordsDelivered": 120, "DQRecordsApplied": 12.5})


def test_a_line_says_what_was_measured_of_what_when_and_by_whom():
    line = emf_line(OF_A_FEED, run_id="daily-1", job="dq_check")

    assert json.loads(line) == {
        "_aws": {
            "Timestamp": 1773435600500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "HealthcareOps",
                    "Dimensions": [["FeedId"]],
                    "Metrics": [
                        {"Name": "DQRecordsDelivered", "Unit": "Count"},
                        {"Name": "DQRecordsApplied", "Unit": "Count"},
                    ],
                }
            ],
        },
        "run_id": "daily-1",
        "job": "dq_check",
        "FeedId": "visits",
        "DQRecordsDelivered": 120,
        "DQRecordsApplied": 12.5,
    }
    assert "\n" not in line
    assert instant_of(line) == AT


def test_a_metric_of_the_whole_has_no_dimension():
    told = json.loads(emf_line(Measured(AT, {}, {"DQRiskScore": 0.0})))

    assert told["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]


@pytest.mark.parametrize(
    ("of", "values", "said"),
    [
        ({}, {"DQRiskScor": 1.0}, "DQRiskScor is no registered metric"),
        ({"PatientId": "P-1"}, {"DQRiskScore": 1.0}, r"DQRiskScore is of \(\), not of \('PatientId',\)"),
        ({}, {"FeedLateMin": 1.0}, r"FeedLateMin is of \('FeedId',\), not of \(\)"),
    ],
)
def test_what_is_not_registered_is_not_measured(of, values, said):
    with pytest.raises(ValueError, match=said):
        emf_line(Measured(AT, of, values))


def test_a_line_reads_back_as_points_of_its_series():
    points = list(points_of(emf_line(OF_A_FEED)))

    feed = (("FeedId", "visits"),)
    assert points == [
        (SeriesKey("DQRecordsDelivered", feed), 1773435600.5, 120.0),
        (SeriesKey("DQRecordsApplied", feed), 1773435600.5, 12.5),
    ]


@pytest.mark.parametrize(
    "line", ["", "{", '"text"', "{}", '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{}]}}', "["]
)
def test_what_is_no_line_of_metrics_says_nothing(line):
    assert list(points_of(line)) == []
