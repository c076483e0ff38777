from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from healthcare_ops.monitoring.charts import Memory, alarms, cusum, ratio_chart, reached, thresholds

NO_DAY = np.zeros((1, 400), bool)


def test_the_memory_of_days_is_that_of_the_process_they_come_from():
    random = np.random.default_rng(1)
    series = np.zeros(5000)
    for day in range(1, len(series)):
        series[day] = 0.6 * series[day - 1] + random.normal()

    memory = Memory.of(series)

    assert memory.weights[0] == pytest.approx(0.6, abs=0.05)
    assert np.abs(memory.weights[1:]).max() < 0.06
    assert memory.variance == pytest.approx(1.0, abs=0.06)
    assert memory.long_variance == pytest.approx(1 / 0.4**2, rel=0.25)


def test_days_of_chance_around_a_level_that_lasts_remember_more_than_yesterday():
    random = np.random.default_rng(2)
    level = np.zeros(20_000)
    for day in range(1, len(level)):
        level[day] = 0.8 * level[day - 1] + random.normal(0, 0.6)

    memory = Memory.of(level + random.normal(0, 1.0, len(level)))

    # Kalman's gain of this process is 0.375: yesterday is worth 0.8·0.375, each day before 0.8·0.625 times as much.
    assert memory.weights[:3].tolist() == pytest.approx([0.3, 0.15, 0.075], abs=0.02)
    assert memory.variance == pytest.approx(1.6, rel=0.03)


def test_a_lasting_change_shows_whole_on_its_first_day_and_less_when_days_remember():
    memory = Memory(np.array([0.6, 0, 0, 0, 0, 0, 0]), 1.0)

    new = memory.new(np.array([0.0, 0.0, 1.0, 1.0, 1.0]))

    assert new.tolist() == pytest.approx([0, 0, 1, 0.4, 0.4])
    assert memory.shows[:3].tolist() == pytest.approx([1, 0.4, 0.4])


def test_a_chart_is_the_highest_sum_of_evidence_up_to_the_day_and_never_negative():
    chart = ratio_chart(1, np.array([-1.0, 2.0, -0.5, 1.0, -9.0, 1.0]))

    values, lasted = cusum([chart], np.array([100.0]), slice(None), NO_DAY[:, :6])

    assert values[0].tolist() == pytest.approx([0, 2, 1.5, 2.5, 0, 1])
    assert lasted[0, 3] == 3


def test_a_day_that_says_nothing_leaves_a_chart_as_it_is():
    chart = ratio_chart(1, np.array([2.0, np.nan, 1.0]))

    values, _ = cusum([chart], np.array([100.0]), slice(None), NO_DAY[:, :3])

    assert values[0].tolist() == [2, 2, 3]


def test_no_day_alone_reaches_a_threshold_and_no_chart_rises_without_end():
    chart = ratio_chart(1, np.full(9, 1000.0))

    values, _ = cusum([chart], np.array([10.0]), slice(None), NO_DAY[:, :9])

    assert values[0, 0] < 10 <= values[0, 1]
    assert values.max() == 20


def test_an_alarm_lasts_until_half_of_the_evidence_is_gone():
    charts = np.array([[3.0, 10.0, 8.0, 5.0, 4.9, 8.0]])

    assert alarms(charts, np.array([10.0]))[0].tolist() == [False, True, True, True, False, False]


@pytest.mark.parametrize("kept", [0.0, 0.7])
def test_years_without_change_seldom_reach_the_threshold(kept):
    per_year, years = 0.2, 60
    random = np.random.default_rng(3)
    series = random.normal(0, 0.1, 365 * (years + 1))
    for day in range(1, len(series)):
        series[day] += kept * series[day - 1]
    chart = Memory.of(series[:365]).chart(1, series, 0.2, 56)
    limit = thresholds([chart], trained=365, per_year=np.array([per_year]), seed=5)

    reached = [
        cusum([chart], limit, slice(start, start + 365), NO_DAY[:, :365])[0].max() >= limit[0]
        for start in range(365, len(series), 365)
    ]

    assert np.mean(reached) <= per_year


def test_what_is_reached_once_in_many_years_lies_beyond_all_years_that_were_tried():
    highest = np.random.default_rng(4).exponential(1.0, (1, 400))

    often, seldom, hardly = (reached(highest, np.array([per_year]))[0] for per_year in (0.7, 0.01, 1e-4))

    assert (highest > often).mean() == pytest.approx(0.5, abs=0.02)
    assert seldom == pytest.approx(np.log(100), rel=0.15)
    assert hardly > highest.max()


@pytest.mark.parametrize("per_year", [0.05, 1.0])
def test_theory_tames_what_one_year_of_normal_days_says_of_its_highest(per_year):
    random, limits = np.random.default_rng(6), {True: [], False: []}
    for _ in range(12):
        series = random.normal(0, 0.1, 365)
        chart = Memory.of(series).chart(1, series, 0.2, 56)
        for is_normal, found in limits.items():
            told = replace(chart, is_normal=is_normal)
            found.append(thresholds([told], trained=365, per_year=np.array([per_year]), seed=5)[0])

    assert np.std(limits[True]) < 0.7 * np.std(limits[False])


def test_a_chart_that_few_days_speak_to_never_alarms():
    series = np.full(365, np.nan)
    series[:20] = -1.0

    limit = thresholds([ratio_chart(1, series)], trained=365, per_year=np.array([0.1]), seed=1)

    assert limit.tolist() == [np.inf]
