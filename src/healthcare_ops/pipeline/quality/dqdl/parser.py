"""DQDL from text to tree."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files
from typing import NoReturn

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken, VisitError

from healthcare_ops.pipeline.quality.dqdl.advice import advice, open_text
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.syntax import Position, Ruleset
from healthcare_ops.pipeline.quality.dqdl.tree import TreeBuilder
from healthcare_ops.pipeline.quality.dqdl.values import position_of
from healthcare_ops.pipeline.quality.dqdl.words import shown

MAX_DEPTH = 100
_BYTE_ORDER_MARK = "\ufeff"
_LISTED = 6
_BRACKETS = ("]", ")", "}", "[", "(", "{", "a comma")
# How a message calls what the grammar names; what it does not name stands for itself.
_NAMES = {
    "COMMA": "a comma",
    "$END": "the end of the text",
    "IDENT": "a name",
    "STRING": "a quoted text",
    "VARIABLE": "a $constant",
    "NUMBER": "a number",
    "NOW": "now()",
    "DURATION_UNIT": "days, hours or minutes",
    "SIZE_UNIT": "B, KB, MB, GB or TB",
    "_AND_BRACKET": "and",
    "_DATA_SOURCES": "DataSources",
    "_DEFAULT_LABELS": "DefaultLabels",
    "_METADATA": "Metadata",
    "_RULES": "Rules",
    "_ANALYZERS": "Analyzers",
    "NE": "!=",
}


def parse(text: str) -> Ruleset:
    """Return what a DQDL document says: constants put in their places, default labels on every rule.

    Rules of one document are read in time that grows with its length.

    Raises
    ------
    DqdlError
        The text is no DQDL; a rule type is unknown, or written with what it does not take; a constant is unknown.
        The first fault is told, with its position.
    """
    source = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        return TreeBuilder(source).transform(_grammar().parse(source))
    except UnexpectedCharacters as error:
        _refuse_character(source, error)
    except UnexpectedToken as error:
        _refuse_token(source, error)
    except VisitError as error:
        raise error.orig_exc from None


@cache
def _grammar() -> Lark:
    text = files("healthcare_ops.pipeline.quality.dqdl").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="basic", propagate_positions=True, postlex=_Depth())


class _Depth:
    """Refuses brackets too deep for those who walk the tree."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Hand on the tokens up to the bracket that is one too many."""
        depth = 0
        for token in stream:
            depth += (token.type == "LPAR") - (token.type == "RPAR")
            if depth > MAX_DEPTH:
                raise DqdlError(f"brackets are nested more than {MAX_DEPTH} deep.", position_of(token))
            yield token


def _refuse_character(source: str, error: UnexpectedCharacters) -> NoReturn:
    at = error.pos_in_stream or 0
    if source[at] == '"':
        fault = "the quoted text that begins here does not end."
        if (begun := open_text(source[:at])) is not None:
            begins = _place(source, begun)
            fault = f"{fault[:-1]}, or the one of line {begins.line}, column {begins.column} lacks its last quote."
        raise DqdlError(fault, _place(source, at)) from None
    if told := advice(source, at):
        raise DqdlError(told.fault, _place(source, told.at)) from None
    fault = f"found {shown(source[at])}, which begins nothing in DQDL; texts stand in double quotes."
    raise DqdlError(fault, _place(source, at)) from None


def _refuse_token(source: str, error: UnexpectedToken) -> NoReturn:
    token = error.token
    is_end = token.type == "$END"
    at = len(source) if is_end else token.start_pos or 0
    accepts = error.accepts or error.expected
    if told := advice(source, at, accepts):
        raise DqdlError(told.fault, _place(source, told.at)) from None
    found = "the end of the text" if is_end else shown(token)
    expected = _listed({_name(terminal) for terminal in accepts})
    raise DqdlError(f"found {found} where {expected} can stand.", _place(source, at)) from None


def _listed(names: Collection[str]) -> str:
    """Return names as a list of alternatives: brackets first, words next, other signs last."""
    ordered = sorted(names, key=lambda name: (name not in _BRACKETS, not name[-1].isalnum(), name))
    if len(ordered) > _LISTED:
        return ", ".join(ordered[:_LISTED]) + " or something else"
    return " or ".join(filter(None, [", ".join(ordered[:-1]), ordered[-1]]))


def _place(source: str, at: int) -> Position:
    return Position(source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at))


def _name(terminal: str) -> str:
    if terminal in _NAMES:
        return _NAMES[terminal]
    pattern = _grammar().get_terminal(terminal).pattern
    return pattern.value if pattern.type == "str" else terminal.strip("_").lower()
