"""A model per sector, judged on hours it has not seen before it may be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting.evaluation import Backtest, backtest, forecast, held_out_origins, pinball
from healthcare_ops.forecasting.forecasters import MAX_LEAD_H, MIN_HOURS, ArrivalsModel, HourlySeries, fit_arrivals

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
    zone: str,
    holidays: Holidays | None,
    *,
    champion: Mapping[str, ArrivalsModel] | None = None,
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
    walks = [backtest(series, zone, holidays, test_days=_TEST_DAYS) for series in trainable]
    old = champion or {}
    rivals = [
        challenge(series, zone, holidays, old[series.sector_id]) for series in trainable if series.sector_id in old
    ]
    backtests = tuple(walk for walk in walks if walk is not None)
    challenges = tuple(rival for rival in rivals if rival is not None)
    return TrainedModel(
        sectors={series.sector_id: fit_arrivals(series, zone, holidays) for series in trainable},
        data_as_of=max(series.end for series in trainable),
        backtests=backtests,
        challenges=challenges,
        without_model=without,
        verdict=_verdict(backtests, challenges, has_champion=bool(old)),
    )


def challenge(series: HourlySeries, zone: str, holidays: Holidays | None, champion: ArrivalsModel) -> Challenge | None:
    """Compare a candidate with the champion on hours after both learnt; None if there are too few.

    The candidate is fitted on the hours before the first origin: one that had learnt from the test would win.
    """
    champion_end = (champion.trained_until - series.start) // timedelta(hours=1)
    origins = held_out_origins(series, max(len(series.values) - _TEST_DAYS * 24, champion_end))
    if not len(origins):
        return None
    candidate = fit_arrivals(series.first(int(origins[0])), zone, holidays)
    losses = [_mean_pinball(model, series, origins) for model in (candidate, champion)]
    return Challenge(series.sector_id, len(origins), *losses)


def _mean_pinball(model: ArrivalsModel, series: HourlySeries, origins: Ints) -> float:
    walk = forecast(model, series, origins, np.arange(MAX_LEAD_H + 1))
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
