from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import pytest

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting.arrivals import ArrivalsModel, fit_arrivals
from healthcare_ops.forecasting.boosted import fit_boosted
from healthcare_ops.forecasting.calendar import Calendar, Event
from healthcare_ops.forecasting.regressors import Covariates, Regressor
from healthcare_ops.forecasting.series import HourlySeries

LEADS = np.arange(49)


def test_a_forecast_is_the_same_to_the_last_bit_when_the_future_is_deleted(blended, ten_weeks, sao_paulo):
    origins = np.array([900, 1001, 1500])

    seen = blended.predict_from(ten_weeks, origins, LEADS, sao_paulo)

    for origin, row in zip(origins, seen, strict=True):
        alone = blended.predict(ten_weeks.first(int(origin)), LEADS, sao_paulo)
        assert alone.tolist() == row.tolist()


def test_a_forecast_is_the_same_to_the_last_bit_when_the_future_is_noise(blended, ten_weeks, sao_paulo):
    origin = 1200
    noisy = ten_weeks.values.copy()
    noisy[origin:] = np.random.default_rng(1).poisson(80.0, len(noisy) - origin)
    other = HourlySeries(ten_weeks.sector_id, ten_weeks.start, noisy)

    expected = blended.predict_from(ten_weeks, np.array([origin]), LEADS, sao_paulo)

    assert blended.predict_from(other, np.array([origin]), LEADS, sao_paulo).tolist() == expected.tolist()


def test_the_hour_before_the_origin_is_seen(blended, ten_weeks, sao_paulo):
    busy = ten_weeks.values.copy()
    busy[1199] += 40

    moved = blended.predict_from(HourlySeries("ED", ten_weeks.start, busy), np.array([1200]), LEADS, sao_paulo)

    assert (moved != blended.predict_from(ten_weeks, np.array([1200]), LEADS, sao_paulo)).any()


def test_the_same_hours_give_the_same_model_to_the_last_byte(model, ten_weeks, sao_paulo):
    again = fit_arrivals([ten_weeks], sao_paulo)["ED"]

    assert json.dumps(again.to_dict()) == json.dumps(model.to_dict())


def test_forecasts_follow_the_rhythm_of_the_day(model, ten_weeks, sao_paulo):
    mean = model.predict(ten_weeks, np.arange(24), sao_paulo)

    # The series starts at midnight in São Paulo and peaks at 19 h local with 8.8 an hour, lowest at 7 h with 2.2.
    assert mean.argmax() in (18, 19, 20)
    assert mean.argmin() in (6, 7, 8)
    assert mean.sum() == pytest.approx(24 * 5.0 * 1.1, rel=0.05)


def test_a_week_of_more_arrivals_lifts_the_coming_two_days(ten_weeks, sao_paulo):
    hour = np.arange(120 * 24)
    rate = 5.0 + 2.5 * np.sin(2 * np.pi * hour / (28 * 24))
    swaying = HourlySeries("ED", ten_weeks.start, np.random.default_rng(2).poisson(rate).astype(np.float64))
    crest, trough = (3 * 28 + 7) * 24, (3 * 28 + 21) * 24

    model = fit_arrivals([swaying], sao_paulo)["ED"]

    means = model.predict_from(swaying, np.array([crest, trough]), LEADS, sao_paulo).mean(axis=1)
    # The calendar alone would say 5 at both.
    assert means[0] > 6.0
    assert means[1] < 3.6


def test_three_weeks_are_enough_and_one_hour_less_is_not(poisson_series, sao_paulo):
    three_weeks = poisson_series(21)

    model = fit_arrivals([three_weeks], Covariates(Calendar("America/Sao_Paulo", Holidays(country="BR"))))["ED"]

    assert model.predict(three_weeks, LEADS, sao_paulo).mean() == pytest.approx(5.0, rel=0.25)
    with pytest.raises(DataError, match=r"503 hours of arrivals; a model needs 504 \(21 days\)"):
        fit_arrivals([three_weeks.first(503)], sao_paulo)


def test_the_season_is_learnt_from_two_years_on(poisson_series, sao_paulo):
    assert not fit_arrivals([poisson_series(729)], sao_paulo)["ED"].linear.has_season
    assert fit_arrivals([poisson_series(730)], sao_paulo)["ED"].linear.has_season


def test_poisson_counts_get_poisson_intervals(model):
    assert model.dispersion <= 0.01


def test_counts_that_vary_more_get_wider_intervals(ten_weeks, sao_paulo):
    crowds = np.random.default_rng(3).negative_binomial(2, 2 / (2 + 5.0), len(ten_weeks.values))

    model = fit_arrivals([HourlySeries("ED", ten_weeks.start, crowds.astype(np.float64))], sao_paulo)["ED"]

    assert model.dispersion == 0.4


def test_a_stored_model_forecasts_the_same(blended, ten_weeks, sao_paulo):
    stored = json.loads(json.dumps(blended.to_dict()))

    again = ArrivalsModel.from_dict(stored, blended.boosted)

    assert again.predict(ten_weeks, LEADS, sao_paulo).tolist() == blended.predict(ten_weeks, LEADS, sao_paulo).tolist()
    assert (again.trained_from, again.trained_until) == (ten_weeks.start, ten_weeks.end)


def test_each_coefficient_has_a_name(blended):
    linear = blended.linear

    assert len(linear.feature_names) == len(set(linear.feature_names)) == len(linear.profile) + len(linear.levels)
    assert linear.feature_names[:2] == ("intercept", "hour_00")
    assert linear.feature_names[-1] == "level_8736h_fading"
    assert blended.feature_names[-1] == "level_8736h"


