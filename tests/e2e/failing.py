"""What makes a run fail, until it is mended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from e2e.desk import Desk


@contextmanager
def nowhere_to_report(desk: Desk) -> Iterator[None]:
    """Let the data-quality report have no place: a file stands where its folder should be."""
    folder = desk.state / "gold" / "data_quality_runs"
    kept = folder.with_name("kept")
    folder.rename(kept)
    folder.write_text("in the way")
    yield
    folder.unlink()
    kept.rename(folder)
