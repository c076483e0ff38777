"""The exit codes of the manual, each by what an operator does to meet it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import pytest

from e2e.command import HEARING_CTRL_C, PROGRAM, Outcome, contents, environment, rows_of, take_notes
from e2e.deliveries import ACCOUNT, NOW, csv_text, visit
from healthcare_ops.adapters.local_raw import LocalRaw
from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.errors import DataError
from healthcare_ops.entrypoints.cli.output import inert
from healthcare_ops.operations import bulk

RUN_STATES_UNTIL_A_FAILED_INGEST = [
    "ResolveRunDate",
    "ChoosePath",
    "RunBronzeIngest",
    "OpenIncident",
    "PipelineFailed",
]


def test_0_a_load_accounts_for_every_record(first_load):
    _, outcome = first_load

    (feed,) = outcome.document["feeds"]
    (delivery,) = outcome.document["files"]
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert {fate: feed[fate] for fate in ACCOUNT} == {fate: delivery[fate] for fate in ACCOUNT} == ACCOUNT
    assert delivery["quarantined_by_reason"] == {"SECTOR_UNKNOWN": 1, "TIME_UNREADABLE": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["launch"], "launch"),
        (["status", "--colour"], "--colour"),
        (["load", "v.csv"], "--feed"),
        (["load", "--feed", "f.toml"], "paths"),
        (["export", "silver.encounters"], "--out"),
        (["run", "--type", "monthly"], "monthly"),
        (["run", "--date", "1 March"], "'1 March' is not a day; write 2017-12-31"),
        (["run", "--date", "9999-12-31"], "'9999-12-31' is not of the years 1900 to 2300"),
        (["run", "--as-of", "0001-01-01T00:00:00+14:00"], "is not of the years 1900 to 2300"),
        (["dq", "check", "--from", "2026-02-30"], "'2026-02-30' is not a day"),
        (["backfill", "--from", "2026-03-02", "--to", "2026-03-01"], "2026-03-01 is before 2026-03-02"),
        (["predict", "--as-of", "2026-03-01T12:00"], "has no time zone; write 2017-12-31T23:00:00+01:00"),
        (["feed", "check", "f.toml", "v.csv", "--rows", "0"], "--rows"),
    ],
)
def test_2_a_command_that_is_not_understood_says_which_part(hops, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)

    outcome = hops(*arguments)

    assert (outcome.exit_code, outcome.out) == (2, "")
    assert says in outcome.err
    assert "-h' for help." in outcome.err
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["status"], "state is not a state directory."),
        (["dq", "show"], "state is not a state directory."),
        (["run"], "state is not a state directory."),
        (["backfill", "--from", "2026-03-01", "--to", "2026-03-01"], "state is not a state directory."),
        (["export", "silver.encounters", "--out", "x.csv"], "state is not a state directory."),
    ],
)
def test_3_without_a_state_directory_every_command_says_how_to_make_one(hops, desk, monkeypatch, arguments, says):
    monkeypatch.chdir(desk.folder)

    outcome = hops(*arguments, "--state", desk.state)

    assert (outcome.exit_code, outcome.out) == (3, "")
    assert outcome.message.endswith(says)
    assert outcome.next_step == "Run `hops init --site SITE.toml`."
    assert not desk.state.exists()
    assert not (desk.folder / "x.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export", "silver.encounter", "--out", "{folder}/x.csv"], "there is no table 'silver.encounter'."),
        (["dq", "show", "no-such-run"], "there is no report of run 'no-such-run'."),
        (["predict"], "nothing to predict: no model yet"),
    ],
)
def test_3_what_is_not_in_the_state_is_not_found(hops, loaded, tmp_path, arguments, says):
    named = [argument.format(folder=tmp_path) for argument in arguments]

    outcome = hops(*named, "--state", loaded.state, "--json")

    error = outcome.document["error"]
    assert (outcome.exit_code, error["exit_code"], error["code"]) == (3, 3, "NotFound")
    assert error["message"].startswith(says)
    assert error["next_step"] == outcome.next_step
    assert not (tmp_path / "x.csv").exists()


def test_4_a_secret_store_that_others_can_read_is_refused(hops, desk):
    hops("init", "--site", desk.site, "--state", desk.state)
    key = desk.state / "secrets" / "key"
    key.chmod(0o644)

    outcome = hops("run", "--state", desk.state)
    told = hops("doctor", "--state", desk.state, "--json")

    assert (outcome.exit_code, told.exit_code) == (4, 4)
    assert f"{key} has mode 0644: others can read it" in outcome.message
    (check,) = [check for check in told.document["checks"] if not check["is_ok"]]
    assert check["name"] == "pseudonymisation key"
    assert f"Run `chmod 600 {key}`" in check["detail"]


def test_4_a_level_of_the_log_that_is_none(hops, desk):
    outcome = hops("init", "--site", desk.site, "--state", desk.state, "--json", HOPS_LOG="verbose")

    assert (outcome.exit_code, outcome.document["error"]["code"]) == (4, "Config")
    assert outcome.message == "HOPS_LOG is 'verbose', which is not a level."
    assert outcome.next_step == "Use debug, info, warning, error, critical."
    assert not desk.state.exists()


@pytest.mark.parametrize("level", ["", "debug", "WARNING"])
def test_0_a_level_of_the_log_in_either_case_or_none_at_all(hops, level):
    assert hops("version", HOPS_LOG=level).exit_code == 0


def test_5_a_raw_file_that_was_damaged_after_its_delivery_fails_the_step_that_reads_it(hops, desk):
    hops("init", "--site", desk.site, "--feed", desk.feed, "--state", desk.state)
    kept = LocalRaw(desk.state / "raw").land("visits", desk.visits, bulk.sha256_of(desk.visits), date(2026, 3, 4))
    with LocalRaw(desk.state / "raw").open(kept) as path:
        path.write_bytes(path.read_bytes() + b"V-99\n")

    outcome = hops("run", "--state", desk.state, "--as-of", NOW, "--json")
    status = hops("status", "--state", desk.state)

    record = outcome.document
    assert (outcome.exit_code, record["status"]) == (5, "FAILED")
    assert [state["name"] for state in record["states"]] == RUN_STATES_UNTIL_A_FAILED_INGEST
    error = record["error"]
    assert (error["code"], error["exit_code"]) == ("Data", 5)
    # stderr says both once, and nothing else.
    assert (inert(error["message"]), inert(error["next_step"])) == (outcome.message, outcome.next_step)
    assert outcome.message.startswith(f"run {record['run_id']} failed: ingest_bronze: ")
    for told in (record["cause"], outcome.message, status.out):
        assert "ingest_bronze: " in told
        assert "(delivery 1) is not in raw as it was delivered: its hash is another one" in " ".join(told.split())


SHORT = b"V-99\n"


@pytest.mark.parametrize("command", ["load", "ingest"])
def test_5_of_many_files_the_bad_ones_are_all_listed_and_the_good_ones_taken(hops, desk, command):
    hops("init", "--site", desk.site, "--feed", desk.feed, "--state", desk.state)
    empty = desk.write("empty.csv", b"")
    short = desk.write("short.csv", desk.visits.read_bytes() + SHORT)
    feed = desk.feed if command == "load" else "visits"
    arguments = (command, empty, desk.visits, short, "--feed", feed, "--state", desk.state, "--as-of", NOW)

    for_machines = hops(*arguments, "--json")
    for_people = hops(*arguments)

    document = for_machines.document
    assert (for_machines.exit_code, for_people.exit_code) == (5, 5)
    assert [(item["file"], item["fate"], item.get("reason")) for item in document["files"]] == [
        (str(empty), "refused", "empty.csv is empty (0 bytes)."),
        (str(short), "refused", "short.csv, line 67: 1 values where the header names 8 columns."),
        (str(desk.visits), "taken", None),
    ]
    assert all(item["next_step"] for item in document["files"][:2])
    assert document["error"]["message"] == for_people.message
    assert for_people.message.startswith("2 of 3 files refused, the others are taken; the first: empty.csv is empty")
    told = "".join(for_people.out.split())
    assert "empty.csvisempty(0bytes)." in told
    assert "short.csv,line67:" in told
    assert document["jobs"]["ingest_bronze"]["records"] == ACCOUNT["delivered"]
    assert [kept.source_file for kept in LocalRaw(desk.state / "raw").deliveries("visits")] == [desk.visits.name]


@pytest.mark.parametrize("command", ["load", "ingest"])
def test_5_if_not_one_file_can_be_used_the_first_is_complained_about_and_all_are_noted(hops, loaded, desk, command):
    empty = desk.write("empty.csv", b"")
    short = desk.write("short.csv", desk.visits.read_bytes() + SHORT)
    feed = desk.write("newer.toml", desk.feed.read_text() + "# newer\n") if command == "load" else "visits"
    before = contents(loaded.state)

    outcome = hops(command, empty, short, "--feed", feed, "--state", loaded.state, "--as-of", NOW)

    assert (outcome.exit_code, outcome.out) == (5, "")
    assert outcome.message == "empty.csv is empty (0 bytes)."
    (note,) = take_notes(loaded.state)
    assert [file["source_file"] for file in json.loads(note)] == ["empty.csv", "short.csv"]
    assert contents(loaded.state) == before


def test_6_visits_after_now_fail_a_rule_and_gold_keeps_its_last_state(hops, own_loaded, loaded_rows):
    tomorrow = datetime.fromisoformat("2026-03-05T08:00:00")
    path = own_loaded.folder / "tomorrow.csv"
    path.write_text(csv_text(visit(number, tomorrow) for number in (70, 71, 72)))
    options = ("--state", own_loaded.state, "--as-of", NOW, "--json")

    outcome = hops("load", path, "--feed", own_loaded.feed, *options)
    judged = hops("dq", "check", *options)
    shown = hops("dq", "show", "--state", own_loaded.state)

    for told in (outcome, judged):
        error = told.document["error"]
        assert (told.exit_code, error["exit_code"], error["code"]) == (6, 6, "DataQuality")
        assert error["message"] == told.message
        assert "rule encounters.arrival_time.range: 3 of " in error["message"]
        assert "`hops dq quarantine`" in error["next_step"]
    assert outcome.document["files"][0]["applied"] == 3
    assert (shown.exit_code, shown.out.split()[0]) == (0, "FAIL")
    after = rows_of(own_loaded.state)
    assert len(after["silver.encounters"]) == len(loaded_rows["silver.encounters"]) + 3
    for name in ("gold.ops_metrics_hourly", "gold.features"):
        assert after[name] == loaded_rows[name]


def test_0_one_visit_after_now_warns_a_small_hospital_and_is_named(hops, own_loaded):
    path = own_loaded.folder / "tomorrow.csv"
    path.write_text(csv_text([visit(70, datetime.fromisoformat("2026-03-05T08:00:00"))]))

    outcome = hops("load", path, "--feed", own_loaded.feed, "--state", own_loaded.state, "--as-of", NOW)
    report = hops("dq", "show", "--state", own_loaded.state, "--json").document

    assert (outcome.exit_code, report["verdict"]) == (0, "warn")
    assert outcome.out.splitlines()[-1].startswith("data quality: warn; `hops dq show` names the rules")
    (broken,) = (rule for rule in report["rules"] if rule["rule_id"] == "encounters.arrival_time.range")
    assert (broken["verdict"], broken["violations"], broken["tolerated"]) == ("warn", 1, 2)
    assert [(sample["source_file"], sample["record_no"]) for sample in broken["samples"]] == [("tomorrow.csv", 1)]


@contextmanager
def another_process_in(state, seconds=600):
    """Hold the lock of a state directory from a process of its own, for so long at most; yield its id."""
    program = (
        "import select, sys; from pathlib import Path; from healthcare_ops.adapters.state_lock import lock_state\n"
        "with lock_state(Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    select.select([sys.stdin], [], [], float(sys.argv[2]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(state), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder.pid
        finally:
            holder.stdin.close()


WRITERS = {
    "load": "{visits} --feed {feed}",
    "load with a site": "{visits} --feed {feed} --site {site}",
    "ingest": "{visits} --feed visits",
    "init": "--site {site} --feed {feed}",
    "backfill": "--from 2026-03-01 --to 2026-03-01",
    "backfill from raw": "--from 2026-03-01 --to 2026-03-01 --from-raw",
    "predict": "",
    "dq check": "",
    "dq rules adopt": "{rules} --by Ana --reason why",
    "dq rules drop": "silver.encounters --by Ana --reason why",
    "dq release": "--rule stay.short --batch visits-000001 --by Ana --reason why",
    "dq reject": "--rule stay.short --batch visits-000001 --by Ana --reason why",
    "dq hold": "--rule stay.short --batch visits-000001 --by Ana --reason why",
    "dq assign": "stay.short --to Rui --by Ana",
    "dq judge": "stay.short --verdict corrupted --by Ana --reason why",
}


def test_8_no_one_writes_while_another_process_does_and_everyone_may_read(hops, own_loaded, tmp_path):
    places = {
        "visits": own_loaded.visits,
        "feed": tmp_path / "feed.toml",
        "site": tmp_path / "site.toml",
        "rules": tmp_path / "silver.encounters.dqdl",
    }
    places["rules"].write_text("Rules = [ RowCount > 0 ]")
    # Other bytes than those in the state: a command that wrote them would be seen.
    places["feed"].write_text(own_loaded.feed.read_text() + "# newer\n")
    places["site"].write_text(own_loaded.site.read_text() + "# newer\n")
    state = ("--state", own_loaded.state)

    with another_process_in(own_loaded.state) as pid:
        before = contents(own_loaded.state)
        refused = {
            name: hops(
                *name.partition(" with")[0].partition(" from")[0].split(), *_filled(told, places), "--wait", 0, *state
            )
            for name, told in WRITERS.items()
        }
        readers = [
            hops("status", *state),
            hops("dq", "show", *state),
            hops("doctor", *state),
            hops("export", "silver.stays", "--out", tmp_path / "stays.csv", *state),
        ]
        after = contents(own_loaded.state)
    afterwards = hops("init", "--site", places["site"], "--feed", places["feed"], *state)

    for name, outcome in refused.items():
        assert (outcome.exit_code, outcome.out) == (8, ""), name
        assert outcome.message.endswith(f"is in use by process {pid}."), name
        assert outcome.next_step == "Wait for it to finish, or use another --state.", name
    assert [outcome.exit_code for outcome in readers] == [0, 0, 0, 0]
    assert after == before
    assert afterwards.exit_code == 0


def test_0_a_command_that_writes_waits_until_the_other_process_is_done(hops, own_loaded):
    arguments = ["ingest", own_loaded.visits, "--feed", "visits", "--state", own_loaded.state]
    with another_process_in(own_loaded.state) as pid:
        gave_up = hops(*arguments, "--wait", 0.2)
    with another_process_in(own_loaded.state, seconds=1.5):
        outcome = hops(*arguments)

    assert (gave_up.exit_code, gave_up.message.endswith(f"is in use by process {pid}.")) == (8, True)
    assert (outcome.exit_code, outcome.err.count("already")) == (0, 0)


def _filled(told, places):
    return [word.format(**places) for word in told.split()]


def test_130_after_ctrl_c_the_same_load_finishes_the_work(hops, desk):
    options = ["--feed", str(desk.feed), "--site", str(desk.site), "--state", str(desk.state), "--as-of", NOW]
    with subprocess.Popen(
        [sys.executable, "-c", HEARING_CTRL_C, "load", str(desk.visits), *options, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        # By now the file is kept and the tables are being built.
        _wait_until(lambda: list(desk.state.glob("raw/visits/*/*.json")) or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)

    again = hops("load", desk.visits, *options[:2], *options[4:], "--json")

    told = Outcome(process.returncode, out, err)
    assert (told.exit_code, told.err) == (130, INTERRUPTED)
    assert told.document["error"]["code"] == "Interrupted"
    (delivery,) = again.document["files"]
    assert (again.exit_code, delivery["fate"]) == (0, "delivered before")
    assert {fate: delivery[fate] for fate in ACCOUNT} == ACCOUNT
    assert {table["table"]: table["rows"] for table in again.document["tables"]}["silver.encounters"] == 60
    assert list((desk.state / "tmp").iterdir()) == []


INTERRUPTED = "hops: interrupted; what was committed stands.\n  next: Run it again.\n"
AS_AN_ERROR = """
def press():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ValueError("a library's own error")
"""
IN_A_CLEAN_UP = """
class Thing:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def press():
    Thing()
    time.sleep(60)
