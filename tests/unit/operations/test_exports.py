from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from healthcare_ops.operations.exports import _csv


def written(path, **columns):
    """Return a table of the columns as lines of CSV, without the header."""
    with path.open("wb") as stream:
        _csv(pa.table(columns), stream)
    return path.read_text().splitlines()[1:]


def test_a_number_below_zero_stays_a_number_where_a_text_becomes_safe(tmp_path):
    lines = written(tmp_path / "numbers.csv", text=["-1", "a-1", None], whole=[-1, 2, None], broken=[-0.5, None, 1.0])

    assert lines == ['"\'-1",-1,-0.5', '"a-1",2,', ",,1"]


def test_instants_have_fractions_of_a_second_only_where_their_column_has_some(tmp_path):
    instants = pa.timestamp("us")
    hours = pa.array([datetime(2026, 3, 1, 3), None], instants)  # noqa: DTZ001  # the lake's instants are naive UTC
    times = pa.array([datetime(2026, 3, 1, 3, 0, 0, 5), None], instants)  # noqa: DTZ001  # as above
    nothing = pa.array([None, None], instants)

    lines = written(tmp_path / "instants.csv", hours=hours, times=times, nothing=nothing)

    assert lines == ['"2026-03-01T03:00:00Z","2026-03-01T03:00:00.000005Z",', ",,"]
