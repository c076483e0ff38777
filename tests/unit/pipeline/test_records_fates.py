from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from engines import PROPERTY
from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.pipeline import records
from oracles import fates
from unit.pipeline.builders import at, encounter_feed, encounters_raw, event_feed, events_raw

SPANS = offset_spans(ZoneInfo("UTC"), at("2026-01-01").date(), at("2026-12-31").date())
SECTORS = ("ED", "WARD")
VISIT_COLUMNS = {name: name for name in ("encounter_id", "arrival_time", "sector", "version_time")}


def visit(**told):
    return {"encounter_id": "a", "arrival_time": "2026-03-01 10:00", "sector": "ED"} | told


def event(**told):
    return {"encounter_id": "a", "event_type": "arrival", "event_time": "2026-03-01 10:00"} | told


def judge_visits(engine, *visits):
    """Return the fates of delivered visits, in the order given."""
    feed = encounter_feed(columns=VISIT_COLUMNS)
    typed = records.type_encounters(engine.table(encounters_raw(*visits)), feed, SPANS, SECTORS)
    return _fates(engine, typed, visits)


def judge_events(engine, *events, **feed_keys):
    """Return the fates of delivered events, in the order given."""
    typed = records.type_events(engine.table(events_raw(*events)), event_feed(**feed_keys), SPANS, SECTORS)
    return _fates(engine, typed, events)


def _fates(engine, typed, delivered):
    found = {
        (row["feed_id"], row["delivery_seq"], row["record_no"]): row["fate"]
        for row in engine.collect(records.judge(typed)).to_pylist()
    }
    keys = [
        (row.get("feed_id", "ed"), row.get("delivery_seq", 1), row.get("record_no", number))
        for number, row in enumerate(delivered, start=1)
    ]
    return [found[key] for key in keys]


def test_a_sound_visit_is_applied_and_a_faulty_one_quarantined(engine):
    delivered = [visit(encounter_id="a"), visit(encounter_id="b", arrival_time="soon")]

    assert judge_visits(engine, *delivered) == ["applied", "quarantined"]


def test_the_version_that_the_source_wrote_last_stands(engine):
    delivered = [
        visit(version_time="2026-03-01 12:00", sector="WARD", delivery_seq=1),
        visit(version_time="2026-03-01 11:00", sector="ED", delivery_seq=2),
    ]

    assert judge_visits(engine, *delivered) == ["applied", "superseded"]


def test_without_version_times_the_later_delivery_stands(engine):
    delivered = [visit(sector="WARD", delivery_seq=2, record_no=1), visit(sector="ED", delivery_seq=1, record_no=9)]

    assert judge_visits(engine, *delivered) == ["applied", "superseded"]


def test_within_a_delivery_the_later_record_stands(engine):
    delivered = [visit(sector="WARD"), visit(sector="ED"), visit(sector="WARD", bed="7")]

    assert judge_visits(engine, *delivered) == ["superseded", "superseded", "applied"]


def test_a_version_with_a_time_stands_before_one_without(engine):
    delivered = [visit(version_time="2026-03-01 11:00", sector="WARD", delivery_seq=1), visit(delivery_seq=2)]

    assert judge_visits(engine, *delivered) == ["applied", "superseded"]


def test_a_visit_whose_version_cannot_be_told_is_held_and_takes_no_other_s_place(engine):
    delivered = [
        visit(version_time="2026-03-01 11:00", delivery_seq=1),
        visit(version_time="soon", sector="WARD", delivery_seq=2),
        visit(version_time="soon", sector="WARD", delivery_seq=3),
        visit(encounter_id="b", version_time="soon"),
    ]

    assert judge_visits(engine, *delivered) == ["applied", "quarantined", "quarantined", "quarantined"]


def test_an_event_whose_version_cannot_be_told_is_held_and_takes_no_other_s_place(engine):
    delivered = [event(source_event_id="e1"), event(source_event_id="e1", version_time="soon", delivery_seq=2)]

    assert judge_events(engine, *delivered) == ["applied", "quarantined"]


def test_when_a_delivery_was_processed_decides_nothing(engine):
    delivered = [
        visit(sector="WARD", delivery_seq=2, ingested_at=at("2026-03-02")),
        visit(sector="ED", delivery_seq=1, ingested_at=at("2026-03-09")),
    ]

    assert judge_visits(engine, *delivered) == ["applied", "superseded"]


def test_a_visit_delivered_again_is_a_duplicate(engine):
    delivered = [visit(delivery_seq=1), visit(delivery_seq=2), visit(delivery_seq=3)]

    assert judge_visits(engine, *delivered) == ["duplicate", "duplicate", "applied"]


def test_a_visit_that_was_changed_and_changed_back_stands_once(engine):
    delivered = [visit(delivery_seq=1), visit(delivery_seq=2, sector="WARD"), visit(delivery_seq=3)]

    assert judge_visits(engine, *delivered) == ["duplicate", "superseded", "applied"]


