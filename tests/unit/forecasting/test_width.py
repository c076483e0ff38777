from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import pytest

from healthcare_ops.core.tables import HOSPITAL
from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.calibration import Calibration
from healthcare_ops.forecasting.flow import FlowModel
from healthcare_ops.forecasting.headcounts import CountForecast
from healthcare_ops.forecasting.nedocs import NedocsModel
from healthcare_ops.forecasting.occupancy import OccupancyModel, Spread
from healthcare_ops.forecasting.pace import Pace
from healthcare_ops.forecasting.survival import SurvivalModel
from healthcare_ops.forecasting.width import GAIN, WINDOW_DAYS, DayOfMisses, log_widths

TODAY = date(2026, 3, 20)
ED = ("occupancy", "ED")


def days(missed_share, count=WINDOW_DAYS, *, last=TODAY - timedelta(days=1), forecasts=200, of=ED):
    """Return consecutive days of which the same share of forecasts missed."""
    return [DayOfMisses(*of, last - timedelta(days=ago), forecasts, missed_share * forecasts) for ago in range(count)]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (days(0.10), 0.0),
        (days(0.15), 0.05 * GAIN),
        (days(0.05), -0.05 * GAIN),
        (days(0.15, 2), 0.05 * GAIN * 2 / WINDOW_DAYS),
        (days(0.18, 2) + days(0.02, 2, last=TODAY - timedelta(days=3)), 0.0),
        (days(1.0), np.log(2.0)),
        (days(0.0), -0.1 * GAIN),
    ],
    ids=[
        "as many as should",
        "too many",
        "too few",
        "too many on the two days that are known",
        "as many too many as too few",
        "all: a fault of the data",
        "none",
    ],
)
def test_intervals_are_as_much_wider_as_more_of_the_last_days_hours_missed(told, expected):
    assert log_widths(told, TODAY)[ED] == pytest.approx(expected, abs=1e-9)


def test_neither_the_day_in_progress_nor_what_comes_after_nor_what_is_long_ago_changes_a_width():
    known = days(0.17)
    beside = [
        *days(0.9, 3, last=TODAY + timedelta(days=2)),
        *days(0.9, 9, last=TODAY - timedelta(days=WINDOW_DAYS + 1)),
    ]

    assert log_widths([*known, *beside], TODAY) == log_widths(known, TODAY)


def test_each_sector_and_metric_has_a_width_of_its_own():
    told = [*days(0.2), *days(0.1, of=("queue", "ED")), *days(0.02, of=("occupancy", "WARD"))]

    found = log_widths(told, TODAY)

    assert found[ED] > found["queue", "ED"] == pytest.approx(0.0, abs=1e-9)
    assert found["occupancy", "WARD"] < 0


def test_of_what_nothing_was_forecast_nothing_is_said():
    assert log_widths([DayOfMisses(*ED, TODAY - timedelta(days=1), 0, 0.0)], TODAY) == {}


def test_a_stored_day_is_the_same():
    (day,) = days(0.123, 1)

    assert DayOfMisses.from_dict(json.loads(json.dumps(day.to_dict()))) == day


def half_a_year(stray, *, corrected):
    """Return the share of counts within intervals of a forecast that knows of chance, but not how far days stray."""
    rng, leads = np.random.default_rng(5), np.full(8, 12)
    told, inside = [], []
    for number in range(182):
        mean = rng.gamma(20.0, 1.5, len(leads))
        came = rng.poisson(mean * np.exp(rng.normal(0.0, stray, len(leads))))
        pmf = np.exp(counts.log_pmf(np.arange(250), mean[:, None], 0.0))
        today = TODAY + timedelta(days=number)
        wider = log_widths(told, today).get(ED, 0.0) if corrected else 0.0
        missed = CountForecast(leads, Calibration().widened(wider).apply(pmf, leads)).missed(came, 0.05, 0.95)
        told.append(DayOfMisses(*ED, today, len(leads), float(missed.sum())))
        inside.append(1.0 - missed.mean())
    return np.mean(inside[WINDOW_DAYS:])


def test_intervals_of_a_hospital_that_strays_more_than_was_learnt_hold_more():
    before, after = (half_a_year(0.2, corrected=corrected) for corrected in (False, True))

    assert before < 0.76
    assert 0.79 < after <= 0.9


def test_intervals_that_are_right_stay_so():
    assert half_a_year(0.0, corrected=True) == pytest.approx(0.9, abs=0.015)


def flow():
    survival = SurvivalModel(np.array([0]), np.full((6, 1), -1.0), np.zeros(48), np.full((24, 6), 1 / 6))
    occupancy = OccupancyModel(survival, Pace(np.zeros(9)), Spread(), Calibration((0.1,) * 5))
    crowding = NedocsModel(2.0, np.zeros(168), np.zeros(73), np.zeros((5, 41)), np.ones(5))
    return FlowModel({}, {"occupancy": {"ED": occupancy, "WARD": occupancy}}, None, crowding)


def test_the_models_of_what_missed_are_widened_and_no_other():
    found = flow().widened({ED: 0.3, ("nedocs", HOSPITAL): 0.5})

    slopes = {sector: model.calibration.slopes for sector, model in found.headcounts["occupancy"].items()}
    assert slopes == {"ED": pytest.approx((-0.2,) * 5), "WARD": (0.1,) * 5}
    assert found.nedocs.widths == pytest.approx(np.full(5, np.exp(0.5)))


def test_without_misses_the_models_stay_what_they_are():
    assert flow().widened({}).to_dict() == flow().to_dict()


def test_a_wider_band_holds_more_and_keeps_its_middle():
    leads = np.array([5])
    pmf = np.exp(counts.log_pmf(np.arange(120), np.array([[30.0]]), 0.0))
    plain, wide = (
        CountForecast(leads, Calibration().widened(wider).apply(pmf, leads)).quantiles([0.05, 0.5, 0.95])[0]
        for wider in (0.0, 0.3)
    )

    assert wide[0] < plain[0] < plain[2] < wide[2]
    assert wide[1] == pytest.approx(plain[1], abs=0.05)
