"""Files to which several processes add lines; what a crash cut short spoils no other line."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from healthcare_ops.adapters.local_files import sync


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Add lines to a file for good: a loss of power does not take them. One writer at a time; the others wait."""
    new_folders = [folder for folder in path.parents if not folder.exists()]
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # the file of a writer who is in the midst of a line looks cut short
        size = stream.seek(0, os.SEEK_END)
        is_cut = size > 0 and os.pread(stream.fileno(), 1, size - 1) != b"\n"
        text = "".join(f"{line}\n" for line in lines)
        stream.write(("\n" + text if is_cut else text).encode())
        stream.flush()
        os.fsync(stream.fileno())
    if is_new:
        for folder in (path.parent, *(folder.parent for folder in new_folders)):
            sync(folder)
