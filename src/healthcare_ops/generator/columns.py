"""Journeys as columns of numbers, looked up by position: the patients and the places they were in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from healthcare_ops.generator.journeys import Journeys
from healthcare_ops.generator.slabs import NEVER, Flags, Ints, numbered, seconds

# The columns of encounters that are milestones, in the order in which they can happen.
MILESTONES = ("arrival_time", "triage_start", "triage_end", "care_start", "admit_time", "discharge_time")
_ARRIVAL, _TRIAGE_START, _TRIAGE_END = range(3)
_LEVELS = pa.array([None, "1", "2", "3", "4", "5"])


@dataclass(frozen=True)
class Patients:
    """The encounters, by position: milestones in UTC seconds (`NEVER` where one did not happen)."""

    facility_id: str
    numbers: Ints
    patient_numbers: Ints
    times: Mapping[str, Ints]
    levels: NDArray[np.int8]
    dispositions: pa.DictionaryArray
    sectors: pa.DictionaryArray

    def encounter_id(self, whose: Any) -> pa.Array:
        """Return the source's ids."""
        return numbered(f"{self.facility_id}-E", self.numbers[whose])

    def patient_id(self, whose: Any) -> pa.Array:
        """Return the source's ids of the persons."""
        return numbered(f"{self.facility_id}-P", self.patient_numbers[whose])

    def disposition(self, whose: Any) -> pa.Array:
        """Return the outcomes; null for none yet."""
        return _looked_up(self.dispositions, whose)

    def sector(self, whose: Any) -> pa.Array:
        """Return the sectors of arrival."""
        return _looked_up(self.sectors, whose)

    def beside(self, whose: NDArray[np.int32]) -> dict[str, Any]:
        """Return what a slab keeps of the encounter beside each row."""
        arrived = self.times["arrival_time"][whose]
        return {"encounter": whose.astype(np.int64), "arrived": arrived, "came_to": self.sector(whose)}

    def level(self, whose: Any, is_wrong: Flags) -> pa.Array:
        """Return the triage levels as text, another one where the record is wrong; null for none."""
        levels = self.levels[whose]
        return _LEVELS.take(pa.array(np.where(is_wrong & (levels > 0), levels % 5 + 1, levels)))

    @cached_property
    def level_teller(self) -> NDArray[np.int8]:
        """Return the milestone (position in `MILESTONES`) whose record tells the level; -1 where there is none."""
        has_end, has_start = (self.times[name] != NEVER for name in ("triage_end", "triage_start"))
        teller = np.where(has_end, _TRIAGE_END, np.where(has_start, _TRIAGE_START, _ARRIVAL))
        return np.where(self.levels > 0, teller, -1).astype(np.int8)


@dataclass(frozen=True)
class Places:
    """The stays, by position, in order of encounter and start; position -1 is no place.

    `encounter` is the encounter's position, `order` the place's within it, from 0.
    """

    encounter: NDArray[np.int32]
    order: NDArray[np.int32]
    start: Ints
    sectors: pa.DictionaryArray
    beds: pa.DictionaryArray

    def sector(self, place: NDArray[np.int32]) -> pa.Array:
        """Return the sectors; null for no place."""
        return _looked_up(self.sectors, place)

    def bed(self, place: NDArray[np.int32]) -> pa.Array:
        """Return the beds; null for none."""
        return _looked_up(self.beds, place)

    def at(self, whose: NDArray[np.int32], when: Ints) -> NDArray[np.int32]:
        """Return the place where each encounter is at an instant (at a change, the new one); -1 before the first."""
        first = int(self.start.min(initial=0))
        keys = (self.encounter.astype(np.int64) << 33) | (self.start - first)
        asked = (whose.astype(np.int64) << 33) | np.maximum(when - first, 0)
        place = np.searchsorted(keys, asked, side="right") - 1
        return np.where((place >= 0) & (self.encounter[place] == whose), place, -1).astype(np.int32)


def read_patients(journeys: Journeys, facility_id: str) -> Patients:
    """Return the encounters of the journeys; ids begin with the hospital's."""
    rows = journeys.encounters
    return Patients(
        facility_id=facility_id,
        numbers=seconds(rows["encounter_no"]),
        patient_numbers=seconds(rows["patient_no"]),
        times={name: seconds(rows[name]) for name in MILESTONES},
        levels=rows["triage_level"].fill_null(0).to_numpy().astype(np.int8),
        dispositions=_whole(rows["disposition"]),
        sectors=_whole(rows["sector_id"]),
    )


def read_places(journeys: Journeys) -> Places:
    """Return the stays of the journeys."""
    rows, numbers = journeys.stays, seconds(journeys.encounters["encounter_no"])
    by_number = np.argsort(numbers, kind="stable")
    found = by_number[np.searchsorted(numbers[by_number], seconds(rows["encounter_no"]))]
    start = seconds(rows["start_time"])
    in_order = np.lexsort((start, found))
    encounter = found[in_order].astype(np.int32)
    firsts = np.flatnonzero(np.diff(encounter, prepend=-1))
    order = np.arange(len(encounter)) - np.repeat(firsts, np.diff(firsts, append=len(encounter)))
    taken = pa.array(in_order)
    return Places(
        encounter,
        order.astype(np.int32),
        start[in_order],
        _whole(rows["sector_id"]).take(taken),
        _whole(rows["bed_id"]).take(taken),
    )


def _whole(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Return a text column in one piece, each text once."""
    return pa.concat_arrays([pa.array([], column.type), *column.chunks]).dictionary_encode()


def _looked_up(texts: pa.DictionaryArray, positions: NDArray[np.int32]) -> pa.Array:
    return texts.take(pa.array(positions, mask=positions < 0)).cast(pa.string())
