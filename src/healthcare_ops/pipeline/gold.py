"""Silver to gold: what every sector looked like, hour by hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.metrics import RISK_TERMS, RiskTerm, nedocs, risk_contribution
from healthcare_ops.core.site import Sector, Site
from healthcare_ops.core.tables import OPS_METRICS_HOURLY
from healthcare_ops.pipeline import civil

_HOUR_US = 3_600_000_000
_DAY_H = 24


@dataclass(frozen=True)
class Hours:
    """The first and last civil hour, as numbers: hour `n` starts `n` hours and `shift_min` after 1970 UTC."""

    first: int
    last: int
    shift_min: int


def hourly_metrics(encounters: ir.Table, stays: ir.Table, calendar: ir.Table, hours: Hours, site: Site) -> ir.Table:
    """Return `gold.ops_metrics_hourly` for every sector of the site and every hour of `hours`.

    Parameters
    ----------
    encounters, stays
        Silver rows of every day from which a patient can still be present in `hours`.
    calendar
        `hour_no`, `hour_start` (naive UTC) and `dt`, one row per hour of `hours` (less those in which nobody was
        there, came or left).
    site
        Capacities, kinds of sectors and the longest stay: an open stay counts no longer than that.
    """
    encounters, stays = _aligned(encounters, hours), _aligned(stays, hours)
    grid = _grid(calendar, site)
    rows = grid
    for part in (
        _arrivals(encounters),
        _departures(stays),
        _left_unseen(encounters),
        _occupied(stays, grid, hours, site),
        _crowd(_present(_waiting(encounters, site), hours), "queue_length", "longest_wait_min"),
        _crowd(_present(_boarding(encounters, stays, site), hours), "boarding", "longest_boarding_min"),
        _last_door_to_bed(encounters, site),
    ):
        rows = _attach(rows, part)
    return _finish(rows, site)


def spells_in_days(encounters: ir.Table, stays: ir.Table, site: Site) -> ir.Table:
    """Return the distinct pairs (`first_day`, `last_day`, in UTC) of presence; an open end is late."""
    spells = ibis.union(
        encounters.select(since="arrival_time", until=_until(encounters.arrival_time, encounters.discharge_time, site)),
        stays.select(since="start_time", until=_until(stays.start_time, stays.end_time, site)),
    )
    return spells.select(first_day=spells.since.date(), last_day=spells.until.date()).distinct()


def _aligned(rows: ir.Table, hours: Hours) -> ir.Table:
    """Shift instants so that civil hours fall on whole UTC hours, for zones such as Asia/Kolkata."""
    instants = [name for name, kind in rows.schema().items() if kind.is_timestamp()]
    if not hours.shift_min:
        return rows
    return rows.mutate(**{name: rows[name] - ibis.interval(minutes=hours.shift_min) for name in instants})


def _hour_no(instant: Any) -> Any:
    """Return the number of the hour that holds the instant."""
    return civil.epoch_us(instant) // _HOUR_US


def _next_hour_no(instant: Any) -> Any:
    """Return the number of the first hour that starts at or after the instant."""
    return (civil.epoch_us(instant) + (_HOUR_US - 1)) // _HOUR_US


def _grid(calendar: ir.Table, site: Site) -> ir.Table:
    parts = [
        calendar.mutate(
            sector_id=ibis.literal(sector.sector_id),
            functional_capacity=_count(sector.functional_capacity),
            is_ed=ibis.literal(sector.kind == "ed"),
        )
        for sector in site.sectors
    ]
    return ibis.union(*parts)


def _count(declared: int | None) -> Any:
    return ibis.null("int64") if declared is None else ibis.literal(declared, "int64")


def _attach(rows: ir.Table, part: ir.Table) -> ir.Table:
    joined = rows.left_join(part, ["sector_id", "hour_no"])
    return joined.drop("sector_id_right", "hour_no_right")


def _arrivals(encounters: ir.Table) -> ir.Table:
    rows = encounters.mutate(hour_no=_hour_no(encounters.arrival_time))
    return rows.group_by("sector_id", "hour_no").aggregate(
        arrivals_count=rows.count(),
        wait_avg_min=rows.total_wait_min.mean(),
        wait_p90_min=rows.total_wait_min.quantile(0.9),
        avg_triage_acuity=rows.triage_level.cast("float64").mean(),
    )


def _departures(stays: ir.Table) -> ir.Table:
    ended = stays.filter(stays.end_time.notnull())
    rows = ended.mutate(hour_no=_hour_no(ended.end_time))
    return rows.group_by("sector_id", "hour_no").aggregate(departures_count=rows.count())


def _left_unseen(encounters: ir.Table) -> ir.Table:
    left = encounters.filter((encounters.disposition == "left_without_care") & encounters.discharge_time.notnull())
    rows = left.mutate(hour_no=_hour_no(left.discharge_time))
    return rows.group_by("sector_id", "hour_no").aggregate(left_without_care=rows.count())


def _occupied(stays: ir.Table, grid: ir.Table, hours: Hours, site: Site) -> ir.Table:
    """Return patients present at each hour's start, as cumulative comings minus goings."""
    rows = stays.mutate(until=_until(stays.start_time, stays.end_time, site))
    came = ibis.greatest(_next_hour_no(rows.start_time), hours.first)
    left = ibis.greatest(_next_hour_no(rows.until), hours.first)
    steps = ibis.union(
        rows.select("sector_id", hour_no=came, step=ibis.literal(1, "int64")),
        rows.select("sector_id", hour_no=left, step=ibis.literal(-1, "int64")),
    )
    net = steps.group_by("sector_id", "hour_no").aggregate(step=steps.step.sum())
    hourly = _attach(grid.select("sector_id", "hour_no"), net)
    so_far = ibis.cumulative_window(group_by="sector_id", order_by="hour_no")
    return hourly.select(
        "sector_id", "hour_no", occupied_beds=hourly.step.fill_null(0).sum().over(so_far).cast("int64")
    )


