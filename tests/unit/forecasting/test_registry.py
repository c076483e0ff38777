from __future__ import annotations

import dataclasses
import hashlib
import json
import re

import numpy as np
import pytest

from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.forecasting.registry import (
    champion_history,
    load_champion,
    load_model,
    promote,
    publish,
    save_model,
)
from healthcare_ops.forecasting.training import Verdict, train

LEADS = np.arange(49)


@pytest.fixture(scope="module")
def trained(poisson_series, sao_paulo):
    return train([poisson_series(30)], sao_paulo)


@pytest.fixture(scope="module")
def retrained(poisson_series, sao_paulo):
    return train([poisson_series(32)], sao_paulo)


def test_a_published_model_forecasts_what_the_trained_one_does(objects, trained, ten_weeks, sao_paulo):
    published = publish(objects, trained)

    champion = load_champion(objects)
    expected = trained.sectors["ED"].predict(ten_weeks, LEADS, sao_paulo)
    assert published.is_promoted
    assert champion.version == published.version
    assert champion.sectors["ED"].predict(ten_weeks, LEADS, sao_paulo).tolist() == expected.tolist()


def test_the_version_names_the_end_of_the_data_and_the_content(objects, trained):
    version = publish(objects, trained).version

    assert re.fullmatch(r"arrivals-20210331T030000Z-[0-9a-f]{8}", version)


def test_the_manifest_seals_every_file_and_tells_the_training(objects, trained):
    version = publish(objects, trained).version

    manifest = json.loads(objects.read(f"models/arrivals/{version}/manifest.json"))
    content = objects.read(f"models/arrivals/{version}/model.json")
    assert manifest["files"] == {"model.json": hashlib.sha256(content).hexdigest()}
    assert manifest["version"] == version
    assert sorted(manifest["libraries"]) == ["healthcare-ops", "holidays", "lightgbm", "numpy", "tzdata"]
    assert manifest["backtests"][0]["comparisons"][-1]["lead_h"] is None
    assert manifest["verdict"]["is_accepted"] is True


def test_training_again_on_the_same_hours_changes_nothing(objects, trained, poisson_series, sao_paulo):
    first = publish(objects, trained)
    before, writes = dict(objects.stored), objects.writes

    again = train([poisson_series(30)], sao_paulo, champion=load_champion(objects).sectors)

    assert publish(objects, again).version == first.version
    assert objects.stored == before
    assert objects.writes == writes


def test_a_model_that_is_not_accepted_is_kept_but_not_used(objects, trained, retrained):
    champion = publish(objects, trained).version
    refused = dataclasses.replace(retrained, verdict=Verdict(is_accepted=False, reason="worse"))

    published = publish(objects, refused)

    assert (published.is_promoted, published.reason) == (False, "worse")
    assert load_champion(objects).version == champion
    assert load_model(objects, published.version).manifest["verdict"]["reason"] == "worse"


def test_the_pointer_keeps_its_past_with_the_reasons(objects, trained, retrained):
    first, second = publish(objects, trained), publish(objects, retrained)
    promote(objects, first.version, "back by hand: A. Silva")

    history = champion_history(objects)

    assert [entry["version"] for entry in history] == [first.version, second.version, first.version]
    assert history[-1]["reason"] == "back by hand: A. Silva"
    assert load_champion(objects).version == first.version


def test_a_changed_model_is_refused_by_name(objects, trained):
    key = f"models/arrivals/{publish(objects, trained).version}/model.json"
    objects.stored[key] = objects.stored[key].replace(b'"dispersion": 0.0', b'"dispersion": 0.9')

    with pytest.raises(ConfigError, match=re.escape(f"memory/{key} does not match its manifest")):
        load_champion(objects)


def test_a_changed_model_with_a_manifest_to_match_is_refused(objects, trained):
    folder = f"models/arrivals/{publish(objects, trained).version}"
    forged = objects.stored[f"{folder}/model.json"].replace(b'"dispersion": 0.0', b'"dispersion": 0.9')
    manifest = json.loads(objects.stored[f"{folder}/manifest.json"])
    manifest["files"]["model.json"] = hashlib.sha256(forged).hexdigest()
    objects.stored[f"{folder}/model.json"] = forged
    objects.stored[f"{folder}/manifest.json"] = json.dumps(manifest).encode()

    with pytest.raises(ConfigError, match=re.escape(f"memory/{folder}/manifest.json does not match the manifest")):
        load_champion(objects)
    with pytest.raises(ConfigError, match=re.escape(f"memory/{folder}/manifest.json does not match the version")):
        promote(objects, folder.rsplit("/", 1)[1], "forged")


def test_changed_measures_are_refused(objects, trained):
    key = f"models/arrivals/{publish(objects, trained).version}/manifest.json"
    objects.stored[key] = objects.stored[key].replace(b'"is_accepted": true', b'"is_accepted": false')

    with pytest.raises(ConfigError, match=re.escape(f"memory/{key} does not match the manifest that was promoted")):
        load_champion(objects)


@pytest.mark.parametrize("name", ["model.json", "manifest.json"])
def test_training_again_repairs_what_was_changed(objects, trained, name):
    key = f"models/arrivals/{publish(objects, trained).version}/{name}"
    objects.stored[key] = objects.stored[key].replace(b"ED", b"ICU")

    publish(objects, trained)

    assert sorted(load_champion(objects).sectors) == ["ED"]


def test_a_truncated_manifest_is_refused_by_name(objects, trained):
    version = save_model(objects, trained.sectors, trained.data_as_of, {})
    key = f"models/arrivals/{version}/manifest.json"
    objects.stored[key] = objects.stored[key][:40]

    with pytest.raises(ConfigError, match=re.escape(f"memory/{key} does not match")):
        load_model(objects, version)


def test_a_pointer_that_is_no_pointer_is_refused_by_name(objects):
    objects.write("models/arrivals/champion.json", b"{}")

    with pytest.raises(ConfigError, match=r"memory/models/arrivals/champion\.json is not a list of models"):
        champion_history(objects)


def test_before_the_first_training_no_model_is_in_use(objects):
    assert champion_history(objects) == []
    with pytest.raises(NotFoundError, match=r"no model is in use.*weekly_train"):
        load_champion(objects)


def test_a_version_that_was_never_stored_cannot_be_promoted(objects):
    with pytest.raises(NotFoundError):
        promote(objects, "arrivals-20210331T030000Z-00000000", "by hand")
