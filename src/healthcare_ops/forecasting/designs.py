"""Columns of the linear model: the civil calendar, and what is known at an origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.calendar import CivilHours, waves
from healthcare_ops.forecasting.glm import Design

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# On folds of two hospitals' years (3 weeks to 3 years to learn from) three harmonics a day type forecast
# better than four to six, and than a column for each hour of each day type.
_HARMONICS = (1, 2, 3)
_SEASON_HARMONICS = (1, 2)
# What a season or a special day does to the shape of the day is smoother than what a weekday does.
_SMOOTH_HARMONICS = (1, 2)
_DAY_TYPES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")
_NEAR_HOLIDAY = ("", "day_before_holiday", "day_after_holiday")
_WINDOWS_H = (12, 168, 672, 2016, 8736)
_FADE_H = 12.0
# Arrivals added to both sides of a level ratio: an empty night is no evidence of a closed hospital.
_PRIOR_ARRIVALS = 10.0

# Penalties of the columns whose group is not worth a search: 1 ÷ variance of the effect on the log scale.
_HOUR_RIDGE = 1.0
_DAY_RIDGE = 10.0
_SEASON_RIDGE = 30.0
_SEASON_SHAPE_RIDGE = 100.0
_SPECIAL_RIDGE = 30.0
_REGRESSOR_RIDGE = 30.0


def profile_design(hours: CivilHours, special: Sequence[Mapping[int, float]], *, has_season: bool) -> Design:
    """Return hour, day type, day type × hour, days beside holidays, the season if asked for, and special days.

    `special` gives, for each special day that has an effect of its own, its value by day number.
    """
    cell = (hours.near_holiday * len(_DAY_TYPES) + hours.day_type) * 24 + hours.hour
    clock = waves(2.0 * np.pi * hours.hour / 24, _SMOOTH_HARMONICS)
    season = waves(2.0 * np.pi * hours.day_number / 365.2425, _SEASON_HARMONICS) if has_season else []
    rows = [*season, *(a * b for a in season for b in clock)]
    for days in special:
        before, on, after = (_values_on(days, hours.day_number + shift) for shift in (1, 0, -1))
        rows += [on, before, after, *(on * wave for wave in clock)]
    return Design(_calendar_cells(), cell, np.array(rows).reshape(-1, len(cell)))


def profile_ridge(shape_ridge: float, special: int, *, has_season: bool) -> Floats:
    """Return the penalty of each profile column; `shape_ridge` is that of day type × hour."""
    seasons = 2 * len(_SEASON_HARMONICS) * has_season
    groups = [
        (1, 0.0),
        (24, _HOUR_RIDGE),
        (len(_DAY_TYPES), _DAY_RIDGE),
        (2 * len(_HARMONICS) * len(_DAY_TYPES), shape_ridge),
        (2, _DAY_RIDGE),
        (seasons, _SEASON_RIDGE),
        (seasons * 2 * len(_SMOOTH_HARMONICS), _SEASON_SHAPE_RIDGE),
        (special * (3 + 2 * len(_SMOOTH_HARMONICS)), _SPECIAL_RIDGE),
    ]
    return np.repeat([ridge for _, ridge in groups], [columns for columns, _ in groups])


def profile_names(special: Sequence[str], *, has_season: bool) -> tuple[str, ...]:
    """Return the names of the profile columns, in order."""
    shapes, clock = _wave_names(_HARMONICS), _wave_names(_SMOOTH_HARMONICS)
    seasons = [f"season_{shape}" for shape in _wave_names(_SEASON_HARMONICS)] if has_season else []
    return (
        "intercept",
        *(f"hour_{hour:02d}" for hour in range(24)),
        *(f"day_{day}" for day in _DAY_TYPES),
        *(f"day_{day}_hour_{shape}" for shape in shapes for day in _DAY_TYPES),
        *_NEAR_HOLIDAY[1:],
        *seasons,
        *(f"{season}_hour_{shape}" for season in seasons for shape in clock),
        *(
            f"{name}{part}"
            for name in special
            for part in ("", "_day_before", "_day_after", *(f"_hour_{shape}" for shape in clock))
        ),
    )


def level_ratios(values: Floats, profile: Floats, origins: Ints) -> Floats:
    """Return log(seen ÷ expected) over each window before each origin, shape (windows, origins).

    Only hours strictly before the origin count. A window that reaches back before the first hour is 0, "as
    expected", so that short histories need no model of their own.
    """
    seen = np.concatenate([[0.0], np.cumsum(values)])
    expected = np.concatenate([[0.0], np.cumsum(profile[: len(values)])])
    ratios = np.zeros((len(_WINDOWS_H), len(origins)))
    for line, window in zip(ratios, _WINDOWS_H, strict=True):
        full = origins >= window
        end, start = origins[full], origins[full] - window
        line[full] = np.log(
            (seen[end] - seen[start] + _PRIOR_ARRIVALS) / (expected[end] - expected[start] + _PRIOR_ARRIVALS)
        )
    return ratios


def origin_design(ratios: Floats, leads: Ints, unusual: Sequence[Floats], hour: Ints) -> Design:
    """Return intercept, the level ratios, the ratios fading with the lead, and regressors; a row per lead.

    `unusual` are regressors in spreads from what is usual; each also acts by its square and by the target's
    civil `hour`.
    """
    clock = waves(2.0 * np.pi * hour / 24, (1,))
    outside = [column for values in unusual for column in (values, values**2, *(values * wave for wave in clock))]
    rows = np.concatenate([ratios, ratios * np.exp(-leads / _FADE_H), np.array(outside).reshape(-1, len(leads))])
    return Design(np.ones((1, 1)), np.zeros(len(leads), dtype=np.int64), rows)


def origin_ridge(level_ridge: float, regressors: int) -> Floats:
    """Return the penalty of each origin column; `level_ridge` is that of the level ratios."""
    levels, outside = 1 + 2 * len(_WINDOWS_H), 4 * regressors
    return np.repeat([level_ridge, _REGRESSOR_RIDGE], [levels, outside])


def origin_names(regressors: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the origin columns, in order."""
    windows = [f"level_{window}h" for window in _WINDOWS_H]
    outside = [f"{name}{part}" for name in regressors for part in ("", "_squared", "_hour_sin1", "_hour_cos1")]
    return ("level_intercept", *windows, *(f"{name}_fading" for name in windows), *outside)


