"""An incident: what its events come to, in the order in which they happened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self, get_args

from healthcare_ops.core.alarm_file import Runbook, Severity
from healthcare_ops.core.emf import Dimensions

IncidentState = Literal["open", "acknowledged", "mitigated", "resolved", "reopened"]
EventKind = Literal[
    "opened",
    "symptom",
    "over",
    "diagnosed",
    "failed_again",
    "complaint",
    "acknowledged",
    "approved",
    "action",
    "mitigated",
    "resolved",
    "reopened",
]
# Who acts where nobody does.
PLATFORM = "hops"
# The same root within so long is the same incident again.
REOPENED_WITHIN = timedelta(days=7)
_SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True)
class IncidentEvent:
    """Something that happened to an incident: `at` is ISO text in UTC, `by` a person's name or `hops`.

    `facts` are plain values; none is of a patient, none a secret.
    """

    at: str
    event: EventKind
    by: str = PLATFORM
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_line(cls, line: str) -> Self:
        """Return the event that a line of JSON tells of; `ValueError` or `TypeError` if it tells of none."""
        found = cls(**json.loads(line))
        if found.event not in get_args(EventKind) or datetime.fromisoformat(found.at).tzinfo is None:
            raise ValueError(f"{found.event!r} at {found.at!r}")
        return found

    @property
    def line(self) -> str:
        """Return the event as a line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)

    @property
    def instant(self) -> datetime:
        """Return when it happened."""
        return datetime.fromisoformat(self.at)


@dataclass
class Suffered:
    """An alarm that the incident explains: since when it rings, and since when it is over."""

    alarm: str
    of: Mapping[str, str]
    since: datetime
    severity: Severity
    over_at: datetime | None = None

    @property
    def key(self) -> tuple[str, Dimensions]:
        """Return the alarm, with the value of each dimension."""
        return self.alarm, tuple(sorted(self.of.items()))


@dataclass(frozen=True)
class Approval:
    """A person allows one action with its parameters, once, as long as the evidence is that of `evidence_hash`."""

    action: str
    parameters: Mapping[str, str]
    evidence_hash: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Taken:
    """An action that was taken: `by` is `hops` if nobody approved.

    `outcome` is `begun`, then `started` with the run that was started, `done`, or `failed` with why.
    """

    at: datetime
    by: str
    action: str
    parameters: Mapping[str, str]
    outcome: str
    detail: str = ""


@dataclass
class Incident:
    """One root cause, from when it was found until somebody, or time, settled it.

    Attributes
    ----------
    root_key
        The name of the root, the same whenever and by whomever it is found.
    diagnosis, evidence
        The newest, as plain values; `evidence_hash` is what an approval depends on.
    """

    incident_id: str
    section: Runbook
    root_key: str
    began_at: datetime
    opened_at: datetime
    state: IncidentState = "open"
    symptoms: dict[tuple[str, Dimensions], Suffered] = field(default_factory=dict)
    run_ids: list[str] = field(default_factory=list)
    complaints: list[Mapping[str, Any]] = field(default_factory=list)
    diagnosis: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    evidence_hash: str = ""
    taken: list[Taken] = field(default_factory=list)
    acknowledged_by: str = ""
    mitigated_at: datetime | None = None
    resolved_at: datetime | None = None
    events: list[IncidentEvent] = field(default_factory=list)

    @property
    def is_resolved(self) -> bool:
        """Tell whether it is settled."""
        return self.state == "resolved"

    @property
    def severity(self) -> Severity:
        """Return the graver one of its diagnosis and its symptoms."""
        found: list[Severity] = [one.severity for one in self.symptoms.values()]
        told: Severity = self.diagnosis.get("severity", "warning")
        return min([*found, told], key=_SEVERITIES.index)

    @property
    def ringing(self) -> list[Suffered]:
        """Return the symptoms that are not over."""
        return [one for one in self.symptoms.values() if one.over_at is None]

    def take(self, event: IncidentEvent) -> None:
        """Take one more event in."""
        self.events.append(event)
        _FOLDS.get(event.event, _nothing)(self, event)


