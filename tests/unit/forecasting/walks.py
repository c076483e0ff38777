"""Walks through the last weeks of series, judged."""

from __future__ import annotations

from healthcare_ops.forecasting.evaluation import SHOWN_LEADS, judge, walk_recent


def backtest(known, covariates, *, leads=SHOWN_LEADS, **walk):
    """Return how good the forecasts of the last weeks were, a backtest per series that is long enough."""
    return [judge(found, covariates, leads) for found in walk_recent(known, covariates, **walk)]
