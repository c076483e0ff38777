"""The linear half of the arrivals forecast: a calendar profile, moved by the levels seen before the origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.designs import (
    level_ratios,
    origin_design,
    origin_names,
    origin_ridge,
    profile_design,
    profile_names,
    profile_ridge,
)
from healthcare_ops.forecasting.glm import Design, fit_poisson, predict_poisson
from healthcare_ops.forecasting.pairs import drawn_pairs
from healthcare_ops.forecasting.regressors import Climate, Covariates, minutes
from healthcare_ops.forecasting.series import HourlySeries

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# From one year alone a season cannot be told from a trend: tried, it made forecasts worse.
_SEASON_HOURS = 2 * 365 * 24
# A day that came only once has no effect that could be told from chance.
_SPECIAL_DAYS = 2
_MAX_PAIRS = 60_000


@dataclass(frozen=True)
class LinearModel:
    """A Poisson ridge regression in two steps: the profile of the calendar, then what is known at an origin.

    `ridges` are the penalties of day type × hour and of the levels; `special` are the holidays and events with
    an effect of their own; `climates` tell what is usual of each regressor.
    """

    has_season: bool
    ridges: tuple[float, float]
    special: tuple[str, ...]
    climates: tuple[Climate, ...]
    profile: Floats
    levels: Floats

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the names of all coefficients: profile, then levels and regressors."""
        regressors = [climate.name for climate in self.climates]
        return (*profile_names(self.special, has_season=self.has_season), *origin_names(regressors))

    def means(self, series: HourlySeries, origins: Ints, leads: Ints, covariates: Covariates) -> Floats:
        """Return the mean of the hour `leads[i]` after `origins[i]`, which sees only the hours before it."""
        hours = max(int((origins + leads).max()) + 1, len(series.values))
        profile = self.usual(series.start, hours, covariates)
        known = _origin_design(series, profile, origins, leads, covariates, self.climates)
        return predict_poisson(known, self.levels, np.log(profile[origins + leads]))

    def usual(self, start: datetime, hours: int, covariates: Covariates) -> Floats:
        """Return the mean of each hour from `start` (aware) on that the calendar alone leads to expect."""
        design = _profile_design(start, hours, covariates, self.special, has_season=self.has_season)
        return predict_poisson(design, self.profile)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values."""
        return {
            "has_season": self.has_season,
            "ridges": list(self.ridges),
            "special": list(self.special),
            "climates": [climate.to_dict() for climate in self.climates],
            "features": list(self.feature_names),
            "profile": self.profile.tolist(),
            "levels": self.levels.tolist(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> LinearModel:
        """Return the model that `to_dict` described.

        Raises
        ------
        ValueError
            If its features are not those of this version of the product.
        """
        model = cls(
            has_season=stored["has_season"],
            ridges=tuple(stored["ridges"]),
            special=tuple(stored["special"]),
            climates=tuple(Climate.from_dict(climate) for climate in stored["climates"]),
            profile=np.array(stored["profile"]),
            levels=np.array(stored["levels"]),
        )
        names = list(model.feature_names)
        if stored["features"] != names or len(model.profile) + len(model.levels) != len(names):
            raise ValueError("its features are not those this version computes")
        return model


def fit_linear(series: HourlySeries, covariates: Covariates, ridges: tuple[float, float]) -> LinearModel:
    """Fit with the penalties given: the profile first, then what is known before each origin adds to it."""
    hours = len(series.values)
    has_season = hours >= _SEASON_HOURS
    special = _special(series, covariates)
    design = _profile_design(series.start, hours, covariates, special, has_season=has_season)
    ridge = profile_ridge(ridges[0], len(special), has_season=has_season)
    coefficients = fit_poisson(design, series.values, ridge=ridge)
    profile = predict_poisson(design, coefficients)
    found = (Climate.of(item, series.start, hours, covariates.calendar) for item in covariates.regressors)
    climates = tuple(climate for climate in found if climate is not None)
    origins, leads = drawn_pairs(hours, min(168, hours // 2), _MAX_PAIRS)
    known = _origin_design(series, profile, origins, leads, covariates, climates)
    levels = fit_poisson(
        known,
        series.values[origins + leads],
        ridge=origin_ridge(ridges[1], len(climates)),
        offset=np.log(profile[origins + leads]),
    )
    return LinearModel(has_season, ridges, special, climates, coefficients, levels)


def _special(series: HourlySeries, covariates: Covariates) -> tuple[str, ...]:
    """Return the holidays and events that the series has seen often enough."""
    days = np.unique(covariates.calendar.hours(series.start, len(series.values)).day_number)
    first, last = int(days[0]), int(days[-1])
    found = covariates.calendar.special_days(first, last)
    return tuple(sorted(name for name, on in found.items() if sum(first <= day <= last for day in on) >= _SPECIAL_DAYS))


def _profile_design(
    start: datetime, hours: int, covariates: Covariates, special: tuple[str, ...], *, has_season: bool
) -> Design:
    civil = covariates.calendar.hours(start, hours)
    days = covariates.calendar.special_days(int(civil.day_number[0]), int(civil.day_number[-1])) if special else {}
    return profile_design(civil, [days.get(name, {}) for name in special], has_season=has_season)


def _origin_design(
    series: HourlySeries,
    profile: Floats,
    origins: Ints,
    leads: Ints,
    covariates: Covariates,
    climates: tuple[Climate, ...],
) -> Design:
    targets = origins + leads
    start = minutes(series.start)
    unusual = []
    for climate in climates:
        value = covariates.regressor(climate.name).known(start + 60 * targets, start + 60 * origins)
        usual = climate.usual(series.start, len(profile), covariates.calendar)
        unusual.append(climate.unusual(value, usual[targets]))
    hour = covariates.calendar.hours(series.start, len(profile)).hour if climates else np.zeros(len(profile))
    return origin_design(level_ratios(series.values, profile, origins), leads, unusual, hour[targets])
