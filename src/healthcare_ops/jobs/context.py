"""What every job is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from healthcare_ops.core.clock import Clock
from healthcare_ops.core.config import Settings
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.site import Site
from healthcare_ops.ports import Engine, Lake, ObjectStore, RawStore, SecretStore

RunType = Literal["daily", "inference", "weekly_train"]
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """The outside world of a job."""

    lake: Lake
    engine: Engine
    raw: RawStore
    objects: ObjectStore
    secrets: SecretStore
    clock: Clock
    settings: Settings
    site: Site
    feeds: Mapping[str, Feed]


@dataclass(frozen=True)
class Request:
    """One call of a job: the run it belongs to, its operational day, and the days to rebuild in any case."""

    run_id: str
    run_type: RunType
    run_date: date
    days: frozenset[date] = frozenset()


Job = Callable[[Context, Request], Outcome]
