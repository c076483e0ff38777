"""Hourly arrivals of each sector, as far as they are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from healthcare_ops.core.tables import FEATURES, OPS_METRICS_HOURLY
from healthcare_ops.forecasting.forecasters import HourlySeries
from healthcare_ops.jobs.context import Context
from healthcare_ops.jobs.silver_to_gold import KNOWN_UNTIL


def arrivals_by_sector(context: Context, days: int) -> list[HourlySeries]:
    """Return the last `days` of whole hours of every sector; nothing that `now` does not know yet."""
    noted = context.lake.note(OPS_METRICS_HOURLY, KNOWN_UNTIL)
    if not noted:
        return []
    until = min(datetime.fromisoformat(noted), context.clock.now()).replace(minute=0, second=0, microsecond=0)
    first_day = (until - timedelta(days=days)).date()
    rows = context.lake.read(FEATURES, first_day)
    rows = rows.filter(rows.hour_start <= (until - timedelta(hours=1)).replace(tzinfo=None))
    hours = context.engine.collect(rows.select("sector_id", "hour_start", "arrivals_count").order_by("hour_start"))
    found = []
    for sector in context.site.sector_ids:
        mine = [
            (hour, count)
            for name, hour, count in zip(
                *(hours[column].to_pylist() for column in ("sector_id", "hour_start", "arrivals_count")),
                strict=True,
            )
            if name == sector
        ]
        if mine:
            values = np.array([count for _, count in mine], dtype=np.float64)
            found.append(HourlySeries(sector, mine[0][0].replace(tzinfo=UTC), values))
    return found
