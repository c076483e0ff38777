"""Fit the synthetic hospital to a hospital's own history.

Demand, mix, outcomes, patience and stays are read off the history (`estimates`). Waits are not a parameter: they come
from queues, and a history does not tell how much of a wait was queue and how much would have passed with idle staff.
Therefore candidates are simulated. The staff that makes waits depend on crowding as much as they did is kept, and
what the queue does not explain becomes delay (registration, preparation) until the simulated quantiles are right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from healthcare_ops.core.site import Site
from healthcare_ops.generator import estimates
from healthcare_ops.generator.estimates import Keys
from healthcare_ops.generator.history import Flags, Floats, History, history_of, history_of_journeys
from healthcare_ops.generator.parameters import (
    LEVELS,
    Parameters,
    default_parameters,
    emergency_sectors,
)
from healthcare_ops.generator.simulation import simulate

_SEED = 20_170_101
_SIMULATED_ENCOUNTERS = 30_000
_ROUNDS = 4
# Utilisations that are tried, from ample staff to staff that only just keeps up.
_UTILISATIONS = (0.3, 0.6, 0.75, 0.85, 0.95)
_OWN_SECTOR_ENCOUNTERS = 2_000
_CORRELATION, _STRONGEST = "wait_treatment_correlation", 0.95
_DURATIONS = {"registration_min": "triage_wait", "preparation_min": "care_wait", "treatment_min": "care"}


def fit(encounters: pa.Table, stays: pa.Table, site: Site) -> Parameters:
    """Return the parameters that make the synthetic hospital resemble a history.

    Parameters
    ----------
    encounters, stays
        Tables with the columns of `silver.encounters` and `silver.stays`; at least four weeks.
    site
        The hospital; its beds are used as they are.

    Raises
    ------
    DataError
        If the history is too short to learn from.
    """
    observed = history_of(encounters, stays, site)
    trial = _Trial(site, *_span(observed))
    blocks = _blocks(observed, site)
    candidates = [
        _adjusted(_with_utilisation(_keys(observed, site), value), blocks, trial, observed) for value in _UTILISATIONS
    ]
    wanted = np.array(crowding_dependence(observed))
    gaps = [np.abs(np.array(crowding_dependence(trial.run(keys))) - wanted).sum() for keys in candidates]
    keys = candidates[int(np.argmin(gaps))]
    for _ in range(_ROUNDS):
        keys = _adjusted(keys, blocks, trial, observed)
    return Parameters.model_validate(keys)


def crowding_dependence(history: History) -> tuple[float, float]:
    """Return the correlation of triage waits, and of care waits, with how many wait when the patient comes.

    Waits enter as ranks within their triage level, so that neither tails nor priorities matter.
    """
    crowd = history.waiting_on_arrival().astype(float)
    return _correlation(history, history.triage_wait, crowd), _correlation(history, history.care_wait, crowd)


@dataclass(frozen=True)
class _Trial:
    """A simulation to compare with the history: the same site and days."""

    site: Site
    first: date
    last: date

    def run(self, keys: Keys) -> History:
        parameters = Parameters.model_validate(keys)
        return history_of_journeys(simulate(self.site, parameters, self.first, self.last, _SEED), self.site)


def _span(history: History) -> tuple[date, date]:
    """Return days enough for a comparison, from the first of the history on, and one more at either end."""
    days = history.hours.days
    per_day = len(history.arrival) / len(days)
    count = min(len(days), max(math.ceil(_SIMULATED_ENCOUNTERS / per_day), 60))
    return days[0] - timedelta(days=1), days[0] + timedelta(days=count)


def _blocks(history: History, site: Site) -> dict[str, Flags]:
    """Return which encounters say something about each part of the parameters: "" = all, else one sector."""
    everybody = np.ones(len(history.arrival), bool)
    sectors = emergency_sectors(site)
    if len(sectors) == 1:
        return {"": everybody}
    of_sector = {sector.sector_id: history.sector == number for number, sector in enumerate(sectors)}
    return {"": everybody} | {
        name: rows for name, rows in of_sector.items() if np.count_nonzero(rows) >= _OWN_SECTOR_ENCOUNTERS
    }


def _keys(history: History, site: Site) -> Keys:
    """Return the parameters file that the history suggests, its waits all delay."""
    blocks, sectors = _blocks(history, site), emergency_sectors(site)
    whole = _emergency(history, site, blocks[""])
    if len(sectors) > 1:
        beds = sum(default_parameters().beds(sector) for sector in sectors)
        whole["arrivals"]["per_bed_per_day"] = round(whole["arrivals"].pop("per_day") / beds, 4)
    own = {name: _emergency(history, site, rows) for name, rows in blocks.items() if name}
    if len(sectors) > 1:
        for number, sector in enumerate(sectors):
            per_day = np.count_nonzero(history.sector == number) / len(history.hours.days)
            own.setdefault(sector.sector_id, {"arrivals": {"per_day": round(per_day, 4)}})
    returning = (
        {} if history.is_returning is None else {"returning_share": round(float(history.is_returning.mean()), 4)}
    )
    return {
        **returning,
        "emergency": whole,
        "sectors": own,
        # Days that differ are all in the dispersion.
        "disturbances": {"chance_per_day": 0.0},
        "triage": {"duration_min": estimates.quantiles(history.triage_end - history.triage_start)},
        "boarding": estimates.boarding(history, site),
        "inpatient": estimates.inpatient(history, default_parameters()),
    }


def _emergency(history: History, site: Site, rows: Flags) -> Keys:
    part = history.only(rows)
    outcomes, patience = estimates.outcomes(history, rows), estimates.patience(history, rows)
    waits = {name: estimates.by_level(part, getattr(part, source)) for name, source in _DURATIONS.items()}
    levels = {}
    for level in LEVELS:
        care = np.array(waits["treatment_min"][level])
        usual = np.array(default_parameters().emergency.level(level).contact_min)
        contact = np.minimum(usual, care / 2)
        levels[str(level)] = {
            **{name: values[level] for name, values in waits.items()},
            "contact_min": _rising(contact),
            "treatment_min": _rising(care - contact),
            # A history does not tell tests from treatment.
            "diagnostics_share": 0.0,
            "patience_min": patience[level],
            "outcomes": outcomes[level],
        }
    return {
        "arrivals": estimates.arrivals(history, site, rows),
        "mix": estimates.mix(history, rows),
        _CORRELATION: estimates.wait_care_correlation(part),
        "levels": levels,
    }


def _with_utilisation(keys: Keys, utilisation: float) -> Keys:
    changed = deepcopy(keys)
    changed["triage"]["utilisation"] = utilisation
    changed["emergency"]["physicians"] = {"utilisation": utilisation}
    return changed


def _adjusted(keys: Keys, blocks: Mapping[str, Flags], trial: _Trial, observed: History) -> Keys:
    """Return the keys with each delay moved by as much as the simulated quantiles are off."""
    simulated = trial.run(keys)
    there = _blocks(simulated, trial.site)
    changed = deepcopy(keys)
    for name in blocks.keys() & (there.keys() | {""}):
        block = changed["sectors"][name] if name else changed["emergency"]
        wanted, got = observed.only(blocks[name]), simulated.only(there[name])
        for delay, source in _DURATIONS.items():
            target, found = (estimates.by_level(part, getattr(part, source)) for part in (wanted, got))
            for level in LEVELS:
                levels = block["levels"][str(level)]
                levels[delay] = _moved(levels[delay], target[level], found[level])
        gap = estimates.wait_care_correlation(wanted) - estimates.wait_care_correlation(got)
        block[_CORRELATION] = round(min(max(block[_CORRELATION] + gap, -_STRONGEST), _STRONGEST), 4)
    return changed


def _moved(delay: list[float], target: list[float], found: list[float]) -> list[float]:
    """Return the delay's quantiles moved by target − found; not the longest, which differs by chance alone."""
    gap = np.array(target) - np.array(found)
    gap[-1] = 0.0
    return _rising(np.array(delay) + gap)


def _rising(values: Floats) -> list[float]:
    """Return the values as quantiles: none negative, none smaller than the one before."""
    return [round(float(value), 3) for value in np.maximum.accumulate(np.maximum(values, 0.0))]


def _correlation(history: History, wait: Floats, crowd: Floats) -> float:
    known = ~np.isnan(wait)
    if known.sum() < estimates.LEAST_OBSERVATIONS:
        return 0.0
    rank = estimates.ranks_in_level(history, wait, known)
    if np.ptp(rank[known]) == 0 or np.ptp(crowd[known]) == 0:
        return 0.0
    return float(np.corrcoef(rank[known], crowd[known])[0, 1])
