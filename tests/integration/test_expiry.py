from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from healthcare_ops.core.runs import log_key, record_key
from healthcare_ops.operations.engine import open_engine
from hospital import open_hospital

KEEP = timedelta(days=30)


@pytest.fixture
def ended(tmp_path):
    """Return a state directory, and a run of it that ended a moment ago."""
    with open_hospital(tmp_path, "2026-03-23T06:20:00-03:00"):
        pass
    with open_engine(tmp_path / "state") as engine:
        run_id = engine.start("inference")
        assert engine.finish(run_id).status == "SUCCEEDED"
    return tmp_path / "state", run_id


@pytest.mark.parametrize(("days", "is_kept"), [(29, True), (31, False)])
def test_a_run_its_log_and_its_steps_are_kept_for_a_month(ended, days, is_kept):
    state, run_id = ended
    later = datetime.now(UTC) + timedelta(days=days)

    with open_engine(state, now=lambda: later) as engine:
        removed = engine.expire(KEEP)
        known = engine.durable.knows(run_id)

    left = [(state / key).exists() for key in (record_key(run_id), log_key(run_id))]
    assert (removed, known, left) == (int(not is_kept), is_kept, [is_kept, is_kept])
