from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from healthcare_ops.core.feed import ENCOUNTER_COLUMNS, EVENT_COLUMNS, IDENTIFIERS
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser

PSEUDONYMISER = Pseudonymiser("k1", b"a key of the hospital")


def pseudonym(value: str, purpose: str) -> str:
    return PSEUDONYMISER.encode(pa.array([value]), purpose)[0].as_py()


def map_batch(batch, feed, source_sha256="abc"):
    return map_records(batch, feed, source_sha256=source_sha256, pseudonymiser=PSEUDONYMISER)


@pytest.mark.parametrize(("shape", "columns"), [("encounters", ENCOUNTER_COLUMNS), ("events", EVENT_COLUMNS)])
def test_the_platform_s_columns_come_in_storage_order_as_text(make_feed, make_event_feed, make_batch, shape, columns):
    feed = make_feed() if shape == "encounters" else make_event_feed()
    batch = make_batch(arrival=["x"], place=["ED"], visit=["1"], code=["A01"], at=["x"])

    mapped = map_batch(batch, feed)

    assert mapped.schema.names == [*columns, "record_no"]
    assert mapped.schema.types == [*[pa.string()] * len(columns), pa.int64()]


def test_a_mapped_column_keeps_its_text_and_an_unmapped_one_is_null(make_feed, make_batch):
    batch = make_batch(arrival=[" 2026-03-01 ", "NULL"], place=["ED", "x"], bed=["7", "8"])

    mapped = map_batch(batch, make_feed())

    assert mapped["arrival_time"].to_pylist() == [" 2026-03-01 ", "NULL"]
    assert mapped["sector"].to_pylist() == ["ED", "x"]
    assert mapped["bed"].to_pylist() == [None, None]
    assert mapped["record_no"].to_pylist() == [1, 2]


def test_a_text_that_means_not_delivered_is_null_whatever_its_padding(make_feed, make_batch):
    batch = make_batch(arrival=["", " ", "NULL", " NULL ", "null", "-"], place=["ED"] * 6)

    mapped = map_batch(batch, make_feed(null_values=["", "NULL"]))

    assert mapped["arrival_time"].to_pylist() == [None, None, None, None, "null", "-"]


def test_a_conditional_column_is_empty_unless_every_condition_holds(make_feed, make_batch):
    admitted = {"column": "left", "when": {"to": ["WARD", "ICU"], "state": ["final"]}}
    feed = make_feed(columns={"arrival_time": "arrival", "sector": "place", "admit_time": admitted})
    batch = make_batch(
        arrival=["x"] * 5,
        place=["ED"] * 5,
        left=["10", "11", "12", "13", ""],
        to=["WARD", " ICU ", "HOME", None, "WARD"],
        state=["final", "final", "final", "final", "final"],
    )

    mapped = map_batch(batch, feed)

    assert mapped["admit_time"].to_pylist() == ["10", "11", None, None, None]


def test_two_conditions_must_both_hold(make_feed, make_batch):
    admitted = {"column": "left", "when": {"to": ["WARD"], "state": ["final"]}}
    feed = make_feed(columns={"arrival_time": "arrival", "sector": "place", "admit_time": admitted})
    batch = make_batch(
        arrival=["x"] * 2, place=["ED"] * 2, left=["10", "11"], to=["WARD"] * 2, state=["draft", "final"]
    )

    mapped = map_batch(batch, feed)

    assert mapped["admit_time"].to_pylist() == [None, "11"]


def test_a_constant_stands_in_every_record_or_where_its_condition_holds(make_feed, make_batch):
    columns = {
        "arrival_time": "arrival",
        "sector": {"const": "ED"},
        "transfer_sector": {"const": "WARD", "when": {"to": ["WARD"]}},
    }
    batch = make_batch(arrival=["x", "y"], to=["WARD", "HOME"])

    mapped = map_batch(batch, make_feed(columns=columns))

    assert mapped["sector"].to_pylist() == ["ED", "ED"]
    assert mapped["transfer_sector"].to_pylist() == ["WARD", None]


def test_an_activity_and_its_lifecycle_make_one_event_code(make_event_feed, make_batch):
    feed = make_event_feed(shape="start_complete", lifecycle_column="phase")
    batch = make_batch(
        visit=["1"] * 4,
        code=["Triage", " Triage ", "", "Triage"],
        phase=["start", "complete ", "start", ""],
        at=["x"] * 4,
    )

    mapped = map_batch(batch, feed)

    assert mapped["event_type"].to_pylist() == ["Triage|start", "Triage|complete", None, None]


