"""Queries of CustomSql, in Spark's dialect as in Glue: one SELECT on the rule's own table, by functions on a list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlglot
from sqlglot import exp

from healthcare_ops.pipeline.quality.rules.refusals import SqlRefusedError
from healthcare_ops.pipeline.quality.rules.where import DIALECT, read_sql, shortened

# Classes of the tree, by what they are about. Not here is what reads elsewhere, says something else every time, or
# grows by a number, such as a text of 1,000,000,000 blanks.
_FUNCTIONS = frozenset(
    """
    And Or Xor Case If Exists Coalesce Nullif Nvl2 Greatest Least Cast TryCast Try Typeof EqualNull IsNan
    Abs Acos Acosh Asin Asinh Atan Atan2 Atanh Cbrt Ceil Cos Cosh Cot Degrees Exp Factorial Floor Ln Log Pi Pow Radians
    Round Sign Sin Sinh Sqrt Tan Tanh Trunc WidthBucket SafeDivide
    Ascii Chr Concat ConcatWs Contains EndsWith StartsWith Elt Initcap Left Right Length BitLength ByteLength
    Levenshtein Lower Upper Overlay Replace Reverse Soundex Split SplitPart StrPosition Substring SubstringIndex
    Translate Trim RegexpCount RegexpExtract RegexpExtractAll RegexpFullMatch RegexpILike RegexpInstr RegexpLike
    RegexpReplace RegexpSplit Hex Unhex Encode Decode ToBase64 FromBase64 MD5 SHA SHA2 ToChar ToNumber NumberToStr
    AddMonths Date DateAdd DateDiff DateFromParts DateFromUnixDate DateStrToDate DateSub DateToDateStr DateTrunc Day
    DayOfMonth DayOfWeek DayOfWeekIso DayOfYear Dayname Extract Hour LastDay MakeInterval Minute Month Monthname
    MonthsBetween NextDay Quarter Second StrToDate StrToTime TimeStrToDate TimeStrToTime TimeStrToUnix TimeToStr
    TimeToUnix Timestamp TimestampAdd TimestampDiff TimestampFromParts TimestampSub TimestampTrunc TsOrDiToDi TsOrDsAdd
    TsOrDsDiff TsOrDsToDate TsOrDsToDateStr TsOrDsToTimestamp UnixDate UnixMicros UnixMillis UnixSeconds UnixToStr
    UnixToTime UnixToTimeStr Week WeekOfYear Year YearOfWeek YearOfWeekIso
    AnyValue ApproxDistinct ApproxQuantile ArgMax ArgMin ArrayAgg ArrayUniqueAgg Avg BitwiseAndAgg BitwiseOrAgg
    BitwiseXorAgg Corr Count CountIf CovarPop CovarSamp First GroupConcat Grouping GroupingId Kurtosis Last LogicalAnd
    LogicalOr Max Median Min Mode PercentileCont PercentileDisc Quantile RegrAvgx RegrAvgy RegrCount RegrIntercept
    RegrR2 RegrSlope RegrSxx RegrSxy RegrSyy Skewness Stddev StddevPop StddevSamp Sum Variance VariancePop
    CumeDist DenseRank FirstValue Lag LastValue Lead NthValue Ntile PercentRank Rank RowNumber
    Array ArrayAll ArrayAny ArrayCompact ArrayConcat ArrayContains ArrayDistinct ArrayExcept ArrayFilter ArrayIntersect
    ArrayMax ArrayMin ArrayOverlaps ArrayPosition ArrayRemove ArraySize ArraySlice ArraySort ArrayToString Flatten
    SortArray Struct Transform
    JSONExtract JSONExtractScalar
    Explode Posexplode Inline Unnest
    """.split()  # noqa: SIM905  # a list would be a page of quotes
)
_NEVER = (exp.Command, exp.Into, exp.Placeholder, exp.Parameter, exp.TableSample)
_TABLE_FUNCTIONS = (exp.Explode, exp.Unnest, exp.Subquery)  # these stay within their row
# Another row first, another answer.
_BY_ORDER = (
    *(exp.AnyValue, exp.First, exp.Last, exp.ArgMax, exp.ArgMin, exp.ArrayAgg, exp.ArrayUniqueAgg, exp.GroupConcat),
    *(exp.FirstValue, exp.LastValue, exp.NthValue, exp.Lag, exp.Lead),
    *(exp.RowNumber, exp.Ntile, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist),
)
_OF_ANY_ORDER = (exp.SortArray, exp.ArraySort, exp.ArraySize, exp.ArrayContains, exp.ArrayMax, exp.ArrayMin)


def require_query_of(sql: str, tables: Sequence[str]) -> exp.Expr:
    """Return a query of CustomSql as a tree.

    Raises
    ------
    SqlRefusedError
        Unless it is one SELECT that reads the named tables (or its own WITH), calls known functions only, and says
        the order wherever its answer depends on one.
    """
    tree = read_sql(sql, sql)
    if not isinstance(tree, exp.Query) or not tree.selects:
        raise SqlRefusedError("only one SELECT is allowed")
    if any(clause.recursive for clause in tree.find_all(exp.With)):
        raise SqlRefusedError("a recursive WITH may never end")
    for node in tree.walk():
        _require_own(node, tables)
        _require_order(node)
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

    return tree.transform(meant).sql(DIALECT)


def columns_read(sql: str, columns: Sequence[str]) -> list[str]:
    """Return which columns of its table a query (Spark's dialect) may read: those that it names, in their order.

    All of them if it names none, and if it may read what it does not name; one if it only counts their rows.
    """
    tree = sqlglot.parse_one(sql, dialect=DIALECT)
    tables = {name.lower() for table in tree.find_all(exp.Table) for name in (table.name, table.alias) if name}
    words = {identifier.name.lower() for identifier in tree.find_all(exp.Identifier)}
    named = [column for column in columns if column.lower() in words]
    if any(_reads_all(node, tables) for node in tree.walk()):
        return list(columns)
    is_count = any(isinstance(node.parent, exp.Count) for node in tree.find_all(exp.Star))
    return named or list(columns[:1] if is_count else columns)


def _reads_all(node: exp.Expr, tables: Collection[str]) -> bool:
    """Tell whether a part of a query reads columns without their names: `*`, a row as a value, by other names."""
    if isinstance(node, exp.Star):
        return not isinstance(node.parent, exp.Count)
    if isinstance(node, exp.Column):
        return node.name.lower() in tables
    if isinstance(node, exp.TableAlias):
        return bool(node.columns)  # given by position
    return isinstance(node, exp.Pivot) or (isinstance(node, exp.Join) and node.method == "NATURAL")


def _require_own(node: exp.Expr, tables: Sequence[str]) -> None:
    if isinstance(node, exp.CTE) and not isinstance(node.this, exp.Query):
        raise SqlRefusedError("only one SELECT is allowed")
    is_now = isinstance(node, (exp.CurrentTimestamp, exp.CurrentDate)) and not node.this
    is_unknown = isinstance(node, exp.Func) and type(node).__name__ not in _FUNCTIONS and not is_now
    if is_unknown or isinstance(node, _NEVER):
        raise SqlRefusedError(f"{shortened(node.sql(DIALECT))} is not what a rule may call")
    if isinstance(node, exp.UDTF) and not isinstance(node, _TABLE_FUNCTIONS):
        raise SqlRefusedError(f"{shortened(node.sql(DIALECT))} is not a table function that a rule may call")
    if isinstance(node, exp.Table) and not _is_one_of(node, tables):
        raise SqlRefusedError(
            f"{shortened(node.sql(DIALECT, comments=False))} is not a table of the rule; known: {', '.join(tables)}"
        )


def _require_order(node: exp.Expr) -> None:
    """Refuse what depends on the order in which an engine has its rows."""
    takes_some = isinstance(node, (exp.Limit, exp.Fetch, exp.Offset, exp.WindowSpec))
    is_first_of_each = isinstance(node, exp.Distinct) and node.args.get("on")
    if (takes_some or is_first_of_each) and not _is_ordered(node.parent):
        raise _without_order(node)
    if isinstance(node, _BY_ORDER) and not _is_told_in_order(node):
        raise _without_order(node)


def _without_order(node: exp.Expr) -> SqlRefusedError:
    written = shortened(node.sql(DIALECT).strip())
    return SqlRefusedError(f"{written} depends on the order of the rows, which is not the same every time; ORDER BY it")


def _is_told_in_order(call: exp.Expr) -> bool:
    """Tell whether a function is given its rows in an order, or gives them to one that needs none."""
    if isinstance(call, (exp.ArgMax, exp.ArgMin)):
        return _sorts(call.expression)
    if isinstance(call.this, exp.Order):
        return _sorts(call.this)
    while isinstance(call.parent, (exp.IgnoreNulls, exp.RespectNulls, exp.Filter)):
        call = call.parent
    around = call.parent
    if around is None or call.arg_key != "this":
        return False
    if isinstance(around, exp.WithinGroup):
        return _sorts(around.expression)
    if isinstance(around, _OF_ANY_ORDER):
        return not isinstance(around.expression, exp.Lambda)
    return isinstance(around, exp.Window) and _is_ordered(around)


def _is_ordered(part: exp.Expr | None) -> bool:
    """Tell whether a query or a window, or the named one that it goes by, has an ORDER BY."""
    order = part.args.get("order") if part else None
    if isinstance(part, exp.Window):
        query = part.find_ancestor(exp.Select)
        named = query.args.get("windows") or [] if query else []
        orders = [window.args.get("order") for window in named if window.name.lower() == part.alias.lower()]
        return any(_sorts(found) for found in (order, *orders) if found)
    return order is not None and (_sorts(order) or any(item.this.is_int for item in order.expressions))


def _sorts(order: exp.Expr) -> bool:
    """Tell whether what rows are sorted by speaks of them; by a constant they are all alike."""
    return order.find(exp.Column, exp.Star) is not None


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
