"""Processes that do one call at a time, and can be ended in the middle of one."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any

from healthcare_ops.core.errors import Reason, TransientError

_LOOK_EVERY_S = 0.2
_CHUNK = 1 << 16
_Process = subprocess.Popen[bytes]


class CallTimeout(Exception):
    """The call took longer than it was allowed; its process was ended."""


class CallStopped(Exception):
    """Whoever made the call wanted it no longer; its process was ended."""


class Worker:
    """A child process that answers calls: one line of JSON in, one line out.

    It is started when it is needed, stays for the next call, and is started anew after it died. It ends when its
    standard input does, hence with this process, however that ends.

    Parameters
    ----------
    command
        The program and its arguments; it writes its answers to standard output.
    elapsed_s
        Tells, in seconds from whenever, the time by which calls take too long.
    """

    def __init__(self, command: Sequence[str], elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._command = list(command)
        self._elapsed_s = elapsed_s
        self._process: _Process | None = None
        self._busy = Lock()
        self._starting = Lock()
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """Return the number of the process; None if there is none now."""
        process = self._process
        return process.pid if process is not None else None

    def start(self) -> None:
        """Start the process, unless it runs; it gets ready while others go on."""
        with self._busy:
            self._running()

    def _running(self) -> _Process:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        with self._starting:
            if self._is_closed:
                raise _closed()
            if self._process is None:
                self._process = subprocess.Popen(  # noqa: S603  # this product's own program
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            return self._process

    def call(self, request: Any, *, timeout_s: float | None, is_stopped: Callable[[], bool]) -> Any:
        """Return the answer. Calls wait for each other; the time counts from when the call is made to the process.

        Raises
        ------
        CallTimeout
            If there is no answer in time.
        CallStopped
            If `is_stopped`, which is asked all the while.
        TransientError
            If the process died, or was closed.
        """
        while not self._busy.acquire(timeout=_LOOK_EVERY_S):
            if is_stopped():
                raise CallStopped
        try:
            return self._ask(self._running(), request, timeout_s, is_stopped)
        except BaseException:
            # It may be at work still, and its answer would pass for that to the next call.
            self._end()
            raise
        finally:
            self._busy.release()

    def _ask(self, process: _Process, request: Any, timeout_s: float | None, is_stopped: Callable[[], bool]) -> Any:
        requests, answers = process.stdin, process.stdout
        assert requests is not None and answers is not None  # noqa: S101, PT018  # both are pipes
        until = None if timeout_s is None else self._elapsed_s() + timeout_s
        answer = b""
        try:
            requests.write(json.dumps(request).encode() + b"\n")
            requests.flush()
            while not answer.endswith(b"\n"):
                if is_stopped():
                    raise CallStopped
                if until is not None and self._elapsed_s() >= until:
                    raise CallTimeout
                if select.select([answers], [], [], _LOOK_EVERY_S)[0]:
                    chunk = os.read(answers.fileno(), _CHUNK)
                    if not chunk:
                        raise BrokenPipeError
                    answer += chunk
        except BrokenPipeError:
            raise self._died(process) from None
        return json.loads(answer)

    def _died(self, process: _Process) -> TransientError:
        self._end()
        if self._is_closed:
            return _closed()
        code = process.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return TransientError(
            f"the worker process ended with {how} in the middle of its work.",
            next_step="It is started again; if this goes on, look at the memory of the machine.",
            reason=Reason.WORKER_DIED,
        )

    def _end(self) -> None:
        """End the process; for whoever makes a call."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                # A request that the process did not live to read is still to be sent.
                with suppress(BrokenPipeError):
                    if pipe is not None:
                        pipe.close()

    def close(self) -> None:
        """End the process at once, whatever it does, and for good."""
        with self._starting:
            self._is_closed = True
            process = self._process
        if process is not None:
            process.kill()  # whoever waits for its answer hears of that, and lets go
        with self._busy:
            self._end()


def _closed() -> TransientError:
    return TransientError(
        "the worker process was ended by who runs it.",
        next_step="The run goes on when the engine is started again.",
        reason=Reason.WORKER_DIED,
    )
