"""Files that are either the old ones or the new ones, never half of one."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from healthcare_ops.core.errors import DataError

_BLOCK = 1 << 20


@contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Yield a stream whose content takes the place of `path`, for good, when the block ends without an error."""
    new_folders = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    for folder in (path.parent, *(folder.parent for folder in new_folders)):
        sync(folder)


def sync(path: Path) -> None:
    """Have the content of a file, or the names in a folder, on the disk: a loss of power does not take them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put `data` in the place of `path`, atomically."""
    with replacing(path, mode=mode) as stream:
        stream.write(data)


def create_private(path: Path, data: bytes) -> None:
    """Make `path` with `data`, for its owner only, unless it exists: of several at once, the first one wins."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        # A link never replaces a file, and nobody sees the file before it is whole.
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        Path(temporary).unlink()
    sync(path.parent)


def copy_file(source: Path, target: Path, sha256: str) -> None:
    """Copy a file, atomically; `DataError`, and no copy, if the bytes that were copied have another hash."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, replacing(target) as writer:
        while block := reader.read(_BLOCK):
            digest.update(block)
            writer.write(block)
        if digest.hexdigest() != sha256:
            raise DataError(f"{source.name} changed while it was read.", next_step="Load it again when it is whole.")
