from __future__ import annotations

import numpy as np
import pytest

from e2e.command import run_hops


@pytest.fixture
def series(tmp_path):
    """Forty days of naive local hours."""
    path = tmp_path / "ed.csv"
    hours = np.datetime64("2018-01-01T00") + np.arange(40 * 24)
    counts = np.random.default_rng(1).poisson(4.0, len(hours))
    path.write_text("\n".join(["ts_local,value", *(f"{h}:00:00,{n}" for h, n in zip(hours, counts, strict=True))]))
    return path


def test_a_history_is_tried_and_its_forecasts_written(series, tmp_path):
    out = tmp_path / "forecasts.parquet"

    found = run_hops(
        *(
            "evaluate",
            "--series",
            series,
            "--zone",
            "America/Sao_Paulo",
            "--clock",
            "wall",
            "--train-end",
            "2018-02-01",
        ),
        *("--origins", "00:00", "--leads", "0:23", "--refit", "never", "--holidays", "BR-SP", "--out", out, "--json"),
    )

    assert found.exit_code == 0
    assert found.document["rows"] == 9 * 24
    assert found.document["backtests"][0]["origins"] == 9
    assert out.is_file()


def test_a_table_says_how_good_the_forecasts_were(series):
    found = run_hops("evaluate", "--series", series, "--zone", "UTC", "--train-end", "2018-02-01", "--origins", "00:00")

    assert found.exit_code == 0
    assert "Backtest of ed: 9 origins from 2018-02-01" in found.out
    assert found.err == ""


@pytest.mark.parametrize(
    "options",
    [
        ("--holidays", "BR-SP"),
        ("--calendar", "events.csv"),
        ("--regressors", "weather.csv"),
        ("--zone", "UTC"),
        ("--clock", "wall"),
    ],
)
def test_what_only_a_file_needs_is_refused_of_the_lake_and_not_left_out_in_silence(options, tmp_path):
    found = run_hops("evaluate", *options, "--state", tmp_path)

    assert found.exit_code == 2
    assert "without --series" in found.err
    assert options[0] in found.err
    assert found.out == ""


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (("--zone", "UTC", "--leads", "9"), 2, "--leads '9' is not the first and the last"),
        (("--zone", "Mars"), 4, "zone 'Mars' is not an IANA time zone."),
        (("--zone", "UTC", "--train-end", "2019-01-01"), 5, "it takes 504 (21 days) to learn and one to test."),
        (("--zone", "UTC", "--out", "/nowhere/at/all.csv"), 3, "folder /nowhere/at does not exist."),
        ((), 4, "--series needs --zone"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_anything_is_learnt(series, options, exit_code, message):
    found = run_hops("evaluate", "--series", series, *options)

    assert found.exit_code == exit_code
    assert message in found.err
    assert found.out == ""
