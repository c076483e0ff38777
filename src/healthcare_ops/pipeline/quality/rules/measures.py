"""Each rule type as an Ibis expression: what it has to compute, and of what."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from healthcare_ops.pipeline.quality.dqdl.syntax import Condition, Number, Rule
from healthcare_ops.pipeline.quality.rules.checks import column_names
from healthcare_ops.pipeline.quality.rules.conditions import require_numbers
from healthcare_ops.pipeline.quality.rules.custom_sql import at, require_query_of
from healthcare_ops.pipeline.quality.rules.patterns import require_plain_regex
from healthcare_ops.pipeline.quality.rules.refusals import NotCompilableError, kind_of, no_column
from healthcare_ops.pipeline.quality.rules.values import as_number, fulfils, is_as_fresh, is_of_type
from healthcare_ops.pipeline.quality.rules.where import PRIMARY, where

KeyMeasure = Literal["Uniqueness", "UniqueValueRatio", "DistinctValuesCount", "IsUnique", "IsPrimaryKey"]
ALL = Condition("=", (Number(1.0),))
ALWAYS = ibis.literal(True)


@dataclass(frozen=True)
class OfRows:
    """Judged row by row: the share of rows in scope that pass is what the condition is held against."""

    passes: Any
    scope: Any
    condition: Condition


@dataclass(frozen=True)
class OfTable:
    """One number out of the table's one aggregate."""

    number: Any
    condition: Condition


@dataclass(frozen=True)
class OfKeys:
    """Judged by how often each key occurs."""

    keys: tuple[str, ...]
    measure: KeyMeasure
    rows: ir.Table
    condition: Condition


@dataclass(frozen=True)
class OfQuery:
    """Numbers of a query of its own: one row with `number`, and `checked` and `violations` where it counts rows."""

    query: ir.Table
    condition: Condition


@dataclass(frozen=True)
class OfSql:
    """What an SQL query of the rule's author gives: one number; or rows, each of which passes."""

    sql: str
    counts_rows: bool
    condition: Condition


@dataclass(frozen=True)
class Known:
    """Known from the columns alone."""

    number: float
    condition: Condition


Compiled = OfRows | OfTable | OfKeys | OfQuery | OfSql | Known


@dataclass(frozen=True)
class Scope:
    """What rules may speak of: the judged table, other tables by alias, and now (naive UTC).

    `standing` holds the rows among which keys are to be unique; None for the judged table itself. `is_of_counts` tells
    that the table's numbers count records: an account of them.
    """

    table: ir.Table
    references: Mapping[str, ir.Table] = field(default_factory=dict)
    now: datetime = datetime(1970, 1, 1)  # noqa: DTZ001  # naive UTC, as the columns are
    standing: ir.Table | None = None
    is_of_counts: bool = False


def _require_column(name: str, table: ir.Table) -> None:
    if name not in table.columns:
        raise NotCompilableError(no_column(name, table.columns))


def _scope_of(leaf: Rule, scope: Scope) -> Any:
    return where(leaf.where, scope.table) if leaf.where else ALWAYS


def _in_scope(leaf: Rule, scope: Scope) -> ir.Table:
    return scope.table.filter(where(leaf.where, scope.table)) if leaf.where else scope.table


def _of_rows(leaf: Rule, scope: Scope, passes: Any, condition: Condition = ALL) -> OfRows:
    if leaf.threshold:
        require_numbers(leaf.threshold)
    return OfRows(passes, _scope_of(leaf, scope), leaf.threshold or condition)


def _condition(leaf: Rule) -> Condition:
    if leaf.condition is None:
        raise NotCompilableError("it needs a condition")
    return leaf.condition


def _numeric(leaf: Rule) -> Condition:
    found = leaf.condition or ALL
    require_numbers(found)
    return found


def _completeness(leaf: Rule, scope: Scope) -> Compiled:
    return _of_rows(leaf, scope, scope.table[leaf.parameters[0]].notnull(), _numeric(leaf))


def _column_values(leaf: Rule, scope: Scope) -> Compiled:
    return _of_rows(leaf, scope, fulfils(scope.table[leaf.parameters[0]], _condition(leaf), scope.now))


