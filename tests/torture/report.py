"""The results of the deaths, as the table of docs/reliability.md."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from torture.killer import OTHER, PARTS, Point
from torture.survival import Result, Trial

_BEGIN, _END = "<!-- deaths -->", "<!-- /deaths -->"
_HEAD = "| written | changes | group killed | at fault | process killed | at fault |\n|---|---:|---:|---:|---:|---:|\n"


def write_report(
    document: Path,
    points: Mapping[str, Sequence[Point]],
    planned: Iterable[tuple[Trial, str]],
    results: Iterable[Result],
) -> None:
    """Put the table into its place in the document."""
    text = document.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    report = describe(points, list(planned), list(results))
    document.write_text(f"{before}{_BEGIN}\n{report}{_END}{after}", encoding="utf-8")


def describe(
    points: Mapping[str, Sequence[Point]], planned: Sequence[tuple[Trial, str]], results: Sequence[Result]
) -> str:
    """Return what was done, what was not, and what came of it."""
    part_of = {trial.key: part for trial, part in planned}
    done = [result for result in results if result.trial.key in part_of]
    dead = [result for result in done if result.is_dead]
    parts = [
        part for part in (*PARTS, *OTHER) if any(point.part == part for found in points.values() for point in found)
    ]
    lines = [_row(part, points, part_of, dead) for part in parts]
    lines.append(_row("**all**", points, dict.fromkeys(part_of, "**all**"), dead))
    machine = f"{os.cpu_count()} × {_processor()}, Python {platform.python_version()}"
    hours = sum(result.seconds for result in done) / 3600
    changes = ", ".join(f"`{act}` {len(found)}" for act, found in points.items())
    sides = Counter((result.trial.whom, result.is_worker) for result in dead)
    again = sum(result.is_dead_twice for result in done)
    ways = Counter(result.trial.when for result in dead)
    return (
        f"\nOn {datetime.now(UTC):%Y-%m-%d}, {machine}; {hours:.1f} hours of deaths and restarts, several at a time. "
        f"Changes of files: {changes}.\n\n"
        f"{_HEAD}{''.join(lines)}\n"
        f"- {len(dead)} of {len(planned)} planned deaths were died; {len(planned) - len(done)} were not tried, "
        f"{len(done) - len(dead)} found their command at its end before the change came.\n"
        f"- At fault after the restart: {sum(bool(result.faults) for result in done)}.\n"
        f"- {ways['before']} died before the call, {ways['after']} after it, {ways['half']} with half of it written.\n"
        f"- Killed alone: {sides['self', True]} times the worker, {sides['self', False]} times the engine or "
        "the command.\n"
        f"- {again} times what took it up was killed as well, and that taken up.\n"
        f"- {sum(result.is_repeated for result in done)} times the whole command was given once more afterwards, and "
        "its rows compared again.\n"
    )


def _row(part: str, points: Mapping[str, Sequence[Point]], part_of: Mapping[str, str], dead: Sequence[Result]) -> str:
    is_all = part.startswith("**")
    changes = sum(is_all or point.part == part for found in points.values() for point in found)
    cells = [part, f"{changes:,}"]
    for whom in ("group", "self"):
        planned = [key for key, of in part_of.items() if of == part and f"-{whom}-" in key]
        died = [result for result in dead if result.trial.whom == whom and part_of[result.trial.key] == part]
        cells += [f"{len(died):,} of {len(planned):,}", str(sum(bool(result.faults) for result in died))]
    return f"| {' | '.join(cells)} |\n"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
