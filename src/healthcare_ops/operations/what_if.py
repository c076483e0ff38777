"""A rule with another threshold, tried on what past runs measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import ibis

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.jobs.quality_reports import PAST_DAYS
from healthcare_ops.operations.reading import which_of
from healthcare_ops.operations.rules import rules_in_force
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.parser import parse
from healthcare_ops.pipeline.quality.dqdl.syntax import Condition, Rule, leaves
from healthcare_ops.pipeline.quality.report.past import (
    Identity,
    grows,
    identity_in,
    identity_of,
    kind_of,
    told_by_rule,
    values_of,
)
from healthcare_ops.pipeline.quality.rules.checks import Check, judged_tables, own_id
from healthcare_ops.pipeline.quality.rules.compiler import compile_check
from healthcare_ops.pipeline.quality.rules.conditions import holds, require_numbers
from healthcare_ops.pipeline.quality.rules.measures import ALL, Scope
from healthcare_ops.pipeline.quality.rules.refusals import NoHistoryError, NotCompilableError


@dataclass(frozen=True)
class Tried:
    """What a rule said in a past run, and what it would have said with another threshold; null: it cannot be told.

    `rule` is what was judged then, and `is_same` whether it is what the rule in force says: of another one the value
    may be of another column, or of other rows. `version` is that of the file of rules.
    """

    run_id: str
    as_of: str
    value: float | None
    was: str
    would_be: str | None
    rule: str
    version: str
    is_same: bool


def what_if(
    platform: Platform,
    reports: Sequence[Mapping[str, Any]],
    rule_id: str,
    threshold: str,
    *,
    earlier: Sequence[Mapping[str, Any]] = (),
) -> list[Tried]:
    """Return what a rule would have said in past runs, the newest first.

    Parameters
    ----------
    threshold
        A number in the place of the rule's own, or a condition such as `>= 0.9`, `between 10 and 20` or
        `> 0.5 * avg(last(7))`, which speaks of the reports before each.
    earlier
        Reports before all of these, the newest first; of them is told only what the others are held against.

    Raises
    ------
    NotFoundError
        If no rule in force has that id.
    ConfigError
        If the threshold is no condition of numbers, or no share where the rule is about rows, or if the rule has more
        than one.
    """
    in_force = {one.check.rule_id: one for one in rules_in_force(platform)}
    listed = in_force.get(rule_id)
    if listed is None:
        next_step = which_of(rule_id, in_force, "`hops dq rules list` names them.")
        raise NotFoundError(f"there is no rule {rule_id!r}.", next_step=next_step)
    check = listed.check
    if not isinstance(check.node, Rule):
        raise ConfigError(
            f"{rule_id} joins several rules, and has no one threshold.", next_step="Adopt a changed file instead."
        )
    _require_share(check.node, threshold)
    condition = _condition(threshold, _own_condition(check))
    rule = identity_of(check, listed.version)
    of_rule = [_of_rule(report, rule) for report in (*reports, *earlier)]
    return [
        _tried(check, rule, report, section, condition, _values_before(of_rule[number + 1 :], report, section, check))
        for number, report in enumerate(of_rule[: len(reports)])
        for section in report["rules"]
    ]


def _of_rule(report: Mapping[str, Any], rule: Identity) -> Mapping[str, Any]:
    """Return a report that tells of one rule alone, whatever that said then."""
    named = [
        section
        for section in report["rules"]
        if (section["table"], own_id(section["rule_id"])) == (rule.table, rule.own_id)
    ]
    return {**report, "rules": named}


def _values_before(
    earlier: Sequence[Mapping[str, Any]], report: Mapping[str, Any], section: Mapping[str, Any], check: Check
) -> list[float]:
    """Return what the rule measured before a report, in runs like that one: `last(k)` looks at no others."""
    told = told_by_rule([one for one in earlier if _is_judged_by(one, report)])
    found = values_of(told.get(identity_in(report, section), ()), report["days"]["count"] if grows(check) else None)
    return [values[0] for values in found if values and values[0] is not None]


def _is_judged_by(earlier: Mapping[str, Any], report: Mapping[str, Any]) -> bool:
    """Tell whether rules hold a report against an earlier one: as `past_reports` has it."""
    if earlier["error"] or kind_of(earlier["run_id"]) != kind_of(report["run_id"]):
        return False
    age = datetime.fromisoformat(report["as_of"]) - datetime.fromisoformat(earlier["as_of"])
    return age < timedelta(days=PAST_DAYS)


def _own_condition(check: Check) -> Condition | None:
    """Return what the rule holds its number against; None for a rule that compares it with the runs before."""
    if next(leaves(check.node)).rule_type == "DetectAnomalies":
        return None
    kinds = {table.id: ibis.table(table.types(), name=table.name) for table in judged_tables()}
    ((_, found),) = compile_check(check, Scope(kinds[check.table], kinds)).leaves
    return found.condition


def _require_share(node: Rule, threshold: str) -> None:
    """Raise if a number cannot be the share of rows that a rule about their values is held against."""
    is_of_rows = node.rule_type in ("ColumnValues", "ColumnLength", "ColumnDataType")
    if is_of_rows and _is_number(threshold) and not 0 <= float(threshold) <= 1:
        raise ConfigError(
            f"--threshold {threshold} is no share: reports tell how many rows met the rule, not their values.",
            next_step="Give the share of rows that must meet it, from 0 to 1; another limit takes a new file.",
        )


def _condition(text: str, own: Condition | None) -> Condition:
    """Return the condition; a number alone takes the place of the one in the rule's own, or is the least of a share."""
    if not _is_number(text):
        written = text
    elif own is None or own == ALL:
        written = f">= {text}"
    else:
        written = f"{own.operator} {text}"
    try:
        (node,) = parse(f"Rules = [ RowCount {written} ]").rules
        if not isinstance(node, Rule) or node.condition is None or node.where or node.threshold or node.labels:
            raise NotCompilableError("it is no condition")
        require_numbers(node.condition)
    except (DqdlError, NotCompilableError, ValueError) as error:
        raise ConfigError(
            f"--threshold {text!r} is neither a number nor a condition such as '>= 0.9'.",
            next_step="Quote the condition.",
        ) from error
    return node.condition


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _tried(
    check: Check,
    rule: Identity,
    report: Mapping[str, Any],
    section: Mapping[str, Any],
    condition: Condition,
    before: Sequence[float],
) -> Tried:
    value = section["values"][0] if section["values"] else None
    would_be: str | None = None
    if value is not None:
        with suppress(NoHistoryError):
            violations = section.get("violations", section.get("null_count"))
            would_be = "pass" if holds(condition, value, before) else check.broken_by(violations)
    return Tried(
        run_id=report["run_id"],
        as_of=report["as_of"],
        value=value,
        was=section["verdict"],
        would_be=would_be,
        rule=section["rule"],
        version=report["rule_versions"].get(check.table, ""),
        is_same=identity_in(report, section) == rule,
    )
