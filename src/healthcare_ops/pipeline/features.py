"""Gold hours to features: the calendar of each hour and the arrivals known before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.tables import FEATURES
from healthcare_ops.pipeline import civil

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
_HOUR_US = 3_600_000_000


def features(metrics: ir.Table, calendar: ir.Table) -> ir.Table:
    """Return `gold.features` for every hour of `metrics`.

    Parameters
    ----------
    metrics
        `gold.ops_metrics_hourly` from `LOOKBACK_DAYS` before the first hour that is wanted. Where hours are
        missing, history begins anew behind the gap.
    calendar
        One row per hour: `hour_start`, `hour_of_day`, `day_of_week`, `day_of_year`, `is_holiday`.
    """
    per_sector = {"group_by": ["facility_id", "sector_id"], "order_by": "hour_start"}
    in_order = ibis.window(**per_sector)
    came = metrics.arrivals_count.sum().over(ibis.cumulative_window(**per_sector)) - metrics.arrivals_count
    # The mean of each level is a difference of two sums: an engine would add up a year for every hour.
    rows = metrics.mutate(hour_us=civil.epoch_us(metrics.hour_start), came_before=came.cast("int64"))

    def if_unbroken(hours: int, value: Any) -> Any:
        """Return the value where the row `hours` before is the hour `hours` before."""
        is_unbroken = rows.hour_us - rows.hour_us.lag(hours).over(in_order) == hours * _HOUR_US
        return ibis.ifelse(is_unbroken, value.cast("float64"), ibis.null("float64"))

    levels = {
        name: if_unbroken(hours, (rows.came_before - rows.came_before.lag(hours).over(in_order)) / hours)
        for name, hours in LEVEL_HOURS.items()
    }
    lags = {
        name: if_unbroken(hours, rows.arrivals_count.lag(hours).over(in_order)) for name, hours in LAG_HOURS.items()
    }
    return rows.mutate(**levels, **lags).inner_join(calendar, "hour_start").select(*FEATURES.column_names)
