"""Crowding of an emergency department whose patients and whose boarding are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.metrics import nedocs
from healthcare_ops.forecasting import counts
from healthcare_ops.forecasting.measures import LEVELS
from healthcare_ops.forecasting.nedocs import NedocsModel, Patients, ScoreHours, fit_nedocs

BEDS, LEADS = 40, np.array([0, 1, 4, 12, 24, 48])
WEEKS, TESTED = 16, 4


def hospital(seed=1, weeks=WEEKS):
    """Return weeks of a department whose boarding strays from its rhythm and comes back in half a day."""
    rng = np.random.default_rng(seed)
    hours = np.arange(weeks * 168)
    stray = np.zeros(len(hours))
    for hour in hours[1:]:
        stray[hour] = 0.92 * stray[hour - 1] + rng.normal(0, 1.2)
    boarders = np.maximum(8 + 3 * np.sin(2 * np.pi * hours / 24) + stray, 0)
    patients = rng.poisson(rates(hours)).astype(float)
    score = nedocs(
        ed_patients=patients,
        ed_beds=BEDS,
        boarders=boarders,
        hospital_beds=300,
        ventilated=1,
        longest_boarding_h=boarders,
        last_door_to_bed_h=1.0,
    )
    return ScoreHours(0, hours % 168, score, patients)


def rates(hours):
    return 25 + 8 * np.sin(2 * np.pi * (hours - 9) / 24)


def expected(origin, leads=LEADS):
    target = origin + leads
    mean = rates(target)
    pmf = np.exp(counts.log_pmf(np.arange(100), mean[:, None], 0.0))
    return Patients(origin, leads, target % 168, pmf, known=origin)


def origins(known, weeks):
    last = len(known.score) - 49
    return range(last - weeks * 168, last, 7)


def fitted(known, weeks=TESTED):
    return fit_nedocs(known, BEDS, [expected(origin) for origin in origins(known, weeks)])


def pinball(came, quantiles):
    gap = came[..., None] - quantiles
    return np.maximum(np.array(LEVELS) * gap, (np.array(LEVELS) - 1) * gap).mean()


@pytest.fixture(scope="module")
def known():
    return hospital()


@pytest.fixture(scope="module")
def tested(known):
    """Return what was forecast in four weeks that no part of the model had seen, and what came."""
    until = len(known.score) - TESTED * 168
    model = fitted(known.until(until))
    at = range(until, len(known.score) - 49, 5)
    told = np.array([model.forecast(known, expected(origin))[1] for origin in at])
    came = np.array([known.score[origin + LEADS] for origin in at])
    return at, told, came


def test_nine_of_ten_scores_lie_within_the_band(tested):
    _, told, came = tested

    covered = ((came >= told[..., 0]) & (came <= told[..., -1])).mean()

    assert 0.86 <= covered <= 0.94


@pytest.mark.parametrize("rule", ["as it is now", "as it was last week"])
def test_the_forecast_is_better_than_to_expect_what_was(known, tested, rule):
    at, told, came = tested
    begin = at[0]
    back = {"as it is now": lambda origin: origin - 1 + 0 * LEADS, "as it was last week": lambda o: o + LEADS - 168}[
        rule
    ]
    past = range(begin - 4 * 168, begin - 49, 5)
    errors = np.array([known.score[origin + LEADS] - known.score[back(origin)] for origin in past])
    naive = np.array([known.score[back(origin)] for origin in at])[..., None] + np.quantile(errors, LEVELS, axis=0).T

    assert pinball(came, told) < 0.9 * pinball(came, naive)


def test_what_comes_after_the_forecast_changes_nothing(known):
    origin = len(known.score) - 100
    model = fitted(known.until(origin))
    noise = known.score.copy()
    noise[origin:] = np.random.default_rng(3).normal(500, 200, len(noise) - origin)

    mean, quantiles = model.forecast(known.until(origin), expected(origin))

    for other in (known, replace(known, score=noise)):
        again = model.forecast(other, expected(origin))
        assert (again[0].tobytes(), again[1].tobytes()) == (mean.tobytes(), quantiles.tobytes())


def test_a_patient_more_raises_the_score_by_his_share_of_the_beds(known):
    model, origin = fit_nedocs(known, BEDS), len(known.score)
    usual = expected(origin)

    more = replace(usual, pmf=np.pad(usual.pmf, ((0, 0), (1, 0))))

    raised = model.forecast(known, more)[0] - model.forecast(known, usual)[0]
    assert raised == pytest.approx(np.full(len(LEADS), 85.8 / BEDS))


def test_hours_without_a_score_are_passed_over_and_the_last_score_is_used(known):
    model, origin = fit_nedocs(known, BEDS), len(known.score)
    gone = known.score.copy()
    gone[-3:] = np.nan

    mean, _ = model.forecast(replace(known, score=gone), expected(origin))

    assert np.isfinite(mean).all()
    assert mean.tolist() != model.forecast(known, expected(origin))[0].tolist()


def test_a_day_without_a_score_is_forecast_as_usual(known):
    model, origin = fit_nedocs(known, BEDS), len(known.score)
    gone, other = known.score.copy(), known.score.copy()
    gone[-24:], other[-24:] = np.nan, np.nan
    other[-30:-24] += 100

    told, again = (model.forecast(replace(known, score=score), expected(origin))[0] for score in (gone, other))

    assert told.tolist() == again.tolist()


def test_a_hospital_whose_score_lacks_an_input_has_no_forecast_of_it(known):
    with pytest.raises(DataError, match="0 hours have a NEDOCS"):
        fit_nedocs(replace(known, score=np.full(len(known.score), np.nan)), BEDS)


def test_a_stored_model_forecasts_the_same(known):
    model, origin = fitted(known), len(known.score)

    again = NedocsModel.from_dict(json.loads(json.dumps(model.to_dict())))

    told, same = (one.forecast(known, expected(origin))[1].tobytes() for one in (model, again))
    assert told == same


def test_quantiles_never_cross(tested):
    _, told, _ = tested

    assert (np.diff(told, axis=-1) >= 0).all()
