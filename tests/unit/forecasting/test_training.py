from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from healthcare_ops.core.errors import DataError
from healthcare_ops.forecasting.arrivals import fit_arrivals
from healthcare_ops.forecasting.flow import FlowModel
from healthcare_ops.forecasting.series import HourlySeries
from healthcare_ops.forecasting.training import People, compete, rewritten, train
from healthcare_ops.forecasting.wait_training import fit_waits
from unit.forecasting.departments import DAY, START, department


@pytest.fixture(scope="module")
def trained(ten_weeks, poisson_series, sao_paulo):
    return train([ten_weeks, poisson_series(70, sector_id="ICU", mean=1.0, seed=9)], sao_paulo)


def test_every_sector_gets_a_model_of_all_its_hours(trained, ten_weeks):
    assert sorted(trained.flow.arrivals) == ["ED", "ICU"]
    assert trained.data_as_of == ten_weeks.end
    assert trained.flow.arrivals["ED"].trained_until == ten_weeks.end
    assert trained.flow.arrivals["ED"].sector_id == "ED"


def test_a_model_better_than_last_week_is_accepted_with_the_numbers(trained):
    assert trained.verdict.is_accepted
    assert trained.verdict.reason.startswith("pinball loss ")
    assert "of seasonal-naive over" in trained.verdict.reason


def test_the_facts_tell_window_features_and_measures(trained, ten_weeks):
    facts = trained.facts()

    assert facts["training_window"]["ED"] == [ten_weeks.start.isoformat(), ten_weeks.end.isoformat()]
    assert facts["features"]["ED"] == list(trained.flow.arrivals["ED"].feature_names)
    assert [walk["sector_id"] for walk in facts["backtests"]] == ["ED", "ICU"]


def test_a_sector_with_too_little_to_learn_from_is_left_out_by_name(ten_weeks, poisson_series, sao_paulo):
    silent = HourlySeries("ICU", ten_weeks.start, np.zeros(70 * 24))
    young = poisson_series(20, sector_id="WARD")

    found = train([silent, ten_weeks, young], sao_paulo)

    assert sorted(found.flow.arrivals) == ["ED"]
    assert found.without_model == {
        "ICU": "not one arrival in 1680 hours",
        "WARD": "480 hours of arrivals; a model needs 504 (21 days)",
    }


def test_nothing_to_learn_from_says_what_is_missing(poisson_series, sao_paulo):
    with pytest.raises(DataError, match=r"ED: 480 hours of arrivals; a model needs 504 \(21 days\).*Load more history"):
        train([poisson_series(20)], sao_paulo)


def test_the_first_model_of_a_young_hospital_is_accepted_untested(poisson_series, sao_paulo):
    found = train([poisson_series(22)], sao_paulo)

    assert found.backtests == ()
    assert found.verdict.is_accepted
    assert found.verdict.reason == "too little history to test it; there is no other model"


def test_an_untested_model_replaces_nothing(poisson_series, model, sao_paulo):
    found = train([poisson_series(22)], sao_paulo, champion=FlowModel({"ED": model}))

    assert not found.verdict.is_accepted


def test_noise_that_last_week_repeats_exactly_is_not_given_to_a_model(poisson_series, sao_paulo):
    week = np.random.default_rng(1).choice([0.0, 40.0], 168)
    clockwork = HourlySeries("ED", poisson_series(1).start, np.tile(week, 10))

    found = train([clockwork], sao_paulo)

    assert not found.verdict.is_accepted


def test_the_same_recipe_on_the_same_hours_is_no_worse_than_the_model_in_use(ten_weeks, sao_paulo):
    champion = fit_arrivals([ten_weeks.first(60 * 24)], sao_paulo)
    candidate = fit_arrivals([ten_weeks], sao_paulo)

    unseen, seen = compete([ten_weeks], sao_paulo, champion, candidate)

    assert unseen.candidate == unseen.champion
    assert unseen.cases == len(range(60 * 24, 70 * 24 - 48, 5))
    assert not unseen.is_lost
    assert seen.has_seen
    assert not seen.is_lost


