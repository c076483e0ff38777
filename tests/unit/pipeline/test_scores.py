from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from healthcare_ops.core.tables import HOSPITAL, OPS_METRICS_HOURLY, PREDICTION_SCORES, PREDICTIONS
from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.headcounts import CountForecast
from healthcare_ops.forecasting.measures import LEVELS
from healthcare_ops.pipeline.scores import (
    daily_mape,
    daily_misses,
    expected_counts,
    last_week_error,
    measured,
    score_predictions,
)
from unit.pipeline.builders import at, rows_of

QUANTILES = {"q05": 1.0, "q10": 2.0, "q25": 3.0, "q50": 4.0, "q75": 5.0, "q90": 6.0, "q95": 7.0}


def prediction(target="2026-03-01 10:00", **told):
    usual = {
        "facility_id": "hospital",
        "sector_id": "ED",
        "metric": "arrivals",
        "prediction_ts": at("2026-03-01 08:00"),
        "target_time": at(target),
        "horizon_h": 2,
        "mean": 4.25,
        "model_version": "m1",
        "dt": at("2026-03-01").date(),
    }
    return usual | QUANTILES | told


def hour(start="2026-03-01 10:00", **told):
    return {"sector_id": "ED", "hour_start": at(start), "arrivals_count": 4} | told


def score(engine, predictions, hours):
    found = score_predictions(
        engine.table(rows_of(PREDICTIONS, predictions)), engine.table(rows_of(OPS_METRICS_HOURLY, hours))
    )
    scored = engine.collect(found)
    assert scored.column_names == list(PREDICTION_SCORES.column_names)
    return scored.to_pylist()


def test_a_prediction_is_scored_with_what_happened_in_its_hour_and_sector(engine):
    hours = [hour(), hour(sector_id="WARD", arrivals_count=9), hour("2026-03-01 11:00", arrivals_count=8)]

    (row,) = score(engine, [prediction()], hours)

    assert (row["actual"], row["absolute_error"], row["is_covered_90"]) == (4.0, 0.25, True)
    assert {name: row[name] for name in prediction()} == prediction()


def test_the_whole_hospital_is_scored_against_the_sum_of_its_sectors(engine):
    (row,) = score(engine, [prediction(sector_id=HOSPITAL)], [hour(), hour(sector_id="WARD", arrivals_count=9)])

    assert row["actual"] == 13.0


def test_every_prediction_of_an_hour_is_scored_once(engine):
    predictions = [
        prediction(),
        prediction(prediction_ts=at("2026-03-01 09:00"), horizon_h=1),
        prediction(model_version="m2"),
        prediction("2026-03-01 11:00", horizon_h=3),
    ]

    rows = score(engine, predictions, [hour(), hour("2026-03-01 11:00")])

    keys = sorted((row["target_time"].hour, row["horizon_h"], row["model_version"]) for row in rows)
    assert keys == [(10, 1, "m1"), (10, 2, "m1"), (10, 2, "m2"), (11, 3, "m1")]


def test_a_prediction_whose_hour_has_not_passed_is_not_scored(engine):
    assert score(engine, [prediction("2026-03-01 11:00")], [hour()]) == []


def test_each_metric_is_scored_against_its_own_count(engine):
    predictions = [prediction(metric=metric) for metric in ("arrivals", "occupancy", "queue", "unknown")]

    rows = score(engine, predictions, [hour(occupied_beds=7, queue_length=2)])

    assert {row["metric"]: row["actual"] for row in rows} == {"arrivals": 4.0, "occupancy": 7.0, "queue": 2.0}


def test_nedocs_is_scored_once_with_what_gold_repeats_on_each_emergency_sector(engine):
    crowding = prediction(sector_id=HOSPITAL, metric="nedocs")
    hours = [hour(nedocs=90.0), hour(sector_id="PEDIATRICS", nedocs=90.0), hour(sector_id="WARD")]

    (row,) = score(engine, [crowding], hours)

    assert (row["actual"], row["absolute_error"]) == (90.0, 85.75)


def test_an_hour_without_nedocs_scores_no_forecast_of_it(engine):
    assert score(engine, [prediction(sector_id=HOSPITAL, metric="nedocs")], [hour()]) == []


