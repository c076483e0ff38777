"""What there is to say of a DQDL text before it judges anything."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import ibis
import ibis.expr.types as ir
from sqlglot import exp

from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.parser import parse
from healthcare_ops.pipeline.quality.dqdl.syntax import Condition, Node, Number, Rule, Ruleset, leaves
from healthcare_ops.pipeline.quality.rules.checks import as_rule, column_names
from healthcare_ops.pipeline.quality.rules.compiler import compile_leaf, refusal
from healthcare_ops.pipeline.quality.rules.measures import Scope
from healthcare_ops.pipeline.quality.rules.refusals import SqlRefusedError
from healthcare_ops.pipeline.quality.rules.where import condition_of, truth_of


@dataclass(frozen=True)
class Verdict:
    """Whether a text is DQDL and can be judged here; if not, the first fault and where it stands, from 1."""

    id: Any
    parses: bool
    compiles: bool
    line: int | None = None
    column: int | None = None
    message: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as they are."""
        return asdict(self)


def lint(text: str, case_id: Any = None, *, fits: Callable[[str], object] | None = None) -> Verdict:
    """Return what there is to say of a text.

    `fits` raises `DqdlError` for what cannot be judged on the table of which the rules are to be; without it, what
    can be judged on no table is refused.
    """
    parses = False
    try:
        ruleset = parse(text)
        parses = True
        if fits:
            fits(text)
        else:
            require_compilable(ruleset)
    except DqdlError as error:
        return Verdict(case_id, parses, False, error.line, error.column, error.fault)
    return Verdict(case_id, True, True)


# Of what kind columns are, lint does not know: a rule that fits some of these can be judged.
_KINDS = ("string", "float64", "timestamp", "boolean")
# So many kinds of the columns of one part of a condition are tried: all of four columns.
_MOST_TRIED = len(_KINDS) ** 4
# By column, the kinds that it may still be of.
_Kinds = Mapping[str, Sequence[str]]


# Types whose condition is held against a share of rows or keys.
_OF_SHARES = (
    "Completeness",
    "Uniqueness",
    "UniqueValueRatio",
    "ReferentialIntegrity",
    "SchemaMatch",
    "DatasetMatch",
)


def require_shares(nodes: Iterable[Node]) -> None:
    """Raise `DqdlError` for the first rule that holds a share against a number that none can be.

    Such a rule is DQDL, and can be judged: it is never met, or always. In rules that count already it is left alone.
    """
    for leaf in (leaf for node in nodes for leaf in leaves(node)):
        held = {"with threshold": leaf.threshold, leaf.rule_type: leaf.condition}
        for what, condition in held.items():
            if condition and (what == "with threshold" or what in _OF_SHARES):
                _require_share(what, condition, leaf)


def _require_share(what: str, condition: Condition, leaf: Rule) -> None:
    for operand in condition.operands:
        if isinstance(operand, Number) and not 0 <= operand.value <= 1:
            hint = f", and {operand.value:g} % is {operand.value / 100:g}" if 2 <= operand.value <= 100 else ""
            fault = f"{what} is compared with {operand.value:g}; a share is a number from 0 to 1{hint}."
            raise DqdlError(fault, leaf.position)


def require_compilable(ruleset: Ruleset) -> None:
    """Raise `DqdlError` for the first rule or analyzer that can be judged on no table, whatever its columns are."""
    require_shares(ruleset.rules)
    for node in ruleset.rules:
        for leaf in leaves(node):
            _require_some_table(leaf)
    for analyzer in ruleset.analyzers:
        leaf = as_rule(analyzer)
        _kinds_of_all(leaf, _mentioned(leaf), is_recorded=True)


def _require_some_table(leaf: Rule) -> None:
    names = list(dict.fromkeys(_mentioned(leaf)))
    # A type that has a `where` asks the same of each of its columns.
    own = _kinds_of_all(replace(leaf, where=""), names)
    if not leaf.where:
        return
    try:
        kinds = _settled({name: own if name in column_names(leaf) else _KINDS for name in names}, _parts(leaf.where))
    except SqlRefusedError as error:
        raise refusal(leaf, error) from error
    _compile(leaf, {name: some[0] for name, some in kinds.items()})


