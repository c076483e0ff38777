from __future__ import annotations

import gzip
import io
import json
import zlib
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivered import LAST, SITE, column, files_of, instant, make_plan, rows_of, text_of, told_journeys
from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.generator.deliveries import everything
from healthcare_ops.generator.file_faults import _gzip
from healthcare_ops.generator.injected import hospital_changes
from healthcare_ops.generator.scenario import COLUMNS, TIMES, Reporting, Scenario
from healthcare_ops.generator.simulation import simulate
from synthetic import MONDAY, parameters, synthetic_site

FEEDS = ("encounters", "events")
every_feed = pytest.mark.parametrize("feed", FEEDS)
# Every fault that changes rows where they stand.
IN_PLACE = [
    {"kind": "nulls", "column": "triage_level"},
    {"kind": "nulls", "column": "sector"},
    {"kind": "unknown_codes", "column": "sector", "code": "X"},
    {"kind": "unknown_codes", "column": "disposition"},
    {"kind": "swapped_columns", "columns": ["sector", "triage_level"]},
    {"kind": "seconds_for_minutes"},
    {"kind": "clock_shift", "minutes": -95},
    {"kind": "clock_shift", "minutes": 60, "columns": ["version_time"]},
    {"kind": "wrong_dates", "to": "1970"},
    {"kind": "wrong_dates", "to": "future", "years": 3},
    {"kind": "reversed_events"},
]
WINDOW = {"start": datetime(2025, 3, 4, 6), "end": datetime(2025, 3, 6, 18)}  # noqa: DTZ001  # the site's clock
BEGIN, END = (moment.replace(tzinfo=SITE.tz) for moment in WINDOW.values())


def named(fault):
    return "-".join(str(value) for value in fault.values())


in_place = pytest.mark.parametrize("fault", IN_PLACE, ids=named)


def struck(file, number=0):
    """Return the record numbers of the rows that a fault hit."""
    runs = [one.rows for one in file.injected if one.fault == number]
    return {row for first, last in (run for of_file in runs for run in of_file) for row in range(first, last + 1)}


def pairs(feed, fault, **different):
    """Yield each row without and with a fault, whether it was recorded as hit, and the row's number and file."""
    for clean, spoilt in zip(files_of(feed, **different), files_of(feed, faults=[fault], **different), strict=True):
        hits = struck(spoilt)
        for number, (before, after) in enumerate(zip(rows_of(clean), rows_of(spoilt), strict=True), 1):
            yield before, after, number in hits


# Where faults strike


@every_feed
@in_place
def test_exactly_the_rows_that_are_recorded_differ(feed, fault):
    found = list(pairs(feed, {**fault, "share": 0.5}))

    assert {(before != after) == is_hit for before, after, is_hit in found} == {True}
    assert 0 < sum(is_hit for *_, is_hit in found) < len(found)


@every_feed
@in_place
def test_a_fault_keeps_to_its_window_and_sector(feed, fault):
    found = list(pairs(feed, {**fault, **WINDOW, "sectors": ["WARD", "ED"]}, every_min=60))

    hits = [before for before, _, is_hit in found if is_hit]
    assert hits != []
    assert all(BEGIN < instant(row["version_time"]) <= END for row in hits)
    assert {row["sector"] for row in hits} <= {"WARD", "ED"}


@in_place
def test_another_seed_hits_other_rows(fault):
    first, again, other = (
        [is_hit for *_, is_hit in pairs("encounters", {**fault, "share": 0.5, "seed": seed})] for seed in (1, 1, 2)
    )

    assert first == again != other


@every_feed
@in_place
def test_a_fault_of_one_feed_leaves_the_other_alone(feed, fault):
    (other,) = {*FEEDS} - {feed}

    assert [file.content for file in files_of(feed)] == [
        file.content for file in files_of(feed, faults=[{**fault, "feed": other}])
    ]


def test_a_share_is_that_of_the_rows():
    found = [is_hit for *_, is_hit in pairs("events", {"kind": "nulls", "column": "event_type", "share": 0.2})]

    assert sum(found) / len(found) == pytest.approx(0.2, abs=0.04)


# What they do


def test_a_null_is_an_empty_value():
    rows = rows_of(*files_of("events", faults=[{"kind": "nulls", "column": "event_time"}]))

    assert set(column(rows, "event_time")) == {""}


