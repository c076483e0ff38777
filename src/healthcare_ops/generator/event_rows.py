"""The rows of the `events` feed: one per event and version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from healthcare_ops.generator.columns import MILESTONES, Patients, Places, read_patients, read_places
from healthcare_ops.generator.journeys import Journeys
from healthcare_ops.generator.scenario import Reporting
from healthcare_ops.generator.schedule import Schedule
from healthcare_ops.generator.slabs import (
    NEVER,
    Flags,
    Ints,
    Outline,
    Slab,
    draw_delays,
    draw_flags,
    instants,
    only,
)
from healthcare_ops.generator.streams import random_numbers

# Code as delivered → the platform's event type: first `MILESTONES`, in their order, then the rest. The position
# numbers an encounter's events; transfers, of which there can be several, count on from the last.
EVENT_CODES: Mapping[str, str] = {
    "ARRIVAL": "arrival",
    "TRIAGE_START": "triage_start",
    "TRIAGE_END": "triage_end",
    "CARE_START": "care_start",
    "ADMIT": "admit",
    "DISCHARGE": "discharge",
    "LEFT": "left",
    "TRANSFER": "transfer",
}
_CODES = pa.array(list(EVENT_CODES))
_DISCHARGE, _LEFT, _TRANSFER = range(len(MILESTONES) - 1, len(EVENT_CODES))
_SEEN_BY_NOBODY = "left_without_care"


@dataclass(frozen=True)
class _Happenings:
    """Every event: whose, which (position in the codes), when (UTC seconds), in which place (row of stays or -1)."""

    encounter: NDArray[np.int32]
    kind: NDArray[np.int8]
    at: Ints
    place: NDArray[np.int32]


@dataclass(frozen=True)
class _Corrections:
    """The events (positions, ascending) whose first version is wrong, by how much too early, and till when.

    Where an event tells the triage level, it is wrong about that and not about the time.
    """

    what: NDArray[np.int32]
    early_s: NDArray[np.int32]
    written: Ints

    def of(self, what: NDArray[np.int32]) -> tuple[NDArray[np.int32], Ints]:
        """Return how much too early the first versions are and when they are corrected (`NEVER` where right)."""
        if not len(self.what):
            return np.zeros(len(what), np.int32), np.full(len(what), NEVER, np.int64)
        nearest = np.minimum(np.searchsorted(self.what, what), len(self.what) - 1)
        is_one = self.what[nearest] == what
        return np.where(is_one, self.early_s[nearest], 0), np.where(is_one, self.written[nearest], NEVER)


@dataclass(frozen=True)
class EventSource:
    """What the hospital's event system writes down, and when (`recorded`, UTC seconds)."""

    patients: Patients
    places: Places
    happenings: _Happenings
    recorded: Ints
    corrections: _Corrections

    @property
    def newest(self) -> int:
        """Return when the last version is written (UTC seconds)."""
        return max(int(self.recorded.max(initial=0)), int(self.corrections.written.max(initial=0)))

    def sectors(self, outline: Outline) -> pa.Array:
        """Return where each event happened."""
        return self.places.sector(self.happenings.place[outline.what])

    def outline(self, schedule: Schedule) -> Outline:
        """Return the rows: first versions, corrections, and the days that come again as they then stand."""
        return Outline(*(np.concatenate(c) for c in zip(*self._parts(schedule), strict=True)))

    def _parts(self, schedule: Schedule) -> Iterator[tuple[NDArray[np.int32], Ints, NDArray[np.int32]]]:
        everything = np.arange(len(self.recorded), dtype=np.int32)
        for what, written in ((everything, self.recorded), (self.corrections.what, self.corrections.written)):
            yield schedule.ordinary[schedule.batch(written)], written, what
        found, files = schedule.repeated(self.happenings.at)
        is_written = self.recorded[found] <= schedule.due[files]
        found, files = found[is_written], files[is_written]
        yield files, schedule.due[files], found.astype(np.int32)

    def compose(self, part: Outline) -> Slab:
        """Return the rows of a part of the outline."""
        what = part.what
        whose, kind = self.happenings.encounter[what], self.happenings.kind[what]
        place = self.happenings.place[what]
        early_s, corrected = self.corrections.of(what)
        is_mended = corrected <= part.written
        is_wrong = (corrected != NEVER) & ~is_mended
        tells_level = kind == self.patients.level_teller[whose]
        at = self.happenings.at[what] - np.where(is_wrong & ~tells_level, early_s, 0)
        encounter_id, sector = self.patients.encounter_id(whose), self.places.sector(place)
        ordinal = np.where(kind == _TRANSFER, _TRANSFER - 1 + self.places.order[place], kind).astype(np.int64)
        rows = pa.table(
            {
                "encounter_id": encounter_id,
                "patient_id": self.patients.patient_id(whose),
                "version_time": instants(np.where(is_mended, corrected, self.recorded[what])),
                "source_event_id": pc.binary_join_element_wise(encounter_id, pa.array(ordinal).cast(pa.string()), "-"),
                "event_type": _CODES.take(pa.array(kind)),
                "event_time": instants(at),
                "sector": sector,
                "bed": self.places.bed(place),
                "triage_level": only(self.patients.level(whose, is_wrong), tells_level),
                "disposition": only(self.patients.disposition(whose), kind == _DISCHARGE),
            }
        )
        return Slab.of(rows, part, sector=sector, **self.patients.beside(whose))


