"""Bronze records to silver: events, encounters, stays, quarantine and the account of every record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.civil_time import OffsetSpan
from healthcare_ops.core.reasons import Reason
from healthcare_ops.core.site import Site
from healthcare_ops.core.tables import (
    BATCH_ACCOUNTS,
    DISPOSITIONS,
    ENCOUNTERS,
    EVENTS,
    FATES,
    MILESTONES,
    QUARANTINE,
    STAYS,
)
from healthcare_ops.pipeline import civil

_TIME_OF = {
    "arrival": "arrival_time",
    "triage_start": "triage_start",
    "triage_end": "triage_end",
    "care_start": "care_start",
    "admit": "admit_time",
    "transfer": "transfer_time",
    "discharge": "discharge_time",
}
_OUTCOME_RANK = {name: len(DISPOSITIONS) - number for number, name in enumerate(DISPOSITIONS)}
# Of each pair the first is not later than the second; else the encounter's events are reversed.
ORDERED = (
    ("arrival_time", "triage_start"),
    ("triage_start", "triage_end"),
    ("arrival_time", "triage_end"),
    ("triage_end", "care_start"),
    ("arrival_time", "care_start"),
    ("arrival_time", "admit_time"),
    ("arrival_time", "first_placed"),
    ("arrival_time", "discharge_time"),
    ("triage_start", "discharge_time"),
    ("triage_end", "discharge_time"),
    ("care_start", "discharge_time"),
    ("admit_time", "discharge_time"),
    ("last_placed", "discharge_time"),
)


@dataclass(frozen=True)
class Silver:
    """The silver tables of one recomputation, restricted to its days."""

    encounters: ir.Table
    stays: ir.Table
    events: ir.Table
    quarantine: ir.Table
    accounts: ir.Table


def events_of_encounters(judged: ir.Table) -> ir.Table:
    """Return one row per milestone of the applied encounter records."""
    applied = judged.filter(judged.fate == "applied")
    parts = []
    for milestone, name in _TIME_OF.items():
        part = applied.filter(applied[f"{name}_at"].notnull())
        nothing = ibis.null("string")
        sector = {"arrival": part["sector_id"], "transfer": part["transfer_sector_id"]}.get(milestone, nothing)
        parts.append(
            part.select(
                "encounter_id",
                "patient_id",
                "feed_id",
                source_event_id=nothing,
                event_type=ibis.literal(milestone),
                event_time=part[f"{name}_at"],
                sector_id=sector,
                bed_id=part.bed_id if milestone == "arrival" else nothing,
                level=part.level if milestone == "arrival" else ibis.null("int64"),
                outcome=part.outcome if milestone == "discharge" else nothing,
            )
        )
    return ibis.union(*parts)


def events_of_events(judged: ir.Table) -> ir.Table:
    """Return one row per applied event record."""
    applied = judged.filter(judged.fate == "applied")
    return applied.select(
        "encounter_id",
        "patient_id",
        "feed_id",
        "source_event_id",
        "event_type",
        "event_time",
        "sector_id",
        "bed_id",
        "level",
        "outcome",
    )


def places(events: ir.Table) -> ir.Table:
    """Return one row per change of place: encounter, sector, bed, when, until the next change, and its number.

    An event that names a sector says where the patient is from then on; a bed counts within its sector.
    """
    placed = events.filter(events.sector_id.notnull()).mutate(milestone_rank=_milestone_rank)
    told = placed.mutate(sector_before=placed.sector_id.lag().over(_in_order(placed)))
    is_other_sector = told.sector_before.isnull() | (told.sector_before != told.sector_id)
    # An event that names the same sector and no bed does not say that the patient lost the bed.
    telling = told.mutate(is_other_sector=is_other_sector).filter(is_other_sector | told.bed_id.notnull())
    before = telling.mutate(bed_before=telling.bed_id.lag().over(_in_order(telling)))
    is_other_bed = before.bed_id.notnull() & (before.bed_before.isnull() | (before.bed_before != before.bed_id))
    changes = before.filter(before.is_other_sector | is_other_bed)
    in_order = _in_order(changes)
    return changes.select(
        "encounter_id",
        "sector_id",
        "bed_id",
        start_time=changes.event_time,
        next_time=changes.event_time.lead().over(in_order),
        place_no=ibis.row_number().over(in_order),
    )


def _in_order(rows: ir.Table) -> Any:
    return ibis.window(
        group_by="encounter_id", order_by=[rows.event_time, rows.milestone_rank, rows.sector_id, rows.bed_id]
    )


def assemble(events: ir.Table, placed: ir.Table, site: Site, spans: Sequence[OffsetSpan]) -> ir.Table:
    """Return one row per encounter with the columns of `silver.encounters`, and more of this module's own.

    `reason_code` (null = sound) and `rule_ids`, why its records are held; `rules_released`, rules that would hold them
    had nobody released them; and `may_repeat_events`: two of its events may have one `event_id`.
    """
    rows = _milestones(events)
    first = placed.filter(placed.place_no == 0).select("encounter_id", "sector_id")
    rows = rows.left_join(first, "encounter_id").drop("encounter_id_right")
    rows = rows.mutate(
        facility_id=ibis.literal(site.facility_id),
        wait_triage_min=_minutes_between(rows.arrival_time, rows.triage_start),
        wait_service_min=_minutes_between(rows.triage_end.coalesce(rows.arrival_time), rows.care_start),
        total_wait_min=_minutes_between(rows.arrival_time, rows.care_start),
        los_min=_minutes_between(rows.arrival_time, rows.discharge_time),
        dt=civil.to_civil(rows.arrival_time, spans).date(),
    )
    rows = rows.mutate(reason_code=_encounter_reason(rows, site)).drop("first_placed", "last_placed")
    return rows.mutate(rule_ids=rows.reason_code, rules_released=ibis.null("string"))


def silver(
    judged: Sequence[tuple[str, ir.Table]],
    events: ir.Table,
    placed: ir.Table,
    encounters: ir.Table,
    days: ir.Table,
) -> Silver:
    """Return the silver tables of some days from (bronze table id, judged records) pairs and what they give.

    Parameters
    ----------
    days
        `dt` of each of them, once.
    """
    sound = encounters.filter(encounters.reason_code.isnull()).semi_join(days, "dt")
    fates = [(table, with_encounter_fate(rows.semi_join(days, "dt"), encounters)) for table, rows in judged]
    return Silver(
        encounters=sound.select(*ENCOUNTERS.column_names),
        stays=_stays(placed, sound),
        events=_events(events, sound),
        quarantine=ibis.union(*(_quarantine(table, rows) for table, rows in fates)),
        accounts=ibis.union(*(_accounts(rows) for _, rows in fates)),
    )


def _milestones(events: ir.Table) -> ir.Table:
    def when(milestone: str) -> Any:
        return events.event_type == milestone

    at = events.event_time
    is_placed = events.sector_id.notnull()
    # The latest level and outcome count; at one instant the more urgent level and the first outcome of the list.
    # As integers, so that no engine has to order structs.
    level_order = civil.epoch_us(at) * 8 + (5 - events.level)
    outcome_order = civil.epoch_us(at) * 8 + _code(events.outcome, _OUTCOME_RANK)
    rows = events.group_by("encounter_id").aggregate(
        patient_id=events.patient_id.max(),
        feed_id=events.feed_id.min(),
        last_feed_id=events.feed_id.max(),
        nameless=events.source_event_id.isnull().cast("int64").max(),
        arrival_time=at.min(where=when("arrival")),
        triage_start=at.min(where=when("triage_start")),
        triage_end=at.max(where=when("triage_end")),
        care_start=at.min(where=when("care_start")),
        admit_time=at.min(where=when("admit")),
        discharge_time=at.max(where=when("discharge")),
        first_placed=at.min(where=is_placed),
        last_placed=at.max(where=is_placed),
        level_order=level_order.max(where=events.level.notnull()),
        outcome_order=outcome_order.max(where=events.outcome.notnull()),
    )
    return rows.mutate(
        may_repeat_events=(rows.nameless == 1) | (rows.feed_id != rows.last_feed_id),
        triage_level=5 - rows.level_order % 8,
        disposition=_code(rows.outcome_order % 8, {rank: name for name, rank in _OUTCOME_RANK.items()}),
    ).drop("level_order", "outcome_order", "nameless", "last_feed_id")


def _code(value: Any, mapping: Mapping[Any, Any]) -> Any:
    """Return what the mapping makes of the value; null where it names no such value."""
    return ibis.cases(*((value == key, code) for key, code in mapping.items()))


def _encounter_reason(rows: ir.Table, site: Site) -> Any:
    reversed_ = reduce(lambda left, right: left | right, ((rows[b] < rows[a]).fill_null(False) for a, b in ORDERED))
    return ibis.cases(
        (rows.arrival_time.isnull(), Reason.ARRIVAL_MISSING.value),
        (rows.sector_id.isnull(), Reason.SECTOR_MISSING.value),
        (reversed_, Reason.EVENTS_REVERSED.value),
        (rows.los_min > float(site.max_stay_days * 1440), Reason.STAY_TOO_LONG.value),
        else_=ibis.null("string"),
    )


def _stays(placed: ir.Table, encounters: ir.Table) -> ir.Table:
    rows = placed.inner_join(encounters.select("encounter_id", "facility_id", "discharge_time", "dt"), "encounter_id")
    rows = rows.mutate(end_time=rows.next_time.coalesce(rows.discharge_time))
    # Two changes at one instant leave a stay of no length that nobody was in.
    lasting = rows.filter(rows.end_time.isnull() | (rows.end_time > rows.start_time) | rows.next_time.isnull())
    return lasting.select(*STAYS.column_names)


def _events(events: ir.Table, encounters: ir.Table) -> ir.Table:
    sound = encounters.select("encounter_id", "dt", "may_repeat_events")
    # Nearly all sources name their events, and then no row has to be compared with another.
    told_once = _named(events, sound.filter(~sound.may_repeat_events))
    return ibis.union(told_once, _one_each(_named(events, sound.filter(sound.may_repeat_events))))


def _named(events: ir.Table, encounters: ir.Table) -> ir.Table:
    rows = events.inner_join(encounters, "encounter_id")
    natural = rows.event_type + "|" + civil.epoch_us(rows.event_time).cast("string")
    return rows.mutate(event_id=rows.encounter_id + "|" + rows.source_event_id.fill_null(natural)).select(
        *EVENTS.column_names
    )


def _one_each(rows: ir.Table) -> ir.Table:
    """Return one row per event: of those that tell of it, the one that names a place and bed, whoever sent it."""
    counts = rows.group_by("event_id").aggregate(copies=rows.count())
    repeated = counts.filter(counts.copies > 1)
    copies = rows.semi_join(repeated, "event_id")
    best_first = ibis.window(
        group_by="event_id",
        order_by=[
            copies.sector_id.asc(nulls_first=False),
            copies.bed_id.asc(nulls_first=False),
            copies.event_time,
            copies.event_type,
        ],
    )
    ranked = copies.mutate(copy_no=ibis.row_number().over(best_first))
    best = ranked.filter(ranked.copy_no == 0).drop("copy_no")
    return ibis.union(rows.anti_join(repeated, "event_id"), best)


def with_encounter_fate(judged: ir.Table, encounters: ir.Table) -> ir.Table:
    """Hold back the sound records of an encounter that is at fault, with the encounter's reason."""
    telling = encounters.filter(encounters.reason_code.notnull() | encounters.rules_released.notnull()).select(
        "encounter_id",
        encounter_reason=encounters.reason_code,
        encounter_rules=encounters.rule_ids,
        encounter_released=encounters.rules_released,
    )
    rows = judged.left_join(telling, "encounter_id")
    is_held = (rows.fate == "applied") & rows.encounter_reason.notnull()
    return rows.mutate(
        fate=ibis.ifelse(is_held, "quarantined", rows.fate),
        reason_code=ibis.ifelse(is_held, rows.encounter_reason, rows.reason_code),
        rule_ids=ibis.ifelse(is_held, rows.encounter_rules, rows.rule_ids),
        rules_released=ibis.coalesce(rows.rules_released, rows.encounter_released),
    )


