"""What occupancy and queue forecasts reach on a real rhythm: eight weeks of what `bench/occupancy.py` walks."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from importlib.resources import files
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting.arrivals import fit_arrivals
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.measures import LEVELS, pinball
from healthcare_ops.forecasting.occupancy import HeldOut, Horizon, fit_occupancy, held_out_origins
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.forecasting.series import HourlySeries, seasonal_naive
from healthcare_ops.forecasting.survival import Stays

pytestmark = pytest.mark.slow

SWEDEN = Covariates(Calendar("Europe/Stockholm", Holidays(country="SE")))
OCTOBER = int(datetime(2017, 10, 1, tzinfo=UTC).timestamp() // 60)


@pytest.fixture(scope="module")
def skane() -> dict[str, Stays]:
    """Return the beds and the waits of the sample year, whose wall clock is Stockholm's."""
    packed = files("healthcare_ops.samples").joinpath("skane_2017.csv.gz").read_bytes()
    rows = list(csv.DictReader(gzip.decompress(packed).decode().splitlines()))
    zone = ZoneInfo("Europe/Stockholm")
    came, triaged, cared, left = (
        np.array([int(datetime.fromisoformat(row[name]).replace(tzinfo=zone).timestamp() // 60) for row in rows])
        for name in ("arrival_at_hospital", "arrival", "resolve", "exit_ed")
    )
    level = np.array([int(row["priority"]) for row in rows])
    return {metric: Stays.of(came, end, level, triaged) for metric, end in (("beds", left), ("queue", cared))}


@pytest.fixture(scope="module")
def expected_entries(skane) -> tuple[HeldOut, np.ndarray, np.ndarray]:
    """Return what arrivals models expect at held-out origins before October, and at origins of eight weeks after."""
    start = skane["beds"].start_min
    first = start[0] // 60 * 60
    series = HourlySeries(
        "ED", datetime.fromtimestamp(60 * first, UTC), np.bincount((start - first) // 60).astype(np.float64)
    )
    held, tested = held_out_origins(first, OCTOBER)[::3], np.arange(OCTOBER, OCTOBER + 56 * 1440, 11 * 60)
    means = []
    for origins in (held, tested):
        known = series.first((origins[0] - first) // 60)
        arrivals = fit_arrivals([known], SWEDEN)["ED"]
        means.append(arrivals.predict_from(series, (origins - first) // 60, np.arange(48), SWEDEN))
    return HeldOut(held, means[0]), tested, means[1]


@pytest.mark.parametrize("metric", ["beds", "queue"])
def test_the_swedish_department_is_forecast_better_than_by_simple_rules(skane, expected_entries, metric):
    stays, (held, origins, entries), leads = skane[metric], expected_entries, np.array([1, 2, 4, 8, 12, 18, 24])
    first = stays.start_min[0] // 60 * 60
    series = HourlySeries("ED", datetime.fromtimestamp(60 * first, UTC), stays.counts(first, 364 * 24))
    model = fit_occupancy(stays, OCTOBER, SWEDEN.calendar, held)

    said = [
        model.predict(stays, Horizon(origin, origin, leads), means, SWEDEN.calendar)
        for origin, means in zip(origins.tolist(), entries, strict=True)
    ]

    at, learnt = (origins - first) // 60, np.arange(192, (OCTOBER - first) // 60 - 24)
    actual = series.values[at[:, None] + leads]
    error = np.abs(np.array([one.mean for one in said]) - actual).mean(axis=0)
    loss = pinball(actual, np.array([one.quantiles(LEVELS) for one in said])).mean(axis=0)
    for rule in (
        lambda some: np.repeat(series.values[some][:, None], len(leads), axis=1),
        lambda some: seasonal_naive(series, "Europe/Stockholm", some, leads),
    ):
        residuals = series.values[learnt[:, None] + leads] - rule(learnt)
        quantiles = np.maximum(rule(at)[..., None] + np.quantile(residuals, LEVELS, axis=0).T, 0.0)
        rule_error = np.abs(rule(at) - actual).mean(axis=0)
        rule_loss = pinball(actual, quantiles).mean(axis=0)
        assert (error < rule_error).all()
        assert (loss < rule_loss).all()
        assert error.mean() < 0.8 * rule_error.mean()
        assert loss.mean() < 0.8 * rule_loss.mean()
    share = np.random.default_rng(1).random(actual.shape)
    pit = np.array([one.randomised_pit(*row) for one, *row in zip(said, actual.astype(int), share, strict=True)])
    assert ((pit >= LEVELS[0]) & (pit <= LEVELS[-1])).mean() == pytest.approx(0.9, abs=0.04)