def read_events(journeys: Journeys, facility_id: str, reporting: Reporting, seed: int) -> EventSource:
    """Return what the event system writes of the journeys."""
    patients, places = read_patients(journeys, facility_id), read_places(journeys)
    happenings = _happenings(patients, places)
    count = len(happenings.at)
    recorded = draw_delays(random_numbers(seed, "event delays", facility_id), reporting.delay_min, count)
    recorded += happenings.at
    random = random_numbers(seed, "event corrections", facility_id)
    what = np.flatnonzero(draw_flags(random, reporting.corrected_share, count)).astype(np.int32)
    written = recorded[what] + 60 + draw_delays(random, reporting.correction_delay_min, len(what))
    early_s = (60 + 60 * random.below(reporting.mistyped_by_max_min, len(what))).astype(np.int32)
    return EventSource(patients, places, happenings, recorded, _Corrections(what, early_s, written))


def _happenings(patients: Patients, places: Places) -> _Happenings:
    moves = np.flatnonzero((places.order > 0) & ~_is_told_by_care(patients, places))
    counts = [int((patients.times[name] != NEVER).sum()) for name in MILESTONES]
    total = sum(counts) + len(moves)
    # Filled in place: five million events leave no room for a second copy of each column.
    found = _Happenings(
        np.empty(total, np.int32), np.empty(total, np.int8), np.empty(total, np.int64), np.empty(total, np.int32)
    )
    is_left = pc.fill_null(pc.equal(patients.dispositions.cast(pa.string()), _SEEN_BY_NOBODY), False)
    left = is_left.to_numpy(zero_copy_only=False)
    start = 0
    for number, (name, count) in enumerate(zip(MILESTONES, counts, strict=True)):
        part, start = slice(start, start + count), start + count
        whose = np.flatnonzero(patients.times[name] != NEVER).astype(np.int32)
        found.encounter[part] = whose
        found.kind[part] = np.where(left[whose] & (number == _DISCHARGE), _LEFT, number)
        found.at[part] = patients.times[name][whose]
        found.place[part] = places.at(whose, found.at[part])
    found.encounter[start:], found.kind[start:] = places.encounter[moves], _TRANSFER
    found.at[start:], found.place[start:] = places.start[moves], moves
    return found


def _is_told_by_care(patients: Patients, places: Places) -> Flags:
    """Tell which places are the bed in which care began: that event names it, and nobody is moved."""
    return np.asarray(patients.times["care_start"][places.encounter] == places.start)
