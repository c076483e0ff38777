"""SQL of a rule: row conditions of `where` as Ibis expressions, and whole queries of CustomSql, checked.

Both are read in Spark's dialect, as Glue does. What is not on the lists below is refused: a rule speaks of its table
and of nothing else.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import sqlglot
from ibis.common.exceptions import IbisError
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from healthcare_ops.pipeline.quality.patterns import require_plain_regex
from healthcare_ops.pipeline.quality.refusals import NotCompilableError, SqlRefusedError

_DIALECT = "spark"
PRIMARY = "primary"
_MAX_LENGTH = 50_000
_MAX_DEPTH = 50
_BEGINS = (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN)


def _day(value: Any) -> Any:
    if not (value.type().is_timestamp() or value.type().is_date()):
        raise SqlRefusedError(f"of {value.type()} there is no day")
    return value.cast("date")


_COMPARE: Mapping[type[exp.Expr], Callable[[Any, Any], Any]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}
# What is divided by nothing is null, as in Spark.
_CALCULATE: Mapping[type[exp.Expr], Callable[[Any, Any], Any]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: lambda number, by: number / by.nullif(0),
    exp.Mod: lambda number, by: number % by.nullif(0),
}
_UNARY: Mapping[type[exp.Expr], Callable[[Any], Any]] = {
    exp.Paren: lambda value: value,
    exp.Lower: lambda text: text.lower(),
    exp.Upper: lambda text: text.upper(),
    exp.Trim: lambda text: text.strip(),
    exp.Length: lambda text: text.length(),
    exp.Year: lambda moment: moment.year(),
    exp.Month: lambda moment: moment.month(),
    exp.TsOrDsToDate: _day,
}
_PLAIN = ("this", "expression", "expressions")
_ARGUMENTS: Mapping[type[exp.Expr], Sequence[str]] = {
    **dict.fromkeys((exp.And, exp.Or, *_COMPARE, *_CALCULATE, exp.RegexpLike, exp.Is), _PLAIN[:2]),
    **dict.fromkeys((*_UNARY, exp.Not, exp.Neg, exp.Abs, exp.Boolean, exp.Null), _PLAIN[:1]),
    exp.Div: (*_PLAIN, "typed", "safe"),
    exp.Like: (*_PLAIN, "negate"),
    exp.In: _PLAIN,
    exp.Between: ("this", "low", "high"),
    exp.Coalesce: (*_PLAIN, "is_nvl"),
    exp.Cast: ("this", "to"),
    exp.TryCast: ("this", "to", "safe"),
    exp.Column: ("this", "table"),
    exp.Identifier: ("this", "quoted"),
    exp.Literal: ("this", "is_string"),
    exp.DataType: ("this",),
}


def condition_of(sql: str) -> exp.Expr:
    """Return a row condition as a tree; raise `SqlRefusedError` if it cannot be read, or is more than a condition."""
    tree = _read(f"SELECT 1 WHERE {sql}", sql)
    clauses = {name for name, part in tree.args.items() if part} if tree else set()
    if not isinstance(tree, exp.Select) or clauses - {"kind", "operation_modifiers"} != {"expressions", "where"}:
        raise SqlRefusedError(f"{_short(sql)} is more than a condition")
    found: exp.Expr = tree.args["where"].this
    for node in found.walk():
        _require_known(node)
    if _depth(found) > _MAX_DEPTH:
        raise SqlRefusedError(f"{_short(sql)} is nested more than {_MAX_DEPTH} deep")
    return found


def where(sql: str, table: ir.Table) -> Any:
    """Return the row condition of a `where` clause, false where it is null.

    Raises
    ------
    SqlRefusedError
        If it cannot be read, or speaks of what the table has not.
    """
    return truth_of(condition_of(sql), table).fill_null(False)


def truth_of(condition: exp.Expr, table: ir.Table) -> Any:
    """Return the value of a row condition, or of a part of one, that was read: true, false or null."""
    try:
        return _truth(condition, table)
    except (IbisError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise SqlRefusedError(
            f"{_short(condition.sql(_DIALECT))} does not fit the columns: {str(error).strip().splitlines()[0]}"
        ) from error


def _read(text: str, sql: str) -> exp.Expr | None:
    """Return one query as a tree; None if it is another statement, or several."""
    if len(sql) > _MAX_LENGTH:
        raise SqlRefusedError(f"its SQL is longer than {_MAX_LENGTH} characters")
    try:
        tokens = [token.token_type for token in sqlglot.tokenize(text, read=_DIALECT)]
        if tokens[-1:] == [TokenType.SEMICOLON]:
            tokens.pop()
        if not tokens or tokens[0] not in _BEGINS or TokenType.SEMICOLON in tokens:
            return None
        return sqlglot.parse_one(text, dialect=_DIALECT)
    except (SqlglotError, RecursionError) as error:
        raise SqlRefusedError(f"{_short(sql)} is not SQL that can be read") from error


def _short(sql: str) -> str:
    return repr(sql if len(sql) <= 100 else f"{sql[:99]}…")


def _depth(tree: exp.Expr) -> int:
    """Return how deep a condition is nested; `a AND b AND c` is one level."""
    deepest, open_nodes = 0, [(tree, 1)]
    while open_nodes:
        node, depth = open_nodes.pop()
        deepest = max(deepest, depth)
        is_chain = isinstance(node, (exp.And, exp.Or))
        open_nodes.extend(
            (part, depth if is_chain and type(part) is type(node) else depth + 1) for part in node.iter_expressions()
        )
    return deepest


def _require_known(node: exp.Expr) -> None:
    if isinstance(node, exp.Null) and not isinstance(node.parent, exp.Is):
        raise SqlRefusedError("nothing equals NULL; write IS NULL or IS NOT NULL")
    written = {name for name, part in node.args.items() if part not in (None, False, [])}
    if type(node) not in _ARGUMENTS or not written <= set(_ARGUMENTS[type(node)]):
        raise _unknown(node)


def _unknown(node: exp.Expr) -> SqlRefusedError:
    return SqlRefusedError(f"{_short(node.sql(_DIALECT))} is not known in a condition")


def _truth(node: exp.Expr, table: ir.Table) -> Any:
    """Return the value of a node that is true, false or null."""
    found = _value(node, table)
    if not found.type().is_boolean():
        raise SqlRefusedError(f"{_short(node.sql(_DIALECT))} is {found.type()}, neither true nor false")
    return found


def _number(node: exp.Expr, table: ir.Table) -> Any:
    found = _value(node, table)
    if not found.type().is_numeric():
        raise SqlRefusedError(f"{_short(node.sql(_DIALECT))} is {found.type()}, not a number")
    return found


def _value(node: exp.Expr, table: ir.Table) -> Any:
    kind = type(node)
    if kind in (exp.And, exp.Or):
        parts = [_truth(part, table) for part in node.flatten(unnest=False)]
        return all_of(parts) if kind is exp.And else any_of(parts)
    if compare := _COMPARE.get(kind):
        return compare(*_alike([node.this, node.expression], table))
    if calculate := _CALCULATE.get(kind):
        return calculate(_number(node.this, table), _number(node.expression, table))
    if of_one := _UNARY.get(kind):
        return of_one(_value(node.this, table))
    return _SPECIAL[kind](node, table)


def _alike(nodes: Sequence[exp.Expr], table: ir.Table) -> list[Any]:
    """Return values that are compared with one another: beside a time, a text is one."""
    values = [_value(node, table) for node in nodes]
    times = [value.type() for value in values if value.type().is_timestamp() or value.type().is_date()]
    if not times:
        return values
    read = _instant if times[0].is_timestamp() else date.fromisoformat
    return [
        ibis.literal(read(node.this)) if isinstance(node, exp.Literal) and node.is_string else value
        for node, value in zip(nodes, values, strict=True)
    ]


def _instant(text: str) -> datetime:
    """Return an instant as naive UTC, as the columns are; a text without a zone means UTC."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


