from __future__ import annotations

import pytest

from healthcare_ops.core.errors import ConfigError, DataError
from healthcare_ops.core.site import Site
from healthcare_ops.operations.feed_check import MAX_RECORDS, RecordFate, Sample, UnknownCode, check_feed

SITE = Site.model_validate(
    {
        "facility_id": "h",
        "name": "Hospital",
        "zone": "America/Sao_Paulo",
        "sectors": [{"sector_id": "PS", "name": "PS"}, {"sector_id": "UTI", "name": "UTI"}],
    }
)
MAPPED = {"arrival_time": "arrival", "sector": "place"}


def column(result, name):
    return next(found for found in result.columns if found.column == name)


def test_a_time_is_shown_as_delivered_and_as_read_or_with_the_reason_why_not(make_feed, deliver):
    path = deliver("arrival,place\n2026-03-01 10:00,PS\n1999-01-01,PS\nsoon,PS\n,PS\n2026-03-01 10:00,PS\n")

    arrival = column(check_feed(path, make_feed(), SITE), "arrival_time")

    assert arrival.source == "arrival"
    assert arrival.filled == 4
    assert arrival.samples == (
        Sample("2026-03-01 10:00", reads_as="2026-03-01T13:00:00Z"),
        Sample("1999-01-01", problem="a time lies outside the feed's plausible range"),
        Sample("soon", problem="a time fits none of the declared formats"),
    )


def test_as_many_different_values_are_shown_as_asked_for(make_feed, deliver):
    path = deliver("arrival,place\n2026-03-01,A\n2026-03-02,A\n2026-03-03,B\n2026-03-04,C\n")

    result = check_feed(path, make_feed(), SITE, rows=2)

    assert [sample.delivered for sample in column(result, "arrival_time").samples] == ["2026-03-01", "2026-03-02"]
    assert [sample.delivered for sample in column(result, "sector").samples] == ["A", "B"]


def test_codes_that_no_map_holds_are_counted_over_the_file(make_feed, deliver):
    path = deliver("arrival,place,level\nx,PS,1\nx,Ward 7,9\nx, Ward 7 ,9\nx,Attic,\n")

    result = check_feed(path, make_feed(columns=MAPPED | {"triage_level": "level"}), SITE)

    assert result.unknown_codes == (
        UnknownCode("sector", "Ward 7", 2),
        UnknownCode("sector", "Attic", 1),
        UnknownCode("triage_level", "9", 2),
    )
    assert column(result, "sector").samples[:2] == (
        Sample("PS", reads_as="PS"),
        Sample("Ward 7", problem="not mapped"),
    )


def test_a_map_s_star_stands_for_every_other_code(make_feed, deliver):
    path = deliver("arrival,place,outcome\nx,PS,SNF\nx,PS,HOME\nx,PS,*\n")
    feed = make_feed(
        columns=MAPPED | {"disposition": "outcome"}, values={"disposition": {"HOME": "home", "*": "other"}}
    )

    result = check_feed(path, feed, SITE)

    assert result.unknown_codes == ()
    assert [sample.reads_as for sample in column(result, "disposition").samples] == ["other", "home", "other"]


def test_a_map_to_a_sector_that_the_site_does_not_declare_is_refused(make_feed, deliver):
    path = deliver("arrival,place\nx,A\nx,B\n")
    feed = make_feed(values={"sector": {"A": "PS", "B": "P5"}})

    with pytest.raises(ConfigError, match=r"`values.sector.B` = 'P5' is not a sector of site h"):
        check_feed(path, feed, SITE)
    assert check_feed(path, feed).unknown_codes == ()


def test_without_a_site_or_a_map_any_place_may_be_a_sector(make_feed, deliver):
    path = deliver("arrival,place\nx,anywhere\n")

    result = check_feed(path, make_feed())

    assert result.unknown_codes == ()
    assert column(result, "sector").samples == (Sample("anywhere", reads_as="anywhere"),)


