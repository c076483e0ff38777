from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, LocalMetrics
from healthcare_ops.core.emf import Measured, emf_line

AT = datetime(2026, 3, 4, 6, tzinfo=UTC)
SOON = "2026-03-04T07:00:00+00:00"


@pytest.fixture
def desk(own_loaded):
    late = Measured(AT, {"FeedId": "visits"}, {"FeedLateMin": 12.5})
    LocalMetrics(own_loaded.state / METRICS_FOLDER).write([emf_line(late)])
    return own_loaded


def test_what_is_measured_is_printed_as_prometheus_reads_it(hops, desk):
    outcome = hops("metrics", "--state", desk.state, "--as-of", SOON)

    families = {family.name: family for family in text_string_to_metric_families(outcome.out)}
    assert outcome.exit_code == 0
    assert families["healthcare_ops_feed_late_min"].samples[0].value == 12.5


def test_a_machine_gets_each_metric_with_what_it_is_of_when_and_what_it_means(hops, desk):
    document = hops("metrics", "--state", desk.state, "--as-of", SOON, "--json").document

    (late,) = [row for row in document["metrics"] if row["metric"] == "FeedLateMin"]
    assert (late["of"], late["value"], late["at"]) == ({"FeedId": "visits"}, 12.5, AT.isoformat())
    assert late["meaning"].startswith("minutes a feed is late")


def test_a_folder_that_is_no_state_directory_has_no_metrics(hops, tmp_path):
    assert hops("metrics", "--state", tmp_path / "nothing").exit_code == 3
