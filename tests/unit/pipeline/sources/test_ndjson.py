from __future__ import annotations

import json

import pytest

from healthcare_ops.core.errors import DataError

NAME = "events.ndjson"


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_numbers_and_booleans_keep_their_json_text_and_null_is_null(make_event_feed, deliver, read_all):
    path = deliver('{"visit": 9001, "code": true, "at": 1.50}\n{"visit": 1E5, "code": "A01", "at": null}\n', NAME)

    found = read_all(path, make_event_feed(format="ndjson"))

    assert found == [
        {"visit": "9001", "code": "true", "at": "1.50", "record_no": 1},
        {"visit": "1E5", "code": "A01", "at": None, "record_no": 2},
    ]


def test_an_integer_of_any_length_is_read(make_event_feed, deliver, read_all):
    path = deliver('{"visit": ' + "1" * 5_000 + ', "code": "A01", "at": "x"}\n', NAME)

    (found,) = read_all(path, make_event_feed(format="ndjson"))

    assert found["visit"] == "1" * 5_000


def test_a_nested_key_is_addressed_with_dots(make_event_feed, deliver, read_all):
    path = deliver(lines({"visit": 1, "event": {"code": "A01", "time": {"at": "x"}}, "note": {"seen": False}}), NAME)
    columns = {"encounter_id": "visit", "event_type": "event.code", "event_time": "event.time.at"}

    found = read_all(path, make_event_feed(format="ndjson", columns=columns))

    assert found == [{"visit": "1", "event.code": "A01", "event.time.at": "x", "note.seen": "false", "record_no": 1}]


def test_blank_lines_and_a_byte_order_mark_are_no_records(make_event_feed, deliver, read_all):
    record = lines({"visit": "1", "code": "A01", "at": "x"})
    path = deliver(f"\ufeff{record}\n  \n{record.rstrip()}", NAME)

    found = read_all(path, make_event_feed(format="ndjson"))

    assert [record["record_no"] for record in found] == [1, 2]


def test_a_file_of_blank_lines_has_no_records(make_event_feed, deliver, read_all):
    path = deliver("\n \n\n", NAME)

    assert read_all(path, make_event_feed(format="ndjson")) == []


def test_a_mapped_key_may_be_absent_from_every_record_of_a_delivery(make_event_feed, deliver, read_all):
    path = deliver(lines({"visit": "1", "code": "A01", "at": "x"}), NAME)
    columns = {"encounter_id": "visit", "event_type": "code", "event_time": "at", "disposition": "outcome"}

    found = read_all(path, make_event_feed(format="ndjson", columns=columns))

    assert found == [{"visit": "1", "code": "A01", "at": "x", "outcome": None, "record_no": 1}]


def test_a_key_without_which_no_record_can_be_used_must_occur(make_event_feed, deliver, read_all):
    path = deliver(lines({"visit": "1", "code": "A01", "At": "x"}, {"visit": "1", "code": "A01", "at": None}), NAME)

    with pytest.raises(DataError) as caught:
        read_all(path, make_event_feed(format="ndjson"))

    assert caught.value.message == (
        "events.ndjson has no column 'at' (nearest: 'At'), which feed ed maps; it has: visit, code, At."
    )


def test_the_lifecycle_column_of_a_start_complete_feed_must_occur(make_event_feed, deliver, read_all):
    path = deliver(lines({"visit": "1", "code": "A01", "at": "x"}), NAME)

    with pytest.raises(DataError, match="has no column 'phase'"):
        read_all(path, make_event_feed(format="ndjson", shape="start_complete", lifecycle_column="phase"))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"visit": ', "is not JSON: Expecting value at column 11"),
        ('{"visit": 1} {"visit": 2}', "is not JSON: Extra data at column 14"),
        ("[1, 2]", "is not a JSON object"),
        ('{"visit": NaN}', "is not usable JSON: NaN is not JSON"),
        ('{"visit": ' + "[" * 100_000, "is not usable JSON: maximum recursion depth exceeded"),
        ('{"visit": "a\\u0000b"}', "holds an escaped NUL"),
        ('{"visit": "\\ud800"}', "holds half a surrogate pair"),
        ('{"visit": [1]}', "holds a list in 'visit', where one value is mapped"),
    ],
)
def test_a_line_that_is_no_usable_object_is_refused_with_its_number(make_event_feed, deliver, read_all, line, what):
    good = lines({"visit": "1", "code": "A01", "at": "x"})
    path = deliver(f"{good}\n{good}{line}\n{good}", NAME)

    with pytest.raises(DataError) as caught:
        read_all(path, make_event_feed(format="ndjson"))

    assert caught.value.message.startswith(f"events.ndjson, line 4 {what}")


def test_a_fault_beyond_the_first_block_is_found_at_its_line(make_event_feed, deliver, read_all):
    good = lines({"visit": "1", "code": "A01", "at": "2026-03-01T00:00:00-03:00"})
    path = deliver(good * 100_000 + "oops\n", NAME)

    with pytest.raises(DataError, match="line 100001 is not JSON"):
        read_all(path, make_event_feed(format="ndjson"))


def test_a_list_that_is_not_mapped_is_left_out(make_event_feed, deliver, read_all):
    path = deliver(lines({"visit": "1", "code": "A01", "at": "x", "tags": ["a", {"b": 1}]}), NAME)

    found = read_all(path, make_event_feed(format="ndjson"))

    assert found == [{"visit": "1", "code": "A01", "at": "x", "record_no": 1}]


def test_ndjson_in_another_encoding_is_decoded_as_declared(make_event_feed, deliver, read_all):
    path = deliver('{"visit": "São", "code": "A01", "at": "x"}\n'.encode("latin-1"), NAME)

    (found,) = read_all(path, make_event_feed(format="ndjson", encoding="latin-1"))

    assert found["visit"] == "São"
