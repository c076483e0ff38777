"""Forecasts of the coming hours from a stored model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError, NotFoundError
from healthcare_ops.core.tables import BREACHES, HOSPITAL, QUANTILES
from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.crowding import Department, expected
from healthcare_ops.forecasting.headcounts import CountForecast, sum_pmf
from healthcare_ops.forecasting.measures import LEVELS
from healthcare_ops.forecasting.nedocs import NedocsModel
from healthcare_ops.forecasting.occupancy import Horizon
from healthcare_ops.forecasting.pairs import MAX_LEAD_H
from healthcare_ops.forecasting.registry import StoredModel
from healthcare_ops.forecasting.regressors import Covariates, minutes
from healthcare_ops.forecasting.series import HourlySeries, require_full_hour
from healthcare_ops.forecasting.survival import Stays
from healthcare_ops.forecasting.wait_mixture import mixed_waits
from healthcare_ops.forecasting.wait_usual import Waits
from healthcare_ops.forecasting.waits import HISTORY_MIN

_HOUR = timedelta(hours=1)
# Of a level with fewer patients in fourteen weeks, nobody knows how long they wait.
_LEAST = 10


@dataclass(frozen=True)
class Forecast:
    """One forecast of one sector: a row per lead, in the unit of its metric, instants in UTC.

    `horizon_h` = target hour's start − origin; `quantiles` has a column for each of `QUANTILES`; `data_as_of`
    is the end of the last hour the forecast knew. `breach`, of waits of one sector, has a column for each of
    `BREACHES`, NaN for a level that hardly anybody had lately.
    """

    sector_id: str
    prediction_ts: datetime
    data_as_of: datetime
    model_version: str
    target_time: tuple[datetime, ...]
    horizon_h: NDArray[np.int64]
    mean: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    metric: str = "arrivals"
    breach: NDArray[np.float64] | None = None

    def columns(self) -> dict[str, list[Any]]:
        """Return the rows as lists of equal length, named as in `gold.predictions`."""
        rows = len(self.mean)
        breach = np.full((rows, len(BREACHES)), np.nan) if self.breach is None else self.breach
        same = ("sector_id", "metric", "prediction_ts", "model_version", "data_as_of")
        return {
            **{name: [getattr(self, name)] * rows for name in same},
            "target_time": list(self.target_time),
            "horizon_h": self.horizon_h.tolist(),
            "mean": self.mean.tolist(),
            **{name: column.tolist() for name, column in zip(QUANTILES, self.quantiles.T, strict=True)},
            **{
                name: [None if np.isnan(one) else one for one in column.tolist()]
                for name, column in zip(BREACHES, breach.T, strict=True)
            },
        }


@dataclass(frozen=True)
class Moment:
    """When a forecast is made, until when (at most then) its data know, and the full hours it is of."""

    made_at: datetime
    known_until: datetime
    origin: datetime
    leads: NDArray[np.int64]


def predict(
    model: StoredModel,
    series: HourlySeries,
    origin: datetime,
    leads: Sequence[int],
    covariates: Covariates,
    *,
    prediction_ts: datetime | None = None,
) -> Forecast:
    """Forecast the hours that start `leads` (0–48) hours after the origin.

    `origin` is the start of a UTC hour, at or after `prediction_ts` (the moment of forecasting; by default the
    origin itself). Hours of the series that were not over at `prediction_ts` are not looked at; a series that
    ends earlier is forecast across the gap.

    Raises
    ------
    NotFoundError
        If the model has no such sector.
    DataError
        If the series holds no hour from before `prediction_ts`.
    ValueError
        If the origin is not the start of a UTC hour, lies before `prediction_ts`, or a lead is out of range.
    """
    made_at = origin if prediction_ts is None else prediction_ts
    _require_in_range(origin, made_at, leads)
    known_sectors = model.flow.arrivals
    if series.sector_id not in known_sectors:
        raise NotFoundError(
            f"model {model.version} has no sector {series.sector_id!r}; it has {', '.join(sorted(known_sectors))}.",
            next_step="Run `hops run --type weekly_train`.",
        )
    known = series.until(made_at)
    if not len(known.values):
        raise DataError(
            f"sector {series.sector_id!r} has no hour of arrivals before {made_at.isoformat()}.",
            next_step="Check that its feed delivers.",
        )
    forecaster = known_sectors[series.sector_id]
    horizons = np.asarray(leads, dtype=np.int64)
    mean = forecaster.predict(known, horizons + (origin - known.end) // _HOUR, covariates)
    return Forecast(
        sector_id=series.sector_id,
        prediction_ts=made_at.astimezone(UTC),
        data_as_of=known.end.astimezone(UTC),
        model_version=model.version,
        target_time=tuple(origin.astimezone(UTC) + int(lead) * _HOUR for lead in horizons),
        horizon_h=horizons,
        mean=mean,
        quantiles=forecaster.quantiles(mean, LEVELS),
    )


def add_up(parts: Sequence[Forecast], model: StoredModel) -> Forecast:
    """Return the forecast of all sectors together: its means are the sums of theirs.

    Its quantiles are those of the sum, whose dispersion was learnt as such: quantiles do not add up. It knows what all
    of its parts know.
    """
    mean = np.sum([part.mean for part in parts], axis=0)
    first = parts[0]
    spread = model.flow.arrivals[first.sector_id].total_dispersion
    return replace(
        first,
        sector_id=HOSPITAL,
        data_as_of=min(part.data_as_of for part in parts),
        mean=mean,
        quantiles=counts.quantiles(mean, spread, LEVELS),
    )


def predict_headcounts(
    model: StoredModel,
    metric: str,
    stays: Mapping[str, Stays],
    known: Mapping[str, HourlySeries],
    moment: Moment,
    covariates: Covariates,
    department: Department | None = None,
) -> list[Forecast]:
    """Forecast how many are there at the start of each target hour, sector by sector, and in all sectors together.

    `known` are the series of arrivals and entries by name. A sector without a model, or whose entries are not known,
    is left out; with it all together are. With those in the beds of an emergency `department`, how crowded it will be.
    """
    found: dict[str, CountForecast] = {}
    for sector, model_of in model.flow.headcounts.get(metric, {}).items():
        entering = model.flow.entries(sector) if metric == "occupancy" else model.flow.arrivals.get(sector)
        series = known.get(entering.sector_id) if entering else None
        if entering and series and sector in stays:
            horizon = Horizon(minutes(moment.known_until), minutes(moment.origin), moment.leads)
            history = series.until(moment.known_until)
            ahead = (60 * horizon.first_hour - minutes(history.end)) // 60 + np.arange(horizon.hours)
            means = entering.predict(history, ahead, covariates)
            found[sector] = model_of.predict(stays[sector], horizon, means, covariates.calendar)
    if found and stays.keys() <= found.keys():
        pmf = reduce(sum_pmf, (one.pmf for one in found.values()))
        found[HOSPITAL] = CountForecast(moment.leads, pmf)
    told = [_told(model, sector, metric, one.mean, one.quantiles(LEVELS), moment) for sector, one in found.items()]
    if department and metric == "occupancy" and model.flow.nedocs and found.keys() >= set(department.sectors):
        told.append(_crowding(model, model.flow.nedocs, department, found, moment, covariates))
    return told


def _crowding(
    model: StoredModel,
    crowding: NedocsModel,
    department: Department,
    found: Mapping[str, CountForecast],
    moment: Moment,
    covariates: Covariates,
) -> Forecast:
    pmf = reduce(sum_pmf, (found[sector].pmf for sector in department.sectors))
    origin, known = minutes(moment.origin) // 60, minutes(moment.known_until) // 60
    patients = expected(pmf, origin, known, moment.leads, covariates.calendar)
    return _told(model, HOSPITAL, "nedocs", *crowding.forecast(department.score, patients), moment)


def predict_waits(
    model: StoredModel, waits: Mapping[str, Waits], arrivals: Sequence[Forecast], moment: Moment, calendar: Calendar
) -> list[Forecast]:
    """Forecast how long a patient who arrives in each target hour will wait, sector by sector and wherever he goes.

    `arrivals` are the forecasts of arrivals from the same origin. A sector without a model, or to which nobody came
    in the last fourteen weeks, is left out; with one of those that patients arrive at, all together are.
    """
    of_waits = model.flow.waits
    if of_waits is None:
        return []
    horizon = Horizon(minutes(moment.known_until), minutes(moment.origin), moment.leads)
    since = horizon.now_min - HISTORY_MIN
    found = {
        sector: of_waits.forecast(sector, waits[sector], horizon, calendar)
        for sector in sorted(of_waits.sectors)
        if sector in waits and (waits[sector].arrival_min >= since).any()
    }
    told = [
        replace(
            _told(model, sector, "wait", one.mean, one.quantiles, moment),
            breach=np.where(_patients_of_levels(waits[sector], since, horizon.now_min) >= _LEAST, one.breach, np.nan),
        )
        for sector, one in found.items()
    ]
    coming = {one.sector_id: one.mean for one in arrivals if one.sector_id != HOSPITAL and one.mean.any()}
    if coming and coming.keys() <= found.keys():
        mean, quantiles = mixed_waits([(coming[sector], found[sector]) for sector in sorted(coming)])
        told.append(_told(model, HOSPITAL, "wait", mean, quantiles, moment))
    return told


def _patients_of_levels(waits: Waits, since_min: int, now_min: int) -> NDArray[np.int64]:
    """Return how many of each triage level 1–5 came between two instants, as known at the second."""
    known = waits.rows(waits.arrival_min >= since_min).known_at(now_min)
    return np.bincount(known.level, minlength=len(BREACHES) + 1)[1:]


def _told(
    model: StoredModel,
    sector_id: str,
    metric: str,
    mean: NDArray[np.float64],
    quantiles: NDArray[np.float64],
    moment: Moment,
) -> Forecast:
    return Forecast(
        sector_id=sector_id,
        prediction_ts=moment.made_at.astimezone(UTC),
        data_as_of=moment.known_until.astimezone(UTC),
        model_version=model.version,
        target_time=tuple(moment.origin.astimezone(UTC) + int(lead) * _HOUR for lead in moment.leads),
        horizon_h=moment.leads,
        mean=mean,
        quantiles=quantiles,
        metric=metric,
    )


def _require_in_range(origin: datetime, made_at: datetime, leads: Sequence[int]) -> None:
    require_full_hour(origin)
    if made_at > origin:
        raise ValueError(f"origin {origin.isoformat()} lies before the moment of forecasting, {made_at.isoformat()}")
    outside = [lead for lead in leads if not 0 <= lead <= MAX_LEAD_H]
    if outside:
        raise ValueError(f"lead {outside[0]} h is outside 0–{MAX_LEAD_H}")
