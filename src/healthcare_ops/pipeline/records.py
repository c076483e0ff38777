"""Delivered records, typed and judged: what each one says, and what becomes of it.

Every record meets exactly one fate: applied, superseded, duplicate, quarantined or ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.civil_time import OffsetSpan
from healthcare_ops.core.feed import IGNORE, LEFT, Feed
from healthcare_ops.core.reasons import WITHHELD, Reason
from healthcare_ops.core.tables import DISPOSITIONS, ENCOUNTER_TIMES, ENCOUNTERS_RAW, EVENTS_RAW, LINEAGE
from healthcare_ops.pipeline import civil

LINEAGE_NAMES = tuple(column.name for column in LINEAGE)
_COMMON = (*LINEAGE_NAMES, "encounter_id", "patient_id", "content_hash", "rules_released", "dt")
_PLAIN_ISO = r"^\d{4}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):\d{2}(:\d{2})?$"
# What tells two records of bronze apart.
_RECORD = ENCOUNTERS_RAW.key
_PLACES_AND_CODES = ("sector", "bed", "triage_level", "disposition")
_FOR_JUDGING = ("record_key", "version", "content_hash", "is_ignored")
# What `told_days` looks at.
DAY_COLUMNS: Mapping[str, tuple[str, ...]] = {
    ENCOUNTERS_RAW.id: ("feed_id", "encounter_id", "dt", *ENCOUNTER_TIMES),
    EVENTS_RAW.id: ("feed_id", "encounter_id", "dt", "event_time"),
}


@dataclass(frozen=True)
class _Check:
    """A condition that holds a record back, with the column it speaks of."""

    is_bad: Any
    reason: Reason
    column: str


def told_days(raw: ir.Table, same_clock: Sequence[str]) -> ir.Table:
    """Return the encounter and day of each record of bronze, and whether its arrival `may_be_beside` that day.

    Records are kept under the day of the clock that they show, and encounters under the site's.

    Parameters
    ----------
    same_clock
        Feeds whose zone is the site's: what they say is of another clock only with an offset beside it.
    """
    texts = [raw[name] for name in (*ENCOUNTER_TIMES, "event_time") if name in raw.columns]
    is_foreign = ~raw.feed_id.isin(same_clock) if same_clock else ibis.literal(True)
    may_be_beside = reduce(lambda left, right: left | right, map(civil.has_offset, texts), is_foreign)
    return raw.select("encounter_id", "dt", may_be_beside=may_be_beside)


def type_encounters(raw: ir.Table, feed: Feed, spans: Sequence[OffsetSpan], sectors: Sequence[str]) -> ir.Table:
    """Return one row per record of an encounter feed: instants, codes, `reason_code` (null = sound).

    Parameters
    ----------
    raw
        Rows of `bronze.encounters_raw` of this feed; `rules_broken` and `rules_released` name the rules that would
        hold a record back, where rules were held against them.
    spans
        Offsets of the feed's zone over every time the rows can hold.
    sectors
        Sector ids of the site.
    """
    rows = _read_times(_with_rules(raw), feed, (*ENCOUNTER_TIMES, "version_time"), spans)
    rows = _read_codes(rows, feed, sectors)
    checks = [
        _Check(rows.encounter_id.isnull(), Reason.ENCOUNTER_ID_MISSING, "encounter_id"),
        *_identifier_checks(rows, (*_PLACES_AND_CODES, "transfer_sector", *ENCOUNTER_TIMES, "version_time")),
        *_time_checks(rows, feed, ENCOUNTER_TIMES),
        _Check(_is_version_unreadable(rows, feed), Reason.TIME_UNREADABLE, "version_time"),
        _Check(_is_timeless(rows, feed), Reason.ARRIVAL_MISSING, "arrival_time"),
        *_code_checks(rows, ("sector", "transfer_sector", "triage_level", "disposition")),
        _Check(rows.rules_broken.notnull(), Reason.RULE_BROKEN, ""),
    ]
    verdicts = _verdicts(checks, rows.rules_broken)
    return rows.select(
        *_COMMON,
        record_key=_record_key(rows, feed, rows.encounter_id),
        version=rows["version_time_at"],
        is_ignored=ibis.literal(False),
        resolved=_resolved(rows, feed, ENCOUNTER_TIMES),
        is_misplaced=_is_misplaced(rows, feed, ENCOUNTER_TIMES),
        **verdicts,
        **{f"{name}_at": rows[f"{name}_at"] for name in ENCOUNTER_TIMES},
        **{f"{name}_id": rows[f"{name}_id"] for name in ("sector", "transfer_sector")},
        bed_id=rows.bed,
        level=rows["triage_level_id"],
        outcome=rows["disposition_id"],
    )


def type_events(raw: ir.Table, feed: Feed, spans: Sequence[OffsetSpan], sectors: Sequence[str]) -> ir.Table:
    """Return one row per record of an event feed: instant, codes, `reason_code` (null = sound).

    Two records are versions of one event when they share the source's event id or, where it has none,
    encounter, type and time.
    """
    rows = _read_times(_with_rules(raw), feed, ("event_time", "version_time"), spans)
    rows = _read_codes(rows, feed, sectors)
    kind = rows["event_type_id"]
    checks = [
        *_identifier_checks(rows, (*_PLACES_AND_CODES, "event_type", "event_time", "version_time")),
        _Check(kind.isnull() & (rows.event_type != WITHHELD).fill_null(True), Reason.EVENT_TYPE_UNKNOWN, "event_type"),
        _Check(rows.encounter_id.isnull(), Reason.ENCOUNTER_ID_MISSING, "encounter_id"),
        _Check(rows.event_time.isnull(), Reason.EVENT_TIME_MISSING, "event_time"),
        *_time_checks(rows, feed, ("event_time",)),
        _Check(_is_version_unreadable(rows, feed), Reason.TIME_UNREADABLE, "version_time"),
        *_code_checks(rows, ("sector", "triage_level", "disposition")),
        _Check(rows.rules_broken.notnull(), Reason.RULE_BROKEN, ""),
    ]
    # What is ignored or not understood keeps its own code: two such events of one minute are two events.
    told = ibis.coalesce(kind.nullif(IGNORE), rows.event_type, ibis.literal("?"))
    # The instant, not its text: two systems may write one time in two ways.
    when = ibis.coalesce(civil.epoch_us(rows["event_time_at"]).cast("string"), rows.event_time, ibis.literal("?"))
    natural = told + "|" + when
    event_key = rows.encounter_id + "|" + rows.source_event_id.fill_null(natural)
    return rows.select(
        *_COMMON,
        record_key=_record_key(rows, feed, event_key),
        version=rows["version_time_at"],
        is_ignored=(kind == IGNORE).fill_null(False),
        resolved=_resolved(rows, feed, ("event_time",)),
        is_misplaced=_is_misplaced(rows, feed, ("event_time",)),
        **_verdicts(checks, rows.rules_broken),
        source_event_id=rows.source_event_id,
        event_type=ibis.ifelse(kind == LEFT, "discharge", kind),
        event_time=rows["event_time_at"],
        sector_id=rows["sector_id"],
        bed_id=rows.bed,
        level=rows["triage_level_id"],
        outcome=ibis.ifelse(kind == LEFT, "left_without_care", rows["disposition_id"]),
    )


def judge(typed: ir.Table) -> ir.Table:
    """Return the records with their `fate`: the newest version of a thing stands for it, all others give way.

    Newest is decided by (source version time, delivery_seq, record_no), never by processing time.
    """
    rows = typed.left_join(_old_versions(typed), _RECORD, rname="{name}_old")
    fate = ibis.cases(
        (rows.old_fate.notnull(), rows.old_fate),
        (rows.is_ignored, "ignored"),
        (rows.reason_code.notnull(), "quarantined"),
        else_="applied",
    )
    return rows.select(*(name for name in typed.columns if name not in _FOR_JUDGING), fate=fate)


def _old_versions(typed: ir.Table) -> ir.Table:
    """Return the records that a newer version replaces, with their fate."""
    # Almost every record is the only one of its thing: sorting them all would be most of this job's work.
    counts = typed.group_by("feed_id", "record_key").aggregate(versions=typed.count())
    versions = typed.select(*_RECORD, "record_key", "version", "content_hash").semi_join(
        counts.filter(counts.versions > 1), ["feed_id", "record_key"]
    )
    newest_first = ibis.window(
        group_by=["feed_id", "record_key"],
        order_by=[
            versions.version.desc(nulls_first=False),
            versions.delivery_seq.desc(),
            versions.record_no.desc(),
            versions.source_sha256,
        ],
    )
    ranked = versions.mutate(
        version_rank=ibis.row_number().over(newest_first),
        newest_hash=versions.content_hash.first().over(newest_first),
    )
    old = ranked.filter(ranked.version_rank > 0)
    return old.select(*_RECORD, old_fate=ibis.ifelse(old.content_hash == old.newest_hash, "duplicate", "superseded"))


def _with_rules(raw: ir.Table) -> ir.Table:
    if "rules_broken" in raw.columns:
        return raw
    return raw.mutate(rules_broken=ibis.null("string"), rules_released=ibis.null("string"))


def _record_key(rows: ir.Table, feed: Feed, key: Any) -> Any:
    """Return the key, or one of the record's own where it names no encounter, or no time that orders versions."""
    known = ibis.ifelse(_is_version_unreadable(rows, feed), ibis.null("string"), key)
    return known.fill_null(rows.source_sha256 + "|" + rows.record_no.cast("string"))


