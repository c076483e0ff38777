"""The record of a run: which states it entered, what they tried, how it ended."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

RUNS_PREFIX = "ops/runs/"


@dataclass
class StateRecord:
    """One state of a run; instants are ISO text in UTC, of the machine's clock."""

    name: str
    entered_at: str
    exited_at: str = ""
    attempts: list[dict[str, str | None]] = field(default_factory=list)


@dataclass
class RunRecord:
    """One run. `status` is RUNNING until it is SUCCEEDED, FAILED or TIMED_OUT.

    Instants are ISO text in UTC. `as_of` is the instant that the run took for the present, and that its id names; the
    others are of the machine's clock, also where history is replayed.
    """

    run_id: str
    run_type: str
    run_date: str
    started_at: str
    as_of: str = field(default="", kw_only=True)
    status: str = "RUNNING"
    ended_at: str = ""
    error: str = ""
    cause: str = ""
    states: list[StateRecord] = field(default_factory=list)
    outcomes: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Return where the record is stored."""
        return f"{RUNS_PREFIX}{self.run_id}.json"

    def to_json(self) -> bytes:
        """Return the record as a JSON document."""
        return json.dumps({"schema_version": 1, **asdict(self)}, indent=1, default=str).encode()
