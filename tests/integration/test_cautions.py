"""What a reader must know of the data and the model, for hospitals whose past is known."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from healthcare_ops.core.errors import QualityError
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.jobs import load_job
from healthcare_ops.jobs.context import Request
from healthcare_ops.jobs.refusals import keep_refused
from healthcare_ops.operations.acceptance import accept
from healthcare_ops.operations.cautions import find_cautions
from healthcare_ops.operations.reading import newest_report
from healthcare_ops.pipeline.quality.clocks.clock import Diagnosis, FeedClock, LagEvidence
from healthcare_ops.pipeline.quality.clocks.hour_profile import HourEvidence
from healthcare_ops.pipeline.quality.clocks.shift import FeedShift, ShiftBetween
from healthcare_ops.pipeline.quality.report.refusals import RefusedFile
from healthcare_ops.pipeline.quality.report.report import Report
from hospital import event, open_hospital, visit
from weeks import LAST, arrivals, open_with_a_past, visits

FIRST = datetime(2026, 1, 1)  # noqa: DTZ001  # the hospital's wall clock


def hourly_visits(first, days):
    starts = [first + timedelta(minutes=30, hours=hour) for hour in range(days * 24)]
    return [visit(f"V-{start:%m-%d-%H}", start.isoformat(), changed=start) for start in starts]


def told(hospital):
    return {caution.code.value: caution for caution in find_cautions(hospital.platform)}


def train(hospital):
    now = hospital.context.clock.now()
    load_job("weekly_train")(hospital.context, Request("run", "weekly_train", now.date()))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a hospital of 22 days with a model: enough to learn from, too few to hold back some to test it."""
    with open_hospital(tmp_path_factory.mktemp("short"), "2026-01-23T00:00:00-03:00") as hospital:
        hospital.deliver("visits", hourly_visits(FIRST, 22), "january.csv")
        hospital.refine()
        train(hospital)
        yield hospital


def test_a_hospital_without_a_model_whose_feed_is_on_time_has_nothing_to_be_told(tmp_path):
    with open_hospital(tmp_path, "2026-01-03T01:00:00-03:00") as hospital:
        hospital.deliver("visits", hourly_visits(FIRST, 2), "january.csv")
        hospital.refine()

        assert told(hospital) == {}


@pytest.mark.parametrize(("now", "is_old"), [("2026-01-03T02:59:00", False), ("2026-01-03T05:31:00", True)])
def test_a_feed_is_old_when_a_delivery_and_its_delay_have_passed(tmp_path, now, is_old):
    with open_hospital(tmp_path, f"{now}-03:00") as hospital:
        hospital.deliver("visits", hourly_visits(FIRST, 2), "january.csv")
        hospital.refine()

        assert ("DATA_OLD" in told(hospital)) is is_old


def test_of_two_feeds_the_one_that_fell_silent_is_named(tmp_path):
    with open_hospital(tmp_path, "2026-01-05T00:30:00-03:00") as hospital:
        hospital.deliver("visits", hourly_visits(FIRST, 4), "january.csv")
        hospital.deliver("flow", [event("A", "IN", "2026-01-02T10:00:00", place="ED")], "flow.ndjson")
        hospital.refine()

        caution = told(hospital)["DATA_OLD"]

    assert caution.message.startswith("the newest data of feed flow are 2 d old; it should deliver every 60 min")


def test_a_model_that_could_not_be_tested_is_said_to_be_so(trained):
    caution = told(trained)["MODEL_UNTESTED"]

    assert caution.message == "the model of ED has learnt from 22 days, too few to test it on."
    assert "HISTORY_SHORT" not in told(trained)


def test_after_a_long_silence_too_little_is_known_for_the_model_in_use(trained):
    trained.at("2026-03-12T00:00:00-03:00")
    trained.deliver("visits", hourly_visits(datetime(2026, 3, 9), 3), "march.csv")  # noqa: DTZ001
    trained.refine()

    caution = told(trained)["HISTORY_SHORT"]

    assert caution.message.startswith("arrivals are known for 4 days without a gap; a forecast needs 21")


def test_a_missed_sunday_is_told_with_the_age_of_the_model(trained):
    trained.at("2026-01-25T08:00:00-03:00")

    caution = told(trained)["TRAINING_MISSED"]

    assert caution.message == (
        "the training that was due on Sunday 2026-01-25 05:00 was missed; the model in use knows nothing after "
        "2026-01-23 00:00 (2 d ago)."
    )
    assert "hops run --type weekly_train" in caution.next_step


# What clocks and the past found


def test_days_that_data_quality_keeps_from_gold_are_named_until_somebody_accepts_them_and_then_who_did(tmp_path):
    with open_with_a_past(tmp_path) as hospital:
        hospital.deliver("visits", visits(arrivals(LAST, np.random.default_rng(6), share=0.3)), "day.csv")
        with pytest.raises(QualityError):
            hospital.refine()
        before = told(hospital)
        for section in newest_report(hospital.platform)["expectations"]:
            accept(hospital.platform, section["rule_id"], [section["day"]], by="Ana Souza", reason="it was closed")
        after = told(hospital)

    assert "keeps 2026-03-12 from gold (judged 0 min ago)" in before["DAYS_HELD"].message
    assert "GAP_ACCEPTED" not in before
    assert "DAYS_HELD" not in after
    assert "Ana Souza accepted expected." in after["GAP_ACCEPTED"].message
    assert " of 2026-03-12 as it is" in after["GAP_ACCEPTED"].message
    assert " --day 2026-03-12 --by NAME --reason WHY`" in after["GAP_ACCEPTED"].next_step


