"""The records in quarantine as stewards look at them: by rule and delivery, each with what is at fault in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Any

import ibis.expr.types as ir

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.core.reasons import Reason
from healthcare_ops.core.tables import ENCOUNTERS, ENCOUNTERS_RAW, EVENTS_RAW, QUARANTINE
from healthcare_ops.jobs.bronze_to_silver import standing_records, told_encounters
from healthcare_ops.jobs.quality_rules import holding_checks
from healthcare_ops.operations.evidence import evidence_of, known_codes, needs_encounter
from healthcare_ops.pipeline.quality.rules.checks import Check

STATES = ("held", "released", "rejected")
_BRONZE = (ENCOUNTERS_RAW, EVENTS_RAW)
_TOLD = ("feed_id", "batch_id", "source_file", "record_no", "dt", "reason_code", "column", "rule_ids", "state")
_REASONS = frozenset(reason.value for reason in Reason)
_GROUP = ("rule_ids", "feed_id", "batch_id", "source_file", "state")


@dataclass(frozen=True)
class Wanted:
    """Which records are looked at: of this rule or reason code, delivery, file, feed, day and state; empty: of any."""

    rule: str = ""
    batch_id: str = ""
    source_file: str = ""
    feed_id: str = ""
    day: date | None = None
    state: str = ""


@dataclass(frozen=True)
class Group:
    """How many records a rule, or reason code, has in quarantine of a delivery, by state."""

    rule: str
    feed_id: str
    batch_id: str
    source_file: str
    held: int = 0
    released: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Quarantine:
    """Records of the quarantine: `counts` of all by state, groups (a record of two rules is in two), the first records.

    A record is a mapping of names to plain values, with its `evidence`.
    """

    counts: Mapping[str, int]
    groups: Sequence[Group]
    records: Sequence[Mapping[str, Any]]

    @property
    def more(self) -> int:
        """Return how many records there are besides."""
        return sum(self.counts.values()) - len(self.records)

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        records = [
            {**record, "dt": record["dt"].isoformat(), "evidence": [asdict(one) for one in record["evidence"]]}
            for record in self.records
        ]
        return {
            "counts": dict(self.counts),
            "groups": [asdict(group) for group in self.groups],
            "records": records,
            "more": self.more,
        }


def look(platform: Platform, wanted: Wanted, limit: int | None = None) -> Quarantine:
    """Return the wanted records by file and number, as many as the limit allows.

    Raises
    ------
    NotFoundError
        If no rule in force, no reason code and nothing in quarantine has the name of the wanted rule.
    """
    _require_known(platform, wanted.rule)
    rows = _wanted(platform.lake.read(QUARANTINE), wanted)
    counted = platform.context.engine.collect(rows.group_by(_GROUP).aggregate(records=rows.count())).to_pylist()
    counts = {state: sum(row["records"] for row in counted if row["state"] == state) for state in STATES}
    shown = rows.order_by("feed_id", "delivery_seq", "record_no")
    return Quarantine(
        counts, _groups(counted, wanted), _records(platform, shown if limit is None else shown.limit(limit))
    )


def _require_known(platform: Platform, rule: str) -> None:
    if not rule or rule in _REASONS:
        return
    rows = platform.lake.read(QUARANTINE)
    held = platform.context.engine.collect(rows.select("rule_ids").distinct())["rule_ids"].to_pylist()
    known = {*holding_checks(platform.context), *(name for names in held for name in names.split(","))}
    if rule not in known:
        near = get_close_matches(rule, sorted({*known, *_REASONS}), n=1)
        raise NotFoundError(
            f"no rule and no reason code {rule!r} holds records.{f' Did you mean {near[0]}?' if near else ''}",
            next_step="`hops dq quarantine` lists those that do, `hops dq rules list` all rules.",
        )


def _wanted(rows: ir.Table, wanted: Wanted) -> ir.Table:
    exact = {
        "batch_id": wanted.batch_id,
        "source_file": wanted.source_file,
        "feed_id": wanted.feed_id,
        "dt": wanted.day,
        "state": wanted.state,
    }
    for name, value in exact.items():
        if value:
            rows = rows.filter(rows[name] == value)
    return rows.filter(of_rule(rows, wanted.rule)) if wanted.rule else rows


def of_rule(quarantine: ir.Table, rule: str) -> Any:
    """Tell of each record whether the rule, or reason code, is among those that hold it."""
    return ("," + quarantine.rule_ids + ",").contains(f",{rule},")


def equal_records(platform: Platform, rule: str, batch_id: str) -> list[dict[str, Any]]:
    """Return `batch_id` and `state` of the records of other deliveries for which a decision about this one counts too.

    They have the words of a record of this delivery or, of a rule of encounters, belong to an encounter of which this
    delivery told what stands. By a reason code the records of a delivery are rejected alone.
    """
    check = holding_checks(platform.context).get(rule)
    rows = platform.lake.read(QUARANTINE)
    others = rows.filter((rows.batch_id != batch_id) & of_rule(rows, rule))
    days = set(platform.context.engine.collect(others.select("dt").distinct())["dt"].to_pylist())
    if check is None or not days:
        return []
    if check.table == ENCOUNTERS.id:
        wanted = others.filter(others.encounter_id.notnull()).select("encounter_id").distinct()
        with standing_records(platform.context, wanted, days) as told:
            mine = told.filter(told.batch_id == batch_id)
            return _told(platform, others.semi_join(mine, "encounter_id"))
    (table,) = [table for table in _BRONZE if table.id == check.table]
    delivered = platform.lake.read(table)
    mine = delivered.filter(delivered.batch_id == batch_id)
    equal = delivered.filter(delivered.batch_id != batch_id).semi_join(mine, "content_hash")
    return _told(platform, others.semi_join(equal, list(QUARANTINE.key)))


def _told(platform: Platform, rows: ir.Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = platform.context.engine.collect(rows.select("batch_id", "state")).to_pylist()
    return found


def _groups(counted: Sequence[Mapping[str, Any]], wanted: Wanted) -> list[Group]:
    found: dict[tuple[str, str, str, str], dict[str, int]] = {}
    for row in counted:
        for rule in row["rule_ids"].split(","):
            if wanted.rule in ("", rule):
                states = found.setdefault((rule, row["feed_id"], row["batch_id"], row["source_file"]), {})
                states[row["state"]] = states.get(row["state"], 0) + row["records"]
    groups = [
        Group(*key, states.get("held", 0), states.get("released", 0), states.get("rejected", 0))
        for key, states in found.items()
    ]
    return sorted(groups, key=lambda one: (-one.held, -one.rejected, -one.released, one.rule, one.batch_id))


def _records(platform: Platform, shown: ir.Table) -> list[dict[str, Any]]:
    context = platform.context
    checks = holding_checks(context)
    with context.engine.stage(shown) as staged:
        rows = context.engine.collect(staged.order_by("feed_id", "delivery_seq", "record_no")).to_pylist()
        delivered = _delivered(platform, staged)
        encounters = _encounters(platform, staged, rows, checks)
    codes = {feed_id: known_codes(context.feeds.get(feed_id), context.site.sector_ids) for feed_id in _feeds(rows)}
    return [
        {name: row[name] for name in _TOLD}
        | {
            "evidence": evidence_of(
                row,
                checks,
                delivered.get(_key(row), {}),
                encounters.get(row["encounter_id"], {}),
                codes[row["feed_id"]],
            )
        }
        for row in rows
    ]


def _feeds(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    return {row["feed_id"] for row in rows}


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in QUARANTINE.key)


def _delivered(platform: Platform, staged: ir.Table) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the records as they were delivered, by the key of quarantine."""
    found = {}
    for table in _BRONZE:
        mine = staged.filter(staged.source_table == table.id).select(*QUARANTINE.key, "dt").distinct()
        rows = platform.lake.read(table).semi_join(mine, [*QUARANTINE.key, "dt"])
        found.update({_key(row): row for row in platform.context.engine.collect(rows).to_pylist()})
    return found


def _encounters(
    platform: Platform, staged: ir.Table, rows: Sequence[Mapping[str, Any]], checks: Mapping[str, Check]
) -> dict[str, dict[str, Any]]:
    """Return the encounters at fault by their pseudonym; nothing is assembled where the records tell all."""
    days: Collection[date] = {row["dt"] for row in rows if needs_encounter(row, checks)}
    if not days:
        return {}
    wanted = staged.filter(staged.encounter_id.notnull()).select("encounter_id").distinct()
    with told_encounters(platform.context, wanted, days) as told:
        found = platform.context.engine.collect(told).to_pylist()
    return {row["encounter_id"]: {name: _local(platform, value) for name, value in row.items()} for row in found}


def _local(platform: Platform, value: Any) -> Any:
    """Return an instant in the site's time, anything else as it is."""
    is_instant = isinstance(value, datetime)
    return value.replace(tzinfo=UTC).astimezone(platform.context.site.tz) if is_instant else value
