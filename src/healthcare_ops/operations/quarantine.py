"""Held rows: what is there, and what a person decides about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import ConfigError, NotFoundError, QualityError
from healthcare_ops.core.reasons import EXPLANATIONS, Reason
from healthcare_ops.core.tables import QUARANTINE
from healthcare_ops.jobs.audit_log import newest_decisions
from healthcare_ops.jobs.quality_rules import DECISIONS, holding_rules, kept_decisions
from healthcare_ops.operations import audit, bulk
from healthcare_ops.operations.held import of_rule
from healthcare_ops.pipeline.quality.quarantine import Decision, Kind
from healthcare_ops.pipeline.quality.report.past import DECISION

_REASONS = {reason.value for reason in Reason}


@dataclass(frozen=True)
class Decided:
    """What came of a decision: the records and days it is about, the jobs' outcomes, and a rule that stopped them.

    Of the records, `let_in` are in silver now: none but after a release, and then those that no other rule holds.
    """

    decision: Decision
    records: int
    let_in: int
    days: tuple[date, ...]
    jobs: dict[str, Any]
    failure: QualityError | None

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        decided = asdict(self.decision) | {"decided_at": self.decision.decided_at.isoformat()}
        days = [day.isoformat() for day in self.days]
        return decided | {"records": self.records, "let_in": self.let_in, "days": days, "jobs": self.jobs}


def held_records(platform: Platform) -> list[dict[str, Any]]:
    """Return the records that are held by file and number; those that were released or rejected are not."""
    rows = platform.lake.read(QUARANTINE)
    rows = rows.filter(rows.state == "held").order_by("feed_id", "delivery_seq", "record_no")
    names = ("feed_id", "batch_id", "source_file", "record_no", "reason_code", "column", "rule_ids", "state")
    found: list[dict[str, Any]] = platform.context.engine.collect(rows.select(*names)).to_pylist()
    return found


def decide(platform: Platform, kind: Kind, *, rule: str, batch_id: str, by: str, reason: str) -> Decided:
    """Decide about the records of a delivery that a rule holds, and build their days again.

    Decided again, the newest decision counts. A decision is kept before the days are built: where that is cut short,
    deciding the same once more completes it.

    Raises
    ------
    NotFoundError
        If no such rule holds records, or none of that delivery, and nobody decided about any.
    ConfigError
        If the records cannot be let in; if nobody is named, or no reason.
    """
    if kind == "release" and rule in _REASONS:
        raise ConfigError(
            f"records held as {rule} cannot be let in: {EXPLANATIONS[Reason(rule)]}.",
            next_step="Correct the feed file and run `hops backfill`, or have the supplier deliver them again.",
        )
    text = _text_in_force(platform, rule)
    by_day = _concerned(platform, rule, batch_id)
    records, days = sum(by_day.values()), tuple(by_day)
    context = platform.context
    decision = Decision(kind, rule, batch_id, by.strip(), reason.strip(), context.clock.now(), text)
    counts = {day.isoformat(): count for day, count in by_day.items()}
    details = {"rule": rule, "batch_id": batch_id, "records": records, "records_by_day": counts, "rule_text": text}
    audit.record(context.objects, decision.decided_at, who=by, action=f"dq.{kind}", reason=reason, details=details)
    _keep(platform, decision)
    try:
        run_id = bulk.new_run_id(decision.decided_at, DECISION)
        jobs = bulk.refine(platform, lambda name: None, days=frozenset(days), run_id=run_id)["jobs"]
        failure = None
    except QualityError as error:
        jobs, failure = {}, error
    let_in = _held_by_day(platform, rule, batch_id, states=("released",)) if kind == "release" else {}
    return Decided(decision, records, sum(let_in.values()), days, jobs, failure)


def _text_in_force(platform: Platform, rule: str) -> str:
    """Return what a rule says that holds records now, nothing for a reason code; `NotFoundError` if it is neither."""
    if rule in _REASONS:
        return ""
    text = holding_rules(platform.context).get(rule)
    if text is None:
        raise NotFoundError(
            f"no rule {rule!r} holds records.",
            next_step="`hops dq rules list` names the rules; records that a dropped rule held come in with "
            "`hops backfill`.",
        )
    return text


def _concerned(platform: Platform, rule: str, batch_id: str) -> dict[date, int]:
    """Return how many records of a delivery a rule holds, or would hold, by day.

    Released from one rule and held by another, a record is no longer under the name of the first: the audit log knows
    how many there were. Those that were superseded since are no more.
    """
    found = _held_by_day(platform, rule, batch_id)
    before = newest_decisions(platform.context.objects).get((rule, batch_id))
    if before is not None:
        there = _held_by_day(platform, None, batch_id)
        counts = {date.fromisoformat(day): count for day, count in before.details["records_by_day"].items()}
        found = {
            day: max(found.get(day, 0), min(counts.get(day, 0), there[day]))
            for day in there
            if day in found or day in counts
        }
    if not found:
        raise NotFoundError(
            f"rule {rule!r} holds no record of delivery {batch_id!r}.",
            next_step="`hops dq quarantine` lists rules and deliveries.",
        )
    return found


def _held_by_day(
    platform: Platform, rule: str | None, batch_id: str, states: Sequence[str] = ("held", "rejected", "released")
) -> dict[date, int]:
    """Return how many records of a delivery a rule holds, or held, by day; null: any rule."""
    rows = platform.lake.read(QUARANTINE)
    mine = rows.filter((rows.batch_id == batch_id) & rows.state.isin(states))
    if rule is not None:
        mine = mine.filter(of_rule(mine, rule))
    days = mine.group_by("dt").aggregate(records=mine.count()).order_by("dt")
    return {row["dt"]: row["records"] for row in platform.context.engine.collect(days).to_pylist()}


def _keep(platform: Platform, decision: Decision) -> None:
    kept = [*kept_decisions(platform.context), decision]
    rows = [asdict(one) | {"decided_at": one.decided_at.isoformat()} for one in kept]
    platform.context.objects.write(DECISIONS, json.dumps(rows, indent=1, ensure_ascii=False).encode())
