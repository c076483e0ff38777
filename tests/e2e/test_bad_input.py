"""Input that cannot be used: one message that names the place and the next step, and nothing written but a note."""

from __future__ import annotations

import gzip
import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from e2e.command import contents, take_notes
from e2e.deliveries import COLUMNS, FEED, NOW, SITE, changed, visits

CONFIG, DATA, NOT_FOUND = 4, 5, 3
GOOD = visits()
HEADER = ",".join(COLUMNS) + "\n"


@pytest.fixture
def assert_refused(hops, desk, loaded):
    """Return a function that loads files and expects a refusal: once where no state is, once where one is."""

    def load(*paths, feed=None, site=None, **expected):
        options = ("--feed", feed or desk.feed, "--site", site or desk.site, "--as-of", NOW)
        before = contents(loaded.state)

        for_people = hops("load", *paths, *options, "--state", desk.state)
        for_machines = hops("load", *paths, *options, "--state", loaded.state, "--json")

        assert for_people.exit_code == for_machines.exit_code == expected["exit_code"], for_people.err
        assert for_people.out == ""
        assert for_people.next_step
        assert for_machines.document["error"]["message"] == for_people.message
        assert expected["says"] in for_people.message
        assert not desk.state.exists()
        assert "PATIENT" not in "".join(take_notes(loaded.state))
        assert contents(loaded.state) == before
        return for_people

    return load


def parquet(text: str = GOOD) -> bytes:
    names, *lines = (line.split(",") for line in text.splitlines())
    packed = io.BytesIO()
    columns = [pa.array(list(values)) for values in zip(*lines, strict=True)]
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), packed)
    return packed.getvalue()


def zstd_of_ten_gigabytes() -> bytes:
    """Return a frame whose header declares ten gigabytes of content in one window."""
    one_segment_of_eight_size_bytes = b"\xe0"
    frame = zstandard.compress(GOOD.encode())
    return frame[:4] + one_segment_of_eight_size_bytes + struct.pack("<Q", 10 << 30) + frame[7:]


def gzip_of_four_gigabytes() -> bytes:
    """Return a whole gzip file whose trailer declares a byte less than four gigabytes."""
    return gzip.compress(GOOD.encode())[:-4] + struct.pack("<I", 0xFFFF_FFFF)


@dataclass(frozen=True)
class Bad:
    """A file that cannot be used, and how the message places and names its fault."""

    name: str
    content: bytes
    says: str
    feed_format: str = "csv"


