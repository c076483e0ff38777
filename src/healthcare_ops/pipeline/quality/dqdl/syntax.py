"""What a DQDL document says, as a tree; nothing here knows tables or engines.

DQDL is the rule language of AWS Glue Data Quality (grammar: awslabs/dqdl).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Literal

Comparison = Literal["=", "!=", ">", ">=", "<", "<="]
Operator = Literal["=", "!=", ">", ">=", "<", "<=", "between", "not between", "in", "not in", "matches", "not matches"]


@dataclass(frozen=True)
class Position:
    """Where something stands in the text; both from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Number:
    """A number as written."""

    value: float


@dataclass(frozen=True)
class Text:
    """A quoted string, without its quotes and escapes."""

    value: str


@dataclass(frozen=True)
class Keyword:
    """What is not a value: NULL, an empty text, or one of blanks alone."""

    name: Literal["NULL", "EMPTY", "WHITESPACES_ONLY"]


@dataclass(frozen=True)
class Day:
    """A quoted date; the whole day is meant by `=`, its first instant by other comparisons."""

    value: date


@dataclass(frozen=True)
class Now:
    """`now()`, moved by a duration."""

    shift: timedelta = timedelta()


@dataclass(frozen=True)
class ClockTime:
    """A quoted time of day."""

    value: time


@dataclass(frozen=True)
class Duration:
    """`24 hours`."""

    value: timedelta


@dataclass(frozen=True)
class Size:
    """`10 MB`, in bytes; a KB has 1,024."""

    value: int


@dataclass(frozen=True)
class Call:
    """`avg(last(10))`; a bare `last()` has no arguments."""

    name: str
    arguments: tuple[Operand, ...]


@dataclass(frozen=True)
class Arithmetic:
    """`left operator right`."""

    operator: Literal["+", "-", "*", "/"]
    left: Operand
    right: Operand


Operand = Number | Text | Keyword | Day | Now | ClockTime | Duration | Size | Call | Arithmetic


@dataclass(frozen=True)
class Condition:
    """What a value is held against: one operand, two for between, any number for in."""

    operator: Operator
    operands: tuple[Operand, ...]


@dataclass(frozen=True)
class Rule:
    """One rule: `Completeness "triage_level" > 0.8 where "…" labels=["severity"="warn"] with threshold > 0.9`.

    `labels` hold the document's default labels too. `threshold` is that of `with threshold`; other tags
    (`with hashAlgorithm = "MD5"`) stand in `tags`. `text` is the rule as written, blanks and comments made one blank.
    """

    rule_type: str
    parameters: tuple[str, ...]
    condition: Condition | None
    where: str
    threshold: Condition | None
    labels: Mapping[str, str]
    text: str
    position: Position
    tags: Mapping[str, Condition] = field(default_factory=dict)


@dataclass(frozen=True)
class Composite:
    """Rules joined by `and` or by `or`."""

    operator: Literal["and", "or"]
    parts: tuple[Node, ...]
    labels: Mapping[str, str]
    text: str
    position: Position


Node = Rule | Composite


@dataclass(frozen=True)
class Analyzer:
    """A statistic that is recorded and not judged."""

    analyzer_type: str
    parameters: tuple[str, ...]
    text: str
    position: Position


@dataclass(frozen=True)
class Ruleset:
    """A document, variables put in their places."""

    rules: tuple[Node, ...]
    analyzers: tuple[Analyzer, ...] = ()
    metadata: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    data_sources: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


def leaves(node: Node) -> Iterator[Rule]:
    """Yield the rules of a node, from left to right."""
    if isinstance(node, Rule):
        yield node
        return
    for part in node.parts:
        yield from leaves(part)
