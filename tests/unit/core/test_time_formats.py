from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.time_formats import format_pattern

MOMENT = datetime(2026, 3, 1, 14, 5, 9, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time_format", "names"),
    [
        ("%d/%m/%Y %H:%M", ("day", "month", "year", "hour", "minute")),
        ("%Y%m%d%H%M%S", ("year", "month", "day", "hour", "minute", "second")),
        ("%d.%m.%y", ("day", "month", "year2")),
        ("%d-%b-%Y %I:%M:%S.%f %p", ("day", "month_name", "year", "hour12", "minute", "second", "fraction", "half")),
        ("(%Y) [%m] {%d} ^$|", ("year", "month", "day")),
    ],
)
def test_a_format_reads_what_it_writes(time_format, names):
    pattern, found = format_pattern(time_format)

    assert found == names
    assert re.search(pattern, MOMENT.strftime(time_format))


@pytest.mark.parametrize("text", ["1/3/2026 14:05", "01/03/2026 14:05"])
def test_day_and_month_may_be_written_without_a_leading_zero(text):
    assert re.search(format_pattern("%d/%m/%Y %H:%M")[0], text)


@pytest.mark.parametrize(
    "text",
    ["01/03/2026 14:05:00", "x01/03/2026 14:05", "01/03/26 14:05", "01/03/2026T14:05", "01/03/2026 14:5", ""],
)
def test_a_format_reads_nothing_else(text):
    assert not re.search(format_pattern("%d/%m/%Y %H:%M")[0], text)


@pytest.mark.parametrize(
    ("time_format", "fault"),
    [
        ("%Y-%m-%d %T", "directive %T is not supported"),
        ("%Y-%m-%dT%H:%M:%S%z", "directive %z is not supported"),
        ("%H:%M", "names no full date"),
        ("%Y-%m", "names no full date"),
        ("%m-%d", "names no full date"),
        ("", "names no full date"),
        ("%Y-%m-%d %I:%M", "has %I without %p"),
    ],
)
def test_a_format_that_cannot_be_read_is_refused_with_its_text(time_format, fault):
    with pytest.raises(ConfigError, match=re.escape(repr(time_format)) + ".*" + re.escape(fault)):
        format_pattern(time_format)
