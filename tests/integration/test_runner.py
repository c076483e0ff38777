from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from fakes import FlakyLake, VirtualTime
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.errors import ExitCode, TransientError
from healthcare_ops.core.tables import (
    ENCOUNTERS,
    ENCOUNTERS_RAW,
    HOSPITAL,
    OPS_METRICS_HOURLY,
    PREDICTION_SCORES,
    PREDICTIONS,
)
from healthcare_ops.jobs import dq_check
from healthcare_ops.jobs.context import Request
from healthcare_ops.operations import bulk
from hospital import open_hospital, visit
from runs import JobsHere, run_orchestrator

NOW = "2026-03-23T06:20:00-03:00"
YESTERDAY = date(2026, 3, 22)
REFINE = ["RunBronzeIngest", "RunBronzeToSilver", "RunDQ", "RunSilverToGold", "BuildFeatures", "ChooseRun"]
BUSY = TransientError("another writer changed bronze.encounters_raw first.", next_step="Run it again.")


@pytest.fixture
def hospital(tmp_path):
    with open_hospital(tmp_path, NOW) as opened:
        yield opened


@pytest.fixture
def time():
    return VirtualTime()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """Return a hospital to which nothing is delivered."""
    with open_hospital(tmp_path_factory.mktemp("quiet"), NOW) as opened:
        yield opened


def resolve(context, given):
    """Return what the first state of a run makes of its input."""
    parameters = {"FunctionName": "resolve_run_date", "Payload": {"input": given}}
    call = {"resource": "arn:aws:states:::lambda:invoke", "parameters": parameters, "run_id": "run", "as_of": ""}
    return JobsHere(context).answer(call, timeout_s=60, is_stopped=lambda: False)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """Return a hospital, a tick over good data, what gold then held, and a daily run over data that break a rule."""
    with open_hospital(tmp_path_factory.mktemp("spoilt"), NOW) as hospital:
        hospital.deliver("visits", last_visits(1), "a.csv")
        tick = run_orchestrator(hospital.context, "inference")
        gold = hospital.files(OPS_METRICS_HOURLY)
        hospital.deliver("visits", [visit(f"SOON-{n}", "2026-03-25T10:00:00") for n in range(3)], "soon.csv")
        yield hospital, tick, gold, run_orchestrator(hospital.context, "daily")


def states(finished):
    return [state.name for state in finished.record.states]


def stored(hospital, finished):
    return json.loads(hospital.context.objects.read(finished.record.key))


def last_visits(days):
    """Return four visits on each of the last days before NOW, the newest an hour ago."""
    return [
        visit(f"V-{day}-{hour}", f"{datetime(2026, 3, 22, tzinfo=UTC).date() - timedelta(days=day)}T{hour:02d}:10:00")
        for day in range(days)
        for hour in (0, 8, 13, 18)
    ] + [visit("V-NOW", "2026-03-23T05:10:00", care="2026-03-23T05:20:00", left="2026-03-23T06:10:00")]


# A tick


def test_a_tick_takes_what_came_to_gold_in_one_state(spoilt):
    _, finished, gold, _ = spoilt

    assert (finished.exit_code, finished.record.status, finished.record.run_date) == (
        ExitCode.OK,
        "SUCCEEDED",
        "2026-03-23",
    )
    assert states(finished) == ["ResolveRunDate", "ChoosePath", "RunInferenceTick"]
    assert list(finished.record.outcomes) == [
        "ingest_bronze",
        "bronze_to_silver",
        "dq_check",
        "silver_to_gold",
        "build_features",
        "batch_predict",
    ]
    assert finished.record.outcomes["ingest_bronze"]["records"] == 5
    assert set(gold) == {22, 23}


def test_a_tick_in_which_nothing_came_touches_no_day(quiet):
    finished = run_orchestrator(quiet.context, "inference")

    days = {job: outcome.get("days", 0) for job, outcome in finished.record.outcomes.items()}
    assert (finished.record.status, set(days.values())) == ("SUCCEEDED", {0})


