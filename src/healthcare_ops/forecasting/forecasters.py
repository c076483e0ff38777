"""Hourly arrivals: a calendar profile, moved by the levels seen before the origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.calendar import civil_hours
from healthcare_ops.forecasting.designs import (
    level_design,
    level_names,
    level_ratios,
    profile_design,
    profile_names,
    profile_ridge,
)
from healthcare_ops.forecasting.glm import fit_poisson, predict_poisson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_HOURS = 21 * 24
MAX_LEAD_H = 48
# From one year alone a season cannot be told from a trend: tried, it made forecasts worse.
_SEASON_HOURS = 2 * 365 * 24
_SHAPE_RIDGES = (3000.0, 1000.0, 300.0, 100.0, 30.0)
_LEVEL_RIDGES = (3000.0, 300.0, 30.0)
_DISPERSIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
_VALIDATION_SHARE = 0.2
_MAX_VALIDATION_HOURS = 84 * 24
_VALIDATION_LEADS = np.array([0, 1, 4, 12, 24, 48])
_VALIDATION_EVERY_H = 5
_LEADS_PER_ORIGIN = 6
_MAX_PAIRS = 60_000


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
                f"sector {self.sector_id!r} has {self.values[at]} arrivals in the hour {self.start + _hours(at)}; "
                "a count is a whole number of at least 0.",
                next_step="Rebuild gold for that day.",
            )

    @property
    def end(self) -> datetime:
        """Return the first instant after the last hour."""
        return self.start + _hours(len(self.values))

    def until(self, end: datetime) -> HourlySeries:
        """Return the hours before `end`."""
        return self.first(max(int((end - self.start) / _hours(1)), 0))

    def first(self, count: int) -> HourlySeries:
        """Return the first `count` hours."""
        return HourlySeries(self.sector_id, self.start, self.values[:count])


@dataclass(frozen=True)
class ArrivalsModel:
    """A fitted model: profile coefficients, level coefficients, dispersion of the counts.

    `trained_from` and `trained_until` (UTC, the latter excluded) bound the hours it was fitted on; `ridges` are
    the penalties chosen for day type × hour and for the levels.
    """

    sector_id: str
    zone: str
    holidays: Holidays | None
    trained_from: datetime
    trained_until: datetime
    has_season: bool
    ridges: tuple[float, float]
    profile: Floats
    levels: Floats
    dispersion: float

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the names of all coefficients: profile, then levels."""
        return (*profile_names(has_season=self.has_season), *level_names())

    def predict(self, history: HourlySeries, leads: Ints) -> Floats:
        """Return the means of the hours `leads` after the end of `history`."""
        return np.asarray(self.predict_from(history, np.array([len(history.values)]), leads)[0])

    def predict_from(self, series: HourlySeries, origins: Ints, leads: Ints) -> Floats:
        """Return means, shape (origins, leads).

        An origin is a number of hours after `series.start`; it sees only the hours before it.
        """
        targets = origins[:, None] + leads
        profile = self._profile(series.start, max(int(targets.max()) + 1, len(series.values)))
        ratios = np.repeat(level_ratios(series.values, profile, origins), len(leads), axis=1)
        design = level_design(ratios, np.tile(leads, len(origins)))
        mean = predict_poisson(design, self.levels, np.log(profile[targets.ravel()]))
        return mean.reshape(targets.shape)

    def quantiles(self, mean: Floats, levels: Sequence[float]) -> Floats:
        """Return quantiles of the count around each mean, shape (len(mean), len(levels))."""
        return counts.quantiles(mean, self.dispersion, levels)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values."""
        return {
            "sector_id": self.sector_id,
            "zone": self.zone,
            "holidays": self.holidays.model_dump() if self.holidays else None,
            "trained_from": self.trained_from.isoformat(),
            "trained_until": self.trained_until.isoformat(),
            "has_season": self.has_season,
            "ridges": list(self.ridges),
            "features": list(self.feature_names),
            "profile": self.profile.tolist(),
            "levels": self.levels.tolist(),
            "dispersion": self.dispersion,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ArrivalsModel:
        """Return the model that `to_dict` described.

        Raises
        ------
        ValueError
            If its features are not those of this version of the product.
        """
        calendar = stored["holidays"]
        model = cls(
            sector_id=stored["sector_id"],
            zone=stored["zone"],
            holidays=Holidays(**calendar) if calendar else None,
            trained_from=datetime.fromisoformat(stored["trained_from"]),
            trained_until=datetime.fromisoformat(stored["trained_until"]),
            has_season=stored["has_season"],
            ridges=tuple(stored["ridges"]),
            profile=np.array(stored["profile"]),
            levels=np.array(stored["levels"]),
            dispersion=stored["dispersion"],
        )
        names = list(model.feature_names)
        if stored["features"] != names or len(model.profile) + len(model.levels) != len(names):
            raise ValueError(f"the features of sector {model.sector_id!r} are not those this version computes")
        return model

    def _profile(self, start: datetime, hours: int) -> Floats:
        calendar = civil_hours(start, hours, self.zone, self.holidays)
        return predict_poisson(profile_design(calendar, has_season=self.has_season), self.profile)


def fit_arrivals(series: HourlySeries, zone: str, holidays: Holidays | None) -> ArrivalsModel:
    """Fit the model; the penalties and the dispersion are chosen on the last fifth (at most 12 weeks) of the series.

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
    early = series.first(hours - min(int(hours * _VALIDATION_SHARE), _MAX_VALIDATION_HOURS))
    origins = np.arange(len(early.values), hours - MAX_LEAD_H, _VALIDATION_EVERY_H)
    actual = series.values[origins[:, None] + _VALIDATION_LEADS].ravel().astype(np.int64)

    @cache
    def forecast(ridges: tuple[float, float]) -> Floats:
        model = _fit(early, zone, holidays, ridges, 0.0)
        return model.predict_from(series, origins, _VALIDATION_LEADS).ravel()

    def likelihood(ridges: tuple[float, float], dispersion: float = 0.0) -> float:
        return float(counts.log_pmf(actual, forecast(ridges), dispersion).mean())

    shape = max(_SHAPE_RIDGES, key=lambda ridge: likelihood((ridge, _LEVEL_RIDGES[0])))
    ridges = shape, max(_LEVEL_RIDGES, key=lambda ridge: likelihood((shape, ridge)))
    dispersion = max(_DISPERSIONS, key=lambda value: likelihood(ridges, value))
    return _fit(series, zone, holidays, ridges, dispersion)


