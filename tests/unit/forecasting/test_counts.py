from __future__ import annotations

import math

import numpy as np
import pytest

from healthcare_ops.forecasting import counts


def test_poisson_probabilities_are_the_textbook_ones():
    found = counts.log_pmf(np.arange(6), np.full(6, 2.5), 0.0)

    expected = [k * math.log(2.5) - 2.5 - math.lgamma(k + 1) for k in range(6)]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_counts_that_vary_more_than_poisson_have_variance_mean_plus_dispersion_times_mean_squared():
    k = np.arange(400)

    probability = np.exp(counts.log_pmf(k, np.full(400, 6.0), 0.5))

    mean = (k * probability).sum()
    assert probability.sum() == pytest.approx(1.0, abs=1e-12)
    assert mean == pytest.approx(6.0, abs=1e-9)
    assert ((k - mean) ** 2 * probability).sum() == pytest.approx(6.0 + 0.5 * 36.0, abs=1e-6)


def test_a_quantile_lies_on_the_line_between_half_integers():
    # With a mean of 2, P(X ≤ 1) = 3/e² and P(X ≤ 2) = 5/e²: the median is between 1½ and 2½.
    low, high = 3 * math.exp(-2), 5 * math.exp(-2)

    found = counts.quantiles(np.array([2.0]), 0.0, [0.5])

    assert found[0, 0] == pytest.approx(1.5 + (0.5 - low) / (high - low), abs=1e-12)


def test_quantiles_rise_with_the_level_and_are_never_negative():
    mean = np.array([0.0, 1e-6, 0.3, 4.0, 90.0])

    found = counts.quantiles(mean, 0.1, [0.05, 0.25, 0.5, 0.75, 0.95])

    assert (np.diff(found, axis=1) >= 0).all()
    assert (found >= 0).all()


def test_a_mean_of_hundreds_does_not_vanish_in_rounding():
    found = counts.quantiles(np.array([900.0]), 0.0, [0.05, 0.5, 0.95])

    assert found[0].tolist() == pytest.approx([850.8, 899.7, 949.5], abs=0.5)


def test_a_quantile_does_not_depend_on_the_means_beside_it():
    alone = counts.quantiles(np.array([3.7]), 0.05, [0.05, 0.95])

    among = counts.quantiles(np.array([0.1, 3.7, 250.0]), 0.05, [0.05, 0.95])

    assert among[1].tolist() == alone[0].tolist()


def test_randomised_transforms_of_the_right_distribution_are_uniform():
    mean = np.full(20_000, 1.3)
    seen = np.random.default_rng(1).poisson(mean).astype(np.float64)

    found = counts.randomised_pit(seen, mean, 0.0, seed=2)

    shares = np.histogram(found, bins=10, range=(0, 1))[0] / len(found)
    assert shares.tolist() == pytest.approx([0.1] * 10, abs=0.01)


def test_a_count_beyond_the_table_is_as_unlikely_as_can_be():
    assert counts.randomised_pit(np.array([500.0]), np.array([1.0]), 0.0, seed=0)[0] == pytest.approx(1.0, abs=1e-12)


def test_even_a_perfect_forecaster_misses_by_half_when_five_arrive_an_hour():
    found = counts.mape_floor(np.array([5.0]))

    chances = [math.exp(-5.0) * 5.0**k / math.factorial(k) for k in range(1, 60)]
    expected = sum(chance * abs(k - 5.0) / k for k, chance in enumerate(chances, start=1)) / sum(chances)
    assert found[0] == pytest.approx(expected, abs=1e-9)
    assert expected == pytest.approx(0.514, abs=0.001)
