"""What a run measured, handed on as lines of CloudWatch's embedded format."""

from __future__ import annotations

from collections.abc import Iterable

from healthcare_ops.core.emf import Measured, emf_line
from healthcare_ops.jobs.context import Context


def write_metrics(context: Context, run_id: str, job: str, measured: Iterable[Measured]) -> None:
    """Tell what a job of a run measured, a line each."""
    context.metrics.write([emf_line(one, run_id=run_id, job=job) for one in measured])
