"""What makes things go wrong: files, processes and the clock, and nothing else."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from healthcare_ops.operations.drills.control import DrilledPlatform, Event, kill_process, stop_process

_DROP_FROM_BOUNDING_SET = 24  # prctl(2), PR_CAPBSET_DROP
_OVERRIDES = (1, 2)  # capabilities(7): CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_CANNOT = 71
LAUNCHER = (sys.executable, "-m", "healthcare_ops.operations.drills.injectors")


@dataclass
class AtState:
    """Acts when a run enters a state for the first time, before the state is tried."""

    state: str
    act: Callable[[Event], None]
    is_done: bool = False

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        if not self.is_done and event["event"] == "entered" and event["state"] == self.state:
            self.is_done = True
            self.act(event)


class CatalogHeld:
    """The lake's catalog, held by another program, so that nobody else can read or write it."""

    def __init__(self, state: Path) -> None:
        self._path = state / "lake" / "catalog.db"
        self._holder: sqlite3.Connection | None = None

    def hold(self) -> None:
        """Take it."""
        self._holder = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        self._holder.execute("BEGIN EXCLUSIVE")

    def let_go(self) -> None:
        """Give it back, as it was."""
        if self._holder is not None:
            self._holder.execute("ROLLBACK")
            self._holder.close()
            self._holder = None


@dataclass
class WorkersAtFault:
    """Whatever process jobs run in is stopped (`hang`) or ended (`kill`) as soon as it is there, for so many attempts.

    While one hangs, time goes by as fast as the drill lets it.
    """

    platform: DrilledPlatform
    how: str
    attempts: int
    step: timedelta = timedelta(minutes=5)
    struck: list[int] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _pause_s: float = 0.0

    def begin(self, pause_s: float = 0.0) -> None:
        """Strike from now on; `pause_s` is how long a process may work before it is ended."""
        self._pause_s = pause_s
        threading.Thread(target=self._strike_all, daemon=True).start()

    def heard(self, event: Event) -> None:
        """Hear of an event: an attempt is over when the run waits, or ends."""
        if event["event"] == "ended" or (event["event"] == "entered" and event["state"] == "OpenIncident"):
            self._ended.set()

    def _strike_all(self) -> None:
        while not self._ended.is_set() and len(self.struck) < self.attempts:
            for pid in self.platform.workers():
                if pid not in self.struck and not self._ended.is_set():
                    self._strike(pid)
            time.sleep(0.02)

    def _strike(self, pid: int) -> None:
        self.struck.append(pid)
        if self.how == "kill":
            time.sleep(self._pause_s)
            kill_process(pid)
            return
        stop_process(pid)
        while not _is_gone(pid) and not self._ended.is_set():
            self.platform.move(self.platform.now + self.step)
            time.sleep(0.25)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return True
    return False


class Denied:
    """A folder that its owner may neither read nor write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mode = folder.stat().st_mode & 0o7777

    def deny(self) -> None:
        """Take all rights."""
        self.folder.chmod(0)

    def allow(self) -> None:
        """Give them back."""
        self.folder.chmod(self._mode)

    def __enter__(self) -> Self:
        self.deny()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.allow()


def why_nothing_is_denied(folder: Path) -> str:
    """Return why rights of folders bind nobody here; empty if they do."""
    place = folder / "denied"
    place.mkdir(exist_ok=True)
    with Denied(place):
        tried = subprocess.run(  # noqa: S603  # this product's own program
            [*LAUNCHER, sys.executable, "-c", f"import os; os.listdir({str(place)!r})"],
            capture_output=True,
            text=True,
            check=False,
        )
    place.rmdir()
    if tried.returncode == _CANNOT:
        return f"an administrator may read and write everything, and cannot give that up here: {tried.stderr.strip()}"
    return "" if tried.returncode else "the rights of a folder bind nobody here"


def without_override(command: Sequence[str]) -> None:
    """Become another program; an administrator's may read and write no more than its folders allow."""
    if os.geteuid() == 0:
        libc: Any = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "prctl"):
            sys.stderr.write("this system has no prctl; run the drill as another user\n")
            sys.exit(_CANNOT)
        for capability in _OVERRIDES:
            if libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0):
                sys.stderr.write(f"{os.strerror(ctypes.get_errno())}; run the drill as another user\n")
                sys.exit(_CANNOT)
    os.execv(command[0], list(command))  # noqa: S606  # this product's own program


def cut_short(path: Path, keep: float) -> int:
    """Cut a file in the middle of a line; return how many bytes are left."""
    content = path.read_bytes()
    size = int(len(content) * keep)
    while size > 1 and content[size - 1 : size] == b"\n":
        size -= 1
    path.write_bytes(content[:size])
    return size


def spoil_bytes(path: Path, keep: float) -> int:
    """Put bytes that are no text into a file; return where."""
    content = bytearray(path.read_bytes())
    place = int(len(content) * keep)
    content[place : place + 4] = b"\xff\xfe\xff\xfe"
    path.write_bytes(bytes(content))
    return place


def rename_column(path: Path, column: str) -> int:
    """Give a column another name; return the number of its line."""
    head, line, rest = path.read_text(encoding="utf-8").partition("\n")
    names = [f"{name}_x" if name == column else name for name in head.split(",")]
    path.write_text(",".join(names) + line + rest, encoding="utf-8")
    return 1


if __name__ == "__main__":
    without_override(sys.argv[1:])
