"""What each command does to a state directory, and what it leaves alone."""

from __future__ import annotations

import csv
import json
import shlex
import tempfile
from datetime import date, datetime

import pyarrow.parquet as pq
import pytest

from e2e.command import contents, rows_of
from e2e.deliveries import ACCOUNT, FEED, NOW, REASONS, SITE, changed, csv_text, visit
from healthcare_ops.core.config import SITE_FILE
from healthcare_ops.core.tables import ENCOUNTERS, OPS_METRICS_HOURLY, PREDICTIONS

DAILY_STATES = [
    "ResolveRunDate",
    "ChoosePath",
    "RunBronzeIngest",
    "RunBronzeToSilver",
    "RunDQ",
    "RunSilverToGold",
    "BuildFeatures",
    "ChooseRun",
    "BatchPredict",
    "MonitorModels",
]
DAYS = ("--from", "2026-03-01", "--to", "2026-03-03")


# init


def test_init_makes_a_state_and_a_second_one_keeps_its_key(hops, desk):
    options = ("--site", desk.site, "--feed", desk.feed, "--state", desk.state)

    first = hops("init", *options)
    secrets = contents(desk.state / "secrets")
    second = hops("init", *options, "--json")

    assert (first.exit_code, first.err) == (0, "")
    assert first.out == f"Created {desk.state} with feeds visits\n"
    told = {"state": str(desk.state), "is_new": False, "feeds": ["visits"], "changed": [], "warnings": []}
    assert second.document == {"schema_version": 1} | told
    assert secrets.keys() == {"key", "store.json"}
    assert contents(desk.state / "secrets") == secrets


def test_the_secrets_of_a_new_state_are_for_their_owner_alone(hops, desk):
    hops("init", "--site", desk.site, "--state", desk.state)

    modes = {path.name: path.stat().st_mode & 0o777 for path in (desk.state / "secrets").iterdir()}
    assert modes == {"key": 0o600, "store.json": 0o600}
    assert (desk.state / "secrets").stat().st_mode & 0o777 == 0o700


def test_the_state_directory_may_come_from_the_environment(hops, desk):
    outcome = hops("init", "--site", desk.site, HOPS_STATE=str(desk.state))

    assert outcome.exit_code == 0
    assert (desk.state / SITE_FILE).read_text() == desk.site.read_text()


# status


def test_status_of_a_new_state_says_that_there_is_nothing_yet(hops, desk):
    hops("init", "--site", desk.site, "--feed", desk.feed, "--state", desk.state)

    outcome = hops("status", "--state", desk.state)
    document = hops("status", "--state", desk.state, "--json").document

    assert (outcome.exit_code, outcome.err) == (0, "")
    assert "no data yet, model none yet" in outcome.out
    assert [document[name] for name in ("known_until", "model", "last_run", "quarantine", "tables")] == [
        "",
        "",
        None,
        [],
        [],
    ]


def test_status_of_a_loaded_state_tells_its_size_and_until_when_data_is_known(hops, loaded):
    document = hops("status", "--state", loaded.state, "--json").document
    outcome = hops("status", "--state", loaded.state)

    (feed,) = document["feeds"]
    tables = {table["table"]: table for table in document["tables"]}
    assert {fate: feed[fate] for fate in ACCOUNT} == ACCOUNT
    assert {item["reason_code"]: item["records"] for item in document["quarantine"]} == REASONS
    # The last sign of life: the discharge of the last visit, 3 March 20:55 and three hours.
    assert document["known_until"] == "2026-03-04T02:55:00+00:00"
    assert "data known until 2026-03-03 23:55 America/Sao_Paulo" in " ".join(outcome.out.split())
    assert (tables["silver.encounters"]["rows"], tables["silver.encounters"]["first"]) == (60, "2026-03-01")
    # Two sectors, every hour of three days.
    assert (tables["gold.ops_metrics_hourly"]["rows"], tables["gold.ops_metrics_hourly"]["last"]) == (
        2 * 72,
        "2026-03-03",
    )


