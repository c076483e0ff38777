"""How long a state waits before it tries again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from healthcare_ops.orchestrator.failures import TaskFailure, is_named

_LONGEST_S = 99_999_999.0


class Retries:
    """The retriers of one visit to a state, each with its own count."""

    def __init__(self, retriers: Sequence[Mapping[str, Any]], chance: Callable[[], float]) -> None:
        self._retriers = retriers
        self._chance = chance
        self._used = [0] * len(retriers)

    @property
    def count(self) -> int:
        """Return how often the state was tried again."""
        return sum(self._used)

    def delay_s(self, failure: TaskFailure) -> float | None:
        """Return how long to wait before the next attempt; None if there is none.

        The first retrier that names the failure decides.
        """
        for number, retrier in enumerate(self._retriers):
            if not is_named(failure, retrier["ErrorEquals"]):
                continue
            tries = self._used[number]
            if tries >= retrier.get("MaxAttempts", 3):
                return None
            self._used[number] += 1
            delay = backoff_s(retrier, tries)
            return delay * self._chance() if retrier.get("JitterStrategy") == "FULL" else delay
        return None


def backoff_s(retrier: Mapping[str, Any], tries: int) -> float:
    """Return a retrier's delay after so many tries, without jitter."""
    try:
        delay = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** tries
    except OverflowError:
        delay = _LONGEST_S
    return min(delay, float(retrier.get("MaxDelaySeconds", _LONGEST_S)))
