"""What a source writes where a place belongs must not say whose visit it is."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from healthcare_ops.core.reasons import WITHHELD
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser

KEY = Pseudonymiser("k1", b"a key of the hospital")
COLUMNS = {
    "encounter_id": "visit",
    "patient_id": "mrn",
    "arrival_time": "arrival",
    "sector": "place",
    "bed": "bed",
    "triage_level": "level",
}


@pytest.fixture
def told(make_feed, make_batch):
    """Return a function that maps one record, and gives what bronze holds of it by column."""

    def read(feed=None, **record):
        usual = {"visit": "V-1423", "mrn": "889-1423", "arrival": "x", "place": "ED", "bed": "7", "level": "3"}
        batch = make_batch(**{name: [text] for name, text in (usual | record).items()})
        mapped = map_records(batch, make_feed(columns=COLUMNS, **(feed or {})), source_sha256="a", pseudonymiser=KEY)
        return {name: mapped[name][0].as_py() for name in mapped.schema.names}

    return read


@pytest.mark.parametrize(
    "bed",
    [
        "V-1423",  # the visit's own
        " v-1423 ",
        "V 1423",
        "box 4, V-1423",
        "889-1423",  # the patient's own
        "V-9999",  # another visit's, by its form
        "123-4567",
    ],
)
@pytest.mark.parametrize(("column", "source"), [("bed", "bed"), ("sector", "place")])
def test_an_identifier_in_a_place_stays_in_raw(told, column, source, bed):
    found = told(**{source: bed})

    assert found[column] == WITHHELD


@pytest.mark.parametrize("bed", ["7", "12", "ED-01", "3017", "WARD-1423", "B", None, "", "Leito 12"])
def test_a_bed_is_no_identifier_because_it_has_a_number(told, bed):
    found = told(bed=bed, visit="12", mrn="301-B")

    assert found["bed"] == (bed or None)


@pytest.mark.parametrize(("mrn", "bed"), [("Maria Silva", "MARIA SILVA"), ("100123", "100999"), ("P1", "P1")])
def test_an_identifier_of_any_form_is_known_where_a_bed_belongs(told, mrn, bed):
    assert told(mrn=mrn, bed=bed)["bed"] == WITHHELD


@pytest.mark.parametrize(
    "arrival", ["8877665501", "2026-11-27 10:00:00 8877665501", "x8877665501", "20261127 8877665501", " 8877665501 "]
)
def test_a_number_of_the_patient_where_a_time_belongs_stays_in_raw(told, arrival):
    assert told(mrn="8877665501", arrival=arrival)["arrival_time"] == WITHHELD


@pytest.mark.parametrize(
    ("visit", "arrival"),
    [("20261127", "20261127 10:00"), ("1764240000", "1764240000"), ("112710", "2026-11-27 10:00:00"), ("7", "7:07")],
)
def test_a_visit_that_is_numbered_by_its_time_has_one(told, visit, arrival):
    assert told(visit=visit, arrival=arrival)["arrival_time"] == arrival


def test_identifiers_among_codes_and_times_stay_in_raw_too(told):
    found = told(level="V-1423")
    named = told(arrival="PATIENT-1", mrn="PATIENT-1")

    assert found["triage_level"] == WITHHELD
    assert named["arrival_time"] == WITHHELD


@pytest.mark.parametrize("arrival", ["2026-03-01T10:00:00Z", "03/01/2026 10:00 PM"])
def test_a_time_of_which_the_identifier_is_made_is_a_time(told, arrival):
    assert told(arrival=arrival, visit=arrival)["arrival_time"] == arrival


def test_a_code_that_the_feed_file_names_is_no_identifier(told):
    found = told({"values": {"sector": {"V-1423": "ED"}}}, place="V-1423")

    assert found["sector"] == "V-1423"


def test_of_a_declared_form_of_beds_every_other_text_is_withheld(told):
    beds = {bed: told({"bed_pattern": r"\d{6}"}, mrn="100123", bed=bed)["bed"] for bed in ("100999", "Maria", None)}

    assert beds == {"100999": "100999", "Maria": WITHHELD, None: None}


def test_a_form_of_beds_that_is_no_regular_expression_is_refused(make_feed):
    with pytest.raises(ValidationError, match="no regular expression"):
        make_feed(bed_pattern="(")


def test_a_constant_place_is_no_identifier(make_feed, make_batch):
    feed = make_feed(columns={"encounter_id": "visit", "arrival_time": "arrival", "sector": {"const": "ED-2041"}})

    mapped = map_records(make_batch(visit=["ED-2041"], arrival=["x"]), feed, source_sha256="a", pseudonymiser=KEY)

    assert mapped["sector"] == pa.array(["ED-2041"])
