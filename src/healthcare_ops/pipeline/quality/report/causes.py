"""What broke, and what follows from it: findings about the past are told under the cause that explains them.

A refused file leaves hours empty, and each sector misses its patients in them: a dozen findings, and one thing to do.
Nothing is taken out of the report or of its score: what is explained keeps its points, and its cause has them besides
its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import takewhile
from typing import Any

from healthcare_ops.core.language import Language
from healthcare_ops.core.tables import ENCOUNTERS
from healthcare_ops.pipeline.quality.report.acceptance import accept_command
from healthcare_ops.pipeline.quality.report.suspects import (
    Suspect,
    first_day_of,
    hours_of,
    is_excess,
    is_loss,
    merged,
    missed_in,
    missing_of,
    of_clock,
    of_place,
    of_refused,
    of_shift,
)
from healthcare_ops.pipeline.quality.wording.causes import diagnosis_of, next_step_of, sentence_of
from healthcare_ops.pipeline.quality.wording.feeds import unanswered
from healthcare_ops.pipeline.quality.wording.findings import PAST_LISTS, Section, kind_of, say

# By sector: what share (0–1) of its arrivals each feed tells of.
FeedsOfSectors = Mapping[str, Mapping[str, float]]
_GRAVEST_FIRST = ("fail", "warn")


def with_causes(report: Mapping[str, Any], zone: tzinfo, feeds_of: FeedsOfSectors | None = None) -> dict[str, Any]:
    """Return a report with its `causes`, the gravest first, and in each finding that one explains its `explained_by`.

    Parameters
    ----------
    report
        The document, in today's form or as an earlier version wrote it.
    zone
        The site's, of whose hours the figures are.
    feeds_of
        Null where it is not known: of several feeds none explains a sector then.
    """
    pool = _Pool(report, feeds_of or {})
    found = list(pool.causes(zone))
    told = dict(report) | {
        name: [
            section | {"explained_by": pool.explained_by[id(section)]} if id(section) in pool.explained_by else section
            for section in report[name]
        ]
        for name in PAST_LISTS
        if name in report
    }
    causes = [_of_findings(suspect, explained, zone) for suspect, explained in found]
    causes += [_of_rule(rule, zone) for rule in report["rules"] if rule["verdict"] in _GRAVEST_FIRST]
    points = _points(causes, report.get("contributions", {}))
    causes = [_in_words(cause | {"points": points[cause["cause_id"]]}, told) for cause in causes]
    return told | {"causes": sorted(causes, key=lambda one: (_GRAVEST_FIRST.index(one["verdict"]), -one["points"]))}


def judged_anew(cause: Section, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cause by what its findings are now, since people accepted some or took that back, with what to do."""
    is_failed = any(found["verdict"] == "fail" for found in _told_by(cause, report))
    return {**cause, "verdict": "fail" if is_failed else "warn", "next_step": advice_of(cause, report)}