BAD_FILES = {
    "empty": Bad("v.csv", b"", "v.csv is empty (0 bytes)"),
    "a blank header": Bad("v.csv", b"\n" + GOOD.encode(), "v.csv, line 1 is blank where the header should be"),
    "other columns": Bad("v.csv", b"a,b\n1,2\n", "no column 'visit', which feed visits maps, nor any other that it"),
    "a misspelt column": Bad("v.csv", GOOD.replace("arrival", "Arival", 1).encode(), "(nearest: 'Arival')"),
    "semicolons": Bad("v.csv", GOOD.replace(",", ";").encode(), "v.csv has no column 'visit'"),
    "a column twice": Bad("v.csv", GOOD.replace("care", "left", 1).encode(), "column 'left' stands twice"),
    "a line too short": Bad("v.csv", GOOD.encode() + b"V-99,PATIENT-99\n", "v.csv, line 67: 2 values where the"),
    "two encodings": Bad(
        "v.csv",
        GOOD.encode() + "V-98,São,,,,,,\n".encode() + "V-99,São,,,,,,\n".encode("latin-1"),
        "v.csv, line 68: byte 0xe3 is not utf-8",
    ),
    "an open quote": Bad("v.csv", GOOD.encode() + b'V-99,"PATIENT-99,,,,,,\n', "v.csv, line 67: quotes do not pair"),
    "a NUL": Bad("v.csv", GOOD.encode() + b"V-99,\0,,,,,,\n", "v.csv, line 67 holds a NUL byte"),
    "bytes of a program": Bad("v.csv", b"\x7fELF\n" + bytes(range(1, 256)) * 40, "is not utf-8"),
    "an Excel workbook": Bad("v.csv", b"PK\x03\x04" + bytes(200), "v.csv is a ZIP archive or an Excel workbook"),
    "a truncated gzip": Bad("v.csv.gz", gzip.compress(GOOD.encode())[:-9], "v.csv.gz is not a whole gzip file"),
    "a truncated zstd": Bad("v.csv.zst", zstandard.compress(GOOD.encode())[:-9], "v.csv.zst is not a whole zstd file"),
    "text that is called gzip": Bad("v.csv.gz", GOOD.encode(), "v.csv.gz is not gzip, by its first bytes"),
    "a header that does not end": Bad("v.csv", b"x" * (2 << 20), "v.csv, line 1 is longer than 1048576 characters"),
    "a packed line of 64 MiB": Bad("v.csv.gz", gzip.compress(bytes(64 << 20).replace(b"\0", b"x")), "line 1 is longer"),
    "a zstd header that says 10 GB": Bad("v.csv.zst", zstd_of_ten_gigabytes(), "v.csv.zst is not a whole zstd file"),
    "a gzip trailer that says 4 GB": Bad("v.csv.gz", gzip_of_four_gigabytes(), "v.csv.gz is not a whole gzip file"),
    "a Parquet footer that says 4 GB": Bad(
        "v.parquet",
        parquet()[:-8] + struct.pack("<I", 0xFFFF_FFF0) + b"PAR1",
        "v.parquet is not a whole Parquet file",
        "parquet",
    ),
    "half a Parquet file": Bad("v.parquet", parquet()[:400], "v.parquet is not a whole Parquet file", "parquet"),
    "CSV that is called Parquet": Bad("v.parquet", GOOD.encode(), "v.parquet is not parquet", "parquet"),
    "JSON with a broken line": Bad(
        "v.ndjson",
        b'{"visit": "1", "arrival": "2026-03-01", "place": "PS"}\n{"visit": \n',
        "line 2 is not JSON",
        "ndjson",
    ),
}


