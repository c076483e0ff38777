"""`feeds/<feed_id>.toml`: how one supplier's files map to the platform's columns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.site import Identifier, Site, ZoneName
from healthcare_ops.core.tables import DISPOSITIONS, ENCOUNTER_TIMES, MILESTONES
from healthcare_ops.core.time_formats import ISO, format_pattern
from healthcare_ops.core.validated import Strict

Shape = Literal["encounters", "events", "start_complete"]
IGNORE = "ignore"
LEFT = "left"
EVENT_TYPES = (*MILESTONES, LEFT, IGNORE)
IDENTIFIERS = ("encounter_id", "patient_id", "source_event_id")

ENCOUNTER_COLUMNS = (
    "encounter_id",
    "patient_id",
    "version_time",
    *ENCOUNTER_TIMES,
    "sector",
    "bed",
    "triage_level",
    "disposition",
    "transfer_sector",
)
EVENT_COLUMNS = (
    "encounter_id",
    "patient_id",
    "version_time",
    "source_event_id",
    "event_type",
    "event_time",
    "sector",
    "bed",
    "triage_level",
    "disposition",
)


class Owner(Strict):
    """Who answers for the feed."""

    name: str = Field(min_length=1)
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")


class Plausible(Strict):
    """Times outside these days (feed zone, both included) are quarantined."""

    first: date
    last: date

    @model_validator(mode="after")
    def _ordered(self) -> Plausible:
        if self.first > self.last:
            raise ValueError(f"first {self.first} is after last {self.last}")
        if self.last.year - self.first.year > 200:
            raise ValueError("the range spans more than 200 years")
        return self


_TEN_YEARS_MIN = 5_256_000


class Cadence(Strict):
    """When a delivery is expected."""

    every_min: int = Field(ge=1, le=_TEN_YEARS_MIN, description="Minutes between deliveries.")
    late_after_min: int = Field(
        ge=1, le=_TEN_YEARS_MIN, description="Minutes without one until the feed counts as silent."
    )


class Times(Strict):
    """How times are written."""

    formats: tuple[str, ...] = Field(
        default=("ISO",),
        min_length=1,
        description="'ISO' (with or without offset, fractions allowed) or strptime formats of "
        "%Y %y %m %d %H %M %S %f %I %p %b, tried in order.",
    )
    skipped_hour: Literal["quarantine", "shift_forward"] = "quarantine"
    repeated_hour: Literal["quarantine", "first", "second"] = "quarantine"

    @field_validator("formats")
    @classmethod
    def _readable(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for time_format in formats:
            if time_format == ISO:
                continue
            try:
                format_pattern(time_format)
            except ConfigError as error:
                raise ValueError(error.message) from error
        return formats


class Source(Strict):
    """Where a platform column comes from: a source column (only `when` others match), or a constant."""

    column: str | None = None
    when: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Source column → accepted values; otherwise the column is empty."
    )
    const: str | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Source:
        if (self.column is None) == (self.const is None):
            raise ValueError("give either `column` or `const`")
        return self


def _named(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


# Not a plain union: its messages would speak of both branches, by names that no file holds.
AnySource = Annotated[Source, BeforeValidator(_named, json_schema_input_type=str | Source)]


class Values(Strict):
    """Value maps: code as delivered → the platform's value; `"*"` stands for every other code."""

    sector: dict[str, str] = Field(default_factory=dict)
    triage_level: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)
    disposition: dict[str, Literal[DISPOSITIONS]] = Field(default_factory=dict)  # type: ignore[valid-type]  # literal from the contract
    event_type: dict[str, Literal[EVENT_TYPES]] = Field(default_factory=dict)  # type: ignore[valid-type]  # literal from the contract


