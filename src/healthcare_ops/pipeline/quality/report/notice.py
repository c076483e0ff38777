"""A drafted message to a feed's contact about missing values: which, where, how many, when; no patient's data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from healthcare_ops.core.feed import Feed
from healthcare_ops.core.language import LANGUAGES, Language, day_in
from healthcare_ops.pipeline.quality.dqdl.syntax import Node, Rule, leaves
from healthcare_ops.pipeline.quality.evaluate import Finding, Place
from healthcare_ops.pipeline.quality.rules.conditions import holds
from healthcare_ops.pipeline.quality.rules.refusals import NoHistoryError

_SAMPLES = 10


@dataclass(frozen=True, order=True)
class Record:
    """A record as the supplier finds it."""

    source_file: str
    record_no: int


@dataclass(frozen=True)
class Missing:
    """Columns of a feed, by one rule, whose values are missing in too many rows of the days."""

    columns: tuple[str, ...]
    places: tuple[Place, ...]
    records: tuple[Record, ...]


def notice(feed: Feed, missing: Sequence[Missing], days: Sequence[date]) -> dict[str, Any] | None:
    """Return the message in English and Portuguese; None if nothing of the feed is missing."""
    if not missing:
        return None
    return {
        "to": feed.owner.email,
        "subject": f"{feed.feed_id}: {', '.join(dict.fromkeys(_sources(feed, one) for one in missing))}",
        "text": {language: _text(language, feed, missing, days) for language in LANGUAGES},
    }


def missing_of(feed: Feed, findings: Iterable[Finding], samples: Mapping[str, Sequence[Any]]) -> list[Missing]:
    """Return what of the feed's columns is missing beyond its rule's threshold.

    Parameters
    ----------
    samples
        By encounter: the delivered records that speak of it, with `feed_id`, `source_file` and `record_no`.
    """
    found = []
    for finding in findings:
        places = tuple(place for place in finding.places if place.feed_id == feed.feed_id)
        is_broken = finding.check.is_completeness and finding.verdict in ("warn", "fail")
        if not is_broken or not _is_beyond(finding.check.node, places):
            continue
        records = (record for name in finding.samples for record in samples.get(name, ()))
        mine = dict.fromkeys(Record(one.source_file, one.record_no) for one in records if one.feed_id == feed.feed_id)
        found.append(Missing(finding.check.columns, places, tuple(mine)[:_SAMPLES]))
    return found


def _is_beyond(node: Node, places: Sequence[Place]) -> bool:
    """Tell whether the feed's own rows break one of the rules: another feed's may be why it is broken as a whole."""
    checked = sum(place.checked for place in places)
    if not checked:
        return False
    share = 1 - sum(place.violations for place in places) / checked
    return not all(_is_met(leaf, share) for leaf in leaves(node))


def _is_met(leaf: Rule, share: float) -> bool:
    try:
        return holds(leaf.condition, share) if leaf.condition else share == 1.0
    except NoHistoryError:  # the finding as a whole has one
        return False


_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "greeting": "Dear {owner},",
        "intro": "in your deliveries of feed {feed} for {days} values are missing:",
        "line": "- column {column}, sector {sector}: {violations} of {checked} records without a value",
        "records": "Records to look at (file, position in the file):",
        "ask": "Please tell us whether the source lacks these values or the extract leaves them out, and deliver the "
        "corrected records again. No patient's data are in this message.",
        "any": "all",
        "and": "to",
    },
    "pt-BR": {
        "greeting": "Prezado(a) {owner},",
        "intro": "nas entregas da fonte {feed} de {days} faltam valores:",
        "line": "- coluna {column}, setor {sector}: {violations} de {checked} registros sem valor",
        "records": "Registros a verificar (arquivo, posição no arquivo):",
        "ask": "Por favor, informe se o sistema de origem não tem esses valores ou se a extração os omite, e entregue "
        "novamente os registros corrigidos. Esta mensagem não contém dados de pacientes.",
        "any": "todos",
        "and": "a",
    },
}


def _text(language: Language, feed: Feed, missing: Sequence[Missing], days: Sequence[date]) -> str:
    words = _WORDS[language]
    first, last = (day_in(day, language) for day in (min(days), max(days)))
    lines = [
        words["greeting"].format(owner=feed.owner.name),
        "",
        words["intro"].format(feed=feed.feed_id, days=first if first == last else f"{first} {words['and']} {last}"),
        "",
    ]
    # Two rules may say the same of a column.
    lines += dict.fromkeys(
        words["line"].format(
            column=_sources(feed, one),
            sector=place.sector_id or words["any"],
            violations=place.violations,
            checked=place.checked,
        )
        for one in missing
        for place in one.places
    )
    records = sorted({record for one in missing for record in one.records})
    if records:
        lines += ["", words["records"], *(f"- {record.source_file}, {record.record_no}" for record in records)]
    return "\n".join([*lines, "", words["ask"], ""])


def _sources(feed: Feed, missing: Missing) -> str:
    """Return the columns as the supplier calls them."""
    sources = [(name, feed.source(name)) for name in missing.columns]
    return ", ".join(source.column if source and source.column else name for name, source in sources)
