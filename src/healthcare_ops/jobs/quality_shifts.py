"""Whether two feeds that tell of the same encounters have the same clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import ibis.expr.types as ir
import numpy as np

from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.core.days import day_runs
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.tables import ENCOUNTERS, MILESTONES
from healthcare_ops.jobs.context import Context
from healthcare_ops.pipeline import records, silver
from healthcare_ops.pipeline.bronze import bronze_table
from healthcare_ops.pipeline.quality.clocks.hour_profile import Instants
from healthcare_ops.pipeline.quality.clocks.shift import COMPARED_DAYS, LEAST_PAIRS, FeedShift, shift_between

_DAY = timedelta(days=1)
_PAST_DAYS = 28
_LEAST_FEEDS = 2
# Of fewer nobody can say what is usual.
_LEAST_USUAL = 100
# The column of silver that says when a milestone was reached.
_COLUMNS: Mapping[str, str] = {
    "arrival": "arrival_time",
    "triage_start": "triage_start",
    "care_start": "care_start",
    "admit": "admit_time",
    "discharge": "discharge_time",
}
_LATER = tuple(name for name in _COLUMNS if name != "arrival")
_APART = (*(("arrival", name) for name in _LATER), *((name, "arrival") for name in _LATER))


def shifts(context: Context, days: Sequence[date]) -> tuple[FeedShift, ...]:
    """Return which feeds disagree about the time, over the last three days of those judged.

    Compared is a milestone that both tell of; or the arrival that one of them tells of, and what the other says came
    after it, against how long that took in the four weeks before.
    """
    judged = [day for day in days if day > days[-1] - COMPARED_DAYS * _DAY]
    if len(context.feeds) < _LEAST_FEEDS:
        return ()
    found: list[FeedShift] = []
    with ExitStack() as stack:
        told = {
            feed.feed_id: stack.enter_context(context.engine.stage(_milestones(context, feed, judged)))
            for feed in context.feeds.values()
        }
        for left, right in combinations(sorted(told), 2):
            pairs = _pairs(context, told[left], told[right])
            if pairs is None:
                continue
            first, second, instants = pairs
            usual = (0.0, 0.0) if first == second else _usual(context, first, second, judged[0])
            if usual and (shift := shift_between(*instants, usual_h=usual[0], usual_spread_h=usual[1])):
                found.append(FeedShift(left, right, first, second, judged[-1], shift))
    return tuple(found)


def _pairs(context: Context, left: ir.Table, right: ir.Table) -> tuple[str, str, tuple[Instants, Instants]] | None:
    """Return two milestones, one of each feed, and when the encounters that both tell of reached them; None if few did.

    Of one milestone nothing has to be known about how long it takes, so such a one goes before.
    """
    both = left.inner_join(right, "encounter_id", rname="{name}_theirs")
    counts = both.group_by("event_type", "event_type_theirs").aggregate(pairs=both.count())
    known = {
        (row["event_type"], row["event_type_theirs"])
        for row in context.engine.collect(counts).to_pylist()
        if row["pairs"] >= LEAST_PAIRS
    }
    for first, second in (*((name, name) for name in MILESTONES), *_APART):
        if (first, second) in known:
            mine = both.filter((both.event_type == first) & (both.event_type_theirs == second))
            rows = context.engine.collect(mine.select("reached", "reached_theirs"))
            start, end = (rows[name].to_numpy().astype("datetime64[us]") for name in ("reached", "reached_theirs"))
            return first, second, (start, end)
    return None


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


def _usual(context: Context, first: str, second: str, before: date) -> tuple[float, float] | None:
    """Return median and quartile distance of the hours from one milestone to the other; None if hardly any is known."""
    rows = context.lake.read(ENCOUNTERS, before - _PAST_DAYS * _DAY, before - _DAY)
    names = [_COLUMNS[kind] for kind in (first, second)]
    known = context.engine.collect(rows.select(*names).dropna())
    start, end = (known[name].to_numpy().astype("datetime64[us]").astype(np.int64) for name in names)
    if len(start) < _LEAST_USUAL:
        return None
    lower, median, upper = np.quantile((end - start) / 3.6e9, (0.25, 0.5, 0.75))
    return float(median), float(upper - lower)
