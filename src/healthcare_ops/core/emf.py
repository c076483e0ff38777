"""Metrics as lines of CloudWatch's embedded metric format: what a log line says, CloudWatch counts as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

NAMESPACE = "HealthcareOps"
Unit = Literal["None", "Count", "Percent", "Seconds"]


def emf_line(at: datetime, dimensions: Mapping[str, str], metrics: Mapping[str, tuple[float, Unit]]) -> str:
    """Return one line: metrics (name → value and unit) of one instant, and what they are of.

    Source: Amazon CloudWatch, "Specification: Embedded metric format". A line holds at most 100 metrics and 30
    dimensions; neither holds anything of a patient.
    """
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
    }
    told = {"_aws": {"Timestamp": round(at.timestamp() * 1000), "CloudWatchMetrics": [directive]}}
    return json.dumps(
        {**told, **dimensions, **{name: value for name, (value, _) in metrics.items()}}, ensure_ascii=False
    )
