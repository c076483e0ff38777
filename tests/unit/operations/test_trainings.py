"""A Sunday on which no model was learnt, in the site's own time."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.core.runs import AttemptRecord, Failure, RunRecord, StateRecord
from healthcare_ops.operations.schedules import Schedule
from healthcare_ops.operations.trainings import overdue

SUNDAYS = Schedule("weekly_train", ZoneInfo("America/Sao_Paulo"), time(3), weekday=6)
DUE = datetime(2026, 3, 8, 6, tzinfo=UTC)  # Sunday, 03:00 in São Paulo
MONDAY = datetime(2026, 3, 9, 12, tzinfo=UTC)


def run(began, status="SUCCEEDED", run_type="weekly_train", **known):
    instant = f"{began}:00+00:00"
    return RunRecord(f"{run_type}-1", run_type, "2026-03-07", instant, as_of=instant, status=status, **known)


def broken(reason, message):
    attempt = AttemptRecord(
        "2026-03-08T06:00:01+00:00", "2026-03-08T06:00:02+00:00", failure=Failure("DataError", reason, message)
    )
    return [StateRecord("WeeklyTrain", "2026-03-08T06:00:00+00:00", attempts=[attempt])]


@pytest.mark.parametrize(
    "runs",
    [
        [run("2026-03-08T06:00")],
        [run("2026-03-08T06:00", "FAILED"), run("2026-03-09T09:00")],
        [run("2026-03-08T06:00", "FAILED", outcomes={"weekly_train": {"version": "flow"}})],
    ],
    ids=["on time", "again on Monday", "what failed came after the training"],
)
def test_a_training_that_succeeded_since_sunday_is_not_overdue(runs):
    assert overdue(SUNDAYS, runs, MONDAY) is None


@pytest.mark.parametrize(
    "runs",
    [[], [run("2026-03-08T05:59")], [run("2026-03-08T06:00", run_type="daily")], [run("2026-03-09T13:00")]],
    ids=["no run", "a run before it was due", "a run of another type", "a run that is yet to come"],
)
def test_a_sunday_without_a_training_was_missed(runs):
    found = overdue(SUNDAYS, runs, MONDAY)

    assert (found.what, found.due) == ("missed", DUE)


def test_a_failed_training_tells_its_reason():
    found = overdue(SUNDAYS, [run("2026-03-08T06:00", "FAILED", states=broken("NO_DATA", "no hour."))], MONDAY)

    assert (found.what, found.run_id, found.reason) == ("failed", "weekly_train-1", "NO_DATA: no hour")


@pytest.mark.parametrize(("now", "what"), [(datetime(2026, 3, 8, 7, tzinfo=UTC), None), (MONDAY, "late")])
def test_a_training_at_work_is_late_once_it_takes_longer_than_it_may(now, what):
    found = overdue(SUNDAYS, [run("2026-03-08T06:00", "RUNNING")], now)

    assert (found and found.what) == what


def test_in_the_first_hours_of_sunday_a_training_may_still_come():
    assert overdue(SUNDAYS, [], datetime(2026, 3, 8, 7, tzinfo=UTC)) is None


def test_before_it_is_due_the_sunday_before_counts():
    found = overdue(SUNDAYS, [run("2026-03-02T06:00")], datetime(2026, 3, 8, 5, tzinfo=UTC))

    assert found is None
