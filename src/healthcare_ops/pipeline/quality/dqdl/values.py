"""What a DQDL condition compares with: numbers, texts, instants, durations, sizes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from lark import Token, v_args
from lark.tree import Meta

from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.rule_types import Kind
from healthcare_ops.pipeline.quality.dqdl.syntax import (
    Arithmetic,
    Call,
    ClockTime,
    Condition,
    Day,
    Duration,
    Keyword,
    Now,
    Number,
    Operand,
    Operator,
    Position,
    Size,
    Text,
)

_MAX_STEPS = 100
_MAX_DIGITS = 15
_MINUTES = {"minutes": 1, "hours": 60, "days": 24 * 60}
_MAX_MINUTES = 365_000 * _MINUTES["days"]  # now, moved by as much, is still a year from 1 to 9999
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}|[0-9]{1,2}:[0-9]{2} [AP]M")
# What people write for a number or a day, in places where a text is no such thing.
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_OTHER_DAY = re.compile(r"[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{1,4}(?:[ T][0-9:.Z+-]{1,30})?")
_ESCAPED = re.compile(r'\\(["\\])')
_SIZES = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_KINDS_OF_KEYWORDS: dict[str, frozenset[Kind]] = {"NULL": frozenset({"number", "text", "instant"})}
_ORDERED: frozenset[Kind] = frozenset({"number", "instant", "duration", "size"})
_TEXT: frozenset[Kind] = frozenset({"text"})
_ANY: frozenset[Kind] = _ORDERED | _TEXT
_KINDS_OF_OPERATORS: dict[Operator, frozenset[Kind]] = {
    **dict.fromkeys(("=", "!=", "in", "not in"), _ANY),
    **dict.fromkeys(("matches", "not matches"), _TEXT),
    **dict.fromkeys((">", ">=", "<", "<=", "between", "not between"), _ORDERED),
}
_KIND_NAMES: dict[Kind, str] = {
    "number": "a number",
    "text": "a text",
    "instant": "a date or time",
    "duration": "a duration such as 24 hours",
    "size": "a size such as 10 MB",
}


@dataclass(frozen=True)
class Value:
    """An operand, what kinds it can be (`"2026-03-01"`: a text or a day), and where it stands."""

    operand: Operand
    kinds: frozenset[Kind]
    position: Position


@dataclass(frozen=True)
class Written:
    """A condition that no rule type was asked about yet."""

    operator: Operator
    values: tuple[Value, ...]
    position: Position


def position_of(token: Token) -> Position:
    """Return where a token begins."""
    return Position(token.line or 1, token.column or 1)


def unquoted(token: Token) -> str:
    """Return a name as it is, a quoted text without quotes and escapes."""
    if token.type != "STRING":
        return str(token)
    return _ESCAPED.sub(r"\1", token[1:-1])


def condition_of(written: Written, what: str, kinds: Sequence[Kind]) -> Condition:
    """Return a condition of one of the kinds that `what` compares with, the first that fits."""
    possible = _KINDS_OF_OPERATORS[written.operator]
    for value in written.values:
        common = possible & value.kinds
        if not common & set(kinds):
            _require_no_quotes(value, kinds)
        if not common:
            raise DqdlError(
                f"found {_these(value.kinds)} where {written.operator} takes {_these(possible)}.", value.position
            )
        possible = common
    kind = next((kind for kind in kinds if kind in possible), None)
    if kind is None and "size" in kinds and all(_is_bytes(value.operand) for value in written.values):
        kind = "size"
    if kind is None:
        wanted = " or ".join(_KIND_NAMES[one] for one in kinds)
        raise DqdlError(f"{what} is compared with {wanted}, not with {_these(possible)}.", written.position)
    return Condition(written.operator, tuple(_as_kind(value, kind) for value in written.values))


def _require_no_quotes(value: Value, kinds: Sequence[Kind]) -> None:
    """Raise if a number stands in quotes where numbers are compared, or a date is written as one is not."""
    if not isinstance(value.operand, Text):
        return
    text = value.operand.value
    if "number" in kinds and _NUMBER.fullmatch(text):
        raise DqdlError(f'found "{text}"; a number stands without quotes: {text}.', value.position)
    if "instant" in kinds and _OTHER_DAY.fullmatch(text):
        fault = f'found "{text}"; a date is written year, month, day: "2026-03-31", and a time of day "21:45".'
        raise DqdlError(fault, value.position)


def _these(kinds: frozenset[Kind]) -> str:
    return " or ".join(_KIND_NAMES[kind] for kind in _KIND_NAMES if kind in kinds)


def _is_bytes(operand: Operand) -> bool:
    return isinstance(operand, Number) and operand.value.is_integer() and operand.value >= 0


def _as_kind(value: Value, kind: Kind) -> Operand:
    operand = value.operand
    if kind == "instant" and isinstance(operand, Text):
        return _instant(operand.value, value.position)
    if kind == "size" and isinstance(operand, Number):
        return Size(int(operand.value))
    return operand


def _instant(text: str, position: Position) -> Day | ClockTime:
    try:
        return Day(date.fromisoformat(text)) if _DAY.fullmatch(text) else ClockTime(_time(text))
    except ValueError:
        raise DqdlError(f'"{text}" is written like a date or a time of day and is none.', position) from None


def _time(text: str) -> time:
    pattern = "%I:%M %p" if text.endswith("M") else "%H:%M"
    return datetime.strptime(text, pattern).time()  # noqa: DTZ007 a time of day has no zone


class ValueBuilder:
    """The part of the tree's builder that knows values."""

    def __init__(self) -> None:
        super().__init__()
        self.constants: dict[str, str | tuple[str, ...]] = {}

    def constant(self, token: Token) -> str | tuple[str, ...]:
        """Return the value of `$name`."""
        found = self.constants.get(token[1:])
        if found is None:
            raise DqdlError(f"the constant {token} is not set.", position_of(token))
        return found

    # Conditions.

    @v_args(meta=True)
    def compare(self, meta: Meta, children: Sequence[Any]) -> Written:
        """Return `> value`."""
        return Written(children[0], (children[1],), Position(meta.line, meta.column))

    def comparator(self, children: Sequence[Token]) -> str:
        """Return the sign; `! =` is `!=`."""
        return "".join(children[0].split())

    @v_args(meta=True)
    def between(self, meta: Meta, children: Sequence[Any]) -> Written:
        """Return `[not] between value and value`."""
        return _written(meta, children)

    @v_args(meta=True)
    def among(self, meta: Meta, children: Sequence[Any]) -> Written:
        """Return `[not] in [values]`."""
        return _written(meta, children)

    @v_args(meta=True)
    def among_variable(self, meta: Meta, children: Sequence[Any]) -> Written:
        """Return `[not] in $constant`."""
        token = children[-1]
        return _written(meta, [*children[:-1], *self._texts(token)])

    @v_args(meta=True)
    def matches(self, meta: Meta, children: Sequence[Any]) -> Written:
        """Return `[not] matches "pattern"`."""
        pattern = children[-1]
        return _written(meta, [*children[:-1], Value(Text(unquoted(pattern)), _TEXT, position_of(pattern))])

    # Values.

    def text(self, children: Sequence[Token]) -> Value:
        """Return a quoted text; one that is written like a date or a time may be that."""
        text = unquoted(children[0])
        is_instant = _DAY.fullmatch(text) or _TIME.fullmatch(text)
        kinds: frozenset[Kind] = frozenset({"text", "instant"}) if is_instant else _TEXT
        return Value(Text(text), kinds, position_of(children[0]))

    def dereference(self, children: Sequence[Token]) -> Value:
        """Return the text of a constant."""
        token = children[0]
        values = self._texts(token)
        if len(values) != 1:
            raise DqdlError(f"{token} is a list; one text can stand here.", position_of(token))
        return values[0]

    def _texts(self, token: Token) -> tuple[Value, ...]:
        constant = self.constant(token)
        texts = (constant,) if isinstance(constant, str) else constant
        return tuple(Value(Text(text), _TEXT, position_of(token)) for text in texts)

    def keyword(self, children: Sequence[Token]) -> Value:
        """Return NULL, EMPTY or WHITESPACES_ONLY."""
        name: Any = children[0].upper()
        return Value(Keyword(name), _KINDS_OF_KEYWORDS.get(name, _TEXT), position_of(children[0]))

    def now(self, children: Sequence[Token]) -> Value:
        """Return `now()`."""
        return Value(Now(), frozenset({"instant"}), position_of(children[0]))

    def shifted_now(self, children: Sequence[Token]) -> Value:
        """Return `(now() - 3 days)`."""
        start, sign, amount, unit = children
        shift = _duration(amount, unit)
        return Value(Now(-shift if sign == "-" else shift), frozenset({"instant"}), position_of(start))

    def duration(self, children: Sequence[Token]) -> Value:
        """Return `24 hours`."""
        return Value(Duration(_duration(*children)), frozenset({"duration"}), position_of(children[0]))

    def size(self, children: Sequence[Token]) -> Value:
        """Return `10 MB`."""
        amount, unit = children
        return Value(Size(_whole(amount) * _SIZES[unit]), frozenset({"size"}), position_of(amount))

    def number(self, children: Sequence[Token]) -> Value:
        """Return a number with its sign."""
        value = float(children[-1])
        if value == float("inf"):
            raise DqdlError("the number is too large.", position_of(children[0]))
        return _number(Number(-value if len(children) > 1 else value), position_of(children[0]))

    def call(self, children: Sequence[Any]) -> Value:
        """Return `name(arguments)`."""
        name, *arguments = children
        return _number(Call(str(name), tuple(one.operand for one in arguments)), position_of(name))

    def arithmetic(self, children: Sequence[Any]) -> Value:
        """Return `a + b - c`, from left to right."""
        first, *steps = children
        operand = first.operand
        if len(steps) > 2 * _MAX_STEPS:
            raise DqdlError(f"more than {_MAX_STEPS} signs stand in one sum or product.", first.position)
        for sign, right in zip(steps[::2], steps[1::2], strict=True):
            operand = Arithmetic(_sign(sign), operand, right.operand)
        return _number(operand, first.position)


