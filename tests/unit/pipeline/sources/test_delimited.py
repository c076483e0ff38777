from __future__ import annotations

import csv
import gzip
import io

import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthcare_ops.core.errors import DataError
from healthcare_ops.pipeline.sources.readers import read_records


def test_every_column_of_a_csv_file_is_text_exactly_as_delivered(make_feed, deliver):
    path = deliver("arrival,place,age\n2026-03-01,ED,007\n NULL ,,1.50\n")

    (batch,) = read_records(path, make_feed())

    assert batch.to_pydict() == {
        "arrival": ["2026-03-01", " NULL "],
        "place": ["ED", ""],
        "age": ["007", "1.50"],
        "record_no": [1, 2],
    }
    assert batch.schema.types == [pa.string(), pa.string(), pa.string(), pa.int64()]


@pytest.mark.parametrize(
    ("content", "records"),
    [
        ("arrival,place\n1,2\n", [("1", "2")]),
        ("arrival,place\n1,2", [("1", "2")]),
        ("arrival,place\r\n1,2\r\n3,4\r\n", [("1", "2"), ("3", "4")]),
        ("arrival,place\r1,2\r3,4\r", [("1", "2"), ("3", "4")]),
        ("\ufeffarrival,place\n1,2\n", [("1", "2")]),
        ("arrival,place\n\n1,2\n\n\n3,4\n\n", [("1", "2"), ("3", "4")]),
        ('"arrival","place"\n"1","2"\n', [("1", "2")]),
        ('arrival,place\n"1\n\r\n,""x""",2\n', [('1\n\r\n,"x"', "2")]),
        ('arrival,place\n5" nail,2\n', [('5" nail', "2")]),
        ("arrival,place\n", []),
        ("arrival,place", []),
        ('"arrival",place\n\n', []),
    ],
)
def test_line_ends_quotes_and_blank_lines_of_a_csv_file_are_understood(make_feed, deliver, read_all, content, records):
    path = deliver(content)

    found = read_all(path, make_feed())

    assert [(record["arrival"], record["place"]) for record in found] == records
    assert [record["record_no"] for record in found] == list(range(1, len(records) + 1))


def test_a_header_may_span_lines_within_quotes(make_feed, deliver, read_all):
    path = deliver('"arrival\n(local)",place\n1,2\n')

    found = read_all(path, make_feed(columns={"arrival_time": "arrival\n(local)", "sector": "place"}))

    assert found == [{"arrival\n(local)": "1", "place": "2", "record_no": 1}]


def test_a_column_without_a_name_is_named_by_its_position(make_feed, deliver, read_all):
    path = deliver("arrival,place,, \n1,2,3,4\n")

    found = read_all(path, make_feed())

    assert found == [{"arrival": "1", "place": "2", "unnamed_3": "3", "unnamed_4": "4", "record_no": 1}]


@pytest.mark.parametrize(
    ("file_format", "declared", "sign"), [("tsv", None, "\t"), ("tsv", "|", "|"), ("csv", ";", ";")]
)
def test_the_delimiter_is_the_format_s_own_unless_the_feed_declares_one(
    make_feed, deliver, read_all, file_format, declared, sign
):
    path = deliver(f"arrival{sign}place\n1,5{sign}2\n")

    found = read_all(path, make_feed(format=file_format, delimiter=declared))

    assert found == [{"arrival": "1,5", "place": "2", "record_no": 1}]


@pytest.mark.parametrize(
    ("encoding", "content"), [("utf-8", "é€".encode()), ("cp1252", b"\xe9\x80"), ("latin-1", b"\xe9\x80")]
)
def test_text_is_decoded_as_the_feed_declares(make_feed, deliver, read_all, encoding, content):
    path = deliver(b"arrival,place\n1," + content + b"\n")

    (found,) = read_all(path, make_feed(encoding=encoding))

    assert found["place"] == ("é\x80" if encoding == "latin-1" else "é€")


