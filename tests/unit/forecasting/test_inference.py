from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from healthcare_ops.core.errors import DataError, NotFoundError
from healthcare_ops.core.tables import HOSPITAL, PREDICTIONS, QUANTILES
from healthcare_ops.forecasting.arrivals import fit_arrivals
from healthcare_ops.forecasting.flow import FlowModel
from healthcare_ops.forecasting.inference import add_up, predict
from healthcare_ops.forecasting.registry import StoredModel
from healthcare_ops.forecasting.series import HourlySeries

HOUR = timedelta(hours=1)


@pytest.fixture
def stored(model):
    return StoredModel("arrivals-20210510T030000Z-0a1b2c3d", FlowModel({"ED": model}), {})


def test_lead_zero_is_the_hour_that_starts_at_the_origin(stored, ten_weeks, sao_paulo):
    origin = ten_weeks.end

    found = predict(stored, ten_weeks, origin, [0, 1, 4, 24], sao_paulo)

    assert found.target_time == (origin, origin + HOUR, origin + 4 * HOUR, origin + 24 * HOUR)
    assert found.horizon_h.tolist() == [0, 1, 4, 24]
    assert (found.prediction_ts, found.data_as_of) == (origin, origin)
    assert (
        found.mean.tolist()
        == stored.flow.arrivals["ED"].predict(ten_weeks, np.array([0, 1, 4, 24]), sao_paulo).tolist()
    )


def test_rows_carry_the_columns_of_the_predictions_table(stored, ten_weeks, sao_paulo):
    columns = predict(stored, ten_weeks, ten_weeks.end, range(49), sao_paulo).columns()

    assert set(columns) == set(PREDICTIONS.column_names) - {"facility_id", "dt"}
    assert {len(values) for values in columns.values()} == {49}
    assert columns["metric"][0] == "arrivals"
    assert columns["model_version"][0] == stored.version
    for row in zip(*(columns[name] for name in QUANTILES), strict=True):
        assert list(row) == sorted(row)


def test_the_sectors_add_up_to_the_hospital(ten_weeks, poisson_series, sao_paulo):
    other = poisson_series(70, sector_id="ICU", mean=2.0, seed=9)
    stored = StoredModel("flow-1", FlowModel(fit_arrivals([ten_weeks, other], sao_paulo)), {})
    parts = [predict(stored, series, ten_weeks.end, range(49), sao_paulo) for series in (ten_weeks, other)]

    whole = add_up(parts, stored)

    assert whole.sector_id == HOSPITAL
    assert whole.mean.tolist() == (parts[0].mean + parts[1].mean).tolist()
    # Less wide than the sum of the widths, wider than either.
    widths = [part.quantiles[:, -1] - part.quantiles[:, 0] for part in (*parts, whole)]
    assert (widths[2] < widths[0] + widths[1]).all()
    assert (widths[2] > widths[0]).all()


def test_hours_after_the_origin_are_not_looked_at(stored, ten_weeks, sao_paulo):
    origin = ten_weeks.end - 100 * HOUR

    found = predict(stored, ten_weeks, origin, range(49), sao_paulo)

    truncated = predict(stored, ten_weeks.until(origin), origin, range(49), sao_paulo)
    assert found.columns() == truncated.columns()


def test_the_hour_in_progress_is_not_looked_at(stored, ten_weeks, sao_paulo):
    origin = ten_weeks.end
    surge = ten_weeks.values.copy()
    surge[-1] = 300.0
    made_at = origin - timedelta(minutes=45)

    found = predict(stored, HourlySeries("ED", ten_weeks.start, surge), origin, [0], sao_paulo, prediction_ts=made_at)

    assert found.data_as_of == origin - HOUR
    assert found.prediction_ts == made_at
    assert found.columns() == predict(stored, ten_weeks, origin, [0], sao_paulo, prediction_ts=made_at).columns()


def test_a_late_feed_is_forecast_across_its_gap(stored, ten_weeks, sao_paulo):
    late = ten_weeks.until(ten_weeks.end - 6 * HOUR)

    found = predict(stored, late, ten_weeks.end, [0, 24], sao_paulo)

    assert found.data_as_of == late.end
    assert found.mean.tolist() == stored.flow.arrivals["ED"].predict(late, np.array([6, 30]), sao_paulo).tolist()


def test_a_feed_that_was_late_for_a_week_is_still_forecast(stored, ten_weeks, sao_paulo):
    late = ten_weeks.until(ten_weeks.end - 9 * 24 * HOUR)

    found = predict(stored, late, ten_weeks.end, [0, 48], sao_paulo)

    again = predict(stored, ten_weeks, ten_weeks.end, [0, 48], sao_paulo, prediction_ts=late.end)
    assert found.mean.tolist() == again.mean.tolist()


def test_a_sector_without_model_is_named(stored, ten_weeks, sao_paulo):
    other = HourlySeries("ICU", ten_weeks.start, ten_weeks.values)

    with pytest.raises(NotFoundError, match="has no sector 'ICU'; it has ED"):
        predict(stored, other, other.end, [0], sao_paulo)


def test_a_sector_without_a_known_hour_is_named(stored, ten_weeks, sao_paulo):
    with pytest.raises(DataError, match="sector 'ED' has no hour of arrivals before 2021-03-01T02:00"):
        predict(stored, ten_weeks, ten_weeks.start - HOUR, [0], sao_paulo)


def test_an_origin_must_be_a_full_hour_not_before_the_moment_of_forecasting(stored, ten_weeks, sao_paulo):
    with pytest.raises(ValueError, match="is not the start of a UTC hour"):
        predict(stored, ten_weeks, ten_weeks.end + timedelta(minutes=15), [0], sao_paulo)
    with pytest.raises(ValueError, match="lies before the moment of forecasting"):
        predict(stored, ten_weeks, ten_weeks.end, [0], sao_paulo, prediction_ts=ten_weeks.end + HOUR)


@pytest.mark.parametrize("lead", [-1, 49])
def test_a_lead_outside_two_days_is_refused(stored, ten_weeks, lead, sao_paulo):
    with pytest.raises(ValueError, match=f"lead {lead} h is outside 0–48"):
        predict(stored, ten_weeks, ten_weeks.end, [0, lead], sao_paulo)
