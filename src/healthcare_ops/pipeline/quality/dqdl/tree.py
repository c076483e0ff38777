"""From Lark's tree to ours, where a rule is held against what its type takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lark import Token, v_args
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.rule_types import (
    ANALYZER_TYPES,
    OF_A_SHARE,
    RULE_TYPES,
    Form,
    Kind,
    Parameter,
    form_of,
)
from healthcare_ops.pipeline.quality.dqdl.syntax import (
    Analyzer,
    Composite,
    Condition,
    Node,
    Operator,
    Position,
    Rule,
    Ruleset,
    Text,
)
from healthcare_ops.pipeline.quality.dqdl.values import (
    Value,
    ValueBuilder,
    Written,
    condition_of,
    position_of,
    unquoted,
)

_MAX_LABELS, _MAX_KEY, _MAX_LABEL = 10, 128, 256
_METADATA_KEYS = ("Version",)
_SETTINGS = ("bins", "rebin")
_SOURCE_KEYS = ("Primary", "AdditionalDataSources")
_GAP = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|(?:\s|#[^\n]*)+', re.DOTALL)
_REFERENCE = re.compile(r"\$[a-zA-Z_]")
_Strings = tuple[str, ...]
_CONDITIONS: dict[Kind, str] = {
    "number": ">= 1",
    "text": '= "…"',
    "instant": '>= "2026-03-01"',
    "duration": "<= 24 hours",
    "size": ">= 1 KB",
}


@dataclass(frozen=True)
class _Labels:
    """Labels as they stand in the text."""

    labels: Mapping[str, str]
    position: Position


@dataclass(frozen=True)
class _Part:
    """A rule or composite, and the labels that stand behind it."""

    node: Node
    labels: _Labels | None = None


@dataclass(frozen=True)
class _Tag:
    """What stands behind `with`."""

    name: str
    condition: Written
    position: Position


@dataclass(frozen=True)
class _Setting:
    """The name of an analyzer's setting; no analyzer that has one is computed here, so its value is not kept."""

    name: str
    position: Position


@dataclass
class _Document:
    """What the sections of a document hold."""

    metadata: Mapping[str, str | _Strings] = field(default_factory=dict)
    data_sources: Mapping[str, str | _Strings] = field(default_factory=dict)
    default_labels: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[_Part, ...] = ()
    analyzers: tuple[Analyzer, ...] = ()


