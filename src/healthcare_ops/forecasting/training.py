"""A model per sector, judged on hours it has not seen before it may be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.forecasting.arrivals import MIN_HOURS, ArrivalsModel, fit_arrivals
from healthcare_ops.forecasting.evaluation import Backtest, backtest, forecast, held_out_origins
from healthcare_ops.forecasting.measures import pinball
from healthcare_ops.forecasting.pairs import MAX_LEAD_H
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.forecasting.series import HourlySeries

Ints = NDArray[np.int64]

_TEST_DAYS = 56
# The model in use must be clearly better to stay: a per cent is less than the noise of a week's hours.
_TOLERANCE = 1.01


@dataclass(frozen=True)
class Challenge:
    """Mean pinball loss of a candidate and of the model in use, over hours that neither has learnt from."""

    sector_id: str
    origins: int
    candidate: float
    champion: float


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may be put to use, and why or why not."""

    is_accepted: bool
    reason: str


@dataclass(frozen=True)
class TrainedModel:
    """A candidate: a model per sector, learnt from all hours before `data_as_of` (UTC), and how its kind did.

    `backtests` and `challenges` measure the same recipe fitted on earlier hours only. `without_model` tells why
    a sector has none.
    """

    sectors: Mapping[str, ArrivalsModel]
    data_as_of: datetime
    backtests: tuple[Backtest, ...]
    challenges: tuple[Challenge, ...]
    without_model: Mapping[str, str]
    verdict: Verdict

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says about the training, as plain values."""
        models = [model for _, model in sorted(self.sectors.items())]
        return {
            "training_window": {
                model.sector_id: [model.trained_from.isoformat(), model.trained_until.isoformat()] for model in models
            },
            "features": {model.sector_id: list(model.feature_names) for model in models},
            "backtests": [walk.to_dict() for walk in self.backtests],
            "challenges": [asdict(challenge) for challenge in self.challenges],
            "without_model": dict(self.without_model),
            "verdict": asdict(self.verdict),
        }


def train(
    series_by_sector: Iterable[HourlySeries],
    covariates: Covariates,
    *,
    champion: Mapping[str, ArrivalsModel] | None = None,
    threads: int = 1,
) -> TrainedModel:
    """Fit a model for each sector (one series each), walk over its last eight weeks, compare it with the champion.

    Raises
    ------
    DataError
        If no sector has 21 days of hours with an arrival among them.
    """
    known = sorted(series_by_sector, key=lambda series: series.sector_id)
    without = {series.sector_id: reason for series in known if (reason := _untrainable(series))}
    trainable = [series for series in known if series.sector_id not in without]
    if not trainable:
        found = "; ".join(f"{sector}: {reason}" for sector, reason in without.items()) or "no sector has any hour"
        raise DataError(f"no sector can be learnt: {found}.", next_step="Load more history.")
    backtests = tuple(backtest(trainable, covariates, test_days=_TEST_DAYS, threads=threads))
    challenges = tuple(challenge(trainable, covariates, champion or {}, threads=threads))
    return TrainedModel(
        sectors=fit_arrivals(trainable, covariates, threads=threads),
        data_as_of=max(series.end for series in trainable),
        backtests=backtests,
        challenges=challenges,
        without_model=without,
        verdict=_verdict(backtests, challenges, has_champion=bool(champion)),
    )


def challenge(
    known: Sequence[HourlySeries], covariates: Covariates, champion: Mapping[str, ArrivalsModel], *, threads: int = 1
) -> list[Challenge]:
    """Compare a candidate with the champion on hours after both learnt; sectors with too few are left out.

    The candidate is fitted on the hours before the first origin: one that had learnt from the test would win.
    """
    rivals = [(series, champion[series.sector_id]) for series in known if series.sector_id in champion]
    if not rivals:
        return []
    begin = max(old.trained_until for _, old in rivals)
    begin = max(begin, max(series.end for series, _ in rivals) - timedelta(days=_TEST_DAYS))
    origins = {series.sector_id: held_out_origins(series, series.hours_before(begin)) for series, _ in rivals}
    judged = [(series, old) for series, old in rivals if len(origins[series.sector_id])]
    candidates = fit_arrivals(
        [series.first(int(origins[series.sector_id][0])) for series, _ in judged], covariates, threads=threads
    )
    return [
        Challenge(
            series.sector_id,
            len(origins[series.sector_id]),
            *(
                _mean_pinball(model, series, origins[series.sector_id], covariates)
                for model in (candidates[series.sector_id], old)
            ),
        )
        for series, old in judged
    ]


def _mean_pinball(model: ArrivalsModel, series: HourlySeries, origins: Ints, covariates: Covariates) -> float:
    walk = forecast(model, series, origins, np.arange(MAX_LEAD_H + 1), covariates)
    return float(pinball(walk.actual, walk.quantiles).mean())


def _untrainable(series: HourlySeries) -> str:
    """Return why the series teaches nothing, or an empty string."""
    if len(series.values) < MIN_HOURS:
        return f"{len(series.values)} hours of arrivals; a model needs {MIN_HOURS} (21 days)"
    return "" if series.values.any() else f"not one arrival in {len(series.values)} hours"


def _verdict(backtests: tuple[Backtest, ...], challenges: tuple[Challenge, ...], *, has_champion: bool) -> Verdict:
    """Accept a candidate that is no worse than seasonal-naive and than the champion, summed over sectors."""
    if not backtests:
        if has_champion:
            return Verdict(is_accepted=False, reason="too little history to test it; the model in use stays")
        return Verdict(is_accepted=True, reason="too little history to test it; there is no other model")
    model = sum(walk.overall.model.pinball for walk in backtests)
    naive = sum(walk.overall.naive.pinball for walk in backtests)
    reason = f"pinball loss {model:.3f} against {naive:.3f} of seasonal-naive over {backtests[0].origins} origins"
    is_accepted = model <= naive
    if challenges:
        new = sum(rival.candidate for rival in challenges)
        old = sum(rival.champion for rival in challenges)
        reason += f", {new:.3f} against {old:.3f} of the model in use over {challenges[0].origins} origins"
        is_accepted = is_accepted and new <= old * _TOLERANCE
    elif has_champion:
        reason += "; too few hours since the model in use learnt to compare with it"
    return Verdict(is_accepted=is_accepted, reason=reason)
