"""Bulk work on a state directory: many files, many days, one commit per table, or per file in bronze."""

from __future__ import annotations

import hashlib
import secrets
from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import ibis
import pyarrow.compute as pc

from healthcare_ops.bootstrap.configuration import Changes
from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.errors import DataError, NotFoundError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.reasons import EXPLANATIONS, Reason
from healthcare_ops.core.tables import (
    ACCOUNT,
    BATCH_ACCOUNTS,
    ENCOUNTERS,
    ENCOUNTERS_RAW,
    EVENTS_RAW,
    QUARANTINE,
    TABLES,
)
from healthcare_ops.jobs import REFINE_JOBS, load_job, refusals
from healthcare_ops.jobs.context import Request
from healthcare_ops.jobs.dq_check import read_accounts
from healthcare_ops.jobs.ingest_bronze import ingest_marker
from healthcare_ops.pipeline.bronze import bronze_table
from healthcare_ops.pipeline.quality.report.refusals import RefusedFile
from healthcare_ops.pipeline.sources.readers import read_records

Progress = Callable[[str], None]
_BRONZE = (ENCOUNTERS_RAW, EVENTS_RAW)


class Refused(NamedTuple):
    """A file that cannot be used, with the SHA-256 of what was read (empty if it is no file), and why."""

    path: Path
    sha256: str
    fault: DataError


@dataclass(frozen=True)
class Verified:
    """Files that can be used (with the SHA-256 of what was read), the places they name, and files that cannot."""

    sound: dict[Path, str]
    places: set[str]
    refused: list[Refused]

    def require_some(self) -> None:
        """Raise the fault of the first file, if there are files and not one is sound."""
        if self.refused and not self.sound:
            raise self.refused[0].fault

    @property
    def failure(self) -> DataError | None:
        """Return what a command ends with once the sound files are taken; None if every file is sound."""
        if not self.refused:
            return None
        first = self.refused[0].fault
        which = f"{len(self.refused)} of {len(self.refused) + len(self.sound)} files refused, the others are taken"
        return DataError(f"{which}; the first: {first.message}", next_step=first.next_step)

    @property
    def document(self) -> list[dict[str, str]]:
        """Return what became of the refused files, as plain values."""
        return [
            {"file": str(path), "fate": "refused", "reason": fault.message, "next_step": fault.next_step}
            for path, _, fault in self.refused
        ]


def feed_of(platform: Platform, feed_id: str) -> Feed:
    """Return a feed of the state directory; `NotFoundError` names those there are."""
    feeds = platform.context.feeds
    if feed_id not in feeds:
        raise NotFoundError(
            f"there is no feed {feed_id!r}; there are: {', '.join(feeds) or 'none'}.",
            next_step="Add it with `hops load --feed FEED.toml` or `hops init --feed`.",
        )
    return feeds[feed_id]


def verify(paths: Iterable[Path], feed: Feed, progress: Progress) -> set[str]:
    """Read every file to its end and return the places they name; the first fault is raised, nothing is written."""
    source = feed.source("sector")
    places: set[str] = {source.const} if source and source.const is not None else set()
    for path in paths:
        progress(f"reading {path.name}")
        for batch in read_records(path, feed):
            if source and source.column:
                places.update(pc.unique(pc.utf8_trim_whitespace(batch[source.column])).to_pylist())
    return places - {None, *feed.null_values}


def verify_each(paths: Iterable[Path], feed: Feed, progress: Progress) -> Verified:
    """Read every file to its end and part the sound ones from those at fault; nothing is written.

    Raises
    ------
    OpsError
        As `read_records` does, if a path or the feed file is wrong and not the data.
    """
    found = Verified({}, set(), [])
    for path in paths:
        # Before it is read: somebody may still be writing it.
        digest = sha256_of(path) if path.is_file() else ""
        try:
            found.places.update(verify([path], feed, progress))
            found.sound[path] = digest
        except DataError as fault:
            found.refused.append(Refused(path, digest, fault))
    return found


def keep_refused(platform: Platform, feed: Feed, verified: Verified) -> None:
    """Keep which files were refused, for the reports to tell of; a folder and the like are no delivered file."""
    now = platform.context.clock.now().astimezone(UTC)
    files = [
        RefusedFile(path.name.encode(errors="backslashreplace").decode(), sha256, now, error.fault, error.line)
        for path, sha256, error in verified.refused
        if error.fault
    ]
    refusals.keep_refused(platform.context.objects, feed.feed_id, files)


