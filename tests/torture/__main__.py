"""`python -m torture`: every death of a day, as far as the time goes; the report for docs/reliability.md.

Results are kept in `--out`, so that it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import queue
import random
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import healthcare_ops
from torture.days import ACTS, Act, Lane
from torture.killer import COMPILER_MISSING, Killer, Whom, compile_killer, has_compiler
from torture.report import write_report
from torture.survival import Reference, Result, Trial, sampled, survive, trials, undisturbed

_SEED = 1
_TWICE_EVERY = 10


def main() -> None:
    """Let the days die."""
    asked = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    asked.add_argument("--out", type=Path, default=Path(".torture"), help="Where results and state directories are.")
    asked.add_argument("--lanes", type=int, default=2, help="How many die at a time.")
    asked.add_argument("--minutes", type=float, default=0.0, help="Begin none after so long; 0 = all of them.")
    asked.add_argument("--acts", default=",".join(act.name for act in ACTS), help="Which commands.")
    asked.add_argument("--whom", default="group,self", help="Who dies: the group, or the process itself.")
    asked.add_argument("--report", type=Path, help="Write the table into this document.")
    options = asked.parse_args()
    if not has_compiler():
        sys.exit(COMPILER_MISSING)
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    results = out / f"results-{_revision()}.jsonl"
    acts = tuple(act for act in ACTS if act.name in options.acts.split(","))
    arena = Arena(out, results, options.lanes)
    whom: tuple[Whom, ...] = ("group", "self")
    arena.run(
        acts,
        [who for who in whom if who in options.whom.split(",")],
        until=time.monotonic() + (options.minutes * 60 or 1e9),
    )
    if options.report:
        points = {name: reference.points for name, reference in arena.references.items()}
        write_report(options.report, points, arena.todo, arena.done.values())
    sys.exit(any(result.faults for result in arena.done.values()))


def _revision() -> str:
    """Return a name for the product as it is."""
    digest = hashlib.sha256()
    for path in sorted(Path(healthcare_ops.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class Arena:
    """Lanes in which trials go on side by side, and what came of them."""

    def __init__(self, out: Path, results: Path, lanes: int) -> None:
        self._out = out
        self._results = results
        self._lanes = lanes
        lines = results.read_text().splitlines() if results.exists() else []
        self.done = {result.trial.key: result for result in map(Result.of_json, lines)}
        self.references: dict[str, Reference] = {}
        self.todo: list[tuple[Trial, str]] = []
        self._said = threading.Lock()

    def run(self, acts: tuple[Act, ...], whom: Sequence[Whom], until: float) -> None:
        """Carry out the trials that are not done yet, a fair sample first."""
        shutil.rmtree(self._out / "lanes", ignore_errors=True)
        library = compile_killer(self._out)
        folders = [self._out / "lanes" / str(number) for number in range(self._lanes)]
        killers = [Killer(library, self._out / "lanes" / f"killer-{number}") for number in range(self._lanes)]
        lanes = [Lane(folders[0])]
        lanes[0].prepare()
        lanes += [Lane(folder, lanes[0].state / "secrets") for folder in folders[1:]]
        for lane in lanes[1:]:
            lane.prepare()
        self.references = {act.name: undisturbed(lanes[0], killers[0], act) for act in acts}
        for act in acts:
            points = self.references[act.name].points
            self.todo += [found for who in whom for found in trials(act, points, who, _SEED)]
        left = [(trial, part) for trial, part in self.todo if trial.key not in self.done]
        waiting: queue.SimpleQueue[Trial] = queue.SimpleQueue()
        for trial in sampled(left, random.Random(_SEED)):
            waiting.put(trial)
        _say(f"{len(self.todo)} deaths, {len(self.done)} died before")
        threads = [
            threading.Thread(target=self._work, args=(lane, killer, waiting, until))
            for lane, killer in zip(lanes, killers, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, lane: Lane, killer: Killer, waiting: queue.SimpleQueue[Trial], until: float) -> None:
        acts = {act.name: act for act in ACTS}
        while time.monotonic() < until:
            try:
                trial = waiting.get_nowait()
            except queue.Empty:
                return
            twice = trial.number % _TWICE_EVERY == 0
            try:
                result = survive(lane, killer, acts[trial.act], trial, self.references[trial.act], twice=twice)
            except Exception as error:  # noqa: BLE001  # a state that cannot be read is a fault as well
                result = Result(trial, "unknown", "unknown", True, faults=[repr(error)[-2000:]])
            self._note(result)

    def _note(self, result: Result) -> None:
        with self._said:
            self.done[result.trial.key] = result
            with self._results.open("a") as stream:
                stream.write(result.to_json() + "\n")
            faulty = sum(bool(one.faults) for one in self.done.values())
            what = f"{result.trial.key} {result.part} {result.seconds} s"
            _say(f"{len(self.done)}/{len(self.todo)}, {faulty} at fault; {what}", *result.faults)


def _say(*words: str) -> None:
    # Not through sys.stdout: what a command in this process prints is caught there, also while others speak.
    os.write(2, " ".join((*words, "\n")).encode())


if __name__ == "__main__":
    main()
