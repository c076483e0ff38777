"""What is said of an incident as it is kept, in English and Brazilian Portuguese: its phrases and its timeline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from healthcare_ops.core.incident import PLATFORM, IncidentEvent
from healthcare_ops.core.language import Language, Text, text_in
from healthcare_ops.incidents.diagnosis import Hypothesis, Phrase
from healthcare_ops.incidents.evidence import Unchecked
from healthcare_ops.incidents.wording.say import say, say_hypothesis, say_unchecked

SEVERITIES: Mapping[str, Text] = {
    "critical": ("critical", "crítico"),
    "warning": ("warning", "aviso"),
    "info": ("info", "informação"),
}
_EVENTS: Mapping[str, Text] = {
    "opened": ("opened as {root_key}", "aberto como {root_key}"),
    "symptom": ("{alarm}{of} rings", "{alarm}{of} soa"),
    "over": ("{alarm}{of} is over", "{alarm}{of} terminou"),
    "diagnosed": ("diagnosed: {cause}", "diagnosticado: {cause}"),
    "failed_again": ("failed as well: {runs}", "falhou também: {runs}"),
    "complaint": ("somebody complains of forecasts of {sector}", "reclamação de previsões de {sector}"),
    "acknowledged": ("acknowledged: {reason}", "reconhecido: {reason}"),
    "approved": ("approved {action}{parameters}: {reason}", "aprovou {action}{parameters}: {reason}"),
    "action": ("{action}{parameters}: {outcome}{detail}", "{action}{parameters}: {outcome}{detail}"),
    "mitigated": ("mitigated: all its alarms are over", "mitigado: todos os seus alarmes terminaram"),
    "resolved": ("resolved: {reason}", "resolvido: {reason}"),
    "reopened": ("reopened: {reason}", "reaberto: {reason}"),
}
_OUTCOMES: Mapping[str, Text] = {
    "begun": ("begun", "iniciada"),
    "started": ("run started", "execução iniciada"),
    "done": ("done", "feita"),
    "failed": ("failed", "falhou"),
}
FOUND_AGAIN = "the same root was found again"
CURED = "it stayed over for a day, and its cause is one that passes or is cured by itself"
_PLATFORM: Text = ("the platform", "a plataforma")
# What the platform itself gives as a reason.
_REASONS: Mapping[str, str] = {
    FOUND_AGAIN: "a mesma causa raiz foi encontrada de novo",
    CURED: "ficou um dia sem sintomas, e a causa é das que passam ou se curam sozinhas",
}


def said(phrase: Mapping[str, Any], language: Language, zone: tzinfo) -> str:
    """Return a phrase of a diagnosis, as an incident keeps it, in a language; instants are of the zone."""
    return say(_phrase(phrase), language, zone)


def hypothesis_said(kept: Mapping[str, Any], language: Language, zone: tzinfo) -> str:
    """Return a hypothesis, as an incident keeps it, with what speaks for or against it."""
    one = Hypothesis(_phrase(kept["says"]), kept["weight"], kept["check"], kept.get("lacking"))
    return say_hypothesis(one, language, zone)


def unchecked_said(kept: Mapping[str, Any], language: Language) -> str:
    """Return what could not be looked at, as an incident keeps it."""
    return say_unchecked(Unchecked(kept["what"], kept["why"], kept["of"]), language)


def _phrase(kept: Mapping[str, Any]) -> Phrase:
    return Phrase(kept["code"], kept["facts"])


def who_in(by: str, language: Language) -> str:
    """Return who acted."""
    return text_in(_PLATFORM, language) if by == PLATFORM else by


def told(event: IncidentEvent, language: Language, zone: tzinfo) -> str:
    """Return what happened, in one line without who did it."""
    facts = event.facts
    cause = facts.get("diagnosis", {}).get("cause")
    reason = str(facts.get("reason", ""))
    outcome = _OUTCOMES.get(str(facts.get("outcome", "")), ("", ""))
    words = {
        "root_key": facts.get("root_key", ""),
        "alarm": facts.get("alarm", ""),
        "of": of_text(facts.get("of", {})),
        "cause": said(cause, language, zone) if cause else "",
        "runs": ", ".join(facts.get("run_ids", ())),
        "sector": facts.get("complaint", {}).get("sector_id", ""),
        "reason": _REASONS.get(reason, reason) if language == "pt-BR" and event.by == PLATFORM else reason,
        "action": facts.get("action", ""),
        "parameters": of_text(facts.get("parameters", {})),
        "outcome": text_in(outcome, language),
        "detail": _detail(facts),
    }
    return text_in(_EVENTS[event.event], language).format(**words)


def _detail(facts: Mapping[str, Any]) -> str:
    """Return what came of an action, unless that is what it was about."""
    detail = facts.get("detail", "")
    return f", {detail}" if detail and detail not in facts["parameters"].values() else ""


def of_text(of: Mapping[str, str]) -> str:
    """Return the values that tell of what an alarm or an action is, in brackets; empty if there are none."""
    return f" ({', '.join(str(value) for value in of.values())})" if of else ""
