"""Files of hourly series, and of what is known beside them, as people have them: CSV (also .gz) or Parquet."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError, NotFoundError
from healthcare_ops.forecasting.calendar import Event
from healthcare_ops.forecasting.regressors import Regressor
from healthcare_ops.forecasting.series import HourlySeries
from healthcare_ops.jobs.regressors import regressors_of
from healthcare_ops.jobs.sheets import Clock, Sheet

Ints = NDArray[np.int64]

_TIMES = ("time", "hour_start", "timestamp", "ts", "ts_local", "ts_utc", "datetime", "date_time", "hour")
_VALUES = ("value", "arrivals", "arrivals_count", "count", "y", "n")
_NAMES = ("series", "sector_id", "name", "id")


def read_series(path: Path, clock: Clock, zone: str) -> list[HourlySeries]:
    """Return the series of a file with a column of times, one of counts and, if there are many, one of names.

    With `clock` "utc", times carry an offset or are UTC; with "wall" they are naive hours of a clock on the wall, 24
    every day, and are kept as if they were UTC.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If a column is missing, a time is unreadable or not a full hour, or an hour is missing or stands twice.
    """
    sheet = _read(path)
    times = sheet.minutes(sheet.column(_TIMES, "times"), clock, zone)
    values = sheet.numbers(sheet.column(_VALUES, "counts"))
    named = [name for name in _NAMES if name in sheet.rows.column_names]
    own = [path.name.split(".")[0]] * len(times)
    names = np.array(sheet.rows[named[0]].cast(pa.string()).to_pylist() if named else own)
    return [_series(str(name), times[names == name], values[names == name], path) for name in np.unique(names)]


def read_events(path: Path) -> tuple[Event, ...]:
    """Return the events of a file with `date`, `name` and, where days differ, `value`.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If a column is missing or a day is unreadable.
    """
    sheet = _read(path)
    days = sheet.rows[sheet.column(("date",), "days")].to_pylist()
    names = sheet.rows[sheet.column(("name",), "names")].cast(pa.string()).to_pylist()
    values = sheet.numbers("value") if "value" in sheet.rows.column_names else np.ones(len(days))
    found: dict[str, dict[date, float]] = {}
    for day, name, value in zip(days, names, values.tolist(), strict=True):
        if isinstance(day, datetime):
            day = day.date()  # noqa: PLW2901  # a column of midnights
        if not isinstance(day, date) or name is None:
            raise DataError(f"{path}: {day!r} is not a day with a name.", next_step="Write days as 2018-07-24.")
        found.setdefault(name, {})[day] = value
    return tuple(Event(name, found[name]) for name in sorted(found))


def read_regressors(path: Path, clock: Clock, zone: str) -> tuple[Regressor, ...]:
    """Return the regressors of a file with `name`, `issue_time`, `target_time` and `value`, in the clock of the series.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If a column is missing, or a time or value is unreadable.
    """
    return regressors_of(_read(path), clock, zone)


def _read(path: Path) -> Sheet:
    if not path.is_file():
        raise NotFoundError(f"file {path} does not exist.", next_step="Correct its name.")
    return Sheet.parse(str(path), path.read_bytes())


def _series(name: str, minutes: Ints, values: NDArray[np.float64], path: Path) -> HourlySeries:
    order = np.argsort(minutes, kind="stable")
    minutes, values = minutes[order], values[order]
    wrong = np.flatnonzero(np.diff(minutes) != 60)
    if len(wrong):
        before, after = (_instant(int(minutes[wrong[0] + step])) for step in (0, 1))
        raise DataError(
            f"{path}: in series {name!r} {after:%Y-%m-%d %H:%M} follows {before:%Y-%m-%d %H:%M}; a series has every "
            "hour once.",
            next_step="Write hours without arrivals as 0; for a wall clock with 24 hours a day use --clock wall.",
        )
    return HourlySeries(name, _instant(int(minutes[0])), values)


def _instant(minutes: int) -> datetime:
    return datetime.fromtimestamp(minutes * 60, UTC)
