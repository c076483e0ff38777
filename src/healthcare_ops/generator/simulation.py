"""Simulate a hospital for some days: who came, what happened to them, where they were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import DISPOSITIONS
from healthcare_ops.generator.arrivals import Hours, Ints, civil_hours, draw_arrivals, mean_arrivals
from healthcare_ops.generator.hospital import DESK, Course, House, run_hospital
from healthcare_ops.generator.journeys import ENCOUNTERS, STAYS, Journeys
from healthcare_ops.generator.parameters import Parameters, emergency_sectors
from healthcare_ops.generator.patients import DISPOSITION_NO, NONE, Column, Patients, draw_patients
from healthcare_ops.generator.staff import Staff, staff_on_duty

_HOUR_S = 3_600
_LEFT = DISPOSITION_NO["left_without_care"]
# Seconds of the simulation are 32-bit integers (68 years), numbers of patients have 26 bits.
LONGEST_DAYS = 21_915
_MOST_PATIENTS = 60_000_000


@dataclass(frozen=True)
class Run:
    """A simulation in its own numbers: seconds since `start_s` (1970 UTC), everybody since the warm-up began.

    `counted_from` is the number of the first patient of the first day; who came before only warmed the house up.
    """

    site: Site
    start_s: int
    end_s: int
    counted_from: int
    house: House
    patients: Patients
    course: Course


def simulate(site: Site, parameters: Parameters, first: date, last: date, seed: int) -> Journeys:
    """Return the encounters that arrived from `first` to `last` (local days, both included), and their stays.

    The hospital is not empty on the first day: `warmup_days` are simulated before it, and their patients hold beds
    and staff, but are no part of the journeys. What has not happened when the last day ends is null. The same
    arguments give the same rows on every machine, and a later `last` changes nothing of what happened before.

    Raises
    ------
    ConfigError
        If the site has no emergency sector, the parameters name a sector that is none, or there is no such day.
    """
    return journeys(run(site, parameters, first, last, seed))


def run(site: Site, parameters: Parameters, first: date, last: date, seed: int) -> Run:
    """Return the whole simulation behind `simulate`."""
    _check(site, parameters, first, last)
    hours = civil_hours(site, first - timedelta(days=parameters.warmup_days), last)
    counted_from, patients = _who_comes(site, parameters, hours, seed)
    start_s = int(hours.start_s[0])
    end_s = int(hours.start_s[-1]) + _HOUR_S - start_s
    house = _house(site, parameters, hours)
    course = run_hospital(house, patients, end_s)
    return Run(site, start_s, end_s, counted_from, house, patients, _with_those_who_left(course, patients, end_s))


def _who_comes(site: Site, parameters: Parameters, hours: Hours, seed: int) -> tuple[int, Patients]:
    """Return the number of the first patient after the warm-up, and all patients."""
    mean = mean_arrivals(site, parameters, hours, seed)
    _require_no_more_than_can_be_told_apart(site, float(mean.sum()))
    comings = draw_arrivals(site, hours, mean, seed)
    counted_from = int(np.searchsorted(comings.day, parameters.warmup_days))
    return counted_from, draw_patients(site, parameters, hours, comings, seed)


def journeys(done: Run) -> Journeys:
    """Return a simulation as the tables of `Journeys`."""
    rows = _stay_rows(done)
    is_told = rows.patient >= done.counted_from
    return Journeys(_encounters(done), _stays(done, rows.take(is_told)), _stays(done, rows.take(~is_told)))


def _check(site: Site, parameters: Parameters, first: date, last: date) -> None:
    known = {sector.sector_id for sector in emergency_sectors(site)}
    if not known:
        raise ConfigError(
            f"site {site.facility_id} has no sector of kind 'ed', so nobody can come.",
            next_step="Give one of its sectors kind = 'ed'.",
        )
    named = {*parameters.sectors, *(name for change in parameters.changes for name in change.sectors)}
    if unknown := sorted(named - known):
        raise ConfigError(
            f"the parameters name {', '.join(unknown)}; emergency sectors of the site are {', '.join(sorted(known))}.",
            next_step="Correct the name in the parameters file.",
        )
    if last < first:
        raise ConfigError(f"the last day {last} is before the first, {first}.", next_step="Exchange them.")
    if (days := (last - first).days + 1) > LONGEST_DAYS:
        raise ConfigError(
            f"{first} to {last} are {days:,} days; {LONGEST_DAYS:,} (60 years) are the most.",
            next_step="Make several, one after the other, each with a seed of its own.",
        )


def _require_no_more_than_can_be_told_apart(site: Site, expected: float) -> None:
    if not expected <= _MOST_PATIENTS:
        raise ConfigError(
            f"site {site.facility_id} would have about {expected:.3g} arrivals; {_MOST_PATIENTS:,} are the most.",
            next_step="Give fewer days, or correct the arrivals in the parameters, the beds or the scenario.",
        )


def _house(site: Site, parameters: Parameters, hours: Hours) -> House:
    return House(
        beds=[parameters.beds(sector) for sector in site.sectors],
        is_admission=[sector.kind in {"ward", "icu"} for sector in site.sectors],
        shifts=_shifts(site, staff_on_duty(site, parameters), hours),
    )


def _shifts(site: Site, staff: Staff, hours: Hours) -> list[tuple[int, int, int]]:
    """Return when how many people more come on duty (or fewer, if negative), and to which team."""
    nurses, physicians = staff.at_hours(hours)
    sectors = [number for number, sector in enumerate(site.sectors) if sector.kind == "ed"]
    shifts = []
    for team, on_duty in zip([DESK, *sectors], [nurses, *physicians], strict=True):
        more = np.diff(on_duty, prepend=0)
        shifts += [
            (int(hours.start_s[hour] - hours.start_s[0]), team, int(more[hour])) for hour in np.flatnonzero(more)
        ]
    return sorted(shifts)


def _with_those_who_left(course: Course, patients: Patients, end_s: int) -> Course:
    """Return the course with the discharge of those whose patience ended before anybody saw them.

    Nobody walks out of the triage room: who has lost patience there leaves when triage is over.
    """
    triage_end = np.where(course.triage_start != NONE, course.triage_start + patients.triage_s, NONE)
    leaves = np.maximum(patients.deadline, triage_end)
    has_left = (course.care_start == NONE) & (leaves < end_s)
    return replace(
        course,
        discharge=np.where(has_left, leaves, course.discharge).astype(np.int32),
        outcome=np.where(has_left, _LEFT, course.outcome).astype(np.int32),
    )


def _encounters(done: Run) -> pa.Table:
    patients, course, rows = done.patients, done.course, slice(done.counted_from, None)
    count = len(patients) - done.counted_from
    triage_end = np.where(course.triage_start != NONE, course.triage_start + patients.triage_s, NONE)
    triage_end[triage_end >= done.end_s] = NONE
    sector_ids = pa.array(done.site.sector_ids)
    columns = {
        "encounter_no": np.arange(1, count + 1),
        "patient_no": _patient_numbers(done)[rows],
        "facility_id": pa.repeat(done.site.facility_id, count),
        "sector_id": sector_ids.take(pa.array(patients.sector[rows])),
        "triage_level": pa.array(patients.level[rows].astype(np.int8), mask=triage_end[rows] == NONE),
        "disposition": pa.array(DISPOSITIONS).take(pa.array(course.outcome[rows], mask=course.discharge[rows] == NONE)),
        "arrival_time": _instants(done, patients.arrival[rows]),
        "triage_start": _instants(done, course.triage_start[rows]),
        "triage_end": _instants(done, triage_end[rows]),
        "care_start": _instants(done, course.care_start[rows]),
        "admit_time": _instants(done, course.admit[rows]),
        "discharge_time": _instants(done, course.discharge[rows]),
    }
    return pa.table(columns, schema=ENCOUNTERS)


def _instants(done: Run, seconds: Column) -> pa.Array:
    """Return seconds of the simulation as instants; none as null."""
    return pa.array(seconds.astype(np.int64) + done.start_s, mask=seconds == NONE).cast(pa.timestamp("s"))


def _patient_numbers(done: Run) -> Ints:
    """Return a number for each person, from 1: some have been here before.

    Who returns is somebody who had left before he came, and whom nobody else continues: thus no person is in the
    house twice. Earlier visits are more likely the more recent they are.
    """
    patients, discharge = done.patients, done.course.discharge
    left = np.flatnonzero(discharge != NONE)
    left = left[np.argsort(discharge[left], kind="stable")]
    gone_before = np.searchsorted(discharge[left], patients.arrival, side="left").astype(np.int64)
    returning = np.flatnonzero(patients.returns & (gone_before > 0))
    back = gone_before[returning] * patients.before[returning].astype(np.int64) >> 32
    earlier = left[gone_before[returning] - 1 - back]
    _, chosen = np.unique(earlier, return_index=True)
    chosen.sort()
    numbers = np.arange(1, len(patients) + 1)
    for patient, before in zip(returning[chosen].tolist(), earlier[chosen].tolist(), strict=True):
        numbers[patient] = numbers[before]
    return numbers


@dataclass(frozen=True)
class _Rows:
    """Stays as arrays: patient, sector and bed (its number in the sector, −1 = none), seconds."""

    patient: Column
    place: Column
    bed: Column
    start: Column
    end: Column

    def take(self, index: Ints | NDArray[np.bool_]) -> _Rows:
        return _Rows(*(values[index] for values in vars(self).values()))


def _stays(done: Run, rows: _Rows) -> pa.Table:
    """Return stays as a table; encounters of before the first day have numbers below 1."""
    rows = rows.take(np.argsort(rows.patient.astype(np.int64) << 32 | rows.start, kind="stable"))
    firsts = np.flatnonzero(np.diff(rows.patient, prepend=-1))
    place_no = np.arange(len(rows.patient)) - np.repeat(firsts, np.diff(firsts, append=len(rows.patient)))
    columns = {
        "encounter_no": rows.patient.astype(np.int64) - done.counted_from + 1,
        "place_no": place_no.astype(np.int8),
        "sector_id": pa.array(done.site.sector_ids).take(pa.array(rows.place)),
        "bed_id": _bed_ids(done.site, rows),
        "start_time": _instants(done, rows.start),
        "end_time": _instants(done, rows.end),
    }
    return pa.table(columns, schema=STAYS)


def _stay_rows(done: Run) -> _Rows:
    """Return the wait for care (without a bed), the bed in the emergency sector and the stays after it."""
    patients, course = done.patients, done.course
    everybody = np.arange(len(patients), dtype=np.int32)
    waited_until = np.where(course.care_start != NONE, course.care_start, course.discharge)
    waits = _Rows(everybody, patients.sector, np.full_like(everybody, NONE), patients.arrival, waited_until)
    in_bed = _Rows(everybody, patients.sector, course.ed_bed, course.care_start, course.ed_end)
    parts = (
        waits.take(waits.end != waits.start),
        in_bed.take(in_bed.start != NONE),
        _Rows(*vars(course.inpatient).values()),
    )
    return _Rows(*(np.concatenate(columns) for columns in zip(*(vars(part).values() for part in parts), strict=True)))


def _bed_ids(site: Site, rows: _Rows) -> pa.Array:
    """Return "sector-number", counted from 1; null without a bed."""
    beds = int(rows.bed.max(initial=0)) + 1
    names = [f"{sector_id}-{bed:02d}" for sector_id in site.sector_ids for bed in range(1, beds + 1)]
    index = rows.place.astype(np.int64) * beds + rows.bed
    return pa.array(names).take(pa.array(index, mask=rows.bed == NONE))
