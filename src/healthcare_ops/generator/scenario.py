"""`scenario.toml`: how the feeds of a synthetic hospital report, and what goes wrong with them."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.feed import ENCOUNTER_COLUMNS, EVENT_COLUMNS
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import ENCOUNTER_TIMES
from healthcare_ops.core.validated import Strict
from healthcare_ops.generator.parameters import Change as Regime
from healthcare_ops.generator.parameters import Parameters

FeedName = Literal["encounters", "events"]
COLUMNS: dict[FeedName, tuple[str, ...]] = {"encounters": ENCOUNTER_COLUMNS, "events": EVENT_COLUMNS}
TIMES: dict[FeedName, tuple[str, ...]] = {"encounters": ENCOUNTER_TIMES, "events": ("event_time",)}
# Which faults touched a row is kept as one bit each.
MAX_FAULTS = 62
_LONGEST_DELAY_MIN = 20_160


def _check_quantiles(pairs: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    if pairs[0][0] != 0.0 or pairs[-1][0] != 1.0:
        raise ValueError("the first share must be 0 and the last 1")
    if any(left[0] >= right[0] or left[1] > right[1] for left, right in pairwise(pairs)):
        raise ValueError("shares must rise and minutes must not fall")
    if not 0.0 <= pairs[0][1] <= pairs[-1][1] <= _LONGEST_DELAY_MIN:
        raise ValueError(f"minutes must lie between 0 and {_LONGEST_DELAY_MIN}")
    return pairs


def _check_column(name: str) -> str:
    if not any(name in columns for columns in COLUMNS.values()):
        raise ValueError(f"no feed has a column {name!r}; there are {', '.join(_ALL_COLUMNS)}")
    return name


def _check_time(name: str) -> str:
    if name not in _ALL_TIMES:
        raise ValueError(f"{name!r} is not a column of times; there are {', '.join(_ALL_TIMES)}")
    return name


def _check_wall_clock(instant: datetime) -> datetime:
    if instant.tzinfo is not None:
        raise ValueError("write it in the site's clock, without an offset")
    return instant


_ALL_COLUMNS = tuple(dict.fromkeys((*ENCOUNTER_COLUMNS, *EVENT_COLUMNS)))
_ALL_TIMES = ("version_time", *TIMES["encounters"], *TIMES["events"])
Quantiles = Annotated[tuple[tuple[float, float], ...], Field(min_length=2), AfterValidator(_check_quantiles)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]
ColumnName = Annotated[str, AfterValidator(_check_column)]
TimeColumn = Annotated[str, AfterValidator(_check_time)]
WallClock = Annotated[datetime, AfterValidator(_check_wall_clock)]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r'^[^",\r\n\x00]+$')]


class Reporting(Strict):
    """How the source systems report what happens: delays, corrections, re-extracts.

    Delays are quantiles, (share of records, minutes) from share 0 to 1, straight lines between them.
    """

    delay_min: Quantiles = Field(
        default=((0.0, 0.0), (0.5, 2.0), (0.9, 10.0), (0.97, 60.0), (0.995, 360.0), (1.0, 1440.0)),
        description="From when something happens to when its record is written.",
    )
    corrected_share: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        description="Events, and encounters, whose first version is wrong (a time too early, or a triage level).",
    )
    correction_delay_min: Quantiles = Field(
        default=((0.0, 10.0), (0.5, 60.0), (0.9, 480.0), (1.0, 2880.0)),
        description="From the wrong version to the right one.",
    )
    mistyped_by_max_min: int = Field(
        default=30, ge=1, le=1440, description="A wrong time is 1 to this many minutes early."
    )
    reextract_share: float = Field(
        default=0.05, ge=0.0, le=1.0, description="Days that are delivered once more, whole."
    )
    reextract_after_h: int = Field(
        default=30, ge=0, le=240, description="From the end of such a day to its re-extract."
    )


CLEAN = Reporting(delay_min=((0.0, 0.0), (1.0, 0.0)), corrected_share=0.0, reextract_share=0.0)


class Fault(Strict):
    """A fault of what is delivered: of rows written, or files due, after `start` and not after `end`."""

    feed: Literal["encounters", "events", "both"] = "both"
    start: WallClock | None = Field(default=None, description="Site's clock; default: from the beginning.")
    end: WallClock | None = Field(default=None, description="Site's clock; default: to the end.")
    seed: int = Field(default=0, ge=0, description="Another seed, other rows or files.")

    @model_validator(mode="after")
    def _consistent(self) -> Fault:
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        if not self.feeds:
            raise ValueError(f"feed {self.feed!r} does not have the columns {', '.join(self.named_columns)}")
        return self

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Return the columns that the fault is about; none where it is not about some of them."""
        return ()

    @property
    def feeds(self) -> tuple[FeedName, ...]:
        """Return the feeds that it can hit: those asked for that have its columns."""
        return tuple(
            feed
            for feed, columns in COLUMNS.items()
            if self.feed in ("both", feed) and set(self.named_columns) <= set(columns)
        )


