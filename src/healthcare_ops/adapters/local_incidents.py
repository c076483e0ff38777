"""The incidents of a state directory: a file each, a line for whatever happens to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from healthcare_ops.adapters.appended import append_lines
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.incident import Incident, IncidentEvent, incident_of

INCIDENTS_FOLDER = "ops/incidents"
_ID = re.compile(r"[A-Z]+(?:-\d{2})?-\d{8}-[0-9a-f]{4,64}")


class LocalIncidents:
    """Events are added to it, and stay. What was read once is read again only when its file has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int], Incident]] = {}

    def read(self) -> list[Incident]:
        """Return all incidents, the one that was opened last first; `ConfigError` names a line that was damaged."""
        paths = [path for path in self._folder.glob("*.jsonl") if _ID.fullmatch(path.stem)]
        found = [one for path in paths if (one := self._incident(path))]
        return sorted(found, key=lambda one: (one.opened_at, one.incident_id), reverse=True)

    def append(self, incident_id: str, events: Sequence[IncidentEvent]) -> None:
        """Add events to an incident, all at once or, after a crash, the first ones; they survive a loss of power."""
        append_lines(self._folder / f"{incident_id}.jsonl", [event.line for event in events])

    def _incident(self, path: Path) -> Incident | None:
        stat = path.stat()
        mark = (stat.st_size, stat.st_mtime_ns)
        kept = self._read.get(path.stem)
        if kept and kept[0] == mark:
            return kept[1]
        events = list(_events(path))
        if not events:  # a crash came while its first line was written
            return None
        try:
            found = incident_of(path.stem, events)
        except (ValueError, TypeError, KeyError) as error:
            raise _damaged(f"{path}: {type(error).__name__}: {error}") from error
        self._read[path.stem] = (mark, found)
        return found


def _events(path: Path) -> Iterator[IncidentEvent]:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        try:
            if line:
                yield IncidentEvent.of_line(line)
        except (ValueError, TypeError, RecursionError) as error:
            is_cut = line.startswith('{"at": ') and not line.endswith("}")  # a crash came while it was written
            if number < len(lines) and not is_cut:
                raise _damaged(f"{path}, line {number}: {line[:80]!r} is no event: {error}") from error


def _damaged(what: str) -> ConfigError:
    return ConfigError(f"{what}.", next_step="Put the file back from a backup, or move it elsewhere.")