def test_an_unknown_code_stands_where_a_code_stood():
    for before, after, _ in pairs("events", {"kind": "unknown_codes", "column": "disposition", "code": "ALTA"}):
        assert after["disposition"] == ("ALTA" if before["disposition"] else "")


def test_swapped_columns_hold_each_other_s_values():
    for before, after, _ in pairs("encounters", {"kind": "swapped_columns", "columns": ["sector", "disposition"]}):
        assert (after["sector"], after["disposition"]) == (before["disposition"], before["sector"])


def test_durations_of_another_unit_stretch_the_way_from_the_arrival():
    for before, after, _ in pairs("encounters", {"kind": "seconds_for_minutes", "factor": 60}):
        arrival = instant(before["arrival_time"])
        for name in (name for name in TIMES["encounters"] if before[name]):
            assert instant(after[name]) - arrival == 60 * (instant(before[name]) - arrival)


def test_reversed_events_precede_the_arrival_by_as_long():
    for before, after, _ in pairs("encounters", {"kind": "reversed_events"}):
        arrival = instant(before["arrival_time"])
        for name in (name for name in TIMES["encounters"] if before[name]):
            assert arrival - instant(after[name]) == instant(before[name]) - arrival


@every_feed
def test_a_wrong_clock_shifts_every_time_that_it_writes(feed):
    for before, after, _ in pairs(feed, {"kind": "clock_shift", "minutes": 47}):
        for name in (name for name in ("version_time", *TIMES[feed]) if before[name]):
            assert instant(after[name]) - instant(before[name]) == timedelta(minutes=47)


STOCKHOLM = synthetic_site("Europe/Stockholm", ED=30, OBS=3, WARD=12)


def told_around(change, how, clock="local", late_h=30):
    """Return (instant, as a wrong clock writes it, whether it is recorded) of events of the days around a change."""
    first, last = change - timedelta(days=1), change + timedelta(days=2)
    busy = parameters(emergency={"arrivals": {"per_day": 100}}, warmup_days=1)
    week = {"journeys": simulate(STOCKHOLM, busy, first, last, seed=1), "site": STOCKHOLM, "last": last}
    fault = {"kind": "dst_mistake", "how": how, "late_h": late_h}
    clean = rows_of(*files_of("events", **week, clock="utc"))
    spoilt = files_of("events", **week, clock=clock, faults=[fault])
    hits = [number in struck(file) for file in spoilt for number in range(1, file.records + 1)]
    for before, after, is_hit in zip(clean, rows_of(*spoilt), hits, strict=True):
        yield instant(before["event_time"]), after["event_time"], is_hit


@pytest.mark.parametrize(
    ("how", "change", "offsets_h"),
    [
        ("not_forward", date(2025, 3, 30), [1, 1, 1]),
        ("not_back", date(2025, 3, 30), [2, 2, 2]),
        ("late", date(2025, 3, 30), [1, 1, 2]),
        ("not_forward", date(2025, 10, 26), [1, 1, 1]),
        ("not_back", date(2025, 10, 26), [2, 2, 2]),
        ("late", date(2025, 10, 26), [2, 2, 1]),
    ],
)
def test_a_clock_that_is_not_changed_writes_the_wrong_offset(how, change, offsets_h):
    changes_at = datetime(change.year, change.month, change.day, 1, tzinfo=UTC)

    for at, written, is_hit in told_around(change, how):
        late = at - changes_at
        ahead = timedelta(hours=offsets_h[0 if late < timedelta() else 1 if late < timedelta(hours=30) else 2])
        assert datetime.fromisoformat(written).replace(tzinfo=UTC) == at + ahead
        assert is_hit == (ahead != at.astimezone(STOCKHOLM.tz).utcoffset())


@pytest.mark.parametrize("how", ["not_forward", "late"])
def test_a_clock_that_is_not_put_forward_shows_the_hour_that_is_skipped(how):
    skipped = [written for _, written, _ in told_around(date(2025, 3, 30), how) if written.startswith("2025-03-30 02:")]

    assert len(skipped) > 5


