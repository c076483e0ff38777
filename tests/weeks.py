"""A hospital with nine weeks behind it, whose past says what a usual day is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from hospital import Hospital, Row, open_hospital, visit

LAST = date(2026, 3, 12)  # a Thursday
WEEKS = 9
PER_DAY = 70
# Few come at night, most towards noon and again in the evening.
BY_HOUR = np.array([2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 9, 8, 8, 8, 9, 10, 10, 9, 7, 5, 4, 3], dtype=float)
MIDNIGHT = "2026-03-13T00:10:00-03:00"


def arrivals(day: date, luck: np.random.Generator, share: float = 1.0) -> list[datetime]:
    """Return naive civil arrivals of a day, in their order."""
    hours = luck.choice(24, luck.poisson(PER_DAY * share), p=BY_HOUR / BY_HOUR.sum())
    minutes = luck.integers(0, 60, len(hours))
    return sorted(
        datetime.combine(day, time(int(hour), int(minute))) for hour, minute in zip(hours, minutes, strict=True)
    )


def visits(times: list[datetime], name: str = "V") -> list[Row]:
    """Return a row of the visits feed for each arrival."""
    return [visit(f"{name}-{at:%m%d}-{number}", at.isoformat()) for number, at in enumerate(times)]


@contextmanager
def open_with_a_past(folder: Path) -> Iterator[Hospital]:
    """Open a hospital with nine weeks behind it, just after 12 March, whose visits are still to come."""
    luck = np.random.default_rng(5)
    with open_hospital(folder, "2026-03-12T04:00:00-03:00") as opened:
        past = [LAST - timedelta(days=back) for back in range(7 * WEEKS, 0, -1)]
        opened.deliver("visits", [row for day in past for row in visits(arrivals(day, luck))], "past.csv")
        opened.refine()
        opened.at(MIDNIGHT)
        yield opened
