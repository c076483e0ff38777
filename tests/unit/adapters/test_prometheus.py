from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from healthcare_ops.adapters.prometheus import exposition
from healthcare_ops.core.metric_names import METRICS


def told(metric, of, value):
    return (METRICS[metric], of, value)


def test_prometheus_reads_back_what_is_exposed():
    text = exposition(
        [
            told("DQRiskScore", {}, 62.5),
            told("FeedLateMin", {"FeedId": 'a "b"\\c'}, 5.0),
            told("FeedLateMin", {"FeedId": "visits"}, 0.0),
            told("RunsEnded", {"RunType": "daily", "Status": "FAILED"}, 2.0),
        ]
    )

    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = [(s.name, s.labels, s.value) for family in families.values() for s in family.samples]
    assert samples == [
        ("healthcare_ops_dq_risk_score", {}, 62.5),
        ("healthcare_ops_feed_late_min", {"feed_id": 'a "b"\\c'}, 5.0),
        ("healthcare_ops_feed_late_min", {"feed_id": "visits"}, 0.0),
        ("healthcare_ops_runs_ended_last_day", {"run_type": "daily", "status": "FAILED"}, 2.0),
    ]
    assert families["healthcare_ops_dq_risk_score"].documentation == METRICS["DQRiskScore"].meaning


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_every_metric_has_a_name_that_prometheus_takes(metric):
    text = exposition([(metric, dict.fromkeys(metric.dimensions, "x"), 1.0)])

    (family,) = text_string_to_metric_families(text)
    assert family.samples[0].value == 1.0
