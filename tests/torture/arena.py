"""Many deaths, side by side: a process a lane."""

from __future__ import annotations

import random
import shutil
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from torture.days import Act, Lane
from torture.killer import Killer, Point, Whom, compile_killer
from torture.survival import Reference, Result, Trial, sampled, survive, trials, undisturbed

_SEED = 1
_TWICE_EVERY = 10
_AGAIN_EVERY = 4


class Arena:
    """Lanes in which trials go on side by side, each in a process of its own, and what came of them.

    With the URL of a PostgreSQL server, the steps of runs are there.
    """

    def __init__(self, out: Path, results: Path, lanes: int, server_url: str = "") -> None:
        self._out = out
        self._server_url = server_url
        self._results = results
        self._lanes = lanes
        lines = results.read_text().splitlines() if results.exists() else []
        self.done = {result.trial.key: result for result in map(Result.of_json, lines)}
        self.points: dict[str, list[Point]] = {}
        self.todo: list[tuple[Trial, str]] = []

    def run(self, acts: tuple[Act, ...], whom: Sequence[Whom], until: float) -> None:
        """Carry out the trials that are not done yet, a fair sample first."""
        shutil.rmtree(self._out / "lanes", ignore_errors=True)
        library = compile_killer(self._out)
        # With one key, all lanes have the same pseudonyms.
        first = Lane(self._out / "lanes" / "key")
        first.init()
        context = get_context("spawn")
        free = context.SimpleQueue()
        for number in range(self._lanes):
            free.put(number)
        setting = (free, self._out / "lanes", library, first.state / "secrets", acts, self._server_url)
        with ProcessPoolExecutor(self._lanes, context, _open_lane, setting) as lanes:
            self.points = lanes.submit(_points).result()
            self.todo = [found for act in acts for found in trials(act, self.points[act.name], whom, _SEED)]
            left = [(trial, part) for trial, part in self.todo if trial.key not in self.done]
            _say(f"{len(self.todo)} deaths, {len(self.done)} died before")
            waiting = [lanes.submit(_die, trial, until) for trial in sampled(left, random.Random(_SEED))]
            for ended in as_completed(waiting):
                if result := ended.result():
                    self._note(result)

    def _note(self, result: Result) -> None:
        self.done[result.trial.key] = result
        with self._results.open("a") as stream:
            stream.write(result.to_json() + "\n")
        faulty = sum(bool(one.faults) for one in self.done.values())
        what = f"{result.trial.key} {result.part} {result.seconds} s"
        _say(f"{len(self.done)}/{len(self.todo)}, {faulty} at fault; {what}", *result.faults)


@dataclass(frozen=True)
class _Open:
    """What a process of a lane works with."""

    lane: Lane
    killer: Killer
    acts: Mapping[str, Act]
    references: Mapping[str, Reference]


_open: list[_Open] = []


def _open_lane(free: Any, folder: Path, library: Path, secrets: Path, acts: tuple[Act, ...], server_url: str) -> None:
    number = free.get()
    lane = Lane(folder / str(number), secrets, server_url)
    lane.prepare()
    killer = Killer(library, folder / f"killer-{number}")
    references = {act.name: undisturbed(lane, killer, act) for act in acts}
    _open.append(_Open(lane, killer, {act.name: act for act in acts}, references))


def _points() -> dict[str, list[Point]]:
    return {name: reference.points for name, reference in _open[0].references.items()}


def _die(trial: Trial, until: float) -> Result | None:
    if time.time() > until:
        return None
    (at,) = _open
    act, reference = at.acts[trial.act], at.references[trial.act]
    twice, again = trial.number % _TWICE_EVERY == 0, trial.number % _AGAIN_EVERY == 1
    try:
        return survive(at.lane, at.killer, act, trial, reference, twice=twice, again=again)
    except Exception:  # noqa: BLE001  # a state that cannot be read is a fault as well
        return Result(trial, "unknown", "unknown", True, faults=[traceback.format_exc()[-2000:]])


def _say(*words: str) -> None:
    sys.stderr.write(" ".join((*words, "\n")))
    sys.stderr.flush()
