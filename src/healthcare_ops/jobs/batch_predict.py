"""`batch_predict`: arrivals, occupancy, queue, waits and NEDOCS of the coming hours, from the model in use."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.tables import OPS_METRICS_HOURLY, PREDICTIONS
from healthcare_ops.forecasting.champions import load_champion, standing
from healthcare_ops.forecasting.inference import Forecast, Moment, add_up, predict, predict_headcounts, predict_waits
from healthcare_ops.forecasting.registry import StoredModel
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.forecasting.series import HourlySeries
from healthcare_ops.forecasting.width import log_widths
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.crowding import department
from healthcare_ops.jobs.misses import read_misses
from healthcare_ops.jobs.newest import FORECAST, note_newest
from healthcare_ops.jobs.people import newest_reader, people
from healthcare_ops.jobs.series import arrivals_by_sector, covariates, regressor_hours
from healthcare_ops.jobs.silver_to_gold import gold_known_until

# What a forecast looks back at: 52 weeks, and a day to spare for the change of the clock.
_HISTORY_DAYS = 366
# How fast a sector works shows in the last twelve weeks, how long patients wait in fourteen.
_STAYS_DAYS = 84
_WAITS_DAYS = 99
_HOUR = timedelta(hours=1)


def run(context: Context, request: Request) -> Outcome:
    """Predict every sector that has a model and whose data are not too old; what other instants predicted stays."""
    if standing(context.objects).champion is None:
        return {"rows": 0, "reason": "no model yet; run weekly_train"}
    model = load_champion(context.objects)
    now = context.clock.now()
    leads = np.arange(context.settings.horizon_h + 1)
    beside = covariates(context)
    arrivals = arrivals_by_sector(context, _HISTORY_DAYS)
    known = [series for series in arrivals if series.sector_id in model.flow.arrivals]
    if not known:
        return {"rows": 0, "reason": "no sector has both a model and known hours"}
    ages = {series.sector_id: round((now - series.end) / _HOUR, 1) for series in known}
    withheld = {sector: age for sector, age in ages.items() if age > context.settings.forecast_until_h}
    forecasts = [
        predict(model, series, _next_full_hour(now), leads.tolist(), beside, prediction_ts=now)
        for series in known
        if series.sector_id not in withheld
    ]
    told = {"model_version": model.version, "data_age_h": max(ages.values()), "withheld": withheld}
    told |= _regressors(context, model, beside, max(series.end for series in known))
    if not forecasts:
        limit = context.settings.forecast_until_h
        reason = (
            f"the newest data are {min(ages.values()):,.0f} h old, and what is older than {limit} h makes no forecast"
        )
        return {"rows": 0, "reason": reason, **told}
    # Of all together, if nobody who comes is left out.
    if {series.sector_id for series in arrivals if series.values.any()} <= {one.sector_id for one in forecasts}:
        forecasts.append(add_up(forecasts, model))
    until = gold_known_until(context)
    if until and not withheld:
        moment = Moment(now, min(until, now), _next_full_hour(now), leads)
        wider = log_widths(read_misses(context.objects), moment.known_until.astimezone(UTC).date())
        widened = replace(model, flow=model.flow.widened(wider))
        forecasts += _of_people(context, widened, arrivals, forecasts, moment, beside)
    day = civil_day(now, context.site.tz)
    there = context.lake.read(PREDICTIONS, day, day)
    kept = there.filter(there.prediction_ts != ibis.literal(_naive_utc(now)))
    rows = pa.concat_tables([_rows(forecast, context.site.facility_id, day) for forecast in forecasts])
    with context.engine.stage(kept) as earlier, context.engine.from_arrow(rows) as new:
        context.lake.replace_days(PREDICTIONS, ibis.union(earlier, new), [day], {})
    note_newest(context.objects, FORECAST, now)
    return {"rows": rows.num_rows, **told}


def _regressors(context: Context, model: StoredModel, beside: Covariates, known_until: datetime) -> Outcome:
    """Return of how many hours each regressor of the model is known, and which of none: it is forecast without."""
    hours = regressor_hours(context, model.flow.regressors, beside, known_until)
    return {"regressor_hours": hours, "without_regressors": [name for name, count in hours.items() if not count]}


def _of_people(
    context: Context,
    model: StoredModel,
    arrivals: list[HourlySeries],
    expected: list[Forecast],
    moment: Moment,
    beside: Covariates,
) -> list[Forecast]:
    """Return how many will be there and wait, and how long, of every sector whose stays and waits were learnt."""
    if not any(model.flow.headcounts.values()) and model.flow.waits is None:
        return []
    # Of who came before the stays, nobody can be there still.
    days = max(_STAYS_DAYS + context.site.max_stay_days, _WAITS_DAYS)
    since = (moment.known_until - timedelta(days=days)).date()
    there = people(context, newest_reader(context), since, moment.known_until, arrivals)
    known = {series.sector_id: series for series in (*arrivals, *there.entries)}
    crowding = None
    if model.flow.nedocs:
        # How crowded it is shows in the last day.
        gold = context.lake.read(OPS_METRICS_HOURLY, (moment.known_until - timedelta(days=3)).date())
        crowding = department(context, gold, moment.known_until)
    counted = [
        forecast
        for metric, stays in there.stays.items()
        for forecast in predict_headcounts(model, metric, stays, known, moment, beside, crowding)
    ]
    return counted + predict_waits(model, there.waits, expected, moment, beside.calendar)


def _rows(forecast: Forecast, facility_id: str, day: date) -> pa.Table:
    """Return the forecast as rows of `gold.predictions`."""
    columns = forecast.columns()
    count = len(columns["mean"])
    columns |= {"facility_id": [facility_id] * count, "dt": [day] * count}
    return pa.table({name: _array(columns[name]) for name in PREDICTIONS.column_names})


def _array(values: list[Any]) -> Any:
    if isinstance(values[0], datetime):
        return pa.array([_naive_utc(value) for value in values], pa.timestamp("us"))
    # Of breaches, which only waits have, no value would tell the type.
    return pa.array(values, pa.float64() if values[0] is None else None)


def _naive_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _next_full_hour(now: datetime) -> datetime:
    """Return `now` if it is a full hour, else the next one."""
    floor = now.replace(minute=0, second=0, microsecond=0)
    return floor if floor == now else floor + timedelta(hours=1)
