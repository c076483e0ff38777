"""What is said of an incident, in English and Brazilian Portuguese: its phrases, states and timeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healthcare_ops.core.incident import PLATFORM, IncidentEvent
from healthcare_ops.core.language import Language, Text, text_in

STATES: Mapping[str, Text] = {
    "open": ("open", "aberto"),
    "acknowledged": ("acknowledged", "reconhecido"),
    "mitigated": ("mitigated", "mitigado"),
    "resolved": ("resolved", "resolvido"),
    "reopened": ("reopened", "reaberto"),
}
SEVERITIES: Mapping[str, Text] = {
    "critical": ("critical", "crítico"),
    "warning": ("warning", "aviso"),
    "info": ("info", "informação"),
}
CHECKS: Mapping[str, Text] = {
    "supported": ("evidence for it", "há evidência a favor"),
    "refuted": ("evidence against it", "há evidência contra"),
    "unchecked": ("not checked", "não verificado"),
}
WHATS: Mapping[str, Text] = {
    "runs": ("the records of runs", "os registros de execuções"),
    "log": ("the log of the run", "o registro da execução"),
    "report": ("the report of data quality", "o relatório de qualidade de dados"),
    "drift": ("the verdict on drift", "o veredito sobre deriva"),
    "training": ("the training", "o treino"),
    "changes": ("what changed since the last good run", "o que mudou desde a última execução boa"),
    "ages": ("how old data are", "a idade dos dados"),
    "predictions": ("the forecasts that were shown", "as previsões mostradas"),
    "access": ("what access is granted", "os acessos concedidos"),
    "deliveries": ("deliveries since", "as entregas desde então"),
}
LACKING: Mapping[str, Text] = {
    "absent": ("there is none", "não há"),
    "unreadable": ("it cannot be read", "não pode ser lido"),
    "outdated": ("it is older than the incident", "é anterior ao incidente"),
    "out_of_reach": ("it is not to be seen from here", "não pode ser visto daqui"),
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


def said(phrase: Mapping[str, Any], language: Language) -> str:
    """Return a phrase of a diagnosis, as an incident keeps it, in a language."""
    facts = ", ".join(f"{name} {value}" for name, value in phrase.get("facts", {}).items() if value not in (None, ""))
    return f"{phrase.get('code', '')}{f' ({facts})' if facts else ''}"


def who_in(by: str, language: Language) -> str:
    """Return who acted."""
    return text_in(_PLATFORM, language) if by == PLATFORM else by


def told(event: IncidentEvent, language: Language) -> str:
    """Return what happened, in one line without who did it."""
    facts = event.facts
    reason = str(facts.get("reason", ""))
    outcome = _OUTCOMES.get(str(facts.get("outcome", "")), ("", ""))
    words = {
        "root_key": facts.get("root_key", ""),
        "alarm": facts.get("alarm", ""),
        "of": of_text(facts.get("of", {})),
        "cause": said(facts.get("diagnosis", {}).get("cause", {}), language),
        "runs": ", ".join(facts.get("run_ids", ())),
        "sector": facts.get("complaint", {}).get("sector_id", ""),
        "reason": _REASONS.get(reason, reason) if language == "pt-BR" and event.by == PLATFORM else reason,
        "action": facts.get("action", ""),
        "parameters": of_text(facts.get("parameters", {})),
        "outcome": text_in(outcome, language),
        "detail": f", {facts['detail']}" if facts.get("detail") else "",
    }
    return text_in(_EVENTS[event.event], language).format(**words)


def of_text(of: Mapping[str, str]) -> str:
    """Return the values that tell of what an alarm or an action is, in brackets; empty if there are none."""
    return f" ({', '.join(str(value) for value in of.values())})" if of else ""
