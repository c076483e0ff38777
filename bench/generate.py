"""A year of patient-flow events as monthly CSV deliveries, with the feed and site file that read them.

The same seed and size give the same bytes. Everything that can become of a record occurs: repeats, corrections,
late records, codes that nobody mapped and times that nobody can read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

FIRST_DAY = np.datetime64("2025-01-01", "s")
_DAY_S = 86_400
# Fewer than the generator makes, so that there are always enough rows to cut from.
_ROWS_PER_ENCOUNTER = 5.6

EMERGENCY = ("PS", "SV", "PED")
WARDS = ("OBS", "UTI", "CM1", "CM2", "CIR")
# Share of the day's arrivals in each civil hour: quiet nights, a late-morning peak, a long evening.
_HOURS = np.array([22, 17, 14, 12, 11, 13, 20, 36, 54, 66, 70, 67, 60, 58, 57, 56, 55, 56, 58, 57, 52, 45, 36, 28.0])
_WEEKDAYS = np.array([1.12, 1.02, 1.0, 0.98, 0.98, 0.93, 0.97])  # Monday first
_LEVELS = np.array([0.01, 0.12, 0.37, 0.40, 0.10])
_WAIT_MIN = np.array([2.0, 12.0, 45.0, 80.0, 110.0])  # median minutes to care, level 1 to 5

_LEFT, _ADMITTED, _SECOND_TRANSFER, _LAB = 0.04, 0.22, 0.25, 0.15
_REPEATED, _CORRECTED, _LATE = 0.005, 0.005, 0.005
_UNKNOWN_CODE, _UNKNOWN_PLACE, _UNREADABLE = 0.0005, 0.0005, 0.0005

_FEED = """\
feed_id = "bench_events"
description = "Generated patient-flow events"
format = "csv"
shape = "events"
zone = "America/Sao_Paulo"

[times]
formats = ["ISO"]

[plausible]
first = 2024-12-01
last = 2026-06-30

[owner]
name = "Benchmark"
email = "bench@hospital.example"

[cadence]
every_min = 43200
late_after_min = 86400

[columns]
encounter_id = "visit"
patient_id = "patient"
source_event_id = "event_id"
version_time = "sent_at"
event_type = "code"
event_time = "at"
sector = "place"
bed = "bed"
triage_level = "triage"
disposition = "outcome"

[values.event_type]
A01 = "arrival"
TR1 = "triage_start"
TR2 = "triage_end"
MD1 = "care_start"
ADM = "admit"
A02 = "transfer"
A03 = "discharge"
EVA = "left"
LAB = "ignore"

[values.disposition]
1 = "home"
2 = "admitted"
5 = "died"
"""

_SITE_HEAD = """\
facility_id = "bench"
name = "Generated hospital"
zone = "America/Sao_Paulo"
hospital_beds = {beds}
max_stay_days = 60

[holidays]
country = "BR"
subdivision = "SP"

