from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_ops.orchestrator.timestamps import instant, written

pytestmark = pytest.mark.spec("Timestamps")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2016-03-14T01:59:00Z", 1457920740),
        ("2016-03-14T01:59:00+00:00", 1457920740),
        ("2016-03-13T22:59:00-03:00", 1457920740),
        ("2016-03-14T07:29:00+05:30", 1457920740),
        ("1969-12-31T23:59:59.75Z", Fraction(-1, 4)),
        ("1970-01-01T00:00:00.000000001Z", Fraction(1, 10**9)),
    ],
)
def test_a_timestamp_is_exact_whatever_its_offset_and_fraction(text, seconds):
    assert instant(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "2016-03-14t01:59:00Z",
        "2016-03-14T01:59:00z",
        "2016-03-14 01:59:00Z",
        "2016-03-14T01:59:00",
        "2016-03-14T01:59Z",
        "2016-03-14",
        "2016-02-30T00:00:00Z",
        "2016-03-14T24:00:00Z",
        "2016-03-14T01:59:00+0300",
        "2016-03-14T01:59:00.Z",
        "2016-03-14T01:59:00Z ",
        "٢٠١٦-03-14T01:59:00Z",
        "",
        None,
        1457920740,
        True,
        [],
    ],
)
def test_anything_else_is_no_timestamp(value):
    assert instant(value) is None


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])))
def test_every_instant_that_python_writes_is_read(moment):
    assert instant(moment.isoformat()) == Fraction(
        (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1), 10**6
    )


def test_the_context_shows_utc_to_the_millisecond():
    assert written(datetime(2026, 3, 1, 9, 0, 0, 123456, timezone(timedelta(hours=-3)))) == "2026-03-01T12:00:00.123Z"
