"""What runs of the state machine stand on: the store of their steps, and processes for their jobs."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from healthcare_ops.adapters.durable import Body, DurableRuns
from healthcare_ops.adapters.worker import Worker
from healthcare_ops.core.config import read_settings

_STEPS_FILE = "runs.db"


def open_durable_runs(state: Path, body: Body) -> DurableRuns:
    """Open the store of steps that the settings name; runs that were left in it go on at once.

    Raises what `DurableRuns` does.
    """
    url = read_settings(state).database_url or f"sqlite:///{(state / _STEPS_FILE).resolve()}"
    # A name of its own: on one server there may be the runs of several state directories.
    schema = f"hops_{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]}"
    return DurableRuns(url, body, schema)


def job_worker(state: Path, *, is_warm: bool) -> Worker:
    """Return a process for jobs, not yet started; a warm one imports what the frequent jobs need before it is asked."""
    command = [sys.executable, "-m", "healthcare_ops.operations.worker", str(state)]
    return Worker([*command, "--warm"] if is_warm else command)
