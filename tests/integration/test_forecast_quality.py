from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from healthcare_ops.core.tables import HOSPITAL, PREDICTION_SCORES
from healthcare_ops.jobs.context import Request
from healthcare_ops.jobs.forecast_quality import judge_forecasts
from hospital import open_hospital
from unit.pipeline.builders import rows_of

NOW = datetime(2026, 3, 20, 7, tzinfo=UTC)


@pytest.fixture
def hospital(tmp_path):
    with open_hospital(tmp_path, NOW.isoformat()) as opened:
        yield opened


def scored(hours_ago, *, expected, actual, lead=1, sector=HOSPITAL, version="m1", is_covered=True, metric="arrivals"):
    """Return one prediction whose hour has passed."""
    target = (NOW - timedelta(hours=hours_ago)).replace(tzinfo=None)
    known = {
        "facility_id": "h",
        "sector_id": sector,
        "metric": metric,
        "prediction_ts": target - timedelta(hours=lead),
        "data_as_of": target - timedelta(hours=lead),
        "target_time": target,
        "horizon_h": lead,
        "model_version": version,
        "mean": expected,
        "actual": actual,
        "absolute_error": abs(expected - actual),
        "is_covered_90": is_covered,
        "pinball": 0.1,
        "dt": date(2026, 3, 20),
    }
    return {name: known.get(name) for name in PREDICTION_SCORES.column_names}


def measures(hospital, rows):
    """Return the metrics of the last day."""
    with hospital.context.engine.from_arrow(rows_of(PREDICTION_SCORES, rows)) as scores:
        judge_forecasts(hospital.context, Request("daily-1", "daily", NOW.date()), scores, NOW)
    lines = hospital.context.objects.read(f"ops/metrics/{NOW.date()}.jsonl").decode().splitlines()
    found = [json.loads(line) for line in lines]
    return [
        {name: round(value, 3) for name, value in line.items() if name.startswith("Model")}
        for line in found
        if "ModelBias" in line
    ]


def test_the_last_day_is_measured_of_all_sectors_hours_ahead_and_models_together_but_not_of_queues(hospital):
    day = [
        scored(ago, expected=12.0, actual=10.0, lead=lead, version=version, is_covered=ago != 3)
        for ago in range(1, 25)
        for lead, version in ((1, "m1"), (4, "m2"), (24, "m1"))
    ]
    others = [
        *(scored(ago, expected=90.0, actual=10.0) for ago in range(30, 60)),
        *(scored(ago, expected=90.0, actual=10.0, sector="ED") for ago in range(1, 25)),
        *(scored(ago, expected=90.0, actual=10.0, lead=2) for ago in range(1, 25)),
        *(scored(ago, expected=9.0, actual=1.0, lead=n, metric="queue") for ago in range(1, 25) for n in (1, 4, 24)),
    ]

    (found,) = measures(hospital, [*day, *others])

    assert found["ModelMAPE"] == 0.2
    assert found["ModelBias"] == 0.2
    assert found["ModelCoverage90"] == round(23 / 24, 3)
    assert found["ModelMAPEOverFloor"] == pytest.approx(0.2 / 0.25, abs=0.15)  # of 12, half an hour's luck


def test_forecasts_too_high_and_too_low_are_no_bias(hospital):
    day = [
        scored(ago, expected=10.0 + (4.0 if ago % 2 else -4.0), actual=10.0, lead=lead)
        for ago in range(1, 25)
        for lead in (1, 4, 24)
    ]

    (found,) = measures(hospital, day)

    assert (found["ModelBias"], found["ModelMAPE"]) == (0.0, 0.4)


def test_a_day_of_which_little_was_forecast_says_nothing(hospital):
    day = [scored(ago, expected=12.0, actual=10.0, lead=lead) for ago in range(1, 24) for lead in (1, 4, 24)]

    assert measures(hospital, day) == []
