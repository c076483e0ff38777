"""Somebody says that forecasts are wrong: which were shown then, by which model, and what came true."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.tables import PREDICTION_SCORES, PREDICTIONS
from healthcare_ops.incidents.evidence import Complaint, Prediction
from healthcare_ops.operations.incident_evidence import Complained

# Who complains of a forecast has looked at the next hours.
_HOURS_SHOWN = 12
_SHOWN_FOR = timedelta(days=2)
_METRICS = ("arrivals", "occupancy", "queue", "wait")


def complaint_of(platform: Platform, sector_id: str, at: datetime, *, metric: str = "", by: str) -> Complained:
    """Return a complaint with the forecasts that were shown then: the newest made by that instant, of twelve hours.

    Raises
    ------
    NotFoundError
        If the site has no such sector.
    ConfigError
        If the instant is yet to come.
    """
    site = platform.context.site
    if sector_id not in site.sector_ids:
        known = ", ".join(site.sector_ids)
        raise NotFoundError(f"there is no sector {sector_id!r}.", next_step=f"Name one of these: {known}.")
    if at > platform.context.clock.now():
        raise ConfigError(f"{at.isoformat()} is yet to come.", next_step="Say when the forecast was seen.")
    at_utc = at.astimezone(UTC)
    who = hashlib.sha256(f"{sector_id} {metric} {by}".encode()).hexdigest()[:4]
    complaint = Complaint(f"{at_utc:%Y%m%dT%H%MZ}-{who}", sector_id, at_utc, metric)
    return Complained(complaint, _shown(platform, complaint))


def _shown(platform: Platform, complaint: Complaint) -> tuple[Prediction, ...]:
    last = civil_day(complaint.at, platform.context.site.tz)
    at = complaint.at.replace(tzinfo=None)
    rows = platform.lake.read(PREDICTIONS, last - _SHOWN_FOR, last).filter(lambda row: row.prediction_ts <= at)
    rows = rows.filter(
        rows.sector_id == complaint.sector_id,
        rows.target_time > ibis.literal(at - timedelta(hours=1)),
        rows.target_time <= ibis.literal(at + timedelta(hours=_HOURS_SHOWN)),
    )
    rows = rows.filter(rows.metric.isin([complaint.metric] if complaint.metric else list(_METRICS)))
    newest = rows.group_by("metric").mutate(newest_ts=rows.prediction_ts.max())
    newest = newest.filter(newest.prediction_ts == newest.newest_ts)
    collect = platform.context.engine.collect
    came = {_key(row): row["actual"] for row in collect(_scores(platform, complaint)).to_pylist()}
    found = collect(newest.order_by("metric", "target_time")).to_pylist()
    return tuple(_prediction(row, came.get(_key(row))) for row in found)


def _scores(platform: Platform, complaint: Complaint) -> ir.Table:
    last = civil_day(complaint.at, platform.context.site.tz)
    scores = platform.lake.read(PREDICTION_SCORES, last - _SHOWN_FOR, last)
    return scores.filter(scores.sector_id == complaint.sector_id)


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("metric", "prediction_ts", "target_time", "model_version"))


def _prediction(row: Mapping[str, Any], actual: float | None) -> Prediction:
    return Prediction(
        sector_id=row["sector_id"],
        metric=row["metric"],
        made_at=row["prediction_ts"].replace(tzinfo=UTC),
        target_time=row["target_time"].replace(tzinfo=UTC),
        mean=row["mean"],
        low=row["q05"],
        high=row["q95"],
        actual=actual,
        model_version=row["model_version"],
        data_as_of=row["data_as_of"].replace(tzinfo=UTC),
    )
