"""A run failed: where, of what class of fault, what speaks for which cause, and what is done."""

import json
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files

import pytest

from healthcare_ops.core.errors import Reason
from healthcare_ops.core.language import LANGUAGES
from healthcare_ops.incidents.evidence import Ages, Change, Evidence, GoodRun, LogLine, Unchecked
from healthcare_ops.incidents.playbooks.failures import understand
from healthcare_ops.incidents.policy import decide
from healthcare_ops.incidents.triage import diagnose
from healthcare_ops.incidents.wording.say import say, say_hypothesis, say_unchecked
from unit.incidents.known import AT, GOOD, LATER, failed, failed_tick, rings

MACHINE = json.loads(files("healthcare_ops.jobs").joinpath("orchestrator.asl.json").read_text(encoding="utf-8"))
STATES = [name for name, state in MACHINE["States"].items() if state["Type"] == "Task"]
REASONS = (
    "Network",
    "Timeout",
    "WorkerDied",
    "AccessDenied",
    "Config",
    "DiskFull",
    "OutOfMemory",
    "Data",
    "Unexpected",
    "",
)


def test_nothing_is_wrong_where_no_run_failed_and_no_alarm_rings():
    assert diagnose(Evidence(at=AT)) == ()


@pytest.mark.parametrize(
    ("run", "fault"),
    [
        (failed("Network"), "transient"),
        (failed("Throttled"), "transient"),
        (failed("Timeout"), "timeout"),
        (failed(status="TIMED_OUT"), "timeout"),
        (failed(error="States.Timeout"), "timeout"),
        (failed(error="Glue.InternalServiceException"), "transient"),
        (failed("WorkerDied"), "killed"),
        (failed(status="ABORTED"), "stopped"),
        (failed("AccessDenied"), "access_denied"),
        (failed(cause="AccessDenied: the service refused"), "access_denied"),
        (failed("DiskFull"), "configuration"),
        (failed("Data"), "data"),
        (failed("Unexpected"), "unknown"),
        (failed("ReasonOfAnotherRelease"), "unknown"),
        (failed(error="States.Runtime"), "unknown"),
    ],
)
def test_a_run_that_failed_is_classed_by_what_ended_it(run, fault):
    (found,) = diagnose(Evidence(at=AT, failed_runs=(run,)))

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
        (
            "/srv/lake/silver/stays/data/920731d6/dt=2026-03-01/data_0.parquet: Permission denied.",
            "/srv/lake/silver/stays/data",
        ),
        ("the service refused: ClientError: AccessDenied.", "ingest_bronze"),
    ],
)
def test_what_access_was_refused_to_is_the_place_as_far_as_the_error_tells(message, resource):
    run = failed("AccessDenied", message)

    (found,) = diagnose(Evidence(at=AT, failed_runs=(run,)))

    assert found.root.place == resource


def test_ticks_that_fail_of_one_root_are_one_incident_with_their_alarm():
    runs = tuple(
        failed_tick("DiskFull", run_id=f"inference-{n}", job=job)
        for n, job in enumerate(["ingest_bronze", "batch_predict"])
    )
    alarms = tuple(rings("PipelineFailure", {"RunType": name}) for name in ("inference", "daily"))

    found, other = diagnose(Evidence(at=AT, failed_runs=runs, symptoms=alarms))

    assert found.run_ids == ("inference-0", "inference-1")
    assert (other.root.fault, other.run_ids) == ("unknown", ())
    assert [one.of["RunType"] for one in found.symptoms] == ["inference"]


def test_two_roots_are_two_incidents_even_while_one_alarm_rings():
    runs = (failed("Network"), failed("AccessDenied", "/srv/lake: Permission denied.", run_id="daily-2"))

    found = diagnose(Evidence(at=AT, failed_runs=runs))

    assert [one.root.fault for one in found] == ["access_denied", "transient"]


def checks(found):
    return {one.says.code: one.check for one in found.hypotheses}


def action(found, name):
    return next(one for one in found.actions if one.name == name)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_and_class_has_a_cause_facts_hypotheses_advice_and_commands_in_words(state, reason, language):
    log = LogLine("ops/logs/daily-20260312T070000Z.jsonl", 7, "it failed", "lake.py:88")
    run = failed(reason, state=state, job="", log=log, reasons=(reason or "States.TaskFailed",))
    changed = (Change(AT, "settings", "settings.toml", "Ana", "2", "3"),)

    (found,) = diagnose(Evidence(at=LATER, failed_runs=(run,), last_good=GOOD, changed=changed))

    told = [say(one, language) for one in (found.cause, *found.facts, *found.advice)]
    told += [say_hypothesis(one, language) for one in found.hypotheses]
    assert any(state in one for one in told)
    assert any("lake.py:88" in one for one in told)
    assert not [one for one in told if "{" in one or one.startswith(("cause_", "fact_", "advice_", "hyp_"))]
    assert found.hypotheses
    assert {"hops redrive daily-20260312T070000Z", "hops run --type daily --date 2026-03-11"} & {
        one.command for one in found.actions
    }