def _column_length(leaf: Rule, scope: Scope) -> Compiled:
    column = scope.table[leaf.parameters[0]]
    if not column.type().is_string():
        raise NotCompilableError(f"the column holds {kind_of(column.type())}, not texts")
    return _of_rows(leaf, scope, fulfils(column.length(), _numeric(leaf), scope.now))


def _freshness(leaf: Rule, scope: Scope) -> Compiled:
    return _of_rows(leaf, scope, is_as_fresh(scope.table[leaf.parameters[0]], _condition(leaf), scope.now))


def _data_type(leaf: Rule, scope: Scope) -> Compiled:
    """Judge texts one by one; any other column by the type that it has."""
    found = is_of_type(scope.table[leaf.parameters[0]], _condition(leaf))
    return Known(float(found), ALL) if isinstance(found, bool) else _of_rows(leaf, scope, found)


def _of_number(compute: Callable[[Any, Any], Any]) -> Callable[[Rule, Scope], Compiled]:
    def compiled(leaf: Rule, scope: Scope) -> Compiled:
        rows = where(leaf.where, scope.table) if leaf.where else None
        return OfTable(compute([scope.table[name] for name in leaf.parameters], rows), _numeric(leaf))

    return compiled


_mean = _of_number(lambda columns, rows: as_number(columns[0]).mean(where=rows))
_sum = _of_number(lambda columns, rows: as_number(columns[0]).cast("float64").sum(where=rows))
_deviation = _of_number(lambda columns, rows: as_number(columns[0]).cast("float64").std(where=rows, how="pop"))
_correlation = _of_number(
    lambda columns, rows: (
        as_number(columns[0]).cast("float64").corr(as_number(columns[1]).cast("float64"), where=rows, how="pop")
    )
)


_NONE = Condition("=", (Number(0.0),))


def _row_count(leaf: Rule, scope: Scope) -> Compiled:
    """Count rows; that there be none of some kind is judged row by row."""
    if leaf.where and leaf.condition == _NONE:
        return OfRows(~where(leaf.where, scope.table), ALWAYS, ALL)
    rows = where(leaf.where, scope.table) if leaf.where else None
    # On Spark a count of some rows of none is null.
    return OfTable(scope.table.count(where=rows).fill_null(0), _numeric(leaf))


def _keys(leaf: Rule, scope: Scope) -> Compiled:
    rows, standing = _in_scope(leaf, scope), scope.standing
    if standing is not None and not leaf.where:
        same = [standing[name].identical_to(scope.table[name]) for name in leaf.parameters]
        rows = standing.semi_join(scope.table, same)
    measure: Any = leaf.rule_type
    return OfKeys(leaf.parameters, measure, rows, _numeric(leaf))


def _entropy(leaf: Rule, scope: Scope) -> Compiled:
    """Shannon's entropy of the values that are not null, in nats, as Deequ has it."""
    values = _in_scope(leaf, scope).select(value=leaf.parameters[0])
    counts = values.filter(values.value.notnull()).group_by("value").aggregate(times=ibis._.count())
    shares = counts.mutate(share=counts.times / counts.times.sum().over(ibis.window()))
    number = (-shares.share * shares.share.ln()).sum()
    return OfQuery(shares.aggregate(number=number), _numeric(leaf))


def _known(number: Callable[[Rule, ir.Table], float]) -> Callable[[Rule, Scope], Compiled]:
    return lambda leaf, scope: Known(number(leaf, scope.table), _numeric(leaf))


_column_count = _known(lambda leaf, table: float(len(table.columns)))
_column_exists = _known(lambda leaf, table: float(leaf.parameters[0] in table.columns))


def _column_names(leaf: Rule, scope: Scope) -> Compiled:
    require_plain_regex(leaf.parameters[0])
    pattern = re.compile(leaf.parameters[0])
    return Known(float(all(pattern.fullmatch(name) for name in scope.table.columns)), ALL)


def _reference(alias: str, scope: Scope) -> ir.Table:
    if alias not in scope.references:
        known = ", ".join(scope.references) or "none"
        raise NotCompilableError(f"there is no table {alias!r} to compare with; there are: {known}")
    return scope.references[alias]


