"""How far the hospital has moved from what the model in use learnt from, and whether that is to be believed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.emf import Measured
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.tables import OPS_METRICS_HOURLY
from healthcare_ops.forecasting.arrivals import ArrivalsModel
from healthcare_ops.forecasting.champions import load_champion, standing
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.jobs.context import Context, Request
from healthcare_ops.jobs.metric_lines import write_metrics
from healthcare_ops.jobs.quality_reports import readable_report
from healthcare_ops.jobs.series import site_calendar
from healthcare_ops.jobs.silver_to_gold import gold_known_until
from healthcare_ops.monitoring.drift import find_drift
from healthcare_ops.monitoring.hours import Floats, HospitalHours, SectorHours
from healthcare_ops.monitoring.verdict import KnownFault, Verdict
from healthcare_ops.pipeline.quality.report.past import made_by
from healthcare_ops.pipeline.quality.report.report import REPORTS_PREFIX

FOLDER = "gold/drift"
# A report older than that tells of no open finding.
_REPORT_DAYS = 7
_LEARNT_DAYS = 366
_EPOCH = date(1970, 1, 1)
_HOUR = np.timedelta64(1, "h")


def drift_of(context: Context) -> Verdict | None:
    """Return the verdict on the last whole day; None if there is no model, or no whole day since it learnt."""
    if standing(context.objects).champion is None:
        return None
    try:
        in_use = load_champion(context.objects)
    except (ConfigError, NotFoundError):
        return None  # whoever forecasts with it tells
    until = gold_known_until(context)
    learnt = max((datetime.fromisoformat(end) for _, end in in_use.manifest["training_window"].values()), default=None)
    if until is None or learnt is None:
        return None
    first_day = civil_day(learnt - timedelta(microseconds=1), context.site.tz) + timedelta(days=1)
    last_day = civil_day(until, context.site.tz) - timedelta(days=1)
    if last_day < first_day:
        return None
    hours = _hours(context, in_use.flow.arrivals, first_day, last_day)
    return find_drift(hours, tuple(_known_faults(context, last_day))) if hours else None


def watch_drift(context: Context, request: Request) -> dict[str, Any]:
    """Write the verdict and its metrics, and return what a run tells of them; nothing if there is no verdict."""
    verdict = drift_of(context)
    if verdict is None:
        return {}
    key = drift_key(request.run_date, request.run_id)
    document = {"schema_version": 1, "run_id": request.run_id, **described(verdict)}
    context.objects.write(key, json.dumps(document, indent=1, default=str).encode())
    whole: dict[str, float] = {
        "DriftFindings": len(verdict.findings),
        "DriftRealChange": float(verdict.kind == "real_change"),
        "DriftDataFault": float(verdict.kind == "data_fault"),
        "FeatureDriftScore": verdict.score,
    }
    write_metrics(context, request.run_id, "monitor_models", [Measured(context.clock.now(), {}, whole)])
    return {"drift": verdict.kind}


def drift_key(run_date: date, run_id: str) -> str:
    """Return where the verdict of a run is kept."""
    return f"{FOLDER}/dt={run_date.isoformat()}/{run_id}.json"


def described(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain values, days as dates."""
    return {
        "verdict": verdict.kind,
        "on": verdict.on,
        "may_retrain": verdict.may_retrain,
        "reason": verdict.reason,
        "findings": [{**asdict(finding), "sentence": finding.sentence} for finding in verdict.findings],
    }


def _hours(
    context: Context, models: Mapping[str, ArrivalsModel], first_day: date, last_day: date
) -> HospitalHours | None:
    """Return the hours that were learnt from (a year at most) and those since, whole days only."""
    zone = context.site.tz
    begin = datetime.combine(first_day - timedelta(days=_LEARNT_DAYS), time(), zone)
    gold = context.lake.read(OPS_METRICS_HOURLY, begin.date(), last_day)
    rows = gold.select("sector_id", "hour_start", "arrivals_count", "wait_avg_min", "occupied_beds", "dt")
    found = context.engine.collect(rows)
    if not found.num_rows:
        return None
    earliest = pc.min(found["dt"]).as_py()
    start = datetime.combine(earliest, time(), zone).astimezone(UTC)
    end = datetime.combine(last_day + timedelta(days=1), time(), zone).astimezone(UTC)
    count = int((end - start) / timedelta(hours=1))
    first = np.datetime64(start.replace(tzinfo=None), "us")
    beside = Covariates(site_calendar(context.site))
    usual = {name: model.linear.usual(start, count, beside) for name, model in models.items()}
    sectors = tuple(
        _sector(sector, mine, first, usual.get(sector), count)
        for sector in context.site.sector_ids
        for mine in (found.filter(pc.equal(found["sector_id"], sector)),)
        if mine.num_rows and pc.sum(mine["arrivals_count"]).as_py()
    )
    if not sectors or earliest >= first_day:
        return None
    civil = beside.calendar.hours(start, count)
    return HospitalHours(civil.day_number, civil.hour, civil.day_type, (first_day - _EPOCH).days, sectors)


def _sector(sector_id: str, rows: pa.Table, first: np.datetime64, expected: Floats | None, count: int) -> SectorHours:
    at = ((rows["hour_start"].to_numpy() - first) // _HOUR).astype(np.int64)
    inside = (at >= 0) & (at < count)

    def hourly(name: str) -> Floats:
        out = np.full(count, np.nan)
        values = rows[name].cast(pa.float64()).to_numpy()
        out[at[inside]] = values[inside]
        return out

    waits = hourly("wait_avg_min")
    return SectorHours(
        sector_id,
        hourly("arrivals_count"),
        waits_min=waits if np.isfinite(waits).any() else None,
        occupancy=hourly("occupied_beds"),
        expected=expected,
    )


def _known_faults(context: Context, last_day: date) -> Iterator[KnownFault]:
    """Yield what the newest report of data quality found wrong: rules that failed, and clocks, failed or doubted."""
    report = _newest_report(context, last_day)
    if report is None:
        return
    first = date.fromisoformat(report["days"]["first"])
    for rule in report["rules"]:
        is_clock = rule["rule_id"].startswith("clock.")
        if rule["verdict"] == "fail" or (is_clock and rule["verdict"] == "warn"):
            feed = rule["rule_id"].partition(".")[2] if is_clock else ""
            yield KnownFault(feed, first, None, f"data quality: {rule['rule_id']} ({rule['verdict']})")


def _newest_report(context: Context, last_day: date) -> Mapping[str, Any] | None:
    """Return the newest report that a run wrote; those of decisions and checks are of days that somebody chose."""
    days = [last_day - timedelta(days=back) for back in range(-1, _REPORT_DAYS)]
    keys = [key for day in days for key in context.objects.list(f"{REPORTS_PREFIX}dt={day.isoformat()}/")]
    reports = [
        report for key in keys if (report := readable_report(context, key)) and made_by(report["run_id"]) == "run"
    ]
    return max(reports, key=lambda report: str(report["written_at"]), default=None)
