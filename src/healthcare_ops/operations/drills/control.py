"""What a drill does with its platform: starts it, lets time go by, kills it, and asks `hops` as anybody would."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from healthcare_ops.core.errors import StepError
from healthcare_ops.core.runs import RUN_TYPES

Event = Mapping[str, Any]
Hook = Callable[[Event], None]
_STAGE = "healthcare_ops.operations.drills.stage"
HOPS = (sys.executable, "-c", "from healthcare_ops.entrypoints.cli import program; program()")
# A drill's models are small, and threads of the linear algebra wait for each other on a busy machine.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Far longer than anything takes that a drill waits for; only a defect of the product is caught by it.
_PATIENCE_S = 1200.0


@dataclass(frozen=True)
class Told:
    """What a command printed: its exit code, its one JSON document, and what it said on stderr."""

    command: str
    code: int
    document: dict[str, Any]
    said: str


class DrilledPlatform:
    """The platform of a state directory on the drill's clock, and the commands of others beside it.

    Parameters
    ----------
    now
        The instant at which it begins.
    run_types
        Whose schedules it keeps.
    launcher
        Goes before every command, so that it starts with fewer rights.
    """

    def __init__(
        self, state: Path, now: datetime, run_types: Sequence[str] = RUN_TYPES, launcher: Sequence[str] = ()
    ) -> None:
        self.state = state
        self.now = now
        self.events: list[Event] = []
        self.hooks: list[Hook] = []
        self._run_types = tuple(run_types)
        self._launcher = tuple(launcher)
        self._process: subprocess.Popen[str] | None = None
        self._reports: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._workers: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._timetable: list[tuple[datetime, Callable[[], None]]] = []
        self.trouble = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the platform, at the drill's instant."""
        command = [
            *self._launcher,
            sys.executable,
            "-m",
            _STAGE,
            str(self.state),
            self.now.isoformat(),
            *self._run_types,
        ]
        # What the one before had still to say is not about this one.
        self._reports = queue.SimpleQueue()
        log = (self.state.parent / "platform.log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603  # this product's own program
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_ONE_THREAD | os.environ,
            )
        threading.Thread(target=self._listen, args=(self._process, self._reports), daemon=True).start()
        try:
            self._await("up")
        except StepError:
            self.kill()
            raise

    def close(self) -> None:
        """End the platform, as Ctrl-C would."""
        if self._process is None:
            return
        with suppress(OSError):
            self._send({"do": "close"})
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def kill(self) -> None:
        """End the platform in the middle of whatever it does; its workers end with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget()

    def _forget(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()

    def advance(self, to: datetime) -> None:
        """Let time go by, with all that is due on the way."""
        self._order("advance", to)

    def day(self, to: datetime) -> None:
        """Let time go by at once; what is due by then is done then."""
        self._order("day", to)

    def _order(self, what: str, to: datetime) -> None:
        self.begin(what, to)
        self.reached()
        self.now = max(self.now, to)

    def begin(self, what: str, to: datetime) -> None:
        """Have the platform let time go by, and do not wait for it."""
        self._send({"do": what, "to": to.isoformat()})

    def reached(self) -> None:
        """Wait until the platform has done what was begun."""
        self._await("reached")

    def move(self, to: datetime) -> None:
        """Let it be that late, whatever is at work."""
        self.now = max(self.now, to)
        self._send({"do": "move", "to": to.isoformat()})

    def at(self, instant: datetime, act: Callable[[], None]) -> None:
        """Have something done once a run waits beyond an instant."""
        self._timetable.append((instant, act))

    def workers(self) -> list[int]:
        """Return the numbers of the processes in which jobs run."""
        self._send({"do": "workers"})
        return self._workers.get(timeout=_PATIENCE_S)

    def hops(self, *arguments: object) -> Told:
        """Run a command of `hops` with `--json` on the state directory, at the machine's time but for `--as-of`."""
        given = [*map(str, arguments), "--state", str(self.state), "--json"]
        ended = subprocess.run(  # noqa: S603  # this product's own program
            [*self._launcher, *HOPS, *given], capture_output=True, text=True, check=False, timeout=_PATIENCE_S
        )
        try:
            document = json.loads(ended.stdout) if ended.stdout.strip() else {}
        except ValueError:
            document = {}
        shown = " ".join(["hops", *map(str, arguments), "--json"])
        return Told(shown, ended.returncode, document, ended.stderr)

    def _send(self, order: Mapping[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise StepError("the platform of the drill is not running.", next_step="See platform.log of the drill.")
        with self._sending:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()

    def _await(self, event: str) -> None:
        try:
            heard = self._reports.get(timeout=_PATIENCE_S)
        except queue.Empty:
            heard = "nothing"
        if heard != event:
            raise StepError(
                f"the platform of the drill told {heard} instead of {event}{self.trouble and f': {self.trouble}'}.",
                next_step=f"See {self.state.parent / 'platform.log'}.",
            )

    def _listen(self, process: subprocess.Popen[str], reports: queue.SimpleQueue[str]) -> None:
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        with suppress(OSError, ValueError), process.stdout as lines:
            self._hear(lines)
        reports.put("its end")

    def _hear(self, lines: IO[str]) -> None:
        for line in lines:
            event = json.loads(line)
            self.now = max(self.now, datetime.fromisoformat(event["at"]))
            kind = event["event"]
            if kind == "workers":
                self._workers.put(event["pids"])
            elif kind in ("up", "reached"):
                self._reports.put(kind)
            else:
                self._happened(event)

    def _happened(self, event: Event) -> None:
        kind = event["event"]
        if kind == "wait":
            self._wait(event["seconds"])
        else:
            self.events.append(event)
        for hook in list(self.hooks):
            try:
                hook(event)
            except Exception as error:  # noqa: BLE001  # the platform must not wait for ever; the drill has failed
                self.trouble = f"the injector failed: {type(error).__name__}: {error}"
        if kind in ("entered", "wait"):
            with suppress(OSError, StepError):  # it may have been killed meanwhile
                self._send({"do": "go"})

    def _wait(self, seconds: float) -> None:
        until = self.now + timedelta(seconds=seconds)
        due = [act for instant, act in self._timetable if instant <= until]
        self._timetable = [(instant, act) for instant, act in self._timetable if instant > until]
        for act in due:
            act()
        self.move(until)


def stop_process(pid: int) -> None:
    """Have a process stand still, as one that hangs."""
    os.kill(pid, signal.SIGSTOP)


def kill_process(pid: int) -> None:
    """End a process at once."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
