"""Who did what, and why: an object an entry, each with the hash of the one before."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.incident import PLATFORM
from healthcare_ops.jobs.audit_log import LOOK, Entry, entry_key, kept_entries
from healthcare_ops.ports import ObjectStore

_FIRST = "0" * 64
# What the platform does by itself; of each a person's way there asks who it is before.
_OF_THE_PLATFORM = "incidents."
# The log is kept for ever and read by people.
_LONGEST = 500


@dataclass(frozen=True)
class Fault:
    """What is wrong with an entry of the log: its number and key, and what and when it says that it was.

    `action` and `at` are null where there is no such entry; they may be what was changed.
    """

    number: int
    key: str
    action: str | None
    at: str | None
    sentence: str


def record(
    objects: ObjectStore, at: datetime, *, who: str, action: str, reason: str, details: Mapping[str, Any]
) -> Entry:
    """Add an entry and return it; the caller holds the state's lock.

    Raises
    ------
    ConfigError
        If nobody is named, or no reason; if the log is not whole: what is added to it would be worth nothing.
    """
    if who != PLATFORM or not action.startswith(_OF_THE_PLATFORM):
        require_said("--by", who)
    require_said("--reason", reason)
    kept = kept_entries(objects)
    if faults := breaks(kept):
        raise ConfigError(f"the audit log is not whole, so nothing was done: {faults[0].sentence}.", next_step=LOOK)
    last = kept[max(kept)] if kept else None
    number, previous = (last.number + 1, last.hash) if last else (1, _FIRST)
    entry = Entry(number, at.isoformat(), who.strip(), action, reason.strip(), dict(details), previous)
    entry = replace(entry, seal=entry.hash)
    objects.write(entry_key(number), json.dumps(asdict(entry), indent=1, ensure_ascii=False).encode())
    return entry


def require_said(option: str, text: str) -> None:
    """Raise `ConfigError` if a name or a reason says nothing, is too long, or holds what is no text of one line.

    A name must be a person's: what the platform does by itself stands in the log under its own.
    """
    if not text.strip():
        raise ConfigError(f"{option} {text!r} names nothing.", next_step="Say who decides, and why.")
    if len(text) > _LONGEST:
        raise ConfigError(f"{option} has {len(text):,} characters, more than {_LONGEST}.", next_step="Say it in fewer.")
    if not text.isprintable():
        raise ConfigError(
            f"{option} {text!r} holds a line break, a control character or one that turns text around.",
            next_step="Write one line of plain text.",
        )
    if option in ("--by", "--to") and unicodedata.normalize("NFKC", text).strip().casefold() == PLATFORM:
        raise ConfigError(f"{option} {text!r} is the platform, no person.", next_step="Say who decides.")


def breaks(kept: Mapping[int, Entry | None]) -> list[Fault]:
    """Return what is wrong with the log, from the first entry that does not fit; nothing if it is whole.

    It shows an entry that was changed, taken out or put in. That the newest one was written anew, seal and all, or that
    the newest ones were taken away, it cannot show: compare the hash of the newest one with a copy kept elsewhere.

    Parameters
    ----------
    kept
        `kept_entries`.
    """
    faults = [_missing(before, number) for before, number in pairwise((0, *kept)) if number > before + 1]
    changed = {number: text for number, entry in kept.items() if (text := _own_fault(kept, number, entry))}
    faults += [_fault(number, kept[number], text) for number, text in changed.items()]
    suspects = set(changed)
    for number in sorted(kept, reverse=True):
        entry, before = kept[number], kept.get(number - 1)
        if number in suspects or entry is None or (number > 1 and before is None):
            continue  # what it says of the one before proves nothing
        if number == 1:
            if entry.previous != _FIRST:
                faults.append(_fault(1, entry, "was written after another one, which is gone"))
        elif before and number - 1 not in changed and entry.previous != before.hash:
            suspects.add(number - 1)
            is_vouched = kept.get(number + 1) is not None and number + 1 not in suspects
            faults.append(_fault(number - 1, before, _replaced(number, entry, is_vouched=is_vouched)))
    return sorted(faults, key=lambda fault: fault.number)


def _own_fault(kept: Mapping[int, Entry | None], number: int, entry: Entry | None) -> str:
    """Return what an entry's own text shows: that it was changed; empty if nothing."""
    if entry is None:
        return "is no entry any more"
    if entry.number != number:
        return f"was changed: it says that it is entry {entry.number}"
    if entry.seal and entry.seal != entry.hash:
        return "was changed: its hash is not the one that was written with it"
    if not entry.seal and any(one and one.seal for other, one in kept.items() if other < number):
        return "was changed: the hash that was written with it is gone"
    return ""


def _replaced(number: int, entry: Entry, *, is_vouched: bool) -> str:
    if is_vouched:
        return f"was changed or replaced: entry {number} was written after another one"
    after = f"entry {number} ({entry.action}, {entry.at})"
    return f"was changed or replaced, or else {after}: that one was written after another, and no newer one tells which"


def _missing(before: int, number: int) -> Fault:
    first, last = before + 1, number - 1
    told = f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
    return Fault(first, entry_key(first), None, None, told)


def _fault(number: int, entry: Entry | None, text: str) -> Fault:
    key = entry_key(number)
    if entry is None:
        return Fault(number, key, None, None, f"entry {number} ({key}) {text}")
    told = f"entry {number} ({entry.action}, {entry.at}, {key}) {text}"
    return Fault(number, key, entry.action, entry.at, told)
