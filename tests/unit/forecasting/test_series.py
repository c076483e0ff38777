from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from healthcare_ops.core.errors import DataError
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.series import HourlySeries, by_civil_hour, same_as_yesterday, seasonal_naive


@pytest.mark.parametrize("wrong", [-1.0, 1.5, np.nan, np.inf])
def test_what_is_not_a_count_is_refused_with_its_hour(wrong):
    with pytest.raises(DataError, match=r"arrivals in the hour 2021-03-01 01:00:00\+00:00"):
        HourlySeries("ED", datetime(2021, 3, 1, tzinfo=UTC), np.array([2.0, wrong]))


def test_a_series_starts_on_a_full_hour_of_a_known_zone():
    with pytest.raises(ValueError, match="has no time zone"):
        HourlySeries("ED", datetime(2021, 3, 1), np.ones(2))  # noqa: DTZ001  # the mistake under test
    with pytest.raises(ValueError, match="is not the start of a UTC hour"):
        HourlySeries("ED", datetime(2021, 3, 1, 0, 30, tzinfo=UTC), np.ones(2))


def test_a_series_cut_at_an_instant_keeps_only_hours_that_were_over():
    series = HourlySeries("ED", datetime(2021, 3, 1, tzinfo=UTC), np.arange(5.0))

    cut = series.until(series.start + timedelta(hours=2, minutes=59))

    assert cut.values.tolist() == [0.0, 1.0]
    assert cut.end == datetime(2021, 3, 1, 2, tzinfo=UTC)


def test_last_week_means_the_same_civil_hour_across_a_clock_change():
    # Count = hours since the start; the clock goes forward on 26 March 2017 at 01 UTC.
    series = HourlySeries("ED", datetime(2017, 3, 19, tzinfo=UTC), np.arange(24.0 * 14))
    noon_after = 24 * 8 + 10  # Monday 27 March, 12:00 CEST

    naive = seasonal_naive(series, "Europe/Stockholm", np.array([noon_after]), np.array([0]))

    assert naive.tolist() == [[24.0 * 1 + 11]]  # Monday 20 March, 12:00 CET


def test_an_hour_that_came_twice_or_not_at_all_last_week_has_a_stand_in():
    # On 29 October 2017 the clock shows 02:00 at 00 and at 01 UTC; on 26 March it goes from 01:59 to 03:00 at 01 UTC.
    autumn = HourlySeries("ED", datetime(2017, 10, 29, tzinfo=UTC), np.arange(24.0 * 9))
    spring = HourlySeries("ED", datetime(2017, 3, 26, tzinfo=UTC), np.arange(24.0 * 9))

    twice = seasonal_naive(autumn, "Europe/Stockholm", np.array([7 * 24 + 1]), np.array([0]))
    skipped = seasonal_naive(spring, "Europe/Stockholm", np.array([7 * 24]), np.array([0]))

    assert twice.tolist() == [[1.0]]
    assert skipped.tolist() == [[0.0]]


def test_last_week_of_a_lead_beyond_a_week_is_the_latest_known_one():
    series = HourlySeries("ED", datetime(2021, 3, 1, tzinfo=UTC), np.arange(24.0 * 21))

    naive = seasonal_naive(series, "UTC", np.array([400]), np.array([0, 166, 170]))

    assert naive.tolist() == [[232.0, 398.0, 234.0]]


def test_yesterday_is_the_latest_known_day_of_the_same_hour():
    series = HourlySeries("ED", datetime(2021, 3, 1, tzinfo=UTC), np.arange(24.0 * 21))

    naive = same_as_yesterday(series, "UTC", np.array([400]), np.array([0, 22, 30]))

    assert naive.tolist() == [[376.0, 398.0, 382.0]]


def test_an_hour_shown_twice_counts_as_its_mean_and_one_never_shown_as_the_hour_before():
    stockholm = Calendar("Europe/Stockholm")
    autumn = stockholm.hours(datetime(2017, 10, 28, 23, tzinfo=UTC), 3)
    spring = stockholm.hours(datetime(2017, 3, 26, 0, tzinfo=UTC), 2)

    assert by_civil_hour(np.array([0.0, 8.0, 3.0]), autumn.civil_hour_number).tolist() == [0.0, 5.5]
    assert by_civil_hour(np.array([4.0, 6.0]), spring.civil_hour_number).tolist() == [4.0, 4.0, 6.0]
