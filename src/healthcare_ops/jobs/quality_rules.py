"""The rules of data quality as the jobs read them, and what people decided about the rows they hold."""

from __future__ import annotations

import json
from datetime import datetime

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.tables import Table
from healthcare_ops.jobs.audit_log import Entry, newest_decisions
from healthcare_ops.jobs.context import Context
from healthcare_ops.pipeline.quality.quarantine import Decision
from healthcare_ops.pipeline.quality.rules.checks import Check, RuleFile, read_rules, told_apart

DECISIONS = "ops/quality_decisions.json"


def rule_files(context: Context) -> dict[str, RuleFile]:
    """Return the rules by table; no two of them have one id.

    Raises
    ------
    ConfigError
        If a file cannot be read, which is named, or two rules that hold rows back share an id.
    """
    return told_apart(_read(table_id, text) for table_id, text in context.rules.items())


def _read(table_id: str, text: str) -> RuleFile:
    try:
        return read_rules(text, table_id)
    except ConfigError as error:
        raise error.about(f"rules/{table_id}.dqdl") from error


def checks_of(context: Context, table: Table) -> tuple[Check, ...]:
    """Return the checks of a table; raises as `rule_files` does."""
    rules = rule_files(context).get(table.id)
    return rules.checks if rules else ()


def read_decisions(context: Context) -> list[Decision]:
    """Return what people decided about held rows: of each rule and delivery the newest decision.

    Of a rule that says something else now under its old id, nobody has decided anything.

    Raises
    ------
    ConfigError
        If one of them is not the newest that the audit log tells of: nobody answers for it; or if one is missing that
        the log tells of: what somebody let in or rejected would come out or back without a word.
    """
    decisions = kept_decisions(context)
    told = newest_decisions(context.objects)
    for decision in decisions:
        if not tells_of(told.get((decision.rule, decision.batch_id)), decision):
            about = f"--rule {decision.rule} --batch {decision.batch_id}"
            raise ConfigError(
                f"{DECISIONS} holds a {decision.kind} of {decision.rule} in {decision.batch_id} that the audit log "
                "does not tell of as the newest decision.",
                next_step=f"Decide again with `hops dq hold {about} --by NAME --reason WHY`, or put the file back.",
            )
    kept = {(decision.rule, decision.batch_id) for decision in decisions}
    for (rule, batch_id), entry in told.items():
        if entry.action != "dq.hold" and (rule, batch_id) not in kept:
            kind = entry.action.removeprefix("dq.")
            raise ConfigError(
                f"entry {entry.number} of the audit log tells of a {kind} of {rule} in {batch_id} by {entry.who} that "
                f"{DECISIONS} lacks.",
                next_step="Put the file back from a backup, or decide again: "
                f"`hops dq release|reject|hold --rule {rule} --batch {batch_id} --by NAME --reason WHY`.",
            )
    texts = holding_rules(context) if decisions else {}
    return [decision for decision in decisions if decision.rule_text == texts.get(decision.rule, "")]


def holding_rules(context: Context) -> dict[str, str]:
    """Return what each rule says that holds rows back, by its id."""
    return {rule_id: check.rule for rule_id, check in holding_checks(context).items()}


def holding_checks(context: Context) -> dict[str, Check]:
    """Return the rules that hold rows back, by id; raises as `rule_files` does."""
    checks = (check for rules in rule_files(context).values() for check in rules.checks)
    return {check.rule_id: check for check in checks if check.is_quarantining}


def tells_of(entry: Entry | None, decision: Decision) -> bool:
    """Tell whether the audit log's entry is of this decision."""
    return (
        entry is not None
        and (entry.action, entry.who, entry.reason) == (f"dq.{decision.kind}", decision.by, decision.reason)
        and entry.at == decision.decided_at.isoformat()
    )


def kept_decisions(context: Context) -> list[Decision]:
    """Return the newest decision that is kept of each rule and delivery, whoever wrote it."""
    if not context.objects.exists(DECISIONS):
        return []
    try:
        decisions = [
            Decision(**row | {"decided_at": datetime.fromisoformat(row["decided_at"])})
            for row in json.loads(context.objects.read(DECISIONS))
        ]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError(
            f"{context.objects.path(DECISIONS)} cannot be read: {error}.", next_step="Put the file back from a backup."
        ) from error
    return list({(decision.rule, decision.batch_id): decision for decision in decisions}.values())