def _referential(leaf: Rule, scope: Scope) -> Compiled:
    alias, _, names = leaf.parameters[1].rpartition(".")
    columns, others = column_names(leaf), [name.strip() for name in names.strip("{}").split(",")]
    reference = _reference(alias, scope)
    for name in others:
        _require_column(name, reference)
    if len(columns) != len(others):
        raise NotCompilableError(f"{len(columns)} columns are compared with {len(others)}")
    rows = _in_scope(leaf, scope)
    pairs = [(mine, theirs) for mine, theirs in zip(columns, others, strict=True)]
    orphans = rows.anti_join(reference.select(*others), pairs)
    return OfQuery(_share_of(rows, orphans), _numeric(leaf))


def _share_of(rows: ir.Table, bad: ir.Table) -> ir.Table:
    """Return `checked`, `violations` and the share of rows that are not bad."""
    counts = rows.aggregate(checked=rows.count()).cross_join(bad.aggregate(violations=bad.count()))
    good = (counts.checked - counts.violations).cast("float64")
    return counts.mutate(number=good / counts.checked.nullif(0))


def _row_count_match(leaf: Rule, scope: Scope) -> Compiled:
    mine, theirs = scope.table, _reference(leaf.parameters[0], scope)
    both = mine.aggregate(mine=mine.count()).cross_join(theirs.aggregate(theirs=theirs.count()))
    return OfQuery(both.select(number=both.mine.cast("float64") / both.theirs.nullif(0)), _numeric(leaf))


def _schema_match(leaf: Rule, scope: Scope) -> Compiled:
    theirs = dict(_reference(leaf.parameters[0], scope).schema().items())
    mine = dict(scope.table.schema().items())
    same = sum(name in theirs and theirs[name] == kind for name, kind in mine.items())
    return Known(same / len(mine), _numeric(leaf))


_AGGREGATE = re.compile(r"\s*(sum|avg|min|max|count)\(\s*(?:([\w.-]+)\.)?([^().]+|\*)\s*\)\s*", re.IGNORECASE)


def _aggregate_match(leaf: Rule, scope: Scope) -> Compiled:
    """Compare two aggregates: the first, divided by the second.

    Of an account of records a part of a sum is of so many violations, and the sum of so many that were checked.
    """
    mine, theirs = (_aggregated(text, name, scope) for text, name in zip(leaf.parameters, ("a", "b"), strict=True))
    both = mine.cross_join(theirs)
    numbers = {"number": both.a / both.b.nullif(0.0)}
    if scope.is_of_counts and all(re.fullmatch(r"\s*sum\([^.]+\)\s*", text) for text in leaf.parameters):
        is_part = both.a <= both.b
        numbers |= {
            "checked": ibis.ifelse(is_part, both.b, None).cast("int64"),
            "violations": ibis.ifelse(is_part, both.a, None).cast("int64"),
        }
    return OfQuery(both.select(**numbers), _numeric(leaf))


def _aggregated(text: str, name: str, scope: Scope) -> ir.Table:
    found = _AGGREGATE.fullmatch(text)
    if not found:
        raise NotCompilableError(f'{text!r} is not an aggregate such as "sum(column)" or "avg(alias.column)"')
    function, alias, column = found.groups()
    table = _reference(alias, scope) if alias and alias != PRIMARY else scope.table
    if column == "*":
        return table.aggregate(**{name: table.count().cast("float64")})
    _require_column(column, table)
    values = table[column] if function.lower() == "count" else as_number(table[column]).cast("float64")
    compute = {"sum": "sum", "avg": "mean", "min": "min", "max": "max", "count": "count"}[function.lower()]
    return table.aggregate(**{name: getattr(values, compute)().cast("float64")})


def _dataset_match(leaf: Rule, scope: Scope) -> Compiled:
    """Return the share of rows that have a row of the other table with the same key and the same values."""
    alias, *mappings = leaf.parameters
    theirs = _reference(alias, scope)
    keys = _mapped(mappings[0])
    compared = _mapped(mappings[1]) if len(mappings) > 1 else {}
    compared = compared or {name: name for name in scope.table.columns if name not in keys}
    for mine, other in (keys | compared).items():
        _require_column(mine, scope.table)
        _require_column(other, theirs)
    rows = _in_scope(leaf, scope)
    others = theirs.select(**{f"their_{mine}": theirs[other] for mine, other in (keys | compared).items()})
    same = [rows[name] == others[f"their_{name}"] for name in keys]
    same += [rows[name].identical_to(others[f"their_{name}"]) for name in compared]
    return OfQuery(_share_of(rows, rows.anti_join(others, same)), _numeric(leaf))


