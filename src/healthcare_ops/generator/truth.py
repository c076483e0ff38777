"""What every sector really looked like, minute by minute, counted from the journeys alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from healthcare_ops.core.civil_time import day_start
from healthcare_ops.core.site import Site
from healthcare_ops.generator.journeys import Journeys

# One row per minute and sector, in order of time, then of the sectors in the site file.
MINUTES = pa.schema(
    [
        ("facility_id", pa.string()),
        ("sector_id", pa.string()),
        ("minute_start", pa.timestamp("us")),  # naive UTC
        ("arrivals", pa.int32()),  # encounters of the sector that arrived in the minute
        ("queue", pa.int32()),  # at minute_start: arrived, care not started, still here
        ("occupancy", pa.int32()),  # at minute_start: patients placed in the sector
        ("boarding", pa.int32()),  # at minute_start: admitted and still in this emergency sector
        ("from_before", pa.int32()),  # at minute_start: placed here too, but came before the first day; nowhere else
    ]
)
_NAME = pa.dictionary(pa.int32(), pa.string())
# The same with each name once, as blocks of it are made and written.
_WRITTEN = pa.schema([field.with_type(_NAME) if field.type == pa.string() else field for field in MINUTES])
_MINUTE_S = 60
_BLOCK_MIN = 31 * 1440
_NEVER_S = np.iinfo(np.int64).max // 2

Ints = NDArray[np.int64]


def minute_truth(journeys: Journeys, site: Site, first: date, last: date) -> pa.Table:
    """Return what every sector was like in each minute, by the schema `MINUTES`.

    A patient is present at an instant t if start ≤ t < end; an end that has not come is later than every minute.
    The minutes are those of the local days `first` to `last`, both included.
    """
    return pa.concat_tables(_blocks(journeys, site, first, last)).cast(MINUTES)


def write_minute_truth(path: Path, journeys: Journeys, site: Site, first: date, last: date) -> None:
    """Write `minute_truth` as a Parquet file, some days at a time, so that memory stays small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without Arrow's own schema, names are read back as texts; minutes that rise evenly take next to no room as deltas.
    with pq.ParquetWriter(
        path,
        _WRITTEN,
        compression="zstd",
        store_schema=False,
        use_dictionary=[name for name in MINUTES.names if name != "minute_start"],
        column_encoding={"minute_start": "DELTA_BINARY_PACKED"},
    ) as writer:
        for table in _blocks(journeys, site, first, last):
            writer.write_table(table)


@dataclass(frozen=True)
class _Steps:
    """Changes of a count, in order of minute: which minute (from 0), which sector of the site, how many more."""

    minute: NDArray[np.int32]
    sector: NDArray[np.int16]
    more: NDArray[np.int8]

    def between(self, start: int, end: int, sectors: int) -> Ints:
        """Return the sum of the changes: one row per minute from `start` to before `end`, one column per sector."""
        rows = slice(*np.searchsorted(self.minute, [start, end]))
        cell = (self.minute[rows] - start) * sectors + self.sector[rows]
        sums: Ints = np.bincount(cell, self.more[rows], (end - start) * sectors).astype(np.int64)
        return sums.reshape(end - start, sectors)


def _blocks(journeys: Journeys, site: Site, first: date, last: date) -> Iterator[pa.Table]:
    start_s, end_s = (round(day_start(day, site.tz).timestamp()) for day in (first, last + timedelta(days=1)))
    minutes, sectors = (end_s - start_s) // _MINUTE_S, len(site.sectors)
    arrivals = _arrivals(journeys, site, start_s)
    present = {
        "queue": _queue(journeys, site, start_s),
        "occupancy": _occupancy(journeys.stays, site, start_s),
        "boarding": _boarding(journeys, site, start_s),
        "from_before": _occupancy(journeys.earlier, site, start_s),
    }
    so_far = {name: np.zeros(sectors, np.int64) for name in present}
    for start in range(0, minutes, _BLOCK_MIN):
        end = min(start + _BLOCK_MIN, minutes)
        counts = {"arrivals": arrivals.between(start, end, sectors)}
        for name, steps in present.items():
            counts[name] = so_far[name] + steps.between(start, end, sectors).cumsum(axis=0)
            so_far[name] = counts[name][-1]
        yield _table(site, start_s + start * _MINUTE_S, counts)


