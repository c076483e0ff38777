"""Wall clock and peak memory of a year of a synthetic hospital: the simulation alone, and the whole command."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / "examples" / "sites" / "ed_six_sectors.toml"
FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
# What the example has in a year, a little underestimated so that there are always enough.
_ENCOUNTERS_PER_YEAR = 75_000


@dataclass(frozen=True)
class Measured:
    wall_s: float
    cpu_s: float
    peak_mb: float


def write_site(path: Path, encounters: int) -> None:
    """Write the example site with so many beds more that a year has that many encounters."""
    factor = encounters / _ENCOUNTERS_PER_YEAR
    text = re.sub(
        r"functional_capacity = (\d+)",
        lambda found: f"functional_capacity = {max(round(int(found[1]) * factor), 1)}",
        SITE.read_text(encoding="utf-8"),
    )
    path.write_text(text, encoding="utf-8")


def simulate_once(site_file: Path, seed: int) -> None:
    from healthcare_ops.core.site import Site
    from healthcare_ops.core.validated import read_toml
    from healthcare_ops.generator.parameters import default_parameters
    from healthcare_ops.generator.simulation import simulate

    journeys = simulate(read_toml(site_file, Site), default_parameters(), FIRST, LAST, seed)
    print(f"{len(journeys.encounters):,} encounters, {len(journeys.stays):,} stays", file=sys.stderr)


def measure(command: list[str]) -> Measured:
    """Run the command as a process of its own."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def report(name: str, runs: list[Measured]) -> None:
    wall, cpu, peak = (statistics.median(getattr(run, key) for run in runs) for key in ("wall_s", "cpu_s", "peak_mb"))
    print(f"{name:<12} wall {wall:6.1f} s   cpu {cpu:6.1f} s   peak {peak:6.0f} MB   (median of {len(runs)})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encounters", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--simulate", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.simulate:
        simulate_once(arguments.simulate, arguments.seed)
        return
    with tempfile.TemporaryDirectory() as folder:
        site_file = Path(folder) / "site.toml"
        write_site(site_file, arguments.encounters)
        seed = ["--seed", str(arguments.seed)]
        alone = [sys.executable, __file__, "--simulate", str(site_file), *seed]
        days = ["--from", FIRST.isoformat(), "--to", LAST.isoformat()]
        hops = str(Path(sys.executable).parent / "hops")
        whole = [hops, "generate", "run", "--site", str(site_file), *days, *seed, "--out", str(Path(folder) / "out")]
        for name, command in (("simulation", alone), ("everything", whole)):
            report(name, [measure(command) for _ in range(arguments.runs)])


if __name__ == "__main__":
    main()
