"""Files of hourly series, and of what is known beside them, as people have them: CSV (also .gz) or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv, parquet

from healthcare_ops.core.errors import DataError, NotFoundError
from healthcare_ops.forecasting.calendar import Event
from healthcare_ops.forecasting.regressors import Regressor
from healthcare_ops.forecasting.series import HourlySeries

Clock = Literal["utc", "wall"]
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
    rows = _read(path)
    times = _minutes(rows, _column(rows, _TIMES, "times", path), clock, zone, path)
    values = _numbers(rows, _column(rows, _VALUES, "counts", path), path)
    named = [name for name in _NAMES if name in rows.column_names]
    names = np.array(rows[named[0]].cast(pa.string()).to_pylist() if named else [path.name.split(".")[0]] * len(times))
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
    rows = _read(path)
    days = rows[_column(rows, ("date",), "days", path)].to_pylist()
    names = rows[_column(rows, ("name",), "names", path)].cast(pa.string()).to_pylist()
    values = _numbers(rows, "value", path) if "value" in rows.column_names else np.ones(len(days))
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
    rows = _read(path)
    names = np.array(rows[_column(rows, ("name",), "names", path)].cast(pa.string()).to_pylist())
    issue, target = (
        _minutes(rows, _column(rows, (column,), "times", path), clock, zone, path)
        for column in ("issue_time", "target_time")
    )
    value = _numbers(rows, _column(rows, ("value",), "values", path), path)
    return tuple(
        Regressor.sorted(str(name), issue[mine], target[mine], value[mine])
        for name in np.unique(names)
        for mine in (names == name,)
    )


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise NotFoundError(f"file {path} does not exist.", next_step="Correct its name.")
    try:
        return parquet.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path} cannot be read: {error}.", next_step="Give a CSV (also .gz) or Parquet file."
        ) from error


def _column(rows: pa.Table, wanted: Sequence[str], what: str, path: Path) -> str:
    found = next((name for name in wanted if name in rows.column_names), None)
    if found is None:
        raise DataError(
            f"{path} has no column of {what}; it has {', '.join(rows.column_names)}.",
            next_step=f"Name it {' or '.join(repr(name) for name in wanted[:2])}.",
        )
    return found


def _minutes(rows: pa.Table, column: str, clock: Clock, zone: str, path: Path) -> Ints:
    """Return minutes since 1970 of the series' clock."""
    times: Any = rows[column]
    if not pa.types.is_timestamp(times.type):
        raise DataError(
            f"{path}: column {column!r} holds {times.type}, such as {_first(times)!r}, which is not a time.",
            next_step="Write times in ISO 8601: 2018-07-24T13:00:00, with an offset or Z where they have one.",
        )
    if times.null_count:
        raise DataError(f"{path}: {times.null_count} rows have no {column!r}.", next_step="Complete or remove them.")
    if clock == "wall" and times.type.tz is not None:
        times = pc.local_timestamp(times.cast(pa.timestamp("us", zone)))
    return np.asarray(times.cast(pa.timestamp("s")).cast(pa.int64()).to_numpy() // 60)


def _numbers(rows: pa.Table, column: str, path: Path) -> NDArray[np.float64]:
    try:
        return np.asarray(rows[column].cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: column {column!r}: {error}.", next_step="Write numbers with a point.") from error


def _first(values: Any) -> Any:
    return values[0].as_py() if len(values) else None


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