def test_a_faulty_correction_takes_the_visit_out(engine):
    delivered = [visit(delivery_seq=1), visit(delivery_seq=2, sector="X-RAY")]

    assert judge_visits(engine, *delivered) == ["superseded", "quarantined"]


def test_a_correction_of_a_faulty_visit_brings_it_in(engine):
    delivered = [visit(delivery_seq=1, sector="X-RAY"), visit(delivery_seq=2)]

    assert judge_visits(engine, *delivered) == ["superseded", "applied"]


def test_two_feeds_do_not_correct_each_other(engine):
    delivered = [visit(feed_id="ed"), visit(feed_id="other", sector="WARD")]

    assert judge_visits(engine, *delivered) == ["applied", "applied"]


def test_visits_without_an_id_are_never_versions_of_each_other(engine):
    delivered = [visit(encounter_id=None), visit(encounter_id=None), visit(encounter_id=None, delivery_seq=2)]

    assert judge_visits(engine, *delivered) == ["quarantined"] * 3


def test_events_of_one_kind_at_different_times_are_different_events(engine):
    delivered = [
        event(),
        event(event_time="2026-03-01 10:01"),
        event(event_type="triage_start"),
        event(encounter_id="b"),
    ]

    assert judge_events(engine, *delivered) == ["applied"] * 4


def test_an_event_sent_again_with_a_place_is_a_correction(engine):
    delivered = [event(), event(sector="ED")]

    assert judge_events(engine, *delivered) == ["superseded", "applied"]


def test_the_source_s_event_id_says_what_corrects_what(engine):
    delivered = [
        event(source_event_id="e1"),
        event(source_event_id="e1", event_time="2026-03-01 10:07"),
        event(source_event_id="e2"),
    ]

    assert judge_events(engine, *delivered) == ["superseded", "applied", "applied"]


def test_an_event_whose_time_is_written_in_another_way_is_the_same_event(engine):
    delivered = [event(event_time="2026-03-01 10:00"), event(event_time="2026-03-01T07:00:00-03:00")]

    assert judge_events(engine, *delivered) == ["superseded", "applied"]


def test_an_event_out_of_scope_is_ignored_whatever_else_is_wrong_with_it(engine):
    delivered = [event(event_type="ignore"), event(event_type="ignore", event_time="soon", sector="X-RAY")]

    assert judge_events(engine, *delivered) == ["ignored", "ignored"]


def test_two_events_out_of_scope_at_one_instant_are_both_ignored(engine):
    out_of_scope = {"event_type": {"LAB": "ignore", "IMG": "ignore"}}

    found = judge_events(engine, event(event_type="LAB"), event(event_type="IMG"), values=out_of_scope)

    assert found == ["ignored", "ignored"]


def test_an_event_that_a_correction_puts_out_of_scope_is_not_applied(engine):
    delivered = [event(source_event_id="e1"), event(source_event_id="e1", event_type="ignore")]

    assert judge_events(engine, *delivered) == ["superseded", "ignored"]


def test_two_unknown_codes_of_one_instant_are_both_held(engine):
    delivered = [event(event_type="A98"), event(event_type="A99"), event(event_type="A99")]

    assert judge_events(engine, *delivered) == ["quarantined", "duplicate", "quarantined"]


def typed_records():
    """Records that collide as much as they can: few things, few versions, few contents, equal times."""
    record = st.fixed_dictionaries(
        {
            "feed_id": st.sampled_from(["ed", "lab"]),
            "record_key": st.sampled_from(["a", "b", "c"]),
            "version": st.sampled_from([None, at("2026-03-01 10:00"), at("2026-03-01 10:00:00.000001")]),
            "delivery_seq": st.integers(1, 3),
            "content_hash": st.sampled_from(["x", "y"]),
            "is_ignored": st.booleans(),
            "reason_code": st.sampled_from([None, None, "TIME_UNREADABLE"]),
        }
    )
    return st.lists(record, min_size=1, max_size=60)


TYPED = pa.schema(
    [
        ("feed_id", pa.string()),
        ("record_key", pa.string()),
        ("version", pa.timestamp("us")),
        ("delivery_seq", pa.int64()),
        ("content_hash", pa.string()),
        ("is_ignored", pa.bool_()),
        ("reason_code", pa.string()),
        ("record_no", pa.int64()),
        ("source_sha256", pa.string()),
    ]
)


@given(delivered=typed_records(), seed=st.integers(0, 2**32))
@PROPERTY
def test_any_records_in_any_order_meet_the_fate_that_the_rules_name(engine, delivered, seed):
    numbered = [
        record | {"record_no": number, "source_sha256": f"{record['feed_id']}{record['delivery_seq']}"}
        for number, record in enumerate(delivered, start=1)
    ]
    shuffled = random.Random(seed).sample(numbered, len(numbered))

    judged = engine.collect(records.judge(engine.table(pa.Table.from_pylist(shuffled, schema=TYPED)))).to_pylist()

    found = {row["record_no"]: row["fate"] for row in judged}
    assert found == dict(enumerate(fates.fates(numbered), start=1))