def incident_of(incident_id: str, events: Iterable[IncidentEvent]) -> Incident:
    """Return what the events come to; `ValueError` if the first one does not open an incident."""
    first, *rest = events
    if first.event != "opened":
        raise ValueError(f"{incident_id} begins with {first.event!r}")
    facts = first.facts
    began_at = datetime.fromisoformat(facts["began_at"])
    incident = Incident(incident_id, facts["section"], facts["root_key"], began_at, first.instant, events=[first])
    for event in rest:
        incident.take(event)
    return incident


def new_incident_id(section: str, root_key: str, began_at: datetime, taken: Container[str] = ()) -> str:
    """Return the id that an incident of a root which began then always has: `INC-02-20260312-4f1c`.

    `taken` are the ids of other roots: one that would have the same id gets a longer one.
    """
    began_utc = began_at.astimezone(UTC)
    digest = hashlib.sha256(f"{root_key} {began_utc.isoformat()}".encode()).hexdigest()
    ids = (f"{section}-{began_utc:%Y%m%d}-{digest[:length]}" for length in range(4, len(digest) + 1))
    return next(one for one in ids if one not in taken)


def _opened_again(incident: Incident, event: IncidentEvent) -> None:
    incident.state = "reopened"
    incident.acknowledged_by, incident.mitigated_at, incident.resolved_at = "", None, None


def _symptom(incident: Incident, event: IncidentEvent) -> None:
    facts = event.facts
    since = datetime.fromisoformat(facts["since"])
    found = Suffered(facts["alarm"], facts["of"], since, facts["severity"])
    incident.symptoms[found.key] = found
    if incident.state == "mitigated":
        incident.state = "acknowledged" if incident.acknowledged_by else "open"
        incident.mitigated_at = None


def _over(incident: Incident, event: IncidentEvent) -> None:
    key = event.facts["alarm"], tuple(sorted(event.facts["of"].items()))
    if key in incident.symptoms:
        incident.symptoms[key].over_at = event.instant


def _diagnosed(incident: Incident, event: IncidentEvent) -> None:
    facts = event.facts
    incident.diagnosis, incident.evidence = facts["diagnosis"], facts["evidence"]
    incident.evidence_hash = facts["evidence_hash"]
    _add_runs(incident, facts["diagnosis"].get("run_ids", ()))


def _failed_again(incident: Incident, event: IncidentEvent) -> None:
    _add_runs(incident, event.facts["run_ids"])


def _add_runs(incident: Incident, run_ids: Iterable[str]) -> None:
    incident.run_ids += [one for one in run_ids if one not in incident.run_ids]


def _complaint(incident: Incident, event: IncidentEvent) -> None:
    incident.complaints.append(event.facts)


def _acknowledged(incident: Incident, event: IncidentEvent) -> None:
    incident.acknowledged_by = event.by
    if incident.state in ("open", "reopened"):
        incident.state = "acknowledged"


def _taken(incident: Incident, event: IncidentEvent) -> None:
    facts = event.facts
    detail = facts.get("detail", "")
    incident.taken.append(
        Taken(event.instant, event.by, facts["action"], facts["parameters"], facts["outcome"], detail)
    )


def _mitigated(incident: Incident, event: IncidentEvent) -> None:
    incident.state, incident.mitigated_at = "mitigated", event.instant


def _resolved(incident: Incident, event: IncidentEvent) -> None:
    incident.state, incident.resolved_at = "resolved", event.instant


def _nothing(incident: Incident, event: IncidentEvent) -> None:
    """Change nothing: the event stands in the timeline."""


_FOLDS: Mapping[str, Callable[[Incident, IncidentEvent], None]] = {
    "symptom": _symptom,
    "over": _over,
    "diagnosed": _diagnosed,
    "failed_again": _failed_again,
    "complaint": _complaint,
    "acknowledged": _acknowledged,
    "action": _taken,
    "mitigated": _mitigated,
    "resolved": _resolved,
    "reopened": _opened_again,
}
