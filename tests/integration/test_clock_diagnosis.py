"""How often a wrong clock is named and a right one suspected: the bounds of the table in docs/data-quality.md.

The years are those of `bench/clock_diagnosis.py`: arrivals of the generator, with outages, backlogs and late days.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "clock_diagnosis.py"
SEED = 201


@pytest.fixture(scope="module")
def bench():
    """Return the bench, whose years are judged here too."""
    spec = importlib.util.spec_from_file_location("clock_diagnosis", BENCH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def quarter(bench):
    """Return three months of 200 arrivals a day whose records come in every 15 minutes."""
    year = bench.synthetic_year("America/Sao_Paulo", 200, SEED, is_live=True)
    return replace(year, last=year.first + timedelta(days=97))


def shares(tally):
    """Return spoken ÷ cases and exact ÷ spoken."""
    cases, spoken, exact = tally
    return spoken / cases, exact / spoken


def test_a_quarter_with_outages_backlogs_and_holidays_has_hardly_a_false_name(quarter):
    named = [diagnosis.sentence for diagnosis in map(quarter.judge, quarter.days) if diagnosis.offset_h is not None]

    assert len(named) <= 1


@pytest.mark.parametrize("offset", [-3.0, 3.0])
def test_three_hours_are_named_on_the_day_itself(bench, quarter, offset):
    days = [day for day in quarter.days[7:-7:4] if not quarter.is_troubled(day)]

    said = list(bench.single_days(quarter, offset, days, is_lasting=True))

    assert [diagnosis.offset_h for diagnosis in said].count(offset) >= 0.9 * len(days)
    assert {diagnosis.offset_h for diagnosis in said} <= {offset, None}


@pytest.mark.parametrize("offset", [-1.0, 1.0])
def test_one_hour_is_named_within_a_week(bench, quarter, offset):
    firsts = quarter.days[7:-14:12]

    first_words = [
        next((day.offset_h for day in week if day.offset_h is not None), None)
        for week in bench.weeks(quarter, offset, firsts)
    ]

    assert first_words.count(offset) >= len(firsts) - 1


def test_hours_alone_name_three_hours_where_records_come_in_bulk(bench, quarter):
    in_bulk = bench.delivered(quarter, SEED, is_live=False)
    days = [day for day in quarter.days[7:-7:4] if not quarter.is_troubled(day)]

    said = list(bench.single_days(in_bulk, -3.0, days, is_lasting=True))

    assert {diagnosis.severity for diagnosis in said} <= {"warn", "none"}
    assert [diagnosis.offset_h for diagnosis in said].count(-3.0) >= 0.75 * len(days)


def test_a_clean_autumn_of_the_sample_year_has_no_name(bench):
    autumn = bench.sample_year(date(2017, 10, 1), date(2017, 11, 30), is_live=False)

    assert [day.sentence for day in map(autumn.judge, autumn.days) if day.offset_h is not None] == []


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "Europe/Stockholm", "America/New_York"])
def test_a_year_of_a_live_feed_keeps_the_bounds(bench, zone):
    tally = bench.tally(bench.synthetic_year(zone, 200, SEED, is_live=True), SEED, count=60)

    assert tally["clean"][1] <= 1
    assert tally["clean noon"][1] <= 1
    for name, least_spoken, least_exact in (
        ("quiet", 0.98, 0.99),
        ("3h", 0.9, 0.97),
        ("3h first", 0.9, 0.97),
        ("1h week", 0.98, 0.98),
    ):
        spoken, exact = shares(tally[name])
        assert (spoken >= least_spoken, exact >= least_exact) == (True, True), name


@pytest.mark.slow
@pytest.mark.parametrize("per_day", [200, 400])
def test_a_year_of_one_bulk_load_keeps_the_bounds(bench, per_day):
    tally = bench.tally(bench.synthetic_year("America/Sao_Paulo", per_day, SEED, is_live=False), SEED, count=60)

    assert tally["clean"][1] <= 1
    spoken, exact = shares(tally["quiet"])
    assert (spoken >= 0.85, exact >= 0.98) == (True, True)
    assert shares(tally["1h week"])[0] >= 0.85
