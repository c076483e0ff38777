from __future__ import annotations

import pytest

from healthcare_ops.core.tables import OPS_METRICS_HOURLY, PREDICTION_SCORES, PREDICTIONS
from healthcare_ops.pipeline.scores import score_predictions
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


def test_only_arrivals_are_scored_against_arrivals(engine):
    assert score(engine, [prediction(metric="occupancy"), prediction(metric="wait")], [hour()]) == []


@pytest.mark.parametrize(("actual", "is_covered"), [(0, False), (1, True), (7, True), (8, False)])
def test_an_hour_is_covered_from_the_5_to_the_95_percent_quantile(engine, actual, is_covered):
    (row,) = score(engine, [prediction()], [hour(arrivals_count=actual)])

    assert row["is_covered_90"] is is_covered


def test_the_pinball_loss_is_the_mean_over_the_quantiles(engine):
    (row,) = score(engine, [prediction()], [hour(arrivals_count=6)])

    too_low = 0.05 * 5 + 0.10 * 4 + 0.25 * 3 + 0.50 * 2 + 0.75 * 1 + 0.90 * 0
    too_high = 0.05 * 1
    assert row["pinball"] == pytest.approx((too_low + too_high) / 7, abs=1e-9)
