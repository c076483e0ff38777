"""`hops up`: starts what is due and what is asked for, as long as it is wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.faults import understood
from healthcare_ops.core.runs import RunRecord, RunType, record_key
from healthcare_ops.operations.engine import Engine
from healthcare_ops.operations.history import read_run
from healthcare_ops.operations.requests import answer_all
from healthcare_ops.operations.schedules import Schedule, Tally, decide
from healthcare_ops.ports import ObjectStore

TALLIES_KEY = "ops/schedule.json"
# What a full disk or a lost server kept from its end goes on when that is mended.
_TAKES_UP_EVERY = timedelta(minutes=1)

_LOOKS_EVERY = timedelta(minutes=1)

Tell = Callable[[Mapping[str, Any]], None]
# Looks at the platform at an instant, knowing what became of the schedules; returns the events to tell.
Look = Callable[[datetime, Mapping[str, Tally]], Iterable[Mapping[str, Any]]]


def read_tallies(objects: ObjectStore) -> dict[str, Tally]:
    """Return what became of the instants of each schedule so far, by type of run."""
    if not objects.exists(TALLIES_KEY):
        return {}
    try:
        found = {name: _tally(facts) for name, facts in json.loads(objects.read(TALLIES_KEY)).items()}
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ConfigError(
            f"{TALLIES_KEY} does not tell what became of the schedules: {error}.",
            next_step="Take the file away: the schedules then begin anew, and nothing is caught up.",
        ) from error
    return found


def _tally(facts: Mapping[str, Any]) -> Tally:
    if datetime.fromisoformat(facts["until"]).tzinfo is None:
        raise ValueError(f"{facts['until']!r} has no time zone")
    return Tally(**{name: value for name, value in facts.items() if name in Tally.__dataclass_fields__})


class Service:
    """Keeps the schedules of one state directory.

    Parameters
    ----------
    keep
        How long runs that ended are kept.
    is_replay
        Whether the clock is not the present: each run then takes the instant at which it was due for the present.
    remembers
        Whether what became of the schedules so far counts, and is kept; default: unless it is a replay, whose
        decisions are about another time than what is kept.
    tell
        Hears of what happens: a document with `event` (`started`, `ended`, `lost`, `skipped`, `missed`,
        `trouble`, `alarm`, `incident`, `notified`, `undelivered`) and its facts.
    looks
        Each looks at the platform every minute, and whenever a run has ended, under the name by which its trouble is
        told.
    """

    def __init__(
        self,
        engine: Engine,
        schedules: Sequence[Schedule],
        keep: timedelta,
        tell: Tell,
        *,
        is_replay: bool = False,
        remembers: bool | None = None,
        looks: Mapping[str, Look] = MappingProxyType({}),
    ) -> None:
        self._engine = engine
        self._schedules = schedules
        self._keep = keep
        self._tell = tell
        self._looks = looks
        self._looked_at: datetime | None = None
        self._is_replay = is_replay
        self._remembers = not is_replay if remembers is None else remembers
        self._expired_on: date | None = None
        self._troubles: dict[str, str] = {}
        self._took_up_at = engine.now()
        self._watched = engine.durable.live()
        self.tallies = read_tallies(engine.objects) if self._remembers else {}
        for schedule in schedules:
            self.tallies.setdefault(schedule.run_type, Tally(until=engine.now().isoformat()))
        self._save()

    def step(self, *, is_looking: bool = True) -> None:
        """Do what is to be done now, and look if it is time; what fails is told, and tried again with the next step.

        `LockedError` if others may have opened the same runs.
        """
        now = self._engine.now()
        self._engine.durable.require_alone()
        for schedule in self._schedules:
            self._try(schedule.run_type, partial(self._keep_to, schedule, now))
        self.serve(is_looking=is_looking)
        # A replay is about another time than what is kept.
        if self._expired_on != now.date() and not self._is_replay:
            self._try("expiry", partial(self._expire, now.date()))

    def serve(self, *, is_looking: bool = True) -> None:
        """Do what others ask for and what was left, tell what ended, and look if it is time; schedules rest."""
        now = self._engine.now()
        self._try("requests", lambda: answer_all(self._engine))
        if abs(now - self._took_up_at) >= _TAKES_UP_EVERY:
            self._took_up_at = now
            self._try("unfinished runs", self._engine.take_up_left)
        self._watched |= self._engine.durable.live()
        has_ended = self._tell_ends()
        is_time = has_ended or self._looked_at is None or abs(now - self._looked_at) >= _LOOKS_EVERY
        if is_looking and is_time:
            self._looked_at = now
            for name, look in self._looks.items():
                self.see(name, look)

    def see(self, name: str, look: Look) -> None:
        """Look at the platform, and tell what is seen or what was the trouble."""

        def tell_all() -> None:
            for event in look(self._engine.now(), self.tallies):
                self._tell(event)

        self._try(name, tell_all)

    def _expire(self, today: date) -> None:
        self._engine.expire(self._keep)
        self._expired_on = today

    def _try(self, what: str, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # whatever it is, the other schedules go on
            known = understood(error)
            cause = known.message if known else f"{type(error).__name__}: {error}"
            if self._troubles.get(what) != cause:
                self._tell({"event": "trouble", "what": what, "cause": cause})
            self._troubles[what] = cause
        else:
            self._troubles.pop(what, None)

    def finish(self) -> None:
        """Wait until no run is at work, and start what had to wait for that."""
        while live := self._engine.durable.live():
            for run_id in live:
                self._engine.finish(run_id)
            self.step()

    def next_due(self) -> datetime:
        """Return when the next schedule is due."""
        return min(
            schedule.next(datetime.fromisoformat(self.tallies[schedule.run_type].until)) for schedule in self._schedules
        )

    def _keep_to(self, schedule: Schedule, now: datetime) -> None:
        tally = self.tallies[schedule.run_type]
        at_work = self._engine.running(schedule.run_type)
        since = datetime.fromisoformat(tally.until)
        if since > schedule.next(now):  # decided while the clock was wrong: not waited for until it is that late
            since, tally.starting = now, False
            tally.until = since.isoformat()
            self._save()
        if tally.starting:  # a crash came between the decision and the start
            if at_work in ("", tally.last_run):
                self._start(schedule, datetime.fromisoformat(tally.until))
            return
        decided = decide(schedule, since, now, is_busy=bool(at_work))
        if decided is None:
            return
        tally.until = decided.until.isoformat()
        tally.skipped += decided.skipped
        tally.missed += decided.missed
        for event, count in (("skipped", decided.skipped), ("missed", decided.missed)):
            if count:
                self._tell({"event": event, "run_type": schedule.run_type, "until": tally.until, "count": count})
        if decided.run and not self._engine.durable.knows(_run_id(schedule.run_type, decided.run)):
            # The decision is kept before it is carried out: a run of this id is begun once, however often it is asked.
            tally.starting, tally.last_run = True, _run_id(schedule.run_type, decided.run)
            self._save()
            self._start(schedule, decided.run)
        else:
            self._save()

    def _start(self, schedule: Schedule, due: datetime) -> None:
        tally = self.tallies[schedule.run_type]
        run_id = self._engine.start(
            schedule.run_type,
            schedule.run_date(due),
            as_of=due if self._is_replay else None,
            run_id=_run_id(schedule.run_type, due),
            trigger="schedule",
        )
        self._tell({"event": "started", "run_id": run_id, "due": due.isoformat()})
        tally.starting = False
        tally.started += 1
        self._save()

    def _save(self) -> None:
        if not self._remembers:
            return
        document = {name: asdict(tally) for name, tally in self.tallies.items()}
        self._engine.objects.write(TALLIES_KEY, json.dumps(document, indent=1).encode())

    def _tell_ends(self) -> bool:
        """Tell of the runs that ended since last time, and whether there is one."""
        ended = self._watched - self._engine.durable.live()
        self._watched -= ended
        for run_id in sorted(ended):
            try:
                record = read_run(self._engine.objects, record_key(run_id))
            except (ConfigError, NotFoundError) as error:  # somebody took it away, or damaged it
                self._tell({"event": "lost", "run_id": run_id, "cause": error.message})
                continue
            if not record.is_open:
                self._tell({"event": "ended", **_outcome(record)})
        return bool(ended)


def _run_id(run_type: RunType, due: datetime) -> str:
    return f"{run_type}-{due:%Y%m%dT%H%M%SZ}"


def _outcome(record: RunRecord) -> dict[str, Any]:
    failed, failure = record.failed_state, record.failure
    return {
        "run_id": record.run_id,
        "status": record.status,
        "took_s": record.took_s,
        "failed_state": failed.name if failed else "",
        "reason": failure.reason if failure else record.error,
        "cause": record.cause,
    }
