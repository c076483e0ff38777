"""When the newest forecast was made and each feed delivered last: small notes that are read without an engine."""

from __future__ import annotations

import json
from datetime import datetime

from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.ports import ObjectStore

FORECAST = "forecast"
_FOLDER = "ops/newest"


def delivery_of(feed_id: str) -> str:
    """Return what the newest delivery of a feed is called."""
    return f"delivery.{feed_id}"


def note_newest(objects: ObjectStore, what: str, at: datetime) -> None:
    """Keep the instant, unless a later one is kept: history may be replayed beside the present."""
    before = newest(objects, what)
    if before is None or before < at:
        objects.write(_key(what), json.dumps({"at": at.isoformat()}).encode())


def newest(objects: ObjectStore, what: str) -> datetime | None:
    """Return the instant; None if there is none, or nobody can read it."""
    try:
        return datetime.fromisoformat(json.loads(objects.read(_key(what)))["at"])
    except (NotFoundError, ValueError, TypeError, KeyError):  # the next one is noted anew
        return None


def _key(what: str) -> str:
    return f"{_FOLDER}/{what}.json"
