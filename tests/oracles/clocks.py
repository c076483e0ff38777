"""Civil time by the standard library's zoneinfo, one value at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


def kind_of(clock: datetime, zone: ZoneInfo) -> str:
    """Return 'normal', 'skipped' or 'repeated' for a naive civil clock."""
    first, second = clock.replace(tzinfo=zone), clock.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return "normal"
    shown = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    return "repeated" if shown == clock else "skipped"


def instant_of(clock: datetime, zone: ZoneInfo, repeated_hour: str) -> datetime:
    """Return the naive UTC instant; a skipped clock is read as if nobody had advanced it."""
    is_second = kind_of(clock, zone) == "repeated" and repeated_hour == "second"
    return clock.replace(tzinfo=zone, fold=int(is_second)).astimezone(UTC).replace(tzinfo=None)


def clock_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the naive civil clock at a naive UTC instant."""
    return instant.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)


def offset_min_of(instant: datetime, zone: ZoneInfo) -> int:
    """Return the offset in minutes at a naive UTC instant."""
    return (clock_of(instant, zone) - instant) // timedelta(minutes=1)