def _mapped(text: str) -> dict[str, str]:
    pairs = [part.partition("->") for part in text.split(",")]
    return {mine.strip(): (theirs or mine).strip() for mine, _, theirs in pairs}


def _custom_sql(leaf: Rule, scope: Scope) -> Compiled:
    sql = at(scope.now, require_query_of(leaf.parameters[0], [PRIMARY]))
    if leaf.condition is not None:
        return OfSql(sql, counts_rows=False, condition=_numeric(leaf))
    if leaf.threshold:
        require_numbers(leaf.threshold)
    passing = f"SELECT COUNT(*) FROM ({sql}) AS passing"  # noqa: S608  # the rule's own query, which was checked
    return OfSql(passing, counts_rows=True, condition=leaf.threshold or ALL)


# What an analyzer records and DetectAnomalies watches: what comes to a number without a condition.
_NUMBERS = (
    "RowCount",
    "ColumnCount",
    "Completeness",
    "Uniqueness",
    "UniqueValueRatio",
    "DistinctValuesCount",
    "Mean",
    "Sum",
    "StandardDeviation",
    "Entropy",
    "ColumnCorrelation",
)


def _anomalies(leaf: Rule, scope: Scope) -> Compiled:
    """Compile what is measured; whether it is out of the ordinary is told by its past."""
    measured, *parameters = leaf.parameters
    return statistic(replace(leaf, rule_type=measured, parameters=tuple(parameters)), scope)


def statistic(leaf: Rule, scope: Scope) -> Compiled:
    """Return what a type has to compute that is measured and held against nothing; raises as `measure` does."""
    if leaf.rule_type not in _NUMBERS:
        known = ", ".join(_NUMBERS)
        raise NotCompilableError(f"{leaf.rule_type!r} is not a number that is watched; those are: {known}")
    return measure(replace(leaf, condition=ALL), scope)


_COMPILERS: Mapping[str, Callable[[Rule, Scope], Compiled]] = {
    "RowCount": _row_count,
    "ColumnCount": _column_count,
    "ColumnExists": _column_exists,
    "ColumnDataType": _data_type,
    "ColumnNamesMatchPattern": _column_names,
    "Completeness": _completeness,
    "IsComplete": _completeness,
    "Uniqueness": _keys,
    "UniqueValueRatio": _keys,
    "DistinctValuesCount": _keys,
    "IsUnique": _keys,
    "IsPrimaryKey": _keys,
    "ColumnValues": _column_values,
    "ColumnLength": _column_length,
    "DataFreshness": _freshness,
    "ColumnCorrelation": _correlation,
    "Mean": _mean,
    "Sum": _sum,
    "StandardDeviation": _deviation,
    "Entropy": _entropy,
    "ReferentialIntegrity": _referential,
    "RowCountMatch": _row_count_match,
    "SchemaMatch": _schema_match,
    "AggregateMatch": _aggregate_match,
    "DatasetMatch": _dataset_match,
    "CustomSql": _custom_sql,
    "DetectAnomalies": _anomalies,
}


def measure(leaf: Rule, scope: Scope) -> Compiled:
    """Return what a rule has to compute.

    Raises
    ------
    NotCompilableError, SqlRefusedError
        If this product cannot judge it on that table.
    """
    compiler = _COMPILERS.get(leaf.rule_type)
    if compiler is None:
        raise NotCompilableError(f"{leaf.rule_type} is not judged by this product")
    if leaf.tags:
        raise NotCompilableError(f"`with {next(iter(leaf.tags))}` is not judged by this product")
    for name in column_names(leaf):
        if leaf.rule_type not in ("ColumnExists", "AggregateMatch"):
            _require_column(name, scope.table)
    return compiler(leaf, scope)
