from __future__ import annotations

import pytest

from healthcare_ops.pipeline.quality.report.past import kind_of, made_by


@pytest.mark.parametrize(
    ("run_id", "kind", "maker"),
    [
        ("daily-20260312T060000Z", "daily", "run"),
        ("weekly_train-20260312T060000Z", "daily", "run"),
        ("inference-20260312T060000Z", "inference", "run"),
        ("bulk-20260312T060000Z-a", "bulk", "run"),
        ("decision-20260312T060000Z-a", "bulk", "decision"),
        ("check-20260312T060000Z-a", "bulk", "check"),
    ],
)
def test_the_name_of_a_run_says_what_it_is_compared_with_and_what_made_its_report(run_id, kind, maker):
    assert (kind_of(run_id), made_by(run_id)) == (kind, maker)
