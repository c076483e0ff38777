"""Errors as an operator meets them."""

from __future__ import annotations

import logging
import sys

from healthcare_ops.core.errors import ExitCode, OpsError
from healthcare_ops.entrypoints.cli.output import emit_json

_log = logging.getLogger(__name__)


def end(error: BaseException) -> int:
    """Tell what went wrong, on stderr and, under `--json`, as the document; return the exit code."""
    code, kind, message, next_step = _read(error)
    if "--json" in sys.argv:
        emit_json({"error": {"code": kind, "message": message, "next_step": next_step, "exit_code": int(code)}})
    sys.stderr.write(f"hops: {message}\n")
    if next_step:
        sys.stderr.write(f"  next: {next_step}\n")
    return int(code)


def _read(error: BaseException) -> tuple[ExitCode, str, str, str]:
    if isinstance(error, OpsError):
        return error.exit_code, error.code, error.message, error.next_step
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED, "Interrupted", "interrupted; what was committed stands.", "Run it again."
    _log.debug("unexpected", exc_info=error)
    return (
        ExitCode.UNEXPECTED,
        "Unexpected",
        f"{type(error).__name__}: {error}".splitlines()[0][:500],
        "Set HOPS_LOG=debug, run it again, and report the traceback.",
    )
