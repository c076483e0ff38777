"""`hops simulate`: schedules, runs and deliveries on a clock that goes as fast as the machine allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from healthcare_ops.adapters.state_lock import Lock, lock_state
from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.clock import Clock, VirtualClock
from healthcare_ops.core.config import SITE_FILE, read_settings
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.operations import bulk
from healthcare_ops.operations.engine import open_engine, type_of
from healthcare_ops.operations.incidents import Incidents
from healthcare_ops.operations.remedies import Remedies
from healthcare_ops.operations.schedules import schedules_of
from healthcare_ops.operations.service import Look, Service
from healthcare_ops.operations.watch import Watch

# Stands in the state directory of a simulation.
SIMULATED_FILE = ".simulated"


class Deliverer(Protocol):
    """Somebody who delivers to the state directory, which it makes if there is none, as time goes by."""

    def deliver(
        self, state: Path, clock: Clock, wait: Callable[[float], None], progress: Callable[[str], None]
    ) -> dict[str, Any]:
        """Deliver everything when it is due, letting seconds go by with `wait`; return what it was, as plain values."""
        ...


@dataclass
class Simulated:
    """What happened: the events that tell of runs, what was delivered, and the account of each feed at the end."""

    events: list[dict[str, Any]] = field(default_factory=list)
    delivered: dict[str, Any] | None = None
    feeds: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, event: Mapping[str, Any]) -> None:
        """Hear of something that the service did."""
        self.events.append(dict(event))

    @property
    def counts(self) -> dict[str, Counter[str]]:
        """Return, by type of run, how many ended in each status, and how many were skipped or missed."""
        counts: dict[str, Counter[str]] = {}
        for event in self.events:
            if "run_id" not in event and "run_type" not in event:
                continue
            run_type = event.get("run_type") or type_of(event["run_id"])
            of_type = counts.setdefault(run_type, Counter())
            what = event["status"] if event["event"] == "ended" else event["event"]
            of_type[what] += event.get("count", 1)
        return counts


def simulate(
    state: Path, first: datetime, until: datetime, deliverer: Deliverer | None, progress: Callable[[str], None]
) -> Simulated:
    """Let time go by from `first` to `until`; every run takes the instant at which it is due for the present.

    Parameters
    ----------
    state
        A directory that a simulation made, or none yet: that of a hospital is not touched.
    deliverer
        None to deliver nothing.

    Raises
    ------
    ConfigError
        If the state directory is not a simulation's.
    LockedError
        If somebody runs its engine.
    OpsError
        As the deliverer and `open_engine` do. A run that fails is in the result.
    """
    _require_own(state, deliverer)
    clock, simulated = VirtualClock(first), Simulated()
    with ExitStack() as stack:
        simulation = _Simulation(state, clock, simulated, progress, stack)

        def wait(seconds: float) -> None:
            simulation.advance(clock.now() + timedelta(seconds=seconds))

        if deliverer:
            simulated.delivered = deliverer.deliver(state, clock, wait, progress)
        simulation.advance(until)
    with open_platform(state, clock, exclusive=False) as platform:
        simulated.feeds = bulk.summary(platform)["feeds"]
    return simulated


def _require_own(state: Path, deliverer: Deliverer | None) -> None:
    """Raise unless the directory is a simulation's and free; mark one that is yet to be made."""
    is_made = (state / SITE_FILE).exists()
    if is_made and not (state / SIMULATED_FILE).exists():
        raise ConfigError(
            f"{state} is a hospital's: a simulation would mix what never happened into it.",
            next_step="Give --state a directory that is not there yet, and --site.",
        )
    if not is_made and deliverer is None:
        raise NotFoundError(f"{state} is not a state directory.", next_step="Give --site for a hospital to deliver.")
    state.mkdir(parents=True, exist_ok=True)
    (state / SIMULATED_FILE).touch()
    with lock_state(state, Lock.ENGINE):
        pass


@dataclass
class _Simulation:
    """Moves the clock, and has done whatever is due on the way."""

    state: Path
    clock: VirtualClock
    simulated: Simulated
    progress: Callable[[str], None]
    stack: ExitStack

    @cached_property
    def service(self) -> Service:
        """The schedules of the state directory, from when it is there."""
        settings, site = read_settings(self.state), read_toml(self.state / SITE_FILE, Site)
        engine = self.stack.enter_context(
            open_engine(self.state, role="simulate", now=self.clock.now, sleep=self.clock.sleep)
        )
        keep = timedelta(days=settings.keep_runs_days)
        schedules = schedules_of(settings, site.tz)
        looks: dict[str, Look] = {
            "watching": Watch(self.state, self.clock),
            "incidents": Remedies(self.state, Incidents(self.state, self.clock), engine, is_replay=True),
        }
        return Service(engine, schedules, keep, self.simulated.tell, is_replay=True, looks=looks)

    def advance(self, until: datetime) -> None:
        """Let time go by; each run is at its end before the clock goes on, but for the waits of the run itself."""
        while (due := self.service.next_due()) <= until:
            self.clock.move_to(due)
            self.progress(f"{due:%Y-%m-%d %H:%M} UTC")
            self.service.step()
            self.service.finish()
        self.clock.move_to(until)