def test_a_clearly_better_model_in_use_stays(ten_weeks, poisson_series, sao_paulo):
    # The rate falls for good ten days before the end; only the champion was told.
    halved = ten_weeks.values.copy()
    halved[60 * 24 :] = np.random.default_rng(2).binomial(halved[60 * 24 :].astype(int), 0.3)
    series = HourlySeries("ED", ten_weeks.start, halved)
    told = fit_arrivals([poisson_series(70, mean=1.5)], sao_paulo)["ED"]
    champion = dataclasses.replace(told, trained_until=series.first(60 * 24).end)

    found = train([series], sao_paulo, champion=FlowModel({"ED": champion}))

    assert found.contests[0].is_lost
    assert not found.verdict.is_accepted
    assert "of the model in use on hours that neither had seen" in found.verdict.reason


def poisoned(clean, poison):
    """Overwrite ten weeks of the past."""
    values = clean.values.copy()
    weeks = values[60 * 24 : 130 * 24]
    values[60 * 24 : 130 * 24] = {
        "doubled": weeks * 2,
        "shuffled": np.random.default_rng(1).permutation(weeks),
        "shifted": np.roll(weeks, 12),
    }[poison]
    return HourlySeries(clean.sector_id, clean.start, values)


@pytest.mark.parametrize("poison", ["shuffled", "shifted"])
def test_a_candidate_that_learnt_from_poisoned_weeks_loses_on_clean_ones(poisson_series, sao_paulo, poison):
    clean = poisson_series(150)
    champion = fit_arrivals([clean.first(140 * 24)], sao_paulo)

    found = train([poisoned(clean, poison)], sao_paulo, champion=FlowModel(champion))

    assert any(contest.is_lost for contest in found.contests)
    assert not found.verdict.is_accepted


@pytest.mark.parametrize("poison", ["doubled", "shuffled", "shifted"])
def test_a_past_that_was_rewritten_needs_a_person(poisson_series, sao_paulo, poison):
    clean = poisson_series(150)
    then = clean.first(140 * 24)

    found = train(
        [poisoned(clean, poison)], sao_paulo, champion=FlowModel(fit_arrivals([then], sao_paulo)), past=[then]
    )

    assert not found.verdict.is_accepted
    assert found.verdict.reason.startswith("the past that the model in use learnt from was rewritten since, by ")


def test_corrections_and_late_records_are_no_other_past(ten_weeks):
    values = ten_weeks.values.copy()
    values[100] += 1
    values[-24:] += 5
    now = HourlySeries("ED", ten_weeks.start, values)

    assert 0 < rewritten([now], [ten_weeks]) < 0.001
    assert rewritten([now], []) == 0.0


def test_a_last_week_of_nonsense_is_not_learnt(poisson_series, sao_paulo):
    clean = poisson_series(150)
    champion = fit_arrivals([clean.first(140 * 24)], sao_paulo)
    values = clean.values.copy()
    values[143 * 24 :] = 80.0

    found = train([HourlySeries("ED", clean.start, values)], sao_paulo, champion=FlowModel(champion))

    assert found.contests[-1].has_seen
    assert not found.verdict.is_accepted


def test_a_champion_that_has_seen_all_hours_is_compared_only_on_what_both_have_seen(ten_weeks, model, sao_paulo):
    found = train([ten_weeks], sao_paulo, champion=FlowModel({"ED": model}))

    assert [contest.has_seen for contest in found.contests] == [True]
    assert found.verdict.is_accepted
    assert found.verdict.reason.endswith("too few hours since the model in use learnt to compare with it on them")


def test_a_candidate_that_learnt_wrong_waits_is_not_put_to_use(poisson_series, sao_paulo):
    series, waits = poisson_series(98), department(98, seed=3)
    learnt = START + 84 * DAY
    champion = FlowModel(
        fit_arrivals([series.first(84 * 24)], sao_paulo), waits=fit_waits({"ED": waits}, learnt, sao_paulo.calendar)
    )
    is_poisoned = (waits.arrival_min > START + 20 * DAY) & (waits.arrival_min < learnt - DAY)
    late = np.where(is_poisoned, 4.0 * waits.wait_min, 0.0)
    poisoned = dataclasses.replace(
        waits, care_min=waits.care_min + late, leave_min=waits.leave_min + np.nan_to_num(late)
    )

    found = train([series], sao_paulo, people=People({}, waits={"ED": poisoned}), champion=champion)

    assert [(contest.metric, contest.is_lost) for contest in found.contests] == [
        ("arrivals", False),
        ("arrivals", False),
        ("wait", True),
    ]
    assert not found.verdict.is_accepted
    assert "on waits of patients that neither had seen" in found.verdict.reason
    assert found.facts()["wait_tests"][0]["sector_id"] == "ED"
