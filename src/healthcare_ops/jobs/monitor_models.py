"""`monitor_models`: every prediction scored once its hour has passed; how far the hospital has moved."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import ibis

from healthcare_ops.core.emf import Measured
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.tables import ENCOUNTERS, OPS_METRICS_HOURLY, PREDICTION_SCORES, PREDICTIONS
from healthcare_ops.forecasting.champions import load_champion, standing
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.drift import watch_drift
from healthcare_ops.jobs.forecast_quality import judge_forecasts
from healthcare_ops.jobs.metric_lines import write_metrics
from healthcare_ops.jobs.misses import keep_misses
from healthcare_ops.jobs.silver_to_gold import KNOWN_UNTIL
from healthcare_ops.pipeline.scores import score_predictions
from healthcare_ops.pipeline.waits import HISTORY_DAYS, score_waits

# A forecast reaches two days ahead, and waits of an hour can be judged a day after it.
_OPEN_DAYS = 4


def run(context: Context, request: Request) -> Outcome:
    """Score the days of predictions that can still have open hours, and watch for drift; again changes nothing."""
    _measure_age(context, request)
    return {**_scored(context, request), **watch_drift(context, request)}


def _measure_age(context: Context, request: Request) -> None:
    """Keep as a metric how long ago the model in use stopped learning."""
    if standing(context.objects).champion is None:
        return
    now = context.clock.now()
    with suppress(ConfigError):  # of a model that cannot be read, who uses it tells
        learnt = datetime.fromisoformat(load_champion(context.objects).manifest["trained_until"])
        age = Measured(now, {}, {"ModelAge": (now - learnt).total_seconds()})
        write_metrics(context, request.run_id, "monitor_models", [age])


def _scored(context: Context, request: Request) -> Outcome:
    noted = context.lake.note(OPS_METRICS_HOURLY, KNOWN_UNTIL)
    predicted = context.lake.changes(PREDICTIONS, "").days
    if not noted or not predicted:
        return {"rows": 0}
    known_until = datetime.fromisoformat(noted)
    # Late records change what happened for as long as a stay can last; older scores stand.
    oldest = (known_until - timedelta(days=max(context.site.max_stay_days, _OPEN_DAYS))).date()
    days = sorted(day for day in predicted if oldest <= day <= known_until.date() + timedelta(days=1))
    if not days:
        return {"rows": 0}
    metrics = context.lake.read(OPS_METRICS_HOURLY, days[0])
    whole = metrics.filter(metrics.hour_start <= (known_until - timedelta(hours=1)).replace(tzinfo=None))
    predictions = context.lake.read(PREDICTIONS, days[0], days[-1])
    encounters = context.lake.read(ENCOUNTERS, days[0] - timedelta(days=HISTORY_DAYS))
    until = known_until.astimezone(UTC).replace(tzinfo=None)
    waits = score_waits(predictions, encounters, until, context.site.triage.target_min)
    with context.engine.stage(ibis.union(score_predictions(predictions, whole), waits)) as rows:
        count = context.lake.replace_days(PREDICTION_SCORES, rows, days, {})
        # Minutes are not added to patients.
        counts = rows.filter(rows.metric != "wait")
        summary = counts.aggregate(
            error=counts.absolute_error.mean(),
            covered=counts.is_covered_90.cast("float64").mean(),
            pinball=counts.pinball.mean(),
        )
        (measured,) = context.engine.collect(summary).to_pylist()
        told = judge_forecasts(context, request, rows, known_until)
    keep_misses(context, known_until)
    return {
        "rows": count,
        "mae": measured["error"],
        "coverage_90": measured["covered"],
        "pinball": measured["pinball"],
        **told,
    }