def test_an_event_code_is_shown_with_its_lifecycle(make_event_feed, deliver):
    path = deliver("visit,code,phase,at\n1,Triage,start,x\n1,Triage,complete,x\n")
    feed = make_event_feed(
        shape="start_complete", lifecycle_column="phase", values={"event_type": {"Triage|start": "triage_start"}}
    )

    result = check_feed(path, feed, SITE)

    assert column(result, "event_type").source == "code|phase"
    assert column(result, "event_type").samples[0] == Sample("Triage|start", reads_as="triage_start")
    assert result.unknown_codes == (UnknownCode("event_type", "Triage|complete", 1),)


def test_where_a_conditional_or_constant_column_comes_from_is_said(make_feed, deliver):
    path = deliver("arrival,left,to\n2026-03-01,2026-03-02,WARD\n2026-03-01,2026-03-03,HOME\n")
    admitted = {"column": "left", "when": {"to": ["WARD", "ICU"]}}
    feed = make_feed(columns={"arrival_time": "arrival", "sector": {"const": "PS"}, "admit_time": admitted})

    result = check_feed(path, feed, SITE)

    assert column(result, "admit_time").source == "left when to in WARD, ICU"
    assert column(result, "admit_time").filled == 1
    assert column(result, "sector").source == "constant 'PS'"


def test_no_identifier_is_shown_and_no_two_checks_show_the_same_pseudonym(make_feed, deliver):
    path = deliver("visit,mrn,arrival,place,name\nV-1,P-1,x,PS,Maria\nV-2,P-1,x,PS,Maria\n")
    feed = make_feed(columns=MAPPED | {"encounter_id": "visit", "patient_id": "mrn"})

    first, second = check_feed(path, feed, SITE), check_feed(path, feed, SITE)

    assert not [text for text in ("V-1", "V-2", "P-1", "Maria") if text in repr(first)]
    assert [len(column(first, name).samples) for name in ("encounter_id", "patient_id")] == [2, 1]
    assert column(first, "patient_id").samples != column(second, "patient_id").samples


def test_columns_of_the_file_that_nothing_reads_are_listed(make_event_feed, deliver):
    path = deliver('{"visit": 1, "code": "A01", "at": "x", "name": "Maria", "ward": {"nurse": "Ana"}}\n', "e.ndjson")

    result = check_feed(path, make_event_feed(format="ndjson"), SITE)

    assert result.unmapped_columns == ("name", "ward.nurse")


def test_a_file_without_records_shows_no_values(make_feed, deliver):
    result = check_feed(deliver("arrival,place\n"), make_feed(), SITE)

    assert (result.records, result.is_whole_file, result.columns, result.unknown_codes) == (0, True, (), ())


def test_a_long_file_is_looked_at_only_in_part(make_feed, deliver):
    path = deliver("arrival,place\n" + "2026-03-01T10:00:00,PS\n" * 1_000_000 + "not reached\n")

    result = check_feed(path, make_feed(), SITE)

    assert not result.is_whole_file
    assert MAX_RECORDS <= result.records < 1_000_000


def test_a_fault_of_the_file_is_raised(make_feed, deliver):
    with pytest.raises(DataError, match="line 2"):
        check_feed(deliver("arrival,place\n1\n"), make_feed(), SITE)


FLOW = {"encounter_id": "visit", "event_type": "code", "event_time": "at", "sector": "place"}
CODES = {"event_type": {"IN": "arrival", "OUT": "discharge"}}


def held(result):
    return {(item.reason_code, item.column): (item.records, item.first_record) for item in result.held}


def test_a_patient_seen_before_they_came_would_be_held_and_the_others_applied(make_feed, deliver):
    path = deliver(
        "arrival,care,place\n2026-03-01 10:00,2026-03-01 11:00,PS\n2026-03-01 10:00,2026-03-01 09:00,PS\nsoon,,PS\n"
    )

    result = check_feed(path, make_feed(columns=MAPPED | {"care_start": "care"}), SITE)

    assert result.first_records == (
        RecordFate(1, "applied"),
        RecordFate(2, "quarantined", "EVENTS_REVERSED"),
        RecordFate(3, "quarantined", "TIME_UNREADABLE", "arrival_time"),
    )
    assert held(result) == {("EVENTS_REVERSED", ""): (1, 2), ("TIME_UNREADABLE", "arrival_time"): (1, 3)}
    assert dict(result.fates) == {"applied": 1, "quarantined": 2}


