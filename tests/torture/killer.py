"""Deaths from outside: a library numbers every change of a file in a state directory, and kills at one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SOURCE = Path(__file__).with_name("killer.c")
COMPILER_MISSING = "cc is not installed. On Debian: apt-get install -y gcc"

Whom = Literal["group", "self"]
When = Literal["before", "half", "after"]

# The first that fits; what is left are the product's own objects.
_PARTS = (
    ("lake/catalog.db", "catalog"),
    ("lake/", "lake data"),
    ("lake", "catalog"),  # the folder is synced when the catalog's journal goes
    ("runs.db", "run store"),
    ("ops/runs/", "run record"),
    ("ops/logs/", "log"),
    ("raw", "raw"),
    ("models", "model"),
    ("gold", "quality report"),
    ("tmp", "scratch"),
    (".", "lock"),
)
PARTS = ("run store", "catalog", "lake metadata", "lake data", "run record", "raw", "quality report", "model", "log")
OTHER = ("lock", "scratch", "object")
_FAST = 20


@dataclass(frozen=True)
class Point:
    """One change of a file: the number it had, the process, the kind of call, and the path below the state."""

    number: int
    process: int
    call: str
    path: str

    @property
    def part(self) -> str:
        """Return what the path is a part of."""
        path = self.path.strip("/")
        if not path:
            return "run store"  # the folder is synced when the store's journal goes
        if path.startswith("lake/") and "/metadata" in path:
            return "lake metadata"
        return next((part for start, part in _PARTS if path.startswith(start)), "object")


@dataclass
class Killer:
    """The compiled library, and the files through which it is told what to do; a folder a lane."""

    library: Path
    folder: Path
    _log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log = self.folder / "points.log"

    def armed(self, state: Path, at: int, whom: Whom = "group", when: When = "before") -> Mapping[str, str]:
        """Return the environment of a process that dies at point `at` of the state directory; never, if it is 0."""
        counter = self.folder / "counter"
        counter.write_bytes(bytes(4096))
        self._log.unlink(missing_ok=True)
        armed = {
            "LD_PRELOAD": str(self.library),
            "KILLER_ROOT": str(state),
            "KILLER_COUNTER": str(counter),
            "KILLER_LOG": str(self._log),
            "KILLER_AT": str(at),
            "KILLER_WHOM": whom,
            "KILLER_WHEN": when,
        }
        # Where the engine lives on, it waits before it calls a new worker.
        return {**os.environ, **armed} | ({"KILLER_SPEED": str(_FAST)} if whom == "self" else {})

    def points(self) -> list[Point]:
        """Return what the last armed process, and its children, did."""
        if not self._log.exists():
            return []
        found = []
        for line in self._log.read_text().splitlines():
            number, process, call, path = line.split(" ", 3)
            found.append(Point(int(number), int(process), call, path))
        return sorted(found, key=lambda point: point.number)


def has_compiler() -> bool:
    """Tell whether the library can be made here."""
    return shutil.which("cc") is not None


def compile_killer(folder: Path) -> Path:
    """Return the library."""
    library = folder / "killer.so"
    command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library
