"""How good the forecasts of the last week were: a document to look at, and metrics to watch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis.expr.types as ir
import numpy as np

from healthcare_ops.core.emf import Measured
from healthcare_ops.core.tables import ENCOUNTERS, HOSPITAL, OPS_METRICS_HOURLY
from healthcare_ops.forecasting.counts import mape_floor
from healthcare_ops.jobs.context import Context, Request
from healthcare_ops.jobs.metric_lines import write_metrics
from healthcare_ops.pipeline.scores import daily_mape, expected_counts, last_week_error, measured
from healthcare_ops.pipeline.waits import last_week_wait_error

FOLDER = "gold/forecast_quality"
WINDOW = timedelta(days=7)
_DAY = timedelta(days=1)
_WATCHED_H = (0, 1, 4, 24)
_MEASURES: Mapping[str, str] = {
    "mape": "ForecastMAPE",
    "mape_floor": "ForecastMAPEFloor",
    "mape_ratio": "ForecastMAPEOverFloor",
    "wape": "ForecastWAPE",
    "mase": "ForecastMASE",
    "bias": "ForecastBias",
    "coverage_90": "ForecastCoverage90",
    "pinball": "ForecastPinball",
    "brier": "ForecastBreachBrier",
    "brier_usual": "ForecastBreachBrierUsual",
}
# What the page shows; hours that are close to each other err together.
_SHOWN_H = (1, 4, 24)
# Of short queues and single waits a day tells too little to ring for.
_JUDGED = ("arrivals", "occupancy")
# A day of one forecast an hour; fewer tell of chance.
_LEAST_PREDICTIONS = 24 * len(_SHOWN_H)


def judge_forecasts(context: Context, request: Request, scores: ir.Table, known_until: datetime) -> dict[str, Any]:
    """Write the document and the metrics of the week before `known_until` (UTC), and return what a run tells of them.

    `mape_floor` is what a forecaster who knew the true rate would get, of counts that are Poisson; null for other
    metrics than arrivals, whose spread is not known. Errors and losses of waits are minutes.
    """
    usual = {(row["metric"], row["sector_id"]): row["last_week_mae"] for row in _last_week_errors(context, known_until)}
    week, day = _since(scores, known_until - WINDOW), _since(scores, known_until - _DAY)
    rows = _measures(context, week, usual)
    days = {_of(row): row["daily_mape"] for row in context.engine.collect(daily_mape(week)).to_pylist()}
    for row in rows:
        row["daily_mape"] = days.get(_of(row))
    document = {
        "schema_version": 1,
        "run_id": request.run_id,
        "from": (known_until - WINDOW).astimezone(UTC).isoformat(),
        "until": known_until.isoformat(),
        "measures": rows,
    }
    key = f"{FOLDER}/dt={request.run_date.isoformat()}/{request.run_id}.json"
    context.objects.write(key, json.dumps(document, indent=1).encode())
    now = context.clock.now()
    told = [*_of_a_week(now, rows), *_of_the_last_day(now, _measures(context, day, usual))]
    write_metrics(context, request.run_id, "monitor_models", told)
    return {"measures": key}


def _last_week_errors(context: Context, known_until: datetime) -> list[dict[str, Any]]:
    first = (known_until - 5 * WINDOW).date()
    until = known_until.astimezone(UTC).replace(tzinfo=None)
    counts = last_week_error(context.lake.read(OPS_METRICS_HOURLY, first))
    waits = last_week_wait_error(context.lake.read(ENCOUNTERS, first), until)
    return [row for rows in (counts, waits) for row in context.engine.collect(rows).to_pylist()]


def _since(scores: ir.Table, begin: datetime) -> ir.Table:
    return scores.filter(scores.target_time >= begin.astimezone(UTC).replace(tzinfo=None))


def _measures(
    context: Context, scores: ir.Table, usual: Mapping[tuple[str, str], float | None]
) -> list[dict[str, Any]]:
    """Return `measured` with the floor of MAPE, the ratio to it, and MASE."""
    collect = context.engine.collect
    rows = collect(measured(scores).order_by("metric", "sector_id", "model_version", "horizon_h")).to_pylist()
    floors = _floors(collect(expected_counts(scores)).to_pylist())
    for row in rows:
        floor = floors.get((*_of(row), row["horizon_h"]))
        row["mape_floor"] = floor
        row["mape_ratio"] = row["mape"] / floor if floor and row["mape"] is not None else None
        row["mase"] = _ratio(row["mae"], usual.get((row["metric"], row["sector_id"])))
    return list(rows)


def _of_a_week(at: datetime, rows: Iterable[Mapping[str, Any]]) -> Iterator[Measured]:
    for row in rows:
        values = {name: row[key] for key, name in _MEASURES.items() if row[key] is not None}
        if row["horizon_h"] in _WATCHED_H and values:
            yield Measured(
                at, {"Metric": row["metric"], "SectorId": row["sector_id"], "HorizonH": str(row["horizon_h"])}, values
            )


def _of_the_last_day(at: datetime, rows: Iterable[Mapping[str, Any]]) -> Iterator[Measured]:
    """Yield how good the forecasts of all sectors together were, of what alarms judge and if there were enough."""
    shown: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["metric"] in _JUDGED and row["sector_id"] == HOSPITAL and row["horizon_h"] in _SHOWN_H:
            shown[row["metric"]].append(row)
    for metric, mine in shown.items():
        if sum(row["predictions"] for row in mine) >= _LEAST_PREDICTIONS:
            yield Measured(at, {"Metric": metric}, _together(mine))


def _together(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the measures of several horizons and models as one, each prediction with the same weight."""
    some = [row["predictions"] - row["zero_hours"] for row in rows]
    every = [row["predictions"] for row in rows]
    mape, floor = _mean(rows, "mape", some), _mean(rows, "mape_floor", some)
    bias, actual = _mean(rows, "bias", every), _mean(rows, "actual", every)
    found = {
        "ModelMAPE": mape,
        "ModelMAPEOverFloor": _ratio(mape, floor),
        "ModelMASE": _mean(rows, "mase", every),
        "ModelBias": _ratio(abs(bias), actual) if bias is not None else None,
        "ModelCoverage90": _mean(rows, "coverage_90", every),
    }
    return {name: value for name, value in found.items() if value is not None}


def _mean(rows: Sequence[Mapping[str, Any]], key: str, weights: Sequence[float]) -> float | None:
    known = [(row[key], weight) for row, weight in zip(rows, weights, strict=True) if row[key] is not None and weight]
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known) if known else None


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


def _ratio(value: float | None, whole: float | None) -> float | None:
    return value / whole if value is not None and whole else None
