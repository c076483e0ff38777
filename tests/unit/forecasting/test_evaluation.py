from __future__ import annotations

import json
from datetime import datetime, timedelta

import numpy as np
import pytest

from healthcare_ops.forecasting.arrivals import fit_arrivals
from healthcare_ops.forecasting.evaluation import held_out_origins, walk_forward
from healthcare_ops.forecasting.measures import LEVELS, Forecasts, measure, pinball
from healthcare_ops.forecasting.series import HourlySeries
from unit.forecasting.walks import backtest

LEADS = np.arange(49)


@pytest.fixture(scope="module")
def walk(poisson_series, sao_paulo):
    return backtest([poisson_series(120)], sao_paulo)[0]


def blocks_of(series, *blocks):
    """Blocks of origins, each learnt from the hours before its first."""
    return [(series.start + timedelta(hours=block[0]), {series.sector_id: np.array(block)}) for block in blocks]


def certain(actual, mean):
    """Forecasts whose quantiles all equal the mean."""
    values = np.array(mean, dtype=np.float64)[:, None]
    quantiles = np.repeat(values[..., None], len(LEVELS), axis=-1)
    return Forecasts(np.array(actual, dtype=np.float64)[:, None], values, quantiles, np.full(values.shape, 0.5))


def test_the_measures_are_those_of_the_textbook():
    forecasts = certain(actual=[4, 0, 2, 6], mean=[2, 1, 2, 7])

    found = measure(forecasts, 2.0, rate=np.full((4, 1), 5.0))

    assert (found.hours, found.zero_hours) == (4, 1)
    assert (found.mae, found.bias, found.mase) == (1.0, 0.0, 0.5)
    assert found.rmse == pytest.approx((6 / 4) ** 0.5)
    assert found.wape == pytest.approx(4 / 12)
    assert found.mape == pytest.approx((2 / 4 + 0 + 1 / 6) / 3)
    assert found.mape_floor == pytest.approx(0.514, abs=0.001)
    assert found.coverage_90 == 0.25


def test_hours_in_which_nobody_came_have_no_relative_error():
    found = measure(certain(actual=[0, 0], mean=[1, 1]), 0.0, rate=np.ones((2, 1)))

    assert (found.mape, found.wape, found.mase) == (None, None, None)
    assert found.mae == 1.0


def test_pinball_weighs_misses_by_the_level():
    actual = np.array([[10.0]])
    quantiles = np.full((1, 1, 7), 8.0)

    assert pinball(actual, quantiles)[0, 0] == pytest.approx(2.0 * np.mean(LEVELS))
    assert pinball(actual - 4, quantiles)[0, 0] == pytest.approx(2.0 * np.mean(1 - np.array(LEVELS)))


def test_the_model_beats_last_week_and_its_intervals_hold(walk):
    assert [item.lead_h for item in walk.comparisons] == [1, 4, 24, None]
    for item in walk.comparisons:
        assert item.model.pinball < item.naive.pinball * 0.85
        assert item.better_probability > 0.99
    assert walk.overall.model.coverage_pit == pytest.approx(0.90, abs=0.02)
    assert walk.overall.model.mase < 0.8 < walk.overall.naive.mase


def test_a_walk_over_poisson_counts_comes_close_to_what_is_possible(walk):
    measures = walk.overall.model

    assert measures.mape == pytest.approx(measures.mape_floor, rel=0.06)
    assert abs(measures.bias) < 0.2


def test_a_walk_counts_its_origins_and_refits(walk):
    # 56 days of hours, the last 48 leave no room for the longest lead, an origin every 5 hours; refits after 28 days.
    assert walk.origins == len(range(0, 56 * 24 - 48, 5))
    assert walk.refits == 2
    assert walk.overall.model.hours == walk.origins * 49


def test_the_same_walk_gives_the_same_document(walk, poisson_series, sao_paulo):
    again = backtest([poisson_series(120)], sao_paulo)[0]

    assert json.dumps(again.to_dict()) == json.dumps(walk.to_dict())


def test_a_walk_shows_the_leads_it_is_asked_for(ten_weeks, sao_paulo):
    (found,) = backtest([ten_weeks], sao_paulo, test_days=28, every_h=24, leads=(0, 48))

    assert [item.lead_h for item in found.comparisons] == [0, 48, None]


def test_a_walk_learns_nothing_from_the_hours_after_an_origin(ten_weeks, sao_paulo):
    cut = 1100
    noisy = ten_weeks.values.copy()
    noisy[cut:] = np.random.default_rng(1).poisson(80.0, len(noisy) - cut)
    other = HourlySeries("ED", ten_weeks.start, noisy)
    blocks = blocks_of(ten_weeks, [600, 605], [cut - 5, cut], [cut + 5])

    honest, tried = (walk_forward([series], sao_paulo, blocks, LEADS)[0].forecasts for series in (ten_weeks, other))

    assert tried.mean[:4].tolist() == honest.mean[:4].tolist()
    assert tried.quantiles[:4].tolist() == honest.quantiles[:4].tolist()
    assert (tried.mean[4] != honest.mean[4]).all()


def test_a_walk_is_refitted_from_block_to_block(ten_weeks, sao_paulo):
    (walk,) = walk_forward([ten_weeks], sao_paulo, blocks_of(ten_weeks, [600], [1200]), LEADS)

    for row, origin in zip(walk.forecasts.mean, (600, 1200), strict=True):
        model = fit_arrivals([ten_weeks.first(origin)], sao_paulo)["ED"]
        assert row.tolist() == model.predict(ten_weeks.first(origin), LEADS, sao_paulo).tolist()


def test_too_short_a_history_is_not_judged(poisson_series, sao_paulo):
    assert backtest([poisson_series(24)], sao_paulo) == []
    assert len(backtest([poisson_series(26)], sao_paulo)) == 1


def test_sectors_are_walked_together_each_as_long_as_it_knows(poisson_series, sao_paulo):
    long, short = poisson_series(90), poisson_series(60, sector_id="ICU", mean=2.0, seed=3)
    late = HourlySeries("ICU", long.start + timedelta(days=30), short.values)

    found = {walk.sector_id: walk for walk in backtest([long, late], sao_paulo, test_days=56)}

    # ICU knows three weeks only 17 days after the walk begins, and joins when all is learnt anew after 28.
    assert found["ED"].first_origin == str(long.start + timedelta(days=34))
    assert long.start + timedelta(days=62) <= datetime.fromisoformat(found["ICU"].first_origin)
    assert (found["ED"].refits, found["ICU"].refits) == (2, 1)


def test_the_model_is_compared_with_yesterday_too(walk):
    for item in walk.comparisons:
        assert item.model.pinball < item.yesterday.pinball


def test_origins_leave_room_for_the_longest_lead(poisson_series):
    origins = held_out_origins(poisson_series(30), 600, every_h=8)

    assert origins[0] == 600
    assert origins[-1] + 48 <= 30 * 24 - 1
