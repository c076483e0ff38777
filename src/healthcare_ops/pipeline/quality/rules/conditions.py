"""One number against a condition, which may speak of what the same rule measured before."""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from healthcare_ops.pipeline.quality.dqdl.syntax import Arithmetic, Call, Condition, Number, Operand, Operator
from healthcare_ops.pipeline.quality.rules.refusals import NoHistoryError, NotCompilableError

History = Sequence[float]


COMPARISONS: Mapping[Operator, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_OF_SEVERAL: Mapping[Operator, Callable[[float, Sequence[float]], bool]] = {
    # Both ends excluded, as Glue has it.
    "between": lambda value, limits: limits[0] < value < limits[1],
    "not between": lambda value, limits: not limits[0] < value < limits[1],
    "in": lambda value, limits: value in limits,
    "not in": lambda value, limits: value not in limits,
}
_OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
# `std` is of the whole population, as in Deequ, on which Glue stands.
_STATISTICS: Mapping[str, Callable[[History], float]] = {
    "avg": statistics.fmean,
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
    "sum": sum,
    "std": statistics.pstdev,
}
FUNCTIONS = ("last", "index", *_STATISTICS)


def holds(condition: Condition, value: float, history: History = ()) -> bool:
    """Tell whether the value fulfils a condition of numbers.

    Parameters
    ----------
    history
        What the rule measured in the runs before, the newest first.

    Raises
    ------
    NoHistoryError
        If the condition speaks of runs that have not been, or divides by nothing.
    """
    bounds = limits(condition, history)
    if compare := COMPARISONS.get(condition.operator):
        return bool(compare(value, bounds[0]))
    return _OF_SEVERAL[condition.operator](value, bounds)


def limits(condition: Condition, history: History = ()) -> list[float]:
    """Return the numbers that a condition's operands come to; raises as `holds` does."""
    try:
        return [_number(operand, history) for operand in condition.operands]
    except (ArithmeticError, ValueError) as error:
        # A division by nothing, or numbers too large for their sum.
        raise NoHistoryError from error


def describe(condition: Condition) -> str:
    """Return a condition of numbers as it is written."""
    shown = [_shown(operand) for operand in condition.operands]
    if condition.operator in ("between", "not between"):
        return f"{condition.operator} {shown[0]} and {shown[1]}"
    if condition.operator in ("in", "not in"):
        return f"{condition.operator} [{', '.join(shown)}]"
    return f"{condition.operator} {shown[0]}"


def _shown(operand: Operand) -> str:
    if isinstance(operand, Arithmetic):
        return f"({_shown(operand.left)} {operand.operator} {_shown(operand.right)})"
    if isinstance(operand, Call):
        return f"{operand.name}({', '.join(map(_shown, operand.arguments))})"
    return f"{operand.value:.15g}" if isinstance(operand, Number) else str(operand)


# Of fewer values nobody can say what is ordinary.
_LEAST_PAST = 5
# What is ordinary changes: it is what the newest runs measured, however many there are.
ORDINARY_RUNS = 30
# Of values that follow the normal distribution, one in 15,000 lies further from the median.
_DEVIATIONS = 4.0
_MAD_TO_DEVIATION = 1.4826


def is_ordinary(value: float, history: History) -> bool:
    """Tell whether a value lies where those of the runs before lay: within four robust deviations of their median.

    Those are the newest `ORDINARY_RUNS`, of a history whose newest is the first. The deviation is the median absolute
    deviation × 1.4826 (Hampel 1974), but no less than 1 % of the median.

    Raises
    ------
    NoHistoryError
        If there are fewer than five.
    """
    if len(history) < _LEAST_PAST:
        raise NoHistoryError
    newest = history[:ORDINARY_RUNS]
    median = statistics.median(newest)
    spread = statistics.median(abs(past - median) for past in newest) * _MAD_TO_DEVIATION
    return abs(value - median) <= _DEVIATIONS * max(spread, abs(median) / 100.0)


def require_numbers(condition: Condition) -> None:
    """Raise `NotCompilableError` unless every operand comes to a number."""
    if condition.operator not in (*COMPARISONS, *_OF_SEVERAL):
        raise NotCompilableError("its condition compares a number")
    for operand in condition.operands:
        _require_number(operand)


def _require_number(operand: Operand) -> None:
    if isinstance(operand, Arithmetic):
        _require_number(operand.left)
        _require_number(operand.right)
    elif isinstance(operand, Call):
        _require_function(operand)
        for argument in operand.arguments:
            _require_number(argument)
    elif not isinstance(operand, Number):
        raise NotCompilableError("its condition compares a number")
    if not is_dynamic(operand):
        _require_result(operand)


def _require_function(call: Call) -> None:
    if call.name not in FUNCTIONS:
        raise NotCompilableError(f"{call.name}() is not known; known are {', '.join(FUNCTIONS)}")
    count = len(call.arguments)
    if call.name == "last" and not (count == 0 or (count == 1 and _is_count(call.arguments[0]))):
        raise NotCompilableError("last() takes how many runs to look back, a whole number from 1")
    if call.name == "index" and not (count == 2 and isinstance(call.arguments[1], Number)):
        raise NotCompilableError("index() takes values and the place of one among them, from 0")
    if call.name in _STATISTICS and not count:
        raise NotCompilableError(f"{call.name}() takes values, such as last(10)")


def _is_count(operand: Operand) -> bool:
    return isinstance(operand, Number) and operand.value.is_integer() and operand.value >= 1


def _require_result(operand: Operand) -> None:
    try:
        found = _number(operand, ())
    except ArithmeticError as error:
        raise NotCompilableError("its condition divides by nothing") from error
    if not math.isfinite(found):
        raise NotCompilableError("its condition holds a number that is too large")


def is_dynamic(operand: Operand) -> bool:
    """Tell whether an operand speaks of the runs before."""
    if isinstance(operand, Arithmetic):
        return is_dynamic(operand.left) or is_dynamic(operand.right)
    return isinstance(operand, Call)


def _number(operand: Operand, history: History) -> float:
    if isinstance(operand, Number):
        return operand.value
    if isinstance(operand, Arithmetic):
        return _OPERATIONS[operand.operator](_number(operand.left, history), _number(operand.right, history))
    if not isinstance(operand, Call):
        raise TypeError(operand)  # the compiler lets nothing else through
    if operand.name == "last":
        return _last(operand, history)[0]
    if operand.name == "index":
        past, place = operand.arguments
        found = _series(past, history)
        number = int(_number(place, history))
        if not 0 <= number < len(found):
            raise NoHistoryError
        return found[number]
    values = [value for argument in operand.arguments for value in _series(argument, history)]
    return _STATISTICS[operand.name](values)


def _series(operand: Operand, history: History) -> Sequence[float]:
    if isinstance(operand, Call) and operand.name == "last":
        return _last(operand, history)
    return [_number(operand, history)]


def _last(call: Call, history: History) -> Sequence[float]:
    """Return the newest values, fewer where there are not as many; at least one."""
    wanted = int(_number(call.arguments[0], history)) if call.arguments else 1
    found = history[: max(wanted, 1)]
    if not found:
        raise NoHistoryError
    return found
