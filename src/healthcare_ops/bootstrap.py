"""The only place that chooses which adapter fulfils which port: a state directory and what works on it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from healthcare_ops.adapters.engines import DuckDBEngine
from healthcare_ops.adapters.lake import IcebergLake
from healthcare_ops.adapters.local_files import write_bytes
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.local_raw import LocalRaw
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.adapters.state_lock import lock_state
from healthcare_ops.core.clock import Clock, SystemClock
from healthcare_ops.core.config import FEEDS_DIR, SITE_FILE, read_settings
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.feed import Feed, require_known_sectors
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import Table
from healthcare_ops.core.validated import read_toml
from healthcare_ops.jobs.context import Context
from healthcare_ops.jobs.ingest_bronze import PSEUDONYM_KEY
from healthcare_ops.ports import Engine


@dataclass(frozen=True)
class Platform:
    """An open state directory."""

    state: Path
    context: Context
    lake: IcebergLake

    def table_path(self, table: Table) -> Path:
        """Return the folder of a table."""
        return self.lake.location(table)


def create_state(state: Path, site_file: Path, clock: Clock | None = None) -> bool:
    """Make a state directory for the site, with its pseudonymisation key; False if it stood already.

    Raises
    ------
    ConfigError
        If the site file is wrong, or the directory belongs to another facility.
    """
    site = read_toml(site_file, Site)
    target = state / SITE_FILE
    if target.exists():
        there = read_toml(target, Site)
        if there.facility_id != site.facility_id:
            raise ConfigError(
                f"{state} belongs to facility {there.facility_id!r}, not {site.facility_id!r}.",
                next_step="Use another --state.",
            )
    state.mkdir(parents=True, exist_ok=True)
    secrets = LocalSecrets(state / "secrets", clock or SystemClock())
    is_new = PSEUDONYM_KEY not in secrets.names()
    if is_new:
        secrets.put(PSEUDONYM_KEY, json.dumps({"key_id": "k1", "key": os.urandom(32).hex()}).encode())
    (state / FEEDS_DIR).mkdir(exist_ok=True)
    write_bytes(target, site_file.read_bytes())
    return is_new


def add_feed(state: Path, feed_file: Path) -> Feed:
    """Put a feed file in its place in the state directory; `ConfigError` if it does not fit the site."""
    feed = read_toml(feed_file, Feed)
    require_known_sectors(feed, read_toml(state / SITE_FILE, Site))
    write_bytes(state / FEEDS_DIR / f"{feed.feed_id}.toml", feed_file.read_bytes())
    return feed


def read_feeds(state: Path, site: Site) -> dict[str, Feed]:
    """Return the feeds of the state directory by id; `ConfigError` if one does not fit the site."""
    feeds = [read_toml(path, Feed) for path in sorted((state / FEEDS_DIR).glob("*.toml"))]
    for feed in feeds:
        require_known_sectors(feed, site)
    return {feed.feed_id: feed for feed in feeds}


@contextmanager
def scratch_engine() -> Iterator[Engine]:
    """Yield an engine without a state directory; nothing it keeps outlives the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield DuckDBEngine(Path(folder), memory_limit_mb=500)


@contextmanager
def open_platform(state: Path, clock: Clock | None = None, *, exclusive: bool = True) -> Iterator[Platform]:
    """Open a state directory; writers hold its lock, readers pass `exclusive=False`."""
    if not (state / SITE_FILE).exists():
        raise NotFoundError(f"{state} is not a state directory.", next_step="Run `hops init --site SITE.toml`.")
    if exclusive:
        with lock_state(state):
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
        engine=engine,
        raw=LocalRaw(state / "raw"),
        objects=LocalObjects(state),
        secrets=LocalSecrets(state / "secrets", clock),
        clock=clock,
        settings=settings,
        site=site,
        feeds=read_feeds(state, site),
    )
    return Platform(state, context, lake)
