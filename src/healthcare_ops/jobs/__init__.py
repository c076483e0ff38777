"""The jobs, by the names that Glue, the state machine and `hops run` use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from healthcare_ops.jobs.context import Job

JOB_NAMES = (
    "ingest_bronze",
    "bronze_to_silver",
    "dq_check",
    "silver_to_gold",
    "build_features",
    "weekly_train",
    "batch_predict",
    "monitor_models",
)
# The micro-batch: the same jobs, in the same order, without training.
TICK_JOBS = tuple(name for name in JOB_NAMES if name not in {"weekly_train", "monitor_models"})
REFINE_JOBS = JOB_NAMES[:5]


def load_job(name: str) -> Job:
    """Return the job of that name; its imports are paid for only when it runs."""
    job: Job = import_module(f"healthcare_ops.jobs.{name}").run
    return job
