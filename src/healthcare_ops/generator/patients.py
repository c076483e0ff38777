"""Who comes: triage level, service times, patience, outcome and way through the wards, drawn beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import DISPOSITIONS
from healthcare_ops.generator.arrivals import Comings, Hours
from healthcare_ops.generator.durations import (
    Floats,
    Ints,
    choose,
    correlated,
    duration_table,
    normal_scores,
    sample_s,
    spread_s,
    thresholds,
)
from healthcare_ops.generator.parameters import (
    DAY_S,
    HOUR_S,
    INPATIENT_KINDS,
    LEVELS,
    MINUTE_S,
    Parameters,
    emergency_sectors,
)
from healthcare_ops.generator.streams import Randoms, random_numbers

Column = NDArray[np.int32]

NONE = -1
MAX_STAGES = 4  # places after the emergency department, e.g. observation → ward → icu → ward
DISPOSITION_NO = {name: number for number, name in enumerate(DISPOSITIONS)}
_KIND_NO: dict[str, int] = {kind: number for number, kind in enumerate(INPATIENT_KINDS)}
_BATCH = 200_000
_DURATIONS = ("registration", "preparation", "contact", "treatment", "diagnostics", "review", "patience")
_DELAYS = ("registration", "preparation")
# What each choice means, in the order of the keys of `Outcomes` and of `Next`; home is the choice after the last:
# the kind of sector that follows (none = the patient leaves), and how it ends.
_AFTER_CARE = (
    ("other", "home"),
    ("ward", "home"),
    ("icu", "home"),
    ("", "transferred"),
    ("", "died"),
    ("", "left_against_advice"),
    ("", "other"),
    ("", "home"),
)
_AFTER_STAY = (("other", "home"), ("ward", "home"), ("icu", "home"), ("", "transferred"), ("", "died"), ("", "home"))


class _Draw(IntEnum):
    """The random numbers of a patient, one column each; new ones go to the end, so that the others stay."""

    LEVEL = 0
    REGISTRATION = 1
    TRIAGE = 2
    PREPARATION = 3
    CONTACT = 4
    TREATMENT = 5
    HAS_DIAGNOSTICS = 6
    DIAGNOSTICS = 7
    REVIEW = 8
    PATIENCE = 9
    OUTCOME = 10
    HANDOVER = 11
    LIMIT = 12
    OUTSIDE = 13
    RETURNS = 14
    BEFORE = 15
    PLACE = 16  # one for each stage
    STAY = 20
    NEXT = 24


_DRAWS = 28


@dataclass(frozen=True)
class Patients:
    """Everybody who comes, in order of arrival; times in seconds since the start of the simulation, −1 = none.

    `sector` is the number of the emergency sector in the site; `away_s` is treatment and diagnostics without a
    physician; `review_s` 0 = no second contact; `deadline` is when patience ends; `outside_s` is the wait for a bed
    in another house; `stage_place` and `stage_stay_s` have one row per stage after the emergency department.
    `latest` is when any stay ends, because the site believes in none that is longer. `returns` says who has
    been here before, and the random number `before` in which visit.
    """

    arrival: Column
    ready: Column
    deadline: Column
    latest: Column
    sector: Column
    level: Column
    triage_s: Column
    preparation_s: Column
    contact_s: Column
    away_s: Column
    review_s: Column
    outcome: Column
    handover_s: Column
    limit_s: Column
    outside_s: Column
    returns: NDArray[np.bool_] = field(metadata={"dtype": np.bool_})
    before: Randoms = field(metadata={"dtype": np.uint32})
    stage_place: Column
    stage_stay_s: Column

    def __len__(self) -> int:
        return len(self.arrival)


def draw_patients(site: Site, parameters: Parameters, hours: Hours, comings: Comings, seed: int) -> Patients:
    """Return the patients who come as `comings` say."""
    rules = _Rules.of(site, parameters)
    whole = _nobody(len(comings.time_s))
    permille = _service_permille(site, parameters, hours)
    for rows, draws in _batches(site, hours, comings, seed):
        part = _patients(rules, _arrivals(hours, comings, permille, rows), draws)
        for name, column in vars(part).items():
            getattr(whole, name)[..., rows] = column
    return whole


def _nobody(count: int) -> Patients:
    """Return columns of that length, to be filled."""
    whole = {column.name: np.empty(count, column.metadata.get("dtype", np.int32)) for column in fields(Patients)}
    stages = {name: np.empty((MAX_STAGES, count), np.int32) for name in ("stage_place", "stage_stay_s")}
    return Patients(**whole | stages)


def _batches(site: Site, hours: Hours, comings: Comings, seed: int) -> Iterator[tuple[slice, Randoms]]:
    """Yield the random numbers of the patients of some whole days at a time, so that memory stays small."""
    counts = np.bincount(comings.day, minlength=len(hours.days))
    first, end = 0, 0
    drawn = [np.empty((0, _DRAWS), np.uint32)]
    for day, count in zip(hours.days, counts.tolist(), strict=True):
        random = random_numbers(seed, "patients", site.facility_id, day.toordinal())
        drawn.append(random.bits(count * _DRAWS).reshape(count, _DRAWS))
        end += count
        if end - first >= _BATCH:
            yield slice(first, end), np.concatenate(drawn)
            first, drawn = end, drawn[:1]
    yield slice(first, end), np.concatenate(drawn)


@dataclass(frozen=True)
class _Arrivals:
    """Arrivals of one batch: second of the simulation, emergency sector, civil hour, service time ÷ usual in ‰."""

    time_s: Ints
    sector: Ints
    hour: Ints
    permille: Ints


def _arrivals(hours: Hours, comings: Comings, permille: Ints, rows: slice) -> _Arrivals:
    time_s, sector = comings.time_s[rows], comings.sector[rows]
    hour = hours.hour_of_week[np.searchsorted(hours.start_s, time_s, side="right") - 1] % 24
    return _Arrivals(time_s - hours.start_s[0], sector, hour, permille[comings.day[rows], sector])


def _service_permille(site: Site, parameters: Parameters, hours: Hours) -> Ints:
    """Return service time ÷ usual in ‰ for each day (rows) and emergency sector (columns)."""
    sectors = emergency_sectors(site)
    factor = np.ones((len(hours.days), len(sectors)))
    for change in parameters.changes:
        days = np.array([change.covers(day) for day in hours.days])
        named = np.array([not change.sectors or sector.sector_id in change.sectors for sector in sectors])
        factor[np.ix_(days, named)] *= change.service_factor
    permille: Ints = np.rint(factor * 1000).astype(np.int64)
    return permille


@dataclass(frozen=True)
class _Rules:
    """The parameters as tables: a row per emergency sector and level, or per kind of inpatient sector."""

    site_sector: Ints
    level_limits: Ints
    durations: dict[str, Ints]
    correlation: Floats
    diagnostics_limits: Ints
    outcome_limits: Ints
    triage: Ints
    handover: Ints
    limit: Ints
    outside: Ints
    stays: Ints
    next_limits: Ints
    places: tuple[Ints, ...]
    place_limits: tuple[Ints, ...]
    return_limits: Ints
    longest_s: int

    @classmethod
    def of(cls, site: Site, parameters: Parameters) -> _Rules:
        emergency = [parameters.of_sector(sector.sector_id) for sector in emergency_sectors(site)]
        levels = [sector.level(level) for sector in emergency for level in LEVELS]
        inpatient = [parameters.inpatient[kind] for kind in INPATIENT_KINDS]
        handover = np.minimum(_tables([parameters.boarding.handover_min]), DAY_S // 4)
        of_kind = [
            [(number, parameters.beds(sector)) for number, sector in enumerate(site.sectors) if sector.kind == kind]
            for kind in INPATIENT_KINDS
        ]
        return cls(
            site_sector=np.array([number for number, sector in enumerate(site.sectors) if sector.kind == "ed"]),
            level_limits=np.array([thresholds(hour[:-1]) for sector in emergency for hour in sector.shares_by_hour()]),
            durations={name: _tables([getattr(level, f"{name}_min") for level in levels]) for name in _DURATIONS},
            correlation=np.repeat([sector.wait_treatment_correlation for sector in emergency], len(LEVELS)),
            diagnostics_limits=np.array([thresholds([level.diagnostics_share]) for level in levels]),
            outcome_limits=np.array([thresholds(level.outcomes.model_dump().values()) for level in levels]),
            triage=_tables([parameters.triage.duration_min]),
            handover=handover,
            limit=_tables([parameters.boarding.limit_h], HOUR_S),
            outside=_tables([parameters.boarding.outside_min]),
            stays=_tables([kind.stay_h for kind in inpatient], HOUR_S),
            next_limits=np.array([thresholds(kind.next.model_dump().values()) for kind in inpatient]),
            places=tuple(np.array([number for number, _ in kind], dtype=np.int64) for kind in of_kind),
            place_limits=tuple(_place_limits([beds for _, beds in kind]) for kind in of_kind),
            return_limits=thresholds([parameters.returning_share]),
            # Less than the site believes in by the last handover, so that no stay is too long for it.
            longest_s=site.max_stay_days * DAY_S - int(handover.max()) - HOUR_S,
        )

    def existing(self, kind: Ints) -> Ints:
        """Return the kinds, with −1 for those that the site lacks."""
        has = np.array([len(places) > 0 for places in self.places] + [False])
        return np.where(has[kind], kind, NONE)


def _tables(quantiles: Sequence[Sequence[float]], unit_s: int = MINUTE_S) -> Ints:
    return np.array([duration_table(row, unit_s) for row in quantiles])


def _place_limits(beds: Sequence[int]) -> Ints:
    return thresholds([number / sum(beds) for number in beds[:-1]])


def _codes(choices: Sequence[tuple[str, str]]) -> tuple[Ints, Ints]:
    """Return the kind of sector (−1 = none) and the disposition of each choice."""
    kinds = [_KIND_NO.get(kind, NONE) for kind, _ in choices]
    return np.array(kinds), np.array([DISPOSITION_NO[disposition] for _, disposition in choices])


def _patients(rules: _Rules, arrivals: _Arrivals, draws: Randoms) -> Patients:
    longest = rules.longest_s
    level = choose(rules.level_limits, arrivals.sector * 24 + arrivals.hour, draws[:, _Draw.LEVEL]) + 1
    row = arrivals.sector * len(LEVELS) + level - 1
    drawn = {name: draws[:, _Draw[name.upper()]] for name in _DURATIONS}
    if rules.correlation.any():
        drawn["treatment"] = correlated(drawn["treatment"], _delay_scores(rules, row, drawn), rules.correlation[row])
    seconds = {
        name: np.minimum(sample_s(rules.durations[name], row, drawn[name]), longest // 8)
        for name in _DURATIONS
        if name != "patience"
    }
    patience = sample_s(rules.durations["patience"], row, drawn["patience"])
    triage = np.minimum(sample_s(rules.triage, 0, draws[:, _Draw.TRIAGE]), longest // 8)
    has_tests = choose(rules.diagnostics_limits, row, draws[:, _Draw.HAS_DIAGNOSTICS]) == 0
    for name in ("contact", "treatment", "diagnostics", "review"):
        seconds[name] = seconds[name] * arrivals.permille // 1000
    away = seconds["treatment"] + has_tests * seconds["diagnostics"]
    way = _ways(rules, row, draws)
    return Patients(
        arrival=_column(arrivals.time_s),
        ready=_column(arrivals.time_s + seconds["registration"]),
        # Even the most patient are gone before the site would call the visit impossible.
        deadline=_column(arrivals.time_s + np.clip(patience, MINUTE_S, longest // 4)),
        latest=_column(arrivals.time_s + longest),
        sector=_column(rules.site_sector[arrivals.sector]),
        level=_column(level),
        triage_s=_column(triage * arrivals.permille // 1000),
        preparation_s=_column(seconds["preparation"]),
        contact_s=_column(seconds["contact"]),
        away_s=_column(np.minimum(away, longest // 4)),
        review_s=_column(np.where(has_tests, np.maximum(seconds["review"], 1), 0)),
        outcome=_column(way.outcome),
        handover_s=_column(sample_s(rules.handover, 0, draws[:, _Draw.HANDOVER])),
        limit_s=_column(sample_s(rules.limit, 0, draws[:, _Draw.LIMIT])),
        outside_s=_column(np.where(way.is_outside, _outside_s(rules, draws), NONE)),
        returns=choose(rules.return_limits, 0, draws[:, _Draw.RETURNS]) == 0,
        before=draws[:, _Draw.BEFORE],
        stage_place=_column(way.place),
        stage_stay_s=_column(way.stay_s),
    )


def _delay_scores(rules: _Rules, row: Ints, drawn: Mapping[str, Randoms]) -> Floats:
    """Return normal scores of the delays before care, in which the one that varies more counts for more."""
    weights = [spread_s(rules.durations[name]) for name in _DELAYS]
    total = np.maximum(np.sqrt(weights[0] ** 2 + weights[1] ** 2), 1e-6)
    first, second = (
        normal_scores(drawn[name]) * (weight / total)[row] for name, weight in zip(_DELAYS, weights, strict=True)
    )
    return first + second


def _outside_s(rules: _Rules, draws: Randoms) -> Ints:
    return np.minimum(sample_s(rules.outside, 0, draws[:, _Draw.OUTSIDE]), rules.longest_s // 8)


@dataclass(frozen=True)
class _Ways:
    """Where patients go after emergency care: places and stays (one row per stage), and how it ends."""

    place: Ints
    stay_s: Ints
    outcome: Ints
    is_outside: NDArray[np.bool_]


def _ways(rules: _Rules, row: Ints, draws: Randoms) -> _Ways:
    kinds, dispositions = _codes(_AFTER_CARE)
    choice = choose(rules.outcome_limits, row, draws[:, _Draw.OUTCOME])
    wanted, outcome = kinds[choice], dispositions[choice]
    kind = rules.existing(wanted)
    is_outside = (kind == NONE) & (wanted != NONE) & (wanted != _KIND_NO["other"])
    outcome = np.where(is_outside, DISPOSITION_NO["admitted"], outcome)
    place = np.full((MAX_STAGES, len(row)), NONE)
    stay_s = np.zeros_like(place)
    kinds, dispositions = _codes(_AFTER_STAY)
    for stage in range(MAX_STAGES):
        here = np.flatnonzero(kind != NONE)
        place[stage, here] = _places(rules, kind[here], draws[here, _Draw.PLACE + stage])
        stay_s[stage, here] = sample_s(rules.stays, kind[here], draws[here, _Draw.STAY + stage])
        choice = choose(rules.next_limits, kind[here], draws[here, _Draw.NEXT + stage])
        outcome[here] = dispositions[choice]
        kind = np.full(len(row), NONE)
        kind[here] = rules.existing(kinds[choice])
    return _Ways(place, stay_s, outcome, is_outside)


def _places(rules: _Rules, kind: Ints, random: Randoms) -> Ints:
    """Return a sector of each kind, the larger the likelier."""
    place = np.full(len(kind), NONE)
    for number, places in enumerate(rules.places):
        of_kind = np.flatnonzero(kind == number)
        if len(of_kind):
            place[of_kind] = places[choose(rules.place_limits[number], 0, random[of_kind])]
    return place


def _column(values: Ints) -> Column:
    return values.astype(np.int32)
