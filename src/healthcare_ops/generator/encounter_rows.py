"""The rows of the `encounters` feed: one per encounter and version, as it stands at the end of a batch."""

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

# What of an encounter is written at a moment of its own. A row has room for one move: the first to another sector.
FACTS = ("arrival_time", "triage_start", "triage_end", "care_start", "admit_time", "transfer_time", "discharge_time")
_LEVEL = "triage_level"
_CORRECTABLE = ("arrival_time", "care_start", "discharge_time", _LEVEL)


@dataclass(frozen=True)
class _Corrections:
    """Which fact an encounter's rows are wrong about (position in `_CORRECTABLE`, -1 for none), until when."""

    fact: NDArray[np.int8]
    early_s: NDArray[np.int32]
    written: Ints

    def is_wrong(self, name: str, whose: NDArray[np.int32], as_of: Ints) -> Flags:
        """Return which rows, as they stand at those instants, are wrong about a fact."""
        if name not in _CORRECTABLE:
            return np.zeros(len(whose), np.bool_)
        return np.asarray((self.fact[whose] == _CORRECTABLE.index(name)) & (self.written[whose] > as_of))


@dataclass(frozen=True)
class EncounterSource:
    """What the hospital's information system writes down of each encounter, and when.

    `times` are the facts, `written` when each is entered (UTC seconds, `NEVER` for what did not happen). `moved_to`
    is the place (row of stays, -1 for none) that the row's transfer leads to, `bed_at` the one whose bed it names.
    """

    patients: Patients
    places: Places
    times: Mapping[str, Ints]
    written: Mapping[str, Ints]
    corrections: _Corrections
    moved_to: NDArray[np.int32]
    bed_at: NDArray[np.int32]

    @property
    def newest(self) -> int:
        """Return when the last version is written (UTC seconds)."""
        return max(int(written.max(initial=0, where=written != NEVER)) for written in self._entries())

    def sectors(self, outline: Outline) -> pa.Array:
        """Return where each row's encounter arrived."""
        return self.patients.sector(outline.what)

    def outline(self, schedule: Schedule) -> Outline:
        """Return the rows: each encounter whenever something was entered, and the days that come again."""
        return Outline(*(np.concatenate(c) for c in zip(*self._parts(schedule), strict=True)))

    def compose(self, part: Outline) -> Slab:
        """Return the rows of a part of the outline."""
        whose, as_of = part.what, part.written
        sector, moved_to = self.patients.sector(whose), self.moved_to[whose]
        is_level_wrong = self.corrections.is_wrong(_LEVEL, whose, as_of)
        is_known = {name: self.written[name][whose] <= as_of for name in FACTS}
        teller = np.choose(np.maximum(self.patients.level_teller[whose], 0), [is_known[n] for n in MILESTONES[:3]])
        rows = pa.table(
            {
                "encounter_id": self.patients.encounter_id(whose),
                "patient_id": self.patients.patient_id(whose),
                "version_time": instants(self._version(whose, as_of)),
                **{name: self._fact(name, whose, as_of) for name in FACTS},
                "sector": sector,
                "bed": self._bed(whose, as_of),
                "triage_level": only(self.patients.level(whose, is_level_wrong), teller),
                "disposition": only(self.patients.disposition(whose), is_known["discharge_time"]),
                "transfer_sector": only(self.places.sector(moved_to), is_known["transfer_time"]),
            }
        )
        return Slab.of(rows, part, sector=sector, **self.patients.beside(whose))

    def _parts(self, schedule: Schedule) -> Iterator[tuple[NDArray[np.int32], Ints, NDArray[np.int32]]]:
        keys = []
        for written in self._entries():
            entered = np.flatnonzero(written != NEVER)
            keys.append((entered << 32) | schedule.batch(written[entered]))
        ascending = np.concatenate(keys)
        del keys  # seven million of them are better not kept twice
        ascending.sort()
        distinct = ascending[np.diff(ascending, prepend=-1) != 0]
        whose, batch = (distinct >> 32).astype(np.int32), (distinct & 0xFFFFFFFF).astype(np.int32)
        yield schedule.ordinary[batch], self._version(whose, schedule.cuts[batch]), whose
        found, files = schedule.repeated(self.times["arrival_time"])
        is_written = self.written["arrival_time"][found] <= schedule.due[files]
        found, files = found[is_written], files[is_written]
        yield files, schedule.due[files], found.astype(np.int32)

    def _entries(self) -> Iterator[Ints]:
        yield from self.written.values()
        yield self.corrections.written

    def _version(self, whose: NDArray[np.int32], as_of: Ints) -> Ints:
        """Return when the newest entry was made, up to an instant."""
        newest = np.zeros(len(whose), np.int64)
        for written in self._entries():
            at = written[whose]
            np.maximum(newest, at, out=newest, where=at <= as_of)
        return newest

    def _bed(self, whose: NDArray[np.int32], as_of: Ints) -> pa.Array:
        place = self.bed_at[whose]
        return self.places.bed(np.where(self.places.start[place] <= as_of, place, -1).astype(np.int32))

    def _fact(self, name: str, whose: NDArray[np.int32], as_of: Ints) -> pa.Array:
        """Return a time as the record has it at an instant: not yet entered, wrong, or right."""
        early_s = np.where(self.corrections.is_wrong(name, whose, as_of), self.corrections.early_s[whose], 0)
        return instants(np.where(self.written[name][whose] <= as_of, self.times[name][whose] - early_s, NEVER))


