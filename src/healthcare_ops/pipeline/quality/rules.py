"""The data-quality rules of silver, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from healthcare_ops.core.tables import BATCH_ACCOUNTS, DISPOSITIONS, ENCOUNTERS, EVENTS, MILESTONES, STAYS

Kind = Literal["completeness", "uniqueness", "allowed_values", "range", "time_range", "order", "reference", "held"]
Severity = Literal["fail", "warn"]

# Clocks that are set by the network differ by seconds; those of devices set by hand, by a few minutes.
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Rule:
    """One rule on one table.

    `columns` are the columns it speaks of: the key for uniqueness, (earlier, later) for order, (held,
    delivered) for held, which compares two sums. `threshold` is the share of checked rows that may violate
    it; where no more than `tolerated` rows do, a rule of severity fail only warns, whatever their share.
    `allowed` holds the values, or (lowest, highest). A rule of an optional column is judged only where a
    feed delivers that column (`needs`).
    """

    rule_id: str
    table: str
    kind: Kind
    columns: tuple[str, ...]
    severity: Severity
    threshold: float
    reason: str
    next_step: str
    allowed: tuple[str | float, ...] = ()
    needs: str = ""
    tolerated: int = 0


_SUPPLIER = "Contact the feed's supplier with file and record numbers."
_MISDATED = "Have the supplier correct these visits; if there are many, check the feed's zone and plausible range."
_ZONE = "Check the feed's zone and plausible range against the supplier's clock."
_FEW_HELD = 5
_INTERNAL = "Rebuild the days with `hops backfill`; if it stays, report a defect."


def _completeness(column: str, threshold: float, needs: str) -> Rule:
    return Rule(
        f"encounters.{column}.complete",
        ENCOUNTERS.id,
        "completeness",
        (column,),
        "warn",
        threshold,
        f"{column} is delivered, so most encounters should have it",
        _SUPPLIER,
        needs=needs,
    )


def _order(earlier: str, later: str) -> Rule:
    return Rule(
        f"encounters.{earlier}_before_{later}",
        ENCOUNTERS.id,
        "order",
        (earlier, later),
        "fail",
        0.0,
        "a wait or stay would be negative",
        _SUPPLIER,
    )


def _range(column: str, lowest: float, highest: float, severity: Severity, threshold: float) -> Rule:
    return Rule(
        f"encounters.{column}.range",
        ENCOUNTERS.id,
        "range",
        (column,),
        severity,
        threshold,
        f"{column} lies between {lowest:g} and {highest:g} minutes",
        _ZONE,
        allowed=(lowest, highest),
    )


def _held(name: str, severity: Severity, threshold: float, reason: str) -> Rule:
    return Rule(
        f"batch_accounts.quarantined.{name}",
        BATCH_ACCOUNTS.id,
        "held",
        ("quarantined", "delivered"),
        severity,
        threshold,
        reason,
        "Read the reasons with `hops dq show --quarantine`; correct the feed file, or contact the supplier.",
        # Records without any time are booked on the day of their delivery: a handful of them is all of that day.
        tolerated=_FEW_HELD if severity == "fail" else 0,
    )


RULES: tuple[Rule, ...] = (
    _held("few", "warn", 0.05, "records that are held are missing from every count"),
    _held("not_all", "fail", 0.90, "a mapping that fits hardly any record is wrong"),
    Rule(
        "encounters.encounter_id.unique",
        ENCOUNTERS.id,
        "uniqueness",
        ENCOUNTERS.key,
        "fail",
        0.0,
        "one row per encounter, or every count is wrong",
        _INTERNAL,
    ),
    Rule(
        "encounters.arrival_time.complete",
        ENCOUNTERS.id,
        "completeness",
        ("arrival_time",),
        "fail",
        0.0,
        "an encounter without arrival has no day",
        _INTERNAL,
    ),
    Rule(
        "encounters.arrival_time.plausible",
        ENCOUNTERS.id,
        "time_range",
        ("arrival_time",),
        "warn",
        0.0,
        "arrivals lie in the plausible range of the feeds and not after now",
        _MISDATED,
    ),
    # A wrong zone puts the arrivals of its hours ahead of now; one misdated visit must not stop a hospital, nor a
    # small one of which it is more than the share.
    Rule(
        "encounters.arrival_time.range",
        ENCOUNTERS.id,
        "time_range",
        ("arrival_time",),
        "fail",
        0.01,
        "so many arrivals out of range or after now are a clock, zone or mapping",
        _ZONE,
        tolerated=2,
    ),
    _completeness("triage_level", 0.20, "triage_level"),
    _completeness("care_start", 0.30, "care_start"),
    _completeness("discharge_time", 0.20, "discharge_time"),
    Rule(
        "encounters.disposition.allowed",
        ENCOUNTERS.id,
        "allowed_values",
        ("disposition",),
        "fail",
        0.0,
        "outcomes are the platform's own codes",
        _INTERNAL,
        allowed=DISPOSITIONS,
    ),
    _order("arrival_time", "triage_start"),
    _order("triage_start", "triage_end"),
    _order("arrival_time", "care_start"),
    _order("care_start", "discharge_time"),
    _order("arrival_time", "discharge_time"),
    _range("total_wait_min", 0.0, 1440.0, "warn", 0.02),
    _range("los_min", 0.0, 20160.0, "warn", 0.02),
    Rule(
        "stays.encounter_and_start.unique",
        STAYS.id,
        "uniqueness",
        STAYS.key,
        "fail",
        0.0,
        "a patient comes to one place at a time",
        _SUPPLIER,
    ),
    Rule(
        "stays.encounter_id.known",
        STAYS.id,
        "reference",
        ("encounter_id",),
        "fail",
        0.0,
        "every stay belongs to an encounter",
        _INTERNAL,
    ),
    Rule(
        "events.event_id.unique",
        EVENTS.id,
        "uniqueness",
        EVENTS.key,
        "fail",
        0.0,
        "one row per event",
        _SUPPLIER,
    ),
    Rule(
        "events.event_type.allowed",
        EVENTS.id,
        "allowed_values",
        ("event_type",),
        "fail",
        0.0,
        "event types are the platform's milestones",
        _INTERNAL,
        allowed=MILESTONES,
    ),
    Rule(
        "events.encounter_id.known",
        EVENTS.id,
        "reference",
        ("encounter_id",),
        "fail",
        0.0,
        "every event belongs to an encounter",
        _INTERNAL,
    ),
)
