"""Parameters of the synthetic hospital read off a history, as keys of the parameters file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import DISPOSITIONS
from healthcare_ops.generator.arrivals import holiday_dates
from healthcare_ops.generator.history import Flags, Floats, History, Ints
from healthcare_ops.generator.parameters import INPATIENT_KINDS, LEVELS, PROBABILITIES, Parameters

Keys = dict[str, Any]

# Fewer observations than this say less than those of the other triage levels together.
LEAST_OBSERVATIONS = 100
_YEAR_DAYS = 365.25
_PERIOD_H = 6
_PRIOR_PATIENTS = 20.0
_NEVER_MIN = 100_000.0
_NO_DELAY = [0.0] * len(PROBABILITIES)


def quantiles(values: Floats) -> list[float]:
    """Return the quantiles of the parameters file, without what is missing or negative."""
    known = values[~np.isnan(values) & (values >= 0)]
    if not len(known):
        return list(_NO_DELAY)
    return [round(float(value), 3) for value in np.quantile(known, PROBABILITIES)]


def by_level(history: History, values: Floats) -> dict[int, list[float]]:
    """Return the quantiles of each triage level; those of all levels where a level has hardly any values."""
    found = {}
    for level in LEVELS:
        of_level = values[history.level == level]
        is_enough = np.count_nonzero(~np.isnan(of_level)) >= LEAST_OBSERVATIONS
        found[level] = quantiles(of_level if is_enough else values[history.level > 0])
    return found


def wait_care_correlation(history: History) -> float:
    """Return the rank correlation within triage levels of care with the wait for it; 0 where too few say anything."""
    wait, care = history.wait, history.care
    known = ~np.isnan(wait) & ~np.isnan(care)
    if np.count_nonzero(known) < LEAST_OBSERVATIONS:
        return 0.0
    first, second = (ranks_in_level(history, values, known)[known] for values in (wait, care))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return round(float(np.corrcoef(first, second)[0, 1]), 4)


def ranks_in_level(history: History, values: Floats, known: Flags) -> Floats:
    """Return the ranks, between 0 and 1, of known values among those of their triage level; equal values share one."""
    ranks = np.zeros(len(values))
    for level in (0, *LEVELS):
        of_level = np.flatnonzero(known & (history.level == level))
        _, inverse, counts = np.unique(values[of_level], return_inverse=True, return_counts=True)
        ranks[of_level] = (np.cumsum(counts) - counts / 2)[inverse] / max(len(of_level), 1)
    return ranks


def arrivals(history: History, site: Site, of_sector: Flags) -> Keys:
    """Return level, shape, holidays, season, dispersion and memory of the arrivals of some encounters."""
    days = np.bincount(history.day[of_sector], minlength=len(history.hours.days)).astype(float)
    weekday = np.array([day.weekday() for day in history.hours.days])
    special = holiday_dates(site, history.hours.days[0], history.hours.days[-1])
    is_holiday = np.array([day in special for day in history.hours.days])
    means = np.array([days[(weekday == number) & ~is_holiday].mean() for number in range(7)])
    means = np.maximum(means, 1e-3)
    wave = _season(days / means[weekday], history, ~is_holiday)
    factor = _holiday_factor(days, means[weekday], is_holiday)
    expected = means[weekday] * wave["curve"] * np.where(is_holiday, factor, 1.0)
    weekend = weekday[history.day] >= 5
    return {
        "per_day": round(float(means.mean()), 4),
        "weekday_hours": _profile(history.hour[of_sector & ~weekend]),
        "weekend_hours": _profile(history.hour[of_sector & weekend]),
        "weekdays": _rounded(means / means.mean()),
        "season_amplitude": wave["amplitude"],
        "season_peak_day": wave["peak_day"],
        "holiday_factor": factor,
        **_dispersion(days, expected),
    }


def mix(history: History, of_sector: Flags) -> list[Keys]:
    """Return the shares of the triage levels in each quarter of the day, drawn a little to the whole day's."""
    chosen = of_sector & (history.level > 0)
    overall = _level_counts(history.level[chosen])
    overall = overall / overall.sum()
    periods = []
    for hour in range(0, 24, _PERIOD_H):
        counts = _level_counts(history.level[chosen & (history.hour // _PERIOD_H == hour // _PERIOD_H)])
        shares = (counts + _PRIOR_PATIENTS * overall) / (counts.sum() + _PRIOR_PATIENTS)
        periods.append({"from_hour": hour, "shares": _rounded(shares)})
    return periods


def outcomes(history: History, of_sector: Flags) -> dict[int, Keys]:
    """Return by level what became of those who were seen, drawn a little to what became of all."""
    seen = of_sector & ~np.isnan(history.care_start) & ~np.isnan(history.ed_end)
    choice = _outcome_choice(history)
    overall = _choice_counts(choice[seen])
    overall = overall / max(overall.sum(), 1)
    found = {}
    for level in LEVELS:
        counts = _choice_counts(choice[seen & (history.level == level)])
        shares = (counts + _PRIOR_PATIENTS * overall) / (counts.sum() + _PRIOR_PATIENTS)
        found[level] = dict(zip(_OUTCOMES, _floored(shares[:-1]), strict=True))
    return found


def patience(history: History, of_sector: Flags) -> dict[int, list[float]]:
    """Return by level how long patients are ready to wait.

    Exponential, with the rate "left unseen ÷ time waited by everybody": the maximum-likelihood estimate from waits
    that care cuts short (as for callers: Brown et al. 2005, JASA 100(469):36–50). Levels with few who left are drawn
    to the rate of all.
    """
    waited = np.fmin(history.care_start, history.discharge) - history.arrival
    known = of_sector & ~np.isnan(waited)
    overall = _rate(history.has_left_unseen[known].sum(), waited[known].sum())
    found = {}
    for level in LEVELS:
        # Who left before triage has no level, and counts for each by its share.
        chosen = known & (history.level == level)
        untriaged = known & (history.level == 0)
        share = chosen.sum() / max((known & (history.level > 0)).sum(), 1)
        left = history.has_left_unseen[chosen].sum() + share * history.has_left_unseen[untriaged].sum()
        time_min = waited[chosen].sum() + share * waited[untriaged].sum()
        prior = 5.0 if overall else 0.0
        rate = _rate(left + prior, time_min + (prior / overall if overall else 0.0))
        found[level] = _exponential_quantiles(rate)
    return found


def inpatient(history: History, defaults: Parameters) -> Keys:
    """Return stay and next place by kind of sector; the defaults where too few stays have ended."""
    moves = history.moves
    found: Keys = {}
    for number, kind in enumerate(INPATIENT_KINDS):
        of_kind = moves.kind == number
        if of_kind.sum() < LEAST_OBSERVATIONS:
            found[kind] = defaults.inpatient[kind].model_dump()
            continue
        next_kind, outcome = moves.next_kind[of_kind], moves.outcome[of_kind]
        shares = [(next_kind == other).mean() for other in range(len(INPATIENT_KINDS))]
        ends = [((next_kind < 0) & (outcome == DISPOSITIONS.index(name))).mean() for name in ("transferred", "died")]
        names = (*INPATIENT_KINDS, "transferred", "died")
        found[kind] = {
            "stay_h": quantiles(moves.stay_h[of_kind]),
            "next": dict(zip(names, _floored(np.array([*shares, *ends])), strict=True)),
        }
    return found


def boarding(history: History, site: Site) -> Keys:
    """Return how long a move takes where a bed was free, and how long patients wait for a bed elsewhere.

    Where the site has wards, their scarcity is what the simulation adds.
    """
    if not {sector.kind for sector in site.sectors} & {"ward", "icu"}:
        return {"outside_min": quantiles(history.boarding)}
    waited = history.boarding[history.had_free_bed & ~np.isnan(history.boarding)]
    return {"handover_min": quantiles(waited)} if len(waited) >= LEAST_OBSERVATIONS else {}


_OUTCOMES = ("observation", "ward", "icu", "transferred", "died", "left_against_advice", "other")


def _outcome_choice(history: History) -> Ints:
    """Return the position in `_OUTCOMES` of what became of each; after the last = home."""
    kind_choice = {"other": "observation", "ward": "ward", "icu": "icu"}
    choice = np.full(len(history.level), len(_OUTCOMES))
    for number, name in enumerate(DISPOSITIONS):
        outcome = "ward" if name == "admitted" else name
        if outcome in _OUTCOMES:
            choice[history.outcome == number] = _OUTCOMES.index(outcome)
    for number, kind in enumerate(INPATIENT_KINDS):
        choice[history.next_kind == number] = _OUTCOMES.index(kind_choice[kind])
    return choice


def _season(ratio: Floats, history: History, counts: Flags) -> Keys:
    """Return the yearly wave of the daily ratios; none from less than a year, or if it is not clear."""
    day_of_year = np.array([day.timetuple().tm_yday for day in history.hours.days])
    flat = {"amplitude": 0.0, "peak_day": 1, "curve": np.ones(len(ratio))}
    if len(ratio) < _YEAR_DAYS - 2:
        return flat
    angle = 2 * math.pi * day_of_year / _YEAR_DAYS
    design = np.column_stack([np.ones(len(ratio)), np.cos(angle), np.sin(angle)])
    (mean, cosine, sine), *_ = np.linalg.lstsq(design[counts], ratio[counts], rcond=None)
    amplitude = math.hypot(cosine, sine) / mean
    noise = float(np.std(ratio[counts])) / mean * math.sqrt(2 / counts.sum())
    if amplitude < 2 * noise:
        return flat
    peak_day = round(math.atan2(sine, cosine) / (2 * math.pi) * _YEAR_DAYS) % 365 + 1
    curve = 1 + amplitude * np.cos(2 * math.pi * (day_of_year - peak_day) / _YEAR_DAYS)
    return {"amplitude": round(min(amplitude, 0.9), 4), "peak_day": peak_day, "curve": curve}


def _holiday_factor(days: Floats, expected: Floats, is_holiday: Flags) -> float:
    """Return arrivals on holidays ÷ expected, as if two holidays more had been ordinary days."""
    if not is_holiday.any():
        return 1.0
    ordinary = 2 * expected.mean()
    factor = (days[is_holiday].sum() + ordinary) / (expected[is_holiday].sum() + ordinary)
    return round(float(factor), 4)


def _dispersion(days: Floats, expected: Floats) -> Keys:
    """Return variance ÷ mean around the expected days, and the correlation from one day to the next."""
    residual = (days - expected) / np.sqrt(expected)
    dispersion = float((residual**2).sum() / max(len(days) - 8, 1))
    memory = float(np.corrcoef(residual[1:], residual[:-1])[0, 1])
    return {"dispersion": round(max(dispersion, 1.0), 4), "autocorrelation": round(min(max(memory, 0.0), 0.9), 4)}


def _profile(hours: Ints) -> list[float]:
    """Return relative arrivals by hour, each drawn to its neighbours: 1, 2, 1 quarters."""
    counts = np.bincount(hours, minlength=24) + 1e-3
    smooth = (np.roll(counts, 1) + 2 * counts + np.roll(counts, -1)) / 4
    return _rounded(smooth / smooth.mean())


def _level_counts(levels: Ints) -> Floats:
    return np.bincount(levels, minlength=len(LEVELS) + 1)[1:].astype(float)


def _choice_counts(choice: Ints) -> Floats:
    return np.bincount(choice, minlength=len(_OUTCOMES) + 1)[: len(_OUTCOMES) + 1].astype(float)


def _rate(events: float, time_min: float) -> float:
    return float(events / time_min) if events > 0 and time_min > 0 else 0.0


def _exponential_quantiles(rate: float) -> list[float]:
    if rate <= 0:
        return [_NEVER_MIN] * len(PROBABILITIES)
    # The last quantile would be infinite.
    waits = [-math.log1p(-min(probability, 0.9995)) / rate for probability in PROBABILITIES]
    return [round(min(wait, _NEVER_MIN), 3) for wait in waits]


def _rounded(values: Floats) -> list[float]:
    return [round(float(value), 4) for value in values]


def _floored(shares: Floats) -> list[float]:
    """Return shares rounded down, so that their sum stays below one."""
    return [math.floor(float(share) * 1e5) / 1e5 for share in shares]
