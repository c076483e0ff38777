"""What the watch looks at: hours of a hospital by civil clock, and the same as tables of days and hours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

HOLIDAY = 7


@dataclass(frozen=True)
class SectorHours:
    """Hours of one sector, as many as the hospital's; NaN = not known.

    Attributes
    ----------
    arrivals
        Arrivals in the hour.
    waits_min
        Mean wait of the hour's arrivals; NaN where nobody was seen. None if the sector has no waits.
    occupancy
        Patients at the start of the hour. None if nobody is placed there.
    expected
        Arrivals that the model in use expects from the calendar alone. It must not have followed the hours since the
        training: levels that adapt hide the drift that is looked for. None: the hours of the reference say what is
        usual, and its seasons if it is a year long.
    """

    sector_id: str
    arrivals: Floats
    waits_min: Floats | None = None
    occupancy: Floats | None = None
    expected: Floats | None = None


@dataclass(frozen=True)
class HospitalHours:
    """Hours in order of time: those that the model in use was trained on, then those since.

    Attributes
    ----------
    day, hour, day_type
        Civil day (days since 1970), civil hour (0–23) and weekday (Monday = 0), or 7 on a public holiday.
    first_day
        The first day that was not trained on; all before it are the reference.
    sectors
        At least one.

    Raises
    ------
    ValueError
        If the columns differ in length, the days do not rise, or none lies before `first_day`.
    """

    day: Ints
    hour: Ints
    day_type: Ints
    first_day: int
    sectors: tuple[SectorHours, ...]

    def __post_init__(self) -> None:
        columns: list[Floats | Ints] = [self.hour, self.day_type]
        for sector in self.sectors:
            given = (sector.arrivals, sector.waits_min, sector.occupancy, sector.expected)
            columns += [column for column in given if column is not None]
        if wrong := sorted({len(column) for column in columns} - {len(self.day)}):
            raise ValueError(f"there are {len(self.day)} hours, but a column of {wrong[0]}")
        if not self.sectors or not len(self.day) or self.day[0] >= self.first_day:
            raise ValueError("there is no sector, or no hour of the training to compare with")
        if (np.diff(self.day) < 0).any():
            raise ValueError("the days of the hours do not rise")

    @cached_property
    def days(self) -> Days:
        """Return the civil days of the hours."""
        number, first = np.unique(self.day, return_index=True)
        return Days(number, self.day_type[first] == HOLIDAY, int(np.searchsorted(number, self.first_day)))

    def totals(self, values: Floats) -> Floats:
        """Return sums by day and civil hour, shape (days, 24); unknown hours count nothing."""
        cell = np.searchsorted(self.days.number, self.day) * 24 + self.hour
        sums = np.bincount(cell, np.nan_to_num(values), minlength=len(self.days.number) * 24)
        return np.asarray(sums, dtype=np.float64).reshape(-1, 24)


@dataclass(frozen=True)
class Days:
    """Civil days in order (days since 1970); the first `trained` of them are the reference."""

    number: Ints
    is_holiday: Flags
    trained: int

    @property
    def weekday(self) -> Ints:
        """Return weekdays, Monday = 0, whatever the holiday; 1970-01-01 was a Thursday."""
        return np.asarray((self.number + 3) % 7)

    @cached_property
    def week(self) -> Ints:
        """Return the week of the reference that a day lies in, from 0; of days since, the number of weeks."""
        week = (self.number - self.number[0]) // 7
        return np.where(np.arange(len(week)) < self.trained, week, self.weeks)

    @property
    def weeks(self) -> int:
        """Return how many weeks the reference has."""
        return int((self.number[self.trained - 1] - self.number[0]) // 7) + 1

    @cached_property
    def is_typical(self) -> Flags:
        """Tell which days the reference learns from: a holiday says nothing about any weekday."""
        return np.asarray((np.arange(len(self.number)) < self.trained) & ~self.is_holiday)

    def place(self, number: int) -> int:
        """Return the place of the first day from that one on."""
        return int(np.searchsorted(self.number, number))
