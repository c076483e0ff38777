from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.calibration import Calibration
from healthcare_ops.forecasting.headcounts import CountForecast
from healthcare_ops.forecasting.measures import LEVELS
from healthcare_ops.forecasting.occupancy import (
    HeldOut,
    Horizon,
    OccupancyModel,
    Spread,
    fit_occupancy,
    held_out_origins,
)
from healthcare_ops.forecasting.pace import Pace
from healthcare_ops.forecasting.survival import Stays, SurvivalModel

UTC_CLOCK = Calendar("UTC")
# A Monday.
MONDAY = int(datetime(2021, 3, 1, tzinfo=UTC).timestamp() // 60)
PER_HOUR, STAY_H, DAYS = 3.0, 4.0, 70
END = MONDAY + DAYS * 1440
UNTIL = END - 14 * 1440
LEADS = np.arange(49)


def department(stay_h: list[float] | float = STAY_H, *, per_hour: float = PER_HOUR, seed: int = 1) -> Stays:
    """Return stays of ten weeks: Poisson arrivals, exponential stays (`stay_h` on average, by week if several)."""
    rng = np.random.default_rng(seed)
    start = np.sort(MONDAY + rng.integers(0, DAYS * 1440, rng.poisson(per_hour * 24 * DAYS)))
    means = np.broadcast_to(stay_h, 10)[(start - MONDAY) // (7 * 1440)]
    end = start + np.round(60 * rng.exponential(means)).astype(int)
    return Stays.of(start, end, rng.integers(1, 6, len(start)))


def one_way(rate: float, **parts: object) -> OccupancyModel:
    """Return a model in which everybody leaves at one rate (per hour)."""
    survival = SurvivalModel(np.array([0]), np.full((6, 1), np.log(rate)), np.zeros(48), np.full((24, 6), 1 / 6))
    return OccupancyModel(survival, Pace(np.zeros(9)), **{"spread": Spread(), "calibration": Calibration(), **parts})


@pytest.fixture(scope="module")
def steady() -> Stays:
    return department()


def held_out(until_min: int, mean: float = PER_HOUR) -> HeldOut:
    origins = held_out_origins(MONDAY, until_min)
    return HeldOut(origins, np.full((len(origins), 48), mean))


@pytest.fixture(scope="module")
def model(steady) -> OccupancyModel:
    return fit_occupancy(steady, UNTIL, UTC_CLOCK, held_out(UNTIL))


def forecast(model: OccupancyModel, stays: Stays, now_min: int, leads: np.ndarray = LEADS) -> CountForecast:
    horizon = Horizon(now_min, -(-now_min // 60) * 60, leads)
    return model.predict(stays, horizon, np.full(49, PER_HOUR), UTC_CLOCK)


def test_an_hour_from_now_is_who_stays_and_who_comes():
    here = Stays.of(np.array([MONDAY - 60, MONDAY - 120]), np.array([-1, -1]), np.array([2, 0]))

    said = one_way(0.5).predict(here, Horizon(MONDAY, MONDAY, np.array([1])), np.array([2.0]), UTC_CLOCK)

    # Who comes within the hour is taken to come 7½, 22½, 37½ or 52½ minutes before its end.
    stay, minutes = np.exp(-0.5), np.array([7.5, 22.5, 37.5, 52.5])
    come = 2.0 * np.exp(-0.5 * minutes / 60).mean()
    assert said.pmf[0, 0] == pytest.approx((1 - stay) ** 2 * np.exp(-come), abs=1e-12)
    assert said.mean[0] == pytest.approx(2 * stay + come, abs=1e-9)


def test_of_the_hour_that_has_begun_only_the_rest_brings_patients():
    nobody = Stays.of(np.array([MONDAY - 600]), np.array([MONDAY - 500]), np.array([3]))

    said = one_way(1e-9).predict(
        nobody, Horizon(MONDAY + 45, MONDAY + 60, np.array([0, 1])), np.array([4.0, 2.0]), UTC_CLOCK
    )

    assert said.mean.tolist() == pytest.approx([1.0, 3.0], abs=1e-6)


def test_who_is_there_now_is_certain(model, steady):
    now = END - 10 * 1440

    said = forecast(model, steady, now)

    there = int(steady.counts(now, 1)[0])
    assert said.pmf[0, there] == pytest.approx(1.0, abs=1e-12)
    assert said.pmf[1].max() < 0.5


def test_after_two_days_the_department_is_as_full_as_it_usually_is(model, steady):
    said = forecast(model, steady, END - 10 * 1440)

    assert said.mean[-1] == pytest.approx(PER_HOUR * STAY_H, rel=0.1)
    assert np.abs(said.pmf.sum(axis=1) - 1).max() < 1e-9


def test_a_forecast_is_the_same_to_the_last_bit_when_the_future_is_deleted(model, steady):
    for now in (END - 10 * 1440, END - 7 * 1440 + 17):
        alone = forecast(model, steady.known_at(now), now)

        assert alone.pmf.tolist() == forecast(model, steady, now).pmf.tolist()


def test_a_forecast_is_the_same_to_the_last_bit_when_the_future_is_noise(model, steady):
    now, rng = END - 9 * 1440 + 25, np.random.default_rng(3)
    known = steady.known_at(now)
    goes_on = known.end_min < 0
    crowd = now + rng.integers(1, 5000, 900)
    noisy = Stays.of(
        np.concatenate([known.start_min, crowd]),
        np.concatenate([np.where(goes_on, now + rng.integers(1, 9000, len(goes_on)), known.end_min), crowd + 50]),
        np.concatenate([known.level, rng.integers(0, 6, 900)]),
    )

    assert forecast(model, noisy, now).pmf.tolist() == forecast(model, steady, now).pmf.tolist()


def test_a_model_is_the_same_to_the_last_byte_when_the_future_is_deleted(model, steady):
    again = fit_occupancy(steady.known_at(UNTIL), UNTIL, UTC_CLOCK, held_out(UNTIL))

    assert json.dumps(again.to_dict()) == json.dumps(model.to_dict())


@pytest.mark.parametrize("spread", [Spread(), Spread(0.2, 0.1, 0.15)])
@pytest.mark.parametrize("lead", [3, 24])
def test_a_lead_has_the_same_forecast_whichever_leads_stand_beside_it(model, steady, spread, lead):
    now, moody = END - 11 * 1440 + 30, replace(model, spread=spread)

    alone, among = forecast(moody, steady, now, np.array([lead])), forecast(moody, steady, now, LEADS)

    size = min(alone.pmf.shape[1], among.pmf.shape[1])
    assert alone.pmf[0, :size].tolist() == among.pmf[lead, :size].tolist()
    assert alone.quantiles(LEVELS)[0].tolist() == among.quantiles(LEVELS)[lead].tolist()


def test_a_level_that_was_told_later_is_not_seen(model, steady):
    now = END - 10 * 1440
    told = steady.level_min.copy()
    told[steady.start_min > now - 300] = now + 5
    late, other = (
        Stays.of(steady.start_min, steady.end_min, level, told)
        for level in (steady.level, np.where(told > now, 1, steady.level))
    )

    assert forecast(model, late, now).pmf.tolist() == forecast(model, other, now).pmf.tolist()


def test_a_department_that_works_slower_of_late_is_expected_to_fill():
    # Two weeks of four hours a stay and two of eight in turns, so that a pace can be learnt; the last two differ.
    quick, slow = (department([4, 4, 8, 8, 4, 4, 8, 8, last, last]) for last in (4, 8))
    model = fit_occupancy(quick, UNTIL, UTC_CLOCK)

    means = [forecast(model, some, END - 60).mean[-1] for some in (quick, slow)]

    assert means[1] > 1.25 * means[0]


def test_days_that_differ_widen_the_forecast_and_leave_its_mean():
    nobody = Stays.of(np.array([MONDAY - 600]), np.array([MONDAY - 500]), np.array([3]))
    horizon = Horizon(MONDAY, MONDAY, np.array([24]))

    calm, moody = (
        one_way(0.25, spread=spread).predict(nobody, horizon, np.full(24, 5.0), UTC_CLOCK)
        for spread in (Spread(), Spread(pace=0.15, entries=0.15))
    )

    assert np.ptp(moody.quantiles([0.05, 0.95])) > 1.15 * np.ptp(calm.quantiles([0.05, 0.95]))
    assert moody.mean[0] == pytest.approx(calm.mean[0], rel=0.03)


def test_a_forecast_that_is_right_already_keeps_its_width(model, steady):
    plain = replace(model, spread=Spread(), calibration=Calibration())

    widths = [
        np.diff(forecast(one, steady, END - 10 * 1440).quantiles([0.05, 0.95]), axis=1)[1:, 0] for one in (model, plain)
    ]

    assert model.spread.dispersion <= 0.01
    assert widths[0] == pytest.approx(widths[1], rel=0.1)


def test_days_that_differ_are_found_out():
    # Every other day half as many come.
    rng = np.random.default_rng(4)
    start = np.sort(MONDAY + rng.integers(0, DAYS * 1440, 6000))
    kept = ((start - MONDAY) // 1440 % 2 == 0) | (rng.random(len(start)) < 0.5)
    end = start + np.round(60 * rng.exponential(STAY_H, len(start))).astype(int)
    some = Stays.of(start[kept], end[kept], np.full(kept.sum(), 3))

    model = fit_occupancy(some, UNTIL, UTC_CLOCK, held_out(UNTIL, kept.sum() / (24 * DAYS)))

    # A day is a third above or below the mean; one that begins at any hour is so in part.
    assert 0.1 < model.spread.entries < 0.4


def test_on_the_day_of_summer_time_leads_are_hours_and_the_clock_is_the_wall_s():
    # All leave within the hour that the clock shows as 3, which on that day is the second one after midnight.
    clock = np.full(48, -20.0)
    clock[[3, 27]] = np.log(50.0)
    base = one_way(1.0)
    survival = SurvivalModel(base.survival.edges_min, base.survival.stay, clock, base.survival.mix)
    sweden = Calendar("Europe/Stockholm")
    midnight = int(datetime(2017, 3, 25, 23, tzinfo=UTC).timestamp() // 60)
    here = Stays.of(midnight - np.array([30, 90]), np.array([-1, -1]), np.array([3, 3]))

    said = OccupancyModel(survival, base.pace, Spread(), Calibration()).predict(
        here, Horizon(midnight, midnight, np.arange(5)), np.zeros(4), sweden
    )

    assert said.mean.tolist() == pytest.approx([2.0, 2.0, 2.0, 0.0, 0.0], abs=1e-6)


def test_a_stored_model_forecasts_the_same(model, steady):
    again = OccupancyModel.from_dict(json.loads(json.dumps(model.to_dict())))

    now = END - 10 * 1440
    assert forecast(again, steady, now).pmf.tolist() == forecast(model, steady, now).pmf.tolist()


@pytest.mark.parametrize(
    ("now", "origin", "leads", "message"),
    [
        (MONDAY, MONDAY + 30, [1], "is not a full hour at or after"),
        (MONDAY + 61, MONDAY + 60, [1], "is not a full hour at or after"),
        (MONDAY, MONDAY, [49], "leads must lie within 0–48 h"),
        (MONDAY, MONDAY, [], "leads must lie within 0–48 h"),
    ],
)
def test_what_cannot_be_forecast_is_refused(now, origin, leads, message):
    with pytest.raises(ValueError, match=message):
        Horizon(now, origin, np.array(leads, dtype=np.int64))


def test_hours_without_expected_entries_are_refused(model, steady):
    horizon = Horizon(END, END, np.array([3]))

    with pytest.raises(ValueError, match="2 hours of entries; the last target lies 3 hours ahead"):
        model.predict(steady, horizon, np.full(2, PER_HOUR), UTC_CLOCK)


def test_a_young_sector_is_forecast_without_being_held_out():
    young = department(per_hour=0.1)

    model = fit_occupancy(young, UNTIL, UTC_CLOCK, held_out(UNTIL, 0.1))

    assert (model.spread, model.calibration) == (Spread(), Calibration())


def test_held_out_origins_whose_hours_have_not_come_are_refused(steady):
    with pytest.raises(ValueError, match="held-out origins must lie 48 hours before"):
        fit_occupancy(steady, UNTIL, UTC_CLOCK, held_out(END))