"""


@pytest.mark.parametrize("press", [AS_AN_ERROR, IN_A_CLEAN_UP], ids=["as an error of its own", "in a clean-up"])
def test_130_also_where_a_library_loses_ctrl_c(press):
    program = f"""
import signal, sys, time
{press}
class Pressing:
    def write(self, text):
        press()

    def flush(self):
        pass

sys.stdout = Pressing()
{HEARING_CTRL_C}"""

    ended = subprocess.run(
        [sys.executable, "-c", program, "site", "schema"], capture_output=True, text=True, timeout=30, check=False
    )

    assert (ended.returncode, ended.stderr) == (130, INTERRUPTED)


def _wait_until(is_so, limit_s=60.0):
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, "the command has not come that far"
        time.sleep(0.02)


def test_1_what_nobody_foresaw_is_one_message_without_a_traceback(hops, desk):
    hops("init", "--site", desk.site, "--state", desk.state)
    (desk.state / "lake").mkdir()
    (desk.state / "lake" / "catalog.db").write_bytes(b"no database\n" * 99)

    outcome = hops("status", "--state", desk.state, "--json")
    told = hops("doctor", "--state", desk.state, "--json")

    assert outcome.exit_code == 1
    assert outcome.document["error"]["code"] == "Unexpected"
    assert "file is not a database" in outcome.message
    assert outcome.next_step == "Set HOPS_LOG=debug, run it again, and report the traceback."
    failed = {check["name"] for check in told.document["checks"] if not check["is_ok"]}
    assert (told.exit_code, failed) == (4, {"pseudonymisation key", "lake"})


# A file that somebody still writes


def test_5_a_file_that_grew_after_it_was_read_is_not_kept(own_loaded):
    path = own_loaded.folder / "growing.csv"
    path.write_text(csv_text([visit(71, datetime.fromisoformat("2026-03-03T08:00:00"))]))
    with open_platform(own_loaded.state) as platform:
        feed = bulk.feed_of(platform, "visits")
        verified = bulk.verify_each([path], feed, lambda step: None)
        with path.open("a") as growing:
            growing.write("V-99")

        with pytest.raises(DataError, match=r"growing.csv changed while it was read") as told:
            bulk.land(platform, feed, verified.sound)

    assert told.value.exit_code == 5
    assert not list(own_loaded.state.glob("raw/visits/*/*/growing.csv"))


# An output that cannot take what is written


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, as Linux has it")
@pytest.mark.parametrize("command", [["site", "schema"], ["status", "--json"]], ids=" ".join)
def test_4_if_the_output_is_full(loaded, command):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [PROGRAM, *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(HOPS_STATE=str(loaded.state)),
            check=False,
        )

    assert (ended.returncode, ended.stderr.splitlines()[0]) == (4, "hops: No space left on device.")


def test_a_reader_that_has_read_enough_is_not_complained_about():
    with subprocess.Popen(
        [PROGRAM, "site", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        process.stdout.close()

        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (1, b"")
