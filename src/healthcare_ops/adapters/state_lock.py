"""One process at a time for a part of a state directory's work."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from healthcare_ops.core.errors import LockedError

_LOOK_EVERY_S = 0.05
# Whoever asks for the role of a holder holds a lock that is free for a moment.
_LOOKS_AT_LEAST = 3
_TELL_AFTER_S = 1.0


class Lock(StrEnum):
    """The locks of a state directory, by the names of their files."""

    LAKE = ".lock"  # whoever writes tables, raw files or the configuration
    MODELS = ".models.lock"  # whoever trains
    ENGINE = ".engine.lock"  # whoever runs the state machine
    ALARMS = ".alarms.lock"  # whoever judges the alarms
    INCIDENTS = ".incidents.lock"  # whoever opens incidents, or settles them
    NOTIFICATIONS = ".notifications.lock"  # whoever sends what people are told


Tell = Callable[[str], None]


@dataclass(frozen=True)
class Patience:
    """How long to wait for another process to let go of a state directory, and who is told of a wait."""

    wait_s: float = 0.0
    tell: Tell = lambda message: None


NO_PATIENCE = Patience()


@contextmanager
def lock_state(
    state: Path, lock: Lock = Lock.LAKE, *, wait_s: float = 0.0, role: str = "", tell: Tell = lambda message: None
) -> Iterator[None]:
    """Hold a lock of the directory; the system frees it when the process dies, however it dies.

    Parameters
    ----------
    wait_s
        How long to wait for another process to let go of it.
    role
        What this process is, for those who find the lock held.
    tell
        Is told once, after a second of waiting, whom one waits for.

    Raises
    ------
    LockedError
        If another process holds it; the message names that process.
    """
    began, looks, is_told = time.monotonic(), 1, False
    with (state / lock).open("a+") as holder:
        while not _take(holder.fileno()):
            waited_s = time.monotonic() - began
            in_use = f"{state} is in use by process {' '.join(_holder(state, lock)) or 'unknown'}."
            if looks >= _LOOKS_AT_LEAST and waited_s >= wait_s:
                raise LockedError(in_use, next_step="Wait for it to finish, or use another --state.")
            if waited_s >= _TELL_AFTER_S and not is_told:
                tell(in_use)
                is_told = True
            looks += 1
            time.sleep(_LOOK_EVERY_S)
        holder.truncate(0)
        holder.write(f"{os.getpid()} {role}".strip())
        holder.flush()
        yield


def role_of_holder(state: Path, lock: Lock) -> str | None:
    """Return the role of the process that holds a lock, which may be empty; None if nobody holds it."""
    path = state / lock
    if not path.exists():
        return None
    with path.open("rb") as holder:
        # Shared: who asks at the same time must not be taken for a holder.
        if _take(holder.fileno(), fcntl.LOCK_SH):
            return None
    return " ".join(_holder(state, lock)[1:])


def _take(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(state: Path, lock: Lock) -> list[str]:
    return (state / lock).read_text(encoding="utf-8").split()
