"""Objects in a folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from healthcare_ops.adapters.local_files import write_bytes
from healthcare_ops.core.errors import ConfigError, NotFoundError


class LocalObjects:
    """An object store on a folder; keys are relative paths with forward slashes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, key: str) -> bytes:
        """Return the object."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFoundError(f"there is no object {key!r}.", next_step="Check the name.") from error

    def write(self, key: str, data: bytes) -> None:
        """Store the object, all of it or nothing."""
        write_bytes(self._path(key), data)

    def exists(self, key: str) -> bool:
        """Tell whether there is such an object."""
        return self._path(key).is_file()

    def list(self, prefix: str) -> list[str]:
        """Return the keys under the prefix, sorted."""
        files = (path for path in self._root.rglob("*") if path.is_file() and not path.name.startswith(".new-"))
        keys = (path.relative_to(self._root).as_posix() for path in files)
        return sorted(key for key in keys if key.startswith(prefix))

    def path(self, key: str) -> str:
        """Return where a person can open the object."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts or "\\" in key or "\0" in key:
            raise ConfigError(f"object key {key!r} leaves the store.", next_step="Use a plain relative name.")
        return self._root.joinpath(*parts)
