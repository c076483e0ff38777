"""Errors as an operator meets them."""

from __future__ import annotations

import errno
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from healthcare_ops.core.errors import ExitCode, OpsError, TransientError
from healthcare_ops.core.faults import understood, without_data
from healthcare_ops.entrypoints.cli.output import emit_json, inert

_log = logging.getLogger(__name__)
# What the system says when a path that a command was given, not this product, is at fault.
_FAULTS_OF_PATHS = {errno.EEXIST, errno.EISDIR, errno.ENOENT, errno.ENAMETOOLONG, errno.ENOTDIR}


@contextmanager
def noting_interrupts() -> Iterator[list[int]]:
    """Yield a list that is no longer empty once Ctrl-C was pressed, whatever became of the exception.

    Libraries that are not Python call back into it, and make an error of their own of the interrupt there. One
    that falls into the clean-up of an object, where nothing can be raised, is raised again a moment later.
    """
    seen: list[int] = []
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield seen
        return

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        signal.default_int_handler(number, frame)

    def raise_again(lost: Any) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            usual(lost)
            return
        timers.append(threading.Timer(0.1, signal.pthread_kill, (main_thread, signal.SIGINT)))
        timers[-1].start()

    timers: list[threading.Timer] = []
    main_thread, usual = threading.get_ident(), sys.unraisablehook
    signal.signal(signal.SIGINT, note)
    sys.unraisablehook = raise_again
    try:
        yield seen
    finally:
        for timer in timers:
            timer.cancel()
        sys.unraisablehook = usual
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end(error: BaseException) -> int:
    """Tell what went wrong, on stderr and, under `--json`, as the document; return the exit code."""
    if "--json" in sys.argv:
        with suppress(OSError):  # stdout may be what went wrong
            emit_json({"error": describe(error)})
    return tell(error)


def tell(error: BaseException) -> int:
    """Tell what went wrong on stderr; return the exit code."""
    code, _, message, next_step = _read(error)
    say(message, next_step)
    return int(code)


def say(message: str, next_step: str = "") -> None:
    """Write a message and its next step to stderr, one line each."""
    sys.stderr.write(f"hops: {inert(message)}\n")
    if next_step:
        sys.stderr.write(f"  next: {inert(next_step)}\n")


def warn(warnings: Iterable[Mapping[str, str]]) -> None:
    """Write what there is to know, and its next step, to stderr."""
    for warning in warnings:
        say(f"warning: {warning['message']}", warning["next_step"])


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
    if known := understood(error):
        # A run tries again by itself; a command has ended.
        again = "Run it again; if this goes on, look at the network and at the service."
        next_step = again if isinstance(known, TransientError) else known.next_step
        return known.exit_code, known.code, known.message, next_step
    if isinstance(error, OSError) and error.errno in _FAULTS_OF_PATHS:
        place = f"{error.filename}: " if error.filename else ""
        return ExitCode.CONFIG, "Config", f"{place}{error.strerror}.", "Check the path, its permissions and its disk."
    return (
        ExitCode.UNEXPECTED,
        "Unexpected",
        without_data(error),
        "Set HOPS_LOG=debug, run it again, and report the traceback.",
    )
