"""Walk-forward backtest: every forecast by a model, and from hours, of the time before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.arrivals import MIN_HOURS, ArrivalsModel, fit_arrivals
from healthcare_ops.forecasting.measures import LEVELS, Forecasts, Measures, better_probability, measure, pinball
from healthcare_ops.forecasting.pairs import MAX_LEAD_H
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.forecasting.series import HourlySeries, same_as_yesterday, seasonal_naive

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHOWN_LEADS = (1, 4, 24)
# Of a forecast, the next full hour as well.
SHOWN_AHEAD = (0, *SHOWN_LEADS)
EVERY_H = 5
_MIN_ORIGINS = 8
# A count of zero would say "certainly nobody": a naive rule gets the benefit of a small rate.
_NAIVE_RATE = 0.25
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Comparison:
    """The model beside the same hour last week (`naive`) and yesterday; `lead_h` null means all leads together.

    `better_probability` is the share of resampled test days whose pinball loss is lower with the model than
    with last week.
    """

    lead_h: int | None
    model: Measures
    naive: Measures
    yesterday: Measures
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
class Walk:
    """The forecasts of one series, by origin (hours after its start) and lead (hours)."""

    series: HourlySeries
    origins: Ints
    leads: Ints
    forecasts: Forecasts
    refits: int


def walk_recent(
    known: Sequence[HourlySeries],
    covariates: Covariates,
    *,
    test_days: int = 56,
    refit_days: int = 28,
    every_h: int = EVERY_H,
    threads: int = 1,
) -> list[Walk]:
    """Walk over the last `test_days` of every series, refitting as time goes on; short ones are left out.

    All leads 0–48 are forecast. Five hours between origins share no divisor with the day: otherwise each lead would
    always fall on the same hours.
    """
    if not known:
        return []
    start = max(series.end for series in known) - timedelta(days=test_days)
    origins = {
        series.sector_id: held_out_origins(series, series.hours_before(start), every_h=every_h) for series in known
    }
    judged = [series for series in known if len(origins[series.sector_id])]
    blocks = _blocks(judged, origins, timedelta(days=refit_days))
    return walk_forward(judged, covariates, blocks, np.arange(MAX_LEAD_H + 1), threads=threads)


def held_out_origins(series: HourlySeries, first: int, *, every_h: int = EVERY_H) -> Ints:
    """Return origins from hour `first` on (later if there is not enough to learn from before it).

    Empty where fewer than eight fit before the last 48 hours, which are no basis for a judgement.
    """
    origins = np.arange(max(first, MIN_HOURS), len(series.values) - MAX_LEAD_H, every_h)
    return origins if len(origins) >= _MIN_ORIGINS else origins[:0]


def walk_forward(
    known: Sequence[HourlySeries],
    covariates: Covariates,
    blocks: Iterable[tuple[datetime, Mapping[str, Ints]]],
    leads: Ints,
    *,
    levels: tuple[float, ...] = LEVELS,
    threads: int = 1,
) -> list[Walk]:
    """Forecast from origins in blocks, each by models of all hours before the instant that the block begins with.

    A block names its origins by sector, in hours after the start of the series.
    """
    parts: dict[str, list[tuple[Ints, Forecasts]]] = {series.sector_id: [] for series in known}
    for until, origins in blocks:
        wanted = [series for series in known if len(origins.get(series.sector_id, ()))]
        models = fit_arrivals([series.until(until) for series in wanted], covariates, threads=threads)
        for series in wanted:
            at = origins[series.sector_id]
            found = forecast(models[series.sector_id], series, at, leads, covariates, levels=levels)
            parts[series.sector_id].append((at, found))
    return [
        Walk(series, np.concatenate([at for at, _ in mine]), leads, _joined([part for _, part in mine]), len(mine))
        for series in known
        if (mine := parts[series.sector_id])
    ]


def forecast(
    model: ArrivalsModel,
    series: HourlySeries,
    origins: Ints,
    leads: Ints,
    covariates: Covariates,
    *,
    levels: tuple[float, ...] = LEVELS,
) -> Forecasts:
    """Return the model's forecasts at origins of the series, each from the hours before it."""
    mean = model.predict_from(series, origins, leads, covariates)
    return _forecasts(series, mean, mean, model.dispersion, origins, leads, levels)


