"""The process in which jobs run: reads calls from its input, a line each, and writes their answers.

`python -m healthcare_ops.operations.worker STATE [--warm]`; with `--warm` it imports what the frequent jobs need
before it is asked.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from healthcare_ops.adapters.state_lock import lock_state
from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.clock import AsOfClock, SystemClock
from healthcare_ops.core.runs import Answer, Failure, log_key
from healthcare_ops.jobs import TICK_JOBS, load_job
from healthcare_ops.jobs.context import Context
from healthcare_ops.operations.cautions import cautions_of_run
from healthcare_ops.operations.run_log import logging_to
from healthcare_ops.operations.tasks import POLICIES, USUAL_POLICY, answer, explained, name_of

# A command that brings files in is done sooner; a bulk load may not be, and then the call is made again.
_PATIENCE_S = 60.0


def main(arguments: list[str]) -> None:
    """Answer calls until there is no more input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever made the calls
    _log_to_stderr()
    # What jobs print is not an answer.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        if "--warm" in arguments:
            for name in TICK_JOBS:
                load_job(name)
        for call in _calls(sys.stdin):
            answers.write(json.dumps(_replied(Path(arguments[0]), call)) + "\n")
            answers.flush()


def _calls(lines: IO[str]) -> Iterator[Any]:
    """Yield the calls; ends the process at once, also in the middle of one, when whoever made them is gone."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in lines:
            waiting.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield json.loads(waiting.get())


def _replied(state: Path, call: Any) -> Any:
    if "cautions_of_run" in call:
        return cautions_of_run(state, *call["cautions_of_run"])
    return _answer(state, call)


def _answer(state: Path, call: Any) -> dict[str, Any]:
    try:
        return _logged_answer(state, call).to_json()
    except OSError as error:  # there is no place for the log
        return Answer(None, {}, Failure.of(explained(error, call["run_id"]))).to_json()


def _logged_answer(state: Path, call: Any) -> Answer:
    name = name_of(call["resource"], call["parameters"])
    with logging_to(state / log_key(call["run_id"]), call["run_id"], name) as log:
        began = time.monotonic()
        log.info("started")
        answered = answer(call, _opened(state, name, call["as_of"]))
        took_s = time.monotonic() - began
        if answered.failure:
            failure = answered.failure
            told = (took_s, failure.reason, failure.error)
            log.error("failed after %.2f s: %s: %s", *told, extra={"place": failure.place})
        else:
            log.info("ended after %.2f s: %s", took_s, json.dumps(answered.outcomes, default=str))
    return answered


@contextmanager
def _opened(state: Path, name: str, as_of: str) -> Iterator[Context]:
    """Open the state directory, as the only one who writes what the job writes."""
    clock = AsOfClock(datetime.fromisoformat(as_of)) if as_of else SystemClock()
    lock = POLICIES.get(name, USUAL_POLICY).lock
    alone = lock_state(state, lock, wait_s=_PATIENCE_S) if lock else nullcontext()
    with alone, open_platform(state, clock, exclusive=False) as platform:
        yield platform.context


def _log_to_stderr() -> None:
    """Log as the command line does; what is kept in the run's log is more."""
    level = (os.environ.get("HOPS_LOG") or "critical").upper()
    handler = logging.StreamHandler()
    handler.setLevel(level)
    logging.basicConfig(level=level, handlers=[handler], format="%(levelname)s %(name)s %(message)s")


if __name__ == "__main__":
    main(sys.argv[1:])
