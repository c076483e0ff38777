"""Files to which several processes add lines; what a crash cut short spoils no other line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from healthcare_ops.adapters.local_files import sync


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Add lines to a file in one write, for good: a loss of power does not take them."""
    new_folders = [folder for folder in path.parents if not folder.exists()]
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(handle).st_size
        is_cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        text = "".join(f"{line}\n" for line in lines)
        os.write(handle, ("\n" + text if is_cut else text).encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        for folder in (path.parent, *(folder.parent for folder in new_folders)):
            sync(folder)