def _written(meta: Meta, children: Sequence[Any]) -> Written:
    words = [str(one) for one in children if isinstance(one, Token)]
    operator: Any = " ".join(words)
    values = tuple(one for one in children if isinstance(one, Value))
    return Written(operator, values, Position(meta.line, meta.column))


def _number(operand: Operand, position: Position) -> Value:
    return Value(operand, frozenset({"number"}), position)


def _sign(token: Token) -> Literal["+", "-", "*", "/"]:
    sign: Any = str(token)
    return sign  # type: ignore[no-any-return]  # the grammar has these four


def _whole(token: Token) -> int:
    if not token.isdigit() or len(token) > _MAX_DIGITS:
        raise DqdlError(
            f"{_shortened(token)} is not a whole number of {_MAX_DIGITS} digits at most.", position_of(token)
        )
    return int(token)


def _shortened(token: Token) -> str:
    return token if len(token) <= 2 * _MAX_DIGITS else f"{token[:_MAX_DIGITS]}…"


def _duration(amount: Token, unit: Token) -> timedelta:
    minutes = _whole(amount) * _MINUTES[unit]
    if minutes > _MAX_MINUTES:
        raise DqdlError(f"{amount} {unit} are more than a thousand years.", position_of(amount))
    return timedelta(minutes=minutes)