def test_what_is_transient_is_tried_again_and_the_run_succeeds(hospital, time):
    hospital.deliver("visits", last_visits(1), "a.csv")
    context = replace(hospital.context, lake=FlakyLake(hospital.context.lake, BUSY, BUSY))

    finished = run_orchestrator(context, "inference", time=time)

    tick = finished.record.states[-1]
    assert (finished.record.status, finished.exit_code) == ("SUCCEEDED", ExitCode.OK)
    assert [attempt.error for attempt in tick.attempts] == ["TransientError", "TransientError", None]
    assert tick.attempts[0].cause == (
        "ingest_bronze: another writer changed bronze.encounters_raw first. Next: Run it again."
    )
    assert sum(time.slept_s) == 5 + 10
    assert len(hospital.rows(ENCOUNTERS)) == 5


def test_what_stays_transient_fails_after_the_third_try(hospital, time):
    hospital.deliver("visits", last_visits(1), "a.csv")
    context = replace(hospital.context, lake=FlakyLake(hospital.context.lake, BUSY, BUSY, BUSY))

    finished = run_orchestrator(context, "inference", time=time)

    assert (finished.record.status, finished.exit_code) == ("FAILED", ExitCode.STEP_FAILED)
    assert (finished.record.error, len(finished.record.states[2].attempts)) == ("TransientError", 3)
    assert states(finished)[-2:] == ["OpenIncident", "PipelineFailed"]
    assert hospital.rows(ENCOUNTERS_RAW) == []


def test_a_file_that_cannot_be_read_fails_the_run_once_and_names_job_and_line(hospital, time):
    path = hospital.deliver("visits", [], "bad.csv")
    path.write_text("visit,patient,changed,arrival,care,left,place,level\n1,2,3\n")
    bulk.land(hospital.platform, hospital.context.feeds["visits"], {path: bulk.sha256_of(path)})

    finished = run_orchestrator(hospital.context, "inference", time=time)

    assert states(finished) == [
        "ResolveRunDate",
        "ChoosePath",
        "RunInferenceTick",
        "OpenIncident",
        "PipelineFailed",
    ]
    assert (finished.record.status, finished.record.error) == ("FAILED", "States.TaskFailed")
    assert finished.record.cause.startswith("Data: ingest_bronze: bad.csv, line 2")
    assert (finished.exit_code, time.slept_s) == (ExitCode.STEP_FAILED, [])
    assert stored(hospital, finished)["cause"] == finished.record.cause


def test_data_that_fails_a_rule_opens_an_incident_and_leaves_gold_as_it_was(spoilt):
    hospital, _, gold, finished = spoilt

    assert states(finished) == [
        "ResolveRunDate",
        "ChoosePath",
        "RunBronzeIngest",
        "RunBronzeToSilver",
        "RunDQ",
        "OpenIncident",
        "PipelineFailed",
    ]
    assert (finished.record.status, finished.exit_code) == ("FAILED", ExitCode.QUALITY_FAILED)
    assert finished.record.cause.startswith("DataQuality: dq_check: rule encounters.arrival_time.range: 3 of ")
    assert hospital.files(OPS_METRICS_HOURLY) == gold
    (report,) = hospital.context.objects.list(f"gold/data_quality_runs/dt=2026-03-22/{finished.record.run_id}")
    assert str(hospital.state / report) in finished.record.cause