_TIMES: Mapping[Any, Callable[[str], Any]] = {
    exp.DataType.Type.DATE: date.fromisoformat,
    exp.DataType.Type.TIMESTAMP: _instant,
    exp.DataType.Type.TIMESTAMPTZ: _instant,
    exp.DataType.Type.TIMESTAMPNTZ: _instant,
}


def _cast(node: exp.Expr, table: ir.Table) -> Any:
    read = _TIMES.get(node.args["to"].this)
    if read and isinstance(node.this, exp.Literal):
        return ibis.literal(read(node.this.this))
    if node.args["to"].this == exp.DataType.Type.DATE:
        return _day(_value(node.this, table))
    raise SqlRefusedError(f"{_short(node.sql(_DIALECT))} is not known in a condition; DATE '…' and TIMESTAMP '…' are")


def _column(node: exp.Expr, table: ir.Table) -> Any:
    if node.text("table") not in ("", PRIMARY) or node.name not in table.columns:
        raise SqlRefusedError(f"there is no column {_short(node.sql(_DIALECT))}")
    return table[node.name]


def _literal(node: exp.Expr, table: ir.Table) -> Any:
    if isinstance(node, exp.Literal) and node.is_string:
        return ibis.literal(str(node.this))
    if isinstance(node, exp.Literal):
        return ibis.literal(int(node.this) if node.this.isdigit() else float(node.this))
    return ibis.literal(bool(node.this))