class TreeBuilder(ValueBuilder, Transformer_NonRecursive[Token, Ruleset]):
    """Builds the tree of one document, from left to right: constants are known before the rules that use them."""

    __visit_tokens__ = False

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source
        self._document = _Document()

    @v_args(meta=True)
    def start(self, meta: Meta, children: Sequence[Any]) -> Ruleset:
        """Return the document."""
        document = self._document
        if not document.rules and not document.analyzers:
            lines = self._source.split("\n")
            at = Position(len(lines), len(lines[-1]) + 1) if meta.empty else Position(meta.line, meta.column)
            raise DqdlError('there are no rules and no analyzers; write Rules = [ IsComplete "column" ].', at)
        return Ruleset(
            rules=tuple(self._labelled(part) for part in document.rules),
            analyzers=document.analyzers,
            metadata=document.metadata,
            data_sources=document.data_sources,
        )

    # The sections before the rules.

    def metadata(self, children: Sequence[Any]) -> None:
        """Keep the metadata."""
        self._document.metadata = _dictionary(children[0], "Metadata", _METADATA_KEYS)

    def data_sources(self, children: Sequence[Any]) -> None:
        """Keep the data sources; the additional ones are a list."""
        self._document.data_sources = _dictionary(children[0], "DataSources", _SOURCE_KEYS)
        for key, value in children[0][0]:
            if isinstance(value, tuple) != (unquoted(key) == "AdditionalDataSources"):
                raise DqdlError(f"{key} takes {'a text' if isinstance(value, tuple) else 'a list'}.", position_of(key))

    @v_args(meta=True)
    def dictionary(self, meta: Meta, children: Sequence[Any]) -> tuple[Sequence[Any], Position]:
        """Return the pairs and where they begin."""
        return children, Position(meta.line, meta.column)

    def pair(self, children: Sequence[Any]) -> tuple[Token, str | _Strings]:
        """Return a key as it stands, and its value."""
        key, value = children
        return key, unquoted(value) if isinstance(value, Token) else value

    def strings(self, children: Sequence[Token]) -> _Strings:
        """Return the texts of a list."""
        return tuple(unquoted(token) for token in children)

    def variable(self, children: Sequence[Any]) -> None:
        """Keep a constant."""
        name, value = children
        if name in self.constants:
            raise DqdlError(f"the constant {name} is set a second time.", position_of(name))
        if name.startswith((".", "_")):
            raise DqdlError(f"the name {name} begins with . or _.", position_of(name))
        constant = unquoted(value) if isinstance(value, Token) else value
        texts = (constant,) if isinstance(constant, str) else constant
        if any(_REFERENCE.search(text) for text in texts):
            raise DqdlError(f"the constant {name} refers to a constant in its text.", position_of(name))
        self.constants[str(name)] = constant

    def default_labels(self, children: Sequence[Any]) -> None:
        """Keep the labels that every rule has."""
        self._document.default_labels = children[0]

    def label_list(self, children: Sequence[tuple[Token, str]]) -> Mapping[str, str]:
        """Return labels by key."""
        labels: dict[str, str] = {}
        for token, value in children:
            key, at = unquoted(token), position_of(token)
            if key in labels:
                raise DqdlError(f'the label "{key}" stands there twice.', at)
            if not key or len(key) > _MAX_KEY or len(value) > _MAX_LABEL:
                raise DqdlError(f"a label's key has 1 to {_MAX_KEY} characters, its value {_MAX_LABEL} at most.", at)
            labels[key] = value
        if len(labels) > _MAX_LABELS:
            raise DqdlError(f"{len(labels)} labels; a rule has {_MAX_LABELS} at most.", position_of(children[0][0]))
        return labels

    def label(self, children: Sequence[Token]) -> tuple[Token, str]:
        """Return a key as it stands, and its value."""
        return children[0], unquoted(children[1])

    # Rules.

    def rules(self, children: Sequence[_Part]) -> None:
        """Keep the rules."""
        self._document.rules = tuple(children)

    @v_args(meta=True)
    def any_of(self, meta: Meta, children: Sequence[_Part]) -> _Part:
        """Return rules joined by `or`."""
        return self._composite("or", meta, children)

    @v_args(meta=True)
    def all_of(self, meta: Meta, children: Sequence[_Part]) -> _Part:
        """Return rules joined by `and`."""
        return self._composite("and", meta, children)

    def _composite(self, operator: Any, meta: Meta, parts: Sequence[_Part]) -> _Part:
        for part in parts:
            if part.labels:
                raise DqdlError(
                    "labels belong to a whole composite rule: put it in brackets, and them behind.",
                    part.labels.position,
                )
        nodes = tuple(part.node for part in parts)
        return _Part(Composite(operator, nodes, {}, self._text(meta), Position(meta.line, meta.column)))

    def group(self, children: Sequence[Any]) -> _Part:
        """Return what stands in brackets, with the labels behind them."""
        part: _Part = children[0]
        labels: _Labels | None = children[1] if len(children) > 1 else part.labels
        if labels and part.labels and labels is not part.labels:
            raise DqdlError("the rule has labels already.", labels.position)
        return replace(part, labels=labels)

    def labels(self, children: Sequence[Any]) -> _Labels:
        """Return labels and where they begin."""
        return _Labels(children[1], position_of(children[0]))

    def parameter(self, children: Sequence[Token]) -> Parameter:
        """Return what a rule is about."""
        (token,) = children
        if token.type != "VARIABLE":
            return Parameter(unquoted(token), position_of(token), token.type == "STRING")
        constant = self.constant(token)
        if not isinstance(constant, str):
            raise DqdlError(f"{token} is a list; a parameter is one text.", position_of(token))
        return Parameter(constant, position_of(token), is_quoted=True)

    def where(self, children: Sequence[Token]) -> Token:
        """Return the filter as it stands."""
        return children[0]

    def tag(self, children: Sequence[Any]) -> _Tag:
        """Return a tag or a threshold."""
        return _Tag(unquoted(children[0]), children[1], position_of(children[0]))

    def list_tag(self, children: Sequence[Any]) -> _Tag:
        """Return a tag that is equal to a list."""
        at = position_of(children[0])
        values = tuple(Value(Text(text), frozenset({"text"}), at) for text in children[1])
        return _Tag(unquoted(children[0]), Written("=", values, at), at)

    @v_args(meta=True)
    def rule(self, meta: Meta, children: Sequence[Any]) -> _Part:
        """Return a rule that its type allows."""
        name, *rest = children
        parameters = [one for one in rest if isinstance(one, Parameter)]
        form = form_of(name, parameters, RULE_TYPES, position_of(name))
        condition = _condition(form, name, next((one for one in rest if isinstance(one, Written)), None))
        where = _where(form, next((one for one in rest if isinstance(one, Token)), None))
        threshold, tags = _tags(form, [one for one in rest if isinstance(one, _Tag)])
        labels = [one for one in rest if isinstance(one, _Labels)]
        if len(labels) > 1:
            raise DqdlError("the rule has labels already.", labels[1].position)
        rule = Rule(
            rule_type=form.name,
            parameters=tuple(parameter.value for parameter in parameters),
            condition=condition,
            where=where,
            threshold=threshold,
            labels={},
            text=self._text(meta),
            position=position_of(name),
            tags=tags,
        )
        return _Part(rule, labels[0] if labels else None)

    # Analyzers.

    def analyzers(self, children: Sequence[Any]) -> None:
        """Keep the analyzers; a setting that stands alone belongs to the one before it."""
        analyzers: list[Analyzer] = []
        for one in children:
            if isinstance(one, Analyzer):
                analyzers.append(one)
            else:
                _require_setting(analyzers[-1].analyzer_type, one)
        self._document.analyzers = tuple(analyzers)

    @v_args(meta=True)
    def analyzer(self, meta: Meta, children: Sequence[Any]) -> Analyzer:
        """Return an analyzer that its type allows."""
        name, *rest = children
        parameters = [one for one in rest if isinstance(one, Parameter)]
        form = form_of(name, parameters, ANALYZER_TYPES, position_of(name))
        if rest and isinstance(rest[-1], _Setting):
            _require_setting(form.name, rest[-1])
        values = tuple(parameter.value for parameter in parameters)
        return Analyzer(form.name, values, self._text(meta), position_of(name))

    def setting(self, children: Sequence[Token]) -> _Setting:
        """Return how an analyzer is to work."""
        return _Setting(str(children[0]), position_of(children[0]))

    # What is the same for all.

    def _text(self, meta: Meta) -> str:
        written = self._source[meta.start_pos : meta.end_pos]
        return _GAP.sub(lambda match: match[1] or " ", written)

    def _labelled(self, part: _Part) -> Node:
        own = part.labels.labels if part.labels else {}
        labels = {**self._document.default_labels, **own}
        if len(labels) > _MAX_LABELS:
            at = part.labels.position if part.labels else part.node.position
            raise DqdlError(f"{len(labels)} labels with the default ones; a rule has {_MAX_LABELS} at most.", at)
        return _with_labels(part.node, labels) if labels else part.node


