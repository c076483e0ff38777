"""What drills do alike: ask `hops` for runs, alarms and incidents, and compare the lake with a clean one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from healthcare_ops.operations.drills.control import DrilledPlatform, Told
from healthcare_ops.operations.drills.hospital import DrillHospital, Progress
from healthcare_ops.operations.drills.record import Broken, Record, Step
from healthcare_ops.operations.drills.same import Lake, differences

# An alarm is judged by periods of so long.
PERIOD = timedelta(minutes=5)
_SETTLED = ("mitigated", "resolved")
Document = Mapping[str, Any]


@dataclass
class Scene:
    """A drill at work on its hospital."""

    hospital: DrillHospital
    record: Record
    luck: random.Random
    progress: Progress
    references: dict[str, Lake]
    _known: set[str] = field(default_factory=set)

    @contextmanager
    def step(self, name: str, platform: DrilledPlatform | None = None) -> Iterator[Step]:
        """Do a step; note at which instant of the drill it ended."""
        with self.record.step(name, progress=self.progress) as step:
            yield step
            if platform is not None:
                step.at = platform.now.isoformat()
                if platform.trouble:
                    step.check("the fault could be injected", False, platform.trouble)

    def quiet(self, step: Step, platform: DrilledPlatform, *, but: Sequence[str] = ()) -> None:
        """Check that no alarm rings, and remember which incidents there are: what rings later is of the fault."""
        ringing = self._ringing(platform, but)
        step.check("no alarm rings before", not ringing, ", ".join(ringing))
        self._known = set(self.incidents(platform))

    def _ringing(self, platform: DrilledPlatform, but: Sequence[str]) -> list[str]:
        found = [one for one in self.alarms(platform) if one["state"] == "ALARM" and one["alarm"] not in but]
        return [" ".join((one["alarm"], *one["of"].values())) for one in found]

    @staticmethod
    def alarms(platform: DrilledPlatform) -> list[Document]:
        """Return how the alarms stand."""
        told = required(platform.hops("alarms", "--as-of", platform.now.isoformat()))
        found: list[Document] = told["alarms"]
        return found

    @staticmethod
    def changes(platform: DrilledPlatform) -> list[Document]:
        """Return the newest changes of alarms, the last one first."""
        found: list[Document] = required(platform.hops("alarms", "--history", "--limit", 100))["changes"]
        return found

    @staticmethod
    def incidents(platform: DrilledPlatform) -> list[str]:
        """Return the incidents that the platform told of, in their order."""
        told = [str(one["incident"]) for one in platform.events if one["event"] == "incident"]
        return list(dict.fromkeys(told))

    def new_incidents(self, platform: DrilledPlatform) -> list[Document]:
        """Return, whole, the incidents that were opened since it was quiet."""
        names = [name for name in self.incidents(platform) if name not in self._known]
        return [required(platform.hops("incidents", "show", name)) for name in names]

    def rang(
        self, step: Step, platform: DrilledPlatform, alarm: str, of: Mapping[str, str], since: datetime
    ) -> datetime | None:
        """Check that an alarm rang within a period of an instant; return when."""
        rings = [
            datetime.fromisoformat(one["at"])
            for one in self.changes(platform)
            if one["alarm"] == alarm and one["of"] == dict(of) and one["state"] == "ALARM"
        ]
        at = min((one for one in rings if one >= since), default=None)
        late = at - since if at else None
        name = f"{alarm} of {', '.join(of.values())}" if of else alarm
        step.check(f"{name} rings within {PERIOD.seconds // 60} minutes", late is not None and late <= PERIOD, late)
        step.facts["rang_at"] = at.isoformat() if at else None
        step.facts["rang_after_s"] = late.total_seconds() if late is not None else None
        return at

    def is_over(
        self, step: Step, platform: DrilledPlatform, incidents: Sequence[Document], *, but: Sequence[str] = ()
    ) -> None:
        """Check that no alarm rings any more, and that each incident says so."""
        ringing = self._ringing(platform, but)
        step.check("no alarm rings any more", not ringing, ", ".join(ringing))
        for one in incidents:
            now = required(platform.hops("incidents", "show", one["incident"]))
            step.check(f"{one['incident']} is over", now["state"] in _SETTLED, now["state"])

    def is_same(self, step: Step, reference: str, found: Lake, until: datetime | None) -> None:
        """Check that a lake holds what a clean one holds."""
        apart = differences(found, self.references[reference], until=until)
        step.check("the lake is the same as after a clean run", not apart, "; ".join(apart))


def required(told: Told) -> Document:
    """Return the document of a command that has to succeed."""
    if told.code != 0:
        raise Broken(f"`{told.command}` ended with {told.code}: {told.said.strip() or told.document}")
    return told.document


def run_of(platform: DrilledPlatform, run_type: str, due: datetime) -> Document:
    """Return the whole record of the run that was due at an instant."""
    return required(platform.hops("runs", "show", f"{run_type}-{due:%Y%m%dT%H%M%SZ}"))


def attempts_at(run: Document, state: str) -> list[Document]:
    """Return the tries of the last visit to a state."""
    visits = [one for one in run["states"] if one["name"] == state]
    found: list[Document] = visits[-1]["attempts"] if visits else []
    return found


def reasons_at(run: Document, state: str) -> list[str]:
    """Return the reason codes of the tries of a state that failed."""
    return [one["failure"]["reason"] for one in attempts_at(run, state) if one["failure"]]


def diagnosed(
    step: Step, incidents: Sequence[Document], is_named: Callable[[Document], bool], expected: str
) -> Document | None:
    """Check that there is one incident and that its root is the injected one; return it."""
    roots = [one["root"] for one in incidents]
    step.facts["roots"] = roots
    step.check("one root is one incident", len(incidents) == 1, f"{len(incidents)} incidents")
    named = [one for one in incidents if is_named(one["root"])]
    step.check(f"the diagnosis names {expected}", named, roots)
    return named[0] if named else None
