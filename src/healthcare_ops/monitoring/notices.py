"""What people are told of incidents and alarms: which changes are news, and how they are worded.

Only names of the product and of the configuration, instants and numbers are told: no text that came from elsewhere, so
that nothing of a patient can stand in a message.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Protocol

from healthcare_ops.core.alarm_file import AlarmFile, CompositeAlarm, MetricAlarm
from healthcare_ops.core.emf import Dimensions
from healthcare_ops.core.incident import Incident, IncidentEvent
from healthcare_ops.core.language import Language, Text, as_written, text_in
from healthcare_ops.core.notices import Message, Notice, digest
from healthcare_ops.core.notification_file import SEVERITIES

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_UNKNOWN = "…"
# An alarm, of what, and since when it rings.
_Ring = tuple[str, Dimensions, datetime]
_SIGNS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": "≥",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "≤",
}
# What alarms.json says in English.
PORTUGUESE: Mapping[str, str] = {
    "PipelineFailure": "Uma execução terminou FAILED, TIMED_OUT ou ABORTED, e nenhuma do mesmo tipo teve êxito desde "
    "então.",
    "DQRiskScoreHigh": "Uma regra de qualidade de dados de severidade fail foi violada: gold mantém o seu último "
    "estado bom.",
    "DQRiskScoreRaised": "A qualidade de dados avisa de uma falha que não impede dias de chegar a gold: valores que "
    "faltam num setor, um relógio que parece errado, registros de menos.",
    "InferenceStale": "Nenhuma previsão foi feita por dois ciclos além do que pode demorar.",
    "FeatureDrift": "O hospital, ou os seus dados, já não são aqueles com que o modelo em uso aprendeu.",
    "WeeklyTrainMissed": "O weekly_train de domingo não teve êxito, e já deveria ter tido.",
    "FeedSilent": "Uma fonte não entrega dados há mais tempo do que o seu arquivo permite.",
    "SecretAgeHigh": "Um segredo é mais antigo do que pode ser: troque-o.",
    "EvaluatorSilent": "Ninguém avaliou os alarmes por um quarto de hora: a plataforma está parada, ou não consegue "
    "medir a si mesma.",
    "ModelErrorHigh": "As previsões ficaram ruins: por MAPE sobre o seu piso de ruído, viés, MASE ou cobertura.",
}
_SINCE: Text = ("since", "desde")
_RINGS: Text = ("rings if", "soa se")
_ALARMS: Text = ("alarms", "alarmes")
_TEST_TITLE: Text = ("test", "teste")
_TEST: Text = (
    "This is a test: notifications arrive here. No alarm rings because of it.",
    "Isto é um teste: as notificações chegam aqui. Nenhum alarme soa por causa dele.",
)
_LOOK: Text = (
    "All incidents: hops incidents list. All alarms: hops alarms",
    "Todos os incidentes: hops incidents list. Todos os alarmes: hops alarms",
)
_WORDS: Mapping[str, Text] = {
    "critical": ("critical", "crítico"),
    "warning": ("warning", "aviso"),
    "info": ("info", "informação"),
}


class Change(Protocol):
    """A change of an alarm's state, as the log of alarms has it."""

    @property
    def at(self) -> str:
        """Return the instant, ISO text in UTC."""
        ...

    @property
    def alarm(self) -> str:
        """Return the alarm."""
        ...

    @property
    def of(self) -> Mapping[str, str]:
        """Return the value of each dimension."""
        ...

    @property
    def state(self) -> str:
        """Return the state from then on."""
        ...

    @property
    def datapoints(self) -> Sequence[Sequence[Any]]:
        """Return beginnings and values, the oldest first."""
        ...


def news(file: AlarmFile, changes: Sequence[Change], incidents: Iterable[Incident] = ()) -> list[Notice]:
    """Return what of the changes, the oldest first, is news: an alarm that rings, and one that is OK again.

    One that rings, lacks data and rings again is told once; so is a composite alarm, and none of its parts. What an
    incident explains is told as that incident, when it begins and when all of it is over.
    """
    incidents = list(incidents)
    explained = {key for one in incidents for key in _explained(one)}
    found = [
        *_of_alarms(file, changes, explained),
        *(one for it in incidents for one in _of_incident(it, file, changes)),
    ]
    return sorted(found, key=lambda notice: notice.at)


def _of_alarms(file: AlarmFile, changes: Iterable[Change], explained: Container[_Ring]) -> Iterator[Notice]:
    alarms = {one.alarm_name: one for one in _all_alarms(file)}
    parts = {child for one in file.composite_alarms for child in one.children}
    ringing: dict[tuple[str, Dimensions], bool] = {}
    for change in changes:
        alarm = alarms.get(change.alarm)
        if alarm is None or change.alarm in parts:
            continue
        notice = _notice(alarm, change)
        if change.state == "ALARM" and notice.key not in ringing:
            ringing[notice.key] = _ring(change.alarm, change.of, change.at) not in explained
            if ringing[notice.key]:
                yield notice
        elif change.state == "OK" and ringing.pop(notice.key, False):
            yield notice


def _explained(incident: Incident) -> Iterator[_Ring]:
    """Yield the alarms that an incident explains, each with the instant since which it rings."""
    for event in incident.events:
        if event.event == "symptom":
            yield _ring(event.facts["alarm"], event.facts["of"], event.facts["since"])


