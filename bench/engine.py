"""What the engine costs: of a run beside its jobs, and of `hops up` while nothing is due.

Runs are those of a hospital to which nothing is delivered: every state is entered, and the jobs find nothing to do. The
cost of the engine is a run's time less that of its jobs, as they logged it themselves.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from healthcare_ops.core.runs import RunRecord, log_key
from healthcare_ops.operations.engine import open_engine
from measured import BEYOND_A_LIMIT, machine, measure

HOPS = str(Path(sys.executable).parent / "hops")
SITE = Path(str(files("healthcare_ops"))) / "samples" / "synthetic_site.toml"
TURNS = 5
IDLE_S = 60
LIMITS = {"engine, of a daily run": 1.0, "hops up": 150.0, "its worker": 400.0, "idle": 1.0}


def cost_of_runs(state: Path) -> list[float]:
    """Return the seconds that each of five daily runs took beyond its jobs, the worker being warm."""
    costs = []
    with open_engine(state) as engine:
        engine.finish(engine.start("inference"))
        for _ in range(TURNS):
            started = time.perf_counter()
            run_id = engine.start("daily")
            record = engine.finish(run_id)
            costs.append(time.perf_counter() - started - _seconds_of_jobs(state, record))
    return costs


def _seconds_of_jobs(state: Path, record: RunRecord) -> float:
    if record.status != "SUCCEEDED":
        raise SystemExit(f"{record.run_id}: {record.status}: {record.cause}")
    lines = [json.loads(line) for line in (state / log_key(record.run_id)).read_text().splitlines()]
    ended = [re.match(r"ended after ([0-9.]+) s", line["message"]) for line in lines]
    return sum(float(found[1]) for found in ended if found)


def idle(state: Path) -> tuple[float, float, float]:
    """Return the memory (MB) of `hops up` and of its worker after a run, and their share (%) of a core when idle."""
    with subprocess.Popen([HOPS, "up", "--state", str(state), "--json"], stdout=subprocess.PIPE, text=True) as up:
        try:
            assert up.stdout
            up.stdout.readline()
            measure([HOPS, "run", "--state", str(state)])
            worker = int(Path(f"/proc/{up.pid}/task/{up.pid}/children").read_text().split()[0])
            time.sleep(2)
            before = _processor_s(up.pid) + _processor_s(worker)
            time.sleep(IDLE_S)
            share = (_processor_s(up.pid) + _processor_s(worker) - before) / IDLE_S * 100
            return _memory_mb(up.pid), _memory_mb(worker), share
        finally:
            up.terminate()


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _memory_mb(pid: int) -> float:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(f"{machine()}; {datetime.now(UTC):%Y-%m-%d}")
    with tempfile.TemporaryDirectory() as name:
        state = Path(name) / "state"
        measure([HOPS, "init", "--site", str(SITE), "--state", str(state)])
        costs = cost_of_runs(state)
        memory_mb, worker_mb, share = idle(state)
    figures = {
        "engine, of a daily run": statistics.median(costs),
        "hops up": memory_mb,
        "its worker": worker_mb,
        "idle": share,
    }
    units = {"engine, of a daily run": "s", "hops up": "MB", "its worker": "MB", "idle": "% of a core"}
    print(f"turns: {', '.join(f'{cost:.2f}' for cost in costs)} s")
    for what, figure in figures.items():
        print(f"{what:<24} {figure:6.2f} {units[what]:<12} limit {LIMITS[what]:g}")
    sys.exit(0 if all(figure <= LIMITS[what] for what, figure in figures.items()) else BEYOND_A_LIMIT)


if __name__ == "__main__":
    main()
