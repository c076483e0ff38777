"""What every job is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from healthcare_ops.core.clock import Clock
from healthcare_ops.core.config import Settings
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.runs import RunType
from healthcare_ops.core.site import Site
from healthcare_ops.ports import Engine, Lake, MetricSink, ObjectStore, Pins, RawStore, SecretStore

Outcome = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """The outside world of a job.

    `rules` are the data-quality rules by table id, as DQDL: the site's own, or the product's.
    """

    lake: Lake
    pins: Pins
    engine: Engine
    raw: RawStore
    objects: ObjectStore
    secrets: SecretStore
    metrics: MetricSink
    clock: Clock
    settings: Settings
    site: Site
    feeds: Mapping[str, Feed]
    rules: Mapping[str, str]

    def latest_plausible(self) -> datetime:
        """Return the last instant (UTC) that data may speak of: now.

        De-identified sets are often shifted a century ahead; for a feed that declares only days to come
        plausible, it is the end of that range.
        """
        now = self.clock.now()
        shifted = [feed.plausible.last for feed in self.feeds.values() if feed.plausible.first > now.date()]
        ends = [datetime.combine(last + timedelta(days=1), time(), UTC) for last in shifted]
        return max([now, *ends])


@dataclass(frozen=True)
class Request:
    """One call of a job: the run it belongs to, its operational day, and the days to rebuild in any case."""

    run_id: str
    run_type: RunType
    run_date: date
    days: frozenset[date] = frozenset()


Job = Callable[[Context, Request], Outcome]
