from datetime import UTC, datetime

import pytest

from healthcare_ops.core.runs import Failure
from healthcare_ops.incidents.evidence import Evidence, FailedRun, Symptom
from healthcare_ops.incidents.triage import diagnose

_AT = datetime(2026, 3, 12, 8, 5, tzinfo=UTC)


def _failed(reason: str = "", message: str = "", **known) -> FailedRun:
    failure = Failure("OpsError", reason, message) if reason else None
    told = {
        "run_id": "daily-20260312T070000Z",
        "run_type": "daily",
        "run_date": "2026-03-11",
        "status": "FAILED",
        "trigger": "schedule",
        "state": "RunBronzeIngest",
        "job": "ingest_bronze",
        "attempts": 1,
        "error": "States.TaskFailed",
        "cause": "",
        "failure": failure,
        "started_at": _AT,
        "ended_at": _AT,
    }
    return FailedRun(**told | known)


def test_nothing_is_wrong_where_no_run_failed_and_no_alarm_rings():
    assert diagnose(Evidence(at=_AT)) == ()


@pytest.mark.parametrize(
    ("run", "fault"),
    [
        (_failed("Network"), "transient"),
        (_failed("Throttled"), "transient"),
        (_failed("Timeout"), "timeout"),
        (_failed(status="TIMED_OUT"), "timeout"),
        (_failed(error="States.Timeout"), "timeout"),
        (_failed(error="Glue.InternalServiceException"), "transient"),
        (_failed("WorkerDied"), "killed"),
        (_failed(status="ABORTED"), "stopped"),
        (_failed("AccessDenied"), "access_denied"),
        (_failed(cause="AccessDenied: the service refused"), "access_denied"),
        (_failed("DiskFull"), "configuration"),
        (_failed("Data"), "data"),
        (_failed("Unexpected"), "unknown"),
        (_failed("ReasonOfAnotherRelease"), "unknown"),
        (_failed(error="States.Runtime"), "unknown"),
    ],
)
def test_a_run_that_failed_is_classed_by_what_ended_it(run, fault):
    (found,) = diagnose(Evidence(at=_AT, failed_runs=(run,)))

    assert found.root.fault == fault
    assert found.root.section == "INC-01"


@pytest.mark.parametrize(
    ("message", "resource"),
    [
        (
            "the service refused: ClientError: An error occurred (AccessDenied) when calling the GetObject operation: "
            "User: arn:aws:iam::1:role/x is not authorized to perform: s3:GetObject on resource: "
            '"arn:aws:s3:::lake/raw/ed.csv" because no policy allows it.',
            "arn:aws:s3:::lake/raw/ed.csv",
        ),
        ("/srv/lake/raw: Permission denied.", "/srv/lake/raw"),
        ("the service refused: ClientError: AccessDenied.", "ingest_bronze"),
    ],
)
def test_what_access_was_refused_to_is_the_place_as_far_as_the_error_tells(message, resource):
    run = _failed("AccessDenied", message)

    (found,) = diagnose(Evidence(at=_AT, failed_runs=(run,)))

    assert found.root.place == resource


def test_ticks_that_fail_of_one_root_are_one_incident_with_their_alarm():
    runs = tuple(
        _failed("DiskFull", run_id=f"inference-{n}", run_type="inference", state="RunInferenceTick", job=job)
        for n, job in enumerate(["ingest_bronze", "batch_predict"])
    )
    alarms = tuple(
        Symptom("PipelineFailure", {"RunType": name}, _AT, "critical", "INC-01") for name in ("inference", "daily")
    )

    found, other = diagnose(Evidence(at=_AT, failed_runs=runs, symptoms=alarms))

    assert found.run_ids == ("inference-0", "inference-1")
    assert (other.root.fault, other.run_ids) == ("unknown", ())
    assert [one.of["RunType"] for one in found.symptoms] == ["inference"]


def test_two_roots_are_two_incidents_even_while_one_alarm_rings():
    runs = (_failed("Network"), _failed("AccessDenied", "/srv/lake: Permission denied.", run_id="daily-2"))

    found = diagnose(Evidence(at=_AT, failed_runs=runs))

    assert [one.root.fault for one in found] == ["access_denied", "transient"]
