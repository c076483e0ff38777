"""Metrics in the text format that Prometheus reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest

from healthcare_ops.core.metric_names import MetricName

_PREFIX = "healthcare_ops_"
Sample = tuple[MetricName, Mapping[str, str], float]


def exposition(samples: Iterable[Sample]) -> str:
    """Return the samples as text, each metric as a gauge.

    What happens is told as its number in the last day: a counter would have to begin anew whenever an old day expires.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(list(samples)))
    return generate_latest(registry).decode()


class _Families:
    """What the library asks for the metrics."""

    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples

    def collect(self) -> list[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for metric, of, value in self._samples:
            name = f"{_PREFIX}{_snake(metric.name)}{'_last_day' if metric.is_event else ''}"
            labels = [_snake(dimension) for dimension in metric.dimensions]
            help_text = f"{metric.meaning}{' (in the last 24 hours)' if metric.is_event else ''}"
            family = families.setdefault(name, GaugeMetricFamily(name, help_text, labels=labels))
            family.add_metric([of[dimension] for dimension in metric.dimensions], value)
        return list(families.values())


def _snake(name: str) -> str:
    """Return a name in small letters with underscores: `DQRiskScore` becomes `dq_risk_score`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
