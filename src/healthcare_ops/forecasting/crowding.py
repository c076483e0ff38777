"""NEDOCS of an emergency department from the forecasts of its sectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.evaluation import Walk
from healthcare_ops.forecasting.headcounts import sum_pmf
from healthcare_ops.forecasting.nedocs import NedocsModel, Patients, ScoreHours, fit_nedocs, week_hours
from healthcare_ops.forecasting.occupancy import Horizon, OccupancyModel
from healthcare_ops.forecasting.pairs import MAX_LEAD_H
from healthcare_ops.forecasting.regressors import minutes
from healthcare_ops.forecasting.series import entries_name
from healthcare_ops.forecasting.survival import Stays

Floats = NDArray[np.float64]

_LEADS = np.arange(MAX_LEAD_H + 1)


@dataclass(frozen=True)
class Department:
    """The emergency sectors, their beds together (functional capacity), and the score as gold tells it."""

    sectors: tuple[str, ...]
    beds: int
    score: ScoreHours


def learn_crowding(
    department: Department,
    stays: Mapping[str, Stays],
    models: Mapping[str, OccupancyModel],
    walks: Sequence[Walk],
    calendar: Calendar,
) -> NedocsModel:
    """Learn the score from the known hours, and the width of its band from the weeks that were walked through.

    `walks` forecast entries by models that had not seen them; how long patients stay was learnt from these weeks too.

    Raises
    ------
    DataError
        If too few hours have a score.
    """
    known = all(sector in models for sector in department.sectors)
    held_out = list(_held_out(department, stays, models, walks, calendar)) if known else []
    return fit_nedocs(department.score, department.beds, held_out)


def _held_out(
    department: Department,
    stays: Mapping[str, Stays],
    models: Mapping[str, OccupancyModel],
    walks: Sequence[Walk],
    calendar: Calendar,
) -> Iterator[Patients]:
    by_name = {walk.series.sector_id: walk for walk in walks}
    mine = {sector: by_name.get(entries_name(sector)) or by_name[sector] for sector in department.sectors}
    means = {sector: _by_origin(walk) for sector, walk in mine.items()}
    for now in sorted(set.intersection(*(set(of) for of in means.values()))):
        if now // 60 + MAX_LEAD_H >= department.score.end:
            break
        horizon = Horizon(now, now, _LEADS)
        parts = [models[name].predict(stays[name], horizon, of[now], calendar).pmf for name, of in means.items()]
        yield expected(reduce(sum_pmf, parts), now // 60, now // 60, _LEADS, calendar)


def _by_origin(walk: Walk) -> dict[int, Floats]:
    """Return the entries expected from each origin (minutes since 1970) on."""
    at = (minutes(walk.series.start) + 60 * walk.origins).tolist()
    return {now: np.asarray(means) for now, means in zip(at, walk.forecasts.mean, strict=True)}


def expected(pmf: Floats, origin: int, known: int, leads: NDArray[np.int64], calendar: Calendar) -> Patients:
    """Return the patients expected at an origin; `known` is the first hour of which nothing was known yet."""
    ahead = week_hours(calendar, origin, int(leads.max()) + 1)
    return Patients(origin, leads, ahead[leads], pmf, known)
