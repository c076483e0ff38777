"""What is gathered for a diagnosis."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from healthcare_ops.adapters.local_alarms import Transition
from healthcare_ops.operations.incident_evidence import back_at

AT = datetime(2026, 3, 12, 8, tzinfo=UTC)


def change(was, state, alarm="EvaluatorSilent", at=AT):
    return Transition(at.isoformat(), alarm, {}, was, state, "", [])


SILENT, BACK = change("OK", "ALARM"), change("ALARM", "OK")


@pytest.mark.parametrize(
    ("changes", "since"),
    [
        pytest.param([], None, id="nothing ever rang"),
        pytest.param([change("INSUFFICIENT_DATA", "OK")], None, id="it never rang"),
        pytest.param([SILENT], None, id="it rings"),
        pytest.param([SILENT, BACK], AT, id="it is over"),
        pytest.param([SILENT, BACK, change("OK", "ALARM", "InferenceStale")], AT, id="others ring since"),
        pytest.param([SILENT, BACK, SILENT], None, id="it rings again"),
    ],
)
def test_since_when_somebody_watches_again_is_told_by_the_alarm_of_the_evaluator(changes, since):
    assert back_at(changes) == since
