from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from healthcare_ops.core.civil_time import civil_hours
from healthcare_ops.core.days import days_between
from healthcare_ops.pipeline.quality.clocks.clock import (
    FeedClock,
    FeedDay,
    Mistake,
    UsualLag,
    candidate_offsets,
    diagnose,
    learn_lag,
)
from healthcare_ops.pipeline.quality.clocks.hour_profile import learn_profile, weigh_hours
from healthcare_ops.pipeline.quality.clocks.shift import shift_between

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
STOCKHOLM = ZoneInfo("Europe/Stockholm")
UTC_ZONE = ZoneInfo("Etc/UTC")
# Patients an hour: few at night, most before noon.
BY_HOUR = [4, 3, 3, 3, 3, 3, 4, 6, 10, 15, 18, 19, 18, 17, 16, 15, 14, 14, 12, 10, 10, 9, 7, 5]
JUDGED = date(2025, 6, 11)
USUAL = UsualLag(0.05, 0.13)


def hours(count):
    return np.timedelta64(round(count * 3600e6), "us")


def arrivals(day, zone, by_hour=BY_HOUR):
    """Return so many arrivals in each civil hour, evenly spread."""
    instants = []
    for start in civil_hours(day, zone):
        count = by_hour[start.astimezone(zone).hour]
        instants += [start + timedelta(hours=(number + 0.5) / count) for number in range(count)]
    return np.array([instant.replace(tzinfo=None) for instant in instants], "datetime64[us]")


def arrivals_of(days, zone):
    return np.concatenate([np.zeros(0, "datetime64[us]"), *(arrivals(day, zone) for day in days)])


def live(arrived_at):
    """Return ingest times from three to twelve minutes later."""
    return arrived_at + (3 + np.arange(len(arrived_at)) % 10).astype("timedelta64[m]")


def in_bulk(arrived_at):
    return np.full(len(arrived_at), np.datetime64("2025-08-01T00:00:00", "us"))


def past(before=JUDGED, days=84):
    return days_between(before - timedelta(days=days + 6), before - timedelta(days=7))


@cache
def profile_of(zone=SAO_PAULO, before=JUDGED, days=84):
    known = past(before, days)
    return learn_profile(arrivals_of(known, zone), known, zone)


def feed_clock(zone=SAO_PAULO, site_zone=SAO_PAULO):
    return FeedClock("triage", zone, site_zone)


def shifted_day(offset_h, ingest=live, *, day=JUDGED, zone=SAO_PAULO):
    """Return the day of a feed whose clock has been wrong for some time."""
    around = arrivals_of([day - timedelta(days=1), day, day + timedelta(days=1)], zone)
    return FeedDay(day, around + hours(offset_h), ingest(around))


def diagnosed(*days, clock=None, profile=None, usual=USUAL, **more):
    return diagnose(days, clock or feed_clock(), profile or profile_of(), usual_lag=usual, **more)


@pytest.mark.parametrize("ingest", [live, in_bulk])
def test_a_right_clock_is_not_suspected(ingest):
    found = diagnosed(shifted_day(0, ingest))

    assert (found.severity, found.offset_h) == ("none", None)
    assert found.sentence == "nothing to say about the clock of feed triage"


def test_a_shift_that_lag_and_hours_tell_is_a_failure_that_names_feed_offset_and_mistake():
    found = diagnosed(shifted_day(-3))

    assert (found.severity, found.offset_h, found.window_days) == ("fail", -3.0, 1)
    assert found.sentence == (
        "arrivals of feed triage look shifted by −3 h, as if America/Sao_Paulo times had been read as UTC"
    )


@pytest.mark.parametrize("offset", [-3, -2, -1, 1, 2, 3, -5, 6])
def test_a_lag_that_the_hours_confirm_is_exact_at_any_offset(offset):
    days = [shifted_day(offset, day=JUDGED - timedelta(days=back)) for back in (2, 1, 0)]

    found = diagnosed(*days)

    assert (found.severity, found.offset_h) == ("fail", float(offset))


