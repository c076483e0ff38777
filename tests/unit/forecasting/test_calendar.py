from __future__ import annotations

from datetime import UTC, date, datetime

from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting.calendar import civil_hours, holiday_dates


def test_the_night_the_clock_goes_forward_has_no_two_o_clock():
    start = datetime(2017, 3, 25, 23, tzinfo=UTC)

    found = civil_hours(start, 4, "Europe/Stockholm", None)

    assert found.hour.tolist() == [0, 1, 3, 4]
    assert len(set(found.day_number.tolist())) == 1


def test_the_night_the_clock_goes_back_has_two_o_clock_twice():
    start = datetime(2017, 10, 28, 22, tzinfo=UTC)

    found = civil_hours(start, 5, "Europe/Stockholm", None)

    assert found.hour.tolist() == [0, 1, 2, 2, 3]


def test_a_zone_with_half_an_hour_takes_the_civil_hour_in_which_the_utc_hour_starts():
    start = datetime(2020, 1, 1, 18, tzinfo=UTC)

    found = civil_hours(start, 2, "Asia/Kolkata", None)

    assert found.hour.tolist() == [23, 0]
    assert found.day_type.tolist() == [2, 3]


def test_a_holiday_is_a_day_type_of_its_own_and_marks_its_neighbours():
    # 7 September 2021, a Tuesday, is Brazil's Independence Day.
    start = datetime(2021, 9, 5, 3, tzinfo=UTC)

    found = civil_hours(start, 4 * 24, "America/Sao_Paulo", Holidays(country="BR"))

    assert found.day_type[::24].tolist() == [6, 0, 7, 2]
    assert found.near_holiday[::24].tolist() == [0, 1, 0, 2]


def test_new_year_marks_the_last_day_of_the_year_before():
    start = datetime(2021, 12, 31, 3, tzinfo=UTC)

    found = civil_hours(start, 1, "America/Sao_Paulo", Holidays(country="BR"))

    assert found.near_holiday.tolist() == [1]


def test_a_state_has_holidays_of_its_own():
    revolution_day = date(2021, 7, 9)

    assert revolution_day in holiday_dates(Holidays(country="BR", subdivision="SP"), [2021])
    assert revolution_day not in holiday_dates(Holidays(country="BR"), [2021])


def test_a_site_that_names_no_calendar_has_no_holidays():
    assert holiday_dates(None, [2021]) == frozenset()
