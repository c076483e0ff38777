from __future__ import annotations

import gzip
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from healthcare_ops.core.errors import DataError, NotFoundError
from healthcare_ops.operations.hourly_files import read_events, read_regressors, read_series

LONDON = "Europe/London"


@pytest.fixture
def written(tmp_path):
    def write(text, name="hours.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_hours_in_any_order_become_a_series_for_each_name(written):
    path = written("series,time,value\nb,2018-03-01T01:00:00Z,4\na,2018-03-01T01:00:00Z,2\na,2018-03-01T00:00:00Z,1\n")

    found = read_series(path, "utc", LONDON)

    assert [(one.sector_id, one.start.hour, one.values.tolist()) for one in found] == [
        ("a", 0, [1.0, 2.0]),
        ("b", 1, [4.0]),
    ]


def test_a_series_without_a_name_is_called_as_its_file_is(tmp_path):
    path = tmp_path / "ward.csv.gz"
    path.write_bytes(gzip.compress(b"hour_start,arrivals\n2018-03-01 00:00:00,3\n"))

    (found,) = read_series(path, "utc", LONDON)

    assert (found.sector_id, found.start) == ("ward", datetime(2018, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("clock", "time", "start"),
    [
        ("utc", "2018-07-01T00:00:00+01:00", datetime(2018, 6, 30, 23, tzinfo=UTC)),
        ("utc", "2018-07-01T00:00:00", datetime(2018, 7, 1, tzinfo=UTC)),
        ("wall", "2018-07-01T00:00:00", datetime(2018, 7, 1, tzinfo=UTC)),
        ("wall", "2018-06-30T23:00:00Z", datetime(2018, 7, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_of_the_clock_that_was_named(written, clock, time, start):
    (found,) = read_series(written(f"time,value\n{time},3\n"), clock, LONDON)

    assert found.start == start


def test_parquet_is_read_too(tmp_path):
    path = tmp_path / "hours.parquet"
    times = pa.array([datetime(2018, 3, 1, hour, tzinfo=UTC) for hour in (0, 1)], pa.timestamp("us", "UTC"))
    parquet.write_table(pa.table({"time": times, "value": [1, 2]}), path)

    (found,) = read_series(path, "utc", LONDON)

    assert found.values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("when,value\n2018-03-01T00:00:00Z,1\n", "has no column of times; it has when, value"),
        ("time,n_seen\n2018-03-01T00:00:00Z,1\n", "has no column of counts; it has time, n_seen"),
        ("time,value\n01/03/2018 00:00,1\n", "line 2: time '01/03/2018 00:00' is not a time"),
        ("time,value\n2018-03-01T00:00:00Z,many\n", "line 2: value 'many' is not a number"),
        ("time,value\n2018-03-01T00:00:00Z,1\n2018-03-01T02:00:00Z,1\n", "02:00 follows 2018-03-01 00:00"),
        ("time,value\n2018-03-01T00:00:00Z,1\n2018-03-01T00:00:00Z,1\n", "00:00 follows 2018-03-01 00:00"),
        ("time,value\n2018-03-01T00:00:00Z,-1\n", "a count is a whole number of at least 0"),
        ("time,value\n2018-03-01T00:00:00Z,\n", "a count is a whole number of at least 0"),
        ("", "cannot be read"),
    ],
)
def test_what_is_no_hourly_series_is_refused_with_its_fault(written, text, message):
    with pytest.raises(DataError, match=message):
        read_series(written(text), "utc", LONDON)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"nothing\.csv does not exist"):
        read_series(tmp_path / "nothing.csv", "utc", LONDON)


def test_events_have_a_size_where_days_differ(written):
    school, match = read_events(
        written("date,name,value\n2018-07-24,school,1\n2018-07-25,school,0\n2018-07-25,match,2.5\n")
    )[::-1]

    assert (school.name, school.values) == ("school", {date(2018, 7, 24): 1.0, date(2018, 7, 25): 0.0})
    assert match.values == {date(2018, 7, 25): 2.5}


def test_a_regressor_has_the_newest_value_that_was_out(written):
    path = written(
        "name,issue_time,target_time,value\n"
        "temp,2018-03-01T06:00:00Z,2018-03-02T00:00:00Z,7\n"
        "temp,2018-03-01T00:00:00Z,2018-03-02T00:00:00Z,5\n"
    )
    (found,) = read_regressors(path, "utc", LONDON)
    target = int(datetime(2018, 3, 2, tzinfo=UTC).timestamp() // 60)

    known = found.known(np.full(4, target), target - 60 * np.array([18, 19, 24, 25]))

    # The first was issued 24 hours ahead, the second 18.
    assert known[:3].tolist() == [7.0, 5.0, 5.0]
    assert np.isnan(known[3])
