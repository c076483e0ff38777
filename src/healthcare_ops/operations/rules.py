"""The site's own rules: adopted by a named person, kept in all their versions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import NO_PATIENCE, Patience, lock_state
from healthcare_ops.bootstrap.configuration import adopt_rules, adopted_rules, read_rule_files, require_state
from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.clock import SystemClock
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.tables import Table
from healthcare_ops.jobs.audit_log import rules_adopted
from healthcare_ops.jobs.quality_rules import rule_files
from healthcare_ops.operations import audit
from healthcare_ops.operations.rule_lint import fitted, rules_text, table_named
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.rules.checks import (
    Check,
    RuleFile,
    judged_tables,
    read_rules,
    shipped_rules,
    version_of,
)


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
    try:
        rules = fitted(text, table)
    except DqdlError as error:
        raise error.about(str(file)) from error
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


def _table_of(file: Path) -> Table:
    if table := table_named(file):
        return table
    known = ", ".join(f"{table.id}.dqdl" for table in judged_tables())
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


def _require_own_ids(rules: RuleFile, elsewhere: Mapping[str, str], name: str) -> None:
    for check in rules.checks:
        if check.is_quarantining and check.rule_id in elsewhere:
            raise DqdlError(
                f"{check.rule_id!r} is the id of a rule of {elsewhere[check.rule_id]} that holds rows back, too; what "
                "is held is known by it",
                check.node.position,
                next_step="Give the rule another id.",
            ).about(name)


def _shipped_version(table_id: str) -> str:
    return version_of(shipped_rules().get(table_id, ""))


def _record(state: Path, table_id: str, version: str, *, by: str, reason: str, action: str) -> None:
    before = adopted_rules(state).get(table_id) or _shipped_version(table_id)
    details = {"table": table_id, "version": version, "before": before}
    audit.record(LocalObjects(state), SystemClock().now(), who=by, action=action, reason=reason, details=details)