def _table(site: Site, start_s: int, counts: Mapping[str, Ints]) -> pa.Table:
    minutes, sectors = counts["arrivals"].shape
    minute_start_s = start_s + np.repeat(np.arange(minutes), sectors) * _MINUTE_S
    columns = {
        "facility_id": _named(np.zeros(minutes * sectors, np.int32), [site.facility_id]),
        "sector_id": _named(np.tile(np.arange(sectors, dtype=np.int32), minutes), site.sector_ids),
        "minute_start": pa.array(minute_start_s * 1_000_000).cast(pa.timestamp("us")),
        **{name: values.ravel().astype(np.int32) for name, values in counts.items()},
    }
    return pa.table(columns, schema=_WRITTEN)


def _named(numbers: NDArray[np.int32], names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(numbers), pa.array(names, pa.string()))


def _arrivals(journeys: Journeys, site: Site, start_s: int) -> _Steps:
    arrival = _seconds(journeys.encounters, "arrival_time")
    minute = (arrival - start_s) // _MINUTE_S
    return _in_order(minute, _sector_numbers(journeys.encounters, site), np.ones(len(minute), np.int8))


def _queue(journeys: Journeys, site: Site, start_s: int) -> _Steps:
    """Arrived, care not started, still here."""
    encounters = journeys.encounters
    ends = np.minimum(_seconds(encounters, "care_start"), _seconds(encounters, "discharge_time"))
    return _comings_and_goings(_sector_numbers(encounters, site), _seconds(encounters, "arrival_time"), ends, start_s)


def _occupancy(stays: pa.Table, site: Site, start_s: int) -> _Steps:
    """Placed in the sector, in a bed or not."""
    since, until = _seconds(stays, "start_time"), _seconds(stays, "end_time")
    return _comings_and_goings(_sector_numbers(stays, site), since, until, start_s)


def _boarding(journeys: Journeys, site: Site, start_s: int) -> _Steps:
    """Admitted and still in an emergency sector."""
    emergency = pa.array([sector.sector_id for sector in site.sectors if sector.kind == "ed"], pa.string())
    encounters = journeys.encounters.filter(pc.is_valid(journeys.encounters["admit_time"]))
    stays = journeys.stays.filter(pc.is_in(journeys.stays["sector_id"], emergency))
    of_stay = pc.index_in(stays["encounter_no"], encounters["encounter_no"].combine_chunks())
    stays = stays.filter(pc.is_valid(of_stay))
    admitted = _seconds(encounters, "admit_time")[pc.drop_null(of_stay).to_numpy()]
    since, until = np.maximum(admitted, _seconds(stays, "start_time")), _seconds(stays, "end_time")
    boards = since < until
    return _comings_and_goings(_sector_numbers(stays, site)[boards], since[boards], until[boards], start_s)


def _comings_and_goings(sector: NDArray[np.int16], since_s: Ints, until_s: Ints, start_s: int) -> _Steps:
    """Return the steps of how many are present at minute starts; who was there before counts from minute 0."""
    # The first minute that starts at or after an instant is the first at which it shows.
    shows = [np.maximum(-((start_s - instant) // _MINUTE_S), 0) for instant in (since_s, until_s)]
    more = np.repeat(np.array([1, -1], np.int8), len(sector))
    return _in_order(np.concatenate(shows), np.concatenate([sector, sector]), more)


def _in_order(minute: Ints, sector: NDArray[np.int16], more: NDArray[np.int8]) -> _Steps:
    small = np.clip(minute, -1, np.iinfo(np.int32).max).astype(np.int32)
    order = np.argsort(small, kind="stable")
    return _Steps(small[order], sector[order], more[order])


def _sector_numbers(table: pa.Table, site: Site) -> NDArray[np.int16]:
    numbers: NDArray[np.int16] = pc.index_in(table["sector_id"], pa.array(site.sector_ids)).to_numpy().astype(np.int16)
    return numbers


def _seconds(table: pa.Table, name: str) -> Ints:
    """Return instants as seconds since 1970 UTC; those that have not come are late."""
    seconds: Ints = table[name].cast(pa.int64()).fill_null(_NEVER_S).to_numpy()
    return seconds
