from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from healthcare_ops.core.errors import DataError


@pytest.fixture
def deliver_table(tmp_path):
    def write(columns: dict[str, object] | pa.Table, **options: object) -> Path:
        path = tmp_path / "visits.parquet"
        pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
        return path

    return write


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([datetime(2026, 3, 1, 14, 5, 6, 7)]), "2026-03-01T14:05:06.000007"),  # noqa: DTZ001
        (pa.array([1_767_225_600], pa.timestamp("s")), "2026-01-01T00:00:00.000000"),
        (pa.array([1_767_225_600_123], pa.timestamp("ms")), "2026-01-01T00:00:00.123000"),
        (pa.array([1_767_225_600_123_456_789], pa.timestamp("ns")), "2026-01-01T00:00:00.123456"),
        (
            pa.array([datetime(2026, 7, 1, 12, tzinfo=UTC)], pa.timestamp("us", "Europe/Stockholm")),
            "2026-07-01T12:00:00.000000Z",
        ),
        (
            pa.array([datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=-3)))], pa.timestamp("us", "-03:00")),
            "2026-07-01T15:00:00.000000Z",
        ),
        (pa.array([date(2026, 3, 1)]), "2026-03-01"),
        (pa.array([time(14, 5, 6)]), "14:05:06.000000"),
        (pa.array([7], pa.int8()), "7"),
        (pa.array([3.0]), "3"),
        (pa.array([1.5]), "1.5"),
        (pa.array([Decimal("1.50")]), "1.50"),
        (pa.array([True]), "true"),
        (pa.array(["ED"]).dictionary_encode(), "ED"),
        (pa.array(["ED"], pa.large_string()), "ED"),
        (pa.array([" é "]), " é "),
        (pa.array([b"ED"]), "ED"),
        (pa.array([""]), ""),
        (pa.array([None], pa.timestamp("us", "UTC")), None),
        (pa.nulls(1), None),
    ],
)
def test_a_typed_value_becomes_the_text_that_it_would_be_written_as(make_feed, deliver_table, read_all, values, text):
    path = deliver_table({"arrival": values, "place": pa.array(["ED"])})

    found = read_all(path, make_feed(format="parquet"))

    assert found == [{"arrival": text, "place": "ED", "record_no": 1}]


def test_fields_of_a_struct_are_addressed_with_dots(make_feed, deliver_table, read_all):
    visit = pa.array([{"at": "x", "where": {"place": "ED"}}, None])
    path = deliver_table({"visit": visit})

    found = read_all(
        path, make_feed(format="parquet", columns={"arrival_time": "visit.at", "sector": "visit.where.place"})
    )

    assert found == [
        {"visit.at": "x", "visit.where.place": "ED", "record_no": 1},
        {"visit.at": None, "visit.where.place": None, "record_no": 2},
    ]


def test_records_are_numbered_across_row_groups(make_feed, deliver_table, read_all):
    path = deliver_table({"arrival": ["x"] * 70_000, "place": ["ED"] * 70_000}, row_group_size=1_000)

    found = read_all(path, make_feed(format="parquet"))

    assert [record["record_no"] for record in found] == list(range(1, 70_001))


def test_a_table_without_rows_has_no_records(make_feed, deliver_table, read_all):
    path = deliver_table({"arrival": pa.array([], pa.string()), "place": pa.array([], pa.string())})

    assert read_all(path, make_feed(format="parquet")) == []


def test_a_list_or_a_blob_that_is_not_mapped_is_left_out(make_feed, deliver_table, read_all):
    path = deliver_table({"arrival": ["x"], "place": ["ED"], "tags": [["a"]], "scan": [b"\xff"]})

    found = read_all(path, make_feed(format="parquet"))

    assert found == [{"arrival": "x", "place": "ED", "record_no": 1}]


@pytest.mark.parametrize("values", [[["x"]], [b"\xff"]])
def test_a_mapped_column_must_hold_one_text_a_record(make_feed, deliver_table, read_all, values):
    path = deliver_table({"arrival": values, "place": ["ED"]})

    with pytest.raises(DataError, match=r"column 'arrival' is (list|binary).*, which has no text of one value"):
        read_all(path, make_feed(format="parquet"))


def test_a_missing_column_is_refused(make_feed, deliver_table, read_all):
    path = deliver_table({"arrival": ["x"], "Place": ["ED"]})

    with pytest.raises(DataError, match=r"has no column 'place' \(nearest: 'Place'\)"):
        read_all(path, make_feed(format="parquet"))


def test_a_column_name_that_stands_twice_is_refused(make_feed, deliver_table, read_all):
    columns = [pa.array(["x"]), pa.array(["ED"]), pa.array(["y"])]
    path = deliver_table(pa.table(columns, names=["arrival", "place", "arrival"]))

    with pytest.raises(DataError, match="column 'arrival' stands twice"):
        read_all(path, make_feed(format="parquet"))


@pytest.mark.parametrize("damage", ["cut short", "only its magic", "overwritten within"])
def test_a_damaged_file_is_refused(make_feed, deliver_table, read_all, damage):
    path = deliver_table({"arrival": [str(number) for number in range(50_000)], "place": ["ED"] * 50_000})
    whole = path.read_bytes()
    damaged = {
        "cut short": whole[:-50],
        "only its magic": whole[:4],
        "overwritten within": whole[:2_000] + b"\xff" * 200 + whole[2_200:],
    }
    path.write_bytes(damaged[damage])

    with pytest.raises(DataError, match=r"visits\.parquet is not a whole Parquet file"):
        read_all(path, make_feed(format="parquet"))
