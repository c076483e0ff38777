"""The crowding score NEDOCS of the coming hours: from who will be in the emergency department, and from all else.

The score is a constant, so much for each patient in the department, and the weight of what patients do there: boarding,
the longest boarding, the last door-to-bed time, the ventilated. Patients have a forecast of their own, a distribution.
The rest of the score is forecast as it usually is at that hour of the week, and how far it is from that now, which
fades. The score is the sum of both, and its band is made wider or narrower by as much as it was off in weeks that
neither had seen: the parts depend on each other. It is not moved: what was too low for some weeks is as often too high
in the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.metrics import nedocs
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.measures import LEVELS
from healthcare_ops.forecasting.pairs import MAX_LEAD_H

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WEEK_H = 168
# The usual rest follows the season; twelve weeks tell each hour of the week twelve times.
_USUAL_H = 12 * _WEEK_H
_MIN_H = 3 * _WEEK_H
# Hours that an hour of the week borrows from all.
_BORROWED_H = 4.0
# The last score is as old as this at most, or the rest is forecast as usual.
_FRESH_H = 24
_FADES_H = MAX_LEAD_H + _FRESH_H
# The first distance (hours) of each group that has errors and shifts of its own.
_GROUPS_H = (0, 3, 7, 13, 25)
_ERRORS = 41
# The days with which a group's own width counts half.
_BORROWED_DAYS = 7.0
_BAND = LEVELS[-1] - LEVELS[0]
_MIDDLE = LEVELS.index(0.5)
_DECIMALS = 6
_LEAST = 1e-9


@dataclass(frozen=True)
class ScoreHours:
    """What is known of consecutive hours: the score and patients in the department at each hour's start.

    `first` counts hours since 1970 UTC; `week_hour` is the civil hour of the week (0–167); `score` is NaN where gold
    has none, for want of an input or of anybody placed in the day before.
    """

    first: int
    week_hour: Ints
    score: Floats
    patients: Floats

    @property
    def end(self) -> int:
        """Return the first hour after those that are known."""
        return self.first + len(self.score)

    def until(self, hour: int) -> ScoreHours:
        """Return the hours before one, counted since 1970."""
        count = max(hour - self.first, 0)
        return ScoreHours(self.first, self.week_hour[:count], self.score[:count], self.patients[:count])


@dataclass(frozen=True)
class Patients:
    """What was expected at an origin (an hour since 1970): P(k patients) in column k, a row for each of the leads.

    `week_hour` is that of each target; `known` the first hour of whose start nothing was known yet.
    """

    origin: int
    leads: Ints
    week_hour: Ints
    pmf: Floats
    known: int


@dataclass(frozen=True)
class NedocsModel:
    """What the score is made of.

    `per_patient` is the weight of one patient; `usual` the usual rest by hour of the week; `fading` the share of a
    deviation that is left so many hours later; `errors` of the rest and `widths` (1: as it is) of the score's band have
    a row per group of distances.
    """

    per_patient: float
    usual: Floats
    fading: Floats
    errors: Floats
    widths: Floats

    def forecast(self, known: ScoreHours, patients: Patients) -> tuple[Floats, Floats]:
        """Return mean and quantiles (a column per level of `LEVELS`) of the score at each target.

        Of `known`, only hours before `patients.known` are looked at.
        """
        rest, ahead = self.rest(known, patients)
        group = _group(ahead)
        values: Floats = self.per_patient * np.arange(patients.pmf.shape[1], dtype=np.float64)
        mean = rest + patients.pmf @ values + self.errors[group].mean(axis=1)
        rows = zip(patients.pmf, rest, group, strict=True)
        quantiles = np.array([_quantiles(values, pmf, np.asarray(one + self.errors[of])) for pmf, one, of in rows])
        middle = quantiles[:, _MIDDLE, None]
        return mean, middle + self.widths[group, None] * (quantiles - middle)

    def rest(self, known: ScoreHours, patients: Patients) -> tuple[Floats, Ints]:
        """Return what the rest is expected to be, and how many hours ahead of what is known each target lies."""
        known = known.until(patients.known)
        target = patients.origin + patients.leads
        rest = known.score - self.per_patient * known.patients
        there = np.flatnonzero(np.isfinite(rest[-_FRESH_H:])) + max(len(rest) - _FRESH_H, 0)
        usual = self.usual[patients.week_hour]
        if not len(there):
            return usual, np.full(len(target), _FADES_H)
        last = int(there[-1])
        ahead = np.minimum(target - (known.first + last), _FADES_H)
        return usual + self.fading[ahead] * (rest[last] - self.usual[known.week_hour[last]]), ahead

    def widened(self, log_width: float) -> NedocsModel:
        """Return the model with a band exp(`log_width`) times as wide."""
        return replace(self, widths=self.widths * np.exp(log_width))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        parts = ("usual", "fading", "errors", "widths")
        return {"per_patient": self.per_patient, **{name: getattr(self, name).tolist() for name in parts}}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> NedocsModel:
        """Return the model that `to_dict` described."""
        parts = ("usual", "fading", "errors", "widths")
        return cls(float(stored["per_patient"]), *(np.array(stored[name]) for name in parts))


def week_hours(calendar: Calendar, first: int, count: int) -> Ints:
    """Return the civil hour of the week (0: Monday, midnight) of hours, the first of them counted since 1970 UTC."""
    civil = calendar.hours(datetime.fromtimestamp(first * 3600, UTC), count)
    # 1970-01-01 was a Thursday.
    return np.asarray((civil.day_number + 3) % 7 * 24 + civil.hour)


def fit_nedocs(known: ScoreHours, ed_beds: int, held_out: Sequence[Patients] = ()) -> NedocsModel:
    """Learn the rest of the score from the hours that are known, and the width of its band from those held out.

    Parameters
    ----------
    held_out
        Patients expected at origins of the last weeks, by models that had not seen what came; the band stays as it is
        with none, or if there are fewer than three weeks before them.

    Raises
    ------
    DataError
        If fewer than three weeks of hours have a score.
    """
    per_patient = _per_patient(ed_beds)
    widths = np.ones(len(_GROUPS_H))
    before = known.until(min((one.known for one in held_out), default=known.first))
    if np.isfinite(before.score).sum() >= _MIN_H:
        widths = _widths(_fitted(before, per_patient, widths), known, held_out)
    return _fitted(known, per_patient, widths)


def _per_patient(ed_beds: int) -> float:
    """Return by how much the score rises with a patient; all else of the formula is the rest."""
    nothing = {"boarders": 0, "ventilated": 0, "longest_boarding_h": 0, "last_door_to_bed_h": 0}
    one, none = (nedocs(ed_patients=count, ed_beds=ed_beds, hospital_beds=1, **nothing) for count in (1, 0))
    return float(one - none)


def _fitted(known: ScoreHours, per_patient: float, widths: Floats) -> NedocsModel:
    rest = known.score - per_patient * known.patients
    if np.isfinite(rest).sum() < _MIN_H:
        raise DataError(
            f"{np.isfinite(rest).sum()} hours have a NEDOCS; a forecast needs {_MIN_H} (21 days).",
            next_step="Load more history, or complete what `nedocs_note` in gold names as missing.",
        )
    usual = _usual(known.week_hour[-_USUAL_H:], rest[-_USUAL_H:])
    deviation = rest - usual[known.week_hour]
    fading = np.round([_slope(deviation, hours) for hours in range(_FADES_H + 1)], _DECIMALS)
    fading = np.minimum.accumulate(fading)
    return NedocsModel(per_patient, usual, fading, _errors(deviation, fading), widths)


def _usual(week_hour: Ints, rest: Floats) -> Floats:
    there = np.isfinite(rest)
    hours, values = week_hour[there], rest[there]
    level = values.mean() if len(values) else 0.0
    count = np.bincount(hours, minlength=_WEEK_H)
    total = np.bincount(hours, values - level, minlength=_WEEK_H)
    return np.asarray(np.round(level + total / (count + _BORROWED_H), _DECIMALS))


def _slope(deviation: Floats, hours: int) -> float:
    """Return which share (0–1) of a deviation is left so many hours later, by least squares."""
    now, later = deviation[: len(deviation) - hours], deviation[hours:]
    both = np.isfinite(now) & np.isfinite(later)
    square = float((now[both] ** 2).sum())
    return min(max(float((now[both] * later[both]).sum()) / square, 0.0), 1.0) if square else 0.0


def _errors(deviation: Floats, fading: Floats) -> Floats:
    """Return quantiles of what the rest strays from its forecast, a row per group of distances."""
    rows = []
    ends = [*_GROUPS_H[1:], MAX_LEAD_H + 1]
    for first, end in zip(_GROUPS_H, ends, strict=True):
        gaps = [
            deviation[hours:] - fading[hours] * deviation[: len(deviation) - hours]
            for hours in range(max(first, 1), end)
        ]
        seen = np.concatenate(gaps)
        rows.append(np.quantile(seen[np.isfinite(seen)], (np.arange(_ERRORS) + 0.5) / _ERRORS))
    return np.round(np.array(rows), _DECIMALS)


def _quantiles(values: Floats, pmf: Floats, rest: Floats) -> Floats:
    """Return the quantiles of patients' share and the rest together, each value of the rest as likely as the others."""
    score = (values[:, None] + rest).ravel()
    order = np.argsort(score, kind="stable")
    below = np.cumsum(np.repeat(pmf / len(rest), len(rest))[order])
    return np.asarray(np.interp(LEVELS, below / below[-1], score[order]))


