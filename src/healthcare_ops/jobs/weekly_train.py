"""`weekly_train`: a model per sector, judged on its own past before it is put to use."""

from __future__ import annotations

from healthcare_ops.core.errors import DataError
from healthcare_ops.forecasting.evaluation import Backtest, backtest
from healthcare_ops.forecasting.forecasters import MIN_HOURS, HourlySeries, fit_arrivals
from healthcare_ops.forecasting.registry import promote, save_model
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.series import arrivals_by_sector


def run(context: Context, request: Request) -> Outcome:
    """Train, walk forward over the last eight weeks, store, and promote unless seasonal-naive is better."""
    known = arrivals_by_sector(context, context.settings.train_days)
    trainable = [series for series in known if len(series.values) >= MIN_HOURS and series.values.sum() > 0]
    if not trainable:
        hours = max((len(series.values) for series in known), default=0)
        raise DataError(
            f"the longest sector history is {hours} hours; a model needs {MIN_HOURS} (21 days).",
            next_step="Load more history.",
        )
    walks = [walk for series in trainable if (walk := _walk(context, series)) is not None]
    models = {series.sector_id: fit_arrivals(series, context.site.zone, context.site.holidays) for series in trainable}
    facts = {"hours": len(trainable[0].values), "backtests": [walk.to_dict() for walk in walks]}
    version = save_model(context.objects, models, trainable[0].end, facts)
    reason = _reason(walks)
    if reason:
        promote(context.objects, version, reason)
    return {
        "version": version,
        "is_promoted": bool(reason),
        "reason": reason or "seasonal-naive had the lower pinball loss; the model in use stays",
        "sectors": sorted(models),
        "sectors_without_model": sorted({series.sector_id for series in known} - set(models)),
    }


def _walk(context: Context, series: HourlySeries) -> Backtest | None:
    return backtest(series, context.site.zone, context.site.holidays)


def _reason(walks: list[Backtest]) -> str:
    """Return why the candidate may be used, or nothing."""
    if not walks:
        return "too little history to test; no other model exists for it"
    model = sum(walk.overall.model.pinball for walk in walks)
    naive = sum(walk.overall.naive.pinball for walk in walks)
    if model >= naive:
        return ""
    return f"pinball loss {model:.3f} against seasonal-naive {naive:.3f} over {walks[0].origins} origins"
