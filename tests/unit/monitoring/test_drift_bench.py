"""How soon drift is found and how often for nothing: the duties in the table of `bench/drift.py`, on a sample."""

from __future__ import annotations

import importlib.util
import statistics
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[3] / "bench" / "drift.py"
SEEDS = range(201, 206)


@pytest.fixture(scope="module")
def bench():
    """Return the bench, whose hospitals are judged here too."""
    spec = importlib.util.spec_from_file_location("drift_bench", BENCH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("per_hour", [5, 10, 20])
@pytest.mark.parametrize("name", ["arrivals +20 %", "peak +2 h", "wait x2"])
def test_a_change_of_a_poisson_hospital_is_found_in_time(bench, name, per_hour):
    (change,) = [change for change in bench.CHANGES if change.name == name]

    found = [bench.look(bench.plain(per_hour, seed, change, 30), change, seed) for seed in SEEDS]

    assert statistics.median(item.day or 99 for item in found) <= change.within_days


@pytest.mark.parametrize("name", ["clock +3 h", "clock -3 h"])
def test_a_clock_that_is_three_hours_off_is_called_a_fault_within_days(bench, name):
    (change,) = [change for change in bench.CHANGES if change.name == name]

    found = [bench.look(bench.plain(10, seed, change, 30), change, seed) for seed in SEEDS]

    assert [item.later for item in found].count("data_fault") >= len(SEEDS) - 1


@pytest.mark.slow
def test_a_simulated_hospital_that_comes_two_hours_later_is_found_in_two_days(bench):
    (change,) = [change for change in bench.CHANGES if change.name == "peak +2 h"]

    found = [bench.look(bench.simulated(10, seed, change, 20), change, seed) for seed in SEEDS[:3]]

    assert statistics.median(item.day or 99 for item in found) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("make", ["simulated", "six_sectors"])
def test_a_fifth_more_is_found_in_a_week_though_days_are_alike(bench, make):
    change = next(change for change in bench.CHANGES if change.name == "arrivals +20 %")

    found = [bench.look(getattr(bench, make)(10, seed, change, 20), change, seed) for seed in SEEDS]

    assert statistics.median(item.day or 99 for item in found) <= 7


def test_the_best_chart_finds_more_sooner_where_more_come_or_more_alarms_are_allowed(bench):
    small, usual, large = bench.bound(5, 0.5), bench.bound(5, 2.0), bench.bound(20, 2.0)

    assert small[0] >= usual[0] >= large[0] >= 1
    assert 0.4 < small[1] < usual[1] < large[1] <= 1


@pytest.mark.parametrize("make", ["plain", pytest.param("simulated", marks=pytest.mark.slow)])
def test_a_clean_year_has_at_most_two_false_alarms(bench, make):
    cried = [bench.cry(bench.MAKERS[make](10, seed, bench.CLEAN, 365)) for seed in SEEDS[:3]]

    assert statistics.mean(item.episodes for item in cried) <= 2


@pytest.mark.slow
def test_a_year_of_six_sectors_is_judged_within_seconds(bench):
    cried = bench.cry(bench.six_sectors(10, SEEDS[0], bench.CLEAN, 365))

    # A second or two on a machine of its own; tests share theirs.
    assert cried.seconds < 20
