"""Hourly arrivals: a calendar profile, moved by the levels seen before the origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.calendar import CivilHours, civil_hours
from healthcare_ops.forecasting.glm import fit_poisson, predict_poisson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_HOURS = 21 * 24
_YEAR_HOURS = 365 * 24
_WINDOWS_H = (12, 24, 168, 672, 2016, 8736)
_DECAYS_H = (6.0, 24.0)
_RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_DISPERSIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
_LEVEL_RIDGES = (3.0, 30.0, 300.0, 3000.0)
_VALIDATION_SHARE = 0.2
_LEADS_PER_ORIGIN = 6
_MAX_LEAD = 48


@dataclass(frozen=True)
class HourlySeries:
    """Counts of consecutive UTC hours of one sector; `start` is aware."""

    sector_id: str
    start: datetime
    values: Floats

    @property
    def end(self) -> datetime:
        """Return the first instant after the last hour."""
        return self.start + timedelta(hours=len(self.values))

    def until(self, end: datetime) -> HourlySeries:
        """Return the hours before `end`."""
        hours = int((end - self.start) / timedelta(hours=1))
        return HourlySeries(self.sector_id, self.start, self.values[: max(hours, 0)])


@dataclass(frozen=True)
class ArrivalsModel:
    """A fitted model: profile coefficients, level coefficients, dispersion of the counts."""

    sector_id: str
    zone: str
    holidays: Holidays | None
    has_season: bool
    ridges: tuple[float, float]
    profile: Floats
    levels: Floats
    dispersion: float

    def predict(self, history: HourlySeries, leads: Ints) -> Floats:
        """Return the means of the hours `leads` after the end of `history`."""
        known = len(history.values)
        mean, _ = self.predict_from(history, np.array([known]), leads)
        return np.asarray(mean[0])

    def predict_from(self, series: HourlySeries, origins: Ints, leads: Ints) -> tuple[Floats, Floats]:
        """Return means, shape (origins, leads), and the profile alone; an origin sees only hours before it."""
        horizon = int(origins.max() + leads.max()) + 1
        calendar = civil_hours(series.start, horizon, self.zone, self.holidays)
        profile = predict_poisson(_profile_design(calendar, self.has_season), self.profile, np.zeros(horizon))
        ratios = _level_ratios(series.values, profile, origins)
        targets = origins[:, None] + leads[None, :]
        base = profile[targets]
        design = _level_design(np.repeat(ratios, len(leads), axis=0), np.tile(leads, len(origins)))
        mean = predict_poisson(design, self.levels, np.log(base.ravel()))
        return mean.reshape(base.shape), base

    def quantiles(self, mean: Floats, levels: tuple[float, ...]) -> Floats:
        """Return quantiles of the count around each mean."""
        return counts.quantiles(mean, self.dispersion, levels)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values."""
        return {
            "sector_id": self.sector_id,
            "zone": self.zone,
            "holidays": self.holidays.model_dump() if self.holidays else None,
            "has_season": self.has_season,
            "ridges": list(self.ridges),
            "profile": self.profile.tolist(),
            "levels": self.levels.tolist(),
            "dispersion": self.dispersion,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ArrivalsModel:
        """Return the model that `to_dict` described."""
        calendar = stored["holidays"]
        return cls(
            sector_id=stored["sector_id"],
            zone=stored["zone"],
            holidays=Holidays(**calendar) if calendar else None,
            has_season=stored["has_season"],
            ridges=tuple(stored["ridges"]),
            profile=np.array(stored["profile"]),
            levels=np.array(stored["levels"]),
            dispersion=stored["dispersion"],
        )


def fit_arrivals(series: HourlySeries, zone: str, holidays: Holidays | None) -> ArrivalsModel:
    """Fit the model; ridge and dispersion are chosen on the last fifth of the series.

    Raises
    ------
    DataError
        If there are fewer than 21 days of hours.
    """
    hours = len(series.values)
    if hours < MIN_HOURS:
        raise DataError(
            f"sector {series.sector_id!r} has {hours} hours of arrivals; a model needs {MIN_HOURS} (21 days).",
            next_step="Load more history.",
        )
    cut = int(hours * (1.0 - _VALIDATION_SHARE))
    early = HourlySeries(series.sector_id, series.start, series.values[:cut])
    origins = np.arange(cut, hours - _MAX_LEAD - 1, 6) if hours - cut > _MAX_LEAD + 1 else np.array([cut - 1])
    leads = np.array([0, 1, 4, 12, 24, 48])
    actual = series.values[np.minimum(origins[:, None] + leads, hours - 1)].ravel()

    def forecast(ridges: tuple[float, float]) -> Floats:
        return _fit(early, zone, holidays, ridges, 0.0).predict_from(series, origins, leads)[0].ravel()

    def score(ridges: tuple[float, float]) -> float:
        return counts.log_likelihood(actual, forecast(ridges), 0.0)

    profile_ridge = max(_RIDGES, key=lambda ridge: score((ridge, _LEVEL_RIDGES[-1])))
    level_ridge = max(_LEVEL_RIDGES, key=lambda ridge: score((profile_ridge, ridge)))
    ridges = (profile_ridge, level_ridge)
    mean = forecast(ridges)
    dispersion = max(_DISPERSIONS, key=lambda value: counts.log_likelihood(actual, mean, value))
    return _fit(series, zone, holidays, ridges, dispersion)


def seasonal_naive(series: HourlySeries, origins: Ints, leads: Ints) -> Floats:
    """Return the count of the same hour one week before each target (two weeks where that is not known yet)."""
    targets = origins[:, None] + leads[None, :]
    weeks = (targets - origins[:, None]) // 168 + 1
    return np.asarray(series.values[np.maximum(targets - 168 * weeks, 0)])


def _fit(
    series: HourlySeries, zone: str, holidays: Holidays | None, ridges: tuple[float, float], dispersion: float
) -> ArrivalsModel:
    """Fit with the ridges of profile and levels given."""
    hours = len(series.values)
    has_season = hours >= _YEAR_HOURS
    calendar = civil_hours(series.start, hours, zone, holidays)
    design = _profile_design(calendar, has_season)
    coefficients = fit_poisson(design, series.values, ridge=ridges[0])
    profile = predict_poisson(design, coefficients, np.zeros(hours))
    # Every hour is an origin; its few leads are drawn once, from a fixed seed, so that equal data give equal models.
    origins = np.arange(min(168, hours // 2), hours)
    drawn = np.random.default_rng(0).integers(0, _MAX_LEAD + 1, size=(len(origins), _LEADS_PER_ORIGIN))
    pairs = np.repeat(origins, _LEADS_PER_ORIGIN), drawn.ravel()
    inside = pairs[0] + pairs[1] < hours
    ratios = np.repeat(_level_ratios(series.values, profile, origins), _LEADS_PER_ORIGIN, axis=0)[inside]
    lead, target = pairs[1][inside], (pairs[0] + pairs[1])[inside]
    levels = fit_poisson(
        _level_design(ratios, lead), series.values[target], ridge=ridges[1], offset=np.log(profile[target])
    )
    return ArrivalsModel(series.sector_id, zone, holidays, has_season, ridges, coefficients, levels, dispersion)


def _profile_design(calendar: CivilHours, has_season: bool) -> Floats:
    """Return intercept, hour, day type, day type × hour, days beside holidays, and the season."""
    rows = np.arange(len(calendar.hour))
    one_hot = np.zeros((len(rows), 24 + 8 + 192 + 2))
    one_hot[rows, calendar.hour] = 1.0
    one_hot[rows, 24 + calendar.day_type] = 1.0
    one_hot[rows, 32 + calendar.day_type * 24 + calendar.hour] = 1.0
    one_hot[:, 224] = calendar.near_holiday == 1
    one_hot[:, 225] = calendar.near_holiday == 2
    parts = [np.ones((len(rows), 1)), one_hot]
    if has_season:
        angle = 2.0 * np.pi * calendar.day_number[:, None] / 365.2425 * np.array([1.0, 2.0, 3.0])
        parts += [np.sin(angle), np.cos(angle)]
    return np.concatenate(parts, axis=1)


def _level_ratios(values: Floats, profile: Floats, origins: Ints) -> Floats:
    """Return log(seen ÷ expected) over each window before each origin, 0 where the window is not full.

    Both sums are padded by ten expected arrivals' worth of prior, so that an empty night is no evidence of
    a closed hospital.
    """
    seen = np.concatenate([[0.0], np.cumsum(values)])
    expected = np.concatenate([[0.0], np.cumsum(profile[: len(values)])])
    ratios = np.zeros((len(origins), len(_WINDOWS_H)))
    for column, window in enumerate(_WINDOWS_H):
        full = origins >= window
        end, start = origins[full], origins[full] - window
        ratios[full, column] = np.log((seen[end] - seen[start] + 10.0) / (expected[end] - expected[start] + 10.0))
    return ratios


def _level_design(ratios: Floats, leads: Ints) -> Floats:
    """Return intercept, the level ratios, and the ratios fading with the lead."""
    fading = [ratios * np.exp(-leads / hours)[:, None] for hours in _DECAYS_H]
    return np.concatenate([np.ones((len(leads), 1)), ratios, *fading], axis=1)
