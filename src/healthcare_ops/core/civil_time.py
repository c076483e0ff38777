"""Offsets of a civil time zone as data, so that every engine converts clocks in the same way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from healthcare_ops.core.errors import ConfigError

CivilKind = Literal["normal", "skipped", "repeated"]


@dataclass(frozen=True)
class OffsetSpan:
    """From `from_utc` (naive UTC) on, civil time = UTC + `offset_min`."""

    from_utc: datetime
    offset_min: int


@dataclass(frozen=True)
class CivilSpan:
    """From `from_civil` (naive civil time) on: what kind of time it is and which offsets read it.

    A skipped time read with `offset_before_min` lands just after the change, as clocks that were not
    advanced would mean it; a repeated time read with it is the first of its two occurrences.
    """

    from_civil: datetime
    kind: CivilKind
    offset_before_min: int
    offset_after_min: int


def load_zone(name: str) -> ZoneInfo:
    """Return the IANA zone; `ConfigError` if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"zone {name!r} is not an IANA time zone.", next_step="Use a name such as 'America/Sao_Paulo'."
        ) from error


def offset_spans(zone: ZoneInfo, first: date, last: date) -> tuple[OffsetSpan, ...]:
    """Return the zone's offsets from two days before `first` to two days after `last`, in order."""
    start = datetime.combine(first, time()) - timedelta(days=2)
    end = datetime.combine(last, time()) + timedelta(days=3)
    spans = [OffsetSpan(start, _offset_min(zone, start))]
    moment = start
    while moment < end:
        following = moment + timedelta(days=1)
        if _offset_min(zone, following) != spans[-1].offset_min:
            change = _find_change(zone, moment, following)
            spans.append(OffsetSpan(change, _offset_min(zone, change)))
        moment = following
    return tuple(spans)


def civil_spans(spans: tuple[OffsetSpan, ...]) -> tuple[CivilSpan, ...]:
    """Return the same offsets seen from the civil clock, with skipped and repeated times apart."""
    first = spans[0]
    out = [CivilSpan(_civil(first.from_utc, first.offset_min), "normal", first.offset_min, first.offset_min)]
    for before, after in itertools.pairwise(spans):
        old, new = before.offset_min, after.offset_min
        kind: CivilKind = "skipped" if new > old else "repeated"
        starts, ends = sorted((_civil(after.from_utc, old), _civil(after.from_utc, new)))
        out.append(CivilSpan(starts, kind, old, new))
        out.append(CivilSpan(ends, "normal", new, new))
    return tuple(out)


def civil_day(instant: datetime, zone: ZoneInfo) -> date:
    """Return the operational day of an aware instant."""
    return instant.astimezone(zone).date()


def civil_hours(day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the UTC start of each civil hour of the day: 23, 24 or 25 of them."""
    hour = day_start(day, zone)
    end = day_start(day + timedelta(days=1), zone)
    while hour < end:
        yield hour
        hour += timedelta(hours=1)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of the operational day, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _offset_min(zone: ZoneInfo, naive_utc: datetime) -> int:
    offset = naive_utc.replace(tzinfo=UTC).astimezone(zone).utcoffset()
    # Offsets before standard time carry seconds; no hospital feed reaches back there.
    return round(offset.total_seconds() / 60) if offset is not None else 0


def _find_change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Bisect to the minute at which the offset changes."""
    old = _offset_min(zone, before)
    while after - before > timedelta(minutes=1):
        middle = before + timedelta(minutes=(after - before) // timedelta(minutes=2))
        if _offset_min(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _civil(naive_utc: datetime, offset_min: int) -> datetime:
    return naive_utc + timedelta(minutes=offset_min)