@cache
def _calendar_cells() -> Floats:
    """Return one line per kind of day beside holidays, day type and hour of day."""
    cell = np.arange(len(_NEAR_HOLIDAY) * len(_DAY_TYPES) * 24)
    hour, day = np.eye(24)[cell % 24], np.eye(len(_DAY_TYPES))[cell // 24 % len(_DAY_TYPES)]
    near = np.eye(len(_NEAR_HOLIDAY))[cell // (24 * len(_DAY_TYPES))]
    shapes = [day * wave[:, None] for wave in waves(2.0 * np.pi * cell / 24, _HARMONICS)]
    cells = np.concatenate([np.ones((len(cell), 1)), hour, day, *shapes, near[:, 1:]], axis=1)
    cells.flags.writeable = False  # every model shares them
    return cells


def _values_on(days: Mapping[int, float], day_number: Ints) -> Floats:
    if not days:
        return np.zeros(len(day_number))
    known = np.array(sorted(days))
    value = np.array([days[day] for day in known.tolist()])
    at = np.minimum(np.searchsorted(known, day_number), len(known) - 1)
    return np.where(known[at] == day_number, value[at], 0.0)


def _wave_names(harmonics: tuple[int, ...]) -> list[str]:
    return [f"{wave}{k}" for k in harmonics for wave in ("sin", "cos")]
