"""What a training learns from stays what it was, and a past that was rewritten replaces nothing by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.tables import FEATURES, HOSPITAL, PREDICTIONS
from healthcare_ops.forecasting.champions import load_champion, standing
from healthcare_ops.forecasting.width import DayOfMisses
from healthcare_ops.jobs import load_job
from healthcare_ops.jobs.context import Request
from healthcare_ops.jobs.misses import KEY
from healthcare_ops.jobs.pins import find_pin, let_go, pin
from healthcare_ops.jobs.series import pinned_arrivals
from hospital import SITE, open_hospital, visit

FIRST = datetime(2026, 1, 1)  # noqa: DTZ001  # the hospital's wall clock
NOW = "2026-02-01T00:00:00-03:00"


def visits(days, each=1, *, name="V"):
    """`each` visits an hour, told about at once."""
    starts = [FIRST + timedelta(minutes=5 + 10 * nth, hours=hour) for hour in range(days * 24) for nth in range(each)]
    return [visit(f"{name}-{start:%m-%d-%H-%M}", start.isoformat(), changed=start) for start in starts]


def train(hospital, run_id):
    now = hospital.context.clock.now()
    return load_job("weekly_train")(hospital.context, Request(run_id, "weekly_train", now.date()))


@pytest.fixture
def hospital(tmp_path):
    with open_hospital(tmp_path, NOW) as opened:
        opened.deliver("visits", visits(31), "january.csv")
        opened.refine()
        yield opened


def test_a_run_that_is_taken_up_again_learns_from_what_it_began_with(hospital):
    first = train(hospital, "sunday")
    hospital.deliver("visits", visits(31, 2, name="W"), "late.csv")
    hospital.refine()

    again = train(hospital, "sunday")

    assert again["version"] == first["version"]
    assert load_champion(hospital.context.objects).manifest["pin"] == "train-sunday"


def test_a_past_that_was_rewritten_waits_for_a_person(hospital):
    first = train(hospital, "sunday")
    hospital.deliver("visits", visits(31, 2, name="W"), "late.csv")
    hospital.refine()

    second = train(hospital, "next-sunday")

    assert not second["is_promoted"]
    assert second["reason"].startswith("the past that the model in use learnt from was rewritten since, by 200.0%")
    found = standing(hospital.context.objects)
    assert (found.champion.version, found.challenger) == (first["version"], second["version"])


def test_who_is_there_and_who_waits_is_forecast_from_who_is_there_now(hospital):
    train(hospital, "sunday")

    load_job("batch_predict")(hospital.context, Request("tick", "inference", hospital.context.clock.now().date()))

    rows = [row for row in hospital.rows(PREDICTIONS) if row["sector_id"] == "ED"]
    expected = {(row["metric"], row["horizon_h"]): row["mean"] for row in rows}
    # Somebody comes every hour at five past, is seen after half an hour and stays for three: three are there, one of
    # whom came within the hour and is seen already; at the full hour nobody waits.
    assert [round(expected["occupancy", lead]) for lead in (0, 1, 4, 24)] == [3, 3, 3, 3]
    assert [round(expected["queue", lead]) for lead in (1, 4, 24)] == [0, 0, 0]
    assert all(row["data_as_of"] <= row["prediction_ts"] for row in rows)


def test_how_crowded_it_will_be_is_forecast_where_gold_tells_how_crowded_it_is(tmp_path):
    site = f"{SITE}\n[nedocs]\nassume_ventilated = 1\n"
    with open_hospital(tmp_path, NOW, site=site) as hospital:
        hospital.deliver("visits", visits(31), "january.csv")
        hospital.refine()
        train(hospital, "sunday")

        load_job("batch_predict")(hospital.context, Request("tick", "inference", hospital.context.clock.now().date()))

        rows = [row for row in hospital.rows(PREDICTIONS) if row["metric"] == "nedocs"]
        # Three are there for ten beds, one is ventilated, the last waited half an hour.
        usual = -20 + 85.8 * 3 / 10 + 13.4 + 5.64 * 0.5
    assert {row["sector_id"] for row in rows} == {HOSPITAL}
    assert [round(row["mean"]) for row in sorted(rows, key=lambda row: row["horizon_h"])] == [round(usual)] * 49


def predicted(hospital, misses):
    """Return the forecasts of a tick that finds these misses kept."""
    hospital.context.objects.write(KEY, json.dumps({"days": [one.to_dict() for one in misses]}).encode())
    load_job("batch_predict")(hospital.context, Request("tick", "inference", hospital.context.clock.now().date()))
    rows = [row for row in hospital.rows(PREDICTIONS) if row["metric"] in {"occupancy", "queue"}]
    return sorted(rows, key=lambda row: (row["metric"], row["sector_id"], row["horizon_h"]))


def misses(first, last, share):
    """Return days of the last week of January (1: Monday 26) of which such a share of occupancy forecasts missed."""
    days = [date(2026, 1, 25) + timedelta(days=number) for number in range(first, last + 1)]
    return [DayOfMisses("occupancy", "ED", day, 1000, 1000 * share) for day in days]


def test_a_sector_whose_intervals_missed_too_much_has_wider_ones_and_no_other(hospital):
    train(hospital, "sunday")

    plain, wider = predicted(hospital, []), predicted(hospital, misses(1, 6, 0.4))

    changed = {
        (after["metric"], after["sector_id"]) for before, after in zip(plain, wider, strict=True) if before != after
    }
    # Of all sectors together the distribution is that of the sum.
    assert changed == {("occupancy", "ED"), ("occupancy", HOSPITAL)}
    widths = [
        [row["q95"] - row["q05"] for row in rows if (row["metric"], row["sector_id"]) == ("occupancy", "ED")]
        for rows in (plain, wider)
    ]
    # What stands at the very hour is known.
    assert all(after > before for before, after in list(zip(*widths, strict=True))[1:])


def test_a_forecast_is_the_same_to_the_last_bit_when_misses_of_later_hours_are_deleted(hospital):
    train(hospital, "sunday")

    known = predicted(hospital, misses(1, 6, 0.4))

    # Data end at midnight of 1 February in the hospital, at three of that day in UTC: the day is not over.
    assert predicted(hospital, [*misses(1, 6, 0.4), *misses(7, 12, 0.9)]) == known


def test_where_gold_has_no_score_none_is_forecast(hospital):
    train(hospital, "sunday")

    load_job("batch_predict")(hospital.context, Request("tick", "inference", hospital.context.clock.now().date()))

    assert "nedocs" not in {row["metric"] for row in hospital.rows(PREDICTIONS)}


@pytest.mark.parametrize(("hours", "rows"), [(23, 6 * 49), (26, 0)])
def test_data_that_are_too_old_make_no_forecast(hospital, hours, rows):
    train(hospital, "sunday")
    later = AsOfClock(datetime.fromisoformat(NOW) + timedelta(hours=hours))

    found = load_job("batch_predict")(
        replace(hospital.context, clock=later), Request("tick", "inference", later.now().date())
    )

    assert found["rows"] == rows
    assert ("ED" in found["withheld"]) is (rows == 0)
    if not rows:
        assert found["reason"] == "the newest data are 27 h old, and what is older than 24 h makes no forecast"


def test_old_pins_are_let_go_but_not_that_of_the_model_in_use(hospital):
    for number in range(12):
        pin(hospital.context, f"train-{number:02d}")

    let_go(hospital.context, keep="train-01")

    kept = hospital.context.pins.pins(FEATURES)
    assert len(kept) == 9
    assert "train-01" in kept
    assert find_pin(hospital.context, "train-02") is None or "train-02" in kept


def test_what_was_pinned_knows_no_later_hour(hospital):
    pinned = pin(hospital.context, "train-a")
    before = [series.values.sum() for series in pinned_arrivals(hospital.context, pinned, 100)]
    hospital.deliver("visits", visits(31, 2, name="W"), "late.csv")
    hospital.refine()

    after = [series.values.sum() for series in pinned_arrivals(hospital.context, pin(hospital.context, "train-a"), 100)]

    assert before == after == [31 * 24 - 1.0, 0.0]  # the last hour is not over for every feed
