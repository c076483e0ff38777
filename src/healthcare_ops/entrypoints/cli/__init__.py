"""The `hops` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `hops`; every error ends in one message, its next step and the exit code of its kind."""
    from healthcare_ops.core.errors import ExitCode
    from healthcare_ops.entrypoints.cli.app import app
    from healthcare_ops.entrypoints.cli.failures import end, noting_interrupts

    with noting_interrupts() as interrupts:
        try:
            app()
        except SystemExit as ended:
            # Typer ends without a word after Ctrl-C.
            if ended.code == ExitCode.INTERRUPTED or (ended.code and interrupts):
                sys.exit(end(KeyboardInterrupt()))
            raise
        except Exception as error:  # noqa: BLE001  # the last resort: told to the operator, traceback in the log
            sys.exit(end(KeyboardInterrupt() if interrupts else error))