def test_status_tells_how_old_the_data_were_at_the_instant_it_is_asked_for(hops, loaded):
    # Known until 23:55 local; the second instant is three days later.
    soon = hops("status", "--state", loaded.state, "--as-of", "2026-03-04T02:25:00-03:00")
    late = hops("status", "--state", loaded.state, "--as-of", "2026-03-06T23:55:00-03:00")

    assert "(2.5 h ago)" in " ".join(soon.out.split())
    assert "(3 days ago)" in " ".join(late.out.split())


def test_the_last_run_is_the_one_that_ran_last_also_if_it_replayed_an_earlier_day(hops, desk):
    hops("init", "--site", desk.site, "--feed", desk.feed, "--state", desk.state)
    run = ("run", "--type", "inference", "--state", desk.state, "--json", "--as-of")
    hops(*run, "2026-03-04T12:00:00-03:00")
    replay = hops(*run, "2026-03-02T12:00:00-03:00").document

    last = hops("status", "--state", desk.state, "--json").document["last_run"]

    assert (last["run_id"], last["as_of"]) == (replay["run_id"], "2026-03-02T15:00:00+00:00")


# doctor


def test_doctor_finds_nothing_wrong_with_a_loaded_state_and_changes_nothing(hops, loaded):
    before = contents(loaded.state)

    outcome = hops("doctor", "--state", loaded.state, "--json")

    checks = {check["name"]: check for check in outcome.document["checks"]}
    assert outcome.exit_code == 0
    assert all(check["is_ok"] for check in checks.values())
    assert checks["feeds"]["detail"] == "visits"
    assert checks["site"]["detail"] == "santa-casa"
    assert contents(loaded.state) == before


def test_doctor_of_a_folder_that_is_no_state_says_what_to_do_and_makes_none(hops, desk):
    outcome = hops("doctor", "--state", desk.state)
    document = hops("doctor", "--state", desk.state, "--json").document

    (failed,) = [check for check in document["checks"] if not check["is_ok"]]
    assert outcome.exit_code == 4
    assert "FAILED" in outcome.out
    assert (failed["name"], failed["detail"]) == (
        "state directory",
        f"{desk.state} has no site.toml; run `hops init`",
    )
    assert not desk.state.exists()


def test_doctor_names_the_feed_that_does_not_fit_the_site(hops, desk):
    hops("init", "--site", desk.site, "--feed", desk.feed, "--state", desk.state)
    feed = desk.state / "feeds" / "visits.toml"
    feed.write_text(feed.read_text() + '[values.sector]\nPS = "UTI"\n')

    outcome = hops("doctor", "--state", desk.state, "--json")

    checks = {check["name"]: check for check in outcome.document["checks"]}
    assert outcome.exit_code == 4
    assert "`values.sector.PS` = 'UTI' is not a sector of site santa-casa" in checks["feeds"]["detail"]
    assert checks["site"]["is_ok"]


# load


def test_without_a_site_file_the_first_load_makes_one_of_the_feed(hops, desk):
    path = desk.write("v.csv", "".join(desk.visits.read_text().splitlines(keepends=True)[:1]))
    feed = desk.write("feed.toml", desk.feed.read_text() + '[values.sector]\nPS = "EMERGENCY"\n')

    outcome = hops("load", path, "--feed", feed, "--state", desk.state)

    site = (desk.state / SITE_FILE).read_text()
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert 'sector_id = "EMERGENCY"' in site
    assert 'zone = "America/Sao_Paulo"' in site
    assert "Made by `hops load`" in site


def test_the_same_file_loaded_again_is_told_and_changes_nothing(hops, loaded):
    before = contents(loaded.state / "lake"), contents(loaded.state / "raw")

    outcome = hops("load", loaded.visits, "--feed", loaded.feed, "--state", loaded.state, "--as-of", NOW)

    assert (outcome.exit_code, outcome.err) == (0, "")
    (told,) = [line.split() for line in outcome.out.splitlines() if "visits-000001" in line]
    assert told[-9:] == ["delivered", "before", "visits-000001", *map(str, ACCOUNT.values())]
    assert (contents(loaded.state / "lake"), contents(loaded.state / "raw")) == before


