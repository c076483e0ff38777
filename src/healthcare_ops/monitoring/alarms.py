"""Alarms, judged as Amazon CloudWatch judges them.

Source: CloudWatch User Guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data". What the
guide leaves open is decided here: a period ends at the instant of judgement, as CloudWatch judges every minute, however
long its period; and the evaluation range, which the guide shows once (5 for 3 periods), is two periods longer than
`EvaluationPeriods`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from healthcare_ops.core.alarm_file import AlarmFile, CompositeAlarm, MetricAlarm
from healthcare_ops.core.emf import Dimensions, SeriesKey
from healthcare_ops.core.series import Series

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
# Of an alarm that was never judged.
FIRST_STATE: State = "INSUFFICIENT_DATA"
_FURTHER_BACK = 2
_NOTHING = Series()
_BREACHES: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_WORDS: Mapping[str, str] = {
    "GreaterThanThreshold": "greater than",
    "GreaterThanOrEqualToThreshold": "at least",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "at most",
}
_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SampleCount": len,
    "Sum": sum,
    "Average": lambda values: sum(values) / len(values),
    "Minimum": min,
    "Maximum": max,
}


class AlarmKey(NamedTuple):
    """One alarm, of one value of each dimension of its `ForEach`."""

    alarm: str
    of: Dimensions = ()


@dataclass(frozen=True)
class Datapoint:
    """What a period came to: `at` is its beginning (UTC), `value` None if nothing was measured."""

    at: datetime
    value: float | None


@dataclass(frozen=True)
class Judgement:
    """The state of an alarm at an instant, why, and the datapoints of its evaluation range, the oldest first."""

    state: State
    reason: str
    datapoints: tuple[Datapoint, ...] = ()


def look_back(file: AlarmFile) -> timedelta:
    """Return how far back the alarms look."""
    return timedelta(seconds=max(alarm.period * _range_of(alarm) for alarm in file.metric_alarms))


def judge_all(
    file: AlarmFile, series: Mapping[SeriesKey, Series], at: datetime, states: Mapping[AlarmKey, State]
) -> dict[AlarmKey, Judgement]:
    """Return the judgement of every alarm at an instant.

    Parameters
    ----------
    series
        What was measured, `look_back` and further; what is later than `at` is not looked at.
    states
        The states before; alarms of things that are not measured any more are judged as well.
    """
    found: dict[AlarmKey, Judgement] = {}
    for alarm in file.metric_alarms:
        for of in _things(alarm, series, states):
            key = AlarmKey(alarm.alarm_name, of)
            measured = series.get(SeriesKey(alarm.metric_name, _dimensions(alarm, of)), _NOTHING)
            found[key] = judge(alarm, measured, at, states.get(key, FIRST_STATE))
    for composite in file.composite_alarms:
        for of in sorted({key.of for key in found if key.alarm in composite.children}):
            found[AlarmKey(composite.alarm_name, of)] = _judge_composite(composite, of, found)
    return found


def judge(alarm: MetricAlarm, series: Series, at: datetime, was: State) -> Judgement:
    """Return the judgement of an alarm on its series at an instant, from its state before."""
    points = _datapoints(alarm, series, at)
    breaches = _BREACHES[alarm.comparison_operator]
    # From the newest back, as the guide counts.
    marks = [None if one.value is None else breaches(one.value, alarm.threshold) for one in reversed(points)]
    state = decide(marks, alarm.evaluation_periods, alarm.datapoints_to_alarm, alarm.treat_missing_data)
    return Judgement(state or was, _reason(alarm, points, marks, is_kept=state is None), points)


def decide(marks: Sequence[bool | None], n: int, m: int, treatment: str) -> State | None:
    """Return the state that the datapoints of an evaluation range make; None if the state before is kept.

    Parameters
    ----------
    marks
        The newest first: whether a datapoint breaches; None if it is missing.
    n, m
        `EvaluationPeriods` and `DatapointsToAlarm`.
    treatment
        `TreatMissingData`; it counts only where there are fewer than `n` real datapoints.
    """
    real = [mark for mark in marks if mark is not None][:n]
    breaching = real.count(True)
    filled = n - len(real)
    if treatment == "breaching":
        breaching += filled
    if breaching >= m:
        return "ALARM"
    if not filled or treatment in ("breaching", "notBreaching") or False in real:
        return "OK"
    if treatment == "ignore":
        return None
    # Too few datapoints, and all that there are breach. The next one may not: only a breach that has stood alone for
    # as long as it takes to alarm is one ("Avoiding premature transitions to alarm state").
    is_old_enough = True in marks and len(marks) - list(reversed(marks)).index(True) >= m
    return "ALARM" if is_old_enough else "INSUFFICIENT_DATA"


def _range_of(alarm: MetricAlarm) -> int:
    return alarm.evaluation_periods + _FURTHER_BACK


def _datapoints(alarm: MetricAlarm, series: Series, at: datetime) -> tuple[Datapoint, ...]:
    statistic, end_s = _STATISTICS[alarm.statistic], at.timestamp()
    points = []
    for back in range(_range_of(alarm), 0, -1):
        begin_s = end_s - back * alarm.period
        _, values = series.within(begin_s, begin_s + alarm.period)
        points.append(Datapoint(datetime.fromtimestamp(begin_s, UTC), float(statistic(values)) if values else None))
    return tuple(points)


def _things(alarm: MetricAlarm, series: Iterable[SeriesKey], states: Iterable[AlarmKey]) -> Iterator[Dimensions]:
    """Yield what the alarm is judged of: of everything at once, or each thing that is or was measured."""
    if not alarm.for_each:
        yield ()
        return
    fixed = {(dimension.name, dimension.value) for dimension in alarm.dimensions}
    measured = {
        tuple(pair for pair in key.dimensions if pair[0] in alarm.for_each)
        for key in series
        if key.metric == alarm.metric_name and fixed <= set(key.dimensions)
    }
    known = {key.of for key in states if key.alarm == alarm.alarm_name}
    yield from sorted(measured | {of for of in known if {name for name, _ in of} == set(alarm.for_each)})


def _dimensions(alarm: MetricAlarm, of: Dimensions) -> Dimensions:
    return tuple(sorted([*((one.name, one.value) for one in alarm.dimensions), *of]))


def _judge_composite(composite: CompositeAlarm, of: Dimensions, found: Mapping[AlarmKey, Judgement]) -> Judgement:
    children = {name: found[AlarmKey(name, of)] for name in composite.children if AlarmKey(name, of) in found}
    ringing = [f"{name}: {child.reason}" for name, child in children.items() if child.state == "ALARM"]
    if ringing:
        return Judgement("ALARM", "; ".join(ringing))
    return Judgement("OK", f"none of {', '.join(composite.children)} is in ALARM")


def _reason(alarm: MetricAlarm, points: Sequence[Datapoint], marks: Sequence[bool | None], *, is_kept: bool) -> str:
    real = [one for one in points if one.value is not None][-alarm.evaluation_periods :]
    limit = f"{_WORDS[alarm.comparison_operator]} {alarm.threshold:g}"
    kept = "; the state before is kept" if is_kept else ""
    if not real:
        treated = (
            "" if is_kept or alarm.treat_missing_data == "missing" else f", and count as {alarm.treat_missing_data}"
        )
        return f"{alarm.metric_name}: all {len(points)} datapoints are missing{treated}{kept}"
    breaching = [mark for mark in marks if mark is not None][: alarm.evaluation_periods].count(True)
    values = ", ".join(f"{one.value:g}" for one in real)
    missing = alarm.evaluation_periods - len(real)
    filled = f", {missing} missing ({alarm.treat_missing_data})" if missing else ""
    return (
        f"{alarm.metric_name}: {breaching} of {len(real)} datapoints ({values}) {'is' if breaching == 1 else 'are'} "
        f"{limit}{filled}; {alarm.datapoints_to_alarm} of {alarm.evaluation_periods} make an alarm{kept}"
    )
