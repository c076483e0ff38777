from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from fakes import MemoryObjects
from healthcare_ops.jobs.context import Request
from healthcare_ops.jobs.quality_reports import past_reports, runs_spoken_of
from healthcare_ops.pipeline.quality.report.report import Report
from hospital import open_hospital

DAY = date(2026, 3, 13)
TICK = Request("inference-20260313T120000Z-x", "inference", DAY)


class CountingObjects(MemoryObjects):
    """An object store that counts what is read."""

    reads = 0

    def read(self, key):
        self.reads += 1
        return super().read(key)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    with open_hospital(tmp_path_factory.mktemp("hospital"), "2026-03-13T18:00:00-03:00") as found:
        yield found


@pytest.fixture
def context(hospital):
    """Return the context of a hospital by whose rules a report looks at the ten runs before."""
    return replace(hospital.context, objects=CountingObjects(), rules={"silver.encounters": "Rules = [ RowCount > 1 ]"})


def keep_ticks(context, *days, count):
    """Keep the reports of two weeks' ticks, one every two hours, each of which judged so many days."""
    for day in days:
        for hour in range(0, 24, 2):
            run_id = f"inference-{day:%Y%m%d}T{hour:02}0000Z-x"
            written_at = datetime(day.year, day.month, day.day, hour, 1, tzinfo=UTC)
            report = Report(run_id, written_at, [day]).document(written_at)
            text = json.dumps(report | {"days": report["days"] | {"count": count}})
            context.objects.write(f"gold/data_quality_runs/dt={day}/{run_id}.json", text.encode())


TWO_WEEKS = [DAY - timedelta(days=back) for back in range(1, 14)]


def test_a_tick_of_as_many_days_as_no_other_reads_four_times_as_many_reports_as_are_wanted(context):
    keep_ticks(context, *TWO_WEEKS, count=1)

    found = past_reports(context, TICK, 7)

    assert context.objects.reads == len(found) == 40
    written = [report["written_at"] for report in found]
    assert written == sorted(written, reverse=True)
    assert (written[0], written[-1]) == (
        "2026-03-12T22:01:00+00:00",
        "2026-03-09T16:01:00+00:00",
    )  # the newest of its day


def test_a_tick_like_others_reads_no_more_days_than_it_takes(context):
    keep_ticks(context, *TWO_WEEKS, count=1)

    assert len(past_reports(context, TICK, 1)) == 12


def test_a_damaged_report_counts_among_those_that_are_read(context):
    keep_ticks(context, *TWO_WEEKS, count=1)
    context.objects.write("gold/data_quality_runs/dt=2026-03-12/inference-20260312T220000Z-x.json", b"{")

    assert len(past_reports(context, TICK, 7)) == 39


@pytest.mark.parametrize(
    ("rule", "runs"),
    [
        ("RowCount > 1", 10),
        ("RowCount > avg(last(3))", 10),
        ("RowCount > avg(last( 12 ))", 12),
        ('DetectAnomalies "RowCount"', 30),
    ],
)
def test_so_many_runs_before_are_wanted_as_rules_speak_of(rule, runs):
    assert runs_spoken_of(["Rules = [ ColumnCount > 1 ]", f"Rules = [ {rule} ]"]) == runs


def test_a_report_whose_values_were_changed_is_no_past_to_judge_by(context, caplog):
    keep_ticks(context, DAY - timedelta(days=1), count=1)
    key = context.objects.list("gold/data_quality_runs/")[0]
    changed = json.loads(context.objects.read(key)) | {"dq_risk_score": "low"}
    context.objects.write(key, json.dumps(changed).encode())

    found = past_reports(context, TICK, 1)

    assert changed["run_id"] not in {report["run_id"] for report in found}
    assert len(found) == 11
    assert "report.dq_risk_score is no number or null" in caplog.text
