"""What may explain other findings of a report, and whether it does.

A finding is explained if it would not be told were its cause known, which emptied, filled or moved hours. Instants are
civil ones of the site, as the figures of a report are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import chain, pairwise
from typing import Literal

from healthcare_ops.pipeline.quality.clocks.shift import COMPARED_DAYS
from healthcare_ops.pipeline.quality.report.refusals import refusals_id
from healthcare_ops.pipeline.quality.wording.feeds import unanswered
from healthcare_ops.pipeline.quality.wording.findings import Section, is_of_unit, kind_of

Kind = Literal["refused", "clock", "shift", "loss", "excess", "figure", "rule"]
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
# A sector that misses so much of what its feed misses is where it happened.
_MOST = 0.8
# Of the hours by which a clock was judged, so many must be empty that it can be these which speak of another clock.
_EMPTY = 0.1
_SAME_OFFSET_H = 0.5
_NAMED_DAY = re.compile(r"(?<!\d)(20\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?P<hour>[-_T]?[0-2]\d)?")


@dataclass(frozen=True)
class Hours:
    """Hours in which so many times (`factor`) the usual rows came: none of a file that was to tell of all of them."""

    start: datetime
    end: datetime
    factor: float = 0.0

    def shared_h(self, other: Hours) -> float:
        """Return how many hours both have."""
        return max((min(self.end, other.end) - max(self.start, other.start)) / _HOUR, 0.0)

    @property
    def length_h(self) -> float:
        """Return how many hours these are."""
        return (self.end - self.start) / _HOUR


@dataclass(frozen=True)
class Suspect:
    """Findings of one origin (`own`), of these feeds, and the hours in which they can explain others.

    `offset_h` is by how much a clock is wrong, and the hours those among which it moves rows; null of all else.
    `has_others` tells whether other feeds tell of the site as well: an only clock moves both ends of a wait alike.
    `also` is explained in any case, but nothing is if people answer for all that is its own.
    """

    cause_id: str
    kind: Kind
    feed_ids: tuple[str, ...]
    own: tuple[Section, ...]
    hours: tuple[Hours, ...] = ()
    offset_h: float | None = None
    also: tuple[Section, ...] = ()
    has_others: bool = False

    def explains(self, found: Section, share: float) -> bool:
        """Tell whether a finding follows from this; `share` (0–1) of its place's rows are of these feeds."""
        if not unanswered(self.own):
            return False
        if any(found is one for one in self.also):
            return True
        kind = kind_of(found)
        if kind == "shift":
            return self.kind == "clock" and self._is_told_by(found)
        if kind == "clock":
            return self.kind in ("refused", "loss") and self._emptied_hours_of(found)
        if not share or not self.hours:
            return False
        return self._may_move(found, share) if self.offset_h is not None else self._fits(found, share)

    def _fits(self, figure: Section, share: float) -> bool:
        """Tell whether a figure is usual for as many rows as came in its hours."""
        if figure["rule"] == "nulls":
            return self._kept_back(figure)
        span = hours_of(figure)
        for factor in {one.factor for one in self.hours}:
            shared_h = sum(span.shared_h(one) for one in self.hours if one.factor == factor)
            came = 1 - (1 - factor) * share * min(shared_h / span.length_h, 1.0)
            if came != 1 and _is_usual(figure, came):
                return True
        return False

    def _kept_back(self, figure: Section) -> bool:
        """Tell whether values that come later were to come in hours that are empty, for the most part."""
        if not figure.get("due_h") or self.kind not in ("refused", "loss"):
            return False
        span = hours_of(figure)
        until_due = Hours(span.start, span.end + figure["due_h"] * _HOUR)
        return 2 * self._emptied_h(until_due) >= until_due.length_h

    def _emptied_h(self, span: Hours) -> float:
        """Return how many hours' rows are missing of a span, those of each hour once."""
        inside = (edge for one in self.hours for edge in (one.start, one.end) if span.start < edge < span.end)
        edges = sorted({span.start, span.end, *inside})
        parts = [Hours(start, end) for start, end in pairwise(edges)]
        return sum(
            part.length_h * max((1 - one.factor for one in self.hours if one.shared_h(part)), default=0.0)
            for part in parts
        )

    def _may_move(self, figure: Section, share: float) -> bool:
        """Tell whether a clock can have moved so many rows into or out of a figure's hours, at either end of them.

        Or a mean of minutes, by as much as the clock is wrong.
        """
        span = hours_of(figure)
        if not any(one.start <= span.start and span.end <= one.end for one in self.hours):
            return False
        offset_h = abs(self.offset_h or 0.0)
        if figure["rule"] == "mean":
            return self._may_have_turned(figure, offset_h * 60 * share)
        moved = min(2 * offset_h / span.length_h, 1.0) * share
        return _is_usual(figure, 1 + moved if is_excess(figure) else 1 - moved)

    def _may_have_turned(self, figure: Section, most_min: float) -> bool:
        """Tell whether a mean lasts from a time of this clock to one of another, and is off by so much at most."""
        is_of_minutes = figure["column"].endswith("_min") and not is_of_unit(figure)
        return self.has_others and is_of_minutes and abs(figure["observed"] - figure["expected"]) <= most_min

    def _is_told_by(self, shift: Section) -> bool:
        """Tell whether two feeds disagree by just what this clock of one of them is wrong."""
        signs = {shift["feed_id"]: -1.0, shift["other_feed_id"]: 1.0}
        (feed_id,) = self.feed_ids
        offset = (self.offset_h or 0.0) * signs.get(feed_id, 0.0)
        return feed_id in signs and abs(offset - shift["offset_h"]) < _SAME_OFFSET_H

    def _emptied_hours_of(self, clock: Section) -> bool:
        """Tell whether a clock of which the hours of arrivals alone speak was read off hours that are empty."""
        if clock.get("witness") != "hours" or clock["feed_id"] not in self.feed_ids:
            return False
        end = datetime.combine(date.fromisoformat(clock["day"]), time()) + _DAY
        window = Hours(end - max(clock["window_days"], 1) * _DAY, end)
        return self._emptied_h(window) >= _EMPTY * window.length_h


