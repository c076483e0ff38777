from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.core.clock import AsOfClock, SystemClock


def test_a_replayed_day_stands_still():
    clock = AsOfClock(datetime(2017, 12, 31, 23, tzinfo=UTC))

    assert [clock.now(), clock.now()] == [datetime(2017, 12, 31, 23, tzinfo=UTC)] * 2


@pytest.mark.parametrize("zone", [ZoneInfo("America/Sao_Paulo"), timezone(timedelta(hours=-2))])
def test_the_present_is_told_in_utc_wherever_the_clock_was_set(zone):
    now = AsOfClock(datetime(2018, 1, 1, 0, 30, tzinfo=zone)).now()

    assert (now, now.tzinfo) == (datetime(2018, 1, 1, 2, 30, tzinfo=UTC), UTC)


def test_an_instant_without_a_zone_is_refused_with_its_value():
    with pytest.raises(ValueError, match="as_of 2017-12-31T23:00:00 has no time zone"):
        AsOfClock(datetime.fromisoformat("2017-12-31T23:00:00"))


def test_the_machine_s_clock_tells_the_present_in_utc():
    before = datetime.now(UTC)

    now = SystemClock().now()

    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC
