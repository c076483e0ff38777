"""Predictions joined with what happened, and how good they were on the whole."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from itertools import pairwise

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.tables import HOSPITAL, PREDICTION_SCORES, QUANTILES

# What gold says of the hour that a metric forecasts.
ACTUAL: Mapping[str, str] = {
    "arrivals": "arrivals_count",
    "occupancy": "occupied_beds",
    "queue": "queue_length",
}
CROWDING = "nedocs"
_OF_WAITS = ("covered_share", "patients", "unseen", "breach_patients", "brier", "brier_usual")
_KEY = ("metric", "sector_id", "model_version")
_DAY_H = 24


def score_predictions(predictions: ir.Table, metrics: ir.Table) -> ir.Table:
    """Return `gold.prediction_scores`: one row per prediction whose hour stands in `metrics`.

    Parameters
    ----------
    metrics
        `gold.ops_metrics_hourly`, whole hours only.
    """
    happened = ibis.union(
        *(
            metrics.select(
                "sector_id",
                target_time="hour_start",
                metric=ibis.literal(metric),
                actual=metrics[column].cast("float64"),
            )
            for metric, column in ACTUAL.items()
        )
    )
    whole = ibis.union(_with_total(happened, "target_time", "actual"), _crowding(metrics, "target_time", "actual"))
    rows = predictions.inner_join(whole, ["sector_id", "metric", "target_time"])
    losses = [_pinball(rows, name) for name in QUANTILES]
    return rows.mutate(
        absolute_error=(rows["mean"] - rows.actual).abs(),
        is_covered_90=(rows.actual >= rows.q05) & (rows.actual <= rows.q95),
        pinball=reduce(lambda left, right: left + right, losses) / float(len(losses)),
        **{name: ibis.null(PREDICTION_SCORES.types()[name]) for name in _OF_WAITS},
    ).select(*PREDICTION_SCORES.column_names)


def measured(scores: ir.Table) -> ir.Table:
    """Return one row per metric, sector, model and horizon.

    `predictions` of them, in hours without anything to forecast `zero_hours`; the mean `actual`; `mae`, `bias`
    (forecast − actual), `mape` (over the other hours, null if there is none), `wape` (null if nothing happened),
    `coverage_90` (0–1), `pinball`. Waits are judged by `patients`: each counts once for each prediction of his hour,
    `unseen` ones do not; of waits there is no `mape`, and no hour is counted as one of nothing. `brier` and
    `brier_usual` are over `breach_patients`, and null for others.
    """
    is_wait = scores.metric == "wait"
    rows = scores.mutate(
        cases=ibis.coalesce(scores.patients, 1),
        error=scores["mean"] - scores.actual,
        share=ibis.ifelse((scores.actual > 0) & ~is_wait, scores.absolute_error / scores.actual, ibis.null("float64")),
        inside=ibis.coalesce(scores.covered_share, scores.is_covered_90.cast("float64")),
        is_zero=(~is_wait & (scores.actual <= 0.0)).cast("int64"),
    )

    def mean(value: ir.Value, cases: ir.Value = rows.cases) -> ir.Value:
        weight = ibis.ifelse(value.notnull(), cases, ibis.null("int64")).cast("float64")
        return (value * weight).sum() / weight.sum()

    def total(counts: ir.Value) -> ir.Value:
        # A sum of whole numbers is a wider type, which no document can hold.
        return counts.sum().cast("int64")

    return rows.group_by(*_KEY, "horizon_h").aggregate(
        predictions=rows.count(),
        patients=total(rows.patients),
        unseen=total(rows.unseen),
        zero_hours=total(rows.is_zero),
        actual=mean(rows.actual),
        mae=mean(rows.absolute_error),
        bias=mean(rows.error),
        mape=rows["share"].mean(),
        wape=(rows.absolute_error * rows.cases).sum() / (rows.actual * rows.cases).sum().nullif(0.0),
        coverage_90=mean(rows.inside),
        pinball=mean(rows.pinball),
        breach_patients=total(rows.breach_patients),
        brier=mean(rows.brier, rows.breach_patients),
        brier_usual=mean(rows.brier_usual, rows.breach_patients),
    )


def expected_counts(scores: ir.Table) -> ir.Table:
    """Return how often each expected value (`expected`, to a tenth) was forecast, for the floor of MAPE.

    One row per metric, sector, model, horizon and value, of hours in which something happened.
    """
    rows = scores.filter(scores.actual > 0).mutate(expected=(scores["mean"] * 10.0).round() / 10.0)
    return rows.group_by(*_KEY, "horizon_h", "expected").aggregate(hours=rows.count())


def daily_mape(scores: ir.Table) -> ir.Table:
    """Return, per metric, sector and model, the mean error ÷ actual of the sums over the 24 hours from an origin on.

    Origins of which an hour is not known yet, and days in which nothing happened, are left out, and waits: their sum
    means nothing.
    """
    near = scores.filter((scores.horizon_h < _DAY_H) & (scores.metric != "wait"))
    days = near.group_by(*_KEY, "prediction_ts").aggregate(
        hours=near.count(), expected=near["mean"].sum(), happened=near.actual.sum()
    )
    whole = days.filter((days.hours == _DAY_H) & (days.happened > 0))
    return whole.group_by(*_KEY).aggregate(
        daily_mape=((whole.expected - whole.happened).abs() / whole.happened).mean(), days=whole.count()
    )


def daily_misses(scores: ir.Table, first_lead_h: int, last_lead_h: int) -> ir.Table:
    """Return how many forecasts there were of the hours of each UTC day (`day`), and how many `missed`.

    One row per metric (occupancy, queue and NEDOCS), sector and day; of counts an hour on the edge of the 90 % interval
    is missed in part, as quantiles that are joined at half integers tell: by the share of it that lies outside.
    """
    wanted = scores.metric.isin(("occupancy", "queue", CROWDING))
    rows = scores.filter(wanted & scores.horizon_h.between(first_lead_h, last_lead_h))
    below = ibis.ifelse(rows.actual + rows.q05 <= 0.0, 0.05 / _chance_of_none(rows), rows.q05 + 0.5 - rows.actual)
    outside = below.clip(0.0, 1.0) + (rows.actual + 0.5 - rows.q95).clip(0.0, 1.0)
    plain = ((rows.actual < rows.q05) | (rows.actual > rows.q95)).cast("float64")
    told = rows.mutate(
        day=rows.target_time.date(),
        outside=ibis.ifelse(rows.metric == CROWDING, plain, outside),
    )
    return told.group_by("metric", "sector_id", "day").aggregate(forecasts=told.count(), missed=told.outside.sum())


def last_week_error(metrics: ir.Table) -> ir.Table:
    """Return, per metric and sector, the mean error of the same hour one week before, which MASE divides by.

    Parameters
    ----------
    metrics
        `gold.ops_metrics_hourly`, a week more than what is to be judged; without gaps.
    """
    hourly = ibis.union(
        *(
            metrics.select(
                "sector_id", "hour_start", metric=ibis.literal(metric), value=metrics[column].cast("float64")
            )
            for metric, column in ACTUAL.items()
        )
    )
    rows = ibis.union(_with_total(hourly, "hour_start", "value"), _crowding(metrics, "hour_start", "value"))
    before = ibis.window(group_by=["sector_id", "metric"], order_by="hour_start")
    errors = rows.mutate(error=(rows.value - rows.value.lag(168).over(before)).abs())
    return errors.group_by("metric", "sector_id").aggregate(last_week_mae=errors.error.mean())


def _with_total(rows: ir.Table, hour: str, value: str) -> ir.Table:
    """Return the rows, and those of all sectors together."""
    names = ("sector_id", "metric", hour, value)
    total = (
        rows.group_by("metric", hour).aggregate(**{value: rows[value].sum()}).mutate(sector_id=ibis.literal(HOSPITAL))
    )
    return ibis.union(rows.select(*names), total.select(*names))


def _crowding(metrics: ir.Table, hour: str, value: str) -> ir.Table:
    """Return NEDOCS of the hours that have one, which gold repeats on each emergency sector."""
    told = metrics.filter(metrics.nedocs.notnull())
    hourly = told.group_by(**{hour: told.hour_start}).aggregate(**{value: told.nedocs.max()})
    rows = hourly.mutate(sector_id=ibis.literal(HOSPITAL), metric=ibis.literal(CROWDING))
    return rows.select("sector_id", "metric", hour, value)


def _pinball(rows: ir.Table, name: str) -> ir.Value:
    level = int(name[1:]) / 100
    gap = rows.actual - rows[name]
    return ibis.ifelse(gap >= 0.0, gap * level, gap * (level - 1.0))


def _chance_of_none(rows: ir.Table) -> ir.Value:
    """Return P(X = 0), which quantiles reach at ½; where the last below is kept at 0, it does not tell exactly."""
    levels = [int(name[1:]) / 100 for name in QUANTILES]
    found = levels[-1] / (rows[QUANTILES[-1]] + 0.5)
    for low, high in reversed(tuple(pairwise(range(len(levels))))):
        before, after = rows[QUANTILES[low]], rows[QUANTILES[high]]
        between = levels[low] + (levels[high] - levels[low]) * 0.5 / after
        found = ibis.ifelse(after > 0.5, ibis.ifelse(before > 0.0, levels[low] / (before + 0.5), between), found)
    return found
