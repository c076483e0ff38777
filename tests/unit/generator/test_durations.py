from __future__ import annotations

import numpy as np
import pytest

from healthcare_ops.generator.durations import (
    choose,
    correlated,
    duration_table,
    mean_s,
    normal_scores,
    sample_s,
    thresholds,
)
from healthcare_ops.generator.parameters import PROBABILITIES
from healthcare_ops.generator.streams import random_numbers

QUANTILES = (0, 2, 3, 5, 10, 20, 40, 60, 80, 120, 600)
EVENLY = (np.arange(200_000, dtype=np.uint64) * (1 << 32) // 200_000).astype(np.uint32)


def test_durations_have_the_quantiles_they_were_given():
    drawn = sample_s(duration_table(QUANTILES, 60)[None, :], 0, EVENLY)

    found = np.quantile(drawn, PROBABILITIES[1:-1]) / 60
    assert found.tolist() == pytest.approx(QUANTILES[1:-1], rel=0.02)
    assert drawn.min() == 0
    assert drawn.max() <= 600 * 60


def test_durations_are_whole_seconds():
    drawn = sample_s(duration_table(QUANTILES, 60)[None, :], 0, EVENLY)

    assert drawn.dtype == np.int64


def test_a_duration_that_never_differs_is_drawn_as_it_is():
    table = duration_table([7.5] * 11, 60)

    assert set(sample_s(table[None, :], 0, EVENLY[::100])) == {450}
    assert mean_s(table) == 450.0


def test_the_last_bit_of_an_exponential_function_does_not_decide_about_a_second(monkeypatch):
    # exp(log(15.5)) − 15 is half a second exactly, or a little more or less.
    halves = [0.5 / 60] * 11
    exactly = duration_table(halves, 60)

    tables = []
    for direction in (0, np.inf):
        with monkeypatch.context() as patched:
            patched.setattr(np, "exp", lambda x, exp=np.exp, to=direction: np.nextafter(exp(x), to))
            tables.append(duration_table(halves, 60))

    assert all((table == exactly).all() for table in tables)


def test_each_duration_comes_from_the_table_of_its_row():
    tables = np.array([duration_table([1.0] * 11, 60), duration_table([2.0] * 11, 60)])

    drawn = sample_s(tables, np.array([0, 1, 1]), np.array([5, 5, 4_000_000_000], np.uint32))

    assert drawn.tolist() == [60, 120, 120]


def test_the_mean_is_that_of_what_is_drawn():
    table = duration_table(QUANTILES, 60)

    assert mean_s(table) == pytest.approx(sample_s(table[None, :], 0, EVENLY).mean(), rel=0.001)


def test_choices_come_in_their_shares_and_the_rest_is_the_last():
    chosen = choose(thresholds([0.2, 0.0, 0.5]), 0, EVENLY)

    assert (np.bincount(chosen) / len(chosen)).tolist() == pytest.approx([0.2, 0.0, 0.5, 0.3], abs=1e-4)


def test_a_share_of_one_leaves_nothing_to_chance():
    assert set(choose(thresholds([1.0]), 0, EVENLY)) == {0}


@pytest.mark.parametrize("correlation", [-0.9, -0.2, 0.0, 0.5])
def test_numbers_that_follow_others_are_as_evenly_spread(correlation):
    own, cause = (random_numbers(1, name).bits(100_000) for name in ("own", "cause"))

    found = correlated(own, normal_scores(cause), np.full(len(own), correlation))

    assert np.corrcoef(normal_scores(found), normal_scores(cause))[0, 1] == pytest.approx(correlation, abs=0.01)
    assert np.quantile(found / 2**32, [0.01, 0.1, 0.5, 0.9, 0.99]).tolist() == pytest.approx(
        [0.01, 0.1, 0.5, 0.9, 0.99], abs=0.006
    )


def test_numbers_that_follow_nothing_stay_as_they_were():
    own, cause = (random_numbers(1, name).bits(10_000) for name in ("own", "cause"))

    found = correlated(own, normal_scores(cause), np.zeros(len(own)))

    assert found.tolist() == own.tolist()
