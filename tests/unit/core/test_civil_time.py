# ruff: noqa: DTZ001  # naive times are what these functions are about
from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from healthcare_ops.core.civil_time import (
    CivilSpan,
    OffsetSpan,
    civil_day,
    civil_hours,
    civil_spans,
    day_start,
    load_zone,
    offset_spans,
)
from healthcare_ops.core.errors import ConfigError

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
STOCKHOLM = ZoneInfo("Europe/Stockholm")
KOLKATA = ZoneInfo("Asia/Kolkata")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
HAVANA = ZoneInfo("America/Havana")  # its autumn change repeats midnight
# Both hemispheres, half-hour and quarter-hour offsets, half-hour changes, no changes, a day that never was.
ZONES = (
    "America/Sao_Paulo",
    "Europe/Stockholm",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Havana",
    "America/St_Johns",
    "Africa/Casablanca",
    "Pacific/Apia",
    "UTC",
)
FIRST, LAST = date(1995, 1, 1), date(2036, 12, 31)
SPANS = {name: offset_spans(ZoneInfo(name), FIRST, LAST) for name in ZONES}


@st.composite
def zones_and_times(draw):
    """Draw a zone and a naive time, more often than not within hours of one of the zone's clock changes."""
    zone = draw(st.sampled_from(ZONES))
    anywhere = st.datetimes(datetime(1995, 1, 1), datetime(2036, 12, 31, 23, 59))
    changes = [span.from_utc for span in SPANS[zone][1:]]
    if not changes:
        return zone, draw(anywhere)
    away = st.integers(-1000, 1000).map(lambda minutes: timedelta(minutes=minutes))
    near = st.builds(lambda change, by: change + by, st.sampled_from(changes), away)
    return zone, draw(st.one_of(near, near, anywhere))


def offset_min(aware):
    return int(aware.utcoffset() / timedelta(minutes=1))


def last_before(spans, starts, moment):
    return spans[bisect_right(starts, moment) - 1]


def test_a_southern_summer_ends_in_february_and_begins_in_november():
    spans = offset_spans(SAO_PAULO, date(2018, 1, 1), date(2018, 12, 31))

    assert spans == (
        OffsetSpan(datetime(2017, 12, 30), -120),
        OffsetSpan(datetime(2018, 2, 18, 2), -180),
        OffsetSpan(datetime(2018, 11, 4, 3), -120),
    )


def test_a_northern_summer_begins_in_march_and_ends_in_october():
    spans = offset_spans(STOCKHOLM, date(2017, 1, 1), date(2017, 12, 31))

    assert spans == (
        OffsetSpan(datetime(2016, 12, 30), 60),
        OffsetSpan(datetime(2017, 3, 26, 1), 120),
        OffsetSpan(datetime(2017, 10, 29, 1), 60),
    )


def test_a_half_hour_zone_without_summer_time_is_one_span():
    assert offset_spans(KOLKATA, date(2026, 1, 1), date(2026, 12, 31)) == (OffsetSpan(datetime(2025, 12, 30), 330),)


def test_a_change_is_found_within_two_days_of_either_end_and_not_beyond():
    change = date(2017, 3, 26)

    ends = {
        (first, last): len(offset_spans(STOCKHOLM, change + timedelta(days=first), change + timedelta(days=last)))
        for first, last in ((-2, -2), (-3, -3), (2, 2), (3, 3))
    }

    assert ends == {(-2, -2): 2, (-3, -3): 1, (2, 2): 2, (3, 3): 1}


def test_a_skipped_hour_is_told_with_the_offsets_around_it():
    spans = civil_spans(offset_spans(STOCKHOLM, date(2017, 3, 1), date(2017, 3, 31)))

    assert spans == (
        CivilSpan(datetime(2017, 2, 27, 1), "normal", 60, 60),
        CivilSpan(datetime(2017, 3, 26, 2), "skipped", 60, 120),
        CivilSpan(datetime(2017, 3, 26, 3), "normal", 120, 120),
    )


def test_a_repeated_hour_is_told_with_the_offsets_of_its_two_occurrences():
    spans = civil_spans(offset_spans(SAO_PAULO, date(2018, 2, 10), date(2018, 2, 20)))

    assert spans == (
        CivilSpan(datetime(2018, 2, 7, 22), "normal", -120, -120),
        CivilSpan(datetime(2018, 2, 17, 23), "repeated", -120, -180),
        CivilSpan(datetime(2018, 2, 18, 0), "normal", -180, -180),
    )


