"""The generator fitted on one half of the sample year, beside the other (docs/generator.md has the tables)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pytest

from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.generator.calibration import fit
from healthcare_ops.generator.history import History, history_of, history_of_journeys
from healthcare_ops.generator.simulation import simulate

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "src" / "healthcare_ops" / "samples"
ZONE = "Europe/Stockholm"
SECOND_HALF = pa.scalar("2017-07-01").cast(pa.timestamp("us"))
SEEDS = range(1, 6)
PROBABILITIES = {"p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9}
COMPARED = {
    "arrival to triage": "triage_wait",
    "triage to care": "care_wait",
    "arrival to care": "wait",
    "length of stay": "length_of_stay",
}
# How far off a quantile may be: a share of the real one, or some minutes if they are more.
SHARE, LEAST_MIN = 0.15, 5.0
DISPOSITIONS = {
    "Hemmet": "home",
    "Avdelning": "admitted",
    "Sjukhus": "transferred",
    "Avvikit efter läkbed": "left_against_advice",
    "Avliden": "died",
}


def instants(column):
    clocks = pc.cast(column, pa.timestamp("us"))
    zoned = pc.assume_timezone(clocks, ZONE, ambiguous="earliest", nonexistent="latest")
    return pc.local_timestamp(zoned.cast(pa.timestamp("us", "UTC")))


def sample_tables():
    """Return the sample year as `silver.encounters` and `silver.stays` hold it; see samples/skane_feed.toml."""
    texts = {name: pa.string() for name in ("arrival_at_hospital", "arrival", "resolve", "exit_ed")}
    rows = pa_csv.read_csv(
        SAMPLES / "skane_2017.csv.gz", convert_options=pa_csv.ConvertOptions(column_types=texts)
    ).sort_by("arrival_at_hospital")
    number = pa.array(range(len(rows)))
    outcome = pa.array([DISPOSITIONS.get(name, "other") for name in rows["discharged_to"].to_pylist()])
    left = instants(rows["exit_ed"])
    encounters = pa.table(
        {
            "encounter_id": number,
            "patient_id": pa.nulls(len(rows), pa.string()),
            "sector_id": pa.repeat("ED", len(rows)),
            "triage_level": rows["priority"].cast(pa.int64()),
            "disposition": outcome,
            "arrival_time": instants(rows["arrival_at_hospital"]),
            "triage_start": instants(rows["arrival"]),
            "triage_end": instants(rows["arrival"]),
            "care_start": instants(rows["resolve"]),
            "admit_time": pc.if_else(pc.equal(outcome, "admitted"), left, None),
            "discharge_time": left,
        }
    )
    names = ["encounter_id", "sector_id", "arrival_time", "discharge_time"]
    stays = encounters.select(names).rename_columns(["encounter_id", "sector_id", "start_time", "end_time"])
    return encounters, stays


@pytest.fixture(scope="module")
def site():
    return read_toml(SAMPLES / "skane_site.toml", Site)


@dataclass(frozen=True)
class Way:
    """On which half the hospital is fitted, and the days simulated to stand beside the other; a day more each side."""

    section: str
    is_fitted_late: bool
    first: date
    last: date


WAYS = (
    Way("How near it comes: the sample year", False, date(2017, 6, 30), date(2018, 1, 1)),
    Way("The other way round", True, date(2016, 12, 31), date(2017, 7, 1)),
)


@pytest.fixture(scope="module", params=WAYS, ids=["fitted on January to June", "fitted on July to December"])
def way(request) -> Way:
    return request.param


@pytest.fixture(scope="module")
def halves(way):
    """The half that the hospital is fitted on, and the other."""
    encounters, _ = sample_tables()
    is_late = pc.greater_equal(encounters["arrival_time"], SECOND_HALF)
    early_and_late = (encounters.filter(pc.invert(is_late)), encounters.filter(is_late))
    return early_and_late[::-1] if way.is_fitted_late else early_and_late


@pytest.fixture(scope="module")
def real(site, halves) -> tuple[History, History]:
    _, stays = sample_tables()
    return tuple(history_of(half, stays, site) for half in halves)


@pytest.fixture(scope="module")
def fitted(site, halves):
    _, stays = sample_tables()
    return fit(halves[0], stays, site)


@pytest.fixture(scope="module")
def simulated(site, fitted, way) -> list[History]:
    """The other half as the fitted hospital could have had it."""
    return [history_of_journeys(simulate(site, fitted, way.first, way.last, seed), site) for seed in SEEDS]


def quantiles(history, name):
    return np.nanquantile(getattr(history, name), list(PROBABILITIES.values()))


def per_day(history):
    return len(history.arrival) / len(history.hours.days)


def hours_of_week(history):
    hour = np.searchsorted(history.hours.start_s, history.arrival * 60, side="right") - 1
    return np.bincount(history.hours.hour_of_week[hour], minlength=168)


def daily(history):
    return np.bincount(history.day, minlength=len(history.hours.days))


def documented(section):
    """Return the rows of the table of a section of docs/generator.md: what → cells."""
    _, _, text = (ROOT / "docs" / "generator.md").read_text(encoding="utf-8").partition(f"# {section}\n")
    text, _, _ = text.partition("\n#")
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return {row[0]: row[1:] for row in rows}


def test_as_many_come_a_day(real, simulated):
    made = np.mean([per_day(history) for history in simulated])

    assert made == pytest.approx(per_day(real[1]), rel=0.05)


def test_the_week_has_the_same_shape(real, simulated):
    """Two real halves correlate by 0.92: chance in the counts leaves no more."""
    found = [np.corrcoef(hours_of_week(history), hours_of_week(real[1]))[0, 1] for history in simulated]

    assert min(found) > 0.88


def test_days_are_as_dispersed(real, simulated):
    made = np.mean([daily(history).var() / daily(history).mean() for history in simulated])

    assert made == pytest.approx(daily(real[1]).var() / daily(real[1]).mean(), abs=0.5)


@pytest.mark.parametrize("name", COMPARED.values())
def test_waits_and_stays_are_in_the_stated_range(real, simulated, name):
    made = np.mean([quantiles(history, name) for history in simulated], axis=0)

    assert made.tolist() == pytest.approx(quantiles(real[1], name).tolist(), rel=SHARE, abs=LEAST_MIN)


def test_the_document_shows_the_measured_numbers(real, simulated, way):
    rows = documented(way.section)
    for what, name in COMPARED.items():
        made = np.mean([quantiles(history, name) for history in simulated], axis=0)
        measured = np.array([quantiles(real[0], name), quantiles(real[1], name), made])
        for position, label in enumerate(PROBABILITIES):
            told = [float(cell) for cell in rows[f"{what}, {label}"][:3]]
            assert told == pytest.approx(measured[:, position].tolist(), abs=1.0)
