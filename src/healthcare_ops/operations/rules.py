"""The site's own rules: adopted by a named person, kept in all their versions, tried on the past before they count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import ibis

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import NO_PATIENCE, Patience, lock_state
from healthcare_ops.bootstrap.configuration import adopt_rules, adopted_rules, read_rule_files, require_state
from healthcare_ops.bootstrap.platform import Platform, scratch_engine
from healthcare_ops.core.clock import SystemClock
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.feed import ENCOUNTER_COLUMNS, EVENT_COLUMNS
from healthcare_ops.core.reasons import Reason
from healthcare_ops.core.tables import TABLES, Table
from healthcare_ops.jobs.audit_log import rules_adopted
from healthcare_ops.jobs.quality_reports import PAST_DAYS
from healthcare_ops.jobs.quality_rules import rule_files
from healthcare_ops.operations import audit
from healthcare_ops.operations.reading import which_of
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.parser import parse
from healthcare_ops.pipeline.quality.dqdl.syntax import Condition, Rule, leaves
from healthcare_ops.pipeline.quality.evaluate import evaluate
from healthcare_ops.pipeline.quality.report.past import (
    Identity,
    grows,
    identity_in,
    identity_of,
    kind_of,
    told_by_rule,
    values_of,
)
from healthcare_ops.pipeline.quality.rules.checks import Check, RuleFile, own_id, read_rules, shipped_rules, version_of
from healthcare_ops.pipeline.quality.rules.compiler import compile_check
from healthcare_ops.pipeline.quality.rules.conditions import holds, require_numbers
from healthcare_ops.pipeline.quality.rules.measures import ALL, Scope
from healthcare_ops.pipeline.quality.rules.refusals import NoHistoryError, NotCompilableError
from healthcare_ops.pipeline.quality.rules.where import PRIMARY

_REASONS = frozenset(reason.value for reason in Reason)


@dataclass(frozen=True)
class Listed:
    """A check in force, and whose its file is: the product's or the site's."""

    check: Check
    version: str
    is_own: bool


def rules_in_force(platform: Platform) -> list[Listed]:
    """Return all checks by table, in the order of their files; raises as `rule_files` does."""
    own = adopted_rules(platform.state)
    return [
        Listed(check, rules.version, table in own)
        for table, rules in sorted(rule_files(platform.context).items())
        for check in rules.checks
    ]


def adopt(state: Path, file: Path, *, by: str, reason: str, patience: Patience = NO_PATIENCE) -> RuleFile:
    """Let a file of rules count from the next run on; its name is that of its table.

    The rules in force of the other tables are read for ids alone, those that cannot be read are passed over: adopting
    a file is the way out where somebody broke its table's rules or another's.

    Raises
    ------
    ConfigError
        If the file is of no table that is judged, cannot be read or judged, or has a rule whose id cannot be its own,
        or if nobody or no reason is named.
    NotFoundError
        If there is no such file or state directory.
    LockedError
        If another process holds the directory, for longer than one may wait.
    """
    require_state(state)
    table = _table_of(file)
    text = rules_text(file)
    rules = _judged(text, table, str(file))
    with lock_state(state, wait_s=patience.wait_s, tell=patience.tell):
        _require_own_ids(rules, _holding_elsewhere(state, table), str(file))
        _record(state, table.id, rules.version, by=by, reason=reason, action="dq.rules.adopt")
        adopt_rules(state, table.id, text)
    return rules


def text_in_force(state: Path, table_id: str) -> str:
    """Return the rules that count for a table, as written.

    Raises
    ------
    NotFoundError
        If the table has none, or there is no such state directory.
    ConfigError
        As `read_rule_files`.
    """
    require_state(state)
    texts = read_rule_files(state)
    if table_id not in texts:
        raise NotFoundError(f"{table_id!r} has no rules.", next_step=f"Tables that have: {', '.join(sorted(texts))}.")
    return texts[table_id]


def replaced(rules: RuleFile) -> list[Check]:
    """Return the product's rules of the table that a file leaves out: with it they do not count."""
    mine = {check.rule_id for check in rules.checks}
    shipped = shipped_rules().get(rules.table)
    return [check for check in read_rules(shipped, rules.table).checks if check.rule_id not in mine] if shipped else []


def drop(state: Path, table_id: str, *, by: str, reason: str, patience: Patience = NO_PATIENCE) -> None:
    """Let the product's rules count again for a table; raises as `adopt` does."""
    require_state(state)
    with lock_state(state, wait_s=patience.wait_s, tell=patience.tell):
        # What only one of the two tells of is refused by every other command: dropping it is a way out.
        if table_id not in {*adopted_rules(state), *rules_adopted(LocalObjects(state))}:
            raise NotFoundError(
                f"the site has no rules of its own for {table_id!r}.", next_step="See `hops dq rules list`."
            )
        _record(state, table_id, _shipped_version(table_id), by=by, reason=reason, action="dq.rules.drop")
        adopt_rules(state, table_id, None)