def test_of_many_files_the_first_are_told_and_the_others_counted_by_fate(hops, desk):
    days = [datetime(2026, 2, day, 8) for day in range(1, 23)]  # noqa: DTZ001  # the hospital's wall clock
    paths = [desk.write(f"day_{day:%d}.csv", csv_text([visit(day.day, day)]).encode()) for day in days]
    quiet = desk.write("quiet.csv", csv_text([]).encode())
    options = ("--feed", desk.feed, "--site", desk.site, "--state", desk.state, "--as-of", NOW)

    for_people = hops("load", *paths, quiet, *options)
    for_machines = hops("load", *paths, quiet, *options, "--json")

    told = [line.split()[0] for line in for_people.out.splitlines() if ".csv" in line]
    assert told == [path.name for path in paths[:20]]
    assert "and 3 more (2 taken, 1 taken, no record); --json lists all" in for_people.out
    assert [(item["fate"], item["delivered"]) for item in for_machines.document["files"]] == [
        *[("delivered before", 1)] * 22,
        ("delivered before", 0),
    ]


# load, with a feed or site file other than the state's copy

MORE_BEDS = changed(SITE, "functional_capacity = 6", "functional_capacity = 12")
EVERY_PLACE = '[values.sector]\nPS = "PS"\nOBS = "OBS"\n"*" = "PS"\n'


def test_a_corrected_mapping_builds_every_day_again_though_the_file_was_delivered_before(hops, own_loaded, desk):
    feed = desk.write("corrected.toml", FEED + EVERY_PLACE)
    options = (own_loaded.visits, "--feed", feed, "--as-of", NOW)

    corrected = hops("load", *options, "--state", own_loaded.state)
    again = hops("load", *options, "--state", own_loaded.state, "--json").document
    hops("load", *options, "--site", desk.site, "--state", desk.state)

    assert (corrected.exit_code, corrected.err) == (0, "")
    assert corrected.out.splitlines()[0] == "feeds/visits.toml has changed: 3 days are built again"
    assert again["configuration"] == {"changed": [], "days_built_again": 0, "raw_read_again": [], "raw_unreadable": []}
    assert {item["reason_code"] for item in again["quarantine"]} == {"TIME_UNREADABLE"}
    assert again["feeds"][0]["applied"] == ACCOUNT["applied"] + 1
    # As if the lake had known no other mapping.
    assert rows_of(own_loaded.state)[OPS_METRICS_HOURLY.id] == rows_of(desk.state)[OPS_METRICS_HOURLY.id]


def test_a_column_that_bronze_lacks_is_read_from_raw_again_and_other_feeds_are_not(hops, desk, loaded_rows):
    poor = desk.write("poor.toml", changed(FEED, 'triage_level = "level"\n', ""))
    annex = desk.write("annex.toml", changed(FEED, 'feed_id = "visits"', 'feed_id = "annex"'))
    other = desk.write("annex.csv", csv_text([visit(99, datetime.fromisoformat("2026-03-02T09:00:00"))]))
    options = ("--state", desk.state, "--as-of", NOW, "--json")
    hops("load", desk.visits, "--feed", poor, "--site", desk.site, *options)
    hops("load", other, "--feed", annex, *options)

    outcome = hops("load", desk.visits, "--feed", desk.feed, *options)

    document = outcome.document
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert document["configuration"]["changed"] == ["feeds/visits.toml"]
    assert document["configuration"]["raw_read_again"] == ["visits"]
    assert document["jobs"]["ingest_bronze"]["batches"] == {"visits-000001": ACCOUNT["delivered"]}
    assert {feed["feed_id"]: feed["applied"] for feed in document["feeds"]} == {"annex": 1, "visits": 60}
    after = rows_of(desk.state)
    assert len(after[ENCOUNTERS.id]) == len(loaded_rows[ENCOUNTERS.id]) + 1
    assert not [row for row in after[ENCOUNTERS.id] if "'triage_level': None" in row]


