"""Forecasts of others (weather) that a hospital keeps beside its data, in `regressors/`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from healthcare_ops.core.errors import DataError
from healthcare_ops.forecasting.regressors import Regressor, instant
from healthcare_ops.jobs.sheets import Clock, Sheet
from healthcare_ops.ports import ObjectStore

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FOLDER = "regressors/"
ADDED = f"{FOLDER}added.parquet"
_KINDS = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True)
class _Part:
    """What one sheet says of one regressor: `rows` are its places in the sheet."""

    sheet: Sheet
    rows: Ints
    issue_min: Ints
    target_min: Ints
    value: Floats


def regressors_of(sheet: Sheet, clock: Clock, zone: str) -> tuple[Regressor, ...]:
    """Return the regressors of rows with `name`, `issue_time`, `target_time` and `value`, in the clock of the series.

    Raises
    ------
    DataError
        If a column or a name is missing, or a time or value is unreadable.
    """
    return tuple(
        Regressor.sorted(name, part.issue_min, part.target_min, part.value) for name, part in _parts(sheet, clock, zone)
    )


def stored_sheets(objects: ObjectStore) -> list[Sheet]:
    """Return the files of forecasts of others; `DataError` if one is no CSV or Parquet."""
    keys = objects.list(FOLDER)
    for key in keys:
        if not key.endswith(_KINDS):
            raise DataError(f"{key} is none of {', '.join(_KINDS)}.", next_step=f"Take it out of {FOLDER}.")
    return [Sheet.parse(key, objects.read(key)) for key in keys]


def merged(sheets: Sequence[Sheet]) -> tuple[Regressor, ...]:
    """Return the regressors of all sheets together, by name; times without an offset are UTC.

    Raises
    ------
    DataError
        As `regressors_of`; if a target is no full hour, nothing of a regressor was issued before its hour began, or
        two rows of the same name, issue and target differ.
    """
    found: dict[str, list[_Part]] = {}
    for sheet in sheets:
        for name, part in _parts(sheet, "utc", "UTC"):
            _require_usable(name, part)
            found.setdefault(name, []).append(part)
    return tuple(_together(name, parts) for name, parts in sorted(found.items()))


def packed(regressors: Iterable[Regressor]) -> bytes:
    """Return regressors as a Parquet file that `merged` reads."""
    parts = [
        pa.table(
            {
                "name": pa.array([one.name] * len(one.value), pa.string()),
                "issue_time": _instants(one.issue_min),
                "target_time": _instants(one.target_min),
                "value": one.value,
            }
        )
        for one in regressors
    ]
    out = io.BytesIO()
    parquet.write_table(pa.concat_tables(parts), out)
    return out.getvalue()


def _instants(minutes: Ints) -> pa.Array:
    return pa.array(60_000_000 * minutes, pa.int64()).cast(pa.timestamp("us", "UTC"))


def _parts(sheet: Sheet, clock: Clock, zone: str) -> Iterator[tuple[str, _Part]]:
    names = sheet.texts(sheet.column(("name",), "names"))
    issue, target = (
        sheet.minutes(sheet.column((column,), "times"), clock, zone) for column in ("issue_time", "target_time")
    )
    value = sheet.numbers(sheet.column(("value",), "values"))
    for name in sorted(pc.unique(names).to_pylist()):
        rows = np.flatnonzero(pc.equal(names, name).to_numpy())
        yield name, _Part(sheet, rows, issue[rows], target[rows], value[rows])


def _require_usable(name: str, part: _Part) -> None:
    """Refuse what no forecast could ever use."""
    odd = np.flatnonzero(part.target_min % 60)
    if len(odd):
        what = f"target_time {_told(part.target_min[odd[0]])} of {name!r} is not a full hour (UTC)"
        raise part.sheet.fault(int(part.rows[odd[0]]), what, "Give the value of the hour that starts then.")
    if not (part.issue_min <= part.target_min).any():
        what = (
            f"{name!r} of {_told(part.target_min[0])} was issued at {_told(part.issue_min[0])}, after that hour began, "
            "and so was every other value of it"
        )
        step = "Give forecasts, each with the time at which it was issued, not what was measured afterwards."
        raise part.sheet.fault(int(part.rows[0]), what, step)


def _together(name: str, parts: Sequence[_Part]) -> Regressor:
    """Return one regressor of all parts, each row once."""
    issue, target, value = (
        np.concatenate([getattr(part, column) for part in parts]) for column in ("issue_min", "target_min", "value")
    )
    order = np.lexsort((issue, target))
    issue, target, value = issue[order], target[order], value[order]
    is_again = np.concatenate([[False], (np.diff(target) == 0) & (np.diff(issue) == 0)])
    differs = is_again & ~np.isclose(value, np.roll(value, 1), rtol=0.0, atol=0.0, equal_nan=True)
    if differs.any():
        at = int(np.flatnonzero(differs)[0])
        (first, its_row), (second, row) = (_origin_of(parts, int(order[place])) for place in (at - 1, at))
        what = (
            f"{name!r} of {_told(target[at])}, issued at {_told(issue[at])}, is {value[at]:g}, and {value[at - 1]:g} "
            f"in {first.place(its_row)}"
        )
        raise second.fault(row, what, "Give what was issued later its own issue_time; of one issue, keep one value.")
    return Regressor(name, issue[~is_again], target[~is_again], value[~is_again])


def _origin_of(parts: Sequence[_Part], place: int) -> tuple[Sheet, int]:
    """Return the sheet and row of a place in all parts, one after the other."""
    for part in parts:
        if place < len(part.rows):
            return part.sheet, int(part.rows[place])
        place -= len(part.rows)
    raise IndexError(place)


def _told(minute: int) -> str:
    return f"{instant(minute):%Y-%m-%dT%H:%MZ}"
