"""History-aware rules against synthetic years and the sample year: clean days that alarm, and faults that are found.

Rows are those of silver; faults are laid over them from a seed, and only what `judge` says counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.adapters.engines import DuckDBEngine
from healthcare_ops.core.civil_time import day_start
from healthcare_ops.core.feed import Cadence
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, EVENTS, STAYS
from healthcare_ops.core.validated import read_toml
from healthcare_ops.forecasting.calendar import holiday_dates
from healthcare_ops.generator.parameters import Parameters
from healthcare_ops.generator.simulation import simulate
from healthcare_ops.pipeline.quality.history.deviations import Deviation, judge
from healthcare_ops.pipeline.quality.history.expectations import learn
from healthcare_ops.pipeline.quality.history.observations import Days, Observed, observe, tabulate
from measured import machine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
HISTORY_DAYS = 112
SHORTEST_HISTORY_DAYS = 35
FEED = "feed"
CADENCES = {FEED: Cadence(every_min=60, late_after_min=720)}
FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
Rows = dict[str, pa.Table]


@dataclass(frozen=True)
class Hospital:
    """A site and its silver, by table id; instants are naive UTC."""

    name: str
    site: Site
    rows: Rows

    def days(self, first: date, last: date) -> Days:
        holidays = holiday_dates(self.site.holidays, range(first.year, last.year + 1))
        return Days(first, last, self.site.tz, holidays)


# --- Hospitals ---


def synthetic(per_day: int, seed: int) -> Hospital:
    """Return a year of a hospital with about so many arrivals a day."""
    site = read_toml(ROOT / "examples" / "sites" / "ed_six_sectors.toml", Site)
    if per_day < 100:
        ed = {"sector_id": "PS", "name": "PS", "kind": "ed", "functional_capacity": max(per_day // 3, 1)}
        keys = site.model_dump() | {"sectors": [ed], "hospital_beds": 100}
        site = Site.model_validate(keys)
    else:
        sectors = [
            sector.model_dump() | {"functional_capacity": round(sector.functional_capacity * per_day / 210)}
            for sector in site.sectors
        ]
        site = Site.model_validate(site.model_dump() | {"sectors": sectors, "hospital_beds": None})
    journeys = simulate(site, Parameters(), FIRST, LAST, seed)
    return Hospital(f"{per_day}/day, seed {seed}", site, silver_of(journeys.encounters, journeys.stays, site))


def skane() -> Hospital:
    from healthcare_ops.adapters.lake import arrow_schema
    from oracles.skane import read_year

    samples = ROOT / "src" / "healthcare_ops" / "samples"
    site = read_toml(samples / "skane_site.toml", Site)
    year = read_year()
    names = list(year.encounters[0])
    columns = {name: [row[name] for row in year.encounters] for name in names}
    columns["triage_end"] = columns["triage_start"]
    schema = [field for field in arrow_schema(ENCOUNTERS) if field.name in columns]
    encounters = pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema})
    size = encounters.num_rows
    encounters = encounters.append_column("patient_id", pa.nulls(size, pa.string()))
    stays = pa.table(
        {
            "encounter_id": encounters["encounter_id"],
            "sector_id": encounters["sector_id"],
            "bed_id": pa.nulls(size, pa.string()),
            "start_time": encounters["arrival_time"],
        }
    )
    return Hospital("Skåne 2017", site, _completed(encounters, stays, site))


def silver_of(encounters: pa.Table, stays: pa.Table, site: Site) -> Rows:
    """Return what happened as silver would hold it."""

    def renamed(table: pa.Table) -> pa.Table:
        columns = {}
        for name in table.column_names:
            is_id = name in {"encounter_no", "patient_no"}
            is_time = pa.types.is_timestamp(table[name].type)
            kind = pa.string() if is_id else pa.timestamp("us") if is_time else table[name].type
            columns[name.replace("_no", "_id") if is_id else name] = table[name].cast(kind)
        return pa.table(columns)

    table = renamed(encounters)
    table = table.set_column(
        table.column_names.index("triage_level"), "triage_level", table["triage_level"].cast("int64")
    )
    return _completed(table, renamed(stays), site)


def _completed(encounters: pa.Table, stays: pa.Table, site: Site) -> Rows:
    encounters = encounters.append_column("feed_id", pa.repeat(FEED, encounters.num_rows))
    return with_waits({ENCOUNTERS.id: encounters, STAYS.id: stays, EVENTS.id: _events(encounters, stays)}, site)


def _events(encounters: pa.Table, stays: pa.Table) -> pa.Table:
    parts = []
    for kind, column in (
        ("arrival", "arrival_time"),
        ("triage_start", "triage_start"),
        ("triage_end", "triage_end"),
        ("care_start", "care_start"),
        ("admit", "admit_time"),
        ("discharge", "discharge_time"),
    ):
        rows = encounters.filter(pc.is_valid(encounters[column]))
        parts.append(_event_rows(kind, rows["encounter_id"], rows[column], rows["sector_id"], None))
    if "place_no" in stays.column_names:
        moves = stays.filter(pc.greater(stays["place_no"], 0))
        parts.append(
            _event_rows("transfer", moves["encounter_id"], moves["start_time"], moves["sector_id"], moves["bed_id"])
        )
    return pa.concat_tables(parts)


def _event_rows(kind: str, ids: pa.Array, at: pa.Array, sector: pa.Array, bed: pa.Array | None) -> pa.Table:
    return pa.table(
        {
            "encounter_id": ids,
            "event_type": pa.repeat(kind, len(ids)),
            "event_time": at,
            "sector_id": sector,
            "bed_id": bed if bed is not None else pa.nulls(len(ids), pa.string()),
        }
    )


_WAITS = {
    "wait_triage_min": ("arrival_time", "triage_start"),
    "total_wait_min": ("arrival_time", "care_start"),
    "los_min": ("arrival_time", "discharge_time"),
}


def with_waits(rows: Rows, site: Site) -> Rows:
    """Return the rows with waits by their times, and the accounts of their days."""
    encounters = rows[ENCOUNTERS.id]
    kept = [name for name in encounters.column_names if name not in _WAITS]
    encounters = encounters.select(kept)
    for name, (start, end) in _WAITS.items():
        between = pc.subtract(encounters[end].cast("int64"), encounters[start].cast("int64"))
        encounters = encounters.append_column(name, pc.divide(between.cast("float64"), 60e6))
    return {**rows, ENCOUNTERS.id: encounters, BATCH_ACCOUNTS.id: _accounts(encounters, site)}


def _accounts(encounters: pa.Table, site: Site) -> pa.Table:
    local = pc.local_timestamp(
        pc.assume_timezone(encounters["arrival_time"], "UTC").cast(pa.timestamp("us", site.zone))
    )
    days = pa.table({"dt": local.cast(pa.date32())}).group_by("dt").aggregate([([], "count_all")])
    count = days["count_all"].cast("int64")
    nothing = pa.array(np.zeros(len(count), dtype=np.int64))
    return pa.table(
        {
            "feed_id": pa.repeat(FEED, len(count)),
            "dt": days["dt"],
            "delivered": count,
            "duplicate": nothing,
            "superseded": nothing,
            "quarantined": nothing,
        }
    )


# --- Judging ---


def summaries_of(rows: Rows, engine: DuckDBEngine) -> Rows:
    found = {}
    for name, table in rows.items():
        with engine.from_arrow(table) as held:
            found[name] = engine.collect(observe({name: held})[name])
    return found


_TIMES = {ENCOUNTERS.id: "arrival_time", STAYS.id: "start_time", EVENTS.id: "event_time"}


def on_day(rows: Rows, day: date, site: Site) -> Rows:
    """Return the rows whose time lies on the day."""
    start, end = (
        pa.scalar(day_start(at, site.tz).replace(tzinfo=None), pa.timestamp("us"))
        for at in (day, day + timedelta(days=1))
    )
    return {
        name: rows[name].filter(pc.and_(pc.greater_equal(rows[name][at], start), pc.less(rows[name][at], end)))
        for name, at in _TIMES.items()
    }


def with_day(summaries: Rows, new: Rows, day: date, site: Site) -> Rows:
    """Return the summaries with those of one day in place of its own."""
    quarters = [int(day_start(at, site.tz).timestamp()) // 900 for at in (day, day + timedelta(days=1))]
    found = {}
    for name, table in summaries.items():
        if name == BATCH_ACCOUNTS.id:
            other = table.filter(pc.not_equal(table["dt"], pa.scalar(day)))
        else:
            inside = pc.and_(pc.greater_equal(table["quarter"], quarters[0]), pc.less(table["quarter"], quarters[1]))
            other = table.filter(pc.invert(inside))
        found[name] = pa.concat_tables([other, new[name].select(other.column_names).cast(other.schema)])
    return found


@dataclass(frozen=True)
class Morning:
    """A day of a hospital, with the history before it."""

    hospital: Hospital
    summaries: Rows
    day: date
    now: datetime

    @property
    def calendar(self) -> Days:
        told = pc.min(self.hospital.rows[ENCOUNTERS.id]["arrival_time"]).as_py().date()
        first = max(self.day - timedelta(days=HISTORY_DAYS), told)
        return self.hospital.days(first, self.day + timedelta(days=1))

    def tabulated(self, summaries: Rows) -> Observed:
        return tabulate(summaries, self.calendar, now=self.now, cadences=CADENCES)


def settled(hospital: Hospital, summaries: Rows, day: date) -> Morning:
    """Return the day as it is seen once all its values are due."""
    now = day_start(day + timedelta(days=2), hospital.site.tz) + timedelta(hours=2)
    return Morning(hospital, summaries, day, now)


def clean_alarms(
    hospital: Hospital, engine: DuckDBEngine, every: int = 1
) -> Iterator[tuple[date, tuple[Deviation, ...]]]:
    """Yield each day after the first five weeks, with what was found on it."""
    summaries = summaries_of(hospital.rows, engine)
    arrival = hospital.rows[ENCOUNTERS.id]["arrival_time"]
    first, last = (found(arrival).as_py().date() for found in (pc.min, pc.max))
    for number in range(SHORTEST_HISTORY_DAYS, (last - first).days - 1, every):
        day = first + timedelta(days=number)
        morning = settled(hospital, summaries, day)
        observed = morning.tabulated(summaries)
        expectations = learn(observed, {day})
        yield day, judge(observed, expectations, {day}, now=morning.now, cadences={})


# --- Faults ---

LEAST_TOUCHED = 10
_NULLABLE = ("triage_level", "triage_start", "care_start", "discharge_time", "patient_id", "disposition")
_MILESTONES = ("triage_start", "triage_end", "care_start", "admit_time", "discharge_time")


@dataclass(frozen=True)
class Injected:
    """Faulty rows of a day, and how many encounters the fault touched."""

    rows: Rows
    touched: int


Chance = np.random.Generator
Fault = Callable[[Rows, Hospital, date, Chance], Injected]


def _of_largest(encounters: pa.Table, chance: Chance) -> np.ndarray:
    """Return which rows are of one sector, drawn by its size."""
    sectors = np.array(encounters["sector_id"].to_pylist())
    return sectors == sectors[chance.integers(len(sectors))]


def _without(rows: Rows, lost: np.ndarray) -> Injected:
    """Return the rows without some encounters and all that belongs to them."""
    encounters = rows[ENCOUNTERS.id]
    ids = encounters["encounter_id"].filter(pa.array(lost))
    kept = {name: table.filter(pc.invert(pc.is_in(table["encounter_id"], ids))) for name, table in rows.items()}
    return Injected(kept, int(lost.sum()))


def volume(factor: float, *, one_sector: bool) -> Fault:
    def inject(rows: Rows, hospital: Hospital, day: date, chance: Chance) -> Injected:
        encounters = rows[ENCOUNTERS.id]
        mine = _of_largest(encounters, chance) if one_sector else np.ones(encounters.num_rows, dtype=bool)
        if factor < 1:
            return _without(rows, mine & (chance.random(len(mine)) >= factor))
        ids = encounters["encounter_id"].filter(pa.array(mine))
        more = {name: pa.concat_tables([t, t.filter(pc.is_in(t["encounter_id"], ids))]) for name, t in rows.items()}
        return Injected(more, int(mine.sum()))

    return inject


def nulls(share: float) -> Fault:
    def inject(rows: Rows, hospital: Hospital, day: date, chance: Chance) -> Injected:
        encounters = rows[ENCOUNTERS.id]
        filled = [name for name in _NULLABLE if encounters[name].null_count < encounters.num_rows / 2]
        column = filled[chance.integers(len(filled))]
        hit = _of_largest(encounters, chance) & (chance.random(encounters.num_rows) < share)
        hit &= pc.is_valid(encounters[column]).to_numpy(zero_copy_only=False)
        return Injected(
            {**rows, ENCOUNTERS.id: _set(encounters, column, _emptied(encounters[column], hit))}, int(hit.sum())
        )

    return inject


def silent(hours: float | None) -> Fault:
    """Return a fault by which nothing comes for so many hours, or from some hour to the day's end."""

    def inject(rows: Rows, hospital: Hospital, day: date, chance: Chance) -> Injected:
        start = day_start(day, hospital.site.tz).timestamp() / 60
        minute = rows[ENCOUNTERS.id]["arrival_time"].cast("int64").to_numpy() / 60e6 - start
        begin = chance.uniform(0, 24 - hours) if hours else chance.uniform(6, 22)
        end = begin + hours if hours else 25
        return _without(rows, (minute >= begin * 60) & (minute < end * 60))

    return inject


