from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pytest

from healthcare_ops.adapters.state_lock import Lock
from healthcare_ops.adapters.worker import Worker
from healthcare_ops.core.errors import ExitCode
from healthcare_ops.core.runs import Answer
from healthcare_ops.operations import worker as process
from healthcare_ops.operations.tasks import answer
from hospital import event, open_hospital, visit

NOW = "2026-03-23T06:20:00-03:00"
HOLD = """
import sys
from pathlib import Path
from healthcare_ops.adapters.state_lock import Lock, lock_state

with lock_state(Path(sys.argv[1]), Lock(sys.argv[2]), role="load"):
    print("held", flush=True)
    sys.stdin.read()
"""
# As suppliers break them, with the patient in the line at fault.
UNREADABLE = {
    "broken.ndjson": '{"id": "EVENT-1", "visit": "VISIT-SECRET", "patient": "PATIENT-SECRET", "code": "IN" oops}\n',
    "list.ndjson": '["EVENT-1", "VISIT-SECRET", "PATIENT-SECRET"]\n',
    "short.csv": "visit,patient,changed,arrival,care,left,place,level\nVISIT-SECRET,PATIENT-SECRET,2026\n",
    "quoted.csv": 'visit,patient,changed,arrival,care,left,place,level\nVISIT-SECRET,"PATIENT-SECRET,1,2,3,4,5,6\n',
}


def lambda_call(name, payload, run_id="daily-1"):
    parameters = {"FunctionName": name, "Payload": payload}
    call = {"resource": "arn:aws:states:::lambda:invoke", "parameters": parameters, "run_id": run_id}
    return call | {"as_of": "2026-03-23T09:20:00+00:00"}


def job_call(name, run_id="daily-1"):
    arguments = {"--run_id": run_id, "--type": "daily", "--run_date": "2026-03-22"}
    parameters = {"JobName": name, "Arguments": arguments}
    call = {"resource": "arn:aws:states:::glue:startJobRun.sync", "parameters": parameters, "run_id": run_id}
    return call | {"as_of": "2026-03-23T09:20:00+00:00"}


@contextmanager
def held(state, lock):
    command = [sys.executable, "-c", HOLD, str(state), str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
        holder.kill()


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """Return a hospital to which one visit was delivered."""
    with open_hospital(tmp_path_factory.mktemp("hospital"), NOW) as opened:
        opened.deliver("visits", [visit("V-1", "2026-03-22T10:00:00")], "a.csv")
        return opened.state


@pytest.fixture(scope="module")
def ask(hospital):
    """Return a function that has a real process answer a call."""
    worker = Worker([sys.executable, "-m", process.__name__, str(hospital), "--warm"])
    yield lambda call: Answer.of_json(worker.call(call, timeout_s=60, is_stopped=lambda: False))
    worker.close()


def log_of(state, run_id):
    return [json.loads(line) for line in (state / f"ops/logs/{run_id}.jsonl").read_text().splitlines()]


def test_the_process_tells_which_day_a_run_is_about(ask):
    answered = ask(lambda_call("resolve_run_date", {"input": {"type": "daily"}}))

    assert answered == Answer({"Payload": {"type": "daily", "run_date": "2026-03-22"}})


def test_the_process_does_a_job_and_tells_what_it_found(ask):
    answered = ask(job_call("ingest_bronze"))

    assert answered.failure is None
    assert answered.result == {"JobName": "ingest_bronze", "JobRunState": "SUCCEEDED"}
    assert answered.outcomes["ingest_bronze"]["records"] == 1


def test_what_nobody_foresaw_is_an_answer_and_the_process_does_the_next_call(ask):
    answers = [ask(lambda_call("make_coffee", {}, "odd-1")), ask(lambda_call("resolve_run_date", {}, "odd-1"))]

    assert (answers[0].failure.kind, answers[0].failure.reason) == ("StepError", "Unexpected")
    assert answers[1].failure is None


def test_a_run_for_whose_log_there_is_no_place_fails_with_an_answer(tmp_path):
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "logs").touch()

    failure = Answer.of_json(process._answer(tmp_path, lambda_call("resolve_run_date", {}))).failure

    assert failure.error_class == "permanent"
    assert str(tmp_path / "ops" / "logs") in failure.message


def test_the_log_of_a_run_has_one_object_a_line_that_names_run_and_job(ask, hospital):
    for name in ("resolve_run_date", "make\ncoffee"):
        ask(lambda_call(name, {"input": {}}, "logged-1"))
    ask(job_call("dq_check", "logged-1"))

    lines = log_of(hospital, "logged-1")
    assert {line["run_id"] for line in lines} == {"logged-1"}
    jobs = [line["job"] for line in lines]
    assert list(dict.fromkeys(jobs)) == ["resolve_run_date", "make\ncoffee", "dq_check"]
    starts = [(line["level"], line["message"]) for line in lines if line["message"] == "started"]
    assert starts == [("INFO", "started")] * 3
    ends = [line["message"] for line in lines if " after " in line["message"]]
    assert [end.split(" after ")[0] for end in ends] == ["ended", "failed", "ended"]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    (failed,) = [line for line in lines if line["level"] == "ERROR" and " after " in line["message"]]
    assert failed["place"].startswith("operations/tasks.py:")
    assert all(re.fullmatch(r"[a-z_/]+\.py:\d+", line["place"]) for line in lines)


