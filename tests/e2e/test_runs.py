from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

import healthcare_ops
import hospital
from databases import DATABASES, database
from e2e.command import PROGRAM, environment
from e2e.deliveries import NOW
from e2e.failing import nowhere_to_report
from healthcare_ops.adapters.state_lock import lock_state

WITHIN_S = 60.0
SAMPLES = Path(healthcare_ops.__file__).parent / "samples"
SYNTHETIC_SITE = SAMPLES / "synthetic_site.toml"
SKANE = [SAMPLES / f"skane_{name}" for name in ("site.toml", "feed.toml", "2017.csv.gz")]
A_DAY = ["--from", "2026-03-05", "--to", "2026-03-05"]
REFINED = ["ResolveRunDate", "ChoosePath", "RunBronzeIngest", "RunBronzeToSilver", "RunDQ"]


def run_daily(hops, desk, *more):
    return hops("run", "--date", "2026-03-01", "--state", desk.state, "--as-of", NOW, *more)


def start_daily(desk):
    """Begin a daily run in a process of its own."""
    return subprocess.Popen(
        [PROGRAM, "run", "--date", "2026-03-01", "--as-of", NOW, "--state", desk.state],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def begun(desk, state=""):
    """Return the id of the daily run that was asked for, once it has a record, and `state` in it if one is told."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        # Not one that a schedule has begun: its id tells another instant.
        for path in (desk.state / "ops" / "runs").glob("daily-20260304T*.json"):
            record = json.loads(path.read_text())
            if not state or state in [entered["name"] for entered in record["states"]]:
                return path.stem
        time.sleep(0.01)
    raise AssertionError("the run has not come that far")


def record_of(desk, run_id):
    return desk.state / "ops" / "runs" / f"{run_id}.json"


# All of it goes on a server too (`make full`, `make test-postgres`); a redrive and a death in every run of the tests.
MOSTLY_SQLITE = ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])]


@pytest.fixture(params=MOSTLY_SQLITE)
def stored(request, own_loaded, tmp_path):
    """Return the hospital, with the steps of its runs in a file, and on a server."""
    if request.param == "sqlite":
        yield own_loaded
        return
    with database(request.param, tmp_path, request.getfixturevalue) as url:
        (own_loaded.state / "settings.toml").write_text(f'database_url = "{url}"\n')
        yield own_loaded


@pytest.fixture
def failed(hops, stored):
    """Return the hospital and a daily run that failed at RunDQ, for a cause that has since been mended."""
    with nowhere_to_report(stored):
        outcome = run_daily(hops, stored, "--json")
    assert outcome.exit_code != 0
    return stored, outcome.document


def test_a_run_is_listed_and_shown_with_what_it_did(hops, own_loaded):
    done = run_daily(hops, own_loaded, "--json").document

    listed = hops("runs", "list", "--state", own_loaded.state, "--json").document
    shown = hops("runs", "show", done["run_id"], "--state", own_loaded.state, "--json").document

    assert [(run["run_id"], run["status"], run["run_date"]) for run in listed["runs"]] == [
        (done["run_id"], "SUCCEEDED", "2026-03-01")
    ]
    assert [state["name"] for state in shown["states"]][: len(REFINED)] == REFINED
    assert shown["states"][2]["input"] == {"type": "daily", "run_date": "2026-03-01"}
    assert all(len(state["attempts"]) <= 1 for state in shown["states"])
    assert shown["outcomes"]["ingest_bronze"]["deliveries"] == 0


def test_a_run_is_named_by_as_much_of_its_id_as_no_other_has(hops, own_loaded):
    run_id = run_daily(hops, own_loaded, "--json").document["run_id"]
    state = ("--state", own_loaded.state, "--json")

    assert hops("runs", "show", "last", *state).document["run_id"] == run_id
    assert hops("runs", "show", run_id[:-3], *state).document["run_id"] == run_id
    lost = hops("runs", "show", "yearly", *state)
    assert (lost.exit_code, lost.document["error"]["message"]) == (3, "there is no run 'yearly'.")


def test_a_run_that_failed_is_drawn_with_the_cause_under_the_state_that_failed(hops, failed):
    desk, record = failed

    drawn = hops("runs", "graph", "last", "--state", desk.state).out.splitlines()

    at = next(number for number, line in enumerate(drawn) if line.startswith("[RunDQ]"))
    assert drawn[0] == f"{record['run_id']}: FAILED"
    assert drawn[at + 1].startswith("   |  ! States.TaskFailed: ")
    assert "dq_check" in drawn[at + 1]
    assert drawn[at - 4].startswith("   |  * done, ")


def test_a_run_that_failed_says_of_what_kind_that_was_and_what_to_do(hops, failed):
    desk, record = failed

    shown = hops("runs", "show", "last", "--state", desk.state)
    listed = hops("runs", "list", "--status", "failed", "--state", desk.state, "--json").document["runs"]

    assert (listed[0]["failed_state"], listed[0]["error_class"]) == ("RunDQ", "permanent")
    assert f"then: hops redrive {record['run_id']}" in shown.out
    assert f"log: {desk.state}/ops/logs/{record['run_id']}.jsonl" in shown.out


def test_the_log_of_a_run_has_what_each_job_said_and_can_be_asked_for_one(hops, failed):
    desk, record = failed

    lines = hops("runs", "logs", "last", "--job", "dq_check", "--state", desk.state, "--json").document["lines"]

    assert {(line["run_id"], line["job"]) for line in lines} == {(record["run_id"], "dq_check")}
    assert [line["message"].split()[0] for line in lines if line["level"] == "INFO"] == ["started"]
    assert lines[-1]["message"].startswith("failed after ")


@pytest.mark.parametrize("stored", DATABASES, indirect=True)
def test_a_redriven_run_goes_on_from_the_state_that_failed_under_the_same_id(hops, failed):
    desk, before = failed

    outcome = hops("redrive", "last", "--state", desk.state, "--json")

    after = outcome.document
    assert (outcome.exit_code, after["status"], after["run_id"]) == (0, "SUCCEEDED", before["run_id"])
    assert after["states"][:3] == before["states"][:3]
    # What came after the last step that is kept is told by the end of that step.
    assert after["states"][3]["entered_at"] == before["states"][3]["entered_at"]
    assert after["states"][3]["exited_at"] <= before["states"][3]["exited_at"]
    assert after["states"][4]["name"] == "RunDQ"
    assert after["states"][4]["entered_at"] > before["ended_at"]
    assert len(after["redriven_at"]) == 1
    assert after["resumed_at"] == []
    log = hops("runs", "logs", "last", "--state", desk.state, "--json").document["lines"]
    begun = [line["job"] for line in log if line["message"] == "started"]
    assert begun.count("ingest_bronze") == 1
    assert begun.count("dq_check") == 2


def test_what_fails_again_after_a_redrive_can_be_redriven_again(hops, failed):
    desk, before = failed
    with nowhere_to_report(desk):
        again = hops("redrive", "last", "--state", desk.state, "--json")
    at_last = hops("redrive", "last", "--state", desk.state, "--json")

    assert (again.exit_code, again.document["status"]) == (5, "FAILED")
    assert (at_last.document["status"], at_last.document["run_id"]) == ("SUCCEEDED", before["run_id"])
    assert len(at_last.document["redriven_at"]) == 2


def test_a_run_that_succeeded_is_not_redriven_and_a_new_one_is_offered(hops, own_loaded):
    run_id = run_daily(hops, own_loaded, "--json").document["run_id"]

    refused = hops("redrive", "last", "--state", own_loaded.state)

    assert (refused.exit_code, refused.message) == (4, f"run {run_id} succeeded; only others are redriven.")
    assert refused.next_step == "Start a new one: `hops run --type daily --date 2026-03-01`."


def test_a_run_that_ended_longer_than_two_weeks_ago_is_not_redriven(hops, failed):
    desk, before = failed
    path = record_of(desk, before["run_id"])
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"ended_at": "2026-03-03T00:00:00+00:00"}))

    refused = hops("redrive", "last", "--state", desk.state)

    assert refused.exit_code == 4
    assert "more than 14 days ago: it cannot be redriven" in refused.message


def test_a_run_that_has_ended_cannot_be_stopped(hops, failed):
    desk, _ = failed

    refused = hops("runs", "stop", "last", "--state", desk.state)

    assert (refused.exit_code, refused.message.endswith("has ended: FAILED.")) == (4, True)


def test_where_no_run_was_left_unfinished_there_is_nothing_to_resume(hops, own_loaded):
    outcome = hops("runs", "resume", "--state", own_loaded.state)

    assert (outcome.exit_code, outcome.out) == (0, "no run was left unfinished\n")


@pytest.mark.parametrize("command", ["runs list", "runs show last", "redrive last", "schedule", "runs resume", "run"])
def test_runs_of_a_folder_that_is_no_state_directory_are_not_found(hops, tmp_path, command):
    outcome = hops(*command.split(), "--state", tmp_path)

    assert (outcome.exit_code, outcome.message) == (3, f"{tmp_path} is not a state directory.")


# A platform that is up


def ended(events, run_id):
    """Return the event that tells of the end of a run; the clock can begin others."""
    return next(event for event in events if event["event"] == "ended" and event["run_id"] == run_id)


@contextmanager
def up(desk):
    """Yield the process of `hops up`, once it says that it is; it has few schedules to keep meanwhile."""
    with (desk.state / "settings.toml").open("a") as settings:
        settings.write("inference_every_min = 60\n")
    with subprocess.Popen(
        [PROGRAM, "up", "--state", desk.state, "--json"], stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            assert json.loads(process.stdout.readline())["event"] == "up"
            yield process
        finally:
            process.kill()
            process.wait()
            settings = desk.state / "settings.toml"
            settings.write_text(settings.read_text().replace("inference_every_min = 60\n", ""))


def test_hops_up_serves_alone_does_what_others_ask_and_ends_in_order(hops, own_loaded):
    state = ("--state", own_loaded.state)
    with up(own_loaded) as serving:
        second = hops("up", *state)
        schedule = hops("schedule", *state, "--json").document
        asked = run_daily(hops, own_loaded, "--json")
        resumed = hops("runs", "resume", *state)
        serving.send_signal(signal.SIGTERM)
        told = [json.loads(line) for line in serving.stdout]
        exit_code = serving.wait()

    for refused in (second, resumed):
        assert refused.exit_code == 8
        assert refused.message.endswith(f"is in use by process {serving.pid} hops-up.")
    assert schedule["is_up"]
    assert [one["run_type"] for one in schedule["schedules"]] == ["daily", "weekly_train", "inference"]
    assert (asked.exit_code, asked.document["status"]) == (0, "SUCCEEDED")
    run_id = asked.document["run_id"]
    assert ended(told, run_id)["status"] == "SUCCEEDED"
    assert (told[-1]["event"], run_id in told[-1]["left"], exit_code) == ("down", False, 0)


def test_what_hops_up_refuses_is_said_to_who_asked(hops, failed):
    desk, before = failed
    run_id = before["run_id"]
    with up(desk):
        redriven = hops("redrive", run_id, "--state", desk.state, "--json")
        refused = hops("redrive", run_id, "--state", desk.state)

    assert redriven.document["status"] == "SUCCEEDED"
    assert (refused.exit_code, refused.message) == (4, f"run {run_id} succeeded; only others are redriven.")


@pytest.mark.parametrize("stored", DATABASES, indirect=True)
def test_a_platform_killed_in_the_middle_of_a_run_finishes_it_when_it_is_up_again(hops, stored):
    with up(stored) as killed, start_daily(stored) as asking:
        run_id = begun(stored, "ChoosePath")  # killed once who asked has been told of the run
        os.kill(killed.pid, signal.SIGKILL)
        _, told = asking.communicate()

    listed = hops("runs", "list", "--state", stored.state, "--json").document["runs"]
    with up(stored) as again:
        end = ended(map(json.loads, again.stdout), run_id)
    record = json.loads(record_of(stored, run_id).read_text())

    assert (asking.returncode, told.splitlines()[0]) == (8, f"hops: `hops up` has ended, and run {run_id} has not.")
    assert [run["status_now"] for run in listed if run["run_id"] == run_id] == ["RUNNING (left)"]
    assert end["status"] == "SUCCEEDED"
    assert len(record["resumed_at"]) == 1


# Without one


def test_of_two_who_run_at_once_the_second_is_told_who_does_and_either_can_stop_it(hops, own_loaded):
    with lock_state(own_loaded.state), start_daily(own_loaded) as first:  # whose jobs wait for this process
        run_id = begun(own_loaded, "ChoosePath")
        second = run_daily(hops, own_loaded)
        stopping = hops("runs", "stop", "last", "--state", own_loaded.state)
        _, told = first.communicate(timeout=WITHIN_S)
    shown = hops("runs", "show", run_id, "--state", own_loaded.state, "--json").document

    assert (second.exit_code, second.out) == (8, "")
    assert second.message.startswith(f"{own_loaded.state} is in use by process {first.pid}")
    assert (stopping.exit_code, stopping.out.startswith(f"{run_id} is being stopped; ")) == (0, True)
    assert (first.returncode, shown["status"]) == (5, "ABORTED")
    assert f"run {run_id}" in told


def test_a_run_that_was_stopped_goes_on_when_it_is_redriven(hops, own_loaded):
    with lock_state(own_loaded.state), start_daily(own_loaded) as stopped:
        run_id = begun(own_loaded, "ChoosePath")
        hops("runs", "stop", run_id, "--state", own_loaded.state)
        stopped.communicate(timeout=WITHIN_S)

    redriven = hops("redrive", run_id, "--state", own_loaded.state, "--json")

    assert (redriven.exit_code, redriven.document["status"]) == (0, "SUCCEEDED")


# Schedules


def test_the_schedules_show_what_is_due_how_the_last_run_went_and_what_became_of_the_others(hops, own_loaded):
    run_id = run_daily(hops, own_loaded, "--json").document["run_id"]
    counts = {"daily": (40, 0, 2), "inference": (3800, 17, 5)}
    told = {
        name: {"until": "2026-03-04T15:00:00+00:00", "started": started, "skipped": skipped, "missed": missed}
        for name, (started, skipped, missed) in counts.items()
    }
    (own_loaded.state / "ops" / "schedule.json").write_text(json.dumps(told))

    document = hops("schedule", "--state", own_loaded.state, "--json").document
    shown = hops("schedule", "--state", own_loaded.state).out

    found = {one["run_type"]: one for one in document["schedules"]}
    assert (document["zone"], document["is_up"]) == ("America/Sao_Paulo", False)
    assert {name: tuple(one[what] for what in ("started", "skipped", "missed")) for name, one in found.items()} == (
        counts | {"weekly_train": (0, 0, 0)}
    )
    assert [(one["last_run"], one["last_status"]) for one in found.values()] == [
        (run_id, "SUCCEEDED"),
        ("", ""),
        ("", ""),
    ]
    due = {name: datetime.fromisoformat(one["next_due"]) for name, one in found.items()}
    assert all(instant > datetime.now(instant.tzinfo) for instant in due.values())
    assert found["daily"]["next_local"].endswith(" 04:00")
    assert (found["weekly_train"]["next_local"][:3], found["weekly_train"]["next_local"][-5:]) == ("Sun", "05:00")
    assert due["inference"].minute in (0, 15, 30, 45)
    assert "3,800" in shown
    assert shown.splitlines()[-1] == "nobody keeps them: start `hops up`"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (["--from", "2026-03-05", "--to", "2026-03-04"], 2, "2026-03-04 is before --from 2026-03-05"),
        (["--from", "5 March", "--to", "2026-03-05"], 2, "'5 March' is not a day; write 2017-12-31"),
        (["--from", "2026-03-05"], 2, "--to"),
        (["--from", "2026-03-05", "--to", "2026-03-05"], 3, "is not a state directory."),
        (["--from", "2026-03-05", "--to", "2026-03-05", "--site", "none.toml"], 3, "none.toml does not exist."),
        ([*A_DAY, "--replay", "a.csv"], 2, "give the feed file by which the files are read"),
        ([*A_DAY, "--feed", "a.toml"], 2, "'a.toml' is not encounters or events; a feed file goes with --replay"),
        ([*A_DAY, "a.csv"], 2, "a.csv goes with --replay"),
        ([*A_DAY, "--replay", "a.csv", "--feed", "a.toml", "--scenario", "b.toml"], 2, "is of a synthetic hospital"),
        ([*A_DAY, "--replay", "a.csv", "--feed", "a.toml"], 3, "is not a state directory."),
        ([*A_DAY, "--site", SYNTHETIC_SITE, "--replay", "a.csv", "--feed", "a.toml"], 3, "a.toml does not exist."),
        ([*A_DAY, "--site", SKANE[0], "--replay", "a.csv", "--feed", SKANE[1]], 3, "a.csv does not exist."),
        ([*A_DAY, "--site", SKANE[0], "--replay", SKANE[2], "--feed", SKANE[1]], 3, "nothing new comes between"),
    ],
)
def test_days_that_cannot_go_by_say_why_and_leave_no_trace(hops, tmp_path, arguments, exit_code, says):
    outcome = hops("simulate", *arguments, "--state", tmp_path / "drill")

    assert (outcome.exit_code, outcome.out) == (exit_code, "")
    assert says in outcome.err
    assert not (tmp_path / "drill").exists()


@pytest.mark.slow
def test_a_day_that_goes_by_has_every_tick_and_its_daily_run(hops, tmp_path):
    drill = tmp_path / "drill"
    drill.mkdir()
    (drill / "settings.toml").write_text("inference_every_min = 60\n")
    days = ("--from", "2026-03-05", "--to", "2026-03-05")

    outcome = hops("simulate", *days, "--site", SYNTHETIC_SITE, "--every", 60, "--state", drill, "--json")

    assert outcome.exit_code == 0, outcome.err
    assert outcome.document["runs"] == {
        "inference": {"started": 24, "SUCCEEDED": 24},
        "daily": {"started": 1, "SUCCEEDED": 1},
    }
    assert outcome.document["unsuccessful"] == []
    assert outcome.document["delivered"]["refused"] == []
    assert len(list(drill.glob("raw/*/*/*.json"))) > 20


@pytest.mark.slow
def test_a_day_of_files_of_ones_own_goes_by_and_people_are_told_what_came(hops, tmp_path):
    drill = tmp_path / "drill"
    drill.mkdir()
    (drill / "settings.toml").write_text("inference_every_min = 60\n")
    (tmp_path / "site.toml").write_text(hospital.SITE)
    (tmp_path / "visits.toml").write_text(hospital.VISITS)
    for name, days in (("a.csv", (3, 4)), ("b.csv", (5, 6))):
        rows = [
            hospital.visit(f"V-{day}-{n}", f"2026-03-0{day}T0{n}:00:00", changed="") for day in days for n in range(9)
        ]
        hospital.write_rows(tmp_path / name, rows)
    options = ("--site", tmp_path / "site.toml", "--feed", tmp_path / "visits.toml", "--state", drill)

    told = hops("simulate", *A_DAY, *options, "--replay", tmp_path / "a.csv", tmp_path / "b.csv")
    status = hops("status", "--state", drill, "--json").document

    assert told.exit_code == 0, told.err
    assert (
        "replayed 27 of 36 records in 10 deliveries, every 60 min; 18 of the time before, with the first; "
        "9 come later than these days"
    ) in told.out
    (account,) = status["feeds"]
    assert (account["delivered"], account["applied"]) == (27, 27)


@pytest.mark.slow
def test_three_days_of_a_year_of_visits_go_by_and_every_record_is_accounted_for(hops, tmp_path):
    drill = tmp_path / "drill"
    drill.mkdir()
    (drill / "settings.toml").write_text("inference_every_min = 60\n")
    site, feed, year = SKANE
    days = ("--from", "2017-03-24", "--to", "2017-03-26")
    options = ("--site", site, "--feed", feed, "--every", 60, "--state", drill, "--json")

    outcome = hops("simulate", *days, *options, "--replay", year)

    assert outcome.exit_code == 0, outcome.err
    # On the last day the clocks skip an hour.
    assert {name: counts["SUCCEEDED"] for name, counts in outcome.document["runs"].items()} == {
        "inference": 71,
        "daily": 3,
        "weekly_train": 1,
    }
    assert outcome.document["unsuccessful"] == []
    delivered, (account,) = outcome.document["delivered"], outcome.document["feeds"]
    # What is over after eleven in the evening of the last day comes at its midnight, which is the next day's.
    came, before = over_before("2017-03-26 23:00", year), over_before("2017-03-24 00:00", year)
    assert (delivered["replayed"], delivered["earlier"], delivered["records"]) == (came, before, 20353)
    assert account["delivered"] == came == account["applied"] + account["quarantined"]


def over_before(clock, year):
    """Return how many visits of the year were over before a time of the wall's clock."""
    with gzip.open(year, "rt", encoding="utf-8") as lines:
        return sum(row["exit_ed"] < clock for row in csv.DictReader(lines))


def test_a_store_of_steps_that_is_none_is_named_with_what_to_do_about_it(hops, own_loaded):
    (own_loaded.state / "runs.db").write_text("no database\n")

    outcome = hops("runs", "resume", "--state", own_loaded.state)

    assert (outcome.exit_code, "runs.db" in outcome.message) == (4, True)
    assert outcome.next_step.startswith("Take the file away")
