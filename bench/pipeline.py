"""The product beside hand-written DuckDB SQL for the same rows, and beside reading and copying them.

Every contestant starts from the same bronze files, alone in its process, in turns; then their rows are compared.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from contestants import AS_OF, CONTESTANTS
from measured import BEYOND_A_LIMIT, Measured, machine, measure, median

HERE = Path(__file__).parent
HOPS = str(Path(sys.executable).parent / "hops")
MOST_RATIO, MOST_MB = 1.5, 3_000


def prepare(events: int, seed: int, folder: Path) -> Path:
    """Return a state directory whose bronze holds the events; made only once for a folder."""
    place = folder / f"{events}-{seed}"
    state, delivered = place / "state", place / "in"
    if (place / "bronze.db").exists():
        return state
    shutil.rmtree(place, ignore_errors=True)
    _call([sys.executable, str(HERE / "generate.py"), "--events", str(events), "--seed", str(seed), "--out", delivered])
    _call([HOPS, "init", "--site", delivered / "site.toml", "--feed", delivered / "feed.toml", "--state", state])
    files = sorted(delivered.glob("*.csv"))
    ingest = [HOPS, "ingest", *map(str, files), "--feed", "bench_events", "--state", str(state)]
    size_mb = sum(file.stat().st_size for file in files) / 1e6
    print(f"ingest       {measure([*ingest, '--as-of', AS_OF.isoformat()])}   of {size_mb:,.0f} MB of CSV", flush=True)
    # Last: its being there says that bronze is whole.
    shutil.copy(state / "lake" / "catalog.db", place / "bronze.db")
    return state


def contest(name: str, state: Path, work: Path) -> Measured:
    """Measure one contestant; its results stay, in place of those of the turn before."""
    out = work / name
    shutil.rmtree(out, ignore_errors=True)
    if name == "product":
        for layer in ("silver", "gold", "ops"):
            shutil.rmtree(state / "lake" / layer, ignore_errors=True)
        shutil.copy(state.parent / "bronze.db", state / "lake" / "catalog.db")
    return measure([sys.executable, str(HERE / "contestants.py"), name, str(state), str(out)])


def compare(events: int, seed: int, rounds: int, folder: Path) -> bool:
    """Print the figures of one size; return whether the product is within its limits."""
    print(f"\n{events:,} events", flush=True)
    state, work = prepare(events, seed, folder), folder / "work"
    runs: dict[str, list[Measured]] = {name: [] for name in CONTESTANTS}
    for _ in range(rounds):
        for name, measured in runs.items():
            measured.append(contest(name, state, work))
    _call([sys.executable, str(HERE / "agreement.py"), state, work / "handwritten"])
    medians = {name: median(measured) for name, measured in runs.items()}
    least = medians["handwritten"]
    for name, figures in medians.items():
        print(f"{name:<12} {figures}   {figures.wall_s / least.wall_s:5.2f} × hand-written")
    # The ratio of each round, because both of its sides met the same load of the machine.
    ratios = sorted(p.wall_s / h.wall_s for p, h in zip(runs["product"], runs["handwritten"], strict=True))
    ratio, peak_mb = ratios[len(ratios) // 2], medians["product"].peak_mb
    print(
        f"product / hand-written: {ratio:.2f} (rounds {', '.join(f'{value:.2f}' for value in ratios)}; "
        f"limit {MOST_RATIO}), peak {peak_mb:,.0f} MB (limit {MOST_MB:,})"
    )
    return ratio <= MOST_RATIO and peak_mb <= MOST_MB


def _call(command: list[str | Path]) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("bench/out"), help="Files of one size are made only once.")
    arguments = parser.parse_args()
    print(f"{machine()}; median of {arguments.rounds}, {datetime.now(UTC):%Y-%m-%d}")
    folder = arguments.folder.resolve()
    verdicts = [compare(events, arguments.seed, arguments.rounds, folder) for events in arguments.events]
    sys.exit(0 if all(verdicts) else BEYOND_A_LIMIT)


if __name__ == "__main__":
    main()
