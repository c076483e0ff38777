"""The one source of "now", so that history can be replayed as if it were the present."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant; every job asks it instead of the system."""

    def now(self) -> datetime:
        """Return the present instant, timezone-aware, in UTC."""
        ...


@dataclass(frozen=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's present instant in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class AsOfClock:
    """A clock that stands at one instant: nothing later than it is known."""

    as_of: datetime

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ValueError(f"as_of {self.as_of.isoformat()} has no time zone")

    def now(self) -> datetime:
        """Return the fixed instant in UTC."""
        return self.as_of.astimezone(UTC)


class VirtualClock:
    """A clock that only waiting moves; several threads may ask it and wait on it."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._moving = Lock()

    def now(self) -> datetime:
        """Return the virtual instant in UTC."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let so much time go by at once."""
        with self._moving:
            self._now += timedelta(seconds=seconds)

    def move_to(self, instant: datetime) -> None:
        """Let time go by until an instant, if it is to come."""
        with self._moving:
            self._now = max(self._now, instant.astimezone(UTC))
