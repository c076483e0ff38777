"""Gold hours to features: the calendar of each hour and the arrivals known before it."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.tables import FEATURES

# Hours of history each level averages over; a level is null until that much history exists.
LEVEL_HOURS: Mapping[str, int] = {
    "level_12h": 12,
    "level_1d": 24,
    "level_7d": 168,
    "level_28d": 672,
    "level_84d": 2016,
    "level_364d": 8736,
}
LAG_HOURS: Mapping[str, int] = {f"lag_{weeks}w": weeks * 168 for weeks in (1, 2, 3, 4)}
LOOKBACK_DAYS = 366


def features(metrics: ir.Table, calendar: ir.Table) -> ir.Table:
    """Return `gold.features` for every hour of `metrics`.

    Parameters
    ----------
    metrics
        `gold.ops_metrics_hourly` without gaps, `LOOKBACK_DAYS` before the first hour that is wanted.
    calendar
        One row per hour: `hour_start`, `hour_of_day`, `day_of_week`, `day_of_year`, `is_holiday`.
    """
    per_sector = {"group_by": ["facility_id", "sector_id"], "order_by": "hour_start"}
    levels = {}
    for name, hours in LEVEL_HOURS.items():
        before = ibis.window(**per_sector, preceding=(hours, 1))
        mean = metrics.arrivals_count.cast("float64").mean().over(before)
        has_history = metrics.arrivals_count.count().over(before) == hours
        levels[name] = ibis.ifelse(has_history, mean, ibis.null("float64"))
    order = ibis.window(**per_sector)
    lags = {name: metrics.arrivals_count.lag(hours).over(order).cast("float64") for name, hours in LAG_HOURS.items()}
    rows = metrics.mutate(**levels, **lags).inner_join(calendar, "hour_start")
    return rows.select(*FEATURES.column_names)
