"""Data-quality rules beside one hand-written DuckDB aggregate with the same answers, and beside libraries.

The shipped rules of silver on so many rows of each table. Every contestant reads the same Parquet files, alone in its
process, in turns, with the same threads and memory; then what it says of each rule is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from measured import BEYOND_A_LIMIT, Measured, machine, measure, median
from quality_contestants import LIBRARIES, MEMORY_MB, PINS, THREADS, Answers
from quality_rows import TABLES, write

CONTESTANTS = str(Path(__file__).with_name("quality_contestants.py"))
MOST_RATIO, MOST_MB = 2.0, 2_000
# Of fewer rows most of the time is the start of a process.
LEAST_ROWS = 10_000_000
OURS = ("handwritten", "product")
# Only of encounters are keys compared with those of other days, and only their rules do all libraries have.
OF_ENCOUNTERS = ("product in job", *LIBRARIES)


def prepare(rows: int, seed: int, folder: Path) -> Path:
    """Return a folder with so many rows of each table; made only once."""
    place = folder / f"quality-{rows}-{seed}"
    if not place.exists():
        being_made = place.with_suffix(".new")
        shutil.rmtree(being_made, ignore_errors=True)
        write(being_made, rows, seed)
        being_made.rename(place)
    return place


def library_python(folder: Path) -> Path | None:
    """Return the interpreter that has the libraries; without it, say how to get it."""
    found = folder / "bin" / "python"
    if found.exists():
        probe = [str(found), "-c", f"import {', '.join(LIBRARIES)}"]
        if subprocess.run(probe, check=False, capture_output=True).returncode == 0:
            return found
    pins = " ".join(f"'{pin}'" for pin in PINS)
    print(f"skipped: {', '.join(LIBRARIES)}; {sys.executable} -m venv {folder} && {folder}/bin/pip install {pins}")
    return None


def compare(table: str, rows: Path, rounds: int, libraries: Path | None) -> bool:
    """Print the figures of a table; return whether the product keeps the limits."""
    print(f"\n{table}", flush=True)
    names = [*OURS, *(OF_ENCOUNTERS if table == TABLES[0] else ())]
    names = [name for name in names if libraries or name not in LIBRARIES]
    runs: dict[str, list[Measured]] = {name: [] for name in names}
    answers: dict[str, Answers] = {}
    for _ in range(rounds):
        for name in names:
            python = str(libraries) if name in LIBRARIES else sys.executable
            out = rows / "answers.json"
            runs[name].append(measure([python, CONTESTANTS, name, table, str(rows), str(out)]))
            answers[name] = json.loads(out.read_text(encoding="utf-8"))
    for name in names:
        ratio, of_processor = (_ratios(runs, name, figure)[rounds // 2] for figure in ("wall_s", "cpu_s"))
        said = _agreement(name, answers)
        figures = f"{median(runs[name])}   {ratio:5.2f} × hand-written ({of_processor:.2f} × its processor time)"
        print(f"{name:<15} {figures}   {said}", flush=True)
    ratios, peak_mb = _ratios(runs, "product", "wall_s"), median(runs["product"]).peak_mb
    print(
        f"product / hand-written: {ratios[rounds // 2]:.2f} (rounds {', '.join(f'{value:.2f}' for value in ratios)}; "
        f"limit {MOST_RATIO}), peak {peak_mb:,.0f} MB (limit {MOST_MB:,})",
        flush=True,
    )
    return ratios[rounds // 2] <= MOST_RATIO and peak_mb <= MOST_MB


def _ratios(runs: dict[str, list[Measured]], name: str, figure: str) -> list[float]:
    """Return the ratio of each round, because both of its sides met the same load of the machine."""
    pairs = zip(runs[name], runs["handwritten"], strict=True)
    return sorted(getattr(one, figure) / getattr(least, figure) for one, least in pairs)


def _agreement(name: str, answers: dict[str, Answers]) -> str:
    """Return how far answers are those of the hand-written SQL; the product's must be the same, rule by rule."""
    right, found = answers["handwritten"], answers[name]
    if name not in LIBRARIES:
        if found != right:
            raise SystemExit(f"{name} and hand-written SQL differ: {found} ≠ {right}")
        return f"{len(right)} rules alike"
    if all(violations is None for _, violations in found.values()):
        known = sum(rule in right and bool(right[rule][1]) for rule in found)
        return f"tells that {known} rules are broken, and not by how many rows"
    other = [
        f"{rule} {found[rule][1]:,} ≠ {right[rule][1]:,}"
        for rule in right
        if rule not in found or found[rule][1] != right[rule][1]
    ]
    return f"{len(right) - len(other)} of {len(right)} rules alike" + "".join(f"; {text}" for text in other)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help=f"Of each table; the limits are of {LEAST_ROWS}.")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("bench/out"), help="Rows of one size are made only once.")
    parser.add_argument(
        "--libraries", type=Path, help="Virtual environment of the libraries; else bench/out/libraries."
    )
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    print(f"{machine()}; median of {arguments.rounds}, {datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}")
    print(f"{arguments.rows:,} rows of each table, {THREADS} threads, {MEMORY_MB:,} MB for DuckDB", flush=True)
    libraries = library_python((arguments.libraries or folder / "libraries").resolve())
    rows = prepare(arguments.rows, arguments.seed, folder)
    verdicts = [compare(table, rows, arguments.rounds, libraries) for table in arguments.tables]
    sys.exit(0 if all(verdicts) or arguments.rows < LEAST_ROWS else BEYOND_A_LIMIT)


if __name__ == "__main__":
    main()
