"""What a rule measured in the runs before: compared is only what the same rule measured in a run like this one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from healthcare_ops.pipeline.quality.rules.checks import Check, own_id

_CONSTANT = re.compile(r'"(?:\\.|[^"\\])*"|(\$)')


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


def sections_before(
    past: Sequence[Mapping[str, Any]], rule: Identity
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the past reports that judged a rule, in their order, each with what it says of it."""
    for report in past:
        for section in report["rules"]:
            if identity_in(report, section) == rule:
                yield report, section


def values_before(past: Sequence[Mapping[str, Any]], rule: Identity, days: int) -> list[Sequence[float | None]]:
    """Return what the rule's parts measured in the past reports that judged as many days, in their order.

    Of more days there are more rows, and nothing tells which numbers grow with them.
    """
    return [section["values"] for report, section in sections_before(past, rule) if report["days"]["count"] == days]


def kind_of(run_id: str) -> str:
    """Return what the run's name begins with; a training run judges a day as a daily one does."""
    kind = run_id.partition("-")[0]
    return "daily" if kind == "weekly_train" else kind


def _identity(table: str, rule_id: str, text: str, version: str) -> Identity:
    speaks_of_constant = any(_CONSTANT.findall(text))
    return Identity(table, own_id(rule_id), text, version if speaks_of_constant else "")
