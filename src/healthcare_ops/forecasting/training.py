"""A model per sector, judged on hours it has not seen before it may be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.metrics import MANCHESTER_TARGET_MIN
from healthcare_ops.core.tables import HOSPITAL
from healthcare_ops.forecasting.arrivals import MIN_HOURS, ArrivalsModel, fit_arrivals
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.contests import Contest
from healthcare_ops.forecasting.crowding import Department, learn_crowding
from healthcare_ops.forecasting.evaluation import (
    SHOWN_LEADS,
    Backtest,
    forecast,
    held_out_origins,
    judge,
    walk_recent,
)
from healthcare_ops.forecasting.flow import FlowModel, fit_headcounts
from healthcare_ops.forecasting.measures import better_probability, pinball
from healthcare_ops.forecasting.pairs import MAX_LEAD_H
from healthcare_ops.forecasting.regressors import Covariates, minutes
from healthcare_ops.forecasting.series import HourlySeries, is_arrivals
from healthcare_ops.forecasting.survival import Stays
from healthcare_ops.forecasting.wait_judging import InUse, LearntWaits, WaitTest, learn_waits
from healthcare_ops.forecasting.wait_usual import Waits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TEST_DAYS = 56
# Corrections are fewer; what is more is another past.
_MOST_REWRITTEN = 0.02
_LATE = timedelta(days=7)


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may be put to use, and why or why not."""

    is_accepted: bool
    reason: str


@dataclass(frozen=True)
class People:
    """Who was where: stays by metric ("occupancy", "queue") and sector; hourly entries where they are no arrivals.

    `waits` are the encounters of each sector of whom it is known how long they waited; `target_min` the targets of
    triage levels 1–5.
    """

    stays: Mapping[str, Mapping[str, Stays]]
    entries: Sequence[HourlySeries] = ()
    waits: Mapping[str, Waits] = field(default_factory=dict)
    target_min: tuple[float, ...] = MANCHESTER_TARGET_MIN


