"""Filter expressions of JSONPath: `?(@.a > 1 && @.b == 'x' || !@.c)`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from healthcare_ops.orchestrator.jsonpath import PathError, Predicate, parse_prefix, read_quoted, walk
from healthcare_ops.orchestrator.values import is_number, is_same, read_json

Json = Any
_NOTHING = object()
_Operand = Callable[[Json, Json], Json]

_OPERATOR = re.compile(r"==|!=|<=|>=|<|>|=~|(?:in|nin|contains|size|empty|subsetof|anyof|noneof)\b")
_LITERAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true\b|false\b|null\b")


def parse_filter(text: str, position: int) -> tuple[Predicate, int]:
    """Return the predicate in parentheses at `position`, and where it ends."""
    reader = _Reader(text, position)
    if not reader.take("("):
        raise reader.fault("( is missing after ?")
    holds = reader.either()
    if not reader.take(")"):
        raise reader.fault(") is missing")
    return holds, reader.position


class _Reader:
    """Reads one filter by descending through `||`, `&&`, `!` and comparisons."""

    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.position = position

    def fault(self, what: str) -> PathError:
        return PathError(f"{self.text!r} is not a path: {what} at {self.position + 1}")

    def take(self, token: str) -> bool:
        while self.text.startswith(" ", self.position):
            self.position += 1
        if self.text.startswith(token, self.position):
            self.position += len(token)
            return True
        return False

    def either(self) -> Predicate:
        parts = [self._all()]
        while self.take("||"):
            parts.append(self._all())
        return lambda node, root: any(part(node, root) for part in parts)

    def _all(self) -> Predicate:
        parts = [self._one()]
        while self.take("&&"):
            parts.append(self._one())
        return lambda node, root: all(part(node, root) for part in parts)

    def _one(self) -> Predicate:
        if self.take("!"):
            inner = self._one()
            return lambda node, root: not inner(node, root)
        if self.take("("):
            inner = self.either()
            if not self.take(")"):
                raise self.fault(") is missing")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        left = self._operand()
        self.take("")
        match = _OPERATOR.match(self.text, self.position)
        if match is None:
            return lambda node, root: left(node, root) is not _NOTHING
        if match.group() not in _COMPARISONS:
            raise self.fault(f"the filter operator {match.group()} is not supported")
        self.position = match.end()
        right, compare = self._operand(), _COMPARISONS[match.group()]
        return lambda node, root: compare(left(node, root), right(node, root))

    def _operand(self) -> _Operand:
        self.take("")
        if self.take("@") or self.take("$"):
            return self._path(is_root=self.text[self.position - 1] == "$")
        if self.text[self.position : self.position + 1] in {"'", '"'}:
            value, self.position = read_quoted(self.text, self.position)
            return lambda node, root: value
        if self.take("["):
            return self._array()
        match = _LITERAL.match(self.text, self.position)
        if match is None:
            raise self.fault("a value is missing")
        try:
            literal = read_json(match.group())
        except ValueError as error:
            raise self.fault(str(error)) from error
        self.position = match.end()
        return lambda node, root: literal

    def _array(self) -> _Operand:
        items: list[_Operand] = []
        while not self.take("]"):
            if items and not self.take(","):
                raise self.fault("] is missing")
            items.append(self._operand())
        return lambda node, root: [item(node, root) for item in items]

    def _path(self, *, is_root: bool) -> _Operand:
        steps, self.position = parse_prefix(self.text, self.position)

        def value(node: Json, root: Json) -> Json:
            try:
                found = list(walk(steps, root if is_root else node, root, is_strict=False))
            except PathError:
                return _NOTHING
            return found[0] if found else _NOTHING

        return value


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Json, Json], bool]:
    """Return a comparison that is false between different types."""

    def holds(left: Json, right: Json) -> bool:
        is_fit = (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str))
        return is_fit and compare(left, right)

    return holds


def _among(left: Json, right: Json) -> bool:
    return isinstance(right, list) and any(is_same(left, item) for item in right)


_COMPARISONS: dict[str, Callable[[Json, Json], bool]] = {
    "==": is_same,
    "!=": lambda left, right: not is_same(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "in": _among,
    "nin": lambda left, right: isinstance(right, list) and not _among(left, right),
}
