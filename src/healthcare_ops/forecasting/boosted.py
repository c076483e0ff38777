"""The boosted half of the arrivals forecast: one LightGBM model of all sectors, so that small ones borrow strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.forecasting.pairs import drawn_pairs
from healthcare_ops.forecasting.regressors import Covariates, minutes
from healthcare_ops.forecasting.series import HourlySeries, by_civil_hour

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LAG_WEEKS = (1, 2, 3, 4, 8, 52)
_PROFILE_WEEKS = (6, 13, 52)
# The share of a profile's weeks that must exist.
_ENOUGH = 0.75
_LEVEL_HOURS = (3, 6, 12, 24, 72, 168, 672, 2016, 8736)
_SCALE_HOURS = 8736
_FIRST_ORIGIN = 672
MIN_HOURS = 2 * _FIRST_ORIGIN
_MAX_PAIRS = 200_000
_ROUNDS = 300
_PARAMETERS: Mapping[str, Any] = {
    "objective": "poisson",
    "num_leaves": 15,
    "learning_rate": 0.04,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "seed": 1,
    # The same trees whatever the machine's number of threads.
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True)
class BoostedModel:
    """Trees in LightGBM's text format; `events` and `regressors` are the names of optional features, in order.

    Every feature of a count is divided by the sector's scale (its mean per hour), and the trees tell how far the
    mean lies from that scale: a small sector is read by what the large ones taught.
    """

    trees: str
    events: tuple[str, ...]
    regressors: tuple[str, ...]

    @cached_property
    def _booster(self) -> Any:
        return _lightgbm().Booster(model_str=self.trees)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the names of the features, in order."""
        return _names(self.events, self.regressors)

    def means(
        self,
        series: HourlySeries,
        scale: float,
        origins: Ints,
        leads: Ints,
        covariates: Covariates,
        *,
        threads: int = 1,
    ) -> Floats:
        """Return the mean of the hour `leads[i]` after `origins[i]`, which sees only the hours before it."""
        features = _features(series, scale, origins, leads, covariates, self.events, self.regressors)
        raw = self._booster.predict(features, raw_score=True, num_threads=threads)
        return np.asarray(scale * np.exp(raw))


def scale_of(series: HourlySeries) -> float:
    """Return the mean per hour of the last 52 weeks, at least one arrival a month."""
    return max(float(series.values[-_SCALE_HOURS:].mean()), 1.0 / 720)


