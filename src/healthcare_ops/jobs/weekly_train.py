"""`weekly_train`: a model per sector, judged on hours it has not seen before it is put to use."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from healthcare_ops.core.tables import OPS_METRICS_HOURLY
from healthcare_ops.forecasting.champions import load_champion, publish, standing
from healthcare_ops.forecasting.crowding import Department
from healthcare_ops.forecasting.registry import OutdatedModelError, StoredModel
from healthcare_ops.forecasting.series import HourlySeries, is_arrivals
from healthcare_ops.forecasting.training import People, Verdict, train
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.crowding import HISTORY_DAYS, department
from healthcare_ops.jobs.drift import drift_of
from healthcare_ops.jobs.people import people, pinned_reader
from healthcare_ops.jobs.pins import Pin, find_pin, let_go, pin
from healthcare_ops.jobs.series import covariates, pinned_arrivals

_STAYS_DAYS = 366


def run(context: Context, request: Request) -> Outcome:
    """Train on the known hours, walk over the last eight weeks, store; promote what is not worse than its rivals."""
    days = context.settings.train_days
    pinned = pin(context, f"train-{request.run_id}")
    champion = _champion(context)
    before = find_pin(context, champion.manifest.get("pin", "")) if champion else None
    arrivals = pinned_arrivals(context, pinned, days) if pinned else []
    trained = train(
        arrivals,
        covariates(context),
        people=_people(context, pinned, arrivals) if pinned else None,
        department=_department(context, pinned, arrivals) if pinned else None,
        champion=champion.flow if champion else None,
        past=pinned_arrivals(context, before, days) if before else [],
        threads=context.settings.threads,
    )
    drift = drift_of(context)
    if drift and not drift.may_retrain:
        # A model must not learn what is wrong with the data along with what has changed.
        trained = replace(trained, verdict=Verdict(is_accepted=False, reason=drift.reason))
    published = publish(context.objects, trained, context.clock.now(), pin=pinned.name if pinned else "")
    # One that was put to use just now has the newest pin, which stays in any case.
    let_go(context, keep=before.name if before else "")
    return {
        "version": published.version,
        "is_promoted": published.is_promoted,
        "reason": published.reason,
        "regressors": list(trained.flow.regressors),
        "sectors": sorted(name for name in trained.flow.arrivals if is_arrivals(name)),
        "sectors_without_model": dict(trained.without_model),
    }


def _people(context: Context, pinned: Pin, arrivals: list[HourlySeries]) -> People | None:
    """Return who was where in the last year at most: how long patients stay changes, and a year is enough to tell."""
    if not arrivals:
        return None
    until = max(series.end for series in arrivals)
    since = (until - timedelta(days=min(_STAYS_DAYS, context.settings.train_days))).date()
    return people(context, pinned_reader(context, pinned.name), since, until, arrivals)


def _department(context: Context, pinned: Pin, arrivals: list[HourlySeries]) -> Department | None:
    if not arrivals:
        return None
    until = max(series.end for series in arrivals)
    since = (until - timedelta(days=min(HISTORY_DAYS, context.settings.train_days))).date()
    return department(context, pinned_reader(context, pinned.name)(OPS_METRICS_HOURLY, since), until)


def _champion(context: Context) -> StoredModel | None:
    """Return the model in use; None if there is none, or an earlier version of the product wrote it."""
    if standing(context.objects).champion is None:
        return None
    try:
        return load_champion(context.objects)
    except OutdatedModelError:
        return None