def _of_incident(incident: Incident, file: AlarmFile, changes: Sequence[Change]) -> Iterator[Notice]:
    """Yield when an incident began to ring, and when all of it was over; nothing of one that rang never."""
    rings: Notice | None = None
    for event in incident.events:
        if event.event == "symptom" and rings is None:
            rings = _first_ring(event, incident, file, changes)
            if rings:
                yield rings
        elif event.event in ("mitigated", "resolved") and rings:
            yield replace(rings, at=event.at, state="OK", value=None)
            rings = None


def _first_ring(event: IncidentEvent, incident: Incident, file: AlarmFile, changes: Sequence[Change]) -> Notice | None:
    """Return the gravest alarm with which an incident began; None if no alarm is known by that name any more."""
    together = [one for one in incident.events if one.event == "symptom" and one.at == event.at]
    first = min(together, key=lambda one: SEVERITIES.index(one.facts["severity"]))
    ring = _ring(first.facts["alarm"], first.facts["of"], first.facts["since"])
    change = next((one for one in changes if _ring(one.alarm, one.of, one.at) == ring), None)
    alarm = next((one for one in _all_alarms(file) if one.alarm_name == first.facts["alarm"]), None)
    if change is None or alarm is None:
        return None
    return replace(_notice(alarm, change), at=event.at, runbook=incident.section, incident=incident.incident_id)


def _ring(alarm: str, of: Mapping[str, str], at: str) -> _Ring:
    return alarm, tuple(sorted(of.items())), datetime.fromisoformat(at)


def _all_alarms(file: AlarmFile) -> tuple[MetricAlarm | CompositeAlarm, ...]:
    return (*file.metric_alarms, *file.composite_alarms)


def message(
    notices: Sequence[Notice], file: AlarmFile, language: Language, facility: str, zone: tzinfo, at: datetime
) -> Message:
    """Return the message that tells of notices, the oldest first; instants in it are of the zone."""
    severity = min((one.severity for one in notices), key=SEVERITIES.index)
    first = notices[0]
    what = f"{_what(first)}: {first.state}" if len(notices) == 1 else f"{len(notices)} {text_in(_ALARMS, language)}"
    meanings = {one.alarm_name: one.alarm_description for one in _all_alarms(file)}
    if language == "pt-BR":
        meanings |= PORTUGUESE
    parts = [_paragraph(one, meanings.get(one.alarm, ""), language, zone) for one in notices]
    return Message(
        digest([one.notice_id for one in notices]),
        at.astimezone(UTC),
        facility,
        language,
        f"[{text_in(_WORDS[severity], language)}] {what} – {facility}",
        "\n\n".join([*parts, text_in(_LOOK, language)]) + "\n",
        severity,
        tuple(notices),
    )


def trial(channel: str, language: Language, facility: str, at: datetime) -> Message:
    """Return a message that tests a channel."""
    title = f"[{text_in(_TEST_TITLE, language)}] {channel} – {facility}"
    test_id = digest([channel, at.isoformat()])
    return Message(test_id, at.astimezone(UTC), facility, language, title, f"{text_in(_TEST, language)}\n", "info")


def _notice(alarm: MetricAlarm | CompositeAlarm, change: Change) -> Notice:
    of = {_safe(name): _safe(value) for name, value in change.of.items()}
    about = (change.at, change.alarm, of, change.state, alarm.severity, alarm.runbook)
    if isinstance(alarm, CompositeAlarm):
        return Notice(*about, metric=None, value=None, limit="")
    measured = [float(value) for _, value in change.datapoints if value is not None]
    limit = f"{_SIGNS[alarm.comparison_operator]} {alarm.threshold:g}"
    return Notice(*about, metric=alarm.metric_name, value=measured[-1] if measured else None, limit=limit)


def _safe(name: str) -> str:
    """Return a name of the configuration; an ellipsis for what cannot be one."""
    return name if _NAME.fullmatch(name) else _UNKNOWN


def _what(notice: Notice) -> str:
    of = ", ".join(notice.of.values())
    alarm = f"{notice.alarm} ({of})" if of else notice.alarm
    return f"{notice.incident} {alarm}" if notice.incident else alarm


def _paragraph(notice: Notice, meaning: str, language: Language, zone: tzinfo) -> str:
    at = datetime.fromisoformat(notice.at).astimezone(zone)
    when = f"{at:%d/%m/%Y %H:%M}" if language == "pt-BR" else f"{at:%Y-%m-%d %H:%M}"
    lines = [
        f"{notice.state}  {_what(notice)} · {text_in(_WORDS[notice.severity], language)} · "
        f"{text_in(_SINCE, language)} {when} ({zone})"
    ]
    if notice.state == "ALARM":
        lines.append(meaning)
    if notice.metric and notice.value is not None:
        value = as_written(f"{notice.value:g}", language)
        limit = as_written(notice.limit, language)
        lines.append(f"{notice.metric} = {value} ({text_in(_RINGS, language)} {limit})")
    lines.append(f"runbook: {notice.runbook}")
    if notice.incident:
        lines.append(f"hops incidents show {notice.incident}")
    return "\n".join(lines)