@pytest.mark.parametrize(("offset", "mistake"), [(-3, "America/Sao_Paulo times"), (3, "UTC times")])
def test_the_hours_alone_are_a_warning(offset, mistake):
    found = diagnosed(shifted_day(offset, in_bulk))

    assert (found.severity, found.offset_h, found.lag.offset_h) == ("warn", float(offset), None)
    assert found.lag.reason == "too few records came in one by one"
    assert mistake in found.explanation
    assert found.sentence.endswith("(by their hours only)")


def test_one_hour_is_told_by_the_hours_of_a_week():
    week = [shifted_day(-1, in_bulk, day=JUDGED - timedelta(days=back)) for back in range(6, -1, -1)]

    found = diagnosed(*week)

    assert diagnosed(week[-1]).severity == "none"
    assert (found.severity, found.offset_h) == ("warn", -1.0)
    assert 1 < found.window_days <= 7


def test_days_of_a_clock_that_was_put_right_do_not_accuse_the_next():
    wrong = [shifted_day(-3, in_bulk, day=JUDGED - timedelta(days=back)) for back in (3, 2, 1)]

    assert diagnosed(*wrong, shifted_day(0, in_bulk)).severity == "none"


def test_the_lag_alone_is_a_warning_while_an_outage_leaves_too_few_hours():
    day = shifted_day(-3)
    is_kept = (day.arrived_at >= np.datetime64("2025-06-11T11:00")) & (
        day.arrived_at < np.datetime64("2025-06-11T16:00")
    )

    found = diagnosed(FeedDay(JUDGED, day.arrived_at[is_kept], day.ingested_at[is_kept]))

    assert (found.severity, found.offset_h, found.hours.reason) == ("warn", -3.0, "too few arrivals in too few hours")
    assert found.sentence.endswith("(by their lag only)")


def test_records_that_all_come_three_hours_late_have_a_right_clock():
    day = shifted_day(0)

    found = diagnosed(FeedDay(JUDGED, day.arrived_at, day.ingested_at + hours(3)))

    assert (found.lag.offset_h, found.severity) == (-3.0, "none")


def test_records_that_come_in_before_they_happen_need_no_history():
    day = shifted_day(3)

    found = diagnose([day], feed_clock(), None)

    assert (found.severity, found.offset_h, found.hours.reason) == ("warn", 3.0, "not enough history")


def test_a_late_feed_without_history_is_not_called_shifted():
    assert diagnose([shifted_day(-3)], feed_clock(), None).severity == "none"


def test_a_backlog_that_is_emptied_at_once_moves_no_clock():
    day = shifted_day(0)
    late = day.arrived_at >= np.datetime64("2025-06-11T06:00:00")
    emptied = np.where(late, np.datetime64("2025-06-12T03:00:00", "us"), day.ingested_at)

    found = diagnosed(FeedDay(JUDGED, day.arrived_at, emptied))

    assert (found.severity, found.lag.offset_h) == ("none", None)


@pytest.mark.parametrize("first_hour", range(0, 13, 2))
@pytest.mark.parametrize("length", [9, 12])
def test_an_outage_is_not_a_shift(first_hour, length):
    day = shifted_day(0, in_bulk)
    start = np.datetime64("2025-06-11T03:20:00") + hours(first_hour)
    kept = (day.arrived_at < start) | (day.arrived_at >= start + hours(length))

    found = diagnosed(FeedDay(JUDGED, day.arrived_at[kept], day.ingested_at[kept]))

    assert found.severity == "none"
    assert 0 < found.hours.hours_used < 24 - length + 2


def test_many_records_stamped_when_a_queue_was_emptied_are_not_a_shift():
    day = shifted_day(0, in_bulk)
    is_queued = (day.arrived_at >= np.datetime64("2025-06-11T11:00")) & (
        day.arrived_at < np.datetime64("2025-06-11T23:00")
    )
    stamped = np.where(is_queued, np.datetime64("2025-06-11T23:10:00", "us"), day.arrived_at)

    assert diagnosed(FeedDay(JUDGED, stamped, day.ingested_at)).severity == "none"


