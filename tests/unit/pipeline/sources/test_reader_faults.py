from __future__ import annotations

import gzip
import io
import resource

import pytest
import zstandard

from healthcare_ops.core.errors import ConfigError, DataError, NotFoundError
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.pipeline.sources import streams
from healthcare_ops.pipeline.sources.readers import read_records, source_columns

CONTENT = b"arrival,place\n" + b"".join(b"2026-03-01T00:00:%05d,ED\n" % number for number in range(50_000))


def streamed_zstd(content: bytes) -> bytes:
    """Pack without a declared size, as a pipe does."""
    packed = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(packed, closefd=False) as writer:
        writer.write(content)
    return packed.getvalue()


def test_a_file_that_is_not_there_is_not_found(make_feed, tmp_path, read_all):
    with pytest.raises(NotFoundError, match=r"visits\.csv does not exist"):
        read_all(tmp_path / "visits.csv", make_feed())


def test_a_folder_is_no_delivery(make_feed, tmp_path, read_all):
    with pytest.raises(DataError, match="is not a file"):
        read_all(tmp_path, make_feed())


def test_an_empty_file_is_refused(make_feed, deliver, read_all):
    path = deliver(b"")

    with pytest.raises(DataError, match=r"visits\.csv is empty \(0 bytes\)"):
        read_all(path, make_feed())


@pytest.mark.parametrize(
    ("content", "fault", "line"),
    [
        (b"", FileFault.FILE_EMPTY, None),
        (b"PK\x03\x04", FileFault.FILE_FORMAT_OTHER, None),
        (b"\narrival,place\n", FileFault.FILE_HEADER_UNUSABLE, 1),
        (b"arrival,place,place\n", FileFault.FILE_HEADER_UNUSABLE, 1),
        (b"when,place\n1,ED\n", FileFault.FILE_COLUMN_UNUSABLE, None),
        (b"arrival,place\n1,ED\n2,S\xe3o\n", FileFault.FILE_ENCODING_OTHER, 3),
        (b"arrival,place\n1,\0\n", FileFault.FILE_ENCODING_OTHER, 2),
        (b"arrival,place\n1,ED\n2\n", FileFault.FILE_RECORD_UNREADABLE, 3),
        (b'arrival,place\n1,"ED\n', FileFault.FILE_RECORD_UNREADABLE, 2),
        (b"arrival,place\n" + b"x" * (2 << 20), FileFault.FILE_RECORD_UNREADABLE, 2),
    ],
)
def test_why_a_file_is_refused_has_a_code_and_a_line(make_feed, deliver, read_all, content, fault, line):
    path = deliver(content)

    with pytest.raises(DataError) as caught:
        read_all(path, make_feed())

    assert (caught.value.fault, caught.value.line) == (fault, line)


def test_of_a_file_without_a_header_no_value_is_shown_though_it_stands_twice(make_feed, deliver, read_all):
    path = deliver("PATIENT-7,PATIENT-7,ED\n")

    with pytest.raises(DataError, match="is its first line a header") as caught:
        read_all(path, make_feed())

    assert "PATIENT-7" not in str(caught.value)


def test_a_missing_column_is_named_with_its_nearest_and_with_those_there_are(make_feed, deliver, read_all):
    path = deliver("Arrival ,place\n1,2\n")

    with pytest.raises(DataError) as caught:
        read_all(path, make_feed())

    assert caught.value.message == (
        "visits.csv has no column 'arrival' (nearest: 'Arrival '), which feed ed maps; it has: Arrival , place."
    )


def test_a_missing_column_of_a_wide_file_is_reported_in_one_readable_line(make_feed, deliver, read_all):
    path = deliver("place," + ",".join(f"c{number}" for number in range(500)) + "\n")

    with pytest.raises(DataError) as caught:
        read_all(path, make_feed())

    assert caught.value.message.endswith("c37, c38, ….")