def _is_usual(figure: Section, came: float) -> bool:
    """Tell whether a figure of rows is usual where `came` times as many came as are expected."""
    if figure["rule"] == "freshness":
        return bool(figure["expected"] * came <= figure["upper"])
    if figure["rule"] != "volume":
        return False
    if is_excess(figure):
        return bool(figure["observed"] <= figure["upper"] * came)
    return bool(figure["observed"] >= figure["lower"] * came)


def is_excess(figure: Section) -> bool:
    """Tell whether more rows came than usual."""
    return bool(figure["rule"] == "volume" and figure["observed"] > figure["expected"])


def is_loss(figure: Section) -> bool:
    """Tell whether fewer rows came than usual, or none."""
    return figure["rule"] == "freshness" or bool(figure["rule"] == "volume" and not is_excess(figure))


def hours_of(figure: Section) -> Hours:
    """Return the hours of a figure, and how many times the expected rows came in them."""
    start, end = (datetime.fromisoformat(figure[name]) for name in ("start", "end"))
    factor = figure["observed"] / figure["expected"] if figure["expected"] else 0.0
    return Hours(start, max(end, start + timedelta(minutes=1)), round(factor, 6))


def of_refused(feed: Section, files: Sequence[Section], zone: tzinfo) -> Suspect:
    """Return what refused files of a feed took away.

    Of a file that only names its day nobody knows which of many of that day it was: all of one day together took away
    as much as they are.
    """
    told = Counter(chain.from_iterable(_told_hours(file, feed["delay"], zone) for file in files))
    whole = merged(one for one in told if not one.factor)
    parts = (replace(one, factor=max(1 - count * (1 - one.factor), 0.0)) for one, count in told.items() if one.factor)
    hours = (*whole, *parts)
    return Suspect(refusals_id(feed["feed_id"]), "refused", (feed["feed_id"],), tuple(files), hours)


def _told_hours(file: Section, delay: Section, zone: tzinfo) -> tuple[Hours, ...]:
    """Return of which hours a refused file can have told: those since the delivery before it, if that came in time.

    A day in its name says it better: people mean that of the delivery, or the one before. If the name goes on with an
    hour, it says so only of a file that was loaded long after. If a feed comes more than once a day, each file may also
    tell of its part of these days, whichever hours these are: many may come at once.
    """
    at = datetime.fromisoformat(file["refused_at"]).astimezone(zone).replace(tzinfo=None, microsecond=0)
    by_rhythm = Hours(at - timedelta(minutes=delay["late_after_min"]), at)
    every = timedelta(minutes=delay.get("every_min", delay["late_after_min"]))
    named = _NAMED_DAY.search(file["source_file"])
    try:
        day = datetime.fromisoformat(f"{named[1]}-{named[3]}-{named[4]}") if named else None
    except ValueError:  # such as 30 February
        return (by_rhythm,)
    if named is None or day is None:
        return (by_rhythm,)
    by_name = Hours(day - _DAY, day + _DAY)
    is_in_time = by_name.shared_h(by_rhythm) > 0
    if every < _DAY:
        part = replace(by_name, factor=1 - every / _DAY)
        return (by_rhythm, part) if is_in_time else (part,)
    return (by_rhythm,) if named["hour"] and is_in_time else (by_name,)


