"""The audit log as it is read: what people decided, the newest of which must be what counts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.ports import ObjectStore

AUDIT_PREFIX = "ops/audit/"
LOOK = 'Run `hops audit verify`; docs/data-quality.md, "A log that is not whole", says how to go on.'
_KEY = re.compile(rf"{AUDIT_PREFIX}(\d{{8}})\.json")


@dataclass(frozen=True)
class Entry:
    """One act: `at` is an instant with its offset, `details` hold no patient's data and no secret.

    `previous` is the hash of the entry before; `seal` its own, as it was when it was written, empty in old entries.
    """

    number: int
    at: str
    who: str
    action: str
    reason: str
    details: Mapping[str, Any]
    previous: str
    seal: str = ""

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the entry but for its seal, in hexadecimal, which the next entry holds."""
        act = {name: value for name, value in asdict(self).items() if name != "seal"}
        return hashlib.sha256(json.dumps(act, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def entries(objects: ObjectStore) -> list[Entry]:
    """Return all entries, the oldest first; `ConfigError` if one can no longer be read."""
    return [_read(objects, key) for key in _keys(objects)]


def kept_entries(objects: ObjectStore) -> dict[int, Entry | None]:
    """Return what is kept under each number, the oldest first; null for what is no entry any more."""
    found: dict[int, Entry | None] = {}
    for key in _keys(objects):
        number = int(key.removeprefix(AUDIT_PREFIX).removesuffix(".json"))
        try:
            found[number] = _read(objects, key)
        except ConfigError:
            found[number] = None
    return found


def entry_key(number: int) -> str:
    """Return where the entry of this number is kept."""
    return f"{AUDIT_PREFIX}{number:08d}.json"


def _keys(objects: ObjectStore) -> list[str]:
    """Return the keys of entries, the oldest first; what else lies there, such as a copy, is none."""
    return [key for key in objects.list(AUDIT_PREFIX) if _KEY.fullmatch(key)]


def _read(objects: ObjectStore, key: str) -> Entry:
    try:
        entry = Entry(**json.loads(objects.read(key), object_pairs_hook=_each_once))
        texts = (entry.at, entry.who, entry.action, entry.reason, entry.previous, entry.seal)
        is_whole = type(entry.number) is int and isinstance(entry.details, dict)
        if not is_whole or not all(isinstance(text, str) for text in texts):
            raise TypeError("a value is of another kind")
        return entry
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"the audit log is not whole: {key} is no entry any more.", next_step=LOOK) from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; of a name that stands twice, people would see the one and a parser take the other."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def rules_adopted(objects: ObjectStore) -> dict[str, str]:
    """Return what the log says that counts of the site's own rules: the version by table."""
    adopted: dict[str, str] = {}
    for entry in entries(objects):
        if entry.action == "dq.rules.adopt":
            adopted[_detail(entry, "table")] = _detail(entry, "version")
        elif entry.action == "dq.rules.drop":
            adopted.pop(_detail(entry, "table"), None)
    return adopted


def newest_decisions(objects: ObjectStore) -> dict[tuple[str, str], Entry]:
    """Return the newest entry about held rows of each rule and delivery."""
    return {
        (_detail(entry, "rule"), _detail(entry, "batch_id")): entry
        for entry in entries(objects)
        if entry.action in ("dq.release", "dq.reject", "dq.hold")
    }


def _detail(entry: Entry, name: str) -> str:
    if name not in entry.details:
        raise ConfigError(
            f"the audit log is not whole: {entry_key(entry.number)} tells of no {name}.",
            next_step=LOOK,
        )
    return str(entry.details[name])
