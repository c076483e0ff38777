"""Whether the hours of a hospital moved as only a wrong clock moves them.

A clock that is wrong moves all times of a feed by whole hours, and what hangs on the time with them: waits keep the
pattern of the day, three hours later. When people really come later, they meet the same rosters at other hours, and
waits take another pattern. When arrivals moved and the patients in the house did not, the arrivals alone are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from healthcare_ops.monitoring.hours import Days, Floats, Ints
from healthcare_ops.monitoring.profile import of_weekday
from healthcare_ops.monitoring.signals import SHIFTS_H, Logs
from healthcare_ops.monitoring.watch import Watch

# Mistakes of zones: an hour is the zone next door or a clock change forgotten, three that of a system set up elsewhere.
_CLOCKS_H, _LARGE_H = (-3, -1, 1, 3), 3
# Natural logarithms of likelihood ratios: a sector speaks against a shift of all; a shift is not ruled out yet.
_AGAINST, _NOT_RULED_OUT = 3.0, 3.0
# A pattern fits if it does not deviate more than all but one in a hundred windows of the reference, with some room.
_USUAL, _ROOM = 0.99, 1.25
_REMEMBERED_DAYS = 28


@dataclass(frozen=True)
class Translation:
    """How far the arrivals of all sectors moved (h), whether a clock did it or may have, and what speaks for that."""

    hours: int
    is_clock: bool
    may_be_clock: bool
    sentence: str


def translation(watch: Watch, window: slice) -> Translation | None:
    """Return what the hours of some days say; None if no shift of all sectors by what clocks do wrong explains them."""
    ratios = np.array([np.nansum(arrivals.peak_ratios[window], axis=0) for arrivals in watch.arrivals.values()])
    together = ratios.sum(axis=0)
    hours = max(_CLOCKS_H, key=lambda shift: float(together[shift == SHIFTS_H][0]))
    likely, mine = together[hours == SHIFTS_H][0], ratios[:, hours == SHIFTS_H]
    if likely <= 0 or likely < together.max() - _NOT_RULED_OUT or mine.min() < -_AGAINST:
        return None
    moved = f"all arrivals moved by {hours:+d} h"
    occupancy = _Pattern.of(list(watch.occupancy.values()), watch.days, window, hours)
    if occupancy and occupancy.stays:
        return Translation(hours, True, True, f"{moved}, and the patients in the house did not")
    waits = _Pattern.of(list(watch.waits.values()), watch.days, window, hours)
    if waits and (waits.stays or waits.is_new):
        how = "kept their hours" if waits.stays else "took another pattern"
        return Translation(hours, False, False, f"{moved}, and waits {how}: the people moved, not the clock")
    is_mistake = abs(hours) >= _LARGE_H or _near_a_change(watch.days, watch.hospital.day, window)
    if not is_mistake or likely < together.max():
        doubt = f"a clock that is {hours:+d} h off is not ruled out yet"
        return Translation(hours, False, is_mistake, doubt if is_mistake else moved)
    also = " and the pattern of waits with them" if waits and waits.moves else ""
    return Translation(hours, True, True, f"{moved}{also}, as a clock does that is wrong by as much")


@dataclass(frozen=True)
class _Pattern:
    """Whether the pattern of a day moved with the arrivals, and whether it fits at all.

    `ratio` is the log likelihood ratio of "it stayed" to "it moved": by how much it fits better unmoved than moved,
    against how much that differs among windows of the reference.
    """

    ratio: float
    is_new: bool

    @classmethod
    def of(cls, logs: list[Logs], days: Days, window: slice, hours: int) -> _Pattern | None:
        """Return it for all sectors together; None if there is nothing to see in the window."""
        if not logs:
            return None
        here, there = (_deviations(logs, days, shift) for shift in (0, hours))
        known = np.isfinite(here) & (np.arange(len(here)) < days.trained)
        length = window.stop - window.start
        if not np.isfinite(here[window]).any() or np.count_nonzero(known) < 2 * length:
            return None
        past, gain = (np.convolve(table[known], np.ones(length) / length, "valid") for table in (here, there - here))
        unmoved, moved = (float(np.nanmean(table[window])) for table in (here, there))
        ratio = 2 * gain.mean() * (moved - unmoved) / max(float(gain.var()), 1e-9)
        return cls(float(ratio), min(unmoved, moved) > _ROOM * float(np.quantile(past, _USUAL)))

    @property
    def stays(self) -> bool:
        """Tell whether it is where it always was."""
        return self.ratio > _AGAINST and not self.is_new

    @property
    def moves(self) -> bool:
        """Tell whether it moved with the arrivals."""
        return self.ratio < -_AGAINST and not self.is_new


def _deviations(logs: list[Logs], days: Days, shift: int) -> Floats:
    """Return by day the squared deviation from the moved pattern around the day's own level, in its usual size."""
    found = [_deviation(item, days, shift) / np.nanmean(_deviation(item, days, 0)[: days.trained]) for item in logs]
    total = np.nansum(found, axis=0) if found else np.zeros(len(days.number))
    known = np.isfinite(found).sum(axis=0) if found else np.zeros(len(days.number))
    return np.where(known > 0, total / np.maximum(known, 1), np.nan)


def _deviation(logs: Logs, days: Days, shift: int) -> Floats:
    usual, moved = (
        of_weekday(np.roll(logs.usual.reshape(-1, 168), by, axis=1).reshape(-1, 7, 24), days.weekday)
        for by in (0, shift)
    )
    hours, of_day = logs.hours, np.maximum(logs.hours.sum(axis=1), 1.0)
    off = logs.off + usual - moved
    off = off - ((off * hours).sum(axis=1) / of_day)[:, None]
    speaks = (logs.hours.sum(axis=1) > 0) & ~days.is_holiday
    return np.where(speaks, (hours * off**2).sum(axis=1) / of_day, np.nan)


def _near_a_change(days: Days, day: Ints, window: slice) -> bool:
    """Tell whether a day of 23 or 25 hours lies in the four weeks before the window's end."""
    last = days.number[window.stop - 1]
    number, hours = np.unique(day[(day > last - _REMEMBERED_DAYS) & (day < last)], return_counts=True)
    inner = (number > number.min(initial=0)) & (number < number.max(initial=0))
    return bool(np.isin(hours[inner], (23, 25)).any())
