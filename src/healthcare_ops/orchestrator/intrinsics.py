"""Calls of intrinsic functions: `States.Format('{} of {}', $.a, States.ArrayLength($.b))`."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import lru_cache

from healthcare_ops.orchestrator import functions, jsonpath
from healthcare_ops.orchestrator.context import root_of
from healthcare_ops.orchestrator.failures import INTRINSIC, PARAMETER_PATH, RUNTIME, StateFault
from healthcare_ops.orchestrator.functions import FUNCTIONS, Chance, FunctionFault
from healthcare_ops.orchestrator.jsonpath import PathError
from healthcare_ops.orchestrator.values import Json, read_json, text_of

MAX_NESTED = 10
_NAME = re.compile(r"States\.[A-Za-z0-9]+")
_LITERAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?=\s*[,)])|(?:true|false|null)(?=\s*[,)])")
_ESCAPABLE = "'{}\\"


@dataclass(frozen=True)
class Literal:
    """A value as written; `raw` keeps the escapes of a string, which Format reads itself."""

    value: Json
    raw: str


@dataclass(frozen=True)
class Call:
    """A function with its arguments."""

    text: str
    name: str
    arguments: tuple[Literal | jsonpath.Path | Call, ...]


@lru_cache(maxsize=4096)
def parse(text: str) -> Call:
    """Return the call; `PathError` says what of it is not understood."""
    reader = _Reader(text)
    call = reader.call(1)
    if reader.position < len(text):
        raise reader.fault("nothing may follow the call")
    return call


def is_call(text: object) -> bool:
    """Tell whether a text is meant as a call."""
    return isinstance(text, str) and text.startswith("States.")


class _Reader:
    """Reads one call."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def fault(self, what: str) -> PathError:
        return PathError(f"{self.text!r} is not a call: {what} at {self.position + 1}")

    def call(self, depth: int) -> Call:
        start = self.position
        match = _NAME.match(self.text, start)
        if match is None or match.group() not in FUNCTIONS:
            raise self.fault(f"{match.group() if match else 'this'} is not an intrinsic function")
        if depth > MAX_NESTED:
            raise self.fault(f"more than {MAX_NESTED} functions are nested")
        self.position = match.end()
        if not self._take("("):
            raise self.fault("( is missing")
        arguments: list[Literal | jsonpath.Path | Call] = []
        while not self._take(")"):
            if arguments and not self._take(","):
                raise self.fault(") is missing")
            self._space()
            arguments.append(self._argument(depth))
        self._count(match.group(), len(arguments))
        return Call(self.text[start : self.position], match.group(), tuple(arguments))

    def _count(self, name: str, given: int) -> None:
        function = FUNCTIONS[name]
        if given < function.least or (function.most is not None and given > function.most):
            raise self.fault(f"{name} does not take {given} arguments")

    def _argument(self, depth: int) -> Literal | jsonpath.Path | Call:
        if self.text.startswith("States.", self.position):
            return self.call(depth + 1)
        if self._peek() == "'":
            return self._string()
        if self._peek() == "$":
            return self._path()
        match = _LITERAL.match(self.text, self.position)
        if match is None:
            raise self.fault("an argument is missing")
        try:
            value = read_json(match.group())
        except ValueError as error:
            raise self.fault(str(error)) from error
        self.position = match.end()
        return Literal(value, match.group())

    def _string(self) -> Literal:
        start, value = self.position + 1, ""
        self.position = start
        while (char := self._peek()) and char != "'":
            if char == "\\":
                self.position += 1
                char = self._peek()
                if not char or char not in _ESCAPABLE:
                    raise self.fault("a backslash must stand before one of ' { } \\")
            value += char
            self.position += 1
        if not char:
            raise self.fault("the quote is not closed")
        self.position += 1
        return Literal(value, self.text[start : self.position - 1])

    def _path(self) -> jsonpath.Path:
        start = self.position
        variable = jsonpath.VARIABLE.match(self.text, start + 1)
        self.position = variable.end() if variable else start + (2 if self.text.startswith("$$", start) else 1)
        _, self.position = jsonpath.parse_prefix(self.text, self.position)
        return jsonpath.parse(self.text[start : self.position])

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _space(self) -> None:
        while self._peek() in {" ", "\t", "\n"}:
            self.position += 1

    def _take(self, token: str) -> bool:
        self._space()
        if self._peek() == token:
            self.position += 1
            return True
        return False


def evaluate(call: Call, document: Json, context: Json, chance: Chance = random.random) -> Json:
    """Return the call's value; `StateFault` names States.IntrinsicFailure, or States.Runtime for a lost path."""
    arguments = [_value(call, argument, document, context, chance) for argument in call.arguments]
    try:
        return functions.run(call.name, arguments, chance)
    except FunctionFault as fault:
        raise StateFault(INTRINSIC, f"The function '{call.text}' had the following error: {fault}") from fault


def _value(call: Call, argument: Literal | jsonpath.Path | Call, document: Json, context: Json, chance: Chance) -> Json:
    if isinstance(argument, Literal):
        is_template = call.name == "States.Format" and argument is call.arguments[0] and isinstance(argument.value, str)
        return argument.raw if is_template else argument.value
    if isinstance(argument, Call):
        return evaluate(argument, document, context, chance)
    try:
        return jsonpath.find(argument, root_of(argument, document, context))
    except PathError as error:
        root = context if argument.is_context else document
        cause = (
            f"The function '{call.text}' had the following error: The JsonPath argument for the field "
            f"'{argument.text}' could not be found in the input '{text_of(root)}'"
        )
        raise StateFault(RUNTIME, cause, also=(INTRINSIC, PARAMETER_PATH)) from error