def _waiting(encounters: ir.Table, site: Site) -> ir.Table:
    """Return from when to when each encounter waits for care."""
    ends = encounters.care_start.coalesce(encounters.discharge_time)
    return encounters.select(
        "sector_id",
        since=encounters.arrival_time,
        came=encounters.arrival_time,
        until=_until(encounters.arrival_time, ends, site),
    )


def _boarding(encounters: ir.Table, stays: ir.Table, site: Site) -> ir.Table:
    """Return from when to when each admitted patient is kept in an emergency sector, and since when waiting."""
    rows = stays.inner_join(encounters.select("encounter_id", "admit_time"), "encounter_id")
    until = _until(rows.start_time, rows.end_time, site)
    kept = rows.mutate(until=until).filter(
        rows.sector_id.isin(_emergency(site)) & rows.admit_time.notnull() & (rows.admit_time < until)
    )
    # The wait began with the decision, in whichever sector the patient was then.
    return kept.select(
        "sector_id", since="admit_time", came=ibis.greatest(kept.admit_time, kept.start_time), until="until"
    )


def _until(start: Any, end: Any, site: Site) -> Any:
    """Return the end, or for an open one the longest stay that the site believes in."""
    return end.coalesce(start + ibis.interval(days=site.max_stay_days))


def _present(spells: ir.Table, hours: Hours) -> ir.Table:
    """Return one row per spell and hour start that it covers."""
    rows = spells.mutate(
        first=ibis.greatest(_next_hour_no(spells.came), hours.first),
        end=ibis.least(_next_hour_no(spells.until), hours.last + 1),
    )
    covering = rows.filter(rows.end > rows.first)
    return covering.select("sector_id", "since", hour_no=ibis.range(covering.first, covering.end).unnest())


def _crowd(present: ir.Table, count: str, longest: str) -> ir.Table:
    grouped = present.group_by("sector_id", "hour_no").aggregate(
        people=present.count(), earliest_us=civil.epoch_us(present.since).min()
    )
    waited_us = (grouped.hour_no * _HOUR_US - grouped.earliest_us).cast("float64")
    return grouped.select("sector_id", "hour_no", **{count: grouped.people, longest: waited_us / 60e6})


def _last_door_to_bed(encounters: ir.Table, site: Site) -> ir.Table:
    """Return per hour the door-to-care minutes of the emergency patient last placed in the 24 hours before."""
    placed = encounters.filter(encounters.sector_id.isin(_emergency(site)) & encounters.care_start.notnull())
    # Only the last of an hour can be the last before a later hour; at one instant the longer wait counts.
    rows = placed.mutate(hour_no=_hour_no(placed.care_start) + 1, care_us=civil.epoch_us(placed.care_start))
    latest = rows.group_by("hour_no").aggregate(care_us=rows.care_us.max())
    at_latest = rows.inner_join(latest, ["hour_no", "care_us"])
    hourly = at_latest.group_by("hour_no").aggregate(minutes=at_latest.total_wait_min.max())
    seen = hourly.select(
        "minutes", placed_no="hour_no", hour_no=ibis.range(hourly.hour_no, hourly.hour_no + _DAY_H).unnest()
    )
    newest = seen.group_by("hour_no").aggregate(placed_no=seen.placed_no.max())
    last = seen.inner_join(newest, ["hour_no", "placed_no"])
    sectors = [last.mutate(sector_id=ibis.literal(name)) for name in _emergency(site) or ("",)]
    return ibis.union(*sectors).select("sector_id", "hour_no", last_door_to_bed_min="minutes")