[nedocs]
assume_ventilated = 1
"""

_SECTOR = """
[[sectors]]
sector_id = "{sector}"
name = "{sector}"
kind = "{kind}"
functional_capacity = {capacity}
"""


@dataclass
class Rows:
    """Events as parallel arrays; `at` and `sent` in seconds after `FIRST_DAY`, civil time."""

    encounter: np.ndarray
    event_no: np.ndarray
    code: np.ndarray
    at: np.ndarray
    sent: np.ndarray
    place: np.ndarray
    bed: np.ndarray
    triage: np.ndarray
    outcome: np.ndarray
    is_unreadable: np.ndarray

    def take(self, index: np.ndarray | slice) -> Rows:
        return Rows(*(values[index] for values in vars(self).values()))

    def with_rows(self, other: Rows) -> Rows:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Rows(*(np.concatenate(pair) for pair in pairs))

    def __len__(self) -> int:
        return len(self.encounter)


_CODES = np.array(["A01", "TR1", "TR2", "MD1", "ADM", "A02", "A03", "EVA", "LAB", "ZZ9"])
_CODE_NO = {code: number for number, code in enumerate(_CODES)}
_PLACES = np.array([*EMERGENCY, *WARDS, "X99"])
_NONE = -1


def generate(events: int, seed: int, days: int = 365) -> tuple[Rows, np.ndarray]:
    """Return exactly `events` rows in the order they were sent, and the patient of each encounter."""
    rng = np.random.default_rng(seed)
    encounters = int(events / _ROWS_PER_ENCOUNTER) + 100
    rows = _delivered(_journeys(encounters, days, rng), rng)
    rows = rows.take(np.argsort(rows.sent, kind="stable")[:events])
    if len(rows) < events:
        raise SystemExit(f"only {len(rows)} rows were made of {events}")
    # A patient comes back about once a year.
    return rows, rng.integers(0, max(encounters // 2, 1), encounters)


def _journeys(count: int, days: int, rng: np.random.Generator) -> Rows:
    """Return the true events of every encounter: each once, complete and correct."""
    arrival = _arrivals(count, days, rng)
    level = rng.choice(5, count, p=_LEVELS)
    sector = rng.choice(3, count, p=[0.62, 0.08, 0.30])
    is_left = rng.random(count) < _LEFT
    is_admitted = ~is_left & (rng.random(count) < _ADMITTED)
    triage_start = arrival + _minutes(rng.exponential(6.0, count))
    triage_end = triage_start + 30 + _minutes(rng.exponential(4.0, count))
    care = triage_end + _minutes(rng.lognormal(np.log(_WAIT_MIN[level]), 0.6))
    admit = care + _minutes(rng.lognormal(np.log(150.0), 0.5, count))
    moved = admit + 60 + _minutes(rng.exponential(240.0, count))
    moved_again = moved + _minutes(rng.lognormal(np.log(1500.0), 0.6, count))
    home = care + _minutes(rng.lognormal(np.log(140.0), 0.6, count))
    gone = np.where(is_admitted, moved_again + _minutes(rng.lognormal(np.log(2800.0), 0.7, count)), home)
    gone = np.where(is_left, triage_end + _minutes(rng.exponential(90.0, count)), gone)
    outcome = np.where(is_admitted, np.where(rng.random(count) < 0.04, 5, 2), 1)
    is_moved_again = is_admitted & (rng.random(count) < _SECOND_TRANSFER)
    ward, other_ward = rng.choice(5, (2, count), p=[0.3, 0.1, 0.25, 0.25, 0.1]) + len(EMERGENCY)
    everyone, seen = np.ones(count, bool), ~is_left
    parts = (
        _Part("A01", everyone, arrival, place=sector),
        _Part("TR1", everyone, triage_start),
        _Part("TR2", everyone, triage_end, triage=level + 1),
        _Part("MD1", seen, care, place=sector),
        _Part("LAB", seen & (rng.random(count) < _LAB), care + 600),
        _Part("ADM", is_admitted, admit),
        _Part("A02", is_admitted, moved, place=ward),
        _Part("A02", is_moved_again, moved_again, place=other_ward),
        _Part("A03", seen, gone, outcome=outcome),
        _Part("EVA", is_left, gone),
    )
    return _stacked(parts, rng)


def _arrivals(count: int, days: int, rng: np.random.Generator) -> np.ndarray:
    first_weekday = (FIRST_DAY.astype("datetime64[D]").astype(np.int64) + 3) % 7
    weights = _WEEKDAYS[(np.arange(days) + first_weekday) % 7]
    day = rng.choice(days, count, p=weights / weights.sum())
    hour = rng.choice(24, count, p=_HOURS / _HOURS.sum())
    return day * _DAY_S + hour * 3600 + rng.integers(0, 3600, count)


def _minutes(minutes: np.ndarray) -> np.ndarray:
    return (minutes * 60.0).astype(np.int64)


@dataclass
class _Part:
    """One kind of event: which encounters have it, when, and what it carries."""

    code: str
    has: np.ndarray
    at: np.ndarray
    place: np.ndarray | None = None
    triage: np.ndarray | None = None
    outcome: np.ndarray | None = None


def _stacked(parts: tuple[_Part, ...], rng: np.random.Generator) -> Rows:
    def column(name: str) -> np.ndarray:
        given = ((part, getattr(part, name)) for part in parts)
        return np.concatenate(
            [np.full(part.has.sum(), _NONE) if values is None else values[part.has] for part, values in given]
        ).astype(np.int16)

    at = np.concatenate([part.at[part.has] for part in parts])
    code = np.concatenate([np.full(part.has.sum(), _CODE_NO[part.code], np.int16) for part in parts])
    place = column("place")
    has_bed = (place >= len(EMERGENCY)) | ((place >= 0) & (code == _CODE_NO["MD1"]))
    return Rows(
        encounter=np.concatenate([np.flatnonzero(part.has) for part in parts]),
        event_no=np.arange(len(at)),
        code=code,
        at=at,
        sent=at + rng.integers(1, 600, len(at)),
        place=place,
        bed=np.where(has_bed, rng.integers(1, 41, len(at)), _NONE).astype(np.int16),
        triage=column("triage"),
        outcome=column("outcome"),
        is_unreadable=np.zeros(len(at), bool),
    )


def _delivered(true: Rows, rng: np.random.Generator) -> Rows:
    """Return what the source sends of it: late, repeated, corrected and sometimes wrong."""
    count = len(true)

    def some(share: float) -> np.ndarray:
        return rng.random(count) < share

    late = some(_LATE)
    true.sent[late] += rng.integers(1, 20 * _DAY_S, late.sum())
    true.code[some(_UNKNOWN_CODE)] = _CODE_NO["ZZ9"]
    true.place[some(_UNKNOWN_PLACE) & (true.place >= 0)] = len(_PLACES) - 1
    true.is_unreadable[some(_UNREADABLE)] = True
    # A repeat is equal to the last sign, the time it was sent included; it comes behind its original.
    repeats = true.take(some(_REPEATED))
    corrections = true.take(some(_CORRECTED))
    corrections.at = corrections.at + rng.integers(-120, 121, len(corrections))
    corrections.sent = corrections.sent + rng.integers(600, 3 * _DAY_S, len(corrections))
    return true.with_rows(corrections).with_rows(repeats)


def deliveries(rows: Rows, patients: np.ndarray, name: str = "{month}.csv") -> Iterator[tuple[str, pa.Table]]:
    """Yield a file name and its records for each month in which something was sent."""
    month = (FIRST_DAY + rows.sent).astype("datetime64[M]")
    starts = np.flatnonzero(np.r_[True, month[1:] != month[:-1]])
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield name.format(month=month[start]), _texts(rows.take(slice(start, end)), patients)


def _texts(rows: Rows, patients: np.ndarray) -> pa.Table:
    at = pc.if_else(pa.array(rows.is_unreadable), "32/13/2025 25:61", _clock(rows.at))
    return pa.table(
        {
            "sent_at": _clock(rows.sent),
            "visit": _numbered("V", rows.encounter + 10_000_000),
            "patient": _numbered("P", patients[rows.encounter] + 1_000_000),
            "event_id": _numbered("E", rows.event_no + 100_000_000),
            "code": _CODES[rows.code],
            "at": at,
            "place": pa.array(_PLACES[rows.place], mask=rows.place < 0),
            "bed": _optional(rows.bed),
            "triage": _optional(rows.triage),
            "outcome": _optional(rows.outcome),
        }
    )


def _clock(seconds: np.ndarray) -> pa.Array:
    return pa.array(FIRST_DAY + seconds).cast(pa.string())


def _numbered(letter: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(letter, pa.array(numbers).cast(pa.string()), "")


def _optional(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers, mask=numbers < 0).cast(pa.string())


def site_text(events_per_day: float) -> str:
    """Return the site file of a hospital big enough for its events."""
    scale = events_per_day / 2_700
    capacities = {"PS": 50, "SV": 8, "PED": 25, "OBS": 60, "UTI": 40, "CM1": 90, "CM2": 90, "CIR": 50}
    kinds = dict.fromkeys(EMERGENCY, "ed") | dict.fromkeys(WARDS, "ward") | {"UTI": "icu", "OBS": "other"}
    scaled = {sector: max(round(beds * scale), 1) for sector, beds in capacities.items()}
    sectors = [_SECTOR.format(sector=sector, kind=kinds[sector], capacity=beds) for sector, beds in scaled.items()]
    return _SITE_HEAD.format(beds=sum(scaled.values())) + "".join(sectors)


def write_year(events: int, seed: int, out: Path) -> None:
    """Write `site.toml`, `feed.toml` and one CSV a month below `out`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "feed.toml").write_text(_FEED)
    (out / "site.toml").write_text(site_text(events / 365))
    rows, patients = generate(events, seed)
    for name, table in deliveries(rows, patients):
        pa_csv.write_csv(table, out / name, pa_csv.WriteOptions(quoting_style="none"))
        print(f"{name}: {table.num_rows:,} records", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_year(arguments.events, arguments.seed, arguments.out)


if __name__ == "__main__":
    main()
