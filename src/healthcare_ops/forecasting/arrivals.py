"""Hourly arrivals: the log-average of a linear and a boosted model, and the spread of the counts around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.boosted import BoostedModel, fit_boosted, scale_of
from healthcare_ops.forecasting.linear import LinearModel, fit_linear
from healthcare_ops.forecasting.pairs import MAX_LEAD_H
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.forecasting.series import HourlySeries, is_arrivals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_HOURS = 21 * 24
_SHAPE_RIDGES = (3000.0, 1000.0, 300.0, 100.0, 30.0)
_LEVEL_RIDGES = (3000.0, 300.0, 30.0)
# Of the logs' mean; .4 to .8 hardly differ on the years of two hospitals.
_LINEAR_WEIGHT = 0.6
# Standard errors by which the blend must be worse than the linear model alone to be left out.
_CLEARLY = 2.0
_DISPERSIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
_VALIDATION_SHARE = 0.2
_MAX_VALIDATION_HOURS = 182 * 24
_VALIDATION_LEADS = np.array([0, 1, 4, 12, 24, 48])
_VALIDATION_EVERY_H = 5


@dataclass(frozen=True)
class ArrivalsModel:
    """A fitted model of one sector: its linear model, the boosted model that all sectors share, and their blend.

    `trained_from` and `trained_until` (UTC, the latter excluded) bound the hours it was fitted on; `scale` is the
    sector's arrivals per hour that the boosted model counts in, `linear_weight` (0–1) the share of the linear
    model in the mean of logs (1 where there is no boosted model), `dispersion` that of the counts; `total_dispersion`
    is that of the sum of arrivals over all sectors that were fitted together.
    """

    sector_id: str
    trained_from: datetime
    trained_until: datetime
    linear: LinearModel
    boosted: BoostedModel | None
    scale: float
    linear_weight: float
    dispersion: float
    total_dispersion: float

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the names of what both models read."""
        return (*self.linear.feature_names, *(self.boosted.feature_names if self.boosted else ()))

    def predict(self, history: HourlySeries, leads: Ints, covariates: Covariates) -> Floats:
        """Return the means of the hours `leads` after the end of `history`."""
        return np.asarray(self.predict_from(history, np.array([len(history.values)]), leads, covariates)[0])

    def predict_from(self, series: HourlySeries, origins: Ints, leads: Ints, covariates: Covariates) -> Floats:
        """Return means, shape (origins, leads).

        An origin is a number of hours after `series.start`; it sees only the hours before it, and what others
        had issued by then.
        """
        origin, lead = np.repeat(origins, len(leads)), np.tile(leads, len(origins))
        linear = self.linear.means(series, origin, lead, covariates)
        boosted = linear
        if self.boosted is not None:
            boosted = self.boosted.means(series, self.scale, origin, lead, covariates)
        return _blend(linear, boosted, self.linear_weight).reshape(len(origins), len(leads))

    def quantiles(self, mean: Floats, levels: Sequence[float]) -> Floats:
        """Return quantiles of the count around each mean, shape (len(mean), len(levels))."""
        return counts.quantiles(mean, self.dispersion, levels)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values, without the boosted model that it shares with other sectors."""
        return {
            "sector_id": self.sector_id,
            "trained_from": self.trained_from.isoformat(),
            "trained_until": self.trained_until.isoformat(),
            "linear": self.linear.to_dict(),
            "scale": self.scale,
            "linear_weight": self.linear_weight,
            "dispersion": self.dispersion,
            "total_dispersion": self.total_dispersion,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], boosted: BoostedModel | None) -> ArrivalsModel:
        """Return the model that `to_dict` described.

        Raises
        ------
        ValueError
            If its features are not those of this version of the product.
        """
        return cls(
            sector_id=stored["sector_id"],
            trained_from=datetime.fromisoformat(stored["trained_from"]),
            trained_until=datetime.fromisoformat(stored["trained_until"]),
            linear=LinearModel.from_dict(stored["linear"]),
            boosted=boosted,
            scale=stored["scale"],
            linear_weight=stored["linear_weight"],
            dispersion=stored["dispersion"],
            total_dispersion=stored["total_dispersion"],
        )


def fit_arrivals(
    known: Iterable[HourlySeries], covariates: Covariates, *, threads: int = 1
) -> dict[str, ArrivalsModel]:
    """Fit a model for each series, by sector.

    The penalties, the dispersion and whether the boosted model helps are chosen on the last fifth (at most 26
    weeks) of the series, by models that have not seen it.

    Raises
    ------
    DataError
        If a series has fewer than 21 days of hours.
    """
    series = list(known)
    for item in series:
        _require_enough(item)
    trials = [_Trial(item, covariates) for item in series]
    scales = [scale_of(trial.early) for trial in trials]
    early = fit_boosted([trial.early for trial in trials], scales, covariates, threads=threads)
    blends = [trial.blend(early, scale) for trial, scale in zip(trials, scales, strict=True)]
    helps = early is not None and _helps(trials, blends)
    tried = blends if helps else [trial.linear for trial in trials]
    arriving = [place for place, trial in enumerate(trials) if is_arrivals(trial.series.sector_id)]
    total = _total_dispersion([trials[place] for place in arriving], [tried[place] for place in arriving])
    scales = [scale_of(item) for item in series]
    boosted = fit_boosted(series, scales, covariates, threads=threads) if helps else None
    return {
        trial.series.sector_id: ArrivalsModel(
            sector_id=trial.series.sector_id,
            trained_from=trial.series.start.astimezone(UTC),
            trained_until=trial.series.end.astimezone(UTC),
            linear=fit_linear(trial.series, covariates, trial.ridges),
            boosted=boosted,
            scale=scale,
            linear_weight=_LINEAR_WEIGHT if helps else 1.0,
            dispersion=_likeliest(trial.actual, mean),
            total_dispersion=total,
        )
        for trial, mean, scale in zip(trials, tried, scales, strict=True)
    }


class _Trial:
    """What the last fifth of a series says about models of the hours before it."""

    def __init__(self, series: HourlySeries, covariates: Covariates) -> None:
        hours = len(series.values)
        self.series = series
        self.covariates = covariates
        self.early = series.first(hours - min(int(hours * _VALIDATION_SHARE), _MAX_VALIDATION_HOURS))
        # Counted from the end, so that series that end together are tried at the same instants.
        origins = np.arange(hours - MAX_LEAD_H - 1, len(self.early.values) - 1, -_VALIDATION_EVERY_H)[::-1]
        self._origins = np.repeat(origins, len(_VALIDATION_LEADS))
        self._leads = np.tile(_VALIDATION_LEADS, len(origins))
        self.actual = series.values[self._origins + self._leads].astype(np.int64)
        forecast = cache(self._forecast)
        shape = max(_SHAPE_RIDGES, key=lambda ridge: self.likelihood(forecast((ridge, _LEVEL_RIDGES[0]))).mean())
        level = max(_LEVEL_RIDGES, key=lambda ridge: self.likelihood(forecast((shape, ridge))).mean())
        self.ridges = (shape, level)
        self.linear = forecast(self.ridges)

    def blend(self, boosted: BoostedModel | None, scale: float) -> Floats:
        """Return the means of both models together, of the linear one if there is no other."""
        if boosted is None:
            return self.linear
        other = boosted.means(self.series, scale, self._origins, self._leads, self.covariates)
        return _blend(self.linear, other, _LINEAR_WEIGHT)

    def likelihood(self, mean: Floats, dispersion: float = 0.0) -> Floats:
        """Return the mean log-likelihood of what came, by origin."""
        found = counts.log_pmf(self.actual, mean, dispersion)
        return np.asarray(found.reshape(-1, len(_VALIDATION_LEADS)).mean(axis=1))

    def _forecast(self, ridges: tuple[float, float]) -> Floats:
        model = fit_linear(self.early, self.covariates, ridges)
        return model.means(self.series, self._origins, self._leads, self.covariates)


def _likeliest(actual: Ints, mean: Floats) -> float:
    """Return the dispersion under which what came is likeliest."""
    return max(_DISPERSIONS, key=lambda value: float(counts.log_pmf(actual, mean, value).mean()))


def _total_dispersion(trials: Sequence[_Trial], tried: Sequence[Floats]) -> float:
    """Return the dispersion of the sum: what moves all sectors on a day does not average out.

    Of series that do not end together, that of the most dispersed one; 0 if there is none.
    """
    if not trials:
        return 0.0
    if len({trial.series.end for trial in trials}) > 1:
        return max(_likeliest(trial.actual, mean) for trial, mean in zip(trials, tried, strict=True))
    shared = min(len(trial.actual) for trial in trials)
    actual = np.sum([trial.actual[-shared:] for trial in trials], axis=0)
    return _likeliest(actual, np.sum([mean[-shared:] for mean in tried], axis=0))


def _helps(trials: Sequence[_Trial], blends: Sequence[Floats]) -> bool:
    """Return whether the blend is not worse than the linear models beyond what chance explains."""
    gains = np.concatenate(
        [trial.likelihood(blend) - trial.likelihood(trial.linear) for trial, blend in zip(trials, blends, strict=True)]
    )
    return bool(gains.mean() >= -_CLEARLY * gains.std() / np.sqrt(len(gains)))


def _blend(linear: Floats, boosted: Floats, weight: float) -> Floats:
    return np.asarray(np.exp(weight * np.log(linear) + (1.0 - weight) * np.log(boosted)))


def _require_enough(series: HourlySeries) -> None:
    hours = len(series.values)
    if hours < MIN_HOURS:
        raise DataError(
            f"sector {series.sector_id!r} has {hours} hours of arrivals; a model needs {MIN_HOURS} (21 days).",
            next_step="Load more history.",
        )
