"""Whether the training that was due last Sunday has succeeded, and what became of it if not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from healthcare_ops.core.runs import SUCCEEDED, RunRecord
from healthcare_ops.operations.schedules import Schedule

# As long as a training may take; one that is due and not begun is given as much.
PATIENCE = timedelta(hours=2)
_LONGER_THAN_A_WEEK = timedelta(days=8)
_JOB = "weekly_train"


@dataclass(frozen=True)
class Overdue:
    """A training that was due at an instant (UTC) and has not succeeded since.

    `missed`: no run began; `failed`: the newest run that did, did so for a `reason`; `late`: it is still at work.
    """

    due: datetime
    what: Literal["missed", "failed", "late"]
    run_id: str = ""
    began: datetime | None = None
    reason: str = ""


def overdue(schedule: Schedule, runs: Sequence[RunRecord], now: datetime) -> Overdue | None:
    """Return what became of the last training that was due by now; None if one succeeded since, or still may in time.

    Parameters
    ----------
    runs
        The runs that are known, of any type. What a run after `now` did is yet to come.
    """
    *_, due = schedule.due(now - _LONGER_THAN_A_WEEK, now)
    since = [run for run in runs if run.run_type == schedule.run_type and due <= _began(run) <= now]
    if any(run.status == SUCCEEDED or _JOB in run.outcomes for run in since):
        return None
    if newest := max(since, key=_began, default=None):
        if not newest.is_open:
            return Overdue(due, "failed", newest.run_id, _began(newest), _reason(newest))
        return Overdue(due, "late", newest.run_id, _began(newest)) if now - due > PATIENCE else None
    return Overdue(due, "missed") if now - due > PATIENCE else None


def _began(run: RunRecord) -> datetime:
    return datetime.fromisoformat(run.as_of or run.started_at)


def _reason(run: RunRecord) -> str:
    failure = run.failure
    told = f"{failure.reason}: {failure.message}" if failure else f"{run.error or run.status}: {run.cause}"
    return told.strip().rstrip(":.")
