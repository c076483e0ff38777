from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from healthcare_ops.core.site import Site
from healthcare_ops.generator.arrivals import (
    civil_hours,
    draw_arrivals,
    expected_per_hour,
    hour_of_week_shape,
    mean_arrivals,
    shocks,
)
from healthcare_ops.generator.parameters import default_parameters
from synthetic import MONDAY, parameters, synthetic_site

FLAT = {"weekday_hours": [1] * 24, "weekend_hours": [1] * 24, "weekdays": [1] * 7, "season_amplitude": 0}
CALM = {"dispersion": 1.0, "autocorrelation": 0.0}
NO_DISTURBANCES = {"chance_per_day": 0.0}


def arrivals_of(site, different, first, last, seed=1):
    hours = civil_hours(site, first, last)
    return hours, draw_arrivals(site, hours, mean_arrivals(site, parameters(**different), hours, seed), seed)


def daily(hours, comings, sector=None):
    chosen = slice(None) if sector is None else comings.sector == sector
    return np.bincount(comings.day[chosen], minlength=len(hours.days)).astype(float)


def memory_of(days):
    return np.corrcoef(days[1:], days[:-1])[0, 1]


@pytest.mark.parametrize(
    ("zone", "day", "civil"),
    [
        ("Europe/Stockholm", date(2025, 3, 30), [0, 1, *range(3, 24)]),
        ("Europe/Stockholm", date(2025, 10, 26), [0, 1, 2, *range(2, 24)]),
        ("America/Sao_Paulo", date(2018, 11, 4), list(range(1, 24))),
        ("America/Sao_Paulo", date(2018, 2, 17), [*range(24), 23]),
        ("Asia/Kolkata", date(2025, 5, 1), list(range(24))),
    ],
)
def test_a_day_has_the_civil_hours_that_the_clock_on_the_wall_shows(zone, day, civil):
    hours = civil_hours(synthetic_site(zone), day, day)

    assert (hours.hour_of_week % 24).tolist() == civil
    assert set(hours.hour_of_week // 24) == {day.weekday()}
    assert hours.start_s[0] == datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()
    assert set(np.diff(hours.start_s)) == {3600}


def test_nobody_comes_in_a_skipped_hour_and_twice_as_many_in_a_repeated_one():
    site = synthetic_site("Europe/Stockholm")
    busy = {
        "emergency": {"arrivals": {**FLAT, **CALM, "per_day": 24_000}},
        "disturbances": NO_DISTURBANCES,
    }

    counts = []
    for day in (date(2025, 3, 30), date(2025, 10, 26)):
        _, comings = arrivals_of(site, busy, day, day)
        civil = [datetime.fromtimestamp(second, site.tz).hour for second in comings.time_s.tolist()]
        counts.append(np.bincount(civil, minlength=24))

    assert counts[0][2] == 0
    assert counts[0][3] == pytest.approx(1000, rel=0.15)
    assert counts[1][2] == pytest.approx(2000, rel=0.15)


def test_hour_of_week_sector_and_level_are_those_of_the_parameters():
    site = synthetic_site(ED=30, PED=10)
    given = {"emergency": {"arrivals": CALM}, "sectors": {"PED": {"arrivals": {"per_day": 60.0}}}}
    hours, comings = arrivals_of(site, given, date(2025, 1, 1), date(2025, 12, 31))

    hour = np.searchsorted(hours.start_s, comings.time_s, side="right") - 1
    week = np.bincount(hours.hour_of_week[hour], minlength=168)

    shape = hour_of_week_shape(default_parameters().emergency.arrivals)
    assert np.corrcoef(week, shape)[0, 1] > 0.97
    assert daily(hours, comings, 0).mean() == pytest.approx(30 * 3.3, rel=0.05)
    assert daily(hours, comings, 1).mean() == pytest.approx(60, rel=0.05)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_days_of_a_year_are_dispersed_and_autocorrelated_as_in_life(seed):
    site = synthetic_site(ED=24, PED=10)

    hours, comings = arrivals_of(site, {}, date(2025, 1, 1), date(2025, 12, 31), seed)

    days = daily(hours, comings)
    assert 1.5 <= days.var() / days.mean() <= 2.5
    assert 0.15 <= memory_of(days) <= 0.45


@pytest.mark.parametrize(("per_day", "dispersion", "memory"), [(15, 1.6, 0.2), (150, 2.0, 0.3), (150, 1.0, 0.0)])
def test_dispersion_and_memory_are_those_asked_for_whatever_the_size(per_day, dispersion, memory):
    arrivals = {**FLAT, "per_day": per_day, "dispersion": dispersion, "autocorrelation": memory}
    given = {"emergency": {"arrivals": arrivals}, "disturbances": NO_DISTURBANCES}

    days = daily(*arrivals_of(synthetic_site(), given, date(2001, 1, 1), date(2005, 12, 31)))

    assert days.var() / days.mean() == pytest.approx(dispersion, rel=0.12)
    assert memory_of(days) == pytest.approx(memory, abs=0.08)


def test_a_disturbance_moves_all_sectors_for_some_days():
    given = parameters(
        emergency={"arrivals": CALM}, disturbances={"chance_per_day": 0.05, "days": [3, 3], "log_size": 0.2}
    )
    days = tuple(MONDAY + timedelta(days=number) for number in range(300))

    factors = shocks(synthetic_site(ED=20, PED=5), given, days, seed=4)

    moved = factors[:, 0] != 1.0
    lengths = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], moved, [0]]))))[::2]
    assert (factors[:, 0] == factors[:, 1]).all()
    assert 0.05 < moved.mean() < 0.25
    assert lengths[1:-1].min() >= 3


