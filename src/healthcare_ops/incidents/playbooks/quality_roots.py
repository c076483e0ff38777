"""The roots in a report of data quality: its causes, less those that tell of the same fault at the same place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from healthcare_ops.core.language import LANGUAGES
from healthcare_ops.core.reasons import Reason
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTER_TIMES, EVENTS_RAW
from healthcare_ops.incidents.diagnosis import Fact, Fault, Root
from healthcare_ops.pipeline.quality.wording.causes import is_whole, lead_of, own_of, sentence_of
from healthcare_ops.pipeline.quality.wording.feeds import unanswered

Section = Mapping[str, Any]
# Of records that are held back for no reason that the report names; else the reason is the root's code.
HELD = "held"
_KEYS = {"run_id", "written_at", "days", "verdict", "dq_risk_score", "causes", "rules", "feeds"}
_TIMES = {*ENCOUNTER_TIMES, *(column for column in EVENTS_RAW.column_names if column.endswith("_time"))}
# So much of what was expected is missing that a feed is silent rather than cut.
_SILENT_SHARE = 0.9
# What is one fault of a feed, though other things are known of it from day to day; what says most of it first.
_FAMILIES: Mapping[str, tuple[str, int]] = {
    "clock": ("times", 0),
    "time_range": ("times", 1),
    Reason.TIME_OUT_OF_RANGE: ("times", 2),
    "time_order": ("times", 3),
    Reason.EVENTS_REVERSED: ("times", 4),
    "refused": ("deliveries", 0),
    "silent": ("deliveries", 1),
    "loss": ("deliveries", 2),
}
# Where so much of what is missing lies, it is named.
_NAMED_SHARE = 0.2


@dataclass(frozen=True)
class QualityRoot:
    """One fault that a report tells of, by one or more causes, the gravest first.

    `facts` are what it is of: feed, sectors, column, share or offset.
    """

    root: Root
    causes: tuple[Section, ...]
    facts: Mapping[str, Fact]

    @property
    def lead(self) -> Section:
        """Return the gravest cause."""
        return self.causes[0]

    @property
    def feed_id(self) -> str:
        """Return the feed that is to blame; empty if the report knows none."""
        return str(self.facts.get("feed", ""))

    @property
    def is_failed(self) -> bool:
        """Tell whether it keeps data from gold."""
        return any(cause["verdict"] == "fail" for cause in self.causes)

    @property
    def points(self) -> float:
        """Return how much of the report's score is due to it."""
        return float(sum(cause["points"] for cause in self.causes))


def quality_roots(report: Section) -> list[QualityRoot]:
    """Return the faults for which a report stops gold, the gravest first; empty if there is none.

    A clock that is wrong also breaks rules about times, and holds records whose times cannot be, often before it is
    known as a clock; values that are missing are found by rules and by the site's past alike. Each of these is one
    fault. A report that is not whole, as those of earlier versions are, tells of none.
    """
    return [one for one in _all_roots(report) if one.is_failed]


def gravest_roots(report: Section) -> list[QualityRoot]:
    """Return the faults of a report that stops nothing to which most of its score is due; empty if it has none."""
    found = _all_roots(report)
    most = max((one.points for one in found), default=0.0)
    return [one for one in found if most and one.points >= most / 2]


def _all_roots(report: Section) -> list[QualityRoot]:
    if not is_readable(report):
        return []
    groups: dict[str, list[QualityRoot]] = {}
    for cause in report["causes"]:
        found = _root_of(cause, report)
        groups.setdefault(found.root.key, []).append(found)
    return [_merged(found) for found in groups.values()]


def said(cause: Section, report: Section) -> dict[str, Fact]:
    """Return what a cause is, in each language."""
    return {language: sentence_of(cause, report, language) for language in LANGUAGES}


def is_readable(report: Section) -> bool:
    """Tell whether all is there that a report's causes are told by."""
    if not set(report) >= _KEYS:
        return False
    try:
        for cause in report["causes"]:
            lead_of(cause, report)
            if not is_whole(cause, report):
                return False
    except (KeyError, StopIteration, ValueError):
        return False
    return True


def _root_of(cause: Section, report: Section) -> QualityRoot:
    facts = dict(_FACTS[cause["kind"]](cause, report))
    code = str(facts.pop("code"))
    feed = str(facts.get("feed") or "")
    place = "/".join(str(part) for part in (feed, facts.get("place_of"), facts.get("column")) if part)
    fault: Fault = "silent_feed" if code == "silent" else "data_quality"
    is_of_sector = facts.pop("place_of", None) is not None
    family = "" if is_of_sector else family_of(code, feed)
    return QualityRoot(Root("INC-02", fault, place, code, family), (cause,), facts)


def _merged(found: Sequence[QualityRoot]) -> QualityRoot:
    """Return several causes of one root as what says most of it: a clock rather than the times that it makes."""
    told = sorted(found, key=lambda one: _FAMILIES.get(one.root.code, ("", 0))[1])
    return replace(told[0], causes=tuple(cause for one in told for cause in one.causes))


def family_of(code: str, feed_id: str) -> str:
    """Return by what a root is known whatever is learnt of it: the times, or the deliveries, of a feed; or empty."""
    name, _ = _FAMILIES.get(code, ("", 0))
    return f"{name}/{feed_id}" if name and feed_id else ""


def is_of_held(code: str) -> bool:
    """Tell whether a root is of records that are held back, by its code."""
    return code == HELD or code in set(Reason)


