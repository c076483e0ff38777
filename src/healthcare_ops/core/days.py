"""Sets of operational days and their runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta


def day_runs(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Yield the runs of consecutive days, in order."""
    first = last = None
    for day in sorted(set(days)):
        if last is not None and first is not None and day - last > timedelta(days=1):
            yield first, last
            first = day
        first, last = first or day, day
    if first is not None and last is not None:
        yield first, last


def days_between(first: date, last: date) -> list[date]:
    """Return the days from `first` to `last`, both included; none if `last` is earlier."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
