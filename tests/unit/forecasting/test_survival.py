from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from healthcare_ops.core.errors import DataError
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.survival import (
    LEVELS,
    Stays,
    SurvivalModel,
    clock_cells,
    fit_survival,
    pieces,
)

UTC_CLOCK = Calendar("UTC")
# A Monday.
MONDAY = int(datetime(2021, 3, 1, tzinfo=UTC).timestamp() // 60)


def stays(*rows: tuple[int, int]) -> Stays:
    start, end = np.array(rows).T
    return Stays.of(MONDAY + start, np.where(end < 0, -1, MONDAY + end), np.zeros(len(rows), dtype=int))


def drawn(hours: np.ndarray, level: np.ndarray | int = 3, *, days: int = 60, seed: int = 1) -> Stays:
    """Return stays of so many hours that start at random minutes of `days`."""
    start = MONDAY + np.random.default_rng(seed).integers(0, days * 1440, len(hours))
    return Stays.of(start, start + np.round(60 * hours).astype(int), np.broadcast_to(level, len(hours)))


@pytest.fixture
def two_bins() -> SurvivalModel:
    """One leaves an hour in the first hour of a stay, two afterwards."""
    stay = np.tile(np.log([1.0, 2.0]), (LEVELS, 1))
    return SurvivalModel(np.array([0, 60]), stay, np.zeros(48), np.full((24, LEVELS), 1 / LEVELS))


def test_a_patient_half_an_hour_there_gathers_the_hazard_of_both_bins(two_bins):
    found = two_bins.hazards(np.array([30]), np.array([3]), np.array([0, 60, 120]), np.ones(2))

    # Half an hour at one an hour, then half an hour and a whole one at two.
    assert found[0].tolist() == pytest.approx([0.0, 1.5, 3.5], abs=1e-12)


def test_the_clock_speeds_up_all_stays_of_its_hour(two_bins):
    found = two_bins.hazards(np.array([60]), np.array([3]), np.array([0, 60, 120]), np.array([1.0, 0.25]))

    assert found[0].tolist() == pytest.approx([0.0, 2.0, 2.5], abs=1e-12)


def test_nobody_leaves_before_coming(two_bins):
    found = two_bins.hazards(np.array([-90]), np.array([3]), np.array([0, 60, 120]), np.ones(2))

    assert found[0].tolist() == pytest.approx([0.0, 0.0, 0.5], abs=1e-12)


def test_parts_of_a_stay_are_split_at_full_hours_and_at_edges():
    # From 0:50 to 2:10, the second bin from 1:50 on.
    (early, late) = pieces(stays((50, 130)), np.array([0, 60]), 0, MONDAY + 1440)

    assert (early.hour - MONDAY // 60).tolist() == [0, 1]
    assert early.exposure_h.tolist() == pytest.approx([10 / 60, 50 / 60])
    assert not early.is_end.any()
    assert (late.hour - MONDAY // 60).tolist() == [1, 2]
    assert late.exposure_h.tolist() == pytest.approx([10 / 60, 10 / 60])
    assert late.is_end.tolist() == [False, True]


def test_no_minute_and_no_end_is_lost_between_parts():
    some = drawn(np.random.default_rng(2).exponential(9.0, 500))

    parts = list(pieces(some, np.array([0, 15, 240, 1440]), 0, MONDAY + 100 * 1440))

    assert sum(part.exposure_h.sum() for part in parts) == pytest.approx((some.end_min - some.start_min).sum() / 60)
    assert sum(part.is_end.sum() for part in parts) == 500


def test_a_constant_hazard_is_found_again():
    model = fit_survival(drawn(np.random.default_rng(3).exponential(4.0, 8000)), MONDAY + 70 * 1440, UTC_CLOCK)

    steps = 60 * np.arange(9)
    rates = model.rates(MONDAY, 8, UTC_CLOCK)
    found = np.exp(-model.hazards(np.array([0, 300]), np.array([3, 3]), steps, rates))
    assert found[0] == pytest.approx(np.exp(-steps / 240), abs=0.03)
    assert found[1] == pytest.approx(np.exp(-steps / 240), abs=0.04)


def test_patients_who_are_there_still_count_as_long_as_they_were_seen():
    # Half of all stays go on when the training ends: their hours count, their end does not.
    hours = np.where(np.arange(2000) % 2, 100_000.0, np.random.default_rng(4).exponential(4.0, 2000))
    some, until = drawn(hours, days=2), MONDAY + 3 * 1440

    model = fit_survival(some, until, UTC_CLOCK)

    ended = some.end_min <= until
    exposure_h = (np.minimum(some.end_min, until) - some.start_min).sum() / 60
    level = 3
    parts = pieces(some, model.edges_min, 0, until)
    clock = model.clock[clock_cells(MONDAY, 72, UTC_CLOCK)]
    expected = sum(
        (np.exp(model.stay[level, part.bin] + clock[part.hour - MONDAY // 60]) * part.exposure_h).sum()
        for part in parts
    )
    assert expected == pytest.approx(ended.sum(), rel=0.02)
    assert exposure_h > 20_000


def test_survival_never_rises():
    model = fit_survival(drawn(np.random.default_rng(5).gamma(0.5, 10.0, 3000)), MONDAY + 70 * 1440, UTC_CLOCK)

    found = model.hazards(
        np.arange(0, 6000, 37), np.arange(163) % LEVELS, 60 * np.arange(49), model.rates(MONDAY, 48, UTC_CLOCK)
    )

    assert (np.diff(found, axis=1) >= 0).all()
    assert np.isfinite(found).all()


def test_a_patient_who_has_stayed_long_is_likelier_to_stay():
    # Most go home within hours, some wait for a bed for a day.
    rng = np.random.default_rng(6)
    hours = np.where(rng.random(4000) < 0.8, rng.exponential(2.0, 4000), rng.exponential(24.0, 4000))

    model = fit_survival(drawn(hours), MONDAY + 80 * 1440, UTC_CLOCK)

    fresh, old = model.hazards(np.array([0, 720]), np.array([3, 3]), np.array([0, 240]), np.ones(1))[:, 1]
    assert np.exp(-old) > np.exp(-fresh) + 0.3


def test_levels_and_hours_that_differ_are_told_apart():
    rng = np.random.default_rng(7)
    level = np.where(rng.random(6000) < 0.5, 2, 4)
    start = MONDAY + rng.integers(0, 60 * 1440, 6000)
    # Level 2 stays six hours on average, level 4 two; who would leave at night leaves at seven.
    end = start + np.round(60 * rng.exponential(np.where(level == 2, 6.0, 2.0))).astype(int)
    end = np.where(end // 60 % 24 < 7, end // 1440 * 1440 + 7 * 60 + rng.integers(0, 60, 6000), end)

    model = fit_survival(Stays.of(start, end, level), MONDAY + 70 * 1440, UTC_CLOCK)

    by_level = model.hazards(np.array([0, 0]), np.array([2, 4]), np.array([0, 120]), np.ones(1))[:, 1]
    assert by_level[1] > 1.5 * by_level[0]
    assert np.exp(model.clock[7] - model.clock[3]) > 5


def test_a_patient_without_a_level_yet_is_likeliest_of_the_level_that_stays_so_long():
    rng = np.random.default_rng(8)
    level = np.where(rng.random(4000) < 0.5, 2, 4)
    some = drawn(rng.exponential(np.where(level == 2, 8.0, 1.0)), level)

    model = fit_survival(some, MONDAY + 70 * 1440, UTC_CLOCK)

    fresh, old = model.level_shares(np.array([0, 360]), np.array([12, 12]))
    assert fresh.sum() == old.sum() == pytest.approx(1.0)
    assert fresh[2] == pytest.approx(0.5, abs=0.06)
    assert old[2] > 0.9


def test_the_clock_skips_an_hour_in_spring_and_keeps_it_in_autumn():
    sweden = Calendar("Europe/Stockholm")
    spring, autumn = (int(datetime(2017, *day, tzinfo=UTC).timestamp() // 60) for day in ((3, 26), (10, 29)))

    # Both are Sundays, whose hours come after the 24 of weekdays.
    assert (clock_cells(spring, 3, sweden) - 24).tolist() == [1, 3, 4]
    assert (clock_cells(autumn, 3, sweden) - 24).tolist() == [2, 2, 3]


def test_what_comes_later_is_not_known():
    some = Stays.of(*(np.array(row) for row in ([10, 20, 30], [25, 60, 70], [2, 3, 4], [15, 40, 30])))

    known = some.known_at(25)

    assert known.start_min.tolist() == [10, 20]
    assert known.end_min.tolist() == [25, -1]
    assert known.level.tolist() == [2, 0]
    assert known.present().start_min.tolist() == [20]


def test_a_patient_is_there_from_the_start_until_just_before_the_end():
    assert stays((0, 60), (60, 90), (-30, -1), (61, 130)).counts(MONDAY, 3).tolist() == [2.0, 2.0, 2.0]


def test_where_few_stay_long_long_stays_share_a_bin():
    short = fit_survival(drawn(np.random.default_rng(9).exponential(1.0, 400)), MONDAY + 70 * 1440, UTC_CLOCK)
    long = fit_survival(drawn(np.random.default_rng(9).exponential(90.0, 4000)), MONDAY + 120 * 1440, UTC_CLOCK)

    assert short.edges_min[-1] < 300
    assert long.edges_min[-1] > 7 * 1440


def test_a_stored_model_is_the_same():
    model = fit_survival(drawn(np.random.default_rng(10).exponential(3.0, 300)), MONDAY + 70 * 1440, UTC_CLOCK)

    again = SurvivalModel.from_dict(json.loads(json.dumps(model.to_dict())))

    assert again.to_dict() == model.to_dict()


def test_too_few_ends_teach_nothing():
    with pytest.raises(DataError, match="99 stays have ended; a model of how long patients stay needs 100"):
        fit_survival(drawn(np.full(99, 2.0)), MONDAY + 70 * 1440, UTC_CLOCK)


@pytest.mark.parametrize(
    ("end", "level", "message"),
    [(5, 3, "a stay ends before it starts"), (20, 6, "a triage level is not one of 0–5")],
)
def test_impossible_stays_are_refused(end, level, message):
    with pytest.raises(DataError, match=message):
        Stays.of(np.array([10]), np.array([end]), np.array([level]))
