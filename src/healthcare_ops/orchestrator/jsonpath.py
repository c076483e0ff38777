"""JSONPath as the Amazon States Language uses it: parsed once, then walked.

The service walks with Jayway JsonPath, and so does this: a path without wildcard, slice, union, filter or
descent is definite and yields its one value or none; any other is indefinite and yields an array, which may be empty.
`['a','b']` at the end of a path yields one object of those fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Json = Any
Predicate = Callable[[Json, Json], bool]

_SPECIAL = " .[]()*?@,:$'\"\t\n"
_NUMBER = re.compile(r"-?\d+")
VARIABLE = re.compile(r"[^\W\d]\w{0,79}(?!\w)")


class PathError(Exception):
    """A path that is not one, or that leads nowhere in its document."""


@dataclass(frozen=True)
class Names:
    """Fields of an object."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Indexes:
    """Elements of an array; a negative index counts from the end."""

    indexes: tuple[int, ...]


@dataclass(frozen=True)
class Slice:
    """A stretch of an array."""

    start: int | None
    stop: int | None


@dataclass(frozen=True)
class Wildcard:
    """All children."""


@dataclass(frozen=True)
class Filter:
    """The children for which a predicate holds; it is given the child and the root."""

    text: str
    holds: Predicate


@dataclass(frozen=True)
class Descent:
    """Every node below and including this one, each met by the step that follows."""


Step = Names | Indexes | Slice | Wildcard | Filter | Descent


@dataclass(frozen=True)
class Path:
    """A parsed path, from the document (`$`), the context object (`$$`) or a variable (`$name`) on."""

    text: str
    is_context: bool
    steps: tuple[Step, ...]
    variable: str = ""

    @property
    def is_definite(self) -> bool:
        """Tell whether the path can lead to one node at most."""
        return all(_is_single(step, step is self.steps[-1]) for step in self.steps)

    @property
    def reference(self) -> tuple[str | int, ...] | None:
        """Return the names and indexes of a Reference Path; None if it is more than one."""
        plain: list[str | int] = []
        for step in self.steps:
            if isinstance(step, Names) and len(step.names) == 1:
                plain.append(step.names[0])
            elif isinstance(step, Indexes) and len(step.indexes) == 1 and step.indexes[0] >= 0:
                plain.append(step.indexes[0])
            else:
                return None
        return tuple(plain)


def _is_single(step: Step, is_last: bool) -> bool:
    if isinstance(step, Names):
        return len(step.names) == 1 or is_last
    return isinstance(step, Indexes) and len(step.indexes) == 1


@lru_cache(maxsize=4096)
def parse(text: str) -> Path:
    """Return the path; `PathError` says what of it is not understood."""
    if not isinstance(text, str) or not text.startswith("$"):
        raise PathError(f"{text!r} does not start with $")
    is_context = text.startswith("$$")
    variable = VARIABLE.match(text, 1)
    reader = _Reader(text, variable.end() if variable else 2 if is_context else 1)
    steps = tuple(reader.steps())
    if reader.position < len(text):
        raise PathError(f"{text!r} is not a path: {text[reader.position :]!r}")
    return Path(text, is_context, steps, variable.group() if variable else "")


def parse_prefix(text: str, position: int) -> tuple[tuple[Step, ...], int]:
    """Return the steps that begin at `position`, and where they end."""
    reader = _Reader(text, position)
    steps = tuple(reader.steps())
    return steps, reader.position


class _Reader:
    """Reads the steps of one path."""

    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.position = position

    def steps(self) -> Iterator[Step]:
        while True:
            if self._take(".."):
                yield Descent()
                if self._peek() != "[":
                    yield self._dotted()
            elif self._take("."):
                yield self._dotted()
            elif self._take("["):
                yield self._bracketed()
            else:
                return

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _take(self, token: str) -> bool:
        if self.text.startswith(token, self.position):
            self.position += len(token)
            return True
        return False

    def _fault(self, what: str) -> PathError:
        return PathError(f"{self.text!r} is not a path: {what} at {self.position + 1}")

    def _dotted(self) -> Step:
        if self._take("*"):
            return Wildcard()
        name = ""
        while (char := self._peek()) and char not in _SPECIAL:
            self.position += 1
            name += self._escaped() if char == "\\" else char
        if not name:
            raise self._fault("a name is missing")
        if self._peek() == "(":
            raise self._fault(f"the function {name}() is not supported")
        return Names((name,))

    def _escaped(self) -> str:
        if code := re.compile(r"u([0-9A-Fa-f]{4})").match(self.text, self.position):
            self.position = code.end()
            return _joined(chr(int(code.group(1), 16)), self)
        char = self._peek()
        if not char:
            raise self._fault("nothing follows the backslash")
        self.position += 1
        return char

    def low_surrogate(self) -> str:
        """Return the second half of a pair, if it comes next."""
        if code := re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})").match(self.text, self.position):
            self.position = code.end()
            return chr(int(code.group(1), 16))
        return ""

    def _bracketed(self) -> Step:
        self._space()
        step = self._inside()
        self._space()
        if not self._take("]"):
            raise self._fault("] is missing")
        return step

    def _inside(self) -> Step:
        if self._take("*"):
            return Wildcard()
        if self._take("?"):
            return self._filter()
        if self._peek() in {"'", '"'}:
            return Names(tuple(self._list(self._quoted)))
        start = self._number() if self._peek() != ":" else None
        self._space()
        if self._take(":"):
            self._space()
            stop = self._number() if self._peek() != "]" else None
            return Slice(start, stop)
        if start is None:
            raise self._fault("an index is missing")
        more = tuple(self._list(self._number)) if self._take(",") else ()
        return Indexes((start, *more))

    def _list(self, read: Callable[[], Any]) -> Iterator[Any]:
        while True:
            self._space()
            yield read()
            self._space()
            if not self._take(","):
                return

    def _number(self) -> int:
        match = _NUMBER.match(self.text, self.position)
        if match is None:
            raise self._fault("a whole number is missing")
        self.position = match.end()
        return int(match.group())

    def _quoted(self) -> str:
        value, self.position = read_quoted(self.text, self.position)
        return value

    def _filter(self) -> Step:
        # Imported here because a filter holds paths, and a path filters.
        from healthcare_ops.orchestrator.filters import parse_filter  # noqa: PLC0415  # see above

        start = self.position
        holds, self.position = parse_filter(self.text, start)
        return Filter(self.text[start : self.position], holds)

    def _space(self) -> None:
        while self._peek() == " ":
            self.position += 1


