"""Read the page's values from a state directory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from statistics import fmean
from typing import Any

import ibis.expr.types as ir

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.core.site import Sector
from healthcare_ops.core.tables import ENCOUNTERS, OPS_METRICS_HOURLY
from healthcare_ops.entrypoints.page.model import PEOPLE, Ahead, Days, Hour, Report, SectorView
from healthcare_ops.forecasting.champions import load_champion, standing
from healthcare_ops.jobs.silver_to_gold import KNOWN_UNTIL
from healthcare_ops.operations import bulk
from healthcare_ops.operations.cautions import find_cautions, old_report
from healthcare_ops.operations.incidents import Incidents
from healthcare_ops.operations.reading import newest_outline, newest_predictions

_RECENT_H = 7 * 24
Rows = Sequence[Mapping[str, Any]]
# Mean and 90th percentile of the total waits of a sector's arrivals, by operational day.
Waits = Mapping[date, tuple[float | None, float | None]]


def gather(platform: Platform, *, note: str = "") -> Report:
    """Return the page's values; a sector that gold has not built yet is left out.

    Raises
    ------
    NotFoundError
        If gold holds nothing yet.
    """
    metrics = platform.lake.read(OPS_METRICS_HOURLY)
    known_until = platform.lake.note(OPS_METRICS_HOURLY, KNOWN_UNTIL)
    days = sorted(platform.lake.changes(OPS_METRICS_HOURLY, "").days)
    if not days or not known_until:
        raise NotFoundError(
            "there is nothing to show yet: gold holds no hour.",
            next_step="Run `hops load`; if it fails, `hops dq show` tells why.",
        )
    objects = platform.context.objects
    model = load_champion(objects) if standing(objects).champion else None
    summary = bulk.summary(platform)
    quality = newest_outline(platform)
    predictions = newest_predictions(platform)
    hourly = platform.context.engine.collect(_hourly(metrics)).to_pylist()
    waits = _waits(platform)
    built = {row["sector_id"] for row in hourly}
    sectors = tuple(
        _sector(platform, sector, hourly, waits.get(sector.sector_id, {}), predictions)
        for sector in platform.context.site.sectors
        if sector.sector_id in built
    )
    return Report(
        facility=platform.context.site.name,
        first_day=days[0],
        last_day=days[-1],
        data_as_of=datetime.fromisoformat(known_until).astimezone(platform.context.site.tz),
        hours=len({row["hour_start"] for row in hourly}),
        feeds=tuple(summary["feeds"]),
        quarantine=tuple(summary["quarantine"]),
        quality=quality,
        backtests=tuple(model.manifest["backtests"]) if model else (),
        model_version=model.version if model else "",
        sectors=sectors,
        crowding=_crowding(sectors, predictions, platform.context.site.tz),
        tables=tuple(summary["tables"]),
        forecast_made_at=predictions[0]["prediction_ts"].astimezone(platform.context.site.tz) if predictions else None,
        cautions=(*find_cautions(platform, predictions), *old_report(quality)),
        incidents=tuple(one for one in Incidents(platform.state).read() if not one.is_resolved),
        note=note,
    )


def _hourly(metrics: ir.Table) -> ir.Table:
    columns = (
        "sector_id",
        "hour_start",
        "arrivals_count",
        "occupied_beds",
        "queue_length",
        "wait_avg_min",
        "nedocs",
        "dt",
    )
    return metrics.select(*columns).order_by("hour_start")


def _waits(platform: Platform) -> Mapping[str, Waits]:
    """Return the waits of every sector; a percentile of a day cannot be made of those of its hours."""
    encounters = platform.lake.read(ENCOUNTERS)
    daily = encounters.group_by("sector_id", "dt").aggregate(
        mean=encounters.total_wait_min.mean(), p90=encounters.total_wait_min.quantile(0.9)
    )
    found: dict[str, dict[date, tuple[float | None, float | None]]] = defaultdict(dict)
    for row in platform.context.engine.collect(daily).to_pylist():
        found[row["sector_id"]][row["dt"]] = (row["mean"], row["p90"])
    return found


def _sector(
    platform: Platform,
    sector: Sector,
    hourly: Sequence[dict[str, Any]],
    waits: Waits,
    predictions: Sequence[dict[str, Any]],
) -> SectorView:
    zone = platform.context.site.tz
    mine = [row for row in hourly if row["sector_id"] == sector.sector_id]
    local = [row["hour_start"].replace(tzinfo=UTC).astimezone(zone) for row in mine]
    recent = list(zip(local, mine, strict=True))[-_RECENT_H:]
    ahead: dict[str, tuple[Ahead, ...]] = {}
    for row in predictions:
        if row["sector_id"] == sector.sector_id:
            ahead[row["metric"]] = (*ahead.get(row["metric"], ()), _ahead(row, zone))
    return SectorView(
        sector_id=sector.sector_id,
        name=sector.name,
        capacity=sector.functional_capacity,
        days=_days(mine, waits),
        recent=tuple(_hour(start, row) for start, row in recent),
        ahead=ahead.pop("arrivals", ()),
        people={metric: ahead[metric] for metric in PEOPLE if metric in ahead},
        heat=_heat(local, [row["arrivals_count"] for row in mine]),
    )


def _hour(start: datetime, row: Mapping[str, Any]) -> Hour:
    columns = ("arrivals_count", "occupied_beds", "queue_length", "wait_avg_min", "nedocs")
    return Hour(start, *(row[name] for name in columns))


def _crowding(
    sectors: Sequence[SectorView], predictions: Rows, zone: Any
) -> tuple[tuple[Hour, ...], tuple[Ahead, ...]]:
    """Return NEDOCS as it was, which gold repeats on each emergency sector, and as it will be."""
    seen = [sector.recent for sector in sectors if any(hour.nedocs is not None for hour in sector.recent)]
    ahead = tuple(_ahead(row, zone) for row in predictions if row["metric"] == "nedocs")
    return (seen[0], ahead) if seen and ahead else ((), ())


def _ahead(row: Mapping[str, Any], zone: Any) -> Ahead:
    return Ahead(
        sector_id=row["sector_id"],
        start=row["target_time"].astimezone(zone),
        **{name: row[name] for name in ("horizon_h", "mean", "q05", "q25", "q75", "q95")},
    )


def _days(rows: Sequence[dict[str, Any]], waits: Waits) -> Days:
    by_day: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_day[row["dt"]].append(row)
    first, last = min(by_day), max(by_day)
    days = tuple(first + timedelta(days=number) for number in range((last - first).days + 1))
    groups = [by_day[day] for day in days]
    return Days(
        days=days,
        arrivals=tuple(_of(group, lambda rows: sum(row["arrivals_count"] for row in rows)) for group in groups),
        wait_mean_min=tuple(waits.get(day, (None, None))[0] for day in days),
        wait_p90_min=tuple(waits.get(day, (None, None))[1] for day in days),
        occupied_mean=tuple(_of(group, lambda rows: fmean(row["occupied_beds"] for row in rows)) for group in groups),
        occupied_max=tuple(_of(group, lambda rows: max(row["occupied_beds"] for row in rows)) for group in groups),
    )


def _of(rows: Rows, measure: Callable[[Rows], float]) -> float | None:
    """Return the measure of a day's hours; null for a day that gold leaves out."""
    return float(measure(rows)) if rows else None


def _heat(local: Sequence[datetime], arrivals: Sequence[int]) -> tuple[tuple[float | None, ...], ...]:
    """Return mean arrivals per hour, seven weekdays (Monday first) by 24 hours; null where no such hour was seen."""
    sums = [[0.0] * 24 for _ in range(7)]
    hours = [[0] * 24 for _ in range(7)]
    for start, count in zip(local, arrivals, strict=True):
        sums[start.weekday()][start.hour] += count
        hours[start.weekday()][start.hour] += 1
    return tuple(
        tuple(s / n if n else None for s, n in zip(a, b, strict=True)) for a, b in zip(sums, hours, strict=True)
    )