def _like(node: exp.Expr, table: ir.Table) -> Any:
    pattern = node.expression
    # A backslash frees what follows it from its meaning, in Spark and not in DuckDB.
    if not (isinstance(pattern, exp.Literal) and pattern.is_string) or "\\" in pattern.this:
        raise SqlRefusedError("LIKE takes a quoted pattern without backslashes")
    found = _value(node.this, table).like(pattern.this)
    return ~found if node.args.get("negate") else found


def _rlike(node: exp.Expr, table: ir.Table) -> Any:
    pattern = node.expression
    if not (isinstance(pattern, exp.Literal) and pattern.is_string):
        raise SqlRefusedError("RLIKE takes a quoted pattern")
    try:
        require_plain_regex(pattern.this)
    except NotCompilableError as error:
        raise SqlRefusedError(str(error)) from error
    return _value(node.this, table).re_search(pattern.this)


def _is_null(node: exp.Expr, table: ir.Table) -> Any:
    if not isinstance(node.expression, exp.Null):
        raise _unknown(node)
    return _value(node.this, table).isnull()


def _is_in(node: exp.Expr, table: ir.Table) -> Any:
    value, *others = _alike([node.this, *node.expressions], table)
    return value.isin(others)


def _is_between(node: exp.Expr, table: ir.Table) -> Any:
    value, low, high = _alike([node.this, node.args["low"], node.args["high"]], table)
    return value.between(low, high)


_SPECIAL: Mapping[type[exp.Expr], Callable[[exp.Expr, ir.Table], Any]] = {
    exp.Not: lambda node, table: ~_truth(node.this, table),
    exp.Neg: lambda node, table: -_number(node.this, table),
    exp.Abs: lambda node, table: _number(node.this, table).abs(),
    exp.Coalesce: lambda node, table: ibis.coalesce(*_alike([node.this, *node.expressions], table)),
    exp.Is: _is_null,
    exp.In: _is_in,
    exp.Between: _is_between,
    exp.Like: _like,
    exp.RegexpLike: _rlike,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: _literal,
}


# Functions of the tree by their class: what reads elsewhere, says something else every time, or grows at will.
_ELSEWHERE = re.compile(
    r"Read|ToFile|Current|Local|Session|Rand|Uuid|Seq\d|AI[A-Z]|Version|StrToUnix|Repeat|Space|GenerateSeries"
)
_NEVER = (exp.Anonymous, exp.AnonymousAggFunc, exp.Command, exp.Into, exp.Placeholder, exp.Parameter)
_TABLE_FUNCTIONS = (exp.Explode, exp.Unnest, exp.Subquery)  # these stay within their row


