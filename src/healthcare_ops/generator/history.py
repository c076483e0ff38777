"""A hospital's own encounters and stays as columns of numbers, whether they come from a lake or from a simulation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import DISPOSITIONS
from healthcare_ops.generator.arrivals import Hours, civil_hours
from healthcare_ops.generator.journeys import Journeys
from healthcare_ops.generator.parameters import INPATIENT_KINDS, emergency_sectors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

LEAST_DAYS, LEAST_ENCOUNTERS = 28, 300
_MINUTE_US = 60_000_000
_HOUR_S = 3_600


@dataclass(frozen=True)
class Moves:
    """Completed stays in sectors that are no emergency: kind, hours, kind of the next one (−1 = none), outcome."""

    kind: Ints
    stay_h: Floats
    next_kind: Ints
    outcome: Ints


@dataclass(frozen=True)
class History:
    """Encounters that began in an emergency sector, on whole local days, in order of arrival.

    Instants are minutes since 1970 UTC, NaN = did not happen. `sector` counts the emergency sectors of the site,
    `level` is 0 where nobody triaged, `outcome` is a position in `DISPOSITIONS` (−1 = still here), `next_kind` one in
    `INPATIENT_KINDS` (−1 = none), `had_free_bed` says that the next sector was far from full when a bed was asked for,
    `day` and `hour` are civil.
    """

    hours: Hours
    sector: Ints
    level: Ints
    day: Ints
    hour: Ints
    arrival: Floats
    triage_start: Floats
    triage_end: Floats
    care_start: Floats
    admit: Floats
    ed_end: Floats
    discharge: Floats
    outcome: Ints
    next_kind: Ints
    had_free_bed: Flags
    is_returning: Flags | None
    moves: Moves

    def only(self, rows: Flags) -> History:
        """Return some of the encounters, with everybody's later stays."""
        whole = {"hours", "is_returning", "moves"}
        return replace(self, **{name: values[rows] for name, values in vars(self).items() if name not in whole})

    @property
    def triage_wait(self) -> Floats:
        """Minutes from the door to triage."""
        return self.triage_start - self.arrival

    @property
    def care_wait(self) -> Floats:
        """Minutes from triage, or from the door where there was none, to care."""
        return self.care_start - np.where(np.isnan(self.triage_end), self.arrival, self.triage_end)

    @property
    def wait(self) -> Floats:
        """Minutes from the door to care."""
        return self.care_start - self.arrival

    @property
    def care(self) -> Floats:
        """Minutes from the start of care to the decision: to admit, or to leave the emergency sector."""
        return np.fmin(self.admit, self.ed_end) - self.care_start

    @property
    def boarding(self) -> Floats:
        """Minutes that admitted patients stayed in the emergency sector."""
        return self.ed_end - self.admit

    @property
    def length_of_stay(self) -> Floats:
        """Minutes from the door to the end of the last stay."""
        return self.discharge - self.arrival

    @property
    def has_left_unseen(self) -> Flags:
        """Tell who went before anybody saw them."""
        return np.isnan(self.care_start) & ~np.isnan(self.discharge)

    def waiting_on_arrival(self) -> Ints:
        """Return how many of the same sector waited for triage or care when each came."""
        found = np.zeros(len(self.arrival), np.int64)
        until = np.fmin(self.care_start, self.discharge)
        for sector in np.unique(self.sector):
            of_sector = self.sector == sector
            came, gone = self.arrival[of_sector], np.sort(until[of_sector])
            found[of_sector] = np.arange(len(came)) - np.searchsorted(gone, came, side="right")
        return found


def history_of(encounters: pa.Table, stays: pa.Table, site: Site) -> History:
    """Return the history in tables with the columns of `silver.encounters` and `silver.stays`.

    The first and the last local day are left out: they are seldom whole.

    Raises
    ------
    DataError
        If it is too short to learn from.
    """
    sectors = [sector.sector_id for sector in emergency_sectors(site)]
    encounters = encounters.filter(pc.is_in(encounters["sector_id"], pa.array(sectors, pa.string())))
    encounters = encounters.sort_by("arrival_time")
    hours = _whole_days(encounters, site)
    start_s, end_s = hours.start_s[0], hours.start_s[-1] + _HOUR_S
    arrival_s = _minutes(encounters, "arrival_time") * 60
    encounters = encounters.filter(pa.array((arrival_s >= start_s) & (arrival_s < end_s)))
    _check_length(encounters, hours)
    in_hour = np.searchsorted(hours.start_s, _minutes(encounters, "arrival_time") * 60, side="right") - 1
    of_stay = pc.index_in(stays["encounter_id"], encounters["encounter_id"].combine_chunks())
    places = _Places.of(stays, of_stay, site)
    discharge, admit = _minutes(encounters, "discharge_time"), _minutes(encounters, "admit_time")
    outcome = pc.fill_null(pc.index_in(encounters["disposition"], pa.array(DISPOSITIONS)), -1).to_numpy()
    return History(
        hours=hours,
        sector=pc.index_in(encounters["sector_id"], pa.array(sectors)).to_numpy().astype(np.int64),
        level=_levels(encounters),
        day=hours.day[in_hour],
        hour=hours.hour_of_week[in_hour] % 24,
        arrival=_minutes(encounters, "arrival_time"),
        triage_start=_minutes(encounters, "triage_start"),
        triage_end=_minutes(encounters, "triage_end"),
        care_start=_minutes(encounters, "care_start"),
        admit=admit,
        ed_end=places.emergency_end(len(encounters), discharge),
        discharge=discharge,
        outcome=outcome.astype(np.int64),
        next_kind=places.first_kind(len(encounters)),
        had_free_bed=places.had_free_bed(admit, site),
        is_returning=_is_returning(encounters),
        moves=places.moves(outcome),
    )