def test_identifiers_become_pseudonyms_of_their_own_purpose(make_event_feed, make_batch):
    columns = {
        "encounter_id": "visit",
        "patient_id": "patient",
        "source_event_id": "id",
        "event_type": "code",
        "event_time": "at",
    }
    batch = make_batch(visit=["9001"], patient=["9001"], id=["9001"], code=["A01"], at=["x"])

    mapped = map_batch(batch, make_event_feed(columns=columns))

    assert mapped["encounter_id"].to_pylist() == [pseudonym("9001", "encounter")]
    assert mapped["patient_id"].to_pylist() == [pseudonym("9001", "patient")]
    assert mapped["source_event_id"].to_pylist() == [pseudonym("9001", "event")]
    assert len({mapped[name][0].as_py() for name in IDENTIFIERS}) == 3


def test_no_identifier_comes_out_of_the_mapping(make_feed, make_batch):
    columns = {"encounter_id": "visit", "patient_id": "mrn", "arrival_time": "arrival", "sector": "place"}
    visits, patients = [f"V-{n}" for n in range(50)], [f"P-{n % 7}" for n in range(50)]
    batch = make_batch(visit=visits, mrn=patients, name=["Maria"] * 50, arrival=["x"] * 50, place=["ED"] * 50)

    mapped = map_batch(batch, make_feed(columns=columns))

    texts = {text for name in mapped.schema.names for text in map(str, mapped[name].to_pylist())}
    assert not [text for text in texts if any(known in text for known in (*visits, *patients, "Maria"))]


def test_an_identifier_s_padding_does_not_part_a_patient_s_records(make_feed, make_batch):
    columns = {"patient_id": "mrn", "arrival_time": "arrival", "sector": "place"}
    batch = make_batch(mrn=["77", " 77 ", "077"], arrival=["x"] * 3, place=["ED"] * 3)

    first, padded, other = map_batch(batch, make_feed(columns=columns))["patient_id"].to_pylist()

    assert first == padded == pseudonym("77", "patient")
    assert other == pseudonym("077", "patient")


@pytest.mark.parametrize("null_values", [[""], ["NULL"]])
def test_an_empty_identifier_stays_null_even_if_the_feed_declares_other_null_texts(make_feed, make_batch, null_values):
    columns = {"encounter_id": "visit", "arrival_time": "arrival", "sector": "place"}
    batch = make_batch(visit=["", "  ", None], arrival=["x"] * 3, place=["ED"] * 3)

    mapped = map_batch(batch, make_feed(columns=columns, null_values=null_values))

    assert mapped["encounter_id"].to_pylist() == [None, None, None]


def test_a_visit_without_an_id_is_named_by_its_file_and_position(make_feed, make_batch):
    batch = make_batch(arrival=["x", "x"], place=["ED", "ED"])

    mapped = map_batch(batch, make_feed(), source_sha256="abc")
    again = map_batch(batch, make_feed(), source_sha256="def")

    assert mapped["encounter_id"].to_pylist() == [pseudonym("abc#1", "encounter"), pseudonym("abc#2", "encounter")]
    assert not set(mapped["encounter_id"].to_pylist()) & set(again["encounter_id"].to_pylist())


def test_a_delivery_without_records_maps_to_no_rows(make_feed, make_batch):
    mapped = map_batch(make_batch(arrival=[], place=[]), make_feed())

    assert mapped.num_rows == 0
    assert mapped.schema.names == [*ENCOUNTER_COLUMNS, "record_no"]


def test_a_feed_cannot_map_an_identifier_under_another_name(make_feed):
    columns = {"patient_id": "mrn", "bed": "mrn", "arrival_time": "arrival", "sector": "place"}

    with pytest.raises(ValidationError, match=r"columns\.bed reads 'mrn', which is mapped as an identifier"):
        make_feed(columns=columns)


@pytest.mark.parametrize("delimiter", ['"', "\n", "\r", "\0", "é", "a", "7", ";;", ""])
def test_a_feed_cannot_declare_a_delimiter_that_no_parser_can_use(make_feed, delimiter):
    with pytest.raises(ValidationError, match="delimiter"):
        make_feed(delimiter=delimiter)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", ":", "\x1f", " "])
def test_a_feed_can_declare_any_usual_delimiter(make_feed, delimiter):
    assert make_feed(delimiter=delimiter).delimiter == delimiter
