"""Metrics of a run, kept as lines of CloudWatch's embedded format until something reads them."""

from __future__ import annotations

from collections.abc import Iterable

from healthcare_ops.jobs.context import Context, Request


def write_metrics(context: Context, request: Request, about: str, lines: Iterable[str]) -> None:
    """Keep the metrics of a run about one thing (`dq_check`, `drift`), a line each."""
    key = f"ops/metrics/dt={request.run_date.isoformat()}/{request.run_id}.{about}.jsonl"
    context.objects.write(key, "".join(f"{line}\n" for line in lines).encode())
