"""How soon drift is found, how often for nothing, and whether a wrong clock is told from a changed hospital.

Hospitals of two kinds: *plain* ones, whose hourly counts are Poisson around a calendar, whose hourly waits are
log-normal; and *simulated* ones, which are the product's own generator with queues, whose days resemble each other.
Each has a year of training and up to a year after it. What changed and when is known to the checker alone. Constants
were chosen on seeds below 121; reported are the seeds from 501 on. The bound tells what a test could do at most that
knows how the days of a simulated hospital are alike and looks for a fifth more alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.core.civil_time import day_start, load_zone
from healthcare_ops.core.site import Holidays, Site
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.generator.arrivals import hour_of_week_shape
from healthcare_ops.generator.parameters import Parameters
from healthcare_ops.generator.simulation import simulate
from healthcare_ops.monitoring.charts import Memory, alarms, cusum
from healthcare_ops.monitoring.drift import DriftWatch
from healthcare_ops.monitoring.hours import HospitalHours, SectorHours

REPORTED = 501
FIRST, TRAINED_DAYS, YEAR_DAYS = date(2024, 1, 8), 364, 365
CHANGE_AFTER_DAYS, LOOK_DAYS = 10, 45
ZONE, COUNTRY = "Europe/Lisbon", "PT"
_EPOCH = date(1970, 1, 1)
Floats = np.ndarray
_HOUR_S = 3_600


@dataclass(frozen=True)
class Change:
    """What becomes of a hospital from the change on; all 1 or 0: nothing."""

    name: str
    kind: str = ""
    sign: int = 1
    arrivals: float = 1.0
    peak_h: int = 0
    wait: float = 1.0
    clock_h: int = 0
    within_days: int = 0


CLEAN = Change("clean")
CHANGES = (
    Change("arrivals +20 %", "arrivals", arrivals=1.2, within_days=7),
    Change("arrivals -20 %", "arrivals", -1, arrivals=0.8, within_days=7),
    Change("peak +2 h", "peak", peak_h=2, within_days=2),
    Change("peak -2 h", "peak", -1, peak_h=-2, within_days=2),
    Change("wait x2", "wait", wait=2.0, within_days=2),
    Change("clock +3 h", "peak", clock_h=3, within_days=2),
    Change("clock -3 h", "peak", -1, clock_h=-3, within_days=2),
    Change("peak +3 h", "peak", peak_h=3, within_days=2),
)
# Days before a year of the bound, so that it starts as any other; as many years; the day of the change.
BOUND_BEFORE_DAYS, BOUND_YEARS, BOUND_CHANGE_DAY = 60, 600, 40
Maker = Callable[[float, int, Change, int], HospitalHours]


def change_day(seed: int) -> date:
    """Return the first day of the change: any of the weekdays, any of the seasons."""
    return FIRST + timedelta(days=TRAINED_DAYS + CHANGE_AFTER_DAYS + seed * 37 % 280)


def plain(per_hour: float, seed: int, change: Change, days: int, *, season: float = 0.1) -> HospitalHours:
    """Return a hospital of one sector whose counts are Poisson around hour of week, season and holidays."""
    count = _hours_until(change, seed, days)
    random = np.random.default_rng([seed, round(per_hour * 10)])
    calendar = Calendar(ZONE, Holidays(country=COUNTRY))
    civil = calendar.hours(day_start(FIRST, load_zone(ZONE)), count)
    shape = hour_of_week_shape(Parameters().of_sector("ED").arrivals)
    weekday = (civil.day_number + 3) % 7
    is_changed = civil.day_number >= _number(change_day(seed))
    moved = np.where(is_changed, change.peak_h, 0)
    level = per_hour * (1 + season * np.cos(2 * np.pi * civil.day_number / 365.25))
    level = level * np.where(civil.day_type == 7, 0.93, 1.0) * np.where(is_changed, change.arrivals, 1.0)
    mean = level * shape[(weekday * 24 + civil.hour - moved) % 168]
    arrivals = random.poisson(mean).astype(float)
    usual_wait = 30 * (0.6 + 0.4 * shape[weekday * 24 + civil.hour])
    waits = usual_wait * np.exp(random.normal(0, 0.9, count) / np.sqrt(np.maximum(arrivals, 1)))
    waits = np.where(arrivals > 0, waits * _of_days(civil.day_number, random, 0.15), np.nan)
    waits = waits * np.where(is_changed, change.wait, 1.0)
    stay = np.exp(-np.arange(24) / 5.0)
    occupancy = np.round(np.convolve(arrivals, stay)[:count])
    columns = _moved((arrivals, waits, occupancy), change.clock_h, int(np.argmax(is_changed)))
    sector = SectorHours("ED", *columns)
    return HospitalHours(civil.day_number, civil.hour, civil.day_type, _number(_first_day()), (sector,))


def simulated(per_hour: float, seed: int, change: Change, days: int, *, sectors: int = 1) -> HospitalHours:
    """Return a hospital of the generator, with a ward behind its emergency sectors."""
    site = _site(per_hour, sectors)
    first_changed = change_day(seed)
    parameters = Parameters.model_validate(
        {
            "emergency": {"arrivals": {"per_day": per_hour * 24 / sectors}},
            "changes": [{"first": first_changed, "arrivals_factor": change.arrivals, "peak_shift_h": change.peak_h}],
        }
    )
    count = _hours_until(change, seed, days)
    start = day_start(FIRST, site.tz)
    last = FIRST + timedelta(days=count // 24)
    journeys = simulate(site, parameters, FIRST, last, seed)
    civil = Calendar(site.zone, site.holidays).hours(start, count)
    cut_s = day_start(first_changed, site.tz).timestamp() if change.clock_h else np.inf
    since = day_start(first_changed, site.tz).timestamp() - start.timestamp()
    found = []
    for sector in site.sectors[:sectors]:
        arrivals, waits = _arrivals(journeys.encounters, sector.sector_id, start.timestamp(), count, cut_s, change)
        waits = waits * np.where(np.arange(count) * 3600 >= since, change.wait, 1.0)
        occupancy = _occupancy(journeys.stays, sector.sector_id, start.timestamp(), count, cut_s, change)
        found.append(SectorHours(sector.sector_id, arrivals, waits, occupancy))
    return HospitalHours(civil.day_number, civil.hour, civil.day_type, _number(_first_day()), tuple(found))


def six_sectors(per_hour: float, seed: int, change: Change, days: int) -> HospitalHours:
    """Return the same patients in six sectors."""
    return simulated(per_hour, seed, change, days, sectors=6)


MAKERS: dict[str, Maker] = {"plain": plain, "simulated": simulated, "six sectors": six_sectors}


@dataclass(frozen=True)
class Found:
    """On which day of a change it was found (None: not within `LOOK_DAYS`), and what was said then and days later."""

    day: int | None
    size: float = 0.0
    verdict: str = ""
    later: str = ""
    may_retrain: bool = False


def look(hours: HospitalHours, change: Change, seed: int) -> Found:
    """Return when the change was found by its kind and direction, and the verdict then and three days later."""
    watch = DriftWatch(hours)
    first, last = _number(change_day(seed)), int(hours.day[-1])
    for day in range(first, min(first + LOOK_DAYS, last)):
        verdict = watch.on(day)
        for finding in verdict.findings:
            if finding.kind == change.kind and finding.size * change.sign > 0 and finding.cause != "season":
                later = watch.on(min(day + 3, last - 1))
                return Found(day - first + 1, finding.size, verdict.kind, later.kind, verdict.may_retrain)
    return Found(None)


@dataclass(frozen=True)
class Cried:
    """Alarms of a clean year: times that the hospital came into alarm, and times that any statistic of it did."""

    episodes: int
    statistics: int
    season_days: int
    seconds: float


def cry(hours: HospitalHours) -> Cried:
    """Return what is said of a year without change."""
    started = time.perf_counter()
    watch = DriftWatch(hours)
    verdicts = [watch.on(int(day)) for day in watch.number]
    is_alarm = np.array([verdict.kind in {"real_change", "data_fault"} for verdict in verdicts])
    begun = {(f.kind, f.sector_id, f.seen_on) for v in verdicts for f in v.findings if f.cause != "season"}
    episodes = int(_begun(is_alarm).sum())
    season_days = sum(verdict.kind == "season" for verdict in verdicts)
    return Cried(episodes, len(begun), season_days, time.perf_counter() - started)


def bound(per_hour: float, per_year: float) -> tuple[float, float]:
    """Return the median day on which the best chart for a fifth more finds it, and the share of years within a week.

    Days are normal around a level that returns to the usual one, dispersed and alike as the generator's are.
    """
    demand = Parameters().of_sector("ED").arrivals
    random, mean, excess = np.random.default_rng(1), 24 * per_hour, demand.dispersion - 1
    memory, size = demand.autocorrelation * demand.dispersion / excess, 2 * np.sqrt(1.2) - 2
    shape = (BOUND_YEARS, BOUND_BEFORE_DAYS + YEAR_DAYS)
    level, shock = np.zeros(shape), random.normal(0, np.sqrt(excess / mean * (1 - memory**2)), shape)
    for day in range(1, shape[1]):
        level[:, day] = memory * level[:, day - 1] + shock[:, day]
    days = level + random.normal(0, np.sqrt(1 / mean), shape)
    known = Memory.of(days.ravel())

    def charts(series: Floats) -> Floats:
        found = [known.chart(1, row, size, 10**9) for row in series]
        masked = np.zeros((len(series), YEAR_DAYS), bool)
        return cusum(found, np.full(len(series), 1e9), slice(BOUND_BEFORE_DAYS, None), masked)[0]

    clean = charts(days)
    limits = np.arange(1.0, 12.0, 0.05)
    often = [_begun(alarms(clean, np.full(len(clean), limit))).sum() / BOUND_YEARS for limit in limits]
    limit = limits[int(np.argmax(np.array(often) <= per_year))]
    changed = days + size * (np.arange(shape[1]) >= BOUND_BEFORE_DAYS + BOUND_CHANGE_DAY)
    found = charts(changed)[:, BOUND_CHANGE_DAY:] >= limit
    day = np.where(found.any(axis=1), found.argmax(axis=1) + 1, YEAR_DAYS)
    return float(np.median(day)), float((day <= 7).mean())


def bound_table(volumes: Iterable[float]) -> Iterator[str]:
    """Yield a row per volume and false alarms a year."""
    yield "| per hour | false alarms a year | day, median | within a week |"
    yield "|---:|---:|---:|---:|"
    for volume in volumes:
        for per_year in (0.5, 1.0, 2.0):
            day, share = bound(volume, per_year)
            yield f"| {volume:g} | {per_year:g} | {day:g} | {share:.0%} |"


def _begun(is_alarm: np.ndarray) -> np.ndarray:
    """Tell on which days (last axis) an alarm begins."""
    return is_alarm & ~np.concatenate([np.zeros_like(is_alarm[..., :1]), is_alarm[..., :-1]], axis=-1)


def changes_table(
    changes: Sequence[Change], kinds: Sequence[str], volumes: Iterable[float], seeds: Sequence[int]
) -> Iterator[str]:
    """Yield a row per change, kind of hospital and volume."""
    yield "| change | hospital | per hour | day, median | in time | never | size | may retrain | verdict | 3 days on |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---|---|"
    for change in changes:
        for kind in kinds:
            for volume in volumes:
                found = [look(MAKERS[kind](volume, seed, change, LOOK_DAYS), change, seed) for seed in seeds]
                yield f"| {change.name} | {kind} | {volume:g} | {_row(change, found)} |"


def _row(change: Change, found: Sequence[Found]) -> str:
    days = [item.day or LOOK_DAYS + 1 for item in found]
    seen = [item for item in found if item.day]
    cells = (
        f"{statistics.median(days):g}",
        f"{statistics.mean(day <= change.within_days for day in days):.0%} ≤ {change.within_days}",
        f"{len(found) - len(seen)}/{len(found)}",
        f"{statistics.median([item.size for item in seen] or [0.0]):+.2f}",
        f"{sum(item.may_retrain for item in seen)}/{len(seen)}",
        _shares([item.verdict for item in seen]),
        _shares([item.later for item in seen]),
    )
    return " | ".join(cells)


def clean_table(kinds: Sequence[str], volumes: Iterable[float], seeds: Sequence[int]) -> Iterator[str]:
    """Yield a row per kind of hospital and volume."""
    yield "| hospital | per hour | alarms a year | most | years > 2 | single statistics | season, days | seconds |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for kind in kinds:
        for volume in volumes:
            cried = [cry(MAKERS[kind](volume, seed, CLEAN, YEAR_DAYS)) for seed in seeds]
            episodes = [item.episodes for item in cried]
            yield (
                f"| {kind} | {volume:g} | {statistics.mean(episodes):.2f} | {max(episodes)} "
                f"| {sum(item > 2 for item in episodes)}/{len(episodes)} "
                f"| {statistics.mean(item.statistics for item in cried):.2f} "
                f"| {statistics.mean(item.season_days for item in cried):.0f} "
                f"| {statistics.median(item.seconds for item in cried):.1f} |"
            )


def _site(per_hour: float, sectors: int) -> Site:
    beds = max(round(per_hour * 24 / sectors / 3.3), 3)
    emergency = [
        {"sector_id": f"ED{n}", "name": "ED", "kind": "ed", "functional_capacity": beds} for n in range(sectors)
    ]
    ward = {"sector_id": "WARD", "name": "Ward", "kind": "ward", "functional_capacity": beds * sectors * 3}
    return Site.model_validate(
        {
            "facility_id": "h",
            "name": "H",
            "zone": ZONE,
            "holidays": {"country": COUNTRY},
            "sectors": [*emergency, ward],
        }
    )


def _seconds(table: pa.Table, name: str) -> Floats:
    """Return instants as seconds since 1970 UTC; NaN where they have not come."""
    return table[name].cast(pa.int64()).cast(pa.float64()).to_numpy()


def _arrivals(
    encounters: pa.Table, sector_id: str, start_s: float, count: int, cut_s: float, change: Change
) -> tuple[Floats, Floats]:
    """Return arrivals and mean wait (min) of each hour, as a feed tells them whose clock is wrong from `cut_s` on."""
    mine = encounters.filter(pc.equal(encounters["sector_id"], sector_id))
    arrival, care = _seconds(mine, "arrival_time"), _seconds(mine, "care_start")
    hour = (_told(arrival, cut_s, change) - start_s) // _HOUR_S
    inside = (hour >= 0) & (hour < count)
    is_seen = inside & np.isfinite(care)
    arrivals = np.bincount(hour[inside].astype(int), minlength=count).astype(float)
    seen, waited = (
        np.bincount(hour[is_seen].astype(int), weights, minlength=count)
        for weights in (np.ones(is_seen.sum()), (care - arrival)[is_seen] / 60)
    )
    with np.errstate(invalid="ignore"):
        return arrivals, waited / seen


def _occupancy(stays: pa.Table, sector_id: str, start_s: float, count: int, cut_s: float, change: Change) -> Floats:
    mine = stays.filter(pc.equal(stays["sector_id"], sector_id))
    begins, ends = (_told(_seconds(mine, name), cut_s, change) for name in ("start_time", "end_time"))
    first, last = (
        np.clip(np.ceil((np.nan_to_num(at, nan=np.inf) - start_s) / _HOUR_S), 0, count) for at in (begins, ends)
    )
    steps = [np.bincount(at.astype(int), minlength=count + 1) for at in (first, last)]
    return np.cumsum(steps[0] - steps[1])[:count].astype(float)


def _told(at_s: Floats, cut_s: float, change: Change) -> Floats:
    return np.where(at_s >= cut_s, at_s + change.clock_h * _HOUR_S, at_s)


def _moved(columns: Sequence[Floats], hours: int, since: int) -> list[Floats]:
    """Return hourly columns as a feed tells them whose clock is wrong from the hour `since` on."""
    if not hours:
        return list(columns)
    out = []
    for column in columns:
        moved = column.copy()
        source = np.arange(since, len(column)) - hours
        moved[since:] = column[np.minimum(source, len(column) - 1)]
        out.append(moved)
    return out


def _of_days(day: np.ndarray, random: np.random.Generator, size: float) -> Floats:
    """Return a log-normal factor for each hour that its day has in common."""
    number = day - day[0]
    return np.exp(random.normal(0, size, int(number[-1]) + 1))[number]


def _hours_until(change: Change, seed: int, days: int) -> int:
    after = CHANGE_AFTER_DAYS + seed * 37 % 280 if change is not CLEAN else 0
    return (TRAINED_DAYS + after + days) * 24


def _first_day() -> date:
    return FIRST + timedelta(days=TRAINED_DAYS)


def _number(day: date) -> int:
    return (day - _EPOCH).days


def _shares(verdicts: Sequence[str]) -> str:
    names = sorted(set(verdicts), key=lambda name: -verdicts.count(name))
    return ", ".join(f"{name} {verdicts.count(name) / len(verdicts):.0%}" for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="hospitals of each kind and volume")
    parser.add_argument("--first-seed", type=int, default=REPORTED)
    parser.add_argument("--kinds", nargs="+", default=list(MAKERS), choices=list(MAKERS))
    parser.add_argument("--volumes", type=float, nargs="+", default=[5.0, 10.0, 20.0])
    parser.add_argument("--only", choices=("clean", "changes", "bound"))
    parser.add_argument("--changes", nargs="+", default=[change.name for change in CHANGES])
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    changes = [change for change in CHANGES if change.name in arguments.changes]
    tables = {
        "bound": bound_table(arguments.volumes),
        "clean": clean_table(arguments.kinds, arguments.volumes, seeds),
        "changes": changes_table(changes, arguments.kinds, arguments.volumes, seeds),
    }
    for name, rows in tables.items():
        if arguments.only in {None, name}:
            for row in rows:
                print(row, flush=True)
            print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
