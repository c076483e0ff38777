from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from healthcare_ops.core.metrics import MANCHESTER_TARGET_MIN
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.wait_judging import InUse, learn_waits
from healthcare_ops.forecasting.wait_training import fit_waits
from unit.forecasting.departments import DAY, START, department

SAO_PAULO = Calendar("America/Sao_Paulo")
UNTIL = START + 98 * DAY
LEARNT = START + 84 * DAY


def learn(waits, *, in_use=None):
    return learn_waits(waits, UNTIL, SAO_PAULO, target_min=MANCHESTER_TARGET_MIN, in_use=in_use, threads=1)


def slowed(waits, first, last, factor):
    """Let those who came between two days have waited longer."""
    there = (waits.arrival_min >= START + first * DAY) & (waits.arrival_min < START + last * DAY)
    late = np.where(there, (factor - 1.0) * waits.wait_min, 0.0)
    return replace(waits, care_min=waits.care_min + late, leave_min=waits.leave_min + np.nan_to_num(late))


@pytest.fixture(scope="module")
def hospital():
    return {"ED": department(98, seed=3), "MINOR": department(98, per_day=2)}


@pytest.fixture(scope="module")
def champion(hospital):
    return InUse(fit_waits({"ED": hospital["ED"]}, LEARNT, SAO_PAULO), LEARNT)


@pytest.fixture(scope="module")
def learnt(hospital, champion):
    return learn(hospital, in_use=champion)


def test_waits_are_tested_on_weeks_that_were_not_learnt_from(learnt):
    (test,) = learnt.tests

    assert (test.sector_id, test.until_min) == ("ED", UNTIL)
    assert test.first_min == pytest.approx(UNTIL - 0.25 * 98 * DAY, abs=DAY)
    assert test.patients > 0.9 * 24 * 90
    assert test.pinball < 0.97 * test.usual_pinball
    assert 0.85 <= test.coverage_90 <= 0.95


def test_a_sector_with_too_few_waits_has_no_model_and_says_why(learnt):
    assert list(learnt.model.sectors) == ["ED"]
    assert learnt.without_model.keys() == {"MINOR"}
    assert learnt.without_model["MINOR"].endswith(" whose care began; a model of waits needs 42 and 200")


def test_the_same_recipe_on_the_same_patients_is_no_worse_than_the_model_in_use(learnt):
    (unseen,) = learnt.contests

    assert (unseen.metric, unseen.has_seen) == ("wait", False)
    assert unseen.candidate == unseen.champion
    assert not unseen.is_lost
    assert "on waits of patients that neither had seen" in str(unseen)


def test_a_candidate_that_learnt_from_poisoned_waits_loses_on_clean_ones(hospital, champion):
    poisoned = slowed(hospital["ED"], 20, 83, 5.0)

    found = learn({"ED": poisoned}, in_use=champion)

    assert any(contest.is_lost for contest in found.contests)


def test_where_forecasts_were_worse_than_what_is_usual_there_is_no_model(hospital):
    # In the test weeks the slow hours of the day are quick, and the quick ones slow.
    waits = hospital["ED"]
    is_evening = (waits.arrival_min - START) // 60 % 24 >= 12
    before = waits.arrival_min < UNTIL - 0.25 * 98 * DAY
    factor = np.where(is_evening == before, 6.0, 1.0)
    late = (factor - 1.0) * waits.wait_min
    turned = replace(waits, care_min=waits.care_min + late, leave_min=waits.leave_min + np.nan_to_num(late))

    found = learn({"ED": turned})

    assert found.model is None
    assert found.tests[0].pinball > found.tests[0].usual_pinball
    assert found.without_model["ED"].startswith("forecasts were worse than what was usual: ")


def test_nothing_to_learn_from_makes_no_model(hospital):
    found = learn({"MINOR": hospital["MINOR"].rows(np.arange(5) * 3)})

    assert (found.model, found.tests, found.contests) == (None, (), ())
    assert found.without_model == {
        "MINOR": "97 days of encounters and 5 whose care began; a model of waits needs 42 and 200"
    }
