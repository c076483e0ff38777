"""What the feeds of a synthetic hospital deliver of its journeys, file by file, and what was wrong with each."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from healthcare_ops.core.civil_time import OffsetSpan, offset_spans
from healthcare_ops.core.site import Site
from healthcare_ops.generator.encounter_rows import read_encounters
from healthcare_ops.generator.event_rows import read_events
from healthcare_ops.generator.faults import Placed, Setting, place_faults, silence, spoil_rows, write_out
from healthcare_ops.generator.file_faults import File, change_schema, spoil_file
from healthcare_ops.generator.injected import Injected, record_runs
from healthcare_ops.generator.journeys import Journeys
from healthcare_ops.generator.layout import Clock
from healthcare_ops.generator.scenario import Corrupt, FeedName, FileFault, Reporting, Scenario, SchemaChange, Truncated
from healthcare_ops.generator.schedule import Schedule, Source, make_schedule, repeated_days
from healthcare_ops.generator.slabs import Ints, Outline, Slab, chosen

SLAB_ROWS = 1 << 17
# (number of the fault, number of the file) → rows that the fault took away from the file.
_Removed = Mapping[tuple[int, int], int]
_READERS: Mapping[FeedName, Callable[[Journeys, str, Reporting, int], Source]] = {
    "encounters": read_encounters,
    "events": read_events,
}
# Nothing that is written needs quotes; a value that did would be refused.
_CSV = pa_csv.WriteOptions(include_header=False, quoting_style="none")


@dataclass(frozen=True)
class DeliveredFile:
    """A file of a feed, as it comes, with so many whole records; `content` None: a silent feed withholds it."""

    feed: FeedName
    name: str
    content: bytes | None
    due: datetime
    records: int
    injected: tuple[Injected, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that a feed will deliver: which rows in which file, and what goes wrong with them."""

    feed: FeedName
    source: Source
    schedule: Schedule
    outline: Outline
    faults: tuple[Placed, ...]
    withheld: frozenset[int]
    taken: _Removed
    setting: Setting


@dataclass(frozen=True)
class Terms:
    """On which terms feeds deliver: the days that are simulated, minutes between files, the clock, the seed."""

    first: date
    last: date
    every_min: int
    clock: Clock
    seed: int


def plan_feed(
    feed: FeedName,
    journeys: Journeys,
    site: Site,
    scenario: Scenario,
    terms: Terms,
    *,
    tidy: Callable[[], None] = lambda: None,
) -> Plan:
    """Return what the feed delivers of the journeys; `tidy` is called when much memory has become free."""
    reporting = scenario.reporting
    source = _READERS[feed](journeys, site.facility_id, reporting, terms.seed)
    tidy()
    again = repeated_days(
        feed, site, terms.first, terms.last, reporting.reextract_share, reporting.reextract_after_h, terms.seed
    )
    schedule = make_schedule(feed, site, (terms.first, terms.last), source.newest, terms.every_min, again)
    faults = place_faults(scenario.faults, feed, site, terms.seed)
    silenced = silence(source.outline(schedule), schedule, source, faults)
    return Plan(
        feed,
        source,
        schedule,
        silenced.outline,
        faults,
        silenced.withheld,
        silenced.taken,
        Setting(feed, terms.clock, clock_spans(site, terms.first, terms.last)),
    )


def clock_spans(site: Site, first: date, last: date) -> tuple[OffsetSpan, ...]:
    """Return the site's offsets around the days, with a whole year on either side: every winter and summer."""
    margin = timedelta(days=366)
    return offset_spans(site.tz, first - margin, last + margin)


def due(plan: Plan, since: datetime, until: datetime) -> Iterator[DeliveredFile]:
    """Yield the files that come after `since` and not after `until`, in their order.

    What comes does not depend on the steps in which it is asked for.
    """
    when = plan.schedule.due
    first, end = (int(np.searchsorted(when, int(at.timestamp()), side="right")) for at in (since, until))
    rows_before = np.r_[0, np.cumsum(np.bincount(plan.outline.file, minlength=len(when)))]
    while first < end:
        # As many files as hold about `SLAB_ROWS` rows, but one at least.
        after = int(np.searchsorted(rows_before, rows_before[first] + SLAB_ROWS, side="right")) - 1
        after = min(max(after, first + 1), end)
        yield from _files(plan, first, after)
        first = after


def everything(plan: Plan) -> Iterator[DeliveredFile]:
    """Yield every file."""
    when = plan.schedule.due
    first, last = (datetime.fromtimestamp(int(at), UTC) for at in (when[0] - 1, when[-1]))
    return due(plan, first, last)