def test_a_first_record_in_the_place_of_a_header_is_not_shown(make_feed, deliver, read_all):
    path = deliver("Maria Silva,2026-03-01T10:00\nJoana Dias,2026-03-01T11:00\n")

    with pytest.raises(DataError, match=r"has no column 'arrival', .*is its first line a header\?") as caught:
        read_all(path, make_feed())

    assert "Maria" not in caught.value.message


def test_a_condition_s_column_must_be_in_the_file_as_well(make_feed, deliver, read_all):
    path = deliver("arrival,place\n1,2\n")
    admitted = {"column": "arrival", "when": {"outcome": ["WARD"]}}

    with pytest.raises(DataError, match="has no column 'outcome'"):
        read_all(path, make_feed(columns={"arrival_time": "arrival", "sector": "place", "admit_time": admitted}))


def test_the_columns_that_a_feed_reads_are_listed_once_in_order_of_use(make_event_feed):
    feed = make_event_feed(
        shape="start_complete",
        lifecycle_column="phase",
        columns={
            "encounter_id": "visit",
            "event_type": "code",
            "event_time": {"column": "at", "when": {"code": ["A01"], "state": ["final"]}},
            "sector": {"const": "ED"},
        },
    )

    assert source_columns(feed) == ("visit", "code", "at", "state", "phase")


@pytest.mark.parametrize(
    ("content", "encoding", "line", "byte"),
    [
        (b"arrival,place\n1,2\n3,\xe9\n", "utf-8", 3, "0xe9"),
        (b"arrival,place\n1,\xc3", "utf-8", 2, "0xc3"),
        (b"arrival,place\n" + b"1,2\n" * 2_500_000 + b"3,\xff\n", "utf-8", 2_500_002, "0xff"),
        (b"arrival,place\n1,2\n3,\x81\n", "cp1252", 3, "0x81"),
        ("arrival,place\n1,2\n".encode("utf-16"), "utf-8", 1, "0xff"),
    ],
)
def test_a_byte_of_another_encoding_is_named_with_its_line(make_feed, deliver, read_all, content, encoding, line, byte):
    path = deliver(content)

    with pytest.raises(DataError) as caught:
        read_all(path, make_feed(encoding=encoding))

    assert caught.value.message == f"visits.csv, line {line}: byte {byte} is not {encoding}."
    assert "encoding" in caught.value.next_step


def test_a_character_cut_by_a_block_s_end_is_whole_again(make_feed, deliver, read_all):
    start = b"arrival,place\n" + b"1,2\n" * 1_048_572
    path = deliver(start + b"x" * (streams.BLOCK_BYTES - len(start) - 1) + "é,ED\n".encode())

    found = read_all(path, make_feed())[-1]

    assert found["arrival"].endswith("xé")
    assert len(found["arrival"]) == streams.BLOCK_BYTES - len(start)


@pytest.mark.parametrize(("content", "line"), [(b"arr\0ival,place\n1,2\n", 1), (b"arrival,place\n1,2\n3,\0\n", 3)])
def test_a_nul_byte_is_refused_with_its_line(make_feed, deliver, read_all, content, line):
    path = deliver(content)

    with pytest.raises(DataError, match=rf"visits\.csv, line {line} holds a NUL byte"):
        read_all(path, make_feed())


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"x" * (streams.MAX_LINE_CHARS + 1), 1),
        (b"arrival,place\n1,2\n" + b"x" * (streams.MAX_LINE_CHARS + 1) + b"\n", 3),
        (b"arrival,place\n" + b"1,2\n" * 1_000_000 + b"x" * (streams.MAX_LINE_CHARS + 1), 1_000_002),
    ],
)
def test_a_line_of_absurd_length_is_refused(make_feed, deliver, read_all, content, line):
    path = deliver(content)

    with pytest.raises(DataError, match=rf"visits\.csv, line {line} is longer than 1048576 characters"):
        read_all(path, make_feed())


def test_a_line_of_the_greatest_allowed_length_is_read(make_feed, deliver, read_all):
    path = deliver("arrival,place\n1,2\n" + "x" * (streams.MAX_LINE_CHARS - 3) + ",ED\n3,4\n")

    found = read_all(path, make_feed())

    assert [len(record["arrival"]) for record in found] == [1, streams.MAX_LINE_CHARS - 3, 1]


