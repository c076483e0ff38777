"""A drafted message to a feed's contact: what is missing or wrong of the feed, where and since when; no patient's data.

It is about values that a rule or the site's past misses, refused files, a clock, and deliveries that are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

from healthcare_ops.core.feed import Feed
from healthcare_ops.core.language import LANGUAGES, Language, as_written, day_in
from healthcare_ops.core.tables import BATCH_ACCOUNTS
from healthcare_ops.pipeline.quality.dqdl.syntax import Node, Rule, leaves
from healthcare_ops.pipeline.quality.evaluate import Finding, Place
from healthcare_ops.pipeline.quality.rules.conditions import holds
from healthcare_ops.pipeline.quality.rules.refusals import NoHistoryError
from healthcare_ops.pipeline.quality.wording.causes import own_of
from healthcare_ops.pipeline.quality.wording.feeds import unanswered, without_accepted
from healthcare_ops.pipeline.quality.wording.findings import Section, has_facts, kind_of, sentence_of

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


@dataclass(frozen=True)
class Trouble:
    """What else is wrong with a feed: what the subject calls it, of what kind it is, and lines of it."""

    subject: str
    kind: Literal["files", "clock", "loss", "values"]
    lines: Mapping[Language, tuple[str, ...]]


def notice(
    feed: Feed, missing: Sequence[Missing], days: Sequence[date], troubles: Sequence[Trouble] = ()
) -> dict[str, Any] | None:
    """Return the message in English and Portuguese; None if nothing of the feed is missing or wrong."""
    if not missing and not troubles:
        return None
    about = [*(_sources(feed, one.columns) for one in missing), *(trouble.subject for trouble in troubles)]
    return {
        "to": feed.owner.email,
        "subject": f"{feed.feed_id}: {', '.join(dict.fromkeys(about))}",
        "text": {language: _text(language, feed, missing, days, troubles) for language in LANGUAGES},
        "missing": [asdict(one) for one in missing],
    }


def notice_now(feed: Feed, section: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the message of a report's feed by what people accept now; one of before its facts were kept, as it is."""
    before = section["notice"]
    if before and "missing" not in before:
        return dict(before)
    missing = [_missing(one) for one in before["missing"]] if before else []
    days = [date.fromisoformat(report["days"][end]) for end in ("first", "last")]
    return notice(feed, missing, days, troubles_of(feed, report))


def _missing(told: Mapping[str, Any]) -> Missing:
    return Missing(
        tuple(told["columns"]),
        tuple(Place(**place) for place in told["places"]),
        tuple(Record(**record) for record in told["records"]),
    )


def troubles_of(feed: Feed, report: Mapping[str, Any]) -> list[Trouble]:
    """Return what a report's causes say of a feed, but for broken rules; nothing that somebody has accepted."""
    mine = (cause for cause in report["causes"] if feed.feed_id in cause["feed_ids"])
    return [told for cause in mine if (told := _told(feed, cause, report))]


def _told(feed: Feed, cause: Section, report: Mapping[str, Any]) -> Trouble | None:
    own = unanswered(own_of(cause, report))
    if cause["kind"] == "refused":
        section = next(one for one in report["feeds"] if one["feed_id"] == feed.feed_id)
        files = unanswered(section["refused_files"])
        if not files:
            return None
        names = ", ".join(file["source_file"] for file in files[:_SAMPLES])
        return Trouble(names, "files", _lines([{**file, "rule": "refused"} for file in files]))
    if cause["kind"] in ("clock", "shift") and own:
        return Trouble("zone", "clock", _lines(own))
    if cause["kind"] == "loss" and (own := without_accepted(own, report)) and own[0]["by"] == "feed_id":
        return Trouble(cause["since"][:10], "loss", _lines(own))
    if own and own[0].get("rule") == "nulls" and own[0]["table"] != BATCH_ACCOUNTS.id:
        source = _sources(feed, (own[0]["column"],))
        return Trouble(source, "values", _lines([{**one, "column": source} for one in own]))
    return None


def _lines(sections: Sequence[Section]) -> Mapping[Language, tuple[str, ...]]:
    return {language: tuple(f"- {_line(one, language)}" for one in sections[:_SAMPLES]) for language in LANGUAGES}


