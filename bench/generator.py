"""Wall clock and peak memory of a year of a synthetic hospital: the simulation alone, and the whole command."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from datetime import date
from pathlib import Path

from measured import machine, measure, median

ROOT = Path(__file__).parents[1]
SITE = ROOT / "examples" / "sites" / "ed_six_sectors.toml"
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
        days = ["--from", FIRST.isoformat(), "--to", LAST.isoformat()]
        hops = str(Path(sys.executable).parent / "hops")
        whole = [hops, "generate", "run", "--site", str(site_file), *days, *seed, "--out", str(Path(folder) / "out")]
        for name, command in (("simulation", alone), ("everything", whole)):
            print(f"{name:<12} {median([measure(command) for _ in range(arguments.runs)])}", flush=True)


if __name__ == "__main__":
    main()