JUDGED_AT = datetime(2026, 1, 2, 3, tzinfo=UTC)
ACCEPTED = {"by": "Ana", "at": JUDGED_AT.isoformat(), "reason": "a test file", "verdict": "warn"}


JUDGED = JUDGED_AT.date()


def clock_of(offset_h, day=JUDGED):
    """Return a clock of feed visits that is off by so many hours by the lag of its records alone."""
    zone = ZoneInfo("UTC")
    lag, hours = LagEvidence(offset_h, 40, 3.0, 3.2, None, ""), HourEvidence({}, 0, 0, "too few")
    return Diagnosis(FeedClock("visits", zone, zone), day, "warn", offset_h, None, 3, lag, hours)


def report_of(**found):
    """Return the report of 2 January, as a run writes it."""
    return Report("daily-20260102T030000Z-a", JUDGED_AT, [JUDGED], **found).document(JUDGED_AT)


def keep(hospital, report):
    key = "gold/data_quality_runs/dt=2026-01-02/daily-20260102T030000Z-a.json"
    hospital.context.objects.write(key, json.dumps(report).encode())


@pytest.mark.parametrize(
    ("different", "is_told"),
    [({}, True), ({"explained_by": "refused.visits"}, False), ({"accepted": ACCEPTED, "verdict": "warn"}, True)],
    ids=["in doubt", "explained", "an acceptance that was taken back"],
)
def test_a_clock_in_doubt_is_named_with_its_offset_until_it_is_explained_or_accepted(tmp_path, different, is_told):
    report = report_of(clocks=[clock_of(-3.0)])
    report["clocks"] = [section | different for section in report["clocks"]]
    if "explained_by" in different:
        report["causes"] = []
    with open_hospital(tmp_path, "2026-01-03T00:00:00-03:00") as hospital:
        keep(hospital, report)

        found = told(hospital)
        accept(hospital.platform, "clock.visits", [], by="Ana Souza", reason="a test of the clock")
        after = told(hospital)

    messages = [caution.message for code, caution in found.items() if code == "CLOCK_IN_DOUBT"]
    assert "CLOCK_IN_DOUBT" not in after
    assert messages == (
        []
        if not is_told
        else ["the clock of feed visits is in doubt: arrivals of 2026-01-02 look shifted by -3 h (judged 24 h ago)."]
    )


def test_of_a_clock_that_is_wrong_on_several_days_the_worst_is_named(tmp_path):
    clocks = [clock_of(offset_h, JUDGED - timedelta(days=back)) for back, offset_h in ((1, -3.0), (0, 1.0))]
    with open_hospital(tmp_path, "2026-01-03T00:00:00-03:00") as hospital:
        keep(hospital, report_of(clocks=clocks))

        assert "arrivals of 2026-01-01 look shifted by -3 h" in told(hospital)["CLOCK_IN_DOUBT"].message


def test_two_feeds_whose_clocks_disagree_are_named(tmp_path):
    shift = FeedShift("flow", "visits", "arrival", "arrival", JUDGED, ShiftBetween(3.5, 62, 3.5, 0.1))
    with open_hospital(tmp_path, "2026-01-03T00:00:00-03:00") as hospital:
        keep(hospital, report_of(shifts=[shift]))
        before = told(hospital)
        accept(hospital.platform, "clock.flow.visits", [], by="Ana Souza", reason="a test of the clock")
        after = told(hospital)

    assert "feeds flow and visits are in doubt" in before["CLOCKS_APART"].message
    assert "2026-01-02 that both tell of they are +3.5 h apart" in before["CLOCKS_APART"].message
    assert "CLOCKS_APART" not in after


def test_days_that_came_since_the_report_are_not_said_to_be_held(tmp_path):
    with open_hospital(tmp_path, "2026-01-03T00:00:00-03:00") as hospital:
        hospital.deliver("visits", hourly_visits(FIRST, 2), "january.csv")
        hospital.refine("ingest_bronze", "bronze_to_silver")
        keep(hospital, report_of() | {"verdict": "fail"})

        assert told(hospital)["DAYS_HELD"].message.startswith("data quality keeps 2026-01-02 from gold")


def test_a_refused_file_whose_name_is_a_day_is_no_gap(tmp_path):
    file = RefusedFile("20260102", "0" * 64, JUDGED_AT, FileFault.FILE_EMPTY)
    with open_hospital(tmp_path, "2026-01-03T00:00:00-03:00") as hospital:
        keep_refused(hospital.context.objects, "visits", [file])
        accept(hospital.platform, "refused.visits", [], by="Ana Souza", reason="a test file")

        assert "GAP_ACCEPTED" not in told(hospital)
