"""What the model reaches on two hospitals' real rhythms; the limits leave a little room around the measured values."""

from __future__ import annotations

import csv
import gzip
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from healthcare_ops.core.site import Holidays
from healthcare_ops.forecasting.arrivals import fit_arrivals
from healthcare_ops.forecasting.calendar import Calendar, Event
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.forecasting.series import HourlySeries
from unit.forecasting.walks import backtest

IOWA = Path(__file__).parents[3].parent / "shared" / "data" / "ed_hourly" / "uihc_ed.csv.gz"
SWEDEN = Covariates(Calendar("Europe/Stockholm", Holidays(country="SE")))


@pytest.fixture(scope="module")
def skane() -> HourlySeries:
    packed = files("healthcare_ops.samples").joinpath("skane_2017.csv.gz").read_bytes()
    rows = csv.DictReader(gzip.decompress(packed).decode().splitlines())
    zone = ZoneInfo("Europe/Stockholm")
    arrivals = [datetime.fromisoformat(row["arrival_at_hospital"]).replace(tzinfo=zone) for row in rows]
    hours = Counter(arrival.astimezone(UTC).replace(minute=0, second=0, microsecond=0) for arrival in arrivals)
    start, end = min(hours), max(hours)
    span = range(int((end - start) / timedelta(hours=1)) + 1)
    return HourlySeries("ED", start, np.array([float(hours[start + timedelta(hours=i)]) for i in span]))


def test_the_swedish_year_is_forecast_clearly_better_than_by_last_week(skane):
    (walk,) = backtest([skane], SWEDEN)

    for item in walk.comparisons:
        assert item.model.wape < item.naive.wape * 0.85
        assert item.model.pinball < item.naive.pinball * 0.75
        assert item.better_probability > 0.99
        assert item.model.coverage_pit == pytest.approx(0.90, abs=0.03)
    assert walk.overall.model.wape < 0.63


def test_a_year_is_learnt_within_seconds(skane):
    started = time.process_time()

    fit_arrivals([skane], SWEDEN)

    assert time.process_time() - started < 6.0


@pytest.mark.skipif(not IOWA.exists(), reason="the Iowa series is GPL data and not part of this repository")
def test_the_iowa_hospital_is_forecast_better_than_by_the_best_published_model():
    with gzip.open(IOWA, "rt") as lines:
        rows = list(csv.DictReader(lines))
    counts = np.array([float(row["value"]) for row in rows])
    games = {date.fromisoformat(row["ts_local"][:10]): 1.0 for row in rows if row["game_day"] == "1"}
    # Naive local hours, 24 every day: a clock that never changes.
    known = Covariates(Calendar("UTC", Holidays(country="US", subdivision="IA"), (Event("game_day", games),)))
    series = HourlySeries("ED", datetime(2013, 7, 1, tzinfo=UTC), counts)
    first = len(counts) - 4164

    model = fit_arrivals([series.first(first)], known)["ED"]

    origins = np.arange(first, len(counts) - 9)
    mean = model.predict_from(series, origins, np.arange(10), known)
    actual = counts[origins[:, None] + np.arange(10)]
    one_step = model.predict_from(series, np.arange(first, len(counts)), np.array([0]), known)[:, 0]
    # Published, with the observed temperature: 2.645 and 7.154; √mean, the floor of the former, is 2.56.
    assert np.sqrt(((one_step - counts[first:]) ** 2).mean()) <= 2.62
    assert np.abs(mean.sum(axis=1) - actual.sum(axis=1)).mean() <= 7.05