@pytest.mark.parametrize("is_given_to_init", [False, True])
def test_a_new_site_file_builds_every_day_again_whoever_took_it_in(hops, own_loaded, desk, tmp_path, is_given_to_init):
    site = desk.write("more_beds.toml", MORE_BEDS)
    if is_given_to_init:
        hops("init", "--site", site, "--state", own_loaded.state)
    given = () if is_given_to_init else ("--site", site)

    outcome = hops(
        "load", own_loaded.visits, "--feed", own_loaded.feed, *given, "--state", own_loaded.state, "--as-of", NOW
    )
    export(hops, own_loaded, OPS_METRICS_HOURLY.id, tmp_path / "hours.ndjson")

    hours = [json.loads(line) for line in (tmp_path / "hours.ndjson").read_text().splitlines()]
    occupied = {(hour["occupied_beds"], hour["occupancy_rate"]) for hour in hours if hour["sector_id"] == "OBS"}
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.startswith("site.toml has changed: ")
    assert max(beds for beds, _ in occupied) > 0
    assert all(rate == beds / 12 for beds, rate in occupied)


def test_a_column_that_the_supplier_renamed_is_read_from_now_on_and_what_bronze_holds_stays(hops, own_loaded, desk):
    feed = desk.write("renamed.toml", changed(FEED, '"level"', '"acuity"'))
    visits = csv_text([visit(99, datetime.fromisoformat("2026-03-02T09:00:00"))])
    renamed = desk.write("renamed.csv", changed(visits, "level", "acuity"))

    outcome = hops("load", renamed, "--feed", feed, "--state", own_loaded.state, "--as-of", NOW)

    first, second, *_ = outcome.out.splitlines()
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert first == "feeds/visits.toml has changed: 3 days are built again"
    assert second.startswith("bronze of visits stays as it was read, as visits-000001 cannot be read again: ")
    levels = [row for row in rows_of(own_loaded.state)[ENCOUNTERS.id] if "'triage_level': None" not in row]
    assert len(levels) == ACCOUNT["applied"] + 1


# feed check


