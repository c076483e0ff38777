"""The main job on the sample year."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from healthcare_ops.bootstrap import Platform, add_feed, create_state, open_platform
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.errors import StepError
from healthcare_ops.forecasting.evaluation import SHOWN_LEADS
from healthcare_ops.forecasting.registry import load_champion
from healthcare_ops.operations import bulk
from healthcare_ops.operations.reading import newest_predictions, newest_report
from healthcare_ops.operations.runner import run_orchestrator

_YEAR_END = datetime(2018, 1, 1, tzinfo=ZoneInfo("Europe/Stockholm"))
_ATTRIBUTION = "Sample data: Andre Johansson, TriEff, CC BY 4.0 (rows of unit E, converted to CSV)."


@dataclass(frozen=True)
class Demo:
    """What the demonstration found, as plain values, and the clock it stood at."""

    document: dict[str, Any]
    clock: AsOfClock
    attribution: str = _ATTRIBUTION


def run_demo(state: Path, progress: Callable[[str], None]) -> Demo:
    """Deliver the sample year to `state` and run the orchestrator with training, as of the year's end.

    Raises
    ------
    StepError
        If a state of the run failed.
    """
    clock = AsOfClock(_YEAR_END)
    samples = files("healthcare_ops.samples")
    with (
        as_file(samples.joinpath("skane_site.toml")) as site,
        as_file(samples.joinpath("skane_feed.toml")) as feed,
    ):
        create_state(state, site, clock)
        mapping = add_feed(state, feed)
    with open_platform(state, clock) as platform:
        with as_file(samples.joinpath("skane_2017.csv.gz")) as year:
            bulk.verify([year], mapping, progress)
            bulk.land(platform, mapping, [year])
        finished = run_orchestrator(platform.context, "weekly_train", progress=progress)
        if finished.exit_code:
            raise StepError(f"{finished.record.error}: {finished.record.cause}", next_step="Run `hops doctor`.")
        return Demo(_document(platform, finished.record.run_id), clock)


def _document(platform: Platform, run_id: str) -> dict[str, Any]:
    report = newest_report(platform, run_id)
    zone = platform.context.site.tz
    return {
        "run_id": run_id,
        "facility": platform.context.site.name,
        **bulk.summary(platform),
        "data_quality": {name: report[name] for name in ("verdict", "dq_risk_score", "path")},
        "backtests": json.loads(json.dumps(load_champion(platform.context.objects).manifest["backtests"])),
        "forecast": [
            row | {"target_local": f"{row['target_time'].astimezone(zone):%a %Y-%m-%d %H:%M}"}
            for row in newest_predictions(platform)
            if row["horizon_h"] in SHOWN_LEADS
        ],
    }
