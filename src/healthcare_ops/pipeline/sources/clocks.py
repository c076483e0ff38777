"""Times of single values, read in Python exactly as `pipeline.civil` reads them in tables."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from healthcare_ops.core.civil_time import CivilSpan, civil_spans, offset_spans
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.reasons import Reason
from healthcare_ops.pipeline.civil import format_pattern

_ISO = (
    re.compile(
        r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)? ?(Z|[+-]\d{2}:?\d{2})?)?",
        re.ASCII,
    ),
    ("year", "month", "day", "hour", "minute", "second", "fraction", "offset"),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True)
class FeedClock:
    """The feed's time formats, zone and plausible range, applied to one text at a time."""

    feed: Feed

    def read(self, text: str) -> datetime | Reason:
        """Return the aware UTC instant, or why the record would be held back.

        Years before 1 and after 9999 count as unreadable here, as out of range in tables: Python has none.
        """
        clock, offset_min = self._written(text.strip())
        if clock is None:
            return Reason.TIME_UNREADABLE
        if not self.feed.plausible.first <= clock.date() <= self.feed.plausible.last:
            return Reason.TIME_OUT_OF_RANGE
        if offset_min is not None:
            return _utc(clock, offset_min)
        piece = self._piece(clock)
        times = self.feed.times
        if piece.kind == "skipped" and times.skipped_hour == "quarantine":
            return Reason.TIME_IN_SKIPPED_HOUR
        if piece.kind == "repeated" and times.repeated_hour == "quarantine":
            return Reason.TIME_IN_REPEATED_HOUR
        is_second = piece.kind == "repeated" and times.repeated_hour == "second"
        return _utc(clock, piece.offset_after_min if is_second else piece.offset_before_min)

    def _written(self, text: str) -> tuple[datetime | None, int | None]:
        """Return the clock as written, and its offset in minutes where it carries one."""
        for pattern, names in self._patterns:
            if found := pattern.fullmatch(text):
                part = dict(zip(names, found.groups(), strict=True))
                if clock := _clock(part):
                    return clock, _offset_min(part.get("offset"))
        return None, None

    @cached_property
    def _patterns(self) -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
        return tuple(_ISO if name == "ISO" else _compile(name) for name in self.feed.times.formats)

    @cached_property
    def _pieces(self) -> tuple[CivilSpan, ...]:
        margin = timedelta(days=1)
        first, last = self.feed.plausible.first - margin, self.feed.plausible.last + margin
        return civil_spans(offset_spans(ZoneInfo(self.feed.zone), first, last))

    def _piece(self, clock: datetime) -> CivilSpan:
        return self._pieces[bisect_right(self._pieces, clock, key=lambda piece: piece.from_civil) - 1]


def _compile(time_format: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    pattern, names = format_pattern(time_format)
    return re.compile(pattern, re.ASCII), names


def _clock(part: Mapping[str, str | None]) -> datetime | None:
    day = (int(part.get("year") or f"20{part.get('year2')}"), _month(part), int(part["day"] or 0))
    time_of_day = (
        _hour(part),
        int(part.get("minute") or 0),
        int(part.get("second") or 0),
        int((part.get("fraction") or "0").ljust(6, "0")[:6]),
    )
    is_end_of_day = time_of_day == (24, 0, 0, 0)  # ISO 8601's other name of the next midnight
    try:
        clock = datetime(*day, *((0,) if is_end_of_day else time_of_day))  # noqa: DTZ001  # as written, in the feed's zone
        return clock + timedelta(days=is_end_of_day)
    except (ValueError, OverflowError):
        return None


def _month(part: Mapping[str, str | None]) -> int:
    name = part.get("month_name")
    if name is None:
        return int(part["month"] or 0)
    return _MONTHS.index(name.lower()) + 1 if name.lower() in _MONTHS else 0


def _hour(part: Mapping[str, str | None]) -> int:
    if not (hour12 := part.get("hour12")):
        return int(part.get("hour") or 0)
    is_afternoon = (part.get("half") or "").lower() == "pm"
    return int(hour12) % 12 + (12 if is_afternoon else 0)


def _offset_min(text: str | None) -> int | None:
    if not text:
        return None
    if text == "Z":
        return 0
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return -minutes if text.startswith("-") else minutes


def _utc(clock: datetime, offset_min: int) -> datetime:
    return (clock - timedelta(minutes=offset_min)).replace(tzinfo=UTC)
