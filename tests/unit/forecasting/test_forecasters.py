from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting.forecasters import ArrivalsModel, HourlySeries, fit_arrivals, seasonal_naive

ZONE = "America/Sao_Paulo"
LEADS = np.arange(49)


def test_a_forecast_is_the_same_to_the_last_bit_when_the_future_is_deleted(model, ten_weeks):
    origins = np.array([900, 1001, 1500])

    seen = model.predict_from(ten_weeks, origins, LEADS)

    for origin, row in zip(origins, seen, strict=True):
        alone = model.predict(ten_weeks.first(int(origin)), LEADS)
        assert alone.tolist() == row.tolist()


def test_a_forecast_is_the_same_to_the_last_bit_when_the_future_is_noise(model, ten_weeks):
    origin = 1200
    noisy = ten_weeks.values.copy()
    noisy[origin:] = np.random.default_rng(1).poisson(80.0, len(noisy) - origin)
    other = HourlySeries(ten_weeks.sector_id, ten_weeks.start, noisy)

    expected = model.predict_from(ten_weeks, np.array([origin]), LEADS)

    assert model.predict_from(other, np.array([origin]), LEADS).tolist() == expected.tolist()


def test_the_hour_before_the_origin_is_seen(model, ten_weeks):
    busy = ten_weeks.values.copy()
    busy[1199] += 40

    moved = model.predict_from(HourlySeries("ED", ten_weeks.start, busy), np.array([1200]), LEADS)

    assert (moved != model.predict_from(ten_weeks, np.array([1200]), LEADS)).any()


def test_the_same_hours_give_the_same_model_to_the_last_byte(model, ten_weeks):
    again = fit_arrivals(ten_weeks, ZONE, None)

    assert json.dumps(again.to_dict()) == json.dumps(model.to_dict())


def test_forecasts_follow_the_rhythm_of_the_day(model, ten_weeks):
    mean = model.predict(ten_weeks, np.arange(24))

    # The series starts at midnight in São Paulo and peaks at 19 h local with 8.8 an hour, lowest at 7 h with 2.2.
    assert mean.argmax() in (18, 19, 20)
    assert mean.argmin() in (6, 7, 8)
    assert mean.sum() == pytest.approx(24 * 5.0 * 1.1, rel=0.05)


def test_a_week_of_more_arrivals_lifts_the_coming_two_days(ten_weeks):
    hour = np.arange(120 * 24)
    rate = 5.0 + 2.5 * np.sin(2 * np.pi * hour / (28 * 24))
    swaying = HourlySeries("ED", ten_weeks.start, np.random.default_rng(2).poisson(rate).astype(np.float64))
    crest, trough = (3 * 28 + 7) * 24, (3 * 28 + 21) * 24

    model = fit_arrivals(swaying, ZONE, None)

    means = model.predict_from(swaying, np.array([crest, trough]), LEADS).mean(axis=1)
    # The calendar alone would say 5 at both.
    assert means[0] > 6.0
    assert means[1] < 3.6


def test_three_weeks_are_enough_and_one_hour_less_is_not(poisson_series):
    three_weeks = poisson_series(21)

    model = fit_arrivals(three_weeks, ZONE, Holidays(country="BR"))

    assert model.predict(three_weeks, LEADS).mean() == pytest.approx(5.0, rel=0.25)
    with pytest.raises(DataError, match=r"503 hours of arrivals; a model needs 504 \(21 days\)"):
        fit_arrivals(three_weeks.first(503), ZONE, None)


def test_the_season_is_learnt_from_two_years_on(poisson_series):
    assert not fit_arrivals(poisson_series(729), ZONE, None).has_season
    assert fit_arrivals(poisson_series(730), ZONE, None).has_season


def test_poisson_counts_get_poisson_intervals(model):
    assert model.dispersion <= 0.01


def test_counts_that_vary_more_get_wider_intervals(ten_weeks):
    crowds = np.random.default_rng(3).negative_binomial(2, 2 / (2 + 5.0), len(ten_weeks.values))

    model = fit_arrivals(HourlySeries("ED", ten_weeks.start, crowds.astype(np.float64)), ZONE, None)

    assert model.dispersion == 0.4