def _widths(model: NedocsModel, known: ScoreHours, held_out: Sequence[Patients]) -> Floats:
    """Return by how much the band is to be stretched about its middle to hold as many scores as it should.

    Source: Romano, Patterson & Candès, Conformalized quantile regression, NeurIPS 2019, in units of the band's sides.
    """
    strays, groups, days = [], [], []
    for one in held_out:
        _, ahead = model.rest(known, one)
        _, quantiles = model.forecast(known, one)
        at = one.origin + one.leads - known.first
        seen = at < len(known.score)
        came = np.where(seen, known.score[np.minimum(at, len(known.score) - 1)], np.nan) - quantiles[:, _MIDDLE]
        low, high = (np.abs(quantiles[:, side] - quantiles[:, _MIDDLE]) for side in (0, -1))
        strays.append(np.abs(came) / np.maximum(np.where(came < 0, low, high), _LEAST))
        groups.append(_group(ahead))
        days.append(np.full(len(at), one.origin // 24))
    stray, group, day = np.concatenate(strays), np.concatenate(groups), np.concatenate(days)
    out = np.ones(len(_GROUPS_H))
    for number in range(len(out)):
        rows = (group == number) & np.isfinite(stray)
        if rows.any():
            count = len(np.unique(day[rows]))
            own = float(np.quantile(stray[rows], _BAND))
            out[number] = (count * own + _BORROWED_DAYS) / (count + _BORROWED_DAYS)
    return np.round(out, _DECIMALS)


def _group(ahead: Ints) -> Ints:
    return np.asarray(np.searchsorted(np.array(_GROUPS_H), ahead, side="right") - 1)
