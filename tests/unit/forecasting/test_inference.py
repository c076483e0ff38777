from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from healthcare_ops.core.errors import DataError, NotFoundError
from healthcare_ops.core.tables import BREACHES, HOSPITAL, PREDICTIONS, QUANTILES
from healthcare_ops.forecasting.arrivals import fit_arrivals
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.flow import FlowModel
from healthcare_ops.forecasting.inference import Forecast, Moment, add_up, predict, predict_waits
from healthcare_ops.forecasting.registry import StoredModel
from healthcare_ops.forecasting.series import HourlySeries
from healthcare_ops.forecasting.wait_training import fit_waits
from healthcare_ops.forecasting.wait_usual import Waits
from unit.forecasting.departments import DAY, START, department

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


# --- Waits ---

NOW = START + 98 * DAY + 20


@pytest.fixture(scope="module")
def sectors():
    return {"ED": department(112, seed=3), "MINOR": department(112, per_day=12, seed=2, slow=2.0)}


@pytest.fixture(scope="module")
def of_waits(sectors, model):
    waits = fit_waits(sectors, START + 98 * DAY, Calendar("America/Sao_Paulo"))
    return StoredModel("flow-1", FlowModel({"ED": model}, waits=waits), {})


def instant(minute):
    return datetime.fromtimestamp(60 * minute, UTC)


def waits_at(stored, waits, *sector_ids):
    """Forecast waits at `NOW`, three arrivals an hour expected in each of the sectors."""
    moment = Moment(instant(NOW), instant(NOW), instant(NOW + 40), np.arange(49))
    times = tuple(moment.origin + lead * HOUR for lead in range(49))
    arrivals = [
        Forecast(
            name, moment.made_at, moment.made_at, "flow-1", times, moment.leads, np.full(49, 3.0), np.ones((49, 7))
        )
        for name in sector_ids
    ]
    return predict_waits(stored, waits, arrivals, moment, Calendar("America/Sao_Paulo"))


def test_waits_are_forecast_by_sector_and_for_whoever_comes(of_waits, sectors):
    found = {one.sector_id: one for one in waits_at(of_waits, sectors, "ED", "MINOR")}

    assert list(found) == ["ED", "MINOR", HOSPITAL]
    assert all(one.metric == "wait" and (one.quantiles >= 0).all() for one in found.values())
    medians = {name: one.quantiles[:, 3] for name, one in found.items()}
    assert (medians["ED"] < medians[HOSPITAL]).all()
    assert (medians[HOSPITAL] < medians["MINOR"]).all()
    columns = found["ED"].columns()
    assert [columns[name][0] for name in BREACHES] == found["ED"].breach[0].tolist()
    assert found[HOSPITAL].columns()["breach_3"] == [None] * 49


def test_what_happens_after_the_moment_of_forecasting_changes_no_wait(of_waits, sectors):
    noise = np.random.default_rng(1)

    def later(waits):
        """Who comes later comes otherwise, and what is not known yet turns out otherwise."""
        known = waits.known_at(NOW)
        ends = [
            np.where(np.isnan(times), NOW + noise.uniform(1, 900, len(times)), times)
            for times in (known.care_min, known.leave_min)
        ]
        came = NOW + noise.uniform(1, 5000, 400)
        return Waits.of(
            np.concatenate([known.arrival_min, came]),
            np.concatenate([ends[0], came + noise.uniform(0, 300, 400)]),
            np.concatenate([ends[1], np.full(400, np.nan)]),
            np.concatenate([known.level, np.full(400, 2)]),
            np.concatenate([known.level_min, came]),
        )

    truncated = {name: waits.known_at(NOW) for name, waits in sectors.items()}
    expected = [one.columns() for one in waits_at(of_waits, truncated, "ED", "MINOR")]

    assert [one.columns() for one in waits_at(of_waits, sectors, "ED", "MINOR")] == expected
    noisy = {name: later(waits) for name, waits in sectors.items()}
    assert [one.columns() for one in waits_at(of_waits, noisy, "ED", "MINOR")] == expected


def test_where_patients_come_whose_waits_nobody_knows_the_hospital_s_wait_is_not_told(of_waits, sectors):
    found = waits_at(of_waits, {"ED": sectors["ED"]}, "ED", "WARD")

    assert [one.sector_id for one in found] == ["ED"]


def test_a_sector_that_was_closed_for_a_quarter_of_a_year_has_no_wait(of_waits, sectors):
    gone = sectors["MINOR"].rows(sectors["MINOR"].arrival_min < START)

    assert [one.sector_id for one in waits_at(of_waits, {**sectors, "MINOR": gone}, "ED")] == ["ED", HOSPITAL]


def test_a_model_without_waits_forecasts_none(stored, sectors):
    assert waits_at(stored, sectors, "ED") == []
