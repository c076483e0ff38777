"""Occupancy and queue forecasts: against a normal approximation, and on the sample year against simple rules.

First the exact distribution of 200 patients beside patientflow's normal approximation of it, each alone in its
process, in turns. Then quarters 2 to 4 of the sample year: every four weeks a model learns from what precedes, and
forecasts from every fifth hour, its intervals made wider or narrower by what those of the days before missed. Beside
it, with quantiles of the residuals of all hours before: the count at the origin (persistence) and that of the same
civil hour last week.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting.arrivals import ArrivalsModel, fit_arrivals
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.measures import LEVELS, pinball
from healthcare_ops.forecasting.occupancy import (
    HeldOut,
    Horizon,
    OccupancyModel,
    fit_occupancy,
    held_out_origins,
)
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.forecasting.series import HourlySeries, seasonal_naive
from healthcare_ops.forecasting.survival import Stays
from healthcare_ops.forecasting.width import DayOfMisses, log_widths
from measured import BEYOND_A_LIMIT, machine

LIBRARY = "patientflow==1.8.7"
PATIENTS, INSTANTS = 200, 49
ZONE = ZoneInfo("Europe/Stockholm")
SWEDEN = Covariates(Calendar(ZONE.key, Holidays(country="SE")))
QUARTERS = {"Q2": (4, 7), "Q3": (7, 10), "Q4": (10, 13)}
LEADS = np.arange(1, 25)
REFIT_MIN = 28 * 1440
BLOCK_MIN = 3 * 1440
COVERED = (0.88, 0.92)


# --- The distribution of who stays ---

# What each contestant runs: the same probabilities for as many instants, timed without its imports.
TIMED = """
import json, sys, time
import numpy as np
{imports}
staying = np.array(json.load(sys.stdin))
def run():
{body}
run()
times = []
for _ in range(30):
    started = time.perf_counter(); found = run(); times.append(time.perf_counter() - started)
