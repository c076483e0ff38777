from __future__ import annotations

import math
import tomllib
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from healthcare_ops.core.errors import DataError
from healthcare_ops.generator import estimates
from healthcare_ops.generator.arrivals import hour_of_week_shape
from healthcare_ops.generator.calibration import crowding_dependence, fit
from healthcare_ops.generator.history import history_of, history_of_journeys
from healthcare_ops.generator.journeys import Journeys
from healthcare_ops.generator.parameters import PROBABILITIES, Parameters, parameters_text
from healthcare_ops.generator.simulation import simulate
from synthetic import MONDAY, always, as_lake, every_level, parameters, synthetic_site

SITE = synthetic_site("Europe/Stockholm", ED=14, WARD=24)
LAST = MONDAY + timedelta(days=149)
TRUE = parameters(emergency={"physicians": {"utilisation": 0.95}}, disturbances={"chance_per_day": 0.0})


@pytest.fixture(scope="module")
def happened():
    return simulate(SITE, TRUE, MONDAY, LAST, 7)


@pytest.fixture(scope="module")
def fitted(happened):
    return fit(*as_lake(happened), SITE)


@pytest.fixture(scope="module")
def histories(happened, fitted):
    """What was learnt from, and what the fitted hospital then does with other random numbers."""
    return history_of_journeys(happened, SITE), history_of_journeys(simulate(SITE, fitted, MONDAY, LAST, 8), SITE)


def test_demand_is_that_of_the_history(happened, fitted):
    found, true = fitted.emergency.arrivals, TRUE.emergency.arrivals

    assert found.per_day == pytest.approx(len(happened.encounters) / 150, rel=0.02)
    assert np.corrcoef(hour_of_week_shape(found), hour_of_week_shape(true))[0, 1] > 0.95
    assert found.dispersion == pytest.approx(true.dispersion, abs=0.5)
    assert found.autocorrelation == pytest.approx(true.autocorrelation, abs=0.2)


def test_mix_and_outcomes_are_those_of_the_history(fitted):
    for hour in (3, 12, 21):
        found, true = (np.array(p.emergency.shares_by_hour()[hour]) for p in (fitted, TRUE))
        assert np.abs(found - true).max() < 0.05
    for level in (2, 3, 4):
        found, true = (p.emergency.level(level).outcomes for p in (fitted, TRUE))
        assert found.ward == pytest.approx(true.ward, abs=0.06)


# A tenth of the patients is admitted: beyond three quarters, the length of stay jumps from hours to days.
@pytest.mark.parametrize(
    ("what", "probabilities"),
    [
        ("triage_wait", [0.25, 0.5, 0.75, 0.9]),
        ("wait", [0.25, 0.5, 0.75, 0.9]),
        ("care", [0.25, 0.5, 0.75, 0.9]),
        ("length_of_stay", [0.25, 0.5, 0.75]),
    ],
)
def test_quantiles_come_out_as_they_were(histories, what, probabilities):
    real, made = (np.nanquantile(getattr(history, what), probabilities) for history in histories)

    assert made.tolist() == pytest.approx(real.tolist(), rel=0.2, abs=3.0)


def test_as_many_leave_unseen(histories):
    real, made = (history.has_left_unseen.mean() for history in histories)

    assert made == pytest.approx(real, rel=0.5)


def test_stays_on_the_ward_are_as_long(histories):
    real, made = (np.quantile(history.moves.stay_h, [0.25, 0.5, 0.75]) for history in histories)

    assert made.tolist() == pytest.approx(real.tolist(), rel=0.2)


def test_the_share_of_those_who_return_is_that_of_the_history(fitted):
    assert fitted.returning_share == pytest.approx(TRUE.returning_share, abs=0.03)


def test_waits_depend_on_the_crowd_as_they_did(histories):
    real, made = (crowding_dependence(history)[1] for history in histories)

    assert real > 0.4
    assert made > 0.25


def test_waits_that_no_crowd_moves_become_delay_with_ample_staff():
    levels = every_level(preparation_min=[0, 5, 10, 20, 40, 70, 110, 150, 185, 240, 300])
    true = parameters(emergency={"levels": levels, "physicians": {"by_hour": [60] * 24}})
    found = fit(*as_lake(simulate(SITE, true, MONDAY, MONDAY + timedelta(days=59), 1)), SITE)

    assert found.emergency.physicians.utilisation == 0.3
    middle = PROBABILITIES.index(0.5)
    assert found.emergency.level(3).preparation_min[middle] == pytest.approx(70, rel=0.2)


def test_who_waits_longer_is_treated_faster_if_it_was_so_in_the_history():
    delays = {"preparation_min": [0, 5, 10, 20, 40, 70, 110, 150, 185, 240, 300], "diagnostics_share": 0.0}
    care = {"levels": every_level(**delays), "physicians": {"by_hour": [60] * 24}, "wait_treatment_correlation": -0.7}
    happened = simulate(SITE, parameters(emergency=care), MONDAY, MONDAY + timedelta(days=89), 1)

    fitted = fit(*as_lake(happened), SITE)

    real, made = (
        estimates.wait_care_correlation(history_of_journeys(journeys, SITE))
        for journeys in (happened, simulate(SITE, fitted, MONDAY, MONDAY + timedelta(days=89), 2))
    )
    assert real < -0.4
    assert made == pytest.approx(real, abs=0.06)