def test_an_incident_is_opened_with_the_facts_of_the_failure(hospital, caplog):
    hospital.deliver("visits", [visit(f"SOON-{n}", "2026-03-25T10:00:00") for n in range(3)], "soon.csv")

    finished = run_orchestrator(hospital.context, "inference")

    (line,) = (record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert line.startswith(f"run {finished.record.run_id} failed: ")
    assert "dq_check" in line


def test_the_record_of_a_run_is_stored_at_each_state(hospital):
    seen = []

    def look(state):
        keys = hospital.context.objects.list("ops/runs/")
        records = [json.loads(hospital.context.objects.read(key)) for key in keys]
        seen.append((state, [(record["status"], [s["name"] for s in record["states"]]) for record in records]))

    finished = run_orchestrator(hospital.context, "daily", progress=look)

    visited = states(finished)
    assert seen == [(visited[0], [])] + [
        (state, [("RUNNING", visited[:number])]) for number, state in enumerate(visited) if number
    ]
    final = stored(hospital, finished)
    assert (final["status"], [state["name"] for state in final["states"]]) == ("SUCCEEDED", visited)
    assert final["as_of"] == "2026-03-23T09:20:00+00:00"
    assert final["run_id"].startswith("daily-20260323T092000Z-")
    assert all(state["entered_at"] <= state["exited_at"] for state in final["states"])


def test_two_runs_at_one_instant_keep_two_records(hospital):
    runs = [run_orchestrator(hospital.context, "inference").record.run_id for _ in range(2)]

    assert len(set(runs)) == 2
    assert hospital.context.objects.list("ops/runs/") == sorted(f"ops/runs/{run}.json" for run in runs)


# What a run is about


@pytest.mark.parametrize(
    ("given", "resolved"),
    [
        (None, {"type": "daily", "run_date": "2026-03-22"}),
        ({}, {"type": "daily", "run_date": "2026-03-22"}),
        ({"type": ""}, {"type": "daily", "run_date": "2026-03-22"}),
        ({"type": "daily"}, {"type": "daily", "run_date": "2026-03-22"}),
        ({"type": "weekly_train"}, {"type": "weekly_train", "run_date": "2026-03-22"}),
        ({"type": "inference"}, {"type": "inference", "run_date": "2026-03-23"}),
        ({"run_date": "2026-03-01"}, {"type": "daily", "run_date": "2026-03-01"}),
        ({"type": "inference", "run_date": "2026-03-01"}, {"type": "inference", "run_date": "2026-03-01"}),
    ],
)
def test_an_input_that_leaves_things_out_means_daily_for_the_last_closed_day(quiet, given, resolved):
    assert resolve(quiet.context, given).result == {"Payload": resolved}


def test_the_last_closed_day_is_that_of_the_hospital_s_clock(quiet):
    minute_to_midnight = AsOfClock(datetime.fromisoformat("2026-03-23T02:59:00+00:00"))  # 22 March

    resolved = resolve(replace(quiet.context, clock=minute_to_midnight), {})

    assert resolved.result["Payload"]["run_date"] == "2026-03-21"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"type": "hourly"}, "type 'hourly' is not a run type"),
        ({"run_date": "22/03/2026"}, "run_date '22/03/2026' is not a day"),
        ({"run_date": "2026-02-30"}, "run_date '2026-02-30' is not a day"),
        ({"run_date": 5}, "run_date 5 is not a day"),
    ],
)
def test_an_input_that_means_nothing_is_refused_at_the_door(quiet, given, fault):
    refused = resolve(quiet.context, given)

    assert refused.result is None
    assert refused.failure.message.startswith(fault)
    assert (refused.failure.error_class, refused.failure.reason) == ("permanent", "Config")
    assert refused.failure.error.exit_code is ExitCode.CONFIG


def test_a_job_that_fails_in_a_way_nobody_thought_of_still_ends_the_run_in_order(hospital, caplog):
    hospital.deliver("visits", last_visits(1), "a.csv")
    context = replace(hospital.context, lake=FlakyLake(hospital.context.lake, ZeroDivisionError("by nothing")))

    finished = run_orchestrator(context, "inference")

    assert (finished.record.status, finished.exit_code) == ("FAILED", ExitCode.STEP_FAILED)
    assert finished.record.cause.startswith("Unexpected: ingest_bronze: ZeroDivisionError: by nothing")
    assert f"run {finished.record.run_id}: ZeroDivisionError: by nothing" in caplog.text


def test_a_hospital_whose_feed_files_are_gone_is_told_to_put_them_back(hospital):
    hospital.deliver("visits", last_visits(1), "a.csv")
    run_orchestrator(hospital.context, "inference")

    finished = run_orchestrator(replace(hospital.context, feeds={}), "daily")

    assert finished.exit_code is ExitCode.CONFIG
    assert finished.failure.next_step == "Put the files back into `feeds/` of the state directory."


# Days and weeks