print(json.dumps([sorted(times)[15], np.asarray(found).tolist()]))
"""
EXACT = TIMED.format(
    imports="from healthcare_ops.forecasting.headcounts import staying_pmf",
    body="    return staying_pmf(staying)",
)
NORMAL = TIMED.format(
    imports="from patientflow.aggregate import BernoulliGeneratingFunction as Sum",
    body="    return [list(Sum(list(column)).get_distribution().values()) for column in staying.T]",
)


def compare_distributions(libraries: Path, rounds: int) -> bool:
    """Print both times and how wrong the approximation is; return whether the exact way is the faster one."""
    python = libraries / "bin" / "python"
    probe = [str(python), "-c", "import patientflow"]
    if not python.exists() or subprocess.run(probe, check=False, capture_output=True).returncode:
        pip = libraries / "bin" / "pip"
        print(f"skipped: patientflow; {sys.executable} -m venv {libraries} && {pip} install '{LIBRARY}'")
        return True
    fast = True
    for instants in (1, INSTANTS):
        # The later the instant, the fewer are there still.
        staying = np.random.default_rng(1).random((PATIENTS, 1)) ** np.linspace(1.0, 8.0, instants)
        given = json.dumps(staying.tolist())
        runs = [(_timed(sys.executable, EXACT, given), _timed(str(python), NORMAL, given)) for _ in range(rounds)]
        ratios = sorted(exact[0] / normal[0] for exact, normal in runs)
        exact, normal = (np.array(found).cumsum(axis=1) for _, found in runs[0])
        ratio = ratios[rounds // 2]
        ours_ms, theirs_ms = (1e3 * statistics.median(pair[side][0] for pair in runs) for side in (0, 1))
        print(
            f"{PATIENTS} patients, {instants:2} instants: exact {ours_ms:.2f} ms, patientflow's normal approximation "
            f"{theirs_ms:.2f} ms, ratio {ratio:.3f} (limit 1); the approximation's distribution function is off by up "
            f"to {np.abs(exact - normal).max():.4f}",
            flush=True,
        )
        fast = fast and ratio < 1.0
    return fast


def _timed(python: str, program: str, given: str) -> tuple[float, list[list[float]]]:
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, "-c", program], input=given, capture_output=True, text=True, check=True, env={**os.environ, **threads}
    )
    seconds, found = json.loads(done.stdout)
    return seconds, found


# --- The sample year ---


@dataclass
class Said:
    """What was said, shape (origins, leads) or (origins, leads, levels); `pit` only of the model."""

    mean: np.ndarray
    quantiles: np.ndarray
    pit: np.ndarray | None = None


class Department:
    """The emergency department of the sample year: who is there, or who waits for care."""

    def __init__(self) -> None:
        packed = files("healthcare_ops.samples").joinpath("skane_2017.csv.gz").read_bytes()
        rows = list(csv.DictReader(gzip.decompress(packed).decode().splitlines()))
        came, triaged, cared, left = (
            np.array([minute(datetime.fromisoformat(row[name])) for row in rows])
            for name in ("arrival_at_hospital", "arrival", "resolve", "exit_ed")
        )
        level = np.array([int(row["priority"]) for row in rows])
        self.stays = {
            "occupancy": Stays.of(came, left, level, triaged),
            "queue": Stays.of(came, cared, level, triaged),
        }
        self.first_min = int(came.min()) // 60 * 60
        place = (came - self.first_min) // 60
        self.arrivals = HourlySeries("ED", instant(self.first_min), np.bincount(place).astype(np.float64))

    def arrivals_model(self, until_min: int) -> ArrivalsModel:
        return fit_arrivals([self.arrivals.until(instant(until_min))], SWEDEN)["ED"]

    def entries(self, model: ArrivalsModel, origins: np.ndarray, hours: int) -> np.ndarray:
        return model.predict_from(self.arrivals, (origins - self.first_min) // 60, np.arange(hours), SWEDEN)

    def held_out(self, until_min: int) -> HeldOut:
        """Return the entries that models of their day, refitted as those in use are, would have expected."""
        origins = held_out_origins(self.first_min, until_min)
        parts = [origins[part] for part in _parts((origins - origins[0]) // REFIT_MIN)]
        return HeldOut(
            origins, np.concatenate([self.entries(self.arrivals_model(int(part[0])), part, 48) for part in parts])
        )


def walk(department: Department, every_h: int) -> tuple[np.ndarray, dict[str, dict[str, Said]]]:
    """Return the origins (minutes), and by metric what the model and each rule said."""
    start, end = (minute(datetime.fromisoformat(day)) for day in ("2017-04-01", "2018-01-01"))
    origins = np.arange(start, end - 60 * int(LEADS.max()), 60 * every_h)
    found: dict[str, dict[str, list[Said]]] = {metric: {} for metric in department.stays}
    misses = {metric: Misses(metric) for metric in department.stays}
    for part in _parts((origins - start) // REFIT_MIN):
        block = origins[part]
        until = int(block[0])
        print(f"  learns until {instant(until):%Y-%m-%d}", file=sys.stderr, flush=True)
        held = department.held_out(until)
        means = department.entries(department.arrivals_model(until), block, int(LEADS.max()))
        for metric, stays in department.stays.items():
            model = fit_occupancy(stays, until, SWEDEN.calendar, held)
            said = {
                "model": forecast(model, stays, block, means, misses[metric]),
                **rules(department, stays, block, until),
            }
            for name, one in said.items():
                found[metric].setdefault(name, []).append(one)
    joined = {metric: {name: _joined(parts) for name, parts in said.items()} for metric, said in found.items()}
    return origins, joined


class Misses:
    """What the intervals told so far missed, by the UTC day of the hours they were of."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.days: dict[date, tuple[int, float]] = {}

    def add(self, origin: int, missed: np.ndarray) -> None:
        for lead, share in zip(LEADS.tolist(), missed.tolist(), strict=True):
            day = instant(origin + 60 * lead).date()
            count, before = self.days.get(day, (0, 0.0))
            self.days[day] = count + 1, before + share

    def log_width(self, origin: int) -> float:
        told = [DayOfMisses(self.metric, "ED", day, *counts) for day, counts in self.days.items()]
        return log_widths(told, instant(origin).date()).get((self.metric, "ED"), 0.0)


def forecast(model: OccupancyModel, stays: Stays, origins: np.ndarray, means: np.ndarray, misses: Misses) -> Said:
    parts = []
    for origin, coming in zip(origins.tolist(), means, strict=True):
        corrected = model.widened(misses.log_width(origin))
        said = corrected.predict(stays, Horizon(origin, origin, LEADS), coming, SWEDEN.calendar)
        misses.add(origin, said.missed(seen(stays, origin), LEVELS[0], LEVELS[-1]))
        share = np.random.default_rng(origin).random(len(LEADS))
        parts.append((said.mean, said.quantiles(LEVELS), said.randomised_pit(seen(stays, origin), share)))
    return Said(*(np.array(column) for column in zip(*parts, strict=True)))


