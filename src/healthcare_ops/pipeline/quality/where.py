"""SQL of a rule: row conditions of `where` as Ibis expressions, and whole queries of CustomSql, checked.

Both are read in Spark's dialect, as Glue does. What is not on the lists below is refused: a rule speaks of its table
and of nothing else.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir
import sqlglot
from ibis.common.exceptions import IbisError
from sqlglot import exp
from sqlglot.errors import SqlglotError

from healthcare_ops.pipeline.quality.refusals import SqlRefusedError

_DIALECT = "spark"
PRIMARY = "primary"


_BINARY: Mapping[type[exp.Expr], Callable[[Any, Any], Any]] = {
    exp.And: operator.and_,
    exp.Or: operator.or_,
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: operator.truediv,
    exp.Mod: operator.mod,
    exp.Like: lambda text, pattern: text.like(pattern),
    exp.RegexpLike: lambda text, pattern: text.re_search(pattern),
}
_UNARY: Mapping[type[exp.Expr], Callable[[Any], Any]] = {
    exp.Paren: lambda value: value,
    exp.Not: operator.invert,
    exp.Neg: operator.neg,
    exp.Lower: lambda text: text.lower(),
    exp.Upper: lambda text: text.upper(),
    exp.Trim: lambda text: text.strip(),
    exp.Length: lambda text: text.length(),
    exp.Abs: lambda number: number.abs(),
    exp.Year: lambda moment: moment.year(),
    exp.Month: lambda moment: moment.month(),
}
_TIMES: Mapping[Any, Callable[[str], Any]] = {
    exp.DataType.Type.DATE: date.fromisoformat,
    exp.DataType.Type.TIMESTAMP: datetime.fromisoformat,
    exp.DataType.Type.TIMESTAMPTZ: datetime.fromisoformat,
}


def condition_of(sql: str) -> exp.Expr:
    """Return a row condition as a tree; raise `SqlRefusedError` if it cannot be read, or is more than a condition."""
    try:
        tree = sqlglot.parse_one(f"SELECT 1 WHERE {sql}", dialect=_DIALECT)
    except (SqlglotError, RecursionError) as error:
        raise SqlRefusedError(f"{sql!r} is not a condition") from error
    clauses = {name for name, part in tree.args.items() if part} - {"kind", "operation_modifiers"}
    if not isinstance(tree, exp.Select) or clauses != {"expressions", "where"}:
        raise SqlRefusedError(f"{sql!r} is more than a condition")
    found: exp.Expr = tree.args["where"].this
    for node in found.walk():
        _require_known(node)
    return found


def where(sql: str, table: ir.Table) -> Any:
    """Return the row condition of a `where` clause, false where it is null.

    Raises
    ------
    SqlRefusedError
        If it cannot be read, or speaks of what the table has not.
    """
    try:
        return _value(condition_of(sql), table).fill_null(False)
    except (IbisError, TypeError, AttributeError, ValueError) as error:
        raise SqlRefusedError(f"{sql!r} does not fit the columns: {str(error).strip().splitlines()[0]}") from error


_LEAVES = (exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.DataType)
_OTHERS = (exp.Is, exp.In, exp.Between, exp.Coalesce, exp.Cast, *_LEAVES)


def _require_known(node: exp.Expr) -> None:
    if isinstance(node, exp.Null) and not isinstance(node.parent, (exp.Is, exp.Coalesce)):
        raise SqlRefusedError("nothing equals NULL; write IS NULL or IS NOT NULL")
    if not isinstance(node, (*_BINARY, *_UNARY, *_OTHERS)):
        raise SqlRefusedError(f"{node.sql(_DIALECT)!r} is not known in a condition")


def _value(node: exp.Expr, table: ir.Table) -> Any:
    if of_two := _BINARY.get(type(node)):
        return of_two(_value(node.this, table), _value(node.expression, table))
    if of_one := _UNARY.get(type(node)):
        return of_one(_value(node.this, table))
    if isinstance(node, exp.Column):
        return _column(node, table)
    if isinstance(node, (exp.Literal, exp.Boolean)):
        return _literal(node)
    return _special(node, table)


def _special(node: exp.Expr, table: ir.Table) -> Any:
    if isinstance(node, exp.Coalesce):
        return ibis.coalesce(*(_value(part, table) for part in (node.this, *node.expressions)))
    if isinstance(node, exp.Cast):
        read = _TIMES.get(node.to.this)
        if node.to.this == exp.DataType.Type.DATE and isinstance(node.this, exp.Column):
            return _column(node.this, table).date()
        if read is None or not isinstance(node.this, exp.Literal):
            raise SqlRefusedError(f"{node.sql(_DIALECT)!r} is not known in a condition; DATE '…' and TIMESTAMP '…' are")
        return ibis.literal(read(node.this.this))
    value = _value(node.this, table)
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        return value.isnull()
    if isinstance(node, exp.In) and node.expressions:
        return value.isin([_value(part, table) for part in node.expressions])
    if isinstance(node, exp.Between):
        return value.between(_value(node.args["low"], table), _value(node.args["high"], table))
    raise SqlRefusedError(f"{node.sql(_DIALECT)!r} is not known in a condition")


def _column(node: exp.Column, table: ir.Table) -> Any:
    if node.table not in ("", PRIMARY) or node.name not in table.columns:
        raise SqlRefusedError(f"there is no column {node.sql(_DIALECT)!r}")
    return table[node.name]


def _literal(node: exp.Expr) -> Any:
    if isinstance(node, exp.Literal):
        if node.is_string:
            return ibis.literal(node.this)
        return ibis.literal(int(node.this) if node.this.isdigit() else float(node.this))
    return ibis.literal(bool(node.this))


# Of table functions only these stay within their row.
_TABLE_FUNCTIONS = (exp.Explode, exp.Unnest)
_READERS = (exp.ReadCSV, exp.ReadParquet, exp.Anonymous, exp.AnonymousAggFunc, exp.Command, exp.Into, exp.Placeholder)


def require_query_of(sql: str, tables: Sequence[str]) -> exp.Expr:
    """Return a query of CustomSql as a tree.

    Raises
    ------
    SqlRefusedError
        Unless it is one SELECT that reads the named tables (or its own WITH), and calls known functions only.
    """
    try:
        trees = sqlglot.parse(sql, dialect=_DIALECT)
    except (SqlglotError, RecursionError) as error:
        raise SqlRefusedError(f"{sql!r} is not SQL that can be read") from error
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Query):
        raise SqlRefusedError("only one SELECT is allowed")
    if any(clause.recursive for clause in tree.find_all(exp.With)):
        raise SqlRefusedError("a recursive WITH may never end")
    known = {*tables, *(cte.alias for cte in tree.find_all(exp.CTE))}
    for node in tree.walk():
        if isinstance(node, _READERS):
            raise SqlRefusedError(f"{node.sql(_DIALECT)!r} is not a function that a rule may call")
        if isinstance(node, exp.Table) and (node.sql(_DIALECT, comments=False).split(" ")[0].strip("`") not in known):
            raise SqlRefusedError(
                f"{node.sql(_DIALECT)!r} is not a table of the rule; known: {', '.join(sorted(known))}"
            )
        if isinstance(node, exp.UDTF) and not isinstance(node, (*_TABLE_FUNCTIONS, exp.Subquery)):
            raise SqlRefusedError(f"{node.sql(_DIALECT)!r} is not a table function that a rule may call")
    return tree


def any_of(conditions: Sequence[Any]) -> Any:
    """Return the disjunction of row conditions."""
    return reduce(operator.or_, conditions)


def all_of(conditions: Sequence[Any]) -> Any:
    """Return the conjunction of row conditions."""
    return reduce(operator.and_, conditions)