def unit(factor: float, *, one_sector: bool) -> Fault:
    def inject(rows: Rows, hospital: Hospital, day: date, chance: Chance) -> Injected:
        encounters = rows[ENCOUNTERS.id]
        mine = _of_largest(encounters, chance) if one_sector else np.ones(encounters.num_rows, dtype=bool)
        arrival = encounters["arrival_time"].cast("int64")
        for name in _MILESTONES:
            since = pc.subtract(encounters[name].cast("int64"), arrival)
            stretched = pc.add(arrival, pc.multiply(since.cast("float64"), factor).cast("int64", safe=False))
            column = pc.if_else(pa.array(mine), stretched, encounters[name].cast("int64")).cast(pa.timestamp("us"))
            encounters = _set(encounters, name, column)
        return Injected({**rows, ENCOUNTERS.id: encounters}, int(mine.sum()))

    return inject


def swapped(one: str, other: str) -> Fault:
    """Return a fault by which two columns hold each other's times; what is reversed then is held back before silver."""

    def inject(rows: Rows, hospital: Hospital, day: date, chance: Chance) -> Injected:
        before = rows[ENCOUNTERS.id]
        encounters = _set(_set(before, one, before[other]), other, before[one])
        differs = pc.fill_null(pc.not_equal(before[one], before[other]), True).to_numpy(zero_copy_only=False)
        both = pc.is_null(before[one]).to_numpy(zero_copy_only=False) & pc.is_null(before[other]).to_numpy(
            zero_copy_only=False
        )
        order = [_minutes(encounters[name]) for name in ("arrival_time", *_MILESTONES)]
        return Injected(*_held(rows, encounters, order, differs & ~both))

    return inject