def rules(department: Department, stays: Stays, origins: np.ndarray, until: int) -> dict[str, Said]:
    """Return what the two rules say, with the quantiles of their residuals on all hours before `until`, by lead."""
    first = department.first_min
    hours = int(origins.max() - first) // 60 + int(LEADS.max()) + 1
    series = HourlySeries("ED", instant(first), stays.counts(first, hours))
    learnt = np.arange(168 + 24, (until - first) // 60 - int(LEADS.max()))
    wanted = (origins - first) // 60
    said = {}
    for name, rule in (
        ("persistence", lambda at: np.repeat(series.values[at][:, None], len(LEADS), axis=1)),
        ("last week", lambda at: seasonal_naive(series, ZONE.key, at, LEADS)),
    ):
        residuals = series.values[learnt[:, None] + LEADS] - rule(learnt)
        mean = rule(wanted)
        quantiles = mean[..., None] + np.quantile(residuals, LEVELS, axis=0).T
        said[name] = Said(mean, np.maximum(quantiles, 0.0))
    return said


def report(origins: np.ndarray, metric: str, said: dict[str, Said], actual: np.ndarray) -> bool:
    """Print a metric's tables; return whether every lead is won and every quarter covered."""
    print(f"\n{metric}: WAPE and pinball loss by lead, {len(origins)} origins")
    names = ("model", "persistence", "last week")
    print("lead   " + "".join(f"{name:>12}" for name in names) + "   " + "".join(f"{name:>12}" for name in names))
    won = True
    for place, lead in enumerate(LEADS):
        wape = [np.abs(said[name].mean - actual)[:, place].sum() / actual[:, place].sum() for name in names]
        loss = [pinball(actual[:, place], said[name].quantiles[:, place]).mean() for name in names]
        is_won = wape[0] < min(wape[1:]) and loss[0] < min(loss[1:])
        won = won and is_won
        print(
            f"{lead:4}   {''.join(f'{value:12.3f}' for value in wape)}   {''.join(f'{value:12.4f}' for value in loss)}"
            f"{'' if is_won else '   not won'}"
        )
    print("coverage of 90 % intervals: by randomised PIT ± standard error (below, above), and plain")
    covered = True
    month = np.array([instant(int(origin)).astimezone(ZONE).month for origin in origins])
    for quarter, (low, high) in QUARTERS.items():
        rows = (month >= low) & (month < high)
        pit, quantiles = said["model"].pit[rows], said["model"].quantiles[rows]
        held = (pit >= LEVELS[0]) & (pit <= LEVELS[-1])
        inside, unsure = held.mean(), error_of_mean(held, origins[rows] // BLOCK_MIN)
        plain = ((actual[rows] >= quantiles[..., 0]) & (actual[rows] <= quantiles[..., -1])).mean()
        is_covered = COVERED[0] <= inside <= COVERED[1]
        covered = covered and is_covered
        print(
            f"{quarter}   {inside:.3f} ± {unsure:.3f} "
            f"({(pit < LEVELS[0]).mean():.3f}, {(pit > LEVELS[-1]).mean():.3f})   {plain:.3f}"
            f"{'' if is_covered else f'   outside {COVERED[0]}–{COVERED[1]}'}"
        )
    return won and covered


def error_of_mean(held: np.ndarray, block: np.ndarray) -> float:
    """Return the standard error of a share, of which the hours of a block (a row each) tell of each other."""
    shares = [held[block == one].mean() for one in np.unique(block)]
    return float(np.std(shares, ddof=1) / np.sqrt(len(shares)))


def seen(stays: Stays, origin: int) -> np.ndarray:
    return stays.counts(origin, int(LEADS.max()) + 1)[LEADS].astype(np.int64)


def minute(wall: datetime) -> int:
    """Return the minutes since 1970 of a wall-clock time."""
    return int(wall.replace(tzinfo=ZONE).timestamp() // 60)


def instant(at_min: int) -> datetime:
    return datetime.fromtimestamp(60 * at_min, UTC)


def _parts(number: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(number == one) for one in np.unique(number)]


def _joined(parts: Sequence[Said]) -> Said:
    pit = None if parts[0].pit is None else np.concatenate([part.pit for part in parts])
    return Said(np.concatenate([part.mean for part in parts]), np.concatenate([part.quantiles for part in parts]), pit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=int, default=5, help="Hours between origins.")
    parser.add_argument(
        "--libraries", type=Path, default=Path("bench/out/patientflow"), help="Virtual environment with patientflow."
    )
    parser.add_argument("--only", choices=("distribution", "year"))
    arguments = parser.parse_args()
    print(f"{machine()}; {datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}", flush=True)
    verdicts = []
    if arguments.only != "year":
        verdicts.append(compare_distributions(arguments.libraries.resolve(), arguments.rounds))
    if arguments.only != "distribution":
        department = Department()
        origins, said = walk(department, arguments.every)
        for metric, stays in department.stays.items():
            actual = np.array([seen(stays, origin) for origin in origins.tolist()], dtype=np.float64)
            verdicts.append(report(origins, metric, said[metric], actual))
    sys.exit(0 if all(verdicts) else BEYOND_A_LIMIT)


if __name__ == "__main__":
    main()
