"""The runs that failed and are not made good yet, as a diagnosis wants them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.core.errors import ConfigError, NotFoundError, Reason
from healthcare_ops.core.faults import scrubbed
from healthcare_ops.core.runs import RUN_TYPES, RUNS_PREFIX, SUCCEEDED, RunRecord, StateRecord, log_key
from healthcare_ops.incidents.evidence import FailedRun, GoodRun, LogLine
from healthcare_ops.jobs import JOB_NAMES
from healthcare_ops.operations.history import read_log, read_run
from healthcare_ops.operations.runner import load_orchestrator
from healthcare_ops.operations.tasks import name_of
from healthcare_ops.pipeline.quality.report.report import report_key

_TICK = "inference_tick"
# Of the newest runs of a type that broken rules stopped: those before them mostly failed of what these tell.
_REPORTS_READ = 3


class RunRecords:
    """The records of a state directory's runs; one that was read is read again only when its file has changed."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._objects = LocalObjects(state)
        self._read: dict[str, tuple[tuple[int, int], RunRecord]] = {}

    def read(self) -> list[RunRecord]:
        """Return all, the newest end first and those without one last; a file that is no record is left out."""
        found = [record for key in self._objects.list(RUNS_PREFIX) if (record := self._record(key))]
        return sorted(found, key=lambda record: record.ended_at, reverse=True)

    def _record(self, key: str) -> RunRecord | None:
        try:
            stat = (self._state / key).stat()
            mark = (stat.st_size, stat.st_mtime_ns)
            kept = self._read.get(key)
            if kept is None or kept[0] != mark:
                kept = self._read[key] = (mark, read_run(self._objects, key))
        except (ConfigError, NotFoundError, FileNotFoundError):  # damaged, or gone just now: whoever lists runs tells
            return None
        return kept[1]


def failed_runs(objects: LocalObjects, ended: Sequence[RunRecord]) -> tuple[FailedRun, ...]:
    """Return the runs of each type that failed since one of that type last succeeded, the oldest first.

    `ended` are runs that ended, the newest end first.
    """
    found: list[FailedRun] = []
    for run_type in RUN_TYPES:
        reported = 0
        for record in (one for one in ended if one.run_type == run_type):
            if record.status == SUCCEEDED:
                break
            run = _failed(objects, record)
            if reported < _REPORTS_READ and (report := _report(objects, record)):
                reported, run = reported + 1, replace(run, report=report)
            found.append(run)
    return tuple(sorted(found, key=lambda run: run.ended_at))


def _report(objects: LocalObjects, record: RunRecord) -> dict[str, Any] | None:
    """Return the report of data quality of a run that broken rules stopped; None if there is none to be read."""
    if record.failure is None or record.failure.reason != Reason.DATA_QUALITY:
        return None
    try:
        document = json.loads(objects.read(report_key(date.fromisoformat(record.run_date), record.run_id)))
    except (NotFoundError, ValueError, RecursionError, OSError):  # who diagnoses goes by the others
        return None
    return document if isinstance(document, dict) else None


def last_good(ended: Iterable[RunRecord]) -> dict[str, GoodRun]:
    """Return the newest run of each type that succeeded, of runs with the newest end first."""
    found: dict[str, GoodRun] = {}
    for record in ended:
        if record.status == SUCCEEDED:
            found.setdefault(record.run_type, GoodRun(record.run_id, datetime.fromisoformat(record.ended_at)))
    return found


def _failed(objects: LocalObjects, record: RunRecord) -> FailedRun:
    state, failure = record.failed_state, record.failure
    attempts = state.attempts if state else []
    job = _job(record, state)
    return FailedRun(
        run_id=record.run_id,
        run_type=record.run_type,
        run_date=record.run_date,
        status=record.status,
        trigger=record.trigger,
        state=state.name if state else "",
        job=job,
        attempts=len(attempts),
        error=(attempts[-1].error if attempts else "") or record.error,
        cause=record.cause,
        failure=failure,
        log=_causing_line(objects, record, state),
        reasons=tuple(one.failure.reason if one.failure else str(one.error) for one in attempts if one.error),
        redriven=len(record.redriven_at),
        started_at=datetime.fromisoformat(record.started_at),
        ended_at=datetime.fromisoformat(record.ended_at),
    )


def _job(record: RunRecord, state: StateRecord | None) -> str:
    """Return the job that failed; of a tick the one of its jobs that its failure names."""
    called = _called(state.name) if state else ""
    if called == _TICK:
        named = record.failure.message.partition(":")[0] if record.failure else ""
        return named if named in JOB_NAMES else ""
    return called if called in JOB_NAMES else ""


def _called(state: str) -> str:
    """Return the job or function that a state of the product's state machine calls; empty if it calls none."""
    found = load_orchestrator().states.get(state, {})
    return name_of(found["Resource"], found["Parameters"]) if found.get("Type") == "Task" else ""


def _causing_line(objects: LocalObjects, record: RunRecord, state: StateRecord | None) -> LogLine | None:
    """Return the last error that the job of the state logged; None if the log tells of none."""
    if state is None:
        return None
    job = _called(state.name)
    logged = read_log(objects, record.run_id)
    errors = [line for line in logged if (line["job"], line["level"]) == (job, "ERROR")]
    if not errors:
        return None
    line = errors[-1]
    text = scrubbed(str(line["message"]).partition(" Next: ")[0])
    return LogLine(log_key(record.run_id), line["number"], text, str(line.get("place", "")))
