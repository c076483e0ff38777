"""What a training makes: the arrivals of each sector, and how many will be there and wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.tables import HOSPITAL
from healthcare_ops.forecasting.arrivals import ArrivalsModel
from healthcare_ops.forecasting.boosted import BoostedModel
from healthcare_ops.forecasting.calendar import Calendar
from healthcare_ops.forecasting.evaluation import Walk
from healthcare_ops.forecasting.nedocs import NedocsModel
from healthcare_ops.forecasting.occupancy import HeldOut, OccupancyModel, fit_occupancy
from healthcare_ops.forecasting.pairs import MAX_LEAD_H
from healthcare_ops.forecasting.regressors import minutes
from healthcare_ops.forecasting.series import entries_name
from healthcare_ops.forecasting.survival import Stays
from healthcare_ops.forecasting.waits import WaitsModel


@dataclass(frozen=True)
class FlowModel:
    """The models of one training by sector.

    `arrivals` has the models of arrivals and, as `entries_name` names them, of those who enter a sector otherwise;
    `headcounts` those of who is there, by metric ("occupancy": in the sector; "queue": waiting for care) and sector;
    `waits` one of the waits of all sectors that have enough of them; `nedocs` that of how crowded all emergency sectors
    are, if gold tells it.
    """

    arrivals: Mapping[str, ArrivalsModel]
    headcounts: Mapping[str, Mapping[str, OccupancyModel]] = field(default_factory=dict)
    waits: WaitsModel | None = None
    nedocs: NedocsModel | None = None

    def entries(self, sector_id: str) -> ArrivalsModel | None:
        """Return the model of those who enter a sector: its own, or that of arrivals if these are the same."""
        return self.arrivals.get(entries_name(sector_id), self.arrivals.get(sector_id))

    @property
    def boosted(self) -> BoostedModel | None:
        """Return the trees that all models of arrivals share, if they have any."""
        return next((model.boosted for model in self.arrivals.values() if model.boosted is not None), None)

    @property
    def regressors(self) -> tuple[str, ...]:
        """Return the names of the forecasts of others that the models of arrivals have learnt from, sorted."""
        linear = {climate.name for model in self.arrivals.values() for climate in model.linear.climates}
        return tuple(sorted(linear.union(self.boosted.regressors if self.boosted else ())))

    def widened(self, log_widths: Mapping[tuple[str, str], float]) -> FlowModel:
        """Return the models with wider intervals, by metric and sector, on the log scale; others stay as they are."""
        headcounts = {
            metric: {sector: model.widened(log_widths.get((metric, sector), 0.0)) for sector, model in models.items()}
            for metric, models in self.headcounts.items()
        }
        crowding = self.nedocs and self.nedocs.widened(log_widths.get(("nedocs", HOSPITAL), 0.0))
        return replace(self, headcounts=headcounts, nedocs=crowding)

    def to_dict(self) -> dict[str, Any]:
        """Return the models as plain values, without the trees."""
        about = self.boosted
        return {
            "arrivals": {name: model.to_dict() for name, model in sorted(self.arrivals.items())},
            "headcounts": {
                metric: {sector: model.to_dict() for sector, model in sorted(models.items())}
                for metric, models in sorted(self.headcounts.items())
            },
            "boosted": about and {"events": about.events, "regressors": about.regressors},
            "waits": self.waits and self.waits.to_dict(),
            "nedocs": self.nedocs and self.nedocs.to_dict(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], trees: str, wait_trees: Mapping[str, str]) -> FlowModel:
        """Return the models that `to_dict` described; a ValueError, KeyError or TypeError if these are none.

        What was stored before there were models of waits or of NEDOCS has none.
        """
        about = stored["boosted"]
        boosted = about and BoostedModel(trees, tuple(about["events"]), tuple(about["regressors"]))
        return cls(
            {name: ArrivalsModel.from_dict(model, boosted) for name, model in stored["arrivals"].items()},
            {
                metric: {sector: OccupancyModel.from_dict(model) for sector, model in models.items()}
                for metric, models in stored["headcounts"].items()
            },
            WaitsModel.from_dict(stored["waits"], wait_trees) if stored.get("waits") else None,
            NedocsModel.from_dict(stored["nedocs"]) if stored.get("nedocs") else None,
        )


def fit_headcounts(
    stays: Mapping[str, Stays], walks: Sequence[Walk], until: datetime, calendar: Calendar, *, metric: str
) -> tuple[dict[str, OccupancyModel], dict[str, str]]:
    """Fit a model for each sector whose entries were walked through; return them, and why others have none.

    `walks` forecast entries of the last weeks by models that had not seen them, which tells how well calibrated a
    forecast of head counts is. Those who wait have arrived; those in a bed have entered, by the walk of their own if
    there is one.
    """
    by_name = {walk.series.sector_id: walk for walk in walks}
    models, without = {}, {}
    for sector, mine in stays.items():
        own = by_name.get(entries_name(sector)) if metric == "occupancy" else None
        walk = own or by_name.get(sector)
        if walk is None:
            without[sector] = f"{metric}: entries could not be tested"
            continue
        try:
            models[sector] = fit_occupancy(mine, minutes(until), calendar, _held_out(walk, minutes(until)))
        except DataError as error:
            without[sector] = f"{metric}: {error.message}"
    return models, without


def _held_out(walk: Walk, until_min: int) -> HeldOut | None:
    at = minutes(walk.series.start) + 60 * walk.origins
    usable = at <= until_min - 60 * MAX_LEAD_H
    if not usable.any():
        return None
    return HeldOut(at[usable], np.asarray(walk.forecasts.mean[usable, :MAX_LEAD_H]))
