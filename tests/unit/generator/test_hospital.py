"""Queues of the simulation against queueing theory, which knows nothing of this code."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest

from healthcare_ops.generator.hospital import DESK, House, run_hospital
from healthcare_ops.generator.patients import MAX_STAGES, NONE, Patients
from healthcare_ops.generator.simulation import run
from synthetic import parameters, synthetic_site

COUNT = 200_000
PLENTY = 1_000
MIN = 60


def who_come(random, every_min, **different):
    """Return patients who come at random, so many minutes apart on average, and whom nothing keeps but `different`."""
    arrival = np.cumsum(random.exponential(every_min * MIN, COUNT)).astype(np.int32)
    nothing, never = (np.full(COUNT, value, np.int32) for value in (0, np.iinfo(np.int32).max))
    waits = ("triage_s", "preparation_s", "contact_s", "away_s", "review_s", "handover_s", "limit_s")
    usual = dict.fromkeys((*waits, "sector", "outcome", "before"), nothing) | {
        "arrival": arrival,
        "ready": arrival,
        "deadline": never,
        "latest": never,
        "level": np.full(COUNT, 3, np.int32),
        "outside_s": np.full(COUNT, NONE, np.int32),
        "returns": np.zeros(COUNT, bool),
        "stage_place": np.full((MAX_STAGES, COUNT), NONE, np.int32),
        "stage_stay_s": np.full((MAX_STAGES, COUNT), NONE, np.int32),
    }
    return Patients(**usual | different)


def course_of(patients, *, nurses=PLENTY, physicians=PLENTY):
    """Return what happens to patients in one sector with as many beds as anybody needs."""
    house = House(beds=[PLENTY], is_admission=[False], shifts=[(0, DESK, nurses), (0, 0, physicians)])
    return run_hospital(house, patients, int(patients.arrival[-1]) + 1)


def mean_wait_min(since, until, who=slice(None)):
    since, until = since[who], until[who]
    return (until - since)[until != NONE].mean() / MIN


def test_a_desk_of_one_nurse_is_a_queue_of_pollaczek_and_khinchine():
    """M/D/1: wait = ρ·D ÷ 2(1 − ρ); 8 of 10 minutes in use → 20 minutes."""
    come = who_come(np.random.default_rng(1), 12.5, triage_s=np.full(COUNT, 10 * MIN, np.int32))

    course = course_of(come, nurses=1)

    assert mean_wait_min(come.ready, course.triage_start) == pytest.approx(20.0, rel=0.05)


def test_the_urgent_and_the_others_wait_as_cobham_says():
    """M/D/1 with two classes, nobody interrupted (Cobham 1954): W₀ ÷ (1 − ρ₁), and that ÷ (1 − ρ)."""
    random = np.random.default_rng(2)
    level = np.where(random.random(COUNT) < 0.5, 2, 4).astype(np.int32)
    come = who_come(random, 12.5, level=level, contact_s=np.full(COUNT, 10 * MIN, np.int32))

    course = course_of(come, physicians=1)

    remaining = 10 / 2 * 0.8  # W₀ = λ·E(S²) ÷ 2
    assert mean_wait_min(come.ready, course.care_start, level == 2) == pytest.approx(remaining / 0.6, rel=0.05)
    assert mean_wait_min(come.ready, course.care_start, level == 4) == pytest.approx(remaining / 0.6 / 0.2, rel=0.05)


def test_three_physicians_keep_patients_waiting_as_erlang_says():
    """M/M/3 (Erlang 1917): the chance to wait, and the mean wait."""
    random = np.random.default_rng(3)
    load, physicians, service_min = 2.4, 3, 20.0
    contact_s = np.rint(random.exponential(service_min * MIN, COUNT)).astype(np.int32)
    come = who_come(random, service_min / load, contact_s=contact_s)

    course = course_of(come, physicians=physicians)

    all_busy = load**physicians / math.factorial(physicians) / (1 - load / physicians)
    waits = all_busy / (sum(load**k / math.factorial(k) for k in range(physicians)) + all_busy)
    assert (course.care_start > come.ready).mean() == pytest.approx(waits, rel=0.03)
    assert mean_wait_min(come.ready, course.care_start) == pytest.approx(
        waits * service_min / (physicians - load), rel=0.05
    )


def present(since, until, at):
    """Return how many have come and not gone after each instant; an end of −1 is never."""
    ends = np.where(until == NONE, np.iinfo(np.int32).max, until)
    came = since != NONE
    return np.searchsorted(np.sort(since[came]), at, "right") - np.searchsorted(np.sort(ends[came]), at, "right")


def on_duty(shifts, team, at):
    times, more = (np.array([shift[column] for shift in shifts if shift[1] == team]) for column in (0, 2))
    return np.cumsum(more)[np.searchsorted(times, at, "right") - 1]


def until_seen_or_gone(patients, seen):
    return np.where(seen == NONE, patients.deadline, np.minimum(seen, patients.deadline))


def after(since, *lengths):
    return np.where(since == NONE, NONE, since + sum(lengths))


def test_nobody_idles_while_a_patient_waits_who_could_be_seen():
    site = synthetic_site("Europe/Stockholm", ED=8, PED=3, WARD=8)
    done = run(site, parameters(), date(2025, 3, 1), date(2025, 5, 31), 7)
    patients, course, shifts = done.patients, done.course, done.house.shifts

    triage_end = after(course.triage_start, patients.triage_s)
    contact_end = after(course.care_start, patients.contact_s)
    at = np.unique(np.concatenate([patients.ready, triage_end, contact_end, course.ed_end, [s for s, _, _ in shifts]]))
    at = at[(at >= 0) & (at < done.end_s)]
    waits = present(patients.ready, until_seen_or_gone(patients, course.triage_start), at)
    idle = on_duty(shifts, DESK, at) - present(course.triage_start, triage_end, at)
    assert not ((waits > 0) & (idle > 0)).any()
    seconds_with_a_queue = (waits > 0).sum()
    for place in (0, 1):
        here = patients.sector == place
        ready = after(triage_end, patients.preparation_s)
        results = np.where(patients.review_s > 0, after(contact_end, patients.away_s), NONE)
        review_end = after(course.review_start, patients.review_s)
        idle = on_duty(shifts, place, at) - sum(
            present(since[here], until[here], at)
            for since, until in ((course.care_start, contact_end), (course.review_start, review_end))
        )
        free_beds = done.house.beds[place] - present(course.care_start[here], course.ed_end[here], at)
        wait_for_care = present(ready[here], until_seen_or_gone(patients, course.care_start)[here], at)
        wait_for_review = present(results[here], course.review_start[here], at)
        assert not ((idle > 0) & (free_beds > 0) & (wait_for_care > 0)).any()
        assert not ((idle > 0) & (wait_for_review > 0)).any()
        assert ((idle > 0) & (free_beds == 0) & (wait_for_care > 0)).any()
        seconds_with_a_queue += (wait_for_care > 0).sum() + (wait_for_review > 0).sum()
    assert seconds_with_a_queue > 1000
