from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.core.config import Settings
from healthcare_ops.operations.schedules import Schedule, decide, schedules_of

STOCKHOLM, SAO_PAULO, KATHMANDU = (
    ZoneInfo("Europe/Stockholm"),
    ZoneInfo("America/Sao_Paulo"),
    ZoneInfo("Asia/Kathmandu"),
)
DAILY = Schedule("daily", STOCKHOLM, time(4), catches_up=True)
WEEKLY = Schedule("weekly_train", STOCKHOLM, time(5), weekday=6)
TICK = Schedule("inference", STOCKHOLM)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(instant, zone=STOCKHOLM):
    return f"{instant.astimezone(zone):%a %Y-%m-%d %H:%M %z}"


# When


def test_a_daily_run_is_due_at_its_time_of_the_hospital_s_clock_in_summer_and_in_winter():
    due = DAILY.due(utc("2026-10-24T00:00"), utc("2026-10-26T23:00"))

    assert [local(instant) for instant in due] == [
        "Sat 2026-10-24 04:00 +0200",
        "Sun 2026-10-25 04:00 +0100",
        "Mon 2026-10-26 04:00 +0100",
    ]


def test_a_time_that_the_clocks_skip_is_due_when_a_clock_not_advanced_would_show_it():
    at_half_past_two = Schedule("daily", STOCKHOLM, time(2, 30))

    due = at_half_past_two.due(utc("2026-03-28T12:00"), utc("2026-03-30T12:00"))

    assert [local(instant) for instant in due] == ["Sun 2026-03-29 03:30 +0200", "Mon 2026-03-30 02:30 +0200"]


def test_a_time_that_the_clocks_show_twice_is_due_once_the_first_time():
    at_half_past_two = Schedule("daily", STOCKHOLM, time(2, 30))

    due = at_half_past_two.due(utc("2026-10-24T12:00"), utc("2026-10-26T12:00"))

    assert [local(instant) for instant in due] == ["Sun 2026-10-25 02:30 +0200", "Mon 2026-10-26 02:30 +0100"]


def test_training_is_due_on_sundays_only():
    due = WEEKLY.due(utc("2026-11-01T12:00"), utc("2026-11-29T12:00"))

    assert [local(instant) for instant in due] == [f"Sun 2026-11-{day:02d} 05:00 +0100" for day in (8, 15, 22, 29)]


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)],
    ids=["a usual day", "the day that skips an hour", "the day that repeats one"],
)
def test_ticks_are_a_quarter_of_an_hour_apart_whatever_the_clocks_do(day, hours):
    start = datetime.fromisoformat(day).replace(tzinfo=STOCKHOLM).astimezone(UTC)
    due = list(TICK.due(start - timedelta(seconds=1), start + timedelta(hours=hours, seconds=-1)))

    assert len(due) == hours * 4
    assert {after - before for before, after in itertools.pairwise(due)} == {timedelta(minutes=15)}


def test_ticks_stand_on_the_quarter_hours_of_a_zone_that_is_three_quarters_of_an_hour_off():
    due = Schedule("inference", KATHMANDU).next(utc("2026-03-01T12:01"))

    assert local(due, KATHMANDU) == "Sun 2026-03-01 18:00 +0545"


def test_an_instant_at_which_a_run_is_due_is_not_due_again_after_itself():
    due = DAILY.next(utc("2026-03-01T00:00"))

    assert DAILY.next(due) == due + timedelta(days=1)


def test_a_daily_run_is_about_yesterday_and_a_tick_about_today_by_the_hospital_s_calendar():
    early = utc("2026-03-02T02:30")  # 23:30 on the 1st in São Paulo

    assert Schedule("inference", SAO_PAULO).run_date(early) == date(2026, 3, 1)
    assert Schedule("daily", SAO_PAULO, time(4)).run_date(utc("2026-03-02T07:00")) == date(2026, 3, 1)


def test_a_site_s_schedules_follow_its_settings():
    settings = Settings(inference_every_min=30, daily_at="01:15", weekly_train_at="23:45")
    start = utc("2026-03-01T12:00")  # a Sunday, 13:00

    due = {one.run_type: local(one.next(start)) for one in schedules_of(settings, STOCKHOLM)}

    assert due == {
        "daily": "Mon 2026-03-02 01:15 +0100",
        "weekly_train": "Sun 2026-03-01 23:45 +0100",
        "inference": "Sun 2026-03-01 13:30 +0100",
    }


# What becomes of it


def test_nothing_is_decided_before_anything_is_due():
    assert decide(TICK, utc("2026-03-01T12:00"), utc("2026-03-01T12:14"), is_busy=False) is None


def test_a_tick_that_is_due_gets_a_run():
    decided = decide(TICK, utc("2026-03-01T12:00"), utc("2026-03-01T12:15"), is_busy=False)

    assert (decided.run, decided.until) == (utc("2026-03-01T12:15"), utc("2026-03-01T12:15"))
    assert (decided.skipped, decided.missed) == (0, 0)


def test_of_the_ticks_that_were_missed_only_the_latest_gets_a_run():
    decided = decide(TICK, utc("2026-03-01T12:00"), utc("2026-03-01T14:07"), is_busy=False)

    assert (decided.run, decided.until) == (utc("2026-03-01T14:00"), utc("2026-03-01T14:00"))
    assert (decided.skipped, decided.missed) == (0, 7)


@pytest.mark.parametrize("schedule", [TICK, WEEKLY], ids=["tick", "training"])
def test_what_finds_its_predecessor_at_work_is_skipped(schedule):
    due = schedule.next(utc("2026-03-01T12:00"))

    decided = decide(schedule, utc("2026-03-01T12:00"), due, is_busy=True)

    assert (decided.run, decided.until, decided.skipped, decided.missed) == (None, due, 1, 0)


def test_missed_days_are_caught_up_one_at_a_time_the_oldest_first():
    since, now = utc("2026-03-01T12:00"), utc("2026-03-04T12:00")

    first = decide(DAILY, since, now, is_busy=False)
    meanwhile = decide(DAILY, first.until, now, is_busy=True)
    second = decide(DAILY, first.until, now, is_busy=False)

    assert (local(first.run), first.missed) == ("Mon 2026-03-02 04:00 +0100", 0)
    assert meanwhile is None
    assert local(second.run) == "Tue 2026-03-03 04:00 +0100"


def test_days_longer_ago_than_a_month_are_left_to_a_backfill_and_counted():
    decided = decide(DAILY, utc("2026-01-01T12:00"), utc("2026-03-01T12:00"), is_busy=False)

    assert (local(decided.run), decided.missed) == ("Fri 2026-01-30 04:00 +0100", 28)


@pytest.mark.parametrize(
    ("zone", "first"),
    [("America/Nuuk", date(2024, 3, 27)), ("Pacific/Apia", date(2011, 12, 26)), ("America/Santiago", date(2024, 9, 5))],
    ids=["an hour of the evening is skipped", "a whole day is skipped", "midnight is skipped"],
)
@pytest.mark.parametrize("at", [time(0, 0), time(4, 0), time(23, 30)])
def test_the_daily_run_is_about_each_day_that_there_is_once_whatever_time_the_clocks_skip(zone, first, at):
    schedule = Schedule("daily", ZoneInfo(zone), at, catches_up=True)
    start = datetime.combine(first, time(12), UTC)

    days = [schedule.run_date(due) for due in schedule.due(start, start + timedelta(days=8))]

    missing = {date(2011, 12, 30)}
    there_are = (days[0] + timedelta(days=number) for number in range(20))
    assert days == [day for day in there_are if day not in missing][: len(days)]
