"""A hospital whose patients come with the heat, and the heat that a weather service forecasts for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.core.errors import DataError
from healthcare_ops.core.tables import PREDICTIONS
from healthcare_ops.forecasting.champions import load_champion
from healthcare_ops.jobs import load_job
from healthcare_ops.jobs.context import Request
from healthcare_ops.operations.cautions import find_cautions
from hospital import open_hospital, visit

DAYS = 60
FIRST = datetime(2026, 1, 1)  # noqa: DTZ001  # the hospital's wall clock
NOW = "2026-03-02T00:00:00-03:00"
MIDNIGHT = datetime(2026, 1, 1, 3, tzinfo=UTC)
HEAT = np.random.default_rng(3).choice([16.0, 24.0], DAYS + 3)
FILE = "regressors/weather.csv"


def visits():
    """Return four patients an hour on hot days and one on others."""
    starts = [
        FIRST + timedelta(days=day, hours=hour, minutes=5 + 10 * nth)
        for day in range(DAYS)
        for hour in range(24)
        for nth in range(4 if HEAT[day] > 20 else 1)
    ]
    return [visit(f"V-{start:%m-%d-%H-%M}", start.isoformat(), changed=start) for start in starts]


def weather(heat=HEAT, *, issued_h=24, days=range(DAYS + 3)):
    """Return lines of the heat of each hour of the days, issued so many hours before."""
    hours = [(MIDNIGHT + timedelta(days=day, hours=hour), heat[day]) for day in days for hour in range(24)]
    return [f"heat,{(at - timedelta(hours=issued_h)).isoformat()},{at.isoformat()},{value}" for at, value in hours]


def put(hospital, *lines):
    text = "\n".join(["name,issue_time,target_time,value", *lines])
    LocalObjects(hospital.state).write(FILE, text.encode())


def do(hospital, job):
    now = hospital.context.clock.now()
    return load_job(job)(hospital.context, Request("run", "weekly_train", now.date()))


def arrivals(hospital):
    rows = [row for row in hospital.rows(PREDICTIONS) if row["sector_id"] == "ED"]
    assert {row["metric"] for row in rows} >= {"arrivals", "occupancy"}
    return sorted((row["metric"], row["horizon_h"], row["mean"], row["q05"], row["q95"]) for row in rows)


@pytest.fixture(scope="module")
def hot_hospital(tmp_path_factory):
    with open_hospital(tmp_path_factory.mktemp("hot"), NOW) as hospital:
        hospital.deliver("visits", visits(), "winter.csv")
        hospital.refine()
        do(hospital, "weekly_train")
        hospital.unaware = load_champion(hospital.context.objects)
        put(hospital, *weather())
        hospital.outcome = do(hospital, "weekly_train")
        hospital.aware = load_champion(hospital.context.objects)
        yield hospital


def backtest(model):
    (walk,) = model.manifest["backtests"]
    return walk["comparisons"][-1]["model"]["pinball"]


def test_training_with_the_heat_makes_better_forecasts_and_the_model_says_from_what_it_learnt(hot_hospital):
    assert hot_hospital.outcome["regressors"] == ["heat"]
    assert hot_hospital.outcome["is_promoted"]
    assert hot_hospital.aware.manifest["regressors"] == ["heat"]
    assert hot_hospital.unaware.manifest["regressors"] == []
    # Of the leads, half reach beyond what is issued a day ahead.
    assert backtest(hot_hospital.aware) < 0.9 * backtest(hot_hospital.unaware)


def test_what_is_issued_later_than_now_changes_nothing(hot_hospital):
    later = weather(HEAT[::-1], issued_h=1, days=range(DAYS + 1, DAYS + 3))
    put(hot_hospital, *weather())
    told = do(hot_hospital, "batch_predict")
    before = arrivals(hot_hospital)
    learnt = do(hot_hospital, "weekly_train")

    put(hot_hospital, *weather(), *later, *(line.replace("heat", "snow") for line in later))
    do(hot_hospital, "batch_predict")

    # Each hour's heat was issued a day ahead.
    assert (told["regressor_hours"], told["without_regressors"]) == ({"heat": 24}, [])
    assert arrivals(hot_hospital) == before
    assert do(hot_hospital, "weekly_train")["version"] == learnt["version"]


def test_what_was_issued_by_now_counts(hot_hospital):
    put(hot_hospital, *weather())
    do(hot_hospital, "batch_predict")
    before = arrivals(hot_hospital)

    put(hot_hospital, *weather(), *weather(40.0 - HEAT, issued_h=72, days=range(DAYS + 1, DAYS + 3)))
    told = do(hot_hospital, "batch_predict")

    assert told["regressor_hours"] == {"heat": 49}
    assert arrivals(hot_hospital) != before


@pytest.mark.parametrize(("lines", "last"), [([], "–"), (weather(days=range(DAYS)), "2026-03-01 23:00")])
def test_without_a_value_for_an_hour_to_come_the_model_forecasts_as_if_it_had_none_and_says_so(
    hot_hospital, lines, last
):
    put(hot_hospital, *weather())
    aware = {one.code for one in find_cautions(hot_hospital.platform)}
    if lines:
        put(hot_hospital, *lines)
    else:
        LocalObjects(hot_hospital.state).delete(FILE)

    told = do(hot_hospital, "batch_predict")
    cautions = {one.code: one for one in find_cautions(hot_hospital.platform)}

    assert (told["regressor_hours"], told["without_regressors"]) == ({"heat": 0}, ["heat"])
    assert told["rows"] > 0
    assert "REGRESSOR_UNKNOWN" not in aware
    assert cautions["REGRESSOR_UNKNOWN"].message == (
        "the model in use has learnt from forecasts of heat, and of no hour to come one is known (the last is of "
        f"{last}); it forecasts without."
    )


def test_a_file_with_a_fault_stops_forecasts_and_training_and_leaves_what_there_was(hot_hospital):
    put(hot_hospital, *weather())
    do(hot_hospital, "batch_predict")
    before = arrivals(hot_hospital)
    put(hot_hospital, *weather(), "heat,2026-03-01T00:00:00+00:00,2026-03-02T05:00:00+00:00,hot")

    for job in ("batch_predict", "weekly_train"):
        with pytest.raises(DataError, match=rf"{FILE}, line {24 * (DAYS + 3) + 2}: value 'hot' is not a number"):
            do(hot_hospital, job)

    assert arrivals(hot_hospital) == before