def test_of_a_day_that_is_not_over_only_the_past_hours_count():
    noon = datetime(2025, 6, 11, 15, tzinfo=UTC)
    day = shifted_day(0)
    by_noon = day.ingested_at <= np.datetime64("2025-06-11T15:00")
    today = FeedDay(JUDGED, day.arrived_at[by_noon], day.ingested_at[by_noon])

    found = diagnosed(today, until=noon)

    assert (found.severity, found.hours.hours_used) == ("none", 12)


def test_a_shift_is_told_at_noon_already():
    noon = np.datetime64("2025-06-11T15:00")
    day = shifted_day(-3)
    came = day.ingested_at <= noon

    found = diagnosed(
        FeedDay(JUDGED, day.arrived_at[came], day.ingested_at[came]), until=noon.astype(datetime).replace(tzinfo=UTC)
    )

    assert (found.severity, found.offset_h) == ("fail", -3.0)


@pytest.mark.parametrize("day", [date(2025, 3, 30), date(2025, 3, 31), date(2025, 10, 26), date(2025, 10, 27)])
def test_a_change_of_the_clock_is_not_a_shift(day):
    profile = profile_of(STOCKHOLM, before=day)
    week = [shifted_day(0, in_bulk, day=day - timedelta(days=back), zone=STOCKHOLM) for back in range(6, -1, -1)]

    found = diagnosed(*week, clock=feed_clock(STOCKHOLM, STOCKHOLM), profile=profile)

    assert found.severity == "none"


@pytest.mark.parametrize(
    ("day", "offset", "way"),
    [(date(2025, 4, 2), -1, "forward on 2025-03-30"), (date(2025, 10, 29), 1, "back on 2025-10-26")],
)
def test_a_clock_that_was_not_changed_is_named_with_the_day_of_the_change(day, offset, way):
    days = [shifted_day(offset, day=day - timedelta(days=back), zone=STOCKHOLM) for back in (2, 1, 0)]

    found = diagnosed(*days, clock=feed_clock(STOCKHOLM, STOCKHOLM), profile=profile_of(STOCKHOLM, before=day))

    assert (found.severity, found.offset_h) == ("fail", float(offset))
    assert f"a clock of Europe/Stockholm had not been put {way}" in found.explanation


def test_the_mistakes_of_a_feed_that_declares_utc_are_those_of_its_hospital():
    known = candidate_offsets(feed_clock(UTC_ZONE, SAO_PAULO), JUDGED)

    assert {offset: known[offset] for offset in (-3.0, 3.0)} == {
        -3.0: (Mistake("zone_mistaken", "America/Sao_Paulo", "UTC"),),
        3.0: (Mistake("zone_mistaken", "UTC", "America/Sao_Paulo"),),
    }
    assert sorted(known) == [-3, -2, -1, 1, 2, 3]


def test_half_hours_of_a_zone_are_asked_about():
    kolkata = ZoneInfo("Asia/Kolkata")

    found = diagnosed(shifted_day(5.5, zone=kolkata), clock=feed_clock(kolkata, kolkata), profile=profile_of(kolkata))

    assert (found.severity, found.offset_h, found.explanation) == (
        "fail",
        5.5,
        "Asia/Kolkata times had been read as UTC",
    )


@pytest.mark.parametrize("days", [0, 27])
def test_a_short_history_teaches_nothing(days):
    assert profile_of(days=days) is None


def test_a_history_of_four_weeks_is_enough():
    assert profile_of(days=28).days == 28


def test_the_profile_is_that_of_the_civil_clock_on_both_sides_of_its_change():
    profile = profile_of(STOCKHOLM, before=date(2025, 5, 11))

    assert profile.rates[0] == pytest.approx(np.array(BY_HOUR) / np.mean(BY_HOUR), abs=0.05)


def test_outages_of_the_past_do_not_blur_the_profile():
    known = past()
    instants = arrivals_of(known, SAO_PAULO)
    civil_hour = (instants - hours(3)).astype("datetime64[h]").astype(int) % 24
    day = (instants - hours(3)).astype("datetime64[D]").astype(int)
    kept = (day % 4 > 0) | (civil_hour < 8) | (civil_hour >= 18)

    profile = learn_profile(instants[kept], known, SAO_PAULO)

    assert profile.rates[0] == pytest.approx(np.array(BY_HOUR) / np.mean(BY_HOUR), abs=0.1)


