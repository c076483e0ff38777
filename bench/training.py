"""What a weekly training costs: five years of six sectors, arrivals, head counts, waits, tests and all.

The hospital is simulated: Poisson arrivals with the rhythm of day, week and year, log-normal stays and waits. It is
trained in a process of its own, on two threads, without a lake.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

import numpy as np

from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.regressors import Covariates, minutes
from healthcare_ops.forecasting.series import HourlySeries
from healthcare_ops.forecasting.survival import Stays
from healthcare_ops.forecasting.training import People, train
from healthcare_ops.forecasting.wait_usual import Waits
from measured import BEYOND_A_LIMIT, machine, measure

START = datetime(2021, 1, 1, 3, tzinfo=UTC)
HOURS = 5 * 365 * 24
STAYS_DAYS = 366  # as `weekly_train` reads them
ARRIVALS = {"ED": 12.0, "PEDIATRICS": 6.0, "WARD-A": 2.0, "WARD-B": 2.0, "ICU": 0.5, "OBS": 3.0}
LIMIT_S, LIMIT_MB = 300.0, 3000.0


def hospital() -> tuple[list[HourlySeries], People]:
    """Return five years of hourly arrivals, and the stays and waits of the last year."""
    rng = np.random.default_rng(5)
    hour = np.arange(HOURS)
    known, stays, queue, waits = [], {}, {}, {}
    for sector, mean in ARRIVALS.items():
        rhythm = 1 + 0.6 * np.sin(2 * np.pi * (hour - 8) / 24) + 0.1 * np.sin(2 * np.pi * hour / 8766)
        counts = rng.poisson(mean * rhythm * np.where(hour // 24 % 7 >= 5, 0.85, 1.06))
        known.append(HourlySeries(sector, START, counts.astype(np.float64)))
        recent = np.repeat(hour[-STAYS_DAYS * 24 :], counts[-STAYS_DAYS * 24 :])
        came = minutes(START) + 60 * recent + rng.integers(0, 60, len(recent))
        level = rng.integers(1, 6, len(came))
        wait = rng.lognormal(3.5, 0.8, len(came)).astype(np.int64)
        stay = wait + rng.lognormal(4.9, 0.7, len(came)).astype(np.int64)
        until = minutes(known[-1].end)
        stays[sector], queue[sector] = (Stays.of(came, came + lasts, level).known_at(until) for lasts in (stay, wait))
        waits[sector] = Waits.of(*(came + lasts for lasts in (0.0, wait, stay)), level).known_at(until)
    return known, People({"occupancy": stays, "queue": queue}, waits=waits)


def learn() -> None:
    known, people = hospital()
    covariates = Covariates(Calendar("America/Sao_Paulo", Holidays(country="BR", subdivision="SP")))
    trained = train(known, covariates, people=people, threads=2)
    assert len(trained.flow.headcounts["occupancy"]) == len(ARRIVALS)
    assert len(trained.flow.waits.sectors) == len(ARRIVALS)
    assert trained.verdict.is_accepted, trained.verdict.reason


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    if parser.parse_args().inside:
        learn()
        return
    print(machine())
    found = measure([sys.executable, __file__, "--inside"])
    limits = f"limits {LIMIT_S:.0f} s, {LIMIT_MB:.0f} MB"
    print(f"weekly training   {found.wall_s:6.1f} s   {found.peak_mb:5.0f} MB   {limits}")
    sys.exit(0 if found.wall_s <= LIMIT_S and found.peak_mb <= LIMIT_MB else BEYOND_A_LIMIT)


if __name__ == "__main__":
    main()