def rules_text(file: Path) -> str:
    """Return a file of rules, less its byte order mark; `NotFoundError` or `ConfigError` if it is none."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {file}.", next_step="Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8: {error.reason}.", next_step="Save it as UTF-8.") from error


def _judged_tables() -> list[Table]:
    """Return the tables that are judged at all: those that the product has rules for."""
    shipped = shipped_rules()
    return [table for table in TABLES if table.id in shipped]


def _table_of(file: Path) -> Table:
    judged = _judged_tables()
    for table in judged:
        if file.name == f"{table.id}.dqdl":
            return table
    known = ", ".join(f"{table.id}.dqdl" for table in judged)
    raise ConfigError(f"{file.name!r} is of no table that is judged.", next_step=f"Name it as one of: {known}.")


def _holding_elsewhere(state: Path, table: Table) -> dict[str, str]:
    """Return the other table of each rule in force that holds rows back, by the rule's id, as far as they can be read.

    Whatever reads all of them names the file that cannot.
    """
    found: dict[str, str] = {}
    with suppress(ConfigError):
        for other, text in read_rule_files(state).items():
            if other != table.id:
                with suppress(ConfigError):
                    found |= {one.rule_id: other for one in read_rules(text, other).checks if one.is_quarantining}
    return found


def _judged(text: str, table: Table, name: str) -> RuleFile:
    """Return the rules if every one of them can be judged: they are, on tables without rows."""
    try:
        rules = read_rules(text, table.id)
        for check in rules.checks:
            _require_no_reason_code(check)
            _require_deliverable(check)
        with scratch_engine() as engine:
            empty = {one.id: engine.empty(_schema(one).to_pyarrow()) for one in _judged_tables()}
            judged = empty[table.id]
            evaluate(
                rules.checks,
                Scope(judged, empty),
                collect=engine.collect,
                ask=lambda sql: engine.query(sql, {PRIMARY: judged}),
                history={},
            )
    except ConfigError as error:
        raise error.about(name) from error
    return rules


def _require_own_ids(rules: RuleFile, elsewhere: Mapping[str, str], name: str) -> None:
    for check in rules.checks:
        if check.is_quarantining and check.rule_id in elsewhere:
            raise DqdlError(
                f"{check.rule_id!r} is the id of a rule of {elsewhere[check.rule_id]} that holds rows back, too; what "
                "is held is known by it",
                check.node.position,
                next_step="Give the rule another id.",
            ).about(name)


def _require_no_reason_code(check: Check) -> None:
    """Refuse an id that is a reason code; in rules that count already it is left alone, or no job would run."""
    if check.rule_id in _REASONS:
        raise DqdlError(
            f"id {check.rule_id!r} is a reason code, by which records are held that break no rule",
            check.node.position,
            next_step="Give the rule another id.",
        )


def _require_deliverable(check: Check) -> None:
    """Refuse a rule that waits for a column which no feed can ever deliver: it would never be judged."""
    known = sorted({*ENCOUNTER_COLUMNS, *EVENT_COLUMNS})
    if not check.needs or check.needs in known:
        return
    near = get_close_matches(check.needs.lower(), known, n=1)
    raise DqdlError(
        f"needs is {check.needs!r}, which no feed delivers{f'; did you mean {near[0]!r}?' if near else ''}",
        check.node.position,
        next_step=f"Correct the label; feeds deliver {', '.join(known)}.",
    )


def _schema(table: Table) -> ibis.Schema:
    return ibis.schema({column.name: column.type for column in table.columns})


def _shipped_version(table_id: str) -> str:
    return version_of(shipped_rules().get(table_id, ""))


def _record(state: Path, table_id: str, version: str, *, by: str, reason: str, action: str) -> None:
    before = adopted_rules(state).get(table_id) or _shipped_version(table_id)
    details = {"table": table_id, "version": version, "before": before}
    audit.record(LocalObjects(state), SystemClock().now(), who=by, action=action, reason=reason, details=details)


@dataclass(frozen=True)
class Tried:
    """What a rule said in a past run, and what it would have said with another threshold; null: it cannot be told.

    `rule` is what was judged then, and `is_same` whether it is what the rule in force says: of another one the value
    may be of another column, or of other rows. `version` is that of the file of rules.
    """

    run_id: str
    as_of: str
    value: float | None
    was: str
    would_be: str | None
    rule: str
    version: str
    is_same: bool


def what_if(
    platform: Platform,
    reports: Sequence[Mapping[str, Any]],
    rule_id: str,
    threshold: str,
    *,
    earlier: Sequence[Mapping[str, Any]] = (),
) -> list[Tried]:
    """Return what a rule would have said in past runs, the newest first.

    Parameters
    ----------
    threshold
        A number in the place of the rule's own, or a condition such as `>= 0.9`, `between 10 and 20` or
        `> 0.5 * avg(last(7))`, which speaks of the reports before each.
    earlier
        Reports before all of these, the newest first; of them is told only what the others are held against.

    Raises
    ------
    NotFoundError
        If no rule in force has that id.
    ConfigError
        If the threshold is no condition of numbers, or no share where the rule is about rows, or if the rule has more
        than one.
    """
    in_force = {one.check.rule_id: one for one in rules_in_force(platform)}
    listed = in_force.get(rule_id)
    if listed is None:
        next_step = which_of(rule_id, in_force, "`hops dq rules list` names them.")
        raise NotFoundError(f"there is no rule {rule_id!r}.", next_step=next_step)
    check = listed.check
    if not isinstance(check.node, Rule):
        raise ConfigError(
            f"{rule_id} joins several rules, and has no one threshold.", next_step="Adopt a changed file instead."
        )
    _require_share(check.node, threshold)
    condition = _condition(threshold, _own_condition(check))
    rule = identity_of(check, listed.version)
    of_rule = [_of_rule(report, rule) for report in (*reports, *earlier)]
    return [
        _tried(check, rule, report, section, condition, _values_before(of_rule[number + 1 :], report, section, check))
        for number, report in enumerate(of_rule[: len(reports)])
        for section in report["rules"]
    ]


def _of_rule(report: Mapping[str, Any], rule: Identity) -> Mapping[str, Any]:
    """Return a report that tells of one rule alone, whatever that said then."""
    named = [
        section
        for section in report["rules"]
        if (section["table"], own_id(section["rule_id"])) == (rule.table, rule.own_id)
    ]
    return {**report, "rules": named}


def _values_before(
    earlier: Sequence[Mapping[str, Any]], report: Mapping[str, Any], section: Mapping[str, Any], check: Check
) -> list[float]:
    """Return what the rule measured before a report, in runs like that one: `last(k)` looks at no others."""
    told = told_by_rule([one for one in earlier if _is_judged_by(one, report)])
    found = values_of(told.get(identity_in(report, section), ()), report["days"]["count"] if grows(check) else None)
    return [values[0] for values in found if values and values[0] is not None]


def _is_judged_by(earlier: Mapping[str, Any], report: Mapping[str, Any]) -> bool:
    """Tell whether rules hold a report against an earlier one: as `past_reports` has it."""
    if earlier["error"] or kind_of(earlier["run_id"]) != kind_of(report["run_id"]):
        return False
    age = datetime.fromisoformat(report["as_of"]) - datetime.fromisoformat(earlier["as_of"])
    return age < timedelta(days=PAST_DAYS)


def _own_condition(check: Check) -> Condition | None:
    """Return what the rule holds its number against; None for a rule that compares it with the runs before."""
    if next(leaves(check.node)).rule_type == "DetectAnomalies":
        return None
    kinds = {table.id: ibis.table(_schema(table), name=table.name) for table in _judged_tables()}
    ((_, found),) = compile_check(check, Scope(kinds[check.table], kinds)).leaves
    return found.condition


def _require_share(node: Rule, threshold: str) -> None:
    """Raise if a number cannot be the share of rows that a rule about their values is held against."""
    is_of_rows = node.rule_type in ("ColumnValues", "ColumnLength", "ColumnDataType")
    if is_of_rows and _is_number(threshold) and not 0 <= float(threshold) <= 1:
        raise ConfigError(
            f"--threshold {threshold} is no share: reports tell how many rows met the rule, not their values.",
            next_step="Give the share of rows that must meet it, from 0 to 1; another limit takes a new file.",
        )


def _condition(text: str, own: Condition | None) -> Condition:
    """Return the condition; a number alone takes the place of the one in the rule's own, or is the least of a share."""
    if not _is_number(text):
        written = text
    elif own is None or own == ALL:
        written = f">= {text}"
    else:
        written = f"{own.operator} {text}"
    try:
        (node,) = parse(f"Rules = [ RowCount {written} ]").rules
        if not isinstance(node, Rule) or node.condition is None or node.where or node.threshold or node.labels:
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


def _tried(
    check: Check,
    rule: Identity,
    report: Mapping[str, Any],
    section: Mapping[str, Any],
    condition: Condition,
    before: Sequence[float],
) -> Tried:
    value = section["values"][0] if section["values"] else None
    would_be: str | None = None
    if value is not None:
        with suppress(NoHistoryError):
            violations = section.get("violations", section.get("null_count"))
            is_few = bool(violations) and violations <= check.tolerated
            would_be = "pass" if holds(condition, value, before) else "warn" if is_few else check.severity
    return Tried(
        run_id=report["run_id"],
        as_of=report["as_of"],
        value=value,
        was=section["verdict"],
        would_be=would_be,
        rule=section["rule"],
        version=report["rule_versions"].get(check.table, ""),
        is_same=identity_in(report, section) == rule,
    )
