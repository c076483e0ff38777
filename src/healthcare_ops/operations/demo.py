"""The main job on the sample year, or on a synthetic hospital."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from healthcare_ops.bootstrap.configuration import add_feed, create_state
from healthcare_ops.bootstrap.platform import Platform, open_platform
from healthcare_ops.core.civil_time import day_start
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.errors import QualityError
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS
from healthcare_ops.core.validated import read_toml
from healthcare_ops.forecasting.champions import load_champion
from healthcare_ops.forecasting.evaluation import SHOWN_AHEAD
from healthcare_ops.operations import bulk
from healthcare_ops.operations.engine import open_engine
from healthcare_ops.operations.follow import follow
from healthcare_ops.operations.generate import Order
from healthcare_ops.operations.reading import newest_predictions, newest_report
from healthcare_ops.operations.runner import failure_of

_YEAR_END = datetime(2018, 1, 1, tzinfo=ZoneInfo("Europe/Stockholm"))
_ATTRIBUTION = "Sample data: Andre Johansson, TriEff, CC BY 4.0 (rows of unit E, converted to CSV)."
# Eighteen weeks: three for a first model, eight to judge it by, and time for levels to show.
_SYNTHETIC_FIRST, _SYNTHETIC_LAST = date(2025, 6, 30), date(2025, 11, 2)
_WEEK_MIN = 7 * 1440
_SYNTHETIC_SEED = 1
_SYNTHETIC_NOTE = f"Synthetic data: made by hops generate, seed {_SYNTHETIC_SEED}; no patient of it ever lived."


@dataclass(frozen=True)
class Demo:
    """What the demonstration found, as plain values, the time it is about, and the clock it stood at."""

    document: dict[str, Any]
    clock: AsOfClock
    period: str = "the year 2017"
    attribution: str = _ATTRIBUTION


def run_demo(state: Path, progress: Callable[[str], None]) -> Demo:
    """Deliver the sample year to `state` and run the orchestrator with training, as of the year's end.

    Raises
    ------
    OpsError
        What failed the run, if a state of it failed.
    """
    clock = AsOfClock(_YEAR_END)
    samples = files("healthcare_ops.samples")
    with (
        as_file(samples.joinpath("skane_site.toml")) as site,
        as_file(samples.joinpath("skane_feed.toml")) as feed,
    ):
        create_state(state, site, clock)
        mapping = add_feed(state, feed)
    with open_platform(state, clock) as platform, as_file(samples.joinpath("skane_2017.csv.gz")) as year:
        verified = bulk.verify_each([year], mapping, progress)
        verified.require_some()
        bulk.land(platform, mapping, verified.sound)
    return Demo(_train(state, clock, progress), clock)


def run_synthetic_demo(state: Path, progress: Callable[[str], None]) -> Demo:
    """Deliver eighteen weeks of a synthetic hospital to `state` and run the orchestrator with training.

    The deliveries, and the truth behind them, lie in the state directory's `synthetic/`.

    Raises
    ------
    OpsError
        What failed the run, if a state of it failed.
    """
    samples = files("healthcare_ops.samples")
    with (
        as_file(samples.joinpath("synthetic_site.toml")) as site_file,
        as_file(samples.joinpath("synthetic_parameters.toml")) as parameters_file,
    ):
        order = Order(
            site_file,
            state / "synthetic",
            _SYNTHETIC_FIRST,
            _SYNTHETIC_LAST,
            seed=_SYNTHETIC_SEED,
            parameters_file=parameters_file,
            feeds=("events",),
            every_min=_WEEK_MIN,
        )
        clock = AsOfClock(day_start(_SYNTHETIC_LAST + timedelta(days=1), read_toml(site_file, Site).tz))
        follow(order, clock, None, progress, state)
    period = f"{_SYNTHETIC_FIRST} to {_SYNTHETIC_LAST}, invented"
    return Demo(_train(state, clock, progress), clock, period, _SYNTHETIC_NOTE)


def _train(state: Path, clock: AsOfClock, progress: Callable[[str], None]) -> dict[str, Any]:
    with open_engine(state, progress=lambda run_id, name: progress(name)) as engine:
        record = engine.finish(engine.start("weekly_train", as_of=clock.now()))
    if failure := failure_of(record):
        raise failure
    with open_platform(state, clock) as platform:
        return _document(platform, record.run_id)


def _document(platform: Platform, run_id: str) -> dict[str, Any]:
    report = _report_of_all_days(platform, newest_report(platform, run_id))
    zone = platform.context.site.tz
    return {
        "run_id": run_id,
        "facility": platform.context.site.name,
        **bulk.summary(platform),
        "data_quality": {name: report[name] for name in ("verdict", "dq_risk_score", "days", "path")},
        "backtests": json.loads(json.dumps(load_champion(platform.context.objects).manifest["backtests"])),
        "forecast": [
            row | {"target_local": f"{row['target_time'].astimezone(zone):%a %Y-%m-%d %H:%M}"}
            for row in newest_predictions(platform)
            if row["metric"] == "arrivals" and row["horizon_h"] in SHOWN_AHEAD
        ],
    }


def _report_of_all_days(platform: Platform, report: dict[str, Any]) -> dict[str, Any]:
    """Return the report, or a new one if it leaves days out: a run judges only what it rebuilt."""
    days = platform.lake.changes(BATCH_ACCOUNTS, "").days | platform.lake.changes(ENCOUNTERS, "").days
    judged = report["days"]
    if judged["first"] <= f"{min(days)}" and judged["last"] >= f"{max(days)}" and judged["count"] >= len(days):
        return report
    # The demonstration shows what it finds, a failed rule too.
    with suppress(QualityError):
        bulk.refine(platform, lambda name: None, jobs=("dq_check",), days=frozenset(days))
    return newest_report(platform)
