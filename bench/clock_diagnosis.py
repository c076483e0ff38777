"""How often the wrong clock is named, and a right one suspected: the table of docs/data-quality.md.

Years of arrivals come from the generator. Clean years have outages, backlogs, days that come late as a whole, holidays
and clock changes in them. Shifts are made here: by how much and on which days comes from a seed. Judged is what
`diagnose` returns and nothing else. Thresholds were chosen on the seeds `CHOSEN_ON` and the first half of the sample
year; reported are the seeds `REPORTED` and the second half.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from healthcare_ops.core.civil_time import day_start, offset_spans
from healthcare_ops.core.days import days_between
from healthcare_ops.core.site import Site
from healthcare_ops.generator.arrivals import civil_hours, draw_arrivals, holiday_dates, mean_arrivals
from healthcare_ops.generator.parameters import Parameters
from healthcare_ops.generator.scenario import Reporting
from healthcare_ops.pipeline.quality.clocks.clock import (
    Diagnosis,
    FeedClock,
    FeedDay,
    UsualLag,
    diagnose,
    learn_lag,
)
from healthcare_ops.pipeline.quality.clocks.hour_profile import HourProfile, learn_profile

CHOSEN_ON = (1, 2, 3, 4, 5, 6, 7, 8, 101, 102, 103)
REPORTED = (301, 302, 303)
ZONES = {"America/Sao_Paulo": "BR", "Europe/Stockholm": "SE", "America/New_York": "US"}
VOLUMES = (60, 200, 400, 800)
FIRST = date(2025, 1, 1)
SAMPLE_REPORTED = date(2017, 7, 1), date(2017, 12, 31)
HISTORY_DAYS, LAG_DAYS, YEAR_DAYS = 112, 28, 365
Tally = tuple[int, int, int]
HOUR, TICK_S = np.timedelta64(3600, "s"), 900


@dataclass(frozen=True)
class Year:
    """Arrivals of a history and the days after it that are judged: when they were, and when they came in."""

    zone: ZoneInfo
    holidays: frozenset[date]
    history_from: date
    first: date
    last: date
    arrived_at: np.ndarray
    ingested_at: np.ndarray
    troubles: tuple[tuple[np.datetime64, np.datetime64], ...] = ()

    @property
    def clock(self) -> FeedClock:
        return FeedClock("synthetic", self.zone, self.zone)

    @cached_property
    def days(self) -> list[date]:
        return days_between(self.first, self.last)

    @cached_property
    def taught(self) -> dict[date, tuple[HourProfile | None, UsualLag | None]]:
        """Return what was learned for each judged day, anew each week, from days before any that is looked at."""
        found = {}
        for number, day in enumerate(self.days):
            if number % 7 == 0:
                end = day - timedelta(days=7)
                days = days_between(max(self.history_from, end - timedelta(days=HISTORY_DAYS - 1)), end)
                profile = learn_profile(self.arrived_at, days, self.zone, rest_days=self.holidays)
                known = profile, learn_lag([self.of(past) for past in days[-LAG_DAYS:]], self.zone)
            found[day] = known
        return found

    def of(self, day: date) -> FeedDay:
        start, end = (np.datetime64(_naive(day_start(at, self.zone)), "us") for at in (day, day + timedelta(days=1)))
        mine = slice(*np.searchsorted(self.arrived_at, (start, end)))
        return FeedDay(day, self.arrived_at[mine], self.ingested_at[mine])

    def is_troubled(self, day: date) -> bool:
        """Tell whether another trouble falls on the day or the hours beside it."""
        start, end = (np.datetime64(_naive(day_start(at, self.zone)), "us") for at in (day, day + timedelta(days=1)))
        return any(begin < end + 3 * HOUR and start - 3 * HOUR < over for begin, over in self.troubles)

    def judge(self, day: date, *, at_h: int | None = None) -> Diagnosis:
        """Return the diagnosis of a day with what stood in the lake of it and the six days before, at an hour of it."""
        days = [self.of(day - timedelta(days=back)) for back in range(6, -1, -1)]
        until = None if at_h is None else datetime.combine(day, time(at_h), self.zone)
        if until:
            came = [known.ingested_at <= np.datetime64(_naive(until.astimezone(UTC)), "us") for known in days]
            days = [
                replace(d, arrived_at=d.arrived_at[c], ingested_at=d.ingested_at[c])
                for d, c in zip(days, came, strict=True)
            ]
        profile, usual = self.taught[day]
        return diagnose(days, self.clock, profile, usual_lag=usual, until=until)

    def shifted(self, offset_h: float, first: date, last: date) -> Year:
        """Return the year around days on which the clock was wrong; what was learned is the same."""
        start, end = (np.datetime64(_naive(day_start(at, self.zone)), "us") for at in (first, last + timedelta(days=1)))
        near = slice(*np.searchsorted(self.arrived_at, (start - 9 * 24 * HOUR, end + 3 * 24 * HOUR)))
        true, ingested_at = self.arrived_at[near], self.ingested_at[near]
        is_wrong = (true >= start) & (true < end)
        read = true + np.where(is_wrong, np.timedelta64(round(offset_h * 3600), "s"), np.timedelta64(0, "s"))
        order = np.argsort(read, kind="stable")
        year = replace(self, arrived_at=read[order], ingested_at=ingested_at[order])
        year.__dict__["taught"] = self.taught
        return year


def synthetic_year(zone: str, per_day: int, seed: int, *, is_live: bool) -> Year:
    """Return a clean year of the generator with its troubles, from a feed of every 15 minutes or one bulk load."""
    sector = {"sector_id": "ED", "name": "ED", "kind": "ed", "functional_capacity": 40}
    site = Site.model_validate(
        {"facility_id": "h", "name": "H", "zone": zone, "holidays": {"country": ZONES[zone]}, "sectors": [sector]}
    )
    first, last = FIRST - timedelta(days=HISTORY_DAYS + 7), FIRST + timedelta(days=YEAR_DAYS)
    parameters = Parameters.model_validate({"emergency": {"arrivals": {"per_day": per_day}}})
    hours = civil_hours(site, first, last)
    comings = draw_arrivals(site, hours, mean_arrivals(site, parameters, hours, seed), seed)
    arrived_at = comings.time_s.astype("datetime64[s]").astype("datetime64[us]")
    year = Year(
        site.tz, holiday_dates(site, first, last), first, FIRST, last - timedelta(days=1), arrived_at, arrived_at
    )
    return troubled(delivered(year, seed, is_live=is_live), seed)


def sample_year(first: date, last: date, *, is_live: bool) -> Year:
    """Return days of the sample year, whose arrivals are real; how late they came is made."""
    site = Site.model_validate(
        {"facility_id": "e", "name": "E", "zone": "Europe/Stockholm", "holidays": {"country": "SE"},
         "sectors": [{"sector_id": "ED", "name": "ED"}]}
    )  # fmt: skip
    packed = files("healthcare_ops.samples").joinpath("skane_2017.csv.gz").read_bytes()
    rows = csv.DictReader(gzip.decompress(packed).decode().splitlines())
    clocks = np.sort(np.array([row["arrival_at_hospital"] for row in rows], "datetime64[us]"))
    arrived_at = np.sort(_instants(clocks, site.tz))
    begin = date(2017, 1, 1)
    year = Year(site.tz, holiday_dates(site, begin, last), begin, first, last, arrived_at, arrived_at)
    return delivered(year, 1, is_live=is_live)


def delivered(year: Year, seed: int, *, is_live: bool) -> Year:
    """Return the year with ingest times: the generator's delays, then the next quarter of an hour; or all at once."""
    if not is_live:
        return replace(year, ingested_at=np.full(len(year.arrived_at), year.arrived_at[-1] + 5 * 24 * HOUR))
    shares, minutes = zip(*Reporting().delay_min, strict=True)
    delay_s = np.interp(np.random.default_rng([seed, 1]).random(len(year.arrived_at)), shares, minutes) * 60
    return replace(year, ingested_at=_next_tick(year.arrived_at + (delay_s * 1e6).astype("timedelta64[us]")))


