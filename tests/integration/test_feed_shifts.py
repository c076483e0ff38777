from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from healthcare_ops.core.errors import QualityError
from hospital import event, open_hospital, visit

NOW = "2026-03-13T18:00:00-03:00"


def delivered(hospital, hours, *, count=12):
    """Deliver visits of 12 March in one feed, and their arrivals in the other, so many hours later."""
    arrivals = {
        f"V-{number}": f"2026-03-12T{7 + number // 2:02d}:{30 * (number % 2):02d}:00" for number in range(count)
    }
    hospital.deliver("visits", [visit(name, at) for name, at in arrivals.items()], "visits.csv")
    moved = {name: datetime.fromisoformat(at) + timedelta(hours=hours) for name, at in arrivals.items()}
    hospital.deliver(
        "flow", [event(name, "IN", at.isoformat(), place="ED") for name, at in moved.items()], "flow.ndjson"
    )


def report_of(hospital):
    (key,) = hospital.context.objects.list("gold/data_quality_runs/")
    return json.loads(hospital.context.objects.read(key))


@pytest.mark.parametrize("hours", [-3, -1, 1, 3])
def test_two_feeds_that_disagree_about_the_time_of_the_same_encounters_are_both_named(tmp_path, hours):
    with open_hospital(tmp_path, NOW) as hospital:
        delivered(hospital, hours)
        with pytest.raises(QualityError) as failure:
            hospital.refine()
        report = report_of(hospital)

    (shift,) = report["shifts"]
    told = {
        name: shift[name] for name in ("feed_id", "other_feed_id", "milestone", "other_milestone", "pairs", "verdict")
    }
    assert told == {
        "feed_id": "flow",
        "other_feed_id": "visits",
        "milestone": "arrival",
        "other_milestone": "arrival",
        "pairs": 12,
        "verdict": "fail",
    }
    assert shift["offset_h"] == -hours  # of visits, which are right, against the flow
    assert "The clocks of feeds flow and visits disagree" in failure.value.message
    assert all("flow and visits disagree" in feed["diagnosis"] for feed in report["feeds"])
    assert report["verdict"] == "fail"


@pytest.mark.parametrize(("hours", "count"), [(0, 12), (3, 9), (0.25, 12)])
def test_feeds_that_agree_or_share_few_encounters_are_let_be(tmp_path, hours, count):
    with open_hospital(tmp_path, NOW) as hospital:
        delivered(hospital, hours, count=count)
        hospital.refine()
        report = report_of(hospital)

    assert report["shifts"] == []
