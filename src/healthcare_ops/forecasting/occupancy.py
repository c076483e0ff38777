"""How many patients will be there: who is there now and stays, and who will come and stay, convolved exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.calibration import Calibration, Seen, fit_calibration
from healthcare_ops.forecasting.headcounts import CountForecast, coming_pmf, mixed_pmf, staying_pmf, sum_pmf
from healthcare_ops.forecasting.pace import HISTORY_H, Pace, departures, fit_pace
from healthcare_ops.forecasting.pairs import MAX_LEAD_H
from healthcare_ops.forecasting.survival import LEVELS, MIN_ENDS, Stays, SurvivalModel, clock_cells, fit_survival

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Instants at which those who come within an hour are thought to come.
_PER_HOUR = 4
_HELD_OUT_SHARE = 0.5
_MAX_HELD_OUT_H = 91 * 24
# Shares no divisor with the day: otherwise each lead would always fall on the same hours.
_HELD_OUT_EVERY_H = 7
_PART_MIN = 28 * 1440
_DAY_H = 24
_DISPERSIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)
_HELD_OUT_LEADS = np.array([1, 2, 3, 4, 6, 8, 12, 18, 24, 30, 36, 48])


@dataclass(frozen=True)
class Horizon:
    """The moment of forecasting and the full hours asked for, `leads` (0–48) after `origin_min`, in minutes since 1970.

    The origin is a full UTC hour at or after `now_min`; what happened until `now_min`, that minute included, is known.

    Raises
    ------
    ValueError
        If the origin is no full hour or lies before the moment of forecasting, or a lead is out of range.
    """

    now_min: int
    origin_min: int
    leads: Ints

    def __post_init__(self) -> None:
        if self.origin_min % 60 or self.origin_min < self.now_min:
            raise ValueError(f"origin {self.origin_min} is not a full hour at or after {self.now_min}")
        if not len(self.leads) or self.leads.min() < 0 or self.leads.max() > MAX_LEAD_H:
            raise ValueError(f"leads must lie within 0–{MAX_LEAD_H} h: {self.leads.tolist()}")

    @property
    def first_hour(self) -> int:
        """Return the number (since 1970) of the hour that holds the moment of forecasting."""
        return self.now_min // 60

    @property
    def hours(self) -> int:
        """Return how many hours, the first of them perhaps in part, lie before the last target."""
        return self.origin_min // 60 + int(self.leads.max()) - self.first_hour

    @cached_property
    def steps_min(self) -> Ints:
        """Return the minutes from the moment of forecasting to itself and to the end of each of those hours."""
        ends = 60 * (self.first_hour + 1 + np.arange(self.hours)) - self.now_min
        return np.concatenate([[0], ends])

    @property
    def places(self) -> Ints:
        """Return the place of each target among the steps."""
        return np.searchsorted(self.steps_min, self.origin_min - self.now_min + 60 * self.leads)


@dataclass(frozen=True)
class HeldOut:
    """Entries expected at origins by models that had not seen the hours after them.

    Such models should be about as old as those in use are: staler ones make the forecast look worse than it is, and
    its intervals too wide. `entry_means` has a row per origin (full hours, in minutes since 1970) and a column for
    each of 48 hours.
    """

    origins_min: Ints
    entry_means: Floats

    @property
    def begin_min(self) -> int:
        """Return the first origin."""
        return int(self.origins_min[0])

    def parts(self) -> list[HeldOut]:
        """Return the origins of each four weeks."""
        part = (self.origins_min - self.origins_min[:1]) // _PART_MIN
        return [HeldOut(self.origins_min[part == one], self.entry_means[part == one]) for one in np.unique(part)]


@dataclass(frozen=True)
class Spread:
    """How far reality strays from the means: `dispersion` is that of an hour's entries (see `counts`).

    `pace` and `entries` are the standard deviations, on the log scale, of what all patients of a day share: how fast
    they leave, and how many come.
    """

    dispersion: float = 0.0
    pace: float = 0.0
    entries: float = 0.0


@dataclass(frozen=True)
class _Hazards:
    """Hazard gathered until each target, shape (patients, kinds, targets), and the chance of each kind of patient."""

    gathered: Floats
    chance: Floats

    def staying(self, pace: float) -> Floats:
        """Return the probability of each patient to be there, where everybody leaves so many times as fast."""
        out = np.zeros((len(self.gathered), self.gathered.shape[2]))
        # Kind by kind: a sum over an axis may add in another order when there are more patients beside this one.
        for kind in np.flatnonzero(self.chance.any(axis=0)):
            out += self.chance[:, kind, None] * np.exp(-pace * self.gathered[:, kind])
        return out


@dataclass(frozen=True)
class OccupancyModel:
    """A fitted model of one sector's stays: of beds, or of waits from arrival to the start of care for its queue."""

    survival: SurvivalModel
    pace: Pace
    spread: Spread
    calibration: Calibration

    def predict(self, stays: Stays, horizon: Horizon, entry_means: Floats, calendar: Calendar) -> CountForecast:
        """Forecast how many are there at each target; of `stays`, only what was known at that moment is looked at.

        `entry_means` are those of whole hours, from the one that holds the moment of forecasting on; of that hour
        only what is left counts. Twelve weeks of stays before tell how fast the sector works; fewer will do.

        Raises
        ------
        ValueError
            If there are fewer means of entries than hours before the last target.
        """
        if len(entry_means) < horizon.hours:
            raise ValueError(f"{len(entry_means)} hours of entries; the last target lies {horizon.hours} hours ahead")
        now = horizon.first_hour
        known = stays.ended_after(60 * (now - HISTORY_H)).known_at(horizon.now_min)
        before = departures(known, self.survival, calendar, from_hour=now - HISTORY_H, until_hour=now)
        clock = self.survival.rates(60 * now, horizon.hours, calendar)
        rates = clock * self.pace.factors(before, horizon.hours)
        here = self._here(known.present(), horizon, rates, calendar)
        coming = self._coming(horizon, rates, calendar)
        means = (entry_means[: horizon.hours] * np.diff(horizon.steps_min) / 60.0)[:, None]
        kinds, entries = [], _days(self.spread.entries)
        for pace, chance in _days(self.spread.pace):
            stay, come = here.staying(pace), means * coming.staying(pace)
            several = [(weight, coming_pmf(more * come, self.spread.dispersion)) for more, weight in entries]
            kinds.append((chance, sum_pmf(staying_pmf(stay), mixed_pmf(several))))
        pmf = mixed_pmf(kinds)
        return CountForecast(horizon.leads, self.calibration.apply(pmf, horizon.leads))

    def _here(self, present: Stays, horizon: Horizon, rates: Floats, calendar: Calendar) -> _Hazards:
        """Return the hazards of those who are there: of every level that a patient may have."""
        elapsed, steps = horizon.now_min - present.start_min, horizon.steps_min
        every = np.tile(np.arange(LEVELS), (len(elapsed), 1))
        chance = (every == present.level[:, None]).astype(np.float64)
        untold = present.level == 0
        if untold.any():
            first = int(present.start_min[0]) // 60
            civil = clock_cells(60 * first, horizon.first_hour + 1 - first, calendar) % 24
            hour = civil[present.start_min[untold] // 60 - first]
            chance[untold] = self.survival.level_shares(elapsed[untold], hour)
        gathered = self.survival.hazards(np.repeat(elapsed, LEVELS), every.ravel(), steps, rates)
        return _Hazards(gathered[:, horizon.places].reshape(*every.shape, len(horizon.leads)), chance)

    def _coming(self, horizon: Horizon, rates: Floats, calendar: Calendar) -> _Hazards:
        """Return the hazards of those who come in each hour: of every level, and of some instants within the hour."""
        steps, hours = horizon.steps_min, horizon.hours
        within = (np.arange(_PER_HOUR) + 0.5) / _PER_HOUR
        at = steps[:-1, None] + np.diff(steps)[:, None] * within
        every = np.tile(np.arange(LEVELS), at.size)
        gathered = self.survival.hazards(-np.repeat(at.ravel(), LEVELS), every, steps, rates)
        gathered = gathered.reshape(hours, _PER_HOUR * LEVELS, len(steps))
        # Who comes after an instant is not there at it.
        gathered[np.broadcast_to((steps <= steps[:-1, None])[:, None], gathered.shape)] = np.inf
        mix = self.survival.mix[clock_cells(60 * horizon.first_hour, hours, calendar) % 24]
        return _Hazards(gathered[:, :, horizon.places], np.tile(mix, _PER_HOUR) / _PER_HOUR)

    def widened(self, log_width: float) -> OccupancyModel:
        """Return the model with wider intervals, or narrower ones (see `Calibration.widened`)."""
        return replace(self, calibration=self.calibration.widened(log_width))

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values."""
        return {
            "survival": self.survival.to_dict(),
            "pace": self.pace.to_dict(),
            "spread": asdict(self.spread),
            "calibration": self.calibration.to_dict(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> OccupancyModel:
        """Return the model that `to_dict` described."""
        return cls(
            SurvivalModel.from_dict(stored["survival"]),
            Pace.from_dict(stored["pace"]),
            Spread(**stored["spread"]),
            Calibration.from_dict(stored["calibration"]),
        )


def held_out_origins(first_min: int, until_min: int) -> Ints:
    """Return the origins whose forecasts tell how well a model of stays from `first_min` to `until_min` is calibrated.

    Every seventh hour of the last half (13 weeks at most), up to 48 hours before the end.
    """
    hours = (until_min - first_min) // 60
    held = min(int(hours * _HELD_OUT_SHARE), _MAX_HELD_OUT_H)
    return 60 * np.arange(until_min // 60 - held, until_min // 60 - MAX_LEAD_H, _HELD_OUT_EVERY_H)


def fit_occupancy(stays: Stays, until_min: int, calendar: Calendar, held: HeldOut | None = None) -> OccupancyModel:
    """Fit on what was known at `until_min`; without `held`, days are thought to be alike and nothing is calibrated.

    From each held-out origin a model of what precedes it, at most four weeks old, forecasts. How far whole days were
    off is the spread; what is wrong still, the calibration mends. Origins before 100 stays had ended do not count.

    Raises
    ------
    DataError
        If fewer than 100 stays have ended.
    ValueError
        If a held-out origin lies less than 48 hours before the end.
    """
    if held is not None and (held.origins_min > until_min - 60 * MAX_LEAD_H).any():
        raise ValueError(f"held-out origins must lie {MAX_LEAD_H} hours before {until_min}")
    known = stays.known_at(until_min)
    model = _fit(known, until_min, calendar)
    parts = held.parts() if held else []
    trials = [_Trial(known, part, until_min, calendar) for part in parts if known.ends_by(part.begin_min) >= MIN_ENDS]
    if not trials:
        return model
    spread = _spread(trials)
    seen = [trial.seen(spread) for trial in trials]
    return replace(model, spread=spread, calibration=fit_calibration(Seen.joined(seen)))


def _fit(known: Stays, until_min: int, calendar: Calendar) -> OccupancyModel:
    survival = fit_survival(known, until_min, calendar)
    first = int(known.start_min[0]) // 60
    found = departures(known, survival, calendar, from_hour=first, until_hour=until_min // 60)
    return OccupancyModel(survival, fit_pace(found), Spread(), Calibration())


class _Trial:
    """What a model of the time before the first of some held-out origins says at each of them, and what came."""

    def __init__(self, stays: Stays, held: HeldOut, until_min: int, calendar: Calendar) -> None:
        begin, first = held.begin_min, int(stays.start_min[0]) // 60
        self._model = _fit(stays.known_at(begin), begin, calendar)
        self._stays, self._held, self._calendar = stays, held, calendar
        found = departures(stays, self._model.survival, calendar, from_hour=first, until_hour=until_min // 60)
        hours = (held.origins_min // 60 - first)[:, None] + np.arange(_DAY_H)
        factors = [self._model.pace.factors(found.first(int(origin)), _DAY_H) for origin in hours[:, 0]]
        self.left, self.leaving = found.seen[hours], found.expected[hours] * np.array(factors)
        self.came = np.bincount(stays.start_min // 60 - first, minlength=len(found.seen))[hours]
        self.coming = held.entry_means[:, :_DAY_H]

    def seen(self, spread: Spread) -> Seen:
        """Return what the model, with the spread given, said of the counts that came."""
        model, parts = replace(self._model, spread=spread), []
        for origin, means in zip(self._held.origins_min.tolist(), self._held.entry_means, strict=True):
            said = model.predict(self._stays, Horizon(origin, origin, _HELD_OUT_LEADS), means, self._calendar)
            count = self._stays.counts(origin, MAX_LEAD_H + 1)[_HELD_OUT_LEADS].astype(np.int64)
            parts.append(Seen.of(said.pmf, count, _HELD_OUT_LEADS, origin // 1440))
        return Seen.joined(parts)


def _spread(trials: Sequence[_Trial]) -> Spread:
    """Return how far hours and days after the origins were off, beyond what chance explains of counts."""
    left, leaving, came, coming = (
        np.concatenate([getattr(trial, name) for trial in trials]) for name in ("left", "leaving", "came", "coming")
    )
    dispersion = max(_DISPERSIONS, key=lambda value: counts.log_pmf(came, coming, value).mean())
    return Spread(
        dispersion=dispersion,
        pace=_day_spread(left, leaving, leaving),
        entries=_day_spread(came, coming, coming + dispersion * coming**2),
    )


def _day_spread(seen: Floats | Ints, mean: Floats, variance: Floats) -> float:
    """Return by what share days differ, by the method of moments; all arguments have a row per day."""
    off, means = (seen - mean).sum(axis=1), mean.sum(axis=1)
    excess = (off**2 - variance.sum(axis=1)).sum() / max(float((means**2).sum()), 1e-9)
    return round(float(np.sqrt(max(excess, 0.0))), 6)


def _days(spread: float) -> tuple[tuple[float, float], ...]:
    """Return three kinds of day, as factor and probability, with the moments of the normal distribution of the log."""
    if spread <= 0:
        return ((1.0, 1.0),)
    far = float(np.exp(np.sqrt(3.0) * spread))
    return ((1.0 / far, 1 / 6), (1.0, 2 / 3), (far, 1 / 6))
