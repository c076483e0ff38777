"""`hops predict`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from healthcare_ops.entrypoints.cli.failures import warn
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, State, clock_at
from healthcare_ops.entrypoints.cli.output import console, emit_json, table
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from healthcare_ops.core.site import Triage


def predict(state: State = DEFAULT_STATE, as_of: AsOf = "", wait: Wait = DEFAULT_WAIT, as_json: Json = False) -> None:
    """Forecast arrivals, occupancy, queue and waits with the model in use; a warning says where data are not enough.

    Example: hops predict --json
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.clock import AsOfClock
    from healthcare_ops.core.errors import NotFoundError
    from healthcare_ops.forecasting.evaluation import SHOWN_AHEAD
    from healthcare_ops.operations import bulk
    from healthcare_ops.operations.cautions import find_cautions
    from healthcare_ops.operations.reading import newest_predictions

    # One instant for the whole call: what it makes is then the newest that it can read.
    now = AsOfClock(clock_at(as_of).now())
    with open_platform(state, now, patience=patience_of(wait)) as platform:
        outcome = bulk.refine(platform, lambda name: None, jobs=("batch_predict",))["jobs"]["batch_predict"]
        if not outcome["rows"]:
            raise NotFoundError(f"nothing to predict: {outcome['reason']}.", next_step=_next_step(outcome))
        rows = newest_predictions(platform)
        site = platform.context.site
        cautions = [caution.document for caution in find_cautions(platform)]
    if as_json:
        told = {name: outcome[name] for name in ("model_version", "data_age_h", "withheld")}
        emit_json({**told, "predictions": rows, "warnings": cautions})
        return
    shown = [row for row in rows if row["horizon_h"] in SHOWN_AHEAD]
    for metric, title in _TITLES.items():
        if lines := [_line(row, site.tz) for row in shown if row["metric"] == metric]:
            console().print(table(f"{title} ({outcome['model_version']})", _HEADINGS, lines))
    if lines := [_wait_line(row, site.tz) for row in shown if row["metric"] == "wait"]:
        console().print(table(f"{_WAIT_TITLE} ({outcome['model_version']})", _wait_headings(site.triage), lines))
    for sector, age_h in outcome["withheld"].items():
        console().print(f"{sector} is not forecast: its data are {age_h:,.0f} h old.", markup=False)
    warn(cautions)


def _next_step(outcome: Mapping[str, Any]) -> str:
    if outcome.get("withheld"):
        return "See whether the feeds deliver: `hops status`; for a time that is past, name it with --as-of."
    return "Run `hops run --type weekly_train`."


def ahead(horizon_h: int) -> str:
    """Return how far ahead a forecast hour is, in words for 0."""
    return f"+{horizon_h} h" if horizon_h else "next full hour"


def where(sector_id: str) -> str:
    """Return the place of a forecast, in words for all sectors together."""
    from healthcare_ops.core.tables import HOSPITAL

    return "all sectors" if sector_id == HOSPITAL else sector_id


_TITLES = {
    "arrivals": "Arrivals per hour",
    "occupancy": "Patients in the sector at the start of the hour",
    "queue": "Patients waiting for care at the start of the hour",
    "nedocs": "NEDOCS at the start of the hour",
}
_HEADINGS = ["sector", "in", "hour", "expected", "90 % interval", "data as of"]


def _line(row: dict[str, Any], zone: Any) -> list[Any]:
    return [
        where(row["sector_id"]),
        ahead(row["horizon_h"]),
        f"{row['target_time'].astimezone(zone):%Y-%m-%d %H:%M}",
        row["mean"],
        f"{row['q05']:.2f} – {row['q95']:.2f}",
        f"{row['data_as_of'].astimezone(zone):%Y-%m-%d %H:%M}",
    ]


_WAIT_TITLE = (
    "Minutes from arrival to care of a patient who arrives in the hour; how probably they are beyond the target"
)
_COLOURS = ("red", "orange", "yellow", "green", "blue")


def _wait_headings(triage: Triage) -> list[str]:
    levels = _COLOURS if triage.scale == "Manchester" else [f"level {level}" for level in range(1, 6)]
    targets = [f"{level} > {target}" for level, target in zip(levels, triage.target_min, strict=True)]
    return ["sector", "in", "hour", "median", "90th", "90 % interval", *targets]


def _wait_line(row: dict[str, Any], zone: Any) -> list[Any]:
    from healthcare_ops.core.tables import BREACHES

    return [
        where(row["sector_id"]),
        ahead(row["horizon_h"]),
        f"{row['target_time'].astimezone(zone):%m-%d %H:%M}",
        f"{row['q50']:.0f}",
        f"{row['q90']:.0f}",
        f"{row['q05']:.0f} – {row['q95']:.0f}",
        *("" if row[name] is None else f"{row[name]:.0%}" for name in BREACHES),
    ]