def test_a_clock_that_writes_its_offset_is_wrong_about_the_offset_and_right_about_the_instant():
    told = list(told_around(date(2025, 3, 30), "not_forward", clock="offset"))

    assert all(instant(written) == at and written.endswith("+01:00") for at, written, _ in told)
    assert 0 < sum(is_hit for *_, is_hit in told) < len(told)


def test_a_clock_of_utc_has_no_offset_to_be_mistaken_about():
    assert not any(is_hit for *_, is_hit in told_around(date(2025, 3, 30), "not_forward", clock="utc"))


def test_times_fall_back_to_the_first_day_of_1970_and_keep_their_hour():
    for before, after, _ in pairs("events", {"kind": "wrong_dates", "to": "1970"}, clock="local"):
        assert after["event_time"] == "1970-01-01" + before["event_time"][10:]
        assert after["version_time"] == before["version_time"]


def test_times_lie_years_ahead():
    for before, after, _ in pairs("events", {"kind": "wrong_dates", "to": "future", "years": 100}):
        assert instant(after["event_time"]) - instant(before["event_time"]) == timedelta(days=36_525)


@every_feed
def test_duplicates_follow_the_row_that_they_repeat(feed):
    fault = {"kind": "duplicates", "share": 0.3, "copies": 2}
    for clean, spoilt in zip(files_of(feed), files_of(feed, faults=[fault]), strict=True):
        rows, hits = rows_of(spoilt), struck(spoilt)

        assert [row for number, row in enumerate(rows, 1) if number not in hits] == rows_of(clean)
        assert all(rows[number - 1] == rows[number - 2] for number in hits)
        assert spoilt.records == len(rows)


of_sectors = pytest.mark.parametrize("sectors", [[], ["ED"]], ids=["everywhere", "of a sector"])


@every_feed
@of_sectors
def test_more_volume_is_the_same_encounters_under_other_ids(feed, sectors):
    fault = {"kind": "volume", "factor": 2.5, "sectors": sectors}
    clean, spoilt = rows_of(*files_of(feed)), rows_of(*files_of(feed, faults=[fault]))

    encounters, copies = (set(column(rows, "encounter_id")) for rows in (clean, spoilt))
    assert encounters < copies
    assert len(copies) / len(encounters) == pytest.approx(2.5, abs=0.15)
    originals = {name: [r for r in clean if r["encounter_id"] == name] for name in encounters}
    for name in copies - encounters:
        own = [row for row in spoilt if row["encounter_id"] == name]
        original = originals[name.split("x")[0]]
        assert [without_ids(row) for row in own] == [without_ids(row) for row in original]


def without_ids(row):
    return {name: value for name, value in row.items() if not name.endswith("_id")}


@of_sectors
def test_less_volume_takes_whole_encounters_away_and_says_how_many_rows(sectors):
    fault = {"kind": "volume", "factor": 0.5, "sectors": sectors}
    clean, spoilt = files_of("events"), files_of("events", faults=[fault])

    before, after = rows_of(*clean), rows_of(*spoilt)
    kept = set(column(after, "encounter_id"))
    assert after == [row for row in before if row["encounter_id"] in kept]
    assert 0.3 < len(kept) / len(set(column(before, "encounter_id"))) < 0.7
    assert [file.records + sum(one.removed for one in file.injected) for file in spoilt] == [f.records for f in clean]


def test_volume_is_that_of_the_sector_in_which_encounters_arrive():
    clean, spoilt = (
        files_of("events"),
        files_of("events", faults=[{"kind": "volume", "factor": 3, "sectors": ["WARD"]}]),
    )

    assert [file.content for file in spoilt] == [file.content for file in clean]
    assert "WARD" in column(rows_of(*clean), "sector")


# Silence


def test_a_silent_feed_brings_its_backlog_with_the_first_file_after():
    clean, spoilt = (
        files_of("events", every_min=60),
        files_of("events", every_min=60, faults=[{"kind": "silent", **WINDOW}]),
    )

    withheld = [file for file in spoilt if file.content is None]
    came = [file for file in spoilt if file.content is not None]
    (backlog,) = [file for file in came if struck(file)]
    assert [file.due for file in withheld] == [file.due for file in clean if BEGIN < file.due <= END]
    assert backlog.due == END + timedelta(hours=1)
    assert sorted(map(str, rows_of(*came))) == sorted(map(str, rows_of(*clean)))
    assert len(struck(backlog)) == sum(one.removed for file in withheld for one in file.injected)