def require_query_of(sql: str, tables: Sequence[str]) -> exp.Expr:
    """Return a query of CustomSql as a tree.

    Raises
    ------
    SqlRefusedError
        Unless it is one SELECT that reads the named tables (or its own WITH), and calls known functions only.
    """
    tree = _read(sql, sql)
    if not isinstance(tree, exp.Query) or not tree.selects:
        raise SqlRefusedError("only one SELECT is allowed")
    if any(clause.recursive for clause in tree.find_all(exp.With)):
        raise SqlRefusedError("a recursive WITH may never end")
    for node in tree.walk():
        _require_own(node, tables)
    return tree


def at(now: datetime, tree: exp.Expr) -> str:
    """Return a query as SQL that means `now` (naive UTC) by the current time and day, and null by n ÷ 0, as Spark."""
    said: dict[type[exp.Expr], exp.Expr] = {
        exp.CurrentTimestamp: exp.cast(exp.Literal.string(now.isoformat(" ")), "TIMESTAMP_NTZ"),
        exp.CurrentDate: exp.cast(exp.Literal.string(now.date().isoformat()), "DATE"),
    }

    def meant(node: exp.Expr) -> exp.Expr:
        if isinstance(node, (exp.Div, exp.Mod)):
            node.set("expression", exp.func("NULLIF", node.expression, exp.Literal.number(0)))
        return said[type(node)].copy() if type(node) in said else node

    return tree.transform(meant).sql(_DIALECT)


def _require_own(node: exp.Expr, tables: Sequence[str]) -> None:
    if isinstance(node, exp.CTE) and not isinstance(node.this, exp.Query):
        raise SqlRefusedError("only one SELECT is allowed")
    is_now = isinstance(node, (exp.CurrentTimestamp, exp.CurrentDate)) and not node.this
    is_elsewhere = isinstance(node, exp.Func) and _ELSEWHERE.match(type(node).__name__) and not is_now
    if is_elsewhere or isinstance(node, _NEVER):
        raise SqlRefusedError(f"{_short(node.sql(_DIALECT))} is not a function that a rule may call")
    if isinstance(node, exp.UDTF) and not isinstance(node, _TABLE_FUNCTIONS):
        raise SqlRefusedError(f"{_short(node.sql(_DIALECT))} is not a table function that a rule may call")
    if isinstance(node, exp.Table) and not _is_one_of(node, tables):
        raise SqlRefusedError(
            f"{_short(node.sql(_DIALECT, comments=False))} is not a table of the rule; known: {', '.join(tables)}"
        )


def _is_one_of(table: exp.Table, tables: Sequence[str]) -> bool:
    """Tell whether a table is named by its name alone, and is one of these or of a WITH that it can see."""
    if not isinstance(table.this, exp.Identifier) or table.args.get("db") or table.args.get("catalog"):
        return False
    return table.name in tables or table.name in _visible(table)


def _visible(node: exp.Expr) -> set[str]:
    """Return the names that a WITH around the node gives; within a WITH, those before it."""
    found: set[str] = set()
    inner, outer = node, node.parent
    while outer is not None:
        if isinstance(outer, exp.With):
            found |= {cte.alias for cte in outer.expressions[: outer.expressions.index(inner)]}
        elif not isinstance(inner, exp.With):
            clause = outer.args.get("with_")
            found |= {cte.alias for cte in clause.expressions} if clause else set()
        inner, outer = outer, outer.parent
    return found


def any_of(conditions: Sequence[Any]) -> Any:
    """Return the disjunction of row conditions."""
    return _joined(operator.or_, conditions)


def all_of(conditions: Sequence[Any]) -> Any:
    """Return the conjunction of row conditions."""
    return _joined(operator.and_, conditions)


def _joined(join: Callable[[Any, Any], Any], conditions: Sequence[Any]) -> Any:
    """Join by halves: a chain of a thousand would be too deep for those who walk the expression."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return join(_joined(join, conditions[:half]), _joined(join, conditions[half:]))
