"""What people are told of alarms: which changes are news, and how they are worded.

Only names of the product and of the configuration, instants and numbers are told: no text that came from elsewhere, so
that nothing of a patient can stand in a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Protocol

from healthcare_ops.core.alarm_file import AlarmFile, CompositeAlarm, MetricAlarm
from healthcare_ops.core.emf import Dimensions
from healthcare_ops.core.language import Language, Text, as_written, text_in
from healthcare_ops.core.notices import Message, Notice, digest
from healthcare_ops.core.notification_file import SEVERITIES

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_UNKNOWN = "…"
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
_LOOK: Text = ("All alarms: hops alarms", "Todos os alarmes: hops alarms")
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


def news(file: AlarmFile, changes: Iterable[Change]) -> list[Notice]:
    """Return what of the changes, the oldest first, is news: an alarm that rings, and one that is OK again.

    One that rings, lacks data and rings again is told once; so is a composite alarm, and none of its parts.
    """
    alarms: dict[str, MetricAlarm | CompositeAlarm] = {one.alarm_name: one for one in file.metric_alarms}
    alarms |= {one.alarm_name: one for one in file.composite_alarms}
    parts = {child for one in file.composite_alarms for child in one.children}
    ringing: set[tuple[str, Dimensions]] = set()
    found = []
    for change in changes:
        alarm = alarms.get(change.alarm)
        if alarm is None or change.alarm in parts:
            continue
        notice = _notice(alarm, change)
        if change.state == "ALARM" and notice.key not in ringing:
            ringing.add(notice.key)
            found.append(notice)
        elif change.state == "OK" and notice.key in ringing:
            ringing.remove(notice.key)
            found.append(notice)
    return found


def message(
    notices: Sequence[Notice], file: AlarmFile, language: Language, facility: str, zone: tzinfo, at: datetime
) -> Message:
    """Return the message that tells of notices, the oldest first; instants in it are of the zone."""
    severity = min((one.severity for one in notices), key=SEVERITIES.index)
    first = notices[0]
    what = f"{_what(first)}: {first.state}" if len(notices) == 1 else f"{len(notices)} {text_in(_ALARMS, language)}"
    meanings = {one.alarm_name: one.alarm_description for one in (*file.metric_alarms, *file.composite_alarms)}
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
    return f"{notice.alarm} ({of})" if of else notice.alarm


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
    return "\n".join(lines)
