"""`site.toml`: the hospital, its zone, its sectors and their capacity."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from healthcare_ops.core.civil_time import load_zone
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.metrics import MANCHESTER_TARGET_MIN
from healthcare_ops.core.validated import Strict


def check_zone(name: str) -> str:
    """Return the name if it is an IANA zone, for use as a pydantic validator."""
    try:
        load_zone(name)
    except ConfigError as error:
        raise ValueError(error.message) from error
    return name


ZoneName = Annotated[str, AfterValidator(check_zone)]
# More than the largest hospital by far; a slip of the pen should not reach a table.
_MOST_BEDS = 1_000_000
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Holidays(Strict):
    """Public holidays, by the country and state codes of the `holidays` package."""

    country: str = Field(min_length=2, max_length=3, description="ISO 3166 code, e.g. 'BR'.")
    subdivision: str = Field(default="", description="State or province, e.g. 'SP'.")

    @model_validator(mode="after")
    def _exists(self) -> Holidays:
        import holidays as calendar  # noqa: PLC0415  # slow to import, and most sites are read without it

        try:
            # Not by the list of supported countries: that loads every one of them.
            known = calendar.country_holidays(self.country).subdivisions
        except NotImplementedError as error:
            raise ValueError(f"country {self.country!r} has no holiday calendar") from error
        if self.subdivision and self.subdivision not in known:
            raise ValueError(f"subdivision {self.subdivision!r} is not known for {self.country}")
        return self


class LocalEvent(Strict):
    """What may move arrivals on some days: school holidays, a match, carnival."""

    name: str = Field(min_length=1, max_length=64)
    days: tuple[str, ...] = Field(
        min_length=1, description="Days as 2026-07-01, or from the first to the last as 2026-07-01/2026-07-31."
    )
    value: float = Field(default=1.0, allow_inf_nan=False, description="Its size, where days differ.")

    @model_validator(mode="after")
    def _are_days(self) -> LocalEvent:
        if not self.dates:
            raise ValueError(f"event {self.name!r} has no day")
        return self

    @cached_property
    def dates(self) -> tuple[date, ...]:
        """Return its days, in order."""
        return tuple(sorted({day for text in self.days for day in _days_of(text)}))


class Triage(Strict):
    """The triage scale and its targets."""

    scale: str = "Manchester"
    target_min: tuple[int, int, int, int, int] = Field(
        default=MANCHESTER_TARGET_MIN, description="Minutes to first contact, level 1 to 5."
    )


class Nedocs(Strict):
    """Inputs of NEDOCS that no feed delivers; an assumption is written beside every score it enters."""

    assume_ventilated: int | None = Field(
        default=None, ge=0, le=_MOST_BEDS, description="Ventilated patients in the ED."
    )


class Sector(Strict):
    """A place with beds or chairs that patients occupy."""

    sector_id: Identifier
    name: str = Field(min_length=1)
    kind: Literal["ed", "ward", "icu", "other"] = "ed"
    functional_capacity: int | None = Field(default=None, ge=1, le=_MOST_BEDS, description="Beds that can be staffed.")


_MOST_EVENT_DAYS = 3700


def _days_of(text: str) -> list[date]:
    first, _, last = text.partition("/")
    try:
        start, end = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as error:
        raise ValueError(f"{text!r} is neither a day (2026-07-01) nor a span (2026-07-01/2026-07-31)") from error
    if not 0 <= (end - start).days <= _MOST_EVENT_DAYS:
        raise ValueError(f"{text!r} is not a span from a day to a later one, of at most ten years")
    return [start + timedelta(days=day) for day in range((end - start).days + 1)]


class Site(Strict):
    """One facility."""

    next_step: ClassVar[str] = "See `hops site schema`."

    facility_id: Identifier
    name: str = Field(min_length=1)
    zone: ZoneName = Field(description="IANA zone of the operational day.")
    hospital_beds: int | None = Field(
        default=None, ge=1, le=_MOST_BEDS, description="Beds of the whole hospital (NEDOCS)."
    )
    max_stay_days: int = Field(default=60, ge=1, le=400, description="Longer stays are quarantined.")
    holidays: Holidays | None = None
    events: tuple[LocalEvent, ...] = Field(default=(), description="School holidays and local events.")
    triage: Triage = Triage()
    nedocs: Nedocs = Nedocs()
    sectors: tuple[Sector, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Site:
        ids = [sector.sector_id for sector in self.sectors]
        repeated = sorted({name for name in ids if ids.count(name) > 1})
        if repeated:
            raise ValueError(f"sector_id {', '.join(repeated)} is declared twice")
        names = [event.name for event in self.events]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"event {', '.join(twice)} is declared twice; list all its days together")
        first_days = [datetime(year, month, 1, tzinfo=UTC) for year in range(2000, 2038) for month in range(1, 13)]
        offsets = {day.astimezone(self.tz).utcoffset() for day in first_days}
        if len({offset % timedelta(hours=1) for offset in offsets if offset is not None}) > 1:
            raise ValueError(f"zone {self.zone!r} changes by a part of an hour; hourly tables need whole hours")
        return self

    @cached_property
    def tz(self) -> ZoneInfo:
        """Return the zone object."""
        return ZoneInfo(self.zone)

    @property
    def sector_ids(self) -> tuple[str, ...]:
        """Return the sectors in the order of the file."""
        return tuple(sector.sector_id for sector in self.sectors)