class RowFault(Fault):
    """A fault of rows; of a row's sector, not of what the row then says."""

    sectors: tuple[str, ...] = Field(default=(), description="Only rows of these sectors; none = all.")
    share: Share = Field(default=1.0, description="Rows that are hit, of those in the window.")


class FileFault(Fault):
    """A fault of whole files."""

    share: Share = Field(default=1.0, description="Files that are hit, of those due in the window.")


class Nulls(RowFault):
    """A column comes empty."""

    kind: Literal["nulls"]
    column: ColumnName

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Return the column."""
        return (self.column,)


class Duplicates(RowFault):
    """Rows come again in the same file."""

    kind: Literal["duplicates"]
    copies: int = Field(default=1, ge=1, le=20, description="How often each row comes again.")


class Silent(RowFault):
    """Rows do not come; with `share` 1 and no sectors, no file does. The backlog follows after the window."""

    kind: Literal["silent"]
    is_lost: bool = Field(default=False, description="The backlog never comes.")


class Volume(RowFault):
    """Encounters that arrived in the window, and in the sectors, come `factor` times; below 1 some are missing."""

    kind: Literal["volume"]
    factor: float = Field(ge=0.0, le=20.0)


class UnknownCodes(RowFault):
    """A code that no mapping knows."""

    kind: Literal["unknown_codes"]
    column: Literal["sector", "transfer_sector", "triage_level", "disposition", "event_type"]
    code: Code = "??"

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Return the column."""
        return (self.column,)


class SwappedColumns(RowFault):
    """Two columns hold each other's values."""

    kind: Literal["swapped_columns"]
    columns: tuple[ColumnName, ColumnName]

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Return both columns."""
        return self.columns


class SecondsForMinutes(RowFault):
    """A source that keeps durations mistakes their unit: what follows arrival does so `factor` times as late."""

    kind: Literal["seconds_for_minutes"]
    factor: float = Field(
        default=60.0, gt=0.0, le=3600.0, description="60: seconds read as minutes; 1/60: the reverse."
    )


class ClockShift(RowFault):
    """A clock that is wrong by a constant."""

    kind: Literal["clock_shift"]
    minutes: int = Field(ge=-527_040, le=527_040, description="Positive: the clock is ahead.")
    columns: tuple[TimeColumn, ...] = Field(default=(), description="Columns it writes; none = every time.")

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Return the columns; none for all of them."""
        return self.columns


class DstMistake(RowFault):
    """A clock on the wall that is not changed when it should be; what it writes with its offset tells the mistake."""

    kind: Literal["dst_mistake"]
    how: Literal["not_forward", "not_back", "late"] = Field(
        default="not_forward", description="Winter's offset all year, summer's all year, or changed too late."
    )
    late_h: int = Field(default=30, ge=1, le=8784, description="`late`: hours from the change until the clock follows.")


