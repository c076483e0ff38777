from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from delivered import LAST, SITE, column, files_of, instant, make_plan, rows_of, simulated_week, told_journeys
from healthcare_ops.core.civil_time import day_start
from healthcare_ops.core.feed import Feed, require_known_sectors
from healthcare_ops.core.validated import read_toml
from healthcare_ops.generator.deliveries import due, everything
from healthcare_ops.generator.layout import feed_file
from healthcare_ops.generator.scenario import COLUMNS, Reporting
from same_bytes import BUSY
from synthetic import MONDAY, synthetic_site

FEEDS = ("encounters", "events")
every_feed = pytest.mark.parametrize("feed", FEEDS)


def of_encounter(rows, encounter="h-E1000000002"):
    return [row for row in rows if row["encounter_id"] == encounter]


# What is told of an encounter


def test_every_event_is_told_once_with_its_place():
    rows = of_encounter(rows_of(*files_of("events", told_journeys())))

    assert column(rows, "event_type", "event_time", "sector", "bed") == [
        ("ARRIVAL", "2025-03-03 09:00:00Z", "ED", ""),
        ("TRIAGE_START", "2025-03-03 09:02:00Z", "ED", ""),
        ("TRIAGE_END", "2025-03-03 09:04:00Z", "ED", ""),
        ("CARE_START", "2025-03-03 09:10:00Z", "ED", "ED-02"),
        ("ADMIT", "2025-03-03 12:00:00Z", "ED", "ED-02"),
        ("TRANSFER", "2025-03-03 14:00:00Z", "OBS", "OBS-01"),
        ("TRANSFER", "2025-03-03 16:00:00Z", "WARD", "WARD-07"),
        ("DISCHARGE", "2025-03-03 20:00:00Z", "WARD", "WARD-07"),
    ]


def test_the_end_of_triage_tells_the_level_and_the_discharge_the_outcome():
    rows = of_encounter(rows_of(*files_of("events", told_journeys())))

    assert [(r["event_type"], r["triage_level"]) for r in rows if r["triage_level"]] == [("TRIAGE_END", "2")]
    assert [(r["event_type"], r["disposition"]) for r in rows if r["disposition"]] == [("DISCHARGE", "home")]


def test_who_left_without_being_seen_has_an_event_of_his_own():
    rows = of_encounter(rows_of(*files_of("events", told_journeys())), "h-E1000000003")

    assert column(rows, "event_type") == ["ARRIVAL", "TRIAGE_START", "TRIAGE_END", "LEFT"]


def test_an_encounter_s_row_has_room_for_its_first_move_only():
    (row,) = of_encounter(rows_of(*files_of("encounters", told_journeys())))

    assert row == {
        "encounter_id": "h-E1000000002",
        "patient_id": "h-P1000000102",
        "version_time": "2025-03-03 20:00:00Z",
        "arrival_time": "2025-03-03 09:00:00Z",
        "triage_start": "2025-03-03 09:02:00Z",
        "triage_end": "2025-03-03 09:04:00Z",
        "care_start": "2025-03-03 09:10:00Z",
        "admit_time": "2025-03-03 12:00:00Z",
        "transfer_time": "2025-03-03 14:00:00Z",
        "discharge_time": "2025-03-03 20:00:00Z",
        "sector": "ED",
        "bed": "ED-02",
        "triage_level": "2",
        "disposition": "home",
        "transfer_sector": "OBS",
    }


def test_an_encounter_s_row_comes_again_only_when_something_has_happened():
    rows = of_encounter(rows_of(*files_of("encounters", told_journeys(), every_min=120)), "h-E1000000001")

    assert column(rows, "version_time", "care_start", "bed", "discharge_time", "disposition") == [
        ("2025-03-03 08:20:00Z", "2025-03-03 08:20:00Z", "ED-01", "", ""),
        ("2025-03-03 10:00:00Z", "2025-03-03 08:20:00Z", "ED-01", "2025-03-03 10:00:00Z", "home"),
    ]


def test_who_is_still_here_has_no_end():
    (row,) = of_encounter(rows_of(*files_of("encounters", told_journeys())), "h-E1000000004")

    assert (row["discharge_time"], row["disposition"]) == ("", "")


@every_feed
@pytest.mark.parametrize("clock", ["local", "utc", "offset"])
def test_a_hospital_without_patients_delivers_a_file_a_day_without_a_row(feed, clock):
    journeys = told_journeys()
    nobody = type(journeys)(journeys.encounters.slice(0, 0), journeys.stays.slice(0, 0))

    files = files_of(feed, nobody, clock=clock)

    assert [file.content for file in files] == [(",".join(COLUMNS[feed]) + "\n").encode()] * 7