def _joined(first: str, reader: _Reader) -> str:
    if "\ud800" <= first <= "\udbff" and (second := reader.low_surrogate()):
        return (first + second).encode("utf-16", "surrogatepass").decode("utf-16")
    return first


def read_quoted(text: str, position: int) -> tuple[str, int]:
    """Return the string in single or double quotes at `position`, and where it ends."""
    quote, value, place = text[position], "", position + 1
    while place < len(text):
        char = text[place]
        if char == quote:
            return value, place + 1
        if char == "\\" and place + 1 < len(text):
            place += 1
            char = text[place]
        value += char
        place += 1
    raise PathError(f"{text!r} is not a path: the quote at {position + 1} is not closed")


def find(path: Path, root: Json) -> Json:
    """Return what the path leads to in `root`: a value, or an array if the path is indefinite."""
    if path.is_definite:
        (value,) = walk(path.steps, root, root, is_strict=True)
        return value
    return list(walk(path.steps, root, root, is_strict=True))


def walk(steps: tuple[Step, ...], node: Json, root: Json, *, is_strict: bool) -> Iterator[Json]:
    """Yield every node that the steps lead to from `node`.

    `PathError` if, while the way is strict, something on it is missing; behind a wildcard nothing is.
    """
    if not steps:
        yield node
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, Descent):
        for below in _descend(node):
            if rest and _meets(rest[0], below):
                yield from walk(rest, below, root, is_strict=False)
        return
    stays_strict = is_strict and _is_single(step, not rest)
    for child in _children(step, node, root, is_last=not rest, is_strict=is_strict):
        yield from walk(rest, child, root, is_strict=stays_strict)


def _children(step: Step, node: Json, root: Json, *, is_last: bool, is_strict: bool) -> Iterator[Json]:
    if isinstance(step, Names):
        yield from _fields(step, node, is_last=is_last, is_strict=is_strict)
    elif isinstance(step, Wildcard):
        yield from _below(node)
    elif isinstance(step, Filter):
        if isinstance(node, dict):
            yield from [node] if step.holds(node, root) else []
        else:
            yield from (child for child in _array(node, f"[{step.text}]", is_strict) if step.holds(child, root))
    elif isinstance(step, Slice):
        yield from _array(node, "a slice", is_strict)[step.start : step.stop]
    elif isinstance(step, Indexes):
        is_needed = is_strict and len(step.indexes) == 1
        array = _array(node, f"[{step.indexes[0]}]", is_strict)
        for index in step.indexes:
            if -len(array) <= index < len(array):
                yield array[index]
            elif is_needed:
                raise PathError(f"no {index}")


def _fields(step: Names, node: Json, *, is_last: bool, is_strict: bool) -> Iterator[Json]:
    if not isinstance(node, dict):
        if is_strict:
            raise PathError(f"no {step.names[0]!r}")
        return
    found = {name: node[name] for name in step.names if name in node}
    if len(step.names) > 1:
        yield from [found] if is_last else found.values()
    elif found:
        yield node[step.names[0]]
    elif is_strict:
        raise PathError(f"no {step.names[0]!r}")


def _array(node: Json, what: str, is_strict: bool) -> list[Json]:
    if isinstance(node, list):
        return node
    if is_strict:
        raise PathError(f"no {what} in what is not an array")
    return []


def _below(node: Json) -> list[Json]:
    if isinstance(node, dict):
        return list(node.values())
    return list(node) if isinstance(node, list) else []


def _descend(node: Json) -> Iterator[Json]:
    yield node
    for child in _below(node):
        if isinstance(child, dict | list):
            yield from _descend(child)


def _meets(step: Step, node: Json) -> bool:
    """Tell whether a step after `..` looks into this node at all."""
    return isinstance(node, list) if isinstance(step, Indexes | Slice) else isinstance(node, dict | list)
