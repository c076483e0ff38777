"""What happened in the simulated hospital, as the simulation knows it: the truth behind every delivery."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

_INSTANT = pa.timestamp("s")

# One row per encounter, in order of arrival. Instants are naive UTC, whole seconds; null = it never happened
# (or not yet, at the end of the simulated time).
ENCOUNTERS = pa.schema(
    [
        ("encounter_no", pa.int64()),
        ("patient_no", pa.int64()),
        ("facility_id", pa.string()),
        ("sector_id", pa.string()),
        ("triage_level", pa.int8()),
        ("disposition", pa.string()),
        ("arrival_time", _INSTANT),
        ("triage_start", _INSTANT),
        ("triage_end", _INSTANT),
        ("care_start", _INSTANT),
        ("admit_time", _INSTANT),
        ("discharge_time", _INSTANT),
    ]
)
# One row per encounter and place, in order of encounter and start. `end_time` null = still there.
STAYS = pa.schema(
    [
        ("encounter_no", pa.int64()),
        ("place_no", pa.int8()),
        ("sector_id", pa.string()),
        ("bed_id", pa.string()),
        ("start_time", _INSTANT),
        ("end_time", _INSTANT),
    ]
)


@dataclass(frozen=True)
class Journeys:
    """Encounters and stays of one facility, by the schemas above.

    `earlier` are the stays of who came before the first day: they take beds, but nothing is told of them.
    """

    encounters: pa.Table
    stays: pa.Table
    earlier: pa.Table = field(default_factory=STAYS.empty_table)
