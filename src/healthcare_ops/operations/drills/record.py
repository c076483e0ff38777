"""What came of a drill: its steps, how long each took, and what was checked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

STEPS = ("inject", "detect", "alarm", "diagnose", "remediate", "verify")


@dataclass(frozen=True)
class Check:
    """Something that must hold, and what was seen of it."""

    says: str
    is_met: bool
    seen: str = ""


@dataclass
class Step:
    """A step of a drill: what it found, by the machine's clock how long it took, and when it was by the drill's."""

    name: str
    took_s: float = 0.0
    at: str = ""
    checks: list[Check] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def check(self, says: str, is_met: object, seen: object = "") -> bool:
        """Note whether something holds, and return it."""
        self.checks.append(Check(says, bool(is_met), str(seen)))
        return bool(is_met)

    @property
    def is_passed(self) -> bool:
        """Tell whether everything held."""
        return all(check.is_met for check in self.checks)


class Broken(Exception):
    """A step found nothing to go on with; the rest of the drill is not done."""


@dataclass
class Record:
    """What was injected, by the injector's word, and what each step saw; `reason` says why a drill cannot be done."""

    drill_id: str
    title: str
    seed: int
    injected: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    reason: str = ""

    @contextmanager
    def step(self, name: str, *, progress: Any = None) -> Iterator[Step]:
        """Time a step; an error in it is a check that is not met, and ends the drill."""
        step = Step(name)
        self.steps.append(step)
        began = time.monotonic()
        if progress:
            progress(f"{self.drill_id}: {name}")
        try:
            yield step
        except Broken as error:
            step.check("there is something to go on with", False, error)
            raise
        finally:
            step.took_s = round(time.monotonic() - began, 2)

    @property
    def status(self) -> str:
        """Return `passed`, `failed`, or `impossible` where this machine does not allow it."""
        if self.reason:
            return "impossible"
        done = [step.name for step in self.steps]
        is_whole = all(name in done for name in STEPS)
        return "passed" if is_whole and all(step.is_passed for step in self.steps) else "failed"

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "drill": self.drill_id,
            "title": self.title,
            "seed": self.seed,
            "status": self.status,
            "reason": self.reason,
            "took_s": round(sum(step.took_s for step in self.steps), 2),
            "injected": self.injected,
            "steps": [asdict(step) | {"is_passed": step.is_passed} for step in self.steps],
        }
