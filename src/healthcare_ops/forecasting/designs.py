"""Columns of the arrivals model: the civil calendar, and the levels seen before an origin."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.forecasting.calendar import CivilHours
from healthcare_ops.forecasting.glm import Design

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# On folds of two hospitals' years (3 weeks to 3 years to learn from) three harmonics a day type forecast
# better than four to six, and than a column for each hour of each day type.
_HARMONICS = (1, 2, 3)
_SEASON_HARMONICS = (1, 2)
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


def profile_design(calendar: CivilHours, *, has_season: bool) -> Design:
    """Return hour, day type, day type × hour, days beside holidays and, if asked for, the season."""
    cell = (calendar.near_holiday * len(_DAY_TYPES) + calendar.day_type) * 24 + calendar.hour
    return Design(_calendar_cells(), cell, _season(calendar.day_number if has_season else None, len(cell)))


def profile_ridge(shape_ridge: float, *, has_season: bool) -> Floats:
    """Return the penalty of each profile column; `shape_ridge` is that of day type × hour."""
    groups = [
        (1, 0.0),
        (24, _HOUR_RIDGE),
        (len(_DAY_TYPES), _DAY_RIDGE),
        (2 * len(_HARMONICS) * len(_DAY_TYPES), shape_ridge),
        (2, _DAY_RIDGE),
        (2 * len(_SEASON_HARMONICS) * has_season, _SEASON_RIDGE),
    ]
    return np.repeat([ridge for _, ridge in groups], [columns for columns, _ in groups])


def profile_names(*, has_season: bool) -> tuple[str, ...]:
    """Return the names of the profile columns, in order."""
    shapes = [f"{wave}{k}" for k in _HARMONICS for wave in ("sin", "cos")]
    seasons = [f"season_{wave}{k}" for k in _SEASON_HARMONICS for wave in ("sin", "cos")]
    return (
        "intercept",
        *(f"hour_{hour:02d}" for hour in range(24)),
        *(f"day_{day}" for day in _DAY_TYPES),
        *(f"day_{day}_hour_{shape}" for shape in shapes for day in _DAY_TYPES),
        *_NEAR_HOLIDAY[1:],
        *(seasons if has_season else ()),
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


def level_design(ratios: Floats, leads: Ints) -> Design:
    """Return intercept, the level ratios, and the ratios fading with the lead; one row per lead."""
    rows = np.concatenate([ratios, ratios * np.exp(-leads / _FADE_H)])
    return Design(np.ones((1, 1)), np.zeros(len(leads), dtype=np.int64), rows)


def level_names() -> tuple[str, ...]:
    """Return the names of the level columns, in order."""
    windows = [f"level_{window}h" for window in _WINDOWS_H]
    return ("level_intercept", *windows, *(f"{name}_fading" for name in windows))


@cache
def _calendar_cells() -> Floats:
    """Return one line per kind of day beside holidays, day type and hour of day."""
    cell = np.arange(len(_NEAR_HOLIDAY) * len(_DAY_TYPES) * 24)
    hour, day = np.eye(24)[cell % 24], np.eye(len(_DAY_TYPES))[cell // 24 % len(_DAY_TYPES)]
    near = np.eye(len(_NEAR_HOLIDAY))[cell // (24 * len(_DAY_TYPES))]
    shapes = [day * wave[:, None] for wave in _waves(2.0 * np.pi * cell / 24, _HARMONICS)]
    cells = np.concatenate([np.ones((len(cell), 1)), hour, day, *shapes, near[:, 1:]], axis=1)
    cells.flags.writeable = False  # every model shares them
    return cells


def _season(day_number: Ints | None, length: int) -> Floats:
    if day_number is None:
        return np.empty((0, length))
    return np.stack(_waves(2.0 * np.pi * day_number / 365.2425, _SEASON_HARMONICS))


def _waves(angle: NDArray[np.floating], harmonics: tuple[int, ...]) -> list[Floats]:
    return [wave(k * angle) for k in harmonics for wave in (np.sin, np.cos)]
