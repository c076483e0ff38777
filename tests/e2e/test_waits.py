"""How long patients wait: learnt on a Sunday, forecast each tick, shown, and judged by those who came."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta

import pytest

from e2e.command import run_hops
from healthcare_ops.core.tables import PREDICTION_SCORES, PREDICTIONS
from healthcare_ops.forecasting.champions import load_champion
from healthcare_ops.jobs import load_job
from healthcare_ops.jobs.context import Request
from hospital import open_hospital, visit

FIRST = datetime(2025, 12, 17)  # noqa: DTZ001  # the hospital's wall clock
NOW = "2026-02-15T00:00:00-03:00"
NEXT_DAY = "2026-02-16T00:00:00-03:00"
LATER_STILL = "2026-02-17T12:00:00-03:00"


def visits():
    """A visit an hour for 60 days, told about at once: a wait of half an hour, one in four of an hour.

    One patient comes at the last moment, and waits.
    """
    starts = [FIRST + timedelta(minutes=5, hours=hour) for hour in range(60 * 24)]
    rows = [visit(f"V-{start:%m-%d-%H}", start.isoformat(), changed=start) for start in starts]
    for row in random.Random(1).sample(rows, len(rows) // 4):
        row["care"] = row["arrival"] + timedelta(minutes=60)
    start = datetime.fromisoformat(NOW).replace(tzinfo=None)
    return [*rows, visit("V-LAST", start.isoformat(), care="", left="", changed=start)]


def later_visits():
    """Every hour of the day after: seen after 20 minutes, or after 90 by night; somebody leaves unseen at noon."""
    start = datetime.fromisoformat(NOW).replace(tzinfo=None)
    rows = [
        visit(f"L-{hour}", (start + timedelta(hours=hour, minutes=10)).isoformat(), changed=start) for hour in range(24)
    ]
    for hour, row in enumerate(rows):
        row["care"] = row["arrival"] + timedelta(minutes=90 if hour < 6 else 20)
    unseen = visit("L-LEFT", (start + timedelta(hours=12, minutes=30)).isoformat(), care="", changed=start)
    last = visit("V-LAST", start.isoformat(), care=start + timedelta(minutes=90))
    return [*rows, unseen, last]


def run(hospital, job, name):
    now = hospital.context.clock.now()
    return load_job(job)(hospital.context, Request(name, "daily", now.date()))


def predicted(hospital):
    run(hospital, "batch_predict", "tick")
    rows = [row for row in hospital.rows(PREDICTIONS) if row["metric"] == "wait"]
    return sorted(rows, key=lambda row: (row["sector_id"], row["horizon_h"]))


def scored(hospital, name):
    outcome = run(hospital, "monitor_models", name)
    rows = [row for row in hospital.rows(PREDICTION_SCORES) if row["metric"] == "wait"]
    return outcome, {(row["sector_id"], row["horizon_h"]): row for row in rows}, len(rows)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Return the hospital, its training, what it forecast, and the scores of the day after and later."""
    with open_hospital(tmp_path_factory.mktemp("waits"), NOW) as hospital:
        hospital.deliver("visits", visits(), "weeks.csv")
        hospital.refine()
        told = {"trained": run(hospital, "weekly_train", "sunday"), "predicted": predicted(hospital)}
        hospital.at(NEXT_DAY)
        hospital.deliver("visits", later_visits(), "later.csv")
        hospital.refine()
        hospital.at(NOW)
        told["again"] = predicted(hospital)
        hospital.at(NEXT_DAY)
        told["scored"] = scored(hospital, "monday")
        late = visit("L-LATE", "2026-02-15T08:30:00", care="2026-02-15T12:50:00", left="2026-02-15T15:00:00")
        hospital.at(LATER_STILL)
        hospital.deliver("visits", [late], "late.csv")
        hospital.refine()
        told["scored later"] = scored(hospital, "tuesday")
    return hospital, told


