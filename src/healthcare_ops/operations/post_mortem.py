"""A first draft of what is learnt from an incident: what is known stands in it, the rest is left to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from typing import Any

from healthcare_ops.core.incident import Incident
from healthcare_ops.core.language import Language, as_written, text_in
from healthcare_ops.incidents.wording.names import FAULTS, POST_MORTEM, STATES
from healthcare_ops.operations.incident_words import (
    SEVERITIES,
    hypothesis_said,
    of_text,
    said,
    told,
    unchecked_said,
    who_in,
)


def post_mortem(incident: Incident, zone: tzinfo, language: Language) -> str:
    """Return the draft as Markdown; instants are of the zone, and nobody is blamed in it."""
    draft = _Draft(incident, zone, language)
    return "\n".join(line for part in draft.parts() for line in part).rstrip() + "\n"


class _Draft:
    def __init__(self, incident: Incident, zone: tzinfo, language: Language) -> None:
        self._incident = incident
        self._zone = zone
        self._language = language

    def parts(self) -> Iterator[list[str]]:
        """Yield the parts in their order, each as lines."""
        found = self._incident.diagnosis
        yield [f"# {self._word('title').format(incident=self._incident.incident_id)}", "", self._word("draft"), ""]
        yield self._part("summary", self._summary())
        yield self._part("impact", [self._word("to_complete")])
        yield self._part("symptoms", self._listed(self._symptoms()))
        yield self._part("evidence", self._listed(self._said(one) for one in found.get("facts", ())))
        hypotheses = (hypothesis_said(one, self._language, self._zone) for one in found.get("hypotheses", ()))
        yield self._part("hypotheses", self._listed(hypotheses))
        unchecked = (unchecked_said(one, self._language) for one in found.get("unchecked", ()))
        yield self._part("unchecked", self._listed(unchecked))
        yield self._part("timeline", self._timeline())
        yield self._part("actions", self._listed(self._actions()))
        yield self._part("well", [self._word("to_complete")])
        advice = [self._said(one) for one in found.get("advice", ())]
        yield self._part("follow_up", [*self._listed(advice), "", self._word("to_complete")])

    def _part(self, name: str, lines: Iterable[str]) -> list[str]:
        return [f"## {self._word(name)}", "", *lines, ""]

    def _summary(self) -> list[str]:
        one, language = self._incident, self._language
        root = one.diagnosis.get("root", {})
        fault = text_in(FAULTS[root["fault"]], language) if root else ""
        state, severity = text_in(STATES[one.state], language), text_in(SEVERITIES[one.severity], language)
        told_of = f"{one.section} · {fault} · {root.get('place', '')} · {severity} · {state}"
        noticed = self._word("detected").format(minutes=self._minutes(one.began_at, one.opened_at))
        over_at = one.mitigated_at or one.resolved_at
        lasted = self._word("lasted").format(minutes=self._minutes(one.began_at, over_at)) if over_at else ""
        cause = [self._said(one.diagnosis["cause"])] if one.diagnosis else []
        return [told_of, "", *cause, f"{self._at(one.began_at)}. {noticed} {lasted or self._word('goes_on')}"]

    def _symptoms(self) -> Iterator[str]:
        for one in self._incident.symptoms.values():
            until = f" – {self._at(one.over_at)}" if one.over_at else ""
            yield f"{one.alarm}{of_text(one.of)}: {self._at(one.since)}{until}"
        for complaint in self._incident.complaints:
            facts = complaint["complaint"]
            yield f"{facts['sector_id']}: {self._at(datetime.fromisoformat(facts['at']))} ({complaint['by']})"

    def _timeline(self) -> list[str]:
        events = self._incident.events
        rows = [(self._at(one.instant), who_in(one.by, self._language), self._told(one)) for one in events]
        return [f"- {at} · {who}: {what}" for at, who, what in rows]

    def _actions(self) -> Iterator[str]:
        acts = [one for one in self._incident.events if one.event in ("approved", "action")]
        yield from (f"{self._at(one.instant)} · {who_in(one.by, self._language)}: {self._told(one)}" for one in acts)

    def _listed(self, sentences: Iterable[str]) -> list[str]:
        return [f"- {one}" for one in sentences] or [self._word("nothing")]

    def _told(self, event: Any) -> str:
        return told(event, self._language, self._zone)

    def _said(self, phrase: Any) -> str:
        return said(phrase, self._language, self._zone)

    def _word(self, name: str) -> str:
        return text_in(POST_MORTEM[name], self._language)

    def _minutes(self, since: datetime, until: datetime) -> str:
        return as_written(f"{(until - since).total_seconds() / 60:,.0f}", self._language)

    def _at(self, at: datetime) -> str:
        shown = at.astimezone(self._zone)
        return f"{shown:%d/%m/%Y %H:%M}" if self._language == "pt-BR" else f"{shown:%Y-%m-%d %H:%M}"