def test_a_backlog_that_is_lost_never_comes():
    fault = {"kind": "silent", **WINDOW, "is_lost": True, "sectors": ["ED"]}
    clean, spoilt = rows_of(*files_of("events", every_min=60)), files_of("events", every_min=60, faults=[fault])

    expected = [r for r in clean if r["sector"] != "ED" or not BEGIN < instant(r["version_time"]) <= END]
    assert rows_of(*spoilt) == expected
    assert sum(one.removed for file in spoilt for one in file.injected) == len(clean) - len(expected)


@pytest.mark.parametrize("order", [1, -1])
def test_a_backlog_that_meets_another_silence_waits_for_its_end_too(order):
    first, second = ({"kind": "silent", "start": date(2025, 3, day), "end": date(2025, 3, day + 2)} for day in (4, 6))
    spoilt = files_of("events", every_min=60, faults=[first, second][::order])

    came = [file for file in spoilt if file.content is not None]
    (backlog,) = [file for file in came if struck(file, 0) or struck(file, 1)]
    assert backlog.due == datetime(2025, 3, 8, 4, tzinfo=UTC)
    assert sorted(map(str, rows_of(*came))) == sorted(map(str, rows_of(*files_of("events", every_min=60))))


def test_rows_that_one_silence_loses_do_not_change_whom_another_hits():
    lost = {"kind": "silent", "end": WINDOW["start"], "is_lost": True, "share": 0.3}
    partial = {"kind": "silent", **WINDOW, "is_lost": True, "share": 0.5}
    nothing = {**lost, "share": 1e-9}

    alone, after = (
        {row["source_event_id"] for row in rows_of(*files_of("events", every_min=60, faults=[first, partial]))}
        for first in (nothing, lost)
    )

    written = {
        row["source_event_id"]: instant(row["version_time"]) for row in rows_of(*files_of("events", every_min=60))
    }
    assert {name for name in alone - after if written[name] > BEGIN} == set()
    assert after < alone < written.keys()


def test_a_silence_to_the_end_is_a_loss():
    spoilt = files_of("events", faults=[{"kind": "silent", "start": WINDOW["start"]}])

    assert {file.content is None for file in spoilt if file.due > BEGIN} == {True}


# Files


@every_feed
def test_a_truncated_file_ends_in_the_middle_of_a_line(feed):
    fault = {"kind": "truncated", "keep": 0.4}
    for clean, spoilt in zip(files_of(feed), files_of(feed, faults=[fault]), strict=True):
        whole, part = text_of(clean), text_of(spoilt)

        assert whole.startswith(part)
        assert len(part) / len(whole) == pytest.approx(0.4, abs=0.1)
        assert 0 < part.splitlines()[-1].count(",") < whole.splitlines()[0].count(",")
        assert [one.kind for one in spoilt.injected] == ["truncated"]


@every_feed
@pytest.mark.parametrize("fault", [{"kind": "truncated", "keep": 0.4}, {"kind": "corrupt"}], ids=named)
def test_rows_that_a_broken_file_lacks_are_recorded_and_not_counted_as_delivered(feed, fault):
    nulls = {"kind": "nulls", "column": "sector"}
    for clean, spoilt in zip(files_of(feed), files_of(feed, faults=[fault, nulls]), strict=True):
        (broken, emptied) = spoilt.injected

        left = readable_rows(spoilt)
        assert spoilt.records == emptied.records == left > 0
        assert broken.removed == clean.records - left > 0


def readable_rows(file):
    """Return how many rows of a file that breaks off end in a line break."""
    content = file.content
    if file.name.endswith(".gz"):
        content = zlib.decompressobj(wbits=31).decompress(content)
    return content.count(b"\n") - 1


def test_bytes_that_are_no_text_take_no_row_away():
    for clean, spoilt in zip(
        files_of("events"), files_of("events", faults=[{"kind": "corrupt", "how": "bytes"}]), strict=True
    ):
        (corrupt,) = spoilt.injected

        assert (spoilt.records, corrupt.removed) == (clean.records, 0)
        assert spoilt.content.count(b"\n") == clean.content.count(b"\n")


