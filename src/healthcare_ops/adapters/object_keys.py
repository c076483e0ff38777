"""Which names an object may have, whatever keeps it."""

from __future__ import annotations

from healthcare_ops.core.errors import ConfigError


def is_object_key(key: str) -> bool:
    """Tell whether `key` is a plain relative name, such as `reports/dt=2026-03-01/x.json`.

    Its parts are not empty and do not start with a dot, so that one object has one name, none lies outside
    the store, and a folder can hold files of its own (locks, files half written) beside the objects.
    """
    parts = key.split("/")
    return not any(not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts)


def check_object_key(key: str) -> None:
    """Do nothing, or raise `ConfigError` for a key that leaves the store or has a second spelling."""
    if not is_object_key(key):
        raise ConfigError(
            f"object key {key!r} is not a plain relative name: parts may not be empty, start with a dot or hold \\.",
            next_step="Use a name such as 'reports/today.json'.",
        )
