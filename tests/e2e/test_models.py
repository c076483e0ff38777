from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from e2e.command import run_hops
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.champions import publish
from healthcare_ops.forecasting.regressors import Covariates
from healthcare_ops.forecasting.series import HourlySeries
from healthcare_ops.forecasting.training import Verdict, train
from hospital import open_hospital

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
BY = ("--by", "Ana", "--reason", "steadier")


def learnt(days):
    counts = np.random.default_rng(7).poisson(5.0, days * 24).astype(np.float64)
    series = HourlySeries("ED", datetime(2026, 1, 1, 3, tzinfo=UTC), counts)
    return train([series], Covariates(Calendar("America/Sao_Paulo")))


@pytest.fixture(scope="module")
def trainings():
    first, second, third = (learnt(days) for days in (30, 32, 34))
    return first, second, dataclasses.replace(third, verdict=Verdict(is_accepted=False, reason="worse than in use"))


@pytest.fixture
def hospital(tmp_path, trainings):
    """A hospital with a former model, one in use for a week, and a challenger."""
    with open_hospital(tmp_path / "h", NOW.isoformat()) as opened:
        objects = opened.platform.context.objects
        versions = [
            publish(objects, trained, NOW + week * timedelta(days=7)).version for week, trained in enumerate(trainings)
        ]
        return opened.state, versions


def listed(state):
    return {one["version"]: one for one in run_hops("models", "list", "--state", state, "--json").document["models"]}


def test_models_are_listed_with_their_part(hospital):
    state, (first, second, third) = hospital

    found = listed(state)

    assert list(found) == [third, second, first]
    assert [found[version]["role"] for version in (first, second, third)] == ["former", "in use", "challenger"]
    assert found[third]["reason"] == "worse than in use"
    assert "in use" in run_hops("models", "list", "--state", state).out


def test_which_model_was_in_use_at_a_quarter_past_three_is_told(hospital):
    state, (first, second, _) = hospital

    then = run_hops("models", "show", "--at", "2026-03-05T03:15:00-03:00", "--state", state, "--json").document
    now = run_hops("models", "show", "--state", state, "--json").document
    before = run_hops("models", "show", "--at", "2026-02-01T00:00:00Z", "--state", state)

    assert (then["version"], now["version"]) == (first, second)
    assert now["manifest"]["training_window"]["ED"][0] == "2026-01-01T03:00:00+00:00"
    assert (before.exit_code, before.message) == (3, "no model was in use at 2026-02-01T00:00:00+00:00.")


def test_rolling_back_is_one_command_and_back_again_another(hospital):
    state, (first, second, _) = hospital

    back = run_hops("models", "rollback", *BY, "--state", state)
    after_one = listed(state)[first]
    again = run_hops("models", "rollback", *BY, "--state", state)

    assert (back.exit_code, again.exit_code) == (0, 0)
    assert (after_one["role"], after_one["by"], after_one["reason"]) == ("in use", "Ana", "steadier")
    assert listed(state)[second]["role"] == "in use"
    assert run_hops("audit", "show", "--state", state, "--json").document["entries"][0]["action"] == "models.rollback"


def test_a_challenger_is_put_to_use_by_a_named_person(hospital):
    state, (_, second, third) = hospital

    nobody = run_hops("models", "promote", third, "--by", " ", "--reason", "why", "--state", state)
    ana = run_hops("models", "promote", third, *BY, "--state", state)
    twice = run_hops("models", "promote", third, *BY, "--state", state)

    assert nobody.exit_code == 4
    assert ana.out.startswith(f"{third} is in use from the next forecast on.")
    assert {version: one["role"] for version, one in listed(state).items()}[second] == "former"
    assert (twice.exit_code, len(run_hops("audit", "show", "--state", state, "--json").document["entries"])) == (4, 1)


@pytest.mark.parametrize("version", ["flow-20260101T000000Z-00000000", "../../site", ""])
def test_a_version_that_is_not_there_is_not_put_to_use(hospital, version):
    state, _ = hospital

    found = run_hops("models", "promote", version, *BY, "--state", state)

    assert found.exit_code == 3
    assert found.message == f"there is no model {version!r}."


def test_a_tampered_model_is_named_and_refused_everywhere(hospital):
    state, (first, _, third) = hospital
    model = state / "models" / "flow" / first / "model.json"
    model.write_bytes(model.read_bytes().replace(b'"dispersion": ', b'"dispersion": 1'))

    verified = run_hops("models", "verify", "--state", state)
    rolled_back = run_hops("models", "rollback", *BY, "--state", state)

    assert verified.exit_code == 4
    assert first in verified.out
    assert "does not match its manifest" in verified.out
    assert rolled_back.exit_code == 4
    assert listed(state)[first]["fault"]
    assert not listed(state)[third]["fault"]
    assert run_hops("audit", "show", "--state", state, "--json").document["entries"] == []


def test_untouched_models_verify(hospital):
    state, _ = hospital

    assert run_hops("models", "verify", "--state", state).out == "Models: 3, 0 of which not as stored.\n"


def test_a_hospital_without_models_says_so(tmp_path):
    with open_hospital(tmp_path / "h", NOW.isoformat()) as opened:
        state = opened.state

    assert run_hops("models", "show", "--state", state).exit_code == 3
    assert run_hops("models", "rollback", *BY, "--state", state).message == "no other model was in use before."
