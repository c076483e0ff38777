"""Faults of a delivered day through the whole product: is each found, and called by its name? Is a clean day let be?

A synthetic hospital delivers every two hours. Its past is loaded, and its state kept; then one day of it comes, clean
or with one fault of a scenario, as often as asked for; a clock that is wrong by an hour is so for a week. What the
product says is read from the reports it wrote and from the files it refused, and nothing else; what was wrong, from
the generator's record, only to know whether enough records were hit.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any

from faults_named import (
    LEAST_RECORDS,
    Named,
    Report,
    holds,
    is_alarm,
    is_missing,
    longer,
    odd,
    repeated,
    said,
    shifted,
    silent,
    since,
    volume,
)
from healthcare_ops.adapters.freed_memory import return_freed_memory
from healthcare_ops.bootstrap.configuration import add_feed, create_state
from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.errors import QualityError
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.operations import bulk
from healthcare_ops.operations.generate import Order, generate
from healthcare_ops.operations.reading import newest_report
from measured import machine

ROOT = Path(__file__).parents[1]
FEED = "encounters"
PAST_DAYS, LIVE_DAYS = 84, 8
# The lake keeps the last 20 changes of a table: who reads them less often reads everything.
_FILES_OF_A_RUN = 12
_NOTHING: Report = {"verdict": "pass", "rules": [], "expectations": [], "clocks": [], "feeds": []}


@dataclass(frozen=True)
class Fault:
    """A fault of the generator, drawn for a day, and how a report names it."""

    name: str
    draw: Callable[[random.Random, Sequence[str]], dict[str, Any]]
    is_named: Named
    days: int = 1


def _in_one(kind: str, **keys: Any) -> Callable[[random.Random, Sequence[str]], dict[str, Any]]:
    return lambda luck, sectors: {"kind": kind, "sectors": [luck.choice(sectors)], **keys}


def _anywhere(kind: str, **keys: Any) -> Callable[[random.Random, Sequence[str]], dict[str, Any]]:
    return lambda luck, sectors: {"kind": kind, **keys}


def _refused(report: Report, fault: Mapping[str, Any]) -> bool:
    return "refused" in report


def faults() -> list[Fault]:
    """Return every fault that a hospital meets in a day."""
    found = [
        Fault(f"nulls {share:.0%} in one sector", _in_one("nulls", column="triage_level", share=share), is_missing)
        for share in (0.05, 0.1, 0.2, 0.4)
    ]
    found += [
        Fault("duplicates 20 %", _anywhere("duplicates", share=0.2), repeated),
        Fault("unknown sector", _anywhere("unknown_codes", column="sector", share=0.15), holds("SECTOR_UNKNOWN")),
        Fault("reversed events", _anywhere("reversed_events", share=0.15), holds("EVENTS_REVERSED")),
        Fault("silent for 12 h", _anywhere("silent", is_lost=True, hours=12), silent),
        Fault("1970", _anywhere("wrong_dates", to="1970", share=0.15), holds("TIME_OUT_OF_RANGE")),
        Fault("future dates", _anywhere("wrong_dates", to="future", share=0.15), holds("TIME_OUT_OF_RANGE")),
        Fault(
            "swapped times",
            _anywhere("swapped_columns", columns=["care_start", "discharge_time"], share=0.3),
            holds("EVENTS_REVERSED"),
        ),
        Fault(
            "swapped codes",
            _anywhere("swapped_columns", columns=["sector", "bed"], share=0.3),
            holds("SECTOR_UNKNOWN"),
        ),
        Fault("seconds for minutes", _anywhere("seconds_for_minutes", share=0.5), longer),
        Fault("truncated files", _anywhere("truncated", share=0.5), _refused),
    ]
    found += [
        Fault(f"volume ×{factor:g} in one sector", _in_one("volume", factor=factor), volume) for factor in (0.5, 2.0)
    ]
    found += [
        Fault(f"clock {hours:+d} h", _anywhere("clock_shift", minutes=60 * hours), shifted, days=days)
        for hours, days in ((-3, 1), (-1, 7), (1, 7), (3, 1))
    ]
    return found


def mistakes_of_the_clock_change(change: date) -> list[Fault]:
    """Return the fault of a wall clock that stays as it was on the day of a change."""
    how, minutes = ("not_forward", -60) if change.month < 7 else ("not_back", 60)
    draw = _anywhere("dst_mistake", how=how)
    return [Fault(f"summer time: {how}", lambda *given: draw(*given) | {"minutes": minutes}, shifted, days=7)]


class Hospital:
    """A synthetic hospital whose past is in a state directory, which is put back as it was before each day."""

    def __init__(self, folder: Path, seed: int, site_file: Path) -> None:
        self._folder, self._site_file, self._seed = folder, site_file, seed
        self.site = read_toml(site_file, Site)
        first, last = date(2025, 3, 3), date(2026, 3, 31)
        changes = [day for day in _days(first, last) if _hours(day, self.site.tz) != 24]
        luck = random.Random(seed)
        self.changes_clock = bool(changes)
        self.day = luck.choice(changes or _days(first + timedelta(days=PAST_DAYS + LIVE_DAYS), last))
        self._first = self.day - timedelta(days=PAST_DAYS + LIVE_DAYS)
        self.emergency_sectors = [sector.sector_id for sector in self.site.sectors if sector.kind == "ed"]
        self.state = folder / "state"
        made = self._generate("clean", None)
        create_state(self.state, made / "site.toml", AsOfClock(self._local(self._first)))
        add_feed(self.state, made / "feeds" / f"{FEED}.toml")
        files = self._files(made)
        live = self._local(self._first + timedelta(days=PAST_DAYS))
        # Not what is told again: one file tells each record once.
        past = [self._merged([path for due, path in files if due <= live and "_again" not in path.stem])]
        with open_platform(self.state, AsOfClock(live)) as platform:
            feed = platform.context.feeds[FEED]
            bulk.land(platform, feed, bulk.verify_each(past, feed, lambda step: None).sound)
            _refined(platform)
        self._deliver([(due, path) for due, path in files if live < due <= self._local(self.day)])
        self._refine(self._local(self.day))
        shutil.copytree(self.state, folder / "kept", symlinks=True)

    def _local(self, day: date, at: time = time()) -> datetime:
        return datetime.combine(day, at, self.site.tz)

    def _generate(self, name: str, fault: Mapping[str, Any] | None) -> Path:
        scenario = self._folder / f"{name}.toml"
        scenario.write_text("" if fault is None else f"faults = [{_toml(fault)}]\n")
        order = Order(
            self._site_file,
            self._folder / name,
            self._first,
            self.day + timedelta(days=9),
            seed=self._seed,
            scenario_file=scenario,
            feeds=("encounters",),
            every_min=120,
        )
        generate(order)
        return self._folder / name

    def _merged(self, paths: Sequence[Path]) -> Path:
        """Return one file of all rows: a hospital loads its past at once."""
        texts = [path.read_text() for path in paths]
        merged = self._folder / "past.csv"
        merged.write_text(texts[0] + "".join(text.partition("\n")[2] for text in texts[1:]))
        return merged

    @staticmethod
    def _files(made: Path) -> list[tuple[datetime, Path]]:
        return [
            (datetime.strptime(path.stem.split("_")[1], "%Y%m%dT%H%MZ").replace(tzinfo=UTC), path)
            for path in sorted((made / "deliveries" / FEED).iterdir())
        ]

    def _deliver(self, files: Sequence[tuple[datetime, Path]]) -> list[Report]:
        """Let each file come when it is due, and into bronze at once; return what is said and refused."""
        told: list[Report] = []
        with open_platform(self.state) as opened:
            for number, (due, path) in enumerate(files, start=1):
                platform = replace(opened, context=replace(opened.context, clock=AsOfClock(due)))
                feed = platform.context.feeds[FEED]
                verified = bulk.verify_each([path], feed, lambda step: None)
                bulk.land(platform, feed, verified.sound)
                if verified.refused:
                    told.append({**_NOTHING, "refused": verified.document})
                if number % _FILES_OF_A_RUN:
                    bulk.refine(platform, lambda name: None, jobs=("ingest_bronze",))
                else:
                    _refined(platform)
                    told.append(newest_report(platform))
        return told

    def _refine(self, now: datetime) -> Report:
        with open_platform(self.state, AsOfClock(now)) as platform:
            _refined(platform)
            return newest_report(platform)

    def judged(self, fault: Mapping[str, Any] | None, days: int = 1) -> Iterator[tuple[list[Report], int]]:
        """Let the day come, clean or with a fault that lasts some days, and a clean one after it.

        Yield what was said of these days until each morning (of a missing value nobody knows on the first whether it
        comes late), reports and files that were `refused`; and how many records were hit until then.
        """
        shutil.rmtree(self.state)
        shutil.copytree(self._folder / "kept", self.state, symlinks=True)
        made = self._generate("day", None if fault is None else self._windowed(fault, days))
        files, last = self._files(made), self._local(self.day)
        for after in range(1, days + 2):
            morning = self._local(self.day + timedelta(days=after), time(4))
            reports = self._deliver([(due, path) for due, path in files if last < due <= morning])
            reports.append(self._refine(morning))
            known = [path for due, path in files if due <= morning]
            yield [since(report, self.day) for report in reports], _touched(made, fault or {}, known, morning)
            last = morning

    def _windowed(self, fault: Mapping[str, Any], days: int) -> dict[str, Any]:
        start = datetime.combine(self.day, time())
        end = start + timedelta(days=days)
        if hours := fault.get("hours"):
            start, end = start + timedelta(hours=8), start + timedelta(hours=8 + hours)
        told = {key: value for key, value in fault.items() if key != "hours"}
        if fault["kind"] == "dst_mistake":
            del told["minutes"]
        return told | {"start": start, "end": end}


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _hours(day: date, zone: tzinfo) -> float:
    start, end = (datetime.combine(at, time(), zone).timestamp() for at in (day, day + timedelta(days=1)))
    return (end - start) / 3600


def _touched(made: Path, fault: Mapping[str, Any], known: Sequence[Path], until: datetime) -> int:
    """Return how many records were hit or lost; of missing values, of how many encounters the newest one has none."""
    lines = (made / "truth" / "faults.ndjson").read_text().splitlines()
    hit = [row for line in lines if datetime.fromisoformat((row := json.loads(line))["due"]) <= until]
    if fault.get("kind") != "nulls":
        return sum(row["records"] + row["removed"] for row in hit)
    rows = {row["file"]: {number for first, last in row["rows"] for number in range(first, last + 1)} for row in hit}
    emptied, newest = set(), {}
    for path in known:
        with path.open(newline="") as stream:
            for number, told in enumerate(csv.DictReader(stream), start=1):
                name = told["encounter_id"]
                newest[name] = max(newest.get(name, ("", "")), (told["version_time"], told[fault["column"]]))
                if number in rows.get(path.name, ()):
                    emptied.add(name)
    return sum(not newest[name][1] for name in emptied)


def _refined(platform: Any) -> None:
    try:
        bulk.refine(platform, lambda name: None)
    except QualityError:
        return  # the report says why


def _toml(fault: Mapping[str, Any]) -> str:
    def shown(value: Any) -> str:
        return value.isoformat() if isinstance(value, datetime) else json.dumps(value)

    return "{ " + ", ".join(f"{key} = {shown(value)}" for key, value in fault.items()) + " }"


@dataclass(frozen=True)
class Trial:
    """A day, and what was said of it."""

    name: str
    alarms: bool
    is_named: bool
    records: int
    odd: list[str]


def _trials(hospital: Hospital, seed: int, wanted: str) -> Iterator[Trial]:
    luck = random.Random(seed)
    chosen = mistakes_of_the_clock_change(hospital.day) if hospital.changes_clock else faults()
    reports = [report for morning, _ in hospital.judged(None) for report in morning]
    yield Trial("clean", any(map(is_alarm, reports)), False, 0, _odd(reports))
    known = {said(one) for report in reports for one in odd(report)}
    for fault in chosen:
        drawn = fault.draw(luck, hospital.emergency_sectors) | {"seed": luck.randrange(1 << 30)}
        if wanted in fault.name:
            yield _trial(hospital, fault, drawn, known)
            return_freed_memory()


def _trial(hospital: Hospital, fault: Fault, drawn: Mapping[str, Any], known: Collection[tuple[str, str]]) -> Trial:
    """Return what is said of a fault; what is said of the clean days as well does not count."""
    told, records, is_named = [], [0], False
    for reports, hit in hospital.judged(drawn, fault.days):
        told += [since(report, hospital.day, known) for report in reports]
        records.append(hit)
        if is_named := any(fault.is_named(report, {"sectors": [], **drawn}) for report in told):
            break
    is_found = is_named or any(map(is_alarm, told)) or any("refused" in report for report in told)
    return Trial(fault.name, is_found, is_named, records[-1], _odd(told))


def _odd(reports: Sequence[Report]) -> list[str]:
    return list(dict.fromkeys(one["rule_id"] for report in reports for one in odd(report)))


def main() -> None:
    """Judge the days of some hospitals."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", default="101,102,103", help="Hospitals; those below 100 are for choosing constants.")
    asked.add_argument("--site", type=Path, default=ROOT / "examples" / "sites" / "ed_six_sectors.toml")
    asked.add_argument("--faults", default="", help="Those whose name holds this.")
    options = asked.parse_args()
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for seed in map(int, options.seeds.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            for trial in _trials(Hospital(Path(folder), seed, options.site), seed, options.faults):
                said = "named" if trial.is_named else "found" if trial.alarms else "silent"
                sys.stderr.write(f"seed {seed} {trial.name}: {said}; {trial.records} records, {trial.odd[:6]}\n")
                if trial.name == "clean" or trial.records >= LEAST_RECORDS:
                    for place, told in enumerate((True, trial.alarms, trial.is_named)):
                        counts[trial.name][place] += told
    sys.stdout.write(f"{machine()}\n\n| fault | days | found | named |\n|---|---:|---:|---:|\n")
    clean = counts["clean"][0]
    for name, (days, found, named) in counts.items():
        sys.stdout.write(f"| {name} | {days} | {found} | {named if name != 'clean' else '–'} |\n")
    sys.stdout.write(f"\nOf clean days {clean} are too few: see bench/expectations.py and bench/sample_year.py.\n")


if __name__ == "__main__":
    main()