class Feed(Strict):
    """One feed: a supplier's stream of files with one mapping."""

    next_step: ClassVar[str] = "See `hops feed schema`."

    feed_id: Identifier
    description: str = ""
    format: Literal["csv", "tsv", "parquet", "ndjson"]
    encoding: Literal["utf-8", "latin-1", "cp1252"] = "utf-8"
    delimiter: str | None = Field(
        default=None,
        pattern=r"^[\t\x1c-\x1f !#-/:-@\[-`{-~]$",
        description="One ASCII sign, not a quote; otherwise a comma (csv) or a tab (tsv).",
    )
    shape: Shape
    zone: ZoneName = Field(description="IANA zone of the times as written (ignored where they carry an offset).")
    owner: Owner
    plausible: Plausible
    cadence: Cadence
    times: Times = Times()
    null_values: tuple[str, ...] = Field(default=("",), description="Texts that mean 'not delivered'.")
    lifecycle_column: str | None = Field(
        default=None, description="start_complete: the column saying 'start' or 'complete'."
    )
    bed_pattern: str | None = Field(
        default=None,
        description="Regular expression of every bed, whole; a text that is no such bed is withheld. Without it, one "
        "that looks like an identifier is.",
    )
    columns: dict[str, AnySource] = Field(description="Platform column → source column, or a table.")
    values: Values = Values()

    @field_validator("bed_pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _consistent(self) -> Feed:
        _check_columns(self)
        _check_identifiers(self)
        if (self.shape == "start_complete") != (self.lifecycle_column is not None):
            raise ValueError("`lifecycle_column` goes with shape 'start_complete', and only with it")
        if self.shape != "encounters" and not self.values.event_type:
            raise ValueError("`values.event_type` must map the source's event codes")
        return self

    @property
    def table_columns(self) -> tuple[str, ...]:
        """Return the platform columns that this shape can map, in storage order."""
        return ENCOUNTER_COLUMNS if self.shape == "encounters" else EVENT_COLUMNS

    @property
    def required_columns(self) -> tuple[str, ...]:
        """Return the platform columns without which no record of this shape can be used."""
        return (
            ("arrival_time", "sector") if self.shape == "encounters" else ("event_type", "event_time", "encounter_id")
        )

    def source(self, column: str) -> Source | None:
        """Return where a platform column comes from; None if it is not mapped."""
        return self.columns.get(column)


def _check_columns(feed: Feed) -> None:
    unknown = [name for name in feed.columns if name not in feed.table_columns]
    if unknown:
        raise ValueError(
            f"columns.{unknown[0]} is not a column of shape {feed.shape!r}; known: {', '.join(feed.table_columns)}"
        )
    missing = [name for name in feed.required_columns if name not in feed.columns]
    if missing:
        raise ValueError(f"columns.{missing[0]} must be mapped for shape {feed.shape!r}")


def _check_identifiers(feed: Feed) -> None:
    """Refuse a mapping that lets an identifier past the pseudonyms under another column's name."""
    identifying = {source.column for name in IDENTIFIERS if (source := feed.source(name)) and source.column}
    if feed.lifecycle_column in identifying:  # it becomes a part of the event's code
        raise ValueError(f"lifecycle_column reads {feed.lifecycle_column!r}, which is mapped as an identifier")
    for name in feed.columns:
        source = feed.source(name)
        if name not in IDENTIFIERS and source and source.column in identifying:
            raise ValueError(f"columns.{name} reads {source.column!r}, which is mapped as an identifier")


def require_known_sectors(feed: Feed, site: Site) -> None:
    """Raise `ConfigError` if the feed maps a place to a sector that the site does not declare.

    Its patients would stand in silver and in no hour of gold.
    """
    mapped = {f"values.sector.{code}": sector for code, sector in feed.values.sector.items()}
    if not mapped:  # then places are sector ids as they are
        sources = {f"columns.{name}.const": feed.source(name) for name in ("sector", "transfer_sector")}
        mapped = {key: source.const for key, source in sources.items() if source and source.const is not None}
    for key, sector in mapped.items():
        if sector not in site.sector_ids:
            raise ConfigError(
                f"feed {feed.feed_id}: `{key}` = {sector!r} is not a sector of site {site.facility_id}; "
                f"it has {', '.join(site.sector_ids)}.",
                next_step="Correct the feed file, or declare the sector in the site file.",
            )


def delivered_columns(feeds: Iterable[Feed]) -> set[str]:
    """Return the columns of records and encounters that at least one of the feeds can fill."""
    milestones = {"care_start": "care_start", "discharge": "discharge_time", LEFT: "discharge_time"}
    found: set[str] = set()
    for feed in feeds:
        found |= set(feed.columns)
        if feed.shape != "encounters":
            found |= {milestones[name] for name in feed.values.event_type.values() if name in milestones}
    return found