def _kinds_of_all(leaf: Rule, names: Iterable[str], *, is_recorded: bool = False) -> tuple[str, ...]:
    """Return the kinds that all columns of a rule may be of."""
    faults, fitting, names = [], [], tuple(names)
    for kind in _KINDS:
        try:
            _compile(leaf, dict.fromkeys(names, kind), is_recorded=is_recorded)
        except DqdlError as error:
            faults.append(error)
        else:
            fitting.append(kind)
    if not fitting:
        raise faults[0]
    return tuple(fitting)


def _compile(leaf: Rule, kinds: Mapping[str, str], *, is_recorded: bool = False) -> None:
    table = ibis.table(kinds or {"any": _KINDS[0]}, name="any")
    compile_leaf(leaf, Scope(table, _AnyReference(table)), is_recorded=is_recorded)


def _mentioned(leaf: Rule) -> Iterator[str]:
    """Yield whatever may be a column's name."""
    yield from column_names(leaf)
    for parameter in leaf.parameters:
        yield from re.findall(r"[^\s(){},.>-]+", parameter)
    if leaf.where:
        try:
            yield from (column.name for column in condition_of(leaf.where).find_all(exp.Column))
        except SqlRefusedError:
            return  # the compiler says so, with its place


class _Part:
    """A part of a condition that is true or false by itself."""

    def __init__(self, condition: exp.Expr) -> None:
        self._condition = condition
        self._faults: dict[tuple[str, ...], SqlRefusedError | None] = {}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Return the columns of which it speaks, each once."""
        return tuple(dict.fromkeys(column.name for column in self._condition.find_all(exp.Column)))

    def fitting(self, kinds: _Kinds) -> list[tuple[str, ...]]:
        """Return the kinds, in the order of its columns, by which it can be judged; raise the first fault if none."""
        tried = list(self._some(kinds))
        found = [of_each for of_each in tried if self._fault(of_each) is None]
        if not found and (fault := self._fault(tried[0])):
            raise fault
        return found

    def _some(self, kinds: _Kinds) -> Iterator[tuple[str, ...]]:
        """Yield what its columns may be; of many columns, that all are of one kind or of their first."""
        options = [kinds[name] for name in self.columns]
        if math.prod(map(len, options)) <= _MOST_TRIED:
            yield from product(*options)
            return
        for kind in _KINDS:
            yield tuple(kind if kind in some else some[0] for some in options)

    def _fault(self, of_each: tuple[str, ...]) -> SqlRefusedError | None:
        if of_each not in self._faults:
            kinds = dict(zip(self.columns, of_each, strict=True))
            self._faults[of_each] = None
            try:
                truth_of(self._condition, ibis.table(kinds or {"any": _KINDS[0]}, name="any"))
            except SqlRefusedError as error:
                self._faults[of_each] = error
        return self._faults[of_each]


def _parts(where: str) -> list[_Part]:
    """Return the parts of a condition that `and`, `or` and `not` join."""
    parts, open_nodes = [], [condition_of(where)]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, (exp.And, exp.Or, exp.Not, exp.Paren)):
            open_nodes.extend(node.iter_expressions())
        else:
            parts.append(_Part(node))
    return parts


def _settled(kinds: _Kinds, parts: Sequence[_Part]) -> _Kinds:
    """Return one kind for each column, by which all parts can be judged; raise `SqlRefusedError` if one never can."""
    kinds = _narrowed(kinds, parts)
    for name in kinds:
        kinds = _narrowed({**kinds, name: kinds[name][:1]}, parts)
    return kinds


def _narrowed(kinds: _Kinds, parts: Sequence[_Part]) -> _Kinds:
    """Leave out, until there are none, kinds of a column by which some part cannot be judged."""
    before: _Kinds = {}
    while kinds != before:
        before = kinds
        for part in parts:
            columns = zip(*part.fitting(kinds), strict=True)
            left = {name: tuple(dict.fromkeys(some)) for name, some in zip(part.columns, columns, strict=True)}
            kinds = {**kinds, **left}
    return kinds


class _AnyReference(Mapping[str, ir.Table]):
    """A table of that name, whatever the name is."""

    def __init__(self, table: ir.Table) -> None:
        self._table = table

    def __getitem__(self, alias: str) -> ir.Table:
        return self._table

    def __contains__(self, alias: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
