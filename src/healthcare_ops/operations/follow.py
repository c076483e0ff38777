"""`hops generate --follow`: the deliveries of a synthetic hospital as time goes by."""

from __future__ import annotations

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_files import write_bytes
from healthcare_ops.adapters.local_folders import replacing_folder
from healthcare_ops.bootstrap.configuration import add_feed, create_state
from healthcare_ops.bootstrap.platform import Platform, open_platform
from healthcare_ops.core.clock import Clock
from healthcare_ops.core.config import FEEDS_DIR, SITE_FILE
from healthcare_ops.core.errors import ConfigError, LockedError
from healthcare_ops.generator.deliveries import Plan, due, plan_feed
from healthcare_ops.generator.injected import Injected, hospital_changes
from healthcare_ops.generator.journeys import Journeys
from healthcare_ops.generator.simulation import simulate
from healthcare_ops.operations import bulk
from healthcare_ops.operations.generate import (
    FAULTS_FILE,
    MANIFEST,
    TRUTH_DIR,
    Hospital,
    Made,
    Order,
    Progress,
    delivery_path,
    manifest,
    read_order,
    write_faults,
    write_surroundings,
)

Wait = Callable[[float], None]
_DELIVERED_UNTIL = "delivered_until.txt"
_BEFORE_EVERYTHING = datetime(1, 1, 2, tzinfo=UTC)
_BUSY = timedelta(seconds=5)


@dataclass(frozen=True)
class Followed:
    """What was delivered, as plain values; `is_interrupted` if somebody ended it before everything was."""

    document: dict[str, Any]
    is_interrupted: bool


@dataclass(frozen=True)
class SyntheticHospital:
    """A `Deliverer`: the hospital of an order, until an instant."""

    order: Order
    until: datetime

    def deliver(self, state: Path, clock: Clock, wait: Wait, progress: Progress) -> dict[str, Any]:
        """Deliver to a state directory, as `follow` does; `KeyboardInterrupt` if somebody ended it."""
        followed = follow(self.order, clock, wait, progress, state, self.until)
        if followed.is_interrupted:
            raise KeyboardInterrupt
        return followed.document


def follow(
    order: Order,
    clock: Clock,
    wait: Wait | None,
    progress: Progress = lambda step: None,
    state: Path | None = None,
    until: datetime | None = None,
) -> Followed:
    """Deliver each file when it is due, until the last one, or until somebody interrupts.

    Called again with the same order it goes on where it ended; what became due in between comes at once.

    Parameters
    ----------
    clock
        Says what time it is.
    wait
        Lets seconds go by, so many or fewer; None delivers what is due now, and ends.
    state
        State directory whose `raw/` gets every file that can be read; made if there is none.
    until
        The instant after which nothing is waited for; None for the last file.

    Raises
    ------
    ConfigError
        As `read_order` does, or if the folder holds other deliveries.
    LockedError
        If another process delivers into the folder, or there is no waiting for a state directory that is in use.
    """
    hospital = read_order(order)
    progress("simulating")
    journeys = simulate(hospital.site, hospital.parameters, order.first, order.last, order.seed)
    _prepare_folder(hospital, journeys, progress)
    with _alone(order.out):
        if state:
            _prepare_state(state, order, clock)
        plans = [plan_feed(feed, journeys, hospital.site, hospital.scenario, order.terms) for feed in order.feeds]
        follower = Follower(order.out, plans, state)
        is_interrupted = False
        try:
            for now in _moments(follower, clock, wait, until):
                progress(f"delivering what is due by {now:%Y-%m-%d %H:%M} UTC")
                follower.deliver_until(now, clock, is_patient=wait is not None)
        except KeyboardInterrupt:
            is_interrupted = True
    document = follower.made.document(hospital, journeys)
    document |= {"refused": follower.refused, "is_interrupted": is_interrupted}
    return Followed(document, is_interrupted)


@dataclass
class Follower:
    """Brings files into a folder, and into a state directory if there is one.

    `since` is until when everything was delivered; `pending` are files that the state directory has not got yet.
    """

    folder: Path
    plans: list[Plan]
    state: Path | None = None
    made: Made = field(default_factory=Made)
    refused: list[dict[str, str]] = field(default_factory=list)
    pending: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.since = datetime.fromisoformat((self.folder / _DELIVERED_UNTIL).read_text(encoding="utf-8"))
        _repair_faults(self.folder, self.since)
        _remove_unfinished(self.folder)

    def deliver_until(self, now: datetime, clock: Clock, *, is_patient: bool) -> None:
        """Deliver what came due; the folder remembers an instant only when everything until then is in its place."""
        before = len(self.made.injected)
        for file in (file for plan in self.plans for file in due(plan, self.since, now)):
            self.made.add(file)
            if file.content is not None:
                write_bytes(delivery_path(self.folder, file), file.content)
                self.pending[file.feed].append(delivery_path(self.folder, file))
        _add_faults(self.folder, self.made.injected[before:])
        self.since = now
        try:
            self._land(clock)
        except LockedError:
            if not is_patient:
                raise
            return
        write_bytes(self.folder / _DELIVERED_UNTIL, now.isoformat().encode())

    def _land(self, clock: Clock) -> None:
        if self.state and any(self.pending.values()):
            with open_platform(self.state, clock) as platform:
                for feed, paths in self.pending.items():
                    self.refused += _land(platform, feed, paths)
        self.pending.clear()

    def next_due(self) -> datetime | None:
        """Return when the next file of any feed comes; None after the last."""
        after = self.since.timestamp()
        coming = [plan.schedule.due[plan.schedule.due > after] for plan in self.plans]
        earliest = min((int(when[0]) for when in coming if len(when)), default=None)
        return None if earliest is None else datetime.fromtimestamp(earliest, UTC)


