from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import PROPERTY
from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.pipeline import civil
from oracles import clocks
from unit.pipeline.builders import at

MINUTE = timedelta(minutes=1)


def read(engine, texts, formats):
    """Return text → (clock, offset) as the formats read it."""
    rows = engine.table(pa.table({"text": pa.array(texts, pa.string())}))
    found = civil.read(rows.text, formats)
    result = engine.collect(rows.select("text", clock=found.clock, offset=found.offset_min))
    return {row["text"]: (row["clock"], row["offset"]) for row in result.to_pylist()}


def spans_of(zone, first_year, last_year):
    first, last = at(f"{first_year}-01-01").date(), at(f"{last_year}-12-31").date()
    return offset_spans(ZoneInfo(zone), first, last)


def convert(engine, moments, expression):
    """Return moment → what the expression makes of it."""
    rows = engine.table(pa.table({"moment": pa.array(moments, pa.timestamp("us"))}))
    result = engine.collect(rows.select("moment", result=expression(rows.moment)))
    return {row["moment"]: row["result"] for row in result.to_pylist()}


def to_utc(engine, moments, zone, years, policy="first"):
    spans = spans_of(zone, *years)
    return convert(engine, moments, lambda clock: civil.to_utc(clock, spans, repeated_hour=policy))


def kinds(engine, moments, zone, years):
    spans = spans_of(zone, *years)
    return convert(engine, moments, lambda clock: civil.civil_kind(clock, spans))


def test_an_iso_text_is_read_to_the_microsecond_that_it_names(engine):
    expected = {
        "2026-03-01": at("2026-03-01"),
        "2026-03-01T10:05": at("2026-03-01 10:05"),
        "2026-03-01 10:05:06": at("2026-03-01 10:05:06"),
        "2026-03-01T10:05:06.5": at("2026-03-01 10:05:06.500000"),
        "2026-03-01T10:05:06.123456": at("2026-03-01 10:05:06.123456"),
        "2026-03-01T10:05:06.999999999": at("2026-03-01 10:05:06.999999"),
        "2024-02-29": at("2024-02-29"),
        " 2026-03-01T23:59:59\t": at("2026-03-01 23:59:59"),
        "2202-12-31T23:59:59": at("2202-12-31 23:59:59"),
    }

    found = read(engine, list(expected), ["ISO"])

    assert found == {text: (clock, None) for text, clock in expected.items()}


def test_an_iso_text_may_carry_its_offset(engine):
    clock = at("2026-03-01 10:05")
    expected = {
        "2026-03-01T10:05Z": 0,
        "2026-03-01T10:05+00:00": 0,
        "2026-03-01 10:05-03:00": -180,
        "2026-03-01T10:05:00-0330": -210,
        "2026-03-01T10:05:00.000 +05:45": 345,
        "2026-03-01T10:05+14:00": 840,
    }

    found = read(engine, list(expected), ["ISO"])

    assert found == {text: (clock, offset) for text, offset in expected.items()}


def test_a_text_that_is_no_iso_time_is_not_guessed_at(engine):
    texts = [
        "",
        "NULL",
        "now",
        "epoch",
        "infinity",
        "2026",
        "10:05",
        "2026-3-1",
        "20260301",
        "01/03/2026",
        "2026-03-01T10",
        "2026-03-01T10:05:06.",
        "2026-03-01T10:05z",
        "2026-03-01 10:05 am",
        "2026-03-01T24:00",
        "2026-03-01T23:60",
        "2026-03-01T23:59:60",
        "2026-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-03-01T10:05+99:99",
        "2026-03-01T10:05-03:60",
        "２０２６-03-01",
    ]

    found = read(engine, texts, ["ISO"])

    assert {text: clock for text, (clock, _) in found.items()} == dict.fromkeys(texts)


@pytest.mark.parametrize(
    ("time_format", "expected"),
    [
        ("%d/%m/%Y %H:%M", {"1/3/2026 9:05": "2026-03-01 09:05", "28/02/2026 23:59": "2026-02-28 23:59"}),
        ("%d/%m/%y %H:%M:%S", {"01/03/26 09:05:07": "2026-03-01 09:05:07"}),
        ("%m/%d/%Y", {"02/29/2024": "2024-02-29 00:00"}),
        ("%Y%m%d%H%M%S", {"20260301100506": "2026-03-01 10:05:06"}),
        ("%Y-%m-%d %H:%M:%S.%f", {"2026-03-01 10:05:06.25": "2026-03-01 10:05:06.250000"}),
        ("%d.%m.%Y", {"01.03.2026": "2026-03-01 00:00"}),
        (
            "%d-%b-%y %I:%M %p",
            {
                "01-Mar-26 12:05 AM": "2026-03-01 00:05",
                "01-MAR-26 12:05 pm": "2026-03-01 12:05",
                "1-dec-26 1:05 PM": "2026-12-01 13:05",
            },
        ),
        ("(%Y) [%m] %d", {"(2026) [03] 1": "2026-03-01 00:00"}),
    ],
)
def test_a_declared_format_reads_the_times_written_in_it(engine, time_format, expected):
    found = read(engine, list(expected), [time_format])

    assert found == {text: (at(clock), None) for text, clock in expected.items()}