@dataclass(frozen=True)
class TrainedModel:
    """A candidate: a model per sector, learnt from all hours before `data_as_of` (UTC), and how its kind did.

    `backtests` and `wait_tests` measure the same recipe fitted on earlier hours only, `contests` the model in use
    beside it. `without_model` tells why a sector has none.
    """

    flow: FlowModel
    data_as_of: datetime
    backtests: tuple[Backtest, ...]
    contests: tuple[Contest, ...]
    without_model: Mapping[str, str]
    verdict: Verdict
    wait_tests: tuple[WaitTest, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says about the training, as plain values."""
        models = [model for name, model in sorted(self.flow.arrivals.items()) if is_arrivals(name)]
        return {
            "training_window": {
                model.sector_id: [model.trained_from.isoformat(), model.trained_until.isoformat()] for model in models
            },
            "regressors": list(self.flow.regressors),
            "features": {model.sector_id: list(model.feature_names) for model in models},
            "backtests": [walk.to_dict() for walk in self.backtests],
            "wait_tests": [asdict(test) for test in self.wait_tests],
            "contests": [asdict(contest) for contest in self.contests],
            "without_model": dict(self.without_model),
            "verdict": asdict(self.verdict),
        }


def train(
    series_by_sector: Iterable[HourlySeries],
    covariates: Covariates,
    *,
    people: People | None = None,
    department: Department | None = None,
    champion: FlowModel | None = None,
    past: Iterable[HourlySeries] = (),
    threads: int = 1,
) -> TrainedModel:
    """Fit a model for each sector (one series each), walk over its last eight weeks, compare it with the champion.

    `people` are those who were there and who waited, if that is to be forecast too; `department` are the emergency
    sectors, if gold has their score.

    `past` are the series as they were when the champion learnt from them: of a past that was rewritten since, a
    person must say that it is right now.

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
    entering = [series for series in (people.entries if people else ()) if not _untrainable(series)]
    walks = walk_recent([*trainable, *entering], covariates, test_days=_TEST_DAYS, threads=threads)
    backtests = tuple(judge(walk, covariates, SHOWN_LEADS) for walk in walks if is_arrivals(walk.series.sector_id))
    arrivals = fit_arrivals([*trainable, *entering], covariates, threads=threads)
    contests = tuple(compete(trainable, covariates, champion.arrivals, arrivals, threads=threads)) if champion else ()
    data_as_of = max(series.end for series in trainable)
    headcounts = {}
    for metric, stays in (people.stays if people else {}).items():
        fitted, why_not = fit_headcounts(stays, walks, data_as_of, covariates.calendar, metric=metric)
        headcounts[metric] = fitted
        without |= {f"{sector} {metric}": reason for sector, reason in why_not.items()}
    waits = _learn_waits(people, data_as_of, covariates.calendar, champion, threads) if people else LearntWaits()
    without |= {f"{sector} wait": reason for sector, reason in waits.without_model.items()}
    contests += waits.contests
    nedocs = None
    if department and people and (occupancy := headcounts.get("occupancy")):
        try:
            nedocs = learn_crowding(department, people.stays["occupancy"], occupancy, walks, covariates.calendar)
        except DataError as error:
            without[f"{HOSPITAL} nedocs"] = error.message
    return TrainedModel(
        flow=FlowModel(arrivals, headcounts, waits.model, nedocs),
        data_as_of=data_as_of,
        backtests=backtests,
        contests=contests,
        without_model=without,
        verdict=_verdict(backtests, contests, rewritten(trainable, past), has_champion=bool(champion)),
        wait_tests=waits.tests,
    )


def _learn_waits(
    people: People, until: datetime, calendar: Calendar, champion: FlowModel | None, threads: int
) -> LearntWaits:
    in_use = None
    if champion and champion.waits:
        learnt = max(model.trained_until for model in champion.arrivals.values())
        in_use = InUse(champion.waits, minutes(learnt))
    return learn_waits(
        people.waits, minutes(until), calendar, target_min=people.target_min, in_use=in_use, threads=threads
    )


def compete(
    known: Sequence[HourlySeries],
    covariates: Covariates,
    champion: Mapping[str, ArrivalsModel],
    candidate: Mapping[str, ArrivalsModel],
    *,
    threads: int = 1,
) -> Iterator[Contest]:
    """Compare with the champion on the hours since it learnt (at most eight weeks), and on the eight weeks before.

    On hours that neither has seen, the recipe stands for the candidate, fitted on the hours before: the candidate
    itself has learnt from them. On the weeks that both have learnt from it is the candidate itself that must not be
    worse: there it shows if the newest hours taught it something wrong.
    """
    rivals = [series for series in known if series.sector_id in champion and series.sector_id in candidate]
    if not rivals:
        return
    learnt = max(champion[series.sector_id].trained_until for series in rivals)
    newest = max(series.end for series in rivals)
    unseen = _origins(rivals, max(learnt, newest - timedelta(days=_TEST_DAYS)), newest)
    judged = [series for series in rivals if len(unseen[series.sector_id])]
    if judged:
        early = [series.first(int(unseen[series.sector_id][0])) for series in judged]
        yield _contest(
            judged, unseen, covariates, fit_arrivals(early, covariates, threads=threads), champion, seen=False
        )
    seen = _origins(rivals, learnt - timedelta(days=_TEST_DAYS), learnt)
    judged = [series for series in rivals if len(seen[series.sector_id])]
    if judged:
        yield _contest(judged, seen, covariates, candidate, champion, seen=True)


def _origins(known: Sequence[HourlySeries], begin: datetime, end: datetime) -> dict[str, Ints]:
    return {series.sector_id: held_out_origins(series.until(end), series.hours_before(begin)) for series in known}


def _contest(
    known: Sequence[HourlySeries],
    origins: Mapping[str, Ints],
    covariates: Covariates,
    candidate: Mapping[str, ArrivalsModel],
    champion: Mapping[str, ArrivalsModel],
    *,
    seen: bool,
) -> Contest:
    losses, gains, days = [], [], []
    for series in known:
        at = origins[series.sector_id]
        new, old = (_losses(models[series.sector_id], series, at, covariates) for models in (candidate, champion))
        losses.append((new.mean(), old.mean()))
        gains.append(new - old)
        days.append(covariates.calendar.hours(series.start, int(at.max()) + 1).day_number[at])
    return Contest(
        metric="arrivals",
        has_seen=seen,
        sectors=tuple(series.sector_id for series in known),
        cases=max(len(at) for at in origins.values()),
        candidate=float(sum(new for new, _ in losses)),
        champion=float(sum(old for _, old in losses)),
        worse_probability=better_probability(np.concatenate(gains), np.concatenate(days)),
    )


def _losses(model: ArrivalsModel, series: HourlySeries, origins: Ints, covariates: Covariates) -> Floats:
    """Return the mean pinball loss of each origin."""
    walk = forecast(model, series, origins, np.arange(MAX_LEAD_H + 1), covariates)
    return np.asarray(pinball(walk.actual, walk.quantiles).mean(axis=1))


def rewritten(known: Iterable[HourlySeries], past: Iterable[HourlySeries]) -> float:
    """Return by which share (0 to 1 and above) of its arrivals the past was changed, summed over sectors.

    The last week of the past is left out: late records belong to it.
    """
    now = {series.sector_id: series for series in known}
    changed, arrivals = 0.0, 0.0
    for then in past:
        if then.sector_id not in now:
            continue
        late = now[then.sector_id]
        begin, end = max(then.start, late.start), min(then.end - _LATE, late.end)
        spans = [series.values[series.hours_before(begin) : series.hours_before(end)] for series in (then, late)]
        changed += float(np.abs(spans[0] - spans[1]).sum())
        arrivals += float(spans[0].sum())
    return changed / arrivals if arrivals else 0.0


def _untrainable(series: HourlySeries) -> str:
    """Return why the series teaches nothing, or an empty string."""
    if len(series.values) < MIN_HOURS:
        return f"{len(series.values)} hours of arrivals; a model needs {MIN_HOURS} (21 days)"
    return "" if series.values.any() else f"not one arrival in {len(series.values)} hours"


def _verdict(
    backtests: tuple[Backtest, ...], contests: tuple[Contest, ...], changed: float, *, has_champion: bool
) -> Verdict:
    """Accept a candidate that is no worse than last week, summed over sectors, loses no contest, and knows one past."""
    if changed > _MOST_REWRITTEN:
        reason = (
            f"the past that the model in use learnt from was rewritten since, by {changed:.1%} of its arrivals; if it "
            "is right now, `hops models promote`"
        )
        return Verdict(is_accepted=False, reason=reason)
    if not backtests:
        if has_champion:
            return Verdict(is_accepted=False, reason="too little history to test it; the model in use stays")
        return Verdict(is_accepted=True, reason="too little history to test it; there is no other model")
    model = sum(walk.overall.model.pinball for walk in backtests)
    naive = sum(walk.overall.naive.pinball for walk in backtests)
    told = [f"pinball loss {model:.3f} against {naive:.3f} of seasonal-naive over {backtests[0].origins} origins"]
    told += [str(contest) for contest in contests]
    if has_champion and all(contest.has_seen for contest in contests if contest.metric == "arrivals"):
        told.append("too few hours since the model in use learnt to compare with it on them")
    is_accepted = model <= naive and not any(contest.is_lost for contest in contests)
    return Verdict(is_accepted=is_accepted, reason=", ".join(told))
