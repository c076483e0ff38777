"""When patients come: a non-homogeneous Poisson process per emergency sector, in the site's civil time.

Everything random of a local day comes from streams of that day, the hospital and the seed. The same day of the same
seed therefore has the same arrivals in every simulation that covers it, whatever its first and last day.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.civil_time import OffsetSpan, day_start, offset_spans
from healthcare_ops.core.days import days_between
from healthcare_ops.core.site import Site
from healthcare_ops.generator.parameters import Arrivals, Parameters, emergency_sectors
from healthcare_ops.generator.streams import exponential, random_numbers

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_HOUR_S = 3_600
_YEAR_DAYS = 365.25
# Beyond this many days the memory of a shock is below a thousandth even at a day-to-day memory of 0.85.
_MEMORY_DAYS = 45
_STRONGEST_MEMORY = 0.95


@dataclass(frozen=True)
class Hours:
    """The civil hours of consecutive local days: 23, 24 or 25 a day.

    `day` counts from the first day, `start_s` is the hour's first second since 1970 UTC, `hour_of_week` is 0–167
    from Monday's midnight, in civil time.
    """

    days: tuple[date, ...]
    day: Ints
    start_s: Ints
    hour_of_week: Ints


@dataclass(frozen=True)
class Comings:
    """Arrivals in order of time: second since 1970 UTC, emergency sector (by its number), local day of `Hours`."""

    time_s: Ints
    sector: Ints
    day: Ints


def civil_hours(site: Site, first: date, last: date) -> Hours:
    """Return the civil hours of the local days from `first` to `last`."""
    days = days_between(first, last)
    starts = np.array([_epoch_s(day_start(day, site.tz)) for day in [*days, last + timedelta(days=1)]])
    counts = np.diff(starts) // _HOUR_S
    day = np.repeat(np.arange(len(days)), counts)
    nth = np.arange(len(day)) - np.repeat(np.cumsum(counts) - counts, counts)
    start_s = starts[day] + nth * _HOUR_S
    civil_h = (start_s + offsets_s(start_s, offset_spans(site.tz, first, last))) // _HOUR_S
    # 1970-01-01, hour 0, was a Thursday's.
    return Hours(tuple(days), day, start_s, (civil_h + 72) % 168)


def offsets_s(at: Ints, spans: tuple[OffsetSpan, ...]) -> Ints:
    """Return the zone's offset at UTC instants, all in seconds; beyond the spans, that of the nearest."""
    starts = np.array([_epoch_s(span.from_utc.replace(tzinfo=UTC)) for span in spans], np.int64)
    offsets = np.array([span.offset_min * 60 for span in spans], np.int64)
    return offsets[np.maximum(np.searchsorted(starts, at, side="right") - 1, 0)]


def hour_of_week_shape(arrivals: Arrivals) -> Floats:
    """Return the relative arrivals of the 168 civil hours of a week, from Monday's midnight; mean 1."""
    weekday, weekend = (np.array(hours) / np.mean(hours) for hours in (arrivals.weekday_hours, arrivals.weekend_hours))
    shape = np.concatenate([np.tile(weekday, 5), np.tile(weekend, 2)]) * np.repeat(arrivals.weekdays, 24)
    normalised: Floats = shape / shape.mean()
    return normalised


def expected_per_hour(site: Site, parameters: Parameters, hours: Hours) -> Floats:
    """Return the arrivals that the calendar leads to expect: one row per hour, one column per emergency sector."""
    columns = []
    for sector in emergency_sectors(site):
        arrivals = parameters.of_sector(sector.sector_id).arrivals
        shape = hour_of_week_shape(arrivals)
        hour_of_week = hours.hour_of_week - _peak_shift_h(parameters, hours, sector.sector_id)[hours.day]
        level = parameters.arrivals_per_day(sector) / 24 * _day_factors(site, parameters, hours, sector.sector_id)
        columns.append(level[hours.day] * shape[hour_of_week % 168])
    return np.column_stack(columns)


def shocks(site: Site, parameters: Parameters, days: tuple[date, ...], seed: int) -> Floats:
    """Return the random factor of each day (rows) and emergency sector (columns), mean 1.

    The log level is a first-order autoregression per sector, plus the disturbances, which all sectors share, and all
    hospitals of a seed. Its variance and memory are what makes daily counts as dispersed and autocorrelated as the
    parameters say: for a Poisson count of mean m times such a factor of variance v, variance ÷ mean = 1 + m·v.
    """
    sectors = emergency_sectors(site)
    common = _disturbances(parameters, days, seed)
    earlier = [days[0] - timedelta(days=back) for back in range(_MEMORY_DAYS, 0, -1)]
    innovations = np.array(
        [
            random_numbers(seed, "shocks", site.facility_id, day.toordinal()).normal(len(sectors))
            for day in (*earlier, *days)
        ]
    )
    factors = np.empty((len(days), len(sectors)))
    for number, sector in enumerate(sectors):
        arrivals = parameters.of_sector(sector.sector_id).arrivals
        log_variance, memory = _shock_size(arrivals, parameters.arrivals_per_day(sector), _disturbance_size(parameters))
        level, weight = common - log_variance / 2, math.sqrt(log_variance * (1 - memory**2))
        # Added up in this order: a matrix product has one that depends on the machine.
        for back in range(_MEMORY_DAYS + 1):
            level += weight * innovations[_MEMORY_DAYS - back : len(innovations) - back, number]
            weight *= memory
        factors[:, number] = exponential(level)
    return factors


