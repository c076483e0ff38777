"""Checks against a table: few passes for all rules that judge row by row, queries for the rest, then the verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import ibis.expr.types as ir
import pyarrow as pa

from healthcare_ops.pipeline.quality.counts import ENCOUNTER, PLACE, SAMPLES, Counted, count_by_place, some
from healthcare_ops.pipeline.quality.dqdl.syntax import Composite, Node, Rule, leaves
from healthcare_ops.pipeline.quality.keys import count_keys, rows_of
from healthcare_ops.pipeline.quality.rules.checks import Check
from healthcare_ops.pipeline.quality.rules.compiler import CompiledCheck, compile_check
from healthcare_ops.pipeline.quality.rules.conditions import History, describe, holds, is_ordinary
from healthcare_ops.pipeline.quality.rules.measures import (
    ALWAYS,
    Compiled,
    Known,
    OfKeys,
    OfQuery,
    OfRows,
    OfSql,
    OfTable,
    Scope,
)
from healthcare_ops.pipeline.quality.rules.refusals import NoHistoryError
from healthcare_ops.pipeline.quality.rules.where import any_of
from healthcare_ops.pipeline.quality.wording.findings import say

Verdict = Literal["pass", "warn", "fail", "not_applicable"]
Collect = Callable[[ir.Table], pa.Table]
Ask = Callable[[str], pa.Table]


@dataclass(frozen=True)
class Measured:
    """What one rule measured.

    `value` is what its condition is held against, `checked` and `violations` are rows (keys too many, for uniqueness);
    null where the rule has no such number. `limit` is that condition, or `recorded`. `is_met` is null where there was
    nothing to judge, no past to judge by, or nothing is judged. `repeated` are some keys
    that are there too often: their encounters if these are a part of the key, themselves if it is one text.
    """

    value: float | None = None
    checked: int | None = None
    violations: int | None = None
    limit: str = ""
    is_met: bool | None = None
    repeated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where rows broke a check: feed and sector (empty where the table has no such column, or the row no value)."""

    feed_id: str
    sector_id: str
    checked: int
    violations: int


class Fault(NamedTuple):
    """Why a rule cannot be judged: a query without a number, or what stopped the engine, as `detail` has it."""

    code: Literal["no_number", "stopped"]
    detail: str = ""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    `checked` and `violations` count rows; `violations` is null for a rule that judges a number and not rows.
    `places` has both by feed and sector, where rows broke a rule that judges them one by one. `samples` are encounters
    of such rows. `fault` says why the rule could not be judged on these rows: it counts as broken then, and has no
    violations; null of any other.
    """

    check: Check
    verdict: Verdict
    checked: int
    violations: int | None
    measured: tuple[Measured, ...] = ()
    places: tuple[Place, ...] = ()
    samples: tuple[str, ...] = ()
    fault: Fault | None = None

    @property
    def next_step(self) -> str:
        """Return what to do: what the rule says, or about a rule that could not be judged."""
        return say("next_fault", "en", table=self.check.table) if self.fault else self.check.next_step

    @property
    def rule_id(self) -> str:
        """Return the id of the check."""
        return self.check.rule_id

    @property
    def share(self) -> float:
        """Return violations ÷ checked; of a rule that judges a number, 0 if it is met and 1 if not."""
        if self.violations is None:
            return float(self.verdict in ("warn", "fail"))
        return self.violations / self.checked if self.checked else 0.0


def evaluate(
    checks: Sequence[Check],
    scope: Scope,
    *,
    collect: Collect,
    ask: Ask,
    history: Mapping[str, Sequence[Sequence[float | None]]],
    delivered: Collection[str] | None = None,
    held: Mapping[str, int] | None = None,
) -> tuple[Finding, ...]:
    """Return one finding per check of the scope's table, in their order.

    Parameters
    ----------
    ask
        Runs a query of CustomSql on nothing but the scope's tables.
    history
        By rule id: the values of its parts in the runs before, the newest run first.
    delivered
        Columns that at least one feed delivers; a check that needs another is not judged. None: all are.
    held
        By rule id: how many rows broke it and are not in the table, because they are held back by it.

    Raises
    ------
    DqdlError
        If a check cannot be judged on the table.
    """
    judged = [check for check in checks if delivered is None or not check.needs or check.needs in delivered]
    compiled = {check.rule_id: compile_check(check, scope) for check in judged}
    flags = {flag: rows for check in compiled.values() for flag, rows in _flags(check)}
    counted = count_by_place(flags, [flag for flag in flags if flag.is_broken], scope.table, collect)
    numbers = _Numbers(
        sum(place.rows for place in counted),
        {flag: sum(place.counts[flag] for place in counted) for flag in flags},
        _of_table(compiled.values(), scope.table, collect),
        held or {},
    )
    found = {
        rule_id: _found(each, numbers, collect, ask, history.get(rule_id, ())) for rule_id, each in compiled.items()
    }
    return tuple(
        _with_places(found[check.rule_id], compiled[check.rule_id], scope.table, counted, collect)
        if check.rule_id in found
        else Finding(check, "not_applicable", 0, 0)
        for check in checks
    )


class _Flag(NamedTuple):
    """Rows that a check judges, or those that break it: of one of its parts, by number, or of the whole (null)."""

    rule_id: str
    part: int | None
    is_broken: bool


@dataclass(frozen=True)
class _Numbers:
    """What passes over the table gave: rows, rows by flag, and numbers by rule and part; `held` as `evaluate` has it.

    A flag that is not there is of all rows.
    """

    rows: int
    counts: Mapping[_Flag, int]
    values: Mapping[tuple[str, int], Any]
    held: Mapping[str, int]


def _flags(check: CompiledCheck) -> Iterator[tuple[_Flag, Any]]:
    """Yield which rows the check and each of its parts judge, unless it is all, and which break them."""
    rule_id = check.check.rule_id
    for part, (_, found) in enumerate(check.leaves):
        if isinstance(found, OfRows):
            if found.scope is not ALWAYS:
                yield _Flag(rule_id, part, is_broken=False), found.scope
            yield _Flag(rule_id, part, is_broken=True), ~found.passes & found.scope
    if isinstance(check.check.node, Composite) and _is_by_row(check):
        scopes = [found.scope for _, found in check.leaves if isinstance(found, OfRows)]
        yield _Flag(rule_id, None, is_broken=False), any_of(scopes)
        yield _Flag(rule_id, None, is_broken=True), ~check.passes


def _of_table(checks: Iterable[CompiledCheck], table: ir.Table, collect: Collect) -> dict[tuple[str, int], Any]:
    """Return, by rule and part, the numbers that those of places do not add up to."""
    numbers = {
        (check.check.rule_id, part): found.number
        for check in checks
        for part, (_, found) in enumerate(check.leaves)
        if isinstance(found, OfTable)
    }
    if not numbers:
        return {}
    # By number: to an engine `Wait` and `wait` are one, and both may be rules.
    (row,) = collect(
        table.aggregate(**{f"n{number}": each for number, each in enumerate(numbers.values())})
    ).to_pylist()
    return dict(zip(numbers, row.values(), strict=True))


def _is_by_row(check: CompiledCheck) -> bool:
    """Tell whether the check's rows can be judged without a look at other rows."""
    return check.passes is not None and all(isinstance(found, OfRows) for _, found in check.leaves)


