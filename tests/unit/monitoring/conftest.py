from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from healthcare_ops.monitoring.hours import HospitalHours, SectorHours

FIRST = date(2025, 1, 6)  # a Monday
EPOCH = date(1970, 1, 1)
# Quiet nights, a steep morning, a long evening.
SHAPE = np.array([5, 4, 3, 3, 3, 3, 4, 6, 10, 14, 17, 18, 18, 17, 15, 15, 14, 14, 12, 10, 10, 10, 8, 6]) / 10.0
# Waits follow the roster: long before each change of shift.
ROSTER = np.array([2, 2, 2, 3, 3, 4, 5, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 3, 3, 3, 2, 2]) * 10.0

Hospital = Callable[..., HospitalHours]


@pytest.fixture
def day_of():
    """Return a function that tells the date of a day after the training of `make_hospital`."""

    def find(after: int, trained_days: int = 182) -> date:
        return FIRST + timedelta(days=trained_days + after)

    return find


@pytest.fixture
def make_hospital() -> Hospital:
    """Return a builder of hospitals: Poisson counts around the hour of the day, and waits around the roster.

    From `since` days after the training on, arrivals are `factor` times as many and come `later_h` hours later, waits
    take `slower` times as long, and the feed's clock is `clock_h` ahead.
    """

    def build(
        per_hour: float = 10.0,
        trained_days: int = 182,
        days: int = 14,
        since: int = 7,
        *,
        factor: float = 1.0,
        later_h: int = 0,
        slower: float = 1.0,
        clock_h: int = 0,
        season: np.ndarray | None = None,
        holidays: tuple[int, ...] = (),
        sectors: tuple[str, ...] = ("ED",),
        changed: tuple[str, ...] | None = None,
        is_expected: bool = False,
        seed: int = 7,
    ) -> HospitalHours:
        count = trained_days + days
        number = (FIRST - EPOCH).days + np.repeat(np.arange(count), 24)
        hour = np.tile(np.arange(24), count)
        day_type = (number + 3) % 7
        day_type = np.where(np.isin(number - number[0] - trained_days, holidays), 7, day_type)
        random = np.random.default_rng(seed)
        of_day = np.repeat(np.ones(count) if season is None else season[:count], 24)
        is_later = number >= number[0] + trained_days + since
        rows = []
        for name in sectors:
            is_mine = is_later & (changed is None or name in changed)
            mean = per_hour * of_day * SHAPE[(hour - np.where(is_mine, later_h, 0)) % 24] * np.where(is_mine, factor, 1)
            arrivals = random.poisson(mean).astype(float)
            waits = ROSTER[hour] * np.exp(random.normal(0, 0.5, len(hour))) * np.where(is_mine, slower, 1)
            waits = np.where(arrivals > 0, waits, np.nan)
            occupancy = np.convolve(arrivals, np.exp(-np.arange(12) / 4.0))[: len(hour)].round()
            told = [np.where(is_later, np.roll(column, clock_h), column) for column in (arrivals, waits, occupancy)]
            rows.append(SectorHours(name, *told, per_hour * of_day * SHAPE[hour] if is_expected else None))
        return HospitalHours(number, hour, day_type, int(number[0]) + trained_days, tuple(rows))

    return build