def test_a_model_with_other_features_is_refused(model):
    stored = model.to_dict()
    stored["linear"]["features"] = ["intercept"]

    with pytest.raises(ValueError, match="its features are not those this version computes"):
        ArrivalsModel.from_dict(stored, model.boosted)


def test_the_forecast_lies_between_its_two_models(blended, ten_weeks, sao_paulo):
    origin, lead = np.full(49, 1600), np.arange(49)

    both = np.stack(
        [
            blended.linear.means(ten_weeks, origin, lead, sao_paulo),
            blended.boosted.means(ten_weeks, blended.scale, origin, lead, sao_paulo),
        ]
    )

    mean = blended.predict(ten_weeks.first(1600), LEADS, sao_paulo)
    assert (mean >= both.min(axis=0) * (1 - 1e-12)).all()
    assert (mean <= both.max(axis=0) * (1 + 1e-12)).all()
    assert (both[0] != both[1]).all()


def test_trees_are_the_same_whatever_the_number_of_threads(ten_weeks, sao_paulo, blended):
    again = fit_boosted([ten_weeks], [blended.scale], sao_paulo, threads=2)

    assert again == blended.boosted


def test_a_short_history_has_no_trees(poisson_series, sao_paulo):
    short = fit_arrivals([poisson_series(40)], sao_paulo)["ED"]

    assert short.boosted is None
    assert short.linear_weight == 1.0


def test_what_moves_all_sectors_on_a_day_widens_their_sum(ten_weeks, sao_paulo):
    # Both sectors share good and bad days; each alone varies little more than by chance.
    days = np.random.default_rng(8).gamma(12, 1 / 12, 70).repeat(24)
    both = [
        HourlySeries(name, ten_weeks.start, np.random.default_rng(seed).poisson(6.0 * days).astype(np.float64))
        for name, seed in (("A", 1), ("B", 2), ("C", 3))
    ]

    model = fit_arrivals(both, sao_paulo)["A"]

    assert model.total_dispersion >= 0.02


def test_a_young_sector_is_read_by_the_trees_of_an_old_one(poisson_series, sao_paulo):
    old, young = poisson_series(200), poisson_series(30, sector_id="NEW", mean=1.0, seed=4)

    trees = fit_boosted([old, young], [5.0, 1.0], sao_paulo, threads=1)

    origin, lead = np.full(24, len(young.values)), np.arange(24)
    mean = trees.means(young, 1.0, origin, lead, sao_paulo)
    assert mean.sum() == pytest.approx(24 * 1.1, rel=0.25)
    # The rhythm of the day, of which the young one alone had shown little.
    assert mean.max() > 2 * mean.min()


def test_an_event_that_was_seen_often_moves_the_forecast_of_its_next_day(poisson_series):
    # Twice the arrivals on every tenth day of a year, and the next one is known to come.
    series = poisson_series(365)
    matches = [date(2021, 3, 1) + timedelta(days=10 * step) for step in range(38)]
    values = series.values.reshape(-1, 24).copy()
    values[::10] *= 2
    busy = HourlySeries("ED", series.start, values.ravel())
    told, untold = (
        Covariates(Calendar("America/Sao_Paulo", events=events))
        for events in ((Event("match", dict.fromkeys(matches, 1.0)),), ())
    )

    until = busy.first(360 * 24)
    with_match, without = (
        fit_arrivals([until], known)["ED"].predict(until, np.arange(24), known).sum() for known in (told, untold)
    )

    assert with_match > 1.4 * without


def test_a_forecast_of_others_counts_from_the_moment_it_was_issued(poisson_series):
    series = poisson_series(120)
    start_min = int(series.start.timestamp() // 60)
    hour = np.arange(len(series.values))
    heat = np.random.default_rng(5).normal(20.0, 5.0, len(hour) // 24).repeat(24)
    hot = HourlySeries("ED", series.start, np.round(series.values * np.exp(0.1 * (heat - 20.0))))
    day_ahead = Regressor.sorted("heat", start_min + 60 * (hour - 24), start_min + 60 * hour, heat)
    wrong = Regressor.sorted(
        "heat",
        np.concatenate([day_ahead.issue_min, day_ahead.target_min]),
        np.concatenate([day_ahead.target_min, day_ahead.target_min]),
        np.concatenate([heat, np.full(len(hour), 999.0)]),
    )
    known, corrected_late = (
        Covariates(Calendar("America/Sao_Paulo"), (regressor,)) for regressor in (day_ahead, wrong)
    )
    model = fit_arrivals([hot.first(100 * 24)], known)["ED"]
    origins = np.arange(100 * 24, 117 * 24, 24)

    mean = model.predict_from(hot, origins, np.arange(24), known).sum(axis=1)
    after = model.predict_from(hot, origins, np.arange(24), corrected_late).sum(axis=1)

    # What is issued for an hour only when it begins is known to the forecast of that hour alone.
    first_hour = model.predict_from(hot, origins, np.array([0]), corrected_late)[:, 0]
    unaware = model.predict_from(hot, origins, np.arange(24), Covariates(known.calendar)).sum(axis=1)
    assert np.corrcoef(np.log(mean / unaware), heat[origins])[0, 1] > 0.95
    assert after - first_hour == pytest.approx(mean - model.predict_from(hot, origins, np.array([0]), known)[:, 0])
    assert (first_hour > after / 24).any()
