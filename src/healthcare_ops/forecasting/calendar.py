"""The civil calendar of consecutive hours: clock, weekday, public holidays, school holidays and local events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.civil_time import load_zone, offset_spans
from healthcare_ops.core.site import Holidays

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_EPOCH = date(1970, 1, 1)


def holiday_names(calendar: Holidays | None, years: Iterable[int]) -> Mapping[date, list[str]]:
    """Return the names of each public holiday of the years; nothing where the site names no calendar."""
    return {} if calendar is None else _holiday_names(calendar.country, calendar.subdivision, tuple(sorted(set(years))))


def holiday_dates(calendar: Holidays | None, years: Iterable[int]) -> frozenset[date]:
    """Return the public holidays of the years; none where the site names no calendar."""
    return frozenset(holiday_names(calendar, years))


@dataclass(frozen=True)
class Event:
    """What happens on some civil days and may move arrivals: school holidays, a match, carnival.

    `values` gives its size by day (1 if it only happens or not); on all other days it is 0.
    """

    name: str
    values: Mapping[date, float]


@dataclass(frozen=True)
class CivilHours:
    """Civil hour (0–23), day type and day of consecutive UTC hours.

    `day_type` is the weekday (Monday = 0), or 7 on a public holiday; `near_holiday` is 1 the day before
    one, 2 the day after, else 0; `day_number` counts days since 1970 in civil time.
    """

    hour: Ints
    day_type: Ints
    near_holiday: Ints
    day_number: Ints

    @property
    def civil_hour_number(self) -> Ints:
        """Return the hours since 1970 that a civil clock shows: one is skipped in spring, one comes twice in autumn."""
        return self.day_number * 24 + self.hour


@dataclass(frozen=True)
class Calendar:
    """What is known of a day long before it comes; `zone` is the IANA zone of the civil clock."""

    zone: str
    holidays: Holidays | None = None
    events: tuple[Event, ...] = ()

    def hours(self, start: datetime, count: int) -> CivilHours:
        """Return the calendar of `count` hours from `start` (aware)."""
        return _civil_hours(self.zone, self.holidays, start.astimezone(UTC).replace(tzinfo=None), count)

    def special_days(self, first: int, last: int) -> dict[str, Mapping[int, float]]:
        """Return holidays by name and events, each with its value by day number, from day `first` to day `last`.

        An event with the name of a holiday takes its place.
        """
        years = range((_EPOCH + timedelta(days=first)).year - 1, (_EPOCH + timedelta(days=last)).year + 2)
        found: dict[str, dict[int, float]] = {}
        for day, names in holiday_names(self.holidays, years).items():
            for name in names:
                found.setdefault(name, {})[_day_number(day)] = 1.0
        for event in self.events:
            found[event.name] = {_day_number(day): value for day, value in event.values.items()}
        return {name: {day: value for day, value in days.items() if value} for name, days in found.items()}


def waves(angle: NDArray[np.floating], harmonics: Iterable[int]) -> list[Floats]:
    """Return sine and cosine of the angle (radians), harmonic by harmonic."""
    return [np.asarray(wave(k * angle), dtype=np.float64) for k in harmonics for wave in (np.sin, np.cos)]


# Every sector of a hospital asks for the same hours, a few times each.
@lru_cache(16)
def _civil_hours(zone: str, calendar: Holidays | None, first: datetime, count: int) -> CivilHours:
    """Return the calendar of hours from `first` (naive UTC) on, which is for all and not to be written to."""
    last = first + timedelta(hours=count)
    spans = offset_spans(load_zone(zone), first.date(), last.date())
    instants = np.datetime64(first, "m") + np.arange(count) * np.timedelta64(60, "m")
    changes = np.array([np.datetime64(span.from_utc, "m") for span in spans])
    offsets = np.array([span.offset_min for span in spans], dtype="timedelta64[m]")
    civil = instants + offsets[np.searchsorted(changes, instants, side="right") - 1]
    minutes: Ints = civil.astype("int64")
    day = minutes // 1440
    special = _day_numbers(holiday_dates(calendar, range(first.year - 1, last.year + 2)))
    is_holiday = np.isin(day, special)
    near = np.where(np.isin(day + 1, special), 1, np.where(np.isin(day - 1, special), 2, 0))
    # 1970-01-01 was a Thursday.
    day_type = np.where(is_holiday, 7, (day + 3) % 7)
    hours = CivilHours(minutes // 60 % 24, day_type, np.where(is_holiday, 0, near), day)
    for column in (hours.hour, hours.day_type, hours.near_holiday, hours.day_number):
        column.flags.writeable = False
    return hours


@cache
def _holiday_names(country: str, subdivision: str, years: tuple[int, ...]) -> dict[date, list[str]]:
    import holidays  # noqa: PLC0415  # slow to import, and many sites name no calendar

    # Otherwise the names, by which models know them, follow the language of the machine.
    spoken = holidays.country_holidays(country).supported_languages
    language = "en_US" if "en_US" in spoken else None
    found = holidays.country_holidays(country, subdiv=subdivision or None, years=list(years), language=language)
    return {day: found.get_list(day) for day in found}


def _day_number(day: date) -> int:
    return (day - _EPOCH).days


def _day_numbers(days: Iterable[date]) -> Ints:
    return np.array(sorted(_day_number(day) for day in days), dtype=np.int64)
