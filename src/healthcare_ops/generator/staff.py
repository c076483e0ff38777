"""Who is on duty: triage nurses at the desk of the department, physicians in each emergency sector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.site import Sector, Site
from healthcare_ops.generator.arrivals import Hours, hour_of_week_shape
from healthcare_ops.generator.durations import duration_table, mean_s
from healthcare_ops.generator.parameters import HOUR_S, LEVELS, MINUTE_S, Level, Parameters, emergency_sectors

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Staff:
    """People on duty in the civil hours 0–23: at the triage desk, and in each emergency sector (rows)."""

    nurses: Ints
    physicians: Ints

    def at_hours(self, hours: Hours) -> tuple[Ints, Ints]:
        """Return nurses and physicians (rows) on duty in each of the hours."""
        hour = hours.hour_of_week % 24
        return self.nurses[hour], self.physicians[:, hour]


def staff_on_duty(site: Site, parameters: Parameters) -> Staff:
    """Return the staff of the parameters or, where they name none, what the usual demand needs.

    Offered load of an hour = arrivals expected in it × mean service time. A shift is staffed for its mean load ÷
    utilisation, rounded up, one at least: period by period as in Green, Kolesar & Whitt 2007 (Prod Oper Manag
    16(1):13–39), with shifts as the periods. The peak within a shift therefore builds a queue, as it does in life.
    """
    sectors = emergency_sectors(site)
    per_hour = np.array([_arrivals_by_hour(parameters, sector) for sector in sectors])
    triage = mean_s(duration_table(parameters.triage.duration_min, MINUTE_S)) / HOUR_S
    given = parameters.triage.nurses_by_hour
    nurses = (
        np.array(given) if given else _sized(per_hour.sum(axis=0) * triage, parameters.triage.utilisation, parameters)
    )
    physicians = [_physicians(parameters, sector, arrivals) for sector, arrivals in zip(sectors, per_hour, strict=True)]
    return Staff(nurses, np.array(physicians))


def _physicians(parameters: Parameters, sector: Sector, arrivals: Floats) -> Ints:
    emergency = parameters.of_sector(sector.sector_id)
    if emergency.physicians.by_hour:
        return np.array(emergency.physicians.by_hour)
    work_h = np.array([_physician_s(emergency.level(level)) / HOUR_S for level in LEVELS])
    load = arrivals * (np.array(emergency.shares_by_hour()) @ work_h)
    return _sized(load, emergency.physicians.utilisation, parameters)


def _physician_s(level: Level) -> float:
    """Return how long a patient of the level keeps a physician, on average."""
    contact = mean_s(duration_table(level.contact_min, MINUTE_S))
    review = mean_s(duration_table(level.review_min, MINUTE_S))
    return contact + level.diagnostics_share * review


def _arrivals_by_hour(parameters: Parameters, sector: Sector) -> Floats:
    shape = hour_of_week_shape(parameters.of_sector(sector.sector_id).arrivals)
    per_hour: Floats = parameters.arrivals_per_day(sector) / 24 * shape.reshape(7, 24).mean(axis=0)
    return per_hour


def _sized(load: Floats, utilisation: float, parameters: Parameters) -> Ints:
    starts = parameters.shift_starts_h
    # The hours before the first start of the day belong to the shift that began the evening before.
    shift = (np.searchsorted(starts, np.arange(24), side="right") - 1) % len(starts)
    mean_load = np.bincount(shift, weights=load) / np.bincount(shift)
    # Rounded first, so that a load of exactly two stays two on every machine.
    needed = np.ceil(np.round(mean_load / utilisation, 6)).astype(np.int64)
    return np.maximum(needed, 1)[shift]