@pytest.mark.parametrize(("actual", "is_covered"), [(0, False), (1, True), (7, True), (8, False)])
def test_an_hour_is_covered_from_the_5_to_the_95_percent_quantile(engine, actual, is_covered):
    (row,) = score(engine, [prediction()], [hour(arrivals_count=actual)])

    assert row["is_covered_90"] is is_covered


def test_the_pinball_loss_is_the_mean_over_the_quantiles(engine):
    (row,) = score(engine, [prediction()], [hour(arrivals_count=6)])

    too_low = 0.05 * 5 + 0.10 * 4 + 0.25 * 3 + 0.50 * 2 + 0.75 * 1 + 0.90 * 0
    too_high = 0.05 * 1
    assert row["pinball"] == pytest.approx((too_low + too_high) / 7, abs=1e-9)


def scored(engine, *rows):
    """Scores by what was expected and what happened, of one sector and horizon unless told otherwise."""
    usual = {"sector_id": "ED", "metric": "arrivals", "model_version": "m1", "horizon_h": 0, "pinball": 0.5}
    told = [usual | {"absolute_error": abs(row["mean"] - row["actual"]), "is_covered_90": True, **row} for row in rows]
    return engine.table(rows_of(PREDICTION_SCORES, told))


def test_the_measures_are_those_of_the_textbook(engine):
    scores = scored(
        engine,
        {"mean": 2.0, "actual": 4.0},
        {"mean": 1.0, "actual": 0.0, "is_covered_90": False},
        {"mean": 7.0, "actual": 6.0, "pinball": 2.0},
    )

    (row,) = engine.collect(measured(scores)).to_pylist()

    assert (row["predictions"], row["zero_hours"]) == (3, 1)
    assert row["mae"] == pytest.approx(4 / 3)
    assert row["bias"] == pytest.approx(0.0)
    assert row["mape"] == pytest.approx((2 / 4 + 1 / 6) / 2)
    assert row["wape"] == pytest.approx(4 / 10)
    assert row["coverage_90"] == pytest.approx(2 / 3)
    assert row["pinball"] == pytest.approx(1.0)


def test_where_nothing_happened_there_is_no_relative_error(engine):
    (row,) = engine.collect(measured(scored(engine, {"mean": 1.0, "actual": 0.0}))).to_pylist()

    assert (row["mape"], row["wape"]) == (None, None)


def test_waits_are_measured_by_patients(engine):
    scores = scored(
        engine,
        {
            "metric": "wait",
            "mean": 40.0,
            "actual": 50.0,
            "is_covered_90": None,
            "covered_share": 1.0,
            "patients": 3,
            "unseen": 1,
            "pinball": 2.0,
            "breach_patients": 4,
            "brier": 0.1,
            "brier_usual": 0.2,
        },
        {
            "metric": "wait",
            "mean": 40.0,
            "actual": 0.0,
            "is_covered_90": None,
            "covered_share": 0.0,
            "patients": 1,
            "unseen": 0,
            "pinball": 6.0,
        },
    )

    (row,) = engine.collect(measured(scores)).to_pylist()

    assert (row["predictions"], row["patients"], row["unseen"], row["breach_patients"]) == (2, 4, 1, 4)
    assert (row["mae"], row["bias"]) == pytest.approx(((3 * 10 + 40) / 4, (3 * -10 + 40) / 4))
    assert (row["coverage_90"], row["pinball"]) == pytest.approx((0.75, 3.0))
    assert row["wape"] == pytest.approx(70 / 150)
    assert (row["brier"], row["brier_usual"]) == pytest.approx((0.1, 0.2))
    assert (row["mape"], row["zero_hours"]) == (None, 0)
    assert engine.collect(daily_mape(scores)).num_rows == 0


def test_horizons_sectors_and_models_are_measured_apart(engine):
    rows = [
        {"mean": 1.0, "actual": 1.0} | different
        for different in ({}, {"horizon_h": 4}, {"sector_id": "WARD"}, {"model_version": "m2"})
    ]

    assert engine.collect(measured(scored(engine, *rows))).num_rows == 4


def test_the_floor_is_asked_of_hours_in_which_something_happened(engine):
    scores = scored(engine, {"mean": 2.04, "actual": 1.0}, {"mean": 1.96, "actual": 3.0}, {"mean": 2.0, "actual": 0.0})

    (row,) = engine.collect(expected_counts(scores)).to_pylist()

    assert (row["expected"], row["hours"]) == (2.0, 2)


