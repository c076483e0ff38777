"""Incidents from when an alarm rings until they are settled: opened, told what belongs to them, mitigated, resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_incidents import INCIDENTS_FOLDER, LocalIncidents
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import Lock, Patience, lock_state
from healthcare_ops.core.clock import Clock, SystemClock
from healthcare_ops.core.emf import Dimensions
from healthcare_ops.core.errors import ConfigError, LockedError, NotFoundError
from healthcare_ops.core.incident import (
    PLATFORM,
    REOPENED_WITHIN,
    Approval,
    EventKind,
    Incident,
    IncidentEvent,
    new_incident_id,
)
from healthcare_ops.incidents.actions import chosen
from healthcare_ops.incidents.diagnosis import Action, Diagnosis
from healthcare_ops.incidents.evidence import Evidence, Symptom
from healthcare_ops.incidents.triage import diagnose
from healthcare_ops.jobs.audit_log import entries
from healthcare_ops.operations import audit
from healthcare_ops.operations.incident_bundle import (
    bundle,
    complained_of,
    complaint_facts,
    complaint_ids,
    is_shown,
    plain,
)
from healthcare_ops.operations.incident_evidence import Complained, Gatherer
from healthcare_ops.operations.incident_words import CURED, FOUND_AGAIN
from healthcare_ops.operations.schedules import Tally

# Looking takes a moment; whoever does it lets go soon.
PATIENCE_S = 10.0
# An incident that cured itself is settled once it stayed over for so long.
_RESOLVED_AFTER = timedelta(days=1)
Told = dict[str, Any]
Key = tuple[str, Dimensions]
_TOLD_KINDS = {"opened", "reopened", "mitigated", "resolved"}


class Incidents:
    """The incidents of a state directory."""

    def __init__(self, state: Path, clock: Clock | None = None) -> None:
        self._state = state
        self._clock = clock or SystemClock()
        self._store = LocalIncidents(state / INCIDENTS_FOLDER)
        self._gatherer = Gatherer(state, self._clock)
        # What was found at the last look of incidents that are not settled, by their ids.
        self.found: dict[str, Diagnosis] = {}

    def __call__(self, now: datetime, tallies: Mapping[str, Tally]) -> Iterable[Told]:
        """Look, and return an event for each incident that changed."""
        return self.look()

    def read(self) -> list[Incident]:
        """Return all, the one that was opened last first."""
        return self._store.read()

    def find(self, name: str) -> Incident:
        """Return the incident of that id, the one whose id ends or begins so, or the `last`; else `NotFoundError`."""
        incidents = self.read()
        if name == "last":
            found = incidents[:1]
        else:
            exact = [one for one in incidents if one.incident_id == name]
            found = exact or [one for one in incidents if one.incident_id.startswith(name)]
        if len(found) != 1:
            what = f"{len(found)} incidents begin with {name!r}" if found else f"there is no incident {name!r}"
            raise NotFoundError(f"{what}.", next_step="`hops incidents list` shows what there is.")
        return found[0]

    def look(self) -> list[Told]:
        """Open an incident for each root that made alarms ring, and tell each one what became of it.

        Nothing is gathered while nothing rings. Looked at again, by whomever and after whatever crash, nothing is
        opened or told twice.

        Raises
        ------
        ConfigError
            If something cannot be read without which nothing is known.
        LockedError
            If another process looks, and does not come to an end.
        """
        ringing, self.found = self._gatherer.ringing(), {}
        if not ringing and all(one.is_resolved for one in self.read()):
            return []
        with lock_state(self._state, Lock.INCIDENTS, wait_s=PATIENCE_S):
            told = self._diagnosed() if ringing else []
            return told + self._calmed(set(self._gatherer.ringing()))

    def diagnosis_of(self, incident: Incident) -> tuple[Diagnosis | None, Evidence]:
        """Return the diagnosis of now that is of the incident's root, and what it rests on."""
        evidence = self._gatherer.gather(complained_of(self.read()))
        found = (one for one in diagnose(evidence) if one.root.key == incident.root_key)
        return next(found, None), evidence

    def acknowledge(self, name: str, *, by: str, reason: str, patience: Patience) -> Incident:
        """Note that somebody looks after an incident; `ConfigError` if it is settled, or nobody or nothing is named."""
        incident = self.find(name)
        if incident.is_resolved:
            raise ConfigError(f"{incident.incident_id} is resolved.", next_step="`hops incidents list` has the others.")
        return self._decided(incident, "acknowledged", by=by, reason=reason, patience=patience)

    def resolve(self, name: str, *, by: str, reason: str, patience: Patience) -> Incident:
        """Settle an incident, also one whose alarms still ring; `ConfigError` if it is settled, or nobody is named."""
        incident = self.find(name)
        if incident.is_resolved:
            raise ConfigError(f"{incident.incident_id} is resolved.", next_step="`hops incidents list` has the others.")
        return self._decided(incident, "resolved", by=by, reason=reason, patience=patience)

    def reopen(self, name: str, *, by: str, reason: str, patience: Patience) -> Incident:
        """Take back that an incident was settled; `ConfigError` if it is not."""
        incident = self.find(name)
        if not incident.is_resolved:
            raise ConfigError(f"{incident.incident_id} is {incident.state}.", next_step="There is nothing to reopen.")
        return self._decided(incident, "reopened", by=by, reason=reason, patience=patience)

    def approve(
        self,
        name: str,
        wanted: str,
        of: str = "",
        *,
        by: str,
        reason: str,
        patience: Patience,
        check: Callable[[Action], None] = lambda action: None,
    ) -> tuple[Incident, Diagnosis, Action]:
        """Let a person answer for one action, as long as the evidence is as it was shown.

        `of` is a value of its parameters, where several actions have the name; `check` raises what speaks against it
        before anything is written. What is allowed is carried out by the caller.

        Raises
        ------
        ConfigError
            If the incident is settled, its root is found no more, or the evidence is another than was shown; if the
            action is none of it, or one that people do themselves; if nobody is named, or no reason.
        """
        incident = self.find(name)
        if incident.is_resolved:
            raise ConfigError(f"{incident.incident_id} is resolved.", next_step="`hops incidents list` has the others.")
        diagnosis, _ = self.diagnosis_of(incident)
        if diagnosis is None or not is_shown(diagnosis, incident):
            self.look()
            raise ConfigError(
                f"the evidence of {incident.incident_id} has changed since it was diagnosed.",
                next_step=f"Look at it again: `hops incidents show {incident.incident_id}`.",
            )
        action = chosen(diagnosis, wanted, of)
        check(action)
        facts = {
            "action": action.name,
            "parameters": action.parameters,
            "evidence_hash": diagnosis.evidence_hash,
        }
        incident = self._decided(incident, "approved", by=by, reason=reason, patience=patience, **facts)
        return incident, diagnosis, action

    def complain(self, complained: Complained, *, by: str, reason: str, patience: Patience) -> Incident:
        """Attach what somebody complains of to the incident that explains it, or open one; told again, nothing changes.

        `ConfigError` if nobody is named, or no reason.
        """
        audit.require_said("--by", by)
        audit.require_said("--reason", reason)
        told_id = complained.complaint.complaint_id
        with (
            lock_state(self._state, wait_s=patience.wait_s, tell=patience.tell),
            lock_state(self._state, Lock.INCIDENTS, wait_s=PATIENCE_S),
        ):
            incidents = self.read()
            known = [*complained_of(incidents)]
            if any(one.complaint.complaint_id == told_id for one in known):
                return next(one for one in incidents if told_id in complaint_ids(one))
            evidence = self._gatherer.gather([*known, complained])
            diagnosis = next(one for one in diagnose(evidence) if told_id in one.complaint_ids)
            name, events = self._matched(diagnosis, incidents, evidence)
            if all(one.event != "diagnosed" for one in events):  # what was shown then is news, whatever explains it
                events.append(self._diagnosed_as(diagnosis, evidence))
            before = next((one.state for one in incidents if one.incident_id == name), "")
            details = {"incident": name, "sector": complained.complaint.sector_id, "before": before, "after": "open"}
            self.write_audit("incidents.complain", details, by=by.strip(), reason=reason.strip())
            complaint = self.event("complaint", by=by.strip(), reason=reason.strip(), **complaint_facts(complained))
            opened = [one for one in events if one.event in ("opened", "reopened")]
            rest = [one for one in events if one not in opened]
            self._store.append(name, [*opened, complaint, *rest])
        return self.find(name)

    def _decided(
        self, incident: Incident, kind: EventKind, *, by: str, reason: str, patience: Patience, **facts: Any
    ) -> Incident:
        """Note what somebody decided, in the audit log first; return the incident as it is then."""
        audit.require_said("--by", by)
        audit.require_said("--reason", reason)
        name, by, reason = incident.incident_id, by.strip(), reason.strip()
        with (
            lock_state(self._state, wait_s=patience.wait_s, tell=patience.tell),
            lock_state(self._state, Lock.INCIDENTS, wait_s=PATIENCE_S),
        ):
            before = self.find(name).state
            event = self.event(kind, by=by, reason=reason, **facts)
            details = {"incident": name, **_flat(facts), "before": before, "after": _AFTER[kind](before)}
            self.write_audit(f"incidents.{_ACTIONS[kind]}", details, by=by, reason=reason)
            self._store.append(name, [event])
        return self.find(name)

    def approvals(self, incident: Incident, action: Action) -> list[Approval]:
        """Return what people allowed of an action, by the audit log: the incident's own file proves nothing."""
        if all(event.event != "approved" for event in incident.events):
            return []  # the log grows for years, and most incidents need no approval
        told = [one for one in entries(LocalObjects(self._state)) if one.action == f"incidents.{_ACTIONS['approved']}"]
        mine = [one for one in told if one.details.get("incident") == incident.incident_id]
        return [
            Approval(
                str(one.details.get("action", "")),
                {name: str(one.details.get(name, "")) for name in action.parameters},
                str(one.details.get("evidence_hash", "")),
                one.who,
                one.reason,
                datetime.fromisoformat(one.at),
            )
            for one in mine
        ]

    def write_audit(self, action: str, details: Mapping[str, Any], *, by: str, reason: str) -> None:
        """Add to the audit log; the caller holds the state's lock."""
        audit.record(
            LocalObjects(self._state), self._clock.now(), who=by, action=action, reason=reason, details=details
        )

    def note(self, incident: Incident, events: Sequence[IncidentEvent]) -> None:
        """Add events to an incident; the caller holds the lock of the incidents."""
        self._store.append(incident.incident_id, events)

    def event(self, kind: EventKind, *, by: str = PLATFORM, **facts: Any) -> IncidentEvent:
        """Return an event of now."""
        return IncidentEvent(self._clock.now().astimezone(UTC).isoformat(), kind, by, plain(facts))

    # What is found

    def _diagnosed(self) -> list[Told]:
        """Open incidents for the roots that are found, and attach what belongs to them."""
        incidents = self.read()
        evidence = self._gatherer.gather(complained_of(incidents))
        diagnoses = diagnose(evidence)
        told: list[Told] = []
        for diagnosis in diagnoses:
            name, events = self._matched(diagnosis, incidents, evidence)
            if events or any(one.incident_id == name and not one.is_resolved for one in incidents):
                self.found[name] = diagnosis
            if events:
                self._store.append(name, events)
                told += _told(name, events, diagnosis.root.section)
        self._end_what_others_explain(diagnoses)
        return told

    def _matched(
        self, diagnosis: Diagnosis, incidents: Sequence[Incident], evidence: Evidence
    ) -> tuple[str, list[IncidentEvent]]:
        """Return the incident of a root, and what happens to it now; nothing if it is known or settled as it is."""
        root = diagnosis.root
        mine = [one for one in incidents if one.root_key == root.key]
        if standing := next((one for one in mine if not one.is_resolved), None):
            return standing.incident_id, self._additions(standing, diagnosis, evidence)
        settled = mine[0] if mine else None
        # There is none until an alarm rings or somebody complains; one that is settled rests until there is news.
        if not _is_news(diagnosis, settled) if settled else not (diagnosis.symptoms or diagnosis.complaint_ids):
            return "", []
        others = {one.incident_id for one in incidents if one.root_key != root.key}
        name = new_incident_id(root.section, root.key, diagnosis.began_at, others)
        again = settled if settled and self._is_recent(settled) else None
        again = again or next((one for one in mine if one.incident_id == name), None)
        if again:
            reopened = self.event("reopened", reason=FOUND_AGAIN)
            return again.incident_id, [reopened, *self._additions(again, diagnosis, evidence)]
        opened = self.event("opened", section=root.section, root_key=root.key, root=root, began_at=diagnosis.began_at)
        return name, [opened, *self._additions(None, diagnosis, evidence)]

    def _is_recent(self, incident: Incident) -> bool:
        return incident.resolved_at is not None and self._clock.now() - incident.resolved_at <= REOPENED_WITHIN

    def _additions(self, known: Incident | None, diagnosis: Diagnosis, evidence: Evidence) -> list[IncidentEvent]:
        """Return what the incident is yet to be told: symptoms, the diagnosis, runs that failed since."""
        standing = {key: one for key, one in known.symptoms.items() if one.over_at is None} if known else {}
        fresh = [one for one in diagnosis.symptoms if _key(one) not in standing]
        events = [
            self.event("symptom", alarm=one.alarm, of=one.of, since=one.since, severity=one.severity) for one in fresh
        ]
        if known is None or not is_shown(diagnosis, known):
            return [*events, self._diagnosed_as(diagnosis, evidence)]
        if more := [one for one in diagnosis.run_ids if one not in known.run_ids]:
            events.append(self.event("failed_again", run_ids=more))
        return events

    def _diagnosed_as(self, diagnosis: Diagnosis, evidence: Evidence) -> IncidentEvent:
        found = bundle(evidence, diagnosis)
        return self.event("diagnosed", evidence_hash=diagnosis.evidence_hash, diagnosis=diagnosis, evidence=found)

    def _end_what_others_explain(self, diagnoses: Sequence[Diagnosis]) -> None:
        """End symptoms of incidents whose root is found no more where another root explains them by now."""
        roots = {one.root.key for one in diagnoses}
        explained = {_key(symptom): one.root.key for one in diagnoses for symptom in one.symptoms}
        for incident in self.read():
            if incident.is_resolved or incident.root_key in roots:
                continue
            over = [one for one in incident.ringing if one.key in explained]
            events = [self.event("over", alarm=one.alarm, of=one.of, explained_by=explained[one.key]) for one in over]
            if events:
                self._store.append(incident.incident_id, events)

    # What is over

    def _calmed(self, ringing: set[Key]) -> list[Told]:
        """Tell incidents which symptoms are over; mitigate those without any, and settle what cured itself."""
        told: list[Told] = []
        for incident in self.read():
            events = [] if incident.is_resolved else list(self._ending(incident, ringing))
            if events:
                self._store.append(incident.incident_id, events)
                told += _told(incident.incident_id, events, incident.section)
        return told

    def _ending(self, incident: Incident, ringing: set[Key]) -> Iterator[IncidentEvent]:
        over = [one for one in incident.ringing if one.key not in ringing]
        yield from (self.event("over", alarm=one.alarm, of=one.of) for one in over)
        if incident.symptoms and incident.mitigated_at is None and len(over) == len(incident.ringing):
            yield self.event("mitigated")
        elif incident.mitigated_at and self._is_cured(incident) and self._was_audited(incident, CURED):
            yield self.event("resolved", reason=CURED)

    def _is_cured(self, incident: Incident) -> bool:
        mitigated_at = incident.mitigated_at
        is_over = mitigated_at is not None and self._clock.now() - mitigated_at >= _RESOLVED_AFTER
        return is_over and any(one["is_automatic"] for one in incident.diagnosis.get("actions", ()))

    def _was_audited(self, incident: Incident, reason: str) -> bool:
        """Write into the audit log that the platform settles an incident; False if somebody writes to the lake now."""
        details = {"incident": incident.incident_id, "before": incident.state, "after": "resolved"}
        try:
            with lock_state(self._state):
                self.write_audit("incidents.resolve", details, by=PLATFORM, reason=reason)
        except LockedError:
            return False
        return True


