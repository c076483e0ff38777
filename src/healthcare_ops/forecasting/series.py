"""Hourly counts of one sector, and what simple rules would say of the coming hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.forecasting.calendar import Calendar

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HOUR = timedelta(hours=1)
_ENTRIES = "+entries"


@dataclass(frozen=True)
class HourlySeries:
    """Counts of consecutive UTC hours of one sector; `start` (aware) is the first full hour.

    Raises
    ------
    DataError
        If an hour has no count, or one that is negative or not whole.
    ValueError
        If `start` has no zone or is not a full UTC hour.
    """

    sector_id: str
    start: datetime
    values: Floats

    def __post_init__(self) -> None:
        require_full_hour(self.start)
        wrong = ~(np.isfinite(self.values) & (self.values >= 0) & (self.values == np.round(self.values)))
        if wrong.any():
            at = int(np.argmax(wrong))
            raise DataError(
                f"sector {self.sector_id!r} has {self.values[at]} arrivals in the hour {self.start + at * _HOUR}; "
                "a count is a whole number of at least 0.",
                next_step="Rebuild gold for that day.",
            )

    @property
    def end(self) -> datetime:
        """Return the first instant after the last hour."""
        return self.start + len(self.values) * _HOUR

    def hours_before(self, instant: datetime) -> int:
        """Return how many whole hours lie between the start and an instant; 0 if it comes before the start."""
        return max((instant - self.start) // _HOUR, 0)

    def until(self, end: datetime) -> HourlySeries:
        """Return the hours before `end`."""
        return self.first(self.hours_before(end))

    def first(self, count: int) -> HourlySeries:
        """Return the first `count` hours."""
        return HourlySeries(self.sector_id, self.start, self.values[:count])


def entries_name(sector_id: str) -> str:
    """Return how the series of those who enter a sector is named, where they are others than those who arrive there."""
    return sector_id + _ENTRIES


def is_arrivals(name: str) -> bool:
    """Return whether a series so named is one of arrivals."""
    return not name.endswith(_ENTRIES)


def by_civil_hour(values: Floats, civil: Ints) -> Floats:
    """Return one value for each civil hour from the first on; `civil` numbers the civil hour of each value.

    The mean where the clock showed an hour twice (many sources record one of the two as 0 and the other
    doubled); the hour before where it skipped one.
    """
    place = civil[: len(values)] - civil[0]
    times = np.bincount(place)
    totals = np.bincount(place, values)
    shown = np.flatnonzero(times)
    latest = shown[np.searchsorted(shown, np.arange(len(times)), side="right") - 1]
    return np.asarray(totals[latest] / times[latest])


def seasonal_naive(series: HourlySeries, zone: str, origins: Ints, leads: Ints) -> Floats:
    """Return the count of the same civil hour one week before each target, or of the latest such week known.

    Where the clock skipped that hour, the hour before it stands in; where it came twice, the second one does.
    """
    return _same_hour_before(series, zone, origins, leads, 168)


def same_as_yesterday(series: HourlySeries, zone: str, origins: Ints, leads: Ints) -> Floats:
    """Return the count of the same civil hour one day before each target, or of the latest such day known."""
    return _same_hour_before(series, zone, origins, leads, 24)


def require_full_hour(instant: datetime) -> None:
    """Raise ValueError unless the instant is aware and starts a UTC hour."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone")
    utc = instant.astimezone(UTC)
    if utc != utc.replace(minute=0, second=0, microsecond=0):
        raise ValueError(f"{instant.isoformat()} is not the start of a UTC hour")


def _same_hour_before(series: HourlySeries, zone: str, origins: Ints, leads: Ints, period_h: int) -> Floats:
    targets = origins[:, None] + leads
    civil = Calendar(zone).hours(series.start, int(targets.max()) + 1).civil_hour_number
    # One hour to spare: a clock change can move the same civil hour one hour later.
    periods = (leads + 1) // period_h + 1
    same = np.searchsorted(civil, civil[targets] - period_h * periods, side="right") - 1
    return np.asarray(series.values[np.maximum(same, 0)])