def _quarantine(source_table: str, rows: ir.Table) -> ir.Table:
    """Return the records that are held, and those that would be if nobody had released them."""
    held = rows.filter(rows.fate == "quarantined")
    held = held.mutate(state=ibis.literal("held"))
    let_in = rows.filter((rows.fate == "applied") & rows.rules_released.notnull())
    let_in = let_in.mutate(
        reason_code=ibis.literal(Reason.RULE_BROKEN.value),
        rule_ids=let_in.rules_released,
        state=ibis.literal("released"),
    )
    parts = [part.mutate(source_table=ibis.literal(source_table)) for part in (held, let_in)]
    return ibis.union(*(part.select(*QUARANTINE.column_names) for part in parts))


def _accounts(rows: ir.Table) -> ir.Table:
    grain = ("feed_id", "batch_id", "source_file", "source_sha256", "delivery_seq", "dt")
    counts = {fate: (rows.fate == fate).cast("int64").sum() for fate in FATES}
    return (
        rows.group_by(grain)
        .aggregate(delivered=rows.count(), civil_times_resolved=rows.resolved.sum(), **counts)
        .select(*BATCH_ACCOUNTS.column_names)
    )


def within(day: Any, runs: Sequence[tuple[date, date]]) -> Any:
    """Tell whether a day lies in one of the runs, both ends included."""
    return reduce(
        lambda left, right: left | right,
        (day.between(ibis.literal(first), ibis.literal(last)) for first, last in runs),
    )


def _milestone_rank(rows: ir.Table) -> Any:
    return ibis.cases(*((rows.event_type == name, rank) for rank, name in enumerate(MILESTONES)), else_=len(MILESTONES))


def _minutes_between(start: Any, end: Any) -> Any:
    return (civil.epoch_us(end) - civil.epoch_us(start)).cast("float64") / 60e6
