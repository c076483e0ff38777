"""Wall clock and peak memory of `hops generate` for a million encounters: a year of a very large hospital, and as many
years of the example as it takes; of the large one also the simulation alone."""

from __future__ import annotations

import argparse
import math
import re
import sys
import tempfile
from datetime import date
from pathlib import Path

from measured import BEYOND_A_LIMIT, machine, measure, median

ROOT = Path(__file__).parents[1]
SITE = ROOT / "examples" / "sites" / "ed_six_sectors.toml"
MOST_S, MOST_MB = 60, 1_000
FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
# What the example has in a year, a little underestimated so that there are always enough.
_ENCOUNTERS_PER_YEAR = 75_000


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
    print(f"{machine()}; median of {arguments.runs}")
    with tempfile.TemporaryDirectory() as folder:
        site_file = Path(folder) / "site.toml"
        write_site(site_file, arguments.encounters)
        seed = ["--seed", str(arguments.seed)]
        alone = [sys.executable, __file__, "--simulate", str(site_file), *seed]
        generate = [str(Path(sys.executable).parent / "hops"), "generate", "run", *seed, "--out", f"{folder}/out"]
        years = LAST.replace(year=FIRST.year + math.ceil(arguments.encounters / _ENCOUNTERS_PER_YEAR) - 1)
        commands = {
            "simulation": alone,
            "one large year": [*generate, *_days(LAST), "--site", str(site_file)],
            "many years": [*generate, *_days(years), "--site", str(SITE)],
        }
        is_within = True
        for name, command in commands.items():
            figures = median([measure(command) for _ in range(arguments.runs)])
            print(f"{name:<15} {figures}", flush=True)
            is_within &= figures.wall_s <= MOST_S and figures.peak_mb <= MOST_MB
    print(f"limits of the whole command for a million encounters: {MOST_S} s, {MOST_MB:,} MB")
    sys.exit(0 if is_within else BEYOND_A_LIMIT)


def _days(last: date) -> list[str]:
    return ["--from", FIRST.isoformat(), "--to", last.isoformat()]


if __name__ == "__main__":
    main()