def troubled(year: Year, seed: int) -> Year:
    """Return the year with a trouble every five days: in turn an outage of 9 to 12 h whose records are lost, one whose
    records come at its end, a backlog of 2 to 9 h, and one or two days on which everything is 0.5 to 4 h late.
    """
    rng = np.random.default_rng([seed, 2])
    arrived_at, ingested_at = year.arrived_at, year.ingested_at.copy()
    is_live, is_lost = len(np.unique(ingested_at)) > 1, np.zeros(len(arrived_at), bool)
    starts = np.arange(arrived_at[0], arrived_at[-1], 5 * 24 * HOUR)
    troubles = []
    for number, start in enumerate(starts):
        begin = start + rng.integers(0, 4 * 86_400) * np.timedelta64(1, "s")
        kind, length = number % 4, rng.uniform((9, 9, 2, 24)[number % 4], (12, 12, 9, 48)[number % 4])
        end = begin + round(length * 3600) * np.timedelta64(1, "s")
        hit = (arrived_at >= begin) & (arrived_at < end)
        if kind == 0 or is_live:
            troubles.append((begin, end))
        if kind == 0:
            is_lost |= hit
        elif is_live and kind in {1, 2}:
            ingested_at[hit] = np.maximum(ingested_at[hit], _next_tick(np.array([end], "datetime64[us]"))[0])
        elif is_live:
            ingested_at[hit] += round(rng.uniform(0.5, 4) * 3600) * np.timedelta64(1, "s")
    kept = ~is_lost
    return replace(year, arrived_at=arrived_at[kept], ingested_at=ingested_at[kept], troubles=tuple(troubles))