def _held(rows: Rows, encounters: pa.Table, order: list[np.ndarray], touched: np.ndarray) -> tuple[Rows, int]:
    latest, is_reversed = order[0].copy(), np.zeros(len(order[0]), dtype=bool)
    for times in order[1:]:
        is_reversed |= times < latest
        latest = np.fmax(latest, times)
    return _without({**rows, ENCOUNTERS.id: encounters}, is_reversed).rows, int(touched.sum())


def _minutes(column: pa.ChunkedArray) -> np.ndarray:
    """Return minutes since 1970, NaN where it did not happen."""
    return pc.divide(column.cast("int64").cast("float64"), 60e6).to_numpy(zero_copy_only=False)


def _set(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def _emptied(column: pa.ChunkedArray, hit: np.ndarray) -> pa.ChunkedArray:
    return pc.if_else(pa.array(hit), pa.scalar(None, column.type), column)


FAULTS: dict[str, Fault] = {
    "volume ×0.5, the feed": volume(0.5, one_sector=False),
    "volume ×0.5, one sector": volume(0.5, one_sector=True),
    "volume ×2, the feed": volume(2.0, one_sector=False),
    "volume ×2, one sector": volume(2.0, one_sector=True),
    **{f"nulls {share:.0%}, one sector": nulls(share) for share in (0.05, 0.1, 0.2, 0.4)},
    **{f"silent for {hours} h": silent(hours) for hours in (2, 4, 6, 8, 12)},
    "file truncated": silent(None),
    "seconds for minutes, the feed": unit(60, one_sector=False),
    "seconds for minutes, one sector": unit(60, one_sector=True),
    "minutes for seconds, the feed": unit(1 / 60, one_sector=False),
    "triage_start and care_start swapped": swapped("triage_start", "care_start"),
    "care_start and admit_time swapped": swapped("care_start", "admit_time"),
    "care_start and discharge_time swapped": swapped("care_start", "discharge_time"),
}


def found_faults(
    hospital: Hospital, engine: DuckDBEngine, *, count: int, seed: int
) -> Iterator[tuple[str, date, int, tuple[Deviation, ...]]]:
    """Yield for each fault on each of `count` days: its name, how many rows it touched, what was found."""
    summaries = summaries_of(hospital.rows, engine)
    arrival = hospital.rows[ENCOUNTERS.id]["arrival_time"]
    first = pc.min(arrival).as_py().date() + timedelta(days=HISTORY_DAYS + 1)
    span = (pc.max(arrival).as_py().date() - timedelta(days=3) - first).days
    picked = np.random.default_rng([seed, 0]).choice(span, size=count, replace=False)
    for number in sorted(picked.tolist()):
        day = first + timedelta(days=number)
        morning = settled(hospital, summaries, day)
        expectations = learn(morning.tabulated(summaries), {day})
        rows = on_day(hospital.rows, day, hospital.site)
        for at, (name, fault) in enumerate(FAULTS.items()):
            injected = fault(rows, hospital, day, np.random.default_rng([seed, number, at]))
            new = summaries_of(with_waits(injected.rows, hospital.site), engine)
            observed = morning.tabulated(with_day(summaries, new, day, hospital.site))
            yield name, day, injected.touched, judge(observed, expectations, {day}, now=morning.now, cadences={})


def bin_of(touched: int) -> str:
    return "<10" if touched < 10 else "10-14" if touched < 15 else "15-24" if touched < 25 else ">=25"


# --- While the day goes on ---

TICKS_H = range(2, 25, 2)


def as_known(hospital: Hospital, now: datetime, chance: Chance) -> Rows:
    """Return the rows of the last days that a feed of 15 minutes has told by now: what happened, and then some delay.

    Half comes within 2 minutes, 90 % within 10, 97 % within an hour, the rest within a day.
    """
    at = pa.scalar(now.replace(tzinfo=None), pa.timestamp("us"))
    rows = hospital.rows
    known = {name: _told_by(rows[name], _TIMES[name], at, chance) for name in _TIMES}
    encounters = known[ENCOUNTERS.id]
    is_gone = pc.fill_null(pc.less_equal(encounters["discharge_time"], at), False)
    for name in _MILESTONES:
        has_happened = pc.fill_null(pc.less_equal(encounters[name], at), False)
        empty = pa.scalar(None, encounters[name].type)
        encounters = _set(encounters, name, pc.if_else(has_happened, encounters[name], empty))
    encounters = _set(
        encounters, "disposition", pc.if_else(is_gone, encounters["disposition"], pa.scalar(None, pa.string()))
    )
    return with_waits({**known, ENCOUNTERS.id: encounters}, hospital.site)


def _split(summaries: Rows, hospital: Hospital, began: date) -> tuple[Rows, Hospital]:
    """Return the summaries of before a day, and the hospital with the rows since."""
    start = day_start(began, hospital.site.tz)
    before = {
        name: table.filter(pc.less(table["dt"], pa.scalar(began)))
        if name == BATCH_ACCOUNTS.id
        else table.filter(pc.less(table["quarter"], int(start.timestamp()) // 900))
        for name, table in summaries.items()
    }
    since = pa.scalar(start.replace(tzinfo=None), pa.timestamp("us"))
    rows = {
        name: hospital.rows[name].filter(pc.greater_equal(hospital.rows[name][at], since))
        for name, at in _TIMES.items()
    }
    return before, replace(hospital, rows=rows)


def _told_by(table: pa.Table, column: str, now: pa.Scalar, chance: Chance) -> pa.Table:
    delay_min = np.interp(chance.random(table.num_rows), [0, 0.5, 0.9, 0.97, 1], [0, 2, 10, 60, 1440])
    told_at = pc.add(table[column].cast("int64"), pa.array((delay_min * 60e6).astype(np.int64)))
    return table.filter(pc.less_equal(told_at, now.cast("int64")))


def ticking(hospital: Hospital, engine: DuckDBEngine, *, count: int, seed: int) -> Iterator[tuple[date, set[str]]]:
    """Yield for some days what any look at the running day (and the one before) found, every two hours."""
    summaries = summaries_of(hospital.rows, engine)
    arrival = hospital.rows[ENCOUNTERS.id]["arrival_time"]
    first = pc.min(arrival).as_py().date() + timedelta(days=HISTORY_DAYS + 1)
    span = (pc.max(arrival).as_py().date() - timedelta(days=3) - first).days
    for number in sorted(np.random.default_rng([seed, 9]).choice(span, size=count, replace=False).tolist()):
        day = first + timedelta(days=number)
        calendar = hospital.days(day - timedelta(days=HISTORY_DAYS), day)
        seen: set[str] = set()
        began = day - timedelta(days=2)
        before, recent = _split(summaries, hospital, began)
        for hour in TICKS_H:
            now = day_start(day, hospital.site.tz) + timedelta(hours=hour)
            # One delay for each row, whenever somebody looks.
            known = summaries_of(as_known(recent, now, np.random.default_rng([seed, number])), engine)
            known = {
                name: pa.concat_tables([t, known[name].select(t.column_names).cast(t.schema)])
                for name, t in before.items()
            }
            observed = tabulate(known, calendar, now=now, cadences=TICK_CADENCES)
            judged = {day, day - timedelta(days=1)}
            found = judge(observed, learn(observed, judged), judged, now=now, cadences=TICK_CADENCES)
            seen |= {one.rule for one in found}
        yield day, seen


TICK_CADENCES = {FEED: Cadence(every_min=15, late_after_min=720)}


# --- The report ---


@dataclass
class Tally:
    """What one volume gave, over its seeds."""

    days: int = 0
    alarmed: int = 0
    failed: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    found: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    touched: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def recall(self, fault: str) -> str:
        total, found = (
            sum(n for name, n in counts[fault].items() if name != "<10") for counts in (self.touched, self.found)
        )
        return f"{found}/{total}" if total else "–"

    def recall_by_size(self, fault: str) -> str:
        sizes = ("10-14", "15-24", ">=25")
        return ", ".join(f"{self.found[fault][size]}/{self.touched[fault][size]}" for size in sizes)


def measure(tally: Tally, hospital: Hospital, engine: DuckDBEngine, arguments: argparse.Namespace, seed: int) -> None:
    """Add a hospital to the tally of its volume, and print the clean days that alarm."""
    for day, found in clean_alarms(hospital, engine, arguments.every):
        tally.days += 1
        tally.alarmed += bool(found)
        tally.failed += any(one.severity == "fail" for one in found)
        tally.by_rule.update({one.rule for one in found})
        for one in found[:2]:
            print(f"  {hospital.name} {day} {one.score:.1f} > {one.limit:.1f}: {one.sentence}", flush=True)
    for fault, _, touched, found in found_faults(hospital, engine, count=arguments.days, seed=seed):
        tally.touched[fault][bin_of(touched)] += 1
        tally.found[fault][bin_of(touched)] += bool(found)
    if arguments.ticks:
        seen = [rules for _, rules in ticking(hospital, engine, count=arguments.ticks, seed=seed)]
        print(
            f"  {hospital.name}: looked at every two hours, {sum(map(bool, seen))} of {len(seen)} days alarm",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-day", type=int, nargs="*", default=[56, 200, 400], help="Arrivals a day.")
    parser.add_argument("--seeds", type=int, nargs="*", default=[101, 102])
    parser.add_argument("--no-sample-year", action="store_true")
    parser.add_argument("--days", type=int, default=12, help="Days that each fault is laid over, of each hospital.")
    parser.add_argument("--every", type=int, default=1, help="Judge every so many clean days.")
    parser.add_argument("--ticks", type=int, default=0, help="Days that are looked at every two hours.")
    arguments = parser.parse_args()
    print(f"{machine()}; {datetime.now(UTC):%Y-%m-%d}", flush=True)
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as folder:
        engine = DuckDBEngine(Path(folder), memory_limit_mb=1000, threads=1)
        if not arguments.no_sample_year:
            measure(tallies.setdefault("Skåne 2017", Tally()), skane(), engine, arguments, arguments.seeds[0])
        for per_day in arguments.per_day:
            for seed in arguments.seeds:
                tally = tallies.setdefault(f"{per_day} a day", Tally())
                measure(tally, synthetic(per_day, seed), engine, arguments, seed)
    print(f"| | {' | '.join(tallies)} |\n|---|{'---:|' * len(tallies)}")
    rates = [f"{t.alarmed} of {t.days} ({t.alarmed / t.days:.1%})" for t in tallies.values()]
    print(f"| clean days that alarm | {' | '.join(rates)} |")
    print(f"| clean days that fail | {' | '.join(str(t.failed) for t in tallies.values())} |")
    for fault in FAULTS:
        print(f"| {fault} | {' | '.join(t.recall(fault) for t in tallies.values())} |")
    for fault in FAULTS:
        print(
            f"  by 10-14, 15-24, >=25 touched: {fault}: {' | '.join(t.recall_by_size(fault) for t in tallies.values())}"
        )
    print({name: dict(tally.by_rule) for name, tally in tallies.items()})


if __name__ == "__main__":
    main()