def test_a_change_by_half_an_hour_skips_and_repeats_half_an_hour():
    spans = civil_spans(offset_spans(LORD_HOWE, date(2025, 1, 1), date(2025, 12, 31)))

    assert [(span.from_civil, span.kind) for span in spans[1:]] == [
        (datetime(2025, 4, 6, 1, 30), "repeated"),
        (datetime(2025, 4, 6, 2), "normal"),
        (datetime(2025, 10, 5, 2), "skipped"),
        (datetime(2025, 10, 5, 2, 30), "normal"),
    ]


@settings(deadline=None)
@given(zones_and_times())
def test_every_instant_has_the_offset_that_the_zone_gives_it(drawn):
    zone, moment = drawn
    spans = SPANS[zone]

    found = last_before(spans, [span.from_utc for span in spans], moment)

    assert found.offset_min == offset_min(moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)))


@settings(max_examples=300, deadline=None)
@given(zones_and_times())
@example(("Europe/Stockholm", datetime(2017, 3, 26, 2)))
@example(("Europe/Stockholm", datetime(2017, 10, 29, 2, 59, 59, 999999)))
@example(("America/Sao_Paulo", datetime(2018, 2, 17, 23)))
@example(("America/Sao_Paulo", datetime(2018, 11, 4)))
@example(("Pacific/Apia", datetime(2011, 12, 30, 12)))
@example(("Australia/Lord_Howe", datetime(2025, 4, 6, 1, 45)))
def test_every_clock_time_is_skipped_repeated_or_normal_as_the_zone_says(drawn):
    zone, clock = drawn
    pieces = civil_spans(SPANS[zone])
    earlier, later = (clock.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    happened = earlier.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == clock
    kind = "normal" if offset_min(earlier) == offset_min(later) else ("repeated" if happened else "skipped")

    found = last_before(pieces, [piece.from_civil for piece in pieces], clock)

    assert (found.kind, found.offset_before_min, found.offset_after_min) == (
        kind,
        offset_min(earlier),
        offset_min(later),
    )


@pytest.mark.parametrize(
    ("day", "zone", "hours", "first"),
    [
        (date(2018, 2, 17), SAO_PAULO, 25, datetime(2018, 2, 17, 2, tzinfo=UTC)),
        (date(2018, 2, 18), SAO_PAULO, 24, datetime(2018, 2, 18, 3, tzinfo=UTC)),
        # Midnight itself was skipped: the day began at 01:00.
        (date(2018, 11, 4), SAO_PAULO, 23, datetime(2018, 11, 4, 3, tzinfo=UTC)),
        (date(2017, 3, 26), STOCKHOLM, 23, datetime(2017, 3, 25, 23, tzinfo=UTC)),
        (date(2017, 10, 29), STOCKHOLM, 25, datetime(2017, 10, 28, 22, tzinfo=UTC)),
        (date(2026, 3, 1), KOLKATA, 24, datetime(2026, 2, 28, 18, 30, tzinfo=UTC)),
        # Midnight happened twice: the day began at the first.
        (date(2025, 11, 2), HAVANA, 25, datetime(2025, 11, 2, 4, tzinfo=UTC)),
        (date(2011, 12, 30), ZoneInfo("Pacific/Apia"), 0, None),
    ],
)
def test_a_day_has_as_many_hours_as_its_clock_showed(day, zone, hours, first):
    found = list(civil_hours(day, zone))

    assert len(found) == hours
    assert all(later - earlier == timedelta(hours=1) for earlier, later in pairwise(found))
    assert next(iter(found), None) == first
    assert all(hour.tzinfo is UTC for hour in found)


@settings(deadline=None)
@given(zones_and_times())
def test_an_instant_belongs_to_the_day_that_has_begun_and_not_ended(drawn):
    zone, moment = drawn
    instant, tz = moment.replace(tzinfo=UTC), ZoneInfo(zone)

    day = civil_day(instant, tz)

    assert day_start(day, tz) <= instant < day_start(day + timedelta(days=1), tz)


def test_the_operational_day_is_that_of_the_site_and_not_of_utc():
    evening = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)

    assert civil_day(evening, SAO_PAULO) == date(2026, 3, 1)
    assert civil_day(evening, KOLKATA) == date(2026, 3, 2)


@pytest.mark.parametrize("name", ["Brasilia", "", "../etc/passwd", "America/", "GMT+25"])
def test_a_zone_that_does_not_exist_is_named_with_an_example_of_one_that_does(name):
    with pytest.raises(ConfigError) as refusal:
        load_zone(name)

    assert refusal.value.message == f"zone {name!r} is not an IANA time zone."
    assert "America/Sao_Paulo" in refusal.value.next_step