def _files(plan: Plan, first: int, end: int) -> Iterator[DeliveredFile]:
    """Yield the files `first` to before `end`, whose rows are made together."""
    slab, removed = _spoiled(plan, plan.source.compose(plan.outline.of_files(first, end)))
    bounds = np.searchsorted(slab.file, np.arange(first, end + 1)).tolist()
    text = _Lines(slab.rows)
    for file, (start, stop) in zip(range(first, end), pairwise(bounds), strict=True):
        yield _file(plan, file, text, (start, stop), slab.marks[start:stop], removed)


class _Lines:
    """Rows as lines of CSV, written once for many files."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._text = _csv(rows)
        self._ends = np.flatnonzero(np.frombuffer(self._text, np.uint8) == ord("\n")) + 1

    def part(self, start: int, stop: int) -> bytes:
        """Return the header and the rows from `start` to before `stop`."""
        header, first, last = self._ends[[0, start, stop]].tolist()
        return self._text[:header] + self._text[first:last]

    def part_with(self, start: int, stop: int, changes: Iterable[tuple[int, SchemaChange]]) -> tuple[bytes, set[int]]:
        """Return the same in another schema, and the numbers of the changes that found something to change."""
        rows, struck = self._rows.slice(start, stop - start), set[int]()
        for number, change in changes:
            before = rows.column_names
            rows = change_schema(rows, change)
            struck |= {number} if rows.column_names != before else set()
        return _csv(rows), struck


def _spoiled(plan: Plan, slab: Slab) -> tuple[Slab, _Removed]:
    """Return the rows as written, and how many of each file a fault took away."""
    removed = dict(plan.taken)
    for placed in plan.faults:
        before = slab.file
        slab = spoil_rows(slab, placed, plan.setting)
        if len(slab.file) < len(before):
            files, counts = np.unique(before, return_counts=True)
            left = np.searchsorted(slab.file, files, side="right") - np.searchsorted(slab.file, files)
            removed |= {(placed.number, int(f)): int(n) for f, n in zip(files, counts - left, strict=True) if n}
    return write_out(slab, plan.faults, plan.setting), removed


def _file(
    plan: Plan, number: int, text: _Lines, bounds: tuple[int, int], marks: Ints, removed: _Removed
) -> DeliveredFile:
    when = plan.schedule.due[number : number + 1]
    due_at = datetime.fromtimestamp(int(when[0]), UTC)
    is_withheld = number in plan.withheld
    faults = [] if is_withheld else [placed for placed in plan.faults if _strikes(placed, number, when)]
    file, struck = _whole_file(f"{plan.schedule.names[number]}.csv", text, bounds, faults)
    lacks = {placed.number: removed.get((placed.number, number)) for placed in plan.faults} | struck
    # What a file that breaks off no longer holds was not delivered with its faults.
    runs = {placed.number: record_runs(marks[: file.records], placed.number) for placed in plan.faults}
    injected = tuple(
        Injected(one.number, one.kind, one.size, plan.feed, file.name, due_at, runs[one.number], lacks[one.number] or 0)
        for one in plan.faults
        if runs[one.number] or lacks[one.number] is not None
    )
    return DeliveredFile(plan.feed, file.name, None if is_withheld else file.content, due_at, file.records, injected)


def _strikes(placed: Placed, number: int, when: Ints) -> bool:
    """Tell whether a fault of files strikes one."""
    fault = placed.fault
    if not isinstance(fault, FileFault):
        return False
    return bool(placed.covers(when)[0] and chosen(np.array([number]), fault.share, placed.seed)[0])


def _whole_file(
    name: str, text: _Lines, bounds: tuple[int, int], faults: Sequence[Placed]
) -> tuple[File, dict[int, int]]:
    """Return a file with what is wrong with it as a whole: number of each fault that struck → rows that it took."""
    struck: dict[int, int] = {}
    content = text.part(*bounds)
    changes = [(placed.number, placed.fault) for placed in faults if isinstance(placed.fault, SchemaChange)]
    if changes:
        content, changed = text.part_with(*bounds, changes)
        struck = dict.fromkeys(changed, 0)
    file = File(name, content, bounds[1] - bounds[0])
    for placed in faults:
        if isinstance(placed.fault, Truncated | Corrupt):
            before = file.records
            file = spoil_file(file, placed.fault)
            struck[placed.number] = before - file.records
    return file, struck


def _csv(rows: pa.Table) -> bytes:
    text = io.BytesIO()
    text.write(",".join(rows.column_names).encode() + b"\n")
    pa_csv.write_csv(rows, text, _CSV)
    return text.getvalue()
