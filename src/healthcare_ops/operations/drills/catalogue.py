"""The drills there are, and how they are carried out one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from healthcare_ops.core.errors import NotFoundError, OpsError
from healthcare_ops.operations.drills import inc_01, inc_02, inc_03
from healthcare_ops.operations.drills.hospital import ACUTE, SLOW, DrillHospital, Lake, Progress
from healthcare_ops.operations.drills.record import Broken, Record
from healthcare_ops.operations.drills.same import Lake as Tables
from healthcare_ops.operations.drills.scene import Scene

ALL = "all"


@dataclass(frozen=True)
class Drill:
    """A drill: its id, what happens in it, the hospital that it needs, and how it goes."""

    drill_id: str
    title: str
    lake: Lake
    carry_out: Callable[[Scene], None]

    @property
    def section(self) -> str:
        """Return the section of the runbook that it drills."""
        return f"INC-{self.drill_id[:2]}"


DRILLS = (
    Drill("01a", "a step fails twice and succeeds", ACUTE, inc_01.transient_twice),
    Drill("01b", "a step takes too long, however often it is tried", ACUTE, inc_01.timeout_then_redrive),
    Drill("01c", "access to a folder is denied", ACUTE, inc_01.access_denied),
    Drill("01d", "a delivered file is damaged", ACUTE, inc_01.bad_batch),
    Drill("01e", "the process of a step is killed", ACUTE, inc_01.process_killed),
    Drill("02a", "a column of one sector comes empty", ACUTE, inc_02.nulls_in_one_sector),
    Drill("02b", "the clock of one feed is wrong by three hours", ACUTE, inc_02.clock_of_one_feed),
    Drill("03a", "1.4 times as many come, until the model is trained anew", SLOW, inc_03.another_regime),
    Drill("03b", "nobody runs the platform on Sunday, when models are trained", SLOW, inc_03.training_suppressed),
)


def chosen(wanted: str) -> list[Drill]:
    """Return the drills of an id, of the beginning of one, or `all`; `NotFoundError` names those there are."""
    found = [drill for drill in DRILLS if wanted == ALL or drill.drill_id.startswith(wanted)]
    if not found or not wanted:
        names = ", ".join(drill.drill_id for drill in DRILLS)
        raise NotFoundError(f"there is no drill {wanted!r}; there are {names}.", next_step="`hops drill --list`.")
    return found


def carry_out(drills: Sequence[Drill], seed: int, folder: Path, progress: Progress) -> Iterator[Record]:
    """Prepare each hospital that the drills need, in a folder of its own, and yield what came of each drill."""
    hospitals: dict[str, DrillHospital] = {}
    references: dict[str, dict[str, Tables]] = {}
    for drill in drills:
        name = drill.lake.name
        if name not in hospitals:
            hospitals[name] = DrillHospital(folder / name, seed, drill.lake)
            if not hospitals[name].is_prepared:
                hospitals[name].prepare(lambda step: progress(f"preparing: {step}"))
        yield _carried_out(drill, seed, hospitals[name], references.setdefault(name, {}), progress)


def _carried_out(
    drill: Drill, seed: int, hospital: DrillHospital, references: dict[str, Tables], progress: Progress
) -> Record:
    record = Record(drill.drill_id, drill.title, seed)
    luck = random.Random(f"{seed}-{drill.drill_id}")  # noqa: S311  # no secret
    scene = Scene(hospital, record, luck, progress, references)
    try:
        drill.carry_out(scene)
    except Broken:
        pass  # the step says so
    except OpsError as error:
        if not record.steps:
            with record.step("inject"):
                pass
        record.steps[-1].check("the drill could go on", False, f"{error.message} {error.next_step}")
    return record
