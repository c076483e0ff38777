"""How long a command that writes waits for another process to let go of the state directory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from healthcare_ops.entrypoints.cli.failures import say

if TYPE_CHECKING:
    from healthcare_ops.adapters.state_lock import Patience

Wait = Annotated[
    float,
    typer.Option(
        "--wait", metavar="SECONDS", min=0, help="How long to wait for another process to leave the state directory."
    ),
]
# As long as a job waits: most hold the lake for less.
DEFAULT_WAIT = 60.0


def patience_of(wait_s: float) -> Patience:
    """Return the patience that `--wait` asks for; on a terminal, a person is told of the wait."""
    from healthcare_ops.adapters.state_lock import Patience

    def tell(in_use: str) -> None:
        if sys.stderr.isatty():
            say(f"{in_use} Waiting for it, up to {wait_s:g} s.")

    return Patience(wait_s, tell)
