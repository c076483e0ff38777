"""The rules of a file, with what their labels say: who they belong to, how bad it is, what to do."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.tables import TABLES, Table
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.parser import parse
from healthcare_ops.pipeline.quality.dqdl.syntax import Analyzer, Node, Rule, Ruleset, leaves

Severity = Literal["fail", "warn"]
_QUOTED = r'"(?:\\.|[^"\\])*"'
_LABELS = rf"\blabels\s*=\s*\[\s*(?:{_QUOTED}\s*=\s*{_QUOTED}\s*,?\s*)*\]"
_TEXT_OR_GAP = re.compile(rf"({_QUOTED})|(?:\s|{_LABELS})+")
# What the report calls what is found otherwise than by a rule.
_RESERVED = ("quarantine", "expected", "clock", "refused")
# Parameters of these name no column, or not by a name alone.
_NAMELESS = (
    "RowCount",
    "ColumnCount",
    "CustomSql",
    "RowCountMatch",
    "SchemaMatch",
    "DatasetMatch",
    "ColumnNamesMatchPattern",
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Check:
    """One rule on one table, or one analyzer, which is recorded: what it measures is told and never judged.

    Its labels may hold `id`; `severity` (`fail`, the default, stops the run before gold; `warn` only tells);
    `reason` and `next_step`, for whoever reads the report; `needs`, a column that at least one feed must deliver, or
    the rule is not judged; `tolerated`, so many violations make a `fail` rule only warn and a `warn` rule pass; and
    `on_failure="quarantine"`, by which rows that break it are held back. Other labels are the reader's own.
    """

    rule_id: str
    table: str
    node: Node
    severity: Severity = "fail"
    reason: str = ""
    next_step: str = ""
    needs: str = ""
    tolerated: int = 0
    is_quarantining: bool = False
    is_recorded: bool = False

    @property
    def rule(self) -> str:
        """Return the rule as written, without its labels."""
        return _without_labels(self.node)

    def broken_by(self, violations: int | None) -> Literal["pass"] | Severity:
        """Return how bad it is that so many rows break the rule; of one that no row breaks, a number is at fault."""
        if not violations or violations > self.tolerated:
            return self.severity
        return "warn" if self.severity == "fail" else "pass"

    @property
    def is_completeness(self) -> bool:
        """Tell whether what breaks the rule is a missing value."""
        return all(leaf.rule_type in ("Completeness", "IsComplete") for leaf in leaves(self.node))

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that the rule's parameters name, each once."""
        return tuple(dict.fromkeys(name for leaf in leaves(self.node) for name in column_names(leaf)))


@dataclass(frozen=True)
class RuleFile:
    """The rules and analyzers of a table, and the version by which reports name them: the start of its SHA-256."""

    table: str
    version: str
    checks: tuple[Check, ...]


def shipped_rules() -> dict[str, str]:
    """Return the product's own rules, as DQDL by table id."""
    folder = files(__package__) / "shipped"
    return {
        file.name.removesuffix(".dqdl"): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".dqdl")
    }


def judged_tables() -> list[Table]:
    """Return the tables that are judged at all: those that the product has rules for."""
    shipped = shipped_rules()
    return [table for table in TABLES if table.id in shipped]


