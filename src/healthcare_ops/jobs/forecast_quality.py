"""How good the forecasts of the last week were: a document to look at, and metrics to watch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import ibis.expr.types as ir
import numpy as np

from healthcare_ops.core.emf import Unit, emf_line
from healthcare_ops.core.tables import OPS_METRICS_HOURLY
from healthcare_ops.forecasting.counts import mape_floor
from healthcare_ops.jobs.context import Context, Request
from healthcare_ops.jobs.metric_lines import write_metrics
from healthcare_ops.pipeline.scores import daily_mape, expected_counts, last_week_error, measured

FOLDER = "gold/forecast_quality"
WINDOW = timedelta(days=7)
_WATCHED_H = (0, 1, 4, 24)
_UNITS: Mapping[str, tuple[str, Unit]] = {
    "mape": ("ForecastMAPE", "None"),
    "mape_ratio": ("ForecastMAPEOverFloor", "None"),
    "wape": ("ForecastWAPE", "None"),
    "mase": ("ForecastMASE", "None"),
    "bias": ("ForecastBias", "None"),
    "coverage_90": ("ForecastCoverage90", "None"),
    "pinball": ("ForecastPinball", "None"),
}


def judge_forecasts(context: Context, request: Request, scores: ir.Table, known_until: datetime) -> dict[str, Any]:
    """Write the document and the metrics of the week before `known_until` (UTC), and return what a run tells of them.

    `mape_floor` is what a forecaster who knew the true rate would get, of counts that are Poisson; null for other
    metrics than arrivals, whose spread is not known.
    """
    begin = (known_until - WINDOW).replace(tzinfo=None)
    week = scores.filter(scores.target_time >= begin)
    collect = context.engine.collect
    rows = collect(measured(week).order_by("metric", "sector_id", "model_version", "horizon_h")).to_pylist()
    floors = _floors(collect(expected_counts(week)).to_pylist())
    days = {_of(row): row["daily_mape"] for row in collect(daily_mape(week)).to_pylist()}
    gold = context.lake.read(OPS_METRICS_HOURLY, (known_until - 5 * WINDOW).date())
    usual = {
        (row["metric"], row["sector_id"]): row["last_week_mae"] for row in collect(last_week_error(gold)).to_pylist()
    }
    for row in rows:
        floor = floors.get((*_of(row), row["horizon_h"]))
        row["mape_floor"] = floor
        row["mape_ratio"] = row["mape"] / floor if floor and row["mape"] is not None else None
        row["mase"] = _ratio(row["mae"], usual.get((row["metric"], row["sector_id"])))
        row["daily_mape"] = days.get(_of(row))
    document = {
        "schema_version": 1,
        "run_id": request.run_id,
        "from": begin.isoformat() + "+00:00",
        "until": known_until.isoformat(),
        "measures": rows,
    }
    key = f"{FOLDER}/dt={request.run_date.isoformat()}/{request.run_id}.json"
    context.objects.write(key, json.dumps(document, indent=1).encode())
    write_metrics(context, request, "monitor_models", _metric_lines(known_until, rows))
    return {"measures": key}


def _metric_lines(at: datetime, rows: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for row in rows:
        values = {name: (row[key], unit) for key, (name, unit) in _UNITS.items() if row[key] is not None}
        if row["horizon_h"] in _WATCHED_H and values:
            of = {"Metric": row["metric"], "SectorId": row["sector_id"], "HorizonH": str(row["horizon_h"])}
            yield emf_line(at, of, values)


def _floors(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], float]:
    """Return the floor of MAPE by metric, sector, model and horizon; of arrivals only."""
    found: dict[tuple[Any, ...], list[tuple[float, int]]] = defaultdict(list)
    for row in rows:
        if row["metric"] == "arrivals":
            found[*_of(row), row["horizon_h"]].append((row["expected"], row["hours"]))
    return {
        key: float(np.average(mape_floor(np.array([value for value, _ in told])), weights=[hours for _, hours in told]))
        for key, told in found.items()
    }


def _of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["metric"], row["sector_id"], row["model_version"]


def _ratio(value: float, whole: float | None) -> float | None:
    return value / whole if whole else None