def _is_version_unreadable(rows: ir.Table, feed: Feed) -> Any:
    if "version_time" not in feed.columns:
        return ibis.literal(False)
    return rows.version_time.notnull() & rows["version_time_clock"].isnull()


def _read_times(raw: ir.Table, feed: Feed, names: Sequence[str], spans: Sequence[OffsetSpan]) -> ir.Table:
    """Add `<name>_clock`, `<name>_offset`, `<name>_kind` and `<name>_at` (naive UTC) for each time column."""
    clocks: dict[str, Any] = {}
    for name in names:
        read = _read_time(raw[name], feed) if name in feed.columns else civil.NOTHING
        clocks |= {f"{name}_clock": read.clock, f"{name}_offset": read.offset_min}
    rows = raw.mutate(**clocks)
    return rows.mutate(
        **{f"{name}_at": _instant(rows, feed, name, spans) for name in names},
        **{f"{name}_kind": civil.civil_kind(rows[f"{name}_clock"], spans) for name in names},
    )


def _read_time(text: Any, feed: Feed) -> civil.Civil:
    """Read a time; a plain ISO one, as nearly all are, without looking for blanks, offsets and other formats."""
    if feed.times.formats[0] != "ISO":
        return civil.read(text, feed.times.formats)
    is_plain = text.re_search(_PLAIN_ISO)
    other = civil.read(ibis.ifelse(is_plain, ibis.null("string"), text), feed.times.formats)
    return civil.Civil(
        ibis.ifelse(is_plain, text.try_cast("timestamp"), other.clock),
        ibis.ifelse(is_plain, ibis.null("int64"), other.offset_min),
    )


