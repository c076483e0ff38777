"""One contestant of the benchmark, run alone in its process: `contestants.py NAME STATE OUT`.

Each starts from the same bronze files of the state directory and prints its time per stage as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

# Nothing else is imported here: what a contestant needs belongs to its own time and memory.

SQL = Path(__file__).with_name("handwritten.sql")
AS_OF = datetime(2026, 1, 3, 3, tzinfo=UTC)
JOBS = ("bronze_to_silver", "dq_check", "silver_to_gold", "build_features")
Stages = dict[str, float]


def bronze_files(state: Path) -> list[str]:
    """Return the files of bronze.events_raw: every one of them stands in the table, because nothing was replaced."""
    return sorted(str(path) for path in (state / "lake" / "bronze" / "events_raw" / "data").rglob("*.parquet"))


def read_and_copy(state: Path, out: Path) -> Stages:
    """Read bronze and write it again by day: no contestant can do less."""
    con = _connect(out)
    con.execute("SET VARIABLE bronze = ?", [bronze_files(state)])
    stages: Stages = {}
    with _timed(stages, "copy"):
        con.execute(
            "COPY (FROM read_parquet(getvariable('bronze'))) TO 'copy' "
            "(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (dt), WRITE_PARTITION_COLUMNS true)"
        )
    return stages


def handwritten(state: Path, out: Path) -> Stages:
    """Run `handwritten.sql`, stage by stage."""
    con = _connect(out)
    con.execute("SET VARIABLE bronze = ?", [bronze_files(state)])
    con.execute("SET VARIABLE now = ?::TIMESTAMPTZ", [AS_OF.isoformat()])
    con.execute("SET VARIABLE sectors = ?", [_sectors(state)])
    con.execute("SET VARIABLE holidays = ?::DATE[]", [_holidays(state)])
    stages: Stages = {}
    setup, *parts = re.split(r"^-- stage: (\w+)$", SQL.read_text(), flags=re.MULTILINE)
    con.execute(setup)
    for name, statements in zip(parts[::2], parts[1::2], strict=True):
        with _timed(stages, name):
            con.execute(statements)
    return stages


def product(state: Path, out: Path) -> Stages:
    """Run the platform's jobs on the state directory, as `hops load` does after ingest."""
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.clock import AsOfClock
    from healthcare_ops.jobs import load_job
    from healthcare_ops.jobs.context import Request

    request = Request("bench", "daily", AS_OF.date())
    stages: Stages = {}
    with open_platform(state, AsOfClock(AS_OF)) as platform:
        for name in JOBS:
            with _timed(stages, name):
                load_job(name)(platform.context, request)
    return stages


CONTESTANTS: dict[str, Callable[[Path, Path], Stages]] = {
    "copy": read_and_copy,
    "handwritten": handwritten,
    "product": product,
}


def _connect(out: Path) -> Any:
    """Return DuckDB with the settings of the product's engine, in the folder of the results."""
    import duckdb

    from healthcare_ops.core.config import Settings

    out.mkdir(parents=True, exist_ok=True)
    os.chdir(out)
    con = duckdb.connect()
    con.execute(f"SET memory_limit = '{Settings().memory_limit_mb}MB'")
    con.execute("SET temp_directory = 'spill'")
    con.execute("SET preserve_insertion_order = false")
    con.execute("SET TimeZone = 'UTC'")
    return con


def _sectors(state: Path) -> list[dict[str, Any]]:
    import tomllib

    site = tomllib.loads((state / "site.toml").read_text())
    return [
        {"sector_id": sector["sector_id"], "kind": sector["kind"], "capacity": sector["functional_capacity"]}
        for sector in site["sectors"]
    ]


def _holidays(state: Path) -> list[date]:
    import holidays

    return list(holidays.country_holidays("BR", subdiv="SP", years=[2025, 2026]))


@contextmanager
def _timed(stages: Stages, name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    stages[name] = time.perf_counter() - start
    print(f"  {name} {stages[name]:.1f} s", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("state", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    stages = CONTESTANTS[arguments.name](arguments.state.resolve(), arguments.out.resolve())
    print(json.dumps(stages))


if __name__ == "__main__":
    main()