def test_a_file_that_does_not_come_is_not_broken_as_well():
    faults = [{"kind": "silent", **WINDOW}, {"kind": "truncated"}, {"kind": "schema_change", "added": ["note"]}]

    for file in files_of("events", faults=faults, every_min=60):
        kinds = {one.kind for one in file.injected}
        assert "silent" in kinds if file.content is None else {"truncated", "schema_change"} <= kinds
        assert not (file.content is None and kinds - {"silent"})


def test_a_schema_whose_columns_have_gone_before_is_not_changed_again():
    faults = [{"kind": "schema_change", "dropped": ["bed"]}, {"kind": "schema_change", "renamed": {"bed": "cama"}}]

    for file in files_of("events", faults=faults):
        assert [one.fault for one in file.injected] == [0]


def test_a_file_keeps_a_column_whatever_is_dropped():
    first, second = COLUMNS["events"][:4], COLUMNS["events"][4:]
    faults = [{"kind": "schema_change", "dropped": list(names)} for names in (first, second)]

    for file in files_of("events", faults=faults):
        assert text_of(file).splitlines()[0] == ",".join(second)
        assert [one.fault for one in file.injected] == [0]


def test_a_file_without_rows_is_cut_in_its_header():
    spoilt = files_of("events", told_journeys(), every_min=60, faults=[{"kind": "truncated"}])[0]

    assert "encounter_id".startswith(text_of(spoilt)[:12])
    assert "\n" not in text_of(spoilt)


def test_a_packed_file_breaks_off():
    for file in files_of("events", faults=[{"kind": "corrupt"}]):
        assert file.name.endswith(".csv.gz")
        with pytest.raises(EOFError, match="end-of-stream"):
            gzip.decompress(file.content)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 200_000])
def test_a_file_is_packed_without_loss(size):
    content = bytes(number % 251 for number in range(size))

    with gzip.open(io.BytesIO(_gzip(content))) as unpacked:
        assert unpacked.read() == content


def test_a_corrupt_file_holds_bytes_that_are_no_text():
    for file in files_of("events", faults=[{"kind": "corrupt", "how": "bytes"}]):
        with pytest.raises(UnicodeDecodeError):
            text_of(file)


def test_another_schema_renames_adds_and_drops_columns():
    fault = {"kind": "schema_change", "renamed": {"sector": "setor"}, "added": ["note"], "dropped": ["bed"]}
    for clean, spoilt in zip(files_of("events"), files_of("events", faults=[fault]), strict=True):
        for before, after in zip(rows_of(clean), rows_of(spoilt), strict=True):
            del before["bed"]
            before["setor"] = before.pop("sector")

            assert after == before | {"note": ""}
        assert "bed" not in text_of(spoilt).splitlines()[0].split(",")


def test_a_fault_of_files_keeps_to_its_window():
    files = files_of("events", faults=[{"kind": "truncated", **WINDOW}], every_min=60)

    assert [file.due for file in files if file.injected] == [file.due for file in files if BEGIN < file.due <= END]


def test_a_schema_that_changes_twice_may_name_two_columns_alike():
    faults = [{"kind": "schema_change", "renamed": {"sector": "bed"}}, {"kind": "schema_change", "added": ["bed"]}]

    header = text_of(files_of("events", faults=faults)[0]).splitlines()[0]

    assert header.split(",").count("bed") == 3


# Together


def test_no_clock_leaves_the_years_of_four_digits():
    faults = [{"kind": "seconds_for_minutes", "factor": 3600}] * 6

    times = column(rows_of(*files_of("events", faults=faults)), "event_time")

    assert {len(time) for time in times} == {len("2025-03-03 00:00:00Z")}
    assert max(times) == "9999-12-29 23:59:59Z"


def test_faults_of_rows_act_in_the_order_of_the_scenario():
    empty, unknown = ({"kind": "nulls", "column": "sector"}, {"kind": "unknown_codes", "column": "sector", "code": "X"})

    assert set(column(rows_of(*files_of("events", faults=[empty, unknown])), "sector")) == {""}
    assert set(column(rows_of(*files_of("events", faults=[unknown, empty])), "sector")) == {""}
    assert {one.fault for f in files_of("events", faults=[empty, unknown]) for one in f.injected} == {0}
    assert {one.fault for f in files_of("events", faults=[unknown, empty]) for one in f.injected} == {0, 1}


