"""What in a held record is at fault, told without what may say whose it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from healthcare_ops.core.feed import IDENTIFIERS, Feed
from healthcare_ops.core.reasons import WITHHELD, Reason
from healthcare_ops.core.tables import DISPOSITIONS, ENCOUNTER_TIMES, ENCOUNTERS, LINEAGE, TABLES
from healthcare_ops.pipeline.quality.rules.checks import Check
from healthcare_ops.pipeline.silver import ORDERED

Form = Literal["value", "instant", "shape", "missing", "identifier"]
# Neither the ids nor the hash of a record's whole text, from which they could be guessed.
_NEVER_SHOWN = (*IDENTIFIERS, "content_hash")
_TIMES = (*ENCOUNTER_TIMES, "event_time", "version_time")
_DATE = r"([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.]([0-9]{4}|[0-9]{2}))"
_CLOCK = r"[T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?( ?[AP]M)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
_TIME = re.compile(f"{_DATE}({_CLOCK})?")
_LEVEL = re.compile(r"[0-9]{1,2}")
_LONGEST_SHAPE = 24
# Codes of whole encounters, and the columns that they speak of.
_OF_ENCOUNTERS = {
    Reason.ARRIVAL_MISSING: ("arrival_time",),
    Reason.SECTOR_MISSING: ("sector_id",),
    Reason.STAY_TOO_LONG: ("los_min",),
}


@dataclass(frozen=True)
class Evidence:
    """What a rule, or reason code, found in a column.

    `value` is text or a number; of an `instant` the site's time in ISO 8601 with its offset; of delivered text that is
    no value of its column, and so might be a patient's name or number, the `shape` alone (`aaaa ##`: letters and
    digits); null where the column is empty (`missing`), and of an `identifier`.
    """

    rule: str
    column: str
    form: Form
    value: str | int | float | None


def needs_encounter(record: Mapping[str, Any], checks: Mapping[str, Check]) -> bool:
    """Tell whether what is at fault is in the encounter that the record belongs to, not in its own text."""
    names = record["rule_ids"].split(",")
    is_of_rule = any(name in checks and checks[name].table == ENCOUNTERS.id for name in names)
    return is_of_rule or (record["column"] is None and record["reason_code"] in (*_OF_ENCOUNTERS, "EVENTS_REVERSED"))


def evidence_of(
    record: Mapping[str, Any],
    checks: Mapping[str, Check],
    delivered: Mapping[str, Any],
    encounter: Mapping[str, Any],
    codes: Mapping[str, Collection[str]],
) -> list[Evidence]:
    """Return what is at fault in a record, in the order of its rules; nothing of rules that count no longer.

    Parameters
    ----------
    record
        Row of `silver.quarantine`.
    checks
        The rules in force that hold rows, by id.
    delivered, encounter
        Its row of bronze, and that of its encounter as `silver.encounters` would have it; empty where there is none.
    codes
        `known_codes` of its feed.
    """
    found: list[Evidence] = []
    for name in record["rule_ids"].split(","):
        if name in checks and checks[name].table != ENCOUNTERS.id:
            found += (_of_text(name, column, delivered, codes) for column in _columns(checks[name]))
        elif name in checks:
            found += (_of_value(name, column, encounter) for column in _columns(checks[name]) if encounter)
        elif name == record["reason_code"] and record["column"]:
            found.append(_of_text(name, record["column"], delivered, codes))
        elif name == record["reason_code"] and encounter:
            found += (_of_value(name, column, encounter) for column in _at_fault(name, encounter))
    return found


def known_codes(feed: Feed | None, sectors: Collection[str]) -> dict[str, Collection[str]]:
    """Return by column the codes that its values may be: those that the feed file names, or the platform's own."""
    values = feed.values if feed else None
    places = (values and values.sector) or sectors
    return {
        "sector": places,
        "transfer_sector": places,
        "triage_level": values.triage_level if values else (),
        "disposition": (values and values.disposition) or DISPOSITIONS,
        "event_type": values.event_type if values else (),
    }


def _columns(check: Check) -> tuple[str, ...]:
    """Return the columns that a rule judges: its parameters, or those that its text names where it has none."""
    (table,) = [table for table in TABLES if table.id == check.table]
    named = check.columns or re.findall(r"\w+", check.rule)
    return tuple(name for name in dict.fromkeys(named) if name in table.column_names)


def _at_fault(reason: str, encounter: Mapping[str, Any]) -> Iterator[str]:
    yield from _OF_ENCOUNTERS.get(Reason(reason), ())
    if reason == Reason.EVENTS_REVERSED:
        pairs = [(a, b) for a, b in ORDERED if encounter.get(a) and encounter.get(b)]
        # Where none of these is: a place was named before arrival or after discharge, and has no column of its own.
        ends = ("arrival_time", "discharge_time")
        yield from next((pair for pair in pairs if encounter[pair[1]] < encounter[pair[0]]), ends)


def _of_value(rule: str, column: str, row: Mapping[str, Any]) -> Evidence:
    value = row.get(column)
    if value is None:
        return Evidence(rule, column, "missing", None)
    if column in _NEVER_SHOWN:
        return Evidence(rule, column, "identifier", None)
    if isinstance(value, datetime):
        return Evidence(rule, column, "instant", value.isoformat())
    return Evidence(rule, column, "value", str(value) if isinstance(value, date) else value)


def _of_text(rule: str, column: str, row: Mapping[str, Any], codes: Mapping[str, Collection[str]]) -> Evidence:
    text = row.get(column)
    if text == WITHHELD:
        return Evidence(rule, column, "identifier", None)
    if text is None or column in _NEVER_SHOWN or column in {one.name for one in LINEAGE}:
        return _of_value(rule, column, row)
    if _is_of_its_column(column, text.strip(), codes):
        return Evidence(rule, column, "value", text)
    return Evidence(rule, column, "shape", _shape(text))


def _is_of_its_column(column: str, text: str, codes: Mapping[str, Collection[str]]) -> bool:
    if column in _TIMES:
        return _TIME.fullmatch(text) is not None
    return (text != "*" and text in codes.get(column, ())) or (
        column == "triage_level" and _LEVEL.fullmatch(text) is not None
    )


def _shape(text: str) -> str:
    """Return the text with `a` for each letter and `#` for each digit, cut where it is long."""
    marks = (
        "#" if c.isdigit() else "a" if c.isalpha() else c if c.isascii() and c.isprintable() else "?" for c in text
    )
    shape = "".join(marks)
    return shape if len(shape) <= _LONGEST_SHAPE else f"{shape[:_LONGEST_SHAPE]}… ({len(shape):,} characters)"
