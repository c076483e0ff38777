from __future__ import annotations

import json

from healthcare_ops.core.runs import RunRecord, StateRecord


def test_a_run_that_has_begun_is_running_until_it_says_otherwise():
    record = RunRecord("daily-1", "daily", "2026-03-01", "2026-03-02T03:00:00+00:00")

    assert (record.status, record.ended_at, record.states) == ("RUNNING", "", [])


def test_a_run_is_kept_under_its_own_name():
    assert RunRecord("daily-1", "daily", "", "").key == "ops/runs/daily-1.json"


def test_a_record_is_a_versioned_document_of_everything_it_knows():
    record = RunRecord("daily-1", "daily", "2026-03-01", "2026-03-02T03:00:00+00:00", "FAILED", error="E", cause="why")
    record.as_of = "2026-03-02T02:00:00+00:00"
    record.states.append(StateRecord("RunDQ", "2026-03-02T03:00:01+00:00", "2026-03-02T03:00:02+00:00"))
    record.outcomes["dq_check"] = {"verdict": "pass"}

    document = json.loads(record.to_json())

    assert document == {
        "schema_version": 1,
        "run_id": "daily-1",
        "run_type": "daily",
        "run_date": "2026-03-01",
        "started_at": "2026-03-02T03:00:00+00:00",
        "as_of": "2026-03-02T02:00:00+00:00",
        "status": "FAILED",
        "ended_at": "",
        "error": "E",
        "cause": "why",
        "input": {},
        "definition": "",
        "trigger": "manual",
        "resumed_at": [],
        "redriven_at": [],
        "states": [
            {
                "name": "RunDQ",
                "entered_at": "2026-03-02T03:00:01+00:00",
                "exited_at": "2026-03-02T03:00:02+00:00",
                "attempts": [],
                "input": None,
                "output": None,
                "step": 1,
            }
        ],
        "outcomes": {"dq_check": {"verdict": "pass"}},
    }
