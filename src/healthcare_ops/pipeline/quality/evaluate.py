"""Checks against a table: one aggregate for all rules that need no query of their own, then the verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from healthcare_ops.pipeline.quality.checks import Check
from healthcare_ops.pipeline.quality.compiler import CompiledCheck, compile_check
from healthcare_ops.pipeline.quality.conditions import History, describe, holds, is_ordinary
from healthcare_ops.pipeline.quality.counts import PLACE, SAMPLES, Counted, count_by_place, some
from healthcare_ops.pipeline.quality.dqdl.syntax import Composite, Node, Rule, leaves
from healthcare_ops.pipeline.quality.measures import (
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
from healthcare_ops.pipeline.quality.refusals import NoHistoryError
from healthcare_ops.pipeline.quality.where import all_of, any_of

Verdict = Literal["pass", "warn", "fail", "not_applicable"]
Collect = Callable[[ir.Table], pa.Table]
Ask = Callable[[str], pa.Table]
_ENCOUNTER = "encounter_id"


@dataclass(frozen=True)
class Measured:
    """What one rule measured.

    `value` is what its condition is held against, `checked` and `violations` are rows (keys too many, for uniqueness);
    null where the rule has no such number. `limit` is that condition. `is_met` is null where there was nothing to
    judge, or no past to judge by. `repeated` are some keys
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


@dataclass(frozen=True)
class Finding:
    """What a check found.

    `checked` and `violations` count rows; `violations` is null for a rule that judges a number and not rows.
    `places` has both by feed and sector, where rows broke a rule that judges them one by one. `samples` are encounters
    of such rows.
    """

    check: Check
    verdict: Verdict
    checked: int
    violations: int | None
    measured: tuple[Measured, ...] = ()
    places: tuple[Place, ...] = ()
    samples: tuple[str, ...] = ()

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
    flags = {name: flag for check in compiled.values() for name, flag in _flags(check)}
    broken = [name for name in flags if name.endswith("violations")]
    counted = count_by_place(flags, broken, scope.table, collect)
    numbers = _with_held(_totals(counted, flags) | _of_table(compiled.values(), scope.table, collect), held or {})
    found = {
        rule_id: _found(each, numbers, collect, ask, history.get(rule_id, ())) for rule_id, each in compiled.items()
    }
    return tuple(
        _with_places(found[check.rule_id], compiled[check.rule_id], scope.table, counted, collect)
        if check.rule_id in found
        else Finding(check, "not_applicable", 0, 0)
        for check in checks
    )


def _flags(check: CompiledCheck) -> Iterator[tuple[str, Any]]:
    """Yield, by name, which rows the check and each of its leaves judge, unless it is all, and which break them."""
    for name, found in _named(check):
        if isinstance(found, OfRows):
            if found.scope is not ALWAYS:
                yield f"{name} checked", found.scope
            yield f"{name} violations", ~found.passes & found.scope
    if isinstance(check.check.node, Composite) and _is_by_row(check):
        scopes = [found.scope for _, found in check.leaves if isinstance(found, OfRows)]
        yield f"{check.check.rule_id} checked", any_of(scopes)
        yield f"{check.check.rule_id} violations", ~check.passes


def _totals(counted: Sequence[Counted], flags: Collection[str]) -> dict[str, Any]:
    return {"rows": sum(one.rows for one in counted)} | {
        name: sum(one.counts[name] for one in counted) for name in flags
    }


def _of_table(checks: Iterable[CompiledCheck], table: ir.Table, collect: Collect) -> dict[str, Any]:
    """Return the numbers that those of places do not add up to."""
    numbers = {
        f"{name} number": found.number
        for check in checks
        for name, found in _named(check)
        if isinstance(found, OfTable)
    }
    if not numbers:
        return {}
    (row,) = collect(table.aggregate(**_numbered(numbers))).to_pylist()
    return dict(zip(numbers, row.values(), strict=True))