def land(platform: Platform, feed: Feed, files: Mapping[Path, str]) -> list[dict[str, Any]]:
    """Keep the files, given with their SHA-256, in raw; one whose bytes were delivered before is not kept twice.

    If raw holds its bytes no more, it is put back. Of such a one it is told how many deliveries came after it, but for
    those that come after it here as well. That one of these files was refused before, by its name or its bytes, is told
    no more.

    Raises
    ------
    DataError
        If a file is no longer the one of the hash: raw never changes, so that it must not hold half of one.
    """
    raw, clock = platform.context.raw, platform.context.clock
    known = {delivery.source_sha256: delivery for delivery in raw.deliveries(feed.feed_id)}
    landed = []
    still_to_come = Counter(files.values())
    # Numbers of the deliveries that do not come again here, or have done so: a load may be of thousands of files.
    settled = sorted(one.delivery_seq for digest, one in known.items() if digest not in still_to_come)
    for path, digest in files.items():
        still_to_come[digest] -= 1
        is_new = digest not in known
        if is_new:
            today = civil_day(clock.now(), platform.context.site.tz)
            known[digest] = raw.land(feed.feed_id, path, digest, today)
        fate = "taken" if is_new else "put back" if raw.put_back(known[digest], path) else "delivered before"
        number = known[digest].delivery_seq
        later = len(settled) - bisect_right(settled, number)
        if not still_to_come[digest]:
            insort(settled, number)
        landed.append(
            {
                "file": str(path),
                "fate": fate,
                "source_file": path.name,
                "batch_id": known[digest].batch_id,
                "later_deliveries": later,
            }
        )
    names, digests = {path.name for path in files}, set(files.values())
    refusals.forget_refused(platform.context.objects, feed.feed_id, names, digests)
    return landed


def new_run_id(now: datetime, kind: str = "bulk") -> str:
    """Return a name for work in bulk, or for what is like it."""
    return f"{kind}-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def refine(
    platform: Platform,
    progress: Progress,
    *,
    jobs: tuple[str, ...] = REFINE_JOBS,
    days: frozenset[date] = frozenset(),
    run_id: str = "",
) -> dict[str, Any]:
    """Run the jobs in order over everything that is new, and `days` in any case; under a name of its own, if none."""
    context = platform.context
    now = context.clock.now()
    run_date = max(days, default=civil_day(now, context.site.tz))
    request = Request(run_id or new_run_id(now), "daily", run_date, days)
    outcomes = {}
    for name in jobs:
        progress(name)
        outcomes[name] = load_job(name)(context, request)
    return {"run_id": request.run_id, "jobs": outcomes}


def days_to_rebuild(platform: Platform, changes: Changes) -> frozenset[date]:
    """Return the days that the lake built with what has changed since.

    After a change of values these are the days of the feed's records in bronze, else all there are: another zone,
    or another column, can move any record.
    """
    lake = platform.lake
    if changes.site or changes.reread:
        return frozenset().union(
            *(lake.changes(table, "").days for table in (*_BRONZE, ENCOUNTERS, QUARANTINE, BATCH_ACCOUNTS))
        )
    if not changes.feeds:
        return frozenset()
    rows = ibis.union(*(lake.read(table).select("feed_id", "dt") for table in _BRONZE))
    days = rows.filter(rows.feed_id.isin(sorted(changes.feeds))).select("dt").distinct()
    return frozenset(platform.context.engine.collect(days)["dt"].to_pylist())


def days_with_records(platform: Platform) -> frozenset[date]:
    """Return the days of which silver has an encounter, or an account at least: every record may be held."""
    return frozenset().union(*(platform.lake.changes(table, "").days for table in (ENCOUNTERS, BATCH_ACCOUNTS)))