@pytest.mark.parametrize(
    ("time_format", "texts"),
    [
        ("%d/%m/%Y %H:%M", ["31/04/2026 10:00", "01/03/2026 24:00", "01/03/2026 10:5", "01/03/2026 10:05:06", ""]),
        ("%m/%d/%Y", ["02/29/2023", "13/01/2026"]),
        ("%d.%m.%Y", ["01x03x2026", "01.03.2026 10:00"]),
        ("%d-%b-%y", ["01-xyz-26", "01-fev-26"]),
        ("%d/%m/%Y %I:%M %p", ["01/03/2026 13:05 PM", "01/03/2026 00:05 AM", "01/03/2026 99:05 PM"]),
    ],
)
def test_a_text_outside_the_declared_format_is_unreadable(engine, time_format, texts):
    found = read(engine, texts, [time_format])

    assert {text: clock for text, (clock, _) in found.items()} == dict.fromkeys(texts)


def test_the_first_format_that_fits_reads_the_text(engine):
    formats = ["%d/%m/%Y", "%m/%d/%Y", "ISO"]

    found = read(engine, ["01/02/2026", "12/25/2026", "2026-03-01T10:00Z"], formats)

    assert found == {
        "01/02/2026": (at("2026-02-01"), None),
        "12/25/2026": (at("2026-12-25"), None),
        "2026-03-01T10:00Z": (at("2026-03-01 10:00"), 0),
    }


def test_the_hour_that_spring_skips_is_told_apart(engine):
    moments = [at(f"2017-03-26 {clock}") for clock in ("01:59:59.999999", "02:00", "02:59:59.999999", "03:00")]

    found = kinds(engine, moments, "Europe/Stockholm", (2017, 2017))

    assert list(found.values()) == ["normal", "skipped", "skipped", "normal"]


def test_the_hour_that_autumn_repeats_is_told_apart(engine):
    moments = [at(f"2017-10-29 {clock}") for clock in ("01:59:59.999999", "02:00", "02:59:59.999999", "03:00")]

    found = kinds(engine, moments, "Europe/Stockholm", (2017, 2017))

    assert list(found.values()) == ["normal", "repeated", "repeated", "normal"]


def test_a_skipped_time_is_read_as_if_the_clock_had_not_been_advanced(engine):
    skipped = at("2017-03-26 02:30")

    found = to_utc(engine, [skipped], "Europe/Stockholm", (2017, 2017))

    assert found == {skipped: at("2017-03-26 01:30")}


@pytest.mark.parametrize(("policy", "instant"), [("first", "2017-10-29 00:30"), ("second", "2017-10-29 01:30")])
def test_a_repeated_time_is_the_occurrence_that_the_feed_declares(engine, policy, instant):
    repeated = at("2017-10-29 02:30")

    found = to_utc(engine, [repeated], "Europe/Stockholm", (2017, 2017), policy)

    assert found == {repeated: at(instant)}


def test_midnight_was_skipped_when_brazil_s_summer_began(engine):
    moments = [at("2018-11-03 23:59"), at("2018-11-04 00:00"), at("2018-11-04 00:59"), at("2018-11-04 01:00")]

    found = kinds(engine, moments, "America/Sao_Paulo", (2018, 2019))

    assert list(found.values()) == ["normal", "skipped", "skipped", "normal"]


def test_the_last_hour_of_the_day_was_repeated_when_brazil_s_summer_ended(engine):
    repeated = at("2019-02-16 23:30")

    first = to_utc(engine, [repeated], "America/Sao_Paulo", (2018, 2019), "first")
    second = to_utc(engine, [repeated], "America/Sao_Paulo", (2018, 2019), "second")

    assert (first[repeated], second[repeated]) == (at("2019-02-17 01:30"), at("2019-02-17 02:30"))


def test_brazil_has_had_no_clock_change_since_2019(engine):
    clock = at("2026-10-18 00:30")

    assert kinds(engine, [clock], "America/Sao_Paulo", (2026, 2026)) == {clock: "normal"}
    assert to_utc(engine, [clock], "America/Sao_Paulo", (2026, 2026)) == {clock: at("2026-10-18 03:30")}


@pytest.mark.parametrize(
    ("zone", "instant"),
    [
        ("Asia/Kolkata", "2026-02-28 18:35"),
        ("Asia/Kathmandu", "2026-02-28 18:20"),
        ("America/St_Johns", "2026-03-01 03:35"),
        ("Pacific/Apia", "2026-02-28 11:05"),
    ],
)
def test_an_offset_need_not_be_whole_hours_nor_less_than_twelve(engine, zone, instant):
    clock = at("2026-03-01 00:05")

    assert to_utc(engine, [clock], zone, (2026, 2026)) == {clock: at(instant)}


def test_a_clock_change_of_half_an_hour_skips_half_an_hour(engine):
    moments = [at(f"2026-10-04 {clock}") for clock in ("01:59", "02:00", "02:29", "02:30")]

    found = kinds(engine, moments, "Australia/Lord_Howe", (2026, 2026))

    assert list(found.values()) == ["normal", "skipped", "skipped", "normal"]


