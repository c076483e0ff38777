from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from healthcare_ops.core.errors import DataError, NotFoundError
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.conformal import fit_odds, fit_shifts, group_of
from healthcare_ops.forecasting.occupancy import Horizon
from healthcare_ops.forecasting.wait_cases import Known
from healthcare_ops.forecasting.wait_signs import NAMES, Signs
from healthcare_ops.forecasting.wait_training import fit_waits
from healthcare_ops.forecasting.wait_usual import Usual, Waits
from healthcare_ops.forecasting.waits import WaitsModel
from unit.forecasting.departments import DAY, START, department

BENCH = Path(__file__).parents[3] / "bench" / "waits.py"
SAO_PAULO = Calendar("America/Sao_Paulo")
TARGETS = (0.0, 10.0, 60.0, 120.0, 240.0)
LEADS = np.arange(49)
UNTIL = START + 98 * DAY


@pytest.fixture(scope="module")
def busy_department():
    return department()


@pytest.fixture(scope="module")
def hospital(busy_department):
    """Return a large sector and a small one that works alike, only slower."""
    return {"ED": busy_department, "MINOR": department(per_day=12, seed=2, slow=2.0)}


@pytest.fixture(scope="module")
def model(hospital):
    return fit_waits(hospital, UNTIL, SAO_PAULO)


