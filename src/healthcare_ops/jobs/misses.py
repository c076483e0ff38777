"""What the intervals of the last days missed: kept with the scores, so that a tick need not read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import ibis

from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.core.tables import PREDICTION_SCORES, QUANTILES
from healthcare_ops.forecasting.width import FIRST_LEAD_H, LAST_LEAD_H, WINDOW_DAYS, DayOfMisses
from healthcare_ops.jobs.context import Context
from healthcare_ops.pipeline.scores import daily_misses
from healthcare_ops.ports import ObjectStore

KEY = "gold/interval_misses.json"
_COLUMNS = ("sector_id", "metric", "target_time", "horizon_h", *QUANTILES, "actual")
# The day in progress when it is written, the days that data may be late by, and a day of forecasts before each.
_SPARE_DAYS = 3


def keep_misses(context: Context, known_until: datetime) -> None:
    """Write what the scores say of the days before an instant anew: the same scores give the same document."""
    first = known_until.astimezone(UTC).date() - timedelta(days=WINDOW_DAYS + _SPARE_DAYS)
    scores = context.lake.read(PREDICTION_SCORES, first - timedelta(days=1), columns=_COLUMNS)
    recent = scores.filter(scores.target_time >= ibis.literal(datetime.combine(first, datetime.min.time())))
    days = daily_misses(recent, FIRST_LEAD_H, LAST_LEAD_H).order_by("metric", "sector_id", "day")
    told = [DayOfMisses(**row).to_dict() for row in context.engine.collect(days).to_pylist()]
    context.objects.write(KEY, json.dumps({"schema_version": 1, "days": told}).encode())


def read_misses(objects: ObjectStore) -> Sequence[DayOfMisses]:
    """Return what is kept; nothing if nothing is, or nobody can read it: the next scoring writes it anew."""
    try:
        return [DayOfMisses.from_dict(one) for one in json.loads(objects.read(KEY))["days"]]
    except (NotFoundError, ValueError, TypeError, KeyError):
        return []
