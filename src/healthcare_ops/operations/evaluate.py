"""Trying the forecasts on a history, before they are trusted: refits as time goes on, every lead, every origin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, parquet

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.civil_time import load_zone
from healthcare_ops.core.errors import ConfigError, DataError, NotFoundError
from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting.arrivals import MIN_HOURS
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.evaluation import Walk, judge
from healthcare_ops.forecasting.pairs import MAX_LEAD_H
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.forecasting.series import HourlySeries
from healthcare_ops.jobs.series import arrivals_by_sector, covariates
from healthcare_ops.jobs.sheets import Clock
from healthcare_ops.operations.hourly_files import read_events, read_regressors, read_series

Ints = NDArray[np.int64]
Block = tuple[datetime, Mapping[str, Ints]]

LEVELS = tuple(step / 20 for step in range(1, 20))
_QUANTILES = tuple(f"q{round(level * 100):02d}" for level in LEVELS)
_HOUR = timedelta(hours=1)
_PERIOD = re.compile(r"P(?:(?P<months>[1-9]\d*)M|(?P<weeks>[1-9]\d*)W|(?P<days>[1-9]\d*)D)")
_SHOWN_LEADS = (0, 1, 4, 12, 24, 48)
_TEST = timedelta(days=56)


@dataclass(frozen=True)
class Protocol:
    """How a history is walked: `origins` are civil hours (0–23), `refit` an ISO 8601 period or "never".

    `train_end` is the first civil instant (naive, of the series' clock) that the first model does not learn from.
    """

    zone: str
    clock: Clock
    train_end: datetime
    origins: tuple[int, ...]
    leads: tuple[int, int]
    refit: str

    @property
    def series_zone(self) -> str:
        """Return the zone of the instants in memory: a clock on the wall never changes."""
        return "UTC" if self.clock == "wall" else self.zone

    @property
    def leads_h(self) -> Ints:
        """Return every lead."""
        return np.arange(self.leads[0], self.leads[1] + 1)


@dataclass(frozen=True)
class Choices:
    """A protocol as people write it; an empty `train_end` means eight weeks before the end of the series."""

    clock: Clock = "utc"
    train_end: str = ""
    origins: str = "hourly"
    leads: str = "0:48"
    refit: str = "P28D"


@dataclass(frozen=True)
class History:
    """What is walked through, with what is known beside it, and how."""

    known: Sequence[HourlySeries]
    covariates: Covariates
    protocol: Protocol


def read_protocol(choices: Choices, zone: str, end: datetime) -> Protocol:
    """Return the protocol that was chosen, for series that end at an instant.

    Raises
    ------
    ConfigError
        If there is no such zone.
    ValueError
        If another choice cannot be read; it names the option, its value and an example.
    """
    load_zone(zone)
    if choices.origins == "hourly":
        hours = tuple(range(24))
    elif re.fullmatch(r"([01]\d|2[0-3]):00(,([01]\d|2[0-3]):00)*", choices.origins):
        hours = tuple(sorted({int(text[:2]) for text in choices.origins.split(",")}))
    else:
        raise _wrong("--origins", choices.origins, "`hourly` or full hours, such as 00:00,12:00")
    leads = re.fullmatch(r"(\d{1,2}):(\d{1,2})", choices.leads)
    if not leads or not int(leads[1]) <= int(leads[2]) <= MAX_LEAD_H:
        raise _wrong("--leads", choices.leads, f"the first and the last, within 0:{MAX_LEAD_H}")
    if choices.refit != "never" and not _PERIOD.fullmatch(choices.refit):
        raise _wrong("--refit", choices.refit, "`never` or a period, such as P28D or P1M")
    train_end = _train_end(choices, zone, end)
    return Protocol(zone, choices.clock, train_end, hours, (int(leads[1]), int(leads[2])), choices.refit)


def _train_end(choices: Choices, zone: str, end: datetime) -> datetime:
    of_series = ZoneInfo("UTC" if choices.clock == "wall" else zone)
    if not choices.train_end:
        return (end - _TEST).astimezone(of_series).replace(tzinfo=None, minute=0)
    try:
        found = datetime.fromisoformat(choices.train_end)
    except ValueError as error:
        raise _wrong("--train-end", choices.train_end, "a time of the series, such as 2017-10-09T12:00") from error
    return found if found.tzinfo is None else found.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def read_holidays(text: str) -> Holidays | None:
    """Return the calendar that `GB-ENG` or `BR` names, None for an empty text; `ValueError` if there is none."""
    if not text:
        return None
    country, _, subdivision = text.partition("-")
    try:
        return Holidays(country=country, subdivision=subdivision)
    except ValueError as error:
        raise _wrong("--holidays", text, "a country, or a country and its part, such as BR-SP or GB-ENG") from error


def files_history(
    series: Path,
    calendar: Path | None,
    regressors: Path | None,
    *,
    holidays: Holidays | None,
    zone: str,
    choices: Choices,
) -> History:
    """Return the series of a file, and what files say beside them.

    Raises
    ------
    NotFoundError, DataError
        If a file is missing or cannot be read as what it should be, or the history is too short.
    ConfigError, ValueError
        As `read_protocol`.
    """
    if not zone:
        raise ConfigError("--series needs --zone.", next_step="Name the zone of its clock, such as America/Sao_Paulo.")
    load_zone(zone)
    known = read_series(series, choices.clock, zone)
    protocol = read_protocol(choices, zone, max(item.end for item in known))
    _require_enough(known, protocol)
    events = read_events(calendar) if calendar else ()
    outside = read_regressors(regressors, choices.clock, zone) if regressors else ()
    return History(known, Covariates(Calendar(protocol.series_zone, holidays, events), outside), protocol)


def require_none(given: Sequence[str], choices: Choices) -> None:
    """Do nothing, or raise `ValueError` if something was given that says more of a file, and nothing of the lake."""
    wrong = [*given, *(["--clock wall"] if choices.clock == "wall" else [])]
    if wrong:
        raise ValueError(
            f"{', '.join(wrong)} without --series: the lake is tried with the zone, holidays and events of its site "
            "file, and with the forecasts of others in its folder regressors/."
        )


def lake_history(platform: Platform, choices: Choices) -> History:
    """Return the arrivals of every sector of the lake that are known long enough.

    Raises
    ------
    NotFoundError
        If the lake has none.
    DataError
        If no sector is known long enough.
    ValueError
        As `read_protocol`.
    """
    context = platform.context
    known = [series for series in arrivals_by_sector(context, context.settings.train_days) if series.values.any()]
    if not known:
        raise NotFoundError("the lake knows no arrivals.", next_step="Load data: `hops load`.")
    protocol = read_protocol(choices, context.site.zone, max(item.end for item in known))
    enough = [item for item in known if item.hours_before(_begin(protocol)) >= MIN_HOURS]
    _require_enough(enough or known, protocol)
    return History(enough, covariates(context), protocol)


def _require_enough(known: Sequence[HourlySeries], protocol: Protocol) -> None:
    for item in known:
        learnt = item.hours_before(_begin(protocol))
        if learnt < MIN_HOURS or learnt >= len(item.values):
            raise DataError(
                f"series {item.sector_id!r} has {learnt} hours before --train-end and "
                f"{max(len(item.values) - learnt, 0)} after; it takes {MIN_HOURS} (21 days) to learn and one to test.",
                next_step=f"Choose a time between {item.start:%Y-%m-%dT%H:%M} and {item.end:%Y-%m-%dT%H:%M}.",
            )


def blocks(history: History) -> list[Block]:
    """Return the origins of each series between one fit and the next, from the first fit on."""
    protocol, known, calendar = history.protocol, history.known, history.covariates.calendar
    end = max(series.end for series in known)
    out: list[Block] = []
    fits = list(_fits(protocol, end))
    for begin, until in zip(fits, [*fits[1:], end], strict=True):
        inside = {series.sector_id: _origins(protocol, series, calendar, begin, until) for series in known}
        if any(len(origins) for origins in inside.values()):
            out.append((begin, inside))
    return out


def judged(walks: Sequence[Walk], history: History) -> dict[str, Any]:
    """Return what was done and how good it was, as plain values."""
    first, last = history.protocol.leads
    shown = [lead for lead in _SHOWN_LEADS if first <= lead <= last]
    return {
        "protocol": {**asdict(history.protocol), "train_end": history.protocol.train_end.isoformat()},
        "backtests": [judge(walk, history.covariates, shown, levels=LEVELS).to_dict() for walk in walks],
    }


def write_forecasts(walks: Sequence[Walk], protocol: Protocol, path: Path) -> int:
    """Write one row per series, origin and lead (CSV, or Parquet by the name's end) and return how many."""
    parts = [_rows(walk, protocol) for walk in walks]
    rows = pa.concat_tables(parts)
    if path.suffix == ".parquet":
        parquet.write_table(rows, path)
    else:
        csv.write_csv(rows, path)
    return int(rows.num_rows)


def _rows(walk: Walk, protocol: Protocol) -> pa.Table:
    shape = walk.forecasts.mean.shape
    hours = np.arange(int(walk.origins.max() + walk.leads.max()) + 1)
    zone = ZoneInfo(protocol.zone)
    texts = np.array([_zoned(walk.series.start + int(hour) * _HOUR, protocol.clock, zone) for hour in hours])
    targets = walk.origins[:, None] + walk.leads
    return pa.table(
        {
            "series": [walk.series.sector_id] * walk.forecasts.mean.size,
            "origin": np.repeat(texts[walk.origins], shape[1]),
            "target_time": texts[targets.ravel()],
            "horizon_h": np.tile(walk.leads, shape[0]),
            "mean": walk.forecasts.mean.ravel(),
            **{name: walk.forecasts.quantiles[..., at].ravel() for at, name in enumerate(_QUANTILES)},
        }
    )


def _zoned(instant: datetime, clock: Clock, zone: ZoneInfo) -> str:
    civil = instant.replace(tzinfo=zone) if clock == "wall" else instant.astimezone(zone)
    return civil.isoformat()


def _origins(protocol: Protocol, series: HourlySeries, calendar: Calendar, begin: datetime, until: datetime) -> Ints:
    first, last = series.hours_before(begin), min(series.hours_before(until), len(series.values))
    if first < MIN_HOURS or last <= first:
        return np.empty(0, dtype=np.int64)
    hour = calendar.hours(series.start, last).hour[first:last]
    return first + np.flatnonzero(np.isin(hour, protocol.origins))


def _begin(protocol: Protocol) -> datetime:
    return protocol.train_end.replace(tzinfo=ZoneInfo(protocol.series_zone)).astimezone(UTC)


def _fits(protocol: Protocol, end: datetime) -> Iterator[datetime]:
    """Yield the instants of the fits: the end of training, then period by period of the civil clock."""
    count, civil = 0, protocol.train_end
    zone = ZoneInfo(protocol.series_zone)
    while (instant := civil.replace(tzinfo=zone).astimezone(UTC)) < end:
        yield instant
        if protocol.refit == "never":
            return
        count += 1
        civil = _later(protocol.train_end, protocol.refit, count)


def _later(start: datetime, refit: str, times: int) -> datetime:
    found = _PERIOD.fullmatch(refit)
    step: dict[str, Any] = found.groupdict() if found else {}
    if step.get("months"):
        months = start.month - 1 + int(step["months"]) * times
        first = date(start.year + months // 12, months % 12 + 1, 1)
        following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        # The 31st becomes the last day of a shorter month.
        day = first + timedelta(days=min(start.day, (following - first).days) - 1)
        return datetime.combine(day, start.time())
    return start + times * timedelta(weeks=int(step.get("weeks") or 0), days=int(step.get("days") or 0))


def _wrong(option: str, value: str, rule: str) -> ValueError:
    return ValueError(f"{option} {value!r} is not {rule}.")
