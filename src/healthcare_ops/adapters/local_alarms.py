"""What became of the alarms of a state directory: every change of a state, a line each, a file a month (UTC)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, get_args

from healthcare_ops.adapters.appended import append_lines
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.monitoring.alarms import State

ALARMS_FOLDER = "ops/alarms"


@dataclass(frozen=True)
class Transition:
    """One change: `at` and the datapoints' beginnings are ISO text in UTC, `of` the value of each dimension."""

    at: str
    alarm: str
    of: dict[str, str]
    was: State
    state: State
    reason: str
    datapoints: list[list[Any]]

    @classmethod
    def of_line(cls, line: str) -> Self:
        """Return the change that a line tells of; `ConfigError` if it tells of none."""
        try:
            found = cls(**json.loads(line))
            if found.state not in get_args(State) or datetime.fromisoformat(found.at).tzinfo is None:
                raise ValueError(f"{found.state!r} at {found.at!r}")
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(f"{line[:80]!r} is no change of an alarm: {error}.") from error
        return found


class AlarmLog:
    """Changes are added to it, and stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> list[Transition]:
        """Return every change, the oldest first; a last line that a crash cut short never was one.

        `ConfigError` names a line that somebody damaged.
        """
        return [change for path in sorted(self._folder.glob("*.jsonl")) for change in _changes(path)]

    def append(self, changes: Iterable[Transition]) -> None:
        """Add changes; they survive a loss of power."""
        lines = [(change.at, json.dumps(asdict(change), ensure_ascii=False)) for change in changes]
        for month in sorted({_month(at) for at, _ in lines}):
            of_month = [line for at, line in lines if _month(at) == month]
            append_lines(self._folder / f"{month}.jsonl", of_month)


def _month(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m}"


def _changes(path: Path) -> Iterator[Transition]:
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        try:
            if line:
                yield Transition.of_line(line)
        except ConfigError as error:
            if number < len(lines) and not _is_cut(line):
                raise ConfigError(
                    f"{path}, line {number}: {error.message}",
                    next_step="Put the file back from a backup, or take the line away: the alarm is then judged anew.",
                ) from error


def _is_cut(line: str) -> bool:
    """Tell whether a line begins as one of this log and has no end: a crash came while it was written."""
    return line.startswith('{"at": ') and not line.endswith("}")