def merged(hours: Iterable[Hours]) -> tuple[Hours, ...]:
    """Return hours as empty ones, each once."""
    found: list[Hours] = []
    for one in sorted(hours, key=lambda one: one.start):
        if found and one.start <= found[-1].end:
            found[-1] = Hours(found[-1].start, max(found[-1].end, one.end))
        else:
            found.append(Hours(one.start, one.end))
    return tuple(found)


def of_clock(own: Sequence[Section], *, has_others: bool) -> Suspect:
    """Return what a feed's clock moves on the days on which it is wrong, but for those for which a person answers."""
    wrong = unanswered(own)
    offset = max((one["offset_h"] or 0.0 for one in wrong), key=abs, default=0.0)
    hours = tuple(_moved_hours(one["day"], 1, offset) for one in wrong)
    feed_ids = (own[0]["feed_id"],)
    return Suspect(own[0]["rule_id"], "clock", feed_ids, tuple(own), hours, offset, has_others=has_others)


def of_shift(shift: Section) -> Suspect:
    """Return what the clock of one of two feeds, nobody knows of which, moves on the days that were compared."""
    hours = (_moved_hours(shift["day"], COMPARED_DAYS, shift["offset_h"]),)
    feed_ids = (shift["feed_id"], shift["other_feed_id"])
    return Suspect(shift["rule_id"], "shift", feed_ids, (shift,), hours, shift["offset_h"], has_others=True)


def first_day_of(found: Section) -> date:
    """Return the first day of which a finding tells: of two feeds that disagree the first that was compared."""
    day = date.fromisoformat(found["day"])
    return day - (COMPARED_DAYS - 1) * _DAY if kind_of(found) == "shift" else day


def _moved_hours(last: str, days: int, offset_h: float) -> Hours:
    end = datetime.combine(date.fromisoformat(last), time()) + _DAY
    beyond = abs(offset_h) * _HOUR
    return Hours(end - days * _DAY - beyond, end + beyond)


def of_place(own: Sequence[Section], feed_ids: Sequence[str], also: Sequence[Section] = ()) -> Suspect:
    """Return what is missing, or too much, of one place; of a feed it explains what is so in its sectors.

    But for that for which a person answers, which explains nothing.
    """
    # "fail" comes before "warn".
    ordered = sorted(own, key=lambda one: (one["verdict"], "accepted" in one, one["rule"] != "freshness"))
    kind: Kind = "excess" if is_excess(ordered[0]) else "loss"
    is_of_feed = ordered[0]["by"] == "feed_id"
    hours = tuple(map(hours_of, unanswered(own))) if is_of_feed else ()
    return Suspect(ordered[0]["rule_id"], kind, tuple(feed_ids), tuple(ordered), hours, also=tuple(also))


def missed_in(own: Sequence[Section], of_feed: Sequence[Section]) -> list[Section]:
    """Return what a feed misses because one of its sectors does: in the same hours, and most of it there.

    Rows of another table are no measure of a sector's: it explains them if the feed misses no larger share of them.
    """
    of_sector = [one for one in unanswered(own) if is_loss(one)]
    lost = [one for one in of_feed if is_loss(one)]
    there = [one for one in lost if any(_is_most_of(mine, one) for mine in of_sector)]
    others = [one for one in lost if all(one["table"] != mine["table"] for mine in of_sector)]
    return [*there, *(one for one in others if any(_is_as_much_as(mine, one) for mine in there))]


def _is_most_of(mine: Section, of_feed: Section) -> bool:
    """Tell whether what a sector misses in the hours of its feed's figure is most of that."""
    span = hours_of(mine)
    missing = missing_of(mine) * span.shared_h(hours_of(of_feed)) / span.length_h
    return bool(mine["table"] == of_feed["table"] and missing and missing >= _MOST * missing_of(of_feed))


def _is_as_much_as(mine: Section, other: Section) -> bool:
    """Tell whether of another table no larger share is missing than of this, in hours that both have."""
    is_as_much = missing_of(mine) * other["expected"] >= _MOST * missing_of(other) * mine["expected"]
    return bool(hours_of(mine).shared_h(hours_of(other)) and is_as_much)


def missing_of(figure: Section) -> float:
    """Return how many rows are missing."""
    return float(max(figure["expected"] - figure["observed"], 0.0))
