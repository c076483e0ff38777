from __future__ import annotations

from datetime import date, timedelta

import pytest

from healthcare_ops.core.tables import BREACHES, ENCOUNTERS, HOSPITAL, PREDICTION_SCORES, PREDICTIONS
from healthcare_ops.pipeline.waits import last_week_wait_error, score_waits, tells_wait
from unit.pipeline.builders import at, rows_of

TARGETS = (0, 10, 60, 120, 240)
KNOWN_UNTIL = at("2026-03-01 20:00")


def prediction(**told):
    usual = {
        "facility_id": "hospital",
        "sector_id": "ED",
        "metric": "wait",
        "prediction_ts": at("2026-03-01 08:00"),
        "target_time": at("2026-03-01 10:00"),
        "horizon_h": 2,
        "mean": 40.0,
        "q05": 5.0,
        "q10": 10.0,
        "q25": 20.0,
        "q50": 30.0,
        "q75": 50.0,
        "q90": 80.0,
        "q95": 100.0,
        **dict.fromkeys(BREACHES, 0.25),
        "model_version": "m1",
        "dt": date(2026, 3, 1),
    }
    return usual | told


def patient(wait=None, *, came="2026-03-01 10:10", left=None, level=3, **told):
    """Who waited so many minutes, or was never seen; who left after so many."""
    arrival = at(came)
    times = {
        "arrival_time": arrival,
        "care_start": None if wait is None else arrival + timedelta(minutes=wait),
        "discharge_time": None if left is None else arrival + timedelta(minutes=left),
    }
    return {"encounter_id": str(told), "sector_id": "ED", "triage_level": level, "dt": arrival.date()} | times | told


def score(engine, patients, *predictions, known_until=KNOWN_UNTIL):
    found = score_waits(
        engine.table(rows_of(PREDICTIONS, predictions or [prediction()])),
        engine.table(rows_of(ENCOUNTERS, patients)),
        known_until,
        TARGETS,
    )
    scored = engine.collect(found)
    assert scored.column_names == list(PREDICTION_SCORES.column_names)
    return scored.to_pylist()


@pytest.mark.parametrize(
    ("wait", "left", "disposition", "told"),
    [
        (20, 90, "home", True),
        (None, None, None, True),
        (None, 90, "left_without_care", True),
        (None, 90, None, True),
        (None, 90, "home", False),
        (None, 90, "admitted", False),
    ],
    ids=["seen", "waits", "left", "gone, nobody knows how", "sent home", "on a ward"],
)
def test_who_went_home_without_a_start_of_care_tells_nothing_of_waits(engine, wait, left, disposition, told):
    rows = engine.table(rows_of(ENCOUNTERS, [patient(wait, left=left, disposition=disposition)]))

    (row,) = engine.collect(rows.mutate(told=tells_wait(rows))).to_pylist()

    assert row["told"] is told


def test_a_wait_is_judged_by_every_patient_who_came_in_its_hour(engine):
    patients = [patient(10), patient(130), patient(50, came="2026-03-01 09:59"), patient(50, sector_id="WARD")]

    (row,) = score(engine, patients)

    assert (row["patients"], row["actual"], row["absolute_error"]) == (2, 70.0, 30.0)
    assert (row["covered_share"], row["is_covered_90"]) == (0.5, None)
    over, under = 0.9 * 0 + 0.75 * 10 + 0.5 * 20 + 0.25 * 40 + 0.1 * 70 + 0.05 * 90, 0.05 * 5
    late = 0.05 * 125 + 0.1 * 120 + 0.25 * 110 + 0.5 * 100 + 0.75 * 80 + 0.9 * 50 + 0.95 * 30
    assert row["pinball"] == pytest.approx((over + under + late) / 14)
    assert {name: row[name] for name in prediction()} == prediction()


def test_who_left_before_care_is_counted_and_not_judged(engine):
    (row,) = score(engine, [patient(30), patient(None, left=45)])

    assert (row["patients"], row["unseen"], row["actual"]) == (1, 1, 30.0)


def test_an_hour_of_which_nobody_was_seen_has_no_score(engine):
    assert score(engine, [patient(None, left=45)]) == []


@pytest.mark.parametrize(("known_until", "scores"), [("2026-03-01 20:00", 0), ("2026-03-02 10:30", 1)])
def test_an_hour_waits_for_those_who_wait_but_no_longer_than_a_day(engine, known_until, scores):
    found = score(engine, [patient(30), patient(None)], known_until=at(known_until))

    assert len(found) == scores
    assert [row["unseen"] for row in found] == [1] * scores


def test_what_happened_after_the_data_ended_is_not_known_yet(engine):
    assert score(engine, [patient(30), patient(60 * 12)]) == []


def test_an_hour_that_is_not_over_is_not_judged(engine):
    assert score(engine, [patient(5)], known_until=at("2026-03-01 10:40")) == []


def test_breaches_are_judged_by_those_of_whom_they_are_known(engine):
    patients = [
        patient(61),  # longer than an hour
        patient(60),
        patient(None, left=90),  # who left after an hour waited longer than it
        patient(None, left=30),  # who left before is not judged
        patient(90, level=None),
    ]

    (row,) = score(engine, patients, prediction(breach_3=0.75))

    assert (row["breach_patients"], row["patients"]) == (3, 3)
    assert row["brier"] == pytest.approx((0.25**2 + 0.75**2 + 0.25**2) / 3)


def test_breaches_are_compared_with_the_usual_share_of_the_weeks_before(engine):
    before = [patient(90 if n == 0 else 10, came="2026-02-20 10:00") for n in range(9)]
    forgotten = [patient(90, came="2025-11-01 10:00")] * 5

    (row,) = score(engine, [patient(10), *before, *forgotten])

    # One of nine breached, and half a patient more of each kind.
    assert row["brier_usual"] == pytest.approx((1.5 / 10) ** 2)


def test_the_hospital_is_judged_by_the_patients_of_all_sectors_and_has_no_breaches(engine):
    nothing = dict.fromkeys(BREACHES)

    (row,) = score(engine, [patient(10), patient(50, sector_id="WARD")], prediction(sector_id=HOSPITAL, **nothing))

    assert (row["patients"], row["actual"]) == (2, 30.0)
    assert (row["breach_patients"], row["brier"], row["brier_usual"]) == (None, None, None)


def test_each_prediction_of_an_hour_is_scored_once_and_other_metrics_are_not(engine):
    predictions = [
        prediction(),
        prediction(prediction_ts=at("2026-03-01 09:00"), horizon_h=1),
        prediction(model_version="m2"),
        prediction(metric="queue"),
    ]

    rows = score(engine, [patient(10), patient(20)], *predictions)

    assert sorted((row["horizon_h"], row["model_version"]) for row in rows) == [(1, "m1"), (2, "m1"), (2, "m2")]


def test_the_error_of_a_week_before_counts_each_patient(engine):
    patients = [
        patient(10, came="2026-02-20 10:10"),
        patient(30, came="2026-02-27 10:10"),
        patient(50, came="2026-02-20 12:10"),
        *[patient(60, came="2026-02-27 12:20")] * 3,
        patient(500, came="2026-02-26 12:20"),
    ]

    found = engine.collect(last_week_wait_error(engine.table(rows_of(ENCOUNTERS, patients)), KNOWN_UNTIL)).to_pylist()

    assert {(row["metric"], row["sector_id"]) for row in found} == {("wait", "ED"), ("wait", HOSPITAL)}
    assert {row["last_week_mae"] for row in found} == {(20 + 3 * 10) / 4}
