"""What is done about incidents: by the platform itself within its policy, or by it after a person approved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from healthcare_ops.adapters.state_lock import NO_PATIENCE, Lock, Patience, lock_state
from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import ConfigError, LockedError, OpsError
from healthcare_ops.core.incident import PLATFORM, Incident
from healthcare_ops.core.runs import RunType
from healthcare_ops.incidents.diagnosis import Action, Diagnosis
from healthcare_ops.incidents.policy import Decision, Tried, decide
from healthcare_ops.operations import acceptance, models, quarantine
from healthcare_ops.operations.engine import Engine, type_of
from healthcare_ops.operations.incidents import PATIENCE_S, Incidents, Told
from healthcare_ops.operations.requests import Request, grant
from healthcare_ops.operations.schedules import Tally


class Remedies:
    """Takes the actions that the policy lets the platform take, of incidents that were found at the last look.

    Parameters
    ----------
    is_replay
        Whether the clock is not the present: runs then take its instant for the present.
    """

    def __init__(self, state: Path, incidents: Incidents, engine: Engine, *, is_replay: bool = False) -> None:
        self._state = state
        self._incidents = incidents
        self._engine = engine
        self._is_replay = is_replay

    def __call__(self, now: datetime, tallies: Mapping[str, Tally]) -> Iterable[Told]:
        """Look for incidents, act on those that may be acted on, and return the events of both."""
        told = list(self._incidents.look())
        for name, diagnosis in self._incidents.found.items():
            told += self._act(name, diagnosis)
        return told

    def _act(self, name: str, diagnosis: Diagnosis) -> list[Told]:
        """Take the first action of an incident that may be taken now: what it did shows before the next one."""
        incident = self._incidents.find(name)
        if incident.is_resolved or incident.mitigated_at:
            return []
        for action in diagnosis.actions:
            request = request_of(action, as_of=self._engine.now().isoformat() if self._is_replay else "")
            if request is None or self._engine.running(_type_of(request)):
                continue
            decision = decision_of(self._incidents, incident, diagnosis, action, self._engine.now())
            if decision.verdict == "act" and begin(self._state, self._incidents, incident, action, decision):
                return [self._taken(incident, action, partial(grant, self._engine, request))]
        return []

    def _taken(self, incident: Incident, action: Action, work: Callable[[], str]) -> Told:
        told: Told = {"event": "incident", "incident": incident.incident_id, "section": incident.section}
        try:
            run_id = work()
        except OpsError as error:
            end(self._state, self._incidents, incident, action, failure=error)
            return told | {"what": f"{action.name} failed ({error.message})"}
        end(self._state, self._incidents, incident, action, outcome="started", detail=run_id)
        return told | {"what": f"{action.name} begun ({run_id})"}


@dataclass(frozen=True)
class Given:
    """What a person adds to an action that cannot know it: a model's version, a delivery."""

    version: str = ""
    batch: str = ""


def request_of(action: Action, *, as_of: str = "") -> Request | None:
    """Return what is asked of the engine to take an action; None for one that is no run."""
    start = {"do": "start", "run_date": "", "as_of": as_of, "run_id": ""}
    match action.name:
        case "redrive":
            return {"do": "redrive", "run_id": action.parameters["run_id"]}
        case "tick":
            return start | {"type": "inference"}
        case "replay":
            parameters = action.parameters
            return start | {"type": parameters["run_type"], "run_date": parameters["run_date"]}
        case "run_missed":
            return start | {"type": action.parameters["run_type"]}
        case "retrain":
            return start | {"type": "weekly_train"}
        case _:
            return None


def decision_of(
    incidents: Incidents, incident: Incident, diagnosis: Diagnosis, action: Action, now: datetime
) -> Decision:
    """Return what the policy says of an action, by what was tried and approved of the incident."""
    tried = [Tried(one.action, one.parameters, one.at) for one in incident.taken if one.outcome == "begun"]
    return decide(diagnosis, action, now, tried=tried, approvals=incidents.approvals(incident, action))


def begin(
    state: Path,
    incidents: Incidents,
    incident: Incident,
    action: Action,
    decision: Decision,
    *,
    patience: Patience = NO_PATIENCE,
) -> bool:
    """Write down that an action is taken before it is: after a crash it counts as tried.

    False if somebody writes to the lake, and so to the audit log, just now.
    """
    approval = decision.approval
    reason = f"approved by {approval.by}: {approval.reason}" if approval else "the policy lets the platform do it"
    details = {
        "incident": incident.incident_id,
        "action": action.name,
        **action.parameters,
        "before": incident.state,
        "after": incident.state,
    }
    facts: dict[str, Any] = {"action": action.name, "parameters": action.parameters, "outcome": "begun"}
    try:
        with (
            lock_state(state, wait_s=patience.wait_s, tell=patience.tell),
            lock_state(state, Lock.INCIDENTS, wait_s=PATIENCE_S),
        ):
            incidents.write_audit("incidents.act", details, by=PLATFORM, reason=reason)
            incidents.note(incident, [incidents.event("action", **facts)])
    except LockedError:
        return False
    return True


def end(
    state: Path,
    incidents: Incidents,
    incident: Incident,
    action: Action,
    *,
    outcome: Literal["started", "done"] = "done",
    detail: str = "",
    failure: OpsError | None = None,
) -> None:
    """Write down what became of an action: the run that was started or is done, or why it failed."""
    facts: dict[str, Any] = {
        "action": action.name,
        "parameters": action.parameters,
        "outcome": "failed" if failure else outcome,
        "detail": str(failure.reason) if failure else detail,
    }
    with lock_state(state, Lock.INCIDENTS, wait_s=PATIENCE_S):
        incidents.note(incident, [incidents.event("action", **facts)])


def carry_out(platform: Platform, action: Action, given: Given, *, by: str, reason: str) -> str:
    """Take an approved action that is no run, as its command does; return what came of it, in a few words.

    Raises
    ------
    OpsError
        What the command would say against it.
    """
    match action.name:
        case "promote":
            return models.put_to_use(platform, given.version, by=by, reason=reason).version
        case "rollback":
            return models.roll_back(platform, by=by, reason=reason).version
        case "release":
            rule = action.parameters["rule_id"]
            done = quarantine.decide(platform, "release", rule=rule, batch_id=given.batch, by=by, reason=reason)
            return _or_failure(done.failure, f"{done.let_in} records")
        case "accept":
            finding, day = action.parameters["finding"], action.parameters["day"]
            found = acceptance.accept(platform, finding, [day], by=by, reason=reason)
            return _or_failure(found.failure, finding)
        case _:
            raise ConfigError(f"{action.name} is not carried out here.", next_step=f"Run `{action.command}`.")


def require_given(given: Given, action: Action) -> None:
    """Raise `ConfigError` if an action needs to know more than it does, or is not carried out by an approval."""
    match action.name:
        case "promote" if not given.version:
            raise ConfigError("it is not said which model is put to use.", next_step="Give --version.")
        case "release" if not given.batch:
            raise ConfigError("it is not said which delivery is released.", next_step="Give --batch.")
        case "change_rule":
            raise ConfigError("a rule is changed with a file of rules.", next_step=f"Run `{action.command}`.")


def _or_failure(failure: OpsError | None, done: str) -> str:
    if failure:
        raise failure
    return done


def _type_of(request: Request) -> RunType:
    return type_of(request["run_id"]) if request["do"] == "redrive" else cast("RunType", request["type"])
