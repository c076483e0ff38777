"""Metrics of a state directory: a file of lines for each day (UTC), however many runs and processes write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from healthcare_ops.adapters.appended import append_lines
from healthcare_ops.core.emf import SeriesKey, instant_of, points_of
from healthcare_ops.core.series import Series

METRICS_FOLDER = "ops/metrics"
_SUFFIX = ".jsonl"


class LocalMetrics:
    """Keeps lines by the day that they are about."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, lines: Iterable[str]) -> None:
        """Keep the lines; several processes may write at once."""
        by_day: dict[date, list[str]] = defaultdict(list)
        for line in lines:
            by_day[instant_of(line).date()].append(line)
        for day, told in by_day.items():
            append_lines(self._folder / f"{day.isoformat()}{_SUFFIX}", told)

    def expire(self, before: date) -> int:
        """Remove what was measured before a day (UTC); return how many days that were."""
        old = [path for day, path in _days(self._folder).items() if day < before]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)


class MetricHistory:
    """The series of a state directory's metrics; asked again, it reads only what was added since."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[date, _Day] = {}

    def since(self, begin: datetime) -> Mapping[SeriesKey, Series]:
        """Return what was measured from the day (UTC) of an instant on; a line that stands twice counts once."""
        first = begin.astimezone(UTC).date()
        files = {day: path for day, path in _days(self._folder).items() if day >= first}
        self._read = {day: self._read.get(day, _Day()) for day in sorted(files)}
        found: dict[SeriesKey, Series] = defaultdict(Series)
        for day, read in self._read.items():
            read.go_on(files[day])
            for key, series in read.series.items():
                found[key].extend(series)
        return found


@dataclass
class _Day:
    """What of a day's file was read so far."""

    size: int = 0
    lines: set[int] = field(default_factory=set)
    series: dict[SeriesKey, Series] = field(default_factory=lambda: defaultdict(Series))

    def go_on(self, path: Path) -> None:
        with path.open("rb") as stream:
            stream.seek(self.size)
            text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]  # what follows is being written
        self.size += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if hash(line) not in self.lines:
                self.lines.add(hash(line))
                for key, at_s, value in points_of(line):
                    self.series[key].add(at_s, value)


def _days(folder: Path) -> dict[date, Path]:
    found = {}
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            found[date.fromisoformat(path.stem)] = path
        except ValueError:  # somebody else's
            continue
    return found
