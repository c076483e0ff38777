"""Held rows: what is there, and what a person decides about it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import ConfigError, NotFoundError, QualityError
from healthcare_ops.core.reasons import EXPLANATIONS, Reason
from healthcare_ops.core.tables import QUARANTINE
from healthcare_ops.jobs.quality_rules import DECISIONS, read_decisions
from healthcare_ops.operations import audit, bulk
from healthcare_ops.pipeline.quality.quarantine import Decision, Kind

_REASONS = {reason.value for reason in Reason}


@dataclass(frozen=True)
class Decided:
    """What came of a decision: the records and days it is about, the jobs' outcomes, and a rule that stopped them."""

    decision: Decision
    records: int
    days: tuple[date, ...]
    jobs: dict[str, Any]
    failure: QualityError | None

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        decided = asdict(self.decision) | {"decided_at": self.decision.decided_at.isoformat()}
        return decided | {"records": self.records, "days": [day.isoformat() for day in self.days], "jobs": self.jobs}


def held_records(platform: Platform) -> list[dict[str, Any]]:
    """Return the records in quarantine by file and number, with what became of them."""
    rows = platform.lake.read(QUARANTINE).order_by("feed_id", "delivery_seq", "record_no")
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
        If the rule holds no record of that delivery.
    ConfigError
        If the records cannot be let in; if nobody is named, or no reason.
    """
    if kind == "release" and rule in _REASONS:
        raise ConfigError(
            f"records held as {rule} cannot be let in: {EXPLANATIONS[Reason(rule)]}.",
            next_step="Correct the feed file and run `hops backfill`, or have the supplier deliver them again.",
        )
    records, days = _concerned(platform, rule, batch_id)
    context = platform.context
    decision = Decision(kind, rule, batch_id, by.strip(), reason.strip(), context.clock.now())
    details = {"rule": rule, "batch_id": batch_id, "records": records}
    audit.record(context.objects, decision.decided_at, who=by, action=f"dq.{kind}", reason=reason, details=details)
    _keep(platform, decision)
    try:
        jobs = bulk.refine(platform, lambda name: None, days=frozenset(days))["jobs"]
        failure = None
    except QualityError as error:
        jobs, failure = {}, error
    return Decided(decision, records, tuple(days), jobs, failure)


def _concerned(platform: Platform, rule: str, batch_id: str) -> tuple[int, list[date]]:
    rows = platform.lake.read(QUARANTINE)
    named = ("," + rows.rule_ids + ",").contains(f",{rule},")
    mine = rows.filter((rows.batch_id == batch_id) & named)
    days = mine.group_by("dt").aggregate(records=mine.count()).order_by("dt")
    found = platform.context.engine.collect(days).to_pylist()
    if not found:
        raise NotFoundError(
            f"rule {rule!r} holds no record of delivery {batch_id!r}.",
            next_step="`hops dq show --quarantine` lists rules and deliveries.",
        )
    return sum(row["records"] for row in found), [row["dt"] for row in found]


def _keep(platform: Platform, decision: Decision) -> None:
    kept = [*read_decisions(platform.context), decision]
    rows = [asdict(one) | {"decided_at": one.decided_at.isoformat()} for one in kept]
    platform.context.objects.write(DECISIONS, json.dumps(rows, indent=1, ensure_ascii=False).encode())
