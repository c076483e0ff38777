"""Runs that broken rules stopped come with the reports that they wrote."""

from __future__ import annotations

import json
from datetime import date

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.core.errors import Reason
from healthcare_ops.core.runs import AttemptRecord, Failure, RunRecord, StateRecord
from healthcare_ops.operations.failed_runs import failed_runs
from healthcare_ops.pipeline.quality.report.report import report_key

AT = "2026-03-12T07:0{}:00+00:00"


def stopped(number, reason=Reason.DATA_QUALITY):
    failure = Failure("QualityError", reason, "a rule is broken.")
    attempt = AttemptRecord(AT.format(number), AT.format(number), "States.TaskFailed", "", failure)
    return RunRecord(
        f"daily-{number}",
        "daily",
        "2026-03-11",
        AT.format(number),
        status="FAILED",
        ended_at=AT.format(number),
        states=[StateRecord("RunDQ", AT.format(number), attempts=[attempt])],
    )


def test_the_newest_runs_that_broken_rules_stopped_come_with_their_reports(tmp_path):
    objects = LocalObjects(tmp_path)
    for number in range(6):
        objects.write(report_key(date(2026, 3, 11), f"daily-{number}"), json.dumps({"run_id": number}).encode())
    runs = [stopped(5, Reason.NETWORK), *(stopped(number) for number in (4, 3, 2, 1))]

    found = failed_runs(objects, runs)

    assert [run.run_id for run in found] == [f"daily-{number}" for number in (1, 2, 3, 4, 5)]
    assert [run.report and run.report["run_id"] for run in found] == [None, 2, 3, 4, None]


def test_a_report_that_cannot_be_read_is_none(tmp_path):
    objects = LocalObjects(tmp_path)
    objects.write(report_key(date(2026, 3, 11), "daily-1"), b"{")

    (found,) = failed_runs(objects, [stopped(1)])

    assert found.report is None
