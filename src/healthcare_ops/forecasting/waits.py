"""How long a patient who comes in some hour will wait: boosted quantiles and odds of a breach, then calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError, NotFoundError
from healthcare_ops.core.tables import QUANTILES
from healthcare_ops.forecasting.boosted import _lightgbm
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.conformal import Odds, Shifts, group_of
from healthcare_ops.forecasting.measures import LEVELS
from healthcare_ops.forecasting.occupancy import Horizon
from healthcare_ops.forecasting.wait_cases import scaled_target
from healthcare_ops.forecasting.wait_signs import NAMES, Signs
from healthcare_ops.forecasting.wait_trend import Trend
from healthcare_ops.forecasting.wait_usual import Usual, Waits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The longest look back of any sign, and a week to spare.
HISTORY_MIN = 14 * 10080
BREACH = "breach"
_COLOURS = np.arange(1, 6)
_FEATURES = (*NAMES, "trend", "level", "target_unlike_trend")

# Each quantile stands for the waits nearer to it than to others.
_MEAN_WEIGHTS = np.diff(np.concatenate([[0.0], (np.array(LEVELS[1:]) + np.array(LEVELS[:-1])) / 2, [1.0]]))


@dataclass(frozen=True)
class WaitForecast:
    """The wait from arrival to the start of care of a patient who comes in each target hour, a row per lead.

    `quantiles` (minutes) has a column for each of `core.tables.QUANTILES`, `breach` one for each triage level 1–5:
    the probability to wait longer than its target. Both are about a patient who does not leave before care
    begins. Judge them by patients, each one a case of the hour of his arrival: the mean and the 90th percentile
    of the few patients of an hour scatter by chance, and `mean` and `p90` forecast their middle, not that scatter.
    """

    leads: Ints
    mean: Floats
    quantiles: Floats
    breach: Floats

    @property
    def median(self) -> Floats:
        """Return the median wait, minutes."""
        return np.asarray(self.quantiles[:, QUANTILES.index("q50")])

    @property
    def p90(self) -> Floats:
        """Return the 90th percentile, minutes."""
        return np.asarray(self.quantiles[:, QUANTILES.index("q90")])


@dataclass(frozen=True)
class SectorWaits:
    """What is usual in a sector: its scale, and its quantiles (in spreads) and log-odds of a breach without trees."""

    usual: Usual
    quantiles: Floats
    odds: Floats

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"usual": self.usual.to_dict(), "quantiles": self.quantiles.tolist(), "odds": self.odds.tolist()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> SectorWaits:
        """Return what `to_dict` described."""
        return cls(Usual.from_dict(stored["usual"]), np.array(stored["quantiles"]), np.array(stored["odds"]))


@dataclass(frozen=True)
class WaitsModel:
    """A fitted model of all sectors: `trees` are LightGBM's text by the name of the quantile, and of the breaches.

    A quantile is the sector's usual one, moved by the trend if it follows it, and then by trees, all in spreads of
    the sector, so that small sectors are read by what the large ones taught; where trees were of no use there are
    none. `shifts` and `odds` calibrate them; `mean_factor` makes of the quantiles' weighted mean the mean wait.
    `target_min` are the targets by level.
    """

    sectors: Mapping[str, SectorWaits]
    trend: Trend
    follows_trend: bool
    trees: Mapping[str, str]
    shifts: Shifts
    odds: Odds
    mean_factor: float
    target_min: tuple[float, ...]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the names of the features, in order; the last two only for breaches."""
        return _FEATURES

    def forecast(self, sector_id: str, waits: Waits, horizon: Horizon, calendar: Calendar) -> WaitForecast:
        """Forecast from what was known at the moment of forecasting; of `waits`, nothing later is looked at.

        Fourteen weeks of encounters before it are enough.

        Raises
        ------
        NotFoundError
            If the model has no such sector.
        DataError
            If nobody came in those weeks.
        """
        if sector_id not in self.sectors:
            raise NotFoundError(
                f"the model of waits has no sector {sector_id!r}; it has {', '.join(sorted(self.sectors))}.",
                next_step="Run `hops run --type weekly_train`.",
            )
        sector, now = self.sectors[sector_id], float(horizon.now_min)
        known = waits.rows(waits.arrival_min >= now - HISTORY_MIN).known_at(now)
        if not len(known.arrival_min):
            raise DataError(
                f"nobody came to sector {sector_id!r} in the 14 weeks before.",
                next_step="Check that its feed delivers.",
            )
        hour = horizon.origin_min // 60 + horizon.leads
        signs = Signs(known, sector.usual, calendar, int(hour.max()) + 1)
        rows = signs.columns(np.full(len(hour), now), hour)
        cell, trend = signs.cells[hour - signs.first_hour], self.trend.of(rows)
        quantiles = self._quantiles(sector, rows, trend, cell)
        return WaitForecast(
            leads=horizon.leads,
            mean=self.mean_factor * weighted_mean(quantiles),
            quantiles=quantiles,
            breach=self._breach(sector, rows, trend, cell),
        )

    def quantiles_of(self, sector_id: str, rows: Floats, cell: Ints) -> Floats:
        """Return the quantiles (minutes) of many cases of a sector, by their signs and the cells of their hours."""
        return self._quantiles(self.sectors[sector_id], rows, self.trend.of(rows), cell)

    def _quantiles(self, sector: SectorWaits, rows: Floats, trend: Floats, cell: Ints) -> Floats:
        distance_h = rows[:, NAMES.index("distance_h")]
        group = group_of(distance_h, np.full(len(cell), sector.usual.arrivals_per_h))
        features, moved = tree_rows(rows, trend), trend * self.follows_trend
        raw = np.column_stack(
            [usual + moved + self._raw(name, features) for name, usual in zip(QUANTILES, sector.quantiles, strict=True)]
        )
        return sector.usual.minutes(self.shifts.apply(raw, group), cell)

    def _breach(self, sector: SectorWaits, rows: Floats, trend: Floats, cell: Ints) -> Floats:
        level = np.tile(_COLOURS, len(cell))
        target = scaled_target(sector.usual, np.repeat(cell, 5), level, self.target_min)
        features = breach_rows(np.repeat(rows, 5, axis=0), np.repeat(trend, 5), level, target)
        raw = sector.odds[level - 1] + self._raw(BREACH, features)
        return self.odds.apply(raw, level).reshape(-1, 5)

    def _raw(self, name: str, features: Floats) -> Floats:
        if name not in self._boosters:
            return np.zeros(len(features))
        return np.asarray(self._boosters[name].predict(features, raw_score=True, num_threads=1))

    @cached_property
    def _boosters(self) -> Mapping[str, Any]:
        return {name: _lightgbm().Booster(model_str=text) for name, text in self.trees.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values, without its trees."""
        return {
            "features": list(_FEATURES),
            "sectors": {name: sector.to_dict() for name, sector in sorted(self.sectors.items())},
            "trend": self.trend.effects.tolist(),
            "follows_trend": self.follows_trend,
            "shifts": self.shifts.to_dict(),
            "odds": self.odds.to_dict(),
            "mean_factor": self.mean_factor,
            "target_min": list(self.target_min),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], trees: Mapping[str, str]) -> WaitsModel:
        """Return the model that `to_dict` described.

        Raises
        ------
        ValueError
            If its features are not those of this version of the product.
        """
        if tuple(stored["features"]) != _FEATURES:
            raise ValueError("the model of waits was made by another version: its features are not those of this one")
        return cls(
            sectors={name: SectorWaits.from_dict(sector) for name, sector in stored["sectors"].items()},
            trend=Trend(np.array(stored["trend"])),
            follows_trend=stored["follows_trend"],
            trees=dict(trees),
            shifts=Shifts.from_dict(stored["shifts"]),
            odds=Odds.from_dict(stored["odds"]),
            mean_factor=stored["mean_factor"],
            target_min=tuple(stored["target_min"]),
        )


def tree_rows(rows: Floats, trend: Floats) -> Floats:
    """Return the features of a wait: the signs and the trend."""
    return np.column_stack([rows, trend])


def breach_rows(rows: Floats, trend: Floats, level: Ints, target: Floats) -> Floats:
    """Return the features of a breach: also the level, and how far its target (in spreads) lies from the trend."""
    return np.column_stack([rows, trend, level, target - trend])


def weighted_mean(quantiles: Floats) -> Floats:
    """Return the mean of the quantiles, each weighted by the waits nearer to it than to others; a value per row."""
    total = np.zeros(len(quantiles))
    for weight, column in zip(_MEAN_WEIGHTS, quantiles.T, strict=True):
        total = total + weight * column
    return total