def fit_boosted(
    known: Sequence[HourlySeries], scales: Sequence[float], covariates: Covariates, *, threads: int
) -> BoostedModel | None:
    """Fit on all series together; None if none is longer than eight weeks.

    Raises
    ------
    ConfigError
        If LightGBM cannot be loaded.
    """
    long = [(series, scale) for series, scale in zip(known, scales, strict=True) if len(series.values) >= MIN_HOURS]
    if not long:
        return None
    events = tuple(sorted(event.name for event in covariates.calendar.events))
    regressors = tuple(sorted(regressor.name for regressor in covariates.regressors))
    features, counts, base = [], [], []
    for series, scale in long:
        origins, leads = drawn_pairs(len(series.values), _FIRST_ORIGIN, _MAX_PAIRS // len(long))
        features.append(_features(series, scale, origins, leads, covariates, events, regressors))
        counts.append(series.values[origins + leads])
        base.append(np.full(len(origins), np.log(scale)))
    lightgbm = _lightgbm()
    data = lightgbm.Dataset(
        np.concatenate(features),
        np.concatenate(counts),
        init_score=np.concatenate(base),
        feature_name=[f"f{place}" for place in range(features[0].shape[1])],  # its text allows few characters in names
    )
    booster = lightgbm.train({**_PARAMETERS, "num_threads": threads}, data, _ROUNDS)
    # The trees are the same on any number of threads; the text, from which the version follows, should be too.
    trees = booster.model_to_string().replace(f"[num_threads: {threads}]", "[num_threads: 0]")
    return BoostedModel(trees, events, regressors)


def _names(events: Sequence[str], regressors: Sequence[str]) -> tuple[str, ...]:
    return (
        "hour",
        "day_type",
        "near_holiday",
        "day_of_year",
        "lead",
        "log_scale",
        *(f"lag_{weeks}w" for weeks in _LAG_WEEKS),
        *(f"profile_{weeks}w" for weeks in _PROFILE_WEEKS),
        *(f"level_{hours}h" for hours in _LEVEL_HOURS),
        *(f"{name}{part}" for name in events for part in ("", "_day_before", "_day_after")),
        *regressors,
    )


def _features(
    series: HourlySeries,
    scale: float,
    origins: Ints,
    leads: Ints,
    covariates: Covariates,
    events: Sequence[str],
    regressors: Sequence[str],
) -> Floats:
    """Return one row per origin and lead, one column per name; NaN where history does not reach back far enough."""
    targets = origins + leads
    hours = covariates.calendar.hours(series.start, max(int(targets.max()) + 1, len(series.values)))
    weekly = _same_hour_of_week(series.values / scale, hours.civil_hour_number, origins, targets)
    columns = [
        hours.hour[targets],
        hours.day_type[targets],
        hours.near_holiday[targets],
        hours.day_number[targets] % 365.2425,
        leads,
        np.full(len(targets), np.log(scale)),
        *(weekly[week - 1] for week in _LAG_WEEKS),
        *(_profile(weekly[:weeks]) for weeks in _PROFILE_WEEKS),
        *_levels(series.values / scale, origins),
    ]
    special = covariates.calendar.special_days(int(hours.day_number[0]), int(hours.day_number[-1])) if events else {}
    day = hours.day_number[targets]
    for name in events:
        on = special.get(name, {})
        columns += [np.array([on.get(int(number) + shift, 0.0) for number in day]) for shift in (0, 1, -1)]
    start = minutes(series.start)
    columns += [covariates.regressor(name).known(start + 60 * targets, start + 60 * origins) for name in regressors]
    return np.column_stack(columns)


def _same_hour_of_week(values: Floats, civil: Ints, origins: Ints, targets: Ints) -> Floats:
    """Return the values of the same civil hour 1 … 52 weeks before each target.

    NaN before the first hour, and where that hour is not over at the origin (across a gap of days).
    """
    by_hour = by_civil_hour(values, civil)
    out = np.full((max(_LAG_WEEKS), len(targets)), np.nan)
    for week, line in enumerate(out, start=1):
        at = civil[targets] - civil[0] - 168 * week
        is_known = (at >= 0) & (at < civil[origins] - civil[0])
        line[is_known] = by_hour[at[is_known]]
    return out


def _profile(weekly: Floats) -> Floats:
    """Return the mean over the weeks, NaN where fewer than three quarters of them exist."""
    there = np.isfinite(weekly)
    total, weeks = np.zeros(weekly.shape[1]), there.sum(axis=0)
    # Added one by one: a sum over an axis may add in another order when there are more targets beside this one.
    for line in np.where(there, weekly, 0.0):
        total = total + line
    return np.where(weeks >= _ENOUGH * len(weekly), total / np.maximum(weeks, 1), np.nan)


def _levels(values: Floats, origins: Ints) -> list[Floats]:
    total = np.concatenate([[0.0], np.cumsum(values)])
    return [
        np.where(origins >= window, (total[origins] - total[np.maximum(origins - window, 0)]) / window, np.nan)
        for window in _LEVEL_HOURS
    ]


def _lightgbm() -> Any:
    try:
        import lightgbm  # noqa: PLC0415  # a third of a second, which only forecasts need
    except OSError as error:
        raise ConfigError(
            f"LightGBM cannot be loaded: {error}.",
            next_step="Install libgomp (Debian: `sudo apt-get install libgomp1`).",
        ) from error
    return lightgbm
