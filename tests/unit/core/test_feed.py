from __future__ import annotations

import json

import jsonschema
import pytest

from healthcare_ops.core.errors import ConfigError, ExitCode
from healthcare_ops.core.feed import Feed, Source, require_known_sectors
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml

VISITS = {
    "feed_id": '"ed"',
    "format": '"csv"',
    "shape": '"encounters"',
    "zone": '"America/Sao_Paulo"',
    "owner": '{ name = "IT", email = "it@hospital.example" }',
    "plausible": "{ first = 2020-01-01, last = 2029-12-31 }",
    "cadence": "{ every_min = 60, late_after_min = 120 }",
    "columns": '{ arrival_time = "arrival", sector = "place" }',
}
EVENTS = VISITS | {
    "shape": '"events"',
    "columns": '{ encounter_id = "visit", event_type = "code", event_time = "at" }',
    "values": '{ event_type = { A01 = "arrival" } }',
}
STEPS = EVENTS | {"shape": '"start_complete"', "lifecycle_column": '"phase"'}


@pytest.fixture
def read(tmp_path):
    """Return a reader of a feed file made of keys, whose value None leaves the key out."""

    def read_feed(keys):
        lines = [f"{key} = {value}" for key, value in keys.items() if value is not None]
        (tmp_path / "ed.toml").write_text("\n".join(lines), encoding="utf-8")
        return read_toml(tmp_path / "ed.toml", Feed)

    return read_feed