def _moments(follower: Follower, clock: Clock, wait: Wait | None, until: datetime | None) -> Iterator[datetime]:
    """Yield the instants at which something is to be done."""
    while True:
        yield clock.now()
        coming = clock.now() + _BUSY if follower.pending else follower.next_due()
        if wait is None or coming is None or (until and coming > until):
            return
        while (seconds := (coming - clock.now()).total_seconds()) > 0:
            wait(seconds)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let nobody else deliver into the folder; the system lets go when the process dies, however it dies."""
    with (folder / MANIFEST).open("rb") as holder:
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"another process delivers into {folder}.", next_step="Wait for it to end, or give another --out."
            ) from error
        yield


def _prepare_folder(hospital: Hospital, journeys: Journeys, progress: Progress) -> None:
    out = hospital.order.out
    if not (out / MANIFEST).exists():
        with replacing_folder(out) as folder:
            write_surroundings(folder, hospital, journeys, progress)
            write_faults(folder, hospital_changes(hospital.scenario))
            write_bytes(folder / _DELIVERED_UNTIL, _BEFORE_EVERYTHING.isoformat().encode())
            write_bytes(folder / MANIFEST, manifest(hospital))
    else:
        _require_same_deliveries(hospital)


def _require_same_deliveries(hospital: Hospital) -> None:
    """Raise `ConfigError` unless the folder's deliveries are the beginning of those that would be made now."""
    out = hospital.order.out
    told, known = (json.loads(text) for text in ((out / MANIFEST).read_bytes(), manifest(hospital)))
    before, now = (facts.pop("made_with", {}) for facts in (told, known))
    if told != known or not (out / _DELIVERED_UNTIL).exists():
        raise ConfigError(
            f"{out} holds other deliveries.", next_step="Give another --out, or the same options as before."
        )
    if changed := [f"{name} {before.get(name)}, now {now[name]}" for name in now if before.get(name) != now[name]]:
        raise ConfigError(
            f"the deliveries in {out} were made with {'; '.join(changed)}: what follows might not fit to them.",
            next_step="Give another --out, or install those versions again.",
        )


def _prepare_state(state: Path, order: Order, clock: Clock) -> None:
    create_state(state, order.out / SITE_FILE, clock)
    for feed in order.feeds:
        add_feed(state, order.out / FEEDS_DIR / f"{feed}.toml")


def _land(platform: Platform, feed_id: str, paths: Iterable[Path]) -> list[dict[str, str]]:
    """Take files into raw, as `hops ingest` does; return those that cannot be read, and why."""
    feed = bulk.feed_of(platform, feed_id)
    verified = bulk.verify_each(paths, feed, lambda step: None)
    bulk.keep_refused(platform, feed, verified)
    bulk.land(platform, feed, verified.sound)
    return [
        {"feed_id": feed_id, "source_file": path.name, "reason": fault.message} for path, _, fault in verified.refused
    ]


def _repair_faults(folder: Path, since: datetime) -> None:
    """Keep only faults of files that came until `since`: others, and half a line, are left of a crash."""
    path = folder / TRUTH_DIR / FAULTS_FILE
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    known = [line for line in whole.decode().split("\n") if line and not _is_after(line, since)]
    write_bytes(path, "".join(f"{line}\n" for line in known).encode())


def _remove_unfinished(folder: Path) -> None:
    """Remove what a process that was killed had begun to write; deliveries are all that is written one by one."""
    for left in folder.rglob(".new-*"):
        left.unlink()


def _add_faults(folder: Path, injected: Iterable[Injected]) -> None:
    with (folder / TRUTH_DIR / FAULTS_FILE).open("ab") as stream:
        stream.write("".join(f"{one.to_json()}\n" for one in injected).encode())
        stream.flush()
        os.fsync(stream.fileno())


def _is_after(line: str, since: datetime) -> bool:
    due_at = json.loads(line)["due"]
    return due_at is not None and datetime.fromisoformat(due_at) > since
