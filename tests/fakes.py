"""The ports in memory: working classes, held to the same contract tests as the real adapters."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from healthcare_ops.adapters.object_keys import check_object_key
from healthcare_ops.core.clock import Clock
from healthcare_ops.core.errors import ConfigError, DataError, NotFoundError
from healthcare_ops.core.tables import Table
from healthcare_ops.orchestrator.interpreter import Attempt, StateEntry
from healthcare_ops.ports import DayChanges, Delivery, Lake


class MemoryObjects:
    """An object store that lasts as long as the test."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def read(self, key: str) -> bytes:
        if not self.exists(key):
            raise NotFoundError(f"there is no object {key!r}.", next_step="Check the name.")
        return self._objects[key]

    def write(self, key: str, data: bytes) -> None:
        check_object_key(key)
        self._objects[key] = bytes(data)

    def exists(self, key: str) -> bool:
        check_object_key(key)
        return key in self._objects

    def list(self, prefix: str) -> list[str]:
        if "/" in prefix:
            check_object_key(prefix.rpartition("/")[0])
        return sorted(key for key in self._objects if key.startswith(prefix))

    def path(self, key: str) -> str:
        check_object_key(key)
        return f"memory/{key}"


class MemorySecrets:
    """A secret store that lasts as long as the test."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or VirtualTime()
        self._secrets: dict[str, bytes] = {}
        self._set_at: dict[str, datetime] = {}

    def get(self, name: str) -> bytes:
        if name not in self._secrets:
            raise ConfigError(f"secret {name!r} is not set.", next_step="Run `hops init`.")
        return self._secrets[name]

    def put(self, name: str, value: bytes) -> None:
        self._secrets[name] = bytes(value)
        self._set_at[name] = self._clock.now()

    def set_at(self, name: str) -> datetime:
        self.get(name)
        return self._set_at[name]

    def names(self) -> list[str]:
        return sorted(self._secrets)


class MemoryMetrics:
    """Keeps the lines of what was measured."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, lines: Iterable[str]) -> None:
        self.lines += lines


class MemoryRaw:
    """A store of deliveries that lasts as long as the test."""

    def __init__(self) -> None:
        self._kept: dict[Delivery, bytes] = {}

    def land(self, feed_id: str, file: Path, sha256: str, delivered_on: date) -> Delivery:
        delivery = Delivery(feed_id, len(self.deliveries(feed_id)) + 1, file.name, sha256, delivered_on)
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DataError(f"{file.name} changed while it was read.")
        self._kept[delivery] = content
        return delivery

    def deliveries(self, feed_id: str) -> list[Delivery]:
        return [delivery for delivery in self._kept if delivery.feed_id == feed_id]

    @contextmanager
    def open(self, delivery: Delivery) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / delivery.source_file
            path.write_bytes(self._kept[delivery])
            yield path

    def put_back(self, delivery: Delivery, file: Path) -> bool:
        return False  # memory is not damaged


class FlakyLake:
    """A lake whose first writes end as told, in an error or (None) well; later ones reach the lake behind it."""

    def __init__(self, lake: Lake, *errors: Exception | None) -> None:
        self._lake = lake
        self._errors = list(errors)

    def read(
        self,
        table: Table,
        first: date | None = None,
        last: date | None = None,
        *,
        days: Collection[date] | None = None,
        columns: Sequence[str] = (),
    ) -> ir.Table:
        return self._lake.read(table, first, last, days=days, columns=columns)

    def append(self, table: Table, rows: ir.Table, notes: Mapping[str, str]) -> int:
        self._fail()
        return self._lake.append(table, rows, notes)

    def replace_days(self, table: Table, rows: ir.Table, days: Sequence[date], notes: Mapping[str, str]) -> int:
        self._fail()
        return self._lake.replace_days(table, rows, days, notes)

    def changes(self, table: Table, since: str) -> DayChanges:
        return self._lake.changes(table, since)

    def note(self, table: Table, key: str) -> str:
        return self._lake.note(table, key)

    def _fail(self) -> None:
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error


class VirtualTime:
    """A clock that only sleeping moves; it keeps how long was slept."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._now = start
        self.slept_s: list[float] = []

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class ScriptedTasks:
    """Answers tasks from a script: per job, function or resource, one answer a call; the last one goes on.

    An answer that is an exception is raised; a task without a script answers an empty object. A task takes as
    long as `takes_s` says.
    """

    def __init__(
        self,
        script: Mapping[str, Sequence[Any]] | None = None,
        time: VirtualTime | None = None,
        takes_s: Mapping[str, float] | None = None,
    ) -> None:
        self._script = {name: list(answers) for name, answers in (script or {}).items()}
        self._time = time or VirtualTime()
        self._takes_s = takes_s or {}
        self.calls: list[tuple[str, Any, float | None]] = []

    @property
    def names(self) -> list[str]:
        """Return which tasks were called, in order."""
        return [name for name, _, _ in self.calls]

    def run(self, resource: str, parameters: Any, *, timeout_s: float | None) -> Any:
        named = parameters if isinstance(parameters, dict) else {}
        name = named.get("JobName") or named.get("FunctionName") or resource
        self.calls.append((name, parameters, timeout_s))
        self._time.advance(self._takes_s.get(name, 0.0))
        answers = self._script.get(name, [{}])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Watcher:
    """An observer that keeps what it was told, one line each."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def entered(self, entry: StateEntry) -> None:
        self.heard.append(f"entered {entry.name}")

    def attempted(self, entry: StateEntry, attempt: Attempt) -> None:
        self.heard.append(f"attempted {entry.name}: {attempt.error or 'ok'}")

    def left(self, entry: StateEntry) -> None:
        self.heard.append(f"left {entry.name}")