def _instant(rows: ir.Table, feed: Feed, name: str, spans: Sequence[OffsetSpan]) -> Any:
    if name not in feed.columns:
        return ibis.null("timestamp")
    clock, offset = rows[f"{name}_clock"], rows[f"{name}_offset"]
    local = civil.to_utc(clock, spans, repeated_hour=feed.times.repeated_hour)
    if "ISO" not in feed.times.formats:
        return local
    return ibis.ifelse(offset.isnull(), local, clock - offset.as_interval("m"))


def _time_checks(rows: ir.Table, feed: Feed, names: Sequence[str]) -> list[_Check]:
    checks = []
    for name in (name for name in names if name in feed.columns):
        clock = rows[f"{name}_clock"]
        day = clock.date()
        is_outside = (day < ibis.literal(feed.plausible.first)) | (day > ibis.literal(feed.plausible.last))
        checks += [
            _Check(_is_told(rows[name]) & clock.isnull(), Reason.TIME_UNREADABLE, name),
            _Check(is_outside, Reason.TIME_OUT_OF_RANGE, name),
        ]
        for kind, policy, reason in _clock_changes(feed):
            if policy == "quarantine":
                checks.append(_Check(_is_kind(rows, name, kind), reason, name))
    return checks


def _is_timeless(rows: ir.Table, feed: Feed) -> Any:
    """Tell whether a record has no time at all: no event would come of it, and it would stand nowhere."""
    clocks = [rows[f"{name}_clock"] for name in ENCOUNTER_TIMES if name in feed.columns]
    return ibis.coalesce(*clocks).isnull()


def _is_misplaced(rows: ir.Table, feed: Feed, names: Sequence[str]) -> Any:
    """Tell whether a record's first plausible time is of another day than bronze keeps it under.

    It was read by another mapping then, and who looks for the record by its day does not find it.
    """
    clocks = [rows[f"{name}_clock"] for name in names if name in feed.columns]
    days = [civil.day_between(clock, feed.plausible.first, feed.plausible.last) for clock in clocks]
    return (ibis.coalesce(ibis.null("date"), *days) != rows.dt).fill_null(False)


