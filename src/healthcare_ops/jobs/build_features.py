"""`build_features`: the calendar and the known past of every hour that changed gold can reach."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import Any

import pyarrow as pa

from healthcare_ops.core.civil_time import civil_hours
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import FEATURES, OPS_METRICS_HOURLY
from healthcare_ops.forecasting.calendar import holiday_dates
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.pipeline import features

_GOLD_MARKER = f"from.{OPS_METRICS_HOURLY.id}"
_OF_GOLD = tuple(name for name in FEATURES.column_names if name in OPS_METRICS_HOURLY.column_names)


def run(context: Context, request: Request) -> Outcome:
    """Rebuild features from the first changed day on: levels look back a year, so all later days follow."""
    changes = context.lake.changes(OPS_METRICS_HOURLY, context.lake.note(FEATURES, _GOLD_MARKER))
    changed = changes.days | request.days
    if not changed:
        return {"days": 0}
    built = context.lake.changes(OPS_METRICS_HOURLY, "").days
    days = sorted(day for day in built if day >= min(changed))
    # Days that gold no longer holds have no features either.
    replaced = sorted(context.lake.changes(FEATURES, "").days.difference(built).union(days))
    if not replaced:
        return {"days": 0}
    since = min(changed) - timedelta(days=features.LOOKBACK_DAYS)
    metrics = context.lake.read(OPS_METRICS_HOURLY, since, columns=_OF_GOLD)
    with context.engine.from_arrow(_calendar(days, context.site)) as calendar:
        rows = features.features(metrics, calendar)
        count = context.lake.replace_days(FEATURES, rows, replaced, {_GOLD_MARKER: changes.marker})
    return {"days": len(days), "rows": count}


def _calendar(days: list[date], site: Site) -> Any:
    is_holiday = holiday_dates(site.holidays, {day.year for day in days})
    hours = [(hour.astimezone(site.tz), day) for day in days for hour in civil_hours(day, site.tz)]
    return pa.table(
        {
            "hour_start": pa.array([h.astimezone(UTC).replace(tzinfo=None) for h, _ in hours], pa.timestamp("us")),
            "hour_of_day": pa.array([h.hour for h, _ in hours], pa.int64()),
            "day_of_week": pa.array([day.weekday() for _, day in hours], pa.int64()),
            "day_of_year": pa.array([day.timetuple().tm_yday for _, day in hours], pa.int64()),
            "is_holiday": pa.array([day in is_holiday for _, day in hours], pa.bool_()),
        }
    )
