"""Files to which several processes add lines; what a crash cut short spoils no other line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def append_lines(path: Path, lines: Sequence[str], *, is_durable: bool = False) -> None:
    """Add lines to a file in one write; `is_durable`: a loss of power does not take them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(handle).st_size
        is_cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        text = "".join(f"{line}\n" for line in lines)
        os.write(handle, ("\n" + text if is_cut else text).encode())
        if is_durable:
            os.fsync(handle)
    finally:
        os.close(handle)