def test_a_public_holiday_is_quieter():
    keys = synthetic_site("America/Sao_Paulo").model_dump() | {"holidays": {"country": "BR", "subdivision": "SP"}}
    site = Site.model_validate(keys)
    given = parameters(emergency={"arrivals": {**FLAT, "per_day": 48.0, "holiday_factor": 0.5}})

    expected = expected_per_hour(site, given, civil_hours(site, date(2025, 4, 20), date(2025, 4, 22)))

    assert expected.reshape(3, 24).mean(axis=1).tolist() == pytest.approx([2.0, 1.0, 2.0])  # Tiradentes: 21 April


def test_the_season_has_its_top_where_the_file_says():
    site = synthetic_site()
    given = parameters(
        emergency={"arrivals": {**FLAT, "per_day": 24.0, "season_amplitude": 0.5, "season_peak_day": 32}}
    )

    expected = expected_per_hour(site, given, civil_hours(site, date(2025, 1, 1), date(2025, 12, 31)))

    by_day = expected.reshape(365, 24).mean(axis=1)
    assert by_day.argmax() == 31
    assert (by_day.max(), by_day.min()) == (pytest.approx(1.5), pytest.approx(0.5, abs=0.001))


def test_a_change_of_regime_moves_demand_and_peak_of_its_sectors_and_days():
    site = synthetic_site(ED=10, PED=10)
    change = {"first": MONDAY + timedelta(days=1), "last": MONDAY + timedelta(days=1), "sectors": ["PED"]}
    usual, changed = (
        expected_per_hour(site, parameters(changes=changes), civil_hours(site, MONDAY, MONDAY + timedelta(days=2)))
        for changes in ([], [{**change, "arrivals_factor": 2.0, "peak_shift_h": 3}])
    )

    tuesday = slice(24, 48)
    assert changed[:, 0].tolist() == usual[:, 0].tolist()
    assert changed[tuesday, 1].sum() == pytest.approx(2 * usual[tuesday, 1].sum(), rel=0.05)
    assert changed[tuesday, 1].argmax() == usual[tuesday, 1].argmax() + 3
    assert np.delete(changed[:, 1], np.arange(24, 48)).tolist() == np.delete(usual[:, 1], np.arange(24, 48)).tolist()


def test_a_day_has_the_same_arrivals_in_every_simulation_that_covers_it():
    site = synthetic_site(ED=20, PED=8)
    short_hours, short = arrivals_of(site, {}, MONDAY, MONDAY + timedelta(days=2))
    long_hours, long = arrivals_of(site, {}, MONDAY - timedelta(days=100), MONDAY + timedelta(days=9))

    shared = (long.time_s >= short_hours.start_s[0]) & (long.time_s <= short_hours.start_s[-1] + 3599)
    assert long.time_s[shared].tolist() == short.time_s.tolist()
    assert long.sector[shared].tolist() == short.sector.tolist()
    assert len(long_hours.days) == 110


def test_other_seeds_have_other_arrivals():
    site = synthetic_site()

    _, one = arrivals_of(site, {}, MONDAY, MONDAY)
    _, other = arrivals_of(site, {}, MONDAY, MONDAY, seed=2)

    assert one.time_s.tolist() != other.time_s.tolist()


def test_two_hospitals_of_one_seed_have_nothing_in_common_but_the_weather():
    sites = [synthetic_site(facility_id=name) for name in ("north", "south")]
    own = {"emergency": {"arrivals": {**FLAT, "per_day": 100.0}}, "disturbances": NO_DISTURBANCES}
    weather = {"chance_per_day": 0.05, "days": [3, 3], "log_size": 0.2}
    shared = parameters(emergency={"arrivals": CALM}, disturbances=weather)
    days = tuple(MONDAY + timedelta(days=number) for number in range(300))

    north, south = (daily(*arrivals_of(site, own, date(2023, 1, 1), date(2025, 12, 31))) for site in sites)
    factors = [shocks(site, shared, days, seed=4) for site in sites]

    assert abs(np.corrcoef(north, south)[0, 1]) < 0.1
    assert factors[0].tolist() == factors[1].tolist()
    assert factors[0].std() > 0


def test_arrivals_come_in_order_and_within_their_days():
    site = synthetic_site("America/Sao_Paulo", ED=20, PED=8)

    _, comings = arrivals_of(site, {}, MONDAY, MONDAY + timedelta(days=6))

    civil = [datetime.fromtimestamp(second, UTC).astimezone(site.tz).date() for second in comings.time_s.tolist()]
    assert (np.diff(comings.time_s) >= 0).all()
    assert [(day - MONDAY).days for day in civil] == comings.day.tolist()