def read_encounters(journeys: Journeys, facility_id: str, reporting: Reporting, seed: int) -> EncounterSource:
    """Return what the information system writes of the journeys."""
    patients, places = read_patients(journeys, facility_id), read_places(journeys)
    is_here = _is_in_arrival_sector(patients, places)
    moved_to = _first_move(places, is_here, len(patients.numbers))
    bed_at = _first_bed(places, is_here, moved_to)
    times = {name: patients.times[name] for name in MILESTONES}
    times["transfer_time"] = np.where(moved_to < 0, NEVER, places.start[moved_to])
    written: dict[str, Ints] = {}
    for name in FACTS:
        delays = draw_delays(
            random_numbers(seed, f"encounter {name} delays", facility_id), reporting.delay_min, len(times[name])
        )
        # The row is there from the registration on; nothing can be entered before.
        registered = written.get("arrival_time", times[name])
        written[name] = np.where(times[name] == NEVER, NEVER, np.maximum(_later(times[name], delays), registered))
    return EncounterSource(
        patients, places, times, written, _corrections(patients, written, reporting, seed), moved_to, bed_at
    )


def _later(times: Ints, delays: Ints) -> Ints:
    return np.where(times == NEVER, NEVER, times + np.where(times == NEVER, 0, delays))


def _corrections(patients: Patients, written: Mapping[str, Ints], reporting: Reporting, seed: int) -> _Corrections:
    random, count = random_numbers(seed, "encounter corrections", patients.facility_id), len(patients.numbers)
    fact = random.below(len(_CORRECTABLE), count).astype(np.int8)
    is_mended = draw_flags(random, reporting.corrected_share, count)
    delay = 60 + draw_delays(random, reporting.correction_delay_min, count)
    early_s = (60 + 60 * random.below(reporting.mistyped_by_max_min, count)).astype(np.int32)
    level_written = np.full(count, NEVER, np.int64)
    for number, name in enumerate(MILESTONES[:3]):
        level_written = np.where(patients.level_teller == number, written[name], level_written)
    entered = np.choose(fact, [level_written if name == _LEVEL else written[name] for name in _CORRECTABLE])
    mended = np.flatnonzero(is_mended & (entered != NEVER))
    corrected = np.full(count, NEVER, np.int64)
    corrected[mended] = entered[mended] + delay[mended]
    return _Corrections(np.where(corrected != NEVER, fact, -1).astype(np.int8), early_s, corrected)


def _first_move(places: Places, is_here: Flags, count: int) -> NDArray[np.int32]:
    """Return the first place of each encounter in another sector than that of its arrival; -1 for none."""
    return _first(places, ~is_here, count)


def _first_bed(places: Places, is_here: Flags, moved_to: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the first place of each encounter that has a bed, before the move; -1 for none."""
    has_bed = ~places.beds.is_null().to_numpy(zero_copy_only=False)
    move = moved_to[places.encounter]
    is_before = (move < 0) | (np.arange(len(move)) < move)
    return _first(places, has_bed & is_here & is_before, len(moved_to))


def _is_in_arrival_sector(patients: Patients, places: Places) -> Flags:
    arrived, stayed = patients.sectors, places.sectors
    # By codes: two million names would cost what all the rest does.
    same_code = pc.fill_null(pc.index_in(stayed.dictionary, arrived.dictionary), -1).to_numpy()
    here = same_code[stayed.indices.to_numpy()] == arrived.indices.to_numpy()[places.encounter]
    return np.asarray(here)


def _first(places: Places, is_wanted: Flags, count: int) -> NDArray[np.int32]:
    found = np.flatnonzero(is_wanted)
    encounters, first = np.unique(places.encounter[found], return_index=True)
    out = np.full(count, -1, np.int32)
    out[encounters] = found[first]
    return out