def _found(
    check: CompiledCheck,
    numbers: _Numbers,
    collect: Collect,
    ask: Ask,
    history: Sequence[Sequence[float | None]],
) -> Finding:
    rule_id, held = check.check.rule_id, numbers.held.get(check.check.rule_id, 0)
    measured = []
    for part, (leaf, found) in enumerate(check.leaves):
        past = [values[part] for values in history if part < len(values)]
        raw = _with_held(_measured(found, (rule_id, part), numbers, collect, ask), held)
        measured.append(
            replace(raw, limit="recorded")
            if check.check.is_recorded
            else _judged(leaf, found, raw, [value for value in past if value is not None])
        )
    outcome = _outcome(check.check.node, dict(zip(map(id, leaves(check.check.node)), measured, strict=True)))
    if numbers.rows and any(isinstance(of, OfSql) and one.value is None for (_, of), one in _pairs(check, measured)):
        no_number = unjudged(check.check, Fault("no_number"))
        return replace(no_number, checked=numbers.rows, measured=tuple(measured))
    checked, violations = _counts(check, measured, numbers)
    return Finding(check.check, _verdict(check.check, outcome, violations), checked, violations, tuple(measured))


def unjudged(check: Check, fault: Fault) -> Finding:
    """Return that a rule counts as broken; of an analyzer, which is told and never judged, that it tells nothing."""
    return Finding(check, "not_applicable" if check.is_recorded else check.severity, 0, None, fault=fault)


def _pairs(check: CompiledCheck, measured: Sequence[Measured]) -> Iterator[tuple[tuple[Rule, Compiled], Measured]]:
    return zip(check.leaves, measured, strict=True)


def _counts(check: CompiledCheck, measured: Sequence[Measured], numbers: _Numbers) -> tuple[int, int | None]:
    """Return the rows that were checked, and those that break the check: of several parts, of the worst if need be."""
    rule_id = check.check.rule_id
    held = numbers.held.get(rule_id, 0)
    broken = numbers.counts.get(_Flag(rule_id, None, is_broken=True))
    if broken is not None:
        return numbers.counts[_Flag(rule_id, None, is_broken=False)] + held, broken + held
    checked = max((part.checked for part in measured if part.checked is not None), default=numbers.rows)
    return checked, max((part.violations for part in measured if part.violations is not None), default=None)


def _with_held(measured: Measured, held: int) -> Measured:
    """Return what a part measured with the rows that its check took out of the table: checked, and none of them good.

    Which part of several they broke is not known; it is said of each.
    """
    if not held or measured.checked is None or measured.violations is None:
        return measured
    checked, good = measured.checked + held, round((measured.value or 0.0) * measured.checked)
    return replace(measured, value=good / checked, checked=checked, violations=measured.violations + held)