def _numbered(columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return expressions under names of their own: to an engine `Wait` and `wait` are one, and both may be rules."""
    return {f"n{number}": column for number, column in enumerate(columns.values())}


def _with_held(numbers: Mapping[str, Any], held: Mapping[str, int]) -> Mapping[str, Any]:
    """Return the numbers with the rows that a rule took out of the table among those that it checked, and broke it."""
    more = dict(numbers)
    for rule_id, rows in held.items():
        for name in (f"{rule_id} checked", f"{rule_id} violations", f"{rule_id} 0 violations"):
            if name in numbers:
                more[name] = numbers[name] + rows
        more[f"{rule_id} 0 checked"] = numbers.get(f"{rule_id} 0 checked", numbers["rows"]) + rows
    return more


def _named(check: CompiledCheck) -> Iterator[tuple[str, Compiled]]:
    for number, (_, found) in enumerate(check.leaves):
        yield f"{check.check.rule_id} {number}", found


def _is_by_row(check: CompiledCheck) -> bool:
    """Tell whether the check's rows can be judged without a look at other rows."""
    return check.passes is not None and all(isinstance(found, OfRows) for _, found in check.leaves)


def _found(
    check: CompiledCheck,
    numbers: Mapping[str, Any],
    collect: Collect,
    ask: Ask,
    history: Sequence[Sequence[float | None]],
) -> Finding:
    measured = []
    for part, ((leaf, found), (name, _)) in enumerate(zip(check.leaves, _named(check), strict=True)):
        past = [values[part] for values in history if part < len(values)]
        raw = _measured(found, name, numbers, collect, ask)
        measured.append(_judged(leaf, found, raw, [value for value in past if value is not None]))
    outcome = _outcome(check.check.node, dict(zip(map(id, leaves(check.check.node)), measured, strict=True)))
    checked, violations = (
        numbers.get(f"{check.check.rule_id} {name}", max(counts, default=None))
        for name, counts in (
            ("checked", [one.checked for one in measured if one.checked is not None]),
            ("violations", [one.violations for one in measured if one.violations is not None]),
        )
    )
    checked = int(numbers["rows"]) if checked is None else checked
    return Finding(check.check, _verdict(check.check, outcome, violations), checked, violations, tuple(measured))


def _measured(found: Compiled, name: str, numbers: Mapping[str, Any], collect: Collect, ask: Ask) -> Measured:
    if isinstance(found, OfRows):
        checked = int(numbers.get(f"{name} checked", numbers["rows"]))
        return _of_share(checked, int(numbers[f"{name} violations"]))
    if isinstance(found, OfTable):
        return Measured(_number(numbers[f"{name} number"]))
    if isinstance(found, Known):
        return Measured(found.number)
    if isinstance(found, OfKeys):
        return _of_keys(found, collect)
    if isinstance(found, OfQuery):
        (row,) = collect(found.query).to_pylist()
        checked, violations = row.get("checked"), row.get("violations")
        # Sums of anything else than rows are no counts of rows.
        are_rows = checked is not None and violations is not None and 0 <= violations <= checked
        return Measured(_number(row["number"]), *((checked, violations) if are_rows else ()))
    return _of_sql(found, int(numbers["rows"]), ask)


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
    groups = _groups(found)
    # By the last character, so that there are more than two.
    tails = groups.group_by(tail=ibis.ifelse(groups.is_bad, groups.named.cast("string").right(1), None))
    parts = collect(
        tails.aggregate(
            rows=groups.times.sum().fill_null(0),
            keyed=groups.times.sum(where=groups.is_in).fill_null(0),
            distinct=groups.count(where=groups.is_in),
            once=groups.count(where=groups.is_in & (groups.times == 1)),
            first=groups.named.min(where=groups.is_bad),
            last=groups.named.max(where=groups.is_bad),
        )
    ).to_pylist()
    rows, keyed, distinct, once = (
        sum(int(part[name]) for part in parts) for name in ("rows", "keyed", "distinct", "once")
    )
    repeated = some(part[end] for part in parts for end in ("first", "last"))
    if found.measure == "DistinctValuesCount":
        return Measured(float(distinct), keyed)
    if found.measure in ("Uniqueness", "UniqueValueRatio"):
        of = keyed if found.measure == "Uniqueness" else distinct
        return Measured(once / of if of else None, keyed, keyed - distinct, repeated=repeated)
    checked = rows if found.measure == "IsPrimaryKey" else keyed
    return replace(_of_share(checked, checked - distinct), repeated=repeated)


def _keys(found: OfKeys) -> dict[str, Any]:
    return {f"key_{number}": found.rows[name] for number, name in enumerate(found.keys)}


def _groups(found: OfKeys) -> ir.Table:
    """Return how many `times` each key occurs, whether it counts (a primary key has all its parts), and is a fault."""
    keys = _keys(found)
    groups = found.rows.select(**keys).group_by([*keys]).aggregate(times=ibis._.count())
    is_there = [groups[key].notnull() for key in keys]
    is_primary = found.measure == "IsPrimaryKey"
    groups = groups.mutate(is_in=all_of(is_there) if is_primary else any_of(is_there))
    is_repeated = groups.is_in & (groups.times > 1)
    names = [key for key, name in zip(keys, found.keys, strict=True) if name == _ENCOUNTER or _is_text(found)]
    named = groups[names[0]] if names else ibis.null("string")
    return groups.mutate(named=named, is_bad=is_repeated | ~groups.is_in if is_primary else is_repeated)


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
    if is_met:
        return "pass"
    # Of a rule that no row breaks, a number is what breaks it.
    return "warn" if violations and violations <= check.tolerated else check.severity


def _with_places(
    finding: Finding, check: CompiledCheck, table: ir.Table, counted: Sequence[Counted], collect: Collect
) -> Finding:
    """Add where the rows are that broke the check, and some of their encounters."""
    if not finding.violations:
        return finding
    if not _is_by_row(check):
        return replace(finding, samples=_sampled(finding, check, table, collect))
    name = check.check.rule_id if isinstance(check.check.node, Composite) else f"{check.check.rule_id} 0"
    broken = [one for one in counted if one.counts[f"{name} violations"]]
    places = tuple(
        Place(one.feed_id, one.sector_id, one.counts.get(f"{name} checked", one.rows), one.counts[f"{name} violations"])
        for one in broken
        if not set(PLACE).isdisjoint(table.columns)
    )
    samples = some(encounter for one in broken for encounter in one.samples[f"{name} violations"])
    return replace(finding, places=places, samples=samples)


def _sampled(finding: Finding, check: CompiledCheck, table: ir.Table, collect: Collect) -> tuple[str, ...]:
    """Return encounters of rows that break a check which looks at other rows as well."""
    if _ENCOUNTER not in table.columns or check.passes is None:
        return ()
    found = check.leaves[0][1]
    if isinstance(found, OfKeys) and isinstance(check.check.node, Rule):
        repeated = finding.measured[0].repeated
        if _ENCOUNTER in found.keys:
            return repeated
        bad = _with_one_of(found, repeated) if _is_text(found) else _with_bad_keys(found)
    else:
        # First: a filter would look past its own rows at none that are equal.
        judged = table.mutate(passes=check.passes)
        bad = judged.filter(~judged.passes)
    samples = bad.filter(bad[_ENCOUNTER].notnull()).select(_ENCOUNTER).distinct().order_by(_ENCOUNTER).limit(SAMPLES)
    return tuple(collect(samples)[_ENCOUNTER].to_pylist())


def _is_text(found: OfKeys) -> bool:
    return len(found.keys) == 1 and bool(found.rows[found.keys[0]].type().is_string())


def _with_one_of(found: OfKeys, keys: Sequence[str]) -> ir.Table:
    """Return the rows with one of these keys, or without any where that is a fault: found at the cost of reading."""
    key = found.rows[found.keys[0]]
    is_bad = key.isin(keys)
    return found.rows.filter(is_bad | key.isnull() if found.measure == "IsPrimaryKey" else is_bad)


def _with_bad_keys(found: OfKeys) -> ir.Table:
    """Return the encounters of rows whose key is there too often, or lacks a part of a primary key."""
    rows = found.rows.select(**_keys(found), **{_ENCOUNTER: found.rows[_ENCOUNTER]})
    bad = _groups(found).filter(ibis._.is_bad)
    return rows.semi_join(bad, [rows[key].identical_to(bad[key]) for key in _keys(found)])


def _number(value: Any) -> float | None:
    """Return a finite number; null for anything else, such as the mean of nothing, which is NaN on Spark."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