def seasonal_naive(series: HourlySeries, zone: str, origins: Ints, leads: Ints) -> Floats:
    """Return the count of the same civil hour one week before each target, or of the latest such week known.

    Where the clock skipped that hour, the hour before it stands in; where it came twice, the second one does.
    """
    targets = origins[:, None] + leads
    calendar = civil_hours(series.start, int(targets.max()) + 1, zone, None)
    civil = calendar.day_number * 24 + calendar.hour
    # One hour to spare: a clock change can move the same civil hour one hour later.
    weeks = (leads + 1) // 168 + 1
    same = np.searchsorted(civil, civil[targets] - 168 * weeks, side="right") - 1
    return np.asarray(series.values[np.maximum(same, 0)])


def require_full_hour(instant: datetime) -> None:
    """Raise ValueError unless the instant is aware and starts a UTC hour."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone")
    utc = instant.astimezone(UTC)
    if utc != utc.replace(minute=0, second=0, microsecond=0):
        raise ValueError(f"{instant.isoformat()} is not the start of a UTC hour")


def _fit(
    series: HourlySeries, zone: str, holidays: Holidays | None, ridges: tuple[float, float], dispersion: float
) -> ArrivalsModel:
    """Fit with the penalties given: the profile first, then what the levels before each origin add to it."""
    hours = len(series.values)
    has_season = hours >= _SEASON_HOURS
    calendar = civil_hours(series.start, hours, zone, holidays)
    design = profile_design(calendar, has_season=has_season)
    coefficients = fit_poisson(design, series.values, ridge=profile_ridge(ridges[0], has_season=has_season))
    profile = predict_poisson(design, coefficients)
    levels = _fit_levels(series.values, profile, ridges[1])
    return ArrivalsModel(
        sector_id=series.sector_id,
        zone=zone,
        holidays=holidays,
        trained_from=series.start.astimezone(UTC),
        trained_until=series.end.astimezone(UTC),
        has_season=has_season,
        ridges=ridges,
        profile=coefficients,
        levels=levels,
        dispersion=dispersion,
    )


def _fit_levels(values: Floats, profile: Floats, ridge: float) -> Floats:
    origins, leads = _drawn_pairs(len(values))
    design = level_design(level_ratios(values, profile, origins), leads)
    penalty = np.full(len(level_names()), ridge)
    targets = origins + leads
    return fit_poisson(design, values[targets], ridge=penalty, offset=np.log(profile[targets]))


def _drawn_pairs(hours: int) -> tuple[Ints, Ints]:
    """Return origins and leads to learn from: every hour (fewer in long series) with six leads of a fixed seed."""
    first = min(168, hours // 2)
    stride = 1 + (hours - first) * _LEADS_PER_ORIGIN // _MAX_PAIRS
    origins = np.repeat(np.arange(first, hours, stride), _LEADS_PER_ORIGIN)
    leads = np.random.default_rng(0).integers(0, MAX_LEAD_H + 1, size=len(origins))
    inside = origins + leads < hours
    return origins[inside], leads[inside]


def _hours(count: int) -> timedelta:
    return timedelta(hours=count)
