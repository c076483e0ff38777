"""What the interpreter meets outside the definition, and what it tells: tasks, time, chance, observers, history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from healthcare_ops.orchestrator.values import Json

Status = Literal["SUCCEEDED", "FAILED", "TIMED_OUT"]
_Result = TypeVar("_Result")


class TaskRunner(Protocol):
    """Does the work of Task states."""

    def run(self, resource: str, parameters: Json, *, timeout_s: float | None) -> Json:
        """Return the task's result; `TaskFailure` if it has none, States.Timeout if it took longer than allowed.

        Tasks of concurrent branches are run from several threads.
        """
        ...


@dataclass(frozen=True)
class Attempt:
    """One try of a state."""

    started_at: datetime
    ended_at: datetime
    error: str | None = None
    cause: str | None = None


@dataclass
class StateEntry:
    """One visit to a state.

    `branch` names the branches and items around it, outermost first: `Fan[0]`. `event` is the number that its
    entry has among the events of the run, as the service counts them.
    """

    name: str
    entered_at: datetime
    input: Json
    output: Json = None
    exited_at: datetime | None = None
    attempts: list[Attempt] = field(default_factory=list)
    branch: tuple[str, ...] = ()
    event: int = 0


@dataclass(frozen=True)
class Execution:
    """How a run ended."""

    status: Status
    output: Json
    error: str | None
    cause: str | None
    history: tuple[StateEntry, ...]


class Observer(Protocol):
    """Is told what happens while it happens; one call at a time, whatever runs concurrently."""

    def entered(self, entry: StateEntry) -> None:
        """Hear that a state was entered."""
        ...

    def attempted(self, entry: StateEntry, attempt: Attempt) -> None:
        """Hear that an attempt ended."""
        ...

    def left(self, entry: StateEntry) -> None:
        """Hear that a state was left."""
        ...


class Stopped(Exception):
    """A branch ends without a result, because another one beside it failed."""


class Together(Protocol):
    """Runs branches side by side; the first one to fail stops the others."""

    def run(self, branches: Sequence[Callable[[], _Result]], limit: int) -> list[_Result]:
        """Return the results in the order of the branches, at most `limit` at work at once.

        What the first branch to fail raised is raised here, once all have ended.
        """
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; `Stopped` if the branch that waits was stopped."""
        ...

    def check(self) -> None:
        """Raise `Stopped` if the branch that asks was stopped."""
        ...


@dataclass(frozen=True)
class World:
    """What the interpreter needs beside the definition: tasks, time, chance and company (default: threads)."""

    tasks: TaskRunner
    observer: Observer
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    random: Callable[[], float]
    together: Together | None = None
