"""A hospital that has changed since its model learnt, and one whose data are at fault."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import numpy as np
import pytest

from e2e.command import run_hops
from healthcare_ops.jobs import load_job
from healthcare_ops.jobs.context import Request
from healthcare_ops.jobs.drift import drift_of
from hospital import SITE, open_hospital, visit

FIRST = datetime(2026, 1, 1)  # noqa: DTZ001  # the hospital's wall clock
LEARNT_DAYS, DAYS = 70, 84
NOW = "2026-03-26T00:10:00-03:00"


SCHOOL_HOLIDAY = """
[[events]]
name = "school_holiday"
days = [{days}]
"""
LEARNT, COMING = '"2026-01-29/2026-02-04"', '"2026-03-16/2026-03-25"'


def visits(first_day, last_day, mean):
    """Poisson arrivals with the rhythm of the day, told about at once."""
    rng = np.random.default_rng(first_day)
    rows = []
    for hour in range(first_day * 24, last_day * 24):
        rate = mean * (1 + 0.5 * np.sin(2 * np.pi * (hour % 24 - 9) / 24))
        starts = [FIRST + timedelta(hours=hour, minutes=int(m)) for m in rng.integers(0, 60, rng.poisson(rate))]
        rows += [visit(f"V-{hour}-{n}", start.isoformat(), changed=start) for n, start in enumerate(starts)]
    return rows


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """A hospital with 30 % more arrivals for two weeks, after its model had learnt."""
    with open_hospital(tmp_path_factory.mktemp("moved"), NOW) as opened:
        opened.deliver("visits", visits(0, LEARNT_DAYS, 4.0), "learnt.csv")
        opened.refine()
        train = load_job("weekly_train")
        train(opened.context, Request("sunday", "weekly_train", opened.context.clock.now().date()))
        opened.deliver("visits", visits(LEARNT_DAYS, DAYS, 5.2), "since.csv")
        opened.refine()
        yield opened


def test_a_hospital_that_has_changed_is_told_with_size_direction_and_day(hospital):
    verdict = drift_of(hospital.context)

    assert (verdict.kind, verdict.may_retrain) == ("real_change", True)
    arrivals = next(finding for finding in verdict.findings if finding.kind == "arrivals")
    assert arrivals.size == pytest.approx(0.3, abs=0.1)
    assert abs((arrivals.since - (FIRST + timedelta(days=LEARNT_DAYS)).date()).days) <= 3


def test_monitoring_writes_the_verdict_and_its_metrics(hospital):
    day = hospital.context.clock.now().date()

    told = load_job("monitor_models")(hospital.context, Request("daily-1", "daily", day))

    document = json.loads(hospital.context.objects.read(f"gold/drift/dt={day}/daily-1.json"))
    lines = hospital.context.objects.read(f"ops/metrics/{day}.jsonl").decode().splitlines()
    metrics = next(line for line in map(json.loads, lines) if "DriftRealChange" in line)
    assert told["drift"] == document["verdict"] == "real_change"
    assert document["findings"][0]["sentence"].startswith("arrivals of ")
    assert (metrics["DriftRealChange"], metrics["DriftDataFault"]) == (1.0, 0.0)
    assert metrics["FeatureDriftScore"] == pytest.approx(max(found["times_worth"] for found in document["findings"]))


def test_the_command_ends_with_a_code_of_its_own(hospital):
    plain = run_hops("drift", "--state", hospital.state, "--as-of", NOW)
    document = run_hops("drift", "--state", hospital.state, "--as-of", NOW, "--json").document

    assert plain.exit_code == 7
    assert "Drift on 2026-03-25: real change" in plain.out
    assert "The hospital has changed" in plain.out
    assert document["verdict"] == "real_change"


def test_while_data_quality_finds_a_fault_nothing_that_moved_is_learnt(hospital):
    day = hospital.context.clock.now().date()
    (newest, *_) = sorted(hospital.context.objects.list("gold/data_quality_runs/"), reverse=True)
    report = json.loads(hospital.context.objects.read(newest))
    report |= {
        "run_id": "daily-20260326T030000Z-a1",
        "written_at": "9999-01-01T00:00:00+00:00",  # the newest, whatever the clock of the machine
        "rules": [report["rules"][0] | {"rule_id": "clock.visits", "verdict": "fail"}],
    }
    key = f"gold/data_quality_runs/dt={day}/later.json"
    hospital.context.objects.write(key, json.dumps(report).encode())

    verdict = drift_of(hospital.context)
    trained = load_job("weekly_train")(hospital.context, Request("next", "weekly_train", day))

    assert (verdict.kind, verdict.may_retrain) == ("data_fault", False)
    assert not trained["is_promoted"]
    assert trained["reason"].startswith("the data are at fault: ")
    (hospital.state / key).unlink()


@pytest.mark.parametrize(("days", "kind"), [(f"{LEARNT}, {COMING}", "none"), (LEARNT, "real_change")])
def test_a_holiday_of_the_site_file_whose_like_the_model_knows_is_no_drift(tmp_path, days, kind):
    with open_hospital(tmp_path / "h", NOW, site=SITE + SCHOOL_HOLIDAY.format(days=days)) as opened:
        for first, last, mean in ((0, 28, 5.0), (28, 35, 3.5), (35, LEARNT_DAYS, 5.0)):
            opened.deliver("visits", visits(first, last, mean), f"{first}.csv")
        opened.refine()
        train = load_job("weekly_train")
        train(opened.context, Request("sunday", "weekly_train", opened.context.clock.now().date()))
        for first, last, mean in ((LEARNT_DAYS, 74, 5.0), (74, DAYS, 3.7)):
            opened.deliver("visits", visits(first, last, mean), f"{first}.csv")
        opened.refine()

        verdict = drift_of(opened.context)

    assert verdict.kind == kind
