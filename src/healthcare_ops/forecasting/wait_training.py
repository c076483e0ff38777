"""Fit the model of waits: which cases it learns from, how many trees are of use, and how far off it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.metrics import MANCHESTER_TARGET_MIN
from healthcare_ops.core.tables import QUANTILES
from healthcare_ops.forecasting.boosted import _lightgbm
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.conformal import (
    Odds,
    Shifts,
    fit_odds,
    fit_shifts,
    group_of,
    probability,
    weighted_quantiles,
)
from healthcare_ops.forecasting.measures import LEVELS, pinball
from healthcare_ops.forecasting.wait_cases import Cases, Known, cases_of
from healthcare_ops.forecasting.wait_signs import Signs
from healthcare_ops.forecasting.wait_trend import fit_trend
from healthcare_ops.forecasting.wait_usual import Waits, fit_usual
from healthcare_ops.forecasting.waits import (
    BREACH,
    SectorWaits,
    WaitsModel,
    breach_rows,
    tree_rows,
    weighted_mean,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_DAYS, MIN_SEEN = 42, 200
# The first weeks only tell what is usual.
_FIRST_MIN = 28 * 1440
# Five years of the synthetic hospital: with four times as many the loss was 0.6 % smaller, for three times the time.
_MAX_CASES = 50_000
_HELD_OUT_SHARE = 0.25
_MAX_HELD_OUT_MIN = 56 * 1440
# What may prove of use: nothing beside what is usual, the trend alone, and so many rounds of trees beside it.
# Where waits have neither rhythm nor memory, anything else learns noise.
_NOTHING, _TREND, _ROUNDS = -1, 0, (10, 20, 40, 80)
# Standard errors by which anything must be better than nothing.
_CLEARLY = 2.0
_LEAST_PATIENTS = 50
_PARAMETERS: Mapping[str, Any] = {
    "num_leaves": 15,
    "learning_rate": 0.05,
    "min_data_in_leaf": 400,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "seed": 1,
    # The same trees whatever the machine's number of threads.
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def fit_waits(
    known: Mapping[str, Waits],
    until_min: int,
    calendar: Calendar,
    *,
    target_min: Sequence[float] = MANCHESTER_TARGET_MIN,
    threads: int = 1,
) -> WaitsModel:
    """Fit one model to the encounters of all sectors, on what was known at `until_min` (minutes since 1970 UTC).

    The last quarter (8 weeks at most) is forecast by a model that has not seen it: that tells how many trees are
    of use, if any, and how to calibrate them. Who left unseen, or waits still, has no wait to learn from: those
    who stayed as long as he did stand for him too. His target is breached once he has waited longer; who left
    before is not judged. `target_min` are the targets of levels 1–5.

    Raises
    ------
    DataError
        If a sector has fewer than 42 days of encounters, or 200 whose care began.
    """
    told = {name: waits.known_at(until_min) for name, waits in sorted(known.items())}
    for name, waits in told.items():
        _require_enough(name, waits, until_min)
    targets = tuple(float(target) for target in target_min)
    first = min(float(waits.arrival_min[0]) for waits in told.values())
    split = until_min - min(_HELD_OUT_SHARE * (until_min - first), _MAX_HELD_OUT_MIN)
    before = {name: waits.known_at(split) for name, waits in told.items()}
    early = {name: waits for name, waits in before.items() if not too_few(waits, split)}
    chosen = _AS_IT_IS
    if early:
        trial = _Fit(early, split, calendar, targets, threads)
        chosen = _judged(trial, trial.cases({name: told[name] for name in early}, split, until_min))
    final = _Fit(told, until_min, calendar, targets, threads)
    boosters = final.boosters(chosen.rounds, chosen.breach_rounds)
    return WaitsModel(
        sectors=final.sectors(chosen.rounds),
        trend=final.trend,
        follows_trend=chosen.rounds >= _TREND,
        # The text, from which a version follows, is the same on any number of threads, as the trees are.
        trees={
            name: booster.model_to_string().replace(f"[num_threads: {threads}]", "[num_threads: 0]")
            for name, booster in boosters.items()
        },
        shifts=chosen.shifts,
        odds=chosen.odds,
        mean_factor=chosen.mean_factor,
        target_min=targets,
    )


@dataclass(frozen=True)
class _Chosen:
    """What the held-out weeks said: what is of use (rounds of trees, the trend, nothing), and what calibrates them."""

    rounds: int = _NOTHING
    breach_rounds: int = _NOTHING
    shifts: Shifts = field(default_factory=lambda: Shifts.none(len(LEVELS)))
    odds: Odds = field(default_factory=Odds)
    mean_factor: float = 1.0


_AS_IT_IS = _Chosen()


class _Fit:
    """What can be learnt from what was known at an instant."""

    def __init__(
        self, known: Mapping[str, Waits], until_min: float, calendar: Calendar, targets: tuple[float, ...], threads: int
    ) -> None:
        self._calendar, self._targets, self._threads = calendar, targets, threads
        self._plain = {name: _sector(waits, until_min, calendar, targets) for name, waits in known.items()}
        self._cases = self.cases(known, None, until_min)
        self.trend = fit_trend(self._cases.rows, self._cases.scaled, self._cases.weight)
        self._beside_trend = {name: self._remainder(number) for number, name in enumerate(self._plain)}

    def sectors(self, rounds: int) -> dict[str, SectorWaits]:
        """Return what is usual of each sector, its quantiles beside the trend if that is followed."""
        if rounds == _NOTHING:
            return self._plain
        return {name: replace(sector, quantiles=self._beside_trend[name]) for name, sector in self._plain.items()}

    def boosters(self, rounds: int, breach_rounds: int) -> dict[str, Any]:
        """Return the trees of each quantile and of breaches, as far as they have any round."""
        cases, found = self._cases, {}
        trend = self.trend.of(cases.rows)
        if rounds > 0 and (cases.weight > 0).any():
            start = self.quantiles(cases, {}, _TREND)
            data = _Data(tree_rows(cases.rows, trend), cases.scaled, cases.weight)
            for column, (name, level) in enumerate(zip(QUANTILES, LEVELS, strict=True)):
                objective = {"objective": "quantile", "alpha": level}
                found[name] = data.fit(objective, start[:, column], rounds, self._threads)
        if breach_rounds > 0 and (cases.breach_weight > 0).any():
            rows = breach_rows(cases.rows, trend, cases.level, cases.target)
            data = _Data(rows, cases.breach, cases.breach_weight)
            start = self.odds(cases, {}, _NOTHING)
            found[BREACH] = data.fit({"objective": "binary"}, start, breach_rounds, self._threads)
        return found

    def quantiles(self, cases: Cases, boosters: Mapping[str, Any], rounds: int) -> Floats:
        """Return the quantiles of each case in spreads of its sector, not calibrated; they may cross."""
        usual = np.array([sector.quantiles for sector in self.sectors(rounds).values()])[cases.sector]
        if rounds == _NOTHING:
            return np.asarray(usual)
        trend = self.trend.of(cases.rows)
        rows = tree_rows(cases.rows, trend)
        raw = np.column_stack([_raw(boosters.get(name), rows, rounds) for name in QUANTILES])
        return np.asarray(usual + trend[:, None] + raw)

    def odds(self, cases: Cases, boosters: Mapping[str, Any], rounds: int) -> Floats:
        """Return the log-odds of a breach of each case, not calibrated."""
        usual = np.array([sector.odds for sector in self._plain.values()])
        own = usual[cases.sector, np.maximum(cases.level, 1) - 1]
        rows = breach_rows(cases.rows, self.trend.of(cases.rows), cases.level, cases.target)
        return np.asarray(own + _raw(boosters.get(BREACH), rows, rounds))

    def _remainder(self, number: int) -> Floats:
        """Return a sector's quantiles of what the trend leaves; those of its waits if it has too few cases."""
        cases = self._cases
        mine = (cases.sector == number) & (cases.weight > 0)
        if len(np.unique(cases.patient[mine])) < _LEAST_PATIENTS:
            return list(self._plain.values())[number].quantiles
        left = cases.scaled[mine] - self.trend.of(cases.rows[mine])
        return weighted_quantiles(left, cases.weight[mine], LEVELS)

    def minutes(self, cases: Cases, quantiles: Floats) -> Floats:
        """Return quantiles in minutes."""
        out = np.empty_like(quantiles)
        for number, sector in enumerate(self._plain.values()):
            mine = cases.sector == number
            out[mine] = sector.usual.minutes(quantiles[mine], cases.cell[mine])
        return out

    def groups(self, cases: Cases) -> Ints:
        """Return the group of each case that is calibrated together."""
        sizes = np.array([sector.usual.arrivals_per_h for sector in self._plain.values()])
        return group_of(cases.distance_h, sizes[cases.sector])

    def cases(self, known: Mapping[str, Waits], since_min: float | None, until_min: float) -> Cases:
        """Return cases at moments from an instant on (None: 28 days after the first arrival of each sector)."""
        parts, patients = [], 0
        for number, name in enumerate(self._plain):
            since = known[name].arrival_min[0] + _FIRST_MIN if since_min is None else since_min
            told = Known(known[name], until_min, self._targets)
            signs = Signs(known[name], self._plain[name].usual, self._calendar, int(until_min // 60) + 2)
            part = cases_of(told, signs, float(since), _MAX_CASES // len(self._plain))
            part = replace(part, sector=part.sector + number, patient=part.patient + patients)
            patients += len(known[name].arrival_min)
            parts.append(part)
        return Cases.together(parts)


class _Data:
    """Cases in LightGBM's form: binned once for all quantiles."""

    def __init__(self, rows: Floats, actual: Floats, weight: Floats) -> None:
        self._is_used = weight > 0
        # Its text allows few characters in names.
        names = [f"f{place}" for place in range(rows.shape[1])]
        used = self._is_used
        self._data = _lightgbm().Dataset(
            rows[used], actual[used], weight=weight[used] / weight[used].mean(), feature_name=names
        )

    def fit(self, objective: Mapping[str, Any], start: Floats, rounds: int, threads: int) -> Any:
        """Return trees that tell how far what came lies from the start."""
        self._data.set_init_score(start[self._is_used])
        return _lightgbm().train({**_PARAMETERS, **objective, "num_threads": threads}, self._data, rounds)


def _judged(trial: _Fit, held: Cases) -> _Chosen:
    """Return what encounters that a trial has not seen say of it."""
    is_seen, is_told = held.weight > 0, held.breach_weight > 0
    if not is_seen.any() or not is_told.any():
        return _AS_IT_IS
    boosters = trial.boosters(max(_ROUNDS), max(_ROUNDS))
    rounds, quantiles = _most_useful(
        (_TREND, *_ROUNDS),
        lambda many: trial.quantiles(held, boosters, many),
        lambda said: pinball(held.scaled, np.sort(said, axis=1)),
        held.weight,
        held.day,
    )
    breach_rounds, odds = _most_useful(
        _ROUNDS,
        lambda many: trial.odds(held, boosters, many),
        lambda said: -np.log(probability(np.where(held.breach > 0, said, -said))),
        held.breach_weight,
        held.day,
    )
    gaps, group = held.scaled[:, None] - quantiles, trial.groups(held)
    shifts = fit_shifts(gaps[is_seen], group[is_seen], held.weight[is_seen], held.patient[is_seen], LEVELS)
    means = weighted_mean(trial.minutes(held, shifts.apply(quantiles, group)))
    factor = float((held.weight * held.wait_min).sum() / (held.weight * means).sum())
    return _Chosen(
        rounds=rounds,
        breach_rounds=breach_rounds,
        shifts=shifts,
        odds=fit_odds(odds[is_told], held.level[is_told], held.breach[is_told], held.breach_weight[is_told]),
        mean_factor=round(min(max(factor, 0.5), 2.0), 9),
    )


def _most_useful(
    choices: Sequence[int], say: Callable[[int], Floats], loss: Callable[[Floats], Floats], weight: Floats, day: Ints
) -> tuple[int, Floats]:
    """Return, of the choices that are clearly better than nothing, that with the least loss, and what it says.

    Cases of one day tell of each other: days are compared.
    """
    best, said = _NOTHING, say(_NOTHING)
    plain, best_gain = loss(said), 0.0
    for choice in choices:
        other = say(choice)
        gains = np.bincount(day - day.min(), weight * (plain - loss(other)))[np.unique(day - day.min())]
        if gains.sum() > max(best_gain, _CLEARLY * float(np.sqrt(len(gains)) * gains.std())):
            best, said, best_gain = choice, other, float(gains.sum())
    return best, said


def _sector(waits: Waits, until_min: float, calendar: Calendar, targets: tuple[float, ...]) -> SectorWaits:
    """Return what is usual of a sector."""
    usual, known = fit_usual(waits, calendar), Known(waits, until_min, targets)
    signs = Signs(waits, usual, calendar, int(until_min // 60) + 2)
    cell = signs.cells[(waits.arrival_min // 60).astype(np.int64) - signs.first_hour]
    scaled = usual.scaled(np.nan_to_num(waits.wait_min), cell)
    breaches = np.bincount(waits.level, known.breach_weight * known.is_breach, 6)[1:]
    judged = np.bincount(waits.level, known.breach_weight, 6)[1:]
    odds = np.log((breaches + 0.5) / (judged - breaches + 0.5))
    return SectorWaits(usual, weighted_quantiles(scaled, known.weight, LEVELS), np.asarray(np.round(odds, 9)))


def _raw(booster: Any, rows: Floats, rounds: int) -> Floats:
    if booster is None or rounds <= 0:
        return np.zeros(len(rows))
    return np.asarray(booster.predict(rows, raw_score=True, num_iteration=rounds, num_threads=1))


def too_few(waits: Waits, until_min: float) -> str:
    """Return why a sector's encounters, as known at an instant, teach nothing, or an empty string."""
    days = (until_min - float(waits.arrival_min[0])) / 1440.0 if len(waits.arrival_min) else 0.0
    seen = int(np.isfinite(waits.care_min).sum())
    if days >= MIN_DAYS and seen >= MIN_SEEN:
        return ""
    return (
        f"{days:.0f} days of encounters and {seen} whose care began; a model of waits needs {MIN_DAYS} and {MIN_SEEN}"
    )


def _require_enough(sector_id: str, waits: Waits, until_min: float) -> None:
    if reason := too_few(waits, until_min):
        raise DataError(f"sector {sector_id!r} has {reason}.", next_step="Load more history.")
