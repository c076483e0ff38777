"""The measures of a count forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.tables import QUANTILES
from healthcare_ops.forecasting import counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = tuple(int(name[1:]) / 100 for name in QUANTILES)
_BOOTSTRAPS = 500


@dataclass(frozen=True)
class Forecasts:
    """What was forecast and what came, shape (origins, leads) or (origins, leads, levels).

    `pit` are randomised probability integral transforms; `actual` and `pit` are NaN where nobody knows yet.
    """

    actual: Floats
    mean: Floats
    quantiles: Floats
    pit: Floats


@dataclass(frozen=True)
class Measures:
    """How good a forecast was; errors in arrivals per hour, shares 0–1.

    `mape` leaves out hours without arrivals (`zero_hours` of them) and is null if there is no other;
    `mape_floor` is what a forecaster who knew the true rate would get. `mase` is the error ÷ the error of the
    same civil hour last week before the test, null if that is zero; `wape` is null if nobody arrived.
    `coverage_pit` corrects the coverage of q05 to q95 for the steps of counts.
    """

    hours: int
    mae: float
    rmse: float
    bias: float
    wape: float | None
    mase: float | None
    mape: float | None
    mape_floor: float
    zero_hours: int
    pinball: float
    coverage_90: float
    coverage_pit: float


def measure(walk: Forecasts, scale: float, *, rate: Floats, levels: tuple[float, ...] = LEVELS) -> Measures:
    """Return the measures of the forecasts whose hour has come.

    `scale` is the error that MASE divides by (0 = none); `rate` is the best guess of the true rates, for the
    floor of MAPE: the floor belongs to the hours, whoever forecasts them. The first and last of `levels` bound
    the interval whose coverage is told.
    """
    known = np.isfinite(walk.actual)
    actual, mean, quantiles, pit = walk.actual[known], walk.mean[known], walk.quantiles[known], walk.pit[known]
    error, arrivals, positive = mean - actual, float(actual.sum()), actual > 0
    floor = counts.mape_floor(rate[known][positive] if positive.any() else rate[known])
    return Measures(
        hours=actual.size,
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt((error**2).mean())),
        bias=float(error.mean()),
        wape=float(np.abs(error).sum() / arrivals) if arrivals else None,
        mase=float(np.abs(error).mean() / scale) if scale else None,
        mape=float((np.abs(error)[positive] / actual[positive]).mean()) if positive.any() else None,
        mape_floor=float(floor.mean()),
        zero_hours=int((~positive).sum()),
        pinball=float(pinball(actual, quantiles, levels).mean()),
        coverage_90=float(((actual >= quantiles[..., 0]) & (actual <= quantiles[..., -1])).mean()),
        coverage_pit=float(((pit >= levels[0]) & (pit <= levels[-1])).mean()),
    )


def pinball(actual: Floats, quantiles: Floats, levels: tuple[float, ...] = LEVELS) -> Floats:
    """Return the pinball loss averaged over the quantiles, in the shape of `actual`."""
    gap = actual[..., None] - quantiles
    level = np.array(levels)
    return np.asarray(np.maximum(level * gap, (level - 1.0) * gap).mean(axis=-1))


def better_probability(gains: Floats, days: Ints) -> float:
    """Return the share of resampled days whose mean gain is positive; what belongs to one day stays together.

    `gains` and the civil `days` have one value for each origin; a gain is NaN where nothing is known yet.
    Source: the bootstrap of blocks, Künsch, Annals of Statistics 1989;17:1217, with a day as the block.
    """
    by_day = np.array([np.nanmean(gains[days == day]) for day in np.unique(days[np.isfinite(gains)])])
    drawn = np.random.default_rng(0).choice(by_day, size=(_BOOTSTRAPS, len(by_day)))
    return float((drawn.mean(axis=1) > 0).mean())