def test_clock_changes_of_shifted_years_are_those_of_the_rule_in_force(engine):
    zone = ZoneInfo("Europe/Stockholm")
    moments = [
        datetime.fromisoformat(f"{year}-{day} 02:30") for year in (2102, 2150, 2202) for day in ("03-26", "07-01")
    ]

    found = to_utc(engine, moments, "Europe/Stockholm", (2102, 2202))

    assert found == {moment: clocks.instant_of(moment, zone, "first") for moment in moments}


ZONES = (
    "America/Sao_Paulo",
    "America/Chicago",
    "America/St_Johns",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Dublin",
    "Europe/Stockholm",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "UTC",
)


@st.composite
def zones_and_clocks(draw):
    """A zone, a year and clocks of that year, many of them within minutes of a clock change."""
    zone, year = draw(st.sampled_from(ZONES)), draw(st.sampled_from([1986, 2011, 2018, 2026, 2144]))
    first, last = at(f"{year}-01-01"), at(f"{year}-12-31 23:59:59")
    changes = [
        span.from_utc + MINUTE * span.offset_min for span in offset_spans(ZoneInfo(zone), first.date(), last.date())
    ]
    near = st.builds(
        lambda change, minutes: change + MINUTE * minutes, st.sampled_from(changes), st.integers(-130, 130)
    )
    anywhere = st.datetimes(first, last)
    return zone, year, sorted(draw(st.sets(near | anywhere, min_size=20, max_size=60)))


@given(case=zones_and_clocks(), policy=st.sampled_from(["first", "second"]))
@PROPERTY
def test_any_clock_is_the_instant_that_the_zone_database_names(engine, case, policy):
    zone, year, moments = case

    found = to_utc(engine, moments, zone, (year, year), policy)

    assert found == {moment: clocks.instant_of(moment, ZoneInfo(zone), policy) for moment in moments}


@given(case=zones_and_clocks())
@PROPERTY
def test_any_clock_is_of_the_kind_that_the_zone_database_shows(engine, case):
    zone, year, moments = case

    found = kinds(engine, moments, zone, (year, year))

    assert found == {moment: clocks.kind_of(moment, ZoneInfo(zone)) for moment in moments}


@given(case=zones_and_clocks())
@PROPERTY
def test_any_instant_shows_the_clock_of_the_zone_database(engine, case):
    zone, year, moments = case
    spans = spans_of(zone, year, year)

    found = convert(engine, moments, lambda instant: civil.to_civil(instant, spans))

    assert found == {moment: clocks.clock_of(moment, ZoneInfo(zone)) for moment in moments}


def iso_texts():
    """Texts of one instant in the shapes that ISO allows, with the instant."""
    offsets = st.integers(-14 * 60, 14 * 60)

    def write(clock, separator, minutes, space, colon):
        hours, rest = divmod(abs(minutes), 60)
        sign = "-" if minutes < 0 else "+"
        text = f"{clock.isoformat(separator)}{space}{sign}{hours:02d}{colon}{rest:02d}"
        return text, (clock, minutes)

    clock = st.datetimes(at("1990-01-01"), at("2202-12-31"))
    return st.builds(
        write, clock, st.sampled_from("T "), offsets, st.sampled_from(["", " "]), st.sampled_from(["", ":"])
    )


@given(texts=st.lists(iso_texts(), min_size=30, max_size=60))
@PROPERTY
def test_any_iso_text_reads_as_it_was_written(engine, texts):
    written = dict(texts)

    assert read(engine, list(written), ["ISO"]) == written


@given(
    moments=st.lists(st.datetimes(at("2000-01-01"), at("2068-12-31")), min_size=30, max_size=60),
    time_format=st.sampled_from(["%d/%m/%Y %H:%M:%S", "%Y%m%d%H%M%S", "%m-%d-%y %I:%M:%S %p", "%d %b %Y %H:%M:%S.%f"]),
)
@PROPERTY
def test_any_time_reads_as_python_reads_it(engine, moments, time_format):
    texts = [moment.strftime(time_format) for moment in moments]

    found = read(engine, texts, [time_format])

    assert found == {text: (datetime.strptime(text, time_format), None) for text in texts}  # noqa: DTZ007  # a civil clock


def test_microseconds_since_1970_are_whole_and_exact(engine):
    moments = [at("1970-01-01"), at("2026-03-01 10:05:06.000001"), at("2202-12-31 23:59:59.999999")]

    found = convert(engine, moments, civil.epoch_us)

    assert found == {moment: (moment - moments[0]) // timedelta(microseconds=1) for moment in moments}


def test_a_time_that_was_not_delivered_has_no_clock_and_no_offset(engine):
    rows = engine.table(pa.table({"text": pa.array([None], pa.string())}))

    result = engine.collect(
        rows.select(clock=civil.NOTHING.clock, read=civil.read(rows.text, ["ISO", "%d/%m/%Y"]).clock)
    )

    assert result.to_pylist() == [{"clock": None, "read": None}]