def test_a_stored_model_forecasts_the_same(model, ten_weeks):
    stored = json.loads(json.dumps(model.to_dict()))

    again = ArrivalsModel.from_dict(stored)

    assert again.predict(ten_weeks, LEADS).tolist() == model.predict(ten_weeks, LEADS).tolist()
    assert (again.trained_from, again.trained_until) == (ten_weeks.start, ten_weeks.end)


def test_each_coefficient_has_a_name(model):
    assert len(model.feature_names) == len(set(model.feature_names)) == len(model.profile) + len(model.levels)
    assert model.feature_names[:2] == ("intercept", "hour_00")
    assert model.feature_names[-1] == "level_8736h_fading"


def test_a_model_with_other_features_is_refused(model):
    stored = model.to_dict() | {"features": ["intercept"]}

    with pytest.raises(ValueError, match="features of sector 'ED' are not those this version computes"):
        ArrivalsModel.from_dict(stored)


@pytest.mark.parametrize("wrong", [-1.0, 1.5, np.nan, np.inf])
def test_what_is_not_a_count_is_refused_with_its_hour(wrong):
    with pytest.raises(DataError, match=r"arrivals in the hour 2021-03-01 01:00:00\+00:00"):
        HourlySeries("ED", datetime(2021, 3, 1, tzinfo=UTC), np.array([2.0, wrong]))


def test_a_series_starts_on_a_full_hour_of_a_known_zone():
    with pytest.raises(ValueError, match="has no time zone"):
        HourlySeries("ED", datetime(2021, 3, 1), np.ones(2))  # noqa: DTZ001  # the mistake under test
    with pytest.raises(ValueError, match="is not the start of a UTC hour"):
        HourlySeries("ED", datetime(2021, 3, 1, 0, 30, tzinfo=UTC), np.ones(2))


def test_a_series_cut_at_an_instant_keeps_only_hours_that_were_over():
    series = HourlySeries("ED", datetime(2021, 3, 1, tzinfo=UTC), np.arange(5.0))

    cut = series.until(series.start + timedelta(hours=2, minutes=59))

    assert cut.values.tolist() == [0.0, 1.0]
    assert cut.end == datetime(2021, 3, 1, 2, tzinfo=UTC)


def test_last_week_means_the_same_civil_hour_across_a_clock_change():
    # Count = hours since the start; the clock goes forward on 26 March 2017 at 01 UTC.
    series = HourlySeries("ED", datetime(2017, 3, 19, tzinfo=UTC), np.arange(24.0 * 14))
    noon_after = 24 * 8 + 10  # Monday 27 March, 12:00 CEST

    naive = seasonal_naive(series, "Europe/Stockholm", np.array([noon_after]), np.array([0]))

    assert naive.tolist() == [[24.0 * 1 + 11]]  # Monday 20 March, 12:00 CET


def test_an_hour_that_came_twice_or_not_at_all_last_week_has_a_stand_in():
    # On 29 October 2017 the clock shows 02:00 at 00 and at 01 UTC; on 26 March it goes from 01:59 to 03:00 at 01 UTC.
    autumn = HourlySeries("ED", datetime(2017, 10, 29, tzinfo=UTC), np.arange(24.0 * 9))
    spring = HourlySeries("ED", datetime(2017, 3, 26, tzinfo=UTC), np.arange(24.0 * 9))

    twice = seasonal_naive(autumn, "Europe/Stockholm", np.array([7 * 24 + 1]), np.array([0]))
    skipped = seasonal_naive(spring, "Europe/Stockholm", np.array([7 * 24]), np.array([0]))

    assert twice.tolist() == [[1.0]]
    assert skipped.tolist() == [[0.0]]


def test_last_week_of_a_lead_beyond_a_week_is_the_latest_known_one():
    series = HourlySeries("ED", datetime(2021, 3, 1, tzinfo=UTC), np.arange(24.0 * 21))

    naive = seasonal_naive(series, "UTC", np.array([400]), np.array([0, 166, 170]))

    assert naive.tolist() == [[232.0, 398.0, 234.0]]
