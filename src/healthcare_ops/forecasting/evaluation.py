"""Walk-forward backtest and the measures of a count forecast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.site import Holidays
from healthcare_ops.core.tables import QUANTILES
from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.forecasters import (
    MIN_HOURS,
    ArrivalsModel,
    HourlySeries,
    fit_arrivals,
    seasonal_naive,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = tuple(int(name[1:]) / 100 for name in QUANTILES)
SHOWN_LEADS = (1, 4, 24)
_HORIZON = 48
_BOOTSTRAPS = 500


@dataclass(frozen=True)
class Measures:
    """How good a forecast was; errors in arrivals per hour, shares 0–1.

    `mape` leaves out hours without arrivals (`zero_hours` of them) and is null if there is no other;
    `mape_floor` is what a forecaster who knew the true rate would get. `mase` is the error ÷ the in-sample
    error of the same hour last week. `coverage_pit` corrects coverage for the steps of counts.
    """

    hours: int
    mae: float
    rmse: float
    bias: float
    wape: float
    mase: float
    mape: float | None
    mape_floor: float
    zero_hours: int
    pinball: float
    coverage_90: float
    coverage_pit: float


@dataclass(frozen=True)
class Comparison:
    """Model and seasonal-naive over the same hours; `lead_h` null means all leads together."""

    lead_h: int | None
    model: Measures
    naive: Measures
    better_probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Backtest:
    """What a walk-forward found: one comparison per shown lead, then all leads."""

    sector_id: str
    first_origin: str
    last_origin: str
    origins: int
    refits: int
    comparisons: tuple[Comparison, ...]

    @property
    def overall(self) -> Comparison:
        """Return the comparison over all leads."""
        return self.comparisons[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class _Forecasts:
    """Forecasts of a walk, shape (origins, leads) or (origins, leads, quantiles)."""

    actual: Floats
    mean: Floats
    quantiles: Floats
    naive: Floats
    naive_quantiles: Floats
    days: Ints
    dispersion: float


def backtest(
    series: HourlySeries,
    zone: str,
    holidays: Holidays | None,
    *,
    test_days: int = 56,
    refit_days: int = 28,
    every_h: int = 5,
) -> Backtest | None:
    """Walk over the last `test_days`, refitting as time goes on; None if the history before them is too short.

    Every forecast is made with the hours before its origin only. Five hours between origins share no
    divisor with the day: otherwise each lead would always fall on the same hours.
    """
    first = max(len(series.values) - test_days * 24, MIN_HOURS)
    origins = np.arange(first, len(series.values) - _HORIZON - 1, every_h)
    if len(origins) < 8:
        return None
    leads = np.arange(_HORIZON + 1)
    parts = [
        _forecast(series, model, block, leads)
        for block, model in _walk(series, zone, holidays, origins, refit_days * 24)
    ]
    walk = _joined(parts)
    scale = _naive_error(series.values[:first])
    return Backtest(
        sector_id=series.sector_id,
        first_origin=str(series.start + timedelta(hours=int(origins[0]))),
        last_origin=str(series.start + timedelta(hours=int(origins[-1]))),
        origins=len(origins),
        refits=len(parts),
        comparisons=tuple(_compare(walk, lead, scale) for lead in (*SHOWN_LEADS, None)),
    )


def _joined(parts: Sequence[_Forecasts]) -> _Forecasts:
    return _Forecasts(
        actual=np.concatenate([part.actual for part in parts]),
        mean=np.concatenate([part.mean for part in parts]),
        quantiles=np.concatenate([part.quantiles for part in parts]),
        naive=np.concatenate([part.naive for part in parts]),
        naive_quantiles=np.concatenate([part.naive_quantiles for part in parts]),
        days=np.concatenate([part.days for part in parts]),
        dispersion=parts[-1].dispersion,
    )


def _walk(
    series: HourlySeries, zone: str, holidays: Holidays | None, origins: Ints, refit_h: int
) -> Iterator[tuple[Ints, ArrivalsModel]]:
    for start in range(int(origins[0]), int(origins[-1]) + 1, refit_h):
        block = origins[(origins >= start) & (origins < start + refit_h)]
        if len(block):
            known = HourlySeries(series.sector_id, series.start, series.values[:start])
            yield block, fit_arrivals(known, zone, holidays)


def _forecast(series: HourlySeries, model: ArrivalsModel, origins: Ints, leads: Ints) -> _Forecasts:
    mean, _ = model.predict_from(series, origins, leads)
    naive = seasonal_naive(series, origins, leads)
    # A count of zero would say "certainly nobody": the naive rule gets the benefit of a small rate.
    naive_rate = np.maximum(naive, 0.25)
    shape = (*mean.shape, len(LEVELS))
    return _Forecasts(
        actual=series.values[origins[:, None] + leads],
        mean=mean,
        quantiles=model.quantiles(mean.ravel(), LEVELS).reshape(shape),
        naive=naive,
        naive_quantiles=counts.quantiles(naive_rate.ravel(), 0.0, LEVELS).reshape(shape),
        days=origins // 24,
        dispersion=model.dispersion,
    )


def _compare(walk: _Forecasts, lead: int | None, scale: float) -> Comparison:
    pick = slice(None) if lead is None else slice(lead, lead + 1)
    actual = walk.actual[:, pick]
    model = pinball(actual, walk.quantiles[:, pick])
    naive = pinball(actual, walk.naive_quantiles[:, pick])
    return Comparison(
        lead_h=lead,
        model=measure(actual, walk.mean[:, pick], walk.quantiles[:, pick], scale, walk.dispersion),
        naive=measure(actual, walk.naive[:, pick], walk.naive_quantiles[:, pick], scale, 0.0),
        better_probability=_better_probability((naive - model).mean(axis=1), walk.days),
    )


def measure(actual: Floats, mean: Floats, quantiles: Floats, scale: float, dispersion: float) -> Measures:
    """Return the measures of forecasts of equal shape; `scale` is the in-sample error that MASE divides by."""
    error = mean - actual
    positive = actual > 0
    floor = counts.mape_floor(np.maximum(mean, 1e-6).ravel())
    return Measures(
        hours=actual.size,
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt((error**2).mean())),
        bias=float(error.mean()),
        wape=float(np.abs(error).sum() / max(actual.sum(), 1e-12)),
        mase=float(np.abs(error).mean() / max(scale, 1e-12)),
        mape=float((np.abs(error)[positive] / actual[positive]).mean()) if positive.any() else None,
        mape_floor=float(floor[positive.ravel()].mean() if positive.any() else floor.mean()),
        zero_hours=int((~positive).sum()),
        pinball=float(pinball(actual, quantiles).mean()),
        coverage_90=float(((actual >= quantiles[..., 0]) & (actual <= quantiles[..., -1])).mean()),
        coverage_pit=_pit_coverage(actual.ravel(), mean.ravel(), dispersion),
    )


def pinball(actual: Floats, quantiles: Floats) -> Floats:
    """Return the pinball loss averaged over the seven quantiles, in the shape of `actual`."""
    gap = actual[..., None] - quantiles
    levels = np.array(LEVELS)
    return np.asarray(np.maximum(levels * gap, (levels - 1.0) * gap).mean(axis=-1))


def _pit_coverage(actual: Floats, mean: Floats, dispersion: float) -> float:
    """Return the share of randomised PIT values in the middle 90 % (Czado et al., Biometrics 2009;65:1254)."""
    steps = counts.cdf(np.maximum(mean, 1e-6), dispersion)
    steps = np.concatenate([np.zeros((len(mean), 1)), steps], axis=1)
    rows, count = np.arange(len(mean)), np.minimum(actual.astype(int), steps.shape[1] - 2)
    low, high = steps[rows, count], steps[rows, count + 1]
    value = low + np.random.default_rng(0).random(len(mean)) * (high - low)
    return float(((value >= 0.05) & (value <= 0.95)).mean())


def _better_probability(gains: Floats, days: Ints) -> float:
    """Return how often days drawn with replacement say that the model is better; origins of a day stay together."""
    by_day = np.array([gains[days == day].mean() for day in np.unique(days)])
    drawn = np.random.default_rng(0).choice(by_day, size=(_BOOTSTRAPS, len(by_day)))
    return float((drawn.mean(axis=1) > 0).mean())


def _naive_error(values: Floats) -> float:
    return float(np.abs(values[168:] - values[:-168]).mean()) if len(values) > 168 else 1.0