def test_a_day_is_judged_by_its_sum_once_all_its_hours_are_known(engine):
    whole = [
        {"mean": 1.0, "actual": 2.0, "horizon_h": hour, "prediction_ts": at("2026-03-01 08:00")} for hour in range(24)
    ]
    partly = [{"mean": 9.0, "actual": 1.0, "horizon_h": 0, "prediction_ts": at("2026-03-02 08:00")}]

    (row,) = engine.collect(daily_mape(scored(engine, *whole, *partly))).to_pylist()

    assert (row["daily_mape"], row["days"]) == (0.5, 1)


def test_last_week_is_the_same_hour_a_week_before(engine):
    many = [
        hour(start.strftime("%Y-%m-%d %H:%M"), arrivals_count=n // 168, occupied_beds=5, queue_length=0)
        for n in range(3 * 168)
        for start in (at("2026-03-01 00:00") + timedelta(hours=n),)
    ]

    found = engine.collect(last_week_error(engine.table(rows_of(OPS_METRICS_HOURLY, many)))).to_pylist()

    assert {row["metric"]: row["last_week_mae"] for row in found if row["sector_id"] == "ED"} == {
        "arrivals": 1.0,
        "occupancy": 0.0,
        "queue": 0.0,
    }


# Misses


def misses(engine, rows):
    found = daily_misses(engine.table(rows_of(PREDICTION_SCORES, rows)), 1, 24).order_by("metric", "sector_id", "day")
    return engine.collect(found).to_pylist()


def headcount(actual, **told):
    return prediction(metric="occupancy", actual=float(actual)) | told


@pytest.mark.parametrize(
    ("told", "missed"),
    [
        (headcount(4), 0.0),
        (headcount(0), 1.0),
        (headcount(8), 1.0),
        (headcount(1), 0.5),
        (headcount(7), 0.5),
        (headcount(7, q95=7.3), 0.2),
        (headcount(7.2, metric="nedocs", sector_id=HOSPITAL), 1.0),
        (headcount(6.8, metric="nedocs", sector_id=HOSPITAL), 0.0),
    ],
)
def test_an_hour_is_missed_by_the_share_of_it_that_lies_outside_the_interval(engine, told, missed):
    (row,) = misses(engine, [told])

    assert (row["forecasts"], row["missed"]) == (1, pytest.approx(missed))


@pytest.mark.parametrize("mean", [0.02, 0.3, 0.8, 1.4, 2.1, 6.0, 30.0])
def test_quantiles_tell_of_each_count_what_its_distribution_would_have_told(engine, mean):
    pmf = np.exp(counts.log_pmf(np.arange(90), np.array([[mean]]), 0.1))
    said = CountForecast(np.array([1]), pmf)
    quantiles = dict(zip(QUANTILES, said.quantiles(LEVELS)[0].tolist(), strict=True))
    came = [count for count in range(60) if pmf[0, count] > 1e-9]

    rows = [headcount(count, sector_id=f"{count:02}", **quantiles) for count in came]
    found = [row["missed"] for row in misses(engine, rows)]

    assert found == pytest.approx([said.missed(np.array([count]), 0.05, 0.95)[0] for count in came], abs=0.02)


def test_misses_are_counted_by_metric_sector_and_the_day_of_the_hour(engine):
    rows = [
        headcount(0),
        headcount(4, target_time=at("2026-03-01 23:00")),
        headcount(0, target_time=at("2026-03-02 00:00")),
        headcount(0, metric="queue"),
        headcount(0, sector_id="WARD"),
    ]

    found = [
        (row["metric"], row["sector_id"], row["day"].day, row["forecasts"], row["missed"])
        for row in misses(engine, rows)
    ]

    assert found == [
        ("occupancy", "ED", 1, 2, 1.0),
        ("occupancy", "ED", 2, 1, 1.0),
        ("occupancy", "WARD", 1, 1, 1.0),
        ("queue", "ED", 1, 1, 1.0),
    ]


@pytest.mark.parametrize("told", [{"metric": "arrivals"}, {"horizon_h": 0}, {"horizon_h": 25}])
def test_neither_arrivals_nor_the_very_hour_nor_what_is_more_than_a_day_ahead_counts(engine, told):
    assert misses(engine, [headcount(0, **told)]) == []
