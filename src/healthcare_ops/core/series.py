"""A metric as time went by."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Series:
    """What was measured, in the order of time; instants in seconds since 1970 (UTC)."""

    times_s: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, at_s: float, value: float) -> None:
        """Put a value in its place."""
        at = bisect_right(self.times_s, at_s)
        self.times_s.insert(at, at_s)
        self.values.insert(at, value)

    def extend(self, later: Series) -> None:
        """Add a series all of which is later."""
        self.times_s += later.times_s
        self.values += later.values

    def within(self, after_s: float, until_s: float) -> tuple[Sequence[float], Sequence[float]]:
        """Return times and values later than `after_s` and no later than `until_s`."""
        first, end = bisect_right(self.times_s, after_s), bisect_right(self.times_s, until_s)
        return self.times_s[first:end], self.values[first:end]
