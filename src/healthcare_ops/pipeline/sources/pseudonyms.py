"""Identifiers to pseudonyms: keyed, one-way, and joinable within one key."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from healthcare_ops.core.errors import ConfigError

Purpose = Literal["encounter", "patient", "event"]
# 128 bits: half of SHA-256, the least that RFC 2104 advises, and no collisions at hospital scale.
_HEX_DIGITS = 32


@dataclass(frozen=True)
class Pseudonymiser:
    """HMAC-SHA256 under one key; the key id stands before each pseudonym so that a rotation is visible.

    Raises
    ------
    ConfigError
        If the key or its id is empty: without a secret, anyone can compute the pseudonym of a known number.
    """

    key_id: str
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.key_id or not self.key:
            raise ConfigError(
                f"pseudonymisation key {self.key_id!r} is empty or has no id.",
                next_step="Restore the secret store from a backup.",
            )

    def encode(self, values: Any, purpose: Purpose) -> Any:
        """Return pseudonyms of a text array; null stays null.

        The purpose keeps a patient number and an equal encounter number apart; the feed does not enter, so
        that two feeds of one hospital join.
        """
        encoded = values.dictionary_encode()
        chunks = encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]
        # One key schedule for all: the copies cost half of a new digest each.
        start = hmac.new(self.key, purpose.encode() + b"\0", hashlib.sha256)
        taken = [self._encode_distinct(chunk.dictionary, start).take(chunk.indices) for chunk in chunks]
        return pa.concat_arrays([pa.array([], pa.string()), *taken])

    def _encode_distinct(self, distinct: Any, start: hmac.HMAC) -> Any:
        return pa.array([self._one(value, start) for value in distinct.to_pylist()], pa.string())

    def _one(self, value: str, start: hmac.HMAC) -> str:
        digest = start.copy()
        digest.update(value.encode())
        return f"{self.key_id}.{digest.hexdigest()[:_HEX_DIGITS]}"
