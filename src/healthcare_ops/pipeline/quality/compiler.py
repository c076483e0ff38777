"""Checks as Ibis expressions, refused with line and column where this product cannot judge them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis.common.exceptions import IbisError
from sqlglot import exp

from healthcare_ops.core.tables import ENCOUNTERS, ENCOUNTERS_RAW, EVENTS_RAW
from healthcare_ops.pipeline.quality.checks import Check, column_names
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.syntax import Composite, Node, Now, Rule, Ruleset, leaves
from healthcare_ops.pipeline.quality.measures import ALWAYS, Compiled, OfKeys, OfRows, Scope, measure
from healthcare_ops.pipeline.quality.refusals import NotCompilableError, SqlRefusedError
from healthcare_ops.pipeline.quality.where import all_of, any_of, condition_of

# A row of one of these is a delivered record, or all records of an encounter: what an account can say of a record.
HOLDING_TABLES = (ENCOUNTERS_RAW.id, EVENTS_RAW.id, ENCOUNTERS.id)


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
    compiled = {id(leaf): _compile(leaf, scope) for leaf in leaves(check.node)}
    passes = _row_condition(check.node, compiled, scope.table)
    if check.is_quarantining:
        _require_quarantine(check, passes)
    return CompiledCheck(check, tuple((leaf, compiled[id(leaf)]) for leaf in leaves(check.node)), passes)


def _compile(leaf: Rule, scope: Scope) -> Compiled:
    try:
        return measure(leaf, scope)
    except (NotCompilableError, IbisError) as error:
        next_step = "Correct the rule; docs/dqdl.md says what is judged."
        raise DqdlError(f"{leaf.rule_type}: {error}.", leaf.position, next_step=next_step) from error


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


# Of what kind columns are, lint does not know: a rule that fits one of these can be judged.
_KINDS = ("string", "float64", "timestamp", "boolean")


def require_compilable(ruleset: Ruleset) -> None:
    """Raise `DqdlError` for the first rule that can be judged on no table, whatever its columns are."""
    for node in ruleset.rules:
        for leaf in leaves(node):
            _require_some_table(leaf)


def _require_some_table(leaf: Rule) -> None:
    faults = []
    for kind in _KINDS:
        names = dict.fromkeys(_mentioned(leaf))
        table = ibis.table(dict.fromkeys(names, kind) or {"any": kind}, name="any")
        try:
            _compile(leaf, Scope(table, _AnyReference(table)))
        except DqdlError as error:
            faults.append(error)
        else:
            return
    raise faults[0]


def _mentioned(leaf: Rule) -> Iterator[str]:
    """Yield whatever may be a column's name."""
    yield from column_names(leaf)
    for parameter in leaf.parameters:
        yield from re.findall(r"[^\s(){},.>-]+", parameter)
    if leaf.where:
        try:
            yield from (column.name for column in condition_of(leaf.where).find_all(exp.Column))
        except SqlRefusedError:
            return  # the compiler says so, with its place


class _AnyReference(Mapping[str, ir.Table]):
    """A table of that name, whatever the name is."""

    def __init__(self, table: ir.Table) -> None:
        self._table = table

    def __getitem__(self, alias: str) -> ir.Table:
        return self._table

    def __contains__(self, alias: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
