from __future__ import annotations

import json
from datetime import UTC, datetime

from healthcare_ops.core.emf import emf_line

AT = datetime(2026, 3, 13, 21, 0, 0, 500_000, tzinfo=UTC)


def test_a_line_says_what_was_measured_of_what_and_when():
    line = emf_line(AT, {"FeedId": "visits"}, {"DQRecordsDelivered": (120, "Count"), "Share": (12.5, "Percent")})

    assert json.loads(line) == {
        "_aws": {
            "Timestamp": 1773435600500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "HealthcareOps",
                    "Dimensions": [["FeedId"]],
                    "Metrics": [
                        {"Name": "DQRecordsDelivered", "Unit": "Count"},
                        {"Name": "Share", "Unit": "Percent"},
                    ],
                }
            ],
        },
        "FeedId": "visits",
        "DQRecordsDelivered": 120,
        "Share": 12.5,
    }
    assert "\n" not in line


def test_a_metric_of_the_whole_has_no_dimension():
    told = json.loads(emf_line(AT, {}, {"DQRiskScore": (0.0, "None")}))

    assert told["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
