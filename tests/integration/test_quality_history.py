"""A hospital's past and its clocks, as `dq_check` judges by them."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, time, timedelta
from importlib.resources import files

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.errors import ConfigError, QualityError
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.core.tables import ENCOUNTERS
from healthcare_ops.jobs.refusals import keep_refused
from healthcare_ops.operations import bulk
from healthcare_ops.pipeline.quality.report.refusals import RefusedFile
from hospital import open_hospital, visit
from weeks import LAST, MIDNIGHT, WEEKS, arrivals, open_with_a_past, visits

SCHEMA = json.loads(files("healthcare_ops.pipeline.quality.report").joinpath("report.schema.json").read_bytes())


@pytest.fixture
def hospital(tmp_path):
    with open_with_a_past(tmp_path) as opened:
        yield opened


def judged(hospital, times):
    """Let the visits come and be judged; return the report."""
    hospital.deliver("visits", visits(times), "day.csv")
    with suppress(QualityError):  # the report says why
        hospital.refine()
    keys = hospital.context.objects.list("gold/data_quality_runs/dt=2026-03-13/")
    return json.loads(hospital.context.objects.read(keys[-1]))


def test_a_usual_day_says_nothing(hospital):
    report = judged(hospital, arrivals(LAST, np.random.default_rng(6)))

    assert (report["verdict"], report["expectations"], report["clocks"]) == ("pass", [], [])


def test_a_day_of_which_a_third_came_is_told_with_what_was_expected(hospital):
    report = judged(hospital, arrivals(LAST, np.random.default_rng(6), share=0.3))

    (told,) = (found for found in report["expectations"] if found["rule"] == "volume")
    assert (told["place"], told["day"], told["verdict"]) == ("ED", "2026-03-12", "fail")
    assert told["observed"] < told["lower"] < told["expected"]
    assert "for a Thursday" in told["sentence"]
    assert report["verdict"] == "fail"
    assert report["contributions"]["expected.volume.silver.encounters.ED"] > 0


def test_the_refused_files_of_a_day_are_told_once_and_first_with_all_that_follows_from_them(hospital):
    now, fault = hospital.context.clock.now(), FileFault.FILE_RECORD_UNREADABLE
    files = [RefusedFile(f"2026-03-12-{hour:02d}.csv", f"{hour:064d}", now, fault, 7) for hour in range(24)]
    keep_refused(hospital.context.objects, "visits", files)
    hospital.deliver("visits", visits(arrivals(LAST, np.random.default_rng(6), share=0.1)), "the rest.csv")

    with pytest.raises(QualityError) as failure:
        hospital.refine()

    keys = hospital.context.objects.list("gold/data_quality_runs/dt=2026-03-13/")
    report = json.loads(hospital.context.objects.read(keys[-1]))
    Draft202012Validator(SCHEMA).validate(report)
    (cause,) = report["causes"]
    assert (cause["cause_id"], cause["verdict"], cause["points"]) == ("refused.visits", "fail", 100.0)
    assert cause["explains"] == [f"expected.{rule}.silver.encounters.ED" for rule in ("freshness", "volume")]
    assert {found["explained_by"] for found in report["expectations"]} == {"refused.visits"}
    assert 40 < cause["missing_arrivals"] < 90
    assert failure.value.message.startswith("File 2026-03-12-00.csv was refused on 2026-03-13 03:10 UTC: line 7: ")
    assert "more findings follow from it." in failure.value.message
    assert "for 2026-03-12-00.csv, 2026-03-12-01.csv, 2026-03-12-02.csv, … again" in failure.value.next_step
    (feed,) = (feed for feed in report["feeds"] if feed["feed_id"] == "visits")
    assert feed["diagnosis"].startswith("File 2026-03-12-00.csv was refused")


def live(hospital, day, times, hours=0):
    """Let visits come in as they happen, as a clock has it that is so many hours off, and be read an hour at a time."""
    by_hour = {}
    for at in times:
        by_hour.setdefault(at.hour, []).append(at)
    for hour, mine in by_hour.items():
        now = datetime.combine(day, time(hour)) + timedelta(hours=1)
        hospital.platform = replace(
            hospital.platform,
            context=replace(hospital.context, clock=AsOfClock(datetime.fromisoformat(f"{now}-03:00"))),
        )
        moved = [at + timedelta(hours=hours) for at in mine]
        rows = [
            visit(f"L-{at:%m%d%H}-{number}", at.isoformat(), care=None, left=None, changed=now)
            for number, at in enumerate(moved)
        ]
        hospital.deliver("visits", rows, f"{day}-{hour:02d}.csv")
        bulk.refine(hospital.platform, lambda name: None, jobs=("ingest_bronze",))


def test_a_feed_that_tells_of_what_has_not_happened_yet_is_named_with_its_offset(hospital):
    live(hospital, LAST, arrivals(LAST, np.random.default_rng(8), share=1.5), hours=3)
    hospital.at(MIDNIGHT)
    hospital.refine()

    keys = hospital.context.objects.list("gold/data_quality_runs/dt=2026-03-13/")
    report = json.loads(hospital.context.objects.read(keys[-1]))
    told = [(found["feed_id"], found["day"], found["offset_h"], found["verdict"]) for found in report["clocks"]]
    assert told == [("visits", "2026-03-12", 3.0, "warn")]
    (feed,) = (feed for feed in report["feeds"] if feed["feed_id"] == "visits")
    assert "look shifted by +3 h" in feed["diagnosis"]
    assert "Compare `zone`" in feed["next_step"]


@pytest.mark.parametrize(("part", "told"), [(1.0, []), (0.5, ["volume"])], ids=["whole", "half a file"])
def test_a_file_that_comes_each_morning_is_judged_on_the_morning_it_comes(tmp_path, part, told):
    luck = np.random.default_rng(5)
    days = [LAST - timedelta(days=back) for back in range(7 * WEEKS, -1, -1)]
    with open_hospital(tmp_path, f"{days[-16]}T04:00:00-03:00") as opened:
        opened.deliver("visits", [row for day in days[:-16] for row in visits(arrivals(day, luck))], "past.csv")
        opened.refine()
        for day in days[-16:]:
            opened.at(f"{day + timedelta(days=1)}T04:00:00-03:00")
            rows = visits(arrivals(day, luck))
            opened.deliver("visits", rows[: round(len(rows) * (part if day == LAST else 1))], f"{day}.csv")
            opened.refine("ingest_bronze")
        with suppress(QualityError):  # the report says why
            opened.refine()

        (key,) = opened.context.objects.list("gold/data_quality_runs/dt=2026-03-13/")
        report = json.loads(opened.context.objects.read(key))
        found = {found["rule"] for found in report["expectations"] if found["day"] == f"{LAST}"}
        assert sorted(found) == told


def test_a_job_that_dies_while_it_judges_leaves_a_report_without_a_score(hospital):
    broken = 'Rules = [ CustomSql "select sum(los_min) / 0 from nothing" > 1 ]'
    context = replace(hospital.context, rules={**hospital.context.rules, ENCOUNTERS.id: broken})
    hospital.platform = replace(hospital.platform, context=context)
    hospital.deliver("visits", visits(arrivals(LAST, np.random.default_rng(6))), "day.csv")

    with pytest.raises(ConfigError):
        hospital.refine()

    (key,) = hospital.context.objects.list("gold/data_quality_runs/dt=2026-03-13/")
    report = json.loads(hospital.context.objects.read(key))
    assert (report["verdict"], report["dq_risk_score"], report["contributions"]) == ("error", None, {})
    assert "nothing" in report["error"]
    assert report["rules"], "what was judged before it died is told"
