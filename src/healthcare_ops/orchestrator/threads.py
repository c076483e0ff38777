"""Branches in threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

from healthcare_ops.orchestrator.world import Stopped

_Result = TypeVar("_Result")
_SLICE_S = 0.5


@dataclass(eq=False)
class _Group:
    """The branches of one state, and the group that this state is itself in."""

    outer: _Group | None
    failure: BaseException | None = None

    @property
    def is_stopped(self) -> bool:
        return self.failure is not None or (self.outer is not None and self.outer.is_stopped)


_group: ContextVar[_Group | None] = ContextVar("group", default=None)


class Threads:
    """Runs each branch in a thread; a stopped one ends at its next state, wait or attempt, never within a task."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def run(self, branches: Sequence[Callable[[], _Result]], limit: int) -> list[_Result]:
        """Return the results in the order of the branches; see `Together`."""
        if not branches:
            return []
        group, lock = _Group(_group.get()), Lock()

        def work(branch: Callable[[], _Result]) -> _Result:
            _group.set(group)
            try:
                self.check()
                return branch()
            except BaseException as error:
                with lock:
                    group.failure = group.failure or error
                raise

        with ThreadPoolExecutor(min(limit, len(branches)), "branch") as pool:
            futures = [pool.submit(copy_context().run, work, branch) for branch in branches]
            try:
                wait(futures)
            except BaseException as error:
                group.failure = group.failure or error
                raise
        self.check()
        if group.failure is not None:
            raise group.failure
        return [future.result() for future in futures]

    def sleep(self, seconds: float) -> None:
        """Wait; in short turns where another branch may stop this one."""
        if _group.get() is None:
            self._sleep(seconds)
            return
        while seconds > 0:
            self.check()
            self._sleep(min(seconds, _SLICE_S))
            seconds -= _SLICE_S
        self.check()

    def check(self) -> None:
        """Raise `Stopped` if the branch that asks was stopped."""
        group = _group.get()
        if group is not None and group.is_stopped:
            raise Stopped
