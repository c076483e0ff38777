from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.champions import load_champion, promote, publish, standing
from healthcare_ops.forecasting.flow import FlowModel
from healthcare_ops.forecasting.occupancy import Horizon
from healthcare_ops.forecasting.registry import OutdatedModelError, load_model, save_model, stored_versions
from healthcare_ops.forecasting.training import Verdict, train
from healthcare_ops.forecasting.wait_training import fit_waits
from unit.forecasting.departments import DAY, START, department

LEADS = np.arange(49)
NOW = datetime(2021, 4, 4, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def trained(poisson_series, sao_paulo):
    return train([poisson_series(30)], sao_paulo)


@pytest.fixture(scope="module")
def retrained(poisson_series, sao_paulo):
    return train([poisson_series(32)], sao_paulo)


def test_a_published_model_forecasts_what_the_trained_one_does(objects, trained, ten_weeks, sao_paulo):
    published = publish(objects, trained, NOW)

    champion = load_champion(objects)
    expected = trained.flow.arrivals["ED"].predict(ten_weeks, LEADS, sao_paulo)
    assert published.is_promoted
    assert champion.version == published.version
    assert champion.flow.arrivals["ED"].predict(ten_weeks, LEADS, sao_paulo).tolist() == expected.tolist()


def test_the_version_names_the_end_of_the_data_and_the_content(objects, trained):
    version = publish(objects, trained, NOW).version

    assert re.fullmatch(r"flow-20210331T030000Z-[0-9a-f]{8}", version)


def test_the_manifest_seals_every_file_and_tells_the_training(objects, trained):
    version = publish(objects, trained, NOW).version

    manifest = json.loads(objects.read(f"models/flow/{version}/manifest.json"))
    content = objects.read(f"models/flow/{version}/model.json")
    assert manifest["files"] == {"model.json": hashlib.sha256(content).hexdigest()}
    assert manifest["version"] == version
    assert sorted(manifest["libraries"]) == ["healthcare-ops", "holidays", "lightgbm", "numpy", "tzdata"]
    assert manifest["backtests"][0]["comparisons"][-1]["lead_h"] is None
    assert manifest["verdict"]["is_accepted"] is True


def test_training_again_on_the_same_hours_changes_nothing(objects, trained, poisson_series, sao_paulo):
    first = publish(objects, trained, NOW)
    before, writes = dict(objects.stored), objects.writes

    again = train([poisson_series(30)], sao_paulo, champion=load_champion(objects).flow)

    assert publish(objects, again, NOW).version == first.version
    assert objects.stored == before
    assert objects.writes == writes


def test_a_model_that_is_not_accepted_is_kept_but_not_used(objects, trained, retrained):
    champion = publish(objects, trained, NOW).version
    refused = dataclasses.replace(retrained, verdict=Verdict(is_accepted=False, reason="worse"))

    published = publish(objects, refused, NOW)

    assert (published.is_promoted, published.reason) == (False, "worse")
    assert load_champion(objects).version == champion
    assert load_model(objects, published.version).manifest["verdict"]["reason"] == "worse"


def test_the_pointer_keeps_its_past_with_the_reasons(objects, trained, retrained):
    first, second = publish(objects, trained, NOW), publish(objects, retrained, NOW)
    promote(objects, first.version, by="A. Silva", reason="steadier", at=NOW + timedelta(days=1))

    uses = standing(objects).uses

    assert [use.version for use in uses] == [first.version, second.version, first.version]
    assert [use.by for use in uses] == ["weekly_train", "weekly_train", "A. Silva"]
    assert uses[-1].reason == "steadier"
    assert load_champion(objects).version == first.version


def test_a_changed_model_is_refused_by_name(objects, trained):
    key = f"models/flow/{publish(objects, trained, NOW).version}/model.json"
    objects.stored[key] = objects.stored[key].replace(b'"dispersion": 0.0', b'"dispersion": 0.9')

    with pytest.raises(ConfigError, match=re.escape(f"memory/{key} does not match its manifest")):
        load_champion(objects)


def test_a_changed_model_with_a_manifest_to_match_is_refused(objects, trained):
    folder = f"models/flow/{publish(objects, trained, NOW).version}"
    forged = objects.stored[f"{folder}/model.json"].replace(b'"dispersion": 0.0', b'"dispersion": 0.9')
    manifest = json.loads(objects.stored[f"{folder}/manifest.json"])
    manifest["files"]["model.json"] = hashlib.sha256(forged).hexdigest()
    objects.stored[f"{folder}/model.json"] = forged
    objects.stored[f"{folder}/manifest.json"] = json.dumps(manifest).encode()

    with pytest.raises(ConfigError, match=re.escape(f"memory/{folder}/manifest.json does not match the manifest")):
        load_champion(objects)
    with pytest.raises(ConfigError, match=re.escape(f"memory/{folder}/manifest.json does not match the version")):
        promote(objects, folder.rsplit("/", 1)[1], by="A. Silva", reason="forged", at=NOW)


def test_changed_measures_are_refused(objects, trained):
    key = f"models/flow/{publish(objects, trained, NOW).version}/manifest.json"
    objects.stored[key] = objects.stored[key].replace(b'"is_accepted": true', b'"is_accepted": false')

    with pytest.raises(ConfigError, match=re.escape(f"memory/{key} does not match the manifest that was promoted")):
        load_champion(objects)


@pytest.mark.parametrize("name", ["model.json", "manifest.json"])
def test_training_again_repairs_what_was_changed(objects, trained, name):
    key = f"models/flow/{publish(objects, trained, NOW).version}/{name}"
    objects.stored[key] = objects.stored[key].replace(b"ED", b"ICU")

    publish(objects, trained, NOW)

    assert sorted(load_champion(objects).flow.arrivals) == ["ED"]


def test_a_truncated_manifest_is_refused_by_name(objects, trained):
    version = save_model(objects, trained.flow, trained.data_as_of, {}, seals={})
    key = f"models/flow/{version}/manifest.json"
    objects.stored[key] = objects.stored[key][:40]

    with pytest.raises(ConfigError, match=re.escape(f"memory/{key} does not match")):
        load_model(objects, version)


def test_a_pointer_that_is_no_pointer_is_refused_by_name(objects):
    objects.write("models/flow/in_use.json", b"{}")

    with pytest.raises(ConfigError, match=r"memory/models/flow/in_use\.json does not tell which models"):
        standing(objects)


def test_before_the_first_training_no_model_is_in_use(objects):
    assert standing(objects).champion is None
    with pytest.raises(NotFoundError, match=r"no model is in use.*weekly_train"):
        load_champion(objects)


def test_a_version_that_was_never_stored_cannot_be_promoted(objects):
    with pytest.raises(NotFoundError):
        promote(objects, "flow-20210331T030000Z-00000000", by="A. Silva", reason="why", at=NOW)


def test_which_model_was_in_use_at_an_instant_is_known(objects, trained, retrained):
    first = publish(objects, trained, NOW)
    second = publish(objects, retrained, NOW + timedelta(days=7))

    found = standing(objects)

    assert found.at(NOW - timedelta(seconds=1)) is None
    assert found.at(NOW + timedelta(days=6)).version == first.version
    assert found.at(NOW + timedelta(days=7)).version == second.version
    assert found.former.version == first.version


def test_a_candidate_that_was_not_accepted_waits_as_challenger_until_it_is_put_to_use(objects, trained, retrained):
    publish(objects, trained, NOW)
    refused = dataclasses.replace(retrained, verdict=Verdict(is_accepted=False, reason="worse"))

    version = publish(objects, refused, NOW).version
    waiting = standing(objects).challenger
    promote(objects, version, by="A. Silva", reason="the test weeks were odd", at=NOW)

    assert waiting == version
    assert standing(objects).challenger == ""
    assert sorted(stored_versions(objects)) == stored_versions(objects)
    assert version in stored_versions(objects)


def test_a_model_of_an_earlier_form_is_told_apart_from_a_changed_one(objects, trained):
    version = publish(objects, trained, NOW).version
    key = f"models/flow/{version}/manifest.json"
    objects.stored[key] = objects.stored[key].replace(b'"schema_version": 3', b'"schema_version": 1')

    with pytest.raises(OutdatedModelError, match="form 1; this version of the product reads forms 2 and 3"):
        load_model(objects, version)


def test_trees_that_were_changed_or_are_gone_are_named(objects, trained, blended, ten_weeks, sao_paulo):
    version = publish(objects, dataclasses.replace(trained, flow=FlowModel({"ED": blended})), NOW).version
    stored = load_champion(objects).flow.arrivals["ED"].predict(ten_weeks, LEADS, sao_paulo)
    key = f"models/flow/{version}/trees.txt"
    tampered = objects.stored[key].replace(b"split_feature=", b"split_feature=0 ", 1)

    assert stored.tolist() == blended.predict(ten_weeks, LEADS, sao_paulo).tolist()
    objects.stored[key] = tampered
    with pytest.raises(ConfigError, match=re.escape(f"memory/{key} does not match its manifest")):
        load_champion(objects)
    del objects.stored[key]
    with pytest.raises(NotFoundError, match=re.escape(key)):
        load_champion(objects)


@pytest.fixture(scope="module")
def with_waits(trained):
    waits = {"ED": department(98, seed=3)}
    model = fit_waits(waits, START + 98 * DAY, Calendar("America/Sao_Paulo"))
    return dataclasses.replace(trained, flow=dataclasses.replace(trained.flow, waits=model)), waits["ED"]


def test_waits_are_stored_as_text_and_forecast_the_same(objects, with_waits):
    trained, waits = with_waits
    version = publish(objects, trained, NOW).version

    stored = load_champion(objects)

    now = START + 98 * DAY
    asked = ("ED", waits, Horizon(now, now, LEADS), Calendar("America/Sao_Paulo"))
    assert stored.flow.waits.forecast(*asked).quantiles.tolist() == (
        trained.flow.waits.forecast(*asked).quantiles.tolist()
    )
    assert {f"waits_{name}.txt" for name in trained.flow.waits.trees} <= set(stored.manifest["files"])
    assert objects.stored[f"models/flow/{version}/waits_breach.txt"].startswith(b"tree\n")


def test_trees_of_waits_that_were_changed_are_named(objects, with_waits):
    version = publish(objects, with_waits[0], NOW).version
    key = f"models/flow/{version}/waits_breach.txt"
    objects.stored[key] += b" "

    with pytest.raises(ConfigError, match=re.escape(f"memory/{key} does not match its manifest")):
        load_model(objects, version)


def test_a_model_of_before_there_were_waits_stays_usable(objects, trained):
    """Form 2 knew no waits, neither in its model nor in its manifest."""
    flow = {name: part for name, part in trained.flow.to_dict().items() if name != "waits"}
    content = json.dumps(flow, sort_keys=True).encode()
    hashes = {"model.json": hashlib.sha256(content).hexdigest()}
    version = f"flow-20210331T030000Z-{hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:8]}"
    objects.write(f"models/flow/{version}/model.json", content)
    objects.write(f"models/flow/{version}/manifest.json", json.dumps({"schema_version": 2, "files": hashes}).encode())

    stored = load_model(objects, version)

    assert stored.flow.waits is None
    assert stored.flow.arrivals.keys() == trained.flow.arrivals.keys()
