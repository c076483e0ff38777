"""The files of a state directory: its site, its feeds, and what of them changed since days were built with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_files import write_bytes
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.adapters.state_lock import NO_PATIENCE, Patience, lock_state
from healthcare_ops.core.clock import Clock, SystemClock
from healthcare_ops.core.config import FEEDS_DIR, PSEUDONYM_KEY, RULES_DIR, SITE_FILE, read_settings
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.feed import Feed, require_known_sectors
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import TABLES
from healthcare_ops.core.validated import read_toml
from healthcare_ops.jobs.audit_log import rules_adopted
from healthcare_ops.pipeline.quality.rules.checks import shipped_rules, version_of

_CHANGES_FILE = "changes.json"
_ADOPTED = "adopted.json"
# What of a feed file acts on the text that bronze keeps, or on nothing that is stored.
_APPLIED_TO_BRONZE: Mapping[str, Any] = {
    **dict.fromkeys(("description", "owner", "cadence", "zone", "values"), True),
    "times": {"skipped_hour", "repeated_hour"},
}


@dataclass(frozen=True)
class Changes:
    """What of the configuration changed since days were built with it.

    `feeds` are ids; `reread` are those of them of which bronze no longer holds what their raw files would give.
    """

    site: bool = False
    feeds: frozenset[str] = frozenset()
    reread: frozenset[str] = frozenset()

    @property
    def files(self) -> list[str]:
        """Return the changed files, as they are called in the state directory."""
        return [*([SITE_FILE] if self.site else []), *(f"{FEEDS_DIR}/{feed_id}.toml" for feed_id in sorted(self.feeds))]


def require_state(state: Path) -> None:
    """Do nothing, or raise `NotFoundError` if there is no such state directory."""
    if not (state / SITE_FILE).exists():
        raise NotFoundError(f"{state} is not a state directory.", next_step="Run `hops init --site SITE.toml`.")


def create_state(
    state: Path,
    site_file: Path,
    clock: Clock | None = None,
    *,
    feed_files: Iterable[Path] = (),
    patience: Patience = NO_PATIENCE,
) -> bool:
    """Make a state directory for the site and its feeds, with its pseudonymisation key; False if it stood already.

    Every file is judged before anything is written.

    Raises
    ------
    ConfigError
        If a site, feed or settings file is wrong, or the directory belongs to another facility.
    LockedError
        If another process holds the directory, for longer than one may wait.
    """
    site = read_toml(site_file, Site)
    feeds = {path: read_toml(path, Feed) for path in feed_files}
    target = state / SITE_FILE
    if target.exists():
        there = read_toml(target, Site)
        if there.facility_id != site.facility_id:
            raise ConfigError(
                f"{state} belongs to facility {there.facility_id!r}, not {site.facility_id!r}.",
                next_step="Use another --state.",
            )
    _check_configuration(state, site, feeds.values())
    state.mkdir(parents=True, exist_ok=True)
    with lock_state(state, wait_s=patience.wait_s, tell=patience.tell):
        secrets = LocalSecrets(state / "secrets", clock or SystemClock())
        is_new = PSEUDONYM_KEY not in secrets.names()
        if is_new:
            secrets.put(PSEUDONYM_KEY, json.dumps({"key_id": "k1", "key": os.urandom(32).hex()}).encode())
        (state / FEEDS_DIR).mkdir(exist_ok=True)
        _note_changes(state, find_changes(state, site, feeds.values()))
        write_bytes(target, site_file.read_bytes())
        for path, feed in feeds.items():
            write_bytes(_feed_path(state, feed), path.read_bytes())
    return is_new


def add_feed(state: Path, feed_file: Path, *, patience: Patience = NO_PATIENCE) -> Feed:
    """Put a feed file in its place in the state directory; `ConfigError` if it does not fit the site."""
    feed = read_toml(feed_file, Feed)
    _check_configuration(state, read_toml(state / SITE_FILE, Site), [feed])
    with lock_state(state, wait_s=patience.wait_s, tell=patience.tell):
        _note_changes(state, find_changes(state, None, [feed]))
        write_bytes(_feed_path(state, feed), feed_file.read_bytes())
    return feed


def find_changes(state: Path, site: Site | None = None, feeds: Iterable[Feed] = ()) -> Changes:
    """Return how this site and these feeds differ from the state's copies, and earlier changes not yet built."""
    path = state / _CHANGES_FILE
    noted = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    changed, reread = set(noted.get("feeds", ())), set(noted.get("reread", ()))
    for feed in feeds:
        there = _stored_feed(state, feed)
        if there != feed:
            changed.add(feed.feed_id)
        if there is None or _shaping_bronze(there) != _shaping_bronze(feed):
            reread.add(feed.feed_id)
    is_new_site = site is not None and (state / SITE_FILE).exists() and read_toml(state / SITE_FILE, Site) != site
    return Changes(is_new_site or noted.get("site", False), frozenset(changed), frozenset(reread))


def settle_changes(state: Path) -> None:
    """Forget the changes: every day that they touch is built."""
    (state / _CHANGES_FILE).unlink(missing_ok=True)


