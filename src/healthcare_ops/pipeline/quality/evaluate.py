"""Rules against tables: one aggregate per table for all row rules, one expression per set rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from healthcare_ops.core.tables import ENCOUNTERS
from healthcare_ops.pipeline.quality.rules import CLOCK_SKEW, Rule

Verdict = Literal["pass", "warn", "fail", "not_applicable"]
Collect = Callable[[ir.Table], pa.Table]
_SAMPLES = 5


@dataclass(frozen=True)
class Limits:
    """What the rules are judged against: the days that times may lie in, and now (naive UTC), give or take a skew."""

    first_day: date
    last_day: date
    now: datetime


@dataclass(frozen=True)
class Finding:
    """What a rule found. `checked` and `violations` count rows; for completeness violations are nulls."""

    rule: Rule
    checked: int
    violations: int
    samples: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Return violations ÷ checked, 0 where nothing was checked."""
        return self.violations / self.checked if self.checked else 0.0

    @property
    def verdict(self) -> Verdict:
        """Return pass, or the rule's severity once the share exceeds the threshold; of a tolerated few, a warning."""
        if not self.checked:
            return "not_applicable"
        if self.share <= self.rule.threshold:
            return "pass"
        return self.rule.severity if self.violations > self.rule.tolerated else "warn"


def evaluate(
    rules: Sequence[Rule],
    tables: Mapping[str, ir.Table],
    *,
    collect: Collect,
    limits: Limits,
    delivered: Collection[str],
    encounters: ir.Table,
    standing: ir.Table,
) -> tuple[Finding, ...]:
    """Return one finding per rule whose table is given, in the order of the rules.

    Parameters
    ----------
    delivered
        Columns that at least one feed delivers; a rule that needs another is not applicable.
    encounters
        The encounters that stays and events may belong to.
    standing
        All encounters of the lake: one of those judged may stand on another day as well.
    """
    counts: dict[str, tuple[int, int]] = {}
    applicable = [rule for rule in rules if not rule.needs or rule.needs in delivered]
    for name, table in tables.items():
        mine = [rule for rule in applicable if rule.table == name]
        counts |= _row_counts([rule for rule in mine if rule.kind not in _SET_RULES], table, collect, limits)
        for rule in mine:
            if rule.kind in _SET_RULES:
                counts[rule.rule_id] = _set_counts(rule, table, encounters, standing, collect)
    findings = []
    for rule in (rule for rule in rules if rule.table in tables):
        checked, violations = counts.get(rule.rule_id, (0, 0))
        samples = (
            _samples(rule, tables[rule.table], collect, limits) if violations and rule.kind not in _SET_RULES else ()
        )
        findings.append(Finding(rule, checked, violations, samples))
    return tuple(findings)


_SET_RULES = {"uniqueness", "reference", "held"}


def _row_counts(rules: Sequence[Rule], table: ir.Table, collect: Collect, limits: Limits) -> dict[str, tuple[int, int]]:
    if not rules:
        return {}
    sums = {"checked": table.count()}
    for number, rule in enumerate(rules):
        sums[f"bad_{number}"] = _is_bad(rule, table, limits).fill_null(False).cast("int64").sum().fill_null(0)
    (row,) = collect(table.aggregate(**sums)).to_pylist()
    return {rule.rule_id: (row["checked"], row[f"bad_{number}"]) for number, rule in enumerate(rules)}


def _is_bad(rule: Rule, table: ir.Table, limits: Limits) -> Any:
    """Return the row condition that violates the rule; null values violate completeness only."""
    column = table[rule.columns[0]]
    if rule.kind == "completeness":
        return column.isnull()
    if rule.kind == "allowed_values":
        return column.notin(rule.allowed)
    if rule.kind == "range":
        return (column < float(rule.allowed[0])) | (column > float(rule.allowed[1]))
    if rule.kind == "order":
        return table[rule.columns[1]] < column
    day = column.date()
    return (
        (day < ibis.literal(limits.first_day))
        | (day > ibis.literal(limits.last_day))
        | (column > ibis.literal(limits.now + CLOCK_SKEW))
    )


def _set_counts(
    rule: Rule, table: ir.Table, encounters: ir.Table, standing: ir.Table, collect: Collect
) -> tuple[int, int]:
    if rule.kind == "held":
        held, delivered = rule.columns
        sums = table.aggregate(bad=table[held].sum().fill_null(0), checked=table[delivered].sum().fill_null(0))
        (row,) = collect(sums).to_pylist()
        return row["checked"], row["bad"]
    checked = table.aggregate(checked=table.count())
    if rule.kind == "uniqueness":
        rows = standing.semi_join(table, rule.columns) if rule.table == ENCOUNTERS.id else table
        groups = rows.group_by(rule.columns).aggregate(copies=rows.count())
        bad = groups.aggregate(bad=(groups.copies - 1).sum().fill_null(0))
    else:
        orphans = table.anti_join(encounters.select("encounter_id"), "encounter_id")
        bad = orphans.aggregate(bad=orphans.count())
    (row,) = collect(checked.cross_join(bad)).to_pylist()
    return row["checked"], row["bad"]


def _samples(rule: Rule, table: ir.Table, collect: Collect, limits: Limits) -> tuple[str, ...]:
    """Return pseudonyms of the first violating encounters, enough to look them up."""
    bad = table.filter(_is_bad(rule, table, limits)).select("encounter_id").distinct().order_by("encounter_id")
    return tuple(collect(bad.limit(_SAMPLES))["encounter_id"].to_pylist())