def judge(walk: Walk, covariates: Covariates, leads: Sequence[int], *, levels: tuple[float, ...] = LEVELS) -> Backtest:
    """Compare forecasts with what came, at each of `leads` and at all together, beside last week and yesterday."""
    series, origins = walk.series, walk.origins
    zone = covariates.calendar.zone
    days = covariates.calendar.hours(series.start, int(origins.max()) + 1).day_number[origins]
    rivals = [
        _forecasts(series, mean, np.maximum(mean, _NAIVE_RATE), 0.0, origins, walk.leads, levels)
        for mean in (rule(series, zone, origins, walk.leads) for rule in (seasonal_naive, same_as_yesterday))
    ]
    scale = _naive_error(series.first(int(origins[0])), zone)

    def compare(lead: int | None) -> Comparison:
        model, naive, yesterday = (_at(found, walk.leads, lead) for found in (walk.forecasts, *rivals))
        gain = pinball(naive.actual, naive.quantiles, levels) - pinball(model.actual, model.quantiles, levels)
        found = [measure(one, scale, rate=model.mean, levels=levels) for one in (model, naive, yesterday)]
        return Comparison(lead, found[0], found[1], found[2], better_probability(_row_means(gain), days))

    return Backtest(
        sector_id=series.sector_id,
        first_origin=str(series.start + int(origins[0]) * _HOUR),
        last_origin=str(series.start + int(origins[-1]) * _HOUR),
        origins=len(origins),
        refits=walk.refits,
        comparisons=tuple(compare(lead) for lead in (*leads, None)),
    )


def _blocks(
    known: Sequence[HourlySeries], origins: Mapping[str, Ints], length: timedelta
) -> Iterator[tuple[datetime, dict[str, Ints]]]:
    """Yield the first instant of each block, with the origins by sector; a young sector joins with a later block."""
    starts = {series.sector_id: series.start for series in known}
    instants = sorted({starts[sector] + int(at) * _HOUR for sector in starts for at in origins[sector]})
    while instants:
        begin, end = instants[0], instants[0] + length
        inside = {
            sector: np.array([at for at in origins[sector] if begin <= start + int(at) * _HOUR < end], dtype=np.int64)
            for sector, start in starts.items()
            if begin >= start + MIN_HOURS * _HOUR
        }
        yield begin, inside
        instants = [instant for instant in instants if instant >= end]


def _forecasts(
    series: HourlySeries,
    mean: Floats,
    rate: Floats,
    dispersion: float,
    origins: Ints,
    leads: Ints,
    levels: tuple[float, ...],
) -> Forecasts:
    targets = origins[:, None] + leads
    is_known = targets < len(series.values)
    actual = np.where(is_known, series.values[np.minimum(targets, len(series.values) - 1)], np.nan)
    seen = np.nan_to_num(actual).ravel()
    pit = counts.randomised_pit(seen, rate.ravel(), dispersion, seed=int(origins[0])).reshape(rate.shape)
    return Forecasts(
        actual=actual,
        mean=mean,
        quantiles=counts.quantiles(rate.ravel(), dispersion, levels).reshape(*rate.shape, len(levels)),
        pit=np.where(is_known, pit, np.nan),
    )


def _joined(parts: Sequence[Forecasts]) -> Forecasts:
    return Forecasts(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Forecasts)))


def _at(found: Forecasts, leads: Ints, lead: int | None) -> Forecasts:
    pick = np.full(len(leads), fill_value=True) if lead is None else leads == lead
    return Forecasts(found.actual[:, pick], found.mean[:, pick], found.quantiles[:, pick], found.pit[:, pick])


def _row_means(values: Floats) -> Floats:
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _naive_error(series: HourlySeries, zone: str) -> float:
    """Return the mean error of the same civil hour last week within the series."""
    origins = np.arange(168 + 1, len(series.values))
    return float(np.abs(seasonal_naive(series, zone, origins, np.array([0]))[:, 0] - series.values[origins]).mean())