def _note_changes(state: Path, changes: Changes) -> None:
    # Before the files themselves: after a crash the days are built again once too often, not once too rarely.
    if changes.files:
        noted = {"site": changes.site, "feeds": sorted(changes.feeds), "reread": sorted(changes.reread)}
        write_bytes(state / _CHANGES_FILE, json.dumps(noted).encode())


def _stored_feed(state: Path, feed: Feed) -> Feed | None:
    """Return the state's copy, the feed itself where there is none, and None for a copy that cannot be read."""
    path = _feed_path(state, feed)
    if not path.exists():
        return feed
    try:
        return read_toml(path, Feed)
    except ConfigError:
        return None


def _shaping_bronze(feed: Feed) -> dict[str, Any]:
    return feed.model_dump(exclude=dict(_APPLIED_TO_BRONZE))


def read_feeds(state: Path, site: Site, added: Iterable[Feed] = ()) -> dict[str, Feed]:
    """Return the feeds of the state directory by id, `added` in the place of their namesakes.

    `ConfigError` if one does not fit the site.
    """
    new = {feed.feed_id: feed for feed in added}
    kept = [path for path in sorted((state / FEEDS_DIR).glob("*.toml")) if path.stem not in new]
    feeds = [*(read_toml(path, Feed) for path in kept), *new.values()]
    for feed in feeds:
        require_known_sectors(feed, site)
    return {feed.feed_id: feed for feed in sorted(feeds, key=lambda feed: feed.feed_id)}


def read_rule_files(state: Path) -> dict[str, str]:
    """Return the data-quality rules by table id: what the site adopted before the product's own.

    Raises
    ------
    ConfigError
        If adopted rules are missing or were changed, rules lie there that nobody adopted, or others were adopted than
        the audit log tells of.
    """
    folder = state / RULES_DIR
    adopted = adopted_rules(state)
    _require_told(folder / _ADOPTED, adopted, rules_adopted(LocalObjects(state)))
    known = {f"{table}.{version}.dqdl": table for table, version in adopted.items()}
    for path in sorted(folder.glob("*.dqdl")):
        if path.name.removesuffix(".dqdl") in {table.id for table in TABLES}:
            raise ConfigError(
                f"{path} counts for nothing: nobody adopted it.",
                next_step="Move it elsewhere, and run `hops dq rules adopt FILE --by NAME --reason WHY`.",
            )
    texts = {}
    for name, table in known.items():
        try:
            texts[table] = (folder / name).read_bytes().decode("utf-8")
        except (UnicodeDecodeError, OSError) as error:
            raise ConfigError(
                f"the adopted rules {folder / name} cannot be read: {error}.",
                next_step="Put the file back, or adopt one again.",
            ) from error
        if version_of(texts[table]) != adopted[table]:
            raise ConfigError(
                f"{folder / name} was changed after somebody adopted it.",
                next_step="Put the file back; adopt a changed one with `hops dq rules adopt`.",
            )
    return shipped_rules() | texts


def _require_told(path: Path, adopted: Mapping[str, str], told: Mapping[str, str]) -> None:
    """Raise `ConfigError` if a table's rules are not those that somebody let count last."""
    for table in sorted({*adopted, *told}):
        if adopted.get(table) != told.get(table):
            raise ConfigError(
                f"by {path} {_version(adopted, table)} count for {table}, by the audit log {_version(told, table)}.",
                next_step="Put the file back, or let somebody answer for it: `hops dq rules adopt FILE` or "
                f"`hops dq rules drop {table}`, with --by NAME --reason WHY.",
            )


def _version(adopted: Mapping[str, str], table: str) -> str:
    return f"rules of version {adopted[table]}" if table in adopted else "the product's rules"


def adopted_rules(state: Path) -> dict[str, str]:
    """Return the version of the rules that the site adopted, by table; `ConfigError` if the file is none."""
    path = state / RULES_DIR / _ADOPTED
    if not path.exists():
        return {}
    try:
        return {str(table): str(version) for table, version in json.loads(path.read_bytes()).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.", next_step="Put the file back, or take it away and adopt rules again."
        ) from error


def adopt_rules(state: Path, table_id: str, text: str | None) -> None:
    """Let these rules count for a table from now on; None: the product's own."""
    folder = state / RULES_DIR
    adopted = adopted_rules(state)
    adopted.pop(table_id, None)
    folder.mkdir(exist_ok=True)
    if text is not None:
        adopted[table_id] = version_of(text)
        write_bytes(folder / f"{table_id}.{adopted[table_id]}.dqdl", text.encode())
    # One file decides: whatever dies on the way, the old rules count or the new ones.
    write_bytes(folder / _ADOPTED, json.dumps(adopted, indent=1, sort_keys=True).encode())


def _check_configuration(state: Path, site: Site, added: Iterable[Feed]) -> None:
    """Do nothing, or raise what opening the directory with this site and these feeds would raise."""
    read_settings(state)
    read_feeds(state, site, added)


def _feed_path(state: Path, feed: Feed) -> Path:
    return state / FEEDS_DIR / f"{feed.feed_id}.toml"
