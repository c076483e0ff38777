"""What runs of the state machine stand on: the store of their steps."""

from __future__ import annotations

import secrets
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from healthcare_ops.adapters.durable import Body, DurableRuns
from healthcare_ops.adapters.local_files import create_private
from healthcare_ops.core.config import read_settings
from healthcare_ops.core.errors import ConfigError

_STEPS_FILE = "runs.db"
_NAME_FILE = ".runs-name"


def open_durable_runs(state: Path, body: Body) -> DurableRuns:
    """Open the store of steps that the settings name; runs that were left in it go on at once.

    Raises what `DurableRuns` does.
    """
    url = read_settings(state).database_url or f"sqlite:///{(state / _STEPS_FILE).resolve()}"
    try:
        return DurableRuns(url, body, f"hops_{_name_of(state)}")
    except DatabaseError as error:
        raise ConfigError(
            f"the database of runs ({_STEPS_FILE}, or the one of `database_url`) cannot be read: {error.orig}.",
            next_step="Take the file away to begin a new one; unfinished runs are then to be started anew.",
        ) from error


def _name_of(state: Path) -> str:
    """Return the state directory's own name: on one server there may be the runs of several, at the same path."""
    path = state / _NAME_FILE
    if not path.exists():
        create_private(path, secrets.token_hex(6).encode())
    return path.read_text(encoding="ascii").strip()