def mean_arrivals(site: Site, parameters: Parameters, hours: Hours, seed: int) -> Floats:
    """Return the mean of the arrivals of each hour (rows) and emergency sector (columns), with the days' shocks."""
    expected, of_day = expected_per_hour(site, parameters, hours), shocks(site, parameters, hours.days, seed)
    # Rounded, so that no last bit can decide about a patient.
    mean: Floats = np.round(expected * of_day[hours.day], 9)
    return mean


def draw_arrivals(site: Site, hours: Hours, mean: Floats, seed: int) -> Comings:
    """Return everybody who comes in `hours`, of which `mean` are the `mean_arrivals`."""
    firsts = np.searchsorted(hours.day, np.arange(len(hours.days) + 1))
    parts = list(_day_by_day(site, hours, mean, firsts, seed))
    time_s, sector, day = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Comings(time_s, sector, day)


def _day_by_day(site: Site, hours: Hours, mean: Floats, firsts: Ints, seed: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    for number, day in enumerate(hours.days):
        random = random_numbers(seed, "counts", site.facility_id, day.toordinal())
        counts = random.poisson(mean[firsts[number] : firsts[number + 1]])
        hour, sector = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
        time_s = hours.start_s[firsts[number] + hour] + random.below(_HOUR_S, len(hour))
        order = np.argsort(time_s, kind="stable")
        yield time_s[order], sector[order], np.full(len(order), number)


def _day_factors(site: Site, parameters: Parameters, hours: Hours, sector_id: str) -> Floats:
    """Return season, holidays and changes of regime as one factor per day."""
    arrivals = parameters.of_sector(sector_id).arrivals
    day_of_year = np.array([day.timetuple().tm_yday for day in hours.days])
    angle = 2 * math.pi * (day_of_year - arrivals.season_peak_day) / _YEAR_DAYS
    # Rounded, like the logarithm below: libraries differ in the last bit.
    factor: Floats = np.ones(len(angle)) + arrivals.season_amplitude * np.round(np.cos(angle), 12)
    special = holiday_dates(site, hours.days[0], hours.days[-1])
    factor[[day in special for day in hours.days]] *= arrivals.holiday_factor
    for change in parameters.changes:
        if not change.sectors or sector_id in change.sectors:
            factor[[change.covers(day) for day in hours.days]] *= change.arrivals_factor
    return factor


def holiday_dates(site: Site, first: date, last: date) -> frozenset[date]:
    """Return the public holidays of the years of these days; none where the site names no calendar."""
    if site.holidays is None:
        return frozenset()
    import holidays as calendar  # noqa: PLC0415  # slow to import, and many sites name no calendar

    state, years = site.holidays.subdivision or None, range(first.year, last.year + 1)
    return frozenset(calendar.country_holidays(site.holidays.country, subdiv=state, years=years))


def _peak_shift_h(parameters: Parameters, hours: Hours, sector_id: str) -> Ints:
    shift = np.zeros(len(hours.days), dtype=np.int64)
    for change in parameters.changes:
        if not change.sectors or sector_id in change.sectors:
            shift[[change.covers(day) for day in hours.days]] += change.peak_shift_h
    return shift


def _disturbance_size(parameters: Parameters) -> float:
    """Return the variance of the disturbances' log factor over many days."""
    given = parameters.disturbances
    return given.chance_per_day * (given.days[0] + given.days[1]) / 2 * given.log_size**2


def _shock_size(arrivals: Arrivals, per_day: float, disturbance_size: float) -> tuple[float, float]:
    """Return variance and day-to-day memory of the sector's own log level."""
    excess = arrivals.dispersion - 1
    if excess <= 0 or per_day <= 0:
        return 0.0, 0.0
    variance = max(excess / per_day - disturbance_size, 0.0)
    # Chance has no memory: the level must have more of it than the counts show.
    return round(math.log1p(variance), 12), min(
        arrivals.autocorrelation * arrivals.dispersion / excess, _STRONGEST_MEMORY
    )


def _disturbances(parameters: Parameters, days: tuple[date, ...], seed: int) -> Floats:
    """Return the log factor of each day that all sectors and hospitals share."""
    given = parameters.disturbances
    shortest, longest = given.days
    total = np.zeros(len(days) + 2 * longest)
    # Those that began before the first day count too, as far as they reach into the days.
    for number in range(len(days) + longest if given.chance_per_day else 0):
        random = random_numbers(seed, "disturbances", days[0].toordinal() + number - longest)
        if random.chances(1)[0] < given.chance_per_day:
            lasts = shortest + int(random.below(longest - shortest + 1, 1)[0])
            total[number : number + lasts] += given.log_size * random.normal(1)[0] - given.log_size**2 / 2
    return total[longest : longest + len(days)]


def _epoch_s(instant: datetime) -> int:
    return round(instant.timestamp())
