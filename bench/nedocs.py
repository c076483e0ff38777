"""Forecasts of NEDOCS beside "as it is now" and "as it was last week": `nedocs.py STATE…`, of loaded state directories.

Of the last eight weeks, arrivals and stays are forecast by models that know what came before them; the first four
weeks tell how wide the band must be, the last four are the test, in which what those of the days before missed corrects
it. Both simple rules have the quantiles of their own errors in the eight weeks before the test.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from pathlib import Path

import numpy as np

from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.tables import HOSPITAL, OPS_METRICS_HOURLY
from healthcare_ops.forecasting.crowding import Department, expected
from healthcare_ops.forecasting.evaluation import walk_recent
from healthcare_ops.forecasting.headcounts import sum_pmf
from healthcare_ops.forecasting.measures import LEVELS
from healthcare_ops.forecasting.nedocs import NedocsModel, Patients, ScoreHours, fit_nedocs
from healthcare_ops.forecasting.occupancy import Horizon, fit_occupancy
from healthcare_ops.forecasting.regressors import minutes
from healthcare_ops.forecasting.series import entries_name
from healthcare_ops.forecasting.width import FIRST_LEAD_H, LAST_LEAD_H, DayOfMisses, log_widths
from healthcare_ops.jobs.context import Context
from healthcare_ops.jobs.crowding import department
from healthcare_ops.jobs.people import people
from healthcare_ops.jobs.series import arrivals_by_sector, covariates
from healthcare_ops.jobs.silver_to_gold import gold_known_until
from measured import machine

LEADS = np.arange(49)
SHOWN = (0, 1, 4, 12, 24, 48)
TEST_DAYS, PAST_H = 56, 56 * 24


def department_of(context: Context) -> Department:
    until = gold_known_until(context)
    found = department(context, context.lake.read(OPS_METRICS_HOURLY), until) if until else None
    if found is None:
        raise SystemExit("no hour has a NEDOCS")
    return found


def forecast_patients(context: Context, known: ScoreHours, sectors: Collection[str]) -> Iterator[Patients]:
    """Yield the patients expected at each origin of the last eight weeks, by models that had not seen what came."""
    beside = covariates(context)
    arrivals = [one for one in arrivals_by_sector(context, 400) if one.sector_id in sectors]
    until = min(one.end for one in arrivals)
    there = people(context, context.lake.read, (until - timedelta(days=366)).date(), until, arrivals)
    series = {one.sector_id: one for one in (*arrivals, *there.entries)}
    entering = [series.get(entries_name(one.sector_id), one) for one in arrivals]
    walks = walk_recent(entering, beside, test_days=TEST_DAYS, threads=2)
    stays = [there.stays["occupancy"][one.sector_id] for one in arrivals]
    at = minutes(walks[0].series.start) + 60 * walks[0].origins
    begin = int(at[0])
    models = [fit_occupancy(mine.known_at(begin), begin, beside.calendar, None) for mine in stays]
    for number, now in enumerate(at.tolist()):
        if now // 60 + 48 >= known.end:
            break
        horizon = Horizon(now, now, LEADS)
        counts = [
            model.predict(mine, horizon, walk.forecasts.mean[number], beside.calendar).pmf
            for model, mine, walk in zip(models, stays, walks, strict=True)
        ]
        yield expected(reduce(sum_pmf, counts), now // 60, now // 60, LEADS, beside.calendar)


def naive(known: ScoreHours, origins: list[int], back_of_h: int | None) -> np.ndarray:
    """Return the quantiles of a simple rule at each origin: the last hour, or that of the week before."""

    def source(hour: int) -> np.ndarray:
        at = hour - known.first + LEADS
        return known.score[at - back_of_h] if back_of_h else np.full(len(LEADS), known.score[at[0] - 1])

    past = range(origins[0] - PAST_H, origins[0] - 48)
    errors = np.array([known.score[hour - known.first + LEADS] - source(hour) for hour in past])
    spread = np.nanquantile(errors, LEVELS, axis=0).T
    return np.array([source(hour)[:, None] + spread for hour in origins])


def corrected(model: NedocsModel, known: ScoreHours, tested: list[Patients]) -> np.ndarray:
    """Return the quantiles at each origin, of a band that is as much wider as those told before missed too often."""
    days: dict[date, tuple[int, float]] = {}
    told = []
    for one in tested:
        today = day_of(one.origin)
        misses = [DayOfMisses("nedocs", HOSPITAL, day, *counts) for day, counts in days.items()]
        wider = log_widths(misses, today).get(("nedocs", HOSPITAL), 0.0)
        _, quantiles = model.widened(wider).forecast(known, one)
        told.append(quantiles)
        for lead in range(FIRST_LEAD_H, LAST_LEAD_H + 1):
            came = known.score[one.origin + lead - known.first]
            if np.isfinite(came):
                missed = not quantiles[lead, 0] <= came <= quantiles[lead, -1]
                count, before = days.get(day_of(one.origin + lead), (0, 0.0))
                days[day_of(one.origin + lead)] = count + 1, before + missed
    return np.array(told)


def day_of(hour: int) -> date:
    return datetime.fromtimestamp(3600 * hour, UTC).date()


def pinball(came: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    gap, levels = came[..., None] - quantiles, np.array(LEVELS)
    return np.maximum(levels * gap, (levels - 1) * gap).mean(axis=-1)


def judge(state: Path) -> None:
    with open_platform(state, exclusive=False) as platform:
        context = platform.context
        mine = department_of(context)
        known, beds = mine.score, mine.beds
        found = list(forecast_patients(context, known, mine.sectors))
    middle = found[len(found) // 2].origin
    held_out = [one for one in found if one.origin + 48 < middle]
    tested = [one for one in found if one.origin >= middle]
    model = fit_nedocs(known.until(middle), beds, held_out)
    unmeasured = fit_nedocs(known.until(middle), beds)
    origins = [one.origin for one in tested]
    came = np.array([known.score[hour - known.first + LEADS] for hour in origins])
    told = {
        "model": corrected(model, known, tested),
        "as wide as learnt": np.array([model.forecast(known, one)[1] for one in tested]),
        "as wide as it was": np.array([unmeasured.forecast(known, one)[1] for one in tested]),
        "as now": naive(known, origins, None),
        "last week": naive(known, origins, 168),
    }
    scored = np.isfinite(came) & np.all([np.isfinite(quantiles).all(axis=-1) for quantiles in told.values()], axis=0)
    print(f"\n{state.name}: {len(origins)} origins, {scored.sum():,} hours; mean score {np.nanmean(came):.0f}\n")
    print(f"| lead | {' | '.join(f'{name}: pinball, covered' for name in told)} |\n|---|{'---:|' * len(told)}")
    for label, leads in [*((f"{lead} h", [lead]) for lead in SHOWN), ("all", LEADS)]:
        rows = scored[:, leads]
        cells = []
        for quantiles in told.values():
            mine, seen = quantiles[:, leads], came[:, leads]
            covered = ((seen >= mine[..., 0]) & (seen <= mine[..., -1]))[rows].mean()
            cells.append(f"{pinball(seen, mine)[rows].mean():.2f}, {covered:.1%}")
        print(f"| {label} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("states", type=Path, nargs="+")
    print(machine())
    for state in parser.parse_args().states:
        judge(state)


if __name__ == "__main__":
    main()
