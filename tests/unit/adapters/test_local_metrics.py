from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from healthcare_ops.adapters.appended import append_lines
from healthcare_ops.adapters.local_metrics import LocalMetrics, MetricHistory
from healthcare_ops.core.emf import Measured, SeriesKey, emf_line

NIGHT = datetime(2026, 3, 13, 23, 50, tzinfo=UTC)
SCORE = SeriesKey("DQRiskScore")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "metrics"


def score(at, value, run_id=""):
    return emf_line(Measured(at, {}, {"DQRiskScore": value}), run_id=run_id)


def written(folder, *lines):
    LocalMetrics(folder).write(lines)
    return MetricHistory(folder)


def test_a_month_of_ticks_is_a_file_a_day(folder):
    metrics = LocalMetrics(folder)
    for tick in range(96 * 30):
        metrics.write([score(NIGHT + timedelta(minutes=15 * tick), 0.0)])

    assert len(list(folder.iterdir())) == 31


def test_what_was_measured_reads_back_in_the_order_of_time_over_midnight(folder):
    later, earlier = NIGHT + timedelta(minutes=30), NIGHT
    history = written(folder, score(later, 40.0), score(earlier, 12.5))

    series = history.since(NIGHT)[SCORE]

    assert series.times_s == [earlier.timestamp(), later.timestamp()]
    assert series.values == [12.5, 40.0]


def test_days_before_are_not_read(folder):
    history = written(folder, score(NIGHT - timedelta(days=1), 1.0), score(NIGHT, 2.0))

    assert history.since(NIGHT)[SCORE].values == [2.0]


def test_a_run_that_is_counted_again_after_a_crash_counts_once_and_another_one_apart(folder):
    history = written(folder, score(NIGHT, 1.0, "daily-1"), score(NIGHT, 1.0, "daily-2"))
    written(folder, score(NIGHT, 1.0, "daily-1"))

    assert history.since(NIGHT)[SCORE].values == [1.0, 1.0]


def test_a_line_that_a_crash_cut_short_spoils_no_other(folder):
    history = written(folder, score(NIGHT, 1.0))
    with (folder / "2026-03-13.jsonl").open("a") as stream:
        stream.write(score(NIGHT, 2.0)[:40])
    before = history.since(NIGHT)[SCORE].values

    written(folder, score(NIGHT, 3.0))

    assert before == [1.0]
    assert history.since(NIGHT)[SCORE].values == [1.0, 3.0]
    assert MetricHistory(folder).since(NIGHT)[SCORE].values == [1.0, 3.0]


def test_who_asks_again_hears_what_was_added_since(folder):
    history = written(folder, score(NIGHT, 1.0))
    first = history.since(NIGHT)[SCORE].values
    written(folder, score(NIGHT + timedelta(minutes=1), 2.0))

    assert (first, history.since(NIGHT)[SCORE].values) == ([1.0], [1.0, 2.0])


def test_several_writers_at_once_lose_no_line(tmp_path):
    path = tmp_path / "lines"

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda number: append_lines(path, [f"{number}" * 300]), range(200)))

    assert sorted(path.read_text().splitlines()) == sorted(f"{number}" * 300 for number in range(200))


def test_old_days_go_and_what_is_not_ours_stays(folder):
    written(folder, score(NIGHT, 1.0), score(NIGHT + timedelta(days=1), 2.0))
    (folder / "notes.jsonl").write_text("mine\n")

    gone = LocalMetrics(folder).expire(date(2026, 3, 14))

    assert gone == 1
    assert sorted(path.name for path in folder.iterdir()) == ["2026-03-14.jsonl", "notes.jsonl"]
