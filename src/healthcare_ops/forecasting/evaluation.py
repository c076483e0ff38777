"""Walk-forward backtest and the measures of a count forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.site import Holidays
from healthcare_ops.core.tables import QUANTILES
from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.calendar import civil_hours
from healthcare_ops.forecasting.forecasters import (
    MAX_LEAD_H,
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
# Of a forecast, the next full hour as well.
SHOWN_AHEAD = (0, *SHOWN_LEADS)
EVERY_H = 5
_MIN_ORIGINS = 8
_BOOTSTRAPS = 500
# A count of zero would say "certainly nobody": the naive rule gets the benefit of a small rate.
_NAIVE_RATE = 0.25


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


@dataclass(frozen=True)
class Comparison:
    """Model and seasonal-naive over the same hours; `lead_h` null means all leads together.

    `better_probability` is the share of resampled test days whose pinball loss is lower with the model.
    """

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
class Forecasts:
    """What was forecast and what came, shape (origins, leads) or (origins, leads, quantiles).

    `pit` are randomised probability integral transforms.
    """

    actual: Floats
    mean: Floats
    quantiles: Floats
    pit: Floats


def backtest(
    series: HourlySeries,
    zone: str,
    holidays: Holidays | None,
    *,
    test_days: int = 56,
    refit_days: int = 28,
    every_h: int = EVERY_H,
    leads: Sequence[int] = SHOWN_LEADS,
) -> Backtest | None:
    """Walk over the last `test_days`, refitting as time goes on; None if the history before them is too short.

    Every forecast is made with the hours before its origin only, by a model fitted on hours before it. All
    leads 0–48 are forecast; `leads` get a comparison of their own. Five hours between origins share no
    divisor with the day: otherwise each lead would always fall on the same hours.
    """
    origins = held_out_origins(series, len(series.values) - test_days * 24, every_h)
    if not len(origins):
        return None
    blocks = _blocks(origins, refit_days * 24)
    model = walk_forward(series, zone, holidays, blocks)
    naive = _naive_forecast(series, zone, origins, np.arange(MAX_LEAD_H + 1))
    days = civil_hours(series.start, len(series.values), zone, None).day_number[origins]
    scale = _naive_error(series.first(int(origins[0])), zone)
    return Backtest(
        sector_id=series.sector_id,
        first_origin=str(series.start + timedelta(hours=int(origins[0]))),
        last_origin=str(series.start + timedelta(hours=int(origins[-1]))),
        origins=len(origins),
        refits=len(blocks),
        comparisons=tuple(_compare(model, naive, lead, days, scale) for lead in (*leads, None)),
    )


def held_out_origins(series: HourlySeries, first: int, every_h: int = EVERY_H) -> Ints:
    """Return origins from hour `first` on (later if there is not enough to learn from before it).

    Empty where fewer than eight fit before the last 48 hours, which are no basis for a judgement.
    """
    origins = np.arange(max(first, MIN_HOURS), len(series.values) - MAX_LEAD_H, every_h)
    return origins if len(origins) >= _MIN_ORIGINS else origins[:0]


def walk_forward(series: HourlySeries, zone: str, holidays: Holidays | None, blocks: Sequence[Ints]) -> Forecasts:
    """Forecast leads 0–48 from every origin, each block of origins by a model of the hours before its first one."""
    leads = np.arange(MAX_LEAD_H + 1)
    parts = [
        forecast(fit_arrivals(series.first(int(block[0])), zone, holidays), series, block, leads) for block in blocks
    ]
    return Forecasts(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Forecasts)))


def forecast(model: ArrivalsModel, series: HourlySeries, origins: Ints, leads: Ints) -> Forecasts:
    """Return the model's forecasts at origins of the series, each from the hours before it."""
    mean = model.predict_from(series, origins, leads)
    return _forecasts(series, mean, mean, model.dispersion, origins, leads)


def _naive_forecast(series: HourlySeries, zone: str, origins: Ints, leads: Ints) -> Forecasts:
    mean = seasonal_naive(series, zone, origins, leads)
    return _forecasts(series, mean, np.maximum(mean, _NAIVE_RATE), 0.0, origins, leads)


def _forecasts(
    series: HourlySeries, mean: Floats, rate: Floats, dispersion: float, origins: Ints, leads: Ints
) -> Forecasts:
    actual = series.values[origins[:, None] + leads]
    return Forecasts(
        actual=actual,
        mean=mean,
        quantiles=counts.quantiles(rate.ravel(), dispersion, LEVELS).reshape(*rate.shape, len(LEVELS)),
        pit=counts.randomised_pit(actual.ravel(), rate.ravel(), dispersion, seed=int(origins[0])).reshape(rate.shape),
    )


def _blocks(origins: Ints, hours: int) -> list[Ints]:
    """Return the origins in runs of that many hours."""
    return np.split(origins, np.flatnonzero(np.diff((origins - origins[0]) // hours)) + 1)


def _compare(model: Forecasts, naive: Forecasts, lead: int | None, days: Ints, scale: float) -> Comparison:
    model, naive = _at(model, lead), _at(naive, lead)
    gain = pinball(naive.actual, naive.quantiles) - pinball(model.actual, model.quantiles)
    return Comparison(
        lead_h=lead,
        model=measure(model, scale, rate=model.mean),
        naive=measure(naive, scale, rate=model.mean),
        better_probability=_better_probability(gain.mean(axis=1), days),
    )


def _at(walk: Forecasts, lead: int | None) -> Forecasts:
    pick = slice(None) if lead is None else slice(lead, lead + 1)
    return Forecasts(walk.actual[:, pick], walk.mean[:, pick], walk.quantiles[:, pick], walk.pit[:, pick])


def measure(walk: Forecasts, scale: float, *, rate: Floats) -> Measures:
    """Return the measures of forecasts.

    `scale` is the error that MASE divides by (0 = none); `rate` is the best guess of the true rates, for the
    floor of MAPE: the floor belongs to the hours, whoever forecasts them.
    """
    actual, error = walk.actual, walk.mean - walk.actual
    arrivals, positive = float(actual.sum()), actual > 0
    floor = counts.mape_floor(rate[positive] if positive.any() else rate.ravel())
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
        pinball=float(pinball(actual, walk.quantiles).mean()),
        coverage_90=float(((actual >= walk.quantiles[..., 0]) & (actual <= walk.quantiles[..., -1])).mean()),
        coverage_pit=float(((walk.pit >= LEVELS[0]) & (walk.pit <= LEVELS[-1])).mean()),
    )


def pinball(actual: Floats, quantiles: Floats) -> Floats:
    """Return the pinball loss averaged over the seven quantiles, in the shape of `actual`."""
    gap = actual[..., None] - quantiles
    levels = np.array(LEVELS)
    return np.asarray(np.maximum(levels * gap, (levels - 1.0) * gap).mean(axis=-1))


def _better_probability(gains: Floats, days: Ints) -> float:
    """Return how often days drawn with replacement say that the model is better; origins of a day stay together."""
    by_day = np.array([gains[days == day].mean() for day in np.unique(days)])
    drawn = np.random.default_rng(0).choice(by_day, size=(_BOOTSTRAPS, len(by_day)))
    return float((drawn.mean(axis=1) > 0).mean())


def _naive_error(series: HourlySeries, zone: str) -> float:
    """Return the mean error of the same civil hour last week within the series."""
    origins = np.arange(168 + 1, len(series.values))
    return float(np.abs(seasonal_naive(series, zone, origins, np.array([0]))[:, 0] - series.values[origins]).mean())