def _line(section: Section, language: Language) -> str:
    """Return a finding with its day, and of a clock what the lag of its records says."""
    told = sentence_of(section, language) if has_facts(section) else str(section["sentence"])
    sentence = told.rstrip(".")
    if kind_of(section) == "refused":
        return sentence
    said = f"{day_in(date.fromisoformat(section['day']), language)}: {sentence}"
    if kind_of(section) == "clock" and section["lag_q50_h"] is not None:
        lag = as_written(f"{section['lag_q50_h']:.1f}", language)
        return f"{said}; {_WORDS[language]['lag'].format(lag=lag)}"
    return said


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
        "corrected records again.",
        "files": "files of feed {feed} cannot be used, and nothing of them was taken:",
        "files_ask": "Please send them again, whole and as agreed, under the same names.",
        "clock": "the times of feed {feed} seem wrong:",
        "clock_ask": "Please check the clock of the source and the time zone in which the extract writes times, tell "
        "us since "
        "when it is so, and deliver the records of that time again.",
        "lag": "half of the records came in later than {lag} h after the times in them",
        "loss": "of feed {feed} less has come than usual:",
        "loss_ask": "Please tell us whether something was not delivered, and deliver what is missing.",
        "values": "in feed {feed} values are missing more often than usual:",
        "values_ask": "Please tell us since when the source lacks these values or the extract leaves them out, and "
        "deliver the "
        "corrected records again.",
        "closing": "No patient's data are in this message.",
        "any": "all",
        "and": "to",
    },
    "pt-BR": {
        "greeting": "Prezado(a) {owner},",
        "intro": "nas entregas da fonte {feed} de {days} faltam valores:",
        "line": "- coluna {column}, setor {sector}: {violations} de {checked} registros sem valor",
        "records": "Registros a verificar (arquivo, posição no arquivo):",
        "ask": "Por favor, informe se o sistema de origem não tem esses valores ou se a extração os omite, e entregue "
        "novamente os registros corrigidos.",
        "files": "arquivos da fonte {feed} não podem ser usados, e nada deles foi recebido:",
        "files_ask": "Por favor, envie-os de novo, inteiros e no formato combinado, com os mesmos nomes.",
        "clock": "os horários da fonte {feed} parecem errados:",
        "clock_ask": "Por favor, verifique o relógio do sistema de origem e o fuso horário em que a extração grava "
        "os horários, "
        "informe desde quando é assim e entregue novamente os registros desse período.",
        "lag": "metade dos registros chegou mais de {lag} h depois dos horários que informam",
        "loss": "da fonte {feed} chegou menos que o usual:",
        "loss_ask": "Por favor, informe se algo deixou de ser entregue e entregue o que falta.",
        "values": "na fonte {feed} faltam valores com mais frequência que o usual:",
        "values_ask": "Por favor, informe desde quando o sistema de origem não tem esses valores ou a extração os "
        "omite, e "
        "entregue novamente os registros corrigidos.",
        "closing": "Esta mensagem não contém dados de pacientes.",
        "any": "todos",
        "and": "a",
    },
}


def _text(
    language: Language, feed: Feed, missing: Sequence[Missing], days: Sequence[date], troubles: Sequence[Trouble]
) -> str:
    words = _WORDS[language]
    lines = [words["greeting"].format(owner=feed.owner.name), ""]
    if missing:
        lines += [*_missing_lines(language, feed, missing, days), "", words["ask"], ""]
    for kind in dict.fromkeys(trouble.kind for trouble in troubles):
        lines += [words[kind].format(feed=feed.feed_id), ""]
        lines += [line for trouble in troubles if trouble.kind == kind for line in trouble.lines[language]]
        lines += ["", words[f"{kind}_ask"], ""]
    return "\n".join([*lines, words["closing"], ""])


def _missing_lines(language: Language, feed: Feed, missing: Sequence[Missing], days: Sequence[date]) -> list[str]:
    words = _WORDS[language]
    first, last = (day_in(day, language) for day in (min(days), max(days)))
    window = first if first == last else f"{first} {words['and']} {last}"
    lines = [words["intro"].format(feed=feed.feed_id, days=window), ""]
    # Two rules may say the same of a column.
    lines += dict.fromkeys(
        words["line"].format(
            column=_sources(feed, one.columns),
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
    return lines


def _sources(feed: Feed, columns: Sequence[str]) -> str:
    """Return the columns as the supplier calls them."""
    sources = [(name, feed.source(name)) for name in columns]
    return ", ".join(source.column if source and source.column else name for name, source in sources)
