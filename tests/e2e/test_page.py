"""The page's figures, beside those that the lake's rows give by hand."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean, quantiles

import pytest

from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.tables import ENCOUNTERS, OPS_METRICS_HOURLY
from healthcare_ops.entrypoints.page.gather import gather


@pytest.fixture
def platform(loaded):
    with open_platform(loaded.state, exclusive=False) as opened:
        yield opened


def rows_of(platform, table):
    return platform.context.engine.collect(platform.lake.read(table)).to_pylist()


def test_a_day_s_waits_are_those_of_all_who_came_that_day(platform):
    waits = defaultdict(list)
    for row in rows_of(platform, ENCOUNTERS):
        if row["total_wait_min"] is not None:
            waits[row["sector_id"], row["dt"]].append(row["total_wait_min"])

    report = gather(platform)

    shown = {
        (sector.sector_id, day): (mean, p90)
        for sector in report.sectors
        for day, mean, p90 in zip(sector.days.days, sector.days.wait_mean_min, sector.days.wait_p90_min, strict=True)
        if mean is not None
    }
    assert max(len(minutes) for minutes in waits.values()) > 10
    assert shown.keys() == waits.keys()
    for place, minutes in waits.items():
        p90 = quantiles(minutes, n=10, method="inclusive")[-1] if len(minutes) > 1 else minutes[0]
        assert shown[place] == pytest.approx((fmean(minutes), p90))


def test_an_hour_counts_once_however_many_sectors_the_hospital_has(platform):
    rows = rows_of(platform, OPS_METRICS_HOURLY)

    report = gather(platform)

    assert len(report.sectors) > 1
    assert report.hours == len({row["hour_start"] for row in rows}) == len(rows) / len(report.sectors)