class _Pool:
    """The findings of a report that no rule says, and which of them have been told, or explained, so far."""

    def __init__(self, report: Mapping[str, Any], feeds_of: FeedsOfSectors) -> None:
        self._feeds: Sequence[Section] = report.get("feeds", ())
        self._lists = {name: tuple(report.get(name, ())) for name in PAST_LISTS}
        self._feeds_of = feeds_of
        self._told: set[int] = set()
        self.explained_by: dict[int, str] = {}

    def causes(self, zone: tzinfo) -> Iterator[tuple[Suspect, list[Section]]]:
        """Yield each cause with what it explains, the surest evidence first."""
        for suspect in self._suspects(zone):
            self._told.update(map(id, suspect.own))
            explained = [one for name in PAST_LISTS for one in self._left(name) if self._explains(suspect, one)]
            self.explained_by |= {id(one): suspect.cause_id for one in explained}
            yield suspect, explained

    def _suspects(self, zone: tzinfo) -> Iterator[Suspect]:
        """Yield what can be a cause, each made of what is left when it is asked for."""
        for feed in self._feeds:
            if files := unanswered(feed.get("refused_files", ())):
                yield of_refused(feed, files, zone)
        yield from self._clocks(are_sure=True)
        while shifts := self._left("shifts"):
            yield of_shift(shifts[0])
        yield from self._rows("sector_id", are_sure=True)
        yield from self._rows("feed_id")
        yield from self._clocks(are_sure=False)
        yield from self._rows("sector_id")
        while figures := self._left("expectations"):
            own = tuple(one for one in figures if one["rule_id"] == figures[0]["rule_id"])
            yield Suspect(own[0]["rule_id"], "figure", self._feeds_with(own[0]), own)

    def _clocks(self, *, are_sure: bool) -> Iterator[Suspect]:
        """Yield the wrong clocks by feed.

        Hours that are empty look like a wrong clock to who looks at hours alone. Sure is one of which another witness
        speaks as well, or where other hours have too many; and one of which records came before they can have happened.
        """
        for feed_id in dict.fromkeys(one["feed_id"] for one in self._left("clocks")):
            own = [one for one in self._left("clocks") if one["feed_id"] == feed_id]
            is_sure = any(one.get("witness") != "hours" or _came_before_their_time(one) for one in own) or any(
                is_excess(one) and one["place"] == feed_id for one in self._lists["expectations"]
            )
            if is_sure or not are_sure:
                yield of_clock(own, has_others=len(self._feeds) > 1)

    def _rows(self, by: str, *, are_sure: bool = False) -> Iterator[Suspect]:
        """Yield the places that miss rows or have too many; sure are sectors that miss what their feed misses."""
        for place in dict.fromkeys(one["place"] for one in self._left("expectations") if one["by"] == by):
            of_rows = [one for one in self._left("expectations") if is_loss(one) or is_excess(one)]
            own = [one for one in of_rows if (one["by"], one["place"]) == (by, place)]
            feeds = self._feeds_with(own[0]) if own else ()
            also = missed_in(own, [one for one in of_rows if one["by"] == "feed_id" and one["place"] in feeds])
            if own and (also or not are_sure):
                yield of_place(own, feeds, also if are_sure else ())

    def _left(self, name: str) -> list[Section]:
        return [one for one in self._lists[name] if id(one) not in self._told and id(one) not in self.explained_by]

    def _explains(self, suspect: Suspect, found: Section) -> bool:
        share = self._share(found, suspect.feed_ids) if kind_of(found) == "figure" else 1.0
        return suspect.explains(found, share)

    def _share(self, figure: Section, feed_ids: Iterable[str]) -> float:
        """Return what share (0–1) of a figure's place some feeds tell of."""
        if figure["by"] == "feed_id":
            return float(figure["place"] in feed_ids)
        if len(self._feeds) == 1:
            return float(self._feeds[0]["feed_id"] in feed_ids)
        shares = self._feeds_of.get(figure["place"], {}) if figure["by"] == "sector_id" else {}
        return sum(shares.get(feed_id, 0.0) for feed_id in feed_ids)

    def _feeds_with(self, figure: Section) -> tuple[str, ...]:
        return tuple(feed["feed_id"] for feed in self._feeds if self._share(figure, [feed["feed_id"]]))


def _of_findings(suspect: Suspect, explained: Sequence[Section], zone: tzinfo) -> dict[str, Any]:
    figures = [one for one in (*suspect.own, *explained) if "expected" in one]
    lost = [one for one in figures if is_loss(one)]
    is_failed = any(one.get("verdict") == "fail" for one in (*suspect.own, *explained))
    missing, late = _missing_arrivals(lost) if suspect.offset_h is None else (None, None)
    return {
        "cause_id": suspect.cause_id,
        "kind": suspect.kind,
        "verdict": "fail" if is_failed else "warn",
        "feed_ids": list(suspect.feed_ids),
        "since": _since(suspect, lost, zone),
        "missing_arrivals": missing,
        "late_arrivals": late,
        "missing_h": _missing_hours(lost) if suspect.offset_h is None else None,
        "findings": sorted({one.get("rule_id", suspect.cause_id) for one in suspect.own}),
        "explains": sorted({one["rule_id"] for one in explained}),
    }


def _since(suspect: Suspect, lost: Sequence[Section], zone: tzinfo) -> str:
    """Return since when it is so, civil: the first figure that misses rows, else when the file came, or the day."""
    if lost and suspect.offset_h is None:
        return min(hours_of(one).start for one in lost).isoformat()
    first = min(str(one.get("refused_at") or one.get("start") or first_day_of(one)) for one in suspect.own)
    return _civil(first, zone) if suspect.kind == "refused" else datetime.fromisoformat(first).isoformat()


def _civil(instant: str, zone: tzinfo) -> str:
    return datetime.fromisoformat(instant).astimezone(zone).replace(tzinfo=None, microsecond=0).isoformat()