def test_two_faults_of_a_file_both_count():
    faults = [{"kind": "truncated"}, {"kind": "corrupt"}]

    for file in files_of("events", faults=faults):
        assert [one.kind for one in file.injected] == ["truncated", "corrupt"]
        assert {one.file for one in file.injected} == {file.name}


def test_all_faults_at_once_are_recorded_with_the_records_that_they_hit():
    faults = [*({**fault, "share": 0.1} for fault in IN_PLACE), {"kind": "duplicates", "share": 0.1}]
    plan = make_plan("events", faults=faults, every_min=60)

    for file in everything(plan):
        assert len(rows_of(file)) == file.records
        for one in file.injected:
            assert 1 <= one.rows[0][0] <= one.rows[-1][1] <= file.records
            assert all(before[1] + 1 < after[0] for before, after in pairwise(one.rows))


ANYTHING = [
    *IN_PLACE,
    *({"kind": "dst_mistake", "how": how} for how in ("not_forward", "not_back", "late")),
    {"kind": "duplicates", "copies": 2},
    {"kind": "volume", "factor": 1.5},
    {"kind": "volume", "factor": 0.3},
    {"kind": "silent"},
    {"kind": "silent", **WINDOW, "is_lost": True},
    {"kind": "truncated", "keep": 0.01},
    {"kind": "truncated", "keep": 0.9},
    {"kind": "corrupt"},
    {"kind": "corrupt", "how": "bytes"},
    {"kind": "schema_change", "renamed": {"sector": "place"}, "added": ["note"]},
    {"kind": "schema_change", "dropped": ["patient_id", "version_time"]},
]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    faults=st.lists(
        st.builds(lambda fault, share: {**fault, "share": share}, st.sampled_from(ANYTHING), st.floats(0.05, 1.0)),
        min_size=1,
        max_size=6,
    ),
    feed=st.sampled_from(FEEDS),
    every_min=st.sampled_from([60, 720, 1440]),
)
def test_no_combination_of_faults_is_recorded_falsely(faults, feed, every_min):
    reporting = Reporting(corrected_share=0.1, reextract_share=0.5)
    for file in files_of(feed, faults=faults, every_min=every_min, reporting=reporting):
        assert all(one.removed >= 0 and last_record(one) <= file.records for one in file.injected)
        if file.content is None:
            assert (file.records, {one.kind for one in file.injected}) == (0, {"silent"})
        elif file.name.endswith(".csv"):
            assert file.records == max(file.content.count(b"\n") - 1, 0)


def last_record(injected):
    return injected.rows[-1][1] if injected.rows else 0


def test_the_record_says_what_where_when_and_how_large():
    fault = {"kind": "nulls", "column": "sector", "share": 0.5, **WINDOW}
    injected = [one for file in files_of("events", faults=[fault]) for one in file.injected]

    line = json.loads(injected[0].to_json())

    assert line["fault"] == 0
    assert (line["kind"], line["feed"], line["file"]) == ("nulls", "events", "events_20250304.csv")
    assert line["due"] == "2025-03-05T03:00:00+00:00"
    assert line["records"] == sum(last - first + 1 for first, last in line["rows"]) > 0
    assert line["size"] == {
        "column": "sector",
        "share": 0.5,
        "sectors": [],
        "start": "2025-03-04T06:00:00",
        "end": "2025-03-06T18:00:00",
    }


def test_a_change_of_the_hospital_is_recorded_without_a_file():
    change = {"kind": "demand_change", "factor": 2, "first": MONDAY}
    scenario = Scenario.model_validate({"faults": [{"kind": "truncated"}, change]})

    (line,) = (json.loads(one.to_json()) for one in hospital_changes(scenario))

    assert (line["fault"], line["kind"], line["file"], line["rows"]) == (1, "demand_change", None, [])
    assert line["size"] == {"factor": 2.0, "first": "2025-03-03", "sectors": []}


def test_the_winter_is_known_in_a_week_of_summer():
    spans = make_plan("events", told_journeys(), site=synthetic_site("Europe/Stockholm", ED=6)).setting.spans

    assert {span.offset_min for span in spans} == {60, 120}
    assert offset_spans(SITE.tz, MONDAY, LAST)[0].offset_min == -180
