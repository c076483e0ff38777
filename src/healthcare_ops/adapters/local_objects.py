"""Objects in a folder."""

from __future__ import annotations

from pathlib import Path

from healthcare_ops.adapters.local_files import write_bytes
from healthcare_ops.adapters.object_keys import check_object_key, is_object_key
from healthcare_ops.core.errors import NotFoundError


class LocalObjects:
    """An object store on a folder; keys are relative paths with forward slashes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, key: str) -> bytes:
        """Return the object."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFoundError(f"there is no object {key!r}.", next_step="Check the name.") from error

    def write(self, key: str, data: bytes) -> None:
        """Store the object, all of it or nothing."""
        write_bytes(self._path(key), data)

    def exists(self, key: str) -> bool:
        """Tell whether there is such an object."""
        return self._path(key).is_file()

    def list(self, prefix: str) -> list[str]:
        """Return the keys under the prefix, sorted."""
        folder, slash, _ = prefix.rpartition("/")
        # Only where the prefix points: the store may hold the whole lake.
        start = self._path(folder) if slash else self._root
        keys = (path.relative_to(self._root).as_posix() for path in start.rglob("*") if path.is_file())
        return sorted(key for key in keys if key.startswith(prefix) and is_object_key(key))

    def delete(self, key: str) -> None:
        """Remove the object, if there is one."""
        self._path(key).unlink(missing_ok=True)

    def path(self, key: str) -> str:
        """Return where a person can open the object."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        check_object_key(key)
        return self._root / key
