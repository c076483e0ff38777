"""The civil calendar of consecutive hours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.civil_time import load_zone, offset_spans
from healthcare_ops.core.site import Holidays

Ints = NDArray[np.int64]


def holiday_dates(calendar: Holidays | None, years: Iterable[int]) -> frozenset[date]:
    """Return the public holidays of the years; none where the site names no calendar."""
    if calendar is None:
        return frozenset()
    import holidays  # noqa: PLC0415  # slow to import, and many sites name no calendar

    wanted = sorted(set(years))
    found = holidays.country_holidays(calendar.country, subdiv=calendar.subdivision or None, years=wanted)
    return frozenset(found.keys())


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


def civil_hours(start: datetime, count: int, zone: str, holidays: Holidays | None) -> CivilHours:
    """Return the calendar of `count` hours from `start` (aware)."""
    first = start.astimezone(UTC).replace(tzinfo=None)
    last = first + timedelta(hours=count)
    spans = offset_spans(load_zone(zone), first.date(), last.date())
    instants = np.datetime64(first, "m") + np.arange(count) * np.timedelta64(60, "m")
    changes = np.array([np.datetime64(span.from_utc, "m") for span in spans])
    offsets = np.array([span.offset_min for span in spans], dtype="timedelta64[m]")
    civil = instants + offsets[np.searchsorted(changes, instants, side="right") - 1]
    minutes: Ints = civil.astype("int64")
    day = minutes // 1440
    special = _holiday_numbers(holidays, first, last)
    is_holiday = np.isin(day, special)
    near = np.where(np.isin(day + 1, special), 1, np.where(np.isin(day - 1, special), 2, 0))
    # 1970-01-01 was a Thursday.
    return CivilHours(minutes // 60 % 24, np.where(is_holiday, 7, (day + 3) % 7), np.where(is_holiday, 0, near), day)


def _holiday_numbers(holidays: Holidays | None, first: datetime, last: datetime) -> Ints:
    dates = holiday_dates(holidays, range(first.year - 1, last.year + 2))
    epoch = date(1970, 1, 1)
    return np.array(sorted((day - epoch).days for day in dates), dtype=np.int64)
