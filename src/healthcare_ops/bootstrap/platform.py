"""A state directory and what works on it: which adapter fulfils which port of the jobs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from healthcare_ops.adapters.engines import DuckDBEngine
from healthcare_ops.adapters.lake import IcebergLake
from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, LocalMetrics
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.local_raw import LocalRaw
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.adapters.state_lock import NO_PATIENCE, Patience, lock_state
from healthcare_ops.bootstrap.configuration import read_feeds, read_rule_files, require_state
from healthcare_ops.core.clock import Clock, SystemClock
from healthcare_ops.core.config import SITE_FILE, read_settings
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import Table
from healthcare_ops.core.validated import read_toml
from healthcare_ops.jobs.context import Context


@dataclass(frozen=True)
class Platform:
    """An open state directory."""

    state: Path
    context: Context
    lake: IcebergLake

    def table_path(self, table: Table) -> Path:
        """Return the folder of a table."""
        return self.lake.location(table)


@contextmanager
def scratch_engine() -> Iterator[DuckDBEngine]:
    """Yield an engine without a state directory; nothing it keeps outlives the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield DuckDBEngine(Path(folder), memory_limit_mb=500)


@contextmanager
def open_platform(
    state: Path, clock: Clock | None = None, *, exclusive: bool = True, patience: Patience = NO_PATIENCE
) -> Iterator[Platform]:
    """Open a state directory; writers hold its lock, once they have it, readers pass `exclusive=False`."""
    require_state(state)
    if exclusive:
        with lock_state(state, wait_s=patience.wait_s, tell=patience.tell):
            yield _wire(state, clock or SystemClock())
    else:
        yield _wire(state, clock or SystemClock())


def _wire(state: Path, clock: Clock) -> Platform:
    settings = read_settings(state)
    site = read_toml(state / SITE_FILE, Site)
    engine = DuckDBEngine(state / "tmp", memory_limit_mb=settings.memory_limit_mb, threads=settings.threads)
    lake = IcebergLake((state / "lake").resolve(), engine, keep_snapshots=settings.keep_snapshots)
    context = Context(
        lake=lake,
        pins=lake,
        engine=engine,
        raw=LocalRaw(state / "raw"),
        objects=LocalObjects(state),
        secrets=LocalSecrets(state / "secrets", clock),
        metrics=LocalMetrics(state / METRICS_FOLDER),
        clock=clock,
        settings=settings,
        site=site,
        feeds=read_feeds(state, site),
        rules=read_rule_files(state),
    )
    return Platform(state, context, lake)
