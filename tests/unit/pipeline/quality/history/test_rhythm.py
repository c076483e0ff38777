from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from healthcare_ops.pipeline.quality.history.rhythm import Rhythm, learn_rhythm

FIRST = np.datetime64("2026-01-01T00:00:00", "us")
DAY, HOUR = np.timedelta64(1, "D"), np.timedelta64(1, "h")
PER_DAY, DAYS = 48, 28
ARRIVED = FIRST + np.arange(DAYS * PER_DAY) * np.timedelta64(30, "m") + np.timedelta64(7, "m")
# The file of a day comes at four the next morning.
NEXT_MORNING = ARRIVED.astype("datetime64[D]").astype("datetime64[us]") + DAY + 4 * HOUR
LAST = datetime(2026, 1, 29, 4, tzinfo=UTC)


def rhythm(arrived=ARRIVED, told=NEXT_MORNING):
    return learn_rhythm(arrived, told)


def test_a_file_each_morning_tells_of_everything_until_midnight():
    found = rhythm()

    assert found == Rhythm(LAST, timedelta(days=1), timedelta(days=1, hours=1), timedelta(hours=4))
    assert found.told_until == datetime(2026, 1, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arrived", "told"),
    [
        (ARRIVED, ARRIVED + HOUR),  # live
        (ARRIVED, NEXT_MORNING + DAY * (np.arange(len(ARRIVED)) % 7)),
        (ARRIVED[: 13 * PER_DAY], NEXT_MORNING[: 13 * PER_DAY]),
        (ARRIVED, np.full(len(ARRIVED), NEXT_MORNING[-1])),
        (ARRIVED[:0], NEXT_MORNING[:0]),
    ],
    ids=["several files a day", "records come up to a week late", "too few files", "all at once", "nothing"],
)
def test_of_other_feeds_nothing_is_known_beyond_their_newest_arrival(arrived, told):
    assert rhythm(arrived, told) is None


def test_where_records_come_a_day_late_no_more_is_known_than_that():
    found = rhythm(told=NEXT_MORNING + DAY * (np.arange(len(ARRIVED)) % 2))

    assert (found.last, found.lag) == (LAST + timedelta(days=1), timedelta(hours=28))


def test_the_past_that_was_loaded_at_once_says_nothing_of_the_lag():
    told = np.maximum(NEXT_MORNING, NEXT_MORNING[10 * PER_DAY])

    assert rhythm(told=told) == rhythm()


def test_a_file_that_only_corrects_what_was_told_is_no_delivery():
    told = NEXT_MORNING.copy()
    told[-5 * PER_DAY] += 20 * HOUR  # one visit of an earlier day comes with a file of its own, in the evening

    assert rhythm(told=told) == rhythm()


def test_two_files_of_one_morning_are_one_delivery():
    told = NEXT_MORNING + (np.arange(len(ARRIVED)) % PER_DAY > 20) * np.timedelta64(5, "m")

    found = rhythm(told=told)

    assert (found.last, found.every) == (LAST + timedelta(minutes=5), timedelta(days=1))


def test_half_a_file_tells_that_the_rest_of_its_day_is_missing():
    cut = len(ARRIVED) - PER_DAY // 2

    found = rhythm(ARRIVED[:cut], NEXT_MORNING[:cut])

    assert found.told_until == datetime(2026, 1, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "until"),
    [(0, None), (24, None), (25, None), (25.5, "2026-01-30"), (48, "2026-01-30"), (49.5, "2026-01-31")],
)
def test_a_file_is_missing_an_hour_after_it_should_have_come(hours, until):
    found = rhythm().missing_until(LAST + timedelta(hours=hours))

    assert found == (datetime.fromisoformat(f"{until}T00:00:00+00:00") if until else None)


def test_a_feed_that_rests_at_weekends_is_not_missed_on_a_sunday():
    on_weekday = np.is_busday(NEXT_MORNING.astype("datetime64[D]"))
    monday = np.busday_offset(NEXT_MORNING.astype("datetime64[D]"), 0, roll="forward").astype("datetime64[us]")
    told = np.where(on_weekday, NEXT_MORNING, monday + 4 * HOUR)
    # The last file came on Thursday 29 January.
    found = rhythm(told=told)

    assert found.every == timedelta(days=1)
    assert found.missing_until(LAST + timedelta(days=3)) is None