@pytest.mark.parametrize("keys", [VISITS, EVENTS, STEPS], ids=["encounters", "events", "start_complete"])
def test_the_least_that_a_feed_must_say_is_enough(read, keys):
    feed = read(keys)

    assert (feed.encoding, feed.delimiter, feed.null_values, feed.times.formats) == ("utf-8", None, ("",), ("ISO",))
    assert (feed.times.skipped_hour, feed.times.repeated_hour) == ("quarantine", "quarantine")


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"feed_id": '"../ed"'}, "key `feed_id` = '../ed': String should match pattern"),
        ({"feed_id": '""'}, "key `feed_id` = '': String should match pattern"),
        ({"feed_id": f'"{"e" * 65}"'}, f"key `feed_id` = '{'e' * 65}': String should match pattern"),
        ({"format": '"xlsx"'}, "key `format` = 'xlsx': Input should be 'csv', 'tsv', 'parquet' or 'ndjson'."),
        ({"encoding": '"utf-16"'}, "key `encoding` = 'utf-16': Input should be 'utf-8', 'latin-1' or 'cp1252'."),
        ({"delimiter": '"||"'}, "key `delimiter` = '||': String should match pattern"),
        ({"delimiter": "'\"'"}, "key `delimiter` = '\"': String should match pattern"),
        ({"delimiter": '"a"'}, "key `delimiter` = 'a': String should match pattern"),
        ({"shape": '"visits"'}, "key `shape` = 'visits': Input should be 'encounters', 'events' or 'start_complete'."),
        ({"zone": '"Brasilia"'}, "key `zone` = 'Brasilia': zone 'Brasilia' is not an IANA time zone."),
        ({"owner": None}, "key `owner` is missing."),
        ({"owner": '{ name = "", email = "it@h" }'}, "key `owner.name` = '': String should have at least 1 character."),
        ({"owner": '{ name = "IT", email = "it" }'}, "key `owner.email` = 'it': String should match pattern"),
        ({"plausible": None}, "key `plausible` is missing."),
        (
            {"plausible": '{ first = "2020-13-01", last = 2029-12-31 }'},
            "key `plausible.first` = '2020-13-01': Input should be a valid date",
        ),
        ({"plausible": "{ first = 2026-01-02, last = 2026-01-01 }"}, "first 2026-01-02 is after last 2026-01-01."),
        ({"plausible": "{ first = 1825-01-01, last = 2026-01-01 }"}, "the range spans more than 200 years."),
        (
            {"cadence": "{ every_min = 0, late_after_min = 1 }"},
            "key `cadence.every_min` = 0: Input should be greater than or equal to 1.",
        ),
        (
            {"cadence": "{ every_min = 1, late_after_min = 0 }"},
            "key `cadence.late_after_min` = 0: Input should be greater than or equal to 1.",
        ),
        ({"times": "{ formats = [] }"}, "key `times.formats` = []: Tuple should have at least 1 item"),
        (
            {"times": '{ formats = ["ISO", "%d/%m/%Y %T"] }'},
            "key `times.formats` = ['ISO', '%d/%m/%Y %T']: times.formats = '%d/%m/%Y %T': directive %T is not",
        ),
        (
            {"times": '{ skipped_hour = "first" }'},
            "key `times.skipped_hour` = 'first': Input should be 'quarantine' or 'shift_forward'.",
        ),
        (
            {"times": '{ repeated_hour = "both" }'},
            "key `times.repeated_hour` = 'both': Input should be 'quarantine', 'first' or 'second'.",
        ),
        ({"null_values": '"-"'}, "key `null_values` = '-': Input should be a valid tuple."),
        ({"columns": None}, "key `columns` is missing."),
        (
            {"columns": '{ arrival_time = "a", sector = "s", ward = "w" }'},
            "columns.ward is not a column of shape 'encounters'; known: encounter_id, patient_id,",
        ),
        ({"columns": '{ sector = "s" }'}, "columns.arrival_time must be mapped for shape 'encounters'."),
        ({"columns": '{ arrival_time = "a" }'}, "columns.sector must be mapped for shape 'encounters'."),
        (
            {"columns": '{ arrival_time = "a", sector = {} }'},
            "key `columns.sector` = {}: give either `column` or `const`.",
        ),
        (
            {"columns": '{ arrival_time = "a", sector = { column = "s", const = "ED" } }'},
            "key `columns.sector` = {'column': 's', 'const': 'ED'}: give either `column` or `const`.",
        ),
        (
            {"columns": '{ arrival_time = "a", sector = { colunm = "s" } }'},
            "unknown key `columns.sector.colunm` = 's'.",
        ),
        (
            {"columns": '{ arrival_time = "a", sector = { column = "s", when = { to = "ED" } } }'},
            "key `columns.sector.when.to` = 'ED': Input should be a valid tuple.",
        ),
        (
            {"values": "{ triage_level = { Branco = 6 } }"},
            "key `values.triage_level.Branco` = 6: Input should be less than or equal to 5.",
        ),
        (
            {"values": "{ triage_level = { Branco = 0 } }"},
            "key `values.triage_level.Branco` = 0: Input should be greater than or equal to 1.",
        ),
        (
            {"values": '{ disposition = { ALTA = "discharged" } }'},
            "key `values.disposition.ALTA` = 'discharged': Input should be 'home', 'admitted',",
        ),
        (
            {"values": '{ event_type = { A01 = "admission" } }'},
            "key `values.event_type.A01` = 'admission': Input should be 'arrival', 'triage_start',",
        ),
        ({"lifecycle_column": '"phase"'}, "`lifecycle_column` goes with shape 'start_complete', and only with it."),
        ({"sep": '";"'}, "unknown key `sep` = ';'."),
        ({"owner": '{ name = "IT", email = "it@h", phone = 1 }'}, "unknown key `owner.phone` = 1."),
    ],
)
def test_a_feed_that_breaks_a_rule_is_refused_with_key_and_value(read, tmp_path, changed, finding):
    with pytest.raises(ConfigError) as refusal:
        read(VISITS | changed)

    assert refusal.value.message.startswith(f"{tmp_path / 'ed.toml'}: ")
    assert finding in refusal.value.message
    assert refusal.value.next_step == "See `hops feed schema`."
    assert refusal.value.exit_code is ExitCode.CONFIG


@pytest.mark.parametrize(
    ("keys", "finding"),
    [
        (EVENTS | {"values": None}, "`values.event_type` must map the source's event codes."),
        (STEPS | {"values": None}, "`values.event_type` must map the source's event codes."),
        (STEPS | {"lifecycle_column": None}, "`lifecycle_column` goes with shape 'start_complete', and only with it."),
        (
            EVENTS | {"columns": '{ encounter_id = "v", event_type = "c", event_time = "t", arrival_time = "a" }'},
            "columns.arrival_time is not a column of shape 'events'; known: encounter_id, patient_id,",
        ),
        *(
            (
                EVENTS
                | {
                    "columns": "{ "
                    + ", ".join(
                        f'{name} = "{name}"'
                        for name in ("encounter_id", "event_type", "event_time")
                        if name != left_out
                    )
                    + " }"
                },
                f"columns.{left_out} must be mapped for shape 'events'.",
            )
            for left_out in ("encounter_id", "event_type", "event_time")
        ),
    ],
)
def test_an_event_feed_that_breaks_a_rule_of_events_is_refused(read, keys, finding):
    with pytest.raises(ConfigError) as refusal:
        read(keys)

    assert finding in refusal.value.message


