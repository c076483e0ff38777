"""The log of a run: one JSON object a line, each with the run and the job that it is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from healthcare_ops.core.faults import in_program

_PRODUCT = "healthcare_ops"


@contextmanager
def logging_to(path: Path, run_id: str, job: str) -> Iterator[logging.Logger]:
    """Append what the product logs within the block; yield a logger for the run itself.

    What is logged for who looks closer is not kept: a traceback may tell what lies in the data.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(_Lines(run_id, job))
    handler.setLevel(logging.INFO)
    logger = logging.getLogger(_PRODUCT)
    level = logger.level
    logger.setLevel(min(logging.INFO, logger.getEffectiveLevel()))
    logger.addHandler(handler)
    try:
        yield logging.getLogger(__name__)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


class _Lines(logging.Formatter):
    """Writes a record as one line of JSON; `place` is the line of the program that it tells of."""

    def __init__(self, run_id: str, job: str) -> None:
        super().__init__()
        self._about = {"run_id": run_id, "job": job}

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        place = getattr(record, "place", "") or in_program(record.pathname, record.lineno)
        told = {"level": record.levelname, **self._about, "place": place, "message": record.getMessage()}
        document: dict[str, Any] = {"at": at, **told}
        return json.dumps(document, ensure_ascii=False, default=str)
