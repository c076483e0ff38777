"""What commands answer: of this call and no other, with what it is about, and in words that agree."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime, timedelta

import pyarrow.parquet as pq
import pytest

from e2e.command import contents
from e2e.deliveries import NOW, REASONS, TRAINED, csv_text, visit
from healthcare_ops.core.tables import ENCOUNTERS, OPS_METRICS_HOURLY, QUARANTINE

LATER = "2026-03-25T09:30:00-03:00"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


def told(outcome):
    """Return what a command printed, without the line breaks of a narrow terminal."""
    return " ".join(outcome.out.split())


# predict


def instants_of(predictions, name):
    return {datetime.fromisoformat(row[name]) for row in predictions}


def test_a_forecast_as_of_an_earlier_instant_shows_what_it_made_itself(hops, trained):
    desk, _ = trained
    ask = ("predict", "--state", desk.state, "--json", "--as-of")

    later = hops(*ask, LATER).document["predictions"]
    earlier = hops(*ask, TRAINED).document["predictions"]
    again = hops(*ask, LATER).document["predictions"]

    assert instants_of(later, "prediction_ts") == {datetime.fromisoformat(LATER)}
    assert instants_of(earlier, "prediction_ts") == {datetime.fromisoformat(TRAINED)}
    assert min(instants_of(earlier, "target_time")) == datetime.fromisoformat("2026-03-25T08:00:00-03:00")
    assert again == later


def test_a_forecast_begins_with_the_next_full_hour_and_has_two_decimals_throughout(hops, trained):
    desk, _ = trained

    outcome = hops("predict", "--state", desk.state, "--as-of", LATER)

    rows = [line for line in outcome.out.splitlines() if line.lstrip().startswith("PS ")]
    assert [re.search(r"next full hour|\+\d+ h", row)[0] for row in rows] == ["next full hour", "+1 h", "+4 h", "+24 h"]
    assert "2026-03-25 10:00" in rows[0]
    for row in rows:
        assert re.search(r"  \d+\.\d\d   \d+\.\d\d – \d+\.\d\d  ", row), row


# run


def test_a_run_that_trained_ends_with_its_data_quality_and_the_number_of_forecasts(trained):
    _, run = trained

    closing = run.out.splitlines()[-1]

    assert re.fullmatch(
        r"data quality: pass, risk score 0\.00 \(0 of \d+ records held\); forecasts: \d+ rows", closing
    ), closing


def test_a_run_without_a_model_says_that_there_is_no_forecast_and_what_to_run(hops, own_loaded):
    day = ("--date", "2026-03-02", "--as-of", NOW)

    outcome = hops("run", *day, "--state", own_loaded.state)

    assert outcome.exit_code == 0
    judged = "data quality: pass, risk score 0.00 (0 of 21 records held)"
    assert told(outcome).endswith(f"{judged}; forecasts: none, no model yet; run weekly_train")


# dq


def test_a_report_of_days_without_a_record_is_no_pass(hops, desk):
    hops("init", "--site", desk.site, "--feed", desk.feed, "--state", desk.state)
    run = hops("run", "--state", desk.state, "--as-of", NOW)

    shown = hops("dq", "show", "--state", desk.state)
    document = hops("dq", "show", "--state", desk.state, "--json").document

    assert (run.exit_code, shown.exit_code) == (0, 0)
    assert {rule["checked"] for rule in document["rules"]} == {0}
    assert document["verdict"] == "not_applicable"
    assert shown.out.startswith("NOTHING TO JUDGE  risk score 0.00 of 100")
    assert "PASS" not in shown.out
    assert "In these days no record was delivered." in told(shown)
    assert "data quality: nothing to judge, risk score 0.00 (0 of 0 records held)" in told(run)


def test_the_list_of_held_records_is_of_all_days_and_not_of_the_report_s(hops, own_loaded):
    hops("dq", "check", "--from", "2026-03-02", "--to", "2026-03-02", "--state", own_loaded.state, "--as-of", NOW)

    shown = hops("dq", "show", "--state", own_loaded.state)
    held = hops("dq", "quarantine", "--state", own_loaded.state)

    assert "In these days every record was accounted for without quarantine." in told(shown)
    assert f"Records in quarantine: {sum(REASONS.values())} held" in told(held)


def test_a_load_of_which_nearly_all_is_held_names_the_reason_the_column_and_what_to_compare(hops, desk):
    start = datetime(2026, 3, 1, 0, 5)  # noqa: DTZ001  # the hospital's wall clock
    rows = [visit(n, start + timedelta(minutes=n)) | {"arrival": f"day {n}"} for n in range(29)]
    path = desk.write("unreadable.csv", csv_text([*rows, visit(29, start, place="Z9")]))
    options = ("--site", desk.site, "--state", desk.state, "--as-of", NOW)

    outcome = hops("load", path, "--feed", desk.feed, *options)

    assert outcome.exit_code == 6
    assert outcome.message.startswith("rule batch_accounts.quarantined.not_all: 30 of 30 rows")
    assert outcome.next_step.startswith(
        "29 of 30 held records are TIME_UNREADABLE in arrival_time: compare times.formats in the feed file. "
        "`hops dq show` shows what broke, `hops dq quarantine` the held records;"
    )
    assert "runbook" not in outcome.err


# export


def export(hops, desk, name, out):
    return hops("export", name, "--out", out, "--state", desk.state)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_an_export_to_a_folder_that_does_not_exist_makes_none(hops, loaded, tmp_path, suffix):
    folder = tmp_path / "mistyped" / "folder"

    outcome = export(hops, loaded, OPS_METRICS_HOURLY.id, folder / f"hours.{suffix}")

    assert (outcome.exit_code, outcome.out) == (3, "")
    assert outcome.message == f"folder {folder} does not exist."
    assert outcome.next_step == "Make it, or correct --out."
    assert contents(tmp_path) == {}


def test_an_export_may_go_to_the_present_folder(hops, loaded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    outcome = export(hops, loaded, OPS_METRICS_HOURLY.id, "hours.csv")

    assert (outcome.exit_code, list(contents(tmp_path))) == (0, ["hours.csv"])


def test_exported_instants_carry_their_zone_and_are_those_of_the_lake(hops, loaded, tmp_path):
    for table in (OPS_METRICS_HOURLY, ENCOUNTERS):
        for suffix in ("csv", "ndjson", "parquet"):
            assert export(hops, loaded, table.id, tmp_path / f"{table.name}.{suffix}").exit_code == 0
        with (tmp_path / f"{table.name}.csv").open(encoding="utf-8", newline="") as file:
            from_csv = list(csv.DictReader(file))
        from_ndjson = [json.loads(line) for line in (tmp_path / f"{table.name}.ndjson").read_text().splitlines()]
        from_lake = pq.read_table(tmp_path / f"{table.name}.parquet").to_pylist()
        instants = [column.name for column in table.columns if column.type == "timestamp"]

        assert instants
        for in_csv, in_ndjson, row in zip(from_csv, from_ndjson, from_lake, strict=True):
            for name in instants:
                expected = row[name]
                assert in_csv[name] == (in_ndjson[name] or "")
                if expected is None:
                    assert in_csv[name] == ""
                    continue
                assert INSTANT.fullmatch(in_csv[name])
                assert datetime.fromisoformat(in_csv[name]).replace(tzinfo=None) == expected
    hours = (tmp_path / f"{OPS_METRICS_HOURLY.name}.csv").read_text()
    assert "2026-03-01T03:00:00Z" in hours


def test_a_text_that_a_spreadsheet_would_compute_begins_with_an_apostrophe_in_csv_alone(hops, own_loaded, tmp_path):
    names = [f"{start}cmd|' C calc'!A0.csv" for start in ("=", "+", "-", "@", "\t")]
    arrival = datetime.fromisoformat("2026-03-03T10:00:00")
    paths = [
        own_loaded.write(name, csv_text([visit(80 + number, arrival, place="Z9")])) for number, name in enumerate(names)
    ]
    hops("load", *paths, "--feed", own_loaded.feed, "--state", own_loaded.state, "--as-of", NOW)

    for suffix in ("csv", "ndjson"):
        assert export(hops, own_loaded, QUARANTINE.id, tmp_path / f"held.{suffix}").exit_code == 0

    with (tmp_path / "held.csv").open(encoding="utf-8", newline="") as file:
        from_csv = {row["source_file"]: row["record_no"] for row in csv.DictReader(file)}
    from_ndjson = {json.loads(line)["source_file"] for line in (tmp_path / "held.ndjson").read_text().splitlines()}
    assert from_csv.keys() == {*(f"'{name}" for name in names), own_loaded.visits.name}
    assert from_ndjson == {*names, own_loaded.visits.name}
    assert {from_csv[f"'{name}"] for name in names} == {"1"}
