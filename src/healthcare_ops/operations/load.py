"""`hops load`: files and a feed file in, every table out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.state_lock import NO_PATIENCE, Patience
from healthcare_ops.bootstrap.configuration import add_feed, create_state, find_changes, settle_changes
from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.clock import Clock
from healthcare_ops.core.config import SITE_FILE
from healthcare_ops.core.errors import ConfigError, DataError, QualityError
from healthcare_ops.core.feed import Feed, require_known_sectors
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.operations import bulk
from healthcare_ops.operations.cautions import not_taken_again


@dataclass(frozen=True)
class Loaded:
    """What a load did, as plain values, and what it ends with, if anything.

    That is the data-quality failure that kept gold from it, or the refusal of some of the files.
    """

    document: dict[str, Any]
    failure: DataError | None


def load(
    state: Path,
    feed_file: Path,
    site_file: Path | None,
    paths: Sequence[Path],
    clock: Clock,
    progress: bulk.Progress,
    *,
    patience: Patience = NO_PATIENCE,
) -> Loaded:
    """Take files into the lake and build every day they hold.

    Every file is read to its end before anything is written: of a bad one nothing is kept but that it was refused, and
    the others are taken. A new state directory without a site file gets a site made from the feed, which its
    `site.toml` says. A feed or site file that differs from the state's copy takes its place, and the days that the old
    one built are built again; from bronze, where the new feed file cannot read all that was delivered before.

    Raises
    ------
    OpsError
        As `read_records` does, if no file can be used or one is not there; `ConfigError` if feed and site do not fit.
    """
    feed = read_toml(feed_file, Feed)
    known = site_file or state / SITE_FILE
    if site_file or known.exists():
        require_known_sectors(feed, read_toml(known, Site))
    verified = bulk.verify_each(paths, feed, progress)
    if verified.refused and not verified.sound:
        _keep_refused(state, feed, verified, clock, patience)
    verified.require_some()
    if site_file:
        create_state(state, site_file, clock, feed_files=[feed_file], patience=patience)
    elif known.exists():
        add_feed(state, feed_file, patience=patience)
    else:
        _create_state_from_feed(state, feed_file, verified.places, clock)
    with open_platform(state, clock, patience=patience) as platform:
        bulk.keep_refused(platform, feed, verified)
        landed = bulk.land(platform, feed, verified.sound)
        changes = find_changes(state)
        days = bulk.days_to_rebuild(platform, changes)
        reread = [one for feed_id, one in platform.context.feeds.items() if feed_id in changes.reread]
        unreadable = bulk.unreadable(platform, reread, progress)
        readable = changes.reread.difference(item["feed_id"] for item in unreadable)
        bulk.forget_feeds(platform, readable)
        failure = verified.failure
        try:
            result = bulk.refine(platform, progress, days=days)
        except QualityError as error:
            failure, result = error, {}
        settle_changes(state)  # also then: silver is built, and gold takes it from there once it passes
        document = {
            "configuration": {
                "changed": changes.files,
                "days_built_again": len(days),
                "raw_read_again": sorted(readable),
                "raw_unreadable": unreadable,
            },
            "files": [*verified.document, *bulk.accounted(platform, landed)],
            "warnings": [caution.document for caution in not_taken_again(feed, landed)],
            **result,
            **bulk.summary(platform),
        }
    return Loaded(document, failure)


def _keep_refused(state: Path, feed: Feed, verified: bulk.Verified, clock: Clock, patience: Patience) -> None:
    """Keep for the reports of a state that knows the feed that all files were refused; another is left alone."""
    if not (state / SITE_FILE).exists():
        return
    with open_platform(state, clock, patience=patience) as platform:
        if feed.feed_id in platform.context.feeds:
            bulk.keep_refused(platform, feed, verified)


def _create_state_from_feed(state: Path, feed_file: Path, places: set[str], clock: Clock) -> None:
    feed = read_toml(feed_file, Feed)
    with tempfile.TemporaryDirectory() as folder:
        site_file = Path(folder) / SITE_FILE
        site_file.write_text(_site_of(feed, places), encoding="utf-8")
        try:
            create_state(state, site_file, clock, feed_files=[feed_file])
        except ConfigError as error:
            fault = error.message.removeprefix(f"{site_file}: ")
            raise ConfigError(
                f"no site can be made from feed {feed.feed_id} alone: {fault}", next_step="Give --site SITE.toml."
            ) from error


def _site_of(feed: Feed, places: set[str]) -> str:
    """Return a site file for a hospital known by one feed only: its zone, and its places as emergency sectors."""
    sectors = sorted(set(feed.values.sector.values()) or places)
    if not sectors:
        raise ConfigError(f"feed {feed.feed_id} names no place.", next_step="Map `columns.sector`, or give --site.")
    lines = [
        "# Made by `hops load` from the feed alone. Add capacities, kinds of sectors and holidays, then run",
        "# `hops backfill`; see `hops site schema`.",
        f"facility_id = {json.dumps(feed.feed_id)}",
        f"name = {json.dumps(feed.feed_id)}",
        f"zone = {json.dumps(feed.zone)}",
    ]
    for sector in sectors:
        quoted = json.dumps(sector, ensure_ascii=False)
        lines += ["", "[[sectors]]", f"sector_id = {quoted}", f"name = {quoted}"]
    return "\n".join(lines) + "\n"
