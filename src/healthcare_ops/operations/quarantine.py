"""Held rows: what is there, and what a person decides about it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import ConfigError, NotFoundError, QualityError
from healthcare_ops.core.reasons import EXPLANATIONS, Reason
from healthcare_ops.core.tables import ENCOUNTERS, QUARANTINE
from healthcare_ops.jobs.audit_log import newest_decisions
from healthcare_ops.jobs.quality_rules import DECISIONS, holding_rules, kept_decisions, tells_of
from healthcare_ops.jobs.silver_to_gold import silver_changes
from healthcare_ops.operations import audit, bulk
from healthcare_ops.operations.held import equal_records, of_rule
from healthcare_ops.pipeline.quality.quarantine import Decision, Kind
from healthcare_ops.pipeline.quality.report.past import DECISION

_STATE_AFTER: Mapping[Kind, str] = {"release": "released", "reject": "rejected", "hold": "held"}
_REASONS = {reason.value for reason in Reason}


@dataclass(frozen=True)
class Standing:
    """By whom the same was decided already, when and why; or a rule that holds records since they came."""

    by: str
    since: datetime
    reason: str = ""


@dataclass(frozen=True)
class Decided:
    """What came of a decision: the records and days it is about, the jobs' outcomes, and a rule that stopped them.

    The decision counts for the `records` of its delivery, and for `equal` ones that `equal_deliveries` told as well. Of
    all of these, `let_in` are in silver now: none but after a release, and then those that no other rule holds. If the
    same was decided `already`, nothing was written, but for days that were still to be built: then there are `jobs`.
    """

    decision: Decision
    records: int
    let_in: int
    days: tuple[date, ...]
    jobs: dict[str, Any]
    failure: QualityError | None
    equal: int = 0
    equal_deliveries: tuple[str, ...] = ()
    already: Standing | None = None

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        decided = asdict(self.decision) | {"decided_at": self.decision.decided_at.isoformat()}
        days = [day.isoformat() for day in self.days]
        already = self.already and asdict(self.already) | {"since": self.already.since.isoformat()}
        return decided | {
            "records": self.records,
            "equal_records": self.equal,
            "equal_deliveries": list(self.equal_deliveries),
            "let_in": self.let_in,
            "days": days,
            "jobs": self.jobs,
            "already": already,
        }


def decide(platform: Platform, kind: Kind, *, rule: str, batch_id: str, by: str, reason: str) -> Decided:
    """Decide about the records of a delivery that a rule holds, and build their days again.

    Decided again, the newest decision counts; decided the same again, nothing is written. A decision is kept before
    the days are built: where that is cut short, deciding the same once more completes it.

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
    audit.require_said("--by", by)
    audit.require_said("--reason", reason)
    text = _text_in_force(platform, rule)
    by_day = _concerned(platform, rule, batch_id)
    days = tuple(by_day)
    equal = equal_records(platform, rule, batch_id)
    decision = Decision(kind, rule, batch_id, by.strip(), reason.strip(), platform.context.clock.now(), text)
    is_so = _is_so(platform, decision, equal)
    already = _standing(platform, decision, is_so=is_so)
    if already is None:
        _write(platform, decision, by_day)
    is_waiting = silver_changes(platform.context)[ENCOUNTERS.id].days.intersection(days)
    is_built = already is not None and is_so and not is_waiting
    jobs, failure = ({}, None) if is_built else _build(platform, days)
    return Decided(
        decision,
        sum(by_day.values()),
        _let_in(platform, decision) if kind == "release" else 0,
        days,
        jobs,
        failure,
        len(equal),
        tuple(sorted({row["batch_id"] for row in equal})),
        already,
    )


def _write(platform: Platform, decision: Decision, by_day: Mapping[date, int]) -> None:
    details = {
        "rule": decision.rule,
        "batch_id": decision.batch_id,
        "records": sum(by_day.values()),
        "records_by_day": {day.isoformat(): count for day, count in by_day.items()},
        "rule_text": decision.rule_text,
    }
    audit.record(
        platform.context.objects,
        decision.decided_at,
        who=decision.by,
        action=f"dq.{decision.kind}",
        reason=decision.reason,
        details=details,
    )
    _keep(platform, decision)


def _build(platform: Platform, days: Sequence[date]) -> tuple[dict[str, Any], QualityError | None]:
    run_id = bulk.new_run_id(platform.context.clock.now(), DECISION)
    try:
        return bulk.refine(platform, lambda name: None, days=frozenset(days), run_id=run_id)["jobs"], None
    except QualityError as error:
        return {}, error


def _let_in(platform: Platform, decision: Decision) -> int:
    """Return how many records are in silver now of those that a release is about, equal ones of others included."""
    own = _held_by_day(platform, decision.rule, decision.batch_id, states=("released",))
    equal = equal_records(platform, decision.rule, decision.batch_id)
    return sum(own.values()) + len([row for row in equal if row["state"] == "released"])


def _is_so(platform: Platform, decision: Decision, equal: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether the records are in the state that the decision gives them: their days are built with it."""
    own = _own(platform, decision)
    return all(row["state"] == _STATE_AFTER[decision.kind] for row in own) and all(
        (row["state"] == "released") == (decision.kind == "release") for row in equal
    )


def _own(platform: Platform, decision: Decision) -> list[dict[str, Any]]:
    rows = platform.lake.read(QUARANTINE)
    mine = rows.filter((rows.batch_id == decision.batch_id) & of_rule(rows, decision.rule))
    found: list[dict[str, Any]] = platform.context.engine.collect(mine.select("state", "ingested_at")).to_pylist()
    return found


def _standing(platform: Platform, decision: Decision, *, is_so: bool) -> Standing | None:
    """Return by whom the same is decided already, null if deciding it would change anything.

    What was cut short is the same decision still: one that the log tells of and that was not kept, if the same person
    gives the same reason, is kept then; one whose days were not built stands unless a newer one of its rule may count.
    """
    context = platform.context
    key = (decision.rule, decision.batch_id)
    decisions = kept_decisions(context)
    kept = next((one for one in decisions if (one.rule, one.batch_id) == key), None)
    told = newest_decisions(context.objects).get(key)
    if kept is None and told is None and decision.kind == "hold" and is_so:
        came = min(row["ingested_at"] for row in _own(platform, decision))
        return Standing(decision.rule, came.replace(tzinfo=UTC))
    if told is not None and (kept is None or not tells_of(told, kept)):
        again = replace(decision, decided_at=datetime.fromisoformat(told.at))
        if tells_of(told, again) and told.details.get("rule_text") == decision.rule_text:
            _keep(platform, again)
            kept = again
    is_same = kept is not None and (kept.kind, kept.rule_text) == (decision.kind, decision.rule_text)
    if kept is None or not is_same or not tells_of(told, kept):
        return None
    is_overruled = any(one.rule == kept.rule and one.decided_at > kept.decided_at for one in decisions)
    return None if is_overruled and not is_so else Standing(kept.by, kept.decided_at, kept.reason)


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