def test_a_site_file_at_fault_stops_the_run_at_the_door(tmp_path):
    with open_hospital(tmp_path, NOW) as opened:
        state = opened.state
    (state / "site.toml").write_text('facility_id = "h"\nname = "Hospital"\nzone = "Mars/Olympus"\n')

    failure = Answer.of_json(process._answer(state, lambda_call("resolve_run_date", {"input": {}}))).failure

    assert (failure.kind, failure.reason, failure.error_class) == ("ConfigError", "Config", "permanent")
    assert failure.error.exit_code is ExitCode.CONFIG
    assert "zone 'Mars/Olympus' is not an IANA time zone" in failure.message


@pytest.mark.parametrize("name", UNREADABLE)
def test_no_patient_of_a_delivery_appears_in_the_log_even_if_it_cannot_be_read(tmp_path, name):
    with open_hospital(tmp_path, NOW) as opened:
        good, bad = ("ok.ndjson", "flow") if name.endswith("csv") else ("ok.csv", "visits")
        rows = [event("SECRET", "IN", "2026-03-22T10:00:00")] if bad == "flow" else [visit("SECRET", "2026-03-22")]
        opened.deliver(bad, rows, good)
        path = tmp_path / "inbox" / name
        path.write_text(UNREADABLE[name])
        opened.redeliver("visits" if name.endswith("csv") else "flow", path)
        state = opened.state

    answered = Answer.of_json(process._answer(state, job_call("ingest_bronze")))

    log = (state / "ops/logs/daily-1.jsonl").read_text()
    assert answered.failure.reason == "Data"
    assert name in log
    assert "SECRET" not in log
    assert "SECRET" not in answered.failure.message


@pytest.mark.parametrize(
    "error",
    [
        duckdb.ConversionException("Conversion Error: Could not convert string 'PATIENT-SECRET' to INT32"),
        pa.ArrowInvalid('CSV conversion error to int64: invalid value "PATIENT-SECRET"'),
        ValueError("conversion: invalid literal for int() with base 10: 'PATIENT-SECRET'"),
        ValueError("can't do the conversion of 'PATIENT-SECRET'"),
        UnicodeDecodeError("conversion", b"PATIENT-SECRET", 0, 7, "conversion failed"),
    ],
    ids=["DuckDB", "Arrow", "Python", "an apostrophe", "bytes"],
)
def test_what_an_engine_quotes_from_the_data_is_told_to_nobody(error, caplog):
    @contextmanager
    def opened():
        raise error
        yield

    failure = answer(job_call("ingest_bronze"), opened()).failure

    assert failure.message.startswith(type(error).__name__)
    assert "onversion" in failure.message
    assert "SECRET" not in failure.message + caplog.text


def test_a_lake_that_another_process_holds_fails_the_call_for_now(hospital, monkeypatch):
    monkeypatch.setattr(process, "_PATIENCE_S", 0.0)

    with held(hospital, Lock.LAKE) as pid:
        answered = Answer.of_json(process._answer(hospital, job_call("ingest_bronze", "locked-1")))

    assert (answered.result, answered.failure.reason, answered.failure.is_transient) == (None, "Locked", True)
    assert f"in use by process {pid} load" in answered.failure.message
    assert log_of(hospital, "locked-1")[-1]["level"] == "ERROR"


def test_a_call_that_writes_nothing_does_not_wait_for_the_lake(hospital, monkeypatch):
    monkeypatch.setattr(process, "_PATIENCE_S", 0.0)

    with held(hospital, Lock.LAKE):
        answered = Answer.of_json(process._answer(hospital, lambda_call("resolve_run_date", {"input": {}}, "read-1")))

    assert answered.failure is None


def test_training_waits_for_other_training_and_not_for_the_lake(hospital, monkeypatch):
    monkeypatch.setattr(process, "_PATIENCE_S", 0.0)
    refused = {}

    for lock in (Lock.LAKE, Lock.MODELS):
        with held(hospital, lock):
            failure = Answer.of_json(process._answer(hospital, job_call("weekly_train", "train-1"))).failure
        refused[lock] = failure is not None and failure.reason == "Locked"

    assert refused == {Lock.LAKE: False, Lock.MODELS: True}


def test_a_traceback_is_for_who_looks_closer_and_not_for_the_log(hospital, tmp_path):
    with (tmp_path / "said").open("w+") as said:
        with subprocess.Popen(
            [sys.executable, "-m", "healthcare_ops.operations.worker", str(hospital)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=os.environ | {"HOPS_LOG": "debug"},
        ) as worker:
            print(json.dumps(lambda_call("make_coffee", {}, "traced-1")), file=worker.stdin, flush=True)
            worker.stdout.readline()
            worker.stdin.close()
        traced = (tmp_path / "said").read_text()

    log = (hospital / "ops/logs/traced-1.jsonl").read_text()
    assert "Traceback" in traced
    assert "KeyError: 'make_coffee'" in traced
    assert "KeyError: …" in log
    assert "Traceback" not in log
    assert {line["level"] for line in log_of(hospital, "traced-1")} == {"INFO", "ERROR"}
