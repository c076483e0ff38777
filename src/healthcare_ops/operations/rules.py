"""The site's own rules: adopted by a named person, kept in all their versions, tried on the past before they count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis

from healthcare_ops.bootstrap.configuration import adopt_rules, adopted_rules
from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.tables import TABLES, Table
from healthcare_ops.operations import audit
from healthcare_ops.pipeline.quality.checks import Check, RuleFile, read_rules, shipped_rules, version_of
from healthcare_ops.pipeline.quality.compiler import compile_check
from healthcare_ops.pipeline.quality.conditions import holds, require_numbers
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.parser import parse
from healthcare_ops.pipeline.quality.dqdl.syntax import Condition, Rule
from healthcare_ops.pipeline.quality.measures import Scope
from healthcare_ops.pipeline.quality.refusals import NoHistoryError, NotCompilableError


@dataclass(frozen=True)
class Listed:
    """A check in force, and whose its file is: the product's or the site's."""

    check: Check
    version: str
    is_own: bool


def rules_in_force(platform: Platform) -> list[Listed]:
    """Return all checks by table, in the order of their files."""
    own = adopted_rules(platform.state)
    found = []
    for table, text in sorted(platform.context.rules.items()):
        rules = read_rules(text, table)
        found += [Listed(check, rules.version, table in own) for check in rules.checks]
    return found


def adopt(platform: Platform, file: Path, *, by: str, reason: str) -> RuleFile:
    """Let a file of rules count from the next run on; its name is that of its table.

    Raises
    ------
    ConfigError
        If the file is of no table, cannot be read or judged, or if nobody or no reason is named.
    NotFoundError
        If there is no such file.
    """
    table = _table_of(file)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {file}.", next_step="Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8: {error}.", next_step="Save it as UTF-8.") from error
    rules = _judged(text, table, str(file))
    _record(platform, table.id, rules.version, by=by, reason=reason, action="dq.rules.adopt")
    adopt_rules(platform.state, table.id, text)
    return rules


def drop(platform: Platform, table_id: str, *, by: str, reason: str) -> None:
    """Let the product's rules count again for a table; raises as `adopt` does."""
    if table_id not in adopted_rules(platform.state):
        raise NotFoundError(
            f"the site has no rules of its own for {table_id!r}.", next_step="See `hops dq rules list`."
        )
    text = shipped_rules().get(table_id, "")
    _record(platform, table_id, version_of(text) if text else "", by=by, reason=reason, action="dq.rules.drop")
    adopt_rules(platform.state, table_id, None)


def _table_of(file: Path) -> Table:
    for table in TABLES:
        if file.name == f"{table.id}.dqdl":
            return table
    known = ", ".join(f"{table.id}.dqdl" for table in TABLES if table.layer in ("bronze", "silver", "ops"))
    raise ConfigError(f"{file.name!r} is of no table.", next_step=f"Name it as one of: {known}.")


def _judged(text: str, table: Table, name: str) -> RuleFile:
    """Return the rules if every one of them can be judged on its table."""
    kinds = {table.id: ibis.table({c.name: c.type for c in table.columns}, name=table.name) for table in TABLES}
    try:
        rules = read_rules(text, table.id)
        for check in rules.checks:
            compile_check(check, Scope(kinds[table.id], kinds))
    except DqdlError as error:
        raise error.about(name) from error
    return rules


def _record(platform: Platform, table_id: str, version: str, *, by: str, reason: str, action: str) -> None:
    before = (
        read_rules(platform.context.rules[table_id], table_id).version if table_id in platform.context.rules else ""
    )
    audit.record(
        platform.context.objects,
        platform.context.clock.now(),
        who=by,
        action=action,
        reason=reason,
        details={"table": table_id, "version": version, "before": before},
    )


@dataclass(frozen=True)
class Tried:
    """What a rule said in a past run, and what it would have said with another threshold; null: it cannot be told."""

    run_id: str
    as_of: str
    value: float | None
    was: str
    would_be: str | None


def what_if(platform: Platform, reports: Sequence[Mapping[str, Any]], rule_id: str, threshold: str) -> list[Tried]:
    """Return what a rule would have said in past runs, the newest first.

    Parameters
    ----------
    threshold
        A number in the place of the rule's own, or a condition such as `>= 0.9` or `between 10 and 20`.

    Raises
    ------
    NotFoundError
        If no rule in force has that id.
    ConfigError
        If the threshold is no condition of numbers, or the rule has more than one.
    """
    listed = next((one for one in rules_in_force(platform) if one.check.rule_id == rule_id), None)
    if listed is None:
        raise NotFoundError(f"there is no rule {rule_id!r}.", next_step="`hops dq rules` lists them.")
    check = listed.check
    if not isinstance(check.node, Rule):
        raise ConfigError(
            f"{rule_id} joins several rules, and has no one threshold.", next_step="Adopt a changed file instead."
        )
    condition = _condition(threshold, check.node)
    return [
        _tried(check, section, report, condition)
        for report in reports
        for section in report["rules"]
        if section["rule_id"] == rule_id
    ]


def _condition(text: str, rule: Rule) -> Condition:
    """Return the condition; a number alone takes the place of the one in the rule's own."""
    own = rule.threshold or rule.condition
    written = text if not _is_number(text) else f"{own.operator if own else '>='} {text}"
    try:
        (node,) = parse(f"Rules = [ RowCount {written} ]").rules
        if not isinstance(node, Rule) or node.condition is None or node.where or node.threshold:
            raise NotCompilableError("it is no condition")
        require_numbers(node.condition)
    except (DqdlError, NotCompilableError, ValueError) as error:
        raise ConfigError(
            f"--threshold {text!r} is neither a number nor a condition such as '>= 0.9'.",
            next_step="Quote the condition.",
        ) from error
    return node.condition


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _tried(check: Check, section: Mapping[str, Any], report: Mapping[str, Any], condition: Condition) -> Tried:
    value = section["values"][0] if section["values"] else None
    would_be: str | None = None
    if value is not None:
        try:
            is_met = holds(condition, value, ())
        except NoHistoryError:
            pass
        else:
            violations = section.get("violations", section.get("null_count"))
            is_few = violations is not None and violations <= check.tolerated
            would_be = "pass" if is_met else "warn" if is_few else check.severity
    return Tried(report["run_id"], report["as_of"], value, section["verdict"], would_be)
