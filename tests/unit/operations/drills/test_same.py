from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from healthcare_ops.operations.drills.same import differences

AT = datetime(2026, 3, 10, 4, 30, tzinfo=UTC)


def hours(**changed):
    columns = {"hour": [1, 2], "wait_avg_min": [3.5, None], "run_id": ["daily-1", "daily-1"]}
    return {"gold.ops_metrics_hourly": pa.table(columns | changed)}


def forecasts(*instants):
    return {"gold.predictions": pa.table({"prediction_ts": list(instants), "mean": [1.0] * len(instants)})}


@pytest.mark.parametrize(
    "changed",
    [{"run_id": ["daily-2", "daily-2"]}, {"wait_avg_min": [3.5 + 1e-10, None]}],
    ids=["another run", "the last bit of a float"],
)
def test_lakes_are_the_same_whatever_run_filled_them(changed):
    assert differences(hours(**changed), hours()) == []


@pytest.mark.parametrize(
    "changed",
    [{"hour": [1, 3]}, {"wait_avg_min": [3.5, 0.0]}, {"wait_avg_min": [3.6, None]}],
    ids=["another hour", "a value where there is none", "another value"],
)
def test_a_row_that_differs_is_told(changed):
    assert differences(hours(**changed), hours()) == ["gold.ops_metrics_hourly: 1 of 2 rows differ (2 are there)"]


def test_a_row_too_few_is_told():
    fewer = {name: table.slice(0, 1) for name, table in hours().items()}

    assert differences(fewer, hours()) == ["gold.ops_metrics_hourly: 1 of 2 rows differ (1 are there)"]


def test_forecasts_that_were_made_after_the_instant_are_not_compared():
    later = AT + timedelta(hours=1)

    assert differences(forecasts(AT, later), forecasts(AT), until=AT) == []
    assert differences(forecasts(later), forecasts(AT), until=AT) != []
