"""`hops generate calibrate`: the synthetic hospital fitted to a lake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_files import write_bytes
from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.core.tables import ENCOUNTERS, STAYS
from healthcare_ops.generator.calibration import fit
from healthcare_ops.generator.parameters import parameters_text
from healthcare_ops.operations.bulk import Progress


def calibrate(platform: Platform, out: Path, progress: Progress) -> dict[str, Any]:
    """Fit the parameters to silver and write them; return what they were learnt from, as plain values.

    Raises
    ------
    NotFoundError
        If silver holds nothing yet.
    DataError
        If its history is too short.
    """
    days = platform.lake.changes(ENCOUNTERS, "").days
    if not days:
        raise NotFoundError("silver holds no day yet.", next_step="Run `hops load`.")
    collect, lake = platform.context.engine.collect, platform.lake
    progress("reading silver")
    encounters, stays = collect(lake.read(ENCOUNTERS)), collect(lake.read(STAYS))
    progress("fitting")
    parameters = fit(encounters, stays, platform.context.site)
    write_bytes(out, parameters_text(parameters).encode())
    return {
        "parameters": str(out),
        "encounters": encounters.num_rows,
        "first": min(days).isoformat(),
        "last": max(days).isoformat(),
    }
