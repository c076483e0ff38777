"""Rows of silver.encounters, silver.stays and silver.events for the benchmark of data-quality rules.

The same seed and size give the same rows. Every rule is broken by a few of them, so that no answer is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

FIRST, NOW = datetime(2025, 1, 1), datetime(2026, 1, 1)  # noqa: DTZ001  # naive UTC, as the engine has it
TABLES = ("silver.encounters", "silver.stays", "silver.events")
_CHUNK, _ROW_GROUP = 1_000_000, 122_880
_MINUTE_US = 60_000_000
_YEAR_MIN = 365 * 24 * 60
_LEVELS = np.array([0.01, 0.12, 0.37, 0.40, 0.10])
_WAIT_MIN = np.array([2.0, 12.0, 45.0, 80.0, 110.0])  # median minutes to care, level 1 to 5
_SECTORS = ("PS", "SV", "PED", "OBS", "UTI", "CM1", "CM2", "CIR")
_OUTCOMES = ("home", "admitted", "transferred", "left_without_care", "died", "deceased")  # the last one is no code
_MILESTONES = ("arrival", "triage_start", "triage_end", "care_start", "admit", "discharge", "moved")  # as above
_EVENTS, _STAYS = 6, 2  # of an encounter
# Of rows: what is rarely missing, and what is seldom wrong.
_NOT_TRIAGED, _NOT_SEEN, _STILL_HERE, _WRONG = 0.06, 0.05, 0.01, 1e-5

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def write(folder: Path, rows: int, seed: int) -> None:
    """Write so many rows of each table below `folder`, a folder a table and a file a million rows."""
    makers: Mapping[str, Callable[[np.random.Generator, pa.Table], pa.Table]] = {
        "silver.stays": _stays,
        "silver.events": _events,
    }
    for table in TABLES:
        (folder / table).mkdir(parents=True)
    for number, start in enumerate(range(0, rows, _CHUNK)):
        rng = np.random.default_rng([seed, number])
        encounters = _encounters(rng, min(_CHUNK, rows - start))
        made = {"silver.encounters": encounters} | {table: make(rng, encounters) for table, make in makers.items()}
        for table, chunk in made.items():
            file = folder / table / f"{number:03}.parquet"
            pq.write_table(chunk, file, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP)


def _encounters(rng: np.random.Generator, size: int) -> pa.Table:
    level = rng.choice(5, size, p=_LEVELS)
    arrival = np.sort(rng.uniform(0, _YEAR_MIN, size))
    triage = rng.exponential(6.0, size)
    triage_end = triage + rng.uniform(1, 6, size)
    care = triage_end + _WAIT_MIN[level] * rng.lognormal(0, 0.7, size)
    admitted = rng.random(size) < 0.22
    stay = care + np.where(admitted, rng.lognormal(8.3, 0.7, size), rng.lognormal(5.0, 0.6, size))
    no_triage, no_care, still_here = (rng.random(size) < share for share in (_NOT_TRIAGED, _NOT_SEEN, _STILL_HERE))
    outcome = np.where(admitted, 1, np.where(no_care, 3, rng.choice(np.array([0, 2, 4]), size, p=[0.96, 0.03, 0.01])))

    triage_start_at = arrival + np.where(_wrong(rng, size), -5.0, triage)
    triage_end_at = np.where(_wrong(rng, size), triage_start_at - 1.0, arrival + triage_end)
    care_at = arrival + np.where(_wrong(rng, size), -9.0, care)
    discharge_at = arrival + np.where(_wrong(rng, size), -30.0, stay)
    arrival_at = np.where(_wrong(rng, size), arrival + 2 * _YEAR_MIN, arrival)
    return pa.table(
        {
            "encounter_id": _repeated(_ids(rng, size), _wrong(rng, size)),
            "patient_id": _ids(rng, size),
            "feed_id": _texts(("bench",), np.zeros(size, dtype=np.int64)),
            "facility_id": _texts(("bench",), np.zeros(size, dtype=np.int64)),
            "sector_id": _texts(_SECTORS, rng.integers(0, 3, size)),
            "triage_level": pa.array(np.where(_wrong(rng, size), 9, level + 1), mask=no_triage),
            "disposition": _texts(_OUTCOMES, np.where(_wrong(rng, size), 5, outcome), still_here),
            "arrival_time": _instants(arrival_at, _wrong(rng, size)),
            "triage_start": _instants(triage_start_at, no_triage),
            "triage_end": _instants(triage_end_at, no_triage),
            "care_start": _instants(care_at, no_care),
            "admit_time": _instants(care_at + 60.0, ~admitted | no_care),
            "discharge_time": _instants(discharge_at, still_here),
            "wait_triage_min": pa.array(triage_start_at - arrival, mask=no_triage),
            "wait_service_min": pa.array(care_at - triage_end_at, mask=no_care | no_triage),
            "total_wait_min": pa.array(care_at - arrival, mask=no_care),
            "los_min": pa.array(discharge_at - arrival, mask=still_here),
            "dt": _days(arrival),
        }
    )


def _stays(rng: np.random.Generator, encounters: pa.Table) -> pa.Table:
    size = len(encounters)
    rows = np.arange(size) // _STAYS
    of = encounters.select(["encounter_id", "facility_id", "dt", "arrival_time"]).take(rows)
    start = _minutes(of["arrival_time"]) + np.arange(size) % _STAYS * 90.0
    # A second stay that starts with the first one repeats the key.
    start = np.where(_wrong(rng, size) & (np.arange(size) % _STAYS == 1), np.roll(start, 1), start)
    end = start + np.where(_wrong(rng, size), -10.0, rng.lognormal(5.0, 0.6, size))
    return pa.table(
        {
            "encounter_id": _orphaned(rng, of["encounter_id"]),
            "facility_id": of["facility_id"],
            "sector_id": _texts(_SECTORS, rng.integers(0, len(_SECTORS), size)),
            "bed_id": _texts(tuple(map(str, range(1, 31))), rng.integers(0, 30, size), rng.random(size) < 0.3),
            "start_time": _instants(start),
            "end_time": _instants(end, rng.random(size) < _STILL_HERE),
            "dt": of["dt"],
        }
    )


def _events(rng: np.random.Generator, encounters: pa.Table) -> pa.Table:
    size = len(encounters)
    rows = np.arange(size) // _EVENTS
    of = encounters.select(["encounter_id", "sector_id", "dt", "arrival_time"]).take(rows)
    kind = np.where(_wrong(rng, size), len(_MILESTONES) - 1, np.arange(size) % _EVENTS)
    encounter_id = _orphaned(rng, of["encounter_id"])
    event_id = pc.binary_join_element_wise(encounter_id, _ids(rng, size), "|")
    return pa.table(
        {
            "event_id": _repeated(event_id, _wrong(rng, size)),
            "encounter_id": encounter_id,
            "event_type": _texts(_MILESTONES, kind),
            "event_time": _instants(_minutes(of["arrival_time"]) + kind * 25.0),
            "sector_id": of["sector_id"],
            "bed_id": pa.nulls(size, pa.string()),
            "dt": of["dt"],
        }
    )


def _wrong(rng: np.random.Generator, size: int) -> Flags:
    return rng.random(size) < _WRONG


def _ids(rng: np.random.Generator, size: int) -> pa.Array:
    """Return pseudonyms as silver has them: `k1.` and 32 hexadecimal digits."""
    drawn = np.frombuffer(rng.bytes(size * 16), dtype=np.uint8).reshape(size, 16)
    text = np.empty((size, 35), dtype=np.uint8)
    text[:, :3] = np.frombuffer(b"k1.", dtype=np.uint8)
    text[:, 3::2], text[:, 4::2] = _HEX[drawn >> 4], _HEX[drawn & 15]
    offsets = np.arange(size + 1, dtype=np.int32) * 35
    return pa.StringArray.from_buffers(size, pa.py_buffer(offsets), pa.py_buffer(text))


def _repeated(ids: pa.Array, is_repeated: Flags) -> pa.Array:
    """Return ids, where flagged that of the row before."""
    rows = np.arange(len(ids))
    return ids.take(pa.array(np.where(is_repeated & (rows > 0), rows - 1, rows)))


def _orphaned(rng: np.random.Generator, ids: pa.ChunkedArray) -> pa.Array:
    """Return encounter ids, a few of them of encounters that are not there."""
    return pc.if_else(pa.array(_wrong(rng, len(ids))), _ids(rng, len(ids)), ids).combine_chunks()


def _texts(values: tuple[str, ...], codes: NDArray[np.int64], missing: Flags | None = None) -> pa.Array:
    return pa.array(values).take(pa.array(codes, mask=missing))


def _instants(minutes: Floats, missing: Flags | None = None) -> pa.Array:
    """Return instants from minutes since the first day, to the second."""
    start_us = int(FIRST.replace(tzinfo=UTC).timestamp()) * 1_000_000
    us = start_us + np.nan_to_num(np.round(minutes * 60)).astype(np.int64) * 1_000_000
    nothing = np.isnan(minutes)
    mask = nothing if missing is None else nothing | missing
    return pa.array(us, mask=mask).cast(pa.timestamp("us", tz="UTC"))


def _minutes(instants: pa.ChunkedArray) -> Floats:
    start_us = int(FIRST.replace(tzinfo=UTC).timestamp()) * 1_000_000
    us = instants.cast(pa.int64()).cast(pa.float64()).to_numpy()
    return (us - start_us) / _MINUTE_US


def _days(minutes: Floats) -> pa.Array:
    first = (FIRST - datetime(1970, 1, 1)).days  # noqa: DTZ001  # naive UTC
    return pa.array((minutes // (24 * 60)).astype(np.int32) + first).cast(pa.date32())
