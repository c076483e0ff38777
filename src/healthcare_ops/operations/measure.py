"""How old what the platform lives on is: forecasts, deliveries, the model in use, secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from healthcare_ops.core.config import PSEUDONYM_KEY
from healthcare_ops.core.emf import Measured
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.runs import RUNS_PREFIX
from healthcare_ops.jobs.newest import FORECAST, delivery_of, newest
from healthcare_ops.operations.history import read_run
from healthcare_ops.operations.schedules import Schedule
from healthcare_ops.operations.trainings import overdue
from healthcare_ops.ports import ObjectStore, SecretStore

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# A new one would make strangers of known patients: it is no key that is rotated.
_NEVER_ROTATED = {PSEUDONYM_KEY}


@dataclass(frozen=True)
class Gauges:
    """Measures ages, from what jobs, runs and people left in the state directory; it needs no engine.

    `inference_every` is the time from tick to tick, `training` when `weekly_train` is due.
    """

    objects: ObjectStore
    secrets: SecretStore
    feeds: tuple[Feed, ...]
    inference_every: timedelta
    training: Schedule

    def measure(self, now: datetime, *, was_training_due: bool) -> Iterator[Measured]:
        """Yield what is known at an instant; before its first Sunday no training is overdue."""
        overdue_for = self._train_overdue(now) if was_training_due else timedelta()
        whole = {"TrainOverdueHours": round(overdue_for / _HOUR, 2)}
        if made_at := newest(self.objects, FORECAST):
            age = now - made_at
            whole["ForecastAgeMin"] = round(age / _MINUTE, 1)
            whole["ForecastLateMin"] = round(max(age - self.inference_every, timedelta()) / _MINUTE, 1)
        yield Measured(now, {}, whole)
        for feed in self.feeds:
            if delivered_at := newest(self.objects, delivery_of(feed.feed_id)):
                late = late_min(feed, delivered_at, self.inference_every, now)
                yield Measured(now, {"FeedId": feed.feed_id}, {"FeedLateMin": round(late, 1)})
        for name in self.secrets.names():
            if name not in _NEVER_ROTATED:
                age = now - self.secrets.set_at(name)
                yield Measured(now, {"SecretName": name}, {"SecretAgeDays": round(age / _DAY, 2)})

    def _train_overdue(self, now: datetime) -> timedelta:
        """Return how long ago `weekly_train` was due, if no run of it that began since then has succeeded."""
        runs = []
        for key in self.objects.list(f"{RUNS_PREFIX}{self.training.run_type}-"):
            with suppress(ConfigError):  # whoever lists runs tells
                runs.append(read_run(self.objects, key))
        found = overdue(self.training, runs, now)
        return now - found.due if found else timedelta()


def late_min(feed: Feed, delivered_at: datetime, inference_every: timedelta, now: datetime) -> float:
    """Return by how many minutes a feed's next delivery is later than its feed file allows; 0 if it is not."""
    # A delivery is noticed by the tick that takes it in.
    allowed = timedelta(minutes=feed.cadence.every_min + feed.cadence.late_after_min)
    return max(now - delivered_at - allowed - inference_every, timedelta()) / _MINUTE
