"""What was delivered, counted by civil hour: the figures that history-aware rules compare."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from healthcare_ops.core.civil_time import day_start, offset_spans
from healthcare_ops.core.feed import Cadence
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, EVENTS, STAYS
from healthcare_ops.pipeline.civil import epoch_us
from healthcare_ops.pipeline.quality.history.rhythm import NO_RHYTHMS, Rhythm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kind = Literal["volume", "nulls", "mean"]

# A value counts as missing if it is not there so long after its row's time, however late it came. So the newest
# days, once they are older than this, are compared with older ones by what both had at the same age.
VALUE_DUE = timedelta(hours=24)
# Of what a feed delivers in time, 97 % and more is there an hour after it happened.
SETTLED_AFTER = timedelta(hours=1)
SUNDAY = 6
# A feed that has told nothing for so long is out of use: nobody waits for it to judge the others.
_RETIRED_AFTER_H = 28 * 24
# Nor for one that tells so much less than the largest.
_SMALL_FEED = 0.05
# Every offset in use is a multiple of a quarter of an hour.
_QUARTER_MIN, _QUARTER_US = 15, 900_000_000


@dataclass(frozen=True)
class Watched:
    """What is watched of a table.

    `places` are the columns of which every value has series of its own. `due` names the columns that are
    usually filled, each with the time (or None) by which it is known when it was; of whom it is not due says
    `excused`. `values` are minutes or levels whose typical size is watched. Where rows tell of the house's crowding
    rather than of what was delivered, they are not counted (`is_counted`).
    """

    table: str
    time: str
    places: tuple[str, ...]
    due: Mapping[str, str | None]
    values: tuple[str, ...] = ()
    excused: Mapping[str, Literal["unseen", "admitted"]] = field(default_factory=dict)
    is_counted: bool = True


WATCHED = (
    Watched(
        ENCOUNTERS.id,
        "arrival_time",
        ("feed_id", "sector_id"),
        {
            "patient_id": None,
            "triage_level": None,
            "triage_start": "triage_start",
            "care_start": "care_start",
            "admit_time": "admit_time",
            "discharge_time": "discharge_time",
            "disposition": "discharge_time",
        },
        ("triage_level", "wait_triage_min", "total_wait_min", "los_min"),
        # On a crowded evening many leave, and who is admitted stays for days: their empty times are honest.
        {
            "triage_level": "unseen",
            "triage_start": "unseen",
            "care_start": "unseen",
            "discharge_time": "admitted",
            "disposition": "admitted",
        },
    ),
    Watched(STAYS.id, "start_time", ("sector_id",), {"bed_id": None}, is_counted=False),
    Watched(EVENTS.id, "event_time", ("event_type",), {"sector_id": None, "bed_id": None}, is_counted=False),
)
_ACCOUNTS = Watched(BATCH_ACCOUNTS.id, "dt", ("feed_id",), {"quarantined": None})


def observe(tables: Mapping[str, ir.Table]) -> dict[str, ir.Table]:
    """Return one aggregate per given table: a row per place and quarter of an hour (of accounts: feed and day).

    Parameters
    ----------
    tables
        Table id → rows of `silver.encounters`, `silver.stays`, `silver.events` or `ops.batch_accounts`; others
        are passed over. Instants are naive UTC.
    """
    found = {watched.table: _summary(watched, tables[watched.table]) for watched in WATCHED if watched.table in tables}
    if (accounts := tables.get(BATCH_ACCOUNTS.id)) is not None:
        # Records that are told again, in whatever version, say nothing about how much happened.
        once = accounts.delivered - accounts.duplicate - accounts.superseded
        found[BATCH_ACCOUNTS.id] = accounts.group_by("feed_id", "dt").aggregate(
            rows=once.sum(), null_quarantined=accounts.quarantined.sum()
        )
    return found


def _summary(watched: Watched, table: ir.Table) -> ir.Table:
    instants = epoch_us(table[watched.time])
    table = table.mutate(quarter=(instants // _QUARTER_US).cast("int64"), at_us=instants)
    sums: dict[str, Any] = {"rows": table.count(), "first_us": table.at_us.min(), "last_us": table.at_us.max()}
    for column, known_by in watched.due.items():
        missing = _is_missing(table, watched.time, column, known_by)
        if column in watched.excused:
            missing &= ~_is_excused(table, watched.excused[column])
        sums[f"null_{column}"] = _count(missing)
    longest = VALUE_DUE / timedelta(minutes=1)
    for column in watched.values:
        # Waits are skewed: their logarithms have a mean that no single patient moves.
        size = (table[column].cast("float64") + ibis.literal(1.0)).ln()
        counted = table[column].between(0, longest)
        kept = ibis.ifelse(counted, size, ibis.literal(0.0))
        sums[f"n_{column}"] = _count(counted)
        sums[f"sum_{column}"] = kept.sum()
        sums[f"square_{column}"] = (kept * kept).sum()
    return table.group_by(*watched.places, "quarter").aggregate(**sums)


def _is_missing(table: ir.Table, time: str, column: str, known_by: str | None) -> Any:
    missing = table[column].isnull()
    if known_by is None:
        return missing
    hours = int(VALUE_DUE / timedelta(hours=1))
    return missing | (table[known_by] > table[time] + ibis.interval(hours=hours))


def _is_excused(table: ir.Table, why: Literal["unseen", "admitted"]) -> Any:
    if why == "admitted":
        return table.admit_time.notnull()
    return (table.disposition == "left_without_care").fill_null(False)


def _count(condition: Any) -> Any:
    return condition.fill_null(False).cast("int64").sum()


@dataclass(frozen=True)
class Days:
    """Consecutive operational days; positions in them are civil hours since the first day began.

    `week` numbers calendar weeks from 0, `day_type` is the weekday (Monday = 0, holidays as Sunday), `hours` is how
    long each civil hour of each day lasts: 1, or 0 and 2 where the clock changes. Shape of the last: (days, 24).
    """

    first: date
    last: date
    zone: ZoneInfo
    holidays: frozenset[date] = field(default_factory=frozenset)

    @cached_property
    def dates(self) -> tuple[date, ...]:
        """Return the days."""
        return tuple(self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1))

    @cached_property
    def week(self) -> Ints:
        """Return the calendar week of each day, numbered from 0."""
        return np.array([(day.toordinal() - 1) // 7 for day in self.dates]) - (self.first.toordinal() - 1) // 7

    @cached_property
    def day_type(self) -> Ints:
        """Return the weekday of each day, holidays as Sundays."""
        return np.array([SUNDAY if day in self.holidays else day.weekday() for day in self.dates])

    @cached_property
    def hours(self) -> Floats:
        """Return how many hours each civil hour lasts."""
        ends = (day_start(self.first, self.zone), day_start(self.last + timedelta(days=1), self.zone))
        start, end = (int(instant.timestamp()) // (60 * _QUARTER_MIN) for instant in ends)
        position = np.floor(self.position(np.arange(start, end, dtype=np.float64) * _QUARTER_MIN)).astype(np.int64)
        counts = np.bincount(position, minlength=len(self.dates) * 24)
        return np.asarray(counts.reshape(-1, 24) / (60 / _QUARTER_MIN), dtype=np.float64)

    def position(self, utc_min: Floats) -> Floats:
        """Return the civil hours since the first day began of minutes since 1970 (UTC)."""
        changes, offsets = self._offsets
        civil = utc_min + offsets[np.maximum(np.searchsorted(changes, utc_min, side="right") - 1, 0)]
        return np.asarray(civil / 60 - (self.first.toordinal() - date(1970, 1, 1).toordinal()) * 24)

    @cached_property
    def _offsets(self) -> tuple[Floats, Floats]:
        spans = offset_spans(self.zone, self.first, self.last)
        starts = [span.from_utc.replace(tzinfo=UTC).timestamp() / 60 for span in spans]
        return np.array(starts), np.array([float(span.offset_min) for span in spans])

    def position_of(self, instant: datetime) -> float:
        """Return the position of one aware instant."""
        return float(self.position(np.array([instant.timestamp() / 60]))[0])


@dataclass(frozen=True)
class Series:
    """One figure that is followed: of a table, of one place in it (`by` = `place`), perhaps of one column."""

    kind: Kind
    table: str
    by: str
    place: str
    column: str = ""


@dataclass(frozen=True)
class Block:
    """Series of one kind. Arrays have the shape (series, days, 24 civil hours); what is not known yet is 0 in all.

    volume: `total` rows in `size` hours. nulls: `total` missing of `size` rows. mean: `total` is the sum of
    log(1 + value) over `size` rows, `squares` that of their squares (zeros for the other kinds). `is_known` is 1.0
    for the hours that are.
    """

    kind: Kind
    series: tuple[Series, ...]
    total: Floats
    size: Floats
    squares: Floats
    is_known: Floats


@dataclass(frozen=True)
class Silences:
    """When nobody arrived at a place, as positions (`Days`), and when the newest arrival was."""

    start: Floats
    end: Floats
    newest: float


@dataclass(frozen=True)
class Observed:
    """All figures of some days, and the position up to which they can be judged."""

    days: Days
    blocks: Mapping[Kind, Block]
    silences: Mapping[Series, Silences]
    complete_until: float


Part = tuple[Series, Floats, Floats, Floats]
Parts = dict[Kind, list[Part]]


def tabulate(
    summaries: Mapping[str, pa.Table],
    days: Days,
    *,
    now: datetime,
    cadences: Mapping[str, Cadence],
    rhythms: Mapping[str, Rhythm] = NO_RHYTHMS,
) -> Observed:
    """Return the collected aggregates of `observe` as arrays.

    Hours count as known up to the newest record of the feeds (of the one that is furthest behind; where all are out of
    use, of the one that told last), and not before an hour after they ended: what is younger is a question of
    freshness. A feed in `rhythms`, which delivers once a day or less often, is known as far as its last delivery
    usually tells. Values are known when they were due.
    """
    parts: Parts = {"volume": [], "nulls": [], "mean": []}
    silences: dict[Series, Silences] = {}
    for watched in WATCHED:
        if watched.table in summaries:
            _gather(watched, summaries[watched.table], days, parts, silences)
    told_until = {feed: days.position_of(rhythm.told_until) for feed, rhythm in rhythms.items()}
    complete = _complete_until(silences, days.position_of(now - SETTLED_AFTER), cadences, told_until)
    due = min(complete, days.position_of(now - VALUE_DUE - SETTLED_AFTER))
    if BATCH_ACCOUNTS.id in summaries:
        # Of a day as a whole: they stand at its last hour.
        _gather(_ACCOUNTS, summaries[BATCH_ACCOUNTS.id], days, parts, silences)
    limits: dict[Kind, float] = {"volume": complete, "nulls": due, "mean": due}
    blocks = {kind: _block(kind, found, days, limits[kind], due) for kind, found in parts.items() if found}
    return Observed(days, blocks, silences, complete)


def _gather(
    watched: Watched,
    rows: pa.Table,
    days: Days,
    parts: Parts,
    silences: dict[Series, Silences],
) -> None:
    is_daily = watched is _ACCOUNTS
    at = _day_ends(rows, days) if is_daily else days.position(_floats(rows, "quarter") * _QUARTER_MIN)
    inside = (at >= 0) & (at < len(days.dates) * 24)
    hour = np.where(inside, at, 0).astype(np.int64)
    sizes = np.where(np.arange(24) == 23, 1.0, 0.0) * np.ones((len(days.dates), 1)) if is_daily else days.hours

    def grid(mine: NDArray[np.bool_], name: str) -> Floats:
        weights = _floats(rows, name)[mine]
        found = np.bincount(hour[mine], weights, minlength=len(days.dates) * 24)
        return np.asarray(found.reshape(-1, 24), dtype=np.float64)

    for by in watched.places:
        for place, mine in _places(rows, by, inside):
            volume = Series("volume", watched.table, by, place)
            count = grid(mine, "rows")
            nothing = np.zeros_like(count)
            if watched.is_counted:
                parts["volume"].append((volume, count, _since_the_first(count, sizes), nothing))
            if watched.table == ENCOUNTERS.id:
                silences[volume] = _silences(rows, mine, days)
            # What a feed leaves empty, its sectors lack.
            for column in watched.due if by != "feed_id" or is_daily else ():
                series = Series("nulls", watched.table, by, place, column)
                parts["nulls"].append((series, grid(mine, f"null_{column}"), count, nothing))
            for column in watched.values:
                series = Series("mean", watched.table, by, place, column)
                total, size, squares = (grid(mine, f"{part}_{column}") for part in ("sum", "n", "square"))
                parts["mean"].append((series, total, size, squares))


def _places(rows: pa.Table, by: str, inside: NDArray[np.bool_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    places = rows[by].combine_chunks().dictionary_encode()
    codes = pc.fill_null(places.indices, -1).to_numpy(zero_copy_only=False)
    for place in sorted(name for name in places.dictionary.to_pylist() if name is not None):
        mine = inside & (codes == places.dictionary.index(place).as_py())
        if mine.any():
            yield place, mine


def _since_the_first(count: Floats, sizes: Floats) -> Floats:
    """Return the hours' sizes, 0 on days before the series began: those are no history."""
    told = np.flatnonzero(count.sum(axis=1))
    since = np.arange(len(count)) >= (told[0] if len(told) else len(count))
    return sizes * since[:, None]


