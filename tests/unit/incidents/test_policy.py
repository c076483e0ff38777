"""The platform acts on what passes, and on nothing that a person must judge without that person's word."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import get_args

import pytest

from healthcare_ops.core.incident import Approval
from healthcare_ops.core.runs import Failure
from healthcare_ops.incidents.actions import action, action_rules
from healthcare_ops.incidents.diagnosis import Diagnosis, Fault, Phrase, Root
from healthcare_ops.incidents.evidence import Evidence, FailedRun
from healthcare_ops.incidents.policy import Tried, decide, is_valid
from healthcare_ops.incidents.triage import diagnose

AT = datetime(2026, 3, 12, 8, tzinfo=UTC)
MUCH_LATER = AT + timedelta(days=1)
MACHINE = json.loads(files("healthcare_ops.jobs").joinpath("orchestrator.asl.json").read_text(encoding="utf-8"))
STATES = [name for name, state in MACHINE["States"].items() if state["Type"] == "Task"]
# Of every class of fault a reason code, and whether the platform recovers by itself.
REASONS = {
    "transient": ("Network", True),
    "timeout": ("Timeout", True),
    "killed": ("WorkerDied", True),
    "stopped": ("", False),
    "access_denied": ("AccessDenied", False),
    "configuration": ("Config", False),
    "data": ("Data", False),
    "data_quality": ("DataQuality", False),
    "unknown": ("Unexpected", False),
}


def failed(state, fault):
    reason, _ = REASONS[fault]
    tick = state == "RunInferenceTick"
    run_type = "inference" if tick else "daily"
    return FailedRun(
        run_id=f"{run_type}-20260312T070000Z",
        run_type=run_type,
        run_date="2026-03-11",
        status="ABORTED" if fault == "stopped" else "FAILED",
        trigger="schedule",
        state=state,
        job="silver_to_gold" if tick else "",
        attempts=3,
        error="States.TaskFailed",
        cause="",
        failure=Failure("OpsError", reason, "it failed.") if reason else None,
        started_at=AT,
        ended_at=AT,
    )


def decisions(found, now, **given):
    return {one.name: decide(found, one, now, **given) for one in found.actions}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("fault", REASONS)
@pytest.mark.parametrize("attempt", range(5))
def test_what_passes_is_recovered_unattended_within_bounds_and_nothing_else_is_acted_on(state, fault, attempt):
    found = diagnose(Evidence(at=AT, failed_runs=(failed(state, fault),)))
    passes = REASONS[fault][1]

    for one in found:
        for name, decision in decisions(
            one, MUCH_LATER, tried=[Tried(a.name, a.parameters, AT) for a in one.actions] * attempt
        ).items():
            is_recovery = name in ("redrive", "tick")
            assert (decision.verdict == "act") == (is_recovery and passes and attempt < 3), (name, decision)
    if passes:
        assert any(one.name in ("redrive", "tick") for d in found for one in d.actions)


@pytest.mark.parametrize("fault", get_args(Fault))
@pytest.mark.parametrize("name", ["retrain", "promote", "rollback", "change_rule", "release", "accept"])
def test_what_a_person_must_judge_is_never_done_without_that_persons_word(name, fault):
    found = _about(fault)
    parameters = {"version": "v", "table": "t", "rule_id": "r", "finding": "f", "day": "d"}
    wanted = action(name, fault, AT, **parameters)

    decision = decide(found, wanted, MUCH_LATER)

    assert decision.verdict == "ask"
    assert not wanted.is_automatic


def _about(fault, **known):
    return Diagnosis(Root("INC-01", fault, "x", "y"), "critical", AT, Phrase("cause"), **known)


def approval(found, wanted, **different):
    given = Approval(wanted.name, wanted.parameters, found.evidence_hash, "Ana Souza", "seen in the chart", AT)
    return replace(given, **different)


RETRAIN = action("retrain", "drift", AT)


def test_an_approval_of_a_person_with_a_reason_lets_the_platform_act_once():
    found = _about("drift")
    given = approval(found, RETRAIN)

    assert decide(found, RETRAIN, MUCH_LATER, approvals=[given]).verdict == "act"
    done = Tried("retrain", {}, AT + timedelta(minutes=1))
    assert decide(found, RETRAIN, MUCH_LATER, approvals=[given], tried=[done]).verdict == "ask"


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"by": ""}, id="nobody"),
        pytest.param({"by": "hops"}, id="the platform itself"),
        pytest.param({"reason": "  "}, id="no reason"),
        pytest.param({"action": "rollback"}, id="another action"),
        pytest.param({"parameters": {"run_id": "x"}}, id="other parameters"),
        pytest.param({"evidence_hash": "0" * 64}, id="other evidence"),
        pytest.param({"at": MUCH_LATER + timedelta(days=1)}, id="of the future"),
    ],
)
def test_an_approval_that_is_not_of_this_action_on_this_evidence_by_a_person_allows_nothing(different):
    found = _about("drift")

    assert not is_valid(approval(found, RETRAIN, **different), found, RETRAIN, MUCH_LATER)


def test_an_approval_expires_when_the_evidence_changes():
    before = _about("drift", rests_on={"verdict": "real_change"})
    now = _about("drift", rests_on={"verdict": "data_fault"})

    decision = decide(now, RETRAIN, MUCH_LATER, approvals=[approval(before, RETRAIN)])

    assert decision.verdict == "ask"
    assert decision.why.code == "decided_expired"


def test_each_attempt_waits_twice_as_long_as_the_one_before():
    found = _about("transient")
    redrive = action("redrive", "transient", AT + timedelta(minutes=5), run_id="daily-1")
    once = [Tried("redrive", {"run_id": "daily-1"}, AT)]

    assert decide(found, redrive, AT).not_before == AT + timedelta(minutes=5)
    assert decide(found, redrive, AT + timedelta(minutes=5)).verdict == "act"
    assert decide(found, redrive, AT, tried=once).not_before == AT + timedelta(minutes=10)
    assert decide(found, redrive, AT, tried=once * 2).not_before == AT + timedelta(minutes=20)
    assert decide(found, redrive, MUCH_LATER, tried=once * 3).verdict == "ask"


def test_an_action_for_which_there_is_no_reason_yet_waits():
    replay = action("replay", "data_quality", run_type="daily", run_date="2026-03-11")

    assert decide(_about("data_quality"), replay, MUCH_LATER).verdict == "wait"


def test_what_people_do_the_platform_leaves_to_them_even_if_approved():
    found = _about("data_quality")
    notice = action("notify_supplier", "data_quality", AT, feed_id="visits")

    assert decide(found, notice, MUCH_LATER, approvals=[approval(found, notice)]).verdict == "leave"


def test_no_command_can_be_made_to_say_more_than_a_name():
    assert action("explain", "data_quality", finding="x; rm -rf /").command == "hops dq explain 'x; rm -rf /'"


def test_nothing_that_needs_an_approval_is_automatic_for_any_fault():
    for name in ("retrain", "promote", "rollback", "change_rule", "release", "accept"):
        assert action_rules()[name].automatic_for == ()
