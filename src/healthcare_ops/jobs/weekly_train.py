"""`weekly_train`: a model per sector, judged on hours it has not seen before it is put to use."""

from __future__ import annotations

from healthcare_ops.forecasting.registry import champion_history, load_champion, publish
from healthcare_ops.forecasting.training import train
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.series import arrivals_by_sector


def run(context: Context, request: Request) -> Outcome:
    """Train on the known hours, walk over the last eight weeks, store; promote what is not worse than its rivals."""
    known = arrivals_by_sector(context, context.settings.train_days)
    champion = load_champion(context.objects).sectors if champion_history(context.objects) else None
    trained = train(known, context.site.zone, context.site.holidays, champion=champion)
    published = publish(context.objects, trained)
    return {
        "version": published.version,
        "is_promoted": published.is_promoted,
        "reason": published.reason,
        "sectors": sorted(trained.sectors),
        "sectors_without_model": dict(trained.without_model),
    }
