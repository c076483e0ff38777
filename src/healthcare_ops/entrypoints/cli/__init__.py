"""The `hops` command."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import Any


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


def program() -> None:
    """Be the program `hops`: run `main`, and end at once.

    To take apart what was imported, object by object, would be a seventh of the time of a daily run.
    """
    from healthcare_ops.entrypoints.cli.failures import tell

    code: Any = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    logging.shutdown()
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has read enough
        code = code or 1
    except OSError as error:
        code = code or tell(error)
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def _is_ctrl_c(ended: SystemExit) -> bool:
    """Tell whether Typer made this end of a KeyboardInterrupt."""
    return ended.__context__ is not None and isinstance(ended.__context__.__cause__, KeyboardInterrupt)
