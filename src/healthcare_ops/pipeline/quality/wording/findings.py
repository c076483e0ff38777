"""What a report says of a figure, a clock or a refused file, as a sentence made of its facts in either language.

A finding is a section of a report: plain values by name, as `report.schema.json` has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from healthcare_ops.core.language import Language, as_written, day_in, text_in, weekday_in
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.core.tables import BATCH_ACCOUNTS
from healthcare_ops.pipeline.quality.wording.texts import FAULTS, MILESTONES_PT, ROWS, TEXTS

Section = Mapping[str, Any]
# Where a report tells what no rule says: of clocks, of two clocks, of figures.
PAST_LISTS = ("clocks", "shifts", "expectations")
# A mean that moved so far is more likely a unit than a crowd.
_UNIT_FACTOR = 15.0
# Without these a sentence cannot be made: reports of before they were kept lack them.
_FACTS = {"figure": "is_holiday", "clock": "witness", "shift": "pairs", "refused": "reason_code"}


def say(key: str, language: Language, **values: object) -> str:
    """Return a text of the table with its places filled."""
    return text_in(TEXTS[key], language).format(**values)


def kind_of(section: Section) -> str:
    """Return whether a finding is of refused files, a shift of two clocks, a clock, or a figure."""
    if section.get("rule") == "refused":
        return "refused"
    return "shift" if "other_feed_id" in section else "figure" if "rule" in section else "clock"


def has_facts(section: Section) -> bool:
    """Tell whether a finding holds what its sentence is made of; the reports of earlier versions may not."""
    return _FACTS[kind_of(section)] in section


def sentence_of(section: Section, language: Language = "en") -> str:
    """Return a finding that has its facts as a sentence, without its day; it names no patient."""
    tell = {"figure": _figure, "clock": _clock, "shift": _shift, "refused": _refusal}[kind_of(section)]
    return tell(section, language)


def number(value: float, language: Language) -> str:
    """Return a count or a mean as people say it: a decimal where it is small."""
    text = f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
    return as_written(text, language)


def _figure(found: Section, language: Language) -> str:
    if found["rule"] == "freshness":
        return _silence(found, language)
    names = ("observed", "expected", "lower", "upper")
    said: dict[str, object] = {name: number(found[name], language) for name in names}
    day = "holiday" if found["is_holiday"] else f"weekday_{date.fromisoformat(found['day']).weekday()}"
    return say(
        found["rule"],
        language,
        **said,
        place=_place(found, language),
        rows=text_in(ROWS[found["table"]], language),
        window=_window(found, language),
        usual=say("usual", language, **said, day=say(day, language)),
        size=number(found["rows"] or 0, language),
        column=found["column"],
        what=_what(found, language),
        later=say("later", language, hours=number(found["due_h"], language)) if found["due_h"] else "",
        hint=say("unit", language) if is_of_unit(found) else "",
    )


def is_of_unit(figure: Section) -> bool:
    """Tell whether a mean of minutes is so far off that a unit was mistaken, more likely than that people waited."""
    factor = max(figure["observed"], 0.1) / max(figure["expected"], 0.1)
    return bool(max(factor, 1 / factor) > _UNIT_FACTOR and figure["column"].endswith("_min"))


def _what(found: Section, language: Language) -> str:
    if found["table"] == BATCH_ACCOUNTS.id:
        return say("held", language)
    return say("missing", language, column=found["column"])


def _silence(found: Section, language: Language) -> str:
    start, end = (datetime.fromisoformat(found[name]) for name in ("start", "end"))
    who = "feed" if found["by"] == "feed_id" else "place"
    return say(
        f"silent_{who}_{'then' if found['is_over'] else 'now'}",
        language,
        place=_place(found, language),
        rows=text_in(ROWS[found["table"]], language),
        weekday=weekday_in(start, language),
        start=f"{start:%H:%M}",
        end=f"{end:%H:%M}",
        hours=number((end - start) / timedelta(hours=1), language),
        expected=number(found["expected"], language),
        longest=number(found["upper"], language),
        pending=say("pending", language, count=number(pending, language)) if (pending := _pending(found)) else "",
    )


def _pending(found: Section) -> float:
    """Return how many more may only be late; reports of before this was told say nothing."""
    return float(round(found.get("pending", 0.0)))


def _place(found: Section, language: Language) -> str:
    return say(f"place_of_{found['by']}", language, place=found["place"])


def _window(found: Section, language: Language) -> str:
    start, end = (datetime.fromisoformat(found[name]) for name in ("start", "end"))
    # What is known of a feed's day as a whole stands at its last hour.
    if end - start == timedelta(hours=24) or found["table"] == BATCH_ACCOUNTS.id:
        return say("on_day", language, day=f"{start:%d %B %Y}" if language == "en" else day_in(start, language))
    until = "24:00" if end.date() > start.date() else f"{end:%H:%M}"
    return say("from_to", language, start=f"{start:%H:%M}", end=until)


def _clock(found: Section, language: Language) -> str:
    feed = found["feed_id"]
    if found["offset_h"] is None:
        return say("clock_unknown", language, feed=feed)
    mistakes = mistakes_of(found["mistakes"], language)
    why = say("as_if", language, mistakes=mistakes) if mistakes else ""
    only = say(f"by_{found['witness']}", language) if found["witness"] in ("lag", "hours") else ""
    return say("clock", language, feed=feed, offset=_offset(found, language), why=why, only=only)


def mistakes_of(mistakes: Sequence[Section], language: Language = "en") -> str:
    """Return the mistakes that would explain a wrong clock, as one clause; empty if there are none."""
    return say("or", language).join(
        say(
            one["code"],
            language,
            zone=one["zone"],
            read_as=one["read_as"],
            day=day_in(date.fromisoformat(one["day"]), language) if one["day"] else "",
        )
        for one in mistakes
    )


def _shift(found: Section, language: Language) -> str:
    names = {
        name: MILESTONES_PT.get(found[name], found[name]) if language == "pt-BR" else found[name]
        for name in ("milestone", "other_milestone")
    }
    return say(
        "shift",
        language,
        **names,
        feed=found["feed_id"],
        other=found["other_feed_id"],
        offset=_offset(found, language),
        pairs=as_written(str(found["pairs"]), language),
    )


def _offset(found: Section, language: Language) -> str:
    return as_written(f"{found['offset_h']:+g}".replace("-", "−"), language)


def _refusal(file: Section, language: Language) -> str:
    at = datetime.fromisoformat(file["refused_at"])
    return say(
        "refused", language, file=file["source_file"], at=instant(at, language), why=refusal_reason(file, language)
    )


def refusal_reason(file: Section, language: Language = "en") -> str:
    """Return why a file was refused, and where in it; nothing of the file is quoted."""
    why = text_in(FAULTS[FileFault(file["reason_code"])], language)
    return say("line", language, line=file["line"], why=why) if file["line"] else why


def instant(at: datetime, language: Language) -> str:
    """Return a day and time in digits, in the zone of the instant."""
    return f"{day_in(at, language)} {at:%H:%M}"


def next_step_of(section: Section, language: Language = "en", *, command: str = "") -> str:
    """Return what to do about refused files, a clock, two clocks that disagree, or a figure that is too far off.

    `command` takes the files back.
    """
    kind = section["rule"] if kind_of(section) == "figure" else kind_of(section)
    if kind == "nulls" and section.get("table") == BATCH_ACCOUNTS.id:
        kind = "held"
    names = ("feed_id", "other_feed_id", "column")
    return say(f"next_{kind}", language, **{name: section.get(name, "") for name in names}, command=command)