@pytest.fixture(scope="module")
def bench():
    """Return the bench, whose walk over the sample year is judged here too."""
    spec = importlib.util.spec_from_file_location("bench_waits", BENCH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def horizon(now=UNTIL, leads=LEADS):
    return Horizon(now, -(-now // 60) * 60, leads)


def encounters(*rows):
    """Return encounters of (arrival, care, leave, level); None is what has not happened."""
    table = np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=float)
    return Waits.of(table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(int))


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("mean", "quantiles", "breach"))


# --- Encounters ---


def test_an_encounter_without_care_start_has_no_wait():
    waits = encounters((10, 25, 90, 3), (20, None, 70, 4), (30, None, None, 0))

    assert waits.wait_min[0] == 15
    assert np.isnan(waits.wait_min[1:]).all()


def test_what_happens_later_is_not_known_yet():
    waits = encounters((10, 25, 90, 3), (20, 60, 70, 4), (50, 55, 99, 2))

    known = waits.known_at(30)

    assert known.arrival_min.tolist() == [10, 20]
    assert known.care_min[0] == 25
    assert np.isnan(known.care_min[1])
    assert np.isnan(known.leave_min).all()


def test_a_level_is_known_from_its_triage_on():
    waits = Waits.of(np.array([10.0]), np.array([50.0]), np.array([90.0]), np.array([2]), np.array([20.0]))

    assert waits.known_at(15).level.tolist() == [0]
    assert waits.known_at(20).level.tolist() == [2]


@pytest.mark.parametrize("row", [(10, 9, 20, 3), (10, None, 9, 3), (10, 12, 20, 6)])
def test_impossible_encounters_are_refused(row):
    with pytest.raises(DataError):
        encounters(row)


def test_who_was_seen_stands_for_those_who_left_as_early():
    waits = encounters((0, 10, 99, 3), (0, None, 20, 3), (0, 30, 99, 3), (0, 40, 99, 3))

    known = Known(waits, 1000, TARGETS)

    # Of the four one left after 20 minutes, when three were there: each of the two others counts 1 ÷ (2/3).
    assert sorted(known.weight) == pytest.approx([0, 1, 1.5, 1.5])


@pytest.mark.parametrize(
    ("left_after", "is_judged"), [(59, False), (61, True), (1441, False)], ids=["within", "beyond", "never closed"]
)
def test_who_left_after_the_target_waited_longer_than_it(left_after, is_judged):
    waits = encounters((0, None, left_after, 3), (0, 10, 99, 3))

    known = Known(waits, 10_000, TARGETS)
    row = int(np.flatnonzero(np.isnan(waits.care_min))[0])

    assert (known.breach_weight[row] > 0) == is_judged
    assert known.weight[row] == 0


def test_the_same_hour_of_the_week_is_that_of_the_clock_on_the_wall():
    # In Sweden clocks changed on 28 March 2021; patients who come from 8 to 9 wait long, before and after.
    begin, hours = int(np.datetime64("2021-03-01T00:00", "m").astype(int)), np.arange(24 * 35)
    arrival = begin + 60.0 * hours + 30
    is_summer = arrival >= np.datetime64("2021-03-28T01:00", "m").astype(int)
    wait = np.where((hours + 1 + is_summer) % 24 == 8, 200.0, 10.0)
    waits = Waits.of(arrival, arrival + wait, arrival + wait + 30, np.full(len(hours), 3))
    flat = Usual(np.full(48, np.log(25.0)), np.zeros(6), 1.0, 1.0)
    day = int(np.datetime64("2021-03-31T00:00", "h").astype(int))
    eight = np.array([day + 6 + beside for beside in (-2, 0, 2)])

    signs = Signs(waits.known_at(60.0 * day), flat, Calendar("Europe/Stockholm"), day + 48)
    before, at, after = signs.columns(np.full(3, 60.0 * day), eight)[:, NAMES.index("profile_4w")]

    assert before == after == 0
    assert at > 0.5


# --- Forecasts ---


def test_quantiles_do_not_cross_and_no_wait_is_negative(model, hospital):
    for sector, waits in hospital.items():
        said = model.forecast(sector, waits, horizon(), SAO_PAULO)

        assert (np.diff(said.quantiles, axis=1) >= 0).all()
        assert (said.quantiles >= 0).all()
        assert ((said.breach >= 0) & (said.breach <= 1)).all()
        assert (said.median < said.mean).all()
        assert (said.mean < said.p90).all()


def test_nothing_after_the_moment_of_forecasting_is_looked_at(model, busy_department):
    now = UNTIL - 3 * DAY - 75
    known, chance = busy_department.known_at(now), np.random.default_rng(3)
    later = START + chance.uniform(now - START + 1, 100 * DAY, 500)
    noise = Waits.of(
        np.concatenate([known.arrival_min, later]),
        np.concatenate([np.where(np.isnan(known.care_min), now + 999, known.care_min), later + 500]),
        np.concatenate([np.where(np.isnan(known.leave_min), now + 1999, known.leave_min), later + 900]),
        np.concatenate([known.level, chance.integers(1, 6, 500)]),
        np.concatenate([known.level_min, later]),
    )

    said = model.forecast("ED", busy_department, horizon(now), SAO_PAULO)

    assert same(said, model.forecast("ED", known, horizon(now), SAO_PAULO))
    assert same(said, model.forecast("ED", noise, horizon(now), SAO_PAULO))


def test_a_model_learns_nothing_from_what_comes_later(hospital, model):
    again = fit_waits({name: waits.known_at(UNTIL) for name, waits in hospital.items()}, UNTIL, SAO_PAULO)

    assert again.to_dict() == model.to_dict()
    assert again.trees == model.trees


@pytest.mark.slow
def test_the_number_of_threads_does_not_matter(hospital, model):
    again = fit_waits(hospital, UNTIL, SAO_PAULO, threads=2)

    assert again.to_dict() == model.to_dict()
    assert again.trees == model.trees


def test_a_forecast_does_not_depend_on_the_leads_beside_it(model, busy_department):
    whole = model.forecast("ED", busy_department, horizon(), SAO_PAULO)

    alone = model.forecast("ED", busy_department, horizon(leads=np.array([7])), SAO_PAULO)

    assert np.array_equal(alone.quantiles[0], whole.quantiles[7])
    assert np.array_equal(alone.breach[0], whole.breach[7])


def test_fourteen_weeks_of_encounters_are_enough(busy_department, model):
    now = START + 110 * DAY
    recent = busy_department.rows(busy_department.arrival_min >= now - 14 * 7 * DAY)

    assert same(
        model.forecast("ED", recent, horizon(now), SAO_PAULO),
        model.forecast("ED", busy_department, horizon(now), SAO_PAULO),
    )


def test_after_slow_hours_the_next_patient_waits_longer_and_breaches_more(model, busy_department):
    now = horizon()
    slow = replace(
        busy_department,
        care_min=np.where(
            busy_department.arrival_min > UNTIL - 600,
            busy_department.arrival_min + 3 * busy_department.wait_min,
            busy_department.care_min,
        ),
    )

    usual, slowed = (model.forecast("ED", waits, now, SAO_PAULO) for waits in (busy_department, slow))

    assert slowed.median[0] > 1.15 * usual.median[0]
    assert slowed.breach[0, 2] > usual.breach[0, 2]
    longer = slowed.median / usual.median - 1
    assert longer[48] < 0.6 * longer[0]


def test_a_small_sector_is_forecast_on_its_own_scale(model, hospital):
    large, small = (model.forecast(name, hospital[name], horizon(), SAO_PAULO) for name in ("ED", "MINOR"))

    assert small.median.mean() > 1.4 * large.median.mean()


def test_where_waits_have_neither_rhythm_nor_memory_no_trees_are_grown():
    still = department(days=84, per_day=60, memory=0.0, level_factor=0.0)

    model = fit_waits({"ED": still}, START + 84 * DAY, SAO_PAULO)
    said = model.forecast("ED", still, horizon(START + 84 * DAY), SAO_PAULO)

    assert model.trees == {}
    assert np.ptp(said.quantiles[:, 3]) < 0.15 * said.median.mean()


def test_of_a_target_of_no_minutes_the_share_that_waited_at_all_is_forecast(model, busy_department):
    days = range(START + 60 * DAY, UNTIL, 2 * DAY)
    is_red = (busy_department.level == 1) & np.isfinite(busy_department.care_min)
    came = is_red & (busy_department.arrival_min >= days[0]) & (busy_department.arrival_min < UNTIL)

    said = [model.forecast("ED", busy_department, horizon(now), SAO_PAULO).breach[:48, 0] for now in days]

    assert np.mean(said) == pytest.approx((busy_department.wait_min[came] > 0).mean(), abs=0.08)


def test_targets_are_those_of_the_site(hospital):
    lenient = fit_waits(hospital, UNTIL, SAO_PAULO, target_min=(60, 600, 600, 600, 600))

    said = lenient.forecast("ED", hospital["ED"], horizon(), SAO_PAULO)

    assert (said.breach[:, 1:] < 0.05).all()


def test_a_stored_model_forecasts_the_same(model, busy_department):
    stored = json.loads(json.dumps(model.to_dict()))

    again = WaitsModel.from_dict(stored, dict(model.trees))

    assert same(
        again.forecast("ED", busy_department, horizon(), SAO_PAULO),
        model.forecast("ED", busy_department, horizon(), SAO_PAULO),
    )


def test_a_model_with_other_features_is_refused(model):
    stored = {**model.to_dict(), "features": ["hour"]}

    with pytest.raises(ValueError, match="another version"):
        WaitsModel.from_dict(stored, model.trees)


def test_a_sector_that_the_model_does_not_know_is_refused(model, busy_department):
    with pytest.raises(NotFoundError, match="'ICU'; it has ED, MINOR"):
        model.forecast("ICU", busy_department, horizon(), SAO_PAULO)


def test_a_sector_to_which_nobody_comes_any_more_is_refused(model, busy_department):
    with pytest.raises(DataError, match="14 weeks"):
        model.forecast("ED", busy_department, horizon(UNTIL + 200 * DAY), SAO_PAULO)


@pytest.mark.parametrize(
    ("days", "per_day", "found"), [(30, 90, "30 days"), (84, 2, "whose care began")], ids=["short", "few"]
)
def test_too_few_waits_are_refused_with_their_number(days, per_day, found):
    waits = {"ED": department(days=days, per_day=per_day)}

    with pytest.raises(DataError, match=found):
        fit_waits(waits, START + days * DAY, SAO_PAULO)


def test_six_weeks_are_enough_for_a_forecast():
    young = department(days=43)

    model = fit_waits({"ED": young}, START + 43 * DAY, SAO_PAULO)
    said = model.forecast("ED", young, horizon(START + 43 * DAY), SAO_PAULO)

    assert np.median(young.wait_min[np.isfinite(young.wait_min)]) == pytest.approx(said.median.mean(), rel=0.2)


# --- Calibration ---


def test_intervals_that_were_too_narrow_on_one_side_are_widened_there():
    chance = np.random.default_rng(5)
    came = chance.normal(size=4000)
    said = np.tile([-1.645, 0.8], (4000, 1))
    group = group_of(np.full(4000, 6.0), np.full(4000, 4.0))

    shifts = fit_shifts(came[:, None] - said, group, np.ones(4000), np.arange(4000), (0.05, 0.95))

    assert shifts.apply(said, group)[0] == pytest.approx([-1.645, 1.645], abs=0.12)


def test_a_group_of_few_patients_is_moved_as_all_are():
    chance = np.random.default_rng(6)
    group = np.where(np.arange(3000) < 5, 0, 5)
    gaps = chance.normal(size=(3000, 1)) + np.where(group == 0, 50.0, 1.0)[:, None]

    shifts = fit_shifts(gaps, group, np.ones(3000), np.arange(3000), (0.5,)).by_group

    assert shifts[0, 0] == pytest.approx(1.0, abs=0.4)
    assert shifts[5, 0] == pytest.approx(1.0, abs=0.1)


def test_many_rows_of_a_patient_count_as_one_patient():
    group = np.zeros(1000, dtype=int)
    gaps = np.concatenate([np.full(500, 9.0), np.zeros(500)])[:, None]
    patient = np.concatenate([np.zeros(500, dtype=int), np.arange(1, 501)])
    weight = 1.0 / np.bincount(patient)[patient]

    shifts = fit_shifts(gaps, group, weight, patient, (0.5,))

    assert shifts.by_group[0, 0] == 0.0


def test_odds_that_were_too_bold_are_drawn_back():
    chance = np.random.default_rng(7)
    true = chance.normal(size=5000)
    breach = (chance.random(5000) < 1 / (1 + np.exp(-true))).astype(float)

    mended = fit_odds(2.0 * true + 0.5, np.full(5000, 3), breach, np.ones(5000))

    assert mended.slope == pytest.approx(0.5, abs=0.05)
    assert mended.by_level[2] == pytest.approx(-0.25, abs=0.1)
    assert mended.by_level[0] == 0.0


# --- The sample year ---


@pytest.fixture(scope="module")
def cases(bench):
    """Return two months of the sample year, June and November, each forecast by a model of what was known before."""
    waits = {"ED": bench.skane()}
    months = [
        bench.walk(waits, bench.SWEDEN, bench.minute(2017, month, 1), bench.minute(2017, month, 29), every_min=19 * 60)
        for month in (6, 11)
    ]
    return bench.Cases(*(np.concatenate(parts) for parts in zip(*map(bench.columns, months), strict=True)))


def test_the_swedish_waits_are_forecast_better_than_by_last_weeks_and_by_the_last_hours(bench, cases):
    for first, last in ((0, 3), (3, 13), (13, 49)):
        model, last_weeks, last_hours, _ = bench.losses(cases)[(cases.lead >= first) & (cases.lead < last)].mean(axis=0)

        assert model < 0.975 * last_weeks
        assert model < 0.93 * last_hours


def test_nine_of_ten_swedish_waits_lie_within_the_interval(bench, cases):
    for quarter in (2, 4):
        assert bench.coverage(cases, bench.quarters(cases) == quarter) == pytest.approx(0.90, abs=0.035)


def test_swedish_breaches_are_as_frequent_as_forecast(bench, cases):
    for level in (1, 2, 3, 4):
        mine = cases.level == level
        model, last_weeks, last_hours, _ = bench.brier(cases, mine)

        assert cases.breach[mine, 0].mean() == pytest.approx(cases.is_breach[mine].mean(), abs=0.06)
        assert model < last_weeks
        assert model < last_hours
