"""What the site's own past says of the judged days: figures too far from what was expected, clocks that are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, ENCOUNTERS_RAW, EVENTS, EVENTS_RAW, STAYS
from healthcare_ops.forecasting.calendar import holiday_dates
from healthcare_ops.jobs.context import Context
from healthcare_ops.pipeline.quality.clocks import clock
from healthcare_ops.pipeline.quality.clocks.clock import Diagnosis, FeedClock, FeedDay
from healthcare_ops.pipeline.quality.clocks.hour_profile import learn_profile
from healthcare_ops.pipeline.quality.history.deviations import Deviation
from healthcare_ops.pipeline.quality.history.deviations import judge as judge_figures
from healthcare_ops.pipeline.quality.history.expectations import Unjudged, learn
from healthcare_ops.pipeline.quality.history.observations import Days, observe, tabulate
from healthcare_ops.pipeline.quality.history.rhythm import Rhythm, learn_rhythm

_DAY = timedelta(days=1)
_HISTORY = timedelta(weeks=16)
_RHYTHM = timedelta(weeks=6)
# A correction can reach any day of the past; what is further back than this is history itself.
_JUDGED_DAYS = 400
_CLOCK_DAYS = 31
_SILENCE = timedelta(days=7)


class Figures(NamedTuple):
    """Figures that are too far off, and the places that are not judged, because too little of their past is known."""

    deviations: tuple[Deviation, ...]
    unjudged: tuple[Unjudged, ...]


def figures(context: Context, days: Sequence[date]) -> Figures:
    """Return the figures of the days that are too far from what the days before and around them let expect."""
    judged = [day for day in days if day > days[-1] - _JUDGED_DAYS * _DAY]
    now = context.latest_plausible()
    today = civil_day(now, context.site.tz)
    first, last = judged[0] - _HISTORY, min(max(judged[-1], today), judged[-1] + _SILENCE)
    tables = {
        table.id: context.lake.read(table, first, last, columns=table.column_names)
        for table in (ENCOUNTERS, STAYS, EVENTS, BATCH_ACCOUNTS)
    }
    summaries = {name: context.engine.collect(rows) for name, rows in observe(tables).items()}
    calendar = Days(first, last, context.site.tz, _holidays(context, first, last))
    cadences = {feed.feed_id: feed.cadence for feed in context.feeds.values()}
    # Of a past that was loaded long after, nobody asks why nothing comes now.
    waited_for = cadences if today <= last else {}
    rhythms = _rhythms(context, last) if waited_for else {}
    observed = tabulate(summaries, calendar, now=now, cadences=cadences, rhythms=rhythms)
    expected = learn(observed, judged=judged)
    found = judge_figures(observed, expected, judged, now=now, cadences=waited_for, rhythms=rhythms)
    return Figures(found, expected.unjudged)


def _rhythms(context: Context, last: date) -> dict[str, Rhythm]:
    """Return how those feeds deliver that do once a day or less often, by what they did in the last weeks."""
    arrivals = _arrivals(context, last - _RHYTHM, last)
    found = {}
    for feed_id in context.feeds:
        told = arrivals.filter(pc.equal(arrivals["feed_id"], feed_id))
        times = (told[name].to_numpy().astype("datetime64[us]") for name in ("arrival_time", "ingested_at"))
        if rhythm := learn_rhythm(*times):
            found[feed_id] = rhythm
    return found


def clocks(context: Context, days: Sequence[date]) -> tuple[Diagnosis, ...]:
    """Return what is wrong with the clocks of the feeds on the newest of the days; nothing of those that are right."""
    judged = [day for day in days if day > days[-1] - _CLOCK_DAYS * _DAY]
    first, last = judged[0] - _HISTORY, judged[-1]
    arrivals = _arrivals(context, first, last)
    rest_days = _holidays(context, first, last)
    found = []
    for feed in context.feeds.values():
        told = arrivals.filter(pc.equal(arrivals["feed_id"], feed.feed_id))
        found += list(_of_feed(context, feed, _by_day(told), judged, rest_days))
    return tuple(found)


def _of_feed(
    context: Context, feed: Feed, by_day: dict[date, FeedDay], judged: Sequence[date], rest_days: frozenset[date]
) -> Iterator[Diagnosis]:
    site_zone = context.site.tz
    told = FeedClock(feed.feed_id, ZoneInfo(feed.zone), site_zone)
    now = context.latest_plausible()
    for day in judged:
        if day not in by_day:
            continue
        recent = [by_day[other] for back in range(6, -1, -1) if (other := day - back * _DAY) in by_day]
        before = [one for name, one in by_day.items() if day - _HISTORY <= name < day - 6 * _DAY]
        known = [one.arrived_at for one in before]
        profile = (
            learn_profile(np.concatenate(known), [one.day for one in before], site_zone, rest_days=rest_days)
            if known
            else None
        )
        found = clock.diagnose(
            recent,
            told,
            profile,
            usual_lag=clock.learn_lag(before[-28:], site_zone),
            until=now if now.astimezone(site_zone).date() <= day else None,
        )
        if found.severity != "none":
            yield found


def _arrivals(context: Context, first: date, last: date) -> pa.Table:
    """Return feed, day, arrival and first ingest of the encounters; the days are the site's."""
    encounters = context.lake.read(ENCOUNTERS, first, last, columns=("encounter_id", "feed_id", "arrival_time", "dt"))
    parts = [
        context.lake.read(table, first - _DAY, last + _DAY, columns=("encounter_id", "ingested_at"))
        for table in (ENCOUNTERS_RAW, EVENTS_RAW)
    ]
    records = ibis.union(*parts)
    came_in = records.group_by("encounter_id").aggregate(ingested_at=records.ingested_at.min())
    told = encounters.inner_join(came_in, "encounter_id")
    return context.engine.collect(told.select("feed_id", "dt", "arrival_time", "ingested_at").order_by("dt"))


def _by_day(told: pa.Table) -> dict[date, FeedDay]:
    days = told["dt"].to_numpy()
    arrived_at, ingested_at = (
        told[name].to_numpy().astype("datetime64[us]") for name in ("arrival_time", "ingested_at")
    )
    starts = np.flatnonzero(np.r_[True, days[1:] != days[:-1]]) if len(days) else np.array([], dtype=np.int64)
    ends = np.r_[starts[1:], len(days)] if len(days) else starts
    return {
        (day := days[start].astype("datetime64[D]").astype(date)): FeedDay(
            day, arrived_at[start:end], ingested_at[start:end]
        )
        for start, end in zip(starts, ends, strict=True)
    }


def _holidays(context: Context, first: date, last: date) -> frozenset[date]:
    return holiday_dates(context.site.holidays, range(first.year, last.year + 1))
