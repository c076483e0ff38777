"""`hops demo`: what a newcomer meets first."""

from __future__ import annotations

import re

import pytest

from e2e.command import rows_of, run_hops


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "state"


@pytest.fixture(scope="module")
def demo(state):
    return run_hops("demo", "--state", state, "--json")


@pytest.fixture(scope="module")
def page(demo, state):
    return (state / "report.html").read_text(encoding="utf-8")


def test_the_demo_accounts_for_every_visit_of_the_year(demo, state):
    document = demo.document

    (feed,) = document["feeds"]
    fates = {fate: feed[fate] for fate in ("applied", "superseded", "duplicate", "quarantined", "ignored")}
    tables = {table["table"]: table for table in document["tables"]}
    assert (demo.exit_code, demo.err) == (0, "")
    assert feed["delivered"] == sum(fates.values()) == 20_353
    assert fates["quarantined"] == sum(item["records"] for item in document["quarantine"])
    assert tables["bronze.encounters_raw"]["rows"] == 20_353
    assert tables["silver.encounters"]["rows"] == fates["applied"]
    assert tables["gold.ops_metrics_hourly"]["rows"] == 365 * 24
    assert document["data_quality"]["verdict"] in {"pass", "warn"}
    assert document["data_quality"]["days"] == {"first": "2017-01-01", "last": "2017-12-31", "count": 365}
    assert document["page"] == str(state / "report.html")


def test_the_demo_forecasts_and_its_model_is_better_than_last_week(demo):
    document = demo.document

    assert [row["horizon_h"] for row in document["forecast"]] == [0, 1, 4, 24] * 2
    (walk,) = document["backtests"]
    (overall,) = [item for item in walk["comparisons"] if item["lead_h"] is None]
    assert overall["model"]["mae"] < overall["naive"]["mae"]


def test_the_page_needs_nothing_else_and_runs_nothing(page):
    assert page.startswith("<!doctype html>")
    assert re.findall(r"(?:https?:)?//[\w.-]+", page) == []
    assert re.findall(r"<(?:script|iframe|object|embed|link|img)\b|\bon\w+=|javascript:|@import|url\(", page) == []
    assert "20,353" in page


def test_after_the_demo_every_reader_has_something_to_show(demo, state):
    status = run_hops("status", "--state", state)
    report = run_hops("dq", "show", "--state", state, "--json")
    predictions = run_hops("predict", "--state", state, "--as-of", "2018-01-01T00:00:00+01:00", "--json")
    doctor = run_hops("doctor", "--state", state)

    assert [outcome.exit_code for outcome in (status, report, predictions, doctor)] == [0, 0, 0, 0]
    assert "SUCCEEDED" in status.out
    assert report.document["run_id"] == demo.document["run_id"]
    # The hour after now, and 48 more; four metrics of the sector and of all together, and the crowding of these.
    assert len(predictions.document["predictions"]) == (2 * 4 + 1) * 49


def test_the_page_of_the_demo_s_state_can_be_written_again_with_its_backtest(demo, state, tmp_path):
    page = tmp_path / "year.html"

    outcome = run_hops("report", "--state", state, "--out", page, "--as-of", "2018-01-01T00:00:00+01:00", "--json")

    assert outcome.exit_code == 0, outcome.out
    assert outcome.document["warnings"] == []
    assert outcome.document["backtests"] == demo.document["backtests"]
    assert "20,353" in page.read_text(encoding="utf-8")


def test_data_of_years_ago_make_no_forecast(demo, state):
    outcome = run_hops("predict", "--state", state, "--as-of", "2026-11-29T00:00:00+01:00")

    assert (demo.exit_code, outcome.exit_code) == (0, 3)
    assert outcome.message.startswith("nothing to predict: the newest data are 78,")
    assert outcome.next_step.endswith("for a time that is past, name it with --as-of.")


def test_a_second_demo_in_portuguese_changes_no_row_and_writes_its_page_where_it_is_told(demo, state, tmp_path):
    before, page = rows_of(state), tmp_path / "pagina.html"
    assert all(before[name] for name in ("silver.encounters", "gold.features", "gold.predictions"))

    again = run_hops("demo", "--lang", "pt-BR", "--out", page, "--state", state)

    assert (again.exit_code, again.err) == (0, "")
    assert "Records: delivered = applied + superseded" in again.out
    assert str(page) in again.out
    # Its run judged the last days only, and the demonstration speaks of the year.
    assert "Data quality of 2017-01-01 to 2017-12-31: pass, risk score 0.00 of 100" in again.out
    assert "aprovado · 1 de jan. de 2017 a 31 de dez. de 2017" in page.read_text(encoding="utf-8")
    assert 'lang="pt-BR"' in page.read_text(encoding="utf-8")
    assert rows_of(state) == before