def test_a_training_says_which_sectors_have_no_waits_to_learn_from(story):
    hospital, told = story

    assert told["trained"]["is_promoted"]
    assert "ED wait" not in told["trained"]["sectors_without_model"]
    assert list(load_champion(hospital.context.objects).flow.waits.sectors) == ["ED"]


def test_how_long_a_patient_will_wait_is_forecast_for_each_hour(story):
    rows = story[1]["predicted"]

    assert [(row["sector_id"], row["horizon_h"]) for row in rows] == [
        (sector, lead) for sector in ("*", "ED") for lead in range(49)
    ]
    of_sector = [row for row in rows if row["sector_id"] == "ED"]
    assert all(row["q50"] == pytest.approx(30, abs=3) for row in of_sector)
    assert all(row["q90"] == pytest.approx(60, abs=6) for row in of_sector)
    # All are of level 3: an hour is its target, and nobody waits longer.
    assert all(0 <= row["breach_3"] < 0.1 for row in of_sector)
    assert all(row["breach_3"] is None for row in rows if row["sector_id"] == "*")
    # Of levels that nobody had, nobody knows.
    assert {row[f"breach_{level}"] for row in of_sector for level in (1, 2, 4, 5)} == {None}


def test_who_came_and_was_seen_after_a_forecast_had_no_say_in_it(story):
    _, told = story

    assert told["again"] == told["predicted"]


def test_the_waits_of_the_next_hours_are_shown_with_the_chance_of_a_breach(story):
    hospital, _ = story

    shown = run_hops("predict", "--state", hospital.state, "--as-of", NOW)

    title = "Minutes from arrival to care of a patient who arrives in the hour"
    waits = shown.out[shown.out.index(title) :]
    assert re.search(r"red > 0 +orange > 10 +yellow > 60 +green > 120 +blue > 240", waits)
    assert re.search(r"ED +\+4 h +02-15 04:00 +30 +60 +\d+ – \d+ +\d+% *\n", waits), waits
    assert re.search(r"all sectors +\+4 h +02-15 04:00 +30 +60 +\d+ – \d+ *\n", waits), waits


def test_a_model_tells_what_has_no_model_and_how_good_its_waits_were(story):
    hospital, _ = story

    shown = run_hops("models", "show", "--state", hospital.state)

    assert "without a model" in shown.out
    assert "Test of waits: patients from 2026-01-3" in shown.out


def test_each_forecast_of_a_wait_is_judged_once_by_those_who_came(story):
    _, (_, scores, rows) = story[0], story[1]["scored"]

    assert rows == len(scores)
    # The last hours are not told of to their end, or somebody waits still.
    assert {lead for sector, lead in scores if sector == "ED"} >= set(range(22))
    night, noon = scores["ED", 3], scores["ED", 12]
    assert (night["actual"], night["patients"], night["covered_share"]) == (90.0, 1, 0.0)
    assert (noon["actual"], noon["patients"], noon["unseen"]) == (20.0, 1, 1)
    assert night["brier"] > noon["brier"]
    assert scores["*", 12]["actual"] == 20.0


def test_a_late_record_changes_the_score_of_its_hour(story):
    _, told = story

    _, scores, rows = told["scored later"]

    assert rows == len(scores)
    assert told["scored"][1]["ED", 8]["actual"] == 20.0
    assert (scores["ED", 8]["actual"], scores["ED", 8]["patients"]) == ((20 + 260) / 2, 2)


def test_what_forecasts_of_waits_were_worth_is_measured_by_patients(story):
    hospital, told = story

    document = json.loads(hospital.context.objects.read(told["scored later"][0]["measures"]))

    (row,) = (
        row for row in document["measures"] if (row["metric"], row["sector_id"], row["horizon_h"]) == ("wait", "ED", 8)
    )
    assert (row["predictions"], row["patients"], row["breach_patients"], row["mape"]) == (1, 2, 2, None)
    assert row["brier"] == pytest.approx(0.5, abs=0.1)
    assert row["mase"] is not None
