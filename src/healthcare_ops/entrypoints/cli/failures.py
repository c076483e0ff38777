"""Errors as an operator meets them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from healthcare_ops.core.errors import ExitCode, OpsError
from healthcare_ops.entrypoints.cli.output import emit_json

_log = logging.getLogger(__name__)


def end(error: BaseException) -> int:
    """Tell what went wrong, on stderr and, under `--json`, as the document; return the exit code."""
    if "--json" in sys.argv:
        emit_json({"error": describe(error)})
    return tell(error)


def tell(error: BaseException) -> int:
    """Tell what went wrong on stderr; return the exit code."""
    code, _, message, next_step = _read(error)
    sys.stderr.write(f"hops: {message}\n")
    if next_step:
        sys.stderr.write(f"  next: {next_step}\n")
    return int(code)


def describe(error: BaseException) -> dict[str, Any]:
    """Return the error as the `error` of a JSON document."""
    code, kind, message, next_step = _read(error)
    return {"code": kind, "message": message, "next_step": next_step, "exit_code": int(code)}


def show_result(
    document: Mapping[str, Any], failure: OpsError | None, *, as_json: bool, show: Callable[[Mapping[str, Any]], None]
) -> None:
    """Show what a command found, then end with the failure that it found along the way, if any."""
    if as_json:
        emit_json({**document, **({"error": describe(failure)} if failure else {})})
    else:
        show(document)
    if failure:
        sys.exit(tell(failure))


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
