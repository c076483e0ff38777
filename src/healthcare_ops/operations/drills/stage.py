"""The platform of a drill: what `hops up` does, in a process of its own, on a clock that the drill moves.

`python -m healthcare_ops.operations.drills.stage STATE INSTANT RUN_TYPE…` keeps the schedules of those types. Orders
come on standard input, a line of JSON each:

- `{"do": "move", "to": INSTANT}`: it is that late by now;
- `{"do": "go"}`: go on after a question;
- `{"do": "workers"}`: answer with `{"event": "workers", "pids": [...]}`;
- `{"do": "advance", "to": INSTANT}`: keep the schedules until then, and look every five minutes;
- `{"do": "day", "to": INSTANT}`: let time go by at once, do what is due by then, and look when it is done;
- `{"do": "close"}`.

What happens is told on standard output, a line of JSON each, as `hops up --json` tells it. Two of the events are
questions, and the run waits for the answer: `entered` (a run enters a state) for `go`, `wait` (a run waits for so many
seconds) for `move`.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from healthcare_ops.core.clock import VirtualClock
from healthcare_ops.core.config import SITE_FILE, read_settings
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.operations.engine import Engine, open_engine
from healthcare_ops.operations.incidents import Incidents
from healthcare_ops.operations.remedies import Remedies
from healthcare_ops.operations.requests import SERVING
from healthcare_ops.operations.schedules import schedules_of
from healthcare_ops.operations.service import Look, Service
from healthcare_ops.operations.watch import Watch

_LOOKS_EVERY = timedelta(minutes=5)
_IDLE_S = 0.1


class Stage:
    """The drill's end of the pipes: hears its orders, asks its questions, and has the time that it tells."""

    def __init__(self, start: datetime) -> None:
        self.clock = VirtualClock(start)
        self.orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.engine: Engine | None = None
        self._start = start
        self._answered = threading.Semaphore(0)
        self._asking, self._telling = threading.Lock(), threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            match order["do"]:
                case "move":
                    self.clock.move_to(datetime.fromisoformat(order["to"]))
                case "go":
                    self._answered.release()
                case "workers":
                    self.tell({"event": "workers", "pids": self.engine.workers.pids if self.engine else []})
                case _:
                    self.orders.put(order)
        os._exit(0)  # whoever drills is gone

    def tell(self, event: Mapping[str, Any]) -> None:
        """Tell of something that happened."""
        with self._telling:
            sys.stdout.write(json.dumps({"at": self.clock.now().isoformat(), **event}) + "\n")
            sys.stdout.flush()

    def entered(self, run_id: str, state: str) -> None:
        """Tell that a run enters a state, and wait until it may."""
        self._ask({"event": "entered", "run_id": run_id, "state": state})

    def sleep(self, seconds: float) -> None:
        """Wait on the drill's clock."""
        self._ask({"event": "wait", "seconds": seconds})

    def _ask(self, event: Mapping[str, Any]) -> None:
        with self._asking:
            self.tell(event)
            self._answered.acquire()

    def elapsed_s(self) -> float:
        """Return a time that goes by as the machine's does, and as the drill lets it."""
        return time.monotonic() + (self.clock.now() - self._start).total_seconds()


def main(state: Path, start: datetime, run_types: Sequence[str]) -> None:
    """Run the platform until it is told to end."""
    stage = Stage(start)
    settings, site = read_settings(state), read_toml(state / SITE_FILE, Site)
    clock, keep = stage.clock, timedelta(days=settings.keep_runs_days)
    with open_engine(
        state,
        role=SERVING,
        now=clock.now,
        sleep=stage.sleep,
        elapsed_s=stage.elapsed_s,
        progress=stage.entered,
    ) as engine:
        stage.engine = engine
        looks: dict[str, Look] = {
            "watching": Watch(state, clock),
            "incidents": Remedies(state, Incidents(state, clock), engine, is_replay=True),
        }
        service = Service(
            engine,
            [schedule for schedule in schedules_of(settings, site.tz) if schedule.run_type in run_types],
            keep,
            stage.tell,
            is_replay=True,
            remembers=True,
            looks=looks,
        )
        stage.tell({"event": "up"})
        while (order := _next(stage, service))["do"] != "close":
            until = datetime.fromisoformat(order["to"])
            if order["do"] == "advance":
                _advance(service, clock, until)
            else:
                clock.move_to(until)
                service.step(is_looking=False)
                service.finish()
            stage.tell({"event": "reached"})


def _next(stage: Stage, service: Service) -> dict[str, Any]:
    """Return the next order; meanwhile the time stands, and what other commands ask for is done."""
    while True:
        with suppress(queue.Empty):
            return stage.orders.get(timeout=_IDLE_S)
        service.serve()


def _advance(service: Service, clock: VirtualClock, until: datetime) -> None:
    service.step()
    service.finish()
    while clock.now() < until:
        clock.move_to(min(service.next_due(), clock.now() + _LOOKS_EVERY, until))
        service.step()
        service.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), sys.argv[3:])
