"""Forecasts of waits, judged patient by patient: the sample year, and a synthetic hospital whose queues have a memory.

Walks forward over the last three quarters of a year, with a refit every four weeks on what was known by then. Each
patient is a case of the hour of his arrival, once for each origin from which that hour was forecast.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from importlib.resources import files
from zoneinfo import ZoneInfo

import numpy as np

from healthcare_ops.core.metrics import MANCHESTER_TARGET_MIN
from healthcare_ops.core.site import Holidays, Site
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.measures import LEVELS, better_probability, pinball
from healthcare_ops.forecasting.occupancy import Horizon
from healthcare_ops.forecasting.wait_training import fit_waits
from healthcare_ops.forecasting.wait_usual import Waits, civil_hours
from healthcare_ops.generator.parameters import Parameters
from healthcare_ops.generator.simulation import simulate

SAMPLES = files("healthcare_ops.samples")
SWEDEN = Calendar("Europe/Stockholm", Holidays(country="SE"))
COLOURS = ("red", "orange", "yellow", "green", "blue")
RULES = ("model", "last weeks, same hour", "last 4 hours", "last 13 weeks, any hour")
REFIT_MIN = 4 * 10080
# Shares no divisor with the day: otherwise each lead would always fall on the same hours.
EVERY_MIN = 7 * 60
LEADS = np.arange(49)
_TARGETS = np.array(MANCHESTER_TARGET_MIN, dtype=float)


# --- Hospitals ---


def skane() -> Waits:
    """Return the sample year; its times are wall clock."""
    zone = ZoneInfo("Europe/Stockholm")
    rows = list(
        csv.DictReader(gzip.decompress(SAMPLES.joinpath("skane_2017.csv.gz").read_bytes()).decode().splitlines())
    )

    def minutes(name):
        return np.array([datetime.fromisoformat(row[name]).replace(tzinfo=zone).timestamp() / 60 for row in rows])

    arrival, care, leave, triage = map(minutes, ("arrival_at_hospital", "resolve", "exit_ed", "arrival"))
    return Waits.of(arrival, care, leave, np.array([int(row["priority"]) for row in rows]), triage)


def synthetic(seed: int, first: date, last: date) -> tuple[dict[str, Waits], Calendar]:
    """Return the emergency sectors of the hospital of `hops demo --synthetic`, and its calendar."""
    site, parameters = (
        model.model_validate(tomllib.loads(SAMPLES.joinpath(name).read_text()))
        for model, name in ((Site, "synthetic_site.toml"), (Parameters, "synthetic_parameters.toml"))
    )
    table = simulate(site, parameters, first, last, seed).encounters

    def minutes(name):
        seconds = table[name].to_numpy().astype("datetime64[s]")
        return np.where(np.isnat(seconds), np.nan, seconds.astype("int64") / 60)

    columns = [minutes(name) for name in ("arrival_time", "care_start", "discharge_time")]
    level, triaged = np.array([value or 0 for value in table["triage_level"].to_pylist()]), minutes("triage_end")
    sector = np.array(table["sector_id"].to_pylist())
    found = {
        name: Waits.of(*(column[sector == name] for column in (*columns, level, triaged))) for name in np.unique(sector)
    }
    return found, Calendar(site.zone, site.holidays)


# --- The walk ---


@dataclass(frozen=True)
class Cases:
    """Patients and what each rule said of them: a row per patient and origin, a column per rule."""

    sector: np.ndarray
    origin_min: np.ndarray
    lead: np.ndarray
    wait_min: np.ndarray
    level: np.ndarray
    is_breach: np.ndarray
    is_judged: np.ndarray
    quantiles: np.ndarray
    breach: np.ndarray


def walk(
    hospital: Mapping[str, Waits],
    calendar: Calendar,
    first_min: int,
    until_min: int,
    *,
    every_min: int = EVERY_MIN,
    refit_min: int = REFIT_MIN,
) -> Cases:
    """Return every case between two instants."""
    parts = []
    for begin in range(first_min, until_min, refit_min):
        model = fit_waits(hospital, begin, calendar)
        for origin in range(begin, min(begin + refit_min, until_min), every_min):
            for name, waits in hospital.items():
                parts.append(_of_origin(name, waits, model, origin, until_min, calendar))
    return Cases(*(np.concatenate(column) for column in zip(*map(columns, parts), strict=True)))


def columns(cases: Cases) -> list[np.ndarray]:
    """Return the columns, in order."""
    return [getattr(cases, one.name) for one in fields(Cases)]


def _of_origin(name, waits, model, origin, until_min, calendar):
    leads = LEADS[origin + 60 * LEADS + 60 <= until_min]
    said = model.forecast(name, waits, Horizon(origin, origin, leads), calendar)
    came = np.flatnonzero((waits.arrival_min >= origin) & (waits.arrival_min < origin + 60 * (leads.max() + 1)))
    lead = ((waits.arrival_min[came] - origin) // 60).astype(int)
    level = np.maximum(waits.level[came], 1)
    simple = list(_simple(waits, origin, leads, calendar))
    quantiles = np.stack([said.quantiles, *(part[0] for part in simple)], axis=1)
    breach = np.stack([said.breach, *(part[1] for part in simple)], axis=1)
    is_seen = np.isfinite(waits.care_min[came])
    waited = (
        np.where(is_seen, waits.care_min[came], np.fmin(waits.leave_min[came], until_min)) - waits.arrival_min[came]
    )
    is_breach = waited > _TARGETS[level - 1]
    return Cases(
        sector=np.full(len(came), name),
        origin_min=np.full(len(came), origin),
        lead=lead,
        wait_min=waits.wait_min[came],
        level=waits.level[came],
        is_breach=is_breach,
        is_judged=(waits.level[came] > 0) & (is_seen | is_breach),
        quantiles=quantiles[lead],
        breach=breach[lead, :, level - 1],
    )


def _simple(waits, origin, leads, calendar) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the quantiles and the breach shares of each simple rule, from the waits over at the origin."""
    recent = waits.rows((waits.arrival_min >= origin - 13 * 10080) & (waits.care_min <= origin))
    first = recent.first_hour
    civil = civil_hours(first, origin // 60 + 50, calendar).civil_hour_number
    hour = civil[(recent.arrival_min // 60).astype(int) - first]
    target = civil[origin // 60 + leads - first]
    ago = target[:, None] - hour
    yield _shares(recent, [np.flatnonzero((row <= 24 * 28 + 1) & (np.abs((row + 84) % 168 - 84) <= 1)) for row in ago])
    lately = np.flatnonzero(recent.care_min > origin - 240)
    # A night without patients: the last ten.
    lately = lately if len(lately) >= 5 else np.argsort(recent.care_min)[-10:]
    yield _shares(recent, [lately] * len(leads))
    yield _shares(recent, [np.arange(len(hour))] * len(leads))


def _shares(waits: Waits, windows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    quantiles, breach, known = [], [], {}
    for window in windows:
        # The same patients for every lead need to be counted only once.
        if (key := window.tobytes()) not in known:
            wait, level = waits.wait_min[window], waits.level[window]
            late = [np.sum(wait[level == one] > _TARGETS[one - 1]) for one in range(1, 6)]
            known[key] = (
                np.quantile(wait, LEVELS) if len(wait) else np.full(len(LEVELS), np.nan),
                (np.array(late) + 0.5) / (np.array([np.sum(level == one) for one in range(1, 6)]) + 1),
            )
        quantiles.append(known[key][0])
        breach.append(known[key][1])
    return np.array(quantiles), np.array(breach)


# --- Measures ---


def losses(cases: Cases) -> np.ndarray:
    """Return the pinball loss (minutes) of each case, a column per rule; NaN where the wait is not known."""
    return pinball(np.broadcast_to(cases.wait_min[:, None], cases.quantiles.shape[:2]), cases.quantiles)


def coverage(cases: Cases, chosen: np.ndarray, rule: int = 0) -> float:
    """Return the share of the chosen waits within q05 to q95."""
    chosen = chosen & np.isfinite(cases.wait_min)
    wait, low, high = (
        part[chosen] for part in (cases.wait_min, cases.quantiles[:, rule, 0], cases.quantiles[:, rule, -1])
    )
    return float(((wait >= low) & (wait <= high)).mean())


def brier(cases: Cases, chosen: np.ndarray) -> np.ndarray:
    """Return the mean squared error of the breach probabilities, by rule."""
    chosen = chosen & cases.is_judged
    return ((cases.breach[chosen] - cases.is_breach[chosen, None]) ** 2).mean(axis=0)


def reliability(cases: Cases, chosen: np.ndarray, rule: int = 0) -> list[tuple[int, float, float]]:
    """Return cases, mean forecast and share of breaches of each fifth of the chosen cases by their forecast."""
    at = np.flatnonzero(chosen & cases.is_judged)
    ordered = at[np.argsort(cases.breach[at, rule], kind="stable")]
    return [
        (len(part), float(cases.breach[part, rule].mean()), float(cases.is_breach[part].mean()))
        for part in np.array_split(ordered, 5)
        if len(part)
    ]


def quarters(cases: Cases) -> np.ndarray:
    """Return the quarter (1–4, UTC) of each case's origin."""
    return (cases.origin_min.astype("datetime64[m]").astype("datetime64[M]").astype(int) % 12) // 3 + 1


# --- The report ---


def print_walk(cases: Cases) -> None:
    loss, known = losses(cases), np.isfinite(cases.wait_min)
    print(f"{len(cases.lead):,} cases; {1 - known.mean():.2%} have no wait (left unseen, or waiting)\n")
    print(f"| lead | {' | '.join(RULES)} | better than same hour |\n|---|{'---:|' * 5}")
    groups = [
        *((f"{lead} h", cases.lead == lead) for lead in (0, 1, 2, 4, 8, 12, 24, 36, 48)),
        ("all", cases.lead >= 0),
    ]
    for label, chosen in groups:
        rows = chosen & known & np.isfinite(loss).all(axis=1)
        means = " | ".join(f"{value:.2f}" for value in loss[rows].mean(axis=0))
        days = cases.origin_min[rows] // 1440
        print(f"| {label} | {means} | {better_probability(loss[rows, 1] - loss[rows, 0], days):.3f} |")
    print(
        "\n| quarter | covered 90 % | by last weeks | by last 4 h | below q50 | below q90 |\n"
        "|---|---:|---:|---:|---:|---:|"
    )
    for quarter in np.unique(quarters(cases)):
        mine = quarters(cases) == quarter
        shares = [coverage(cases, mine, rule) for rule in range(3)]
        below = [(cases.wait_min <= cases.quantiles[:, 0, at])[mine & known].mean() for at in (3, 5)]
        print(f"| {quarter} | {' | '.join(f'{share:.1%}' for share in (*shares, *below))} |")
    print(
        f"\n| colour | cases | breaches | Brier: {' | '.join(RULES)} | reliability of the model |\n"
        f"|---|{'---:|' * 6}---|"
    )
    for level, colour in enumerate(COLOURS, start=1):
        mine = (cases.level == level) & cases.is_judged
        if mine.any():
            fifths = ", ".join(f"{said:.2f}→{came:.2f}" for _, said, came in reliability(cases, mine))
            scores = " | ".join(f"{value:.4f}" for value in brier(cases, mine))
            print(f"| {colour} | {mine.sum():,} | {cases.is_breach[mine].mean():.1%} | {scores} | {fifths} |")
    print(f"| all | {cases.is_judged.sum():,} | | {' | '.join(f'{v:.4f}' for v in brier(cases, cases.lead >= 0))} | |")


def minute(*day: int) -> int:
    return int(datetime(*day, tzinfo=UTC).timestamp() // 60)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seed", type=int, default=11, help="Of the synthetic hospital; 1 to 9 were for choosing.")
    asked.add_argument("--only", choices=("skane", "synthetic", "cost"), help="One part alone.")
    options = asked.parse_args()
    if options.only in (None, "skane"):
        print("\n## The sample year, quarters 2 to 4\n")
        print_walk(walk({"ED": skane()}, SWEDEN, minute(2017, 4, 1), minute(2018, 1, 1)))
    if options.only in (None, "synthetic"):
        hospital, calendar = synthetic(options.seed, date(2024, 1, 1), date(2024, 12, 31))
        print("\n## A synthetic hospital, quarters 2 to 4\n")
        cases = walk(hospital, calendar, minute(2024, 4, 1), minute(2025, 1, 1), every_min=11 * 60)
        print_walk(cases)
    if options.only in (None, "cost"):
        print_cost(options.seed)


def print_cost(seed: int) -> None:
    """Time a training on five years of six sectors, and a tick."""
    hospital = {}
    for number in (seed, seed + 1):
        found, calendar = synthetic(number, date(2020, 1, 1), date(2024, 12, 31))
        hospital |= {f"{name} {number}": waits for name, waits in found.items()}
    until = minute(2025, 1, 1)
    started = time.process_time()
    model = fit_waits(hospital, until, calendar)
    trained = time.process_time()
    horizon = Horizon(until, until, LEADS)
    for name, waits in hospital.items():
        model.forecast(name, waits, horizon, calendar)
    warm = time.process_time()
    for name, waits in hospital.items():
        model.forecast(name, waits, horizon, calendar)
    number = sum(len(waits.arrival_min) for waits in hospital.values())
    print(f"\n## Five years of six sectors, {number:,} encounters\n")
    print(f"training {trained - started:.1f} s; a tick {time.process_time() - warm:.3f} s (processor time, one thread)")


if __name__ == "__main__":
    main()