def _emergency(site: Site) -> tuple[str, ...]:
    return tuple(sector.sector_id for sector in site.sectors if sector.kind == "ed")


def _finish(rows: ir.Table, site: Site) -> ir.Table:
    counts = (
        "arrivals_count",
        "departures_count",
        "left_without_care",
        "occupied_beds",
        "queue_length",
        "boarding",
    )
    rows = rows.mutate(
        facility_id=ibis.literal(site.facility_id),
        ventilated=_count(site.nedocs.assume_ventilated),
        hospital_beds=_count(site.hospital_beds),
        **{name: rows[name].fill_null(0) for name in counts},
    )
    rows = rows.mutate(occupancy_rate=rows.occupied_beds.cast("float64") / rows.functional_capacity.cast("float64"))
    rows = rows.mutate(risk_score=_risk(rows))
    return _with_nedocs(rows, site).select(*OPS_METRICS_HOURLY.column_names)


def _risk(rows: ir.Table) -> Any:
    inputs = {
        "occupancy_rate": rows.occupancy_rate,
        "queue_ratio": rows.queue_length.cast("float64") / rows.functional_capacity.cast("float64"),
        "longest_wait_min": rows.longest_wait_min.fill_null(0.0),
    }
    return reduce(lambda left, right: left + right, (_clipped(term, inputs[term.input]) for term in RISK_TERMS))


def _clipped(term: RiskTerm, value: Any) -> Any:
    share = risk_contribution(term, value)
    return ibis.cases((share < 0.0, 0.0), (share > term.weight, term.weight), else_=share)


def _with_nedocs(rows: ir.Table, site: Site) -> ir.Table:
    """Score all emergency sectors together and repeat the score on each of them."""
    emergency = [sector for sector in site.sectors if sector.kind == "ed"]
    missing, assumed = _nedocs_gaps(emergency, site)
    if missing or not emergency:
        is_ed_note = ibis.ifelse(rows.is_ed, "; ".join((*missing, *assumed)), ibis.null("string"))
        return rows.mutate(nedocs=ibis.null("float64"), nedocs_note=is_ed_note)
    ed = rows.filter(rows.is_ed)
    whole = ed.group_by("hour_no").aggregate(
        ed_patients=ed.occupied_beds.sum().cast("float64"),
        boarders=ed.boarding.sum().cast("float64"),
        longest_boarding_h=ed.longest_boarding_min.max().fill_null(0.0) / 60.0,
        door_to_bed_h=ed.last_door_to_bed_min.max() / 60.0,
    )
    score = nedocs(
        ed_patients=whole.ed_patients,
        ed_beds=float(sum(sector.functional_capacity or 0 for sector in emergency)),
        boarders=whole.boarders,
        hospital_beds=float(site.hospital_beds or 0),
        ventilated=float(site.nedocs.assume_ventilated or 0),
        longest_boarding_h=whole.longest_boarding_h,
        last_door_to_bed_h=whole.door_to_bed_h,
    )
    joined = rows.left_join(whole.select("hour_no", score=score), "hour_no").drop("hour_no_right")
    note = ibis.cases(
        (~joined.is_ed, ibis.null("string")),
        (joined.score.isnull(), "missing: last_door_to_bed"),
        else_="; ".join(assumed) or ibis.null("string"),
    )
    return joined.mutate(nedocs=ibis.ifelse(joined.is_ed, joined.score, ibis.null("float64")), nedocs_note=note)


def _nedocs_gaps(emergency: Sequence[Sector], site: Site) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what the site leaves unsaid (no score), and what it assumes (a score with a note)."""
    missing = []
    if any(sector.functional_capacity is None for sector in emergency):
        missing.append("missing: functional_capacity")
    if site.hospital_beds is None:
        missing.append("missing: hospital_beds")
    if site.nedocs.assume_ventilated is None:
        missing.append("missing: ventilated")
        return tuple(missing), ()
    return tuple(missing), (f"assumed: ventilated = {site.nedocs.assume_ventilated}",)
