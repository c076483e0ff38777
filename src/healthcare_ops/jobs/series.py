"""Hourly arrivals of each sector, as far as they are known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import FEATURES
from healthcare_ops.forecasting.calendar import Calendar, Event
from healthcare_ops.forecasting.regressors import Covariates, minutes
from healthcare_ops.forecasting.series import HourlySeries
from healthcare_ops.jobs.context import Context
from healthcare_ops.jobs.pins import Pin
from healthcare_ops.jobs.regressors import merged, stored_sheets
from healthcare_ops.jobs.silver_to_gold import gold_known_until

_TOLD = ("sector_id", "hour_start", "arrivals_count")


def arrivals_by_sector(context: Context, days: int) -> list[HourlySeries]:
    """Return the last `days` of whole hours of every sector; nothing that `now` does not know yet."""
    until = gold_known_until(context)
    return _series(context, context.lake.read(FEATURES, _first_day(until, days), columns=_TOLD), until) if until else []


def pinned_arrivals(context: Context, pin: Pin, days: int) -> list[HourlySeries]:
    """Return the same as it was when it was pinned."""
    rows = context.pins.pinned(FEATURES, pin.name, _first_day(pin.known_until, days))
    return _series(context, rows, pin.known_until)


def _first_day(until: datetime, days: int) -> date:
    return (until - timedelta(days=days)).date()


def _series(context: Context, rows: ir.Table, known: datetime) -> list[HourlySeries]:
    until = known.replace(minute=0, second=0, microsecond=0)
    rows = rows.filter(rows.hour_start <= (until - timedelta(hours=1)).replace(tzinfo=None))
    wanted = rows.select("sector_id", "hour_start", "arrivals_count").order_by("hour_start")
    hours = context.engine.collect(wanted)
    found = [(sector, hours.filter(pc.equal(hours["sector_id"], sector))) for sector in context.site.sector_ids]
    return [_newest_series(sector, mine) for sector, mine in found if mine.num_rows]


def covariates(context: Context) -> Covariates:
    """Return what is known beside the data: the site's calendar, and what others had forecast by now.

    Raises
    ------
    DataError
        If a file of such forecasts cannot be read, or two contradict each other.
    """
    known = minutes(context.latest_plausible())
    outside = (one.issued_by(known) for one in merged(stored_sheets(context.objects)))
    return Covariates(site_calendar(context.site), tuple(one for one in outside if len(one.value)))


def regressor_hours(
    context: Context, names: Sequence[str], beside: Covariates, known_until: datetime
) -> dict[str, int]:
    """Return of how many hours to come a forecast made now knows each regressor, if its data know until an instant.

    What was issued after the data end is not looked at: models learn with both from one origin.
    """
    first = -(-context.clock.now().timestamp() // 3600)
    targets = 60 * (int(first) + np.arange(context.settings.horizon_h + 1))
    return {name: beside.hours_known(name, targets, 60 * (minutes(known_until) // 60)) for name in names}


def site_calendar(site: Site) -> Calendar:
    """Return what the site file says of the days to come."""
    events = tuple(Event(event.name, dict.fromkeys(event.dates, event.value)) for event in site.events)
    return Calendar(site.zone, site.holidays, events)


def _newest_series(sector_id: str, hours: pa.Table) -> HourlySeries:
    """Return the hours behind the last gap: gold leaves out long silences, and a model must not bridge them."""
    starts = hours["hour_start"].to_numpy()
    gaps = np.flatnonzero(np.diff(starts) != np.timedelta64(1, "h"))
    known = hours.slice(gaps[-1] + 1 if len(gaps) else 0)
    values = known["arrivals_count"].to_numpy().astype(np.float64)
    return HourlySeries(sector_id, known["hour_start"][0].as_py().replace(tzinfo=UTC), values)
