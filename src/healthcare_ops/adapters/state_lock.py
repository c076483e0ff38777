"""One writer at a time for a state directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from healthcare_ops.core.errors import LockedError


@contextmanager
def lock_state(state: Path) -> Iterator[None]:
    """Hold the directory's lock; the system frees it when the process dies, however it dies.

    Raises
    ------
    LockedError
        If another process holds it; the message names that process.
    """
    with (state / ".lock").open("a+") as holder:
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder.seek(0)
            raise LockedError(
                f"{state} is in use by process {holder.read().strip() or 'unknown'}.",
                next_step="Wait for it to finish, or use another --state.",
            ) from error
        holder.truncate(0)
        holder.write(str(os.getpid()))
        holder.flush()
        yield
