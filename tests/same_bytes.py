"""Hashes of what a seed gives, for comparisons between machines, versions of numpy and last bits."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from delivered import files_of
from healthcare_ops.generator.calibration import fit
from healthcare_ops.generator.journeys import Journeys
from healthcare_ops.generator.parameters import parameters_text
from healthcare_ops.generator.scenario import Reporting
from healthcare_ops.generator.simulation import simulate
from synthetic import MONDAY, as_lake, parameters, synthetic_site

FAULTS = [
    {"kind": "nulls", "column": "triage_level", "share": 0.1},
    {"kind": "duplicates", "share": 0.1},
    {"kind": "volume", "factor": 1.3, "sectors": ["PED"]},
    {"kind": "seconds_for_minutes", "share": 0.05},
    {"kind": "dst_mistake", "how": "late"},
    {"kind": "silent", "share": 0.2},
    {"kind": "truncated", "share": 0.1},
    {"kind": "corrupt", "share": 0.1},
]
SITE = synthetic_site("Europe/Stockholm", ED=6, PED=3, OBS=2, WARD=5)
LAST = MONDAY + timedelta(days=27)
# Everything that the defaults do, much more often.
BUSY = Reporting(corrected_share=0.2, reextract_share=0.5, reextract_after_h=5)


def month_with_faults(seed: int = 2025) -> str:
    """Return the hash of a month's files of both feeds, with faults of all sorts."""
    given = parameters(emergency={"arrivals": {"per_day": 40}}, warmup_days=2)
    return _hash_of(simulate(SITE, given, MONDAY, LAST, seed))


def fitted_month() -> str:
    """Return the hash of the files of a hospital fitted to another, and of its parameters."""
    happened = simulate(SITE, parameters(), MONDAY, MONDAY + timedelta(days=59), 7)
    fitted = fit(*as_lake(happened), SITE)
    of_files = _hash_of(simulate(SITE, fitted, MONDAY, LAST, 8))
    return f"{hashlib.sha256(parameters_text(fitted).encode()).hexdigest()[:16]} {of_files}"


def _hash_of(journeys: Journeys) -> str:
    hashed = hashlib.sha256()
    for feed in ("encounters", "events"):
        for file in files_of(feed, journeys, site=SITE, last=LAST, reporting=BUSY, clock="local", faults=FAULTS):
            hashed.update(file.name.encode() + (file.content or b""))
            hashed.update("".join(one.to_json() for one in file.injected).encode())
    return hashed.hexdigest()[:16]
