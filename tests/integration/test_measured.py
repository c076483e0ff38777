"""What runs leave in `ops/`: measures of what was done, and nothing of whom it was done to; and who watches them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fakes import FlakyLake
from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, MetricHistory
from healthcare_ops.core.emf import SeriesKey
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.metric_names import METRICS
from healthcare_ops.core.runs import log_key
from healthcare_ops.jobs import TICK_JOBS
from healthcare_ops.jobs.newest import FORECAST, delivery_of, newest, note_newest
from healthcare_ops.operations.alarms import Alarms
from healthcare_ops.operations.run_log import logging_to
from healthcare_ops.operations.watch import Watch
from hospital import open_hospital, visit
from runs import run_orchestrator

NOW = "2026-03-02T12:00:00-03:00"
PLANTED = "Maria-da-Silva"


@pytest.fixture
def hospital(tmp_path):
    with open_hospital(tmp_path, NOW) as opened:
        yield opened


def patients(hour, **different):
    """Return visits of somebody whose name stands in every text that names a visit or a patient."""
    usual = {"patient": PLANTED} | different
    return [visit(f"{PLANTED}-{n}", f"2026-03-02T{hour:02}:{n:02}:00") | usual for n in range(40)]


def measured(hospital):
    return MetricHistory(hospital.state / METRICS_FOLDER).since(hospital.context.clock.now() - timedelta(days=1))


def logged_run(hospital, context):
    """Carry out a tick and keep its log, as the worker process does."""
    with logging_to(hospital.state / log_key("inference-1"), "inference-1", "inference_tick"):
        return run_orchestrator(context, "inference")


def test_a_tick_measures_each_of_its_jobs_and_its_deliveries(hospital):
    hospital.deliver("visits", patients(9), "a.csv")

    finished = run_orchestrator(hospital.context, "inference")

    found = measured(hospital)
    assert finished.failure is None
    assert {key.dimensions[0][1] for key in found if key.metric == "JobSeconds"} == set(TICK_JOBS)
    assert found[SeriesKey("DQRecordsDelivered", (("FeedId", "visits"),))].values == [40.0]
    assert newest(hospital.context.objects, delivery_of("visits")) == hospital.context.clock.now()


def test_a_failure_that_is_caught_is_counted(hospital):
    hospital.deliver("visits", patients(9), "a.csv")
    context = replace(hospital.context, lake=FlakyLake(hospital.context.lake, ZeroDivisionError("by nothing")))

    run_orchestrator(context, "inference")

    assert measured(hospital)[SeriesKey("FailuresCaught")].values == [1.0]


# Identifiers in the place of what the product expects, where a message about them is likeliest.
HOSTILE = {
    "well": {},
    "a sector": {"place": PLANTED},
    "a level": {"level": PLANTED},
    "a time": {"arrival": PLANTED},
    "times reversed": {"left": datetime(2020, 1, 1, tzinfo=UTC)},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_no_name_of_a_patient_reaches_what_runs_log_and_measure(hospital, what):
    hospital.deliver("visits", patients(9, **HOSTILE[what]), "a.csv")

    finished = logged_run(hospital, hospital.context)

    files = [path for path in (hospital.state / "ops").rglob("*") if path.is_file()]
    folders = Counter(path.relative_to(hospital.state / "ops").parts[0] for path in files)
    assert folders["metrics"] == 1
    assert folders["runs"] == 1
    assert (finished.failure is None) == (what == "well")
    assert [str(path) for path in files if PLANTED in path.read_text()] == []


def test_every_dimension_has_a_value_of_the_configuration_or_the_product(hospital):
    hospital.deliver("visits", patients(9), "a.csv")
    run_orchestrator(hospital.context, "inference")

    text = hospital.context.objects.read(f"{METRICS_FOLDER}/{hospital.context.clock.now().date()}.jsonl").decode()

    known = {"run_id", "job", "_aws", *METRICS}
    lines = [json.loads(line) for line in text.splitlines()]
    assert {name for line in lines for name in line} - known == {"FeedId", "Job"}
    assert {line["FeedId"] for line in lines if "FeedId" in line} == {"visits", "flow"}


def test_who_watches_measures_every_five_minutes_and_lets_old_days_go(hospital):
    now = hospital.context.clock.now()
    hospital.context.secrets.put("smtp", b"x")
    old = hospital.state / METRICS_FOLDER / "2026-01-30.jsonl"
    old.parent.mkdir(parents=True)
    old.write_text("")
    watch = Watch(hospital.state)

    for minute in range(11):
        watch(now + timedelta(minutes=minute), {})

    found = measured(hospital)
    assert len(found[SeriesKey("EvaluatorBeat")].values) == 11
    assert found[SeriesKey("SecretAgeDays", (("SecretName", "smtp"),))].values == [0.0, 0.0, 0.01]
    assert len(found[SeriesKey("TrainOverdueHours")].values) == 3
    assert not old.exists()


def rung(events):
    return [(event["alarm"], *event["of"].values(), event["state"]) for event in events if event["state"] == "ALARM"]


def test_a_platform_that_was_down_for_an_hour_says_so_when_it_is_up_again(hospital):
    now = hospital.context.clock.now()
    Watch(hospital.state)(now, {})

    events = list(Watch(hospital.state)(now + timedelta(hours=1), {}))
    soon = list(Watch(hospital.state)(now + timedelta(hours=1, minutes=5), {}))

    assert rung(events) == [("EvaluatorSilent", "ALARM")]
    assert [event["state"] for event in events if event["alarm"] == "EvaluatorSilent"] == ["ALARM", "OK"]
    assert rung(soon) == []


def test_a_new_platform_rings_for_nothing(hospital):
    assert rung(Watch(hospital.state)(hospital.context.clock.now(), {})) == []


def test_who_cannot_measure_is_found_silent(hospital):
    now = hospital.context.clock.now()
    Watch(hospital.state)(now, {})
    (hospital.state / "settings.toml").write_text("keep_metrics_days = 1\n")
    watch = Watch(hospital.state)

    for minutes in (6, 12, 18):
        with pytest.raises(ConfigError, match="keep_metrics_days"):
            watch(now + timedelta(minutes=minutes), {})

    standings = Alarms(hospital.state).look(now + timedelta(minutes=18))
    assert [one.alarm.alarm_name for one in standings if one.judgement.state == "ALARM"] == ["EvaluatorSilent"]


def test_a_feed_that_stops_and_a_forecast_that_is_not_made_ring(hospital):
    now = hospital.context.clock.now()
    hospital.deliver("visits", patients(9), "a.csv")
    run_orchestrator(hospital.context, "inference")
    note_newest(hospital.context.objects, FORECAST, now)
    watch = Watch(hospital.state)

    rang = {
        minutes: rung(watch(now + timedelta(minutes=minutes), {})) for minutes in (0, 15, 40, 50, 60, 180, 190, 200)
    }

    assert {minutes: events for minutes, events in rang.items() if events} == {
        50: [("InferenceStale", "ALARM")],
        200: [("FeedSilent", "visits", "ALARM")],
    }
