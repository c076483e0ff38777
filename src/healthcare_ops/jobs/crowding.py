"""How crowded the emergency department was, hour by hour, as gold tells it."""

from __future__ import annotations

from datetime import UTC, datetime

import ibis
import ibis.expr.types as ir
import numpy as np

from healthcare_ops.forecasting.crowding import Department
from healthcare_ops.forecasting.nedocs import ScoreHours, week_hours
from healthcare_ops.jobs.context import Context
from healthcare_ops.jobs.series import site_calendar

HISTORY_DAYS = 366


def department(context: Context, metrics: ir.Table, until: datetime) -> Department | None:
    """Return the emergency department with its whole hours before an instant; None if no hour of it has a score.

    Parameters
    ----------
    metrics
        Rows of `gold.ops_metrics_hourly`.
    """
    sectors = tuple(sector for sector in context.site.sectors if sector.kind == "ed")
    names = tuple(sector.sector_id for sector in sectors)
    whole = until.astimezone(UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    rows = metrics.filter(metrics.sector_id.isin(names) & (metrics.hour_start < ibis.literal(whole)))
    hourly = rows.group_by("hour_start").aggregate(score=rows.nedocs.max(), patients=rows.occupied_beds.sum())
    found = context.engine.collect(hourly.order_by("hour_start"))
    if found["score"].null_count == found.num_rows:
        return None
    hours = found["hour_start"].to_numpy().astype("datetime64[h]").astype(np.int64)
    first, count = int(hours[0]), int(hours[-1] - hours[0]) + 1
    score, patients = np.full((2, count), np.nan)
    score[hours - first] = found["score"].to_numpy()
    patients[hours - first] = found["patients"].to_numpy()
    known = ScoreHours(first, week_hours(site_calendar(context.site), first, count), score, patients)
    return Department(names, sum(sector.functional_capacity or 0 for sector in sectors), known)