def version_of(text: str) -> str:
    """Return the version of a file of rules."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@lru_cache(maxsize=64)
def read_rules(text: str, table: str) -> RuleFile:
    """Return the rules of a file, then its analyzers.

    Of `Metadata` and `DataSources` nothing is read: a file is of the table after which it is named.

    Raises
    ------
    DqdlError
        With line and column, if the text is not DQDL, a label holds what it cannot, or two rules share an id.
    """
    checks: dict[str, Check] = {}
    ruleset = parse(text)
    for check in (*(_check(node, table) for node in ruleset.rules), *_recorded(ruleset, table)):
        if check.rule_id in checks:
            raise DqdlError(
                f"there are two rules {check.rule_id!r}",
                check.node.position,
                next_step="Give each a label `id` of its own.",
            )
        checks[check.rule_id] = check
    return RuleFile(table, version_of(text), tuple(checks.values()))


def told_apart(files: Iterable[RuleFile]) -> dict[str, RuleFile]:
    """Return the rules of all tables by table; those that share an id have their table before it: `silver.stays:short`.

    So each is one of a kind in reports and commands. One that holds rows back keeps its id alone, by which the held
    rows are known.

    Raises
    ------
    ConfigError
        If two rules that hold rows back share an id.
    """
    found = {file.table: file for file in files}
    _require_own_holding_ids(found.values())
    counts = Counter(check.rule_id for file in found.values() for check in file.checks)
    return {
        table: replace(file, checks=tuple(_named(check, is_shared=counts[check.rule_id] > 1) for check in file.checks))
        for table, file in found.items()
    }


def _require_own_holding_ids(files: Iterable[RuleFile]) -> None:
    holding: dict[str, str] = {}
    for check in (check for file in files for check in file.checks if check.is_quarantining):
        other = holding.setdefault(check.rule_id, check.table)
        if other != check.table:
            raise ConfigError(
                f"{check.rule_id!r} is the id of a rule of {other} and of one of {check.table}, and both hold rows "
                "back; what is held is known by it.",
                next_step=f"Give one of them another id, and adopt {other}.dqdl or {check.table}.dqdl again: "
                "`hops dq rules adopt FILE --by NAME --reason WHY`.",
            )


def _named(check: Check, *, is_shared: bool) -> Check:
    if not is_shared or check.is_quarantining:
        return check
    return replace(check, rule_id=f"{check.table}:{check.rule_id}")


def own_id(rule_id: str) -> str:
    """Return the id that a rule has in its file."""
    return rule_id.rpartition(":")[2]


def column_names(leaf: Rule) -> tuple[str, ...]:
    """Return the columns of the judged table that a rule's parameters name."""
    if leaf.rule_type in _NAMELESS:
        return ()
    if leaf.rule_type == "ReferentialIntegrity":
        return tuple(name.strip() for name in leaf.parameters[0].split(","))
    if leaf.rule_type == "DetectAnomalies":
        return leaf.parameters[1:]
    if leaf.rule_type == "AggregateMatch":
        found = [re.fullmatch(r"\s*\w+\((\w+)\)\s*", text) for text in leaf.parameters]
        return tuple(match.group(1) for match in found if match)
    return leaf.parameters


def _recorded(ruleset: Ruleset, table: str) -> Iterator[Check]:
    """Yield the analyzers, each once."""
    for node in {analyzer.text: as_rule(analyzer) for analyzer in ruleset.analyzers}.values():
        yield Check(_id_of(node, {}, table), table, node, is_recorded=True)


def as_rule(analyzer: Analyzer) -> Rule:
    """Return an analyzer as a rule without a condition."""
    kind, names = analyzer.analyzer_type, analyzer.parameters
    return Rule(kind, names, None, "", None, {}, analyzer.text, analyzer.position)


def _check(node: Node, table: str) -> Check:
    labels = node.labels
    severity = labels.get("severity", "fail")
    if severity not in ("fail", "warn"):
        raise DqdlError(
            f'severity is {severity!r}; it is "fail" or "warn"', node.position, next_step="Correct the label."
        )
    on_failure = labels.get("on_failure", "report")
    if on_failure not in ("report", "quarantine"):
        raise DqdlError(
            f'on_failure is {on_failure!r}; it is "report" or "quarantine"',
            node.position,
            next_step="Correct the label.",
        )
    return Check(
        rule_id=_id_of(node, labels, table),
        table=table,
        node=node,
        severity="warn" if severity == "warn" else "fail",
        reason=labels.get("reason", ""),
        next_step=labels.get("next_step", ""),
        needs=labels.get("needs", ""),
        tolerated=_count_of(node, labels.get("tolerated", "0")),
        is_quarantining=on_failure == "quarantine",
    )


def _id_of(node: Node, labels: Mapping[str, str], table: str) -> str:
    """Return the label, or a name that stays the same as long as the rule does, wherever it stands in the file."""
    if "id" in labels:
        if not _ID.fullmatch(labels["id"]):
            raise DqdlError(
                f"id {labels['id']!r} holds more than letters, digits and . _ -",
                node.position,
                next_step="Correct the label.",
            )
        if labels["id"].partition(".")[0] in _RESERVED:
            raise _refused(node, f"id {labels['id']!r} is a name of the report's own")
        return labels["id"]
    first = next(leaves(node))
    names = [table.rpartition(".")[2], *(re.sub(r"\W+", "_", name) for name in column_names(first)), first.rule_type]
    return f"{'.'.join(names)[:80]}.{hashlib.sha256(_without_labels(node).encode()).hexdigest()[:6]}"


def _without_labels(node: Node) -> str:
    """Return the rule's text without labels, gaps made one blank; quoted texts stay as they are."""
    return _TEXT_OR_GAP.sub(lambda found: found[1] or " ", node.text).strip()


def _count_of(node: Node, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise _refused(node, f"tolerated is {text!r}; it is a number of rows")
    return int(text)


def _refused(node: Node, fault: str) -> DqdlError:
    return DqdlError(fault, node.position, next_step="Correct the rule's labels.")
