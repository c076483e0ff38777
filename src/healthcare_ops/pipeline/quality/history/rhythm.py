"""Feeds that deliver once a day or less often: until when they have told of everything, and when a file is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Instants = NDArray[np.datetime64]

# A feed that delivers more often is judged by its newest arrival: between two files little is unknown.
_LEAST_EVERY = timedelta(hours=20)
_LEAST_DELIVERIES = 14
# Files of one morning.
_TOGETHER = timedelta(hours=1)
# An age counts as told if so many of the arrivals so old had come with a delivery, over one hour of age and over a day.
_TOLD_OF_HOUR, _TOLD_OF_DAY = 0.9, 0.97
_OLDEST_H = 72


@dataclass(frozen=True)
class Rhythm:
    """How a feed delivers: when it did last (aware), after how long again, and how old what it tells of is at least.

    `latest` is how long after the last one a delivery comes at the latest, as far as is known.
    """

    last: datetime
    every: timedelta
    latest: timedelta
    lag: timedelta

    @property
    def told_until(self) -> datetime:
        """Return until when the last delivery should have told of everything."""
        return self.last - self.lag

    def missing_until(self, now: datetime) -> datetime | None:
        """Return until when a delivery that has not come should have told; None while one may still come in time."""
        late = now - self.last - self.latest
        if late <= timedelta(0):
            return None
        return self.told_until + self.every * (1 + late // self.every)


NO_RHYTHMS: Mapping[str, Rhythm] = MappingProxyType({})


def learn_rhythm(arrived_at: Instants, ingested_at: Instants) -> Rhythm | None:
    """Return the rhythm of a feed that delivers once a day or less often; None of another, or if too little is known.

    Parameters
    ----------
    arrived_at, ingested_at
        Of each encounter of the last weeks its arrival, and when the feed first told of it (UTC, microseconds).
    """
    if not len(arrived_at):
        return None
    order = np.argsort(arrived_at, kind="stable")
    arrivals, told = _us(arrived_at[order]), _us(ingested_at[order])
    deliveries = _deliveries(arrivals, told)
    if len(deliveries) < _LEAST_DELIVERIES:
        return None
    gaps = np.diff(deliveries)
    every = timedelta(microseconds=float(np.median(gaps)))
    lag = _lag(arrivals, told, deliveries)
    if every < _LEAST_EVERY or lag is None:
        return None
    last = datetime.fromtimestamp(deliveries[-1] / 1e6, UTC)
    latest = timedelta(microseconds=float(np.quantile(gaps, 0.95)))
    return Rhythm(last, every, max(latest, every) + _TOGETHER, lag)


def _us(instants: Instants) -> NDArray[np.int64]:
    return instants.astype("datetime64[us]").astype(np.int64)


def _deliveries(arrivals: NDArray[np.int64], told: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return when deliveries came that told of later arrivals than all before: one that only corrects is none."""
    found: list[int] = []
    newest = -np.inf
    order = np.argsort(told, kind="stable")
    instants, starts = np.unique(told[order], return_index=True)
    for instant, of_it in zip(instants, np.maximum.reduceat(arrivals[order], starts), strict=True):
        if of_it > newest:
            newest = float(of_it)
            is_together = found and instant - found[-1] <= _TOGETHER / timedelta(microseconds=1)
            found[len(found) - bool(is_together) :] = [int(instant)]
    return np.array(found, dtype=np.int64)


def _lag(arrivals: NDArray[np.int64], told: NDArray[np.int64], deliveries: NDArray[np.int64]) -> timedelta | None:
    """Return how old, in whole hours, an arrival is from which on deliveries have told of nearly all.

    The first delivery may be a whole past that was loaded at once, and says nothing.
    """
    hour = 3_600_000_000
    ages: list[Any] = [np.zeros(0, np.int64)]
    has_come: list[Any] = [np.zeros(0, bool)]
    for delivery in deliveries[1:]:
        first, last = np.searchsorted(arrivals, (delivery - _OLDEST_H * hour + 1, delivery + 1))
        ages.append((delivery - arrivals[first:last]) // hour)
        has_come.append(told[first:last] <= delivery)
    age, came = np.concatenate(ages), np.concatenate(has_come)
    every, those = (np.bincount(age[kept], minlength=_OLDEST_H) for kept in (slice(None), came))
    share = np.where(every > 0, those / np.maximum(every, 1), 1.0)
    for lag in range(_OLDEST_H - 24):
        day = slice(lag, lag + 24)
        if share[day].min() >= _TOLD_OF_HOUR and those[day].sum() >= _TOLD_OF_DAY * every[day].sum():
            return timedelta(hours=lag)
    return None
