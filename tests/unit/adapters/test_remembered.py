from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from healthcare_ops.adapters.remembered import RememberedFiles

TEXT, NUMBER = pa.string(), pa.int64()


@pytest.fixture
def day(tmp_path):
    """Return what writes a file of a day."""

    def write(name: str, **columns: list[object]) -> str:
        path = tmp_path / name
        pq.write_table(pa.table(columns), path)
        return str(path)

    return write


def test_a_file_that_was_read_is_not_read_again(day):
    files = RememberedFiles(most_bytes=1000)
    path = day("monday", beds=[7])
    files.read("stays", [path], {"beds": NUMBER})

    Path(path).unlink()

    assert files.read("stays", [path], {"beds": NUMBER}).to_pydict() == {"beds": [7]}


def test_days_stand_in_the_order_asked_for_each_read_or_remembered(day):
    files = RememberedFiles(most_bytes=1000)
    monday, tuesday = day("monday", beds=[1, 2]), day("tuesday", beds=[3])
    files.read("stays", [tuesday], {"beds": NUMBER})

    assert files.read("stays", [tuesday, monday], {"beds": NUMBER}).to_pydict() == {"beds": [3, 1, 2]}


def test_a_column_that_nobody_asked_for_before_is_read_then(day):
    files = RememberedFiles(most_bytes=1000)
    path = day("monday", beds=[1], ward=["A"])
    files.read("stays", [path], {"beds": NUMBER})

    found = files.read("stays", [path], {"ward": TEXT})

    assert found.to_pydict() == {"ward": ["A"]}


def test_a_column_that_an_older_file_has_not_got_is_null_in_its_rows(day):
    files = RememberedFiles(most_bytes=1000)

    found = files.read("stays", [day("old", beds=[1]), day("new", beds=[2], ward=["A"])], {"ward": TEXT})

    assert found.to_pydict() == {"ward": [None, "A"]}


def test_of_more_than_it_may_keep_what_was_used_last_stays(day):
    files = RememberedFiles(most_bytes=20)
    monday, tuesday, wednesday = (day(name, beds=[number]) for number, name in enumerate(("mo", "tu", "we")))
    files.read("stays", [monday, tuesday], {"beds": NUMBER})
    files.read("stays", [monday, wednesday], {"beds": NUMBER})

    for path in (monday, tuesday, wednesday):
        Path(path).unlink()

    assert files.read("stays", [monday, wednesday], {"beds": NUMBER}).to_pydict() == {"beds": [0, 2]}
    with pytest.raises(FileNotFoundError):
        files.read("stays", [tuesday], {"beds": NUMBER})
