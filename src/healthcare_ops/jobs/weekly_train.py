"""`weekly_train`: a model per sector, judged on hours it has not seen before it is put to use."""

from __future__ import annotations

from collections.abc import Mapping

from healthcare_ops.forecasting.arrivals import ArrivalsModel
from healthcare_ops.forecasting.champions import load_champion, publish, standing
from healthcare_ops.forecasting.registry import OutdatedModelError
from healthcare_ops.forecasting.training import train
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.series import arrivals_by_sector, covariates


def run(context: Context, request: Request) -> Outcome:
    """Train on the known hours, walk over the last eight weeks, store; promote what is not worse than its rivals."""
    known = arrivals_by_sector(context, context.settings.train_days)
    trained = train(known, covariates(context.site), champion=_champion(context), threads=context.settings.threads)
    published = publish(context.objects, trained, context.clock.now())
    return {
        "version": published.version,
        "is_promoted": published.is_promoted,
        "reason": published.reason,
        "sectors": sorted(trained.sectors),
        "sectors_without_model": dict(trained.without_model),
    }


def _champion(context: Context) -> Mapping[str, ArrivalsModel] | None:
    """Return the models in use; None if there are none, or an earlier version of the product wrote them."""
    if standing(context.objects).champion is None:
        return None
    try:
        return load_champion(context.objects).sectors
    except OutdatedModelError:
        return None
