"""Small synthetic hospitals for tests of the generator: a site, its parameters, what happened in it."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from healthcare_ops.core.site import Site
from healthcare_ops.generator.journeys import Journeys
from healthcare_ops.generator.parameters import Parameters

MONDAY = date(2025, 3, 3)
KINDS = {"ED": "ed", "PED": "ed", "OBS": "other", "WARD": "ward", "ICU": "icu"}


def synthetic_site(zone: str = "Etc/UTC", max_stay_days: int = 60, facility_id: str = "h", **beds: int | None) -> Site:
    """Return a site with so many beds in each of the sectors of `KINDS` that are named; one ED of 20 by default."""
    sectors = [
        {"sector_id": name, "name": name, "kind": KINDS[name], "functional_capacity": count}
        for name, count in (beds or {"ED": 20}).items()
    ]
    keys = {"facility_id": facility_id, "name": "Hospital", "zone": zone, "max_stay_days": max_stay_days}
    return Site.model_validate(keys | {"sectors": sectors})


def parameters(**different: Any) -> Parameters:
    """Return the default parameters with other keys laid over them."""
    return Parameters.model_validate(different)


def always(value: float) -> list[float]:
    """Return the quantiles of a duration that is always the same."""
    return [value] * 11


def every_level(**keys: Any) -> dict[str, Any]:
    """Return the keys for all five triage levels."""
    return {str(level): keys for level in range(1, 6)}


def as_lake(journeys: Journeys) -> list[pa.Table]:
    """Return encounters and stays as silver holds them: text ids, microseconds."""
    encounters, stays = journeys.encounters, journeys.stays
    tables = []
    for table, ids in ((encounters, ("encounter_no", "patient_no")), (stays, ("encounter_no",))):
        columns = {}
        for name in table.column_names:
            column = table[name].cast(pa.timestamp("us")) if pa.types.is_timestamp(table[name].type) else table[name]
            columns[name.replace("_no", "_id")] = column.cast(pa.string()) if name in ids else column
        tables.append(pa.table(columns))
    return tables


def minutes(table: pa.Table, start: str, end: str) -> np.ndarray:
    """Return minutes from one instant to another, NaN where either did not happen."""
    first, last = (table[name].cast(pa.int64()).cast(pa.float64()).to_numpy() for name in (start, end))
    return (last - first) / 60


def epoch_s(table: pa.Table, name: str) -> np.ndarray:
    """Return instants as seconds since 1970, NaN where it did not happen."""
    return table[name].cast(pa.int64()).cast(pa.float64()).to_numpy()
