"""Checks as Ibis expressions, refused with line and column where this product cannot judge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis.common.exceptions import IbisError

from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, ENCOUNTERS_RAW, EVENTS_RAW
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.syntax import Composite, Node, Now, Rule, leaves
from healthcare_ops.pipeline.quality.rules.checks import Check
from healthcare_ops.pipeline.quality.rules.measures import ALWAYS, Compiled, OfKeys, OfRows, Scope, measure, statistic
from healthcare_ops.pipeline.quality.rules.refusals import NotCompilableError
from healthcare_ops.pipeline.quality.rules.where import all_of, any_of

# A row of one of these is a delivered record, or all records of an encounter: what an account can say of a record.
HOLDING_TABLES = (ENCOUNTERS_RAW.id, EVENTS_RAW.id, ENCOUNTERS.id)
# A row of one of these counts records.
_ACCOUNTS = (BATCH_ACCOUNTS.id,)


@dataclass(frozen=True)
class CompiledCheck:
    """A check, and for each of its leaves what has to be computed; `passes` if it can be judged row by row."""

    check: Check
    leaves: tuple[tuple[Rule, Compiled], ...]
    passes: Any = None


def compile_check(check: Check, scope: Scope) -> CompiledCheck:
    """Return what a check has to compute.

    Raises
    ------
    DqdlError
        With the rule's line and column, if this product cannot judge it.
    """
    scope = replace(scope, is_of_counts=check.table in _ACCOUNTS)
    compiled = {id(leaf): compile_leaf(leaf, scope, is_recorded=check.is_recorded) for leaf in leaves(check.node)}
    passes = _row_condition(check.node, compiled, scope.table)
    if check.is_quarantining:
        _require_quarantine(check, passes)
    return CompiledCheck(check, tuple((leaf, compiled[id(leaf)]) for leaf in leaves(check.node)), passes)


def compile_leaf(leaf: Rule, scope: Scope, *, is_recorded: bool = False) -> Compiled:
    """Return what one rule has to compute, or an analyzer, which is recorded; raises as `compile_check` does."""
    try:
        return statistic(leaf, scope) if is_recorded else measure(leaf, scope)
    except (NotCompilableError, IbisError) as error:
        raise refusal(leaf, error) from error


def refusal(leaf: Rule, fault: Exception) -> DqdlError:
    """Return the fault of a rule with its place."""
    next_step = "Correct the rule; docs/dqdl.md says what is judged."
    return DqdlError(f"{leaf.rule_type}: {fault}.", leaf.position, next_step=next_step)


def _row_condition(node: Node, compiled: Mapping[int, Compiled], table: ir.Table) -> Any:
    """Return whether a row passes, rows out of scope included; None if the rule cannot be judged row by row."""
    if isinstance(node, Composite):
        parts = [_row_condition(part, compiled, table) for part in node.parts]
        if any(part is None for part in parts):
            return None
        return all_of(parts) if node.operator == "and" else any_of(parts)
    found = compiled[id(node)]
    if isinstance(found, OfRows):
        return found.passes if found.scope is ALWAYS else found.passes | ~found.scope
    if isinstance(found, OfKeys) and not node.where and found.measure in ("IsUnique", "IsPrimaryKey", "Uniqueness"):
        return _is_alone(found, table)
    return None


def _is_alone(found: OfKeys, table: ir.Table) -> Any:
    """Tell whether a row is the only one of the table with its key."""
    alone = table.count().over(ibis.window(group_by=list(found.keys))) == 1
    is_there = [table[name].notnull() for name in found.keys]
    return alone & all_of(is_there) if found.measure == "IsPrimaryKey" else alone | ~any_of(is_there)


def _require_quarantine(check: Check, passes: Any) -> None:
    if check.table not in HOLDING_TABLES:
        known = " and ".join(HOLDING_TABLES)
        fault = f"{check.rule_id}: rows of {check.table} are not held by themselves; those of {known} are"
    elif passes is None:
        fault = f"{check.rule_id} does not judge row by row, so no row can be held back by it"
    elif any(_speaks_of_now(leaf) for leaf in leaves(check.node)):
        # What is held because of now would be let in by a later run, without anyone having looked.
        fault = f"{check.rule_id} speaks of now(), so what it holds back would change with time"
    else:
        return
    raise DqdlError(f"{fault}.", check.node.position, next_step='Take the label on_failure="quarantine" away.')


def _speaks_of_now(leaf: Rule) -> bool:
    operands = leaf.condition.operands if leaf.condition else ()
    return leaf.rule_type == "DataFreshness" or any(isinstance(operand, Now) for operand in operands)
