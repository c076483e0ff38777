"""Who watches a state directory: measures how old what it lives on is, judges the alarms, lets old metrics go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_alarms import Transition
from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, LocalMetrics
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.bootstrap.configuration import read_feeds
from healthcare_ops.core.clock import Clock, SystemClock
from healthcare_ops.core.config import SITE_FILE, read_settings
from healthcare_ops.core.emf import Measured, emf_line
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.operations.alarms import Alarms
from healthcare_ops.operations.measure import Gauges
from healthcare_ops.operations.schedules import Tally, schedules_of

_MEASURES_EVERY = timedelta(minutes=5)
_JOB = "watch"


class Watch:
    """Looks at a state directory, as often as it is called; what it is to know is read anew each time it measures."""

    def __init__(self, state: Path, clock: Clock | None = None) -> None:
        self._state = state
        self._clock = clock or SystemClock()
        self._metrics = LocalMetrics(state / METRICS_FOLDER)
        self._alarms = Alarms(state)
        self._measured_at: datetime | None = None
        self._has_looked = False

    def __call__(self, now: datetime, tallies: Mapping[str, Tally]) -> Iterable[Mapping[str, Any]]:
        """Measure, if it is time, and judge the alarms; return an event for each that changed."""
        changes = self._judge_what_was(now)
        # Before the judgement: who judges is not silent. Nobody who cannot measure beats, and so is found silent.
        beat = Measured(now, {}, {"EvaluatorBeat": 1})
        self._metrics.write([emf_line(one, job=_JOB) for one in (beat, *self._measured(now, tallies))])
        changes += self._alarms.judge(now)[1]
        return [{"event": "alarm", **asdict(change)} for change in changes]

    def _judge_what_was(self, now: datetime) -> list[Transition]:
        """Return what changed while nobody watched, if this is a first look, and others looked before."""
        is_first, self._has_looked = not self._has_looked, True
        return self._alarms.judge(now)[1] if is_first and self._alarms.log.read() else []

    def _measured(self, now: datetime, tallies: Mapping[str, Tally]) -> Iterator[Measured]:
        if self._measured_at and abs(now - self._measured_at) < _MEASURES_EVERY:
            return
        settings, site = read_settings(self._state), read_toml(self._state / SITE_FILE, Site)
        feeds = tuple(read_feeds(self._state, site).values())
        secrets = LocalSecrets(self._state / "secrets", self._clock)
        every = timedelta(minutes=settings.inference_every_min)
        (training,) = (one for one in schedules_of(settings, site.tz) if one.run_type == "weekly_train")
        tally = tallies.get(training.run_type)
        was_due = tally is not None and tally.started + tally.skipped + tally.missed > 0
        gauges = Gauges(LocalObjects(self._state), secrets, feeds, every, training)
        yield from gauges.measure(now, was_training_due=was_due)
        self._metrics.expire((now - timedelta(days=settings.keep_metrics_days)).date())
        self._measured_at = now