def _of_refused(cause: Section, report: Section) -> Iterator[tuple[str, Fact]]:
    yield "code", "refused"
    yield "feed", _feed_in(cause)
    files = unanswered(next(one for one in report["feeds"] if one["feed_id"] == _feed_in(cause))["refused_files"])
    yield "files", len(files)
    yield "why", files[0]["reason_code"] if files else None


def _of_clock(cause: Section, report: Section) -> Iterator[tuple[str, Fact]]:
    lead = lead_of(cause, report)
    yield "code", "clock"
    yield "feed", _feed_in(cause)
    yield "offset_h", lead["offset_h"]
    yield "witness", lead.get("witness")


def _of_shift(cause: Section, report: Section) -> Iterator[tuple[str, Fact]]:
    lead = lead_of(cause, report)
    yield "code", "shift"
    yield "feed", lead["feed_id"]
    yield "place_of", lead["other_feed_id"]
    yield "other_feed", lead["other_feed_id"]
    yield "offset_h", lead["offset_h"]


def _of_rows(cause: Section, report: Section) -> Iterator[tuple[str, Fact]]:
    """Yield what is of a place with too few or too many rows; a feed with next to none is silent."""
    own = own_of(cause, report)
    lead = lead_of(cause, report)
    of_feed = lead["by"] == "feed_id"
    missing = max((1 - one["observed"] / one["expected"] for one in own if one["expected"]), default=0.0)
    is_silent = of_feed and (missing >= _SILENT_SHARE or any(one["rule"] == "freshness" for one in own))
    yield "code", "silent" if cause["kind"] == "loss" and is_silent else cause["kind"]
    yield "feed", lead["place"] if of_feed else _feed_in(cause)
    if not of_feed:
        yield "place_of", lead["place"]
    if sectors := [lead["place"]] if not of_feed else _sectors_with_it(cause, report):
        yield "sectors", ", ".join(sectors)
    yield "share", round(abs(missing), 2)


def _sectors_with_it(cause: Section, report: Section) -> list[str]:
    """Return the sectors in which most of what a feed misses, or has too much of, is, the worst first."""
    rows: Counter[str] = Counter()
    for one in report["expectations"]:
        if one.get("explained_by") == cause["cause_id"] and one["by"] == "sector_id" and one["rule"] == "volume":
            gap = one["observed"] - one["expected"]
            rows[one["place"]] += round(gap if cause["kind"] == "excess" else -gap)
    return _most_of(rows)


def _of_figure(cause: Section, report: Section) -> Iterator[tuple[str, Fact]]:
    lead = lead_of(cause, report)
    is_held = lead["rule"] == "nulls" and lead["table"] == BATCH_ACCOUNTS.id
    yield "code", _worst_held(report, lead["place"]) or HELD if is_held else lead["rule"]
    yield "feed", lead["place"] if lead["by"] == "feed_id" else _feed_in(cause)
    if lead["by"] == "sector_id":
        yield "sectors", lead["place"]
    if not is_held:
        yield "column", lead["column"]
    if lead["rows"] and lead["rule"] == "nulls":
        yield "share", round(lead["observed"] / lead["rows"], 2)


def _of_rule(cause: Section, report: Section) -> Iterator[tuple[str, Fact]]:
    rule = lead_of(cause, report)
    feed = _feed_in(cause)
    code = _code_of(rule)
    yield "code", _worst_held(report, feed) or HELD if code == HELD else code
    yield "feed", feed
    yield "rule_id", rule["rule_id"]
    yield "share", round(rule["share"], 2)
    if code in ("nulls", "range", "time_range") and rule["columns"]:
        yield "column", rule["columns"][0]
    elif code not in (HELD, "time_order"):
        yield "column", rule["rule_id"]
    if sectors := _sectors_of(rule, feed):
        yield "sectors", ", ".join(sectors)


_FACTS = {
    "refused": _of_refused,
    "clock": _of_clock,
    "shift": _of_shift,
    "loss": _of_rows,
    "excess": _of_rows,
    "figure": _of_figure,
    "rule": _of_rule,
}


def _code_of(rule: Section) -> str:
    """Return what kind of fault breaks a rule."""
    is_of_times = bool(rule["columns"]) and set(rule["columns"]) <= _TIMES
    if "fault" in rule:
        return "unjudged"
    if rule["table"] == BATCH_ACCOUNTS.id:
        return HELD
    if rule.get("null_count") is not None:
        return "nulls"
    if rule["rule"].startswith(("IsUnique", "IsPrimaryKey", "Uniqueness", "ReferentialIntegrity")):
        return "keys"
    if rule["rule"].startswith("ColumnValues"):
        return "time_range" if is_of_times else "range"
    return "time_order" if "_before_" in rule["rule_id"] else "rule"


def _sectors_of(rule: Section, feed: str) -> list[str]:
    """Return in which sectors most of a rule's violations are, the worst first."""
    rows: Counter[str] = Counter()
    for place in rule["places"]:
        if place["sector_id"] and place["feed_id"] in ("", feed):
            rows[place["sector_id"]] += place["violations"]
    return _most_of(rows)


def _most_of(rows: Counter[str]) -> list[str]:
    total = sum(rows.values())
    return [place for place, count in rows.most_common() if 0 < count >= _NAMED_SHARE * total]


def _worst_held(report: Section, feed: str) -> str:
    """Return why most of a feed's records are held; empty if none is."""
    reasons: Counter[str] = Counter()
    for section in report["feeds"]:
        if section["feed_id"] == feed or not feed:
            reasons.update(section["quarantined_by_reason"])
    return _first(reason for reason, _ in reasons.most_common(1))


def _feed_in(cause: Section) -> str:
    return _first(cause["feed_ids"])


def _first(found: Iterable[str]) -> str:
    return next(iter(found), "")
