"""The sample year by the standard library alone: the file as it is, and what must come of it."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from oracles.clocks import instant_of, kind_of

ZONE = ZoneInfo("Europe/Stockholm")
_OUTCOMES = {
    "Hemmet": "home",
    "Avdelning": "admitted",
    "Sjukhus": "transferred",
    "Avvikit efter läkbed": "left_against_advice",
    "Avliden": "died",
}


@dataclass(frozen=True)
class Year:
    """Encounters and stays of the accepted visits, in naive UTC, and how many times a clock change made unsure."""

    delivered: int
    encounters: list[dict[str, Any]]
    stays: list[dict[str, Any]]
    skipped: int
    repeated: int


def read_year() -> Year:
    """Read the sample file, hold back what lies in the hour that spring skipped, read a repeated hour as its first."""
    encounters, stays, skipped, repeated, number = [], [], 0, 0, 0
    for number, row in enumerate(_rows(), start=1):
        clocks = {name: datetime.fromisoformat(row[column]) for name, column in _TIMES.items()}
        kinds = [kind_of(clock, ZONE) for clock in clocks.values()]
        if "skipped" in kinds:
            skipped += 1
            continue
        # The file's `arrival` is the triage's begin and end: one text, two times.
        repeated += kinds.count("repeated") + (kinds[1] == "repeated")
        repeated += row["discharged_to"] == "Avdelning" and kinds[3] == "repeated"
        at = {name: instant_of(clock, ZONE, "first") for name, clock in clocks.items()}
        encounters.append(_encounter(str(number), row, at))
        stays.append(
            {"encounter_id": str(number), "sector_id": "ED", "start_time": at["arrival"], "end_time": at["gone"]}
        )
    return Year(number, encounters, stays, skipped, repeated)


_TIMES = {"arrival": "arrival_at_hospital", "triage": "arrival", "care": "resolve", "gone": "exit_ed"}


def _encounter(name: str, row: dict[str, str], at: dict[str, datetime]) -> dict[str, Any]:
    return {
        "encounter_id": name,
        "sector_id": "ED",
        "arrival_time": at["arrival"],
        "triage_start": at["triage"],
        "care_start": at["care"],
        "admit_time": at["gone"] if row["discharged_to"] == "Avdelning" else None,
        "discharge_time": at["gone"],
        "total_wait_min": (at["care"] - at["arrival"]) / timedelta(minutes=1),
        "los_min": (at["gone"] - at["arrival"]) / timedelta(minutes=1),
        "triage_level": int(row["priority"]),
        "disposition": _OUTCOMES.get(row["discharged_to"], "other"),
    }


def _rows() -> Iterator[dict[str, str]]:
    packed = files("healthcare_ops.samples").joinpath("skane_2017.csv.gz").read_bytes()
    yield from csv.DictReader(gzip.decompress(packed).decode().splitlines())