@pytest.fixture(scope="module")
def week(tmp_path_factory):
    """Return a hospital after a weekly run and what followed it: two ticks at one instant, one later, a daily run."""
    with open_hospital(tmp_path_factory.mktemp("week"), NOW) as hospital:
        hospital.deliver("visits", last_visits(22), "a.csv")
        runs, predictions = {}, {}

        def run(name, run_type):
            runs[name] = run_orchestrator(hospital.context, run_type)
            predictions[name] = hospital.rows(PREDICTIONS)

        run("weekly", "weekly_train")
        run("same instant", "inference")
        hospital.at("2026-03-23T06:35:00-03:00")
        run("quarter later", "inference")
        hospital.at("2026-03-24T03:00:00-03:00")
        hospital.deliver("visits", [visit(f"V-{hour}", f"2026-03-23T{hour:02d}:10:00") for hour in (7, 8, 20)], "b.csv")
        run("daily", "daily")
        yield hospital, runs, predictions


def test_a_weekly_run_trains_and_then_predicts(week):
    _, runs, _ = week

    record = runs["weekly"].record
    assert (record.status, record.cause) == ("SUCCEEDED", "")
    assert states(runs["weekly"]) == [
        "ResolveRunDate",
        "ChoosePath",
        *REFINE,
        "WeeklyTrain",
        "BatchPredict",
        "MonitorModels",
    ]
    trained = record.outcomes["weekly_train"]
    assert (trained["is_promoted"], trained["sectors"]) == (True, ["ED"])
    predicted = record.outcomes["batch_predict"]
    assert (predicted["rows"], predicted["model_version"]) == (2 * 49, trained["version"])
    assert 0 <= predicted["data_age_h"] < 24
    assert predicted["withheld"] == {}


def test_a_daily_run_does_all_but_train(week):
    _, runs, _ = week

    assert runs["daily"].record.status == "SUCCEEDED"
    assert states(runs["daily"]) == ["ResolveRunDate", "ChoosePath", *REFINE, "BatchPredict", "MonitorModels"]


def test_a_prediction_reaches_from_the_next_full_hour_two_days_ahead(week):
    _, _, predictions = week

    both = predictions["weekly"]
    first = [row for row in both if (row["metric"], row["sector_id"]) == ("arrivals", "ED")]

    # Too few stays have ended to tell how long they last: no head counts.
    assert {(row["metric"], row["sector_id"], row["prediction_ts"].isoformat()) for row in both} == {
        ("arrivals", "ED", "2026-03-23T09:20:00"),
        ("arrivals", HOSPITAL, "2026-03-23T09:20:00"),
    }
    assert [(row["horizon_h"], row["target_time"]) for row in first] == [
        (lead, datetime.fromisoformat("2026-03-23T10:00:00") + timedelta(hours=lead)) for lead in range(49)
    ]
    assert all(row["data_as_of"] <= row["prediction_ts"] for row in first)
    assert all(row["q05"] <= row["q50"] <= row["q95"] for row in first)


def test_predicting_again_at_the_same_instant_replaces_and_at_another_adds(week):
    _, _, predictions = week

    assert predictions["same instant"] == predictions["weekly"]
    instants = [row["prediction_ts"].isoformat() for row in predictions["quarter later"]]
    assert {instant: instants.count(instant) for instant in instants} == {
        "2026-03-23T09:20:00": 2 * 49,
        "2026-03-23T09:35:00": 2 * 49,
    }


def test_what_the_forecasts_of_a_week_were_worth_is_written_down(week):
    hospital, runs, _ = week

    key = runs["daily"].record.outcomes["monitor_models"]["measures"]
    document = json.loads(hospital.context.objects.read(key))
    day = hospital.context.clock.now().date()
    lines = hospital.context.objects.read(f"ops/metrics/{day}.jsonl").decode().splitlines()

    first = document["measures"][0]
    assert (first["metric"], first["sector_id"], first["predictions"]) == ("arrivals", HOSPITAL, 2)
    assert first["mape_floor"] is None or first["mape_floor"] > 0
    assert sum(row["predictions"] for row in document["measures"]) == 2 * 32
    metrics = [line for line in map(json.loads, lines) if "HorizonH" in line]
    assert {line["HorizonH"] for line in metrics} == {"0", "1", "4"}
    assert {"ForecastWAPE", "ForecastMASE", "ForecastBias", "ForecastCoverage90"} & set(metrics[0])


