"""SQL of a rule's `where`, in Spark's dialect as in Glue, as an Ibis expression.

What is not on the lists below is refused: a rule speaks of its table and of nothing else.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import sqlglot
from ibis.common.exceptions import IbisError
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from healthcare_ops.pipeline.quality.rules.patterns import require_plain_regex
from healthcare_ops.pipeline.quality.rules.refusals import NotCompilableError, SqlRefusedError, kind_of, no_column

DIALECT = "spark"
PRIMARY = "primary"
_MAX_LENGTH = 50_000
_MAX_DEPTH = 50
_BEGINS = (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN)


def _day(value: Any) -> Any:
    if not (value.type().is_timestamp() or value.type().is_date()):
        raise SqlRefusedError(f"{kind_of(value.type())} have no day")
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
    tree = read_sql(f"SELECT 1 WHERE {sql}", sql)
    clauses = {name for name, part in tree.args.items() if part} if tree else set()
    if not isinstance(tree, exp.Select) or clauses - {"kind", "operation_modifiers"} != {"expressions", "where"}:
        raise SqlRefusedError(f"{shortened(sql)} is more than a condition")
    found: exp.Expr = tree.args["where"].this
    for node in found.walk():
        _require_known(node)
    if _depth(found) > _MAX_DEPTH:
        raise SqlRefusedError(f"{shortened(sql)} is nested more than {_MAX_DEPTH} deep")
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
            f"{shortened(condition.sql(DIALECT))} does not fit the columns: {str(error).strip().splitlines()[0]}"
        ) from error


def read_sql(text: str, sql: str) -> exp.Expr | None:
    """Return one query as a tree; None if it is another statement, or several.

    Raises
    ------
    SqlRefusedError
        If `sql`, the part of it that somebody wrote, is too long, or the text cannot be read.
    """
    if len(sql) > _MAX_LENGTH:
        raise SqlRefusedError(f"its SQL is longer than {_MAX_LENGTH} characters")
    try:
        tokens = [token.token_type for token in sqlglot.tokenize(text, read=DIALECT)]
        if tokens[-1:] == [TokenType.SEMICOLON]:
            tokens.pop()
        if not tokens or tokens[0] not in _BEGINS or TokenType.SEMICOLON in tokens:
            return None
        return sqlglot.parse_one(text, dialect=DIALECT)
    except (SqlglotError, RecursionError) as error:
        raise SqlRefusedError(f"{shortened(sql)} is not SQL that can be read") from error


def shortened(sql: str) -> str:
    """Return the start of an SQL text in quotes."""
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
    return SqlRefusedError(f"{shortened(node.sql(DIALECT))} is not known in a condition")


def _truth(node: exp.Expr, table: ir.Table) -> Any:
    """Return the value of a node that is true, false or null."""
    found = _value(node, table)
    if not found.type().is_boolean():
        raise SqlRefusedError(f"{shortened(node.sql(DIALECT))} is {kind_of(found.type())}, neither true nor false")
    return found


def _number(node: exp.Expr, table: ir.Table) -> Any:
    found = _value(node, table)
    if not found.type().is_numeric():
        raise SqlRefusedError(f"{shortened(node.sql(DIALECT))} is {kind_of(found.type())}, not a number")
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
    raise SqlRefusedError(f"{shortened(node.sql(DIALECT))} is not known in a condition; DATE '…' and TIMESTAMP '…' are")


def _column(node: exp.Expr, table: ir.Table) -> Any:
    if node.text("table") not in ("", PRIMARY):
        raise SqlRefusedError(f"there is no column {shortened(node.sql(DIALECT))}; a condition is about its own table")
    if node.name not in table.columns:
        raise SqlRefusedError(f"{no_column(node.name, table.columns)} (a text stands in single quotes: '{node.name}')")
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


def any_of(conditions: Sequence[Any]) -> Any:
    """Return the disjunction of row conditions."""
    return joined(operator.or_, conditions)


def all_of(conditions: Sequence[Any]) -> Any:
    """Return the conjunction of row conditions."""
    return joined(operator.and_, conditions)


def joined(join: Callable[[Any, Any], Any], parts: Sequence[Any]) -> Any:
    """Join by halves: a chain of a thousand would be too deep for those who walk the expression."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return join(joined(join, parts[:half]), joined(join, parts[half:]))