def test_a_packed_header_of_two_gigabytes_is_refused_without_being_read(make_feed, deliver, read_all):
    bomb = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(bomb, closefd=False) as writer:
        for _ in range(2_048):
            writer.write(b"x" * (1 << 20))
    path = deliver(bomb.getvalue(), "visits.csv.zst")
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(DataError, match="line 1 is longer than"):
        read_all(path, make_feed())

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 200 << 10


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("visits.csv.gz", gzip.compress(CONTENT, mtime=0)[:-4]),
        ("visits.csv.gz", gzip.compress(CONTENT, mtime=0)[:-1_000]),
        ("visits.csv.gz", gzip.compress(CONTENT, mtime=0)[:5_000] + b"xx" + gzip.compress(CONTENT)[5_002:]),
        ("visits.csv.gz", gzip.compress(CONTENT, mtime=0) + b"garbage"),
        ("visits.csv.zst", zstandard.compress(CONTENT)[:-10]),
        ("visits.csv.zst", streamed_zstd(CONTENT)[:-10]),
        ("visits.csv.zst", streamed_zstd(CONTENT) + zstandard.compress(CONTENT)[:-10]),
    ],
)
def test_a_packed_file_that_is_not_whole_is_refused(make_feed, deliver, read_all, name, content):
    path = deliver(content, name)

    with pytest.raises(DataError, match=r"visits\.csv\.(gz|zst) is not a whole (gzip|zstd) file"):
        read_all(path, make_feed())


@pytest.mark.parametrize(
    ("name", "content", "file_format", "said"),
    [
        ("visits.csv.gz", b"arrival,place\n1,2\n", "csv", "not gzip"),
        ("visits.csv.zst", b"a", "csv", "not zstd"),
        ("visits.csv", gzip.compress(b"arrival,place\n", mtime=0), "csv", "gzip"),
        ("visits.csv", b"PK\x03\x04\x14\x00", "csv", "a ZIP archive or an Excel workbook"),
        ("visits.csv", b"PAR1\x15\x04", "csv", "parquet"),
        ("visits.parquet", b"arrival,place\n1,2\n", "parquet", "not parquet"),
    ],
)
def test_a_file_that_begins_like_another_kind_is_refused(
    make_feed, deliver, read_all, name, content, file_format, said
):
    path = deliver(content, name)

    with pytest.raises(DataError) as caught:
        read_all(path, make_feed(format=file_format))

    assert caught.value.message.startswith(f"{name} is {said}, by its first bytes")


def test_a_parquet_file_within_gzip_is_the_feed_s_mistake(make_feed, deliver, read_all):
    path = deliver(gzip.compress(b"PAR1", mtime=0), "visits.parquet.gz")

    with pytest.raises(ConfigError, match="packed inside"):
        read_all(path, make_feed(format="parquet"))


def test_a_delivered_record_no_gives_way_to_the_record_s_position(make_feed, deliver, read_all):
    path = deliver("arrival,record_no,place\n1,77,2\n")

    found = read_all(path, make_feed())

    assert found == [{"arrival": "1", "place": "2", "record_no": 1}]


def test_a_feed_cannot_map_a_delivered_record_no(make_feed, deliver, read_all):
    path = deliver("arrival,record_no\n1,77\n")

    with pytest.raises(ConfigError, match="maps a source column 'record_no'"):
        read_all(path, make_feed(columns={"arrival_time": "arrival", "sector": "record_no"}))


def test_a_fault_at_the_end_comes_after_the_sound_batches(make_feed, deliver):
    path = deliver(b"arrival,place\n" + b"2026-03-01T00:00:00,ED\n" * 400_000 + b"1\n")
    batches = read_records(path, make_feed())

    first = next(batches)
    with pytest.raises(DataError, match="line 400002"):
        list(batches)

    assert 0 < first.num_rows < 400_000