def _clock_changes(feed: Feed) -> tuple[tuple[str, str, Reason], ...]:
    return (
        ("skipped", feed.times.skipped_hour, Reason.TIME_IN_SKIPPED_HOUR),
        ("repeated", feed.times.repeated_hour, Reason.TIME_IN_REPEATED_HOUR),
    )


def _is_kind(rows: ir.Table, name: str, kind: str) -> Any:
    return rows[f"{name}_offset"].isnull() & (rows[f"{name}_kind"] == kind)


def _resolved(rows: ir.Table, feed: Feed, names: Sequence[str]) -> Any:
    """Return how many of the record's times lay in a skipped or repeated hour and were resolved."""
    counts = [
        _is_kind(rows, name, kind).fill_null(False).cast("int64")
        for name in names
        if name in feed.columns
        for kind, policy, _ in _clock_changes(feed)
        if policy != "quarantine"
    ]
    return reduce(lambda left, right: left + right, counts, ibis.literal(0, "int64"))


def _read_codes(rows: ir.Table, feed: Feed, sectors: Sequence[str]) -> ir.Table:
    """Add `<name>_id` for each code column: the platform's value, null where unknown or not delivered."""
    maps: dict[str, Mapping[str, Any]] = {
        "sector": feed.values.sector or {name: name for name in sectors},
        "triage_level": feed.values.triage_level or {str(level): level for level in range(1, 6)},
        "disposition": feed.values.disposition or {name: name for name in DISPOSITIONS},
        "event_type": feed.values.event_type,
    }
    maps["transfer_sector"] = maps["sector"]
    codes = {name: mapping for name, mapping in maps.items() if name in rows.columns}
    return rows.mutate(**{f"{name}_id": _map_code(rows[name], mapping) for name, mapping in codes.items()})


def _map_code(code: Any, mapping: Mapping[str, Any]) -> Any:
    kind = "int64" if any(isinstance(value, int) for value in mapping.values()) else "string"
    known = {text: value for text, value in mapping.items() if text != "*"}
    other = ibis.literal(mapping["*"], kind) if "*" in mapping else ibis.null(kind)
    if not known:
        return ibis.ifelse(code.notnull(), other, ibis.null(kind))
    trimmed = code.strip()
    return ibis.cases(
        (code.isnull(), ibis.null(kind)),
        *((trimmed == text, ibis.literal(value, kind)) for text, value in known.items()),
        else_=other,
    )


def _identifier_checks(rows: ir.Table, names: Sequence[str]) -> list[_Check]:
    """Return the checks for what the source reader withheld, but where the feed maps any text to a code."""

    def is_withheld(name: str) -> Any:
        told = rows[name] == WITHHELD
        return told & rows[f"{name}_id"].isnull() if f"{name}_id" in rows.columns else told

    return [_Check(is_withheld(name), Reason.IDENTIFIER_MISPLACED, name) for name in names]


def _code_checks(rows: ir.Table, names: Sequence[str]) -> list[_Check]:
    reasons = {
        "sector": Reason.SECTOR_UNKNOWN,
        "transfer_sector": Reason.SECTOR_UNKNOWN,
        "triage_level": Reason.TRIAGE_UNKNOWN,
        "disposition": Reason.DISPOSITION_UNKNOWN,
    }
    return [_Check(_is_told(rows[name]) & rows[f"{name}_id"].isnull(), reasons[name], name) for name in names]


def _is_told(text: Any) -> Any:
    """Tell whether there is a text of which more can be said than that the source reader withheld it."""
    return (text != WITHHELD).fill_null(False)


def _verdicts(checks: Sequence[_Check], rules_broken: Any) -> dict[str, Any]:
    """Return the first failed check's reason and column, and the reasons and rules of all that failed, each once."""
    null = ibis.null("string")
    by_reason: dict[Reason, Any] = {}
    for check in checks:
        is_bad = check.is_bad.fill_null(False)
        by_reason[check.reason] = by_reason[check.reason] | is_bad if check.reason in by_reason else is_bad
    names = {Reason.RULE_BROKEN: "," + rules_broken.fill_null("")}
    failed = [ibis.ifelse(is_bad, names.get(reason, f",{reason}"), "") for reason, is_bad in by_reason.items()]
    reason_code = ibis.cases(*((c.is_bad, c.reason.value) for c in checks), else_=null)
    return {
        "reason_code": reason_code,
        "column": ibis.cases(*((c.is_bad, c.column) for c in checks), else_=null).nullif(""),
        # Almost every record is sound, and then nothing is joined.
        "rule_ids": ibis.ifelse(reason_code.isnull(), null, reduce(lambda left, right: left + right, failed).substr(1)),
    }
