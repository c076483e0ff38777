"""A clock that only waiting moves, with branches that wait side by side: the same order each time."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from healthcare_ops.orchestrator.world import Stopped

_Result = TypeVar("_Result")


@dataclass(eq=False)
class _Group:
    """The branches of one state, and the strand that waits for them."""

    owner: _Strand
    waiting: deque[int]
    running: int = 0
    failure: BaseException | None = None

    @property
    def is_stopped(self) -> bool:
        return self.failure is not None or self.owner.is_stopped


@dataclass(eq=False)
class _Strand:
    """One line of work in a thread of its own; only the one that holds the baton runs."""

    group: _Group | None = None
    baton: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def is_stopped(self) -> bool:
        return self.group is not None and self.group.is_stopped


class VirtualClock:
    """Tells, spends and shares virtual time; used by one execution at a time.

    Branches run one at a time and hand over when they wait, to whichever is due first; of those due at once, to
    the one that began to wait first.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._current = _Strand()
        self._due: list[tuple[datetime, int, _Strand]] = []
        self._turns = 0

    def now(self) -> datetime:
        """Return the virtual instant."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Wait without waiting; `Stopped` if the branch was stopped meanwhile."""
        self._enqueue(self._current, self._now + timedelta(seconds=seconds))
        self._hand_over()
        self.check()

    def check(self) -> None:
        """Raise `Stopped` if the branch that asks was stopped."""
        if self._current.is_stopped:
            raise Stopped

    def run(self, branches: Sequence[Callable[[], _Result]], limit: int) -> list[_Result]:
        """Return the results in the order of the branches; see `Together`."""
        if not branches:
            return []
        group = _Group(self._current, deque(range(len(branches))))
        results: dict[int, Any] = {}
        for _ in range(min(limit, len(branches))):
            self._start(group, branches, results)
        self._hand_over()
        self.check()
        if group.failure is not None:
            raise group.failure
        return [results[number] for number in range(len(branches))]

    def _start(self, group: _Group, branches: Sequence[Callable[[], Any]], results: dict[int, Any]) -> None:
        number, strand = group.waiting.popleft(), _Strand(group)
        group.running += 1

        def work() -> None:
            strand.baton.acquire()
            try:
                self.check()
                results[number] = branches[number]()
            except Stopped:
                pass
            except BaseException as error:  # noqa: BLE001  # raised again where the branches were begun
                group.failure = group.failure or error
                self._wake_stopped()
            group.running -= 1
            if group.waiting and not group.is_stopped:
                self._start(group, branches, results)
            elif not group.running:
                self._enqueue(group.owner, self._now)
            self._pass_baton()

        threading.Thread(target=work, daemon=True).start()
        self._enqueue(strand, self._now)

    def _enqueue(self, strand: _Strand, due: datetime) -> None:
        self._turns += 1
        heapq.heappush(self._due, (due, self._turns, strand))

    def _wake_stopped(self) -> None:
        self._due = [(self._now if strand.is_stopped else due, turn, strand) for due, turn, strand in self._due]
        heapq.heapify(self._due)

    def _hand_over(self) -> None:
        """Give the baton to whoever is due, and wait until it comes back."""
        me = self._current
        self._pass_baton()
        me.baton.acquire()

    def _pass_baton(self) -> None:
        due, _, strand = heapq.heappop(self._due)
        self._now = max(self._now, due)
        self._current = strand
        strand.baton.release()
