"""The alarms of a state directory: judged now, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_alarms import ALARMS_FOLDER, AlarmLog, Transition
from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, MetricHistory
from healthcare_ops.adapters.state_lock import Lock, lock_state
from healthcare_ops.core.alarm_file import AlarmFile, CompositeAlarm, MetricAlarm
from healthcare_ops.core.validated import validated
from healthcare_ops.monitoring.alarms import FIRST_STATE, AlarmKey, Judgement, State, judge_all, look_back

# Judging takes a moment; whoever does it lets go soon.
_PATIENCE_S = 10.0


@cache
def load_alarms() -> AlarmFile:
    """Return the product's alarms; `ConfigError` names the key and the bad value."""
    text = files("healthcare_ops.monitoring").joinpath("alarms.json").read_text(encoding="utf-8")
    return validated(json.loads(text), AlarmFile, "alarms.json")


@dataclass(frozen=True)
class Standing:
    """How an alarm stands: `since` is None for one that was never in another state."""

    alarm: MetricAlarm | CompositeAlarm
    of: Mapping[str, str]
    judgement: Judgement
    since: datetime | None

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values, instants in UTC; of an alarm on others without threshold and datapoints."""
        alarm, points = self.alarm, self.judgement.datapoints
        measured = [one.value for one in points if one.value is not None]
        return {
            "alarm": alarm.alarm_name,
            "of": dict(self.of),
            "state": self.judgement.state,
            "since": self.since.isoformat() if self.since else None,
            "reason": self.judgement.reason,
            "metric": alarm.metric_name if isinstance(alarm, MetricAlarm) else None,
            "value": measured[-1] if measured else None,
            "comparison": alarm.comparison_operator if isinstance(alarm, MetricAlarm) else None,
            "threshold": alarm.threshold if isinstance(alarm, MetricAlarm) else None,
            "datapoints": [[one.at.isoformat(), one.value] for one in points],
            "severity": alarm.severity,
            "runbook": alarm.runbook,
            "means": alarm.alarm_description,
        }


class Alarms:
    """Judges a state directory's alarms."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._file = load_alarms()
        self._history = MetricHistory(state / METRICS_FOLDER)
        self.log = AlarmLog(state / ALARMS_FOLDER)

    def judge(self, at: datetime) -> tuple[list[Standing], list[Transition]]:
        """Judge every alarm at an instant and keep what changed; return how all stand, and the changes.

        Of several processes one does so at a time. What a crash kept from being kept changes with the next judgement.

        Raises
        ------
        ConfigError
            If the log of changes was damaged.
        LockedError
            If another process judges, and does not come to an end.
        """
        with lock_state(self._state, Lock.ALARMS, wait_s=_PATIENCE_S):
            standings, changes = self._judged(at)
            self.log.append(changes)
        return standings, changes

    def look(self, at: datetime) -> list[Standing]:
        """Return how every alarm would stand at an instant, and keep nothing."""
        return self._judged(at)[0]

    def _judged(self, at: datetime) -> tuple[list[Standing], list[Transition]]:
        last = {_key(change): change for change in self.log.read()}
        states = {key: change.state for key, change in last.items()}
        judged = judge_all(self._file, self._history.since(at - look_back(self._file)), at, states)
        changes = {
            key: _change(key, found, states.get(key, FIRST_STATE), at)
            for key, found in judged.items()
            if found.state != states.get(key, FIRST_STATE)
        }
        alarms: dict[str, MetricAlarm | CompositeAlarm] = {one.alarm_name: one for one in self._file.metric_alarms}
        alarms |= {one.alarm_name: one for one in self._file.composite_alarms}
        since = {key: datetime.fromisoformat(change.at) for key, change in (last | changes).items()}
        standings = [Standing(alarms[key.alarm], dict(key.of), found, since.get(key)) for key, found in judged.items()]
        return standings, list(changes.values())


def _key(change: Transition) -> AlarmKey:
    return AlarmKey(change.alarm, tuple(sorted(change.of.items())))


def _change(key: AlarmKey, found: Judgement, was: State, at: datetime) -> Transition:
    points = [[one.at.isoformat(), one.value] for one in found.datapoints]
    at_utc = at.astimezone(UTC).isoformat()
    return Transition(at_utc, key.alarm, dict(key.of), was, found.state, found.reason, points)
