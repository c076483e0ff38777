"""The outbox of notifications: a line for whatever becomes of them, a file a month (UTC); and the dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from healthcare_ops.adapters.appended import append_lines
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.notices import Notice
from healthcare_ops.monitoring.outbox import Entry, Event, Outbox

NOTIFICATIONS_FOLDER = "ops/notifications"
DEAD_LETTERS = "dead-letters.jsonl"


class LocalOutbox:
    """Entries are added to it, and stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> Outbox:
        """Return what the entries come to; a last line that a crash cut short never was one.

        `ConfigError` names a line that somebody damaged.
        """
        return Outbox(entry for path in sorted(self._folder.glob("????-??.jsonl")) for entry in _entries(path))

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries; they survive a loss of power."""
        by_month: dict[str, list[str]] = {}
        for entry in entries:
            month = f"{datetime.fromisoformat(entry.at).astimezone(UTC):%Y-%m}"
            by_month.setdefault(month, []).append(json.dumps(asdict(entry), ensure_ascii=False))
        for month, lines in sorted(by_month.items()):
            append_lines(self._folder / f"{month}.jsonl", lines)

    def bury(self, letters: Sequence[dict[str, Any]]) -> None:
        """Add dead letters to their file, for people; the outbox itself knows them too."""
        lines = [json.dumps(letter, ensure_ascii=False) for letter in letters]
        append_lines(self._folder / DEAD_LETTERS, lines)


def _entries(path: Path) -> Iterator[Entry]:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        try:
            if line:
                yield _of_line(line)
        except (ValueError, TypeError, RecursionError) as error:
            # A crash came while it was written: it begins as one of this file, and has no end.
            is_cut = line.startswith('{"at": ') and not line.endswith("}")
            if number < len(lines) and not is_cut:
                raise ConfigError(
                    f"{path}, line {number}: {line[:80]!r} is no entry of the outbox: {error}.",
                    next_step="Put the file back from a backup, or take the line away: what it tells of may be sent "
                    "again.",
                ) from error


def _of_line(line: str) -> Entry:
    found = Entry(**json.loads(line))
    if found.event not in get_args(Event) or datetime.fromisoformat(found.at).tzinfo is None:
        raise ValueError(f"{found.event!r} at {found.at!r}")
    for document in found.notices:
        Notice.of_document(document)
    return found
