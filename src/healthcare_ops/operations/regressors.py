"""Forecasts of others (weather) that a state directory keeps: taken in, listed, taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import NO_PATIENCE, Patience, lock_state
from healthcare_ops.bootstrap.configuration import require_state
from healthcare_ops.core.clock import SystemClock
from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.forecasting.regressors import Regressor
from healthcare_ops.jobs.regressors import ADDED, FOLDER, merged, packed, stored_sheets
from healthcare_ops.jobs.sheets import Sheet
from healthcare_ops.operations import audit


@dataclass(frozen=True)
class Added:
    """How many values a state directory has of a regressor, and how many of them were new."""

    name: str
    values: int
    new: int


def regressors_in(state: Path) -> tuple[Regressor, ...]:
    """Return all that a state directory keeps, by name.

    Raises
    ------
    NotFoundError
        If there is no such state directory.
    DataError
        If a file cannot be read, or two contradict each other.
    """
    require_state(state)
    return merged(stored_sheets(LocalObjects(state)))


def add(state: Path, files: Sequence[Path], *, patience: Patience = NO_PATIENCE) -> list[Added]:
    """Take in all values of the files, or none; return what became of each regressor that they name.

    Raises
    ------
    NotFoundError
        If there is no such file or state directory.
    DataError
        If a file cannot be read, or contradicts another or what is kept.
    LockedError
        If another process holds the directory, for longer than one may wait.
    """
    require_state(state)
    for file in files:
        if not file.is_file():
            raise NotFoundError(f"file {file} does not exist.", next_step="Correct its name.")
    given = [Sheet.parse(str(file), file.read_bytes()) for file in files]
    named = {one.name for one in merged(given)}
    objects = LocalObjects(state)
    with lock_state(state, wait_s=patience.wait_s, tell=patience.tell):
        there = stored_sheets(objects)
        before = {one.name: len(one.value) for one in merged(there)}
        after = {one.name: len(one.value) for one in merged([*there, *given])}
        kept = [sheet for sheet in there if sheet.name == ADDED]
        if after != before:
            objects.write(ADDED, packed(merged([*kept, *given])))
    return [Added(name, after[name], after[name] - before.get(name, 0)) for name in sorted(named)]


def drop(state: Path, name: str, *, by: str, reason: str, patience: Patience = NO_PATIENCE) -> int:
    """Take out all values of a regressor that were added; return how many.

    Raises
    ------
    NotFoundError
        If none were added, or there is no such state directory.
    ConfigError
        If nobody or no reason is named.
    LockedError
        If another process holds the directory, for longer than one may wait.
    """
    require_state(state)
    objects = LocalObjects(state)
    with lock_state(state, wait_s=patience.wait_s, tell=patience.tell):
        added = merged([Sheet.parse(ADDED, objects.read(ADDED))] if objects.exists(ADDED) else [])
        count = sum(len(one.value) for one in added if one.name == name)
        if not count:
            step = f"See `hops regressors list`; a file that somebody put into {FOLDER} is theirs to take out."
            raise NotFoundError(f"no values of {name!r} were added.", next_step=step)
        details = {"regressor": name, "values": count}
        audit.record(objects, SystemClock().now(), who=by, action="regressors.drop", reason=reason, details=details)
        left = [one for one in added if one.name != name]
        if left:
            objects.write(ADDED, packed(left))
        else:
            objects.delete(ADDED)
    return count
