"""What is known when incidents are looked for: read from what runs, jobs and people left, without an engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_alarms import ALARMS_FOLDER, AlarmLog, Transition
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.bootstrap.configuration import read_feeds
from healthcare_ops.core.clock import Clock
from healthcare_ops.core.config import SITE_FILE, read_settings
from healthcare_ops.core.emf import Dimensions
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.runs import RunRecord
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.forecasting.champions import standing
from healthcare_ops.forecasting.registry import read_manifest
from healthcare_ops.incidents.evidence import (
    Ages,
    Asked,
    Change,
    Complaint,
    Delivery,
    Evidence,
    FailedRun,
    FeedAge,
    Lacking,
    Prediction,
    Symptom,
    Training,
    Unchecked,
)
from healthcare_ops.incidents.playbooks.alone import EVALUATOR
from healthcare_ops.jobs.drift import drift_key
from healthcare_ops.jobs.newest import FORECAST, delivery_of, newest
from healthcare_ops.jobs.refusals import refused_files
from healthcare_ops.operations.alarms import load_alarms
from healthcare_ops.operations.failed_runs import RunRecords, failed_runs, last_good
from healthcare_ops.operations.measure import late_min
from healthcare_ops.operations.schedules import schedules_of
from healthcare_ops.operations.trainings import overdue
from healthcare_ops.operations.what_changed import Span, changed_between, changed_within
from healthcare_ops.pipeline.quality.report.report import report_key

# An older verdict says nothing of today.
_DRIFT_FOR = timedelta(days=2)
# So many of the newest runs are asked for a report; ticks without a delivery write none.
_ASKED_FOR_REPORT = 400
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Ringing:
    """An alarm that rings: since when, however often it lacked data in between, and its newest datapoints."""

    since: datetime
    change: Transition


def ringing_alarms(changes: Sequence[Transition]) -> dict[tuple[str, Dimensions], Ringing]:
    """Return the alarms that ring and are not OK again, as people are told of them: a composite one, not its parts.

    That nobody watches is news only where somebody did: who starts runs without `hops up` is not told so for ever.
    """
    parts = {child for one in load_alarms().composite_alarms for child in one.children}
    found: dict[tuple[str, Dimensions], Ringing] = {}
    was_watched = False
    for change in changes:
        key = change.alarm, tuple(sorted(change.of.items()))
        was_watched = was_watched or (change.alarm == EVALUATOR and "OK" in (change.was, change.state))
        if change.alarm in parts or (change.alarm == EVALUATOR and not was_watched):
            continue
        if change.state == "ALARM":
            since = found[key].since if key in found else datetime.fromisoformat(change.at)
            found[key] = Ringing(since, change)
        elif change.state == "OK":
            found.pop(key, None)
    return found


def back_at(changes: Sequence[Transition]) -> datetime | None:
    """Return when somebody watched again after nobody did; None if that never was, or nobody does."""
    last = next((one for one in reversed(changes) if one.alarm == EVALUATOR), None)
    is_back = last is not None and (last.was, last.state) == ("ALARM", "OK")
    return datetime.fromisoformat(last.at) if last and is_back else None


@dataclass(frozen=True)
class Complained:
    """What somebody complained of, and the forecasts that were shown then."""

    complaint: Complaint
    predictions: tuple[Prediction, ...] = ()


@dataclass
class Gatherer:
    """Gathers evidence from a state directory, as often as it is asked; what could not be read is told as such."""

    state: Path
    clock: Clock

    def __post_init__(self) -> None:
        self._objects = LocalObjects(self.state)
        self._records = RunRecords(self.state)
        self._alarms = AlarmLog(self.state / ALARMS_FOLDER)

    def ringing(self) -> dict[tuple[str, Dimensions], Ringing]:
        """Return the alarms that ring."""
        return ringing_alarms(self._alarms.read())

    def gather(self, complaints: Sequence[Complained] = ()) -> Evidence:
        """Return what is known now.

        Raises
        ------
        ConfigError
            If the site, a feed file, the settings or the log of alarms cannot be read.
        """
        now, runs = self.clock.now(), self._records.read()
        ended = [one for one in runs if not one.is_open]
        secrets = LocalSecrets(self.state / "secrets", self.clock)
        looking = _Looking(self.state, self._objects, secrets, now, ended)
        failed = failed_runs(self._objects, ended)
        report = looking.report()
        symptoms = [_symptom(key[0], one) for key, one in sorted(self.ringing().items())]
        for one in complaints:
            if not one.predictions:
                looking.lacks("predictions", "absent", one.complaint.complaint_id)
        # A run that succeeds, or is being redriven, makes good what failed; the alarm tells so some minutes later.
        made_good = {record.run_type for record in runs} - {run.run_type for run in failed}
        return Evidence(
            at=now,
            symptoms=tuple(one for one in symptoms if one.of.get("RunType") not in made_good),
            failed_runs=failed,
            last_good=last_good(ended),
            changed=looking.changed(failed),
            report=report,
            drift=looking.drift(),
            training=looking.training(runs),
            ages=looking.ages(),
            deliveries=looking.deliveries(report),
            complaints=tuple(one.complaint for one in complaints),
            predictions=tuple(shown for one in complaints for shown in one.predictions),
            unchecked=tuple(looking.unchecked),
            back_at=back_at(self._alarms.read()),
        )


@dataclass
class _Looking:
    """One look at a state directory."""

    state: Path
    objects: LocalObjects
    secrets: LocalSecrets
    now: datetime
    ended: Sequence[RunRecord]
    unchecked: list[Unchecked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings, self.site = read_settings(self.state), read_toml(self.state / SITE_FILE, Site)
        self.feeds: Mapping[str, Feed] = read_feeds(self.state, self.site)

    def report(self) -> dict[str, Any] | None:
        """Return the newest report that a run wrote."""
        return self._newest("report", ((one, report_key(day, one.run_id)) for one, day in self._dated()))

    def drift(self) -> dict[str, Any] | None:
        """Return the newest verdict, if it is of these days."""
        lately = ((one, day) for one, day in self._dated() if self.now - _ended(one) <= _DRIFT_FOR)
        return self._newest("drift", ((one, drift_key(day, one.run_id)) for one, day in lately))

    def changed(self, failed: Sequence[FailedRun]) -> tuple[Change, ...]:
        """Return what changed since the last good run of the types that fail, the newest first."""
        types = {run.run_type for run in failed} or {"daily", "inference"}
        good = {one.run_type: one for one in reversed(self.ended) if one.status == "SUCCEEDED"}
        ends = [_ended(good[name]) for name in types if name in good]
        if not ends:
            self.lacks("changes", "absent")
            return ()
        bad = {run.run_type: run.run_id for run in failed}
        found = [
            change
            for one in self.ended
            if bad.get(one.run_type) == one.run_id
            for change in changed_between(good.get(one.run_type), one)
        ]
        try:
            found += changed_within(self.state, self.secrets, Span(min(ends), self.now))
        except ConfigError:
            self.lacks("changes", "unreadable")
        return tuple(sorted(found, key=lambda one: one.at, reverse=True))

    def training(self, runs: Sequence[RunRecord]) -> Training:
        """Return what became of the training that was due last."""
        (weekly,) = (one for one in schedules_of(self.settings, self.site.tz) if one.run_type == "weekly_train")
        *_, due = weekly.due(self.now - 8 * _DAY, self.now)
        champion_since, trained_at = self._in_use()
        found = overdue(weekly, runs, self.now)
        if found is None or (champion_since and champion_since >= due):
            is_fine = any(one.run_type == "weekly_train" and _began(one) >= due for one in runs) or champion_since
            return Training(due, "fine" if is_fine else "not_due", trained_at=trained_at)
        reason = found.reason.partition(":")[0]
        return Training(due, found.what, found.run_id, reason, trained_at)

    def ages(self) -> Ages:
        """Return how old forecasts, deliveries and secrets are."""
        every = timedelta(minutes=self.settings.inference_every_min)
        feeds = []
        for feed_id, feed in self.feeds.items():
            delivered_at = newest(self.objects, delivery_of(feed_id))
            late = late_min(feed, delivered_at, every, self.now) if delivered_at else 0.0
            supplier = f"{feed.owner.name} <{feed.owner.email}>"
            feeds.append(FeedAge(feed_id, delivered_at, round(late, 1), supplier))
        secrets = {name: round((self.now - self.secrets.set_at(name)) / _DAY, 1) for name in self.secrets.names()}
        return Ages(newest(self.objects, FORECAST), tuple(feeds), secrets)

    def deliveries(self, report: Mapping[str, Any] | None) -> tuple[Delivery, ...]:
        """Return what came since the report was written: of each feed the newest, and every file that was refused."""
        if report is None:
            return ()
        span = Span(datetime.fromisoformat(str(report["written_at"])), self.now)
        taken = [(feed_id, newest(self.objects, delivery_of(feed_id))) for feed_id in self.feeds]
        found = [Delivery(feed_id, at) for feed_id, at in taken if at and span.holds(at)]
        for feed_id in self.feeds:
            files = refused_files(self.objects, feed_id)
            found += [Delivery(feed_id, one.refused_at, one.fault) for one in files if span.holds(one.refused_at)]
        return tuple(sorted(found, key=lambda one: one.at))

    def _in_use(self) -> tuple[datetime | None, datetime | None]:
        """Return since when the model is in use, and when it stopped learning; None of each that is not known."""
        try:
            champion = standing(self.objects).champion
            if champion is None:
                return None, None
            trained_until = read_manifest(self.objects, champion.version)["trained_until"]
            return datetime.fromisoformat(champion.since), datetime.fromisoformat(trained_until)
        except (ConfigError, NotFoundError, KeyError, ValueError):
            self.lacks("training", "unreadable", "model")
            return None, None

    def _dated(self) -> Iterator[tuple[RunRecord, Any]]:
        for one in self.ended[:_ASKED_FOR_REPORT]:
            try:
                yield one, datetime.fromisoformat(one.run_date).date()
            except ValueError:  # it ended before it was known of which day it is
                continue

    def _newest(self, what: Asked, keys: Iterator[tuple[RunRecord, str]]) -> dict[str, Any] | None:
        for _, key in keys:
            if not self.objects.exists(key):
                continue
            try:
                return {"path": key, **json.loads(self.objects.read(key))}
            except (ValueError, TypeError, RecursionError):
                self.lacks(what, "unreadable", key)
                return None
        self.lacks(what, "absent")
        return None

    def lacks(self, what: Asked, why: Lacking, of: str = "") -> None:
        """Note what could not be looked at."""
        self.unchecked.append(Unchecked(what, why, of))


def _symptom(name: str, ringing: Ringing) -> Symptom:
    file, change = load_alarms(), ringing.change
    alarm = next(one for one in (*file.metric_alarms, *file.composite_alarms) if one.alarm_name == name)
    points = tuple((datetime.fromisoformat(at), value) for at, value in change.datapoints)
    measured = [value for _, value in points if value is not None]
    return Symptom(
        alarm=name,
        of=dict(change.of),
        since=ringing.since,
        severity=alarm.severity,
        runbook=alarm.runbook,
        value=measured[-1] if measured else None,
        threshold=getattr(alarm, "threshold", None),
        datapoints=points,
    )


def _ended(record: RunRecord) -> datetime:
    return datetime.fromisoformat(record.ended_at)


def _began(record: RunRecord) -> datetime:
    return datetime.fromisoformat(record.as_of or record.started_at)
