"""Delivered files that were refused whole, a small list for each feed: kept until such a file is taken."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.jobs.context import Context
from healthcare_ops.pipeline.quality.report.feed_section import FeedAccount
from healthcare_ops.pipeline.quality.report.refusals import RefusedFile, refused_file
from healthcare_ops.ports import ObjectStore

REFUSED_PREFIX = "ops/refused_files/"
# A file that nobody sends again, such as one that was taken by mistake, is not told of for ever.
TOLD_FOR = timedelta(days=7)
# Of a supplier who sends nothing but such files, the newest are enough.
_KEPT = 200
_log = logging.getLogger(__name__)


def refused_files(objects: ObjectStore, feed_id: str) -> list[RefusedFile]:
    """Return the files of a feed that were refused and not taken since, the newest first; none if it is damaged."""
    key = _key(feed_id)
    if not objects.exists(key):
        return []
    try:
        return [refused_file(document) for document in json.loads(objects.read(key))]
    except (ValueError, KeyError, TypeError, RecursionError):
        _log.warning("%s cannot be read; refused files of the feed are told from now on", key)
        return []


def keep_refused(objects: ObjectStore, feed_id: str, refused: Sequence[RefusedFile]) -> None:
    """Add files that were refused now; of one name the newest counts."""
    if not refused:
        return
    names = {file.source_file for file in refused}
    before = [file for file in refused_files(objects, feed_id) if file.source_file not in names]
    _write(objects, feed_id, [*refused, *before][:_KEPT])


def forget_refused(objects: ObjectStore, feed_id: str, names: Collection[str], hashes: Collection[str]) -> None:
    """Strike off the files that have been taken since: one of the same name came, or the same bytes by another."""
    before = refused_files(objects, feed_id)
    left = [file for file in before if file.source_file not in names and file.sha256 not in hashes]
    if len(left) < len(before):
        _write(objects, feed_id, left)


def with_refused(context: Context, account: FeedAccount) -> FeedAccount:
    """Return the account of a feed with the files that were refused lately, and how many were taken meanwhile."""
    now = context.clock.now()
    found = refused_files(context.objects, account.feed.feed_id)
    refused = tuple(file for file in found if now - TOLD_FOR < file.refused_at <= now)
    if not refused:
        return account
    since = civil_day(now - TOLD_FOR, context.site.tz)
    taken = sum(delivery.delivered_on >= since for delivery in context.raw.deliveries(account.feed.feed_id))
    return replace(account, refused=refused, taken=taken)


def _write(objects: ObjectStore, feed_id: str, files: Sequence[RefusedFile]) -> None:
    text = json.dumps([file.document for file in files], indent=1, ensure_ascii=False)
    objects.write(_key(feed_id), text.encode())


def _key(feed_id: str) -> str:
    return f"{REFUSED_PREFIX}{feed_id}.json"
