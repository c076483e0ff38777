"""Who did what, and why: an object an entry, each with the hash of the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.jobs.audit_log import Entry, entry_key, newest_entry
from healthcare_ops.ports import ObjectStore

_FIRST = "0" * 64


def record(
    objects: ObjectStore, at: datetime, *, who: str, action: str, reason: str, details: Mapping[str, Any]
) -> Entry:
    """Add an entry and return it; the caller holds the state's lock.

    Raises
    ------
    ConfigError
        If nobody is named, or no reason; if the newest entry is none any more.
    """
    require_said("--by", who)
    require_said("--reason", reason)
    last = newest_entry(objects)
    number, previous = (last.number + 1, last.hash) if last else (1, _FIRST)
    entry = Entry(number, at.isoformat(), who.strip(), action, reason.strip(), dict(details), previous)
    objects.write(entry_key(number), json.dumps(asdict(entry), indent=1, ensure_ascii=False).encode())
    return entry


def require_said(option: str, text: str) -> None:
    """Raise `ConfigError` if a name or a reason says nothing, or holds what is no text of one line."""
    if not text.strip() or not text.isprintable():
        raise ConfigError(f"{option} {text!r} names nothing.", next_step="Say who decides, and why.")


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