_ACTIONS: Mapping[str, str] = {
    "acknowledged": "acknowledge",
    "approved": "approve",
    "resolved": "resolve",
    "reopened": "reopen",
}
_AFTER: Mapping[str, Any] = {
    "acknowledged": lambda before: before if before == "mitigated" else "acknowledged",
    "approved": lambda before: before,
    "resolved": lambda before: "resolved",
    "reopened": lambda before: "reopened",
}


def _flat(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return facts as the audit log has them: one value a name."""
    told = {**facts, **facts.get("parameters", {})}
    return {name: str(value) for name, value in told.items() if name != "parameters"}


def _is_news(diagnosis: Diagnosis, settled: Incident) -> bool:
    """Tell whether a root shows itself anew after its incident was settled: a symptom began, or another run failed."""
    resolved_at = settled.resolved_at
    began = resolved_at is None or any(one.since > resolved_at for one in diagnosis.symptoms)
    fresh = set(diagnosis.run_ids) - set(settled.run_ids) | set(diagnosis.complaint_ids) - complaint_ids(settled)
    return began or bool(fresh)


def _key(symptom: Symptom) -> Key:
    return symptom.alarm, tuple(sorted(symptom.of.items()))


def _told(name: str, events: Iterable[IncidentEvent], section: str) -> list[Told]:
    """Return what `hops up` tells of an incident."""
    told = [event for event in events if event.event in _TOLD_KINDS]
    return [{"event": "incident", "incident": name, "what": one.event, "section": section} for one in told]
