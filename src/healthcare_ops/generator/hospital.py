"""The hospital as events: patients queue for triage nurses, physicians and beds, all of which are finite.

Time is whole seconds since the start of the simulation. An event is one integer, `second · patient · kind` from the
highest bits to the lowest, so that the heap compares plain integers and ties have one order.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.generator.patients import DISPOSITION_NO, MAX_STAGES, NONE, Column, Patients

_KIND_BITS = 4
_PATIENT_BITS = 26
_TIME_SHIFT = _KIND_BITS + _PATIENT_BITS
_KIND = (1 << _KIND_BITS) - 1
_PATIENT = (1 << _PATIENT_BITS) - 1

_TRANSFERRED = DISPOSITION_NO["transferred"]


# Kinds of events, in the order in which those of one second and patient happen. Plain integers: the members of an
# enumeration would take a tenth of the run.
_SHIFT_CHANGES, _TRIAGE_OVER, _PREPARED, _CONTACT_OVER, _CARE_OVER, _RESULTS_THERE = range(6)
_REVIEW_OVER, _FETCHED, _MOVES, _STAY_OVER, _GIVES_UP = range(6, 11)


_Handlers = tuple[Callable[[int, int], None], ...]


@dataclass(frozen=True)
class House:
    """Beds of every sector of the site, which of them are an admission, and changes of staff.

    A change is when, which team, and how many more people are on duty from then on.
    """

    beds: Sequence[int]
    is_admission: Sequence[bool]
    shifts: Sequence[tuple[int, int, int]]


@dataclass(frozen=True)
class InpatientStays:
    """Stays after the emergency department, in the order in which they began; an end of −1 is still to come."""

    patient: Column
    place: Column
    bed: Column
    start: Column
    end: Column


@dataclass(frozen=True)
class Course:
    """What happened to each patient: seconds, −1 = did not happen. `ed_bed` counts from 0 in its sector."""

    triage_start: Column
    care_start: Column
    review_start: Column
    ed_bed: Column
    ed_end: Column
    admit: Column
    discharge: Column
    outcome: Column
    inpatient: InpatientStays


DESK = -1  # the team of the triage nurses; the physicians' teams have the numbers of their sectors


def run_hospital(house: House, patients: Patients, end_s: int) -> Course:
    """Return what happens to the patients before `end_s`."""
    hospital = _Hospital(house, patients)
    hospital.run(np.argsort(patients.ready, kind="stable").tolist(), end_s)
    return hospital.course()


def _integers(column: NDArray[np.int32]) -> array[int]:
    """Return a column whose single elements are fast to read in a loop."""
    found = array("i")
    found.frombytes(np.ascontiguousarray(column, dtype=np.int32).tobytes())
    return found


def _column(values: array[int]) -> Column:
    return np.frombuffer(values, dtype=np.int32) if values else np.empty(0, np.int32)


class _Hospital:
    """State of every queue and resource; one method per kind of event.

    Patience needs no events: who has lost it is passed over when called, and nothing depends on how many wait.
    """

    def __init__(self, house: House, patients: Patients) -> None:
        self._read(patients)
        places = range(len(house.beds))
        self._house = house
        self._events: list[int] = []
        for number, (second, _, _) in enumerate(house.shifts):
            self._plan(second, number, _SHIFT_CHANGES)
        self._idle_nurses = 0
        self._urgent: deque[int] = deque()
        self._at_desk: deque[int] = deque()
        # By place: idle physicians, patients who want a first contact or a review (most urgent on top), free beds,
        # and patients elsewhere who wait for one.
        self._idle = [0 for _ in places]
        self._new: list[list[int]] = [[] for _ in places]
        self._with_results: list[list[int]] = [[] for _ in places]
        self._beds = [list(range(beds))[::-1] for beds in house.beds]
        self._wait_for_bed: list[deque[int]] = [deque() for _ in places]
        # By patient on the way through the house: stage wanted, when waiting ends, bed reserved, row of the stay.
        self._stage: dict[int, int] = {}
        self._limits: dict[int, int] = {}
        self._reserved: dict[int, int] = {}
        self._row: dict[int, int] = {}
        self._stays = tuple(array("i") for _ in range(5))

    def _read(self, patients: Patients) -> None:
        self._ready = _integers(patients.ready)
        self._deadline = _integers(patients.deadline)
        self._latest = _integers(patients.latest)
        self._sector = _integers(patients.sector)
        self._level = _integers(patients.level)
        self._triage_s = _integers(patients.triage_s)
        self._preparation_s = _integers(patients.preparation_s)
        self._contact_s = _integers(patients.contact_s)
        self._away_s = _integers(patients.away_s)
        self._review_s = _integers(patients.review_s)
        self._handover_s = _integers(patients.handover_s)
        self._limit_s = _integers(patients.limit_s)
        self._outside_s = _integers(patients.outside_s)
        self._stage_place = [_integers(stage) for stage in patients.stage_place]
        self._stage_stay_s = [_integers(stage) for stage in patients.stage_stay_s]
        self._outcome = _integers(patients.outcome)
        nothing = np.full(len(patients), NONE, dtype=np.int32)
        self._triage_start, self._care_start, self._review_start = (_integers(nothing) for _ in range(3))
        self._ed_bed, self._ed_end, self._admit, self._discharge = (_integers(nothing) for _ in range(4))

    def run(self, order: Sequence[int], end_s: int) -> None:
        """Let everything happen that happens before `end_s`; `order` is that in which patients come to the desk."""
        ready, handlers = self._ready, self._handlers()
        for patient in order:
            now = ready[patient]
            if now >= end_s:
                break
            self._let_happen(now, handlers)
            (self._urgent if self._level[patient] == 1 else self._at_desk).append(patient)
            if self._idle_nurses > 0:
                self._call(now)
        self._let_happen(end_s - 1, handlers)

    def course(self) -> Course:
        """Return what has happened so far."""
        return Course(
            triage_start=_column(self._triage_start),
            care_start=_column(self._care_start),
            review_start=_column(self._review_start),
            ed_bed=_column(self._ed_bed),
            ed_end=_column(self._ed_end),
            admit=_column(self._admit),
            discharge=_column(self._discharge),
            outcome=_column(self._outcome),
            inpatient=InpatientStays(*(_column(values) for values in self._stays)),
        )

    def _plan(self, second: int, patient: int, kind: int) -> None:
        heappush(self._events, second << _TIME_SHIFT | patient << _KIND_BITS | kind)

    def _handlers(self) -> _Handlers:
        """Return what is done at each kind of event; kept here, it would keep a hundred megabytes from being freed."""
        return (
            self._shift_changes,
            self._triage_over,
            self._prepared,
            self._contact_over,
            self._care_over,
            self._results_there,
            self._review_over,
            self._fetched,
            self._moves,
            self._stay_over,
            self._gives_up,
        )

    def _let_happen(self, until: int, handlers: _Handlers) -> None:
        """Let the events up to and including the second `until` happen."""
        events = self._events
        limit = (until + 1) << _TIME_SHIFT
        while events and events[0] < limit:
            event = heappop(events)
            handlers[event & _KIND](event >> _TIME_SHIFT, event >> _KIND_BITS & _PATIENT)

    def _shift_changes(self, now: int, number: int) -> None:
        """Let people come on duty or leave; who is with a patient finishes first."""
        _, team, more = self._house.shifts[number]
        if team == DESK:
            self._idle_nurses += more
            self._call(now)
        else:
            self._idle[team] += more
            self._attend(now, team)

    # --- Triage ---

    def _call(self, now: int) -> None:
        """Let idle nurses call the next patients, those whom everybody sees to be in danger first."""
        while self._idle_nurses > 0 and (self._urgent or self._at_desk):
            patient = self._urgent.popleft() if self._urgent else self._at_desk.popleft()
            if self._deadline[patient] > now:
                self._triage_start[patient] = now
                self._idle_nurses -= 1
                self._plan(now + self._triage_s[patient], patient, _TRIAGE_OVER)

    def _triage_over(self, now: int, patient: int) -> None:
        self._idle_nurses += 1
        self._call(now)
        preparation_s = self._preparation_s[patient]
        if preparation_s:
            self._plan(now + preparation_s, patient, _PREPARED)
        else:
            self._prepared(now, patient)

    # --- Care ---

    def _prepared(self, now: int, patient: int) -> None:
        place = self._sector[patient]
        heappush(self._new[place], self._level[patient] << _PATIENT_BITS | patient)
        if self._idle[place] > 0:
            self._attend(now, place)

    def _attend(self, now: int, place: int) -> None:
        """Let idle physicians see the next patients: by level, then arrival; a first contact needs a free bed."""
        new, with_results, beds = self._new[place], self._with_results[place], self._beds[place]
        while self._idle[place] > 0:
            if new and beds and not (with_results and with_results[0] < new[0]):
                patient = heappop(new) & _PATIENT
                if self._deadline[patient] > now:
                    self._care_start[patient] = now
                    self._ed_bed[patient] = beds.pop()
                    self._idle[place] -= 1
                    self._plan(now + self._contact_s[patient], patient, _CONTACT_OVER)
            elif with_results:
                patient = heappop(with_results) & _PATIENT
                self._review_start[patient] = now
                self._idle[place] -= 1
                self._plan(now + self._review_s[patient], patient, _REVIEW_OVER)
            else:
                return

    def _contact_over(self, now: int, patient: int) -> None:
        place = self._sector[patient]
        self._idle[place] += 1
        kind = _RESULTS_THERE if self._review_s[patient] else _CARE_OVER
        self._plan(now + self._away_s[patient], patient, kind)
        self._attend(now, place)

    def _results_there(self, now: int, patient: int) -> None:
        place = self._sector[patient]
        heappush(self._with_results[place], self._level[patient] << _PATIENT_BITS | patient)
        if self._idle[place] > 0:
            self._attend(now, place)

    def _review_over(self, now: int, patient: int) -> None:
        place = self._sector[patient]
        self._idle[place] += 1
        self._care_over(now, patient)
        self._attend(now, place)

    def _care_over(self, now: int, patient: int) -> None:
        """Send the patient home, or look for a bed in this house or another."""
        if self._stage_place[0][patient] != NONE:
            self._ask_for_bed(now, patient, 0)
        elif self._outside_s[patient] != NONE:
            self._admit[patient] = now
            self._plan(now + self._outside_s[patient], patient, _FETCHED)
        else:
            self._leave_emergency(now, patient)
            self._discharge[patient] = now

    def _fetched(self, now: int, patient: int) -> None:
        self._leave_emergency(now, patient)
        self._discharge[patient] = now

    def _leave_emergency(self, now: int, patient: int) -> None:
        place = self._sector[patient]
        self._ed_end[patient] = now
        self._beds[place].append(self._ed_bed[patient])
        if self._new[place]:
            self._attend(now, place)

    # --- Beds elsewhere in the house ---

    def _ask_for_bed(self, now: int, patient: int, stage: int) -> None:
        place = self._stage_place[stage][patient]
        if self._house.is_admission[place] and self._admit[patient] == NONE:
            self._admit[patient] = now
        self._stage[patient] = stage
        if self._beds[place]:
            self._reserve(now, patient, self._beds[place].pop())
            return
        self._wait_for_bed[place].append(patient)
        limit = max(min(now + self._limit_s[patient], self._latest[patient]), now + 1)
        self._limits[patient] = limit
        self._plan(limit, patient, _GIVES_UP)

    def _reserve(self, now: int, patient: int, bed: int) -> None:
        self._reserved[patient] = bed
        self._plan(now + self._handover_s[patient], patient, _MOVES)

    def _moves(self, now: int, patient: int) -> None:
        self._vacate(now, patient)
        stage = self._stage[patient]
        stay = (patient, self._stage_place[stage][patient], self._reserved.pop(patient), now, NONE)
        self._row[patient] = len(self._stays[0])
        for column, value in zip(self._stays, stay, strict=True):
            column.append(value)
        end = max(min(now + self._stage_stay_s[stage][patient], self._latest[patient]), now + 1)
        self._plan(end, patient, _STAY_OVER)

    def _stay_over(self, now: int, patient: int) -> None:
        stage = self._stage[patient] + 1
        has_next = stage < MAX_STAGES and self._stage_place[stage][patient] != NONE
        if has_next and now < self._latest[patient]:
            self._ask_for_bed(now, patient, stage)
        else:
            self._leave_house(now, patient, is_transferred=has_next)

    def _gives_up(self, now: int, patient: int) -> None:
        """Send the patient to another hospital, unless a bed was found in time."""
        if self._limits.get(patient) == now:
            del self._limits[patient]
            self._leave_house(now, patient, is_transferred=True)

    def _leave_house(self, now: int, patient: int, *, is_transferred: bool) -> None:
        self._vacate(now, patient)
        self._discharge[patient] = now
        del self._stage[patient]
        self._row.pop(patient, None)
        if is_transferred:
            self._outcome[patient] = _TRANSFERRED

    def _vacate(self, now: int, patient: int) -> None:
        """Free the bed where the patient is, for the one who has waited longest for it."""
        row = self._row.get(patient)
        if row is None:
            self._leave_emergency(now, patient)
            return
        _, place, bed, _, end = self._stays
        end[row] = now
        waiting = self._wait_for_bed[place[row]]
        while waiting:
            following = waiting.popleft()
            if self._limits.pop(following, None) is not None:
                self._reserve(now, following, bed[row])
                return
        self._beds[place[row]].append(bed[row])