def test_the_next_day_scores_each_prediction_whose_hour_has_passed_once(week):
    hospital, runs, _ = week

    scores = hospital.rows(PREDICTION_SCORES)

    keys = [tuple(row[name] for name in PREDICTION_SCORES.key) for row in scores]
    # Known until 23:10 on the 23rd: the hours 7 … 22, predicted twice, of the sector and of the hospital.
    assert (len(keys), len(set(keys))) == (2 * 32, 2 * 32)
    assert runs["daily"].record.outcomes["monitor_models"]["rows"] == 2 * 32
    arrived = [row for row in scores if row["metric"] == "arrivals" and row["actual"]]
    assert {row["target_time"].hour: row["actual"] for row in arrived} == {10: 1.0, 11: 1.0, 23: 1.0}


# Between data quality and gold


def test_what_another_run_brings_after_data_quality_has_passed_reaches_gold_only_once_it_passes_too(hospital):
    hospital.deliver("visits", last_visits(1), "a.csv")
    hospital.refine("ingest_bronze", "bronze_to_silver", "dq_check", days=[YESTERDAY])
    hospital.deliver("visits", [visit(f"SOON-{n}", "2026-03-25T10:00:00") for n in range(3)], "soon.csv")
    tick = run_orchestrator(hospital.context, "inference")

    with pytest.raises(TransientError, match=r"^silver changed after data quality judged it: silver.encounters, "):
        hospital.refine("silver_to_gold", days=[YESTERDAY])
    untouched = hospital.rows(OPS_METRICS_HOURLY)
    next_tick = run_orchestrator(hospital.context, "inference")
    corrected = [visit(f"SOON-{n}", "2026-03-22T10:00:00", changed="2026-03-27T10:00:00") for n in range(3)]
    hospital.deliver("visits", corrected, "corrected.csv")
    mended = run_orchestrator(hospital.context, "inference")
    hospital.refine("silver_to_gold", days=[YESTERDAY])

    assert [run.exit_code for run in (tick, next_tick)] == [ExitCode.QUALITY_FAILED] * 2
    assert (untouched, mended.exit_code) == ([], ExitCode.OK)
    assert sum(row["arrivals_count"] for row in hospital.rows(OPS_METRICS_HOURLY)) == 5 + 3


def test_a_run_goes_on_to_gold_when_another_has_brought_what_passes(hospital):
    hospital.deliver("visits", last_visits(1), "a.csv")
    hospital.refine("ingest_bronze", "bronze_to_silver", "dq_check", days=[YESTERDAY])
    hospital.deliver("visits", [visit("MORE", "2026-03-22T11:00:00")], "more.csv")
    run_orchestrator(hospital.context, "inference")

    hospital.refine("silver_to_gold", days=[YESTERDAY])

    assert sum(row["arrivals_count"] for row in hospital.rows(OPS_METRICS_HOURLY)) == 5 + 1


def test_what_changes_while_data_quality_is_judging_is_not_let_pass(hospital):
    hospital.deliver("visits", last_visits(1), "a.csv")
    hospital.refine("ingest_bronze", "bronze_to_silver")
    hospital.deliver("visits", [visit(f"SOON-{n}", "2026-03-25T10:00:00") for n in range(3)], "soon.csv")

    class Meanwhile:
        """The objects; while the report is written, silver takes the next delivery."""

        def __getattr__(self, name):
            return getattr(hospital.context.objects, name)

        def write(self, key, data):
            if key.startswith("gold/data_quality_runs/"):
                hospital.refine("ingest_bronze", "bronze_to_silver")
            hospital.context.objects.write(key, data)

    request = Request("daily-1", "daily", YESTERDAY)
    dq_check.run(replace(hospital.context, objects=Meanwhile()), request)

    with pytest.raises(TransientError, match="silver changed"):
        hospital.refine("silver_to_gold")
    assert hospital.rows(OPS_METRICS_HOURLY) == []
