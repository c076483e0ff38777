"""A synthetic hospital from the command line: made, loaded, followed, refused."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from e2e.command import HEARING_CTRL_C, contents, environment
from healthcare_ops.adapters.local_raw import LocalRaw

SITE = """
facility_id = "synthetic"
name = "Synthetic [red]"
zone = "America/Sao_Paulo"
sectors = [
    { sector_id = "PS", name = "Pronto-socorro", kind = "ed", functional_capacity = 5 },
    { sector_id = "CM", name = "Clínica médica", kind = "ward", functional_capacity = 9 },
]
"""
BROKEN_FIRST_DAY = """
[[faults]]
kind = "truncated"
end = 2026-03-02

[[faults]]
kind = "nulls"
column = "triage_level"
share = 0.5
"""


@pytest.fixture
def site(tmp_path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


@pytest.fixture
def scenario(tmp_path) -> Path:
    path = tmp_path / "scenario.toml"
    path.write_text(BROKEN_FIRST_DAY)
    return path


def days(first="2026-03-01", last="2026-03-03"):
    return ("--from", first, "--to", last)


def test_what_is_generated_is_loaded_with_the_command_that_it_names(hops, tmp_path, site, monkeypatch):
    monkeypatch.chdir(tmp_path)

    made = hops("generate", "--site", site, *days(), "--feed", "events", "--out", "made", "--json")

    (command,) = made.document["next"]
    words = shlex.split(command)
    glob = next(word for word in words if word.endswith("*"))
    files = sorted(Path().glob(glob))
    position = words.index(glob)
    loaded = hops(*words[1:position], *files, *words[position + 1 :], "--as-of", "2026-03-05T00:00:00-03:00", "--json")
    (delivered,) = made.document["feeds"]
    (feed,) = loaded.document["feeds"]
    assert (made.exit_code, made.err) == (0, "")
    assert (loaded.exit_code, loaded.err) == (0, "")
    assert feed["delivered"] == delivered["records"] > 0
    assert feed["quarantined"] == 0
    assert len(files) == delivered["files"]


def test_people_get_a_table_and_machines_a_document(hops, tmp_path, site, scenario):
    options = ("generate", "run", "--site", site, *days(), "--scenario", scenario, "--out", tmp_path / "made")

    told, document = hops(*options), hops(*options, "--json").document

    assert "Synthetic [red]: " in told.out
    assert f"{document['encounters']:,} encounters" in told.out
    assert all(word in told.out for word in ("truncated", "nulls", "events", "hops load", "truth:"))
    assert {fault["kind"] for fault in document["faults"]} == {"truncated", "nulls"}


def test_deliveries_of_days_to_come_are_loaded_as_of_then(hops, tmp_path, site):
    first = (datetime.now(UTC) + timedelta(days=400)).date().isoformat()

    made = hops("generate", "--site", site, *days(first, first), "--out", tmp_path / "made", "--json")

    told = zip(made.document["feeds"], made.document["next"], strict=True)
    assert all(command.endswith(f" --as-of {feed['last_due']}") for feed, command in told)


def test_the_same_command_makes_the_same_bytes(hops, tmp_path, site, scenario):
    options = ("generate", "--site", site, *days(), "--scenario", scenario, "--seed", 9)

    outcomes = [hops(*options, "--out", tmp_path / name) for name in ("one", "two")]
    again = hops(*options, "--out", tmp_path / "one")

    assert {outcome.exit_code for outcome in (*outcomes, again)} == {0}
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert {"site.toml", "feeds/events.toml", "truth/minutes.parquet"} <= contents(tmp_path / "one").keys()


def test_clean_deliveries_are_fewer(hops, tmp_path, site):
    options = ("generate", "--site", site, *days(), "--feed", "events", "--out", tmp_path / "made", "--json")

    usual, clean = (hops(*options, *more).document for more in ((), ("--clean",)))

    assert clean["encounters"] == usual["encounters"]
    assert clean["feeds"][0]["files"] == 3 < usual["feeds"][0]["files"]


def test_a_folder_with_somebody_s_files_is_left_alone(hops, tmp_path, site):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    before = contents(tmp_path)

    outcome = hops("generate", "--site", site, *days(), "--out", tmp_path / "mine")

    assert outcome.exit_code == 4
    assert outcome.message.endswith("mine holds what `hops generate` did not make.")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--from", "2026-03-02", "--to", "2026-03-01"], 4, "2026-03-01 is before the first, 2026-03-02"),
        (["--from", "yesterday", "--to", "2026-03-01"], 2, "'yesterday' is not a day"),
        (["--from", "2026-03-01"], 2, "--to"),
        ([*days(), "--every", "0"], 2, "--every"),
        ([*days(), "--state", "s"], 2, "--state"),
        ([*days(), "--as-of", "2026-03-02T00:00:00Z"], 2, "--follow"),
        ([*days(), "--scenario", "missing.toml"], 3, "missing.toml does not exist"),
        ([*days(), "--clock", "sundial"], 2, "sundial"),
    ],
)
def test_what_cannot_be_made_leaves_nothing_behind(hops, tmp_path, site, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)

    outcome = hops("generate", "--site", site, *arguments, "--out", "made")

    assert (outcome.exit_code, outcome.out) == (code, "")
    assert says in outcome.err
    assert contents(tmp_path) == before


def test_the_schema_describes_scenario_files(hops):
    schema = json.loads(hops("generate", "schema").out)

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"faults": [{"kind": "silent", "start": "2026-03-01T00:00:00"}]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"faults": [{"kind": "earthquake"}]}, schema)


def test_without_anything_there_is_help(hops):
    outcome = hops("generate")

    assert outcome.exit_code == 2
    assert all(word in outcome.out + outcome.err for word in ("run", "calibrate", "schema", "hops generate --site"))


@pytest.mark.parametrize("command", ["run", "follow"])
def test_help_shows_the_options_and_the_group_s_how_to_find_them(hops, command):
    outcome = hops("generate", command, "-h")

    assert outcome.exit_code == 0
    assert all(option in outcome.out for option in ("--site", "--from", "--follow", "--as-of", "--state", "--every"))
    assert f"hops generate {command}" in " ".join(hops("generate", "-h").out.split())


def test_follow_is_run_with_follow(hops, tmp_path, site):
    options = ("--site", site, *days(), "--out", tmp_path / "made", "--as-of", "2026-03-02T10:00:00-03:00", "--json")

    first, again = hops("generate", "follow", *options), hops("generate", "run", "--follow", *options)

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert sum(feed["files"] for feed in first.document["feeds"]) > 100
    assert again.document["feeds"] == []


def test_following_in_steps_delivers_what_one_call_would(hops, tmp_path, site, scenario):
    options = ("generate", "--site", site, *days(), "--scenario", scenario, "--every", 240)
    follow = (*options, "--out", tmp_path / "followed", "--follow", "--json", "--as-of")

    at_once = hops(*options, "--out", tmp_path / "at_once", "--json").document
    steps = [hops(*follow, f"2026-03-0{day}T10:00:00-03:00").document for day in (2, 2, 3, 9)]

    records = [sum(feed["records"] for feed in step["feeds"]) for step in steps]
    assert sum(records) == sum(feed["records"] for feed in at_once["feeds"])
    assert records[1] == 0 < records[0]
    followed, whole = contents(tmp_path / "followed"), contents(tmp_path / "at_once")
    faults = "truth/faults.ndjson"
    assert followed.keys() - whole.keys() == {"delivered_until.txt"}
    assert {name: hashed for name, hashed in whole.items() if followed[name] != hashed}.keys() <= {faults}
    assert lines_of(tmp_path / "followed" / faults) == lines_of(tmp_path / "at_once" / faults)


def lines_of(path):
    return sorted(path.read_text().splitlines())


def test_following_feeds_raw_with_every_file_that_can_be_read(hops, tmp_path, site, scenario):
    options = ("--follow", "--as-of", "2026-03-09T00:00:00-03:00", "--every", 720, "--state", tmp_path / "state")

    outcome = hops(
        *("generate", "--site", site, *days(), "--scenario", scenario, "--feed", "events", "--out", tmp_path / "made"),
        *options,
        "--json",
    )

    refused = {item["source_file"] for item in outcome.document["refused"]}
    landed = {delivery.source_file for delivery in LocalRaw(tmp_path / "state" / "raw").deliveries("events")}
    delivered = {path.name for path in (tmp_path / "made" / "deliveries" / "events").iterdir()}
    assert outcome.exit_code == 0
    assert len(refused) == 2
    assert landed | refused <= delivered
    assert not landed & refused


def test_following_with_other_options_is_refused(hops, tmp_path, site):
    options = ("generate", "--site", site, *days(), "--out", tmp_path / "made")
    follow = (*options, "--follow", "--as-of", "2026-03-02T00:00:00-03:00")

    outcomes = [hops(*options), hops(*follow)]

    assert [outcome.exit_code for outcome in outcomes] == [0, 4]
    assert outcomes[1].message.endswith("made holds other deliveries.")


def test_somebody_who_stops_following_gets_the_account_and_no_traceback(tmp_path, site):
    first = (datetime.now(UTC) - timedelta(days=1)).date()
    command = ["generate", "--site", site, *days(first.isoformat(), (first + timedelta(days=5)).isoformat())]
    out = tmp_path / "made"
    process = subprocess.Popen(
        [sys.executable, "-c", HEARING_CTRL_C, *map(str, command), "--out", str(out), "--follow", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    mark = out / "delivered_until.txt"
    deadline = time.monotonic() + 60
    while not (mark.exists() and mark.read_text() > str(first.year)) and time.monotonic() < deadline:
        time.sleep(0.1)

    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=30)

    document = json.loads(said)
    assert (process.returncode, errors.splitlines()[0]) == (130, "hops: interrupted; what was committed stands.")
    assert document["is_interrupted"]
    assert all(feed["files"] > 20 for feed in document["feeds"])
    assert not list(tmp_path.glob("**/.new-*"))


@pytest.mark.parametrize("files", [1, 40])
def test_a_process_that_is_killed_while_it_delivers_leaves_nothing_lost_doubled_or_half(
    hops, tmp_path, scenario, files
):
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    options = ("generate", "--site", site, *days(), "--scenario", scenario, "--every", 30)
    out = tmp_path / "followed"
    follow = (*options, "--follow", "--as-of", "2026-03-09T00:00:00-03:00", "--out", out, "--json")
    hops(*options, "--out", tmp_path / "whole")

    process = subprocess.Popen(
        [sys.executable, "-c", HEARING_CTRL_C, *map(str, follow)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    deadline = time.monotonic() + 60
    while len(list(out.glob("deliveries/*/*.csv"))) < files and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    process.wait()
    until = (out / "delivered_until.txt").read_text()
    again = hops(*follow)

    assert (process.returncode, again.exit_code) == (-signal.SIGKILL, 0)
    assert until < "2026"
    followed, whole = contents(out), contents(tmp_path / "whole")
    faults = "truth/faults.ndjson"
    assert followed.keys() == whole.keys() | {"delivered_until.txt"}
    assert {name: hashed for name, hashed in whole.items() if followed[name] != hashed}.keys() <= {faults}
    assert lines_of(out / faults) == lines_of(tmp_path / "whole" / faults)


@pytest.mark.slow
def test_a_lake_teaches_the_generator_its_hospital(hops, tmp_path, site):
    made, state, learnt = tmp_path / "made", tmp_path / "state", tmp_path / "learnt.toml"
    hops("generate", "--site", site, *days("2026-01-01", "2026-02-28"), "--out", made, "--every", 20_160)
    files = sorted((made / "deliveries" / "events").iterdir())
    hops("load", *files, "--feed", made / "feeds" / "events.toml", "--site", site, "--state", state)

    outcome = hops("generate", "calibrate", "--state", state, "--out", learnt, "--json")
    again = hops("generate", "--site", site, *days(), "--parameters", learnt, "--out", tmp_path / "again", "--json")

    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.document["encounters"] > 500
    assert again.document["encounters"] > 20


@pytest.mark.slow
def test_the_demo_runs_on_a_synthetic_hospital(hops, tmp_path):
    outcome = hops("demo", "--synthetic", "--state", tmp_path / "state", "--json")

    document = outcome.document
    (feed,) = document["feeds"]
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert feed["delivered"] > 90_000
    assert document["data_quality"]["verdict"] == "pass"
    assert {walk["sector_id"] for walk in document["backtests"]} == {"PS", "PS_PED", "SALA_VERMELHA"}
    assert "no patient of it ever lived" in Path(document["page"]).read_text()