def test_access_denied_is_told_with_action_and_resource():
    message = (
        "the service refused: ClientError: An error occurred (AccessDenied) when calling the PutObject operation: "
        "User is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::lake/gold because of a policy."
    )

    (found,) = diagnose(Evidence(at=LATER, failed_runs=(failed("AccessDenied", message),)))

    assert say(found.cause) == ("ingest_bronze was refused access to arn:aws:s3:::lake/gold (action: s3:PutObject).")
    assert decide(found, action(found, "redrive"), LATER + timedelta(days=1)).verdict == "ask"


@pytest.mark.parametrize(
    "message", ["/srv/lake/raw: Permission denied.", "dq_check: /srv/my lake: Read-only file system."]
)
def test_a_path_that_is_refused_is_named(message):
    (found,) = diagnose(Evidence(at=LATER, failed_runs=(failed("AccessDenied", message),)))

    assert found.root.place in ("/srv/lake/raw", "/srv/my lake")


def test_what_could_not_be_checked_is_said_with_why():
    lacks = (Unchecked("changes", "unreadable", "ops/audit"),)
    run = failed("AccessDenied", "/srv/lake: Permission denied.")

    (found,) = diagnose(Evidence(at=LATER, failed_runs=(run,), unchecked=lacks))

    assert checks(found)["hyp_changed_access"] == "unchecked"
    assert say_unchecked(found.unchecked[0]) == "what was changed ops/audit: it cannot be read"


def test_a_hypothesis_that_evidence_speaks_for_comes_first_and_one_that_it_speaks_against_last():
    run = failed("AccessDenied", "/srv/lake: Permission denied.")
    ages = Ages(secrets_days={"lake-key": 120.0})

    (found,) = diagnose(Evidence(at=LATER, failed_runs=(run,), last_good=GOOD, ages=ages))

    order = [one.check for one in found.hypotheses]
    assert found.hypotheses[0].says.code == "hyp_secret_expired"
    assert order == sorted(order, key=("supported", "unchecked", "refuted").index)
    assert checks(found)["hyp_never_allowed"] == "refuted"


def test_a_redrive_waits_a_while_unless_something_else_has_worked_since():
    alone = Evidence(at=LATER, failed_runs=(failed("Network"),))
    worked = replace(alone, last_good={"inference": GoodRun("inference-9", AT + timedelta(minutes=1))})

    verdicts = []
    for evidence in (alone, worked):
        (found,) = diagnose(evidence)
        verdicts.append(decide(found, action(found, "redrive"), AT + timedelta(minutes=2)).verdict)

    assert verdicts == ["wait", "act"]
    assert checks(found)["hyp_service_down"] == "refuted"


def test_a_tick_is_not_redriven_for_it_would_forecast_from_then():
    (found,) = diagnose(Evidence(at=LATER, failed_runs=(failed_tick("Network"),)))

    assert [one.name for one in found.actions] == ["tick", "see_log"]


def test_a_run_that_is_too_old_to_be_redriven_is_run_again():
    evidence = Evidence(at=AT + timedelta(days=15), failed_runs=(failed("Network"),))

    (found,) = diagnose(evidence)

    assert "redrive" not in {one.name for one in found.actions}
    assert action(found, "replay").command == "hops run --type daily --date 2026-03-11"


def test_each_day_that_failed_of_one_root_is_redriven():
    runs = tuple(failed("Config", run_id=f"daily-{n}") for n in (1, 2))

    (found,) = diagnose(Evidence(at=LATER, failed_runs=runs))

    assert [one.parameters for one in found.actions if one.name == "redrive"] == [
        {"run_id": "daily-1"},
        {"run_id": "daily-2"},
    ]


def test_the_evidence_hash_is_the_same_while_only_time_goes_by_and_more_runs_fail_of_the_same_root():
    one = Evidence(at=AT, failed_runs=(failed("Config"),))
    more = Evidence(at=LATER, failed_runs=(failed("Config"), failed("Config", run_id="daily-2")))
    other = replace(one, changed=(Change(AT, "settings", "settings.toml"),))

    hashes = [diagnose(evidence)[0].evidence_hash for evidence in (one, more, other)]

    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_every_reason_code_has_a_class_but_those_that_say_nothing():
    unknown = {reason for reason in Reason if understand(failed(reason, "it failed.")).fault == "unknown"}

    assert unknown == {Reason.STEP_FAILED, Reason.UNEXPECTED}


RETRIED = sorted(
    {name for state in MACHINE["States"].values() for one in state.get("Retry", ()) for name in one["ErrorEquals"]}
)


@pytest.mark.parametrize("error", RETRIED)
def test_what_the_machine_itself_retries_passes(error):
    assert understand(failed(error=error)).fault in ("transient", "timeout")
