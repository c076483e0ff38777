"""The record of what was made wrong, one line for each fault and file: `truth/faults.ndjson`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from healthcare_ops.generator.scenario import Change, Scenario
from healthcare_ops.generator.slabs import Ints


@dataclass(frozen=True)
class Injected:
    """A fault as it struck one file; a change of the hospital itself has no feed and no file.

    `fault` is its position in the scenario, from 0, `size` what the scenario says of it. `due` is when the file
    comes, `rows` are runs of its record numbers (from 1, first and last), `removed` counts rows that it lacks.
    """

    fault: int
    kind: str
    size: Mapping[str, Any]
    feed: str | None = None
    file: str | None = None
    due: datetime | None = None
    rows: tuple[tuple[int, int], ...] = ()
    removed: int = 0

    @property
    def records(self) -> int:
        """Return how many records of the file it touched."""
        return sum(last - first + 1 for first, last in self.rows)

    def to_json(self) -> str:
        """Return one line of the record."""
        due = self.due.isoformat() if self.due else None
        return json.dumps({**vars(self), "due": due, "records": self.records}, ensure_ascii=False)


def hospital_changes(scenario: Scenario) -> Iterator[Injected]:
    """Yield the changes of the hospital that a scenario asks for."""
    for number, fault in enumerate(scenario.faults):
        if isinstance(fault, Change):
            yield Injected(number, fault.kind, fault.model_dump(mode="json", exclude={"kind"}, exclude_none=True))


def record_runs(marks: Ints, bit: int) -> tuple[tuple[int, int], ...]:
    """Return the runs of record numbers, from 1, whose marks have a bit."""
    found = np.flatnonzero((marks >> bit) & 1) + 1
    if not len(found):
        return ()
    breaks = np.flatnonzero(np.diff(found) != 1)
    firsts, lasts = found[np.r_[0, breaks + 1]], found[np.r_[breaks, len(found) - 1]]
    return tuple(zip(firsts.tolist(), lasts.tolist(), strict=True))