def history_of_journeys(journeys: Journeys, site: Site) -> History:
    """Return a simulation as the history that its lake would hold."""
    encounters = journeys.encounters.rename_columns({"encounter_no": "encounter_id", "patient_no": "patient_id"})
    return history_of(encounters, journeys.stays.rename_columns({"encounter_no": "encounter_id"}), site)


def _whole_days(encounters: pa.Table, site: Site) -> Hours:
    if not encounters.num_rows:
        raise _too_short(0, 0)
    first, last = (_civil_day(encounters["arrival_time"][row].as_py(), site) for row in (0, -1))
    if (last - first).days < 2:
        raise _too_short(encounters.num_rows, max((last - first).days - 1, 0))
    return civil_hours(site, first + timedelta(days=1), last - timedelta(days=1))


def _civil_day(instant: datetime, site: Site) -> date:
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return aware.astimezone(site.tz).date()


def _check_length(encounters: pa.Table, hours: Hours) -> None:
    if encounters.num_rows < LEAST_ENCOUNTERS or len(hours.days) < LEAST_DAYS:
        raise _too_short(encounters.num_rows, len(hours.days))


def _too_short(encounters: int, days: int) -> DataError:
    return DataError(
        f"{encounters} encounters in emergency sectors on {days} whole days are too few to learn from; "
        f"{LEAST_ENCOUNTERS} on {LEAST_DAYS} days are the least.",
        next_step="Load more history, or write a parameters file by hand.",
    )


def _minutes(table: pa.Table, name: str) -> Floats:
    """Return instants as minutes since 1970 UTC; null as NaN."""
    micros = table[name].cast(pa.timestamp("us", table[name].type.tz)).cast(pa.int64())
    minutes: Floats = pc.divide(micros.cast(pa.float64()), float(_MINUTE_US)).to_numpy()
    return minutes


def _levels(encounters: pa.Table) -> Ints:
    """Return the triage levels, 0 for none; where no level was ever delivered, everybody counts as the middle one."""
    levels: Ints = pc.fill_null(encounters["triage_level"].cast(pa.int64()), 0).to_numpy()
    return levels if levels.any() else np.full(len(levels), 3)


def _is_returning(encounters: pa.Table) -> Flags | None:
    """Tell who has been here before, in the second half of the encounters; nothing without names."""
    if encounters["patient_id"].null_count:
        return None
    codes = encounters["patient_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    is_returning = np.ones(len(codes), bool)
    is_returning[first] = False
    return is_returning[len(codes) // 2 :]


@dataclass(frozen=True)
class _Places:
    """Stays of known encounters, in order of encounter and start; kind −1 is an emergency sector."""

    encounter: Ints
    sector: Ints
    kind: Ints
    start: Floats
    end: Floats

    @classmethod
    def of(cls, stays: pa.Table, of_stay: pa.Array, site: Site) -> _Places:
        is_known = pc.is_valid(of_stay)
        stays, encounter = stays.filter(is_known), pc.drop_null(of_stay).to_numpy().astype(np.int64)
        kinds = np.array([INPATIENT_KINDS.index(s.kind) if s.kind != "ed" else -1 for s in site.sectors])
        sector = pc.index_in(stays["sector_id"], pa.array(site.sector_ids)).to_numpy().astype(np.int64)
        start, end = _minutes(stays, "start_time"), _minutes(stays, "end_time")
        order = np.lexsort((start, encounter))
        return cls(encounter[order], sector[order], kinds[sector[order]], start[order], end[order])

    def emergency_end(self, count: int, discharge: Floats) -> Floats:
        """Return when each encounter left the emergency sectors; NaN = still there."""
        _, first = self._first_inpatient()
        ends = discharge.copy()
        ends[self.encounter[first]] = self.start[first]
        return ends[:count]

    def first_kind(self, count: int) -> Ints:
        """Return the kind of the first sector after the emergency department."""
        _, first = self._first_inpatient()
        kinds = np.full(count, -1)
        kinds[self.encounter[first]] = self.kind[first]
        return kinds

    def had_free_bed(self, asked: Floats, site: Site) -> Flags:
        """Tell for each encounter whether a tenth of the next sector's beds was empty at the instant `asked`."""
        encounters, first = self._first_inpatient()
        found = np.zeros(len(asked), bool)
        for number, sector in enumerate(site.sectors):
            here = self.sector == number
            start, end = np.sort(self.start[here]), np.sort(self.end[here])
            movers = encounters[self.sector[first] == number]
            taken = np.searchsorted(start, asked[movers]) - np.searchsorted(end, asked[movers], side="right")
            found[movers] = taken <= 0.9 * (sector.functional_capacity or np.inf)
        return found

    def moves(self, outcome: Ints) -> Moves:
        """Return the completed stays outside the emergency sectors; a change of bed is none."""
        is_last = np.append(np.diff(self.encounter) != 0, True) if len(self.encounter) else np.empty(0, bool)
        following = np.where(is_last, -1, np.roll(self.kind, -1))
        chosen = np.flatnonzero((self.kind >= 0) & ~np.isnan(self.end))
        stay_h = (self.end - self.start) / 60
        return Moves(self.kind[chosen], stay_h[chosen], following[chosen], outcome[self.encounter[chosen]])

    def _first_inpatient(self) -> tuple[Ints, Ints]:
        inpatient = np.flatnonzero(self.kind >= 0)
        encounters, first = np.unique(self.encounter[inpatient], return_index=True)
        return encounters, inpatient[first]