# When


@every_feed
def test_clean_deliveries_are_whole_and_in_time(feed):
    for file in files_of(feed, every_min=15):
        late = [row for row in rows_of(file) if file.due - instant(row["version_time"]) >= timedelta(minutes=15)]

        assert late == []


@every_feed
def test_nothing_is_told_before_it_happened(feed):
    times = [name for name in COLUMNS[feed] if name in {"event_time", *COLUMNS["encounters"][3:10]}]
    for file in files_of(feed, reporting=BUSY, every_min=60):
        for row in rows_of(file):
            happened = [instant(row[name]) for name in times if row[name]]

            assert max(happened) <= instant(row["version_time"]) <= file.due


def test_most_records_come_within_minutes_and_some_after_hours():
    rows = rows_of(*files_of("events", reporting=Reporting(corrected_share=0.0, reextract_share=0.0)))

    delays = sorted(instant(row["version_time"]) - instant(row["event_time"]) for row in rows)
    assert delays[len(delays) // 2] < timedelta(minutes=4)
    assert timedelta(hours=2) < delays[-len(delays) // 100] < delays[-1] <= timedelta(hours=24)


def test_late_records_come_out_of_order():
    rows = rows_of(*files_of("events", reporting=Reporting(corrected_share=0.0, reextract_share=0.0)))

    written, happened = (column(rows, name) for name in ("version_time", "event_time"))
    assert written == sorted(written)
    assert happened != sorted(happened)


@every_feed
def test_files_keep_to_the_site_s_midnight_when_its_clock_changes(feed):
    site = synthetic_site("Europe/Stockholm", ED=6, OBS=3, WARD=12)

    files = files_of(feed, site=site, last=date(2025, 3, 31), journeys=told_journeys(), reporting=BUSY)

    zone = ZoneInfo("Europe/Stockholm")
    assert {file.due.astimezone(zone).hour for file in files} == {0}


@every_feed
def test_every_file_has_a_name_of_its_own(feed):
    names = [file.name for file in files_of(feed, reporting=BUSY, every_min=60)]

    assert len(set(names)) == len(names)


def test_a_daily_file_is_named_after_its_day():
    names = [file.name for file in files_of("events", last=MONDAY, journeys=told_journeys())]

    # 22:00 in UTC is still Monday in São Paulo.
    assert names == ["events_20250303.csv"]


@every_feed
@pytest.mark.parametrize("hours", [1, 7, 100])
def test_deliveries_do_not_depend_on_the_steps_in_which_they_are_asked_for(feed, hours):
    plan = make_plan(feed, reporting=BUSY, every_min=30, faults=[{"kind": "duplicates", "share": 0.3}])
    start, end = (day_start(day, SITE.tz) for day in (MONDAY, LAST + timedelta(days=10)))
    steps = [start + timedelta(hours=number) for number in range(0, 17 * 24 + hours, hours)]

    in_steps = [file for since, until in itertools.pairwise(steps) for file in due(plan, since, until)]

    assert in_steps == list(everything(plan))
    assert steps[-1] >= end


def test_nothing_is_due_twice_or_before_its_time():
    plan = make_plan("events")
    first = next(everything(plan)).due

    assert list(due(plan, first - timedelta(seconds=2), first - timedelta(seconds=1))) == []
    assert [file.due for file in due(plan, first - timedelta(seconds=1), first)] == [first]
    assert list(due(plan, first, first + timedelta(hours=1))) == []


# Corrections and re-extracts


def test_a_corrected_event_comes_first_wrong_and_then_right():
    right = {row["source_event_id"]: row for row in rows_of(*files_of("events"))}
    reporting = Reporting(corrected_share=0.2, reextract_share=0.0)
    versions = defaultdict(list)
    for row in rows_of(*files_of("events", reporting=reporting)):
        versions[row["source_event_id"]].append({**row, "version_time": None})

    corrected = {name: rows for name, rows in versions.items() if len(rows) > 1}
    assert 0.15 < len(corrected) / len(versions) < 0.25
    assert versions.keys() == right.keys()
    for name, rows in versions.items():
        assert rows[-1] == {**right[name], "version_time": None}
    for first, last in corrected.values():
        early = instant(last["event_time"]) - instant(first["event_time"])
        tells_level = bool(last["triage_level"])
        assert (first["triage_level"] != last["triage_level"]) == tells_level
        assert (early == timedelta()) if tells_level else (timedelta() < early <= timedelta(minutes=30))


def test_the_last_version_of_an_encounter_is_right():
    right = {row["encounter_id"]: row for row in rows_of(*files_of("encounters"))}
    newest, wrong = {}, Counter()
    for row in rows_of(*files_of("encounters", reporting=Reporting(corrected_share=0.3, reextract_share=0.0))):
        newest[row["encounter_id"]] = row
        given = {name: row[name] for name in ("arrival_time", "care_start", "discharge_time", "triage_level")}
        wrong.update(name for name, value in given.items() if value and value != right[row["encounter_id"]][name])

    changed = [n for n, row in newest.items() if {**row, "version_time": 0} != {**right[n], "version_time": 0}]
    assert changed == []
    assert set(wrong) == {"arrival_time", "care_start", "discharge_time", "triage_level"}


@every_feed
def test_a_re_extract_brings_everything_of_a_day_again(feed):
    time = "event_time" if feed == "events" else "arrival_time"
    key = "source_event_id" if feed == "events" else "encounter_id"
    files = files_of(feed, reporting=Reporting(corrected_share=0.1, reextract_share=1.0, reextract_after_h=240))

    again = {file.name[-12:-4]: rows_of(file) for file in files if "_again_" in file.name}
    ordinary = rows_of(*(file for file in files if "_again_" not in file.name))
    newest = {row[key]: row for row in sorted(ordinary, key=lambda row: row["version_time"])}
    assert list(again) == [f"{MONDAY + timedelta(days=number):%Y%m%d}" for number in range(7)]
    for day, rows in again.items():
        of_day = [r for r in newest.values() if f"{instant(r[time]).astimezone(SITE.tz):%Y%m%d}" == day]
        assert sorted(map(str, rows)) == sorted(map(str, of_day))


@every_feed
def test_a_re_extract_tells_what_is_known_when_it_comes(feed):
    files = files_of(feed, reporting=Reporting(reextract_share=1.0, reextract_after_h=0))

    early = [file for file in files if "_again_" in file.name]
    assert len(early) == 7
    for file in early:
        assert all(instant(row["version_time"]) <= file.due for row in rows_of(file))


# How


@every_feed
def test_every_clock_writes_the_same_instants(feed):
    site = synthetic_site("Europe/Stockholm", ED=6, OBS=3, WARD=12)
    written = {
        clock: rows_of(*files_of(feed, site=site, clock=clock, last=date(2025, 4, 2)))
        for clock in ("utc", "offset", "local")
    }

    zone = ZoneInfo("Europe/Stockholm")
    for utc, offset, local in zip(*(written[clock] for clock in ("utc", "offset", "local")), strict=True):
        for name in utc:
            if name.endswith(("_time", "_start", "_end")) and utc[name]:
                assert instant(utc[name]) == instant(offset[name])
                assert instant(local[name]).replace(tzinfo=zone) == instant(utc[name])
                assert offset[name].endswith(instant(local[name]).replace(tzinfo=zone).isoformat()[-6:])
            else:
                assert utc[name] == offset[name] == local[name]


@every_feed
@pytest.mark.parametrize("clock", ["local", "utc", "offset"])
def test_the_feed_file_fits_rows_and_site(tmp_path, feed, clock):
    path = tmp_path / "feed.toml"
    path.write_text(feed_file(feed, SITE, clock, MONDAY, LAST, every_min=15))

    declared = read_toml(path, Feed)

    require_known_sectors(declared, SITE)
    assert declared.feed_id == feed
    assert tuple(source.column for source in declared.columns.values()) == COLUMNS[feed]
    assert (declared.cadence.every_min, declared.cadence.late_after_min) == (15, 60)


@every_feed
def test_the_same_seed_gives_the_same_bytes(feed):
    def delivered(seed):
        return [(file.name, file.content) for file in files_of(feed, reporting=BUSY, seed=seed)]

    first, again, other = (delivered(seed) for seed in (3, 3, 4))

    assert first == again != other


@every_feed
def test_ids_of_two_hospitals_differ(feed):
    other = synthetic_site("America/Sao_Paulo", facility_id="other", ED=6, OBS=3, WARD=12)

    rows, others = (rows_of(*files_of(feed, told_journeys(), site=site)) for site in (SITE, other))

    for name in ("encounter_id", "patient_id"):
        assert not {*column(rows, name)} & {*column(others, name)}


def test_returning_patients_keep_their_id():
    rows = rows_of(*files_of("events"))

    persons = {row["encounter_id"]: row["patient_id"] for row in rows}
    assert len(persons) == simulated_week().encounters.num_rows
    assert len(set(persons.values())) == len(set(simulated_week().encounters["patient_no"].to_pylist()))


def test_an_instant_before_everything_is_a_beginning():
    plan = make_plan("events", told_journeys())

    assert list(due(plan, datetime(1, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))) == list(everything(plan))
