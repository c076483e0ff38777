"""`hops incidents …`: what is wrong, why, what may be done about it, and who does it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from healthcare_ops.entrypoints.cli.incident_report import print_incident
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, By, Json, Lang, State, Why, instant, objects_of, where
from healthcare_ops.entrypoints.cli.output import console, emit_json, inert, steps, table
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from healthcare_ops.core.incident import Incident
    from healthcare_ops.incidents.diagnosis import Action
    from healthcare_ops.operations.incidents import Incidents
    from healthcare_ops.operations.remedies import Given

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
    print_incident(found, _zone(state), language, where(state))


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


@app.command("approve")
def approve(
    incident: Named,
    action: Annotated[str, typer.Argument(help="One of the actions that `hops incidents show` lists.")],
    by: By,
    reason: Why,
    of: Annotated[
        str, typer.Option("--of", metavar="VALUE", help="A run, a rule or a day, where several actions have that name.")
    ] = "",
    version: Annotated[str, typer.Option("--version", help="Of `promote`: the version to put to use.")] = "",
    batch: Annotated[str, typer.Option("--batch", help="Of `release`: the delivery.")] = "",
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Answer for one action of an incident, and have it carried out as its command would do it.

    It holds for this action alone, and for the evidence as it was shown: if that has changed, look at it again.

    Example: hops incidents approve last retrain --by Ana --reason demand-has-moved
    """
    from healthcare_ops.core.errors import ConfigError, OpsError
    from healthcare_ops.operations.remedies import Given, begin, decision_of, end, require_given

    incidents, patience, given = _incidents_of(state), patience_of(wait), Given(version, batch)
    check = partial(require_given, given)
    found, diagnosis, allowed = incidents.approve(
        incident, action, of, by=by, reason=reason, patience=patience, check=check
    )
    decision = decision_of(incidents, found, diagnosis, allowed, _now())
    if decision.verdict != "act" or not begin(state, incidents, found, allowed, decision, patience=patience):
        raise ConfigError(f"{action} of {found.incident_id} may not be carried out now.", next_step="Approve it again.")
    try:
        done = _carried_out(state, allowed, given, by=by, reason=reason, wait=wait)
    except OpsError as error:
        end(state, incidents, found, allowed, failure=error)
        raise
    end(state, incidents, found, allowed, detail=done)
    _tell(incidents.find(found.incident_id), f"{action} of {found.incident_id}: done ({done}).", as_json=as_json)


def _carried_out(state: Path, action: Action, given: Given, *, by: str, reason: str, wait: float) -> str:
    """Take an action that was approved, through what its command uses; return what came of it."""
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.entrypoints.cli.runs import carried_out
    from healthcare_ops.operations.remedies import carry_out, request_of
    from healthcare_ops.operations.runner import failure_of

    request = request_of(action)
    if request is None:
        with open_platform(state, patience=patience_of(wait)) as platform:
            return carry_out(platform, action, given, by=by, reason=reason)
    with steps(action.name) as progress:
        record, _ = carried_out(state, request, progress)
    if failure := failure_of(record):
        raise failure
    return record.run_id


@app.command("postmortem")
def draft_post_mortem(
    incident: Named, state: State = DEFAULT_STATE, language: Lang = "en", as_json: Json = False
) -> None:
    """Print a first draft of a post-mortem as Markdown: what is known stands in it, people complete it.

    Example: hops incidents postmortem last --lang pt-BR
    """
    from healthcare_ops.operations.post_mortem import post_mortem

    found = _incidents_of(state).find(incident)
    text = post_mortem(found, _zone(state), language)
    if as_json:
        emit_json({"incident": found.incident_id, "language": language, "markdown": text})
        return
    sys.stdout.write(inert(text, keep="\n"))


def complaint(
    sector: Annotated[str, typer.Option("--sector", help="Of which sector.", show_default=False)],
    at: Annotated[
        str,
        typer.Option(
            "--at", metavar="INSTANT", help="When the forecast was seen (ISO 8601 with offset).", show_default=False
        ),
    ],
    by: By,
    reason: Why,
    metric: Annotated[
        Literal["arrivals", "occupancy", "queue", "wait"] | None,
        typer.Option("--metric", help="Of what; default: all."),
    ] = None,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Say that forecasts are wrong: opens an incident (INC-03) with what was shown then, by which model, and what came.

    One that is open already is told of it, if its root explains the complaint.

    Example: hops complaint --sector ED --at 2026-03-12T08:00:00-03:00 --by Ana --reason too-low-all-morning
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.complaints import complaint_of

    moment = instant(at, "--at")
    if moment is None:
        raise typer.BadParameter("say when the forecast was seen.", param_hint="--at")
    incidents = _incidents_of(state)
    with open_platform(state, exclusive=False) as platform:
        complained = complaint_of(platform, sector, moment, metric=metric or "", by=by)
    found = incidents.complain(complained, by=by, reason=reason, patience=patience_of(wait))
    shown = len(complained.predictions) or "no"
    _tell(found, f"{found.incident_id} is {found.state}; {shown} forecasts were shown then.", as_json=as_json)


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
