"""Sentences made of codes and facts, in either language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import get_args

from healthcare_ops.core.language import Language, Text, as_written, day_in, text_in
from healthcare_ops.core.reasons import FileFault, Reason
from healthcare_ops.incidents.diagnosis import Fact, Hypothesis, Phrase
from healthcare_ops.incidents.evidence import ChangeKind, TrainingStatus, Unchecked
from healthcare_ops.incidents.wording.causes import CAUSES
from healthcare_ops.incidents.wording.facts import FACTS
from healthcare_ops.incidents.wording.hypotheses import HYPOTHESES
from healthcare_ops.incidents.wording.names import ASKED, CHANGES, CHECKS, LACKING
from healthcare_ops.pipeline.quality.wording.texts import FAULTS as FILE_FAULTS
from healthcare_ops.pipeline.quality.wording.texts import REASONS

# A sentence that stands in the facts, by language: what a report of data quality says.
SAID = "fact_said"
TEXTS: Mapping[str, Text] = {**CAUSES, **FACTS, **HYPOTHESES}
_INSTANTS = {"due", "target_time"}
_DAYS = {"on", "first", "last", "run_date"}
_SHARES = {"share", "usual"}
_ALL_SECTORS: Text = ("all sectors", "todos os setores")
_NOT_KNOWN: Text = ("not known", "não se sabe")
_STATUS: Mapping[TrainingStatus, Text] = {
    "fine": ("it did", "teve êxito"),
    "missed": ("missed", "perdido"),
    "failed": ("failed", "falhou"),
    "late": ("still at work", "em andamento"),
    "not_due": ("not due yet", "ainda não previsto"),
}


def say(phrase: Phrase, language: Language = "en", zone: tzinfo = UTC) -> str:
    """Return a phrase as a sentence; instants stand in the zone, which is the site's for people.

    A code that only another release knows is shown as it is.
    """
    if phrase.code == SAID:
        return str(phrase.facts.get(language, ""))
    text = TEXTS.get(phrase.code)
    if text is None:
        return phrase.code
    return text_in(text, language).format_map(_Facts(phrase.facts, language, zone))


def say_hypothesis(hypothesis: Hypothesis, language: Language = "en", zone: tzinfo = UTC) -> str:
    """Return a hypothesis with what speaks for or against it, or why it could not be checked."""
    check = text_in(CHECKS[hypothesis.check], language)
    why = f": {text_in(LACKING[hypothesis.lacking], language)}" if hypothesis.lacking else ""
    return f"{say(hypothesis.says, language, zone)} ({check}{why})"


def say_unchecked(unchecked: Unchecked, language: Language = "en") -> str:
    """Return what could not be looked at, and why."""
    of = f" {unchecked.of}" if unchecked.of else ""
    return f"{text_in(ASKED[unchecked.what], language)}{of}: {text_in(LACKING[unchecked.why], language)}"


class _Facts(dict[str, str]):
    """Facts as people write them; what is not among them is not known."""

    def __init__(self, facts: Mapping[str, Fact], language: Language, zone: tzinfo) -> None:
        super().__init__({name: _written(name, fact, language, zone) for name, fact in facts.items()})
        self._language = language
        if isinstance(size := facts.get("size"), int | float):
            self["size"] = as_written(f"{size:+.0%}", language)
            self["hours"] = as_written(f"{size:+.1f}", language)
            self["psi"] = as_written(f"{size:.2f}", language)

    def __missing__(self, name: str) -> str:
        return text_in(_NOT_KNOWN, self._language)


def _written(name: str, fact: Fact, language: Language, zone: tzinfo) -> str:
    if fact is None or fact == "":
        return text_in(_ALL_SECTORS if name == "sectors" else _NOT_KNOWN, language)
    if isinstance(fact, str):
        return _text(name, fact, language, zone)
    if name in _SHARES:
        return as_written(f"{fact:.1%}", language)
    return as_written(f"{fact:+g}" if name == "offset_h" else f"{fact:,.10g}", language)


def _text(name: str, fact: str, language: Language, zone: tzinfo) -> str:
    if fact == "*":
        return text_in(_ALL_SECTORS, language) if name == "sector" else "*"
    if name.endswith("_at") or name in _INSTANTS:
        at = datetime.fromisoformat(fact).astimezone(zone)
        return f"{day_in(at.date(), language)} {at:%H:%M}"
    if name == "since":  # civil already: a day, or an hour of one
        at = datetime.fromisoformat(fact)
        return day_in(at.date(), language) + (f" {at:%H:%M}" if "T" in fact else "")
    if name in _DAYS:
        return day_in(date.fromisoformat(fact), language)
    return _named(name, fact, language)


def _named(name: str, fact: str, language: Language) -> str:
    if name == "what" and fact in get_args(ChangeKind):
        return text_in({str(kind): text for kind, text in CHANGES.items()}[fact], language)
    if name == "status":
        return text_in({str(status): text for status, text in _STATUS.items()}.get(fact, (fact, fact)), language)
    if name == "why" and fact in set(FileFault):
        return text_in(FILE_FAULTS[FileFault(fact)], language)
    if name == "code" and fact in set(Reason):
        return text_in(REASONS[Reason(fact)], language)
    return fact
