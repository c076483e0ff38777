"""What the page shows, as plain values; instants are aware, in the site's zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from healthcare_ops.core.incident import Incident
from healthcare_ops.operations.caution import Caution

# What is forecast of a sector beside its arrivals, in the order in which it is shown.
PEOPLE = ("occupancy", "queue", "wait")


@dataclass(frozen=True)
class Days:
    """One value per operational day; null on days of a long silence, and a wait where nobody has been seen yet."""

    days: tuple[date, ...]
    arrivals: tuple[float | None, ...]
    wait_mean_min: tuple[float | None, ...]
    wait_p90_min: tuple[float | None, ...]
    occupied_mean: tuple[float | None, ...]
    occupied_max: tuple[float | None, ...]


@dataclass(frozen=True)
class Hour:
    """What was seen in a recent hour: who came in it, who was there and who waited at its start.

    `wait` is the mean wait until care of who came in it (minutes), `nedocs` the score of all emergency sectors at its
    start; null where nobody knows.
    """

    start: datetime
    arrivals: int
    occupancy: int = 0
    queue: int = 0
    wait: float | None = None
    nedocs: float | None = None


@dataclass(frozen=True)
class Ahead:
    """A forecast hour."""

    sector_id: str
    start: datetime
    horizon_h: int
    mean: float
    q05: float
    q25: float
    q75: float
    q95: float


@dataclass(frozen=True)
class SectorView:
    """One sector: its days, the last week, the hours ahead, arrivals per weekday and hour (null where never seen).

    `ahead` forecasts arrivals; `people` who will be there ("occupancy"), who waits ("queue") and how long ("wait"), as
    far as it is forecast.
    """

    sector_id: str
    name: str
    capacity: int | None
    days: Days
    recent: tuple[Hour, ...]
    ahead: tuple[Ahead, ...]
    heat: tuple[tuple[float | None, ...], ...]
    people: Mapping[str, tuple[Ahead, ...]] = field(default_factory=dict)

    @property
    def has_arrivals(self) -> bool:
        """Tell whether anyone came here first; a ward gets its patients from other sectors."""
        return any(self.days.arrivals)


@dataclass(frozen=True)
class Report:
    """The whole page. `hours` are those of the hospital; `quality` and `backtests` are the stored documents.

    `crowding` is NEDOCS: the hours seen, and those ahead. `incidents` are those that nobody settled.
    """

    facility: str
    first_day: date
    last_day: date
    data_as_of: datetime
    hours: int
    feeds: tuple[Mapping[str, Any], ...]
    quarantine: tuple[Mapping[str, Any], ...]
    quality: Mapping[str, Any]
    backtests: tuple[Mapping[str, Any], ...]
    model_version: str
    sectors: tuple[SectorView, ...]
    tables: tuple[Mapping[str, Any], ...]
    forecast_made_at: datetime | None = None
    cautions: tuple[Caution, ...] = ()
    incidents: tuple[Incident, ...] = ()
    crowding: tuple[tuple[Hour, ...], tuple[Ahead, ...]] = ((), ())
    note: str = ""
