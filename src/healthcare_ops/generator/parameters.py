"""The parameters file of the synthetic hospital: demand, staff, care, beds. Its defaults are `default.toml`."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from healthcare_ops.core.site import Sector, Site
from healthcare_ops.core.validated import Strict

PROBABILITIES = (0.0, 0.05, 0.10, 0.25, 0.40, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0)
LEVELS = (1, 2, 3, 4, 5)
DAY_S, HOUR_S, MINUTE_S = 86_400, 3_600, 60

LevelKey = Literal["1", "2", "3", "4", "5"]
InpatientKind = Literal["other", "ward", "icu"]
INPATIENT_KINDS: tuple[InpatientKind, ...] = ("other", "ward", "icu")


def _rising(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if any(later < earlier for earlier, later in itertools.pairwise(numbers)):
        raise ValueError("quantiles must not fall from one to the next")
    return numbers


def _not_all_zero(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if sum(numbers) <= 0:
        raise ValueError("one of the numbers must be above 0")
    return numbers


def _hours(hours: tuple[int, ...]) -> tuple[int, ...]:
    if list(hours) != sorted(set(hours)):
        raise ValueError("hours must rise")
    return hours


Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
# In minutes, the longest stay that a site may believe in (400 days); in hours, what 32 bits of seconds hold.
Duration = Annotated[float, Field(ge=0, le=576_000)]
Utilisation = Annotated[float, Field(ge=0.01, le=2)]
Quantiles = Annotated[tuple[Duration, ...], Field(min_length=11, max_length=11), AfterValidator(_rising)]
Beds = Annotated[int, Field(ge=1, le=100_000)]
ByHour = Annotated[tuple[NotNegative, ...], Field(min_length=24, max_length=24), AfterValidator(_not_all_zero)]
StaffByHour = Annotated[tuple[Annotated[int, Field(ge=0, le=100_000)], ...], Field(min_length=24, max_length=24)]


class Arrivals(Strict):
    """When patients come to one emergency sector."""

    per_day: NotNegative | None = Field(default=None, description="Mean arrivals a day.")
    per_bed_per_day: NotNegative = Field(description="The same for each bed, where per_day is not given.")
    weekday_hours: ByHour = Field(description="Relative arrivals of civil hours, Monday to Friday.")
    weekend_hours: ByHour = Field(description="Relative arrivals of civil hours, Saturday and Sunday.")
    weekdays: tuple[Positive, Positive, Positive, Positive, Positive, Positive, Positive] = Field(
        description="Relative arrivals of Monday to Sunday."
    )
    season_amplitude: Annotated[float, Field(ge=0, lt=1)] = Field(description="Height of the yearly wave ÷ mean.")
    season_peak_day: Annotated[int, Field(ge=1, le=366)] = Field(description="Day of the year of its top.")
    holiday_factor: Positive = Field(description="Factor on public holidays.")
    dispersion: Annotated[float, Field(ge=1, le=1_000)] = Field(description="Variance ÷ mean of daily arrivals.")
    autocorrelation: Annotated[float, Field(ge=0, lt=1)] = Field(description="Of daily arrivals with the day before.")


class Mix(Strict):
    """Shares of the triage levels from one civil hour on."""

    from_hour: Annotated[int, Field(ge=0, le=23)]
    shares: Annotated[
        tuple[NotNegative, NotNegative, NotNegative, NotNegative, NotNegative], AfterValidator(_not_all_zero)
    ] = Field(description="Relative shares of levels 1 to 5.")


class Physicians(Strict):
    """Physicians on duty in one emergency sector."""

    by_hour: StaffByHour | None = Field(default=None, description="On duty in each civil hour.")
    utilisation: Utilisation = Field(description="Sizes the staff where by_hour is not given.")


class Outcomes(Strict):
    """What becomes of those who were seen, as shares; the rest goes home."""

    observation: Share
    ward: Share
    icu: Share
    transferred: Share
    died: Share
    left_against_advice: Share
    other: Share

    @model_validator(mode="after")
    def _no_more_than_all(self) -> Outcomes:
        _check_sum(self)
        return self


class Next(Strict):
    """Where inpatients go after their stay, as shares; the rest goes home."""

    other: Share
    ward: Share
    icu: Share
    transferred: Share
    died: Share

    @model_validator(mode="after")
    def _no_more_than_all(self) -> Next:
        _check_sum(self)
        return self


class Level(Strict):
    """Care of one triage level; see `default.toml` for each key."""

    registration_min: Quantiles
    preparation_min: Quantiles
    contact_min: Quantiles
    treatment_min: Quantiles
    diagnostics_share: Share
    diagnostics_min: Quantiles
    review_min: Quantiles
    patience_min: Quantiles
    outcomes: Outcomes


class Emergency(Strict):
    """One emergency sector: demand, physicians and care."""

    arrivals: Arrivals
    mix: tuple[Mix, ...] = Field(min_length=1)
    physicians: Physicians
    wait_treatment_correlation: Annotated[float, Field(ge=-0.95, le=0.95)] = Field(
        description="Rank correlation of treatment with the delays before it (registration, preparation)."
    )
    levels: dict[LevelKey, Level]

    @model_validator(mode="after")
    def _consistent(self) -> Emergency:
        hours = [period.from_hour for period in self.mix]
        if hours != sorted(set(hours)):
            raise ValueError(f"mix: from_hour {hours} must rise")
        missing = [str(level) for level in LEVELS if str(level) not in self.levels]
        if missing:
            raise ValueError(f"levels {', '.join(missing)} are missing")
        return self

    def level(self, level: int) -> Level:
        """Return the care of triage level 1 to 5."""
        key: Any = str(level)
        return self.levels[key]

    def shares_by_hour(self) -> tuple[tuple[float, ...], ...]:
        """Return the shares of levels 1 to 5 (sum 1) in each civil hour."""
        first_of_day = self.mix[-1]  # the last period of the evening lasts into the night
        periods = {period.from_hour: period for period in self.mix}
        of_hour = [first_of_day]
        for hour in range(24):
            of_hour.append(periods.get(hour, of_hour[-1]))
        return tuple(tuple(share / sum(period.shares) for share in period.shares) for period in of_hour[1:])


class TriageDesk(Strict):
    """The triage desk that all emergency sectors share."""

    nurses_by_hour: StaffByHour | None = Field(default=None, description="On duty in each civil hour.")
    utilisation: Utilisation = Field(description="Sizes the desk without nurses_by_hour.")
    duration_min: Quantiles


class Boarding(Strict):
    """How patients get from one bed to the next."""

    handover_min: Quantiles = Field(description="A free bed was found → the patient is in it.")
    limit_h: Quantiles = Field(description="No bed for so long → transferred to another hospital.")
    outside_min: Quantiles = Field(description="Wait for a bed of a kind that the site lacks.")


class Inpatient(Strict):
    """Stays in sectors of one kind."""

    stay_h: Quantiles
    next: Next


class Disturbances(Strict):
    """Events of some days that move all emergency sectors together."""

    chance_per_day: Share
    days: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1, le=30)]] = Field(description="From, to.")
    log_size: Annotated[float, Field(ge=0, le=2)]

    @model_validator(mode="after")
    def _ordered(self) -> Disturbances:
        if self.days[1] < self.days[0]:
            raise ValueError(f"days {list(self.days)} must not fall")
        return self


class Change(Strict):
    """Another regime from one local day to another, both included."""

    first: date
    last: date | None = Field(default=None, description="Not given: to the end.")
    sectors: tuple[str, ...] = Field(default=(), description="Only who arrives at these; none named = all.")
    arrivals_factor: NotNegative = 1.0
    peak_shift_h: Annotated[int, Field(ge=-12, le=12)] = 0
    service_factor: Annotated[float, Field(gt=0, le=10)] = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Change:
        if self.last and self.last < self.first:
            raise ValueError(f"last {self.last} is before first {self.first}")
        return self

    def covers(self, day: date) -> bool:
        """Tell whether the change holds on that local day."""
        return self.first <= day and (self.last is None or day <= self.last)


class BedsWhereUnknown(Strict):
    """Beds of a sector whose capacity the site file does not tell."""

    ed: Beds
    other: Beds
    ward: Beds
    icu: Beds


class Parameters(Strict):
    """Everything about the synthetic hospital that its site file does not say."""

    next_step: ClassVar[str] = "See the comments of `generator/default.toml`."

    warmup_days: Annotated[int, Field(ge=0, le=90)]
    returning_share: Share
    beds_where_unknown: BedsWhereUnknown
    shift_starts_h: Annotated[
        tuple[Annotated[int, Field(ge=0, le=23)], ...], Field(min_length=1), AfterValidator(_hours)
    ]
    emergency: Emergency
    sectors: dict[str, Emergency] = Field(default_factory=dict)
    disturbances: Disturbances
    triage: TriageDesk
    boarding: Boarding
    inpatient: dict[InpatientKind, Inpatient]
    changes: tuple[Change, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _over_the_defaults(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        whole = _laid_over(_default_keys(), given)
        sectors = whole.get("sectors", {})
        if isinstance(sectors, Mapping):
            whole["sectors"] = {name: _laid_over(whole["emergency"], keys) for name, keys in sectors.items()}
        return whole

    def of_sector(self, sector_id: str) -> Emergency:
        """Return what holds for one emergency sector."""
        return self.sectors.get(sector_id, self.emergency)

    def beds(self, sector: Sector) -> int:
        """Return the beds of a sector: its functional capacity, or the assumed one."""
        assumed: int = getattr(self.beds_where_unknown, sector.kind)
        return sector.functional_capacity or assumed

    def arrivals_per_day(self, sector: Sector) -> float:
        """Return the mean arrivals a day of an emergency sector."""
        arrivals = self.of_sector(sector.sector_id).arrivals
        if arrivals.per_day is not None:
            return arrivals.per_day
        return arrivals.per_bed_per_day * self.beds(sector)


def default_parameters() -> Parameters:
    """Return the parameters of `default.toml`."""
    return Parameters.model_validate({})


def emergency_sectors(site: Site) -> tuple[Sector, ...]:
    """Return the sectors of kind "ed", in the order of the site file."""
    return tuple(sector for sector in site.sectors if sector.kind == "ed")


def parameters_text(parameters: Parameters) -> str:
    """Return the parameters as a TOML file that reads back as the same."""
    keys = parameters.model_dump(mode="python", exclude_none=True)
    return "\n".join(_toml_lines("", keys)).lstrip("\n") + "\n"


def _check_sum(shares: Strict) -> None:
    total = sum(shares.model_dump().values())
    if total > 1 + 1e-9:
        raise ValueError(f"the shares sum up to {total:.4g}, more than 1")


@cache
def _default_keys() -> dict[str, Any]:
    text = resources.files("healthcare_ops.generator").joinpath("default.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _laid_over(below: Mapping[str, Any], above: Any) -> Any:
    """Return `below` with the keys of `above` in it, table by table."""
    if not isinstance(above, Mapping):
        return above
    merged = dict(below)
    for key, value in above.items():
        is_table = isinstance(merged.get(key), Mapping)
        merged[key] = _laid_over(merged[key], value) if is_table else value
    return merged


def _toml_lines(path: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of one table: its own keys, then the tables below it."""
    if path:
        yield f"\n[{path}]"
    below = {key: value for key, value in table.items() if isinstance(value, Mapping) or _is_list_of_tables(value)}
    for key, value in table.items():
        if key not in below:
            yield f"{key} = {_toml_value(value)}"
    for key, value in below.items():
        inner = f"{path}.{_toml_key(key)}" if path else _toml_key(key)
        if isinstance(value, Mapping):
            yield from _toml_lines(inner, value)
            continue
        for item in value:
            yield f"\n[[{inner}]]"
            yield from (f"{name} = {_toml_value(content)}" for name, content in item.items())


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(item) for item in value)}]"
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:.10g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
