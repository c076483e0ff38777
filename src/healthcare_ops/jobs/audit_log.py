"""The audit log as it is read: what people decided, the newest of which must be what counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.ports import ObjectStore

AUDIT_PREFIX = "ops/audit/"


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


def entries(objects: ObjectStore) -> list[Entry]:
    """Return all entries, the oldest first; `ConfigError` if one can no longer be read."""
    return [read_entry(objects, key) for key in objects.list(AUDIT_PREFIX)]


def read_entry(objects: ObjectStore, key: str) -> Entry:
    """Return an entry; `ConfigError` if it can no longer be read."""
    try:
        return Entry(**json.loads(objects.read(key)))
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"the audit log is not whole: {key} is no entry any more.", next_step="Compare it with a backup."
        ) from error


def rules_adopted(objects: ObjectStore) -> dict[str, str]:
    """Return what the log says that counts of the site's own rules: the version by table."""
    adopted: dict[str, str] = {}
    for entry in entries(objects):
        if entry.action == "dq.rules.adopt":
            adopted[entry.details["table"]] = entry.details["version"]
        elif entry.action == "dq.rules.drop":
            adopted.pop(entry.details["table"], None)
    return adopted


def newest_decisions(objects: ObjectStore) -> dict[tuple[str, str], Entry]:
    """Return the newest entry about held rows of each rule and delivery."""
    return {
        (entry.details["rule"], entry.details["batch_id"]): entry
        for entry in entries(objects)
        if entry.action in ("dq.release", "dq.reject", "dq.hold")
    }
