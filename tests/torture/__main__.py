"""`python -m torture`: every death of a day, as far as the time goes; the report for docs/reliability.md.

Results are kept in `--out`, so that it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import healthcare_ops
from databases import INSTALL, postgres_folder, postgres_server
from torture.arena import Arena
from torture.days import ACTS
from torture.killer import COMPILER_MISSING, Whom, has_compiler
from torture.report import write_report


def main() -> None:
    """Let the days die."""
    asked = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    asked.add_argument("--out", type=Path, default=Path(".torture"), help="Where results and state directories are.")
    asked.add_argument("--lanes", type=int, default=2, help="How many die at a time.")
    asked.add_argument("--minutes", type=float, default=0.0, help="Begin none after so long; 0 = all of them.")
    asked.add_argument("--acts", default=",".join(act.name for act in ACTS), help="Which commands.")
    asked.add_argument("--whom", default="group,self", help="Who dies: the group, or the process itself.")
    asked.add_argument("--report", type=Path, help="Write the table into this document.")
    asked.add_argument("--postgres", action="store_true", help="Keep the steps of runs on a server of its own.")
    options = asked.parse_args()
    if not has_compiler():
        sys.exit(COMPILER_MISSING)
    if options.postgres and options.report:
        asked.error("the table of --report is of steps in a file: leave it out with --postgres")
    if options.postgres and not postgres_folder():
        sys.exit(INSTALL)
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    results = out / f"results-{'postgres-' if options.postgres else ''}{_revision()}.jsonl"
    acts = tuple(act for act in ACTS if act.name in options.acts.split(","))
    whom: tuple[Whom, ...] = ("group", "self")
    with postgres_server() if options.postgres else nullcontext("") as server_url:
        arena = Arena(out, results, options.lanes, server_url)
        arena.run(
            acts,
            [who for who in whom if who in options.whom.split(",")],
            until=time.time() + (options.minutes * 60 or 1e9),
        )
    if options.report:
        write_report(options.report, arena.points, arena.todo, arena.done.values())
    sys.exit(any(result.faults for result in arena.done.values()))


def _revision() -> str:
    """Return a name for the product as it is."""
    digest = hashlib.sha256()
    for path in sorted(Path(healthcare_ops.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    main()
