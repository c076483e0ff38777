"""What pages and commands show of the lake."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.core.tables import PREDICTIONS
from healthcare_ops.pipeline.quality.report import REPORTS_PREFIX


def newest_predictions(platform: Platform) -> list[dict[str, Any]]:
    """Return the rows of the newest origin by sector and horizon, instants aware; none if there is no prediction.

    What was predicted after the platform's now is not looked at: to a clock that was set back it is yet to come.
    """
    now = platform.context.clock.now().astimezone(UTC)
    today = civil_day(now, platform.context.site.tz)
    # Of today's rows all may be later than now, of the day's before none is.
    days = sorted(day for day in platform.lake.changes(PREDICTIONS, "").days if day <= today)[-2:]
    if not days:
        return []
    rows = platform.lake.read(PREDICTIONS, days[0], days[-1])
    rows = rows.filter(rows.prediction_ts <= ibis.literal(now.replace(tzinfo=None)))
    latest = rows.filter(rows.prediction_ts == rows.prediction_ts.max()).order_by("sector_id", "horizon_h")
    return [_aware(row) for row in platform.context.engine.collect(latest).to_pylist()]


def newest_report(platform: Platform, run_id: str = "") -> dict[str, Any]:
    """Return the newest data-quality report, or that of a run, with its `path`.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    objects = platform.context.objects
    keys = [key for key in objects.list(REPORTS_PREFIX) if Path(key).stem.startswith(run_id)]
    reports: list[dict[str, Any]] = [json.loads(objects.read(key)) | {"path": objects.path(key)} for key in keys]
    if not reports:
        raise NotFoundError(
            f"there is no report of run {run_id!r}." if run_id else "there is no data-quality report yet.",
            next_step="Run `hops dq check`.",
        )
    return max(reports, key=lambda report: str(report["written_at"]))


def _aware(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in row.items()}
