"""Whole commands, imports included: help, one day of one hospital, and the demonstration of a year.

The sample year is parted by the day of arrival: all but its last days are loaded and trained on, then each of five
days is delivered and run as it would be next morning.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
import tempfile
from collections import defaultdict
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

from measured import BEYOND_A_LIMIT, Measured, machine, measure, median

HOPS = str(Path(sys.executable).parent / "hops")
SAMPLES = Path(str(files("healthcare_ops"))) / "samples"
DAYS = [date(2017, 12, 26) + timedelta(days=number) for number in range(5)]
FEED = "skane_e"
LIMITS_S = {"hops --help": 0.35, "hops run --type daily": 6.0, "hops demo": 60.0}


def part_year(folder: Path) -> dict[str, Path]:
    """Return the year before the first of `DAYS` as file `before`, and each of the days as a file."""
    with gzip.open(SAMPLES / "skane_2017.csv.gz", "rt", encoding="utf-8", newline="") as year:
        header, *rows = csv.reader(year)
    parts = defaultdict(list)
    for row in rows:
        day = row[header.index("arrival_at_hospital")][:10]
        parts["before" if day < DAYS[0].isoformat() else day].append(row)
    paths = {}
    for name, part in parts.items():
        paths[name] = folder / f"{name}.csv"
        with paths[name].open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *part])
    return paths


def measure_days(folder: Path) -> dict[str, list[Measured]]:
    """Measure delivery and daily run of each day."""
    state, paths = str(folder / "state"), part_year(folder)
    first = ["--state", state, "--as-of", f"{DAYS[0]}T02:00:00Z"]
    feed, site = SAMPLES / "skane_feed.toml", SAMPLES / "skane_site.toml"
    measure([HOPS, "load", str(paths["before"]), "--feed", str(feed), "--site", str(site), *first])
    measure([HOPS, "run", "--type", "weekly_train", *first])
    found: dict[str, list[Measured]] = defaultdict(list)
    for day in DAYS:
        morning = ["--state", state, "--as-of", f"{day + timedelta(days=1)}T02:00:00Z"]
        found["hops ingest"].append(measure([HOPS, "ingest", str(paths[day.isoformat()]), "--feed", FEED, *morning]))
        run = [HOPS, "run", "--type", "daily", "--date", day.isoformat(), *morning]
        found["hops run --type daily"].append(measure(run))
    return found


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(f"{machine()}; median of 5")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {"hops --help": [measure([HOPS, "--help"]) for _ in range(5)]} | measure_days(folder)
        found["hops demo"] = [measure([HOPS, "demo", "--state", str(folder / f"demo-{turn}")]) for turn in range(5)]
    is_within = True
    for command, runs in found.items():
        figures, limit_s = median(runs), LIMITS_S.get(command)
        limit = f"limit {limit_s} s" if limit_s else ""
        turns = ", ".join(f"{run.wall_s:.2f}" for run in runs)
        print(f"{command:<24} {figures.wall_s:6.2f} s   {figures.peak_mb:4.0f} MB   ({turns})   {limit}")
        is_within &= limit_s is None or figures.wall_s <= limit_s
    sys.exit(0 if is_within else BEYOND_A_LIMIT)


if __name__ == "__main__":
    main()
