"""`batch_predict`: arrivals of the coming hours, with intervals, from the model in use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.tables import PREDICTIONS, QUANTILES
from healthcare_ops.forecasting.evaluation import LEVELS
from healthcare_ops.forecasting.forecasters import HourlySeries
from healthcare_ops.forecasting.registry import StoredModel, champion_history, load_champion
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.series import arrivals_by_sector


def run(context: Context, request: Request) -> Outcome:
    """Predict every sector that has a model; earlier predictions of the day stay."""
    if not champion_history(context.objects):
        return {"rows": 0, "reason": "no model yet; run weekly_train"}
    model = load_champion(context.objects)
    now = context.clock.now()
    known = {series.sector_id: series for series in arrivals_by_sector(context, context.settings.train_days)}
    parts = [
        _predict(context, model, known[sector], now) for sector in context.site.sector_ids
        if sector in known and sector in model.sectors
    ]  # fmt: skip
    if not parts:
        return {"rows": 0, "reason": "no sector has both a model and known hours"}
    day = civil_day(now, context.site.tz)
    there = context.lake.read(PREDICTIONS, day, day)
    # The same instant predicted again replaces itself; what other instants said is history.
    kept = there.filter(there.prediction_ts != ibis.literal(now.replace(tzinfo=None)))
    with context.engine.stage(kept) as earlier, context.engine.from_arrow(pa.concat_tables(parts)) as new:
        context.lake.replace_days(PREDICTIONS, ibis.union(earlier, new), [day], {})
    return {"rows": sum(part.num_rows for part in parts), "model_version": model.version}


def _predict(context: Context, model: StoredModel, series: HourlySeries, now: datetime) -> pa.Table:
    """Return rows of `gold.predictions` for one sector: the next full hour (0) and those behind it."""
    first_target = _next_full_hour(now)
    ahead = round((first_target - series.end) / timedelta(hours=1))
    horizons = np.arange(context.settings.horizon_h + 1)
    forecaster = model.sectors[series.sector_id]
    mean = forecaster.predict(series, horizons + ahead)
    quantiles = forecaster.quantiles(mean, LEVELS)
    targets = [_naive_utc(first_target + timedelta(hours=int(hour))) for hour in horizons]
    same: dict[str, Any] = {
        "facility_id": context.site.facility_id,
        "sector_id": series.sector_id,
        "metric": "arrivals",
        "prediction_ts": _naive_utc(now),
        "model_version": model.version,
        "data_as_of": _naive_utc(series.end),
        "dt": civil_day(now, context.site.tz),
    }
    columns = {
        **{name: pa.repeat(pa.scalar(value), len(horizons)) for name, value in same.items()},
        "target_time": pa.array(targets, pa.timestamp("us")),
        "horizon_h": pa.array(horizons, pa.int64()),
        "mean": pa.array(mean, pa.float64()),
        **{name: pa.array(quantiles[:, column], pa.float64()) for column, name in enumerate(QUANTILES)},
    }
    return pa.table({name: columns[name] for name in PREDICTIONS.column_names})


def _naive_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _next_full_hour(now: datetime) -> datetime:
    """Return `now` if it is a full hour, else the next one."""
    floor = now.replace(minute=0, second=0, microsecond=0)
    return floor if floor == now else floor + timedelta(hours=1)
