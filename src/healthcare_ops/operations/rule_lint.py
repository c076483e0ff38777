"""Rules held against the language and the table that they are of, before they judge anything: `hops dq lint`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import ibis

from healthcare_ops.bootstrap.platform import scratch_engine
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.feed import ENCOUNTER_COLUMNS, EVENT_COLUMNS
from healthcare_ops.core.reasons import Reason
from healthcare_ops.core.tables import Table
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.recovery import without_rule
from healthcare_ops.pipeline.quality.dqdl.syntax import Rule, leaves
from healthcare_ops.pipeline.quality.evaluate import evaluate
from healthcare_ops.pipeline.quality.rules import lint as language
from healthcare_ops.pipeline.quality.rules.checks import Check, RuleFile, judged_tables, read_rules
from healthcare_ops.pipeline.quality.rules.lint import Verdict
from healthcare_ops.pipeline.quality.rules.measures import Scope
from healthcare_ops.pipeline.quality.rules.where import PRIMARY

# A file of which more is wrong is no file of rules.
_MOST_FAULTS = 20
_REASONS = frozenset(reason.value for reason in Reason)


def rules_text(file: Path) -> str:
    """Return a file of rules, less its byte order mark; `NotFoundError` or `ConfigError` if it is none."""
    if file.exists() and not file.is_file():  # a pipe may never end
        raise ConfigError(f"{file} is no file.", next_step="Name a file of rules; a folder, pipe or device is none.")
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {file}.", next_step="Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8: {error.reason}.", next_step="Save it as UTF-8.") from error


def table_named(file: Path) -> Table | None:
    """Return the table after which a file of rules is named; None if it is none that is judged."""
    return next((table for table in judged_tables() if file.name == f"{table.id}.dqdl"), None)


def table_of_id(table_id: str) -> Table:
    """Return a table that is judged; `NotFoundError` if none has that id."""
    by_id = {table.id: table for table in judged_tables()}
    if table_id not in by_id:
        near = get_close_matches(table_id, by_id, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise NotFoundError(
            f"{table_id!r} is no table that is judged.{hint}", next_step=f"Those are: {', '.join(by_id)}."
        )
    return by_id[table_id]


def lint(text: str, table: Table | None, case_id: object = None) -> Verdict:
    """Return what there is to say of a text: by itself, or of the table of which its rules are to be."""
    return language.lint(text, case_id, fits=partial(fitted, table=table) if table else None)


def faults_of(text: str, table: Table | None) -> list[Verdict]:
    """Return what there is to say of each rule of a text that is at fault, in the order of their places; none if none.

    Each is told as if the ones before it were not there; what ends the text early hides the rest of it.
    """
    found: list[Verdict] = []
    left: str | None = text
    while left is not None and len(found) < _MOST_FAULTS:
        verdict = lint(left, table)
        if verdict.compiles:
            break
        found.append(verdict)
        left = without_rule(left, verdict.line, verdict.column) if verdict.line and verdict.column else None
    return sorted(found, key=lambda one: (one.line or 0, one.column or 0))


def lint_line(line: str, number: int, table: Table | None) -> Verdict:
    """Lint the case `{id, text}` on one line of JSON; whatever is wrong with the case is in its verdict.

    A case may name the `table` of its rules; one that names none is held against the given one, if any.
    """
    try:
        case = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Verdict(None, False, False, message=f"line {number} is not JSON: {error}")
    case_id = case.get("id") if isinstance(case, dict) else None
    if not isinstance(case, dict) or not isinstance(case.get("text"), str):
        return Verdict(case_id, False, False, message=f'line {number} is not {{"id": ..., "text": "..."}}.')
    try:
        named = table_of_id(str(case["table"])) if case.get("table") is not None else table
    except NotFoundError as error:
        return Verdict(case_id, False, False, message=f"line {number}: {error.message} {error.next_step}")
    return lint(case["text"], named, case_id)


def fitted(text: str, table: Table) -> RuleFile:
    """Return the rules of a table if every one of them can be judged: they are, on tables without rows.

    Raises
    ------
    DqdlError
        With line and column of the first fault.
    """
    rules = read_rules(text, table.id)
    language.require_shares(check.node for check in rules.checks)
    for check in rules.checks:
        _require_no_reason_code(check)
        _require_deliverable(check)
    with scratch_engine() as engine:
        empty = {one.id: engine.empty(ibis.schema(one.types()).to_pyarrow()) for one in judged_tables()}
        judged = empty[table.id]
        _require_judged(
            rules.checks,
            lambda checks: evaluate(
                checks,
                Scope(judged, empty),
                collect=engine.collect,
                ask=lambda sql: engine.query(sql, {PRIMARY: judged}),
                history={},
            ),
        )
    return rules


def _require_judged(checks: Sequence[Check], judge: Callable[[Sequence[Check]], object]) -> None:
    """Judge all checks; what a database says of SQL has no place, so those that hold any are judged one by one."""
    judge([check for check in checks if _sql_of(check) is None])
    for check in checks:
        if leaf := _sql_of(check):
            try:
                judge([check])
            except DqdlError:
                raise
            except ConfigError as error:
                raise DqdlError(error.message, leaf.position, next_step=error.next_step) from error


def _sql_of(check: Check) -> Rule | None:
    return next((leaf for leaf in leaves(check.node) if leaf.rule_type == "CustomSql"), None)


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
