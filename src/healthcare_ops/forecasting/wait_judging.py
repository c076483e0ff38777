"""Whether a model of waits may be used: judged patient by patient, on weeks that it has not learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.contests import Contest
from healthcare_ops.forecasting.measures import LEVELS, better_probability, pinball
from healthcare_ops.forecasting.wait_cases import Cases, Known, cases_of
from healthcare_ops.forecasting.wait_signs import Signs
from healthcare_ops.forecasting.wait_training import fit_waits, too_few
from healthcare_ops.forecasting.wait_usual import Waits
from healthcare_ops.forecasting.waits import WaitsModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TEST_MIN = 56 * 1440
_TEST_SHARE = 0.25
# What is usual is what was seen in a quarter of a year before the test.
_USUAL_MIN = 13 * 10080
_CASES_PER_SECTOR = 10_000
_LEAST_CASES = 50


@dataclass(frozen=True)
class WaitTest:
    """How waits of a sector were forecast, from moments 0–48 h before, by the recipe fitted before the test weeks.

    Instants are minutes since 1970. Losses are mean pinball losses in minutes per patient: that of the forecast, and
    that of the quantiles of the sector's waits in the 13 weeks before; `coverage_90` is the share within q05 to q95.
    """

    sector_id: str
    first_min: int
    until_min: int
    patients: int
    pinball: float
    usual_pinball: float
    coverage_90: float


@dataclass(frozen=True)
class LearntWaits:
    """A model of waits if there is enough to learn from, how its kind did, and why a sector has none."""

    model: WaitsModel | None = None
    tests: tuple[WaitTest, ...] = ()
    contests: tuple[Contest, ...] = ()
    without_model: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class InUse:
    """The model of waits in use, and the minute until which it learnt."""

    model: WaitsModel
    until_min: int


def learn_waits(
    known: Mapping[str, Waits],
    until_min: int,
    calendar: Calendar,
    *,
    target_min: Sequence[float],
    in_use: InUse | None,
    threads: int,
) -> LearntWaits:
    """Fit the waits of every sector that has enough, on what was known at an instant, test and compare them.

    Where the recipe proves worse than what was usual, beyond chance, there is no model. It is compared with the model
    in use on patients that neither has seen: among those that both learnt from, the one with more trees always wins.
    """
    told = {sector: waits.known_at(until_min) for sector, waits in known.items()}
    without = {sector: reason for sector, waits in told.items() if (reason := too_few(waits, until_min))}
    enough = {sector: waits for sector, waits in told.items() if sector not in without}
    if not enough:
        return LearntWaits(without_model=without)

    def fit(until: int) -> WaitsModel | None:
        early = {sector: waits for sector, waits in enough.items() if not too_few(waits.known_at(until), until)}
        return fit_waits(early, until, calendar, target_min=target_min, threads=threads) if early else None

    first = until_min - int(min(_TEST_MIN, _TEST_SHARE * (until_min - _first_min(enough))))
    tests, rival = _tests(fit(first), enough, first, until_min, calendar)
    if rival is not None and rival.is_lost:
        why = f"forecasts were worse than what was usual: {rival.candidate:.2f} against {rival.champion:.2f} min"
        return LearntWaits(tests=tests, without_model=without | dict.fromkeys(enough, why))
    model = fit_waits(enough, until_min, calendar, target_min=target_min, threads=threads)
    contests: tuple[Contest, ...] = ()
    if in_use is not None and in_use.until_min < until_min:
        since = max(in_use.until_min, until_min - _TEST_MIN)
        contests = tuple(_compete(fit(since), in_use.model, enough, _Span(since, until_min), calendar))
    return LearntWaits(model, tests, contests, without)


@dataclass(frozen=True)
class _Span:
    """Patients of which time are judged."""

    since_min: int
    until_min: int


def _compete(
    candidate: WaitsModel | None, champion: WaitsModel, known: Mapping[str, Waits], span: _Span, calendar: Calendar
) -> Iterator[Contest]:
    """Yield the contest, if both know a sector with enough patients in that time."""
    if candidate is None:
        return
    both = [sector for sector in known if sector in candidate.sectors and sector in champion.sectors]
    models = (candidate, champion)
    found = {sector: _losses(models, sector, known[sector], span, calendar) for sector in both}
    if judged := {sector: one for sector, one in found.items() if len(one[0]) >= _LEAST_CASES}:
        yield _contest(judged)


def _contest(judged: Mapping[str, tuple[Floats, Ints]]) -> Contest:
    """Return the contest of two columns of losses by sector, with the day of each."""
    losses = [loss for loss, _ in judged.values()]
    candidate, champion = (float(sum(loss[:, side].mean() for loss in losses)) for side in (0, 1))
    together = np.concatenate(losses)
    return Contest(
        metric="wait",
        has_seen=False,
        sectors=tuple(judged),
        cases=len(together),
        candidate=candidate,
        champion=champion,
        worse_probability=better_probability(
            together[:, 0] - together[:, 1], np.concatenate([day for _, day in judged.values()])
        ),
    )


def _losses(
    models: Sequence[WaitsModel], sector: str, waits: Waits, span: _Span, calendar: Calendar
) -> tuple[Floats, Ints]:
    """Return the loss of each patient's wait by each model (a column each), and his day."""
    # The same patients and moments for all; the scale in which they are read is each model's own.
    cases = [_cases(model, sector, waits, span, calendar) for model in models]
    said = [model.quantiles_of(sector, mine.rows, mine.cell) for model, mine in zip(models, cases, strict=True)]
    losses = [pinball(mine.wait_min, one) for mine, one in zip(cases, said, strict=True)]
    return np.column_stack(losses), cases[0].day