@pytest.mark.parametrize("bad", BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_cannot_be_used_is_refused_whole(assert_refused, desk, bad):
    path = desk.write(bad.name, bad.content)
    feed = desk.write("feed.toml", changed(FEED, '"csv"', f'"{bad.feed_format}"'))

    assert_refused(path, feed=feed, exit_code=DATA, says=bad.says)


def test_the_packed_and_the_parquet_file_would_do_if_they_were_whole(hops, desk):
    feed = desk.write("feed.toml", changed(FEED, '"csv"', '"parquet"'))
    as_parquet = desk.write("v.parquet", parquet())
    as_gzip = desk.write("v.csv.gz", gzip.compress(GOOD.encode()))

    outcomes = [hops("feed", "check", feed, as_parquet, "--json"), hops("feed", "check", desk.feed, as_gzip, "--json")]

    assert [outcome.document["records"] for outcome in outcomes] == [65, 65]


def test_a_file_that_is_not_there_is_not_found(assert_refused, desk):
    missing = desk.folder / "tomorrow.csv"

    assert_refused(desk.visits, missing, exit_code=NOT_FOUND, says=f"{missing} does not exist")


def test_a_folder_is_not_taken_for_its_files(assert_refused, desk):
    assert_refused(desk.folder, exit_code=DATA, says=f"{desk.folder} is not a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file, whatever its permissions say")
def test_a_file_that_this_user_may_not_read_is_named(assert_refused, desk):
    desk.visits.chmod(0)

    assert_refused(desk.visits, exit_code=CONFIG, says="Permission denied")


BAD_FEEDS = {
    "no owner": ('[owner]\nname = "IT', '[x]\nname = "IT', "key `owner` is missing"),
    "no zone": ('zone = "America/Sao_Paulo"\n', "", "key `zone` is missing"),
    "no format": ('format = "csv"\n', "", "key `format` is missing"),
    "unknown key": ("[owner]\n", 'colour = "red"\n[owner]\n', "unknown key `colour` = 'red'"),
    "unknown nested key": ("[owner]\n", '[owner]\nphone = "1"\n', "unknown key `owner.phone` = '1'"),
    "unknown platform column": ('care_start = "care"', 'care_begin = "care"', "columns.care_begin is not a column"),
    "no arrival": ('arrival_time = "arrival"\n', "", "columns.arrival_time must be mapped"),
    "bad zone": ("America/Sao_Paulo", "America/Sao Paulo", "`zone` = 'America/Sao Paulo': zone"),
    "zone that is a path": ("America/Sao_Paulo", "../../etc/passwd", "`zone` = '../../etc/passwd'"),
    "id that is a path": ('"visits"', '"../visits"', "`feed_id` = '../visits'"),
    "id of dots": ('"visits"', '".."', "`feed_id` = '..'"),
    "id with a line feed": ('"visits"', r'"visits\n"', r"`feed_id` = 'visits\n'"),
    "impossible day": ("2025-01-01", "2025-02-30", "is not valid TOML"),
    "impossible time format": ("[owner]\n", '[times]\nformats = ["%Q"]\n[owner]\n', "directive %Q is not supported"),
    "days in the wrong order": ("2025-01-01", "2028-01-01", "first 2028-01-01 is after last 2027-12-31"),
    "no TOML": ("[plausible]", "[plausible", "is not valid TOML"),
    "unknown encoding": ("[owner]\n", 'encoding = "ebcdic"\n[owner]\n', "`encoding` = 'ebcdic'"),
}


@pytest.mark.parametrize(("old", "new", "says"), BAD_FEEDS.values(), ids=BAD_FEEDS)
def test_a_mistake_in_the_feed_file_is_named_with_file_and_key(assert_refused, desk, old, new, says):
    text = FEED.replace(old, new) if old == "America/Sao_Paulo" else changed(FEED, old, new)
    feed = desk.write("mistaken.toml", text)

    outcome = assert_refused(desk.visits, feed=feed, exit_code=CONFIG, says=says)

    assert outcome.message.startswith(f"{feed}")


BAD_SITES = {
    "no zone": ('zone = "America/Sao_Paulo"\n', "", "key `zone` is missing"),
    "bad zone": ("America/Sao_Paulo", "America/Atlantis", "`zone` = 'America/Atlantis': zone"),
    "unknown key": ("max_stay_days = 2", "max_stay_hours = 2", "unknown key `max_stay_hours` = 2"),
    "unknown key of a sector": ('kind = "other"', 'sort = "other"', "unknown key `sectors.1.sort` = 'other'"),
    "a sector twice": ('sector_id = "OBS"', 'sector_id = "PS"', "sector_id PS is declared twice"),
    "no beds": ("functional_capacity = 10", "functional_capacity = 0", "`sectors.0.functional_capacity` = 0"),
    "id that is a path": ('"santa-casa"', '"../santa-casa"', "`facility_id` = '../santa-casa'"),
}


@pytest.mark.parametrize(("old", "new", "says"), BAD_SITES.values(), ids=BAD_SITES)
def test_a_mistake_in_the_site_file_is_named_with_file_and_key(assert_refused, desk, old, new, says):
    site = desk.write("mistaken.toml", changed(SITE, old, new))

    outcome = assert_refused(desk.visits, site=site, exit_code=CONFIG, says=says)

    assert outcome.message.startswith(f"{site}: ")


@pytest.mark.parametrize("option", ["--feed", "--site"])
def test_a_configuration_file_that_is_not_there_is_not_found(assert_refused, desk, option):
    missing = desk.folder / "none.toml"

    assert_refused(
        desk.visits, exit_code=NOT_FOUND, says=f"{missing} does not exist", **{option.removeprefix("--"): missing}
    )


def test_a_feed_that_maps_to_a_sector_which_the_site_lacks_is_refused_with_the_key(assert_refused, desk):
    feed = desk.write("mistaken.toml", FEED + '[values.sector]\nPS = "PS"\nOBS = "UTI"\n')

    assert_refused(
        desk.visits, feed=feed, exit_code=CONFIG, says="`values.sector.OBS` = 'UTI' is not a sector of site santa-casa"
    )


def test_the_state_directory_of_another_facility_is_left_alone(hops, desk, loaded):
    other = desk.write("other.toml", changed(SITE, '"santa-casa"', '"sao-jose"'))
    before = contents(loaded.state)
    options = ("--site", other, "--feed", desk.feed, "--state", loaded.state)

    outcomes = [hops("load", desk.visits, *options), hops("init", *options)]

    for outcome in outcomes:
        assert outcome.exit_code == CONFIG
        assert "belongs to facility 'santa-casa', not 'sao-jose'" in outcome.message
        assert outcome.next_step == "Use another --state."
    assert contents(loaded.state) == before


def test_a_mistake_in_the_settings_stops_a_load_before_it_changes_the_site(hops, desk):
    hops("init", "--site", desk.site, "--state", desk.state)
    settings = desk.state / "settings.toml"
    settings.write_text("memory_limit_mb = 12\nthreads = 1\n")
    before = contents(desk.state)
    site = desk.write("renamed.toml", changed(SITE, "Observação", "Observation"))
    options = ("--site", site, "--feed", desk.feed, "--state", desk.state)

    outcomes = [hops("load", desk.visits, *options), hops("init", *options), hops("status", "--state", desk.state)]

    for outcome in outcomes:
        assert outcome.exit_code == CONFIG
        assert outcome.message.startswith(f"{settings}: key `memory_limit_mb` = 12: ")
        assert outcome.next_step
    assert contents(desk.state) == before


def test_an_unknown_setting_is_named(hops, desk):
    hops("init", "--site", desk.site, "--state", desk.state)
    (desk.state / "settings.toml").write_text('colour = "red"\n')

    outcome = hops("status", "--state", desk.state)

    assert (outcome.exit_code, outcome.out) == (CONFIG, "")
    assert outcome.message.endswith("settings.toml: unknown key `colour` = 'red'.")


def test_no_state_is_made_if_one_of_the_feeds_does_not_fit_the_site(hops, desk):
    unfit = desk.write("unfit.toml", changed(FEED, '"visits"', '"other"') + '[values.sector]\nPS = "UTI"\n')

    outcome = hops("init", "--site", desk.site, "--feed", desk.feed, "--feed", unfit, "--state", desk.state)

    assert outcome.exit_code == CONFIG
    assert "feed other: `values.sector.PS` = 'UTI'" in outcome.message
    assert not desk.state.exists()


def test_a_site_that_drops_a_sector_of_a_feed_in_use_does_not_replace_the_old_one(hops, desk):
    mapped = desk.write("mapped.toml", FEED + '[values.sector]\nPS = "PS"\nOBS = "OBS"\n')
    hops("init", "--site", desk.site, "--feed", mapped, "--state", desk.state)
    before = contents(desk.state)
    smaller = desk.write("smaller.toml", SITE.partition('\n[[sectors]]\nsector_id = "OBS"')[0])

    outcome = hops("init", "--site", smaller, "--state", desk.state)

    assert outcome.exit_code == CONFIG
    assert "`values.sector.OBS` = 'OBS' is not a sector of site santa-casa" in outcome.message
    assert contents(desk.state) == before


def test_a_feed_and_the_site_it_needs_are_replaced_together(hops, desk):
    mapped = desk.write("mapped.toml", FEED + '[values.sector]\nPS = "PS"\nOBS = "OBS"\n')
    hops("init", "--site", desk.site, "--feed", mapped, "--state", desk.state)
    renamed_site = desk.write("site2.toml", changed(SITE, '"OBS"', '"OBSERVATION"'))
    renamed_feed = desk.write("feed2.toml", FEED + '[values.sector]\nPS = "PS"\nOBS = "OBSERVATION"\n')

    outcome = hops("init", "--site", renamed_site, "--feed", renamed_feed, "--state", desk.state)

    assert (outcome.exit_code, outcome.err) == (0, "")
    assert (desk.state / "feeds" / "visits.toml").read_text() == renamed_feed.read_text()
    assert (desk.state / "site.toml").read_text() == renamed_site.read_text()


@pytest.mark.parametrize("command", ["load", "init"])
def test_a_state_directory_that_is_a_file_is_named(hops, desk, command):
    file = desk.write("state.txt", "mine")
    paths = [desk.visits] if command == "load" else []

    outcome = hops(command, *paths, "--site", desk.site, "--feed", desk.feed, "--state", file)

    assert outcome.exit_code == CONFIG
    assert outcome.message == f"{file}: File exists."
    assert outcome.next_step
    assert file.read_text() == "mine"


def test_a_file_with_a_header_and_no_record_is_taken_and_said_to_have_none(hops, desk):
    path = desk.write("quiet.csv", HEADER)
    options = ("--feed", desk.feed, "--site", desk.site, "--state", desk.state)

    outcome = hops("load", path, *options)
    again = hops("load", path, *options, "--json")

    assert (outcome.exit_code, outcome.err) == (0, "")
    assert "taken, no record" in outcome.out
    (file,) = again.document["files"]
    assert (file["fate"], file["delivered"]) == ("delivered before", 0)
    assert again.document["tables"] == []


def test_a_delivery_that_was_damaged_in_raw_stops_the_feed_until_the_file_is_ingested_again(hops, desk):
    hops("load", desk.visits, "--feed", desk.feed, "--site", desk.site, "--state", desk.state)
    later = desk.write("later.csv", desk.visits.read_text().replace("V-", "W-"))
    (kept,) = (desk.state / "raw").glob("visits/dt=*/000001/*")
    sound = kept.read_bytes()
    kept.write_bytes(sound[:-7])
    options = ("--feed", "visits", "--state", desk.state)

    again = hops("backfill", "--from", "2026-03-01", "--to", "2026-03-31", "--from-raw", "--state", desk.state)
    mended = hops("ingest", desk.visits, later, *options, "--json")

    assert (again.exit_code, "is not in raw as it was delivered" in again.message) == (DATA, True)
    assert [file["fate"] for file in mended.document["files"]] == ["put back", "taken"]
    assert kept.read_bytes() == sound


def test_a_file_name_of_impossible_length_is_refused(assert_refused, desk):
    assert_refused(desk.folder / f"{'x' * 300}.csv", exit_code=CONFIG, says="File name too long")


def test_a_file_name_that_is_no_text_is_refused(assert_refused, desk):
    path = Path(os.fsdecode(os.fsencode(desk.folder) + b"/v\xff.csv"))
    path.write_text(GOOD)

    assert_refused(path, exit_code=DATA, says=r"the file name 'v\udcff.csv' is not UTF-8")


@pytest.mark.parametrize("command", ["load", "ingest"])
def test_ingest_refuses_like_load_and_only_notes_in_the_state_that_it_did(hops, desk, own_loaded, command):
    bad = desk.write("v.csv", GOOD.encode() + b"V-99\n")
    feed = desk.feed if command == "load" else "visits"
    before = contents(own_loaded.state)

    outcome = hops(command, bad, "--feed", feed, "--state", own_loaded.state)

    assert outcome.exit_code == DATA
    assert outcome.message.startswith("v.csv, line 67: 1 values")
    (note,) = take_notes(own_loaded.state)
    assert '"reason_code": "FILE_RECORD_UNREADABLE"' in note
    assert contents(own_loaded.state) == before


def test_ingest_into_a_feed_that_is_not_there_names_those_that_are(hops, desk, loaded):
    outcome = hops("ingest", desk.visits, "--feed", "../visits", "--state", loaded.state)

    assert outcome.exit_code == NOT_FOUND
    assert outcome.message == "there is no feed '../visits'; there are: visits."
    assert outcome.next_step
