"""The `hops` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `hops`; every error ends in one message, its next step and the exit code of its kind."""
    from healthcare_ops.entrypoints.cli.app import app
    from healthcare_ops.entrypoints.cli.failures import end

    try:
        app()
    except KeyboardInterrupt as error:
        sys.exit(end(error))
    except Exception as error:  # noqa: BLE001  # the last resort: told to the operator, traceback in the log
        sys.exit(end(error))