class WrongDates(RowFault):
    """Times fall back to 1970-01-01, or lie `years` ahead."""

    kind: Literal["wrong_dates"]
    to: Literal["1970", "future"]
    columns: tuple[TimeColumn, ...] = Field(
        default=(), description="Columns at fault; none = every time but the version."
    )
    years: int = Field(default=10, ge=1, le=200)

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Return the columns; none for all of them."""
        return self.columns


class ReversedEvents(RowFault):
    """What should follow the arrival precedes it by as long."""

    kind: Literal["reversed_events"]


class Truncated(FileFault):
    """The file ends in the middle of a line."""

    kind: Literal["truncated"]
    keep: float = Field(default=0.5, gt=0.0, lt=1.0, description="Share of the bytes that come.")


class Corrupt(FileFault):
    """A .gz that breaks off (`gzip`), or bytes that are no text (`bytes`)."""

    kind: Literal["corrupt"]
    how: Literal["gzip", "bytes"] = "gzip"


class SchemaChange(FileFault):
    """Columns are renamed, added or dropped."""

    kind: Literal["schema_change"]
    renamed: dict[ColumnName, Code] = Field(default_factory=dict, description="Column → its new name.")
    added: tuple[Code, ...] = ()
    dropped: tuple[ColumnName, ...] = ()

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Return the columns that change or go."""
        return (*self.renamed, *self.dropped)

    @model_validator(mode="after")
    def _changes(self) -> SchemaChange:
        if not (self.renamed or self.added or self.dropped):
            raise ValueError("give `renamed`, `added` or `dropped`")
        if any(set(COLUMNS[feed]) <= set(self.dropped) for feed in self.feeds):
            raise ValueError("a column must be left")
        return self


class Change(Strict):
    """A change of the hospital itself, from the local day `first` on."""

    first: date
    last: date | None = Field(default=None, description="Last day, included; default: to the end.")

    @model_validator(mode="after")
    def _ordered(self) -> Change:
        if self.last and self.last < self.first:
            raise ValueError(f"last {self.last} is before first {self.first}")
        return self


class DemandChange(Change):
    """Another level of arrivals."""

    kind: Literal["demand_change"]
    sectors: tuple[str, ...] = Field(default=(), description="Only arrivals at these sectors; none = all.")
    factor: float = Field(gt=0.0, le=10.0)


class PeakShift(Change):
    """The day's profile of arrivals moves."""

    kind: Literal["peak_shift"]
    sectors: tuple[str, ...] = Field(default=(), description="Only arrivals at these sectors; none = all.")
    hours: int = Field(ge=-12, le=12, description="Positive: later.")


class SlowerService(Change):
    """Service takes longer: triage, contact, treatment, diagnostics and review."""

    kind: Literal["slower_service"]
    sectors: tuple[str, ...] = Field(default=(), description="Only who arrives at these sectors; none = all.")
    factor: float = Field(gt=0.0, le=10.0)


AnyChange = DemandChange | PeakShift | SlowerService
AnyRowFault = (
    Nulls
    | Duplicates
    | Silent
    | Volume
    | UnknownCodes
    | SwappedColumns
    | SecondsForMinutes
    | ClockShift
    | DstMistake
    | WrongDates
    | ReversedEvents
)
AnyFileFault = Truncated | Corrupt | SchemaChange
AnyFault = Annotated[AnyRowFault | AnyFileFault | AnyChange, Field(discriminator="kind")]


class Scenario(Strict):
    """How the feeds report, and every fault; faults of rows act in the order of the file, those of files after them."""

    next_step: ClassVar[str] = "See `hops generate schema`."

    description: str = ""
    reporting: Reporting = Reporting()
    faults: tuple[AnyFault, ...] = Field(default=(), max_length=MAX_FAULTS)

    def require_known_sectors(self, site: Site) -> None:
        """Raise `ConfigError` if a fault names a sector that the site does not have."""
        for number, fault in enumerate(self.faults):
            for sector in getattr(fault, "sectors", ()):
                if sector not in site.sector_ids:
                    raise ConfigError(
                        f"faults.{number}.sectors = {sector!r} is not a sector of site {site.facility_id}; "
                        f"it has {', '.join(site.sector_ids)}.",
                        next_step="Correct the scenario.",
                    )


def with_changes(parameters: Parameters, scenario: Scenario, last: date) -> Parameters:
    """Return the parameters with the scenario's changes behind their own; those without an end last until `last`."""
    changes = []
    for fault in scenario.faults:
        if isinstance(fault, DemandChange | PeakShift | SlowerService):
            days = {"first": fault.first, "last": fault.last or max(fault.first, last), "sectors": fault.sectors}
            changes.append(Regime.model_validate(days | _effect(fault)))
    return parameters.model_copy(update={"changes": (*parameters.changes, *changes)})


def _effect(fault: DemandChange | PeakShift | SlowerService) -> dict[str, float]:
    if isinstance(fault, DemandChange):
        return {"arrivals_factor": fault.factor}
    if isinstance(fault, PeakShift):
        return {"peak_shift_h": fault.hours}
    return {"service_factor": fault.factor}
