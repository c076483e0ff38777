from __future__ import annotations

from collections import Counter

from healthcare_ops.operations.simulate import Simulated


def test_what_happened_is_counted_by_type_of_run_and_trouble_is_no_run():
    simulated = Simulated()
    for event in (
        {"event": "started", "run_id": "inference-20260301T001500Z"},
        {"event": "ended", "run_id": "inference-20260301T001500Z", "status": "FAILED"},
        {"event": "missed", "run_type": "inference", "count": 3},
        {"event": "started", "run_id": "weekly_train-20260301T050000Z"},
        {"event": "trouble", "what": "daily", "cause": "the disk is full."},
    ):
        simulated.tell(event)

    assert simulated.counts == {
        "inference": Counter(started=1, FAILED=1, missed=3),
        "weekly_train": Counter(started=1),
    }


def test_an_alarm_that_changed_is_no_run():
    simulated = Simulated()

    simulated.tell({"event": "alarm", "alarm": "FeedSilent", "of": {"FeedId": "visits"}, "state": "ALARM"})
    simulated.tell({"event": "missed", "run_type": "inference", "count": 2})

    assert simulated.counts == {"inference": {"missed": 2}}