def _missing_arrivals(lost: Sequence[Section]) -> tuple[int, int] | tuple[None, None]:
    """Return about how many arrivals are missing, and how many of them may only be late; nulls if no figure tells.

    By the feed if it has a figure, else by sectors. Figures of one place and day tell of the same patients: the one
    that misses most counts.
    """
    most: dict[tuple[str, str], tuple[float, float]] = {}
    for one in _of_arrivals(lost):
        pending = float(one.get("pending", 0.0))
        key = (one["place"], one["day"])
        most[key] = max(most.get(key, (0.0, 0.0)), (missing_of(one) + pending, pending))
    if not most:
        return None, None
    missing, late = map(sum, zip(*most.values(), strict=True))
    return round(missing), round(late)


def _of_arrivals(lost: Sequence[Section]) -> Sequence[Section]:
    of_arrivals = [one for one in lost if one["table"] == ENCOUNTERS.id]
    return [one for one in of_arrivals if one["by"] == "feed_id"] or of_arrivals


def _missing_hours(lost: Sequence[Section]) -> float | None:
    """Return how many hours the figures of arrivals tell of, each once; null if there is none."""
    told = _of_arrivals(lost)
    return round(sum(one.length_h for one in merged(map(hours_of, told))), 1) if told else None


def _of_rule(rule: Section, zone: tzinfo) -> dict[str, Any]:
    """Return a broken rule as its own cause: of the feeds whose rows break it, since the first of its runs in a row."""
    broken = list(takewhile(lambda run: run["verdict"] in _GRAVEST_FIRST, rule["trend"]))
    rows: Counter[str] = Counter()
    for place in rule["places"]:
        rows[place["feed_id"]] += place["violations"]
    return {
        "cause_id": rule["rule_id"],
        "kind": "rule",
        "verdict": rule["verdict"],
        "feed_ids": [feed_id for feed_id, _ in rows.most_common() if feed_id],
        "since": _civil(broken[-1]["as_of"], zone) if broken else None,
        "missing_arrivals": None,
        "late_arrivals": None,
        "missing_h": None,
        "findings": [rule["rule_id"]],
        "explains": [],
    }


def _points(causes: Sequence[Mapping[str, Any]], contributions: Mapping[str, float]) -> dict[str, float]:
    """Return the points of each cause: those of all it tells of, but of no finding that another cause has told of."""
    told: set[str] = set()
    found = {}
    for cause in causes:
        names = {*cause["findings"], *cause["explains"]} - told
        told |= names
        found[cause["cause_id"]] = round(sum(contributions.get(name, 0.0) for name in names), 2)
    return found


def _in_words(cause: dict[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    return cause | {
        "sentence": sentence_of(cause, report),
        "diagnosis": diagnosis_of(cause),
        "next_step": advice_of(cause, report),
    }


def _told_by(cause: Section, report: Mapping[str, Any]) -> list[Section]:
    """Return the figures and clocks that a cause tells of, and that it explains."""
    names = {*cause["findings"], *cause["explains"]}
    return [
        found
        for name in PAST_LISTS
        for found in report.get(name, ())
        if found.get("explained_by", cause["cause_id"]) == cause["cause_id"] and found["rule_id"] in names
    ]


def advice_of(cause: Section, report: Mapping[str, Any], language: Language = "en") -> str:
    """Return what to do about a cause, and how a person lets gold take days that it stops, if nobody can mend them.

    About what people answer for nothing is to be done.
    """
    stops: dict[str, list[Section]] = defaultdict(list)
    told = _told_by(cause, report)
    for found in told:
        if found["verdict"] == "fail" and "accepted" not in found:
            stops[found["rule_id"]].append(found)
    own = [found for found in told if "explained_by" not in found]
    step = next_step_of(cause, report, language) if unanswered(own) or not own else ""
    commands = "`; `".join(accept_command(sections) for sections in stops.values())
    on = say("accept_figure", language, command=commands) if stops else ""
    return " ".join(filter(None, [step, on]))


def _came_before_their_time(clock: Section) -> bool:
    """Tell whether some records came sooner after their times than can be, by half of what the clock is ahead."""
    soonest_h, offset_h = clock.get("lag_q05_h"), clock.get("offset_h")
    return soonest_h is not None and offset_h is not None and offset_h > 0 and soonest_h <= -offset_h / 2
