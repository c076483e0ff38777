"""One death: a command is killed at one change of a file, and taken up again; nothing may tell."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import Any

from healthcare_ops.core.tables import ACCOUNT
from torture.days import Act, Lane, Tables, differences, hops
from torture.killer import OTHER, PARTS, Killer, Point, When, Whom

# Restarts have a few hundred changes before them; one that has fewer lives.
_AGAIN_WITHIN = 250


@dataclass(frozen=True)
class Trial:
    """At which point of an act to die, and how."""

    act: str
    number: int
    whom: Whom
    when: When

    @property
    def key(self) -> str:
        """Return the name of the trial."""
        return f"{self.act}-{self.number}-{self.whom}-{self.when}"


@dataclass
class Result:
    """What came of a trial; `faults` are what differs from an undisturbed day."""

    trial: Trial
    part: str
    call: str
    is_dead: bool
    is_worker: bool = False
    is_repeated: bool = False
    is_dead_twice: bool = False
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the result on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, line: str) -> Result:
        """Return the result that `to_json` wrote."""
        document = json.loads(line)
        return cls(**document | {"trial": Trial(**document["trial"])})


@dataclass(frozen=True)
class Reference:
    """The day as it is when nobody dies: what is in the tables and beside them, and the points on the way."""

    tables: Tables
    objects: dict[str, Any]
    points: list[Point]
    seconds: float


def undisturbed(lane: Lane, killer: Killer, act: Act) -> Reference:
    """Carry out an act from its beginning to its end, counting its points."""
    lane.restore(act)
    began = time.monotonic()
    said, code = lane.ended(lane.begin(act, killer.armed(lane.state, 0)))
    assert code == 0, said
    took = time.monotonic() - began
    return Reference(lane.tables(), lane.objects(), killer.points(), took)


def survive(
    lane: Lane, killer: Killer, act: Act, trial: Trial, reference: Reference, *, twice: bool, again: bool = False
) -> Result:
    """Kill the act at the trial's point, take it up again, and compare.

    Parameters
    ----------
    twice
        Then do all of it once more, and compare again.
    again
        Kill what takes it up as well.
    """
    lane.restore(act)
    began = time.monotonic()
    before = _runs(lane)
    said, code = lane.ended(lane.begin(act, killer.armed(lane.state, trial.number, trial.whom, trial.when)))
    points = killer.points()
    point = next((point for point in points if point.number == trial.number), Point(0, 0, "none", "/none"))
    is_worker = bool(points) and point.process != points[0].process
    lives_on = trial.whom == "self" and is_worker
    result = Result(trial, point.part, point.call, point.number > 0, is_worker)
    if point.number and code != (0 if lives_on else -9):
        result.faults.append(f"it ended with {code}: {said[-500:]}")
    again_at = random.Random(trial.key).randint(1, _AGAIN_WITHIN) if again else 0
    result.faults += _take_up(lane, killer, act, before, result, again_at)
    result.faults += _compare(lane, act, reference, before)
    if twice and not result.faults:
        lane.finish(act)
        result.is_repeated = True
        result.faults += [f"done again: {fault}" for fault in _compare(lane, act, reference, before, runs=2)]
    result.seconds = round(time.monotonic() - began, 2)
    return result


def _take_up(lane: Lane, killer: Killer, act: Act, before: set[str], result: Result, again_at: int) -> Iterator[str]:
    """Start the product again after a death; with `again_at` to die at that point, and once more."""
    if again_at:
        _, code = _restarted(lane, act, before, result, killer.armed(lane.state, again_at))
        result.is_dead_twice = code == -signal.SIGKILL
    said, code = _restarted(lane, act, before, result, dict(os.environ))
    if code:
        yield f"the restart ended with {code}: {said[-500:]}"


def _restarted(
    lane: Lane, act: Act, before: set[str], result: Result, environment: Mapping[str, str]
) -> tuple[str, int]:
    """Return what a restart said and how it ended; the command is given again only if no run of it was begun."""
    if act.run_type:
        said, code = lane.ended(lane.start(["runs", "resume", "--state", str(lane.state)], environment))
        if code or _runs(lane) - before or not result.is_dead:
            return said, code
    elif not result.is_dead:
        return "", 0
    return lane.ended(lane.begin(act, environment))


def _runs(lane: Lane) -> set[str]:
    return {run["run_id"] for run in _listed(lane)}


def _listed(lane: Lane) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hops("runs", "list", "--limit", 1000, "--state", lane.state)["runs"]
    return found


def _compare(lane: Lane, act: Act, reference: Reference, before: set[str], *, runs: int = 1) -> list[str]:
    """Return in what the state differs from that of an undisturbed day."""
    faults = [f"rows of {name} differ" for name in differences(lane.tables(), reference.tables)]
    objects = lane.objects()
    faults += [f"{name} differ" for name, expected in reference.objects.items() if objects[name] != expected]
    status = hops("status", "--state", lane.state)
    for feed in status["feeds"]:
        fates = [feed[fate] for fate in ACCOUNT if fate != "delivered"]
        if feed["delivered"] != sum(fates):
            faults.append(f"of {feed['delivered']} records of {feed['feed_id']} {sum(fates)} are accounted for")
    listed = _listed(lane)
    new = [run["status"] for run in listed if run["run_id"] not in before]
    if new != ["SUCCEEDED"] * (runs if act.run_type else 0):
        faults.append(f"its runs are {new}")
    faults += [f"run {run['run_id']} is {run['status']}" for run in listed if run["status"] == "RUNNING"]
    return faults


def trials(act: Act, points: list[Point], whom: Sequence[Whom], seed: int) -> Iterator[tuple[Trial, str]]:
    """Yield a trial for each point worth dying at, with the part that it hits; who dies there and how, by lot.

    Data files are written in many calls: of each file the first, the last and one between them are taken. Of files
    that hold nothing of value (locks, what is spilled, other objects) too. What the act does as another one does
    (`own_from`) is left to that.
    """
    luck = random.Random(f"{seed}-{act.name}-{','.join(whom)}")
    first = min((point.number for point in points if point.part == act.own_from), default=0)
    for point in _chosen([point for point in points if point.number >= first], luck):
        ways: tuple[When, ...] = ("before", "half", "after") if "write" in point.call else ("before", "after")
        yield Trial(act.name, point.number, luck.choice(whom), luck.choice(ways)), point.part


def _chosen(points: list[Point], luck: random.Random) -> list[Point]:
    by_file: dict[str, list[Point]] = {}
    chosen = []
    for point in points:
        if point.part in ("lake data", *OTHER):
            by_file.setdefault(point.path, []).append(point)
        else:
            chosen.append(point)
    for file in by_file.values():
        chosen += {point.number: point for point in (file[0], file[-1], luck.choice(file))}.values()
    return sorted(chosen, key=lambda point: point.number)


def sampled(found: Iterable[tuple[Trial, str]], luck: random.Random) -> list[Trial]:
    """Return the trials, given with the part that each hits, so that any beginning of the list is a fair sample."""
    by_part: dict[str, list[Trial]] = {part: [] for part in (*PARTS, *OTHER)}
    for trial, part in found:
        by_part[part].append(trial)
    for part in by_part.values():
        luck.shuffle(part)
    return [trial for row in zip_longest(*by_part.values()) for trial in row if trial]
