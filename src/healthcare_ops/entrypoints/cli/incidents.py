"""`hops incidents …`: what is wrong, why, what may be done about it, and who does it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from healthcare_ops.entrypoints.cli.incident_report import print_incident
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, By, Json, Lang, State, Why, objects_of
from healthcare_ops.entrypoints.cli.output import console, emit_json, table
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from healthcare_ops.core.incident import Incident
    from healthcare_ops.operations.incidents import Incidents

Named = Annotated[
    str,
    typer.Argument(
        metavar="INCIDENT", help="Id of an incident, as much of it as no other has, or `last`.", show_default=False
    ),
]
app = typer.Typer(help="What is wrong, why, and what is done about it.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_incidents(
    every: Annotated[bool, typer.Option("--all", help="Those that are resolved, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest first.")] = 20,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Judge the alarms now, open what incidents they make, and list those that are not resolved, the newest first.

    `hops up` does the same every minute and after every run. An incident is no failure of this command: it ends with 0.

    Example: hops incidents list
    """
    from healthcare_ops.operations.alarms import Alarms

    incidents = _incidents_of(state)
    Alarms(state).judge(_now())
    incidents.look()
    found = [one for one in incidents.read() if every or not one.is_resolved]
    shown = found[:limit]
    if as_json:
        emit_json({"incidents": [summary_of(one) for one in shown], "found": len(found)})
        return
    if not found:
        console().print("no incidents" if every else "no open incidents")
        return
    zone = _zone(state)
    rows = [
        [
            one.incident_id,
            one.state,
            one.severity,
            local(one.began_at, zone),
            one.diagnosis.get("root", {}).get("fault", ""),
            one.diagnosis.get("root", {}).get("place", ""),
            ", ".join(dict.fromkeys(symptom.alarm for symptom in one.symptoms.values())),
        ]
        for one in shown
    ]
    columns = ["incident", "state", "severity", f"began ({zone.key})", "fault", "where", "alarms"]
    console().print(table(f"Incidents: {len(shown)} of {len(found)}", columns, rows))


@app.command("show")
def show(incident: Named, state: State = DEFAULT_STATE, language: Lang = "en", as_json: Json = False) -> None:
    """Show an incident: evidence, what may explain it, what could not be checked, what may be done, and its timeline.

    Example: hops incidents show last
    """
    found = _incidents_of(state).find(incident)
    if as_json:
        emit_json(document_of(found))
        return
    print_incident(found, _zone(state), language)


@app.command("ack")
def acknowledge(
    incident: Named,
    by: By,
    reason: Why,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Say who looks after an incident.

    Example: hops incidents ack last --by Ana --reason on-call
    """
    found = _incidents_of(state).acknowledge(incident, by=by, reason=reason, patience=patience_of(wait))
    _tell(found, f"{found.incident_id} is {found.state}: {found.acknowledged_by} looks after it.", as_json=as_json)


@app.command("resolve")
def resolve(
    incident: Named,
    by: By,
    reason: Why,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Settle an incident. One whose alarms still ring stays settled until one of them rings anew, or another run fails.

    Example: hops incidents resolve last --by Ana --reason disk-replaced
    """
    found = _incidents_of(state).resolve(incident, by=by, reason=reason, patience=patience_of(wait))
    _tell(found, f"{found.incident_id} is {found.state}.", as_json=as_json)


@app.command("reopen")
def reopen(
    incident: Named,
    by: By,
    reason: Why,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Take back that an incident was settled.

    Example: hops incidents reopen last --by Ana --reason it-fails-again
    """
    found = _incidents_of(state).reopen(incident, by=by, reason=reason, patience=patience_of(wait))
    _tell(found, f"{found.incident_id} is {found.state}.", as_json=as_json)


def summary_of(incident: Incident) -> dict[str, Any]:
    """Return what a list tells of an incident, instants in UTC."""
    return {
        "incident": incident.incident_id,
        "state": incident.state,
        "severity": incident.severity,
        "runbook": incident.section,
        "root": incident.diagnosis.get("root", {}),
        "began_at": incident.began_at.isoformat(),
        "opened_at": incident.opened_at.isoformat(),
        "mitigated_at": incident.mitigated_at.isoformat() if incident.mitigated_at else None,
        "resolved_at": incident.resolved_at.isoformat() if incident.resolved_at else None,
        "acknowledged_by": incident.acknowledged_by,
        "symptoms": [
            {
                "alarm": one.alarm,
                "of": dict(one.of),
                "since": one.since.isoformat(),
                "over_at": one.over_at.isoformat() if one.over_at else None,
            }
            for one in incident.symptoms.values()
        ],
        "run_ids": incident.run_ids,
    }


def document_of(incident: Incident) -> dict[str, Any]:
    """Return all that is known of an incident, with every event of it."""
    return {
        **summary_of(incident),
        "evidence_hash": incident.evidence_hash,
        "diagnosis": incident.diagnosis,
        "evidence": incident.evidence,
        "timeline": [
            {"at": one.at, "event": one.event, "by": one.by, "facts": _brief(one.facts)} for one in incident.events
        ],
    }


def _brief(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's facts without the bundles of evidence, of which the newest stands by itself."""
    return {name: value for name, value in facts.items() if name not in ("evidence", "diagnosis")}


def local(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant in a site's time, as tables have it."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _tell(incident: Incident, sentence: str, *, as_json: bool) -> None:
    if as_json:
        emit_json(summary_of(incident))
        return
    console().print(sentence, markup=False, soft_wrap=True)


def _incidents_of(state: Path) -> Incidents:
    from healthcare_ops.operations.incidents import Incidents

    objects_of(state)
    return Incidents(state)


def _zone(state: Path) -> ZoneInfo:
    from healthcare_ops.core.config import SITE_FILE
    from healthcare_ops.core.site import Site
    from healthcare_ops.core.validated import read_toml

    return read_toml(state / SITE_FILE, Site).tz


def _now() -> datetime:
    from healthcare_ops.core.clock import SystemClock

    return SystemClock().now()
