"""The `hops` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `hops`; every error ends in one message, its next step and the exit code of its kind."""
    from healthcare_ops.entrypoints.cli.app import app
    from healthcare_ops.entrypoints.cli.failures import end, noting_interrupts, tell

    with noting_interrupts() as interrupts:
        try:
            app()
        except SystemExit as ended:
            if _is_ctrl_c(ended):  # of which Typer says nothing
                sys.exit(end(KeyboardInterrupt()))
            if ended.code and interrupts:  # the command has shown what it had
                sys.exit(tell(KeyboardInterrupt()))
            raise
        except Exception as error:  # noqa: BLE001  # the last resort: told to the operator, traceback in the log
            sys.exit(end(KeyboardInterrupt() if interrupts else error))


def _is_ctrl_c(ended: SystemExit) -> bool:
    """Tell whether Typer made this end of a KeyboardInterrupt."""
    return ended.__context__ is not None and isinstance(ended.__context__.__cause__, KeyboardInterrupt)
