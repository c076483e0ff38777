from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from healthcare_ops.core.errors import ConfigError, DataError
from healthcare_ops.entrypoints.page.evaluation import write_evaluation
from healthcare_ops.forecasting.evaluation import walk_forward
from healthcare_ops.operations.evaluate import (
    LEVELS,
    Choices,
    blocks,
    files_history,
    judged,
    read_holidays,
    read_protocol,
    write_forecasts,
)

LONDON = "Europe/London"
END = datetime(2018, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Thirteen weeks of UTC hours from 1 March 2018 on, over the change to summer time."""
    path = tmp_path_factory.mktemp("series") / "ed.csv"
    counts = np.random.default_rng(1).poisson(5.0, 92 * 24)
    start = datetime(2018, 3, 1, tzinfo=UTC)
    lines = [f"{(start + timedelta(hours=n)).isoformat()},{count}" for n, count in enumerate(counts)]
    path.write_text("\n".join(["time,value", *lines]))
    return path


def history_of(path, **choices):
    return files_history(path, None, None, holidays=None, zone=LONDON, choices=Choices(**choices))


@pytest.fixture(scope="module")
def history(series):
    return history_of(series, train_end="2018-05-20", origins="00:00,12:00", leads="0:30", refit="P7D")


@pytest.fixture(scope="module")
def walks(history):
    planned, leads = blocks(history), history.protocol.leads_h
    return walk_forward(history.known, history.covariates, planned, leads, levels=LEVELS)


def test_an_origin_is_a_civil_hour_on_either_side_of_the_clock_change(series):
    history = history_of(series, train_end="2018-03-23", origins="00:00,12:00", refit="never")

    ((_, origins),) = blocks(history)

    start = history.known[0].start
    hours = [(start + timedelta(hours=int(at))).hour for at in origins["ed"]]
    # 25 March begins in winter time.
    assert hours[:9] == [0, 12, 0, 12, 0, 11, 23, 11, 23]


def test_models_are_learnt_anew_period_by_period(series):
    def fits(refit):
        planned = blocks(history_of(series, train_end="2018-03-31", origins="00:00", refit=refit))
        return [f"{until.astimezone(UTC):%m-%d %H}" for until, _ in planned]

    assert fits("never") == ["03-30 23"]
    assert fits("P4W") == ["03-30 23", "04-27 23", "05-25 23"]
    assert fits("P1M") == ["03-30 23", "04-29 23", "05-30 23"]


def test_no_origin_is_lost_or_walked_twice_between_two_fits(series):
    once, weekly = (
        np.concatenate(
            [origins["ed"] for _, origins in blocks(history_of(series, train_end="2018-04-11", refit=refit))]
        )
        for refit in ("never", "P1W")
    )

    assert once.tolist() == weekly.tolist() == list(range(once[0], 92 * 24))


def test_a_wall_clock_has_24_hours_every_day(series, tmp_path):
    naive = tmp_path / "ed.csv"
    naive.write_text(series.read_text().replace("+00:00", ""))

    history = history_of(naive, clock="wall", train_end="2018-03-23", origins="06:00", refit="never")

    ((_, origins),) = blocks(history)

    assert set(np.diff(origins["ed"]).tolist()) == {24}


def test_without_an_end_of_training_the_last_eight_weeks_are_tested(series):
    assert history_of(series).protocol.train_end.isoformat() == "2018-04-06T01:00:00"


def test_forecasts_are_written_with_zoned_times_and_all_quantiles(history, walks, tmp_path):
    path = tmp_path / "out.csv"

    count = write_forecasts(walks, history.protocol, path)

    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == count == 25 * 31
    assert list(rows[0])[:6] == ["series", "origin", "target_time", "horizon_h", "mean", "q05"]
    assert list(rows[0])[-1] == "q95"
    assert (rows[1]["origin"], rows[1]["target_time"]) == ("2018-05-20T00:00:00+01:00", "2018-05-20T01:00:00+01:00")
    for row in rows:
        quantiles = [float(row[f"q{level:02d}"]) for level in range(5, 100, 5)]
        assert quantiles == sorted(quantiles)
        origin, target = (datetime.fromisoformat(row[name]) for name in ("origin", "target_time"))
        assert target - origin == timedelta(hours=int(row["horizon_h"]))


def test_hours_that_nobody_knows_yet_are_forecast_and_not_judged(walks, history):
    (walk,) = walks

    last = walk.forecasts.actual[-1]

    assert np.isfinite(last).sum() == 92 * 24 - walk.origins[-1]
    assert np.isfinite(walk.forecasts.mean).all()
    overall = judged(walks, history)["backtests"][0]["comparisons"][-1]
    assert overall["lead_h"] is None
    assert overall["model"]["hours"] == np.isfinite(walk.forecasts.actual).sum()


def test_the_page_holds_every_plot_and_loads_nothing(history, walks, tmp_path):
    page = write_evaluation(tmp_path / "report", judged(walks, history), walks, history, "pt-BR")

    text = page.read_text()
    assert "Uma previsão típica" in text
    assert not re.search(r"(src|href)=|<script|url\(", text)
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "coverage.svg",
        "error_by_hour.svg",
        "error_by_lead.svg",
        "evaluation.html",
        "evaluation.json",
        "pit.svg",
        "typical_fan.svg",
        "worst_fan.svg",
    ]
    assert json.loads((page.parent / "evaluation.json").read_text())["protocol"]["refit"] == "P7D"


def test_a_hostile_name_of_a_series_is_only_text(history, walks, tmp_path):
    name = "<script>alert(1)</script>"
    hostile = [replace(walk, series=replace(walk.series, sector_id=name)) for walk in walks]

    page = write_evaluation(tmp_path / "report", judged(hostile, history), hostile, history)

    assert "<script>" not in page.read_text()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"train_end": "soon"}, "--train-end 'soon' is not a time of the series"),
        ({"origins": "00:30"}, "--origins '00:30' is not `hourly` or full hours"),
        ({"origins": "24:00"}, "--origins '24:00' is not"),
        ({"leads": "0:49"}, "--leads '0:49' is not the first and the last, within 0:48"),
        ({"leads": "5:1"}, "--leads '5:1' is not"),
        ({"refit": "P0D"}, "--refit 'P0D' is not `never` or a period"),
        ({"refit": "monthly"}, "--refit 'monthly' is not"),
    ],
)
def test_a_choice_that_cannot_be_read_is_named(choices, message):
    with pytest.raises(ValueError, match=message):
        read_protocol(Choices(**choices), LONDON, END)


def test_an_unknown_zone_is_named():
    with pytest.raises(ConfigError, match="zone 'London' is not an IANA time zone"):
        read_protocol(Choices(), "London", END)


@pytest.mark.parametrize("train_end", ["2018-03-10", "2018-07-01"])
def test_too_little_to_learn_from_or_to_test_is_told_with_the_span(series, train_end):
    with pytest.raises(
        DataError, match=r"takes 504 \(21 days\) to learn.*between 2018-03-01T00:00 and 2018-06-01T00:00"
    ):
        history_of(series, train_end=train_end)


def test_public_holidays_are_named_by_country_and_part():
    assert read_holidays("") is None
    england = read_holidays("GB-ENG")
    assert england is not None
    assert (england.country, england.subdivision) == ("GB", "ENG")
    with pytest.raises(ValueError, match="--holidays 'GB-XYZ' is not a country"):
        read_holidays("GB-XYZ")