def _with_labels(node: Node, labels: Mapping[str, str]) -> Node:
    """Return a node whose rules all have the labels; no deeper than brackets may be nested."""
    if isinstance(node, Rule):
        return replace(node, labels=labels)
    return replace(node, labels=labels, parts=tuple(_with_labels(part, labels) for part in node.parts))


def _dictionary(found: tuple[Sequence[Any], Position], section: str, known: Sequence[str]) -> Mapping[str, Any]:
    pairs, at = found
    if not pairs:
        raise DqdlError(f"{section} is empty.", at)
    values: dict[str, Any] = {}
    for key, value in pairs:
        if unquoted(key) not in known:
            raise DqdlError(f"{section} has no key {key}; it has {' and '.join(known)}.", position_of(key))
        if unquoted(key) in values:
            raise DqdlError(f"the key {key} stands there twice.", position_of(key))
        values[unquoted(key)] = value
    return values


def _require_setting(analyzer: str, setting: _Setting) -> None:
    if analyzer != "Distribution" or setting.name not in _SETTINGS:
        has = f"it has {' and '.join(_SETTINGS)}" if analyzer == "Distribution" else "it has none"
        raise DqdlError(f"{analyzer} has no setting {setting.name}; {has}.", setting.position)


def _condition(form: Form, name: Token, written: Written | None) -> Condition | None:
    if written is None:
        if form.condition == "needed":
            example = _CONDITIONS[form.kinds[0]]
            raise DqdlError(f"{name} needs a condition behind its parameters, such as {example}.", position_of(name))
        return None
    if form.condition == "none":
        other = OF_A_SHARE.get(name)
        raise DqdlError(f"{name} takes no condition{f'; {other} does' if other else ''}.", written.position)
    return condition_of(written, form.name, form.kinds)


def _where(form: Form, token: Token | None) -> str:
    if token is None:
        return ""
    if not form.has_where:
        raise DqdlError(f"{form.name} takes no where.", position_of(token))
    where = unquoted(token)
    if not where:
        raise DqdlError("the where is empty.", position_of(token))
    return where


def _tags(form: Form, written: Sequence[_Tag]) -> tuple[Condition | None, Mapping[str, Condition]]:
    """Return the threshold, and the other tags by name."""
    threshold: Condition | None = None
    tags: dict[str, Condition] = {}
    for tag in written:
        if tag.name in tags or (threshold and tag.name == "threshold"):
            raise DqdlError(f"with {tag.name} stands there twice.", tag.position)
        if tag.name != "threshold":
            tags[tag.name] = _tag_condition(tag)
            continue
        if not form.has_threshold:
            raise DqdlError(f"{form.name} takes no threshold.", tag.position)
        threshold = condition_of(tag.condition, "with threshold", ("number",))
    return threshold, tags


def _tag_condition(tag: _Tag) -> Condition:
    operator: Operator = tag.condition.operator
    if operator != "=":
        hint = "; write with threshold" if tag.name.lower() == "threshold" else ""
        raise DqdlError(f"with {tag.name} takes = and not {operator}{hint}.", tag.condition.position)
    return condition_of(tag.condition, f"with {tag.name}", ("number", "text"))
