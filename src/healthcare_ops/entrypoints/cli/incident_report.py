"""An incident as people read it on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from healthcare_ops.core.language import Language, Text, as_written, day_in, text_in
from healthcare_ops.entrypoints.cli.output import console, print_hanging, table

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from healthcare_ops.core.incident import Incident

_HEADINGS: Mapping[str, Text] = {
    "cause": ("What is wrong", "O que está errado"),
    "symptoms": ("Alarms", "Alarmes"),
    "facts": ("What was seen", "O que se viu"),
    "runs": ("Runs that failed", "Execuções que falharam"),
    "hypotheses": ("What may explain it, the likeliest first", "O que pode explicá-lo, o mais provável primeiro"),
    "unchecked": ("What could not be looked at", "O que não pôde ser verificado"),
    "changed": ("What changed since the last good run", "O que mudou desde a última execução boa"),
    "actions": ("What may be done", "O que pode ser feito"),
    "advice": ("Advice", "Orientação"),
    "timeline": ("Timeline", "Linha do tempo"),
}
_COLUMNS: Mapping[str, tuple[Text, ...]] = {
    "symptoms": (("alarm", "alarme"), ("of", "de"), ("since", "desde"), ("over", "terminou")),
    "changed": (
        ("at", "em"),
        ("what", "o quê"),
        ("name", "nome"),
        ("by", "por"),
        ("before", "antes"),
        ("after", "depois"),
    ),
    "timeline": (("at", "em"), ("who", "quem"), ("what", "o quê")),
}
_BY: Mapping[str, Text] = {
    "automatic": ("by itself", "por si"),
    "approval": ("after an approval", "após aprovação"),
    "people": ("for people", "para pessoas"),
}
_RUNBOOK: Text = ("runbook: docs/runbook.md, section {section}", "runbook: docs/runbook.pt-BR.md, seção {section}")
_OR: Text = ("or", "ou")
_MOST_CHANGES = 12


def print_incident(incident: Incident, zone: ZoneInfo, language: Language, at_state: str) -> None:
    """Print all that is known of an incident; instants are of the zone, and `at_state` is added to each command."""
    from healthcare_ops.incidents.wording.names import STATES
    from healthcare_ops.operations.incident_words import SEVERITIES

    found, out = incident.diagnosis, console()
    state, severity = text_in(STATES[incident.state], language), text_in(SEVERITIES[incident.severity], language)
    since = text_in(("since", "desde"), language)
    head = (
        f"{incident.incident_id}: {state}, {severity}, {since} {_local(incident.began_at, zone, language)} ({zone.key})"
    )
    out.print(head, style="bold", markup=False, soft_wrap=True)
    _cause(found, zone, language)
    _symptoms(incident, zone, language)
    _sentences("facts", found.get("facts", ()), zone, language)
    _hypotheses(found, zone, language)
    _unchecked(incident, language)
    _changed(incident, zone, language)
    _actions(incident, language, at_state)
    _sentences("advice", found.get("advice", ()), zone, language)
    out.print(text_in(_RUNBOOK, language).format(section=incident.section), markup=False, soft_wrap=True)
    out.print()
    _timeline(incident, zone, language)


def _cause(found: Mapping[str, Any], zone: ZoneInfo, language: Language) -> None:
    from healthcare_ops.operations.incident_words import said

    if found:
        print_hanging(said(found["cause"], language, zone))
        console().print()


def _symptoms(incident: Incident, zone: ZoneInfo, language: Language) -> None:
    rows = [
        [
            one.alarm,
            ", ".join(one.of.values()),
            _local(one.since, zone, language),
            _local(one.over_at, zone, language) if one.over_at else "–",
        ]
        for one in incident.symptoms.values()
    ]
    _table("symptoms", rows, language)


def _hypotheses(found: Mapping[str, Any], zone: ZoneInfo, language: Language) -> None:
    from healthcare_ops.operations.incident_words import hypothesis_said

    hypotheses = found.get("hypotheses", ())
    if not hypotheses:
        return
    _heading("hypotheses", language)
    for one in hypotheses:
        weight = as_written(f"{one['weight']:.2f}", language)
        print_hanging(f"{weight}  {hypothesis_said(one, language, zone)}", inset=2)
    console().print()


def _unchecked(incident: Incident, language: Language) -> None:
    from healthcare_ops.operations.incident_words import unchecked_said

    told = incident.diagnosis.get("unchecked", ())
    if not told:
        return
    _heading("unchecked", language)
    for one in told:
        print_hanging(unchecked_said(one, language), inset=2)
    console().print()


def _changed(incident: Incident, zone: ZoneInfo, language: Language) -> None:
    changes = incident.evidence.get("changed", ())[:_MOST_CHANGES]
    rows = [
        [
            _local(datetime.fromisoformat(one["at"]), zone, language),
            one["what"],
            one["name"],
            one["who"],
            one["before"],
            one["after"],
        ]
        for one in changes
    ]
    _table("changed", rows, language)


def _actions(incident: Incident, language: Language, at_state: str) -> None:
    from healthcare_ops.incidents.actions import action_rules

    actions = incident.diagnosis.get("actions", ())
    if not actions:
        return
    _heading("actions", language)
    for number, one in enumerate(actions, 1):
        rule = action_rules().get(one["name"])
        by = "automatic" if one["is_automatic"] else "people" if rule is None or rule.by == "people" else "approval"
        what = f"{rule.text(language)} " if rule else ""
        print_hanging(f"{number}. {what}[{one['name']}, {text_in(_BY[by], language)}]", inset=2)
        print_hanging(f"{one['command']}{at_state}", inset=5)
        if by == "approval":
            approve = f"hops incidents approve {incident.incident_id} {one['name']} --by NAME --reason WHY{at_state}"
            print_hanging(f"{text_in(_OR, language)}: {approve}", inset=5)
    console().print()


def _sentences(name: str, phrases: Any, zone: ZoneInfo, language: Language) -> None:
    from healthcare_ops.operations.incident_words import said

    if not phrases:
        return
    _heading(name, language)
    for one in phrases:
        print_hanging(said(one, language, zone), inset=2)
    console().print()


def _timeline(incident: Incident, zone: ZoneInfo, language: Language) -> None:
    from healthcare_ops.operations.incident_words import told, who_in

    rows = [
        [_local(one.instant, zone, language), who_in(one.by, language), told(one, language, zone)]
        for one in incident.events
    ]
    _table("timeline", rows, language)


def _table(name: str, rows: list[list[Any]], language: Language) -> None:
    if rows:
        columns = [text_in(column, language) for column in _COLUMNS[name]]
        console().print(table(text_in(_HEADINGS[name], language), columns, rows, language))


def _heading(name: str, language: Language) -> None:
    console().print(text_in(_HEADINGS[name], language), style="bold", markup=False)


def _local(at: datetime, zone: ZoneInfo, language: Language) -> str:
    shown = at.astimezone(zone)
    return f"{day_in(shown.date(), language)} {shown:%H:%M}"