def _tests(
    model: WaitsModel | None, known: Mapping[str, Waits], first_min: int, until_min: int, calendar: Calendar
) -> tuple[tuple[WaitTest, ...], Contest | None]:
    """Return how a model did after an instant, sector by sector, and all of it against what was usual before."""
    if model is None:
        return (), None
    tests, judged = [], {}
    span = _Span(first_min, until_min)
    for sector in model.sectors:
        before = known[sector].known_at(first_min)
        usual = before.wait_min[(before.arrival_min >= first_min - _USUAL_MIN) & np.isfinite(before.wait_min)]
        cases = _cases(model, sector, known[sector], span, calendar)
        if len(cases.wait_min) < _LEAST_CASES or not len(usual):
            continue
        said = model.quantiles_of(sector, cases.rows, cases.cell)
        plain = np.broadcast_to(np.quantile(usual, LEVELS), said.shape)
        loss = np.column_stack([pinball(cases.wait_min, one) for one in (said, plain)])
        judged[sector] = loss, cases.day
        tests.append(
            WaitTest(
                sector_id=sector,
                first_min=first_min,
                until_min=until_min,
                patients=len(np.unique(cases.patient)),
                pinball=float(loss[:, 0].mean()),
                usual_pinball=float(loss[:, 1].mean()),
                coverage_90=float(((cases.wait_min >= said[:, 0]) & (cases.wait_min <= said[:, -1])).mean()),
            )
        )
    return tuple(tests), _contest(judged) if judged else None


def _cases(model: WaitsModel, sector: str, waits: Waits, span: _Span, calendar: Calendar) -> Cases:
    """Return those whose wait is known of the patients of a time, each seen from moments in it."""
    told = waits.known_at(span.until_min)
    signs = Signs(told, model.sectors[sector].usual, calendar, span.until_min // 60 + 2)
    cases = cases_of(Known(told, span.until_min, model.target_min), signs, span.since_min, _CASES_PER_SECTOR)
    return cases.where(cases.weight > 0)


def _first_min(known: Mapping[str, Waits]) -> int:
    return int(min(waits.arrival_min[0] for waits in known.values()))
