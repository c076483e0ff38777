"""What is known when a diagnosis is made: plain values that somebody read, and what could not be read.

Nothing here holds text of the data: causes and log lines have gone through `core.faults.without_data`, and names are
those of the configuration and of the product. Instants are aware, in UTC; a `run_date` is a local operational day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from healthcare_ops.core.alarm_file import Runbook, Severity
from healthcare_ops.core.runs import Failure

ChangeKind = Literal[
    "site", "feed", "rules", "settings", "definition", "release", "secret", "model", "acceptance", "regressors"
]
TrainingStatus = Literal["fine", "missed", "failed", "late", "not_due"]
# What a diagnosis asks for and may lack.
Asked = Literal["runs", "log", "report", "drift", "training", "changes", "ages", "predictions", "access", "deliveries"]
# Why it is not there: never made; made, but it cannot be read; older than the incident; nothing here could look.
Lacking = Literal["absent", "unreadable", "outdated", "out_of_reach"]


@dataclass(frozen=True)
class LogLine:
    """A line of a run's log: object and line number (from 1), what it says, and the program's file and line if known.

    `place` is `module.py:123`; empty where the log does not tell.
    """

    key: str
    number: int
    text: str
    place: str = ""


@dataclass(frozen=True)
class FailedRun:
    """A run that ended otherwise than SUCCEEDED, and none of its type has succeeded since.

    Attributes
    ----------
    state, job
        Where it ended, as the state machine and the jobs are named; of a tick the inner job. Empty if not known.
    attempts
        How often the state was tried, the first time included; 0 if it was not begun.
    failure
        What the last attempt died of, as far as a job told; None of TIMED_OUT and ABORTED.
    reasons
        Reason codes of all attempts, the first one first.
    redriven
        How often the run was redriven so far.
    report
        The report of data quality that this run wrote, as stored; None if it did not get so far.
    """

    run_id: str
    run_type: str
    run_date: str
    status: str
    trigger: str
    state: str
    job: str
    attempts: int
    error: str
    cause: str
    failure: Failure | None
    started_at: datetime
    ended_at: datetime
    log: LogLine | None = None
    reasons: tuple[str, ...] = ()
    redriven: int = 0
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Symptom:
    """An alarm in ALARM: of what, since when, the newest value and its threshold (None of an alarm on alarms)."""

    alarm: str
    of: Mapping[str, str]
    since: datetime
    severity: Severity
    runbook: Runbook
    state: str = "ALARM"
    value: float | None = None
    threshold: float | None = None
    datapoints: tuple[tuple[datetime, float | None], ...] = ()


@dataclass(frozen=True)
class Change:
    """Something that somebody, or the platform, changed since the last good run; before and after as far as known."""

    at: datetime
    what: ChangeKind
    name: str
    who: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class GoodRun:
    """The newest run of a type that succeeded, and when it ended."""

    run_id: str
    at: datetime


@dataclass(frozen=True)
class Training:
    """What became of the `weekly_train` that was due last (`due`: Sunday's instant); `reason` code of one that failed.

    `trained_at` is when the model in use stopped learning; None if there is no model.
    """

    due: datetime | None
    status: TrainingStatus
    run_id: str = ""
    reason: str = ""
    trained_at: datetime | None = None


@dataclass(frozen=True)
class FeedAge:
    """How old a feed's newest delivery is and by how many minutes that is too late (0: it is not); who is asked.

    `supplier` is the contact of its feed file.
    """

    feed_id: str
    delivered_at: datetime | None
    late_min: float = 0.0
    supplier: str = ""


@dataclass(frozen=True)
class Ages:
    """How old what the platform lives on is; secrets by name in days; None where nothing was ever made."""

    forecast_at: datetime | None = None
    feeds: tuple[FeedAge, ...] = ()
    secrets_days: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """A file that came since the report of the evidence was written: taken in, or refused with a reason code."""

    feed_id: str
    at: datetime
    refused: str = ""


@dataclass(frozen=True)
class Prediction:
    """A forecast that was shown when somebody complained, and what came true (None if that is not known yet)."""

    sector_id: str
    metric: str
    made_at: datetime
    target_time: datetime
    mean: float
    low: float
    high: float
    actual: float | None
    model_version: str
    data_as_of: datetime | None = None


@dataclass(frozen=True)
class Complaint:
    """Somebody says that forecasts are wrong: of which sector, at what time, of what (`metric`; empty: all)."""

    complaint_id: str
    sector_id: str
    at: datetime
    metric: str = ""


@dataclass(frozen=True)
class Unchecked:
    """What could not be looked at, and why; `of` names it more closely (a run, a key, a feed)."""

    what: Asked
    why: Lacking
    of: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that is known at an instant.

    Attributes
    ----------
    symptoms
        Alarms in ALARM now.
    failed_runs
        Runs of every type that failed since one of their type last succeeded, the oldest first.
    last_good
        By run type.
    changed
        What was changed since the last good run, the newest first.
    report
        The newest report of data quality that a run wrote, as stored; None if there is none.
    drift
        The verdict of the day as `jobs.drift.described` has it, of plain values; None if there is none.
    predictions
        Those that were shown for each complaint.
    back_at
        When `EvaluatorSilent` was OK again last: since then somebody watches. None if it never rang, or rings.
    """

    at: datetime
    symptoms: tuple[Symptom, ...] = ()
    failed_runs: tuple[FailedRun, ...] = ()
    last_good: Mapping[str, GoodRun] = field(default_factory=dict)
    changed: tuple[Change, ...] = ()
    report: Mapping[str, Any] | None = None
    drift: Mapping[str, Any] | None = None
    training: Training | None = None
    ages: Ages = field(default_factory=Ages)
    deliveries: tuple[Delivery, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()
    back_at: datetime | None = None

    def lacks(self, what: Asked) -> Unchecked | None:
        """Return why something could not be looked at; None if nobody says that it could not."""
        return next((one for one in self.unchecked if one.what == what), None)
