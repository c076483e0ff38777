"""Who did what, and why: an object an entry, each with the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.ports import ObjectStore

_PREFIX = "ops/audit/"
_FIRST = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One act: `at` is an instant with its offset, `details` hold no patient's data and no secret."""

    number: int
    at: str
    who: str
    action: str
    reason: str
    details: Mapping[str, Any]
    previous: str

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the entry, in hexadecimal, which the next entry holds."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def record(
    objects: ObjectStore, at: datetime, *, who: str, action: str, reason: str, details: Mapping[str, Any]
) -> Entry:
    """Add an entry and return it; the caller holds the state's lock.

    Raises
    ------
    ConfigError
        If nobody is named, or no reason.
    """
    require_said("--by", who)
    require_said("--reason", reason)
    keys = objects.list(_PREFIX)
    last = _read(objects, keys[-1]) if keys else None
    number, previous = (last.number + 1, last.hash) if last else (1, _FIRST)
    entry = Entry(number, at.isoformat(), who.strip(), action, reason.strip(), dict(details), previous)
    objects.write(f"{_PREFIX}{number:08d}.json", json.dumps(asdict(entry), indent=1, ensure_ascii=False).encode())
    return entry


def require_said(option: str, text: str) -> None:
    """Raise `ConfigError` if a name or a reason says nothing, or holds what is no text of one line."""
    if not text.strip() or not text.isprintable():
        raise ConfigError(f"{option} {text!r} names nothing.", next_step="Say who decides, and why.")


def entries(objects: ObjectStore) -> list[Entry]:
    """Return all entries, the oldest first; `ConfigError` if one can no longer be read."""
    return [_read(objects, key) for key in objects.list(_PREFIX)]


def breaks(found: list[Entry]) -> list[str]:
    """Return where the chain of entries is broken; nothing if it is whole.

    It shows an entry that was changed, taken out or put in. What happened to the newest entry, or that the newest ones
    were taken away, it cannot show: compare the hash of the newest one with a copy kept elsewhere.
    """
    faults, previous, expected = [], _FIRST, 1
    for entry in found:
        if entry.number != expected:
            faults.append(f"entry {expected} is missing")
        if entry.previous != previous:
            faults.append(f"entry {entry.number} does not follow what is there before it")
        previous, expected = entry.hash, entry.number + 1
    return faults


def _read(objects: ObjectStore, key: str) -> Entry:
    try:
        return Entry(**json.loads(objects.read(key)))
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"the audit log is not whole: {key} is no entry any more.", next_step="Compare it with a backup."
        ) from error
