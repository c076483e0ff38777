"""Predictions joined with what happened."""

from __future__ import annotations

from functools import reduce

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.tables import PREDICTION_SCORES, QUANTILES


def score_predictions(predictions: ir.Table, metrics: ir.Table) -> ir.Table:
    """Return `gold.prediction_scores`: one row per arrivals prediction whose hour stands in `metrics`.

    Parameters
    ----------
    metrics
        `gold.ops_metrics_hourly`, whole hours only.
    """
    happened = metrics.select("sector_id", target_time="hour_start", actual=metrics.arrivals_count.cast("float64"))
    wanted = predictions.filter(predictions.metric == "arrivals")
    rows = wanted.inner_join(happened, ["sector_id", "target_time"])
    losses = [_pinball(rows, name) for name in QUANTILES]
    return rows.mutate(
        absolute_error=(rows["mean"] - rows.actual).abs(),
        is_covered_90=(rows.actual >= rows.q05) & (rows.actual <= rows.q95),
        pinball=reduce(lambda left, right: left + right, losses) / float(len(losses)),
    ).select(*PREDICTION_SCORES.column_names)


def _pinball(rows: ir.Table, name: str) -> ir.Value:
    level = int(name[1:]) / 100
    gap = rows.actual - rows[name]
    return ibis.ifelse(gap >= 0.0, gap * level, gap * (level - 1.0))
