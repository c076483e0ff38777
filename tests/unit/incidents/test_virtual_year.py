"""The alarms and the diagnosis over virtual time: each incident of a seeded script is found and rightly classed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[3] / "bench"


@pytest.fixture(scope="module")
def bench():
    """Return the bench whose virtual platform is judged here too."""
    sys.path.insert(0, str(BENCH))
    spec = importlib.util.spec_from_file_location("virtual_year_bench", BENCH / "virtual_year.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(BENCH))
    del sys.modules[spec.name]


def test_three_weeks_with_six_incidents_are_told_as_they_were(bench):
    result = bench.year(seed=11, days=21, count=6)

    assert (result.found, result.missed, result.false) == (6, (), ())


def test_a_quiet_week_with_near_misses_opens_nothing(bench):
    judge = bench.quiet(seed=12, days=7)

    assert judge.opened == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [21, 22])
def test_a_year_with_sixty_incidents_is_told_with_two_false_ones_at_most(bench, seed):
    result = bench.year(seed)

    assert (result.wanted, result.missed) == (60, ())
    assert len(result.false) <= 2
