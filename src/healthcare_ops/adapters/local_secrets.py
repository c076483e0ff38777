"""Secrets in an AES-256-GCM file whose key lies beside it, readable by its owner only."""

from __future__ import annotations

import base64
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from healthcare_ops.adapters.local_files import create_private, write_bytes
from healthcare_ops.core.clock import Clock
from healthcare_ops.core.errors import ConfigError

_NONCE_BYTES = 12


class LocalSecrets:
    """Named secrets in one folder; each is sealed under its own name, so that none can pose as another."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._key_file = folder / "key"
        self._store_file = folder / "store.json"
        self._clock = clock

    def get(self, name: str) -> bytes:
        """Return the secret."""
        entry = self._entry(name)
        try:
            sealed = base64.b64decode(entry["sealed"], validate=True)
            return AESGCM(self._key()).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"secret {name!r} in {self._store_file} does not open: wrong key or altered file.",
                next_step="Restore key and store from the same backup.",
            ) from error

    def put(self, name: str, value: bytes) -> None:
        """Store the secret, replacing an earlier one."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + AESGCM(self._key()).encrypt(nonce, value, name.encode())
        entry = {"sealed": base64.b64encode(sealed).decode(), "created_at": self._clock.now().isoformat()}
        entries = self._entries() | {name: entry}
        write_bytes(self._store_file, json.dumps(entries, indent=1, sort_keys=True).encode(), mode=0o600)

    def names(self) -> list[str]:
        """Return the names that are set, sorted."""
        return sorted(self._entries())

    def set_at(self, name: str) -> datetime:
        """Return the instant (UTC) at which the secret was set last."""
        try:
            return datetime.fromisoformat(self._entry(name)["created_at"]).astimezone(UTC)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{self._store_file} does not tell when secret {name!r} was set.", next_step="Set the secret again."
            ) from error

    def _entry(self, name: str) -> Any:
        entry = self._entries().get(name)
        if entry is None:
            raise ConfigError(f"secret {name!r} is not set.", next_step="Run `hops init`.")
        return entry

    def _entries(self) -> dict[str, Any]:
        if not self._store_file.exists():
            return {}
        try:
            entries = json.loads(self._store_file.read_bytes())
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{self._store_file} is not a secret store: {error}.", next_step="Restore it from a backup."
            ) from error
        if not isinstance(entries, dict):
            raise ConfigError(f"{self._store_file} is not a secret store.", next_step="Restore it from a backup.")
        return entries

    def _key(self) -> bytes:
        if not self._key_file.exists():
            self._create_key()
        mode = stat.S_IMODE(self._key_file.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(
                f"{self._key_file} has mode {mode:04o}: others can read it.",
                next_step=f"Run `chmod 600 {self._key_file}` and rotate the secrets.",
            )
        key = self._key_file.read_bytes()
        if len(key) != 32:
            raise ConfigError(f"{self._key_file} is not a 256-bit key.", next_step="Restore it from a backup.")
        return key

    def _create_key(self) -> None:
        if self._store_file.exists() and not self._key_file.exists():
            raise ConfigError(
                f"{self._key_file} is missing, and {self._store_file} needs it.",
                next_step="Restore it from a backup.",
            )
        folder = self._key_file.parent
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        # Of two processes that start together, one makes the key and both use it.
        create_private(self._key_file, AESGCM.generate_key(bit_length=256))