def test_a_holiday_is_judged_as_a_rest_day():
    known = past()
    weekend = [day for day in known if day.weekday() >= 5]
    late = np.roll(BY_HOUR, 2).tolist()
    instants = [arrivals(day, SAO_PAULO, late if day in weekend else BY_HOUR) for day in known]
    holiday = arrivals(JUDGED, SAO_PAULO, late)

    ratios = [
        weigh_hours(
            holiday, JUDGED, learn_profile(np.concatenate(instants), known, SAO_PAULO, rest_days=special), [2.0]
        ).log_ratios[2.0]
        for special in (frozenset(), frozenset({JUDGED}))
    ]

    assert ratios[0] > 10
    assert ratios[1] < 0


def test_a_feed_s_usual_lag_is_that_of_its_live_days():
    days = [shifted_day(0, day=day) for day in past(days=8)]

    assert learn_lag(days, SAO_PAULO) == UsualLag(pytest.approx(0.05, abs=0.01), pytest.approx(0.13, abs=0.02))
    assert learn_lag([shifted_day(0, in_bulk, day=day) for day in past(days=8)], SAO_PAULO) is None


def test_a_shift_between_two_feeds_is_exact_by_their_encounters():
    left = arrivals(JUDGED, SAO_PAULO)
    right = left - hours(3) + np.arange(len(left)) % 3 * np.timedelta64(60, "s")
    right[5] = np.datetime64("NaT")

    found = shift_between(left, right)

    assert (found.offset_h, found.pairs) == (-3.0, len(left) - 1)


def test_a_shift_between_arrival_and_triage_is_told_beside_the_usual_wait():
    arrived = arrivals(JUDGED, SAO_PAULO)
    triaged = arrived + (np.arange(len(arrived)) % 20).astype("timedelta64[m]")

    assert shift_between(arrived, triaged, usual_h=0.16, usual_spread_h=0.17) is None
    assert shift_between(arrived, triaged + hours(1), usual_h=0.16, usual_spread_h=0.17).offset_h == 1.0


@pytest.mark.parametrize("wait_min", [20, 40])
def test_a_longer_wait_is_not_a_shift(wait_min):
    arrived = arrivals(JUDGED, SAO_PAULO)
    triaged = arrived + (np.arange(len(arrived)) % (2 * wait_min) + wait_min).astype("timedelta64[m]")

    assert shift_between(arrived, triaged, usual_h=0.16, usual_spread_h=0.17) is None


def test_few_encounters_prove_no_shift():
    left = arrivals(JUDGED, SAO_PAULO)[:9]

    assert shift_between(left, left + hours(3)) is None


def test_a_wrong_date_between_two_feeds_is_not_a_shift_of_a_clock():
    left = arrivals(JUDGED, SAO_PAULO)

    assert shift_between(left, left + hours(24)) is None


def test_a_late_morning_is_not_called_shifted_before_its_hours_tell():
    ten = np.datetime64("2025-06-11T13:00")
    day = shifted_day(0)
    late = day.ingested_at + hours(3)
    came = late <= ten

    found = diagnosed(FeedDay(JUDGED, day.arrived_at[came], late[came]), until=ten.astype(datetime).replace(tzinfo=UTC))

    assert (found.lag.offset_h, found.hours.log_ratios, found.severity) == (-3.0, {}, "none")


def test_hours_of_days_whose_lag_was_right_do_not_confirm_the_lag_of_this_one():
    early = [FeedDay(day, shifted_day(-1, day=day).arrived_at, live(shifted_day(-1, day=day).arrived_at))
             for day in (JUDGED - timedelta(days=2), JUDGED - timedelta(days=1))]  # fmt: skip
    today = shifted_day(0)

    found = diagnosed(*early, FeedDay(JUDGED, today.arrived_at, today.ingested_at + hours(1)))

    assert (found.lag.offset_h, found.severity) == (-1.0, "none")