def _silences(rows: pa.Table, mine: NDArray[np.bool_], days: Days) -> Silences:
    first, last = (days.position(_floats(rows, name)[mine] / 60e6) for name in ("first_us", "last_us"))
    order = np.argsort(first, kind="stable")
    start, end = np.maximum.accumulate(last[order])[:-1], first[order][1:]
    longer = end > start
    return Silences(start[longer], end[longer], float(last.max()))


def _day_ends(rows: pa.Table, days: Days) -> Floats:
    numbers = rows["dt"].cast(pa.int32()).to_numpy().astype(np.int64)
    return np.asarray((numbers - (days.first - date(1970, 1, 1)).days) * 24.0 + 23)


def _floats(rows: pa.Table, name: str) -> Floats:
    return np.asarray(rows[name].to_numpy(), dtype=np.float64)


def _complete_until(
    silences: Mapping[Series, Silences], settled: float, feeds: Collection[str], told_until: Mapping[str, float]
) -> float:
    told = {
        series.place: found
        for series, found in silences.items()
        if series.by == "feed_id" and (not feeds or series.place in feeds)
    }
    # Neither a feed that is out of use nor one of a few patients holds up the others.
    most = max((len(found.start) for found in told.values()), default=0)
    newest = {
        feed: max(found.newest, told_until.get(feed, found.newest))
        for feed, found in told.items()
        if len(found.start) >= _SMALL_FEED * most
    }
    waited_for = [newest[feed] for feed in newest if told[feed].newest > settled - _RETIRED_AFTER_H]
    # Where none tells any more, a day is judged as it was when it was due: the silence since is no past to learn from.
    return min([settled, *(waited_for or [max(newest.values(), default=settled)])])


def _block(kind: Kind, found: list[Part], days: Days, until: float, due: float) -> Block:
    hour_end = (np.arange(len(days.dates) * 24) + 1.0).reshape(-1, 24)
    limits = np.array([due if series.table == BATCH_ACCOUNTS.id else until for series, *_ in found])
    known = (hour_end[None] <= limits[:, None, None]).astype(np.float64)
    series, *arrays = zip(*found, strict=True)
    total, size, squares = (np.stack(parts) * known for parts in arrays)
    return Block(kind, tuple(series), total, size, squares, known)