def forget_feeds(platform: Platform, feed_ids: Collection[str]) -> None:
    """Empty bronze of these feeds, so that the next ingest reads their raw files again."""
    lake = platform.lake
    notes = {ingest_marker(feed): "0" for feed in platform.context.feeds.values() if feed.feed_id in feed_ids}
    for table in _BRONZE if notes else ():
        rows = lake.read(table)
        is_theirs = rows.feed_id.isin(sorted(feed_ids))
        days = platform.context.engine.collect(rows.filter(is_theirs).select("dt").distinct())["dt"].to_pylist()
        if days or any(lake.note(table, marker) for marker in notes):
            lake.replace_days(table, rows.filter(~is_theirs, rows.dt.isin(days)), sorted(days), notes)


def unreadable(platform: Platform, feeds: Iterable[Feed], progress: Progress) -> list[dict[str, str]]:
    """Return for each feed the first of its raw files that it cannot read, and why; nothing of those that it can."""
    raw, found = platform.context.raw, []
    for feed in feeds:
        for delivery in raw.deliveries(feed.feed_id):
            try:
                with raw.open(delivery) as path:
                    verify([path], feed, progress)
            except DataError as error:
                found.append({"feed_id": feed.feed_id, "batch_id": delivery.batch_id, "reason": error.message})
                break
    return found


def forget_bronze(platform: Platform) -> None:
    """Empty bronze, so that the next ingest reads every raw file again.

    Raises
    ------
    DataError
        If a raw file cannot be read with today's feed file; nothing has changed then.
    """
    for fault in unreadable(platform, platform.context.feeds.values(), lambda step: None):
        raise DataError(
            f"{fault['batch_id']} cannot be read again: {fault['reason']}",
            next_step="Correct the feed file; `hops load` with it leaves bronze of such files as it is.",
        )
    lake = platform.lake
    for table in _BRONZE:
        days = sorted(lake.changes(table, "").days)
        feeds = [feed for feed in platform.context.feeds.values() if bronze_table(feed) == table]
        if days:
            nothing = lake.read(table, days[0], days[0]).limit(0)
            lake.replace_days(table, nothing, days, {ingest_marker(feed): "0" for feed in feeds})


def summary(platform: Platform) -> dict[str, Any]:
    """Return the account of every feed, the quarantine by reason, and the size of every table."""
    context = platform.context
    days = sorted(context.lake.changes(BATCH_ACCOUNTS, "").days)
    accounts = read_accounts(context, days) if days else []
    return {
        "feeds": [{"feed_id": account.feed.feed_id, **account.counts} for account in accounts],
        "quarantine": [
            {
                "feed_id": account.feed.feed_id,
                "reason_code": reason,
                "records": records,
                "explanation": EXPLANATIONS[Reason(reason)],
            }
            for account in accounts
            for reason, records in account.reasons.items()
        ],
        "tables": [size for table in TABLES if (size := _size(platform, table))],
    }


def accounted(platform: Platform, landed: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each landed file what became of its records, and why some are held."""
    context = platform.context
    accounts, held = context.lake.read(BATCH_ACCOUNTS), context.lake.read(QUARANTINE)
    fates = accounts.group_by("batch_id").aggregate(**{fate: accounts[fate].sum() for fate in ACCOUNT})
    held = held.filter(held.state != "released")
    reasons = held.group_by("batch_id", "reason_code").aggregate(records=held.count()).order_by("reason_code")
    counts = {row.pop("batch_id"): row for row in context.engine.collect(fates).to_pylist()}
    why: dict[str, dict[str, int]] = defaultdict(dict)
    for row in context.engine.collect(reasons).to_pylist():
        why[row["batch_id"]][row["reason_code"]] = row["records"]
    nothing = dict.fromkeys(ACCOUNT, 0)
    return [
        {**file, **counts.get(file["batch_id"], nothing), "quarantined_by_reason": why[file["batch_id"]]}
        for file in landed
    ]


def _size(platform: Platform, table: Any) -> dict[str, Any] | None:
    days = platform.lake.changes(table, "").days
    if not days:
        return None
    rows = platform.lake.read(table)
    (counted,) = platform.context.engine.collect(rows.aggregate(rows=rows.count())).to_pylist()
    return {
        "table": table.id,
        "rows": counted["rows"],
        "first": min(days).isoformat(),
        "last": max(days).isoformat(),
        "path": str(platform.table_path(table)),
    }


def sha256_of(path: Path) -> str:
    """Return the hash by which raw knows a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
