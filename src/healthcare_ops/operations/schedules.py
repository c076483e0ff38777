"""When runs are due, in the site's civil time, and what becomes of those that could not start then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.config import Settings
from healthcare_ops.core.runs import RunType

_SUNDAY = 6
# A longer stop is made good by `hops backfill`, which takes many days at once.
_MOST_DAYS_CAUGHT_UP = 31


@dataclass(frozen=True)
class Schedule:
    """When a type of run is due.

    Parameters
    ----------
    at
        Time of day in the site's zone; None if it is due every so many minutes.
    weekday
        Monday is 0; None for every day.
    catches_up
        Whether each one that was missed is made good, the oldest first; else only the latest is.
    """

    run_type: RunType
    zone: ZoneInfo
    at: time | None = None
    weekday: int | None = None
    every_min: int = 15
    catches_up: bool = False

    def due(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the instants (UTC) at which it was due, later than `after` and no later than `until`."""
        instant = self.next(after)
        while instant <= until:
            yield instant
            instant = self.next(instant)

    def next(self, after: datetime) -> datetime:
        """Return the first instant (UTC) later than `after` at which it is due.

        A time of day that a clock change skips is due when a clock that was not advanced would show it; one that
        occurs twice is due the first time.
        """
        if self.at is None:
            step_s = self.every_min * 60
            return datetime.fromtimestamp((int(after.timestamp()) // step_s + 1) * step_s, UTC)
        day = civil_day(after, self.zone) - timedelta(days=1)
        while True:
            day += timedelta(days=1)
            instant = datetime.combine(day, self.at, self.zone).astimezone(UTC)
            if self.weekday in (None, day.weekday()) and instant > after:
                return instant

    def run_date(self, due: datetime) -> date:
        """Return the operational day that a run is about which is due at an instant."""
        today = civil_day(due, self.zone)
        if self.run_type == "inference":
            return today
        yesterday = today - timedelta(days=1)
        # A time in the evening that the clocks skip is due on the next day, and still about the day before its own.
        is_late = self.at is not None and datetime.combine(yesterday, self.at, self.zone).astimezone(UTC) == due
        return yesterday - timedelta(days=1) if is_late else yesterday


def schedules_of(settings: Settings, zone: ZoneInfo) -> list[Schedule]:
    """Return the schedules of a site; where several are due at once, they start in this order."""
    return [
        Schedule("daily", zone, time.fromisoformat(settings.daily_at), catches_up=True),
        Schedule("weekly_train", zone, time.fromisoformat(settings.weekly_train_at), _SUNDAY),
        Schedule("inference", zone, every_min=settings.inference_every_min),
    ]


@dataclass
class Tally:
    """What became of a schedule's instants so far.

    `until` is the last one that was decided about (ISO text, UTC); `starting` tells that its run is not begun yet.
    """

    until: str
    starting: bool = False
    started: int = 0
    skipped: int = 0
    missed: int = 0
    last_run: str = ""


@dataclass(frozen=True)
class Decision:
    """What becomes of a schedule's instants up to `until`: one of them gets a run, or none does."""

    until: datetime
    run: datetime | None = None
    skipped: int = 0
    missed: int = 0


def decide(schedule: Schedule, since: datetime, now: datetime, *, is_busy: bool) -> Decision | None:
    """Decide about the instants after `since` and until `now`; None if there is nothing to decide yet.

    Of ticks and trainings that were missed, only the latest is made good; one that finds its predecessor at work
    (`is_busy`) is skipped. Days are caught up one after the other, as far back as a month.
    """
    due = list(schedule.due(since, now))
    if not due or (schedule.catches_up and is_busy):
        return None
    if is_busy:
        return Decision(due[-1], skipped=1, missed=len(due) - 1)
    if schedule.catches_up:
        kept = due[-_MOST_DAYS_CAUGHT_UP:]
        return Decision(kept[0], kept[0], missed=len(due) - len(kept))
    return Decision(due[-1], due[-1], missed=len(due) - 1)
