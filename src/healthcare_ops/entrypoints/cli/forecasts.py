"""`hops predict`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healthcare_ops.entrypoints.cli.failures import warn
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, State, clock_at
from healthcare_ops.entrypoints.cli.output import console, emit_json, table
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of


def predict(state: State = DEFAULT_STATE, as_of: AsOf = "", wait: Wait = DEFAULT_WAIT, as_json: Json = False) -> None:
    """Forecast arrivals, occupancy and queue with the model in use; a warning says where the data are not enough.

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
        zone = platform.context.site.tz
        cautions = [caution.document for caution in find_cautions(platform)]
    if as_json:
        told = {name: outcome[name] for name in ("model_version", "data_age_h", "withheld")}
        emit_json({**told, "predictions": rows, "warnings": cautions})
        return
    shown = [row for row in rows if row["horizon_h"] in SHOWN_AHEAD]
    for metric, title in _TITLES.items():
        if lines := [_line(row, zone) for row in shown if row["metric"] == metric]:
            console().print(table(f"{title} ({outcome['model_version']})", _HEADINGS, lines))
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
