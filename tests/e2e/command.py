"""`hops` as an operator runs it, and what a run leaves behind."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.tables import TABLES
from healthcare_ops.entrypoints.cli import main

# The command beside this interpreter, for what only a process of its own can show.
PROGRAM = str(Path(sys.executable).with_name("hops"))
# A shell's background job hands on that Ctrl-C is to be ignored.
HEARING_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from healthcare_ops.entrypoints.cli import main
main()
"""
# What a terminal or a person may have set; a test that means one of them sets it itself.
_SETTINGS = ("HOPS_STATE", "HOPS_LOG", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS")


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it wrote where."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Return the one JSON document that stdout is; anything else on it is an error."""
        found: dict[str, Any] = json.loads(self.out)
        assert found["schema_version"] in (1, 2)  # the report of data quality is in its second form
        return found

    @property
    def message(self) -> str:
        """Return what went wrong, as stderr says it."""
        return self.err.splitlines()[0].removeprefix("hops: ")

    @property
    def next_step(self) -> str:
        """Return what stderr says that the operator can do; it and the message are all there is."""
        _, second = self.err.splitlines()
        assert second.startswith("  next: ")
        return second.removeprefix("  next: ")


def run_hops(*arguments: Any, **settings: str) -> Outcome:
    """Run the command in this process, without a terminal; `settings` stand in the environment."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["hops", *map(str, arguments)])
        for name in _SETTINGS:
            patched.delenv(name, raising=False)
        for name, value in settings.items():
            patched.setenv(name, value)
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            main()
    return Outcome(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def environment(**settings: str) -> dict[str, str]:
    """Return the environment for a process of its own: this one's, less what a person may have set."""
    return {name: value for name, value in os.environ.items() if name not in _SETTINGS} | settings


def contents(folder: Path) -> dict[str, str]:
    """Return every file below a folder with the hash of its bytes, and every folder; nothing if there is none."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def take_notes(state: Path) -> list[str]:
    """Take away what a state directory notes of refused files; return the texts."""
    folder = state / "ops" / "refused_files"
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*")]
    shutil.rmtree(folder, ignore_errors=True)
    return texts


def rows_of(state: Path) -> dict[str, list[str]]:
    """Return the rows of every table as text, sorted, without the time at which they were taken in.

    Floats to nine digits: the last ones depend on the order in which an engine adds.
    """
    found = {}
    with open_platform(state, exclusive=False) as platform:
        for table in TABLES:
            rows = platform.context.engine.collect(platform.lake.read(table)).to_pylist()
            found[table.id] = sorted(_row_text(row) for row in rows)
    return found


def _row_text(row: dict[str, Any]) -> str:
    told = {name: f"{value:.9g}" if isinstance(value, float) else value for name, value in row.items()}
    return repr({name: value for name, value in told.items() if name != "ingested_at"})
