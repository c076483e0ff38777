"""What a tick costs: from deliveries to predictions, of one hospital of six sectors and 49 leads.

A synthetic hospital delivers every quarter of an hour. What it delivered in 58 weeks is loaded, in a file a month, and
trained on; then each of a few quarter hours is delivered and run, by the worker that stays. A tick's time is that of
its jobs; that of the whole run, engine and record with it, stands beside it.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.runs import log_key
from healthcare_ops.jobs import TICK_JOBS
from healthcare_ops.operations import bulk
from healthcare_ops.operations.engine import Engine, open_engine
from measured import BEYOND_A_LIMIT, machine, measure

HOPS = str(Path(sys.executable).parent / "hops")
SAMPLES = Path(str(files("healthcare_ops"))) / "samples"
FIRST, LAST = date(2024, 9, 1), date(2025, 10, 14)
# A morning on the wall, and not the hour that the last training ended with.
BEGIN = datetime(2025, 10, 13, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
# The first finds a worker that has yet to open everything.
TURNS, UNCOUNTED = 5, 3
LIMIT_S = 1.5
TICK = "tick, in the worker"


class Seconds(NamedTuple):
    wall: float
    processor: float


def prepare(folder: Path) -> Path:
    """Return a state directory with a year and more loaded and a model in use; made only once for a folder."""
    state, made = folder / "state", folder / "made"
    if (folder / "trained").exists():
        return state
    shutil.rmtree(folder, ignore_errors=True)
    site, parameters = SAMPLES / "synthetic_site.toml", SAMPLES / "synthetic_parameters.toml"
    days = ["--from", FIRST.isoformat(), "--to", LAST.isoformat()]
    hospital = ["--site", str(site), "--parameters", str(parameters), "--feed", "events", "--every", "15"]
    measure([HOPS, "generate", "run", *hospital, *days, "--out", str(made)])
    at = ["--as-of", BEGIN.isoformat(), "--state", str(state)]
    feed = ["--feed", str(made / "feeds" / "events.toml"), "--site", str(made / "site.toml")]
    print(f"load      {measure([HOPS, 'load', *map(str, by_month(made, folder / 'months')), *feed, *at])}", flush=True)
    print(f"training  {measure([HOPS, 'run', '--type', 'weekly_train', *at])}", flush=True)
    (folder / "trained").touch()
    return state


def by_month(made: Path, folder: Path) -> list[Path]:
    """Return a file for each month, with the records of all its deliveries before the ticks begin."""
    months: dict[str, list[Path]] = defaultdict(list)
    for file in sorted((made / "deliveries" / "events").iterdir()):
        if delivered_at(file) < BEGIN:
            months[file.stem[:13]].append(file)
    folder.mkdir()
    for name, parts in months.items():
        header, lines = "", []
        for part in parts:
            header, *records = part.read_text(encoding="utf-8").splitlines(keepends=True) or [header]
            lines += records
        (folder / f"{name}.csv").write_text("".join([header, *lines]), encoding="utf-8")
    return [folder / f"{name}.csv" for name in months]


def delivered_at(file: Path) -> datetime:
    return datetime.strptime(file.stem.split("_")[1], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)


def undelivered(state: Path, made: Path) -> list[Path]:
    """Return what the state directory has not got yet, without the quarter hours in which nothing was recorded."""
    there = {path.name for path in (state / "raw").glob("events/*/*/*.csv")}
    later = [file for file in sorted((made / "deliveries" / "events").iterdir()) if delivered_at(file) >= BEGIN]
    return [file for file in later if file.name not in there and file.stat().st_size]


def tick(state: Path, engine: Engine, delivery: Path) -> dict[str, Seconds]:
    """Deliver a quarter of an hour and run it; return what the jobs took, all of them together, and the whole run."""
    clock = AsOfClock(delivered_at(delivery))
    with open_platform(state, clock) as platform:
        bulk.land(platform, platform.context.feeds["events"], {delivery: bulk.sha256_of(delivery)})
    started = time.perf_counter()
    record = engine.finish(engine.start("inference", as_of=clock.now()))
    took_s = time.perf_counter() - started
    if record.status != "SUCCEEDED":
        raise SystemExit(f"{record.run_id}: {record.status}: {record.cause}")
    lines = map(json.loads, (state / log_key(record.run_id)).read_text(encoding="utf-8").splitlines())
    told = filter(None, (re.match(r"(\w+) took ([0-9.]+) s, ([0-9.]+) s", line["message"]) for line in lines))
    jobs = {found[1]: Seconds(float(found[2]), float(found[3])) for found in told if found[1] in TICK_JOBS}
    whole = Seconds(*(sum(part) for part in zip(*jobs.values(), strict=True)))
    return {**jobs, TICK: whole, "run, engine and all": Seconds(took_s, whole.processor)}


def additions_s() -> float:
    """Return how long 20 million additions take, as a measure of the machine in this hour."""
    started = time.perf_counter()
    total = 0
    while total < 20_000_000:
        total += 1
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("bench/out/tick"), help="The hospital is made once for it.")
    folder = parser.parse_args().folder.resolve()
    print(f"{machine()}; median of {TURNS}, {datetime.now(UTC):%Y-%m-%d}; 20 million additions {additions_s():.1f} s")
    state = prepare(folder)
    with open_engine(state) as engine:
        turns = [tick(state, engine, file) for file in undelivered(state, folder / "made")[: UNCOUNTED + TURNS]]
    print(f"turns: {', '.join(f'{turn[TICK].wall:.2f}' for turn in turns)} s; the first {UNCOUNTED} do not count")
    print(f"{'':<20} wall clock   processor")
    for name in turns[0]:
        wall, processor = (statistics.median(part) for part in zip(*(t[name] for t in turns[UNCOUNTED:]), strict=True))
        print(f"{name:<20} {wall:8.2f} s  {processor:8.2f} s")
    median_s = statistics.median(turn[TICK].wall for turn in turns[UNCOUNTED:])
    print(f"limit of the tick    {LIMIT_S:8.2f} s")
    sys.exit(0 if median_s <= LIMIT_S else BEYOND_A_LIMIT)


if __name__ == "__main__":
    main()
