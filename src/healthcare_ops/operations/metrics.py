"""`hops metrics`: what is measured, as it stands now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from healthcare_ops.core.emf import SeriesKey
from healthcare_ops.core.metric_names import METRICS, MetricName
from healthcare_ops.core.series import Series

# What is measured by the daily run is a day old at most, and a little more where the clock changes.
LOOK_BACK = timedelta(hours=25)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Current:
    """One metric of one thing: its newest value, or for what happens, how often it did in the last 24 hours."""

    metric: MetricName
    of: Mapping[str, str]
    at: datetime
    value: float


def current(series: Mapping[SeriesKey, Series], now: datetime) -> list[Current]:
    """Return what stands now, by metric and what it is of; nothing of what was measured last before `LOOK_BACK`."""
    found = []
    for key in sorted(key for key in series if key.metric in METRICS):
        metric = METRICS[key.metric]
        reach = _DAY if metric.is_event else LOOK_BACK
        times_s, values = series[key].within((now - reach).timestamp(), now.timestamp())
        if values:
            value = sum(values) if metric.is_event else values[-1]
            found.append(Current(metric, dict(key.dimensions), datetime.fromtimestamp(times_s[-1], UTC), value))
    return found
