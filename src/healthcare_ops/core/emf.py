"""Metrics as lines of CloudWatch's embedded metric format: what a log line says, CloudWatch counts as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from healthcare_ops.core.metric_names import METRICS

NAMESPACE = "HealthcareOps"
Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Measured:
    """What was measured at one instant: metrics (name → value), and what they are of (dimension → value)."""

    at: datetime
    of: Mapping[str, str]
    values: Mapping[str, float]


class SeriesKey(NamedTuple):
    """What a series is of: a metric's name, and its dimensions in the order of their names."""

    metric: str
    dimensions: Dimensions = ()


def emf_line(measured: Measured, *, run_id: str = "", job: str = "") -> str:
    """Return what was measured as one line; `run_id` and `job` say by whom, and count for no metric.

    Source: Amazon CloudWatch, "Specification: Embedded metric format". A line holds at most 100 metrics and 30
    dimensions; neither holds anything of a patient.

    Raises
    ------
    ValueError
        If a metric is not registered, or has other dimensions than it is registered with.
    """
    for name in measured.values:
        if name not in METRICS:
            raise ValueError(f"{name} is no registered metric; name it in core/metric_names.py")
        if set(METRICS[name].dimensions) != set(measured.of):
            raise ValueError(f"{name} is of {METRICS[name].dimensions}, not of {tuple(measured.of)}")
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(measured.of)],
        "Metrics": [{"Name": name, "Unit": METRICS[name].unit} for name in measured.values],
    }
    told = {"_aws": {"Timestamp": round(measured.at.timestamp() * 1000), "CloudWatchMetrics": [directive]}}
    by = {name: value for name, value in (("run_id", run_id), ("job", job)) if value}
    return json.dumps({**told, **by, **measured.of, **measured.values}, ensure_ascii=False)


def instant_of(line: str) -> datetime:
    """Return the instant (UTC) that a line is about; `ValueError` or `KeyError` if it is none of this format."""
    return datetime.fromtimestamp(json.loads(line)["_aws"]["Timestamp"] / 1000, UTC)


def points_of(line: str) -> Iterator[tuple[SeriesKey, float, float]]:
    """Yield what a line says: of which series, when (seconds since 1970), and the value; nothing of another line."""
    try:
        document: dict[str, Any] = json.loads(line)
        at_s = document["_aws"]["Timestamp"] / 1000
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                of = tuple((name, str(document[name])) for name in sorted(names))
                for metric in directive["Metrics"]:
                    yield SeriesKey(metric["Name"], of), at_s, float(document[metric["Name"]])
    except (ValueError, TypeError, KeyError, RecursionError):  # cut short by a crash, or not of this product
        return
