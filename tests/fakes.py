"""The ports in memory: working classes, held to the same contract tests as the real adapters."""

from __future__ import annotations

from healthcare_ops.adapters.object_keys import check_object_key
from healthcare_ops.core.errors import ConfigError, NotFoundError


class MemoryObjects:
    """An object store that lasts as long as the test."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def read(self, key: str) -> bytes:
        if not self.exists(key):
            raise NotFoundError(f"there is no object {key!r}.", next_step="Check the name.")
        return self._objects[key]

    def write(self, key: str, data: bytes) -> None:
        check_object_key(key)
        self._objects[key] = bytes(data)

    def exists(self, key: str) -> bool:
        check_object_key(key)
        return key in self._objects

    def list(self, prefix: str) -> list[str]:
        if "/" in prefix:
            check_object_key(prefix.rpartition("/")[0])
        return sorted(key for key in self._objects if key.startswith(prefix))

    def path(self, key: str) -> str:
        check_object_key(key)
        return f"memory/{key}"


class MemorySecrets:
    """A secret store that lasts as long as the test."""

    def __init__(self) -> None:
        self._secrets: dict[str, bytes] = {}

    def get(self, name: str) -> bytes:
        if name not in self._secrets:
            raise ConfigError(f"secret {name!r} is not set.", next_step="Run `hops init`.")
        return self._secrets[name]

    def put(self, name: str, value: bytes) -> None:
        self._secrets[name] = bytes(value)

    def names(self) -> list[str]:
        return sorted(self._secrets)