def _measured(found: Compiled, part: tuple[str, int], numbers: _Numbers, collect: Collect, ask: Ask) -> Measured:
    if isinstance(found, OfRows):
        checked = numbers.counts.get(_Flag(*part, is_broken=False), numbers.rows)
        return _of_share(checked, numbers.counts[_Flag(*part, is_broken=True)])
    if isinstance(found, OfTable):
        return Measured(_number(numbers.values[part]))
    if isinstance(found, Known):
        return Measured(found.number)
    if isinstance(found, OfKeys):
        return _of_keys(found, collect)
    if isinstance(found, OfQuery):
        (row,) = collect(found.query).to_pylist()
        return Measured(_number(row["number"]), row.get("checked"), row.get("violations"))
    return _of_sql(found, numbers.rows, ask)


def _of_share(checked: int, violations: int) -> Measured:
    return Measured((checked - violations) / checked if checked else None, checked, violations)


def _of_sql(found: OfSql, rows: int, ask: Ask) -> Measured:
    answer = ask(found.sql)
    value = _number(answer.column(0)[0].as_py()) if answer.num_rows == 1 else None
    if value is None or not found.counts_rows:
        return Measured(value)
    return _of_share(rows, max(rows - int(value), 0))


def _of_keys(found: OfKeys, collect: Collect) -> Measured:
    """Count keys; rows without any part of the key are left out, but for a primary key, of which they are a fault."""
    keys = count_keys(found, collect)
    if found.measure == "DistinctValuesCount":
        return Measured(float(keys.distinct), keys.keyed)
    if found.measure in ("Uniqueness", "UniqueValueRatio"):
        of = keys.keyed if found.measure == "Uniqueness" else keys.distinct
        share = keys.once / of if of else None
        return Measured(share, keys.keyed, keys.keyed - keys.distinct, repeated=keys.repeated)
    checked = keys.rows if found.measure == "IsPrimaryKey" else keys.keyed
    return replace(_of_share(checked, checked - keys.distinct), repeated=keys.repeated)


def _judged(leaf: Rule, found: Compiled, measured: Measured, past: History) -> Measured:
    is_anomaly_rule = leaf.rule_type == "DetectAnomalies"
    is_met = None
    if measured.value is not None:
        with suppress(NoHistoryError):
            is_met = (
                is_ordinary(measured.value, past) if is_anomaly_rule else holds(found.condition, measured.value, past)
            )
    limit = "as in the runs before" if is_anomaly_rule else describe(found.condition)
    return replace(measured, limit=limit, is_met=is_met)


def _outcome(node: Node, measured: Mapping[int, Measured]) -> bool | None:
    """Return whether a node is met; a part that had nothing to judge does not count."""
    if isinstance(node, Rule):
        return measured[id(node)].is_met
    parts = [met for met in (_outcome(part, measured) for part in node.parts) if met is not None]
    if not parts:
        return None
    return all(parts) if node.operator == "and" else any(parts)


def _verdict(check: Check, is_met: bool | None, violations: int | None) -> Verdict:
    if is_met is None:
        return "not_applicable"
    return "pass" if is_met else check.broken_by(violations)


def _with_places(
    finding: Finding, check: CompiledCheck, table: ir.Table, counted: Sequence[Counted[_Flag]], collect: Collect
) -> Finding:
    """Add where the rows are that broke the check, and some of their encounters."""
    if not finding.violations:
        return finding
    if not _is_by_row(check):
        return replace(finding, samples=_sampled(finding, check, table, collect))
    part = None if isinstance(check.check.node, Composite) else 0
    judged, bad = (_Flag(check.check.rule_id, part, is_broken=is_broken) for is_broken in (False, True))
    broken = [place for place in counted if place.counts[bad]]
    places = tuple(
        Place(place.feed_id, place.sector_id, place.counts.get(judged, place.rows), place.counts[bad])
        for place in broken
        if not set(PLACE).isdisjoint(table.columns)
    )
    samples = some(encounter for place in broken for encounter in place.samples[bad])
    return replace(finding, places=places, samples=samples)


def _sampled(finding: Finding, check: CompiledCheck, table: ir.Table, collect: Collect) -> tuple[str, ...]:
    """Return encounters of rows that break a check which looks at other rows as well."""
    if ENCOUNTER not in table.columns or check.passes is None:
        return ()
    found = check.leaves[0][1]
    if isinstance(found, OfKeys) and isinstance(check.check.node, Rule):
        repeated = finding.measured[0].repeated
        if ENCOUNTER in found.keys:
            return repeated
        bad = rows_of(found, repeated)
    else:
        # First: a filter would look past its own rows at none that are equal.
        judged = table.mutate(passes=check.passes)
        bad = judged.filter(~judged.passes)
    samples = bad.filter(bad[ENCOUNTER].notnull()).select(ENCOUNTER).distinct().order_by(ENCOUNTER).limit(SAMPLES)
    return tuple(collect(samples)[ENCOUNTER].to_pylist())


def _number(value: Any) -> float | None:
    """Return a finite number; null for anything else, such as the mean of nothing, which is NaN on Spark."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