@pytest.mark.parametrize("identifier", ["encounter_id", "patient_id"])
@pytest.mark.parametrize("other", ["bed", "disposition", "sector"])
def test_an_identifier_cannot_pass_the_pseudonyms_as_another_column(read, identifier, other):
    columns = {"arrival_time": "a", "sector": "s", identifier: "number"} | {other: "number"}
    written = ", ".join(f'{name} = "{source}"' for name, source in columns.items())

    with pytest.raises(ConfigError, match=rf"columns\.{other} reads 'number', which is mapped as an identifier"):
        read(VISITS | {"columns": f"{{ {written} }}"})


def test_an_identifier_cannot_become_a_part_of_an_event_code(read):
    with pytest.raises(ConfigError, match="lifecycle_column reads 'visit', which is mapped as an identifier"):
        read(STEPS | {"lifecycle_column": '"visit"'})


def test_two_identifiers_may_come_from_one_column(read):
    feed = read(VISITS | {"columns": '{ encounter_id = "n", patient_id = "n", arrival_time = "a", sector = "s" }'})

    assert feed.source("encounter_id") == feed.source("patient_id") == Source(column="n")


def test_a_column_is_read_by_name_by_table_or_not_at_all(read):
    columns = """{ arrival_time = "arrival", sector = { const = "ED" },
        admit_time = { column = "out", when = { to = ["WARD", "ICU"] } } }"""

    feed = read(VISITS | {"columns": columns.replace("\n", " ")})

    assert feed.source("arrival_time") == Source(column="arrival")
    assert feed.source("sector") == Source(const="ED")
    assert feed.source("admit_time") == Source(column="out", when={"to": ("WARD", "ICU")})
    assert feed.source("bed") is None


@pytest.mark.parametrize("delimiter", ["\t", "\x1c", " ", "!", "#", ";", "|", "~", "`", "@"])
def test_any_sign_but_a_quote_may_part_columns(read, delimiter):
    assert read(VISITS | {"delimiter": json.dumps(delimiter)}).delimiter == delimiter


def test_the_published_schema_takes_what_the_reader_takes():
    schema = Feed.model_json_schema()
    usual = {
        "feed_id": "ed",
        "format": "csv",
        "shape": "encounters",
        "zone": "UTC",
        "owner": {"name": "IT", "email": "it@h"},
        "plausible": {"first": "2020-01-01", "last": "2020-01-02"},
        "cadence": {"every_min": 1, "late_after_min": 1},
        "columns": {"arrival_time": "a", "sector": {"const": "ED"}},
    }

    jsonschema.validate(usual, schema)
    refused = [usual | {"format": "xlsx"}, usual | {"sep": ";"}, usual | {"columns": {"sector": 5}}]

    assert Feed.model_validate(usual).columns["sector"] == Source(const="ED")
    assert [document for document in refused if jsonschema.Draft202012Validator(schema).is_valid(document)] == []


SITE = Site.model_validate(
    {
        "facility_id": "h",
        "name": "Hospital",
        "zone": "UTC",
        "sectors": [{"sector_id": "ED", "name": "ED"}, {"sector_id": "ICU", "name": "ICU"}],
    }
)


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"values": '{ sector = { PS = "ED", P5 = "E.D." } }'}, "`values.sector.P5` = 'E.D.'"),
        ({"values": '{ sector = { "*" = "WARD" } }'}, r"`values.sector.*` = 'WARD'"),
        ({"columns": '{ arrival_time = "a", sector = { const = "WARD" } }'}, "`columns.sector.const` = 'WARD'"),
        (
            {"columns": '{ arrival_time = "a", sector = "s", transfer_sector = { const = "WARD" } }'},
            "`columns.transfer_sector.const` = 'WARD'",
        ),
    ],
)
def test_a_feed_may_send_patients_only_to_sectors_of_the_site(read, changed, finding):
    feed = read(VISITS | changed)

    with pytest.raises(ConfigError) as refusal:
        require_known_sectors(feed, SITE)

    assert refusal.value.message == f"feed ed: {finding} is not a sector of site h; it has ED, ICU."


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"values": '{ sector = { PS = "ED", UTI = "ICU" } }'},
        {"columns": '{ arrival_time = "a", sector = { const = "ICU" } }'},
        # The constant is a code, and the map says what it means.
        {
            "columns": '{ arrival_time = "a", sector = { const = "PS" } }',
            "values": '{ sector = { PS = "ED" } }',
        },
    ],
)
def test_a_feed_that_fits_the_site_is_let_in(read, changed):
    feed = read(VISITS | changed)

    require_known_sectors(feed, SITE)

    assert feed.feed_id == "ed"
