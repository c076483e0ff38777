"""What a rule measured in the runs before: compared is only what the same rule measured in a run like this one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from healthcare_ops.pipeline.quality.dqdl.syntax import leaves
from healthcare_ops.pipeline.quality.rules.checks import Check, own_id

# Of more days there are more of these, or may be. What the others measure are shares, means and the like.
_GROWING = frozenset({"RowCount", "DistinctValuesCount", "Sum", "CustomSql"})
_CONSTANT = re.compile(r'"(?:\\.|[^"\\])*"|(\$)')


# A past report, with what it says of one rule.
Told = tuple[Mapping[str, Any], Mapping[str, Any]]


class Identity(NamedTuple):
    """What is the same of one rule in two runs.

    `text` is the rule as written, `version` that of its file if it speaks of a constant, whose value is no part of its
    text; empty otherwise.
    """

    table: str
    own_id: str
    text: str
    version: str


def identity_of(check: Check, version: str) -> Identity:
    """Return the identity of a rule in force, in a file of that version."""
    return _identity(check.table, check.rule_id, check.rule, version)


def identity_in(report: Mapping[str, Any], section: Mapping[str, Any]) -> Identity:
    """Return the identity of a rule of a past report."""
    table = section["table"]
    return _identity(table, section["rule_id"], section["rule"], report["rule_versions"].get(table, ""))


def told_by_rule(past: Sequence[Mapping[str, Any]]) -> Mapping[Identity, Sequence[Told]]:
    """Return what past reports say, by rule, in the order of the reports."""
    found: dict[Identity, list[Told]] = defaultdict(list)
    for report in past:
        for section in report["rules"]:
            found[identity_in(report, section)].append((report, section))
    return dict(found)


def grows(check: Check) -> bool:
    """Tell whether a part of the rule measures what grows with the number of days."""
    measured = (
        leaf.parameters[0] if leaf.rule_type == "DetectAnomalies" else leaf.rule_type for leaf in leaves(check.node)
    )
    return not _GROWING.isdisjoint(measured)


def values_of(told: Sequence[Told], days: int | None) -> list[Sequence[float | None]]:
    """Return what the rule's parts measured in the past reports, in their order.

    With a number of days, in those reports that judged as many: what grows with the days is compared so.
    """
    return [section["values"] for report, section in told if days is None or report["days"]["count"] == days]


# What the name of work begins with that judges days because somebody decided about held records, asked for it, or
# answered for what kept gold from all days that it had not taken.
DECISION, CHECK, ACCEPTANCE = "decision", "check", "acceptance"
_LIKE = {"weekly_train": "daily", DECISION: "bulk", CHECK: "bulk", ACCEPTANCE: "bulk"}


def kind_of(run_id: str) -> str:
    """Return what the run's name begins with, or what it is like.

    A training run judges a day as a daily one does; decisions and checks judge any number, as a load does.
    """
    kind = run_id.partition("-")[0]
    return _LIKE.get(kind, kind)


def made_by(run_id: str) -> str:
    """Return what made the report of a run: its kind if a person asked for it, `run` if it took in deliveries."""
    kind = run_id.partition("-")[0]
    return kind if kind in (DECISION, CHECK, ACCEPTANCE) else "run"


def _identity(table: str, rule_id: str, text: str, version: str) -> Identity:
    speaks_of_constant = any(_CONSTANT.findall(text))
    return Identity(table, own_id(rule_id), text, version if speaks_of_constant else "")
