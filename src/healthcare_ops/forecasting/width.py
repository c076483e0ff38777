"""Intervals made wider or narrower by how often those of the last days missed.

A model's intervals are calibrated when it learns; what happens since may stray farther, or less far. Each day the share
of hours outside the intervals that were told is compared with the share that should be outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from healthcare_ops.forecasting.measures import LEVELS

# The leads (hours) that are looked at: what is farther ahead is known later, and misses alike.
FIRST_LEAD_H, LAST_LEAD_H = 1, 24
# Chosen on a synthetic hospital and the first quarter of the sample year, on which nothing is reported: held shares
# were nearest to what is nominal, and what came no less likely. Larger gains follow chance.
WINDOW_DAYS = 7
# By how much the log-width grows with the share that missed.
GAIN = 2.0
# A fault of the data, which every interval misses, makes them twice as wide at most.
_MOST = float(np.log(2.0))
_NOMINAL = 1.0 - (LEVELS[-1] - LEVELS[0])


@dataclass(frozen=True)
class DayOfMisses:
    """How many forecasts there were of a UTC day's hours, and how many of these their 90 % interval missed.

    Of counts, an hour on the edge of the interval is missed by the share of its probability that lies outside.
    """

    metric: str
    sector_id: str
    day: date
    forecasts: int
    missed: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "day": self.day.isoformat()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> DayOfMisses:
        """Return what `to_dict` described; a ValueError, KeyError or TypeError if it is none."""
        metric, sector_id = str(stored["metric"]), str(stored["sector_id"])
        missed = float(stored["missed"])
        return cls(metric, sector_id, date.fromisoformat(stored["day"]), int(stored["forecasts"]), missed)


def log_widths(days: Iterable[DayOfMisses], today: date) -> dict[tuple[str, str], float]:
    """Return by how much the intervals of each metric and sector are to be wider, on the log scale; below 0: narrower.

    Of the days only the `WINDOW_DAYS` UTC days before `today` count, all of whose hours have passed; one of which
    nothing was told counts as one on which as many missed as should. The sum over days of what missed beyond that is
    the integrator of a controller: with a share too many for good, widths grow until fewer miss.
    Source: Gibbs & Candès, Adaptive conformal inference under distribution shift, NeurIPS 2021; Angelopoulos, Candès &
    Tibshirani, Conformal PID control for time series prediction, NeurIPS 2023, whose error integration this is, over a
    window.
    """
    first = today - timedelta(days=WINDOW_DAYS)
    known: dict[tuple[str, str], list[DayOfMisses]] = {}
    for one in days:
        if first <= one.day < today and one.forecasts:
            known.setdefault((one.metric, one.sector_id), []).append(one)
    return {key: _log_width(told) for key, told in known.items()}


def _log_width(told: list[DayOfMisses]) -> float:
    forecasts = sum(one.forecasts for one in told)
    beyond = sum(one.missed for one in told) / forecasts - _NOMINAL
    share = len({one.day for one in told}) / WINDOW_DAYS
    return float(np.clip(GAIN * share * beyond, -_MOST, _MOST))