def test_a_history_in_which_waits_tell_nothing_of_care_has_no_correlation(happened):
    assert estimates.wait_care_correlation(history_of_journeys(happened, SITE)) == pytest.approx(0.0, abs=0.05)


def test_the_fit_can_be_written_as_a_file(fitted):
    assert Parameters.model_validate(tomllib.loads(parameters_text(fitted))) == fitted


def test_a_history_without_names_triage_or_moves_is_enough(happened):
    encounters, stays = as_lake(happened)
    for name in ("triage_start", "triage_end", "admit_time", "patient_id", "triage_level"):
        nothing = pa.nulls(len(encounters), encounters[name].type)
        encounters = encounters.set_column(encounters.schema.get_field_index(name), name, nothing)

    found = fit(encounters, stays.slice(0, 0), SITE)

    assert found.emergency.arrivals.per_day == pytest.approx(len(encounters) / 150, rel=0.02)
    assert found.triage.duration_min == (0.0,) * 11


def test_sectors_with_enough_patients_get_parameters_of_their_own():
    site = synthetic_site(ED=30, PED=3)
    true = parameters(sectors={"ED": {"levels": every_level(treatment_min=always(100))}})

    found = fit(*as_lake(simulate(site, true, MONDAY, MONDAY + timedelta(days=44), 1)), site)

    assert set(found.sectors) == {"ED", "PED"}
    assert found.sectors["PED"].levels == found.emergency.levels
    assert found.sectors["ED"].levels != found.emergency.levels
    assert found.sectors["PED"].arrivals.per_day == pytest.approx(9.9, rel=0.15)


@pytest.mark.parametrize("days", [0, 1, 2, 20])
def test_a_history_that_is_too_short_is_refused(happened, days):
    encounters, stays = as_lake(happened)
    end = pa.scalar(MONDAY + timedelta(days=days), pa.date32()).cast(pa.timestamp("us"))

    with pytest.raises(DataError, match="too few to learn from"):
        fit(encounters.filter(pc.less(encounters["arrival_time"], end)), stays, SITE)


def test_patience_is_found_although_care_cuts_most_waits_short():
    random = np.random.default_rng(1)
    arrival = np.sort(random.uniform(0, 60 * 1440, 20_000)) + 29_000_000
    offered, patience = random.exponential(60, 20_000), random.exponential(200, 20_000)
    left = patience < offered
    table = pa.table(
        {
            "encounter_id": np.arange(20_000),
            "patient_id": pa.nulls(20_000, pa.string()),
            "sector_id": pa.repeat("ED", 20_000),
            "triage_level": pa.array(np.full(20_000, 3)),
            "disposition": pa.array(np.where(left, "left_without_care", "home")),
            "arrival_time": instants(arrival),
            "triage_start": instants(arrival),
            "triage_end": instants(arrival),
            "care_start": instants(arrival + offered, left),
            "admit_time": pa.nulls(20_000, pa.timestamp("us")),
            "discharge_time": instants(arrival + np.where(left, patience, offered + 90)),
        }
    )
    history = history_of(table, NO_STAYS, synthetic_site())

    found = estimates.patience(history, np.ones(len(history.level), bool))

    middle = PROBABILITIES.index(0.5)
    assert found[3][middle] == pytest.approx(200 * math.log(2), rel=0.05)


def instants(minutes, missing=None):
    return pa.array(np.rint(minutes * 60e6).astype(np.int64), mask=missing).cast(pa.timestamp("us"))


NO_STAYS = pa.table(
    {
        "encounter_id": pa.array([], pa.int64()),
        "sector_id": pa.array([], pa.string()),
        "start_time": pa.array([], pa.timestamp("us")),
        "end_time": pa.array([], pa.timestamp("us")),
    }
)


def test_season_and_holidays_are_learnt_from_whole_years():
    keys = synthetic_site("America/Sao_Paulo", ED=60).model_dump() | {"holidays": {"country": "BR"}}
    site = type(SITE).model_validate(keys)
    true = {"season_amplitude": 0.2, "season_peak_day": 150, "holiday_factor": 0.6, "dispersion": 1.2}
    staff = {"by_hour": [400] * 24}
    chosen = parameters(
        emergency={"arrivals": true, "physicians": staff}, disturbances={"chance_per_day": 0.0}, warmup_days=0
    )
    journeys = simulate(site, chosen, date(2024, 1, 1), date(2025, 1, 2), 3)
    history = history_of_journeys(Journeys(journeys.encounters, journeys.stays), site)

    found = estimates.arrivals(history, site, np.ones(len(history.level), bool))

    assert found["season_amplitude"] == pytest.approx(0.2, abs=0.03)
    assert found["season_peak_day"] == pytest.approx(150, abs=12)
    assert found["holiday_factor"] == pytest.approx(0.65, abs=0.08)
    assert found["dispersion"] == pytest.approx(1.2, abs=0.3)


def test_half_a_year_tells_nothing_of_the_season(fitted):
    assert fitted.emergency.arrivals.season_amplitude == 0.0
