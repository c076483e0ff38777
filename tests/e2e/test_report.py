"""`hops report`: the page of the hospital's own data."""

from __future__ import annotations

import json
import re

import pytest

from e2e.command import contents
from e2e.deliveries import NOW

SOON = "2026-03-04T01:00:00-03:00"  # an hour after the last patient left


def test_the_page_of_a_hospital_s_own_days_is_one_file_and_nothing_else_changes(hops, loaded, tmp_path):
    page, before = tmp_path / "week.html", contents(loaded.state)

    outcome = hops("report", "--out", page, "--state", loaded.state, "--as-of", SOON, "--json")

    text = page.read_text(encoding="utf-8")
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.document == {"schema_version": 1, "page": str(page), "backtests": [], "warnings": []}
    assert text.startswith("<!doctype html>")
    assert re.findall(r"(?:https?:)?//[\w.-]+", text) == []
    for told in ("65", "Pronto-socorro", "Observação", "No forecast: a model needs 21 days", "1 Mar"):
        assert told in text
    assert contents(loaded.state) == before


def test_the_page_lies_in_the_state_and_in_the_language_that_is_asked_for(hops, own_loaded):
    outcome = hops("report", "--lang", "pt-BR", "--state", own_loaded.state, "--as-of", SOON)

    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.replace("\n", "").startswith("page: ")
    assert 'lang="pt-BR"' in (own_loaded.state / "report.html").read_text(encoding="utf-8")


def test_no_identifier_of_a_patient_is_on_the_page(hops, loaded, tmp_path):
    page = tmp_path / "week.html"

    hops("report", "--out", page, "--state", loaded.state)

    assert re.findall(r"PATIENT-\d|V-\d", page.read_text(encoding="utf-8")) == []


def test_a_hospital_without_an_hour_of_gold_has_nothing_to_show_yet(hops, desk):
    hops("init", "--site", desk.site, "--feed", desk.feed, "--state", desk.state)

    outcome = hops("report", "--state", desk.state)

    assert (outcome.exit_code, outcome.out) == (3, "")
    assert outcome.message == "there is nothing to show yet: gold holds no hour."
    assert outcome.next_step.startswith("Run `hops load`")
    assert not (desk.state / "report.html").exists()


@pytest.mark.parametrize("command", [("--state", "nowhere"), ("--out", "nowhere/page.html")])
def test_a_folder_that_does_not_exist_is_told(hops, loaded, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)

    outcome = hops("report", "--state", loaded.state, *command)

    assert (outcome.exit_code, outcome.message.count("nowhere")) == (3, 1)
    assert list(tmp_path.iterdir()) == []


def test_data_older_than_the_feed_s_cadence_are_told_on_the_page_and_by_the_command(hops, loaded, tmp_path):
    page = tmp_path / "week.html"
    options = ("--out", page, "--state", loaded.state, "--as-of", NOW)

    outcome = hops("report", *options)
    (warning,) = hops("report", *options, "--json").document["warnings"]

    said = "the newest data of feed visits are 12 h old; it should deliver every 60 min, and is late after 2 h."
    assert (outcome.exit_code, warning["code"], warning["message"]) == (0, "DATA_OLD", said)
    assert outcome.message == f"warning: {said}"
    assert f"T{said[1:]}" in page.read_text(encoding="utf-8")


def test_a_data_quality_report_of_an_earlier_version_is_shown_as_far_as_it_goes_and_told(hops, own_loaded, tmp_path):
    page = tmp_path / "week.html"
    (file,) = (own_loaded.state / "gold" / "data_quality_runs").rglob("*.json")
    today = json.loads(file.read_text(encoding="utf-8"))
    rule = {name: today["rules"][0][name] for name in ("severity", "verdict", "checked")} | {"violations": 0}
    shared = ("run_id", "as_of", "written_at", "days", "verdict", "dq_risk_score", "contributions")
    earlier = {name: today[name] for name in shared} | {"rules": [rule | {"rule_id": "of.the.first.form"}]}
    file.write_text(json.dumps(earlier | {"schema_version": 1}), encoding="utf-8")

    outcome = hops("report", "--out", page, "--state", own_loaded.state, "--as-of", SOON, "--json")

    (warning,) = outcome.document["warnings"]
    assert (outcome.exit_code, warning["code"]) == (0, "REPORT_OLD")
    assert "was written by an earlier version of the product" in warning["message"]
    assert "of.the.first.form" in page.read_text(encoding="utf-8")


def test_a_new_sector_that_no_day_has_yet_is_left_out_and_said_to_be_waiting(hops, own_loaded, tmp_path):
    site = own_loaded.write(
        "wider.toml", own_loaded.site.read_text() + '[[sectors]]\nsector_id = "UTI"\nname = "Ward X"\n'
    )
    page = tmp_path / "week.html"
    hops("init", "--site", site, "--state", own_loaded.state)

    outcome = hops("report", "--out", page, "--state", own_loaded.state, "--as-of", SOON, "--json")

    (warning,) = outcome.document["warnings"]
    command = warning["next_step"].removeprefix("Run `").removesuffix("`.")
    assert (outcome.exit_code, warning["code"]) == (0, "NOT_BUILT_AGAIN")
    assert "site.toml" in warning["message"]
    assert command.startswith("hops backfill --from 2026-03-01 --to 2026-03-0")
    assert "Ward X" not in page.read_text(encoding="utf-8")