IN, OUT = "1,IN,2026-03-01 10:00,PS", "2,OUT,2026-03-01 12:00,PS"
LEFT_AND_NOT_TOLD_WHERE = "3,OUT,2026-03-01 13:00,"


def test_an_encounter_that_began_in_an_earlier_file_is_not_held_against_this_one(make_event_feed, deliver):
    path = deliver("\n".join(["visit,code,at,place", IN, OUT, LEFT_AND_NOT_TOLD_WHERE, ""]))

    result = check_feed(path, make_event_feed(columns=FLOW, values=CODES), SITE)

    assert (held(result), result.failure, result.incomplete) == ({}, None, 2)
    assert dict(result.fates) == {"applied": 3}


def test_events_without_one_arrival_would_all_be_held(make_event_feed, deliver):
    path = deliver("\n".join(["visit,code,at,place", OUT, LEFT_AND_NOT_TOLD_WHERE, ""]))

    result = check_feed(path, make_event_feed(columns=FLOW, values=CODES), SITE)

    assert (held(result), result.incomplete) == ({("ARRIVAL_MISSING", ""): (2, 1)}, 0)
    assert result.failure.next_step.startswith("Compare columns and values.event_type")


def test_events_in_reverse_order_would_be_held_also_where_others_are_incomplete(make_event_feed, deliver):
    path = deliver("\n".join(["visit,code,at,place", IN, OUT, "1,OUT,2026-03-01 09:00,", ""]))

    result = check_feed(path, make_event_feed(columns=FLOW, values=CODES), SITE)

    assert (held(result), result.incomplete) == ({("EVENTS_REVERSED", ""): (2, 1)}, 1)


@pytest.mark.parametrize(("max_stay_days", "reasons"), [(1, {("STAY_TOO_LONG", ""): (1, 1)}), (10, {})])
def test_a_stay_is_too_long_as_the_site_says(make_feed, deliver, max_stay_days, reasons):
    path = deliver("arrival,left,place\n2026-03-01 10:00,2026-03-05 10:00,PS\n")
    site = SITE.model_copy(update={"max_stay_days": max_stay_days})

    result = check_feed(path, make_feed(columns=MAPPED | {"discharge_time": "left"}), site)

    assert held(result) == reasons


def test_without_a_site_a_stay_is_too_long_as_for_a_site_that_does_not_say(make_feed, deliver):
    path = deliver("arrival,left,place\n2026-03-01,2026-04-29,A\n2026-03-01,2026-05-01,A\n")

    result = check_feed(path, make_feed(columns=MAPPED | {"discharge_time": "left"}))

    assert held(result) == {("STAY_TOO_LONG", ""): (1, 2)}


def test_an_earlier_version_and_the_same_again_would_not_be_held(make_feed, deliver):
    rows = ("1,2026-03-01 10:00,2026-03-01 11:00,PS", "1,2026-03-01 10:00,,PS")
    path = deliver("\n".join(["visit,arrival,care,place", rows[1], rows[0], rows[0], ""]))

    result = check_feed(path, make_feed(columns=MAPPED | {"encounter_id": "visit", "care_start": "care"}), SITE)

    assert [item.fate for item in result.first_records] == ["superseded", "duplicate", "applied"]
    assert result.failure is None


def test_what_would_be_held_is_the_failure_of_the_check_with_what_to_compare(make_feed, deliver):
    path = deliver("arrival,place\n2026-03-01 10:00,PS\n2026-03-01 10:00,Attic\n2026-03-01 10:00,Garage\n")

    failure = check_feed(path, make_feed(), SITE).failure

    assert failure.exit_code == 6
    assert failure.message == "2 of 3 records would be held, 2 of them by SECTOR_UNKNOWN in sector."
    assert failure.next_step.startswith("Compare values.sector in the feed file")