@pytest.mark.parametrize(
    ("ending", "pack"),
    [
        (".gz", gzip.compress),
        (".GZ", gzip.compress),
        (".gz", lambda data: gzip.compress(data[:20]) + gzip.compress(data[20:])),
        (".zst", zstandard.compress),
        (".zst", lambda data: zstandard.compress(data[:20]) + zstandard.compress(data[20:])),
    ],
)
def test_a_packed_file_is_unpacked_by_its_ending(make_feed, deliver, read_all, ending, pack):
    path = deliver(pack(b"arrival,place\n1,2\n3,4\n"), f"visits.csv{ending}")

    found = read_all(path, make_feed())

    assert [record["arrival"] for record in found] == ["1", "3"]


_VALUES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from('",;\r\n '), max_size=8
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(_VALUES, _VALUES), max_size=6))
def test_what_a_csv_writer_writes_is_read_back(make_feed, deliver, read_all, rows):
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=";").writerows([("arrival", "place"), *rows])
    path = deliver(written.getvalue())

    found = read_all(path, make_feed(delimiter=";"))

    assert [(record["arrival"], record["place"]) for record in found] == rows


def test_records_are_numbered_across_batches(make_feed, deliver):
    lines = "".join(f"2026-03-01T00:00:00 {number:06d},ED\n" for number in range(200_000))
    path = deliver(f"arrival,place\n{lines}")

    batches = list(read_records(path, make_feed()))

    assert len(batches) > 1
    assert [number for batch in batches for number in batch["record_no"].to_pylist()] == list(range(1, 200_001))
    assert batches[-1]["arrival"].to_pylist()[-1] == "2026-03-01T00:00:00 199999"


@pytest.mark.parametrize(
    ("rest", "line", "what"),
    [
        ("1,2\n3\n", 3, "1 values where the header names 2 columns"),
        ("1,2\n3,4,5\n", 3, "3 values where the header names 2 columns"),
        ('"1\n\n\n",2\n3\n', 6, "1 values where the header names 2 columns"),
        ("1,2\n\n\n3\n", 5, "1 values where the header names 2 columns"),
        ("1,2\n" * 300_000 + "3\n", 300_002, "1 values where the header names 2 columns"),
        ('1,2\n3,"4\n5,6\n', 3, "quotes do not pair"),
        ('1,2\n3,"4', 3, "quotes do not pair"),
        ('1,2\n"3,4\n5,6\n', 3, "quotes do not pair"),
        ('1,"2\n' + "3,4\n" * 100_000, 2, "quotes do not pair"),
        ('1,"' + "2\n" * 100_000 + '"\n', 2, "a value over several lines is too long"),
    ],
)
def test_a_record_that_does_not_fit_the_header_is_refused_with_its_line(make_feed, deliver, read_all, rest, line, what):
    path = deliver(f"arrival,place\n{rest}")

    with pytest.raises(DataError) as caught:
        read_all(path, make_feed())

    assert caught.value.message.startswith(f"visits.csv, line {line}: ")
    assert what in caught.value.message
    assert "delimiter" in caught.value.next_step


def test_two_stray_quotes_do_not_make_one_record_of_three(make_feed, deliver, read_all):
    path = deliver('arrival,place\n1,"2\n3,4\n5,"6\n7,8\n')

    with pytest.raises(DataError, match=r"visits\.csv, line 2: quotes do not pair"):
        read_all(path, make_feed())


def test_a_refused_record_is_not_repeated_in_the_error(make_feed, deliver, read_all):
    path = deliver("arrival,place\nMaria da Silva,2,3\n")

    with pytest.raises(DataError) as caught:
        read_all(path, make_feed())

    assert "Maria" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("content", ["\n\n", "\ufeff", "\narrival,place\n1,2\n", ",,\n1,2,3\n"])
def test_a_file_whose_first_line_names_no_column_is_refused(make_feed, deliver, read_all, content):
    path = deliver(content)

    with pytest.raises(DataError, match="line 1 is blank where the header should be"):
        read_all(path, make_feed())


def test_a_column_name_that_stands_twice_is_refused(make_feed, deliver, read_all):
    path = deliver("arrival,place,arrival\n1,2,3\n")

    with pytest.raises(DataError, match="column 'arrival' stands twice"):
        read_all(path, make_feed())


def test_a_header_that_no_one_can_have_meant_is_refused(make_feed, deliver, read_all):
    path = deliver("arrival,place," + "x" * 200_000 + "\n1,2,3\n")

    with pytest.raises(DataError, match="line 1: the header cannot be read"):
        read_all(path, make_feed())
