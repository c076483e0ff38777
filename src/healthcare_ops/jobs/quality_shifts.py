"""Whether two feeds that tell of the same encounters have the same clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import ibis.expr.types as ir
import numpy as np

from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.core.days import day_runs
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.tables import ENCOUNTERS
from healthcare_ops.jobs.context import Context
from healthcare_ops.pipeline import records, silver
from healthcare_ops.pipeline.bronze import bronze_table
from healthcare_ops.pipeline.quality.shift import FeedShift, shift_between

_DAY = timedelta(days=1)
_JUDGED_DAYS = 3
_PAST_DAYS = 28
# Of fewer nobody can say what is usual.
_LEAST_USUAL = 100
# The column of silver that says when a milestone after the arrival was reached.
_COLUMNS: Mapping[str, str] = {
    "triage_start": "triage_start",
    "care_start": "care_start",
    "admit": "admit_time",
    "discharge": "discharge_time",
}


def shifts(context: Context, days: Sequence[date]) -> tuple[FeedShift, ...]:
    """Return which feeds' times are shifted against another's, on the newest of the days.

    Compared is a milestone that both tell of; or the arrival that one of them tells of, and what the other says came
    after it, against how long that took in the four weeks before.
    """
    judged = [day for day in days if day > days[-1] - _JUDGED_DAYS * _DAY]
    if len(context.feeds) < 2:  # nothing to compare
        return ()
    told = {feed.feed_id: _milestones(context, feed, judged) for feed in context.feeds.values()}
    kinds = {
        name: set(context.engine.collect(rows.select("event_type").distinct())["event_type"].to_pylist())
        for name, rows in told.items()
    }
    found: list[FeedShift] = []
    for left, right in combinations(kinds, 2):
        for first, second in _pairs(kinds[left], kinds[right]):
            found += list(_compared(context, told, (left, first), (right, second), judged))
    return tuple(found)


def _pairs(left: set[str], right: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the milestones to compare: one that both have if there is any, else the arrival and what came after it."""
    if both := sorted(left & right):
        yield both[0], both[0]
        return
    yield from (("arrival", name) for name in _COLUMNS if "arrival" in left and name in right)
    yield from ((name, "arrival") for name in _COLUMNS if "arrival" in right and name in left)


def _milestones(context: Context, feed: Feed, days: Sequence[date]) -> ir.Table:
    """Return when each encounter reached each milestone for the first time, as the feed alone has it."""
    table = bronze_table(feed)
    rows = context.lake.read(table, days[0], days[-1])
    rows = rows.filter(silver.within(rows.dt, list(day_runs(days))) & (rows.feed_id == feed.feed_id))
    is_wide = feed.shape == "encounters"
    typer, events_of = (
        (records.type_encounters, silver.events_of_encounters)
        if is_wide
        else (records.type_events, silver.events_of_events)
    )
    spans = offset_spans(ZoneInfo(feed.zone), days[0] - _DAY, days[-1] + _DAY)
    events = events_of(records.judge(typer(rows, feed, spans, context.site.sector_ids)))
    return events.group_by("encounter_id", "event_type").aggregate(reached=events.event_time.min())


def _compared(
    context: Context,
    told: Mapping[str, ir.Table],
    left: tuple[str, str],
    right: tuple[str, str],
    days: Sequence[date],
) -> Iterator[FeedShift]:
    mine, theirs = (told[feed].filter(told[feed].event_type == kind) for feed, kind in (left, right))
    both = mine.inner_join(theirs, "encounter_id", rname="{name}_theirs").select("reached", "reached_theirs")
    rows = context.engine.collect(both)
    instants = [rows[name].to_numpy().astype("datetime64[us]") for name in ("reached", "reached_theirs")]
    if len(rows) == 0:
        return
    usual_h, spread_h = (0.0, 0.0) if left[1] == right[1] else _usual(context, left[1], right[1], days[0])
    if usual_h is not None and (found := shift_between(*instants, usual_h=usual_h, usual_spread_h=spread_h)):
        yield FeedShift(right[0], left[0], right[1], days[-1], found)


def _usual(context: Context, first: str, second: str, before: date) -> tuple[float | None, float]:
    """Return median and quartile distance of the hours from one milestone to the other in the weeks before."""
    rows = context.lake.read(ENCOUNTERS, before - _PAST_DAYS * _DAY, before - _DAY)
    names = [{"arrival": "arrival_time", **_COLUMNS}[kind] for kind in (first, second)]
    known = context.engine.collect(rows.select(*names).dropna())
    start, end = (known[name].to_numpy().astype("datetime64[us]").astype(np.int64) for name in names)
    if len(start) < _LEAST_USUAL:
        return None, 0.0
    lower, median, upper = np.quantile((end - start) / 3.6e9, (0.25, 0.5, 0.75))
    return float(median), float(upper - lower)
