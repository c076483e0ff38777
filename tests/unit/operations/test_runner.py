from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from healthcare_ops.operations.runner import run_orchestrator
from hospital import open_hospital

LONG_AGO = "2018-01-01T00:00:00+01:00"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """Return a hospital to which nothing is delivered, in a time long past."""
    with open_hospital(tmp_path_factory.mktemp("hospital"), LONG_AGO) as opened:
        yield opened


def test_a_replay_keeps_the_time_it_is_about_apart_from_the_time_it_took(hospital):
    before = datetime.now(UTC).isoformat()

    finished = run_orchestrator(hospital.context, "inference")

    record = json.loads(hospital.context.objects.read(finished.record.key))
    first, last = record["states"][0], record["states"][-1]
    instants = [before, record["started_at"], first["entered_at"], last["exited_at"], record["ended_at"]]
    assert record["as_of"] == "2017-12-31T23:00:00+00:00"
    assert record["run_id"].startswith("inference-20171231T230000Z-")
    assert instants == sorted(instants)
