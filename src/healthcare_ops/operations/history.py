"""What runs did, read from their records, without the engine."""

from __future__ import annotations

import json
import logging
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any

from healthcare_ops.core.errors import ConfigError, LockedError, NotFoundError
from healthcare_ops.core.runs import RUNS_PREFIX, RunRecord, log_key, record_key
from healthcare_ops.operations.runner import read_definition
from healthcare_ops.orchestrator.graph import WIDTH, draw
from healthcare_ops.ports import ObjectStore

_log = logging.getLogger(__name__)
LAST = "last"
_OF_A_LOG_LINE = {"at", "level", "job", "message"}
_LOOK_EVERY_S = 0.2
_CAUSE_WIDTH = WIDTH - 8


def read_runs(objects: ObjectStore) -> list[RunRecord]:
    """Return the records of all runs that are kept, the newest first; a file that is no record is logged, not read."""
    records = []
    for key in objects.list(RUNS_PREFIX):
        try:
            records.append(read_run(objects, key))
        except (ConfigError, NotFoundError) as error:  # nobody's damaged file keeps the platform down
            _log.warning("%s", error)
    return sorted(records, key=lambda record: record.started_at, reverse=True)


def read_run(objects: ObjectStore, key: str) -> RunRecord:
    """Return the record that is stored under a key; `ConfigError` if it is none, `NotFoundError` if there is none."""
    text = objects.read(key)
    try:
        record = RunRecord.of_json(text)
    except ConfigError as error:
        raise error.about(key) from error
    if record.key != key:
        raise ConfigError(f"{key} is the record of another run, {record.run_id!r}.", next_step="Take the file away.")
    return record


def find_run(objects: ObjectStore, name: str) -> RunRecord:
    """Return the run of that id, of the one id that begins so, or the `last` one; `NotFoundError` if there is none."""
    if name == LAST:
        found = read_runs(objects)[:1]
    else:
        keys = [key for key in objects.list(RUNS_PREFIX) if key.removeprefix(RUNS_PREFIX).startswith(name)]
        exact = [key for key in keys if key == record_key(name)]
        found = [read_run(objects, key) for key in exact or keys]
    if len(found) != 1:
        what = f"{len(found)} runs begin with {name!r}" if found else f"there is no run {name!r}"
        raise NotFoundError(f"{what}.", next_step="`hops runs list` shows what there is.")
    return found[0]


def follow_run(
    objects: ObjectStore, run_id: str, progress: Callable[[str], None], is_served: Callable[[], bool]
) -> RunRecord:
    """Wait for the end of a run that another process carries out; return its record.

    `LockedError` if nobody carries it out any more.
    """
    told = 0
    while True:
        is_last_look = not is_served()
        if objects.exists(record_key(run_id)):
            record = read_run(objects, record_key(run_id))
            for state in record.states[told:]:
                progress(state.name)
            told = len(record.states)
            if not record.is_open:
                return record
        if is_last_look:
            raise LockedError(
                f"`hops up` has ended, and run {run_id} has not.", next_step="Start it again: the run then goes on."
            )
        time.sleep(_LOOK_EVERY_S)


def draw_run(objects: ObjectStore, record: RunRecord) -> list[str]:
    """Return the lines of a drawing of the run's state machine: how each state went, and why one failed."""
    notes: dict[str, list[str]] = {}
    for state in record.states:
        tries = f", {len(state.attempts)} attempts" if len(state.attempts) > 1 else ""
        notes[state.name] = [f"* {'done' if state.exited_at else 'at work'}, {state.seconds:.2f} s{tries}"]
    if failed := record.failed_state:
        attempt = failed.attempts[-1] if failed.attempts else None
        error, cause = (attempt.error, attempt.cause) if attempt else (record.error, record.cause)
        lines = textwrap.wrap(f"{error or record.status}: {cause or record.cause}", _CAUSE_WIDTH)
        notes[failed.name] = [f"! {lines[0]}", *(f"  {line}" for line in lines[1:])]
    return draw(read_definition(objects, record.definition), notes)


def read_log(objects: ObjectStore, run_id: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a run's log, oldest first, each with its number; one that a crash cut short is left out."""
    key = log_key(run_id)
    text = objects.read(key).decode(errors="replace") if objects.exists(key) else ""
    for number, line in enumerate(text.split("\n"), 1):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict) and document.keys() >= _OF_A_LOG_LINE:
            yield {"number": number, **document}
