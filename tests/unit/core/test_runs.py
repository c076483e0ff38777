from __future__ import annotations

import json

import pytest

from healthcare_ops.core.errors import (
    BusyError,
    ConfigError,
    DataError,
    ExitCode,
    QualityError,
    Reason,
    StepError,
    TransientError,
)
from healthcare_ops.core.runs import Answer, AttemptRecord, Failure, RunRecord, StateRecord, log_key

AT = [f"2026-03-02T03:00:{second:02d}+00:00" for second in range(60)]
BUSY = Failure("TransientError", "Locked", "dq_check: the catalog is in use.", "It is tried again.", "transient")
BROKEN = Failure("QualityError", "DataQuality", "dq_check: 3 of 40 rows from the future.", "See INC-02.")


def a_run(**different):
    """Return a run that ended with the check of the data, which was tried twice, and an incident after it."""
    attempts = [
        AttemptRecord(AT[2], AT[4], "TransientError", "the catalog is in use", BUSY),
        AttemptRecord(AT[9], AT[10], "States.TaskFailed", "DataQuality: 3 of 40", BROKEN),
    ]
    states = [
        StateRecord("ResolveRunDate", AT[0], AT[1], [AttemptRecord(AT[0], AT[1])], {}, {"run_date": "2026-03-01"}),
        StateRecord("RunDQ", AT[2], AT[10], attempts, {"run_date": "2026-03-01"}, {"failure": {"Error": "x"}}, 2),
        StateRecord("OpenIncident", AT[10], AT[11], [AttemptRecord(AT[10], AT[11])], {}, {}, 5),
        StateRecord("PipelineFailed", AT[11], AT[11], [], {}, None, 6),
    ]
    usual = {
        "status": "FAILED",
        "error": "States.TaskFailed",
        "cause": "DataQuality: São José",
        "input": {"type": "daily"},
        "definition": "a" * 64,
        "resumed_at": [AT[3], AT[5]],
        "redriven_at": [AT[8]],
        "states": states,
        "outcomes": {"ingest_bronze": {"rows": 5}},
        "ended_at": AT[12],
        "as_of": AT[0],
    }
    return RunRecord("daily-1", "daily", "2026-03-01", AT[0], **usual | different)


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
        "release": "",
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


def test_a_record_is_read_as_it_was_written_with_its_attempts_and_their_failures():
    record = a_run()

    assert RunRecord.of_json(record.to_json()) == record


def test_what_only_another_release_knows_is_left_out_of_a_record():
    record = a_run()
    document = json.loads(record.to_json())
    failure = document["states"][1]["attempts"][0]["failure"]
    for part in (document, document["states"][1], document["states"][1]["attempts"][0], failure):
        part["of_the_next_release"] = {"a": 1}

    assert RunRecord.of_json(json.dumps(document).encode()) == record


def test_a_record_of_an_earlier_release_lacks_what_that_did_not_know():
    attempts = [{"started_at": AT[0], "ended_at": AT[1], "error": None, "cause": None}]
    states = [{"name": "RunDQ", "entered_at": AT[0], "exited_at": AT[1], "attempts": attempts}]
    document = {"schema_version": 1, "run_id": "daily-1", "run_type": "daily", "run_date": "", "started_at": AT[0]}

    record = RunRecord.of_json(json.dumps(document | {"states": states}).encode())

    assert record.states == [StateRecord("RunDQ", AT[0], AT[1], [AttemptRecord(AT[0], AT[1])])]
    assert (record.definition, record.resumed_at, record.redriven_at) == ("", [], [])


def test_the_state_that_failed_is_the_one_that_gave_up_and_not_what_followed_from_it():
    record = a_run()

    assert record.failed_state.name == "RunDQ"
    assert record.failure == BROKEN


def test_a_state_that_succeeded_after_a_failed_attempt_did_not_fail():
    record = a_run()
    record.states[1].attempts.append(AttemptRecord(AT[11], AT[12]))

    assert not record.states[1].has_failed
    assert record.failed_state.name == "PipelineFailed"


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_a_run_that_goes_on_or_succeeded_has_no_failed_state(status):
    record = a_run(status=status)

    assert (record.failed_state, record.failure) == (None, None)


@pytest.mark.parametrize("status", ["TIMED_OUT", "ABORTED"])
def test_a_run_that_was_ended_from_outside_failed_where_it_was(status):
    record = a_run(status=status)
    del record.states[1:]

    assert (record.failed_state.name, record.failure) == ("ResolveRunDate", None)


def test_a_run_that_was_ended_before_its_first_state_has_none():
    assert a_run(status="ABORTED", states=[]).failed_state is None


def test_a_visit_takes_as_long_as_from_its_entry_to_its_exit():
    assert StateRecord("RunDQ", AT[2], AT[10]).seconds == 8.0
    assert StateRecord("RunDQ", AT[2]).seconds == 0.0


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (TransientError("busy.", next_step="Wait.", reason=Reason.COMMIT_CONFLICT), "transient"),
        (QualityError("3 of 40.", next_step="See INC-02."), "permanent"),
        (DataError("line 2."), "permanent"),
        (BusyError("took longer than 60 s.", reason=Reason.TIMEOUT), "transient"),
        (StepError("KeyError: 'visit'", reason=Reason.UNEXPECTED), "permanent"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_a_failure_is_kept_as_plain_values_and_told_as_the_error_that_it_was(error, error_class):
    answer = Answer(None, {"dq_check": {"rows": 40}}, Failure.of(error))

    again = Answer.of_json(json.loads(json.dumps(answer.to_json())))

    told = again.failure.error
    assert again == answer
    assert type(told) is type(error)
    assert (told.message, told.next_step, told.reason) == (error.message, error.next_step, error.reason)
    assert (again.failure.error_class, again.failure.is_transient) == (error_class, error_class == "transient")


def test_a_failure_of_a_kind_and_reason_that_only_another_release_knows_is_still_an_error():
    error = Failure("PowerError", "PowerCut", "the power went.", "Light a candle.").error

    assert (type(error), error.reason, error.exit_code) == (StepError, Reason.STEP_FAILED, ExitCode.STEP_FAILED)
    assert str(error) == "the power went. Next: Light a candle."


def test_an_answer_without_a_failure_has_its_result():
    answer = Answer({"Payload": {"run_date": "2026-03-01"}}, {"ingest_bronze": {"day": "2026-03-01"}})

    assert Answer.of_json(answer.to_json()) == answer


def test_the_log_of_a_run_lies_beside_its_record():
    assert log_key("daily-1") == "ops/logs/daily-1.jsonl"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"hello",
        b'{"run_id": "daily-1", "run_type": "daily", "run_date": "", "started_at": "yesterday"}',
        b'{"run_id": "daily-1", "run_type": "daily", "run_date": "", "started_at": 5}',
        b'{"run_id": "d", "run_type": "daily", "run_date": "", "started_at": "2026-03-01", "status": "FAILED"}',
        b'{"run_id": "d", "run_type": "daily", "run_date": "", "started_at": "2026-03-01", "states": [1]}',
    ],
)
def test_what_is_no_record_is_said_to_be_none(text):
    with pytest.raises(ConfigError, match="no record of a run"):
        RunRecord.of_json(text)