def clean_days(year: Year) -> Iterator[Diagnosis]:
    """Yield what is said about each day of the clean year."""
    return (year.judge(day) for day in year.days)


def single_days(year: Year, offset_h: float, days: Sequence[date], *, is_lasting: bool) -> Iterator[Diagnosis]:
    """Yield what is said about days of a wrong clock: each the only one, or the first of many."""
    for day in days:
        yield year.shifted(offset_h, day, day + timedelta(days=2 if is_lasting else 0)).judge(day)


def weeks(year: Year, offset_h: float, firsts: Sequence[date]) -> Iterator[list[Diagnosis]]:
    """Yield what is said about each of the first seven days of a clock that stays wrong."""
    for first in firsts:
        days = days_between(first, first + timedelta(days=6))
        wrong = year.shifted(offset_h, first, days[-1] + timedelta(days=2))
        yield [wrong.judge(day) for day in days]


def tally(year: Year, seed: int, *, count: int) -> dict[str, Tally]:
    """Return cases, spoken and exact ones of clean days (none is exact), ±3 h days and ±1 h weeks (first word counts).

    `3h` is the only wrong day, `3h first` the first of many, `quiet` those of both without another trouble; `noon` is
    what is known at noon. `unchanged` are weeks after a clock change that was not followed, `own` days on which zone
    and UTC were mixed up.
    """
    days, firsts = _chosen(year, seed, count), _chosen(year, seed + 1, count // 2)
    found = {"clean": _spoken(clean_days(year), 0.0), "quiet": (0, 0, 0)}
    for name, is_lasting in (("3h", False), ("3h first", True)):
        for offset in (-3.0, 3.0):
            said = list(single_days(year, offset, days, is_lasting=is_lasting))
            quiet = [diagnosis for diagnosis in said if not year.is_troubled(diagnosis.day)]
            found[name] = _added([found.get(name, (0, 0, 0)), _spoken(said, offset)])
            found["quiet"] = _added([found["quiet"], _spoken(quiet, offset)])
    found["1h week"] = _added([_first_words(weeks(year, offset, firsts), offset) for offset in (-1.0, 1.0)])
    found["2h"] = _added([_spoken(single_days(year, way, firsts, is_lasting=True), way) for way in (-2.0, 2.0)])
    if len(np.unique(year.ingested_at)) > 1:
        found["clean noon"] = _spoken((year.judge(day, at_h=12) for day in year.days), 0.0)
        noons = ((way, year.shifted(way, day, day).judge(day, at_h=12)) for way in (-3.0, 3.0) for day in days)
        found["3h noon"] = _added([_spoken([diagnosis], way) for way, diagnosis in noons])
    found["unchanged"] = _added([(0, 0, 0), *_unchanged_clocks(year)])
    mistakes = [_spoken(_own_mistakes(year, firsts, way), 1.0) for way in (-1, 1)]
    return found | {"own": _added(mistakes)}


def _unchanged_clocks(year: Year) -> Iterator[Tally]:
    """Yield what is said of the week after each change of the zone's clock that the feed's clock did not follow."""
    offsets = [datetime.combine(day, time(12), year.zone).utcoffset() for day in year.days]
    for day, before, after in zip(year.days[1:], offsets, offsets[1:], strict=False):
        if after != before:
            offset_h = (before - after) / timedelta(hours=1)
            yield _first_words(weeks(year, offset_h, [day]), offset_h)


def _own_mistakes(year: Year, days: Sequence[date], way: int) -> Iterator[Diagnosis]:
    """Yield what is said where zone and UTC were mixed up, its offset as a multiple of the right one."""
    for day in days:
        utc_offset = datetime.combine(day, time(12), year.zone).utcoffset() / timedelta(hours=1)
        (diagnosis,) = single_days(year, way * utc_offset, [day], is_lasting=True)
        named = diagnosis.offset_h
        yield replace(diagnosis, offset_h=None if named is None else named / (way * utc_offset))


def _spoken(said: Iterable[Diagnosis], offset_h: float) -> Tally:
    offsets = [diagnosis.offset_h for diagnosis in said]
    return len(offsets), sum(offset is not None for offset in offsets), offsets.count(offset_h)


def _first_words(said: Iterable[list[Diagnosis]], offset_h: float) -> Tally:
    first = [next((d.offset_h for d in week if d.offset_h is not None), None) for week in said]
    return len(first), sum(offset is not None for offset in first), first.count(offset_h)


def _added(parts: Sequence[Tally]) -> Tally:
    cases, spoken, exact = (sum(column) for column in zip(*parts, strict=True))
    return cases, spoken, exact


def _chosen(year: Year, seed: int, count: int) -> list[date]:
    rng = np.random.default_rng([seed, 3])
    return [year.days[number] for number in np.sort(rng.choice(len(year.days) - 9, count, replace=False))]


def _next_tick(at: np.ndarray) -> np.ndarray:
    seconds = -(-at.astype("datetime64[us]").astype(np.int64) // 1_000_000)
    return (-(-seconds // TICK_S) * TICK_S).astype("datetime64[s]").astype("datetime64[us]")


def _instants(clocks: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Return the UTC instants of civil clocks; a repeated hour as its first, a skipped one left as it stands."""
    spans = offset_spans(zone, *(clock.astype(datetime).date() for clock in (clocks[0], clocks[-1])))
    instants = clocks - spans[0].offset_min * np.timedelta64(60, "s")
    for before, span in pairwise(spans):
        is_after = clocks >= np.datetime64(span.from_utc, "us") + before.offset_min * np.timedelta64(60, "s")
        instants[is_after] = clocks[is_after] - span.offset_min * np.timedelta64(60, "s")
    return instants


def _naive(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None)


def measure(seeds: Sequence[int], zones: Sequence[str], volumes: Sequence[int], count: int) -> Iterator[dict]:
    for zone in zones:
        for per_day in volumes:
            for is_live in (True, False):
                tallies = [
                    tally(synthetic_year(zone, per_day, seed, is_live=is_live), seed, count=count) for seed in seeds
                ]
                summed = {name: _added([one[name] for one in tallies]) for name in tallies[0]}
                yield {"zone": zone, "per_day": per_day, "live": is_live, "years": len(seeds)} | summed


def measure_sample(first: date, last: date, count: int) -> Iterator[dict]:
    for is_live in (True, False):
        yield {"sample": f"{first}…{last}", "live": is_live} | tally(
            sample_year(first, last, is_live=is_live), 1, count=count
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(REPORTED))
    parser.add_argument("--zones", nargs="+", default=list(ZONES), choices=list(ZONES))
    parser.add_argument("--volumes", type=int, nargs="+", default=list(VOLUMES))
    parser.add_argument("--count", type=int, default=60, help="shifted days per year and direction")
    arguments = parser.parse_args()
    for row in measure(arguments.seeds, arguments.zones, arguments.volumes, arguments.count):
        print(json.dumps(row), flush=True)
    for row in measure_sample(*SAMPLE_REPORTED, arguments.count):
        print(json.dumps(row, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
