"""The split of rows into those that go on and those that checks hold back, and what people decided about the latter."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.reasons import Reason
from healthcare_ops.pipeline.quality.counts import BITS
from healthcare_ops.pipeline.quality.rules.checks import Check
from healthcare_ops.pipeline.quality.rules.compiler import CompiledCheck, compile_check
from healthcare_ops.pipeline.quality.rules.measures import Scope
from healthcare_ops.pipeline.quality.rules.where import any_of, joined

Kind = Literal["release", "reject", "hold"]


@dataclass(frozen=True)
class Decision:
    """What a person decided about the rows of a delivery that a rule holds.

    They are let in, kept out for good, or held again as if nobody had decided. `rule` is the id of a check, or a
    reason code, by which rows can only be rejected; `rule_text` is what the check said then, empty for a reason code.
    """

    kind: Kind
    rule: str
    batch_id: str
    by: str
    reason: str
    decided_at: datetime
    rule_text: str = ""


def hold(rows: ir.Table, checks: Sequence[Check], released: Mapping[str, Any]) -> ir.Table:
    """Add `rules_broken` and `rules_released`: ids of the checks that a row breaks, comma separated; null for none.

    One projection finds what each row breaks, as bits of a number a 63 checks; a second one names it.

    Parameters
    ----------
    rows
        Rows of the table that the checks are of.
    released
        By rule id: whether a row's delivery was released from it.
    """
    compiled = [compile_check(check, Scope(rows)) for check in checks if check.is_quarantining]
    if not compiled:
        return rows.mutate(rules_broken=ibis.null("string"), rules_released=ibis.null("string"))
    groups = [compiled[first : first + BITS] for first in range(0, len(compiled), BITS)]
    masks = {f"broken_{number}": _mask(group) for number, group in enumerate(groups)}
    masked = rows.mutate(**masks)
    named = masked.mutate(
        rules_broken=_names(masked, groups, released, is_released=False),
        rules_released=_names(masked, groups, released, is_released=True),
    )
    return named.drop(*masks)


def _mask(checks: Iterable[CompiledCheck]) -> Any:
    bits = [ibis.ifelse(check.passes, 0, 1 << number).cast("int64") for number, check in enumerate(checks)]
    return joined(operator.add, bits)


def _names(
    rows: ir.Table, groups: Sequence[Sequence[CompiledCheck]], released: Mapping[str, Any], *, is_released: bool
) -> Any:
    names = []
    for group_no, group in enumerate(groups):
        mask = rows[f"broken_{group_no}"]
        for number, check in enumerate(group):
            rule_id = check.check.rule_id
            is_meant = ((mask & (1 << number)) != 0) & _is_released(released, rule_id, is_released=is_released)
            names.append(ibis.ifelse(is_meant, rule_id, ibis.null("string")))
    # One call, however many rules there are: engines allow no expression that is a thousand deep. Nulls are left out.
    return ibis.literal(",").join(names).nullif("")


def _is_released(released: Mapping[str, Any], rule_id: str, *, is_released: bool) -> Any:
    if rule_id not in released:
        return ibis.literal(not is_released)
    return released[rule_id] if is_released else ~released[rule_id]


def released_rules(decisions: Iterable[Decision]) -> dict[str, list[Decision]]:
    """Return of each rule from which something was released the decisions, the oldest first."""
    found: dict[str, list[Decision]] = {}
    for decision in sorted(decisions, key=lambda decision: decision.decided_at):
        found.setdefault(decision.rule, []).append(decision)
    return {rule: mine for rule, mine in found.items() if any(decision.kind == "release" for decision in mine)}


def let_in(told: ir.Table, key: str, decisions: Sequence[Decision]) -> Any:
    """Return the keys of rows that may come in, as a column.

    Extracts tell things again: of the deliveries that told of a key, the one that was decided about last counts.

    Parameters
    ----------
    told
        `batch_id` and the key, a row for each delivery that told of it.
    decisions
        Those about one rule, the oldest first.
    """
    batches = [(told.batch_id == decision.batch_id, number) for number, decision in enumerate(decisions)]
    ranked = told.mutate(rank=ibis.cases(*batches, else_=ibis.null("int64")))
    newest = ranked.group_by(key).aggregate(rank=ranked["rank"].max())
    releases = [number for number, decision in enumerate(decisions) if decision.kind == "release"]
    return newest.filter(newest["rank"].isin(releases))[key]


def with_held(
    encounters: ir.Table, judged: Sequence[ir.Table], checks: Sequence[Check], decisions: Sequence[Decision]
) -> ir.Table:
    """Return the encounters with `rule_ids` and `rules_released`; those that a check holds back have a reason."""
    decided = released_rules(decisions)
    released = {
        check.rule_id: encounters.encounter_id.isin(let_in(standing(judged), "encounter_id", decided[check.rule_id]))
        for check in checks
        if check.rule_id in decided
    }
    rows = hold(encounters, checks, released)
    is_broken = rows.reason_code.isnull() & rows.rules_broken.notnull()
    return rows.mutate(
        rule_ids=ibis.ifelse(is_broken, rows.rules_broken, rows.reason_code),
        reason_code=ibis.ifelse(is_broken, Reason.RULE_BROKEN.value, rows.reason_code),
    ).drop("rules_broken")


def standing(judged: Sequence[ir.Table]) -> ir.Table:
    """Return which deliveries told what stands of each encounter, if only in equal words."""
    records = ibis.union(*(rows.select("encounter_id", "batch_id", "fate") for rows in judged))
    return records.filter(records.fate.isin(["applied", "duplicate"]))  # of two equal records the newer stands


def with_rejections(quarantine: ir.Table, decisions: Iterable[Decision]) -> ir.Table:
    """Return the quarantine with `rejected` as the state of held rows of which somebody decided so."""
    rejected = [
        (quarantine.batch_id == decision.batch_id)
        & ("," + quarantine.rule_ids + ",").contains(f",{decision.rule},").fill_null(False)
        for decision in decisions
        if decision.kind == "reject"
    ]
    if not rejected:
        return quarantine
    is_rejected = (quarantine.state == "held") & any_of(rejected)
    return quarantine.mutate(state=ibis.ifelse(is_rejected, "rejected", quarantine.state))
