from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.headcounts import CountForecast, coming_pmf, staying_pmf, sum_pmf


def test_who_stays_is_counted_as_by_trying_every_outcome():
    staying = np.random.default_rng(1).random((9, 3))

    found = staying_pmf(staying)

    expected = np.zeros((3, 10))
    for outcome in product((0, 1), repeat=9):
        here = np.array(outcome)[:, None]
        expected[:, sum(outcome)] += np.where(here, staying, 1 - staying).prod(axis=0)
    assert np.abs(found - expected).max() < 1e-12


@pytest.mark.parametrize("dispersion", [0.0, 0.3])
def test_who_comes_and_stays_is_counted_as_by_trying_every_outcome(dispersion):
    come, stay = np.array([2.0, 0.7, 3.1]), np.array([[0.2, 0.0], [0.9, 0.5], [0.4, 1.0]])

    found = coming_pmf(come[:, None] * stay, dispersion)

    several = np.arange(120)
    for instant in range(2):
        expected = np.ones(1)
        for mean, chance in zip(come, stay[:, instant], strict=True):
            arrive = np.exp(counts.log_pmf(several, np.full(120, mean), dispersion))
            thinned = [
                sum(arrive[n] * comb(n, k) * chance**k * (1 - chance) ** (n - k) for n in range(k, 120))
                for k in range(40)
            ]
            expected = np.convolve(expected, thinned)
        assert np.abs(found[instant, :40] - expected[:40]).max() < 1e-12


def test_the_sum_of_two_counts_is_their_convolution():
    one, other = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])

    found = sum_pmf(one, other)

    assert found.tolist() == [pytest.approx([0.05, 0.15, 0.45, 0.35]), pytest.approx([0.3, 0.3, 0.4, 0.0])]


def test_a_full_ward_is_counted_as_in_a_million_draws():
    rng = np.random.default_rng(2)
    staying, coming, dispersion = rng.random(200), np.array([4.0, 6.0, 9.0, 2.0]), 0.2

    found = sum_pmf(staying_pmf(staying[:, None]), coming_pmf(coming[:, None], dispersion))[0].cumsum()

    draws = np.zeros(1_000_000, dtype=np.int64)
    for chance in staying:
        draws += rng.random(len(draws)) < chance
    for mean in coming:
        draws += rng.poisson(rng.gamma(1 / dispersion, dispersion * mean, len(draws)))
    seen = np.bincount(draws, minlength=len(found)).cumsum() / len(draws)
    # Three standard errors of a share of a million draws.
    assert np.abs(found - seen[: len(found)]).max() < 3 * 0.5 / 1000


def test_hundreds_who_come_do_not_vanish_in_rounding():
    pmf = coming_pmf(np.full((48, 1), 18.0), 0.05)[0]

    count = np.arange(len(pmf))
    mean = (pmf * count).sum()
    assert pmf.sum() == pytest.approx(1.0, abs=1e-12)
    assert mean == pytest.approx(864.0, rel=1e-9)
    assert (pmf * (count - mean) ** 2).sum() == pytest.approx(864.0 + 0.05 * 48 * 18.0**2, rel=1e-6)


def test_a_quantile_lies_on_the_line_between_half_integers():
    said = CountForecast(np.array([1]), np.array([[0.2, 0.5, 0.3]]))

    # P(X ≤ 0) = 0.2 stands at ½, P(X ≤ 1) = 0.7 at 1½.
    assert said.quantiles([0.2, 0.45, 0.7])[0].tolist() == pytest.approx([0.5, 1.0, 1.5])
    assert said.mean.tolist() == pytest.approx([1.1])
    assert said.randomised_pit(np.array([1]), np.array([0.5])).tolist() == pytest.approx([0.45])


def test_a_count_on_the_edge_of_an_interval_is_missed_in_part():
    said = CountForecast(np.array([1]), np.array([[0.2, 0.5, 0.25, 0.05]]))

    found = [said.missed(np.array([count]), 0.05, 0.95)[0] for count in range(4)]

    # A quarter of "nobody" lies below the lower end, all of "three" above the upper one.
    assert found == pytest.approx([0.25, 0.0, 0.0, 1.0])


def test_as_much_is_missed_as_lies_outside_if_the_forecast_is_right():
    pmf = np.exp(counts.log_pmf(np.arange(60), np.array([[0.3], [2.0], [14.0]]), 0.1))
    said = CountForecast(np.array([1, 2, 3]), pmf)

    expected = sum(pmf[:, count] * said.missed(np.full(3, count), 0.05, 0.95) for count in range(60))

    assert expected == pytest.approx(np.full(3, 0.1), abs=1e-5)
