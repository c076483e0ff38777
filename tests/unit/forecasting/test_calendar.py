from __future__ import annotations

from datetime import UTC, date, datetime

from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting.calendar import Calendar, Event, holiday_dates


def test_the_night_the_clock_goes_forward_has_no_two_o_clock():
    start = datetime(2017, 3, 25, 23, tzinfo=UTC)

    found = Calendar("Europe/Stockholm").hours(start, 4)

    assert found.hour.tolist() == [0, 1, 3, 4]
    assert len(set(found.day_number.tolist())) == 1


def test_the_night_the_clock_goes_back_has_two_o_clock_twice():
    start = datetime(2017, 10, 28, 22, tzinfo=UTC)

    found = Calendar("Europe/Stockholm").hours(start, 5)

    assert found.hour.tolist() == [0, 1, 2, 2, 3]


def test_a_zone_with_half_an_hour_takes_the_civil_hour_in_which_the_utc_hour_starts():
    start = datetime(2020, 1, 1, 18, tzinfo=UTC)

    found = Calendar("Asia/Kolkata").hours(start, 2)

    assert found.hour.tolist() == [23, 0]
    assert found.day_type.tolist() == [2, 3]


def test_a_holiday_is_a_day_type_of_its_own_and_marks_its_neighbours():
    # 7 September 2021, a Tuesday, is Brazil's Independence Day.
    start = datetime(2021, 9, 5, 3, tzinfo=UTC)

    found = Calendar("America/Sao_Paulo", Holidays(country="BR")).hours(start, 4 * 24)

    assert found.day_type[::24].tolist() == [6, 0, 7, 2]
    assert found.near_holiday[::24].tolist() == [0, 1, 0, 2]


def test_new_year_marks_the_last_day_of_the_year_before():
    start = datetime(2021, 12, 31, 3, tzinfo=UTC)

    found = Calendar("America/Sao_Paulo", Holidays(country="BR")).hours(start, 1)

    assert found.near_holiday.tolist() == [1]


def test_a_state_has_holidays_of_its_own():
    revolution_day = date(2021, 7, 9)

    assert revolution_day in holiday_dates(Holidays(country="BR", subdivision="SP"), [2021])
    assert revolution_day not in holiday_dates(Holidays(country="BR"), [2021])


def test_a_site_that_names_no_calendar_has_no_holidays():
    assert holiday_dates(None, [2021]) == frozenset()


def test_holidays_and_events_are_known_by_name_and_day():
    # Day 18810 is 2 July 2021; Independence Day is day 18877.
    school = Event("school_holiday", {date(2021, 7, 2): 1.0, date(2021, 7, 3): 0.0})

    found = Calendar("America/Sao_Paulo", Holidays(country="BR"), (school,)).special_days(18810, 18890)

    assert found["school_holiday"] == {18810: 1.0}
    assert found["Independence Day"][18877] == 1.0


def test_an_event_takes_the_place_of_a_holiday_of_its_name():
    own = Event("Christmas Day", {date(2021, 12, 24): 0.5})

    found = Calendar("America/Sao_Paulo", Holidays(country="BR"), (own,)).special_days(18900, 19000)

    assert found["Christmas Day"] == {18985: 0.5}
