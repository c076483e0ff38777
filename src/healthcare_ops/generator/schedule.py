"""When a feed delivers a file, what the file is called, and who knows what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from healthcare_ops.core.civil_time import civil_day, day_start
from healthcare_ops.core.days import days_between
from healthcare_ops.core.site import Site
from healthcare_ops.generator.slabs import Ints, Outline, Slab, draw_flags
from healthcare_ops.generator.streams import random_numbers

DAY_MIN = 1440


@dataclass(frozen=True)
class Schedule:
    """The files of a feed in the order in which they come.

    A cut is the end of a batch: what was written up to it is in the batch's file. `cuts` are their instants (UTC
    seconds). `cut_of` is each file's cut, `names` are without ending; `repeats` are the files that deliver a day
    once more, by the first and last second of that day, ascending.
    """

    cuts: Ints
    cut_of: NDArray[np.int32]
    names: tuple[str, ...]
    repeats: Mapping[tuple[int, int], int]

    @cached_property
    def due(self) -> Ints:
        """Return when each file comes (UTC seconds)."""
        return self.cuts[self.cut_of]

    def batch(self, written: Ints) -> NDArray[np.int32]:
        """Return the number of the cut that instants fall before."""
        return np.searchsorted(self.cuts, written, side="left").astype(np.int32)

    @cached_property
    def ordinary(self) -> NDArray[np.int32]:
        """Return the file of each batch."""
        files = np.arange(len(self.names), dtype=np.int32)
        return np.setdiff1d(files, np.array(list(self.repeats.values()), np.int32))

    def repeated(self, at: Ints) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return which of the instants lie on a day that comes again, and in which file it does."""
        if not self.repeats:
            return np.empty(0, np.int64), np.empty(0, np.int32)
        days = np.array(list(self.repeats), np.int64)
        nearest = np.maximum(np.searchsorted(days[:, 0], at, side="right") - 1, 0)
        found = np.flatnonzero((at >= days[nearest, 0]) & (at <= days[nearest, 1]))
        files = np.array(list(self.repeats.values()), np.int32)
        return found, files[nearest[found]]


class Source(Protocol):
    """A system of the hospital that writes down what happens, and delivers it as a feed."""

    @property
    def newest(self) -> int:
        """Return when the last row is written (UTC seconds)."""
        ...

    def outline(self, schedule: Schedule) -> Outline:
        """Return which rows there are."""
        ...

    def compose(self, part: Outline) -> Slab:
        """Return the rows of a part of the outline."""
        ...

    def sectors(self, outline: Outline) -> pa.Array:
        """Return where each row happened."""
        ...


def make_schedule(
    feed: str, site: Site, days: tuple[date, date], newest: int, every_min: int, repeated: Mapping[date, int]
) -> Schedule:
    """Return the files from the first day to the end of the last, and on until everything is delivered.

    Parameters
    ----------
    newest
        When the last row is written (UTC seconds).
    every_min
        Minutes between files; whole days keep to the site's midnight, whatever its clock does.
    repeated
        Day → instant (UTC seconds) from which its re-extract may come, with the next file.
    """
    first, last = days
    ends = max(newest, int(day_start(last + timedelta(days=1), site.tz).timestamp()), *repeated.values())
    cuts = _cuts(site, first, ends, every_min)
    extra = sorted((int(np.searchsorted(cuts, asked)), day) for day, asked in repeated.items())
    files: list[tuple[int, date | None]] = [(cut, None) for cut in range(len(cuts))]
    # At one cut the ordinary file comes first.
    files = sorted([*files, *extra], key=lambda file: (file[0], file[1] or date.min))
    return Schedule(
        cuts,
        np.array([cut for cut, _ in files], np.int32),
        tuple(_name(feed, site, int(cuts[cut]), every_min, day) for cut, day in files),
        {_bounds(site, day): number for day, number in sorted((d, n) for n, (_, d) in enumerate(files) if d)},
    )


def repeated_days(
    feed: str, site: Site, first: date, last: date, share: float, after_h: int, seed: int
) -> dict[date, int]:
    """Return the days that are delivered once more, and from when on (UTC seconds)."""
    days = days_between(first, last)
    is_repeated = draw_flags(random_numbers(seed, f"{feed} re-extracts", site.facility_id), share, len(days))
    ends = (day_start(day + timedelta(days=1), site.tz) for day in days)
    asked = (int((end + timedelta(hours=after_h)).timestamp()) for end in ends)
    return {day: at for day, at, is_one in zip(days, asked, is_repeated, strict=True) if is_one}


def _cuts(site: Site, first: date, ends: int, every_min: int) -> Ints:
    start = day_start(first, site.tz)
    if every_min % DAY_MIN:
        step_s = every_min * 60
        origin = int(start.timestamp())
        count = max(-(-(ends - origin) // step_s), 1)
        return origin + step_s * np.arange(1, count + 1, dtype=np.int64)
    step_days, day = every_min // DAY_MIN, first
    cuts: list[int] = []
    while not cuts or cuts[-1] < ends:
        day += timedelta(days=step_days)
        cuts.append(int(day_start(day, site.tz).timestamp()))
    return np.array(cuts, np.int64)


def _bounds(site: Site, day: date) -> tuple[int, int]:
    start, after = (int(day_start(one, site.tz).timestamp()) for one in (day, day + timedelta(days=1)))
    return start, after - 1


def _name(feed: str, site: Site, cut: int, every_min: int, repeated: date | None) -> str:
    due = datetime.fromtimestamp(cut, UTC)
    if every_min % DAY_MIN:
        name = f"{feed}_{due:%Y%m%dT%H%MZ}"
    else:  # by the last day that it holds
        name = f"{feed}_{civil_day(due - timedelta(seconds=1), site.tz):%Y%m%d}"
    return f"{name}_again_{repeated:%Y%m%d}" if repeated else name