def test_a_feed_check_writes_nothing_anywhere(hops, desk, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.chdir(desk.folder)
    before = contents(desk.folder)

    outcome = hops("feed", "check", desk.feed, desk.visits, "--site", desk.site, "--json")

    document = outcome.document
    assert (outcome.exit_code, document["error"]["message"]) == (6, outcome.message)
    assert outcome.message == "2 of 65 records would be held, 1 of them by SECTOR_UNKNOWN in sector."
    assert document["records"] == ACCOUNT["delivered"]
    assert document["fates"] == {"applied": 60, "superseded": 2, "quarantined": 2, "duplicate": 1}
    assert {held["reason_code"]: held["records"] for held in document["held"]} == REASONS
    assert contents(desk.folder) == before


# export


def export(hops, desk, name, out, *more):
    outcome = hops("export", name, "--out", out, "--state", desk.state, *more)
    assert (outcome.exit_code, outcome.err) == (0, "")
    return outcome


def test_a_table_is_exported_alike_in_three_formats(hops, loaded, tmp_path):
    for suffix in ("csv", "parquet", "ndjson"):
        export(hops, loaded, ENCOUNTERS.id, tmp_path / f"encounters.{suffix}")

    with (tmp_path / "encounters.csv").open(encoding="utf-8", newline="") as file:
        from_csv = list(csv.DictReader(file))
    from_parquet = pq.read_table(tmp_path / "encounters.parquet").to_pylist()
    from_ndjson = [json.loads(line) for line in (tmp_path / "encounters.ndjson").read_text().splitlines()]
    assert len(from_csv) == len(from_parquet) == len(from_ndjson) == ACCOUNT["applied"]
    assert list(from_csv[0]) == list(from_parquet[0]) == list(from_ndjson[0]) == list(ENCOUNTERS.column_names)
    for name in ("encounter_id", "sector_id", "triage_level"):
        values = [str(row[name]) for row in from_parquet]
        assert values == [row[name] for row in from_csv] == [str(row[name]) for row in from_ndjson]
    assert [row["encounter_id"] for row in from_csv] == sorted(row["encounter_id"] for row in from_csv)


def test_an_export_may_be_of_some_days_only(hops, loaded, tmp_path):
    name, out = OPS_METRICS_HOURLY.id, tmp_path / "new folder" / "hours.parquet"
    out.parent.mkdir()

    outcome = export(hops, loaded, name, out, "--from", "2026-03-02", "--to", "2026-03-02", "--json")

    assert outcome.document == {"schema_version": 1, "table": name, "rows": 48, "file": str(out)}
    assert set(pq.read_table(out)["dt"].to_pylist()) == {date(2026, 3, 2)}


def test_a_table_without_rows_is_exported_with_its_columns(hops, loaded, tmp_path):
    out = tmp_path / "predictions.parquet"

    outcome = export(hops, loaded, PREDICTIONS.id, out)

    written = pq.read_table(out)
    assert outcome.out == f"0 rows of gold.predictions in {out}\n"
    assert (written.column_names, written.num_rows) == (list(PREDICTIONS.column_names), 0)


def test_an_export_in_an_unknown_format_leaves_the_old_file(hops, loaded, tmp_path):
    out = tmp_path / "encounters.xlsx"
    out.write_text("the old one")

    outcome = hops("export", ENCOUNTERS.id, "--out", out, "--state", loaded.state)

    assert (outcome.exit_code, outcome.out) == (4, "")
    assert outcome.message == "encounters.xlsx: format '.xlsx' is not known."
    assert outcome.next_step == "Use .csv, .parquet, .ndjson."
    assert out.read_text() == "the old one"


# predict, run, backfill


def test_without_a_model_there_is_no_forecast_and_the_next_step_is_told(hops, loaded):
    outcome = hops("predict", "--state", loaded.state, "--as-of", NOW)

    assert (outcome.exit_code, outcome.out) == (3, "")
    assert outcome.message.startswith("nothing to predict: no model yet")
    assert outcome.next_step == "Run `hops run --type weekly_train`."


def test_a_daily_run_goes_through_every_state_and_builds_the_day_as_it_was(hops, own_loaded, loaded_rows):
    day = ("--date", "2026-03-02", "--as-of", NOW)

    outcome = hops("run", "--type", "daily", *day, "--state", own_loaded.state, "--json")

    record = outcome.document
    last = hops("status", "--state", own_loaded.state, "--json").document["last_run"]
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert [state["name"] for state in record["states"]] == DAILY_STATES
    assert (record["status"], record["run_date"], "error" in record) == ("SUCCEEDED", "2026-03-02", False)
    assert last["run_id"] == record["run_id"]
    assert rows_of(own_loaded.state) == loaded_rows


@pytest.mark.parametrize(
    "more",
    [pytest.param((), id="from bronze", marks=pytest.mark.slow), pytest.param(("--from-raw",), id="from raw")],
)
def test_a_backfill_gives_the_same_rows_as_before(hops, own_loaded, loaded_rows, more):
    outcome = hops("backfill", *DAYS, *more, "--state", own_loaded.state, "--as-of", NOW, "--json")

    document = outcome.document
    read_again = document["jobs"]["ingest_bronze"]["records"]
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert read_again == (ACCOUNT["delivered"] if more else 0)
    assert document["jobs"]["silver_to_gold"]["rows"] == 2 * 72
    assert {fate: document["feeds"][0][fate] for fate in ACCOUNT} == ACCOUNT
    assert rows_of(own_loaded.state) == loaded_rows


def test_raw_that_the_feed_file_no_longer_reads_is_not_read_again_and_nothing_is_lost(hops, own_loaded, loaded_rows):
    renamed = own_loaded.folder / "renamed.toml"
    renamed.write_text(FEED.replace('"arrival"', '"came"'))
    hops("init", "--site", own_loaded.site, "--feed", renamed, "--state", own_loaded.state)

    outcome = hops("backfill", *DAYS, "--from-raw", "--state", own_loaded.state, "--as-of", NOW)

    assert outcome.exit_code == 5
    assert "cannot be read again: " in outcome.message
    assert rows_of(own_loaded.state) == loaded_rows


@pytest.mark.slow
def test_a_backfill_after_a_new_site_file_builds_with_the_new_one(hops, own_loaded):
    site = own_loaded.folder / "more_beds.toml"
    site.write_text(MORE_BEDS)
    hops("init", "--site", site, "--state", own_loaded.state)
    out = own_loaded.folder / "hours.ndjson"

    outcome = hops("backfill", *DAYS, "--state", own_loaded.state, "--as-of", NOW)
    export(hops, own_loaded, OPS_METRICS_HOURLY.id, out)

    hours = [json.loads(line) for line in out.read_text().splitlines()]
    assert (outcome.exit_code, outcome.err) == (0, "")
    occupied = {(hour["occupied_beds"], hour["occupancy_rate"]) for hour in hours if hour["sector_id"] == "OBS"}
    assert max(beds for beds, _ in occupied) > 0
    assert all(rate == beds / 12 for beds, rate in occupied)


def test_a_backfill_names_the_days_of_which_no_delivery_has_a_record_and_ends_well(hops, own_loaded, loaded_rows):
    options = ("--from", "2026-02-27", "--to", "2026-03-06", "--state", own_loaded.state, "--as-of", NOW)

    outcome = hops("backfill", *options)
    (warning,) = hops("backfill", *options, "--json").document["warnings"]

    said = "no delivery has a record of 2026-02-27 to 2026-02-28, 2026-03-04 to 2026-03-06; nothing was built there."
    assert (outcome.exit_code, outcome.message) == (0, f"warning: {said}")
    assert (warning["code"], warning["message"]) == ("NO_RECORDS", said)
    assert rows_of(own_loaded.state) == loaded_rows


def test_a_backfill_of_days_with_records_warns_of_nothing(hops, own_loaded):
    options = ("--from", "2026-03-01", "--to", "2026-03-03", "--state", own_loaded.state, "--as-of", NOW)

    outcome = hops("backfill", *options)

    assert (outcome.exit_code, outcome.err) == (0, "")


# init of a state that has days


def init_with(hops, state, folder, site, feed):
    (folder / "new_site.toml").write_text(site, encoding="utf-8")
    (folder / "new_visits.toml").write_text(feed, encoding="utf-8")
    return hops("init", "--site", folder / "new_site.toml", "--feed", folder / "new_visits.toml", "--state", state)


@pytest.mark.parametrize(
    ("site", "feed", "files", "options"),
    [
        (changed(SITE, "max_stay_days = 2", "max_stay_days = 3"), FEED, ["site.toml"], ()),
        (SITE, changed(FEED, 'triage_level = "level"\n', ""), ["feeds/visits.toml"], ("--from-raw",)),
    ],
    ids=["another limit", "a column less"],
)
def test_a_new_file_for_days_that_stand_gives_the_command_that_builds_them_again(
    hops, own_loaded, tmp_path, site, feed, files, options
):
    outcome = init_with(hops, own_loaded.state, tmp_path, site, feed)

    command = outcome.next_step.removeprefix("Run `").removesuffix("`.")
    assert outcome.exit_code == 0
    assert outcome.message.startswith(f"warning: {', '.join(files)} changed, and ")
    assert all(option in command for option in options)
    _, *words = shlex.split(command)
    built = hops(*words, "--as-of", NOW)
    again = hops("init", "--site", tmp_path / "new_site.toml", "--state", own_loaded.state, "--json")
    assert built.exit_code == 0
    assert (again.document["changed"], again.document["warnings"]) == ([], [])


def test_the_same_files_again_and_new_ones_before_any_day_warn_of_nothing(hops, own_loaded, desk, tmp_path):
    same = init_with(hops, own_loaded.state, tmp_path, SITE, FEED)
    init_with(hops, desk.state, tmp_path, SITE, FEED)
    early = init_with(hops, desk.state, tmp_path, changed(SITE, "max_stay_days = 2", "max_stay_days = 3"), FEED)

    assert [(outcome.exit_code, outcome.err) for outcome in (same, early)] == [(0, "")] * 2


# The same file again


@pytest.fixture
def plain(desk):
    """Return a hospital whose feed does not say when a record was changed, and its three files."""
    desk.feed.write_text(changed(FEED, 'version_time = "changed"\n', ""), encoding="utf-8")
    arrival = datetime.fromisoformat("2026-03-01T08:00:00")
    for name, level in (("a.csv", "1"), ("b.csv", "2"), ("c.csv", "3")):
        desk.write(name, csv_text([visit(1, arrival, level=level)]))
    return desk


def take(hops, desk, command, *names):
    if command == "ingest":
        hops("init", "--site", desk.site, "--feed", desk.feed, "--state", desk.state)
    feed = ("--feed", desk.feed, "--site", desk.site) if command == "load" else ("--feed", "visits")
    paths = [desk.folder / name for name in names]
    return hops(command, *paths, *feed, "--state", desk.state, "--as-of", NOW)


@pytest.mark.parametrize("command", ["load", "ingest"])
def test_a_file_that_comes_again_after_others_is_said_not_to_replace_them(hops, plain, command):
    take(hops, plain, command, "a.csv", "b.csv", "c.csv")

    outcome = take(hops, plain, command, "a.csv")

    assert outcome.exit_code == 0
    assert outcome.message == (
        "warning: a.csv holds bytes that were delivered before as visits-000001; it is not taken again, and the "
        "deliveries since then (2) stand."
    )
    assert "`columns.version_time`" in outcome.next_step


def test_files_that_come_again_in_their_order_or_as_the_last_change_nothing_and_need_no_warning(hops, plain):
    take(hops, plain, "load", "a.csv", "b.csv")

    outcomes = [
        take(hops, plain, "load", *names) for names in (["a.csv", "b.csv"], ["b.csv"], ["a.csv", "b.csv", "c.csv"])
    ]

    assert [(outcome.exit_code, outcome.err) for outcome in outcomes] == [(0, "")] * 3


def test_a_feed_with_a_version_time_says_itself_what_is_newer(hops, own_loaded):
    later = own_loaded.write("later.csv", csv_text([visit(71, datetime.fromisoformat("2026-03-03T08:00:00"))]))
    options = ("--feed", own_loaded.feed, "--state", own_loaded.state, "--as-of", NOW)
    hops("load", later, *options)

    outcome = hops("load", own_loaded.visits, *options)

    assert (outcome.exit_code, outcome.err) == (0, "")


def test_a_daily_run_of_a_day_without_any_record_says_so_and_ends_well(hops, own_loaded):
    options = ("--date", "2026-02-20", "--state", own_loaded.state, "--as-of", NOW)

    outcome = hops("run", *options)
    warned = hops("run", *options, "--json").document["warnings"]

    assert (outcome.exit_code, [warning["code"] for warning in warned]) == (0, ["NO_RECORDS", "DATA_OLD"])
    assert outcome.message == "warning: no delivery has a record of 2026-02-20; nothing was built there."


def test_status_warns_of_old_data_where_it_tells_their_age(hops, loaded):
    options = ("--state", loaded.state, "--as-of")

    soon, late = (hops("status", *options, f"2026-03-0{when}:00:00-03:00") for when in ("4T01", "6T12"))

    assert "warning" not in soon.out
    assert "warning: the newest data of feed visits are 3 d old" in " ".join(late.out.split())
